"""Real Redis or Valkey servers for a test: a cluster, or a master with replicas and sentinels, on free loopback ports.

REDIS_SERVER names the program; CALLHISTORY_LONG=1 makes the tests that use this longer.
"""

import os
import shutil
import subprocess
import threading
import time

import harness

LONG = os.environ.get("CALLHISTORY_LONG") == "1"
SLOTS = 16384
# Short, so that failovers take seconds; the service's bound on replies must be below half of it.
NODE_TIMEOUT_MS = 1500
REPLY_AGE_MS = 700


GIVEN_OUT = set()


def port_with_bus():
    """A free port whose cluster bus, 10000 above, is possible and free too."""
    while True:
        port = harness.free_port()
        if port < 55000 and not harness.connects(port + 10000) and not {port, port + 10000} & GIVEN_OUT:
            GIVEN_OUT.update((port, port + 10000))
            return port


class Server:
    """A server process with a port and a folder of its own."""

    def __init__(self, folder, options=(), sentinel=False, port=None):
        self.port = port or port_with_bus()
        self.announced = self.port  # what other servers and clients are told
        self.folder = os.path.join(folder, f"server-{self.port}")
        os.mkdir(self.folder)
        # A copy, because sentinels have the servers rewrite their configuration.
        config = os.path.join(self.folder, "server.conf")
        if sentinel:
            with open(config, "w", encoding="ascii") as file:
                file.write("\n".join(options) + "\n")
        else:
            shutil.copy(os.path.join(harness.SOURCE, "deploy", "redis.conf"), config)
        # A file that may not grow is then an error to the server, as a full disk is, not its end.
        arguments = ["env", "--ignore-signal=XFSZ", harness.REDIS_SERVER, config, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.folder,
                     "--daemonize", "no"]
        arguments += ["--sentinel"] if sentinel else list(options)
        self.process = harness.Process(f"redis-{self.port}", self.folder, arguments)

    def start(self):
        self.process.start()

    def pid(self):
        return self.process.process.pid

    def connect(self):
        return harness.RedisClient(self.port)

    def up(self):
        try:
            return self.ask("PING") == "PONG"
        except (OSError, harness.RedisError, ValueError):
            return False

    def ask(self, *arguments):
        """One command over a connection of its own."""
        client = self.connect()
        try:
            return client(*arguments)
        finally:
            client.close()

    def info(self, field):
        for line in self.ask("INFO").decode().split("\r\n"):
            if line.startswith(field + ":"):
                return line.split(":", 1)[1]
        return None


def start_all(servers):
    for server in servers:
        server.start()
    for server in servers:
        harness.wait_until(server.up, f"redis-server on port {server.port}")


class Cluster:
    """Masters with replicas: server i is a master for i < masters; replica r belongs to master r % masters."""

    def __init__(self, folder, masters=3, replicas=1, options=(), server=Server):
        options = ["--cluster-enabled", "yes", "--cluster-node-timeout", str(NODE_TIMEOUT_MS), "--appendonly", "yes",
                   "--cluster-replica-validity-factor", "0", "--save", "", "--appendfsync", "everysec",
                   "--repl-diskless-sync-delay", "0", *options]
        self.folder, self.options = folder, options
        self.master_count = masters
        self.servers = [server(folder, options) for _ in range(masters * (1 + replicas))]

    def start(self):
        start_all(self.servers)
        masters = self.servers[: self.master_count]
        for i, server in enumerate(masters):
            first, last = SLOTS * i // len(masters), SLOTS * (i + 1) // len(masters) - 1
            server.ask("CLUSTER", "ADDSLOTSRANGE", first, last)
        for epoch, server in enumerate(self.servers):
            server.ask("CLUSTER", "SET-CONFIG-EPOCH", epoch + 1)
        for server in self.servers[1:]:
            server.ask("CLUSTER", "MEET", "127.0.0.1", self.servers[0].port)
        harness.wait_until(lambda: all(self.known(s) == len(self.servers) for s in self.servers), "the nodes to meet")
        for i, server in enumerate(self.servers[self.master_count:]):
            master = masters[i % len(masters)].ask("CLUSTER", "MYID")
            harness.wait_until(lambda s=server, m=master: self.replicate(s, m), "a replica")
        self.wait_ok()

    @staticmethod
    def known(server):
        return sum("connected" in line and "handshake" not in line for line in server.ask("CLUSTER", "NODES").decode().splitlines())

    @staticmethod
    def replicate(server, master):
        try:
            return server.ask("CLUSTER", "REPLICATE", master) == "OK"
        except harness.RedisError:
            return False

    def whole(self):
        try:
            return self.is_whole()
        except (OSError, harness.RedisError):  # One of them has just been started.
            return False

    def is_whole(self):
        for server in self.servers:
            if not server.process.running():
                continue
            if "cluster_state:ok" not in server.ask("CLUSTER", "INFO").decode():
                return False
            if server.info("role") == "slave" and server.info("master_link_status") != "up":
                return False
        return True

    def wait_ok(self, seconds=60):
        harness.wait_until(self.whole, "the cluster to be whole", seconds)

    def url(self):
        return "redis+cluster://" + ",".join(f"127.0.0.1:{s.announced}" for s in self.servers[:3])

    def by_port(self, port):
        return next(s for s in self.servers if s.announced == port)

    def owner(self, slot, alive=None):
        """The server that owns a slot, as one that runs says."""
        alive = alive or next(s for s in self.servers if s.process.running())
        for first, last, master, *_ in alive.ask("CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return self.by_port(int(master[1]))
        return None

    def slot_of(self, key):
        return self.servers[0].ask("CLUSTER", "KEYSLOT", key)

    def move(self, slot, target, step, pause=0.0):
        """Moves a slot, `step` keys at a time, as redis-cli --cluster reshard does."""
        source = self.owner(slot)
        source_id, target_id = (s.ask("CLUSTER", "MYID").decode() for s in (source, target))
        target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", source_id)
        source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
        client = harness.RedisClient(source.port, 60)
        while True:
            keys = client("CLUSTER", "GETKEYSINSLOT", slot, step)
            if not keys:
                break
            client("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
            if pause:
                time.sleep(pause)
        client.close()
        target.ask("CLUSTER", "SETSLOT", slot, "NODE", target_id)
        source.ask("CLUSTER", "SETSLOT", slot, "NODE", target_id)
        for server in self.servers:
            if server.process.running() and server not in (source, target) and server.info("role") == "master":
                server.ask("CLUSTER", "SETSLOT", slot, "NODE", target_id)

    def stop(self):
        for server in self.servers:
            if server.process.running():
                os.kill(server.pid(), harness.SIGCONT)
                server.process.kill()


class Sentinels:
    """A master, two replicas and three sentinels."""

    NAME, DOWN_AFTER_MS = "the-master", 1500

    def __init__(self, folder, server=Server):
        options = ["--appendonly", "yes", "--appendfsync", "everysec", "--repl-diskless-sync-delay", "0"]
        self.first = server(folder, options)
        master = str(self.first.announced)
        self.servers = [self.first] + [server(folder, options) for _ in range(2)]
        config = [f"sentinel monitor {self.NAME} 127.0.0.1 {master} 2",
                  f"sentinel down-after-milliseconds {self.NAME} {self.DOWN_AFTER_MS}",
                  f"sentinel failover-timeout {self.NAME} 10000", f"sentinel parallel-syncs {self.NAME} 2"]
        self.sentinels = [Server(folder, config, sentinel=True) for _ in range(3)]

    def start(self):
        start_all(self.servers)
        for server in self.servers[1:]:
            # In the file, which sentinels have rewritten; an argument would make a replica again of a master that is started again.
            server.ask("REPLICAOF", "127.0.0.1", self.first.announced)
            server.ask("CONFIG", "REWRITE")
        harness.wait_until(lambda: self.first.info("connected_slaves") == "2", "the replicas")
        start_all(self.sentinels)
        harness.wait_until(lambda: all(len(s.ask("SENTINEL", "SENTINELS", self.NAME)) == 2 for s in self.sentinels),
                           "the sentinels to meet")

    def url(self):
        return "redis+sentinel://" + ",".join(f"127.0.0.1:{s.port}" for s in self.sentinels) + "/" + self.NAME

    def stop(self):
        for server in self.servers + self.sentinels:
            if server.process.running():
                os.kill(server.pid(), harness.SIGCONT)
                server.process.kill()

    def master(self):
        """The server that most sentinels name."""
        ports = [int(s.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.NAME)[1]) for s in self.sentinels]
        port = max(ports, key=ports.count)
        return next(s for s in self.servers if s.announced == port)

    def whole(self):
        try:
            return self.is_whole()
        except (OSError, harness.RedisError):  # One of them has just been started.
            return False

    def is_whole(self):
        master = self.master()
        return (master.process.running() and master.info("role") == "master" and
                all(s is master or (s.info("role") == "slave" and s.info("master_link_status") == "up" and
                                    s.info("master_port") == str(master.announced)) for s in self.servers))


class ServiceOver:
    """callhistoryd over given Redis servers, and callhistoryctl."""

    def __init__(self, folder, url, *options, workers=1):
        self.url, self.folder = url, folder
        self.port, self.metrics_port = harness.free_port(), harness.free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.process = harness.Process(
            "callhistoryd", folder,
            [os.path.join(harness.BIN, "callhistoryd"), "--listen", self.address, "--redis", url, "--workers", str(workers),
             "--metrics", f"127.0.0.1:{self.metrics_port}", *options])

    def start(self):
        self.process.start()
        harness.wait_until(self.ready, "callhistoryd")

    def http(self, path):
        connection = harness.http.client.HTTPConnection("127.0.0.1", self.metrics_port, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def ready(self):
        try:
            return self.http("/readyz")[0] == 200
        except OSError:
            return False

    def metric(self, name):
        for line in self.http("/metrics")[1].splitlines():
            if line.startswith(name + " ") or line.startswith(name + "{"):
                return float(line.rsplit(" ", 1)[1])
        return None

    def ctl(self, *arguments, seconds=60):
        done = subprocess.run([os.path.join(harness.BIN, "callhistoryctl"), *arguments], capture_output=True, text=True,
                              timeout=seconds, env=harness.clean_environment(), check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def issue(self, role, tenants, *more):
        pairs = []
        for project, vbot in tenants:
            pairs += ["--project-code", project, "--vbot-id", vbot]
        return self.ctl("--redis", self.url, *more, "token", "issue", "--role", role, *pairs)

    def verify(self):
        """`callhistoryctl verify` must find nothing."""
        text = self.ctl("--redis", self.url, "verify", seconds=300)
        assert text.endswith(", 0 differences"), text

    def stop(self):
        status = self.process.stop()
        text = self.process.log_text()
        assert status == 0, text[-4000:]
        for mark in ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:", "WARNING: ThreadSanitizer"):
            assert mark not in text, text[-6000:]


class Thread(threading.Thread):
    """A thread that keeps what went wrong in it for join()."""

    def __init__(self, target, *arguments):
        super().__init__(daemon=True)
        self.call, self.arguments, self.failure = target, arguments, None
        self.start()

    def run(self):
        try:
            self.call(*self.arguments)
        except BaseException as failure:  # pylint: disable=broad-except
            self.failure = failure

    def finish(self, seconds=120):
        self.join(seconds)
        if self.failure:
            raise self.failure
        assert not self.is_alive(), "a thread did not end"
