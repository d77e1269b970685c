"""deploy/redis: the memory limit, proven in a real control group, and the life of passwords."""

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import harness
import render
from harness import call

REDIS = os.path.join(render.DEPLOY, "redis")
MEMORY = "/sys/fs/cgroup/memory"
MIB = 1024 * 1024


def credentials(step, folder, old=None):
    """As the documents have it: REDIS_OLD is for `create` alone."""
    if step == "create" and old is None and render.redis_is_old():
        old = "1"
    return subprocess.run([os.path.join(REDIS, "credentials"), step, folder], capture_output=True, text=True,
                          timeout=harness.WAIT_SECONDS, env={**harness.clean_environment(), **({"REDIS_OLD": old} if old else {})})


class Log(unittest.TestCase):
    """A log that a crash has cut inside a transaction."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="callhistory-log-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.socket = os.path.join(self.folder, "socket")

    @contextlib.contextmanager
    def server(self):
        process = harness.Process("redis", self.folder, [harness.REDIS_SERVER, os.path.join(REDIS, "redis.conf"), "--port", "0", "--dir", self.folder,
                                                         "--unixsocket", self.socket, "--daemonize", "no"])
        process.start()
        self.addCleanup(process.stop)
        harness.wait_until(self.up, "the server")
        client = harness.RedisClient(self.socket)
        yield client
        client.close()
        process.kill()
        os.remove(self.socket)

    def up(self):
        if not os.path.exists(self.socket):
            return False
        try:
            client = harness.RedisClient(self.socket)
            answer = client("PING")
            client.close()
            return answer == "PONG"
        except (OSError, harness.RedisError):
            return False

    def repair(self):
        command = "valkey" if "valkey" in harness.REDIS_SERVER else "redis"
        subprocess.run([os.path.join(REDIS, "repair-log"), self.folder], check=True, timeout=harness.WAIT_SECONDS,
                       env={**harness.clean_environment(), "REDIS_COMMAND": command})

    def test_an_unfinished_transaction_is_removed(self):
        with self.server() as redis:
            redis("SET", "before", "1")
            redis("EVAL", "for _, key in ipairs({'x', 'y', 'z'}) do redis.call('SET', key, '1') end", "0")
        folder = os.path.join(self.folder, "appendonlydir")
        log = os.path.join(folder, next(name for name in os.listdir(folder) if name.endswith(".incr.aof")))
        with open(log, "rb") as file:
            whole = file.read()
        begin = whole.index(b"*1\r\n$5\r\nMULTI")

        def repaired(content):
            with open(log, "wb") as out:
                out.write(content)
            self.repair()
            return os.path.getsize(log)

        self.assertEqual(repaired(whole), len(whole))
        for size in (*range(begin + 1, len(whole) - 20, 5), *range(len(whole) - 20, len(whole))):
            self.assertEqual(repaired(whole[:size]), begin, whole[begin:size])
        # What is wrong in the midst of a log is not for a program to decide.
        damaged = whole[:begin + 30] + b"\0" * 8 + whole[begin + 38:] + whole[begin:]
        self.assertEqual(repaired(damaged), len(damaged))
        # Two starts afterwards: nothing of the transaction is there, and what was written between them is.
        repaired(whole[:len(whole) - 25])
        with self.server() as redis:
            redis("SET", "between", "1")
            redis("EVAL", "for _, key in ipairs({'p', 'q'}) do redis.call('SET', key, '1') end", "0")
        self.repair()
        with self.server() as redis:
            self.assertEqual(sorted(redis("KEYS", "*")), [b"before", b"between", b"p", b"q"])


class Group:
    """A control group of memory, version 1 or 2."""

    def __init__(self, limit):
        name = f"callhistory-test-{os.getpid()}"
        self.old = os.path.exists(os.path.join(MEMORY, "memory.limit_in_bytes"))
        self.folder = os.path.join(MEMORY if self.old else "/sys/fs/cgroup", name)
        try:
            os.mkdir(self.folder)
            self.write("memory.limit_in_bytes" if self.old else "memory.max", limit)
            # Memory that is swapped out would hide that the limit is reached.
            with contextlib.suppress(OSError):
                self.write("memory.memsw.limit_in_bytes" if self.old else "memory.swap.max", limit if self.old else 0)
        except OSError as problem:
            if os.environ.get("CI"):
                raise
            raise unittest.SkipTest(f"no control group can be made here: {problem}") from problem

    def write(self, file, value):
        with open(os.path.join(self.folder, file), "w", encoding="ascii") as out:
            out.write(str(value))

    def kills(self):
        with open(os.path.join(self.folder, "memory.oom_control" if self.old else "memory.events"), encoding="ascii") as file:
            return int(re.search(r"(?m)^oom_kill (\d+)", file.read())[1])

    def command(self, words):
        """The words, run inside of the group."""
        return ["sh", "-c", f'echo $$ >"{self.folder}/cgroup.procs" && exec "$@"', "sh", *words]

    def remove(self):
        harness.wait_until(lambda: not os.path.exists(self.folder) or self.removed(), "the end of the group")

    def removed(self):
        try:
            os.rmdir(self.folder)
            return True
        except OSError:
            return False


class Memory(unittest.TestCase):
    """Redis in a control group that is too small: writes are refused, reads continue, and the kernel kills nothing."""

    LIMIT = 64 * MIB

    def setUp(self):
        self.group = Group(self.LIMIT)
        self.addCleanup(self.group.remove)

    def test_a_full_redis_refuses_writes_and_goes_on_reading(self):
        stack = harness.Stack()
        stack.redis.arguments = self.group.command(
            ["env", f"REDIS_DIR={stack.folder}", "REDIS_PORT=0", f"REDIS_SOCKET={stack.redis_socket}",
             "REDIS_COMMAND=" + render.redis_command(), os.path.join(REDIS, "start")])
        # This one is started without the deployment's users.
        stack.service.arguments = [text.replace(stack.redis_url, stack.operator_url) for text in stack.service.arguments]
        stack.redis_url = stack.operator_url
        self.addCleanup(stack.stop)
        stack.start()
        redis = harness.RedisClient(stack.redis_socket)
        self.addCleanup(redis.close)
        self.assertEqual(redis("config", "get", "maxmemory"), [b"maxmemory", str(self.LIMIT * 45 // 100).encode()])
        stack.token("reader")
        recorded = 0
        for batch in range(100):
            calls = [call(f"09{batch:04}{second:04}", second, id=f"{batch}-{second}") for second in range(5000)]
            if batch % 5 == 4:
                redis("bgrewriteaof")  # the fork copies what the next imports change
            status, _, _ = stack.ctl("--service", stack.service_address, "--token", stack.token("writer"), "--timeout", "5000",
                                     "import", "-", stdin="".join(harness.json.dumps(each) + "\n" for each in calls), check=False)
            if status != 0:
                break
            recorded += len(calls)
        self.assertNotEqual(status, 0, f"{recorded} calls were recorded and nothing was refused")
        self.assertGreater(recorded, 10000)
        self.assertEqual(self.group.kills(), 0, f"killed after {recorded} calls\n{stack.redis.log_text()[-2000:]}")
        # What was acknowledged is listed, and the log can be rewritten.
        self.assertEqual(len(stack.list("0900000001")), 1)
        redis("bgrewriteaof")
        harness.wait_until(lambda: b"aof_rewrite_in_progress:0" in redis("info", "persistence")
                           and b"aof_rewrite_scheduled:0" in redis("info", "persistence"), "the rewrite")
        self.assertIn(b"aof_last_bgrewrite_status:ok", redis("info", "persistence"))
        self.assertEqual(len(stack.list("0900000001")), 1)
        self.assertEqual(self.group.kills(), 0)
        self.assertTrue(stack.redis.running())

    def test_the_group_does_kill_what_has_no_maxmemory(self):
        """The limit is real: without maxmemory the same server is killed."""
        folder = tempfile.mkdtemp(prefix="callhistory-test-")
        server = harness.Process("unbounded", folder, self.group.command(
            [harness.REDIS_SERVER, os.path.join(REDIS, "redis.conf"), "--dir", folder, "--port", "0", "--unixsocket",
             os.path.join(folder, "s"), "--appendonly", "no"]))
        server.start()
        try:
            harness.wait_until(lambda: os.path.exists(os.path.join(folder, "s")), "Redis")
            redis = harness.RedisClient(os.path.join(folder, "s"))
            self.addCleanup(redis.close)
            with self.assertRaises((OSError, AssertionError, ValueError, IndexError)):
                for number in range(self.LIMIT // MIB + 10):
                    redis("set", number, "x" * MIB)
            self.assertGreater(self.group.kills(), 0)
        finally:
            server.stop()
            shutil.rmtree(folder, ignore_errors=True)


class Passwords(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="callhistory-test-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.secrets = os.path.join(self.folder, "secrets")

    def read(self, name):
        with open(os.path.join(self.secrets, name), encoding="ascii") as file:
            return file.read()

    def test_passwords_are_made_once(self):
        self.assertEqual(credentials("create", self.secrets).returncode, 0)
        first = self.read("callhistory-password")
        refused = credentials("create", self.secrets)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("has passwords already", refused.stderr)
        self.assertEqual(self.read("callhistory-password"), first)

    def test_files_are_private_and_users_are_digests(self):
        credentials("create", self.secrets)
        for name in os.listdir(self.secrets):
            self.assertEqual(os.stat(os.path.join(self.secrets, name)).st_mode & 0o077, 0, name)
        passwords = {name: self.read(name) for name in os.listdir(self.secrets) if name.endswith("-password")}
        self.assertEqual(len(set(passwords.values())), 6)
        for name, password in passwords.items():
            self.assertRegex(password, r"^[0-9a-f]{64}$")
            for file in ("users.acl", "sentinel.acl"):
                self.assertNotIn(password, self.read(file), name)
                self.assertNotRegex(self.read(file), r"@\w+@")

    def test_steps_come_in_their_order(self):
        credentials("create", self.secrets)
        for step, sentence in (("switch", "'add' comes first"), ("finish", "'switch' comes first")):
            self.assertIn(sentence, credentials(step, self.secrets).stderr)
        self.assertEqual(credentials("add", self.secrets).returncode, 0)
        self.assertIn("'switch' comes next", credentials("add", self.secrets).stderr)
        self.assertEqual(credentials("switch", self.secrets).returncode, 0)
        self.assertIn("'finish' comes next", credentials("add", self.secrets).stderr)
        self.assertEqual(credentials("finish", self.secrets).returncode, 0)

    def test_a_rotation_makes_passwords_of_users_that_are_new(self):
        credentials("create", self.secrets)
        os.unlink(os.path.join(self.secrets, "retention-password"))
        for step in ("add", "switch", "finish"):
            done = credentials(step, self.secrets)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(self.read("retention-password"), r"^[0-9a-f]{64}$")
        self.assertRegex(self.read("users.acl"), r"(?m)^user retention on #[0-9a-f]{64} ")

    def test_the_users_stay_those_of_an_older_redis(self):
        """docs/vm.md on Debian 12: REDIS_OLD=1 is said once, and undone after an upgrade."""
        self.assertEqual(credentials("create", self.secrets, old="1").returncode, 0)
        for step, old, known in (("add", None, False), ("switch", None, False), ("finish", None, False),
                                 ("add", "0", True), ("switch", None, True), ("finish", None, True), ("add", "1", False)):
            done = credentials(step, self.secrets, old)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual("+waitaof" in self.read("users.acl"), known, step)
            self.assertEqual(len(re.findall(r"(?m)^user ", self.read("users.acl"))), 8)
            self.restart_on_this_machines_redis(not known)

    def restart_on_this_machines_redis(self, old):
        """`systemctl restart`: a server that is older than 7.2 must know every command of the users."""
        version = re.search(r"v=(\d+)\.(\d+)", subprocess.run(["redis-server", "--version"], check=True, capture_output=True, text=True,
                                                              timeout=harness.WAIT_SECONDS).stdout).groups()
        if not old and (int(version[0]), int(version[1])) < (7, 2):
            return
        port = harness.free_port()
        places = {"REDIS_DIR": self.folder, "REDIS_PORT": str(port), "REDIS_BIND": "127.0.0.1", "REDIS_SECRETS": self.secrets,
                  "REDIS_MEMORY_LIMIT": str(64 * MIB), "REDIS_COMMAND": "redis"}
        server = harness.Process("redis", self.folder, ["env", *(f"{k}={v}" for k, v in places.items()), os.path.join(REDIS, "start")])
        server.start()
        try:
            harness.wait_until(lambda: harness.connects(port) or not server.running(), "Redis")
            self.assertTrue(server.running(), server.log_text()[-2000:])
            done = subprocess.run([os.path.join(REDIS, "cli"), "ping"], capture_output=True, text=True, timeout=harness.WAIT_SECONDS,
                                  env={**harness.clean_environment(), **places})
            self.assertEqual(done.stdout, "PONG\n", done.stderr)
        finally:
            server.stop()

    def test_a_rotation_refuses_nobody(self):
        credentials("create", self.secrets)
        port = harness.free_port()
        places = {**harness.clean_environment(), "REDIS_DIR": self.folder, "REDIS_PORT": str(port), "REDIS_BIND": "127.0.0.1",
                  "REDIS_SECRETS": self.secrets, "REDIS_MEMORY_LIMIT": str(64 * MIB), "REDIS_COMMAND": render.redis_command()}
        server = harness.Process("redis", self.folder, ["env", *(f"{k}={v}" for k, v in places.items()), os.path.join(REDIS, "start")])
        server.start()

        def works(password):
            done = subprocess.run(["redis-cli" if render.redis_command() == "redis" else "valkey-cli", "-e", "-p", str(port), "--user",
                                   "callhistory", "--no-auth-warning", "ping"], capture_output=True, text=True,
                                  timeout=harness.WAIT_SECONDS, env={**places, "REDISCLI_AUTH": password})
            return done.stdout == "PONG\n" and "WRONGPASS" not in done.stderr + done.stdout

        def reload():
            subprocess.run([os.path.join(REDIS, "reload")], check=True, capture_output=True, timeout=harness.WAIT_SECONDS, env=places)

        try:
            harness.wait_until(lambda: harness.connects(port), "Redis")
            first = self.read("callhistory-password")
            self.assertTrue(works(first))
            self.assertFalse(works("0" * 64))
            credentials("add", self.secrets)
            second = self.read("callhistory-next")
            self.assertEqual(self.read("callhistory-password"), first)
            reload()
            self.assertTrue(works(first) and works(second))
            credentials("switch", self.secrets)
            self.assertEqual(self.read("callhistory-password"), second)
            reload()
            self.assertTrue(works(first) and works(second))
            credentials("finish", self.secrets)
            reload()
            self.assertTrue(works(second))
            self.assertFalse(works(first))
        finally:
            server.stop()


if __name__ == "__main__":
    unittest.main()
