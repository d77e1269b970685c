#!/usr/bin/env python3
"""`callhistoryctl export` (one stream, ExportCalls) against `callhistoryctl list --all --json` (a request for each page, ListCalls).

    tests/bench/export.py [--build build/release] [--calls 200000] [--rounds 5]

Both write the same lines to /dev/null, in turn. One worker. Prints a Markdown table with medians: calls a second, and the CPU time of
callhistoryctl, callhistoryd and Redis per call; never passes or fails by a figure.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
sys.dont_write_bytecode = True
COMMANDS = {"ListCalls, page by page": ("list", "--all", "--json"), "ExportCalls": ("export",)}
NOW, TICK = 1760000000, os.sysconf("SC_CLK_TCK")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(SOURCE, "build", "release"), help="build folder (build/release)")
    parser.add_argument("--calls", type=int, default=200000, help="calls (200000)")
    parser.add_argument("--rounds", type=int, default=5, help="times that each is measured, in turn (5)")
    return parser.parse_args()


def line(index):
    second = NOW + index
    return json.dumps({"project_code": "PROJ", "vbot_id": "VBOT001", "id": f"call{index}", "type_call": "CALLIN", "disposition": "ANSWER",
                       "date_create": time.strftime("%m/%d/%Y %H:%M:%S", time.gmtime(second)), "hotline_number": "19001234", "time_call": "60",
                       "caller": [{"phone": f"0912{index % 20000:06}"}], "callee": [{"phone": str(101 + index % 40), "member_no": str(101 + index % 40)}],
                       "record_file": [f"https://recordings.example.vn/2026/{index}.mp3"]}) + "\n"


def cpu_us(process):
    with open(f"/proc/{process.process.pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1e6 / TICK


def children_us():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (usage.ru_utime + usage.ru_stime) * 1e6


def measure(stack, command):
    before = children_us(), cpu_us(stack.service), cpu_us(stack.redis)
    begin = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seconds = time.monotonic() - begin
    after = children_us(), cpu_us(stack.service), cpu_us(stack.redis)
    return seconds, *(late - early for early, late in zip(before, after))


def main():
    options = arguments()
    os.environ["CALLHISTORY_SOURCE"], os.environ["CALLHISTORY_BIN"] = SOURCE, os.path.join(os.path.abspath(options.build), "bin")
    sys.path.insert(0, os.path.join(SOURCE, "tests", "integration"))
    import harness
    stack = harness.Stack(service_options=("--workers", "1"))
    try:
        stack.start()
        writer = stack.issue("writer", (("PROJ", "VBOT001"),))
        ctl = [os.path.join(os.environ["CALLHISTORY_BIN"], "callhistoryctl"), "--service", stack.service_address, "--token", writer]
        subprocess.run([*ctl, "import", "-"], check=True, input="".join(map(line, range(options.calls))).encode(), stdout=subprocess.DEVNULL)
        found = {name: [] for name in COMMANDS}
        for _ in range(options.rounds):
            for name, command in COMMANDS.items():
                found[name].append(measure(stack, [*ctl, *command]))
        print("| | calls/s | callhistoryctl µs a call | callhistoryd µs a call | Redis µs a call |\n|---|---:|---:|---:|---:|")
        for name, rows in found.items():
            seconds, *times = (statistics.median(column) for column in zip(*rows))
            print(f"| {name} | {options.calls / seconds:,.0f} | " + " | ".join(f"{each / options.calls:.2f}" for each in times) + " |")
    finally:
        stack.stop()


if __name__ == "__main__":
    main()
