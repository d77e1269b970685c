"""What the manifests start, started here with their commands, arguments, variables and files; only addresses and directories are
others. Redis gets the users of the Secret, so all that the programs do is done as the user with the fewest rights."""

import base64
import http.client
import os
import re
import subprocess
import tempfile
import unittest

import harness
import manifests
import render
from harness import call

SECRETS = "/etc/redis-secrets"
PASSWORD = "/etc/redis-password/callhistory-password"


def bytes_of(quantity):
    number, unit = re.fullmatch(r"(\d+)([KMGT]i)?", str(quantity)).groups()
    return int(number) * 1024 ** (" KMGT".index(unit[0]) if unit else 0)


class TheManifestsRun(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.documents = render.rendered("tests/single")
        cls.stack = stack = harness.Stack()
        cls.redis_port = harness.free_port()
        cls.data, cls.secrets = os.path.join(stack.folder, "data"), os.path.join(stack.folder, "secrets")
        os.mkdir(cls.data)
        os.mkdir(cls.secrets)
        for key, value in render.redis_secret()["data"].items():
            with open(os.path.join(cls.secrets, key), "wb") as file:
                file.write(base64.b64decode(value))
        cls.places = {
            SECRETS: cls.secrets, PASSWORD: os.path.join(cls.secrets, "callhistory-password"), "/etc/redis/start": os.path.join(render.DEPLOY, "redis", "start"),
            "/etc/redis/cli": os.path.join(render.DEPLOY, "redis", "cli"),
            "[::]:50051": stack.service_address, "[::]:9464": f"127.0.0.1:{stack.metrics_port}",
            "[::]:8080": f"127.0.0.1:{stack.gateway_port}", "dns:///callhistoryd:50051": f"dns:///localhost:{stack.service_port}",
        }
        cls.ports = {6379: cls.redis_port, 50051: stack.service_port, 9464: stack.metrics_port, 8080: stack.gateway_port}
        cls.containers = {container["name"]: container for _, _, container in manifests.each_container(cls.documents)}
        cls.variables = {name: cls.environment(container) for name, container in cls.containers.items()}
        cls.variables["redis"] |= {"REDIS_DIR": cls.data, "REDIS_BIND": "127.0.0.1", "REDIS_PORT": str(cls.redis_port),
                                   "REDIS_SOCKET": stack.redis_socket, "REDIS_COMMAND": render.redis_command()}
        stack.redis_url = cls.url("callhistory")
        for process, name in ((stack.redis, "redis"), (stack.service, "callhistoryd"), (stack.gateway, "callhistory-gateway")):
            container = cls.containers[name]
            command = container.get("command") or [render.program(name)]
            process.arguments = ["env", *cls.settings(name), *cls.here(name, command + container.get("args", []))]
        stack.start()
        cls.wait_ready()

    @classmethod
    def tearDownClass(cls):
        cls.stack.stop()

    @classmethod
    def url(cls, user):
        password = base64.b64decode(render.redis_secret()["data"][user + "-password"]).decode()
        return f"redis://{user}:{password}@127.0.0.1:{cls.redis_port}"

    @classmethod
    def environment(cls, container):
        """The container's variables as Kubernetes would set them, with the places of this test."""
        variables = {}
        for each in container.get("env", []):
            source = each.get("valueFrom", {})
            if "resourceFieldRef" in source:
                value = str(bytes_of(container["resources"]["limits"]["memory"]))
            elif "fieldRef" in source:
                value = {"metadata.name": "callhistory-redis-0", "status.podIP": "127.0.0.1"}[source["fieldRef"]["fieldPath"]]
            else:
                value = manifests.expand(each["value"], variables)
            variables[each["name"]] = cls.places.get(value, value.replace("@callhistory-redis:6379", f"@127.0.0.1:{cls.redis_port}"))
        return variables

    @classmethod
    def settings(cls, name):
        return [f"{key}={value}" for key, value in cls.variables[name].items()]

    @classmethod
    def here(cls, name, words):
        """The words of a manifest, with the places of this test."""
        found = []
        for word in words:
            option, equals, value = manifests.expand(word, cls.variables[name]).partition("=")
            found.append(option + equals + cls.places.get(value, value) if equals else cls.places.get(option, option))
        return found

    @classmethod
    def wait_ready(cls):
        """Until every worker is ready: each connection reaches one of them, so many probes in a row must succeed."""
        for name in ("redis", "callhistoryd", "callhistory-gateway"):
            harness.wait_until(lambda: all(cls.probe(name, "readinessProbe") for _ in range(20)), f"{name} ready")

    @classmethod
    def probe(cls, name, probe):
        """Probes as the kubelet does; whether the probe succeeds."""
        container = cls.containers[name]
        action = container[probe]
        named = {port["name"]: port["containerPort"] for port in container["ports"]}

        def port(of):
            return cls.ports[named.get(of["port"], of["port"])]

        if "exec" in action:
            command = ["env", *cls.settings(name), "REDIS_SOCKET=", *cls.here(name, action["exec"]["command"])]
            return subprocess.run(command, capture_output=True, timeout=harness.WAIT_SECONDS).returncode == 0
        if "tcpSocket" in action:
            return harness.connects(port(action["tcpSocket"]))
        connection = http.client.HTTPConnection("127.0.0.1", port(action["httpGet"]), timeout=harness.WAIT_SECONDS)
        try:
            connection.request("GET", action["httpGet"]["path"])
            return 200 <= connection.getresponse().status < 400
        except OSError:
            return False
        finally:
            connection.close()

    def test_a_redis_outage_restarts_nothing(self):
        """All probes succeed; without Redis only the readiness of callhistoryd fails, and the gateway answers 503."""
        for name in ("redis", "callhistoryd", "callhistory-gateway"):
            for probe in manifests.PROBES:
                self.assertTrue(self.probe(name, probe), f"{name}: {probe}")
        token = self.stack.token()
        self.stack.redis.kill()
        os.unlink(self.stack.redis_socket)
        try:
            harness.wait_until(lambda: not self.probe("callhistoryd", "readinessProbe"), "callhistoryd: not ready without Redis")
            # The gateway stays in its Service and answers for those behind it, as the contract says.
            self.assertTrue(all(self.probe("callhistory-gateway", "readinessProbe") for _ in range(20)))
            status, answer = self.stack.get({"vbot_id": harness.VBOT, "project_code": harness.PROJECT, "phone": "0902000009"}, token=token)
            self.assertIn((status, answer["status"], answer["error"]), {(503, 0, 503), (504, 0, 504)}, answer)
            for name in ("callhistoryd", "callhistory-gateway"):
                self.assertTrue(self.probe(name, "livenessProbe"), name)
                self.assertTrue(self.probe(name, "startupProbe"), name)
            self.assertFalse(self.probe("redis", "readinessProbe"))
            self.assertFalse(self.probe("redis", "livenessProbe"))
        finally:
            self.stack.redis.start()
            self.wait_ready()

    def test_the_limit_of_the_pod_bounds_the_data(self):
        limit = bytes_of(self.containers["redis"]["resources"]["limits"]["memory"])
        self.assertEqual(self.redis_cli("operator", "config", "get", "maxmemory"), (0, f"maxmemory\n{limit * 45 // 100}\n"))

    def whole_flow(self, phone):
        """Everything that the programs do with Redis."""
        stack = self.stack
        token = stack.issue("writer")
        stack.ctl("--service", stack.service_address, "--token", token, "import", "-", stdin=harness.json.dumps(call(phone)) + "\n")
        stack.import_lines([call(phone, second) for second in range(60)])
        # Known calls again, some of them changed: they move in the indexes.
        stack.import_lines([call(phone, second, disposition="NO ANSWER", callee=[{"phone": "102", "member_no": "102"}])
                            for second in range(0, 60, 7)])
        self.assertEqual(stack.count(phone), 60)
        self.assertEqual(len(stack.list(phone, size=50)), 50)
        self.assertEqual(len(stack.list(phone, page=2, size=50)), 10)
        for extension in ("101", "102"):
            self.assertTrue(stack.list(extension))
            self.assertTrue(stack.count(extension, start_time="10/25/2026 10:00:00", end_time="10/25/2026 10:30:00"))
        common = ("--service", stack.service_address, "--token", stack.token())
        tenant = ("--project-code", harness.PROJECT, "--vbot-id", harness.VBOT)
        self.assertIn(phone, stack.ctl(*common, "list", *tenant)[1])
        self.assertIn(phone, stack.ctl(*common, "get", *tenant, f"{phone}-3")[1])
        direct = ("--redis", stack.redis_url, "token")
        self.assertIn(harness.PROJECT, stack.ctl(*direct, "list")[1])
        revoked = stack.issue("reader")
        stack.ctl(*direct, "revoke", revoked)
        harness.wait_until(lambda: stack.get({"vbot_id": harness.VBOT, "project_code": harness.PROJECT, "phone": phone},
                                             token=revoked)[0] == 401, "the end of a revoked token")
        eraser = ("--service", stack.service_address, "--token", stack.issue("eraser"))
        self.assertEqual(stack.ctl(*eraser, "delete", *tenant, "--phone", phone, "--yes")[1], "60 calls deleted\n")
        self.assertEqual(stack.count(phone), 0)
        # Enough of one number for several chunks of its index.
        stack.import_lines([call(phone, second, date_create=f"10/25/2001 10:{second // 60:02}:{second % 60:02}") for second in range(400)])
        old = ("--redis", self.url("retention"), "retention", "--older-than", "7300d", "--yes", "--calls-per-second", "100000")
        stack.import_lines([call(phone, second) for second in range(1000, 1150)])  # younger ones in the same index
        self.assertIn("400 calls before", stack.ctl(*old)[1])
        self.assertEqual(stack.count(phone), 150)
        self.assertEqual(stack.ctl(*eraser, "delete", *tenant, "--phone", phone, "--yes")[1], "150 calls deleted\n")

    def test_the_programs_user_may_do_all_that_they_do(self):
        self.whole_flow("0902000001")

    def test_it_may_load_the_scripts_that_redis_lost(self):
        self.assertEqual(self.redis_cli("operator", "script", "flush"), (0, "OK\n"))
        self.whole_flow("0902000002")

    def test_the_programs_user_is_refused_nothing(self):
        self.redis_cli("operator", "acl", "log", "reset")
        self.whole_flow("0902000003")
        self.assertEqual(self.redis_cli("operator", "acl", "log"), (0, "\n"))

    def redis_cli(self, user, *words):
        done = subprocess.run(
            [os.path.join(render.DEPLOY, "redis", "cli"), *words], capture_output=True, text=True, timeout=harness.WAIT_SECONDS,
            env={**harness.clean_environment(), "REDIS_PORT": str(self.redis_port), "REDIS_USER": user, "REDIS_SECRETS": self.secrets,
                 "REDIS_COMMAND": render.redis_command()})
        return done.returncode, done.stdout + done.stderr

    def test_each_user_may_do_what_it_is_for_and_nothing_else(self):
        cases = {
            "probe": (["ping"], [["get", "x"], ["info"], ["keys", "*"], ["config", "get", "*"], ["acl", "list"]]),
            "callhistory": (["info", "persistence"], [
                ["flushall"], ["config", "get", "*"], ["shutdown"], ["acl", "list"], ["replicaof", "no", "one"], ["keys", "*"],
                ["script", "flush"], ["function", "flush"], ["unlink", "{1}m"], ["slowlog", "reset"], ["hget", "other", "x"],
                ["publish", "x", "y"], ["client", "list"], ["scan", "0"]]),
            "retention": (["hgetall", "callhistory:tenants"], [
                ["hset", "callhistory:tokens", "x", "y"], ["hset", "callhistory:tenants", "x", "y"], ["hsetnx", "{1}m", "x", "y"],
                ["unlink", "{1}m"], ["flushall"], ["config", "get", "*"], ["keys", "*"], ["scan", "0"], ["hget", "other", "x"]]),
            "exporter": (["slowlog", "get"], [["config", "get", "*"], ["hgetall", "callhistory:tokens"], ["client", "kill", "id", "1"],
                                              ["slowlog", "reset"], ["eval", "return 1", "0"]]),
            "replica": (["ping"], [["hgetall", "callhistory:tokens"], ["info"], ["set", "x", "y"]]),
            "sentinel": (["role"], [["hgetall", "callhistory:tokens"], ["config", "set", "dir", "/"], ["eval", "return 1", "0"]]),
            "operator": (["config", "get", "maxmemory"], []),
        }
        for user, (allowed, refused) in cases.items():
            status, answer = self.redis_cli(user, *allowed)
            self.assertEqual(status, 0, (user, allowed, answer))
            for words in refused:
                status, answer = self.redis_cli(user, *words)
                self.assertNotEqual(status, 0, (user, words))
                self.assertIn("NOPERM", answer, (user, words))

    def test_a_missing_right_is_told(self):
        """`verify` needs the operator; as another user it must not take a refusal for damage."""
        self.stack.import_lines([call("0902000005", second) for second in range(10)])
        status, out, errors = self.stack.ctl("--redis", self.stack.redis_url, "verify", check=False)
        self.assertNotEqual(status, 0)
        self.assertNotIn("differences", out)
        self.assertIn("the Redis user lacks a permission", errors)
        # An empty option overrides the password file that the Pod's environment names: the URL's password is used.
        self.assertIn(", 0 differences", self.stack.ctl("--redis", self.url("operator"), "--redis-password-file=", "verify")[1])

    def test_without_a_user_nothing_is_answered(self):
        for words in (["ping"], ["auth", ""], ["auth", "default", ""], ["get", "x"]):
            done = subprocess.run([render.redis_command() + "-cli", "-e", "-p", str(self.redis_port), *words], capture_output=True,
                                  text=True, timeout=harness.WAIT_SECONDS)
            self.assertRegex(done.stdout + done.stderr, "NOAUTH|WRONGPASS", words)

    def test_a_restart_keeps_what_was_acknowledged(self):
        """Redis replays the transactions of its log, which are what scripts wrote, with the rights of the default user."""
        self.stack.import_lines([call("0902000004", second) for second in range(60)])
        self.assertEqual(self.stack.count("0902000004"), 60)
        self.assertTrue(self.stack.list("0902000004"))
        self.stack.redis.kill()
        os.unlink(self.stack.redis_socket)
        self.stack.redis.start()
        self.wait_ready()
        self.assertEqual(self.stack.count("0902000004"), 60)
        self.assertEqual(len(self.stack.list("0902000004")), 60)
        self.assertNotIn("NOPERM", self.stack.redis.log_text())

    def test_the_log_is_where_the_volume_is(self):
        self.assertTrue(os.listdir(os.path.join(self.data, "appendonlydir")))


class BothFamilies(unittest.TestCase):
    """[::], which the manifests listen on, takes IPv4 and IPv6, in a network of its own that has a loopback only."""

    def test_the_programs_take_both(self):
        script = """
            ip link set lo up
            "$1"/callhistoryd --listen [::]:50051 --metrics [::]:9464 2>/dev/null & service=$!
            "$1"/callhistory-gateway --listen [::]:8080 --service dns:///localhost:50051 2>/dev/null & gateway=$!
            for try in $(seq 200); do
                all=
                for address in 127.0.0.1:9464 [::1]:9464 127.0.0.1:8080 [::1]:8080; do
                    all=$all$(curl -s -o /dev/null -w '%{http_code} ' --max-time 2 "http://$address/healthz")
                done
                [ "$all" != "200 200 200 200 " ] || break
                sleep 0.1
            done
            echo "$all"
            kill -KILL $service $gateway
        """
        done = subprocess.run(["unshare", "--net", "bash", "-c", script, "bash", harness.BIN], capture_output=True, text=True,
                              timeout=harness.WAIT_SECONDS * 2, env=harness.clean_environment())
        self.assertEqual(done.stdout, "200 200 200 200 \n", done.stderr)


class Ipv6Only(unittest.TestCase):
    """All of it where there is no IPv4: Redis as deploy/redis/start binds it, a cluster of it, the programs, a request by name."""

    SCRIPT = """
        set -eu
        ip link set lo up
        ip address del 127.0.0.1/8 dev lo
        ip address add fd00::1/128 dev lo  # glibc takes ::1 in /etc/hosts for 127.0.0.1, too
        bin=$1 redis=$2 folder=$3
        printf 'fd00::1 a b c service gateway\\n' >"$folder/hosts"
        mount --bind "$folder/hosts" /etc/hosts
        trap 'kill -KILL $(jobs -p)' EXIT
        "$redis/credentials" create "$folder/secrets"
        export REDIS_SECRETS="$folder/secrets" CALLHISTORY_REDIS_PASSWORD_FILE="$folder/secrets/callhistory-password"
        for port in 7001 7002 7003; do
            mkdir "$folder/$port"
            REDIS_DIR=$folder/$port REDIS_PORT=$port REDIS_MODE=cluster REDIS_ANNOUNCE=a POD_IP=fd00::1 REDIS_MEMORY_LIMIT=100000000 \\
                "$redis/start" >"$folder/$port.log" 2>&1 &
        done
        REDIS_HOST=a REDIS_TRIES=60 REDIS_SHARDS="a:7001 b:7002 c:7003" "$redis/cluster"
        store=redis+cluster://callhistory:@a:7001
        "$bin/callhistoryd" --listen [::]:50051 --metrics [::]:9464 --redis "$store" 2>"$folder/service.log" &
        "$bin/callhistory-gateway" --listen [::]:8080 --service dns:///service:50051 2>"$folder/gateway.log" &
        token=$("$bin/callhistoryctl" --redis "$store" token issue --role writer --project-code DEMO --vbot-id VBOT001 \\
            --project-code DEMO --vbot-id VBOT002)
        for try in $(seq 100); do ! curl -sfo /dev/null http://service:9464/readyz || break; sleep 0.1; done
        "$bin/callhistoryctl" --service dns:///service:50051 --token "$token" import "$redis/../local/sample-calls.ndjson"
        curl -s -X GET http://gateway:8080/api/crm/historycall/getAll -H "Authorization: Bearer $token" \\
            -H 'Content-Type: application/json' -d '{"vbot_id":"VBOT001","project_code":"DEMO","phone":"0912345678"}'
        mkdir "$folder/backups"
        REDIS_HOST=a REDIS_PORT=7001 "$redis/backup" "$folder/backups"
    """

    def test_all_of_it(self):
        with tempfile.TemporaryDirectory(prefix="callhistory-test-") as folder:
            done = subprocess.run(["unshare", "--net", "--mount", "bash", "-c", self.SCRIPT, "bash", harness.BIN,
                                   os.path.join(render.DEPLOY, "redis"), folder], capture_output=True, text=True,
                                  timeout=harness.WAIT_SECONDS * 4,
                                  env={**harness.clean_environment(), "REDIS_COMMAND": render.redis_command(),
                                       **({"REDIS_OLD": "1"} if render.redis_is_old() else {})})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("recorded 200", done.stdout)
        self.assertIn('"data":40}', done.stdout)
        self.assertEqual(done.stdout.count(".rdb\n"), 3, done.stdout)


if __name__ == "__main__":
    unittest.main()
