"""The component redis-sentinel, run as its manifests say: three servers, three Sentinels, and the programs with the
component's URL. The master is killed, twice; what was acknowledged stays, the programs go on by themselves, and a lost
master returns as a replica."""

import json
import os
import shutil
import tempfile
import unittest

import harness
import pods
import render

CALLS = 50
# A failover takes some 7 s; half a minute more where a Sentinel noticed that it stood still itself.
FAILOVER_SECONDS = 180


class Sentinel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="callhistory-test-")
        cls.pods = pods.Pods(
            os.path.join(cls.folder, "pods"),
            render.rendered("tests/sentinel"),
            {"callhistory-redis": render.redis_secret()["data"]},
        )
        cls.servers = [cls.pods[f"callhistory-redis-{number}"] for number in range(3)]
        cls.sentinels = [cls.pods[f"callhistory-sentinel-{number}"] for number in range(3)]
        cls.service = cls.pods["callhistoryd"]
        try:
            cls.pods.start()
            cls.pods.wait_ready()
        except BaseException:
            cls.pods.remove()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.pods.remove()
        os.rmdir(cls.folder)

    def ask(self, pod, *words):
        return pod.execute("/etc/redis/cli", *words, check=False).stdout.split()

    def role(self, pod):
        """master, or slave with the state of its connection."""
        words = self.ask(pod, "role")
        return " ".join(words[:1] + words[3:4]) if words[:1] == ["slave"] else "".join(words[:1])

    def master(self):
        """The server that a majority of the Sentinels that run call the master."""
        named = [
            self.ask(each, "sentinel", "get-master-addr-by-name", "callhistory")[:1]
            for each in self.sentinels
            if each.process.running()
        ]
        for server in self.servers:
            names = ([server.name + ".callhistory-redis"], [server.address])
            if sum(each in names for each in named) >= 2:
                return server
        return None

    def settled(self):
        """Whether there is one master, with every other server that runs as its replica, and a quorum of Sentinels."""
        master = self.master()
        return (
            master is not None
            and master.process.running()
            and self.role(master) == "master"
            and all(
                self.role(each) == "slave connected"
                for each in self.servers
                if each is not master and each.process.running()
            )
            and all(self.watches(each) for each in self.sentinels if each.process.running())
        )

    def watches(self, sentinel):
        """Whether a Sentinel could lead a failover: it knows a quorum and, from the master every 10 s, both replicas."""
        words = self.ask(sentinel, "sentinel", "master", "callhistory")
        known = dict(zip(words[::2], words[1::2]))
        return known.get("num-slaves") == "2" and self.ask(sentinel, "sentinel", "ckquorum", "callhistory")[:1] == [
            "OK"
        ]

    def issue(self, role):
        return self.service.execute(
            "callhistoryctl",
            "token",
            "issue",
            "--role",
            role,
            "--project-code",
            harness.PROJECT,
            "--vbot-id",
            harness.VBOT,
        ).stdout.strip()

    def record(self, phone):
        """Imports calls with callhistoryctl, which itself repeats what is UNAVAILABLE for half a minute."""
        lines = "".join(json.dumps(harness.call(phone, second)) + "\n" for second in range(CALLS))
        command = ("env", "CALLHISTORY_TOKEN=" + self.writer, "callhistoryctl", "import", "-")
        harness.wait_until(
            lambda: self.service.execute(*command, text=lines, check=False).returncode == 0,
            "an import",
            FAILOVER_SECONDS,
        )

    def count(self, phone):
        """What the HTTP API counts, once the store answers."""
        stack = harness.Stack()
        stack.gateway_port = self.pods["callhistory-gateway"].ports["http"]
        answers = []

        def answered():
            answers.append(
                stack.get({"vbot_id": harness.VBOT, "project_code": harness.PROJECT, "phone": phone}, token=self.reader)
            )
            return answers[-1][0] == 200

        try:
            harness.wait_until(answered, "an answer")
        except AssertionError as problem:
            raise AssertionError(f"{problem}: {answers[-1:]}") from problem
        finally:
            shutil.rmtree(stack.folder)
        return answers[-1][1]["data"]

    def test_a_lost_master_is_replaced_and_returns_as_a_replica(self):
        harness.wait_until(self.settled, "a master with two replicas")
        self.reader, self.writer = self.issue("reader"), self.issue("writer")
        self.record("0905000000")
        for number in range(1, 3):
            # The first time with all Sentinels, the second time with two of three.
            if number == 2:
                self.sentinels[0].process.kill()
            lost = self.master()
            lost.process.kill()
            # These are accepted by the next master, through the same URL, by programs that nobody restarts.
            self.record(f"090500000{number}")
            found = self.master()
            self.assertIsNot(found, lost)
            self.assertEqual(self.role(found), "master")
            for earlier in range(number + 1):
                self.assertEqual(self.count(f"090500000{earlier}"), CALLS)
            lost.process.start()
            harness.wait_until(self.settled, f"{lost.name}, as a replica")
            self.assertEqual(self.role(lost), "slave connected")
            self.assertIn("master is", lost.process.log_text().rpartition("start: memory limit")[2])
        self.assertTrue(self.service.process.running())
        self.sentinels[0].process.start()
        harness.wait_until(self.settled, "all Sentinels again")

    def test_probes_succeed(self):
        for pod in self.servers + self.sentinels:
            for probe in ("readinessProbe", "livenessProbe", "startupProbe"):
                self.assertTrue(pod.probe(probe), f"{pod.name}: {probe}")


if __name__ == "__main__":
    pods.enter()
    unittest.main()
