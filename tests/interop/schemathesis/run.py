#!/usr/bin/env python3
"""Schemathesis against the running gateway: no 5xx, no undocumented status, no breach of a schema, in at least 2,000 requests.

    tests/interop/schemathesis/run.py [--seed N] [--examples N]

Also hands /openapi.json to an OpenAPI validator. Needs the programs built (CALLHISTORY_BIN or build/release/bin), redis-server, and
PyPI for the versions in requirements.txt, which are kept under build/interop/schemathesis.
"""

import argparse
import collections
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "integration"))
sys.dont_write_bytecode = True
import harness  # noqa: E402

BUILD = os.path.join(os.path.abspath(harness.SOURCE), "build", "interop", "schemathesis")
REQUIREMENTS = os.path.join(HERE, "requirements.txt")
REQUESTS_MIN = 2000
SECONDS_MAX = 1800

# Left out: a schema can't tell that unknown fields are ignored, that a token opens some tenants only, that one of two headers is
# enough, nor that QUERY is a method (OpenAPI 3.1 has no word for it). tests/contract proves all four.
LEFT_OUT = "negative_data_rejection,positive_data_acceptance,missing_required_header,unsupported_method"


def tools():
    """The folder of the programs in a virtual environment made from requirements.txt."""
    stamp = os.path.join(BUILD, "requirements.txt")
    with open(REQUIREMENTS, encoding="utf-8") as file:
        wanted = file.read()
    if not os.path.exists(stamp) or open(stamp, encoding="utf-8").read() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", BUILD], check=True, timeout=SECONDS_MAX)
        subprocess.run([os.path.join(BUILD, "bin", "pip"), "install", "-q", "--disable-pip-version-check", "-r", REQUIREMENTS],
                       check=True, timeout=SECONDS_MAX)
        with open(stamp, "w", encoding="utf-8") as file:
            file.write(wanted)
    return os.path.join(BUILD, "bin")


def statuses(stack):
    """How many requests the gateway answered, by status."""
    text = stack.request("GET", "/metrics")[2].decode()
    found = collections.Counter()
    for status, count in re.findall(r'request_duration_seconds_count\{.*status_code="(\d+)"\} (\d+)', text):
        found[status] += int(count)
    return found


def explore(stack, bin_folder, header, seed, examples):
    """One run with these credentials; gives its exit status and summary."""
    # A time of 1 ms, which the document allows, is rightly answered with 504: no case may choose its own.
    command = [os.path.join(bin_folder, "schemathesis"), "run", f"http://127.0.0.1:{stack.gateway_port}/openapi.json", "--header", header,
               "--header", "X-Request-Timeout: 25000",
               "--exclude-checks", LEFT_OUT, "--generation-with-security-parameters", "false", "--generation-database", "none",
               "--max-examples", str(examples), "--seed", str(seed), "--continue-on-failure", "--no-color"]
    environment = {**harness.clean_environment(), "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": HERE}
    done = subprocess.run(command, cwd=stack.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=SECONDS_MAX)
    return done.returncode, done.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--examples", type=int, default=60, help="generated examples for each operation")
    options = parser.parse_args()
    bin_folder = tools()
    passed = failed = 0

    def check(name, good, why=""):
        nonlocal passed, failed
        passed, failed = passed + bool(good), failed + (not good)
        print(f"{'ok     ' if good else 'FAILED '} {name}{'' if good else chr(10) + why}", flush=True)

    stack = harness.Stack(gateway_options=("--recording-hosts", "recordings.example.vn", "--cors-origins", "https://crm.example.vn"))
    try:
        stack.start()
        stack.import_lines([harness.call("0912345678", second) for second in range(50)] + [
            harness.call("0912345678", 60, id="call-000001", record_file=["https://recordings.example.vn/1.mp3"])])
        document = os.path.join(stack.folder, "openapi.json")
        with open(document, "wb") as file:
            file.write(stack.request("GET", "/openapi.json")[2])
        done = subprocess.run([os.path.join(bin_folder, "openapi-spec-validator"), document], capture_output=True, text=True, timeout=120)
        check("openapi-spec-validator", done.returncode == 0, done.stdout + done.stderr)
        generated, before = 0, statuses(stack)
        for turn, header in enumerate(("X-API-KEY: ", "Authorization: Bearer ")):
            status, out = explore(stack, bin_folder, header + stack.token(), options.seed + turn, options.examples)
            count = re.search(r"(\d+) generated", out)
            generated += int(count[1]) if count else 0
            check(f"schemathesis with {header.split(':')[0]}: {count[1] if count else 0} cases, seed {options.seed + turn}", status == 0,
                  out[-8000:])
        seen = statuses(stack) - before
        answered = ", ".join(f"{status}: {count}" for status, count in sorted(seen.items()))
        check(f"{sum(seen.values())} requests answered ({answered})",
              min(generated, sum(seen.values())) >= REQUESTS_MIN, f"fewer than {REQUESTS_MIN}")
        check("no 5xx", not [status for status in seen if status.startswith("5")], answered)
        check("lists, counts and redirects were among the answers", seen["200"] > 100 and seen["302"] > 0, answered)
    finally:
        stack.stop()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
