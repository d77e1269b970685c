"""`import --follow`: files that grow, restarts, header lines, NDJSON, and a token that is refused."""

import json
import os
import shutil
import unittest

import harness
import test_asterisk
from harness import BIN, PROJECT, wait_until
from test_asterisk import cdr_csv


class FollowTest(test_asterisk.AsteriskTest):
    def setUp(self):
        super().setUp()
        self.state = os.path.join(self.stack.folder, self.vbot + ".state")
        self.follower = None

    def tearDown(self):
        if self.follower and self.follower.running():
            self.follower.kill()

    def start(self, *paths, options=("--format", "asterisk")):
        self.follower = harness.Process("follow-" + self.vbot, self.stack.folder, [
            os.path.join(BIN, "callhistoryctl"), "--service", self.stack.service_address, "--token", self.writer, "import", *options,
            "--follow", "--state", self.state, *(paths or (self.path(),))])
        self.follower.start()

    def stop(self):
        """Ends the follower by SIGTERM; gives its log so far."""
        self.assertEqual(self.follower.stop(), 0, self.follower.log_text())
        return self.follower.log_text()

    def append(self, text, name="Master.csv"):
        with open(self.path(name), "a", encoding="utf-8", newline="") as file:
            file.write(text)

    def rename(self, name="Master.csv"):
        """Rotates as logrotate does: .1 becomes .2, the file becomes .1."""
        highest = max((int(each.rpartition(".")[2]) for each in os.listdir(self.folder) if each.rpartition(".")[2].isdigit()), default=0)
        for number in range(highest, 0, -1):
            os.rename(self.path(f"{name}.{number}"), self.path(f"{name}.{number + 1}"))
        os.rename(self.path(name), self.path(name + ".1"))

    def copy_and_truncate(self):
        self.rename()
        os.rename(self.path("Master.csv.1"), self.path())
        shutil.copyfile(self.path(), self.path("Master.csv.1"))
        os.truncate(self.path(), 0)

    def await_calls(self, numbers):
        expected = {f"1795136400.{number}-{number}" for number in numbers}
        wait_until(lambda: self.count() >= len(expected) or self.assertTrue(self.follower.running(), self.follower.log_text()),
                   f"{len(expected)} calls")
        self.assertEqual(set(self.calls()), expected)

    def position(self):
        """The position in the state file and the inode of the file that it is in."""
        with open(self.state, encoding="utf-8") as file:
            fields = file.read().splitlines()[1].split()
        return int(fields[5]), int(fields[1])

    def caught_up(self):
        status = os.stat(self.path())
        try:
            return self.position() == (status.st_size, status.st_ino)
        except (IndexError, FileNotFoundError):
            return False


class Follow(FollowTest):
    def test_grows(self):
        self.start()  # before there is a file
        row = cdr_csv(2, userfield="two\nlines")
        self.append(cdr_csv(1) + row[:-20])
        self.await_calls([1])
        self.append(row[-20:-1])
        self.await_calls([1])
        self.append("\n")
        self.await_calls([1, 2])
        wait_until(self.caught_up, "the position of all rows")
        self.assertIn("lines 2, recorded 2,", self.stop())

    def test_restart_goes_on(self):
        self.append("".join(map(cdr_csv, range(10))) + cdr_csv(10)[:50])
        self.start()
        self.await_calls(range(10))
        self.assertIn("lines 10, recorded 10,", self.stop())
        self.assertEqual(self.position()[0], len("".join(map(cdr_csv, range(10)))))
        self.append(cdr_csv(10)[50:] + "wrong\n" + cdr_csv(11))
        self.start()
        self.await_calls(range(12))
        log = self.stop()
        self.assertIn("lines 3, recorded 2, replaced 0, unchanged 0, refused 1,", log)
        self.assertRegex(log, r"Master.csv:12: row has 1 columns")

    def test_export_with_a_header(self):
        header, row = "calldate,src,uniqueid,sequence\n", "2026-11-20 08:00:00,1,1795136400.{0},{0}\n".format
        self.append(header + row(1))
        self.start()
        self.await_calls([1])
        self.stop()
        self.append(row(2))
        self.start()
        self.await_calls([1, 2])
        self.copy_and_truncate()
        self.append(header + row(3))
        self.await_calls([1, 2, 3])
        self.stop()
        self.append(row(4))
        self.copy_and_truncate()
        self.start()
        self.append(header + row(5))
        self.await_calls(range(1, 6))

    def test_ndjson_of_two_files(self):
        paths = [self.path("one.ndjson"), self.path("two.ndjson")]
        self.start(*paths, options=())
        for index, path in enumerate(paths):
            lines = [json.dumps(harness.call("0908171717", 2 * n + index, vbot_id=self.vbot, project_code=PROJECT)) for n in range(50)]
            self.append("\n".join(lines) + "\n", path)
        wait_until(lambda: self.count() == 100, "100 calls")
        self.rename("one.ndjson")
        self.append(json.dumps(harness.call("0908171717", 1000, vbot_id=self.vbot, project_code=PROJECT)) + "\n", "one.ndjson")
        wait_until(lambda: self.count() == 101, "the next file")

    def test_refused_token(self):
        """The position stays before what was not recorded."""
        self.append(cdr_csv(1))
        writer, self.writer = self.writer, "nobody"
        self.start()
        wait_until(lambda: not self.follower.running(), "the end")
        self.assertEqual(self.follower.process.returncode, 1)
        self.assertIn("UNAUTHENTICATED", self.follower.log_text())
        self.writer = writer
        self.start()
        self.await_calls([1])

    def test_usage(self):
        for arguments, said in (([self.path()] * 17, "at most 16 files"), (["-"], "needs named files")):
            self.assertIn(said, self.load("--follow", *arguments, status=2))
        with open(self.state, "w", encoding="utf-8") as file:
            file.write("something else\n")
        self.assertIn("no state file", self.load("--follow", "--state", self.state, self.path(), status=1))
        self.assertIn("can't write /nonexistent/state", self.load("--follow", "--state", "/nonexistent/state", self.path(), status=1))


if __name__ == "__main__":
    unittest.main()
