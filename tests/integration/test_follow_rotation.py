"""`import --follow`: files that are rotated in every way, while it runs and while it does not."""

import os
import time
import unittest

from harness import wait_until
from test_asterisk import cdr_csv
from test_follow import FollowTest


class Rotation(FollowTest):
    def test_rotated_while_it_runs(self):
        self.append(cdr_csv(0))
        self.start()
        self.await_calls([0])
        inode = os.stat(self.path()).st_ino
        self.rename()
        self.append(cdr_csv(1), "Master.csv.1")  # the PBX still had it open
        self.append(cdr_csv(2) + cdr_csv(3)[:30])
        self.await_calls(range(3))
        self.append(cdr_csv(3)[30:])
        self.await_calls(range(4))
        self.append(cdr_csv(4))
        self.copy_and_truncate()
        self.append("".join(map(cdr_csv, range(5, 50))))  # longer than it was
        self.await_calls(range(50))
        wait_until(self.caught_up, "the last row")
        os.unlink(self.path())
        self.append(cdr_csv(50))
        self.await_calls(range(51))
        for number in range(51, 54):  # faster than it looks
            self.rename()
            self.append(cdr_csv(number))
        self.await_calls(range(54))
        self.assertNotEqual(os.stat(self.path()).st_ino, inode)
        self.assertIn("refused 0,", self.stop())

    def test_rows_of_a_renamed_file_that_come_late(self):
        """A program that keeps the file open writes to it long after the next one has begun."""
        self.append(cdr_csv(0))
        self.start()
        self.await_calls([0])
        with open(self.path(), "a", encoding="utf-8", newline="") as old:
            self.rename()
            self.append(cdr_csv(1))
            self.await_calls([0, 1])
            old.write(cdr_csv(2) + cdr_csv(3)[:40])
            old.flush()
            self.await_calls(range(3))
            old.write(cdr_csv(3)[40:])
            old.flush()
            self.await_calls(range(4))
            self.rename()
            self.append(cdr_csv(4))
            self.await_calls(range(5))
        log = self.stop()
        self.assertIn("recorded 5, replaced 0,", log)
        self.assertIn("refused 0,", log)

    def test_rotated_before_it_was_ever_read(self):
        self.append(cdr_csv(0), "Master.csv.0")  # was there before
        self.start()
        wait_until(lambda: os.path.exists(self.state), "the follower")
        time.sleep(0.5)  # it has looked for the file at least once
        for number in range(1, 4):
            self.append(cdr_csv(number))
            self.rename()
        self.append(cdr_csv(4))
        self.await_calls(range(1, 5))
        self.stop()

    def test_rotated_after_the_clock_was_set_back(self):
        self.append(cdr_csv(0))
        self.start()
        self.await_calls([0])
        wait_until(self.caught_up, "the row")
        self.follower.kill()
        with open(self.state, encoding="utf-8") as file:
            title, line = file.read().splitlines()
        fields = line.split(" ")
        fields[4] = str(int(fields[4]) + 3600 * 10 ** 9)  # when the file was changed last
        with open(self.state, "w", encoding="utf-8") as file:
            file.write(f"{title}\n{' '.join(fields)}\n")
        self.append(cdr_csv(1))
        self.copy_and_truncate()
        self.append(cdr_csv(2))
        self.start()
        self.await_calls(range(3))
        self.stop()

    def test_what_cannot_be_followed(self):
        with open(self.path(), "wb") as file:
            file.write(cdr_csv(0).encode("utf-16"))
        self.start()
        wait_until(lambda: not self.follower.running(), "the end")
        self.assertIn("it is gzip data or UTF-16, which cannot be followed; write it in UTF-8", self.follower.log_text())
        self.assertEqual(self.follower.process.returncode, 1)
        self.follower = None
        os.unlink(self.path())
        os.unlink(self.state)
        self.append("\ufeff" + cdr_csv(1))
        self.start()
        self.await_calls([1])
        self.stop()

    def test_rotated_while_it_does_not_run(self):
        self.append("".join(map(cdr_csv, range(5))))
        self.start()
        self.await_calls(range(5))
        self.stop()
        for number in range(5, 9):
            self.append(cdr_csv(number))
            self.rename()
        self.start()  # the path is free
        self.await_calls(range(6))
        self.append(cdr_csv(9))
        self.await_calls(range(10))
        wait_until(self.caught_up, "the last row")
        self.follower.kill()
        self.append(cdr_csv(10))
        self.copy_and_truncate()
        self.append("".join(map(cdr_csv, range(11, 60))))
        self.start()
        self.await_calls(range(60))
        self.assertIn("refused 0,", self.stop())


if __name__ == "__main__":
    unittest.main()
