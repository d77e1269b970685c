"""The component redis-cluster, run as its manifests say: three shards of two servers, the CronJob that makes a cluster of them, and
the programs with the component's URL. A master is killed: its shard goes on with the replica, and all calls stay."""

import json
import os
import re
import tempfile
import unittest

import harness
import pods
import render

CALLS = 20
TENANTS = [f"VBOT{number:03}" for number in range(1, 13)]  # enough that each shard has some
FAILOVER_SECONDS = 120


class Cluster(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="callhistory-test-")
        self.addCleanup(os.rmdir, self.folder)
        self.pods = pods.Pods(os.path.join(self.folder, "pods"), render.rendered("tests/cluster"),
                              {"callhistory-redis": render.redis_secret()["data"]})
        self.addCleanup(self.pods.remove)
        self.pods.start()
        for pod in self.pods:
            if pod.container["name"] == "redis":
                pod.wait_ready()
        self.job = self.pods.job("callhistory-redis-cluster")
        self.service = self.pods["callhistoryd"]

    def complete(self):
        done = self.job.execute(*self.job.command)
        self.assertIn("the cluster is complete", done.stderr)
        return done.stderr

    def nodes(self, pod):
        """name → role, of all servers that `pod` knows to be there."""
        text = pod.execute("/etc/redis/cli", "cluster", "nodes").stdout
        found = re.findall(r"(?m)^\w+ [\d.:@]+,([\w-]+)\S* (?:myself,)?(master|slave) ", text)
        return {name.partition(".")[0]: role for name, role in found}

    def record(self, phone):
        lines = "".join(json.dumps({**harness.call(phone, second), "vbot_id": tenant}) + "\n"
                        for tenant in TENANTS for second in range(CALLS))
        command = ("env", "CALLHISTORY_TOKEN=" + self.writer, "callhistoryctl", "import", "-")
        harness.wait_until(lambda: self.service.execute(*command, text=lines, check=False).returncode == 0, "an import", FAILOVER_SECONDS)

    def check(self, phone):
        """Every tenant, so every shard, counts all of its calls of a number."""
        for tenant in TENANTS:
            command = ("env", "CALLHISTORY_TOKEN=" + self.writer, "callhistoryctl", "count", "--project-code", harness.PROJECT,
                       "--vbot-id", tenant, "--phone", phone)
            self.assertEqual(self.service.execute(*command).stdout.strip(), str(CALLS), tenant)

    def test_a_shard_survives_its_master(self):
        self.complete()
        servers = [pod for pod in self.pods if pod.container["name"] == "redis"]
        for server in servers:  # What a replica has not copied yet dies with its master.
            self.assertNotIn("master_link_status:down", server.execute("/etc/redis/cli", "info", "replication").stdout)
        self.assertNotIn("owns", self.complete())
        harness.wait_until(lambda: sorted(self.nodes(servers[0]).values()) == ["master"] * 3 + ["slave"] * 3, "three masters with replicas")
        self.pods.wait_ready()
        pairs = [word for tenant in TENANTS for word in ("--project-code", harness.PROJECT, "--vbot-id", tenant)]
        self.writer = self.service.execute("callhistoryctl", "token", "issue", "--role", "writer", *pairs).stdout.strip()
        self.record("0906000000")
        self.check("0906000000")
        lost, replica = self.pods["callhistory-redis-shard-1-0"], self.pods["callhistory-redis-shard-1-1"]
        lost.process.kill()
        self.record("0906000001")
        harness.wait_until(lambda: self.nodes(replica).get(replica.name) == "master", "a new master", FAILOVER_SECONDS)
        for phone in ("0906000000", "0906000001"):
            self.check(phone)
        lost.process.start()
        lost.wait_ready()
        self.complete()
        harness.wait_until(lambda: self.nodes(replica).get(lost.name) == "slave", "the lost master, as a replica", FAILOVER_SECONDS)
        for phone in ("0906000000", "0906000001"):
            self.check(phone)
        self.delete_old_calls()

    def delete_old_calls(self):
        """The CronJob of retention reaches every shard."""
        lines = "".join(json.dumps({**harness.call("0906000002", second), "vbot_id": tenant, "date_create": "10/25/2001 10:00:00"}) + "\n"
                        for tenant in TENANTS for second in range(7))
        self.service.execute("env", "CALLHISTORY_TOKEN=" + self.writer, "callhistoryctl", "import", "-", text=lines)
        job = self.pods.job("callhistory-retention")
        for expected in (7, 0):
            found = [json.loads(line) for line in job.execute(*job.command).stdout.splitlines()]
            self.assertEqual({(line["vbot_id"], line["calls"], line["deleted"]) for line in found},
                             {(tenant, expected, True) for tenant in TENANTS})
        for phone in ("0906000000", "0906000001"):
            self.check(phone)


if __name__ == "__main__":
    pods.enter()
    unittest.main()
