#!/usr/bin/env python3
"""`callhistoryctl export` (one stream, ExportCalls) against `callhistoryctl list --all --json` (a request for each page, ListCalls).

    tests/bench/export.py [--build build/release] [--calls 200000] [--rounds 5] [--readers]

Both write the same lines to /dev/null, in turn. One worker. Prints a Markdown table with medians: calls a second, and the CPU time of
callhistoryctl, callhistoryd and Redis per call. With --readers also readers (bench_service: pages of ten, four in flight) beside exports
that are read as fast as they come. Never passes or fails by a figure.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
sys.dont_write_bytecode = True
COMMANDS = {"ListCalls, page by page": ("list", "--all", "--json"), "ExportCalls": ("export",)}
READERS = ((0, 0), (1, 1000), (1, 250), (1, 100), (2, 250))
NOW, TICK = 1760000000, os.sysconf("SC_CLK_TCK")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(SOURCE, "build", "release"), help="build folder (build/release)")
    parser.add_argument("--calls", type=int, default=200000, help="calls (200000)")
    parser.add_argument("--rounds", type=int, default=5, help="times that each is measured, in turn (5)")
    parser.add_argument("--readers", action="store_true", help="measure readers beside exports too; needs bench_service")
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


def export_on(address, token, size, stop, received):
    """Exports over and over, without unpacking."""
    import stubs
    with stubs.channel(address) as channel:
        export = channel.unary_stream("/callhistory.v1.CallHistoryService/ExportCalls",
                                      request_serializer=stubs.history.ExportCallsRequest.SerializeToString)
        while not stop.is_set():
            stream = export(stubs.history.ExportCallsRequest(page_size=size), metadata=[("authorization", "Bearer " + token)])
            for message in stream:
                received[0] += len(message)
                if stop.is_set():
                    stream.cancel()
                    break


def measure_readers(stack, token, exports, size, folder):
    stop, received, begin = threading.Event(), [0], time.monotonic()
    threads = [threading.Thread(target=export_on, args=(stack.service_address, token, size, stop, received)) for _ in range(exports)]
    for thread in threads:
        thread.start()
    done = subprocess.run([os.path.join(os.environ["CALLHISTORY_BIN"], "bench_service"), "--service", stack.service_address, "--token-file",
                           os.path.join(folder, "token"), "--numbers", os.path.join(folder, "numbers"), "--project-code", "PROJ", "--vbot-id", "VBOT001",
                           "--in-flight", "4", "--seconds", "3"], check=True, capture_output=True, text=True)
    seconds = time.monotonic() - begin
    stop.set()
    for thread in threads:
        thread.join()
    found = json.loads(done.stdout)
    return found["rate"], found["p50_us"], found["p99_us"], received[0] / seconds / 1e6


def print_readers(stack, token, rounds):
    folder = stack.folder
    with open(os.path.join(folder, "numbers"), "w", encoding="ascii") as file:
        file.writelines(f"0912{i:06}\n" for i in range(20000))
    with open(os.path.join(folder, "token"), "w", encoding="ascii", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.write(token)
    found = {row: [] for row in READERS}
    for _ in range(rounds):
        for row, results in found.items():
            results.append(measure_readers(stack, token, *row, folder))
    print("\n| exports | calls in a message | readers' requests/s | p50 µs | p99 µs | exports MB/s |\n|---:|---:|---:|---:|---:|---:|")
    for (exports, size), results in found.items():
        rate, p50, p99, mb = (statistics.median(column) for column in zip(*results))
        print(f"| {exports} | {size or ''} | {rate:,.0f} | {p50:,.0f} | {p99:,.0f} | {mb:.1f} |")


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
        if options.readers:
            print_readers(stack, writer, options.rounds)
    finally:
        stack.stop()


if __name__ == "__main__":
    main()
