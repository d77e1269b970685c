#!/usr/bin/env python3
"""Goodput at and beyond saturation: what the product still answers when four times as much is asked of it, and how fast.

    tests/bench/overload.py [--build build/release] [--seconds 5] [--rounds 3] [--size 10]

First a closed loop finds the capacity. Then a thousand connections ask at random moments, at 1, 2 and 4 times the capacity; they
do not wait when they are told to, as the worst clients do. Goodput is answers of 200 a second. Latencies of admitted requests are the gateway's own
histogram (first line to last byte): the load generator's would be its queue's. The programs run on one core and the load
generator on another, so that load takes nothing from those who are measured. Prints a Markdown table; never passes or fails by a
figure.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
sys.dont_write_bytecode = True

CONNECTIONS, IN_FLIGHT, NUMBERS, CALLS = 1000, 64, 200, 20
LOADS = (1, 2, 4)
HISTOGRAM = "http_server_request_duration_seconds"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(SOURCE, "build", "release"), help="build folder (build/release)")
    parser.add_argument("--seconds", type=int, default=5, help="seconds of one measurement (5)")
    parser.add_argument("--rounds", type=int, default=3, help="times that each load is measured, in turn (3)")
    parser.add_argument("--in-flight", type=int, default=IN_FLIGHT, help=f"--max-in-flight of the gateway ({IN_FLIGHT})")
    parser.add_argument("--size", type=int, default=10, help="calls on a page (10); a larger one is saturated by fewer requests")
    return parser.parse_args()


def number(index):
    return f"09{index:08}"


class Bench:
    def __init__(self, options):
        sys.path.insert(0, os.path.join(SOURCE, "tests", "integration"))
        os.environ["CALLHISTORY_BIN"] = os.path.join(options.build, "bin")
        import harness
        import metrics
        self.harness, self.parse = harness, metrics.parse
        self.options = options
        cores = sorted(os.sched_getaffinity(0))
        self.cores = (cores[0], cores[-1])
        self.stack = harness.Stack(("--workers", "1", "--max-in-flight", str(options.in_flight)), ("--workers", "1"))

    def start(self):
        # What is started from here on inherits the core.
        os.sched_setaffinity(0, {self.cores[0]})
        self.stack.start()
        self.stack.import_lines([self.harness.call(number(n), second) for n in range(NUMBERS)
                                 for second in range(max(CALLS, self.options.size))])
        self.requests = os.path.join(self.stack.folder, "requests")
        bodies = [json.dumps({"vbot_id": self.harness.VBOT, "project_code": self.harness.PROJECT, "phone": number(n), "page": 1,
                              "size": self.options.size}) for n in range(NUMBERS)]
        with open(os.open(self.requests, os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="ascii") as out:
            out.write("\n".join([self.stack.token(), *bodies]) + "\n")

    def buckets(self):
        """{status: [(bound, count of all below)]} of what was served, and the requests of each status."""
        page, found = self.parse(self.stack.metrics(self.stack.gateway_port)), {}
        for labels, value in page.series(HISTOGRAM + "_bucket", http_route=self.harness.PATH).items():
            labels = dict(labels)
            found.setdefault(labels["http_response_status_code"], {})[float(labels["le"].replace("+Inf", "inf"))] = value
        return found

    def load(self, connections, pause_ms=None):
        before = self.buckets()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{self.options.seconds}s", "--timeout", "30s", "-s",
                   os.path.join(HERE, "benchlib", "wrk.lua"), f"http://127.0.0.1:{self.stack.gateway_port}", "--", self.requests]
        if pause_ms is not None:
            command.append(str(pause_ms))
        core = {self.cores[1]}
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=self.options.seconds + 60,
                              preexec_fn=lambda: os.sched_setaffinity(0, core))
        seconds = json.loads(done.stdout.strip().splitlines()[-1])["seconds"]
        grown = {status: {bound: count - before.get(status, {}).get(bound, 0) for bound, count in bounds.items()}
                 for status, bounds in self.buckets().items()}
        rates = {status: bounds[math.inf] / seconds for status, bounds in grown.items()}
        return {"asked": sum(rates.values()), "good": rates.get("200", 0), "refused": rates.get("429", 0),
                "other": sum(rate for status, rate in rates.items() if status not in ("200", "429")),
                "p50": self.quantile(grown.get("200", {}), 0.5), "p99": self.quantile(grown.get("200", {}), 0.99),
                "refused_p99": self.quantile(grown.get("429", {}), 0.99)}

    @staticmethod
    def quantile(bounds, share):
        """As Prometheus does it: a straight line within the bucket. In milliseconds."""
        if not bounds or not bounds[math.inf]:
            return math.nan
        rank, lower, below = share * bounds[math.inf], 0.0, 0
        for bound, count in sorted(bounds.items()):
            if count >= rank:
                return 1e3 * (lower if math.isinf(bound) else lower + (bound - lower) * (rank - below) / (count - below))
            lower, below = bound, count
        return math.nan

    def run(self):
        self.start()
        self.load(self.options.in_flight)  # warms up
        capacity = statistics.median(self.load(self.options.in_flight)["good"] for _ in range(3))
        outcomes = {load: [] for load in LOADS}
        for _ in range(self.options.rounds):
            for load in LOADS:
                pause_ms = max(1, round(1e3 * CONNECTIONS / (capacity * load)))
                outcomes[load].append(self.load(CONNECTIONS, pause_ms))
        self.report(capacity, outcomes)

    def report(self, capacity, outcomes):
        print(f"Capacity, {self.options.in_flight} connections in a closed loop: {capacity:.0f} requests/s.\n")
        print("| load | asked/s | goodput/s | of 1× | refused/s | other/s | admitted p50 ms | admitted p99 ms | refused p99 ms |")
        print("|---|---|---|---|---|---|---|---|---|")
        middle = {load: {key: statistics.median(one[key] for one in all) for key in all[0]} for load, all in outcomes.items()}
        for load, row in middle.items():
            print(f"| {load}× | {row['asked']:.0f} | {row['good']:.0f} | {100 * row['good'] / middle[1]['good']:.0f} % | {row['refused']:.0f} | "
                  f"{row['other']:.0f} | {row['p50']:.1f} | {row['p99']:.1f} | {row['refused_p99']:.1f} |")


def main():
    bench = Bench(arguments())
    try:
        bench.run()
    finally:
        bench.stack.stop()


if __name__ == "__main__":
    main()
