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
DOWN_AFTER_MS = 1500
NAME = "the-master"


class Sentinels(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="callhistory-sentinel-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        options = ["--appendonly", "yes", "--appendfsync", "everysec", "--repl-diskless-sync-delay", "0"]
        first = redis_servers.Server(self.folder, options)
        self.servers = [first] + [redis_servers.Server(self.folder, [*options, "--replicaof", "127.0.0.1", str(first.port)]) for _ in range(2)]
        config = [f"sentinel monitor {NAME} 127.0.0.1 {first.port} 2", f"sentinel down-after-milliseconds {NAME} {DOWN_AFTER_MS}",
                  f"sentinel failover-timeout {NAME} 10000", f"sentinel parallel-syncs {NAME} 2"]
        self.sentinels = [redis_servers.Server(self.folder, config, sentinel=True) for _ in range(3)]
        self.addCleanup(self.stop)
        redis_servers.start_all(self.servers)
        harness.wait_until(lambda: first.info("connected_slaves") == "2", "the replicas")
        redis_servers.start_all(self.sentinels)
        harness.wait_until(lambda: all(self.others(s) == 2 for s in self.sentinels), "the sentinels to meet")

    def stop(self):
        for server in self.servers + self.sentinels:
            if server.process.running():
                server.process.kill()

    @staticmethod
    def others(sentinel):
        return len(sentinel.ask("SENTINEL", "SENTINELS", NAME))

    def master(self):
        """The server that most sentinels name."""
        ports = [int(s.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)[1]) for s in self.sentinels]
        port = max(ports, key=ports.count)
        return next(s for s in self.servers if s.port == port)

    def whole(self):
        try:
            return self.is_whole()
        except OSError:  # One of them has just been started.
            return False

    def is_whole(self):
        master = self.master()
        return (master.process.running() and master.info("role") == "master" and
                all(s is master or (s.info("role") == "slave" and s.info("master_link_status") == "up" and
                                    s.info("master_port") == str(master.port)) for s in self.servers))

    def test_failovers(self):
        url = "redis+sentinel://" + ",".join(f"127.0.0.1:{s.port}" for s in self.sentinels) + "/" + NAME
        service = redis_servers.ServiceOver(self.folder, url, "--redis-reply-age", str(DOWN_AFTER_MS // 2 - 50))
        self.addCleanup(lambda: service.process.running() and service.process.kill())
        service.start()
        load = redis_load.Load(service)
        load.start()
        harness.wait_until(lambda: all(t.known("0900000000") for t in load.tenants), "the first calls")
        answers = []
        for _ in range(FAILOVERS):
            # What a lone old master takes would be lost: it must not get anything, though it serves at once.
            old = self.master()
            harness.wait_until(lambda o=old: o.info("connected_slaves") == "2", "the replicas")
            old.process.kill()
            harness.wait_until(lambda o=old: self.master() is not o, "a new master")
            named = time.monotonic()
            old.start()
            harness.wait_until(lambda n=named: any(when > n for when, _ in load.successes), "an answer")
            answers.append(min(when for when, _ in load.successes if when > named) - named)
            harness.wait_until(self.whole, "the old master to be a replica", 90)
        load.finish()
        lost, odd = load.lost()
        print(f"{FAILOVERS} failovers: answers again after {max(answers) * 1000:.0f} ms at most; {load.summary()}; lost {lost}", flush=True)
        self.assertEqual(load.wrong, [])
        self.assertEqual(odd, [])
        self.assertEqual(lost, 0)
        self.assertLessEqual({code for _, _, code, _ in load.failures}, {"UNAVAILABLE", "DEADLINE_EXCEEDED"})
        service.stop()


if __name__ == "__main__":
    unittest.main()
