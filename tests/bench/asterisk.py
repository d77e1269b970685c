#!/usr/bin/env python3
"""How fast rows of Asterisk are recorded: a file that is imported, imported again, and one that is followed while it grows.

    tests/bench/asterisk.py [--build build/release] [--rows 100000]

Redis runs with deploy/redis.conf (appendfsync always). Prints a Markdown table; never passes or fails by a figure.
"""

import argparse
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
sys.dont_write_bytecode = True


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(SOURCE, "build", "release"), help="build folder (build/release)")
    parser.add_argument("--rows", type=int, default=100000, help="rows of a file (100000)")
    return parser.parse_args()


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def follow(stack, harness, command, path, rows):
    """Appends rows in pieces of about 200 while the follower runs; gives the time until all are recorded, and its CPU time."""
    begin = time.monotonic()
    state = path + "-state"
    process = subprocess.Popen([*command, "--follow", "--state", state, path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                               env=harness.clean_environment(), text=True)
    size = 0
    for at in range(0, len(rows), 200):
        piece = "".join(rows[at:at + 200])
        size += len(piece.encode())
        with open(path, "a", encoding="utf-8", newline="") as file:
            file.write(piece)

    def done():
        with open(state, encoding="utf-8") as file:
            lines = file.read().splitlines()
        return len(lines) > 1 and int(lines[1].split()[5]) == size

    harness.wait_until(lambda: os.path.exists(state) and done(), "all rows", 600)
    seconds, cpu = time.monotonic() - begin, cpu_seconds(process.pid)
    process.terminate()
    assert f"recorded {len(rows)}," in process.communicate(timeout=60)[0]
    return seconds, cpu


def main():
    options = arguments()
    os.environ["CALLHISTORY_BIN"] = os.path.join(os.path.abspath(options.build), "bin")
    sys.path.insert(0, os.path.join(SOURCE, "tests", "integration"))
    import harness
    from test_asterisk import cdr_csv

    stack = harness.Stack()
    stack.start()
    command = [os.path.join(harness.BIN, "callhistoryctl"), "--service", stack.service_address, "--token", stack.token("writer"),
               "import", "--format", "asterisk", "--trunk-channel", "PJSIP/carrier-"]
    rows = [cdr_csv(number) for number in range(2 * options.rows)]
    path = os.path.join(stack.folder, "Master.csv")
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write("".join(rows[:options.rows]))
    print(f"| {options.rows} rows of {len(rows[0])} bytes | calls/s | callhistoryctl's CPU, µs a row |\n|---|---:|---:|")
    for what in ("imported", "imported again"):
        before = os.times()
        begin = time.monotonic()
        out = subprocess.run([*command, path], check=True, capture_output=True, text=True, env=harness.clean_environment()).stdout
        seconds, after = time.monotonic() - begin, os.times()
        assert re.search(rf"(recorded|unchanged) {options.rows},", out), out
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        print(f"| {what} | {options.rows / seconds:.0f} | {cpu / options.rows * 1e6:.1f} |")
    seconds, cpu = follow(stack, harness, command, os.path.join(stack.folder, "Followed.csv"), rows[options.rows:])
    print(f"| followed, until the state file has all | {options.rows / seconds:.0f} | {cpu / options.rows * 1e6:.1f} |")
    stack.stop()


if __name__ == "__main__":
    main()
