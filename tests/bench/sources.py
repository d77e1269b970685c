#!/usr/bin/env python3
"""How fast records of telephone systems are recorded, by source: both webhooks, FreeSWITCH's backup files, and rows of Asterisk, which are
imported, imported again, and followed while they are written.

    tests/bench/sources.py [--build build/release] [--calls 100000] [--only vbot,freeswitch,files,asterisk]

Redis runs with deploy/redis.conf (appendfsync always). The senders of the webhooks are in Python, in processes of their own, on the same
machine; what they take of it is in the table. Prints a Markdown table; never passes or fails by a figure.
"""

import argparse
import json
import multiprocessing
import os
import random
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
sys.dont_write_bytecode = True
SOURCES = ("vbot", "freeswitch", "files", "asterisk")
PROCESSES, THREADS, FILES_AT_ONCE = 2, 16, 1000


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(SOURCE, "build", "release"), help="build folder (build/release)")
    parser.add_argument("--calls", type=int, default=100000, help="calls of a source (100000)")
    parser.add_argument("--only", default=",".join(SOURCES), help="sources, with commas between them (all)")
    options = parser.parse_args()
    options.only = options.only.split(",")
    if set(options.only) - set(SOURCES):
        parser.error("--only: unknown source")
    return options


def cpu_seconds(process):
    with open(f"/proc/{process.pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Bench:
    def __init__(self, harness, stack, calls):
        self.harness, self.stack, self.calls = harness, stack, calls
        self.programs = (stack.gateway, stack.service, stack.redis)

    def tenant(self, name):
        tenants = ((self.harness.PROJECT, name),)
        return self.stack.issue("writer", tenants), self.stack.issue("reader", tenants)

    def count(self, reader):
        status, _, body = self.stack.request("GET", "/m-cdr/api/call/count-all?has_hotline=1", headers={"X-API-KEY": reader})
        assert status == 200, body
        return json.loads(body)["data"]

    def measure(self, what, records, work, own=lambda: 0):
        """Prints a line: calls and records a second, and the CPU time of each program, and of the sender, for a call."""
        before, own_before, begin = [cpu_seconds(each.process) for each in self.programs], own(), time.monotonic()
        work()
        seconds = time.monotonic() - begin
        cpu = [cpu_seconds(each.process) - old for each, old in zip(self.programs, before)] + [own() - own_before]
        micros = " | ".join(f"{each / self.calls * 1e6:.0f}" for each in cpu)
        print(f"| {what} | {self.calls / seconds:.0f} | {records / seconds:.0f} | {micros} |", flush=True)

    # -- Webhooks -----------------------------------------------------------------------------------------------------------------

    def post(self, make):
        """Several processes with several connections each post the events of all calls."""
        senders = [multiprocessing.Process(target=make, args=(index,)) for index in range(PROCESSES)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        assert all(sender.exitcode == 0 for sender in senders)

    @staticmethod
    def children():
        times = os.times()
        return times.children_user + times.children_system

    @staticmethod
    def send(sent, make, records):
        sent.make = make
        sent.start()
        sent.join(3600)
        assert sent.accepted == records and not sent.repeated, (sent.accepted, sent.repeated)

    def webhook(self, what, records, make, reader):
        self.measure(what, records, lambda: self.post(make), self.children)
        assert self.count(reader) == self.calls

    def vbot(self):
        import senders
        token, reader = self.tenant("VBOT")
        share = self.calls // PROCESSES

        def events(number):
            return [senders.vbot_log(number, self.harness.PROJECT), senders.vbot_recording(number)]

        def make(index):
            sent = senders.VbotSenders(self.stack.gateway_port, token, self.harness.PROJECT, share, index, threads=THREADS)
            self.send(sent, lambda number, _chosen: events(number + index * share), 2 * share)

        self.webhook("VBot's webhook, a log and a recording each", 2 * self.calls, make, reader)

    def legs(self, number):
        import senders
        return [senders.a_leg(number), senders.b_leg(number)]

    def freeswitch(self):
        import senders
        token, reader = self.tenant("FREESWITCH")
        share = self.calls // PROCESSES

        def make(index):
            sent = senders.FreeSwitchSenders(self.stack.gateway_port, token, "/nonexistent", share, index, threads=THREADS)
            self.send(sent, lambda number, _chosen: self.legs(number + index * share), 2 * share)

        self.webhook("FreeSWITCH's webhook, an a-leg and a b-leg each, a connection each", 2 * self.calls, make, reader)

    # -- Files --------------------------------------------------------------------------------------------------------------------

    def ctl(self, token, *arguments):
        return [os.path.join(self.harness.BIN, "callhistoryctl"), "--service", self.stack.service_address, "--token", token, "import",
                *arguments]

    def run(self, command):
        return subprocess.run(command, check=True, capture_output=True, text=True, env=self.harness.clean_environment()).stdout

    def files(self):
        import senders
        token, reader = self.tenant("FILES")
        folder = os.path.join(self.stack.folder, "files")
        os.mkdir(folder)
        chosen, paths = random.Random(1), []
        for number in range(self.calls):
            for leg in self.legs(number):
                paths.append(os.path.join(folder, leg["variables"]["uuid"] + ".cdr.json"))
                with open(paths[-1], "w", encoding="utf-8") as file:
                    file.write(senders.encoded(leg, chosen.randrange(3))[0].removeprefix("cdr="))
        chosen.shuffle(paths)

        def work():
            for at in range(0, len(paths), FILES_AT_ONCE):
                self.run(self.ctl(token, "--format", "freeswitch", *paths[at:at + FILES_AT_ONCE]))

        self.measure(f"FreeSWITCH's backup files, a leg each, {FILES_AT_ONCE} a command", len(paths), work, self.children)
        assert self.count(reader) == self.calls

    # -- Asterisk -----------------------------------------------------------------------------------------------------------------

    def asterisk(self):
        from test_asterisk import cdr_csv
        token, _ = self.tenant("ASTERISK")
        command = self.ctl(token, "--format", "asterisk", "--trunk-channel", "PJSIP/carrier-")
        rows = [cdr_csv(number) for number in range(2 * self.calls)]
        path = os.path.join(self.stack.folder, "Master.csv")
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write("".join(rows[:self.calls]))
        for what in ("imported", "imported again"):
            def work():
                out = self.run([*command, path])
                assert re.search(rf"(recorded|unchanged) {self.calls},", out), out
            self.measure(f"Asterisk's rows, {what}", self.calls, work, self.children)
        self.measure("Asterisk's rows, followed while the file grows, until the state file has all", self.calls,
                     lambda: self.follow(command, os.path.join(self.stack.folder, "Followed.csv"), rows[self.calls:]), self.children)

    def follow(self, command, path, rows):
        """Appends rows in pieces of about 200 while the follower runs."""
        state, size = path + "-state", 0
        process = subprocess.Popen([*command, "--follow", "--state", state, path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                   env=self.harness.clean_environment(), text=True)
        for at in range(0, len(rows), 200):
            piece = "".join(rows[at:at + 200])
            size += len(piece.encode())
            with open(path, "a", encoding="utf-8", newline="") as file:
                file.write(piece)

        def done():
            with open(state, encoding="utf-8") as file:
                lines = file.read().splitlines()
            return len(lines) > 1 and int(lines[1].split()[5]) == size

        self.harness.wait_until(lambda: os.path.exists(state) and done(), "all rows", 600)
        process.terminate()
        assert f"recorded {len(rows)}," in process.communicate(timeout=60)[0]


def main():
    options = arguments()
    os.environ["CALLHISTORY_BIN"] = os.path.join(os.path.abspath(options.build), "bin")
    sys.path.insert(0, os.path.join(SOURCE, "tests", "integration"))
    import harness

    stack = harness.Stack()
    stack.start()
    bench = Bench(harness, stack, options.calls - options.calls % PROCESSES)
    print(f"| {bench.calls} calls | calls/s | records/s | gateway, µs a call | callhistoryd | Redis | sender or callhistoryctl |\n"
          "|---|---:|---:|---:|---:|---:|---:|")
    try:
        for name in options.only:
            getattr(bench, name)()
    finally:
        stack.stop()


if __name__ == "__main__":
    main()
