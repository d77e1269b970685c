"""The Debian package: lintian has no complaint, and what it holds is complete. With CALLHISTORY_LONG=1 it is installed in a bare root
of this distribution, where its programs start, removed and purged, and the calls stay."""

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
        root = os.path.join(self.folder, "root")
        with open("/etc/os-release", encoding="utf-8") as file:
            codename = re.search(r"VERSION_CODENAME=(\w+)", file.read())[1]
        tools.run("debootstrap", "--variant=minbase", codename, root)
        shutil.copy(self.package, os.path.join(root, "callhistory.deb"))

        def inside(*command):
            done = subprocess.run(["chroot", root, "env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C", *command], capture_output=True,
                                  text=True, timeout=tools.SECONDS)
            self.assertEqual(done.returncode, 0, done.stdout[-2000:] + done.stderr[-2000:])
            return done.stdout

        inside("apt-get", "install", "-y", "-qq", "--no-install-recommends", "/callhistory.deb")
        for name in render.helps():
            self.assertIn(render.version(), inside(name, "--version"))
        self.assertIn("callhistory-redis", inside("id", "callhistory-redis"))
        inside("/usr/share/callhistory/redis/credentials", "create", "/etc/callhistory/redis")
        calls = os.path.join(root, "var", "lib", "callhistory-redis")
        os.makedirs(calls, exist_ok=True)
        with open(os.path.join(calls, "kept"), "w", encoding="ascii") as file:
            file.write("calls")
        inside("apt-get", "remove", "-y", "-qq", "callhistory")
        self.assertFalse(os.path.exists(os.path.join(root, "usr", "bin", "callhistoryd")))
        self.assertTrue(os.path.exists(os.path.join(root, "etc", "callhistory", "callhistoryd.conf")))
        inside("apt-get", "purge", "-y", "-qq", "callhistory")
        self.assertFalse(os.path.exists(os.path.join(root, "etc", "callhistory")))
        self.assertTrue(os.path.exists(os.path.join(calls, "kept")))


if not os.environ.get("CALLHISTORY_LONG"):
    del Package.test_it_is_installed_and_removed_in_a_bare_root

if __name__ == "__main__":
    unittest.main()
