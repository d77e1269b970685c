"""Starts real servers for a test: Redis, callhistoryd and callhistory-gateway, on free loopback ports, in a folder of
their own, and ends just what it started. Every wait is bounded.

    class MyTest(harness.StackTest):
        def test_it(self):
            self.stack.import_lines([...])
            status, headers, body = self.stack.get({"vbot_id": ...})
"""

import fcntl
import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import cgroups

SOURCE = os.environ.get("CALLHISTORY_SOURCE", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
BIN = os.environ.get("CALLHISTORY_BIN", os.path.join(SOURCE, "build", "release", "bin"))
REDIS_SERVER = os.environ.get("REDIS_SERVER", "redis-server")
PATH = "/api/crm/historycall/getAll"
PROJECT, VBOT = "DEMO", "VBOT001"

# Under a sanitizer everything is slower; the bound only ends what hangs.
WAIT_SECONDS = 60
READY_IN_A_ROW = 20
# A sanitizer keeps freed memory for a while: such builds have no limit of memory.
SANITIZED = "san" in BIN

# Only a chain that works as far as Redis can say that this token is unknown: 401, else 400 (the request has no fields).
NOBODY = {"Authorization": "Bearer nobody"}


def _candidate_ports():
    """Ports that the kernel gives to nobody who asks for any port, or for a connection. 10,000 above each is the port at which the
    nodes of a Redis cluster speak to each other; so that it is nobody else's either, the range is no longer than that."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        low, high = map(int, file.read().split())
    ports = [port for port in range(10240, 20240) if not low <= port <= high] or list(range(10240, 20240))
    random.shuffle(ports)
    return ports


def _bindable(port):
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
            listener.listen()
        except OSError:
            return False
    return True


class _Ports:
    """The ports that this process has taken. Tests that run at the same time exclude each other by locks on the bytes of one
    file, a byte for each port, which end with the process. So a port stays this test's while no program listens on it."""

    def __init__(self):
        path = os.path.join(tempfile.gettempdir(), f"callhistory-test-ports-{os.getuid()}")
        self.file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        self.candidates = _candidate_ports()

    def take(self):
        while self.candidates:
            port = self.candidates.pop()
            try:
                fcntl.lockf(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
            except OSError:
                continue
            if _bindable(port):
                return port
        raise AssertionError("no port is free")


_ports = _Ports()


def free_port():
    """A loopback port that is this process's own until it ends."""
    return _ports.take()


def wait_until(condition, what, seconds=WAIT_SECONDS):
    """Calls condition() until it is true; fails loudly after `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError(f"{what}: not within {seconds} s")


def eventually(check, seconds=WAIT_SECONDS):
    """Calls check() until it passes: for what a program counts or logs just after it has answered."""
    end = time.monotonic() + seconds
    while True:
        try:
            return check()
        except AssertionError:
            if time.monotonic() >= end:
                raise
        time.sleep(0.05)


def connects(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


def get(port, path):
    """One GET request of a port of this machine; gives (status, text)."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def clean_environment():
    """The environment without what the programs would read as options."""
    keep = {"CALLHISTORY_SOURCE", "CALLHISTORY_BIN"}
    return {k: v for k, v in os.environ.items() if not k.startswith("CALLHISTORY_") or k in keep}


class Process:
    """A program that was started by the test; its standard error goes to a file."""

    def __init__(self, name, folder, arguments):
        self.name, self.arguments = name, arguments
        self.log = os.path.join(folder, name + ".log")
        self.process = None
        self.limit = None  # of memory, in bytes

    def start(self):
        assert self.process is None
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=clean_environment()
            )

    def running(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)
        # A busy machine stops a program's threads only some time after the signal was sent.
        if number == SIGSTOP:
            wait_until(lambda: all(state == "T" for state in self.states()), f"{self.name} to stop")

    def states(self):
        """The state of each of its threads, a letter, as /proc tells it."""
        tasks = f"/proc/{self.process.pid}/task"
        for task in os.listdir(tasks):
            with open(f"{tasks}/{task}/stat", encoding="ascii", errors="replace") as file:
                yield file.read().rpartition(")")[2].split()[0]

    def broke_its_limit(self):
        """Whether it was killed, as the kernel does, or has had more memory than its limit since peaks were reset last."""
        if self.limit is None or self.process is None:
            return False
        if not self.running():
            return self.process.returncode == -signal.SIGKILL
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return int(re.search(r"VmHWM:\s+(\d+)", file.read()).group(1)) << 10 > self.limit

    def kill(self):
        """Ends it at once, as a crash would."""
        self.process.kill()
        self.process.wait(WAIT_SECONDS)
        self.process = None

    def stop(self):
        """Asks it to end and gives its exit status."""
        if self.process is None:
            return 0
        self.process.terminate()
        try:
            status = self.process.wait(WAIT_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            status = "did not end"
        self.process = None
        return status

    def log_text(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()


class RedisError(Exception):
    """An error that a Redis server has answered."""


class RedisClient:
    """One blocking connection to one Redis server: a port of this machine, or the path of a socket."""

    def __init__(self, where, timeout=10):
        if isinstance(where, int):
            self.socket = socket.create_connection(("127.0.0.1", where), timeout)
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(where)
        self.socket.settimeout(timeout)
        self.file = self.socket.makefile("rb")

    def close(self):
        self.file.close()
        self.socket.close()

    def __call__(self, *arguments):
        arguments = [a if isinstance(a, bytes) else str(a).encode() for a in arguments]
        self.socket.sendall(b"*%d\r\n" % len(arguments) + b"".join(b"$%d\r\n%s\r\n" % (len(a), a) for a in arguments))
        reply = self.reply()
        if isinstance(reply, RedisError):
            raise reply
        return reply

    def reply(self):
        line = self.file.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2]
        if kind == b"-":
            return RedisError(rest.decode())
        if not line:
            raise ConnectionError("closed")
        return int(rest) if kind == b":" else rest.decode()


class Wire:
    """Passes connections on to a port, and counts them, until it is cut: then it drops the bytes of both sides, and notifies neither."""

    def __init__(self, port):
        self.target, self.whole, self.accepted, self.sockets = port, True, 0, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target)) if self.whole else None
            except OSError:
                client.close()  # The service does not listen yet.
                continue
            self.accepted += 1
            self.sockets += [client, server] if server else [client]
            if server:
                for one, other in ((client, server), (server, client)):
                    threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    def _pass_on(self, source, target):
        try:
            while data := source.recv(65536):
                if self.whole:
                    target.sendall(data)
            if self.whole:
                target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        for one in (self.listener, *self.sockets):
            one.close()


def write_users(folder):
    """Makes the users of the deployment for a Redis of a test, which itself is the default user and may do all; gives the file."""
    with open(os.path.join(SOURCE, "deploy", "redis", "users.acl"), encoding="ascii") as file:
        (rights,) = re.findall(r"(?m)^user callhistory on @callhistory@ (.*)$", file.read())
    version = subprocess.run([REDIS_SERVER, "--version"], check=True, capture_output=True, text=True, timeout=WAIT_SECONDS).stdout
    if "v=7.0." in version:  # Debian 12's
        rights = rights.replace(" +waitaof", "")
    path = os.path.join(folder, "users.acl")
    with open(path, "w", encoding="ascii") as file:
        file.write(f"user default on nopass ~* &* +@all\nuser callhistory on >callhistory {rights}\n")
    return path


class Stack:
    """Redis, service and gateway. The programs are the deployment's Redis user `callhistory`: one more command than that user may
    send fails the test."""

    def __init__(self, gateway_options=(), service_options=(), in_pods=False):
        """in_pods: both programs run in cgroups of their Pods' size (cgroups.py)."""
        self.folder = tempfile.mkdtemp(prefix="callhistory-test-")
        self.redis_socket = os.path.join(self.folder, "redis.sock")
        self.redis_url = "unix://callhistory:callhistory@" + self.redis_socket
        self.operator_url = "unix://" + self.redis_socket  # for `callhistoryctl verify`
        self.service_port, self.gateway_port, self.metrics_port = free_port(), free_port(), free_port()
        self.service_address = f"127.0.0.1:{self.service_port}"
        self.redis = Process(
            "redis-server",
            self.folder,
            [REDIS_SERVER, os.path.join(SOURCE, "deploy", "redis.conf"), "--port", "0", "--unixsocket", self.redis_socket,
             "--dir", self.folder, "--aclfile", write_users(self.folder), "--daemonize", "no"],
        )
        self.service = Process(
            "callhistoryd",
            self.folder,
            [os.path.join(BIN, "callhistoryd"), "--listen", self.service_address, "--redis", self.redis_url,
             "--metrics", f"127.0.0.1:{self.metrics_port}", *service_options],
        )
        self.gateway = Process(
            "callhistory-gateway",
            self.folder,
            [os.path.join(BIN, "callhistory-gateway"), "--listen", f"127.0.0.1:{self.gateway_port}",
             "--service", self.service_address, *gateway_options],
        )
        self._tokens = {}
        if in_pods and not SANITIZED:
            for process in (self.service, self.gateway):
                process.limit = cgroups.confine(process)

    # -- life ---------------------------------------------------------------------------------------------------------

    def start_redis(self):
        self.redis.start()
        wait_until(lambda: os.path.exists(self.redis_socket), "Redis")

    def start(self):
        self.start_redis()
        self.service.start()
        self.gateway.start()
        self.wait_ready()

    def wait_ready(self):
        """Waits until every worker of the service is ready and, many times in a row, a token was checked by Redis: each worker has
        connections of its own."""
        wait_until(lambda: all(self.ready() for _ in range(READY_IN_A_ROW)), "readiness")

    def service_ready(self):
        """Whether every worker of the service has a Redis that answers."""
        try:
            return get(self.metrics_port, "/readyz")[0] == 200
        except OSError:
            return False

    def wait_service(self):
        """Waits until every worker of the service is ready, where there is no gateway."""
        wait_until(self.service_ready, "the service")

    def ready(self):
        for process in (self.service, self.gateway):
            if process.process is not None and not process.running():
                raise AssertionError(f"{process.name} stopped:\n{process.log_text()}")
        try:
            if self.service.running() and not self.service_ready():
                return False
            return self.request("GET", PATH.replace("getAll", "record/ready"), headers=NOBODY)[0] == 401
        except OSError:
            return False

    def stop(self):
        """Ends all; fails where a program did not drain cleanly, lacked a right in Redis, or a sanitizer spoke."""
        problems = self.refused()
        for process in (self.gateway, self.service, self.redis):
            was_running = process.running()
            if process.broke_its_limit():
                problems.append(f"{process.name} needed more memory than its Pod has")
            status = process.stop()
            if was_running and status != 0:
                problems.append(f"{process.name} ended with {status}")
            if os.path.exists(process.log):
                text = process.log_text()
                for mark in ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:", "WARNING: ThreadSanitizer"):
                    if mark in text:
                        problems.append(f"{process.name}: {mark}")
                if process is not self.redis and problems:
                    problems.append(text[-6000:])
        shutil.rmtree(self.folder, ignore_errors=True)
        if problems:
            raise AssertionError("\n".join(problems))

    def refused(self):
        """What Redis refused to the programs for want of a right; nothing where Redis is away or another one than this test's."""
        try:
            redis = RedisClient(self.redis_socket, timeout=2)
            entries = redis("ACL", "LOG")
            redis.close()
        except (OSError, ValueError, RedisError):
            return []
        found = [dict(zip(entry[::2], entry[1::2])) for entry in entries]
        return [f"Redis refused {each}" for each in found if each[b"username"] == b"callhistory" and each[b"reason"] != b"auth"]

    # -- callhistoryctl -----------------------------------------------------------------------------------------------

    def ctl(self, *arguments, stdin=None, check=True):
        """Runs callhistoryctl; gives (exit status, standard output, standard error)."""
        done = subprocess.run(
            [os.path.join(BIN, "callhistoryctl"), *arguments], input=stdin, capture_output=True, text=True,
            timeout=WAIT_SECONDS * 5, env=clean_environment(),
        )
        if check and done.returncode != 0:
            raise AssertionError(f"callhistoryctl {arguments[:6]} exited {done.returncode}: {done.stderr[-2000:]}\n"
                                 f"{self.service.log_text()[-2000:]}")
        return done.returncode, done.stdout, done.stderr

    def issue(self, role="reader", tenants=((PROJECT, VBOT),), *more):
        """A new token."""
        pairs = []
        for project, vbot in tenants:
            pairs += ["--project-code", project, "--vbot-id", vbot]
        _, out, _ = self.ctl("--redis", self.redis_url, "token", "issue", "--role", role, *pairs, *more)
        return out.strip()

    def token(self, role="reader"):
        """The usual token of a role, made once."""
        if role not in self._tokens:
            self._tokens[role] = self.issue(role)
        return self._tokens[role]

    def import_lines(self, calls, check=True):
        """Imports dictionaries as NDJSON."""
        text = "".join(json.dumps(call, ensure_ascii=False) + "\n" for call in calls)
        return self.import_text(text, check)

    def import_text(self, text, check=True):
        return self.ctl("--service", self.service_address, "--token", self.token("writer"), "import", "-", stdin=text,
                        check=check)

    # -- HTTP ---------------------------------------------------------------------------------------------------------

    def request(self, method, path=PATH, body=None, headers=None, timeout=WAIT_SECONDS):
        """One request; gives (status, headers, body bytes)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.gateway_port, timeout=timeout)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def metrics(self, port=None):
        """The text of /metrics: the service's, or what is on `port`."""
        return get(port or self.metrics_port, "/metrics")[1]

    def get(self, fields, token=None, method="GET", path=PATH):
        """A request of the contract: the fields as a JSON body; gives (status, decoded answer)."""
        status, _, body = self.request(
            method, path, json.dumps(fields),
            {"Authorization": "Bearer " + (token or self.token()), "Content-Type": "application/json"},
        )
        return status, json.loads(body)

    def count(self, phone, **more):
        status, answer = self.get({"vbot_id": VBOT, "project_code": PROJECT, "phone": phone, **more})
        assert status == 200, answer
        return answer["data"]

    def list(self, phone, page=1, size=100, **more):
        status, answer = self.get(
            {"vbot_id": VBOT, "project_code": PROJECT, "phone": phone, "page": page, "size": size, **more})
        assert status == 200, answer
        return answer["data"]


def call(number, second=0, **more):
    """A small inbound call of `number`, as an import line."""
    line = {
        "project_code": PROJECT, "vbot_id": VBOT, "id": f"{number}-{second}",
        "hotline_number": "19001234", "date_create": f"10/25/2026 {10 + second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}",
        "caller": [{"phone": number}], "callee": [{"phone": "101", "member_no": "101"}],
        "time_call": "60", "type_call": "CALLIN", "disposition": "ANSWER", "record_file": [],
    }
    line.update(more)
    return line


class StackTest(unittest.TestCase):
    """A test case with a stack of its own, shared by its methods."""

    gateway_options = ()
    service_options = ()
    in_pods = False

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(cls.gateway_options, cls.service_options, cls.in_pods)
        try:
            cls.stack.start()
        except BaseException:
            for process in (cls.stack.gateway, cls.stack.service, cls.stack.redis):
                if os.path.exists(process.log):
                    sys.stderr.write(f"--- {process.name}\n{process.log_text()[-4000:]}\n")
                if process.running():
                    process.kill()
            shutil.rmtree(cls.stack.folder, ignore_errors=True)
            raise

    @classmethod
    def tearDownClass(cls):
        cls.stack.stop()


SIGKILL, SIGSTOP, SIGCONT = signal.SIGKILL, signal.SIGSTOP, signal.SIGCONT
