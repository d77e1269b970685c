"""What deploy/ promises, held against the programs that were built: images, Kubernetes manifests, the Redis they start, metrics in
alerts and dashboard. Each check is also shown a manifest that breaks it."""

import copy
import http.client
import json
import os
import re
import shutil
import subprocess
import unittest

import grpc
import yaml

import harness
import manifests
from harness import call

DEPLOY = os.path.join(harness.SOURCE, "deploy")
# A HealthCheckResponse with status SERVING, as bytes.
SERVING = b"\x08\x01"
# Packages that every image of Debian has, and those that a sanitizer brings.
GIVEN = re.compile(r"libc6$|libgcc-s1$|lib(a|t|l|ub)san\d")


def read(*path):
    with open(os.path.join(harness.SOURCE, *path), encoding="utf-8") as file:
        return file.read()


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=harness.WAIT_SECONDS,
                          env=harness.clean_environment()).stdout


def program(name):
    return os.path.join(harness.BIN, name)


def helps():
    return {name: output(program(name), "--help") for name in manifests.PROGRAMS}


def version():
    return re.search(r"project\(callhistory VERSION (\S+)", read("CMakeLists.txt"))[1]


# -- Images -------------------------------------------------------------------------------------------------------------


class Dockerfile:
    """The instructions of a Dockerfile, by stage."""

    def __init__(self, name):
        text = re.sub(r"(?m)^#.*\n", "", read("deploy", "docker", name + ".Dockerfile")).replace("\\\n", "")
        self.stages = [stage.splitlines() for stage in re.split(r"(?m)^(?=FROM )", text) if stage.strip()]

    def all(self, word, stage=-1):
        return [line.partition(" ")[2].strip() for line in self.stages[stage] if line.startswith(word + " ")]

    def packages(self):
        (line,) = [line for line in self.all("RUN") if "apt-get install" in line]
        return set(re.search(r"--no-install-recommends (.*?)&&", line)[1].split())

    def programs(self):
        (line,) = [line for line in self.all("COPY") if line.startswith("--from=build ")]
        return [os.path.basename(path) for path in line.split()[1:-1]]


def owners(paths):
    """The Debian packages that libraries are from, but for those that need not be named."""
    spellings = {path: {path, os.path.realpath(path), path.removeprefix("/usr")} for path in paths}
    listing = subprocess.run(["dpkg", "-S", *set().union(*spellings.values())], capture_output=True, text=True).stdout
    package_of = {path: package.split(":")[0] for package, path in re.findall(r"(?m)^(\S+): (/.*)$", listing)}
    found = set()
    for path, names in spellings.items():
        packages = {package_of[name] for name in names if name in package_of}
        assert packages, f"no package has {path}"
        found |= packages
    return {package for package in found if not GIVEN.match(package)}


def needed(binary):
    """Packages of the libraries that a program names itself."""
    names = re.findall(r"NEEDED\)\s+Shared library: \[(.+?)\]", output("readelf", "-d", binary))
    places = dict(re.findall(r"(?m)^\s*(\S+) => (\S+)", output("ldd", binary)))
    return owners([places[name] for name in names if name in places])


def loaded(binary):
    """Packages of all libraries that end up in the process."""
    return owners(re.findall(r"=> (/\S+)", output("ldd", binary)))


def with_dependencies(packages):
    """The packages and all that come with them."""
    depends = {}
    listing = output("dpkg-query", "-W", "-f", "${Package}\t${Depends},${Pre-Depends}\n")
    for line in listing.splitlines():
        package, _, text = line.partition("\t")
        depends.setdefault(package, set()).update(re.findall(r"(?:^|[,|])\s*([a-z0-9][a-z0-9+.-]*)", text))
    found, left = set(), list(packages)
    while left:
        package = left.pop()
        if package not in found:
            found.add(package)
            left += depends.get(package, ())
    return found


class Images(unittest.TestCase):
    def test_libraries_are_those_that_the_programs_need(self):
        for name in manifests.PROGRAMS:
            file = Dockerfile(name)
            listed = file.packages() - {"tzdata"}
            named = set().union(*(needed(program(each)) for each in file.programs()))
            everything = set().union(*(loaded(program(each)) for each in file.programs()))
            self.assertEqual(named - listed, set(), f"{name}: not installed")
            self.assertEqual(listed - everything, set(), f"{name}: of no use")
            self.assertEqual(everything - with_dependencies(listed), set(), f"{name}: not installed, nor by another")

    def test_a_missing_library_is_found(self):
        self.assertIn("libprotobuf-c1", needed(program("callhistoryd")))
        self.assertIn("libgrpc29", needed(program("callhistory-gateway")))
        self.assertTrue(loaded(program("callhistoryd")) - with_dependencies({"libprotobuf-c1"}))

    def test_each_program_has_an_image_of_its_own(self):
        for name in manifests.PROGRAMS:
            file = Dockerfile(name)
            self.assertEqual(json.loads(*file.all("ENTRYPOINT")), ["/usr/local/bin/" + name])
            self.assertIn(name, file.programs())
            self.assertEqual(file.all("CMD"), [])

    def test_nothing_runs_as_root(self):
        for name in manifests.PROGRAMS:
            (user,) = Dockerfile(name).all("USER")
            self.assertRegex(user, r"^[1-9]\d*:[1-9]\d*$")

    def test_the_build_is_made_once(self):
        stages = [Dockerfile(name).stages[0] for name in manifests.PROGRAMS]
        self.assertEqual(stages[0], stages[1])
        self.assertEqual(stages[0], stages[2])
        self.assertIn("deploy/local/install build", Dockerfile("callhistoryd").all("RUN", 0))

    def test_the_context_holds_what_is_copied(self):
        kept = {line[1:] for line in read(".dockerignore").splitlines() if line.startswith("!")}
        copied = {path for line in Dockerfile("callhistoryd").all("COPY", 0) for path in line.split()[:-1]}
        self.assertEqual(copied, kept)
        for path in kept:
            self.assertTrue(os.path.exists(os.path.join(harness.SOURCE, path)), path)

    def test_variables_are_options(self):
        for name in manifests.PROGRAMS:
            for variable in re.findall(r"CALLHISTORY_(\w+)=", " ".join(Dockerfile(name).all("ENV"))):
                self.assertIn("--" + variable.lower().replace("_", "-"), helps()[name])

    def test_labels(self):
        for name in manifests.PROGRAMS:
            labels = " ".join(Dockerfile(name).all("LABEL"))
            for key in ("title", "description", "version", "revision", "licenses"):
                self.assertIn(f"org.opencontainers.image.{key}=", labels)
            self.assertIn("VERSION=" + version(), Dockerfile(name).all("ARG"))


# -- Kubernetes ---------------------------------------------------------------------------------------------------------


def secret():
    return yaml.safe_load(output(os.path.join(DEPLOY, "kubernetes", "redis-secret")))


class Rendered(unittest.TestCase):
    """Tests of what `kubectl kustomize` makes of the base."""

    @classmethod
    def setUpClass(cls):
        if not shutil.which("kubectl"):
            raise unittest.SkipTest("kubectl is not on this machine")
        cls.documents = manifests.load(output("kubectl", "kustomize", os.path.join(DEPLOY, "kubernetes", "base")))

    def workload(self, name, documents=None):
        (found,) = [w for w in manifests.workloads(documents or self.documents) if w["metadata"]["name"] == name]
        return found

    def container(self, name, documents=None):
        (found,) = manifests.containers(self.workload(name, documents))
        return found


class Kubernetes(Rendered):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.helps, cls.secret = helps(), secret()

    def problems(self, documents):
        return manifests.problems(documents, self.helps, self.secret, version())

    def test_the_base_keeps_all_rules(self):
        self.assertEqual(self.problems(self.documents), [])

    def test_redis_gets_the_one_configuration(self):
        (config,) = [d for d in manifests.of_kind(self.documents, "ConfigMap")]
        self.assertEqual(config["data"]["redis.conf"], read("deploy", "redis.conf"))

    def test_a_secret_is_made_anew_each_time(self):
        self.assertNotEqual(secret()["stringData"], self.secret["stringData"])
        password = re.search(r":([0-9a-f]{64})@", self.secret["stringData"]["url"])[1]
        self.assertNotIn(password, self.secret["stringData"]["users.acl"])

    def breaks(self, sentence, change):
        """Changes a copy of the manifests, and expects the problem to be found."""
        documents = copy.deepcopy(self.documents)
        change(documents)
        found = self.problems(documents)
        self.assertTrue(any(sentence in problem for problem in found), f"{sentence}: not found, but {found}")

    def test_what_breaks_a_container_is_found(self):
        def service(documents):
            return self.container("callhistoryd", documents)

        for probe in ("readinessProbe", "livenessProbe", "startupProbe"):
            self.breaks(f"no {probe}", lambda d, p=probe: service(d).pop(p))
        self.breaks("no memory in limits", lambda d: service(d)["resources"]["limits"].pop("memory"))
        self.breaks("no cpu in requests", lambda d: service(d)["resources"]["requests"].pop("cpu"))
        self.breaks("may gain privileges", lambda d: service(d)["securityContext"].pop("allowPrivilegeEscalation"))
        self.breaks("can write to its image", lambda d: service(d)["securityContext"].pop("readOnlyRootFilesystem"))
        self.breaks("keeps capabilities", lambda d: service(d)["securityContext"]["capabilities"].update(add=["NET_ADMIN"]))
        self.breaks("has no version", lambda d: service(d).update(image="callhistory/callhistoryd:latest"))
        self.breaks("asks port", lambda d: service(d)["livenessProbe"]["httpGet"].update(port="nowhere"))
        self.breaks("asks port", lambda d: service(d)["readinessProbe"]["grpc"].update(port=50052))
        self.breaks("holds a secret itself", lambda d: service(d)["env"].append({"name": "X_PASSWORD", "value": "p"}))
        self.breaks("holds a secret itself", lambda d: service(d)["env"].append({"name": "X", "value": "redis://u:p@h"}))
        self.breaks("a secret among the arguments", lambda d: service(d)["args"].append("--redis=redis://u:p@h"))
        self.breaks("has no option --no-such-option", lambda d: service(d)["args"].append("--no-such-option=1"))
        self.breaks("reads no CALLHISTORY_NONE", lambda d: service(d)["env"].append({"name": "CALLHISTORY_NONE", "value": "1"}))
        self.breaks("not as many workers", lambda d: service(d)["resources"]["limits"].update(cpu="4"))
        self.breaks("stops serving before", lambda d: service(d).pop("lifecycle"))
        self.breaks("no container runs callhistoryd", lambda d: service(d).update(image="other:1"))
        self.breaks("no volume", lambda d: self.container("callhistory-redis", d)["volumeMounts"][0].update(name="none"))
        self.breaks("its data is on no volume", lambda d: self.container("callhistory-redis", d)["volumeMounts"].pop(0))
        self.breaks("is no headless Service", lambda d: self.container("callhistory-gateway", d)["args"].append("--service=x:1"))

    def test_what_breaks_a_pod_is_found(self):
        def pod(documents, name="callhistory-gateway"):
            return manifests.pod(self.workload(name, documents))["spec"]

        self.breaks("may run as root", lambda d: pod(d)["securityContext"].pop("runAsNonRoot"))
        self.breaks("no seccomp profile", lambda d: pod(d)["securityContext"].pop("seccompProfile"))
        self.breaks("mounts a token", lambda d: pod(d).pop("automountServiceAccountToken"))
        self.breaks("read as options", lambda d: pod(d).pop("enableServiceLinks"))
        self.breaks("the host's namespaces", lambda d: pod(d).update(hostNetwork=True))
        self.breaks("a path of the host", lambda d: pod(d).update(volumes=[{"name": "x", "hostPath": {"path": "/"}}]))
        self.breaks("killed before its grace", lambda d: pod(d).update(terminationGracePeriodSeconds=25))
        self.breaks("all Pods may stand on one node", lambda d: pod(d).pop("topologySpreadConstraints"))
        self.breaks("no ServiceAccount", lambda d: pod(d).update(serviceAccountName="other"))
        self.breaks("no ConfigMap", lambda d: pod(d, "callhistory-redis")["volumes"][0]["configMap"].update(name="other"))
        self.breaks("has no key", lambda d: pod(d, "callhistory-redis")["volumes"][1]["secret"]["items"][0].update(key="other"))
        self.breaks("no key other", lambda d: self.container("callhistoryd", d)["env"][0]["valueFrom"]["secretKeyRef"].update(key="other"))

    def test_what_breaks_the_rest_is_found(self):
        def one(documents, kind, name):
            (found,) = [d for d in manifests.of_kind(documents, kind) if d["metadata"]["name"] == name]
            return found

        self.breaks("a secret in the manifests", lambda d: d.append({"kind": "Secret", "metadata": {"name": "x"}}))
        self.breaks("gives a token away", lambda d: one(d, "ServiceAccount", "callhistoryd").pop("automountServiceAccountToken"))
        self.breaks("selects 0 workloads", lambda d: one(d, "Service", "callhistoryd")["spec"]["selector"].update(x="y"))
        self.breaks("has no port", lambda d: one(d, "Service", "callhistoryd")["spec"]["ports"][0].update(targetPort="x"))
        self.breaks("is no headless Service", lambda d: one(d, "Service", "callhistoryd")["spec"].pop("clusterIP"))
        self.breaks("the Secret's url", lambda d: one(d, "Service", "callhistory-redis")["spec"]["ports"][0].update(port=1))
        self.breaks("0 disruption budgets", lambda d: d.remove(one(d, "PodDisruptionBudget", "callhistoryd")))
        self.breaks("all Pods may be away", lambda d: one(d, "PodDisruptionBudget", "callhistoryd")["spec"].update(maxUnavailable=2))
        self.breaks("one Pod alone", lambda d: one(d, "Deployment", "callhistoryd")["spec"].update(replicas=1))
        self.breaks("takes Pods away", lambda d: one(d, "Deployment", "callhistoryd")["spec"]["strategy"].update(
            rollingUpdate={"maxUnavailable": 1}))
        self.breaks("does not select its own", lambda d: one(d, "Deployment", "callhistoryd")["spec"]["selector"]["matchLabels"].update(x="y"))
        self.breaks("no policy denies", lambda d: d.remove(one(d, "NetworkPolicy", "default-deny")))
        self.breaks("callhistory-gateway → callhistoryd: not allowed",
                    lambda d: one(d, "NetworkPolicy", "callhistory-gateway")["spec"].pop("egress"))
        self.breaks("callhistory-gateway → callhistory-redis: allowed", lambda d: (
            one(d, "NetworkPolicy", "callhistory-gateway")["spec"]["egress"].append(
                {"to": [{"podSelector": {}}], "ports": [{"port": "redis"}]}),
            one(d, "NetworkPolicy", "callhistory-redis")["spec"]["ingress"][0]["from"].append({"podSelector": {}})))
        self.breaks("NetworkPolicy/callhistoryd: no port", lambda d: one(d, "NetworkPolicy", "callhistoryd")["spec"]["ingress"][0]["ports"][0].update(port="x"))
        self.breaks("no label app.kubernetes.io/component",
                    lambda d: one(d, "Service", "callhistoryd")["metadata"]["labels"].pop("app.kubernetes.io/component"))
        self.breaks("is not version", lambda d: self.container("callhistoryd", d).update(image="callhistory/callhistoryd:9.9.9"))


class TheManifestsRun(Rendered):
    """What the manifests start, started here with their arguments, variables and files; only places are others."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.stack = stack = harness.Stack()
        cls.values = secret()["stringData"]
        cls.redis_port = harness.free_port()
        cls.data = os.path.join(stack.folder, "data")
        os.mkdir(cls.data)
        (config,) = manifests.of_kind(cls.documents, "ConfigMap")
        for name, text in (("redis.conf", config["data"]["redis.conf"]), ("users.acl", cls.values["users.acl"])):
            with open(os.path.join(stack.folder, name), "w", encoding="utf-8") as file:
                file.write(text)
        stack.redis_url = cls.values["url"].replace("callhistory-redis:6379", f"127.0.0.1:{cls.redis_port}")
        cls.places = {
            "/etc/redis/redis.conf": os.path.join(stack.folder, "redis.conf"),
            "/etc/redis-users/users.acl": os.path.join(stack.folder, "users.acl"),
            "/data": cls.data, "*": "127.0.0.1", "6379": str(cls.redis_port), "redis-server": harness.REDIS_SERVER,
            "0.0.0.0:50051": stack.service_address, "0.0.0.0:9464": f"127.0.0.1:{stack.metrics_port}",
            "0.0.0.0:8080": f"127.0.0.1:{stack.gateway_port}", "dns:///callhistoryd:50051": f"dns:///localhost:{stack.service_port}",
        }
        cls.ports = {6379: cls.redis_port, 50051: stack.service_port, 9464: stack.metrics_port, 8080: stack.gateway_port}
        cls.containers = {container["name"]: container for _, _, container in manifests.each_container(cls.documents)}
        stack.redis.arguments = cls.here(cls.containers["redis"]["command"] + cls.containers["redis"]["args"])
        stack.redis.arguments += ["--unixsocket", stack.redis_socket]
        for process in (stack.service, stack.gateway):
            container = cls.containers[process.name]
            variables = [f"{each['name']}={stack.redis_url}" for each in container.get("env", [])]
            process.arguments = ["env", *variables, program(process.name), *cls.here(container["args"])]
        stack.start()
        cls.wait_ready()

    @classmethod
    def tearDownClass(cls):
        cls.stack.stop()

    @classmethod
    def wait_ready(cls):
        """Until every worker is ready: each connection reaches one of them, so many must be content in a row."""
        for name in ("redis", "callhistoryd", "callhistory-gateway"):
            harness.wait_until(lambda: all(cls.probe(cls.containers[name], "readinessProbe") for _ in range(20)), f"{name} ready")

    @classmethod
    def here(cls, words):
        """The words of a manifest, with the places of this test."""
        found = []
        for word in words:
            option, equals, value = word.partition("=")
            found.append(option + equals + cls.places.get(value, value) if equals else cls.places.get(word, word))
        return found

    @classmethod
    def probe(cls, container, probe):
        """Probes as the kubelet does; gives whether it is content."""
        action = container[probe]
        named = {port["name"]: port["containerPort"] for port in container["ports"]}

        def port(of):
            return cls.ports[named.get(of["port"], of["port"])]

        if "exec" in action:
            return subprocess.run(cls.here(action["exec"]["command"]), capture_output=True, timeout=harness.WAIT_SECONDS).returncode == 0
        if "tcpSocket" in action:
            return harness.connects(port(action["tcpSocket"]))
        if "httpGet" in action:
            connection = http.client.HTTPConnection("127.0.0.1", port(action["httpGet"]), timeout=harness.WAIT_SECONDS)
            try:
                connection.request("GET", action["httpGet"]["path"])
                return 200 <= connection.getresponse().status < 400
            except OSError:
                return False
            finally:
                connection.close()
        with grpc.insecure_channel(f"127.0.0.1:{port(action['grpc'])}") as channel:
            check = channel.unary_unary("/grpc.health.v1.Health/Check")
            try:
                return check(b"", timeout=harness.WAIT_SECONDS) == SERVING
            except grpc.RpcError:
                return False

    def test_probes(self):
        """All are content; without Redis just readiness is not, so that nothing is restarted for it."""
        for name, container in self.containers.items():
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                self.assertTrue(self.probe(container, probe), f"{name}: {probe}")
        self.stack.redis.kill()
        os.unlink(self.stack.redis_socket)
        try:
            for name in ("callhistoryd", "callhistory-gateway"):
                container = self.containers[name]
                harness.wait_until(lambda: not self.probe(container, "readinessProbe"), f"{name}: not ready without Redis")
                self.assertTrue(self.probe(container, "livenessProbe"), name)
                self.assertTrue(self.probe(container, "startupProbe"), name)
            self.assertFalse(self.probe(self.containers["redis"], "readinessProbe"))
            self.assertFalse(self.probe(self.containers["redis"], "livenessProbe"))
        finally:
            self.stack.redis.start()
            self.wait_ready()

    def test_the_programs_user_may_do_all_that_they_do(self):
        self.stack.import_lines([call("0902000001", second) for second in range(30)])
        self.assertEqual(self.stack.count("0902000001"), 30)
        self.assertEqual(len(self.stack.list("0902000001")), 30)
        _, tokens, _ = self.stack.ctl("--redis", self.stack.redis_url, "token", "list")
        self.assertIn(harness.PROJECT, tokens)
        token = self.stack.issue("reader")
        self.stack.ctl("--redis", self.stack.redis_url, "token", "revoke", token)

    def redis_cli(self, *words):
        done = subprocess.run(["redis-cli", "-e", "-p", str(self.redis_port), *words], capture_output=True, text=True,
                              timeout=harness.WAIT_SECONDS)
        return done.returncode, done.stdout + done.stderr

    def test_nothing_but_the_probe_works_without_a_password(self):
        self.assertEqual(self.redis_cli("ping"), (0, "PONG\n"))
        for words in (("get", "x"), ("info",), ("keys", "*"), ("config", "get", "*"), ("acl", "list")):
            status, answer = self.redis_cli(*words)
            self.assertNotEqual(status, 0, words)
            self.assertIn("NOPERM", answer)

    def test_the_programs_user_can_look_but_not_manage(self):
        user = re.search(r"//(\w+):(\w+)@", self.stack.redis_url)
        login = ("--no-auth-warning", "--user", user[1], "--pass", user[2])
        for words in (("latency", "latest"), ("slowlog", "get"), ("info", "persistence")):
            status, answer = self.redis_cli(*login, *words)
            self.assertEqual(status, 0, answer)
        for words in (("flushall",), ("config", "get", "*"), ("shutdown",), ("acl", "list"), ("replicaof", "no", "one")):
            status, answer = self.redis_cli(*login, *words)
            self.assertNotEqual(status, 0, words)
            self.assertIn("NOPERM", answer)

    def test_the_log_is_where_the_volume_is(self):
        self.assertTrue(os.listdir(os.path.join(self.data, "appendonlydir")))


# -- Observability ------------------------------------------------------------------------------------------------------

# Not ours: kube-state-metrics makes it.
FOREIGN = {"kube_pod_deletion_timestamp"}
# Labels that Prometheus adds at the scrape.
ADDED = {"instance", "job", "namespace", "pod"}

PROMQL_TOKEN = re.compile(r"""
    (?P<grouping>\b(?:by|without|on|ignoring)\s*\((?P<labels>[^)]*)\))
  | (?P<operator>\b(?:and|or|unless|bool|offset)\b)
  | (?P<function>[a-zA-Z_]\w*\s*(?=\(|(?:by|without)\b))
  | (?P<metric>[a-zA-Z_:][\w:]*)\s*(?:\{(?P<matchers>[^}]*)\})?
  | (?P<range>\[[^\]]*\])
  | (?P<rest>[-+*/%^<>=!(),.\s\d]+)
""", re.X)


def parse(expression):
    """The selectors of a PromQL expression, as (metric, [(label, operator, value)]), and the labels that it groups by."""
    selectors, groups, place = [], set(), 0
    while place < len(expression):
        token = PROMQL_TOKEN.match(expression, place)
        assert token, f"not understood: {expression[place:]}"
        place = token.end()
        if token["metric"]:
            selectors.append((token["metric"], re.findall(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"', token["matchers"] or "")))
        elif token["grouping"]:
            groups.update(re.findall(r"\w+", token["labels"]))
    return selectors, groups


def samples(text):
    """metric → list of label dictionaries, of Prometheus's text format."""
    found = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            metric, labels = re.match(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? \S+$", line).groups()
            found.setdefault(metric, []).append(dict(re.findall(r'(\w+)="([^"]*)"', labels or "")))
    return found


def expression_problems(expression, exported):
    """What an expression names that no program exports."""
    selectors, groups = parse(expression)
    for metric, labels in selectors:
        if metric in FOREIGN or metric.startswith("callhistory:"):
            continue
        if metric not in exported:
            yield f"no metric {metric}"
            continue
        for label, operator, value in labels:
            having = [sample[label] for sample in exported[metric] if label in sample]
            if label not in ADDED and not having:
                yield f"{metric} has no label {label}"
            elif label in ("le", "program", "http_route") and not any(re.fullmatch(value, one) if "~" in operator else value == one
                                                                      for one in having):
                yield f"{metric} has no {label} {value}"
    known = {label for labels in exported.values() for sample in labels for label in sample} | ADDED
    for label in groups - known:
        yield f"no label {label}"


class Observability(harness.StackTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.stack.import_lines([call("0903000001", second) for second in range(3)])
        cls.stack.count("0903000001")
        cls.stack.list("0903000001")
        cls.stack.request("GET", harness.PATH)
        _, _, gateway = cls.stack.request("GET", "/metrics")
        connection = http.client.HTTPConnection("127.0.0.1", cls.stack.metrics_port, timeout=harness.WAIT_SECONDS)
        connection.request("GET", "/metrics")
        service = connection.getresponse().read()
        connection.close()
        cls.exported = {}
        for text in (gateway, service):
            for metric, labels in samples(text.decode()).items():
                cls.exported.setdefault(metric, []).extend(labels)
        cls.groups = yaml.safe_load(read("deploy", "observability", "alerts.yaml"))["groups"]
        cls.rules = [rule for group in cls.groups for rule in group["rules"]]
        cls.dashboard = json.loads(read("deploy", "observability", "dashboard.json"))

    def expressions(self):
        for rule in self.rules:
            yield rule.get("alert") or rule["record"], rule["expr"]
        for panel in self.dashboard["panels"]:
            for target in panel.get("targets", []):
                yield panel["title"], target["expr"]

    def test_every_metric_is_exported(self):
        for where, expression in self.expressions():
            self.assertTrue(parse(expression)[0], where)
            self.assertEqual(list(expression_problems(expression, self.exported)), [], where)

    def test_expressions_are_read_as_they_are_meant(self):
        self.assertEqual(
            parse('1 - sum by (le, a) (rate(m_bucket{x=~"1|2", y!="{"}[5m])) / n > 0.5 and absent(up:x{z="1"})'),
            ([("m_bucket", [("x", "=~", "1|2"), ("y", "!=", "{")]), ("n", []), ("up:x", [("z", "=", "1")])], {"le", "a"}))

    def test_a_metric_that_is_not_exported_is_found(self):
        for expression, problem in (
            ("sum(rate(no_such_metric_total[5m]))", "no metric no_such_metric_total"),
            ('callhistory_workers{colour="red"}', "callhistory_workers has no label colour"),
            ('http_server_request_duration_seconds_bucket{le="0.123"}', "http_server_request_duration_seconds_bucket has no le 0.123"),
            ('http_server_request_duration_seconds_count{http_route=~"/nowhere.*"}',
             "http_server_request_duration_seconds_count has no http_route /nowhere.*"),
            ("sum by (colour) (callhistory_workers)", "no label colour"),
        ):
            self.assertEqual(list(expression_problems(expression, self.exported)), [problem])

    def test_recorded_series_are_those_that_alerts_read(self):
        recorded = {rule["record"] for rule in self.rules if "record" in rule}
        read_by_alerts = {metric for rule in self.rules if "alert" in rule for metric, _ in parse(rule["expr"])[0]
                          if metric.startswith("callhistory:")}
        self.assertEqual(recorded, read_by_alerts)

    def test_every_alert_has_its_line_in_the_runbook(self):
        headings = {heading.lower() for heading in re.findall(r"(?m)^#+ (\S+)$", read("deploy", "README.md"))}
        for rule in self.rules:
            if "alert" in rule:
                self.assertIn(rule["labels"]["severity"], ("page", "ticket"))
                self.assertEqual(rule["annotations"]["runbook"], "deploy/README.md#" + rule["alert"].lower())
                self.assertIn(rule["alert"].lower(), headings)
                self.assertTrue(rule["annotations"]["summary"])

    def test_the_runbook_knows_no_other_alert(self):
        alerts = {rule["alert"] for rule in self.rules if "alert" in rule}
        self.assertEqual(set(re.findall(r"(?m)^#+ (CallHistory\w+)$", read("deploy", "README.md"))), alerts)

    def test_the_dashboard_is_whole(self):
        panels = self.dashboard["panels"]
        self.assertEqual(len({panel["id"] for panel in panels}), len(panels))
        variables = {variable["name"] for variable in self.dashboard["templating"]["list"]}
        used = set(re.findall(r"\$\{?(\w+)", json.dumps(panels))) - {"__rate_interval"}
        self.assertEqual(used, variables)


if __name__ == "__main__":
    unittest.main()
