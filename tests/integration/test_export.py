"""callhistoryctl export and changes: nothing lost or repeated, whatever interrupts them; CSV that others read; a copy that stays equal."""

import csv
import io
import json
import os
import signal
import subprocess
import tempfile
import unittest

import harness
from harness import PROJECT, VBOT, call, wait_until

CTL = os.path.join(harness.BIN, "callhistoryctl")
CALLS = 4500


class Export(harness.StackTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.writer, cls.eraser = cls.stack.token("writer"), cls.stack.issue("eraser")
        cls.record([call("0912000001", second, id=f"call-{second}") for second in range(CALLS)])
        cls.all = cls.run_ctl("list", "--all", "--json")

    @classmethod
    def command(cls, *arguments, token=None):
        return [CTL, "--service", cls.stack.service_address, "--token", token or cls.writer, *arguments]

    @classmethod
    def run_ctl(cls, *arguments, status=0, stdin=None, token=None):
        done = subprocess.run(cls.command(*arguments, token=token), input=stdin, capture_output=True, timeout=harness.WAIT_SECONDS * 5,
                              env=harness.clean_environment(), check=False)
        if done.returncode != status:
            raise AssertionError(f"{arguments}: exit status {done.returncode}: {done.stderr.decode()}")
        cls.errors = done.stderr.decode()
        return done.stdout

    @classmethod
    def record(cls, calls):
        cls.run_ctl("import", "-", stdin="".join(json.dumps(each) + "\n" for each in calls).encode())

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="callhistory-export-")
        self.addCleanup(folder.cleanup)
        self.file = os.path.join(folder.name, "calls")
        self.position = self.file + ".position"

    def content(self):
        with open(self.file, "rb") as file:
            return file.read()

    def test_all_of_it(self):
        self.assertEqual(self.run_ctl("export"), self.all)
        self.assertEqual(self.run_ctl("export", "--output", self.file), b"")
        self.assertEqual(self.content(), self.all)
        self.assertFalse(os.path.exists(self.position))
        self.run_ctl("export", "--output", self.file, status=1)
        self.assertIn("exists already", self.errors)
        self.assertEqual(self.content(), self.all)
        self.assertEqual(self.run_ctl("export", "--phone", "0912000001", "--to", "1970-01-02"), b"")
        self.run_ctl("export", "--format", "xml", status=2)
        self.assertIn("ndjson or csv", self.errors)

    def test_killed_anywhere(self):
        """After each page, with part of the next one in the file: the result is the same to the byte."""
        pages = 0
        while True:
            known = self.read_position()
            process = subprocess.Popen(self.command("export", "--output", self.file), env=harness.clean_environment(), stderr=subprocess.PIPE)
            try:
                wait_until(lambda: self.read_position() not in (None, known) or process.poll() is not None, "a page")
                process.send_signal(signal.SIGKILL)
            finally:
                process.wait(harness.WAIT_SECONDS)
                process.stderr.close()
            if not os.path.exists(self.position):
                break
            pages += 1
            with open(self.file, "ab") as file:
                file.write(b'{"half a line')
        self.assertEqual(self.content(), self.all)
        self.assertGreater(pages, 0)

    def test_a_write_that_fails(self):
        """In a file that may not grow: the position is that of what is in the file, so that the same command goes on from there."""
        for form in ("csv", "ndjson"):
            with self.subTest(form):
                export = ("export", "--format", form, "--output", self.file)
                whole = self.run_ctl("export", "--format", form)
                limited = ["sh", "-c", 'trap "" XFSZ; ulimit -f "$0"; exec "$@"', str(len(whole) // 1024), *self.command(*export)]
                done = subprocess.run(limited, env=harness.clean_environment(), stderr=subprocess.PIPE, timeout=harness.WAIT_SECONDS * 5,
                                      check=False)
                self.assertEqual(done.returncode, 1, done.stderr)
                self.run_ctl(*export)
                self.assertEqual(self.content(), whole)
                os.unlink(self.file)

    def read_position(self):
        try:
            with open(self.position, encoding="ascii") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def test_positions_that_are_none(self):
        with open(self.position, "w", encoding="ascii") as file:
            file.write("no position\n")
        self.run_ctl("export", "--output", self.file, status=1)
        self.assertIn("no position of an export", self.errors)
        with open(self.position, "w", encoding="ascii") as file:
            file.write("5 token\n")
        with open(self.file, "w", encoding="ascii") as file:
            file.write("four")
        self.run_ctl("export", "--output", self.file, status=1)
        self.assertIn("is shorter than", self.errors)
        with open(self.file, "w", encoding="ascii") as file:
            file.write("five and more")
        self.run_ctl("export", "--output", self.file, status=1)
        self.assertIn("page_token", self.errors)

    def test_csv(self):
        odd = call("0912000077", id='a "quoted", id', record_file=["https://recordings.example.vn/1.mp3", "https://recordings.example.vn/2.mp3"],
                   hotline_number="=1+cmd", time_call="75")
        self.record([odd])
        try:
            text = self.run_ctl("export", "--format", "csv", "--phone", "0912000077").decode()
            (row,) = csv.DictReader(io.StringIO(text, newline=""))
            self.assertEqual(text.count("\r\n"), 2)
            self.assertEqual((row["id"], row["hotline"], row["talk_seconds"]), ('a "quoted", id', "'=1+cmd", "75"))
            self.assertEqual(row["recordings"].split(), odd["record_file"])
            self.assertIn("0912000077", row["callers"] + row["callees"])
            self.run_ctl("export", "--format", "csv", "--output", self.file, "--phone", "0912000001")
            rows = list(csv.DictReader(io.StringIO(self.content().decode(), newline="")))
            self.assertEqual([row["id"] for row in rows], [json.loads(line)["id"] for line in self.all.splitlines()])
        finally:
            self.run_ctl("delete", "--phone", "0912000077", "--yes", token=self.eraser)

    def test_changes(self):
        """A copy from an export and changes equals a later export."""
        self.assertEqual(self.run_ctl("changes", "--position", self.file), b"")
        self.assertIn("export all calls", self.errors)
        copy = {json.loads(line)["id"]: line for line in self.run_ctl("export").splitlines()}
        self.record([call("0912000002", 5, id="late"), call("0912000002", 6, id="gone")])
        self.record([call("0912000002", 7, id="late", time_call="9")])
        try:
            self.run_ctl("delete", "gone", "--yes", token=self.eraser)
            lines = self.run_ctl("changes", "--position", self.file).splitlines()
            self.assertEqual(json.loads(lines[-1]), {"project_code": PROJECT, "vbot_id": VBOT, "id": "gone", "deleted": True})
            for line in lines:
                change = json.loads(line)
                if change.get("deleted"):
                    copy.pop(change["id"], None)
                else:
                    copy[change["id"]] = line
            self.assertEqual(sorted(copy.values()), sorted(self.run_ctl("export").splitlines()))
            self.assertEqual(self.run_ctl("changes", "--position", self.file), b"")
        finally:
            self.run_ctl("delete", "--phone", "0912000002", "--yes", token=self.eraser)

    def test_export_with_the_position_of_its_beginning(self):
        position = self.file + ".changes"
        export = ("export", "--output", self.file, "--changes", position)
        self.run_ctl(*export)
        self.record([call("0912000004", 5, id="since")])
        try:
            (line,) = self.run_ctl("changes", "--position", position).splitlines()
            self.assertEqual(json.loads(line)["id"], "since")
        finally:
            self.run_ctl("delete", "--phone", "0912000004", "--yes", token=self.eraser)
        os.unlink(self.file)
        self.run_ctl(*export, status=1)
        self.assertIn("exists already", self.errors)
        self.assertFalse(os.path.exists(self.file))
        # One that was interrupted before its first page goes on.
        for path, text in ((self.file, ""), (self.position, "0 \n")):
            with open(path, "w", encoding="ascii") as file:
                file.write(text)
        self.run_ctl(*export)
        self.assertEqual(self.content(), self.all)
        self.assertEqual(self.run_ctl("changes", "--position", position), b"")

    def test_follow(self):
        self.run_ctl("changes", "--position", self.file)
        process = subprocess.Popen(self.command("changes", "--position", self.file, "--follow"), env=harness.clean_environment(),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            for number in range(3):
                self.record([call("0912000003", number, id=f"followed-{number}")])
                self.assertEqual(json.loads(process.stdout.readline())["id"], f"followed-{number}")
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(harness.WAIT_SECONDS), 0)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
            process.stderr.close()
            self.run_ctl("delete", "--phone", "0912000003", "--yes", token=self.eraser)
        self.run_ctl("changes", status=2)
        with open(self.file, "w", encoding="ascii") as file:
            file.write("other\n")
        self.run_ctl("changes", "--position", self.file, status=1)
        self.assertIn("start over", self.errors)


if __name__ == "__main__":
    unittest.main()
