"""`import --follow` while every process is killed and the file is rotated in every way: each call is there exactly once.

CALLHISTORY_LONG=1 follows 100,000 calls instead of 2,000."""

import os
import random
import time
import unittest

from crashes import LONG, Bag, CrashTest
from harness import WAIT_SECONDS, wait_until
from test_asterisk import cdr_csv
from test_follow import FollowTest


class Chaos(CrashTest, FollowTest):
    def kill_follower(self):
        self.follower.kill()
        self.start()

    def delete(self):
        """What is in a file that is deleted can be read as long as it is open only."""
        self.followed_up()
        os.unlink(self.path())

    def followed_up(self):
        wait_until(self.caught_up, "the follower at the end of the file", WAIT_SECONDS * 5)

    def two_renames(self):
        self.rename()
        self.append(cdr_csv(self.written))
        self.written += 1
        self.rename()

    def write_some(self):
        """Appends rows one by one, as Asterisk does, some of them in two pieces."""
        until = self.written + self.random.randrange(1, self.most)
        for number in range(self.written, until):
            row = cdr_csv(number, userfield="line\nfeed" if number % 50 == 0 else "")
            cut = self.random.randrange(len(row)) if number % 100 == 0 else 0
            if cut:
                self.append(row[:cut])
                time.sleep(0.01)
            self.append(row[cut:])
        self.written = until

    def test_kills_and_rotations(self):
        self.total, self.written, self.most = (100000, 0, 1500) if LONG else (2000, 0, 150)
        self.random = random.Random(20261129)
        bag = Bag(20261129, [self.kill_follower, self.kill_service, self.kill_redis, self.rename, self.copy_and_truncate, self.delete,
                             self.two_renames])
        self.start()
        self.write_some()
        self.followed_up()  # it cannot find a file that was rotated before it has ever seen it
        while self.written < self.total:
            self.write_some()
            bag.draw()
            self.write_some()
        wait_until(lambda: self.counted() >= self.written or self.assertTrue(self.follower.running(), self.follower.log_text()),
                   "all calls", WAIT_SECONDS * 5)
        calls = self.assert_exactly(f"1795136400.{number}-{number}" for number in range(self.written))
        for number in range(0, self.written, 97):
            self.assertEqual(calls[f"1795136400.{number}-{number}"].callers[0].name, f"Caller {number}")
        self.assertIn("refused 0,", self.stop())


if __name__ == "__main__":
    unittest.main()
