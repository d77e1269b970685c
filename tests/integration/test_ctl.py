"""callhistoryctl from a user's side: tokens, import, list, count, get; exit codes, messages, secrets, signals, terminals."""

import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unicodedata
import unittest

import harness
from harness import PROJECT, VBOT, call, wait_until

CTL = os.path.join(harness.BIN, "callhistoryctl")
SAMPLE = os.path.join(harness.SOURCE, "deploy", "local", "sample-calls.ndjson")
GENERATOR = os.path.join(harness.SOURCE, "tests", "bench", "generate.py")
TENANT = ("--project-code", PROJECT, "--vbot-id", VBOT)
TOKEN = re.compile(r"cht_[A-Za-z0-9_-]{43}\n")


def ndjson(calls):
    return "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in calls)


def summary(out):
    """The numbers of import's last line."""
    pairs = re.findall(r"([a-z/ ]+) ([0-9.]+)(?:, |$)", out.strip().splitlines()[-1])
    return {name.strip(): float(value) for name, value in pairs}


class Base(harness.StackTest):
    def ctl(self, *arguments, token=None, role="writer", stdin=None, status=0):
        """Runs a subcommand against the service; checks its exit status; gives (standard output, standard error)."""
        token = token or self.stack.token(role)
        code, out, errors = self.stack.ctl(
            *arguments, "--service", self.stack.service_address, "--token", token, stdin=stdin, check=False)
        self.assertEqual(code, status, errors[-3000:])
        self.assertNotIn(token, out + errors)
        return out, errors

    def tokens(self, *arguments, status=0):
        code, out, errors = self.stack.ctl("token", *arguments, "--redis", self.stack.redis_url, check=False)
        self.assertEqual(code, status, errors)
        return out, errors

    def file(self, content, name="calls.ndjson"):
        path = os.path.join(self.stack.folder, name)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        return path

    def popen(self, *arguments, **more):
        return subprocess.Popen(
            [CTL, "--service", self.stack.service_address, "--token", self.stack.token("writer"), *arguments],
            env=harness.clean_environment(), **more)


class Usage(unittest.TestCase):
    """What needs no server."""

    def run_ctl(self, *arguments, environment=None):
        done = subprocess.run([CTL, *arguments], capture_output=True, text=True, timeout=harness.WAIT_SECONDS,
                              env={**harness.clean_environment(), **(environment or {})}, stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout, done.stderr

    def test_help(self):
        status, out, errors = self.run_ctl("--help")
        self.assertEqual((status, errors), (0, ""))
        for command in ("token issue", "token list", "token revoke", "import", "list", "count", "get"):
            self.assertIn(f"  {command} ", out)
            status, text, errors = self.run_ctl(*command.split(), "--help")
            self.assertEqual((status, errors), (0, ""))
            self.assertTrue(text.startswith(f"Usage: callhistoryctl {command} "), text)
            self.assertIn("--service ADDRESS", text)
        self.assertEqual(self.run_ctl("token", "--help")[0], 0)

    def test_version(self):
        for arguments in (("--version",), ("import", "--version"), ("--service", "list", "list", "--version"),
                          ("token", "--redis", "redis://x", "issue", "--version")):
            status, out, _ = self.run_ctl(*arguments)
            self.assertEqual(status, 0)
            self.assertRegex(out, r"^callhistoryctl \d+\.\d+\.\d+\n$")

    def test_wrong_usage(self):
        tenant, issue = list(TENANT), ["token", "issue", *TENANT]
        for arguments, said in (
            ([], "a command is needed"),
            (["--nonsense"], "--nonsense"),
            (["nonsense"], "unknown command: nonsense"),
            (["token"], "unknown command"),
            (["token", "make"], "unknown command"),
            (["count", "--nonsense"], "--nonsense"),
            (["count", "operand"], "unexpected operand"),
            (["count", *tenant], "a token is needed"),
            (["count", "--project-code", "P", "--token", "t"], "go together"),
            (["count", *tenant, "--token", "two words"], "token"),
            (["count", *tenant, "--token", "t", "--from", "yesterday"], "--from"),
            (["count", *tenant, "--token", "t", "--to", "2026-02-30"], "--to"),
            (["count", *tenant, "--token", "t", "--time-zone", "Mars/Olympus"], "--time-zone"),
            (["count", *tenant, "--token", "t", "--timeout", "0"], "--timeout"),
            (["count", *tenant, "--token", "t", "--service-cert", "x"], "--service-c"),
            (["list", *tenant, "--token", "t", "--page", "0"], "--page"),
            (["list", *tenant, "--token", "t", "--size", "0"], "--size"),
            (["list", *tenant, "--token", "t", "--size", "1001"], "--size"),
            (["list", *tenant, "--token", "t", "--all", "--page", "2"], "--all"),
            (["get", *tenant, "--token", "t"], "id"),
            (["import", "--token", "t"], "a file is needed"),
            (["import", "--token", "t", "--format", "asterisk", "-"], "ndjson"),
            (["import", "--token", "t", "--format", "csv", "-"], "ndjson"),
            (["token", "issue", "--role", "reader"], "--project-code"),
            (["token", "issue", "--role", "reader", "--project-code", "P"], "--vbot-id"),
            (["token", "issue", "--role", "reader", *tenant, "--project-code", "P"], "--vbot-id"),
            (["token", "issue", "--role", "reader", *tenant, *tenant], "twice"),
            (["token", "issue", "--role", "reader", "--project-code", "x" * 65, "--vbot-id", "V"], "--project-code"),
            (["token", "issue", "--role", "reader", "--project-code", "P", "--vbot-id", ""], "--vbot-id"),
            (issue, "--role"),
            ([*issue, "--role", "admin"], "--role"),
            ([*issue, "--role", "reader", "--expires", "soon"], "--expires"),
            ([*issue, "--role", "reader", "--expires", "10"], "--expires"),
            ([*issue, "--role", "reader", "--rate", "-1"], "--rate"),
            ([*issue, "--role", "reader", "--redis", "http://x"], "--redis"),
            (["token", "revoke"], "operand"),
            (["token", "revoke", "nonsense"], "12 hexadecimal digits"),
        ):
            with self.subTest(arguments=arguments):
                status, out, errors = self.run_ctl(*arguments)
                self.assertEqual((status, out), (2, ""), errors)
                self.assertIn(said, errors)

    def test_servers_that_are_away(self):
        port = harness.free_port()
        status, out, errors = self.run_ctl("--service", f"127.0.0.1:{port}", "count", *TENANT, "--token", "t",
                                           "--timeout", "500")
        self.assertEqual((status, out), (1, ""))
        self.assertIn(f"127.0.0.1:{port}", errors)
        status, out, errors = self.run_ctl("--redis", f"redis://u:hidden@127.0.0.1:{port}", "token", "list")
        self.assertEqual((status, out), (1, ""))
        self.assertIn(f"127.0.0.1:{port}", errors)
        self.assertNotIn("hidden", errors)

    def test_secrets_do_not_stay_in_the_process_list(self):
        port = harness.free_port()
        for arguments in (
            ["--service", f"127.0.0.1:{port}", "--token", "SECRET", "--timeout", "60000", "import", "-"],
            [f"--token=SECRET", "--service", f"127.0.0.1:{port}", "--timeout", "60000", "import", "-"],
            ["--redis", f"redis://user:SECRET@127.0.0.1:{port}", "token", "list"],
            ["token", "revoke", "cht_SECRET", "--redis", f"redis://127.0.0.1:{port}"],
        ):
            with self.subTest(arguments=arguments), subprocess.Popen(
                [CTL, *arguments], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                env=harness.clean_environment(),
            ) as process:
                def shown():
                    with open(f"/proc/{process.pid}/cmdline", "rb") as file:
                        return file.read()

                try:
                    wait_until(lambda: shown() and b"SECRET" not in shown(), "the secret's removal")
                    self.assertIsNone(process.poll())
                finally:
                    process.kill()

    def test_environment_and_token_file(self):
        port = harness.free_port()
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("bad token\n")
            file.flush()
            status, _, errors = self.run_ctl("count", "--token-file", file.name)
            self.assertEqual(status, 2)
            self.assertNotIn("bad token", errors)
        status, _, errors = self.run_ctl("count", "--token-file", "/nonexistent/token")
        self.assertEqual(status, 1)
        self.assertIn("/nonexistent/token", errors)
        status, _, errors = self.run_ctl("count", environment={
            "CALLHISTORY_TOKEN": "t", "CALLHISTORY_SERVICE": f"127.0.0.1:{port}", "CALLHISTORY_TIMEOUT": "300"})
        self.assertEqual(status, 1)
        self.assertIn(str(port), errors)


class Precedence(Base):
    def test_the_command_line_beats_the_environment(self):
        """Of a token and a file of one, what stands on the command line counts, else the file."""
        good, bad = self.stack.token("reader"), "cht_" + "x" * 43
        files = {name: self.file(text, name) for name, text in (("good", good), ("bad", bad))}
        for arguments, environment, status in (
            (["--token", good], {"CALLHISTORY_TOKEN_FILE": files["bad"]}, 0),
            (["--token", bad], {"CALLHISTORY_TOKEN_FILE": files["good"]}, 1),
            (["--token", good], {"CALLHISTORY_TOKEN": bad, "CALLHISTORY_TOKEN_FILE": files["bad"]}, 0),
            (["--token-file", files["good"]], {"CALLHISTORY_TOKEN": bad, "CALLHISTORY_TOKEN_FILE": files["bad"]}, 0),
            (["--token-file", files["good"], "--token", bad], {}, 0),
            ([], {"CALLHISTORY_TOKEN": bad, "CALLHISTORY_TOKEN_FILE": files["good"]}, 0),
        ):
            with self.subTest(arguments=arguments, environment=environment):
                done = subprocess.run([CTL, "--service", self.stack.service_address, *arguments, "count"], capture_output=True,
                                      env={**harness.clean_environment(), **environment}, timeout=harness.WAIT_SECONDS)
                self.assertEqual(done.returncode, status, done.stderr)


class Tokens(Base):
    def test_issue_list_revoke(self):
        out, errors = self.tokens("issue", *TENANT, "--project-code", "OTHER", "--vbot-id", "V 2", "--role", "writer",
                                  "--expires", "12h", "--rate", "50", "--burst", "200")
        self.assertRegex(out, TOKEN)
        self.assertEqual(errors, "")
        token = out.strip()
        again, _ = self.tokens("issue", *TENANT, "--role", "reader")
        self.assertNotEqual(again, out)

        listed, _ = self.tokens("list", "--json")
        tokens = [json.loads(line) for line in listed.splitlines()]
        self.assertNotIn(token, listed)
        (mine,) = [t for t in tokens if {"project_code": "OTHER", "vbot_id": "V 2"} in t["tenants"]]
        self.assertEqual((mine["role"], mine["status"], mine["rate"], mine["burst"], len(mine["tenants"])), ("writer", "active", 50, 200, 2))
        created, expires = (time.mktime(time.strptime(mine[k], "%Y-%m-%dT%H:%M:%SZ")) for k in ("created", "expires"))
        self.assertEqual(expires - created, 12 * 3600)
        table, _ = self.tokens("list")
        self.assertNotIn(token, table)
        self.assertIn(mine["id"], table)
        self.assertIn("DEMO/VBOT001, OTHER/V 2", table)
        self.assertTrue(table.startswith("ID "), table)

        self.assertEqual(self.ctl("count", *TENANT, token=token)[0], "0\n")
        out, errors = self.tokens("revoke", mine["id"])
        self.assertEqual(out, mine["id"] + "\n")
        # Each worker of the service may remember the token for a second.
        time.sleep(1.1)
        _, errors = self.ctl("count", *TENANT, token=token, status=1)
        self.assertIn("UNAUTHENTICATED", errors)
        listed = {t["id"]: t["status"] for t in map(json.loads, self.tokens("list", "--json")[0].splitlines())}
        self.assertEqual(listed[mine["id"]], "revoked")

    def test_a_tenant_is_measured_in_characters(self):
        """vbot_id and project_code: 1 to 64 characters, not bytes."""
        name = "é" * 64
        token = self.tokens("issue", "--project-code", name, "--vbot-id", "ü" * 64, "--role", "reader")[0].strip()
        self.assertEqual(self.ctl("count", "--project-code", name, "--vbot-id", "ü" * 64, token=token)[0], "0\n")
        for wrong in ("é" * 65, "a\u0085", "\udcff"):
            _, errors = self.tokens("issue", "--project-code", wrong, "--vbot-id", "V", "--role", "reader", status=2)
            self.assertIn("--project-code", errors)

    def test_redis_says_why_it_refuses(self):
        code, _, errors = self.stack.ctl("token", "list", "--redis", self.stack.redis_url + "?db=99", check=False)
        self.assertEqual(code, 1)
        self.assertIn("out of range", errors)

    def test_revoke_by_text(self):
        token = self.tokens("issue", *TENANT, "--role", "reader")[0].strip()
        out, errors = self.tokens("revoke", token)
        self.assertRegex(out, r"^[0-9a-f]{12}\n$")
        self.assertNotIn(token, out + errors)

    def test_unknown(self):
        for unknown in ("0123456789ab", "cht_" + "x" * 43):
            out, errors = self.tokens("revoke", unknown, status=1)
            self.assertEqual(out, "")
            self.assertIn("no such token", errors)
            self.assertNotIn(unknown, errors)

    def test_expired(self):
        token = self.tokens("issue", "--project-code", "SHORT", "--vbot-id", "V", "--role", "reader", "--expires", "1s")[0]
        self.assertRegex(token, TOKEN)

        def status():
            tokens = map(json.loads, self.tokens("list", "--json")[0].splitlines())
            return [t["status"] for t in tokens if t["tenants"][0]["project_code"] == "SHORT"]

        wait_until(lambda: status() == ["expired"], "expiry")

    def test_only_tenant_may_be_left_out(self):
        self.assertEqual(self.ctl("count", role="reader")[0], "0\n")


class Import(Base):
    def test_sample(self):
        token = self.stack.issue("writer", ((PROJECT, "VBOT001"), (PROJECT, "VBOT002")))
        out, errors = self.ctl("import", SAMPLE, token=token)
        self.assertEqual(errors, "")
        numbers = summary(out)
        self.assertEqual((numbers["files"], numbers["lines"], numbers["recorded"], numbers["refused"]), (1, 200, 200, 0))
        out, _ = self.ctl("import", SAMPLE, SAMPLE, token=token)
        self.assertEqual((summary(out)["unchanged"], summary(out)["recorded"]), (400, 0))
        # Other tests' calls are of October.
        counts = [int(self.ctl("count", "--project-code", PROJECT, "--vbot-id", v, "--to", "2026-05-01", token=token)[0])
                  for v in ("VBOT001", "VBOT002")]
        self.assertEqual(counts, [160, 40])
        self.assertGreater(int(self.ctl("count", *TENANT, "--phone", "0912345678", token=token)[0]), 20)

    def test_line_ends_mark_and_blanks(self):
        lines = [json.dumps(call("0911000001", second)) for second in range(3)]
        path = self.file(b"\xef\xbb\xbf" + lines[0].encode() + b"\r\n\r\n  \t\n" + lines[1].encode() + b"\n" + lines[2].encode())
        out, errors = self.ctl("import", path)
        self.assertEqual(errors, "")
        self.assertEqual((summary(out)["recorded"], summary(out)["lines"]), (3, 5))

    def test_bad_lines(self):
        lines = [json.dumps(call("0911000002", second)) for second in range(4)]
        path = self.file("\n".join([lines[0], "nonsense", lines[1], "x" * (1 << 20) + "y", lines[2],
                                    json.dumps(call("0911000002", 9, disposition="\x1b[2J" * 100)), lines[3]]))
        out, errors = self.ctl("import", path, status=1)
        self.assertEqual(summary(out)["recorded"], 4)
        self.assertEqual(summary(out)["refused"], 3)
        for line in (2, 4, 6):
            self.assertRegex(errors, rf"(?m)^{re.escape(path)}:{line}: ")
        self.assertIn("disposition", errors)
        self.assertNotIn("\x1b", errors)

    def test_what_the_service_refuses_is_named(self):
        # An id that is longer than the service stores.
        good, bad = call("0911000003"), call("0911000003", 1, id="i" * 200)
        out, errors = self.ctl("import", "-", stdin=ndjson([good, bad]), status=1)
        self.assertEqual((summary(out)["recorded"], summary(out)["refused"]), (1, 1))
        self.assertRegex(errors, r"(?m)^<stdin>:2: .*id")

    def test_files_that_cannot_be_read(self):
        path = self.file(ndjson([call("0911000004")]))
        out, errors = self.ctl("import", "/nonexistent.ndjson", self.stack.folder, path, status=1)
        self.assertIn("/nonexistent.ndjson", errors)
        self.assertIn(self.stack.folder, errors)
        self.assertEqual((summary(out)["files"], summary(out)["recorded"]), (1, 1))

    def test_no_token_no_records(self):
        text = ndjson([call("0911000005", second) for second in range(3)])
        for token, name in ((self.stack.token("reader"), "PERMISSION_DENIED"), ("cht_" + "0" * 43, "UNAUTHENTICATED")):
            out, errors = self.ctl("import", "-", stdin=text, token=token, status=1)
            self.assertEqual((summary(out)["recorded"], summary(out)["failed"]), (0, 3))
            self.assertIn(name, errors)
            self.assertIn("<stdin>:1: and up to <stdin>:3: 3 calls of DEMO/VBOT001", errors)

    def test_a_foreign_tenant_does_not_stop_the_rest(self):
        calls = [call("0911000006", second, vbot_id="FOREIGN" if second % 2 else VBOT) for second in range(10)]
        out, errors = self.ctl("import", "-", stdin=ndjson(calls), status=1)
        self.assertEqual((summary(out)["recorded"], summary(out)["failed"]), (5, 5))
        self.assertIn("5 calls of DEMO/FOREIGN", errors)

    def test_the_last_of_one_id_wins(self):
        # The same ids again and again, over many batches that are under way together.
        calls = [call("0911000007", 1, id=f"same-{i % 10}", time_call=str(i)) for i in range(6005)]
        self.ctl("import", "-", stdin=ndjson(calls))
        listed = sorted(int(each["time_call"]) for each in self.stack.list("0911000007"))
        self.assertEqual(listed, list(range(5995, 6005)))

    def test_many_tenants(self):
        tenants = [(PROJECT, f"MANY{i}") for i in range(30)]
        token = self.stack.issue("writer", tenants)
        calls = [call("0911000008", i, vbot_id=f"MANY{i % 30}") for i in range(3000)]
        out, _ = self.ctl("import", "-", stdin=ndjson(calls), token=token)
        self.assertEqual(summary(out)["recorded"], 3000)
        self.assertEqual(self.ctl("count", "--project-code", PROJECT, "--vbot-id", "MANY29", token=token)[0], "100\n")

    def test_a_silent_pipe_is_not_kept_waiting(self):
        with self.popen("import", "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            process.stdin.write(ndjson([call("0911000009", second) for second in range(5)]))
            process.stdin.flush()
            wait_until(lambda: self.stack.count("0911000009") == 5, "calls of an open pipe")
            self.assertIsNone(process.poll())
            out, errors = process.communicate(ndjson([call("0911000009", 7)]), timeout=harness.WAIT_SECONDS)
            self.assertEqual((process.returncode, errors), (0, ""))
            self.assertEqual(summary(out)["recorded"], 6)

    def test_interrupt(self):
        for number, phone in ((signal.SIGINT, "0911000010"), (signal.SIGTERM, "0911000020")):
            with self.popen("import", "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
                process.stdin.write(ndjson([call(phone, second) for second in range(1500)]))
                process.stdin.flush()
                wait_until(lambda: self.stack.count(phone) == 1500, "calls of an open pipe")
                process.send_signal(number)
                self.assertEqual(process.wait(harness.WAIT_SECONDS), 1)
                self.assertEqual(summary(process.stdout.read())["lines"], 1500)
                self.assertIn("interrupted", process.stderr.read())

    def test_the_service_comes_back(self):
        self.stack.service.stop()
        try:
            with self.popen("import", "-", "--timeout", "60000", stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True) as process:
                process.stdin.write(ndjson([call("0911000011", second) for second in range(2500)]))
                process.stdin.close()
                time.sleep(0.5)
                self.assertIsNone(process.poll())
                self.stack.service.start()
                self.assertEqual(process.wait(harness.WAIT_SECONDS), 0, process.stderr.read())
                self.assertEqual(summary(process.stdout.read())["recorded"], 2500)
        finally:
            if not self.stack.service.running():
                self.stack.service.start()
            self.stack.wait_ready()

    def test_the_service_stays_away(self):
        path = self.file(ndjson([call("0911000012", second) for second in range(20000)]))
        status, out, errors = self.stack.ctl("import", path, "--service", f"127.0.0.1:{harness.free_port()}", "--token", "t",
                                             "--timeout", "300", check=False)
        self.assertEqual(status, 1)
        self.assertEqual(summary(out)["recorded"], 0)
        # Where the machine is slow, time may be up before the connection is refused.
        self.assertRegex(errors, r"calls of \w+/\w+ failed: .*\((UNAVAILABLE|DEADLINE_EXCEEDED)\)")

    def test_progress_only_on_a_terminal(self):
        path = self.file(ndjson([call("0911000013", second) for second in range(3000)]))
        main_end, terminal = pty.openpty()
        try:
            with self.popen("import", path, "/nonexistent", stdout=subprocess.PIPE, stderr=terminal) as process:
                os.close(terminal)
                terminal = -1
                shown = b""
                end = time.monotonic() + harness.WAIT_SECONDS
                while time.monotonic() < end:
                    if not select.select([main_end], [], [], 1)[0]:
                        continue
                    try:
                        piece = os.read(main_end, 65536)
                    except OSError:
                        break
                    if not piece:
                        break
                    shown += piece
                self.assertEqual(process.wait(harness.WAIT_SECONDS), 1)
        finally:
            os.close(main_end)
            if terminal >= 0:
                os.close(terminal)
        text = shown.decode()
        self.assertRegex(text, r"\r\[#*\.*\] +\d+%  [\d.]+ MiB/[\d.]+ MiB  \d+ lines  \d+/s  ETA \d+:\d\d")
        # The bar is gone before a message and at the end.
        self.assertIn("\r\x1b[Kcallhistoryctl: can't read /nonexistent", text)


class Queries(Base):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.calls = [
            call("0922000001", second, id=f"q-{second}", time_call=str(second % 4000),
                 postage=1.5, customer_code="KH-Ánh", event_data="HISTORY_CALL",
                 record_file=[f"https://recordings.example.vn/{second}.mp3"])
            for second in range(2100)
        ]
        cls.stack.import_lines(cls.calls)
        cls.stack.import_lines([
            call("0922000002", 5, id="odd", type_call="CALLBACK", disposition="VOICE\x07MAIL", time_call="",
                 callee=[{"phone": str(n), "name": "Trần Đức"} for n in range(101, 106)]),
        ])

    def test_table(self):
        out, errors = self.ctl("list", *TENANT, "--phone", "0922 000 001", "--size", "3", role="reader")
        self.assertEqual(errors, "")
        heading, *rows = out.splitlines()
        self.assertEqual(heading.split("  ")[0], "TIME")
        self.assertEqual(len(rows), 3)
        self.assertEqual(rows[0].split(), ["2026-10-25", "10:34:59", "CALLIN", "ANSWER", "34:59", "19001234", "0922000001", "->", "101"])
        self.assertEqual(len({row.index("CALLIN") for row in rows} | {heading.index("TYPE")}), 1)
        second, _ = self.ctl("list", *TENANT, "--phone", "0922000001", "--size", "3", "--page", "2", role="reader")
        self.assertIn("10:34:56", second)

    def test_wide_and_combining_letters_keep_the_columns(self):
        self.stack.import_lines([
            call("0922000003", i, hotline_number=hotline)
            for i, hotline in enumerate(("19001234", "\u4e2d\u6587", "Qu\u0061\u0302\u0300y", "Quầy"))])
        out, _ = self.ctl("list", *TENANT, "--phone", "0922000003", role="reader")
        columns = {sum(2 if unicodedata.east_asian_width(letter) == "W" else not unicodedata.combining(letter)
                       for letter in row[: row.index("0922000003")]) for row in out.splitlines()[1:]}
        self.assertEqual(len(columns), 1, out)

    def test_odd_ones_are_shown_safely(self):
        out, _ = self.ctl("list", *TENANT, "--phone", "0922000002", role="reader")
        self.assertIn("CALLBACK", out)
        self.assertIn("VOICE?MAIL", out)
        self.assertIn("101, 102, 103 and 2 more", out)
        self.assertNotIn("\x07", out)

    def test_all_as_ndjson_is_an_import(self):
        out, _ = self.ctl("list", *TENANT, "--phone", "0922000001", "--all", "--json", role="reader")
        lines = [json.loads(line) for line in out.splitlines()]
        self.assertEqual([line["id"] for line in lines], [f"q-{second}" for second in reversed(range(2100))])
        for key in ("project_code", "vbot_id", "date_create", "caller", "callee", "record_file", "customer_code", "postage"):
            self.assertIn(key, lines[0])
        self.assertEqual(lines[0]["postage"], 1.5)
        again, errors = self.ctl("import", "-", stdin=out)
        self.assertEqual((summary(again)["unchanged"], errors), (2100, ""))

    def test_count_and_time_range(self):
        self.assertEqual(self.ctl("count", *TENANT, "--phone", "+84922000001", role="reader")[0], "2100\n")
        self.assertEqual(self.ctl("count", *TENANT, "--phone", "0922999999", role="reader")[0], "0\n")
        for options, expected in (
            (["--from", "2026-10-25T10:10:00"], 1500),
            (["--to", "2026-10-25T10:10:00"], 600),
            (["--from", "2026-10-25T10:10:00", "--to", "2026-10-25T10:11:00"], 60),
            (["--from", "2026-10-25", "--to", "2026-10-26"], 2100),
            (["--from", "2026-10-26"], 0),
            (["--from", "1792897800"], 1500),
            (["--from", "1792897800000"], 1500),
            (["--from", "2026-10-25T03:10:00", "--time-zone", "UTC"], 1500),
        ):
            with self.subTest(options=options):
                out, _ = self.ctl("count", *TENANT, "--phone", "0922000001", *options, role="reader")
                self.assertEqual(out, f"{expected}\n")

    def test_json_with_the_only_tenant(self):
        """--json needs no tenant where the token has just one; its lines then name none."""
        out, _ = self.ctl("count", "--phone", "0922000001", "--json", role="reader")
        self.assertEqual(json.loads(out), {"count": 2100})
        out, _ = self.ctl("list", "--size", "2", "--json", role="reader")
        for call_shown in map(json.loads, out.splitlines()):
            self.assertEqual(list(call_shown)[:2], ["id", "hotline_number"])
        out, _ = self.ctl("get", "q-7", "--json", role="reader")
        self.assertEqual(list(json.loads(out))[0], "id")

    def test_get(self):
        out, _ = self.ctl("get", "q-7", *TENANT, role="reader")
        self.assertRegex(out, r"(?m)^id +q-7$")
        self.assertRegex(out, r"(?m)^time +2026-10-25 10:00:07$")
        self.assertRegex(out, r"(?m)^caller +0922000001, ")
        out, _ = self.ctl("get", "q-7", *TENANT, "--json", role="reader")
        self.assertEqual(json.loads(out)["id"], "q-7")
        self.assertEqual(json.loads(out)["vbot_id"], VBOT)
        out, errors = self.ctl("get", "nothing", *TENANT, role="reader", status=1)
        self.assertEqual(out, "")
        self.assertIn("NOT_FOUND", errors)

    def test_errors_of_the_service(self):
        _, errors = self.ctl("list", "--project-code", PROJECT, "--vbot-id", "FOREIGN", role="reader", status=1)
        self.assertIn("PERMISSION_DENIED", errors)
        _, errors = self.ctl("count", *TENANT, token="cht_" + "0" * 43, status=1)
        self.assertIn("UNAUTHENTICATED", errors)

    def test_a_closed_or_full_output_is_no_success(self):
        with open("/dev/full", "w") as full:
            status = self.popen("list", *TENANT, "--all", "--phone", "0922000001", stdout=full, stderr=subprocess.DEVNULL).wait(
                harness.WAIT_SECONDS)
        self.assertEqual(status, 1)


@unittest.skipUnless(shutil.which("openssl"), "needs openssl")
class Tls(unittest.TestCase):
    def make(self, name):
        """A certificate of its own authority."""
        path = os.path.join(self.folder, name)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
                        "2", "-subj", "/CN=" + name, "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout",
                        path + ".key", "-out", path + ".pem"], check=True, capture_output=True)
        return path

    def test_both_sides_show_a_certificate(self):
        self.folder = tempfile.mkdtemp(prefix="callhistory-test-")
        self.addCleanup(shutil.rmtree, self.folder)
        server, client, other = self.make("server"), self.make("client"), self.make("other")
        stack = harness.Stack(service_options=("--tls-cert", server + ".pem", "--tls-key", server + ".key", "--tls-client-ca",
                                               client + ".pem"))
        self.addCleanup(stack.stop)
        stack.redis.start()
        wait_until(lambda: os.path.exists(stack.redis_socket), "Redis")
        stack.service.start()
        wait_until(lambda: harness.connects(stack.service_port) or not stack.service.running(), "the port")
        token = stack.issue()

        def count(*options):
            return stack.ctl("count", *TENANT, "--service", stack.service_address, "--token", token, *options, check=False)

        mine = ("--service-ca", server + ".pem", "--service-cert", client + ".pem", "--service-key", client + ".key")
        self.assertEqual(count(*mine), (0, "0\n", ""))
        for refused in (
            (),
            ("--service-ca", server + ".pem"),
            ("--service-ca", other + ".pem", *mine[2:]),
            (*mine[:2], "--service-cert", other + ".pem", "--service-key", other + ".key"),
        ):
            with self.subTest(refused=refused):
                status, out, errors = count(*refused, "--timeout", "1000")
                self.assertEqual((status, out), (1, ""))
                self.assertIn(stack.service_address, errors)
        status, _, errors = count("--service-ca", "/nonexistent.pem")
        self.assertEqual(status, 1)
        self.assertIn("--service-ca: can't read /nonexistent.pem", errors)


class Generator(unittest.TestCase):
    def run_generator(self, *options):
        return subprocess.run([sys.executable, "-B", GENERATOR, *options], capture_output=True, check=True,
                              timeout=harness.WAIT_SECONDS).stdout

    def test_the_committed_sample_is_what_it_writes(self):
        with open(SAMPLE, "rb") as file:
            self.assertEqual(file.read(), self.run_generator("--sample"))

    def test_the_same_seed_gives_the_same_calls(self):
        options = ("--calls", "2000", "--days", "10", "--customers", "100", "--extensions", "20")
        first = self.run_generator(*options, "--seed", "5")
        self.assertEqual(first, self.run_generator(*options, "--seed", "5"))
        self.assertNotEqual(first, self.run_generator(*options, "--seed", "6"))
        calls = [json.loads(line) for line in first.splitlines()]
        self.assertEqual((len(calls), len({each["trans_id"] for each in calls})), (2000, 2000))
        without = [json.loads(line) for line in self.run_generator(*options, "--seed", "5", "--no-ids").splitlines()]
        self.assertEqual(without, [{k: v for k, v in each.items() if k != "trans_id"} for each in calls])


if __name__ == "__main__":
    unittest.main()
