#!/usr/bin/python3
"""What the Redis client costs: CPU time of callhistoryd and of Redis for a page of ten, with the same load on one server, the same over
TLS, a cluster of one node, and one of three masters. With --before, another build of callhistoryd on one server as well.

The line three-full has three times as many requests in flight on the cluster of three masters, so that each master has as many as the one server
has: it shows whether the capacity (pages/s) grows with the nodes, where three shows what the same load costs.

    tests/bench/redis_client.py [--build build/release] [--before FOLDER] [--in-flight 64] [--seconds 3] [--rounds 5] [--only one,three,three-full] [--rate R]

--readonly instead: pages a second of four readers, alone and beside four writers that meet a replica (READONLY).
The lines are measured in turn; prints medians as a Markdown table; never passes or fails by a figure.
"""

import argparse
import collections
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
sys.dont_write_bytecode = True
TENANTS, NUMBERS, CALLS = 24, 50, 10
FAST = ("--appendonly", "no", "--save", "")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(SOURCE, "build", "release"), help="build folder (build/release)")
    parser.add_argument("--before", help="build folder of another commit")
    parser.add_argument("--in-flight", type=int, default=64, help="requests at a time (64)")
    parser.add_argument("--seconds", type=float, default=3, help="seconds of one measurement (3)")
    parser.add_argument("--rounds", type=int, default=5, help="times that each line is measured (5)")
    parser.add_argument("--only", default="one,tls,node,three,three-full,before", help="lines to measure")
    parser.add_argument("--rate", type=float, default=0, help="pages a second, at random times (as many as there can be)")
    parser.add_argument("--readonly", action="store_true", help="readers beside writers that meet a replica")
    return parser.parse_args()


OPTIONS = arguments()
os.environ["CALLHISTORY_SOURCE"], os.environ["CALLHISTORY_BIN"] = SOURCE, os.path.join(os.path.abspath(OPTIONS.build), "bin")
sys.path[:0] = [os.path.join(SOURCE, "tests", "integration"), HERE]
import grpc  # noqa: E402 pylint: disable=wrong-import-position

import certificates  # noqa: E402 pylint: disable=wrong-import-position
import generate  # noqa: E402 pylint: disable=wrong-import-position
import harness  # noqa: E402 pylint: disable=wrong-import-position
import redis_servers  # noqa: E402 pylint: disable=wrong-import-position
import stubs  # noqa: E402 pylint: disable=wrong-import-position


def cpu_us(servers):
    """Micro-seconds of CPU that the processes have used, kernel included, to the nanosecond."""
    total = 0
    for server in servers:
        folder = f"/proc/{server.process.process.pid}/task"
        for task in os.listdir(folder):
            with open(os.path.join(folder, task, "schedstat"), encoding="ascii") as file:
                total += int(file.read().split()[0])
    return total / 1000


class Layout:
    """Redis servers with the calls, and callhistoryd with one worker over them."""

    def __init__(self, name, servers, url, options=(), build=None):
        folder = os.environ["CALLHISTORY_BIN"]
        harness.BIN = os.path.join(os.path.abspath(build), "bin") if build else folder
        self.name, self.servers, self.found, self.in_flight = name, servers, [], OPTIONS.in_flight
        self.service = redis_servers.ServiceOver(FOLDER, url, *options)
        self.service.process.log = os.path.join(FOLDER, f"service-{name}.log")
        for process in [server.process for server in servers] + [self.service.process]:
            ENDS.callback(process.stop)
        self.service.start()
        tenants = [(generate.PROJECT, f"V{i}") for i in range(TENANTS)]
        self.token = self.write("token-" + name, self.service.issue("writer", tenants, *options))
        self.service.ctl("--service", self.service.address, "--token-file", self.token, "import", CALLS_FILE)
        harness.BIN = folder
        # What they use without any load is not a page's: a node of a cluster is in touch with the others all the time.
        time.sleep(1)
        before, begin = (cpu_us([self.service]), cpu_us(self.servers)), time.monotonic()
        time.sleep(3)
        self.idle = [(a - b) / (time.monotonic() - begin) for a, b in zip((cpu_us([self.service]), cpu_us(self.servers)), before)]

    @staticmethod
    def write(name, text):
        path = os.path.join(FOLDER, name)
        with open(path, "w", encoding="ascii", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(text)
        return path

    def load(self, in_flight, *more):
        """Starts bench_service."""
        return subprocess.Popen(
            [os.path.join(harness.BIN, "bench_service"), "--service", self.service.address, "--token-file", self.token, "--numbers", NUMBERS_FILE,
             "--project-code", generate.PROJECT, "--vbot-id", "V", "--tenants", str(TENANTS), "--in-flight", str(in_flight),
             "--rate", str(OPTIONS.rate), *more],
            stdout=subprocess.PIPE, text=True)

    def counted(self):
        """Reads of sockets, of all servers."""
        return sum(int(server.info("total_reads_processed")) for server in self.servers)

    def measure(self):
        before, reads = (cpu_us([self.service]), cpu_us(self.servers)), self.counted()
        done = json.loads(self.load(self.in_flight, "--seconds", str(OPTIONS.seconds)).communicate()[0])
        assert done["requests"] and not done["errors"], done
        after = (cpu_us([self.service]), cpu_us(self.servers))
        service, redis = ((a - b - idle * done["seconds"]) / done["requests"] for a, b, idle in zip(after, before, self.idle))
        self.found.append((done["rate"], service, redis, done["requests"] / (self.counted() - reads)))

    def medians(self):
        return [statistics.median(column) for column in zip(*self.found)]


def calls():
    """The same calls for every tenant: ten for each number."""
    for vbot in range(TENANTS):
        for i in range(NUMBERS * CALLS):
            date = f"03/{1 + i // NUMBERS:02}/2026 10:{i % NUMBERS:02}:00"
            agent = generate.party(str(101 + i % 5), date, "ANSWER", 30, 6.1, "softphone", str(101 + i % 5), f"V{vbot}")
            customer = generate.party(f"0912{i % NUMBERS:06}", date, "ANSWER", 30)
            yield generate.line(f"V{vbot}", f"c{vbot}.{i}", "19001234", date, [agent], [customer], 30, "CALLOUT", "ANSWER",
                                [f'"https://recordings.example.vn/2026/03/01/c{vbot}.{i}.mp3"'])


def one(name, build=None):
    server = redis_servers.Server(FOLDER, FAST)
    redis_servers.start_all([server])
    return Layout(name, [server], f"redis://127.0.0.1:{server.port}", (), build)


def tls(name):
    authority = certificates.Authority(FOLDER)
    pair, port = authority.issue("server"), redis_servers.port_with_bus()
    server = redis_servers.Server(FOLDER, [*FAST, "--tls-port", str(port), "--tls-cert-file", pair[0], "--tls-key-file", pair[1],
                                           "--tls-ca-cert-file", authority.file, "--tls-auth-clients", "no"])
    redis_servers.start_all([server])
    return Layout(name, [server], f"rediss://127.0.0.1:{port}", ("--redis-ca", authority.file))


def cluster(name, masters, factor=1):
    """A cluster; `factor` is how many times as many requests are in flight."""
    made = redis_servers.Cluster(FOLDER, masters=masters, replicas=0, options=FAST)
    made.start()
    layout = Layout(name, made.servers, made.url())
    layout.in_flight *= factor
    return layout


MAKERS = {"one": one, "tls": tls, "node": lambda name: cluster(name, 1), "three": lambda name: cluster(name, 3),
          "three-full": lambda name: cluster(name, 3, 3), "before": lambda name: one(name, OPTIONS.before)}
TEXTS = {"one": "one server", "tls": "one server, TLS", "node": "cluster of one node", "three": "cluster of three masters",
         "three-full": "cluster of three masters, three times as many in flight", "before": "one server, before"}


def pages():
    layouts = [MAKERS[name](name) for name in OPTIONS.only.split(",") if name != "before" or OPTIONS.before]
    for _ in range(OPTIONS.rounds):
        for layout in layouts:
            layout.measure()
    load = f"{OPTIONS.rate:,.0f} pages a second" if OPTIONS.rate else f"{OPTIONS.in_flight} requests in flight"
    print(f"{load}, medians of {OPTIONS.rounds} rounds of {OPTIONS.seconds} s\n")
    print("| | pages/s | callhistoryd µs a page | × | Redis µs a page, all nodes | × | commands that Redis reads at once | µs of Redis a second without load |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for layout in layouts:
        rate, service, redis, batch = layout.medians()
        # Ratios within a round, for the machine's speed changes from one to the next.
        times = [statistics.median(own[i] / first[i] for own, first in zip(layout.found, layouts[0].found)) for i in (1, 2)]
        print(f"| {TEXTS[layout.name]} | {rate:,.0f} | {service:.2f} | {times[0]:.2f} | {redis:.2f} | {times[1]:.2f} | {batch:.1f} | {layout.idle[1]:,.0f} |")


def write(layout, end, refusals):
    """Records calls until `end`; counts refusals."""
    channel = stubs.channel(layout.service.address)
    stub = stubs.ingest_grpc.CallIngestServiceStub(channel)
    with open(layout.token, encoding="ascii") as file:
        metadata = [("authorization", "Bearer " + file.read().strip())]
    request = stubs.ingest.RecordCallsRequest(project_code=generate.PROJECT, vbot_id="V0", calls=[stubs.call("0900000000", 1)])
    while time.monotonic() < end:
        try:
            stub.RecordCalls(request, metadata=metadata, timeout=5)
            raise SystemExit("a write was accepted")
        except grpc.RpcError as error:
            refusals[error.code().name] += 1
        time.sleep(0.002)  # This writer is in Python: its own CPU time is not what is measured.
    channel.close()


def readonly():
    """The server becomes a replica of one that is not there, so writers meet READONLY. Reads go on."""
    layout = one("one")
    layout.servers[0].ask("REPLICAOF", "127.0.0.1", "1")
    found, refusals = {False: [], True: []}, collections.Counter()
    for _ in range(OPTIONS.rounds):
        for writing, rates in found.items():
            reader = layout.load(4, "--seconds", str(OPTIONS.seconds))
            end = time.monotonic() + OPTIONS.seconds
            writers = [redis_servers.Thread(write, layout, end, refusals) for _ in range(4 * writing)]
            done = json.loads(reader.communicate()[0])
            for writer in writers:
                writer.finish()
            assert not done["errors"], done
            rates.append(done["rate"])
    alone, beside = (statistics.median(rates) for rates in found.values())
    each = sum(refusals.values()) / OPTIONS.rounds / OPTIONS.seconds
    print(f"four readers: {alone:,.0f} pages/s alone, {beside:,.0f} ({beside / alone:.2f} x) beside four writers, {each:,.0f} of whose calls "
          f"were refused a second ({', '.join(refusals)}); {layout.service.process.log_text().count(chr(10))} lines in the service's log")


def main():
    if OPTIONS.readonly:
        readonly()
    else:
        pages()


if __name__ == "__main__":
    with contextlib.ExitStack() as ENDS:
        FOLDER = ENDS.enter_context(tempfile.TemporaryDirectory(prefix="callhistory-bench-"))
        CALLS_FILE = Layout.write("calls", "".join(calls()))
        NUMBERS_FILE = Layout.write("numbers", "".join(f"0912{i:06}\n" for i in range(NUMBERS)))
        main()
