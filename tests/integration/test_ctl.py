"""callhistoryctl from a user's side: tokens, import, list, count, get; exit codes, messages, secrets, signals, terminals."""

import fcntl
import gzip
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unicodedata
import unittest

import harness
import stubs
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


def fill(message):
    """Sets every field, a list to one element; the free texts beside an enum's value stay empty."""
    for field in message.DESCRIPTOR.fields:
        name, value = field.name, None
        if field.message_type:
            if field.label == field.LABEL_REPEATED:
                fill(getattr(message, name).add())
            elif field.message_type.name == "Money":
                fill(getattr(message, name))
            continue
        if name.endswith("_other"):
            continue
        if field.type == field.TYPE_STRING:
            value = f"text-of-{name}"
        elif field.type == field.TYPE_BOOL:
            value = True
        elif field.type == field.TYPE_ENUM:
            value = {"CallDirection": stubs.call_pb2.CALL_DIRECTION_OUTBOUND, "Disposition": stubs.call_pb2.DISPOSITION_ANSWERED}[field.enum_type.name]
        else:
            value = 1.5 if field.type == field.TYPE_DOUBLE else 7
        if field.label == field.LABEL_REPEATED:
            getattr(message, name).append(value)
        else:
            setattr(message, name, value)


def read_terminal(main_end):
    """All that a program writes to a terminal until it closes it."""
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
    return shown


class Base(harness.StackTest):
    def ctl(self, *arguments, token=None, role="writer", stdin=None, status=0):
        """Runs a subcommand against the service; checks its exit status; gives (standard output, standard error)."""
        token = token or self.stack.token(role)
        code, out, errors = self.stack.ctl(
            *arguments, "--service", self.stack.service_address, "--token", token, stdin=stdin, check=False)
        self.assertEqual(code, status, errors[-3000:] + self.stack.service.log_text()[-2000:])
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
        os.chmod(path, 0o600)
        return path

    def on_terminal(self, columns, *arguments):
        """Runs a subcommand with a terminal of so many columns as its standard output; gives what it shows, line by line."""
        main_end, terminal = pty.openpty()
        try:
            fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
            with self.popen(*arguments, stdout=terminal, stderr=subprocess.PIPE) as process:
                os.close(terminal)
                terminal = -1
                shown = read_terminal(main_end)
                self.assertEqual(process.wait(harness.WAIT_SECONDS), 0, process.stderr.read())
        finally:
            os.close(main_end)
            if terminal >= 0:
                os.close(terminal)
        return shown.decode().replace("\r\n", "\n").splitlines()

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
        self.assertEqual(out, self.run_ctl("-h")[1])
        self.assertEqual(out, self.run_ctl("help")[1])
        self.assertEqual(out, self.run_ctl("token", "--help")[1])
        for command in ("token issue", "token list", "token revoke", "import", "list", "count", "get"):
            self.assertIn(f"  {command} ", out)
            status, text, errors = self.run_ctl(*command.split(), "--help")
            self.assertEqual((status, errors), (0, ""))
            self.assertTrue(text.startswith(f"Usage: callhistoryctl {command} "), text)
            # What a command does not use is not in its help.
            used, unused = ("--redis URL", "--service ADDRESS")[:: 1 if command.startswith("token") else -1]
            self.assertIn(used, text)
            self.assertNotIn(unused, text)
            self.assertEqual(text, self.run_ctl(*command.split(), "-h")[1])
            self.assertEqual(text, self.run_ctl("help", *command.split())[1])
            self.assertTrue(all(len(line) <= 120 for line in text.splitlines()), text)

    def test_a_commands_own_options_come_first(self):
        for command, own, shared in (("list", "--phone", "--service"), ("token issue", "--role", "--redis"),
                                     ("import", "--format", "--token")):
            text = self.run_ctl(*command.split(), "--help")[1]
            self.assertLess(text.index(f"  {own} "), text.index(f"  {shared} "))

    def test_did_you_mean(self):
        for arguments, said in (
            (["cuont"], "did you mean `count`?"),
            (["lst", "--page", "2"], "did you mean `list`?"),
            (["token", "isue"], "did you mean `token issue`?"),
            (["tokn", "list"], "did you mean `token list`?"),
            (["revoke", "0123456789ab"], "did you mean `token revoke`?"),
            (["help", "improt"], "did you mean `import`?"),
            (["token"], "  token issue\n  token list\n  token revoke\n"),
            (["list", "--hotlne", "1"], "did you mean --hotline?"),
            (["list", "--token", "t", "--disposition", "answerd"], "did you mean answered?"),
            (["count", "--token", "t", "--direction", "nonsense"], "the values are inbound, outbound, internal"),
        ):
            with self.subTest(arguments=arguments):
                status, out, errors = self.run_ctl(*arguments)
                self.assertEqual((status, out), (2, ""))
                self.assertIn(said, errors)
                # Not the whole of the usage for one wrong word.
                self.assertLess(errors.count("\n"), 7)
        self.assertNotIn("mean", self.run_ctl("xyzzy")[2])

    def test_version(self):
        for arguments in (("--version",), ("import", "--version"), ("--service", "list", "list", "--version"),
                          ("token", "--redis", "redis://x", "issue", "--version")):
            status, out, _ = self.run_ctl(*arguments)
            self.assertEqual(status, 0)
            self.assertRegex(out, r"^callhistoryctl \d+\.\d+\.\d+\n$")

    def test_wrong_usage(self):
        tenant, issue = list(TENANT), ["token", "issue", *TENANT]
        for arguments, said in (
            ([], "missing command"),
            (["--nonsense"], "--nonsense"),
            (["nonsense"], "unknown command: nonsense"),
            (["token"], "unknown command"),
            (["token", "make"], "unknown command"),
            (["count", "--nonsense"], "--nonsense"),
            (["count", "operand"], "unexpected operand"),
            (["count", *tenant], "missing token"),
            (["count", "--project-code", "P", "--token", "t"], "must be given together"),
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
            (["import", "--token", "t", "--trunk-channel", "x", "-"], "--format asterisk"),
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

    def test_a_refused_connection_is_reported_at_once(self):
        """Not after --timeout (30 s) or the 5 s that Redis has for an answer."""
        port = harness.free_port()
        for arguments, address in (
            (["--service", f"127.0.0.1:{port}", "count", *TENANT, "--token", "t", "--timeout", "3600000"], f"127.0.0.1:{port}"),
            (["--service", "unix:/nonexistent.sock", "list", "--all", "--token", "t", "--timeout", "3600000"], "/nonexistent.sock"),
            (["--redis", f"redis://u:hidden@127.0.0.1:{port}", "token", "list"], f"127.0.0.1:{port}"),
            (["--redis", "unix:///nonexistent.sock", "token", "list"], "/nonexistent.sock"),
        ):
            with self.subTest(arguments=arguments):
                status, out, errors = self.run_ctl(*arguments)
                self.assertEqual((status, out), (1, ""))
                self.assertIn("can't connect to ", errors)
                self.assertIn(address, errors)
                if "--service" in arguments:
                    self.assertRegex(errors, r"not available: .*(refused|No such file)", "what gRPC says of it")
                self.assertNotIn("hidden", errors)
        # An import waits for a service that is being restarted, but says so.
        with subprocess.Popen([CTL, "import", "-", "--service", f"127.0.0.1:{port}", "--token", "t", "--timeout", "3600000"],
                              stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=harness.clean_environment()) as process:
            try:
                process.stdin.write(ndjson([call("0911000001")]))
                process.stdin.close()
                self.assertIn(f"no answer from the service at 127.0.0.1:{port} yet", process.stderr.readline())
                self.assertIsNone(process.poll())
            finally:
                process.kill()

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


class Environment(Base):
    """What the environment decides and what it does not; where a token may come from."""

    def test_a_stray_variable_does_not_change_answers(self):
        self.stack.import_lines([call("0933000001", second) for second in range(5)])
        stray = {"PAGE": "3", "SIZE": "1", "ALL": "true", "FROM": "2027-01-01", "TO": "2020-01-01", "PHONE": "0999",
                 "PROJECT_CODE": "OTHER", "VBOT_ID": "OTHER", "TYPE": "CALLOUT", "DISPOSITION": "BUSY", "HOTLINE": "1",
                 "MEMBER_NO": "999", "ROLE": "writer", "EXPIRES": "1s", "RATE": "1", "BURST": "1"}
        environment = {f"CALLHISTORY_{name}": value for name, value in stray.items()}
        for arguments in (["list"], ["count"], ["get", "0933000001-3"]):
            with self.subTest(arguments=arguments):
                self.assertEqual(self.run_with(environment, *arguments), self.run_with({}, *arguments))
        self.assertEqual(self.run_with(environment, "count")[1], "5\n")
        # A token that expires in a second would be a bad surprise, too.
        status, out, errors = self.run_with(environment, "--redis", self.stack.redis_url, "token", "issue", *TENANT)
        self.assertEqual((status, out), (2, ""))
        self.assertIn("--role is needed", errors)
        # Connection, token and format are read.
        self.assertEqual(json.loads(self.run_with({"CALLHISTORY_JSON": "true"}, "count")[1]), {"count": 5})

    def run_with(self, environment, *arguments):
        environment = {"CALLHISTORY_TOKEN": self.stack.token("reader"), "CALLHISTORY_SERVICE": self.stack.service_address,
                       **environment}
        done = subprocess.run([CTL, *arguments], capture_output=True, text=True, timeout=harness.WAIT_SECONDS,
                              env={**harness.clean_environment(), **environment})
        return done.returncode, done.stdout, done.stderr

    def test_the_help_names_only_variables_that_are_read(self):
        for command in ("list", "count", "get", "import", "token issue"):
            text = subprocess.run([CTL, *command.split(), "--help"], capture_output=True, text=True).stdout
            names = set(re.findall(r"environment: CALLHISTORY_(\w+)", text))
            self.assertLessEqual(names, {"SERVICE", "TOKEN", "TOKEN_FILE", "TIMEOUT", "SERVICE_CA", "SERVICE_CERT", "SERVICE_KEY",
                                         "TIME_ZONE", "JSON", "FORMAT", "INBOUND_CONTEXT", "TRUNK_CHANNEL", "EXTERNAL_ID_COLUMN",
                                         "RECORDING_COLUMN", "RECORDING_VARIABLE", "STATE",
                                         *(name for name in names if name.startswith("REDIS"))})
            self.assertIn("REDIS" if command.startswith("token") else "SERVICE", names)

    def test_a_tokens_line_end_is_no_part_of_it(self):
        token = self.stack.token("reader")
        for ending in ("\n", "\r\n", " \n", "\n\n"):
            with self.subTest(ending=ending):
                self.assertEqual(self.run_with({"CALLHISTORY_TOKEN": token + ending}, "count")[0], 0)
                self.assertEqual(self.run_with({}, "count", "--token", token + ending)[0], 0)
                self.assertEqual(self.run_with({}, "count", "--token-file", self.file(token + ending, "ending"))[0], 0)
        self.assertEqual(self.run_with({"CALLHISTORY_TOKEN": "\n"}, "count")[0], 2)
        revoked = self.stack.issue("reader")
        self.assertRegex(self.tokens("revoke", revoked + "\n")[0], r"^[0-9a-f]{12}\n$")
        _, errors = self.tokens("revoke", "0123456789ab\n", status=1)
        self.assertIn("no such token", errors)

    def test_a_token_file_that_others_can_read_is_refused(self):
        token = self.stack.token("reader")
        path = self.file(token + "\n", "token")
        for mode, status in ((0o644, 1), (0o604, 1), (0o602, 1), (0o666, 1), (0o600, 0), (0o400, 0), (0o640, 0)):
            with self.subTest(mode=oct(mode)):
                os.chmod(path, mode)
                code, _, errors = self.run_with({}, "count", "--token-file", path)
                self.assertEqual(code, status, errors)
                if status:
                    self.assertIn(f"access to {path}; use chmod 600", errors)
        # A pipe has no name that others could open.
        done = subprocess.run([CTL, "--service", self.stack.service_address, "--token-file", "/dev/stdin", "count"], input=token + "\n",
                              capture_output=True, text=True, env=harness.clean_environment(), timeout=harness.WAIT_SECONDS)
        self.assertEqual(done.returncode, 0, done.stderr)


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

    def test_a_token_that_cannot_be_printed_is_revoked(self):
        def statuses():
            return {t["id"]: t["status"] for t in map(json.loads, self.tokens("list", "--json")[0].splitlines())}

        def run(**more):
            return subprocess.run([CTL, "token", "issue", *TENANT, "--role", "reader", "--redis", self.stack.redis_url],
                                  stderr=subprocess.PIPE, text=True, env=harness.clean_environment(),
                                  timeout=harness.WAIT_SECONDS, **more)

        closed, pipe = os.pipe()
        os.close(closed)
        with open("/dev/full", "w") as full:
            for name, output in (("full", {"stdout": full}), ("no reader", {"stdout": pipe}),
                                 ("closed", {"preexec_fn": lambda: os.close(1)})):
                with self.subTest(output=name):
                    before = statuses()
                    done = run(**output)
                    self.assertEqual(done.returncode, 1, done.stderr)
                    self.assertIn("it has been revoked", done.stderr)
                    (made,) = set(statuses().items()) - set(before.items())
                    self.assertEqual(made[1], "revoked")
        os.close(pipe)

    def test_revoke_by_text(self):
        token = self.tokens("issue", *TENANT, "--role", "reader")[0].strip()
        out, errors = self.tokens("revoke", token)
        self.assertRegex(out, r"^[0-9a-f]{12}\n$")
        self.assertNotIn(token, out + errors)

    def test_revoke_in_a_full_redis(self):
        token = self.tokens("issue", *TENANT, "--role", "reader")[0].strip()
        redis = harness.RedisClient(self.stack.redis_socket)
        try:
            redis("CONFIG", "SET", "maxmemory", "1")
            self.tokens("revoke", token)
        finally:
            redis("CONFIG", "SET", "maxmemory", "0")
            redis.close()
        # Each worker of the service may remember the token for a second.
        time.sleep(1.1)
        _, errors = self.ctl("count", *TENANT, token=token, status=1)
        self.assertIn("UNAUTHENTICATED", errors)

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

    def test_gzip_and_utf16_are_recognised(self):
        text = ndjson([call("0911000030", second, customer_code="KH-Ánh 📞") for second in range(2000)])
        for number, (content, said) in enumerate((
            (gzip.compress(text.encode()), "gzip data"),
            (text.encode("utf-16"), "UTF-16 text"),
            (text.encode("utf-16-be"), "UTF-16 text"),
            (gzip.compress(text.encode("utf-16")), "UTF-16 text in gzip data"),
        )):
            with self.subTest(said=said):
                path = self.file(content, f"coded-{number}")
                out, errors = self.ctl("import", path)
                # Said once, not once a line.
                self.assertEqual(errors, f"{path}: reading {said}\n")
                self.assertEqual(summary(out)["lines"], 2000)
                self.assertEqual(summary(out)["unchanged" if number else "recorded"], 2000)
        shown, _ = self.ctl("get", "0911000030-7", *TENANT, "--json")
        self.assertEqual(json.loads(shown)["customer_code"], "KH-Ánh 📞")
        # As a shell pipes it.
        with self.popen("import", "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            out, errors = process.communicate(gzip.compress(text.encode()), timeout=harness.WAIT_SECONDS)
            self.assertEqual((process.returncode, summary(out.decode())["unchanged"]), (0, 2000))
        path = self.file(gzip.compress(text.encode())[:-9], "cut-off")
        out, errors = self.ctl("import", path, status=1)
        self.assertIn(f"can't read {path}: the gzip data is damaged or cut off", errors)

    def test_bad_lines(self):
        lines = [json.dumps(call("0911000002", second)) for second in range(4)]
        path = self.file("\n".join([lines[0], "nonsense", lines[1], "x" * (1 << 20) + "y", lines[2],
                                    json.dumps(call("0911000002", 9, disposition="\x1b[2J" * 400)), lines[3]]))
        out, errors = self.ctl("import", path, status=1)
        self.assertEqual(summary(out)["recorded"], 4)
        self.assertEqual(summary(out)["refused"], 3)
        for line in (2, 4, 6):
            self.assertRegex(errors, rf"(?m)^{re.escape(path)}:{line}: ")
        self.assertIn("disposition", errors)
        self.assertNotIn("\x1b", errors)

    def test_what_the_service_refuses_is_named(self):
        # An id that is longer than the service stores.
        good, bad = call("0911000003"), call("0911000003", 1, id="i" * 300)
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
            self.assertIn("<stdin>, lines 1 to 3: 3 calls of DEMO/VBOT001 failed", errors)

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
                shown = read_terminal(main_end)
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
        self.assertEqual(rows[0].split(), ["2026-10-25", "10:34:59+07:00", "q-2099", "inbound", "answered", "34:59", "19001234",
                                           "0922000001", "->", "101"])
        self.assertEqual(len({row.index("inbound") for row in rows} | {heading.index("DIRECTION")}), 1)
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
        # Without the tenant's options the lines name the token's only tenant.
        for token in (self.stack.token("reader"), self.stack.issue("reader", ((PROJECT, VBOT), ("OTHER", "V")))):
            tenant = () if token == self.stack.token("reader") else TENANT
            self.assertEqual(self.ctl("list", *tenant, "--phone", "0922000001", "--all", "--json", token=token)[0], out)
            one = json.loads(self.ctl("get", "q-7", *tenant, "--json", token=token)[0])
            self.assertEqual((one["project_code"], one["vbot_id"]), (PROJECT, VBOT))

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
        """--json needs no tenant where the token has just one; its lines name it."""
        out, _ = self.ctl("count", "--phone", "0922000001", "--json", role="reader")
        self.assertEqual(json.loads(out), {"count": 2100})
        out, _ = self.ctl("list", "--size", "2", "--json", role="reader")
        for call_shown in map(json.loads, out.splitlines()):
            self.assertEqual(list(call_shown)[:3], ["project_code", "vbot_id", "id"])
            self.assertEqual((call_shown["project_code"], call_shown["vbot_id"]), (PROJECT, VBOT))
        out, _ = self.ctl("get", "q-7", "--json", role="reader")
        self.assertEqual(list(json.loads(out))[0], "project_code")

    def test_columns_fit_the_terminal(self):
        self.stack.import_lines([call("0922000004", i, id=f"terminal-{i}", hotline_number="中文" * 10,
                                      callee=[{"phone": "0" + "9" * 60}]) for i in range(3)])
        phone = ("list", *TENANT, "--phone", "0922000004")
        whole, _ = self.ctl(*phone, role="reader")
        self.assertIn("9" * 60, whole)
        for columns in (80, 100, 120):
            with self.subTest(columns=columns):
                heading, *rows = self.on_terminal(columns, *phone)
                self.assertEqual(len(rows), 3)
                for row in (heading, *rows):
                    width = sum(2 if unicodedata.east_asian_width(letter) == "W" else 1 for letter in row)
                    self.assertLessEqual(width, columns, row)
                for i, row in zip((2, 1, 0), rows):
                    self.assertIn(f" terminal-{i} ", row)
                    self.assertIn("…", row)
        # Nothing is cut where all fits.
        self.assertEqual(self.on_terminal(1000, *phone), whole.splitlines())

    def test_no_calls_are_no_table(self):
        out, errors = self.ctl("list", *TENANT, "--phone", "0999999999", role="reader")
        self.assertEqual((out, errors), ("", "no calls\n"))
        self.assertEqual(self.ctl("list", *TENANT, "--phone", "0999999999", "--json", role="reader"), ("", ""))

    def test_filters(self):
        number = "0922000005"
        self.stack.import_lines([
            call(number, i, id=f"filter-{i}", type_call=type_call, disposition=disposition, hotline_number=hotline,
                 callee=[{"phone": member, "member_no": member}])
            for i, (type_call, disposition, hotline, member) in enumerate((
                ("CALLIN", "ANSWER", "19001111", "201"), ("CALLIN", "BUSY", "19001111", "202"),
                ("CALLOUT", "ANSWER", "19002222", "201"), ("MISSCALL", "NOANSWER", "19001111", "203")))])
        for options, expected in (
            (["--direction", "inbound"], {0, 1, 3}),
            (["--direction", "inbound", "--missed", "no"], {0, 1}),
            (["--direction", "internal"], set()),
            (["--direction", "outbound", "--direction", "INTERNAL"], {2}),
            (["--missed", "yes"], {3}),
            (["--disposition", "answered"], {0, 2}),
            (["--disposition", "No_Answer"], {3}),
            (["--disposition", "answered", "--disposition", "BUSY"], {0, 1, 2}),
            (["--hotline", "1900 1111"], {0, 1, 3}),
            (["--member-no", "201"], {0, 2}),
            (["--direction", "inbound", "--disposition", "answered", "--hotline", "19001111", "--member-no", "201"], {0}),
            (["--direction", "outbound", "--disposition", "busy"], set()),
        ):
            with self.subTest(options=options):
                base = [*TENANT, "--phone", number, *options]
                self.assertEqual(self.ctl("count", *base, role="reader")[0], f"{len(expected)}\n")
                for more in ([], ["--all"]):
                    out, _ = self.ctl("list", *base, "--json", *more, role="reader")
                    self.assertEqual({json.loads(line)["id"] for line in out.splitlines()}, {f"filter-{i}" for i in expected})

    def test_get(self):
        out, _ = self.ctl("get", "q-7", *TENANT, role="reader")
        self.assertRegex(out, r"(?m)^id +q-7$")
        self.assertRegex(out, r"(?m)^start time +2026-10-25 10:00:07\+07:00$")
        self.assertRegex(out, r"(?m)^callers +1\n  phone +0922000001$")
        out, _ = self.ctl("get", "q-7", *TENANT, "--time-zone", "Asia/Kolkata", role="reader")
        self.assertRegex(out, r"(?m)^start time +2026-10-25 08:30:07\+05:30$")
        out, _ = self.ctl("get", "q-7", *TENANT, "--json", role="reader")
        self.assertEqual(json.loads(out)["id"], "q-7")
        self.assertEqual(json.loads(out)["vbot_id"], VBOT)
        out, errors = self.ctl("get", "nothing", *TENANT, role="reader", status=1)
        self.assertEqual(out, "")
        self.assertIn("NOT_FOUND", errors)

    def test_get_shows_every_field(self):
        """All that the API has: the descriptor is walked, so that a new field is in the test by itself."""
        record = stubs.call_pb2.Call()
        fill(record)
        record.id = "every-field"
        record.start_time.FromMilliseconds(1792897207250)
        record.answer_time.FromMilliseconds(1792897208000)
        record.create_time.FromMilliseconds(1792897209000)
        with stubs.channel(self.stack.service_address) as made:
            stub = stubs.ingest_grpc.CallIngestServiceStub(made)
            answer = stub.RecordCalls(stubs.ingest.RecordCallsRequest(project_code=PROJECT, vbot_id=VBOT, calls=[record]),
                                      metadata=[("authorization", "Bearer " + self.stack.token("writer"))])
        self.assertEqual(answer.results[0].message, "")
        out, _ = self.ctl("get", "every-field", *TENANT, role="reader")
        for message, indent in ((record, ""), (record.callers[0], "  ")):
            for field in message.DESCRIPTOR.fields:
                if field.name in ("direction_other", "disposition_other"):
                    continue
                self.assertRegex(out, rf"(?m)^{indent}{field.name.replace('_', ' ')} +\S")
        for text in ("2026-10-25 10:00:07.250+07:00", "outbound", "answered", "1.5 text-of-currency_code", "text-of-sip_code", "text-of-telco_code", "text-of-channel"):
            self.assertIn(text, out)

    def test_all_waits_as_the_service_asks(self):
        """A token with a rate: every page but the first is refused with RetryInfo, and comes a second later."""
        token = self.stack.issue("reader", ((PROJECT, VBOT),), "--rate", "1", "--burst", "1")
        out, errors = self.ctl("list", *TENANT, "--phone", "0922000001", "--all", "--json", token=token)
        self.assertEqual([json.loads(line)["id"] for line in out.splitlines()], [f"q-{second}" for second in reversed(range(2100))])
        self.assertEqual(errors, "")
        # The other queries wait, too, and no longer than they may. On a busy machine the time may end before an answer.
        self.assertEqual(self.ctl("count", *TENANT, "--phone", "0922000001", token=token)[0], "2100\n")
        deadline = time.monotonic() + harness.WAIT_SECONDS
        while time.monotonic() < deadline:
            status, _, errors = self.stack.ctl("count", *TENANT, "--service", self.stack.service_address, "--token", token,
                                               "--timeout", "400", check=False)
            if status and "RESOURCE_EXHAUSTED" in errors:
                break
        self.assertIn("RESOURCE_EXHAUSTED", errors)

    def test_a_service_that_is_killed_before_its_first_answer(self):
        """There was a connection, so the address is right: the request is repeated."""
        wait_until(lambda: "\ngrpc_server_calls_in_flight 0\n" in self.stack.metrics(), "the end of earlier requests")
        self.stack.redis.signal(harness.SIGSTOP)
        try:
            with self.popen("count", *TENANT, "--phone", "0922000001", "--timeout", "60000", stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True) as process:
                wait_until(lambda: "\ngrpc_server_calls_in_flight 1\n" in self.stack.metrics(), "the request's arrival")
                self.stack.service.kill()
                self.stack.service.start()
                self.stack.redis.signal(signal.SIGCONT)
                out, errors = process.communicate(timeout=harness.WAIT_SECONDS)
                self.assertEqual((process.returncode, out, errors), (0, "2100\n", ""))
        finally:
            self.stack.redis.signal(signal.SIGCONT)
            self.stack.wait_ready()

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
