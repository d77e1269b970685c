"""The Debian package: lintian has no complaint, what it holds is complete, and in a bare root of this distribution it is installed,
its programs start and its Redis too, it is removed and purged, and the calls stay."""

import glob
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import harness
import render
import tools

BUILD = os.path.dirname(harness.BIN)


def start(unit):
    """Shell commands that start a unit's program as systemd would: its user, variables, credentials and words."""
    settings = {}
    for key, value in re.findall(r"(?m)^(\w+)=(.*)$", render.read("deploy", "systemd", unit + ".service")):
        settings.setdefault(key, []).append(value)
    user, folder = settings["User"][0], "/run/credentials/" + unit
    lines = [f"install -d -m 700 -o {user} {folder}"]
    for credential in settings.get("LoadCredential", []):
        name, _, source = credential.partition(":")
        lines.append(f"install -m 400 -o {user} {source} {folder}/{name}")
    if "StateDirectory" in settings:
        lines.append(f"install -d -m {settings['StateDirectoryMode'][0]} -o {user} /var/lib/{settings['StateDirectory'][0]}")
    variables = " ".join(each.replace("%d", folder) for each in settings.get("Environment", []))
    for file in settings.get("EnvironmentFile", []):
        variables += f" $(grep -v '^#' {file})"
    (command,) = settings["ExecStart"]
    lines.append(f"CREDENTIALS_DIRECTORY={folder}")
    lines.append(f"setpriv --reuid {user} --regid {user} --init-groups --bounding-set=-all --no-new-privs env {variables} {command}")
    return "\n".join(lines)


def machine(redis_is_old):
    """docs/vm.md, from the passwords to a request, in a root without systemd."""
    wait = "for try in $(seq 300); do ! {} || break; sleep 0.1; done"
    (document,) = re.findall(r"(?ms)^```sh\n(/usr/share/callhistory/redis/credentials create.*?)^```$", render.read("deploy", "docs", "vm.md"))
    commands = document.replace("\\\n", "").splitlines()
    make, issue = commands[0], commands[-1]
    (rotation,) = re.findall(r"(?ms)^```sh\n(\S+/credentials add.*?)^```$", render.read("deploy", "docs", "vm.md"))
    import_ = "callhistoryctl --service 127.0.0.1:50051 --token-file /tmp/token import /sample-calls.ndjson"
    count = """curl -s http://127.0.0.1:8080/api/crm/historycall/getAll -X GET -H "Authorization: Bearer $(cat /tmp/token)" \
        -H 'Content-Type: application/json' -d '{"vbot_id":"VBOT001","project_code":"DEMO","phone":"0912345678"}'"""
    (restore,) = re.findall(r"(?ms)^## Restore on a machine\n.*?^```sh\n(.*?)^```$", render.read("deploy", "docs", "backup-restore.md"))
    return "\n".join([
        "install -d /run/credentials", "umask 077", "REDIS_OLD=1 " + make if redis_is_old else make,
        # What systemd does with the units that are stopped and started.
        "systemctl() {", 'if [ "$1" = restart ]; then systemctl stop "$2"; fi',
        'if [ "$2" = callhistoryd ]; then pid=${service:-}; else pid=${redis:-}; fi',
        'if [ "$1" = stop ]; then kill $pid; wait $pid || true; return; fi',
        'if [ "$2" = callhistoryd ]; then', start("callhistoryd") + " 2>/dev/null &", "service=$!", "return", "fi",
        start("callhistory-redis") + " &", "redis=$!",
        wait.format("REDIS_PORT=6380 REDIS_USER=probe REDIS_SECRETS=/etc/callhistory/redis "
                    "/usr/share/callhistory/redis/cli ping >/dev/null 2>&1"), "}", "systemctl start callhistory-redis",
        "systemctl start callhistoryd", start("callhistory-gateway") + " 2>/dev/null &",
        issue.replace("reader", "writer") + " --project-code DEMO --vbot-id VBOT002 >/tmp/token",
        wait.format("curl -sf -o /dev/null http://127.0.0.1:9464/readyz"), import_, count,
        start("callhistory-backup"), "sed -i s/400d/100d/ /etc/callhistory/callhistory-retention.conf",
        start("callhistory-retention"), count, restore.replace("single-TIME.rdb", "single-*.rdb"),
        wait.format(count + " | grep '\"data\":40}'"),
        *(line + "\n" + wait.format(count + " | grep -q '\"data\":40}'") for line in rotation.splitlines()),
        count + " | sed s/data/rotated/", "ls -d /var/lib/callhistory-redis.lost/appendonlydir"])


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="callhistory-test-")
        os.chmod(cls.folder, 0o755)
        render.output("cpack", "--config", os.path.join(BUILD, "CPackConfig.cmake"), "-B", cls.folder)
        (cls.package,) = glob.glob(os.path.join(cls.folder, "*.deb"))
        cls.files = {path.removeprefix(".") for path in re.findall(r"(\./\S*[^/\s])$", render.output("dpkg-deb", "-c", cls.package), re.M)}

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder, ignore_errors=True)

    def test_lintian_has_no_complaint(self):
        _, text = tools.run("lintian", "--allow-root", "--fail-on", "error,warning", self.package, check=False)
        self.assertEqual([line for line in text.splitlines() if re.match(r"[EW]: ", line)], [])

    def test_what_the_units_name_is_in_it(self):
        for unit in (path for path in self.files if path.endswith(".service")):
            text = render.read("deploy", "systemd", os.path.basename(unit))
            for path in re.findall(r"(?m)^(?:ExecStart|EnvironmentFile)=(/\S+)", text):
                self.assertIn(path, self.files, unit)
        for name in os.listdir(os.path.join(render.DEPLOY, "redis")):
            if name != "kustomization.yaml":
                self.assertIn("/usr/share/callhistory/redis/" + name, self.files)
        for name in render.helps():
            self.assertIn(f"/usr/share/man/man1/{name}.1.gz", self.files)

    def test_configuration_is_kept_by_upgrades(self):
        configuration = {path for path in self.files if path.startswith("/etc/")}
        self.assertEqual(configuration, set(render.read("deploy", "debian", "conffiles").split()))

    def test_it_is_installed_and_removed_in_a_bare_root(self):
        root = tools.root(os.path.join(self.folder, "root"))
        shutil.copy(self.package, os.path.join(root, "callhistory.deb"))

        def inside(*command, **more):
            return tools.inside(root, *command, **more)

        inside("apt-get", "update", "-qq")
        # One of those that the package recommends.
        inside("apt-get", "install", "-y", "-qq", "--no-install-recommends", "/callhistory.deb", "redis-server", "curl")
        for name in render.helps():
            self.assertIn(render.version(), inside(name, "--version"))
        shutil.copy(os.path.join(render.DEPLOY, "local", "sample-calls.ndjson"), root)
        with open(os.path.join(root, "machine"), "w", encoding="utf-8") as file:
            file.write(machine("v=7.0" in inside("redis-server", "--version")))
        answer = inside("bash", "-eu", "/machine", offline=True)
        self.assertEqual(answer.count('"data":40}'), 2, answer)
        self.assertRegex(answer, r"(?m)^/var/backups/callhistory/single-\w+\.rdb$")
        self.assertRegex(answer, r'"calls":160,.*"deleted":true')
        self.assertRegex(answer, r'"data":0}')
        self.assertIn('"rotated":40}', answer)
        inside("apt-get", "remove", "-y", "-qq", "callhistory")
        self.assertFalse(os.path.exists(os.path.join(root, "usr", "bin", "callhistoryd")))
        self.assertTrue(os.path.exists(os.path.join(root, "etc", "callhistory", "callhistoryd.conf")))
        inside("apt-get", "purge", "-y", "-qq", "callhistory")
        self.assertFalse(os.path.exists(os.path.join(root, "etc", "callhistory")))
        self.assertTrue(os.listdir(os.path.join(root, "var", "lib", "callhistory-redis", "appendonlydir")))
        self.assertTrue(os.listdir(os.path.join(root, "var", "backups", "callhistory")))


if __name__ == "__main__":
    unittest.main()
