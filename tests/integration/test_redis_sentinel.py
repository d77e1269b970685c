"""Three real sentinels, a master and two replicas: the master is killed under load and comes back each time.

CALLHISTORY_LONG=1 (tests/run --long) does it ten times. A master that comes back says that it is a master and takes writes
until the sentinels demote it, which takes ten seconds: whoever trusts it loses them.
"""

import shutil
import tempfile
import time
import unittest

import harness
import redis_load
import redis_servers

FAILOVERS = 10 if redis_servers.LONG else 1


class Sentinels(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="callhistory-sentinel-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.group = redis_servers.Sentinels(self.folder)
        self.addCleanup(self.group.stop)
        self.group.start()

    def test_failovers(self):
        age = str(self.group.DOWN_AFTER_MS // 2 - 50)
        service = redis_servers.ServiceOver(self.folder, self.group.url(), "--redis-reply-age", age)
        self.addCleanup(lambda: service.process.running() and service.process.kill())
        service.start()
        load = redis_load.Load(service)
        load.start()
        harness.wait_until(lambda: all(t.known("0900000000") for t in load.tenants), "the first calls")
        answers = []
        for _ in range(FAILOVERS):
            # What a lone old master takes would be lost: it must not get anything, though it serves at once.
            old = self.group.master()
            harness.wait_until(lambda o=old: o.info("connected_slaves") == "2", "the replicas")
            old.process.kill()
            harness.wait_until(lambda o=old: self.group.master() is not o, "a new master")
            named = time.monotonic()
            old.start()
            harness.wait_until(lambda n=named: any(when > n for when, _ in load.successes), "an answer")
            answers.append(min(when for when, _ in load.successes if when > named) - named)
            harness.wait_until(self.group.whole, "the old master to be a replica", 90)
        load.finish()
        lost, odd = load.lost()
        print(f"{FAILOVERS} failovers: answers again after {max(answers) * 1000:.0f} ms at most; {load.summary()}; lost {lost}", flush=True)
        self.assertEqual(load.wrong, [])
        self.assertEqual(odd, [])
        self.assertEqual(lost, 0)
        self.assertLessEqual({code for _, _, code, _ in load.failures}, {"UNAVAILABLE", "DEADLINE_EXCEEDED"})
        service.verify()
        service.stop()


if __name__ == "__main__":
    unittest.main()
