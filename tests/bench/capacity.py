#!/usr/bin/env python3
"""The figures of deploy/docs/capacity.md at small scale: one gateway and one callhistoryd with one worker each over TCP, and one
Redis as deployed. Calls are imported, then pages of 10 are asked for over more and more connections; each line names what is
full. Needs `deploy/local/install bench` and a release build, and takes about a minute. It never passes or fails by a figure.

    python3 tests/bench/capacity.py [CALLS]
"""

import os
import re
import subprocess
import sys
import time

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "tests", "integration"))

import harness  # noqa: E402 pylint: disable=wrong-import-position

SECONDS = 5
NUMBERS = 2000
SCRIPT = """
wrk.method = "GET"
wrk.headers["Authorization"] = "Bearer %s"
wrk.headers["Content-Type"] = "application/json"
request = function()
    local body = '{"vbot_id":"VBOT001","project_code":"DEMO","phone":"09%%08d","page":1,"size":10}'
    return wrk.format(nil, "/api/crm/historycall/getAll", nil, string.format(body, math.random(0, %d)))
end
"""


def cpu(process):
    """Seconds of CPU that a process has used."""
    with open(f"/proc/{process.process.pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Watch:
    """CPU of the three programs over a time: micro-seconds for each of `count` things, and the share of a core."""

    def __init__(self, stack):
        self.parts = {"gateway": stack.gateway, "service": stack.service, "Redis": stack.redis}
        self.start, self.before = time.monotonic(), {name: cpu(part) for name, part in self.parts.items()}

    def line(self, count):
        seconds = time.monotonic() - self.start
        used = {name: cpu(part) - self.before[name] for name, part in self.parts.items()}
        return ", ".join(f"{name} {value / max(count, 1) * 1e6:.1f} us ({value / seconds:.0%} of a core)"
                         for name, value in used.items())


def main():
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    stack = harness.Stack(("--workers", "1"), ("--workers", "1"))
    stack.start()
    try:
        redis = harness.RedisClient(stack.redis_socket)
        used = lambda: int(re.search(rb"used_memory:(\d+)", redis("info", "memory"))[1])  # noqa: E731
        empty, watch = used(), Watch(stack)
        lines = (harness.call(f"09{n % NUMBERS:08}", n % 50_000, id=f"c{n}") for n in range(calls))
        stack.import_text("".join(harness.json.dumps(line) + "\n" for line in lines))
        print(f"import of {calls}: {calls / (time.monotonic() - watch.start):,.0f}/s; {watch.line(calls)}; "
              f"{(used() - empty) / calls:.0f} bytes of Redis a call")
        script = os.path.join(stack.folder, "page.lua")
        with open(script, "w", encoding="ascii") as file:
            file.write(SCRIPT % (stack.token(), NUMBERS - 1))
        for connections in (1, 16, 64, 256, 1024, 4096):
            watch = Watch(stack)
            done = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{SECONDS}", "--timeout", "10", "--latency", "-s", script,
                                   f"http://127.0.0.1:{stack.gateway_port}"], capture_output=True, text=True, check=True,
                                  timeout=harness.WAIT_SECONDS).stdout
            count = int(re.search(r"(\d+) requests in", done)[1])
            refused, late = re.search(r"Non-2xx or 3xx responses: (\d+)", done), re.search(r"99% +(\S+)", done)
            print(f"pages, {connections} connections: {count / SECONDS:,.0f}/s, p99 {late[1]}, "
                  f"refused {refused[1] if refused else 0}; {watch.line(count)}")
    finally:
        stack.stop()


if __name__ == "__main__":
    main()
