#!/usr/bin/env python3
"""Rolling restarts under clients as they are by default: no call may be lost.

    tests/interop/rolling.py [--calls N] [--age SECONDS] [go|java|node|python...]

Two services of one Redis are restarted in turn while a client of each language makes N calls (75,000) through them: half of them
over a channel with pick_first, half with round_robin, none with a retryPolicy. Prints a line for each language; exit status 1 when
a call was lost. --age: the services end connections of that age meanwhile (--max-connection-age).
"""

import argparse
import contextlib
import os
import re
import subprocess
import sys
import time
import urllib.request

sys.dont_write_bytecode = True
import run  # noqa: E402
from run import harness  # noqa: E402

NUMBER, CALLS = "0912345678", 25  # what the clients expect to count
CLIENT_SECONDS = 1800
# A client that was refused tries again after up to 1.2 s, then 2 s (gRPC's connection backoff). Until it has, it knows of one service.
PAUSE_SECONDS = 4


class Services:
    """Two services with one Redis."""

    def __init__(self, *options):
        self.stacks = [harness.Stack(service_options=options) for _ in range(2)]
        self.stacks[1].service.arguments += ["--redis", self.stacks[0].redis_url]
        self.addresses = ",".join(stack.service_address for stack in self.stacks)
        self.restarts = 0

    def start(self):
        self.stacks[0].redis.start()
        harness.wait_until(lambda: os.path.exists(self.stacks[0].redis_socket), "Redis")
        for stack in self.stacks:
            stack.service.start()
            self.wait_for(stack)
        self.stacks[0].import_lines([harness.call(NUMBER, second) for second in range(CALLS)])

    @staticmethod
    def wait_for(stack):
        """Its /readyz is 200 when every worker is connected to Redis."""
        def ready():
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{stack.metrics_port}/readyz", timeout=5) as answer:
                    return answer.status == 200
            except OSError:
                return False
        harness.wait_until(ready, "the service")

    def restart(self):
        """The next one in turn, as a Deployment does: it ends when it has drained, and the other one follows when this one is ready."""
        stack = self.stacks[self.restarts % 2]
        status = stack.service.stop()
        run.require(status == 0, f"callhistoryd ended with {status}: {stack.service.log_text()[-3000:]}")
        stack.service.start()
        self.wait_for(stack)
        self.restarts += 1

    def stop(self):
        for stack in self.stacks:
            if os.path.exists(stack.service.log):
                print(*[l for l in stack.service.log_text().splitlines() if "client connections were closed" in l], sep="\n")
            stack.stop()


def command(name):
    """What runs the rolling client of a language."""
    client = run.CLIENTS[name]()
    if name == "go":
        built = os.path.join(run.BUILD, "bin", "rolling-go")
        run.run("go", "build", "-mod=readonly", "-o", built, "./rolling", folder=os.path.join(run.HERE, "go"))
        return [built]
    if name == "java":
        return [*client[:-1], "Rolling"]
    return [*client[:-1], os.path.join(os.path.dirname(client[-1]), "rolling" + os.path.splitext(client[-1])[1])]


def roll(services, name, calls):
    """Restarts until the client has made its calls; gives a line about it, and whether none was lost."""
    variables = {
        "CALLHISTORY_SERVICES": services.addresses,
        "CALLHISTORY_READER": services.stacks[0].token("reader"),
        "CALLHISTORY_NUMBER": NUMBER,
        "CALLHISTORY_CALLS": str(calls),
        "CALLHISTORY_PROTO": run.PROTO,
    }
    before, start = services.restarts, time.monotonic()
    with open(os.path.join(run.BUILD, f"rolling-{name}.log"), "w+", encoding="utf-8") as log:
        client = subprocess.Popen(command(name), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=run.environment(**variables))
        try:
            while client.poll() is None and time.monotonic() < start + CLIENT_SECONDS:
                services.restart()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    client.wait(PAUSE_SECONDS)
        finally:
            client.kill()
            client.wait()
        log.seek(0)
        printed = log.read().splitlines()
    end = re.fullmatch(r"(\d+) answered, (\d+) lost", printed[-1] if printed else "")
    run.require(end, f"{name} printed " + "\n".join(printed[-20:]))
    line = f"{name}: {end[0]} in {services.restarts - before} restarts and {time.monotonic() - start:.0f} s"
    lost = sorted({text for text in printed if text.startswith("lost:")})
    return line, int(end[1]) == calls and int(end[2]) == 0, lost[:5]


def check(names, calls, age=None):
    """Gives the lines; fails where a call was lost."""
    services = Services(*(("--max-connection-age", str(age)) if age else ()))
    lines, good = [], True
    try:
        services.start()
        for name in names:
            line, kept, lost = roll(services, name, calls)
            lines += [line, *lost]
            good = good and kept
            print(line, *lost, sep="\n", flush=True)
    finally:
        services.stop()
    run.require(good, "\n".join(lines))
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=75000)
    parser.add_argument("--age", type=int)
    parser.add_argument("names", nargs="*", choices=[[], *run.CLIENTS], default=[])
    options = parser.parse_args()
    os.makedirs(os.path.join(run.BUILD, "bin"), exist_ok=True)
    try:
        check(options.names or list(run.CLIENTS), options.calls, options.age)
    except run.Failure as why:
        print(why, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
