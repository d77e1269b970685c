"""One row per kind of trouble that Redis can have: what gRPC and HTTP answer while it lasts, and that all is right afterwards.

Prints the rows, with memory and lines of log while it lasted; both are bounded.
"""

import contextlib
import re
import resource
import shutil
import tempfile
import time
import unittest

import chaos
import grpc
import harness
import ledger
import redis_servers
import stubs

LASTS_S, LOG_COMMANDS, LOAD_DELAY_US = 2 if redis_servers.LONG else 1, 40000, 150
PASSWORD, ALWAYS = "another", ledger.ERASED + "-always"
GROWTH_MAX, LINES_MAX = 16 << 20, 100  # bytes; lines of log in LASTS_S with a request at a time
UNAVAILABLE = {"UNAVAILABLE", "DEADLINE_EXCEEDED"}
OK, REFUSED = {"OK"}, {"INTERNAL", "UNAVAILABLE"}
FINE, AWAY, ANY_ERROR = {200}, {503, 504}, {500, 503, 504}


class Trouble(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="callhistory-trouble-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        cls.redis = chaos.Single(cls.folder)
        cls.addClassCleanup(cls.redis.stop)
        cls.redis.start()
        cls.server = cls.redis.servers[0]
        cls.server.ask("CONFIG", "SET", "appendfsync", "everysec")  # with `always` a server that cannot write ends
        cls.service = redis_servers.ServiceOver(cls.folder, cls.redis.url(), workers=2)
        cls.gateway = chaos.Gateway(cls.folder, cls.service.address)
        cls.addClassCleanup(cls.gateway.process.stop)
        cls.addClassCleanup(cls.service.process.stop)
        cls.service.start()
        cls.gateway.process.start()
        harness.wait_until(lambda: harness.connects(cls.gateway.port), "the gateway")
        pair = [(harness.PROJECT, harness.VBOT)]
        cls.token = cls.service.issue("writer", pair)
        cls.channel = stubs.channel(cls.service.address)
        cls.addClassCleanup(cls.channel.close)
        cls.next = 0

    def ask(self, method, request):
        request.project_code, request.vbot_id = harness.PROJECT, harness.VBOT
        try:
            method(request, timeout=1, metadata=[("authorization", "Bearer " + self.token)])
            return "OK"
        except grpc.RpcError as error:
            return error.code().name

    def write(self):
        type(self).next += 1
        call = ledger.message(ALWAYS, self.next)
        return self.ask(stubs.ingest_grpc.CallIngestServiceStub(self.channel).RecordCalls, stubs.ingest.RecordCallsRequest(calls=[call]))

    def read(self):
        return self.ask(stubs.history_grpc.CallHistoryServiceStub(self.channel).ListCalls, stubs.history.ListCallsRequest())

    def page(self):
        return self.gateway.page(ledger.ERASED_NUMBER, self.token)[0]

    def right(self):
        """Whether a write is acknowledged and its version is what is read."""
        if self.write() != "OK":
            return False
        stub = stubs.history_grpc.CallHistoryServiceStub(self.channel)
        request = stubs.history.GetCallRequest(project_code=harness.PROJECT, vbot_id=harness.VBOT, id=ALWAYS)
        try:
            call = stub.GetCall(request, timeout=1, metadata=[("authorization", "Bearer " + self.token)]).call
        except grpc.RpcError:
            return False
        self.assertEqual(ledger.version_of(call), self.next)
        return True

    def memory(self):
        with open(f"/proc/{self.service.process.process.pid}/status", encoding="ascii") as file:
            return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1)) << 10

    def row(self, name, begin, end, writes, reads, pages):
        harness.wait_until(self.right, "all to be right before")
        memory, lines = self.memory(), self.service.process.log_text().count("\n")
        begin()
        until, seen = time.monotonic() + LASTS_S, (set(), set(), set())
        while time.monotonic() < until:
            for one, ask in zip(seen, (self.write, self.read, self.page)):
                one.add(ask())
        growth, lines = self.memory() - memory, self.service.process.log_text().count("\n") - lines
        end()
        ended = time.monotonic()
        harness.wait_until(self.right, f"{name}: right answers")
        print(f"{name}: write {sorted(seen[0])}, read {sorted(seen[1])}, HTTP {sorted(seen[2])}; right after {time.monotonic() - ended:.1f} s; "
              f"{growth >> 10} KiB more, {lines} lines of log", flush=True)
        with self.subTest(name):
            for one, allowed in zip(seen, (writes, reads, pages)):
                self.assertLessEqual(one, allowed)
            self.assertLessEqual(lines, LINES_MAX)
            if not harness.SANITIZED:
                self.assertLess(growth, GROWTH_MAX)

    def limit_files(self, size):
        resource.prlimit(self.server.pid(), resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def on_wire(self, **what):
        for name, value in what.items():
            setattr(self.server.wire, name, value)

    def healed(self):
        self.server.wire.heal()
        self.server.wire.cut()

    def load(self):
        """A start that takes some seconds."""
        for _ in range(LOG_COMMANDS // 1000):
            self.server.ask("EVAL", "for i=1,1000 do redis.call('SET',KEYS[1],i) end", 1, "filler")
        self.server.process.kill()
        self.server.process.arguments += ["--key-load-delay", str(LOAD_DELAY_US)]
        self.server.process.start()
        harness.wait_until(self.loading, "the server to load")

    def loading(self):
        try:
            return self.server.ask("PING") == "PONG"
        except OSError:
            return False
        except harness.RedisError as error:
            return str(error).startswith("LOADING")

    def loaded(self):
        self.assertEqual(self.server.info("loading"), "1")
        del self.server.process.arguments[-2:]
        self.server.process.kill()
        self.server.process.start()

    def as_admin(self, *command):
        client = self.server.connect()
        with contextlib.closing(client):
            client("AUTH", PASSWORD)
            client(*command)

    def wrong_password(self):
        self.server.ask("ACL", "SETUSER", "default", "resetpass", ">" + PASSWORD)
        self.server.wire.cut()

    def wrong_types(self):
        for key in [key for key in self.server.ask("KEYS", "{*") if not key.endswith(b"}m")]:
            self.server.ask("RENAME", key, b"aside:" + key)
            self.server.ask("RPUSH", key, "a list, which no key of the store is")

    def right_types(self):
        for key in self.server.ask("KEYS", "aside:*"):
            self.server.ask("RENAME", key, key[len("aside:"):])

    def evicting(self):
        self.server.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        self.server.wire.cut()  # Settings are read with each new connection.
        harness.wait_until(lambda: self.service.metric('callhistory_redis_setting_risk{setting="maxmemory-policy"}'), "the metric")

    def not_evicting(self):
        self.assertIn("maxmemory-policy evicts calls", self.service.process.log_text())
        self.server.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")

    def test_rows(self):
        process, ask = self.server.process, self.server.ask
        self.row("away", process.kill, process.start, UNAVAILABLE, UNAVAILABLE, AWAY)
        ask("CONFIG", "SET", "appendfsync", "everysec")
        self.row("LOADING", self.load, self.loaded, UNAVAILABLE, UNAVAILABLE, AWAY)
        ask("CONFIG", "SET", "appendfsync", "everysec")
        self.row("wrong password", self.wrong_password, lambda: self.as_admin("ACL", "SETUSER", "default", "nopass"), UNAVAILABLE, UNAVAILABLE, AWAY)
        self.row("wrong types", self.wrong_types, self.right_types, {"DATA_LOSS"}, {"DATA_LOSS"}, {500})
        self.row("evicting policy", self.evicting, self.not_evicting, OK, OK, FINE)
        self.row("hung", lambda: process.signal(harness.SIGSTOP), lambda: process.signal(harness.SIGCONT), UNAVAILABLE, UNAVAILABLE, AWAY)
        self.row("slow", lambda: self.on_wire(delay_s=0.05), self.healed, OK | UNAVAILABLE, OK | UNAVAILABLE, FINE | AWAY)
        self.row("READONLY", lambda: ask("REPLICAOF", "127.0.0.1", 1), lambda: ask("REPLICAOF", "NO", "ONE"), OK | UNAVAILABLE, OK | UNAVAILABLE, FINE | AWAY)
        self.row("MISCONF", lambda: self.limit_files(1), lambda: self.limit_files(resource.RLIM_INFINITY), OK | REFUSED | {"RESOURCE_EXHAUSTED"}, OK, FINE)
        self.row("OOM", lambda: ask("CONFIG", "SET", "maxmemory", 1), lambda: ask("CONFIG", "SET", "maxmemory", 0), {"RESOURCE_EXHAUSTED"}, OK, FINE)
        self.row("NOPERM", lambda: ask("ACL", "SETUSER", "default", "-evalsha", "-eval", "-zrange", "-fcall", "-hget"),
                 lambda: ask("ACL", "SETUSER", "default", "+@all"), REFUSED, OK | REFUSED, FINE | ANY_ERROR)
        self.row("scripts flushed", lambda: ask("SCRIPT", "FLUSH"), lambda: None, OK, OK, FINE)
        self.row("garbage", lambda: self.on_wire(instead=b"\x00\xffgarbage\r\n" * 100), self.healed, OK | REFUSED | UNAVAILABLE, REFUSED | UNAVAILABLE, ANY_ERROR)
        self.row("endless replies", lambda: self.on_wire(instead=b"*1000000000\r\n" + b":1\r\n" * 10000), self.healed,
                 UNAVAILABLE, UNAVAILABLE, AWAY)


if __name__ == "__main__":
    unittest.main()
