"""The images: the Dockerfile's rules; the root directory that `collect` makes, in which each program must start; and the images
themselves, built by buildah on a bare Debian 13 and run by runc as an unprivileged user with a read-only root and no capabilities: a
request is served and the programs drain."""

import json
import os
import re
import shlex
import shutil
import stat
import subprocess
import tempfile
import time
import unittest

import yaml

import harness
import manifests
import tools
from render import DEPLOY, helps, output, program, read, version

DOCKER = os.path.join(DEPLOY, "docker")
TARGETS = (*manifests.PROGRAMS, "valkey")
# What a root may contain besides libraries.
SHELLS = {"sh", "bash", "dash", "busybox", "perl", "python3", "apt", "apt-get", "dpkg"}


def stages():
    """The stages of the Dockerfile by name: a list of (instruction, text)."""
    found, current = {}, None
    text = re.sub(r"(?m)^\s*#.*\n", "", read("deploy", "docker", "Dockerfile")).replace("\\\n", "")
    for line in text.splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            current = found.setdefault(name, [("FROM", base)])
        elif word and current is not None:
            current.append((word, rest))
    return found


def chain(name):
    """The instructions of a stage and of those that it is made from."""
    stage = stages()[name]
    base = stage[0][1]
    return (chain(base) if base in stages() else []) + stage[1:]


def values(name, word):
    return [text for instruction, text in chain(name) if instruction == word]


class Dockerfile(unittest.TestCase):
    def test_hadolint_has_no_complaint(self):
        self.assertEqual(tools.run("hadolint", os.path.join(DOCKER, "Dockerfile"))[1], "")

    def test_each_program_has_a_target_and_the_build_is_made_once(self):
        for name in manifests.PROGRAMS:
            self.assertEqual(json.loads(values(name, "ENTRYPOINT")[-1]), ["/usr/local/bin/" + name])
            self.assertEqual(values(name, "CMD"), [])
            self.assertEqual(stages()[name][0], ("FROM", "runtime"), "one layer of libraries for all")
        builds = [text for stage in stages().values() for word, text in stage if word == "RUN" and "cmake --build" in text]
        self.assertEqual(len(builds), 1)

    def test_the_base_is_pinned(self):
        (base,) = re.findall(r"(?m)^ARG DEBIAN=(.*)$", read("deploy", "docker", "Dockerfile"))
        self.assertRegex(base, r"^docker\.io/library/debian:13-slim@sha256:[0-9a-f]{64}$")
        bases = {stage[0][1] for stage in stages().values()} - set(stages())
        self.assertEqual(bases, {"${DEBIAN}", "scratch"})

    def test_nothing_runs_as_root(self):
        for name in TARGETS:
            self.assertEqual(values(name, "USER")[-1], "65532:65532")

    def test_labels(self):
        for name in TARGETS:
            labels = " ".join(values(name, "LABEL"))
            for key in ("title", "description", "version", "revision", "source", "licenses"):
                self.assertIn(f"org.opencontainers.image.{key}=", labels, name)
            self.assertIn("VERSION=" + version(), values(name, "ARG"))

    def test_variables_are_options(self):
        for name in manifests.PROGRAMS:
            for variable in re.findall(r"CALLHISTORY_(\w+)=", " ".join(values(name, "ENV"))):
                self.assertIn("--" + variable.lower().replace("_", "-"), helps()[name])

    def test_the_context_is_what_is_copied(self):
        kept = {line[1:] for line in read(".dockerignore").splitlines() if line.startswith("!")}
        copied = {path for stage in stages().values() for word, text in stage if word == "COPY" and "--from" not in text
                  for path in text.split()[:-1]}
        for path in kept | copied:
            self.assertTrue(os.path.exists(os.path.join(harness.SOURCE, path)), path)
        for path in copied:
            self.assertTrue(any(path == each or path.startswith(each + "/") for each in kept), f"{path} is not in the context")
        for each in kept:
            self.assertTrue(any(path == each or path.startswith(each + "/") for path in copied), f"{each} is not copied")


class Compose(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.text = read("deploy", "docker", "compose.yaml")
        cls.services = yaml.safe_load(cls.text)["services"]

    # What compose-lint says and we do differently.
    ACCEPTED = {
        "CL-0019": "our images have digests when they are pushed",
        "CL-0020": "REDIS_SECRETS is the directory of the secrets, not one of them",
        "CL-0026": "no limit of CPU: memory is bounded, and one machine runs nothing else",
    }

    def test_compose_lint(self):
        _, text = tools.run("compose-lint", os.path.join(DOCKER, "compose.yaml"), check=False)
        self.assertIn("compose-lint", text)
        self.assertEqual(set(re.findall(r"(?m)^ +\d+ +[A-Z]+ +(CL-\d+)", text)), set(self.ACCEPTED))

    def test_the_images_are_those_of_this_version(self):
        for name, service in self.services.items():
            image, _, tag = service["image"].partition(":")
            self.assertIn(image.removeprefix("callhistory/"), TARGETS, name)
            self.assertEqual(tag, version())

    def test_every_service_is_hardened_and_bounded(self):
        for name, service in self.services.items():
            self.assertEqual(service["user"], "65532:65532", name)
            self.assertTrue(service["read_only"], name)
            self.assertEqual(service["cap_drop"], ["ALL"], name)
            self.assertIn("no-new-privileges:true", service["security_opt"], name)
            self.assertIn("mem_limit", service, name)
            self.assertIn("max-size", service["logging"]["options"], name)
            for port in service.get("ports", []):
                self.assertTrue(port.startswith("127.0.0.1:"), f"{name}: {port} is open to the network")

    def test_only_callhistoryd_reaches_redis(self):
        networks = yaml.safe_load(self.text)["networks"]
        self.assertTrue(networks["store"]["internal"])
        self.assertEqual({name for name, service in self.services.items() if "store" in service["networks"]}, {"redis", "callhistoryd"})

    def test_options_and_mounts_exist(self):
        for name, service in self.services.items():
            image = service["image"].split("/")[1].split(":")[0]
            for option in manifests.program_options(service.get("command", [])):
                self.assertIn(option, helps()[image], name)
            for volume in service.get("volumes", []):
                source = volume.split(":")[0]
                self.assertTrue(source.startswith("./secrets") or source in yaml.safe_load(self.text)["volumes"], volume)


def setuid(root):
    found = []
    for folder, _, files in os.walk(root):
        for name in files:
            path = os.path.join(folder, name)
            if not os.path.islink(path) and os.stat(path).st_mode & (stat.S_ISUID | stat.S_ISGID):
                found.append(path)
    return found


class Root(unittest.TestCase):
    """The root directory that collect makes, here of the programs that were just built."""

    @classmethod
    def setUpClass(cls):
        tools.need_root()
        cls.root = tempfile.mkdtemp(prefix="callhistory-test-")
        os.chmod(cls.root, 0o755)
        subprocess.run([os.path.join(DOCKER, "collect"), cls.root, *(program(name) for name in manifests.PROGRAMS)], check=True,
                       timeout=harness.WAIT_SECONDS * 3)
        for name in manifests.PROGRAMS:
            shutil.copy(program(name), os.path.join(cls.root, "usr", "local", "bin"))

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.root, ignore_errors=True)

    def test_each_program_starts_in_it(self):
        for name in manifests.PROGRAMS:
            text = output("chroot", "--userspec=65532:65532", self.root, "/usr/local/bin/" + name, "--version")
            self.assertIn(version(), text)

    def test_it_has_time_zones_and_certificates(self):
        for path in ("usr/share/zoneinfo/Asia/Ho_Chi_Minh", "etc/ssl/certs/ca-certificates.crt", "etc/nsswitch.conf"):
            self.assertTrue(os.path.getsize(os.path.join(self.root, path)))

    def test_it_has_no_shell_no_package_manager_and_no_setuid_program(self):
        names = {name for _, _, files in os.walk(self.root) for name in files}
        # Licences and time zones aside, these names would be programs.
        self.assertEqual(names & SHELLS, set())
        self.assertEqual(setuid(self.root), [])

    def test_the_bill_of_materials_names_every_package(self):
        with open(os.path.join(self.root, "usr", "share", "sbom.spdx.json"), encoding="utf-8") as file:
            sbom = json.load(file)
        listed = {package["name"]: package for package in sbom["packages"]}
        recorded = set(os.listdir(os.path.join(self.root, "var", "lib", "dpkg", "status.d")))
        self.assertEqual(set(listed), recorded)
        for wanted in ("libc6", "tzdata", "ca-certificates"):
            self.assertIn(wanted, recorded)
        for prefix in ("libgrpc", "libprotobuf-c", "libssl", "libhiredis"):
            self.assertTrue(any(name.startswith(prefix) for name in recorded), prefix)
        for name, package in listed.items():
            self.assertEqual(package["versionInfo"], output("dpkg-query", "-W", "-f", "${Version}", name))
            self.assertTrue(package["externalRefs"][0]["referenceLocator"].startswith("pkg:deb/debian/" + name + "@"))
        self.assertEqual(len({package["SPDXID"] for package in sbom["packages"]}), len(listed))


class Container:
    """An image that runc runs: user 65532, a read-only root, no capabilities, no new privileges, the host's loopback."""

    def __init__(self, folder, root, config, arguments, variables, mounts):
        self.name, self.folder = f"callhistory-test-{os.getpid()}-{os.path.basename(folder)}", folder
        os.makedirs(folder)
        environment = {"PATH": "/usr/local/bin:/usr/bin", **dict(each.split("=", 1) for each in config.get("Env", [])), **variables}
        spec = {
            "ociVersion": "1.0.2", "hostname": "test",
            "process": {"user": {"uid": 65532, "gid": 65532}, "cwd": "/", "args": config["Entrypoint"] + arguments,
                        "env": [f"{key}={value}" for key, value in environment.items()], "noNewPrivileges": True,
                        "capabilities": {each: [] for each in ("bounding", "effective", "permitted", "inheritable", "ambient")}},
            "root": {"path": root, "readonly": True},
            "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"},
                       {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
                       *({"destination": inside, "type": "bind", "source": outside, "options": ["bind", mode]}
                         for outside, inside, mode in mounts)],
            "linux": {"namespaces": [{"type": each} for each in ("pid", "mount", "ipc", "uts")],
                      "maskedPaths": ["/proc/kcore", "/proc/keys"], "readonlyPaths": ["/proc/sys"]},
        }
        with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
            json.dump(spec, file)
        self.process = harness.Process(self.name, folder, [tools.tool("runc"), "--root", folder + "-state", "run", "--bundle", folder,
                                                           self.name])

    def runc(self, *words):
        return subprocess.run([tools.tool("runc"), "--root", self.folder + "-state", *words], capture_output=True, text=True,
                              timeout=harness.WAIT_SECONDS)

    def execute(self, *words):
        done = self.runc("exec", self.name, *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def end(self):
        """SIGTERM to its first process; gives the exit status."""
        self.runc("kill", self.name, "TERM")
        return self.process.process.wait(harness.WAIT_SECONDS)


class BuiltImages(unittest.TestCase):
    """The images, built from a bare root, since the pinned base cannot be pulled here, and run."""

    @classmethod
    def setUpClass(cls):
        tools.tool("runc")
        bare = tools.bare("trixie")
        cls.folder = tempfile.mkdtemp(prefix="callhistory-test-")
        os.chmod(cls.folder, 0o755)
        cls.buildah_options = ["--root", os.path.join(tools.ROOT, "images"), "--runroot", os.path.join(cls.folder, "run"),
                               "--storage-driver", "overlay"]
        base = f"localhost/callhistory-test-debian:{int(os.stat(bare).st_mtime)}"
        if not cls.buildah("images", "--quiet", "--filter", "reference=" + base):
            container = cls.buildah("from", "scratch").strip()
            subprocess.run(["cp", "-a", bare + "/.", cls.buildah("mount", container).strip()], check=True)
            cls.buildah("commit", "--rm", container, base)
        cls.build("--isolation chroot --network host --pull-never --layers --build-arg DEBIAN=" + base)
        cls.containers, cls.roots, cls.configs = [], {}, {}
        for name in TARGETS:
            image = f"callhistory/{name}:{version()}"
            container = cls.buildah("from", "--pull-never", image).strip()
            cls.containers.append(container)
            cls.roots[name] = cls.buildah("mount", container).strip()
            cls.configs[name] = json.loads(cls.buildah("inspect", "--type", "image", image))

    @classmethod
    def build(cls, options):
        """Runs deploy/docker/build with a buildah that has a store of its own, and that does not hold up the tests beside this one."""
        folder = os.path.join(cls.folder, "bin")
        os.mkdir(folder)
        with open(os.path.join(folder, "buildah"), "w", encoding="utf-8") as file:
            words = ["nice", "-n", "15", tools.tool("buildah"), *cls.buildah_options]
            file.write(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        os.chmod(file.name, 0o755)
        done = subprocess.run([os.path.join(DOCKER, "build")], capture_output=True, text=True, timeout=1200,
                              env={**os.environ, "BUILDER": "buildah", "BUILD_OPTIONS": options, "PATH": folder + ":" + os.environ["PATH"]})
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    @classmethod
    def tearDownClass(cls):
        for container in cls.containers:
            cls.buildah("rm", container)
        shutil.rmtree(cls.folder, ignore_errors=True)

    @classmethod
    def buildah(cls, *arguments):
        done = subprocess.run([tools.tool("buildah"), *cls.buildah_options, *arguments], capture_output=True, text=True, timeout=1200)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    def test_they_hold_nothing_that_is_not_needed(self):
        for name, root in self.roots.items():
            names = {file for _, _, files in os.walk(root) for file in files}
            allowed = {"sh", "dash"} if name == "valkey" else set()
            self.assertEqual((names & SHELLS) - allowed, set(), name)
            self.assertEqual(setuid(root), [], name)
            self.assertTrue(os.path.getsize(os.path.join(root, "usr", "share", "sbom.spdx.json")), name)

    def test_the_programs_share_their_layer_of_libraries(self):
        layers = [config["OCIv1"]["rootfs"]["diff_ids"] for name, config in self.configs.items() if name != "valkey"]
        self.assertEqual(len({each[0] for each in layers}), 1)
        self.assertTrue(all(len(each) == 2 for each in layers), layers)

    def test_labels_are_filled_in(self):
        for name, config in self.configs.items():
            labels = config["OCIv1"]["config"]["Labels"]
            # Not exactly this revision: buildah takes a layer from its cache although the argument has changed.
            self.assertRegex(labels["org.opencontainers.image.revision"], "^([0-9a-f]{40}|unknown)$", name)
            self.assertTrue(labels["org.opencontainers.image.source"], name)
            self.assertEqual(labels["org.opencontainers.image.version"], version(), name)

    def test_the_bills_of_materials_are_handed_out(self):
        for name in TARGETS:
            with open(os.path.join(harness.SOURCE, "build", "sbom", name + ".spdx.json"), encoding="utf-8") as file:
                self.assertGreater(len(json.load(file)["packages"]), 3, name)

    def test_they_serve_a_request_and_drain(self):
        data, secrets = os.path.join(self.folder, "data"), os.path.join(self.folder, "secrets")
        os.mkdir(data)
        subprocess.run([os.path.join(DEPLOY, "redis", "credentials"), "create", secrets], check=True, timeout=harness.WAIT_SECONDS)
        for folder in (data, secrets):
            subprocess.run(["chown", "-R", "65532:65532", folder], check=True)
        redis, service, metrics, gateway = (harness.free_port() for _ in range(4))

        def container(name, arguments, variables, mounts, again=""):
            made = Container(os.path.join(self.folder, name + again), self.roots[name], self.configs[name]["OCIv1"]["config"], arguments,
                             variables, mounts)
            made.process.start()
            self.addCleanup(made.process.stop)
            self.addCleanup(made.runc, "delete", "--force", made.name)
            return made

        server = ("valkey", [], {"REDIS_BIND": "127.0.0.1", "REDIS_PORT": redis, "REDIS_SECRETS": "/secrets",
                                 "REDIS_MEMORY_LIMIT": 256 * 1024 * 1024}, [(data, "/data", "rw"), (secrets, "/secrets", "ro")])
        store = container(*server)
        service_of = container("callhistoryd", [f"--redis=redis://callhistory:@127.0.0.1:{redis}", "--workers=1",
                                                "--redis-password-file=/secrets/callhistory-password"],
                               {"CALLHISTORY_LISTEN": f"127.0.0.1:{service}", "CALLHISTORY_METRICS": f"127.0.0.1:{metrics}"},
                               [(secrets, "/secrets", "ro")])
        front = container("callhistory-gateway", [f"--service=127.0.0.1:{service}", "--workers=1"],
                          {"CALLHISTORY_LISTEN": f"127.0.0.1:{gateway}"}, [])
        stack = harness.Stack()
        self.addCleanup(shutil.rmtree, stack.folder, True)
        stack.gateway_port, stack.metrics_port = gateway, metrics

        def ready():
            try:
                return "callhistory_redis_connections 1" in stack.metrics() and stack.request("GET", "/readyz")[0] == 200
            except OSError:
                return False

        harness.wait_until(ready, "the containers")
        control = ("callhistoryctl", "--redis", f"redis://callhistory:@127.0.0.1:{redis}", "--redis-password-file",
                   "/secrets/callhistory-password")
        for role in ("reader", "writer"):
            stack._tokens[role] = service_of.execute(*control, "token", "issue", "--role", role, "--project-code", harness.PROJECT,
                                                     "--vbot-id", harness.VBOT).strip()
        stack.service_address = f"127.0.0.1:{service}"
        stack.import_lines([harness.call("0904000001", second) for second in range(5)])
        self.assertEqual(stack.count("0904000001"), 5)
        self.assertIn("8.", store.execute("/etc/redis/cli", "info", "server").split("valkey_version:")[1][:3])
        pid = json.loads(service_of.runc("state", service_of.name).stdout)["pid"]
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            status = file.read()
        self.assertRegex(status, r"(?m)^Uid:\s+65532\s+65532")
        self.assertRegex(status, r"(?m)^CapBnd:\s+0+$")
        self.assertRegex(status, r"(?m)^NoNewPrivs:\s+1$")
        # Valkey finds in its log what scripts wrote, and the programs find Valkey.
        self.assertEqual(store.end(), 0, store.process.log_text()[-2000:])
        store = container(*server, again="-again")
        harness.wait_until(ready, "the store")
        self.assertEqual(stack.count("0904000001"), 5)
        for each in (front, service_of, store):
            self.assertEqual(each.end(), 0, each.process.log_text()[-2000:])


    def test_compose_runs_them(self):
        """compose.yaml with a Docker daemon of its own: the commands in its head, an import, and its end, which keeps the calls."""
        debian = tools.root(os.path.join(self.folder, "docker"), "trixie")
        with open(os.path.join(debian, "usr", "sbin", "policy-rc.d"), "w", encoding="ascii") as file:
            file.write("#!/bin/sh\nexit 101\n")
        os.chmod(file.name, 0o755)
        tools.inside(debian, "apt-get", "update", "-qq")
        tools.inside(debian, "apt-get", "install", "-y", "-qq", "--no-install-recommends", "docker.io", "docker-cli", "docker-compose",
                     "iptables", "curl")
        images = {service["image"] for service in yaml.safe_load(read("deploy", "docker", "compose.yaml"))["services"].values()}
        for number, image in enumerate(images):
            self.buildah("push", image, f"docker-archive:{debian}/image{number}:{image}")
        shutil.copytree(DEPLOY, os.path.join(debian, "deploy"))
        head = re.match(r"(?:#.*\n)+", read("deploy", "docker", "compose.yaml"))[0]
        build, make, *commands = re.findall(r"(?m)^#  (.*)$", head)
        (down,) = re.findall("`(docker compose .* down)`", head)
        self.assertEqual(build, " deploy/docker/build")
        (up,) = [command for command in commands if command.endswith("up --detach")]
        request = "\n".join(commands[-2:])
        script = "\n".join([
            "set -eu; mkdir -p /var/lib/docker; mount -t tmpfs tmpfs /var/lib/docker; mount -t tmpfs tmpfs /run; cd /",
            "dockerd >/dockerd.log 2>&1 & daemon=$!",
            "for try in $(seq 150); do ! docker version >/dev/null 2>&1 || break; sleep 0.2; done",
            *(f"docker load --quiet --input /image{number}" for number in range(len(images))),
            make, "shopt -s expand_aliases", up + " --wait", *(command for command in commands if command is not up),
            down, up + " --wait", "until " + request.replace("\\\n", "") + " | grep data; do sleep 0.2; done", down + " --volumes",
            "docker volume ls --quiet --filter name=callhistory | sed 's/^/left: /'",
            "kill $daemon; wait $daemon || true"])
        answer = tools.inside(debian, "bash", "-c", script, offline=True)
        self.assertEqual(answer.count('"data":40}'), 2, answer)
        self.assertIn("recorded 200", answer)
        self.assertNotIn("left: ", answer)


if __name__ == "__main__":
    unittest.main()
