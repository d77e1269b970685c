"""`import --follow`: files that are rotated in every way, while it runs and while it does not."""

import os
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
