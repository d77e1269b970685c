"""A good client beside hostile ones of nineteen kinds: each of its answers is right, and the programs stay in the memory of their Pods.

CALLHISTORY_LONG=1 (tests/run --long) takes 10,000 idle connections and longer, and compares latencies too: the good client's p99
beside each kind is at most twice what it is alone, measured just before; beside the two kinds that are whole requests without a pause,
it is below half a second. The servers have one core, both clients
another, on which the good one has the right of way. Otherwise figures are printed only. CALLHISTORY_HOSTILE names the kinds, with
commas, if not all are wanted.
"""

import json
import os
import statistics
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import hostile  # noqa: E402
import good  # noqa: E402
import harness  # noqa: E402
import redis_servers  # noqa: E402

LONG = redis_servers.LONG
SECONDS, ROUNDS, MANY = (2.5, 2, 10000) if LONG else (0.4, 1, 1000)
CONNECTIONS = {"slowloris": 500, "trickled_bodies": 500, "idle_connections": MANY, "large_heads": 20, "smuggling": 20, "pipelined_garbage": 20,
               "slow_readers": 50}
CONNECTIONS_TO_SERVICE = 20
CHOSEN = os.environ.get("CALLHISTORY_HOSTILE", ",".join(hostile.KINDS)).split(",")
HERE = os.path.dirname(os.path.abspath(__file__))
SLOWER_MAX, NOISE_S, REQUESTS_MAX_S = 2, 0.0005, 0.5


class Client:
    """A program that runs until its standard input ends."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen([sys.executable, "-B", *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def finish(self):
        out, _ = self.process.communicate(timeout=harness.WAIT_SECONDS)
        assert self.process.returncode == 0, out
        return out


class Hostile(harness.StackTest):
    in_pods = True
    service_options = ("--workers", "1")
    gateway_options = ("--workers", "1", "--access-log", "1")

    @classmethod
    def setUpClass(cls):
        cores = sorted(os.sched_getaffinity(0))
        if LONG:
            os.sched_setaffinity(0, cores[:1])
        super().setUpClass()
        os.sched_setaffinity(0, cores[-1:] if LONG else cores)
        cls.stack.import_lines([harness.call(good.NUMBER, second) for second in range(good.CALLS)])
        cls.stack.import_lines([harness.call(hostile.NUMBER, second, record_file=["https://recordings.example.vn/" + "x" * 300])
                                for second in range(hostile.CALLS)])

    def start(self, kind):
        return Client(os.path.join(HERE, "hostile.py"), kind, self.stack.gateway_port, self.stack.service_port,
                      CONNECTIONS.get(kind, CONNECTIONS_TO_SERVICE), self.stack.token())

    def measure(self):
        """p99 by HTTP and gRPC, in seconds, and how many answers there were; all of them are right."""
        client = Client(os.path.join(HERE, "good.py"), self.stack.gateway_port, self.stack.service_port, self.stack.token())
        self.assertEqual(client.process.stdout.readline(), "ready\n")
        try:
            client.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            pass
        found = json.loads(client.finish())
        self.assertEqual(found["wrong"], [])
        return {name: sorted(seconds)[int(len(seconds) * 0.99)] for name, seconds in found["seconds"].items()}, sum(map(len, found["seconds"].values()))

    def beside(self, kind):
        attacker = self.start(kind)
        try:
            if kind == "idle_connections":
                harness.wait_until(lambda: self.connections() >= MANY * 0.6 // hostile.EFFORT, "the idle connections")
            return self.measure()
        finally:
            attacker.finish()

    def compare(self, kind, pairs):
        alone, beside = ({way: statistics.median(pair[i][0][way] for pair in pairs) for way in ("HTTP", "gRPC")} for i in (0, 1))
        print(f"{kind}: " + ", ".join(f"{way} p99 {1e3 * alone[way]:.2f} → {1e3 * beside[way]:.2f} ms ({beside[way] / alone[way]:.2f} ×)"
                                      for way in alone) + f", {sum(pair[1][1] for pair in pairs)} answers", flush=True)
        for way in alone:
            self.assertLessEqual(beside[way], REQUESTS_MAX_S if kind in hostile.BY_REQUESTS else SLOWER_MAX * alone[way] + NOISE_S, way)

    def connections(self):
        """That the gateway has open."""
        with open("/proc/net/tcp", encoding="ascii") as table:
            return sum(f":{self.stack.gateway_port:04X}" in line.split()[1] and line.split()[3] == "01" for line in table)

    def test_a_good_client_is_served(self):
        for kind in CHOSEN:
            with self.subTest(kind):
                pairs = [(self.measure() if LONG else None, self.beside(kind)) for _ in range(ROUNDS)]
                for process in (self.stack.gateway, self.stack.service):
                    self.assertTrue(process.running(), process.log_text()[-4000:])
                    self.assertFalse(process.broke_its_limit(), process.name)
                if LONG:
                    self.compare(kind, pairs)
        self.assertNotIn("/smuggled", self.stack.gateway.log_text())


if __name__ == "__main__":
    unittest.main()
