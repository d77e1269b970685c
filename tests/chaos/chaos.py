#!/usr/bin/env python3
"""Writers record calls while a seeded schedule does harm; then everything acknowledged must be there, once, whole and newest.

    tests/chaos/chaos.py --topology single|sentinel|cluster [--faults N] [--seed S] [--kinds KIND,...] [--keep] [--sabotage KIND]

One fault at a time, and all servers are whole again before the next: what an acknowledgement survives is the row of
deploy/README.md that the topology has (one server: `appendfsync always`; with two replicas `--redis-ack replicas=2`).
Calls come by gRPC, on several channels of which one passes a fault proxy, and by callhistoryctl import; they are deleted by id
and by number; HTTP readers look on.
"""

import argparse
import binascii
import collections
import contextlib
import http.client
import itertools
import json
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))

import grpc  # noqa: E402

import harness  # noqa: E402
import copies  # noqa: E402
import ledger  # noqa: E402
import redis_servers  # noqa: E402
import stubs  # noqa: E402
import wire  # noqa: E402

WRITERS, BATCH, IMPORT_LINES, IMPORT_S, ERASED_MAX = 3, 5, 20, 2, 100
WHOLE_S = 120
# Keys that make a server's log long.
FILLER_KEYS, FILLER_STEP = 200000, 20000
ENTRY_BYTES = 27  # of a chunk of an index (services/store/layout.md)


class Server(redis_servers.Server):
    """A server that everybody reaches through a proxy: clients, replicas and sentinels."""

    def __init__(self, folder, options=(), cluster=False):
        port = redis_servers.port_with_bus()
        self.wire = wire.FaultWire(port)
        announce = ["--cluster-announce-port", str(self.wire.port), "--cluster-announce-bus-port", str(port + 10000)] if cluster \
            else ["--replica-announce-port", str(self.wire.port)]
        super().__init__(folder, [*options, *announce], port=port)
        self.announced = self.wire.port

    def start(self):
        """As deploy/redis/start does: Redis 7.0 would carry out half of a transaction that a crash has cut."""
        repair = os.path.join(harness.SOURCE, "deploy", "redis", "repair-log")
        command = "valkey" if "valkey" in harness.REDIS_SERVER else "redis"
        subprocess.run([repair, self.folder], timeout=WHOLE_S, check=True, env={**harness.clean_environment(), "REDIS_COMMAND": command})
        super().start()


class Single:
    ack, age = "local", ()

    def __init__(self, folder):
        self.servers = [Server(folder, ["--appendonly", "yes", "--appendfsync", "always"])]

    def start(self):
        redis_servers.start_all(self.servers)

    def stop(self):
        for server in self.servers:
            if server.process.running():
                os.kill(server.pid(), harness.SIGCONT)
                server.process.kill()

    def url(self):
        return f"redis://127.0.0.1:{self.servers[0].announced}"

    def whole(self):
        return self.servers[0].up()

    def master_of(self, _):
        return self.servers[0]

    fail_over = None


class Sentinel(redis_servers.Sentinels):
    # A failover that is asked for promotes one replica while the old master still has the other: both must have a write.
    ack, age = "replicas=2", ("--redis-reply-age", str(redis_servers.Sentinels.DOWN_AFTER_MS // 2 - 50))

    def __init__(self, folder):
        super().__init__(folder, Server)

    def master_of(self, _):
        return self.master()

    def masters(self):
        return [self.master().port]

    def fail_over(self, *_):
        self.sentinels[0].ask("SENTINEL", "FAILOVER", self.NAME)


class Cluster(redis_servers.Cluster):
    # A master that was paused may return while a replica is being elected, and have writes acknowledged by the other one.
    ack, age = "replicas=2", ("--redis-reply-age", str(redis_servers.REPLY_AGE_MS))

    def __init__(self, folder):
        super().__init__(folder, replicas=2, server=lambda folder, options: Server(folder, options, cluster=True))

    def master_of(self, key):
        return self.owner(self.slot_of(key))

    def masters(self):
        return sorted(s.port for s in self.servers if s.info("role") == "master")

    def fail_over(self, rng, key):
        """To a replica of the key's master."""
        port = str(self.master_of(key).announced)
        rng.choice([s for s in self.servers if s.info("role") == "slave" and s.info("master_port") == port]).ask("CLUSTER", "FAILOVER")


TOPOLOGIES = {"single": Single, "sentinel": Sentinel, "cluster": Cluster}


class Gateway:
    def __init__(self, folder, service_address):
        self.port = harness.free_port()
        self.process = harness.Process("callhistory-gateway", folder, [
            os.path.join(harness.BIN, "callhistory-gateway"), "--listen", f"127.0.0.1:{self.port}", "--service", service_address])

    def page(self, number, token):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            fields = {"vbot_id": harness.VBOT, "project_code": harness.PROJECT, "phone": number, "page": 1, "size": 100}
            connection.request("GET", harness.PATH, json.dumps(fields), {"Authorization": "Bearer " + token, "Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()


class Load:
    """Writers, an importer and a reader."""

    def __init__(self, service, gateway, seed):
        self.service, self.gateway, self.seed, self.stopping = service, gateway, seed, threading.Event()
        self.ledger, self.front = ledger.Ledger(), wire.FaultWire(service.port)
        pair = [(harness.PROJECT, harness.VBOT)]
        self.writer, self.reader, self.eraser = (service.issue(role, pair) for role in ("writer", "reader", "eraser"))
        self.count, self.wrong, self.last_success = collections.Counter(), [], 0
        self.threads, self.slot_key = [], None
        self.copies = copies.Follower(self.history, self.reader), copies.Poller(self.history, self.reader)

    def start(self):
        for i in range(WRITERS):
            self.threads.append(redis_servers.Thread(self.write, i))
        self.threads += [redis_servers.Thread(work, WRITERS + i) for i, work in enumerate((self.bring, self.read, self.erase))]
        self.threads += [redis_servers.Thread(self.copy, copy) for copy in self.copies]

    def finish(self):
        self.stopping.set()
        for thread in self.threads:
            thread.finish()

    @contextlib.contextmanager
    def history(self):
        with stubs.channel(self.service.address) as channel:
            yield stubs.history_grpc.CallHistoryServiceStub(channel)

    def copy(self, copy):
        """Keeps a copy of the calls up to date."""
        while not self.stopping.wait(0.1):
            try:
                copy.update()
            except grpc.RpcError as error:
                self.count[f"{copy.name}: {error.code().name}"] += 1

    def pick(self, rng, mine, name, count):
        """Pairs of id and version: new calls, replacements and repeats."""
        picked = {}
        for _ in range(count):
            kind = rng.random()
            if kind < 0.6 or not mine:
                call_id = f"{name}-{len(mine)}"
                mine[call_id] = 1
            else:
                call_id = rng.choice(list(mine)[-2000:])
                mine[call_id] += call_id not in picked and kind < 0.85
            picked[call_id] = mine[call_id]
        return list(picked.items())

    def send(self, channel, calls, seconds, number=None):
        """Begins a recording, or a deletion where versions are None, by ids or of a number; gives what waits for its end."""
        attempts, tenant = self.ledger.send(calls, seconds), {"project_code": harness.PROJECT, "vbot_id": harness.VBOT}
        stub, kind, token = stubs.ingest_grpc.CallIngestServiceStub(channel), "recorded", self.writer
        if calls[0][1] is None:
            what = {"phone": number} if number else {"ids": [call_id for call_id, _ in calls]}
            kind, token, method, request = "deleted", self.eraser, stub.DeleteCalls, stubs.ingest.DeleteCallsRequest(**what, **tenant)
        else:
            method, request = stub.RecordCalls, stubs.ingest.RecordCallsRequest(calls=[ledger.message(*call) for call in calls], **tenant)
        future = method.future(request, timeout=seconds, metadata=[("authorization", "Bearer " + token)])

        def finish():
            try:
                answer = future.result()
            except grpc.RpcError as error:
                self.ledger.settle(attempts, False)
                self.count[f"{kind} in doubt: {error.code().name}"] += 1
                return False
            assert not answer.next_page_token if kind == "deleted" else all(r.outcome != stubs.ingest.RecordCallResult.OUTCOME_REFUSED for r in answer.results), answer
            self.ledger.settle(attempts, True)
            self.count[kind] += 1
            self.last_success = time.monotonic()
            return True
        return finish

    def channels(self):
        options = [("grpc.max_reconnect_backoff_ms", 200), ("grpc.initial_reconnect_backoff_ms", 50), ("grpc.min_reconnect_backoff_ms", 50)]
        return [stubs.channel(address, None, *options)
                for address in (self.service.address, self.service.address, f"127.0.0.1:{self.front.port}")]

    def write(self, index):
        rng, mine, channels = random.Random(f"{self.seed}/{index}"), {}, self.channels()
        while not self.stopping.wait(0.03):
            calls, seconds = self.pick(rng, mine, f"w{index}", BATCH), rng.choice((0.3, 1, 3))
            one, other = rng.sample(channels, 2)
            if rng.random() < 0.1:
                calls = [(call_id, None) for call_id in rng.sample(list(mine), min(BATCH, len(mine)))]
            first = self.send(one, calls, seconds)
            if rng.random() < 0.3:  # a newer version by another channel, which may overtake
                newer = [(call_id, mine[call_id] + 1) for call_id, _ in calls]
                mine.update(newer)
                second = self.send(other, newer, rng.choice((0.3, 1, 3)))
                first()
                second()
            elif not first() and rng.random() < 0.5:
                self.send(other, calls, seconds)()
        for channel in channels:
            channel.close()

    def erase(self, index):
        """Records calls of a number that nobody else uses, and deletes all that it has."""
        rng, mine, channels = random.Random(f"{self.seed}/{index}"), {}, self.channels()
        while not self.stopping.wait(0.1):
            channel, calls, seconds = rng.choice(channels), self.pick(rng, mine, ledger.ERASED, BATCH), rng.choice((0.3, 1, 3))
            if rng.random() < 0.2:
                self.send(channel, [(call_id, None) for call_id in mine], seconds, ledger.ERASED_NUMBER)()
                mine = dict(list(mine.items())[-ERASED_MAX:])
            else:
                self.send(channel, calls, seconds)()
        for channel in channels:
            channel.close()

    def bring(self, index):
        """Imports."""
        rng, mine = random.Random(f"{self.seed}/{index}"), {}
        while not self.stopping.wait(0.2):
            calls = self.pick(rng, mine, "i", IMPORT_LINES)
            attempts = self.ledger.send(calls, IMPORT_S)
            text = "".join(json.dumps(ledger.line(*call)) + "\n" for call in calls)
            done = subprocess.run(
                [os.path.join(harness.BIN, "callhistoryctl"), "--service", self.service.address, "--timeout", str(IMPORT_S * 1000), "import", "-"],
                input=text, capture_output=True, text=True, timeout=60, check=False,
                env={**harness.clean_environment(), "CALLHISTORY_TOKEN": self.writer})
            assert done.returncode in (0, 1), done
            self.ledger.settle(attempts, done.returncode == 0, IMPORT_S)
            self.count["imports " + ("acknowledged" if done.returncode == 0 else "in doubt")] += 1

    def read(self, index):
        """No page has a call twice, or one that nobody sent."""
        rng = random.Random(f"{self.seed}/{index}")
        while not self.stopping.wait(0.02):
            number = f"09{rng.randrange(40):08}"
            try:
                status, body = self.gateway.page(number, self.reader)
            except (OSError, http.client.HTTPException):
                self.count["pages: no answer"] += 1
                continue
            self.count[f"pages: {status}"] += 1
            found = re.findall(re.escape(ledger.RECORDING) + r"([^/\"]+)/(\d+)", body.replace("\\/", "/"))
            ids = [call_id for call_id, _ in found]
            if status == 200 and len(ids) != len(set(ids)):
                self.wrong.append(f"{number}: a call twice on one page")
            self.wrong += [f"{number}: {call_id}/{version} has another number" for call_id, version in found
                           if ledger.content(call_id, int(version))[0] != number]


class Chaos:
    def __init__(self, topology, seed, folder, only=()):
        self.rng, self.only = random.Random(seed), only
        self.redis = TOPOLOGIES[topology](folder)
        self.service = redis_servers.ServiceOver(folder, self.redis.url(), "--redis-ack", self.redis.ack, *self.redis.age, workers=2)
        self.gateway, self.seed = Gateway(folder, self.service.address), seed
        self.load, self.done = None, collections.Counter()

    def start(self):
        self.redis.start()
        self.service.start()
        self.gateway.process.start()
        self.load = Load(self.service, self.gateway, self.seed)
        if isinstance(self.redis, Single):  # A failover may lose what a reader has seen and nobody has acknowledged.
            self.load.copies += (copies.Exporter(self.load.history, self.load.reader),)

    # -- what may be done ---------------------------------------------------------------------------------------------

    def kinds(self):
        kinds = ["kill_redis", "stop_redis", "restart_redis", "full_disk", "full_memory", "long_log", "flush_scripts",
                 "cut_redis", "hold_redis", "delay_redis", "slow_redis", "cut_clients", "hold_clients", "delay_clients", "slow_clients",
                 "kill_service", "stop_service", "restart_service", "kill_gateway", "stop_gateway", "restart_gateway"]
        return kinds + ["fail_over", "kill_master"] if self.redis.fail_over else kinds

    def schedule(self, count):
        """Every kind as often as any other."""
        kinds, chosen = [], self.only or self.kinds()
        while len(kinds) < count:
            kinds += self.rng.sample(chosen, len(chosen))
        return kinds[:count]

    def server(self):
        """Any, but every other time the master that has the calls."""
        return self.master() if self.rng.random() < 0.5 else self.rng.choice(self.redis.servers)

    def key(self):
        """A key in the slot of the calls that is none of theirs."""
        if not self.load.slot_key:
            client = harness.RedisClient(self.redis.master_of("callhistory:tenants").port)
            tag = client("HGET", "callhistory:tenants", f"{harness.PROJECT}\0{harness.VBOT}")
            client.close()
            slot = binascii.crc_hqx(tag, 0) % redis_servers.SLOTS
            self.load.slot_key = next(key for key in (f"filler{i}" for i in itertools.count())
                                      if binascii.crc_hqx(key.encode(), 0) % redis_servers.SLOTS == slot)
        return self.load.slot_key

    def master(self):
        return self.redis.master_of(self.key())

    def pause(self, low=0.2, high=1.0):
        time.sleep(self.rng.uniform(low, high))

    def kill_redis(self, server=None, wait=(0, 1.0)):
        server = server or self.server()
        server.process.kill()
        self.pause(*wait)
        server.start()

    def kill_master(self):
        """For so long that another one becomes master."""
        self.kill_redis(self.master(), (3, 5))

    def restart_redis(self):
        server = self.server()
        server.process.stop()
        server.start()

    def stop_redis(self):
        server = self.server()
        server.process.signal(harness.SIGSTOP)
        self.pause(0.2, 3 if self.redis.fail_over else 1.5)
        server.process.signal(harness.SIGCONT)

    def fail_over(self):
        """Waits for the new master: until then the servers look whole."""
        try:
            before = self.redis.masters()
            self.redis.fail_over(self.rng, self.key())
            harness.wait_until(lambda: self.redis.masters() != before, "a new master", 30)
        except harness.RedisError as error:  # The last failover was just now.
            self.done[f"refused: {error}"] += 1

    def full_disk(self):
        """The files of a server cannot grow: each write of its log fails, in the midst of a record."""
        server = self.master()
        log = os.path.join(server.folder, "appendonlydir")
        size = max(os.path.getsize(os.path.join(log, name)) for name in os.listdir(log))
        resource.prlimit(server.pid(), resource.RLIMIT_FSIZE, (size + 1000, resource.RLIM_INFINITY))
        self.pause(0.5, 1.5)
        if server.process.running():
            resource.prlimit(server.pid(), resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            # As the runbook says: Redis 7.0 may have left a hole in its log, with which it would not start again.
            harness.wait_until(lambda: server.info("aof_last_write_status") == "ok", "the log to grow")
            server.ask("BGREWRITEAOF")
            harness.wait_until(lambda: server.info("aof_rewrite_in_progress") == server.info("aof_rewrite_scheduled") == "0", "a new log")
        else:  # With `appendfsync always` it ends where it cannot write.
            server.process.stop()
            server.start()

    def full_memory(self):
        server = self.master()
        server.ask("CONFIG", "SET", "maxmemory", 1)
        self.pause()
        server.ask("CONFIG", "SET", "maxmemory", 0)

    def long_log(self):
        server = self.master()
        script = "for i=ARGV[1],ARGV[1]+ARGV[2]-1 do redis.call('SETRANGE',KEYS[1],i%1000,i) end"
        try:
            for first in range(0, FILLER_KEYS, FILLER_STEP):
                server.ask("EVAL", script, 1, self.key(), first, FILLER_STEP)
        except harness.RedisError as error:  # It is no master any more.
            self.done[f"refused: {error}"] += 1
        self.kill_redis(server, (0, 0.1))

    def flush_scripts(self):
        for server in self.redis.servers:
            server.ask("SCRIPT", "FLUSH")

    def trouble(self, target, kind):
        """On a wire: cut, hold, delay or slow."""
        if kind == "cut":
            for _ in range(3):
                target.cut()
                self.pause(0, 0.2)
            return
        begin = time.monotonic()
        target.held, target.delay_s, target.slow = kind == "hold", 0.1 if kind == "delay" else 0, kind == "slow"
        self.pause(0.3, 2)
        target.heal()
        if target is self.load.front:
            self.load.ledger.stall(begin, time.monotonic() + 0.5)

    def kill(self, program):
        program.process.kill()
        self.pause(0, 0.3)
        program.process.start()

    def restart(self, program):
        status = program.process.stop()
        assert status == 0, f"{status}: {program.process.log_text()[-4000:]}"
        program.process.start()

    def stand_still(self, program):
        begin = time.monotonic()
        program.process.signal(harness.SIGSTOP)
        self.pause(0.2, 1.5)
        program.process.signal(harness.SIGCONT)
        if program is self.service:
            self.load.ledger.stall(begin, time.monotonic())

    def harm(self, kind):
        what, _, whom = kind.partition("_")
        if kind in ("kill_service", "kill_gateway"):
            self.kill(getattr(self, whom))
        elif kind in ("restart_service", "restart_gateway"):
            self.restart(getattr(self, whom))
        elif kind in ("stop_service", "stop_gateway"):
            self.stand_still(getattr(self, whom))
        elif what in ("cut", "hold", "delay", "slow"):
            self.trouble(self.server().wire if whom == "redis" else self.load.front, what)
        else:
            getattr(self, kind)()

    # -- a run --------------------------------------------------------------------------------------------------------

    def settle(self):
        """Waits until all servers are whole and a recording that began afterwards was acknowledged."""
        for server in self.redis.servers:
            if not server.process.running():
                raise AssertionError(f"a server ended: {server.process.log_text()[-2000:]}")
        harness.wait_until(self.redis.whole, "the servers to be whole", WHOLE_S)
        harness.wait_until(self.service.ready, "the service", WHOLE_S)
        harness.wait_until(lambda: harness.connects(self.gateway.port), "the gateway", WHOLE_S)
        now = time.monotonic()
        harness.wait_until(lambda: self.load.last_success > now + 0.01 or self.failed(), "an acknowledgement", WHOLE_S)

    def failed(self):
        for thread in self.load.threads:
            if thread.failure:
                raise thread.failure
        return False

    def run(self, count):
        self.load.start()
        self.settle()
        for number, kind in enumerate(self.schedule(count)):
            begin = time.monotonic()
            self.harm(kind)
            harmed = time.monotonic()
            try:
                self.settle()
            except AssertionError as failure:
                raise AssertionError(f"after fault {number}, {kind}: {failure}\n{self.service.process.log_text()[-2000:]}") from failure
            self.done[kind] += 1
            print(f"{number + 1:4} {kind}: at {time.strftime('%T')}, {harmed - begin:.1f} s, whole after {time.monotonic() - harmed:.1f} s", flush=True)
        self.load.finish()
        self.settle_end()

    def settle_end(self):
        """What is in doubt may be written until its deadline."""
        time.sleep(3 + ledger.ARRIVAL_S)

    def audit(self):
        """The differences by kind, and how many calls there are."""
        with stubs.channel(self.service.address) as channel:
            audit = ledger.Audit(self.load.ledger, stubs.history_grpc.CallHistoryServiceStub(channel), self.load.reader)
            calls = audit.run()
        done = subprocess.run([os.path.join(harness.BIN, "callhistoryctl"), "--redis", self.redis.url(), "verify"], capture_output=True,
                              text=True, timeout=300, env=harness.clean_environment(), check=False)
        if done.returncode:
            audit.found["torn"].append("verify: " + done.stdout + done.stderr)
        audit.found["torn"] += self.load.wrong
        for copy in self.load.copies:
            copy.complete()
        follower, poller, *exporter = (copy.differences(audit.versions) for copy in self.load.copies)
        audit.found["not followed"] = follower + sum(exporter, [])
        assert poller, "who lists the newest calls misses none: none came late"
        self.load.count["copies: exports"] = sum(copy.restarts for copy in self.load.copies[2:])
        self.load.count["copies: the poller's differences"], self.load.count["copies: the follower's restarts"] = \
            len(poller), self.load.copies[0].restarts
        return audit.found, calls

    # -- sabotage -----------------------------------------------------------------------------------------------------

    def sabotage(self, kind):
        """Damages one call behind the service's back, in a single server."""
        redis = harness.RedisClient(self.redis.servers[0].port)
        tag = next(key.split(b"}")[0] + b"}" for key in redis("KEYS", "*}m"))
        if kind == "record":
            home = next(key for key in sorted(redis("KEYS", tag.replace(b"{", b"\\{") + b"09*")) if redis("ZCARD", key))
            redis("ZREMRANGEBYRANK", home, 0, 0)
        elif kind == "reference":
            chunk = max(redis("KEYS", tag.replace(b"{", b"\\{") + b"kt:*"))
            redis("SET", chunk, redis("GET", chunk)[ENTRY_BYTES:])
        else:  # an old version, or a deleted call, is written again, by somebody whom the ledger does not know
            allowed = self.load.ledger.allowed
            call_id = next(i for i in self.load.ledger.calls if (allowed(i) == {None} if kind == "deleted call" else allowed(i).isdisjoint({None, 1})))
            with stubs.channel(self.service.address) as channel:
                stubs.ingest_grpc.CallIngestServiceStub(channel).RecordCalls(
                    stubs.ingest.RecordCallsRequest(project_code=harness.PROJECT, vbot_id=harness.VBOT, calls=[ledger.message(call_id, 1)]),
                    timeout=10, metadata=[("authorization", "Bearer " + self.load.writer)])
        redis.close()

    def explain(self, found, begin):
        """The history of the first calls that are wrong, and who became master when, in seconds since `begin`."""
        for call_id in [item for items in found.values() for item in items if item in self.load.ledger.calls][:5]:
            for a in self.load.ledger.calls[call_id]:
                print(f"  {call_id}: version {a.version} sent at {a.sent - begin:.3f}, "
                      f"{'acknowledged' if a.acknowledged else 'in doubt'} until {self.load.ledger.latest(a) - begin:.3f}", flush=True)
        for server in self.redis.servers if any(found.values()) else ():
            for line in server.process.log_text().splitlines():
                if re.search("lection|ailover|master|MASTER|eplica|esync", line):
                    print(f"  {server.announced}: {line}", flush=True)

    def stop(self):
        if self.load:
            self.load.stopping.set()
        for process in (self.gateway.process, self.service.process):
            if process.running():
                process.signal(harness.SIGCONT)
                process.stop()
        self.redis.stop()


SABOTAGES = ("record", "reference", "old version", "deleted call")


def run(topology, faults, seed, sabotage=None, only=(), keep=False):
    """One run; gives the differences by kind. keep: the servers' files stay where something is wrong."""
    print(f"{topology}: {faults} faults, --seed {seed}", flush=True)
    folder = tempfile.mkdtemp(prefix="callhistory-chaos-")
    begin, chaos = time.monotonic(), Chaos(topology, seed, folder, only)
    found = {}
    try:
        chaos.start()
        chaos.run(faults)
        if sabotage:
            chaos.sabotage(sabotage)
        found, calls = chaos.audit()
        print(f"{topology}: {faults} faults in {time.monotonic() - begin:.0f} s, {calls} calls, {chaos.load.ledger.acknowledged()} acknowledged; " +
              ", ".join(f"{len(items)} {kind}" for kind, items in found.items()), flush=True)
        print(f"{topology}: {dict(sorted(chaos.load.count.items()))}; {dict(sorted(chaos.done.items()))}", flush=True)
        for kind, items in found.items():
            for item in items[:5]:
                print(f"  {kind}: {item}", flush=True)
        chaos.explain(found, begin)
        chaos.service.stop()  # It ends well, and no sanitizer spoke.
        return found
    finally:
        chaos.stop()
        if keep and any(found.values()):
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--topology", choices=TOPOLOGIES, required=True)
    parser.add_argument("--faults", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    parser.add_argument("--sabotage", choices=SABOTAGES)
    parser.add_argument("--kinds", default="", help="only these faults, with commas")
    parser.add_argument("--keep", action="store_true", help="keep the servers' files where something is wrong")
    options = parser.parse_args()
    if options.sabotage and options.topology != "single":
        parser.error("--sabotage damages a single server")
    only = [kind for kind in options.kinds.split(",") if kind]
    return int(any(run(options.topology, options.faults, options.seed, options.sabotage, only, options.keep).values()))


if __name__ == "__main__":
    sys.exit(main())
