#!/usr/bin/env python3
"""What each index costs in Redis: bytes a call by kind of key, as Redis itself counts them (MEMORY USAGE of every key).

    tests/bench/index_memory.py [--calls N]

Starts Redis and callhistoryd of its own (CALLHISTORY_BIN or build/release/bin), imports the made-up calls of generate.py, and adds
up. No test: it passes no judgement. services/store/layout.md says what the keys are.
"""

import argparse
import os
import re
import socket
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
sys.dont_write_bytecode = True
import harness  # noqa: E402

KINDS = {
    "calls by number (n)": "n", "calls without a number, by the hour (h)": "h", "extensions (x, y)": "xy", "time line (t, u)": "tu",
    "ids (i)": "i", "states (c, m)": "cm",
}
BATCH = 1000


class Redis:
    """Just enough of the protocol."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.stream = self.socket.makefile("rb")

    def send(self, *words):
        self.socket.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))

    def read(self):
        line = self.stream.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"*":
            return [self.read() for _ in range(int(rest))]
        if kind == b"$":
            return self.stream.read(int(rest) + 2)[:-2] if int(rest) >= 0 else None
        if kind == b"-":
            raise RuntimeError(rest.decode())
        return int(rest) if kind == b":" else rest

    def ask(self, *words):
        self.send(*words)
        return self.read()


def kind_of(key):
    letter = re.match(rb"\{[^}]*\}(.)", key)
    return next((name for name, letters in KINDS.items() if letter and letter[1].decode() in letters), "all else")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=200000)
    calls = parser.parse_args().calls
    stack = harness.Stack()
    try:
        stack.start()
        file = os.path.join(stack.folder, "calls.ndjson")
        with open(file, "wb") as out:
            subprocess.run([sys.executable, os.path.join(HERE, "generate.py"), "--calls", str(calls)], stdout=out, check=True)
        redis = Redis(stack.redis_socket)
        redis.ask(b"CONFIG", b"SET", b"appendfsync", b"no")
        stack.ctl("--service", stack.service_address, "--token", stack.token("writer"), "import", file)
        bytes_of, keys_of, cursor = {}, {}, b"0"
        while True:
            cursor, keys = redis.ask(b"SCAN", cursor, b"COUNT", str(BATCH).encode())
            for key in keys:
                redis.send(b"MEMORY", b"USAGE", key, b"SAMPLES", b"0")
            for key in keys:
                kind = kind_of(key)
                bytes_of[kind] = bytes_of.get(kind, 0) + redis.read()
                keys_of[kind] = keys_of.get(kind, 0) + 1
            if cursor == b"0":
                break
        for kind in [*KINDS, "all else"]:
            print(f"{kind:42} {keys_of.get(kind, 0):8} keys {bytes_of.get(kind, 0) / calls:8.1f} bytes a call")
        print(f"{'all':42} {sum(keys_of.values()):8} keys {sum(bytes_of.values()) / calls:8.1f} bytes a call, {calls} calls")
    finally:
        stack.stop()


if __name__ == "__main__":
    main()
