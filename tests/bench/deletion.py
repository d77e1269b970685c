#!/usr/bin/env python3
"""Readers beside `callhistoryctl retention`: their p50 and p99 without it, and with it at several --calls-per-second.

    tests/bench/deletion.py [--build build/release] [--calls 200000] [--seconds 8] [--rounds 3] [--in-flight 4]

The readers are bench_service: pages of ten calls of a number. The calls that are deleted are of other numbers of the same tenant, so that
the answers stay the same. Prints a Markdown table; never passes or fails by a figure.
"""

import argparse
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
RATES = (0, 250, 500, 1000, 2000, 5000)
NUMBERS, NOW = 200, 1760000000


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(SOURCE, "build", "release"), help="build folder (build/release)")
    parser.add_argument("--calls", type=int, default=200000, help="old calls (200000)")
    parser.add_argument("--seconds", type=int, default=8, help="seconds of one measurement (8)")
    parser.add_argument("--rounds", type=int, default=3, help="times that each rate is measured, in turn (3)")
    parser.add_argument("--in-flight", type=int, default=4, help="requests of the readers at a time (4)")
    return parser.parse_args()


def line(number, extension, second, ident):
    return json.dumps({"project_code": "PROJ", "vbot_id": "VBOT001", "id": ident, "date_create": time.strftime("%m/%d/%Y %H:%M:%S", time.gmtime(second)), "type_call": "CALLIN",
                       "disposition": "ANSWER", "hotline_number": "19001234", "time_call": "60",
                       "caller": [{"phone": number}], "callee": [{"phone": extension, "member_no": extension}]}) + "\n"


def main():
    options = arguments()
    os.environ["CALLHISTORY_SOURCE"], os.environ["CALLHISTORY_BIN"] = SOURCE, os.path.join(os.path.abspath(options.build), "bin")
    sys.path.insert(0, os.path.join(SOURCE, "tests", "integration"))
    import harness
    stack = harness.Stack(service_options=("--workers", "1"))
    try:
        stack.start()
        pair = (("PROJ", "VBOT001"),)
        folder = tempfile.mkdtemp(prefix="callhistory-bench-", dir=stack.folder)
        writer = stack.issue("writer", pair)
        paths = {name: os.path.join(folder, name) for name in ("calls", "numbers", "token")}
        with open(paths["calls"], "w", encoding="ascii") as file:
            for i in range(NUMBERS * 20):
                file.write(line(f"0912{i % NUMBERS:06}", "101", NOW + i, f"new{i}"))
            for i in range(options.calls):
                file.write(line(f"0977{i % 20000:06}", str(101 + i % 40), NOW - 86400 * 500 + i, f"old{i}"))
        with open(paths["numbers"], "w", encoding="ascii") as file:
            file.writelines(f"0912{i:06}\n" for i in range(NUMBERS))
        with open(paths["token"], "w", encoding="ascii", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(writer)
        stack.ctl("--service", stack.service_address, "--token-file", paths["token"], "import", paths["calls"])
        ctl = os.path.join(os.environ["CALLHISTORY_BIN"], "callhistoryctl")
        # Everything before the new calls.
        age = int(time.time()) - NOW + 3600
        found = {rate: [] for rate in RATES}
        for _ in range(options.rounds):
            for rate in RATES:
                job = subprocess.Popen([ctl, "--redis", stack.redis_url, "retention", "--older-than", f"{age}s", "--yes",
                                        "--calls-per-second", str(rate)]) if rate else None
                done = subprocess.run([os.path.join(os.environ["CALLHISTORY_BIN"], "bench_service"), "--service",
                                       stack.service_address, "--token-file", paths["token"], "--numbers", paths["numbers"],
                                       "--project-code", "PROJ", "--vbot-id", "VBOT001", "--in-flight", str(options.in_flight),
                                       "--seconds", str(options.seconds)], check=True, capture_output=True, text=True)
                if job:
                    if job.poll() is not None:
                        raise SystemExit("all old calls were deleted before the end: use more --calls")
                    job.terminate()
                    job.wait()
                found[rate].append(json.loads(done.stdout))
        print("| calls deleted a second | requests/s | p50 µs | p99 µs | p99 against none |\n|---:|---:|---:|---:|---:|")
        base = None
        for rate in RATES:
            rows = found[rate]
            values = {key: statistics.median(row[key] for row in rows) for key in ("rate", "p50_us", "p99_us")}
            base = base or values["p99_us"]
            print(f"| {rate or 'none'} | {values['rate']:.0f} | {values['p50_us']:.0f} | {values['p99_us']:.0f} "
                  f"| {values['p99_us'] / base:.2f} × |")
    finally:
        stack.stop()


if __name__ == "__main__":
    main()
