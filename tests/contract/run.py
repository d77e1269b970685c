"""Plays the golden cases against a real gateway, service and Redis, through several HTTP clients.

    python3 tests/contract/run.py [--client python|curl|php|node]... [CASE...]
"""

import argparse
import base64
import glob
import gzip
import json
import os
import re
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
import harness  # noqa: E402

OTHER = (harness.PROJECT, "VBOT002")
STRANGER = ("OTHER", "VBOT900")
THIRD = ("G3", "VBOT300")
FOURTH = ("G4", "VBOT400")
GATEWAY_OPTIONS = ("--recording-hosts", "recordings.example.vn", "--cors-origins", "https://crm.example.vn")


class Case:
    """One request and the answer it must get."""

    def __init__(self, name, text):
        self.name = name
        request, _, answer = text.partition("--- answer\n")
        lines = request.split("\n")
        self.clients = None
        while lines and (not lines[0].strip() or lines[0].startswith(("#", "@"))):
            line = lines.pop(0)
            if line.startswith("@clients "):
                self.clients = line.split()[1:]
        self.method, self.target = lines.pop(0).split(" ", 1)
        self.headers, self.body = self._headers_and_body("\n".join(lines))
        status, _, rest = answer.partition("\n")
        self.status = int(status)
        self.expected_headers, self.expected_body = self._headers_and_body(rest)
        if not answer:
            raise ValueError(f"{name}: no answer")

    @staticmethod
    def _headers_and_body(text):
        head, separator, body = text.partition("\n\n") if not text.startswith("\n") else ("", "\n", text[1:])
        headers = [tuple(line.split(": ", 1)) for line in head.split("\n") if line]
        return headers, body[:-1] if body.endswith("\n") else body

    def fill(self, tokens):
        """The request with tokens and bytes in place."""

        def put(text):
            text = re.sub(r"\{(\w+)\}", lambda m: tokens.get(m.group(1), m.group(0)), text)
            text = re.sub(r"\{pad:(\d+)\}", lambda m: "a" * int(m.group(1)), text)
            parts = re.split(r"\\x([0-9a-fA-F]{2})", text)
            return b"".join(
                bytes([int(part, 16)]) if i % 2 else part.encode() for i, part in enumerate(parts)
            )

        headers = [(name, put(value).decode("latin-1")) for name, value in self.headers]
        return put(self.target).decode("latin-1"), headers, put(self.body)


def cases(names):
    files = names or sorted(glob.glob(os.path.join(HERE, "cases", "**", "*.case"), recursive=True))
    for file in files:
        with open(file, encoding="utf-8") as handle:
            parts = handle.read().split("=== next\n")
        for index, part in enumerate(parts):
            name = os.path.relpath(file, os.path.join(HERE, "cases"))
            yield Case(f"{name}#{index + 1}" if len(parts) > 1 else name, part)


# -- Clients: each gives (status, [(header, value)], body) ---------------------------------------------------------------


def python_client(stack, case, target, headers, body):
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", stack.gateway_port, timeout=60)
    try:
        connection.putrequest(case.method, target, skip_accept_encoding=True)
        names = {name.lower() for name, _ in headers}
        for name, value in headers:
            connection.putheader(name, value)
        if body and not names & {"content-length", "transfer-encoding"}:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders()
        if body and "transfer-encoding" in names:
            for start in range(0, len(body), 7):
                piece = body[start : start + 7]
                connection.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            connection.send(b"0\r\n\r\n")
        elif body:
            connection.send(body)
        answer = connection.getresponse()
        return answer.status, answer.getheaders(), answer.read()
    finally:
        connection.close()


def curl_client(stack, case, target, headers, body):
    with tempfile.NamedTemporaryFile() as data:
        data.write(body)
        data.flush()
        command = ["curl", "-sS", "-i", "--http1.1", "--max-time", "60", "-H", "Accept:", "-H", "User-Agent:", "-H", "Content-Type:"]
        command += ["-I"] if case.method == "HEAD" else ["-X", case.method]
        for name, value in headers:
            command += ["-H", f"{name}: {value}"]
        if body:
            command += ["--data-binary", "@" + data.name]
        command.append(f"http://127.0.0.1:{stack.gateway_port}{target}")
        done = subprocess.run(command, capture_output=True, timeout=90)
    if done.returncode:
        raise AssertionError(done.stderr.decode())
    head, _, rest = done.stdout.partition(b"\r\n\r\n")
    while head.startswith(b"HTTP/1.1 100"):
        head, _, rest = rest.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    return int(lines[0].split()[1]), [tuple(line.split(": ", 1)) for line in lines[1:]], rest


class Script:
    """A client in another language: one process, which reads questions and writes answers, a line of JSON each."""

    def __init__(self, program, script):
        self.command = [os.environ.get(program.upper(), program), os.path.join(HERE, "clients", script)]
        self.process = None

    def __call__(self, stack, case, target, headers, body):
        if self.process is None:
            self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        question = {
            "url": f"http://127.0.0.1:{stack.gateway_port}{target}", "method": case.method, "headers": headers,
            "body": base64.b64encode(body).decode(),
        }
        self.process.stdin.write(json.dumps(question).encode() + b"\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"{self.command[-1]} ended at {case.name} with {self.process.wait(60)}")
        answer = json.loads(line)
        if "failure" in answer:
            raise AssertionError(answer["failure"])
        return answer["status"], [tuple(pair) for pair in answer["headers"]], base64.b64decode(answer["body"])

    def close(self):
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait(60)


CLIENTS = {
    "python": python_client,
    "curl": curl_client,
    "php": Script("php", "client.php"),
    "node": Script("node", "client.js"),
}


def check(case, status, headers, body):
    """What differs from the golden answer, as text; None where nothing does."""
    have = {}
    for name, value in headers:
        have.setdefault(name.lower(), []).append(value)
    if "gzip" in have.get("content-encoding", []):
        body = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
    if status != case.status:
        return f"status {status}, not {case.status}: {body[:300]!r}"
    for name, value in case.expected_headers:
        found = have.get(name.lower(), [])
        found = found + [part for line in found for part in line.split(", ")]  # some clients join lines of one name
        if (found != []) if value == "-" else (value not in found):
            return f"header {name}: {found}, not {value!r}"
    if case.expected_body:
        expected = b"" if case.expected_body == "(empty)" else case.expected_body.encode()
        if body != expected:
            return f"body\n     {body.decode(errors='replace')}\n not {expected.decode()}"
    return None


def tokens(stack):
    usual = ((harness.PROJECT, harness.VBOT),)
    made = {
        "reader": stack.issue("reader", usual),
        "writer": stack.issue("writer", usual),
        "foreign": stack.issue("reader", (STRANGER,)),
        "revoked": stack.issue("reader", usual),
        "expired": stack.issue("reader", usual, "--expires", "1s"),
        "both": stack.issue("reader", usual + (OTHER,)),
        "key": stack.issue("reader", (THIRD,)),
        "flat": stack.issue("reader", (FOURTH,)),
    }
    issued = time.monotonic()
    stack.ctl("--redis", stack.redis_url, "token", "revoke", made["revoked"])
    importer = stack.issue("writer", usual + (OTHER, STRANGER, THIRD, FOURTH))
    stack.ctl("--service", stack.service_address, "--token", importer, "import", os.path.join(HERE, "calls.ndjson"))
    time.sleep(max(0.0, issued + 1.2 - time.monotonic()))
    return made


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--client", action="append", choices=sorted(CLIENTS))
    parser.add_argument("cases", nargs="*")
    arguments = parser.parse_args()
    todo = list(cases(arguments.cases))
    assert todo, "no cases"
    failed = passed = 0
    stack = harness.Stack(gateway_options=GATEWAY_OPTIONS)
    try:
        stack.start()
        made = tokens(stack)
        for client in arguments.client or ["python"]:
            for case in todo:
                if case.clients and client not in case.clients:
                    continue
                try:
                    problem = check(case, *CLIENTS[client](stack, case, *case.fill(made)))
                except (AssertionError, OSError) as error:
                    problem = f"no answer: {error}"
                if problem:
                    failed += 1
                    print(f"FAIL {client} {case.name}: {problem}")
                else:
                    passed += 1
    finally:
        for client in CLIENTS.values():
            if isinstance(client, Script):
                client.close()
        stack.stop()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
