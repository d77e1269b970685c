"""Backup and restore as docs/backup-restore.md describes them: snapshots of a server under imports, its loss, and a restore."""

import os
import re
import shutil
import subprocess
import unittest

import harness
import render
from harness import call

REDIS = os.path.join(render.DEPLOY, "redis")


class Restore(unittest.TestCase):
    def setUp(self):
        self.stack = stack = harness.Stack()
        self.port = harness.free_port()
        self.data, self.backups = os.path.join(stack.folder, "data"), os.path.join(stack.folder, "backups")
        os.mkdir(self.data)
        self.secrets = os.path.join(stack.folder, "secrets")
        self.environment = {**harness.clean_environment(), "REDIS_SECRETS": self.secrets, "REDIS_PORT": str(self.port),
                            "REDIS_BIND": "127.0.0.1", "REDIS_DIR": self.data, "REDIS_COMMAND": render.redis_command(),
                            "REDIS_MEMORY_LIMIT": str(256 * 1024 * 1024), **({"REDIS_OLD": "1"} if render.redis_is_old() else {})}
        self.run_script("credentials", "create", self.secrets)
        variables = [f"{key}={value}" for key, value in {**self.environment, "REDIS_SOCKET": stack.redis_socket}.items()]
        stack.redis.arguments = ["env", "-i", *variables, os.path.join(REDIS, "start")]
        stack.redis_url = f"redis://callhistory:@127.0.0.1:{self.port}"
        password = os.path.join(self.secrets, "callhistory-password")
        with open(password, encoding="ascii") as file:
            stack.redis_url = stack.redis_url.replace(":@", f":{file.read()}@")
        stack.service.arguments[stack.service.arguments.index("--redis") + 1] = stack.redis_url
        self.addCleanup(stack.stop)
        stack.start()

    def run_script(self, name, *arguments, check=True):
        done = subprocess.run([os.path.join(REDIS, name), *arguments], capture_output=True, text=True, timeout=harness.WAIT_SECONDS * 2,
                              env=self.environment)
        if check:
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done

    def test_a_lost_server_is_restored_from_its_snapshot(self):
        stack = self.stack
        stack.import_lines([call("0905000001", second) for second in range(300)])
        token = stack.token()
        (snapshot,) = self.run_script("backup", self.backups).stdout.split()
        self.assertTrue(os.path.exists(snapshot))
        # What comes after the snapshot is lost with the server: that is what a recovery point objective is.
        stack.import_lines([call("0905000002", second) for second in range(5)])
        refused = self.run_script("restore", snapshot, self.data, check=False)
        self.assertIn("has a log already", refused.stderr)
        stack.redis.kill()
        os.unlink(stack.redis_socket)
        shutil.rmtree(self.data)
        os.mkdir(self.data)
        restored = self.run_script("restore", snapshot, self.data)
        self.assertRegex(restored.stdout, r"^\d+ keys restored\n$")
        self.assertEqual(set(os.listdir(self.data)), {"appendonlydir"})
        stack.redis.start()
        harness.wait_until(lambda: stack.get({"vbot_id": harness.VBOT, "project_code": harness.PROJECT, "phone": "0905000001"},
                                             token=token)[0] == 200, "the restored server")
        # Tokens are restored too, and new calls are recorded.
        self.assertEqual(stack.count("0905000001"), 300)
        self.assertEqual(stack.count("0905000002"), 0)
        stack.import_lines([call("0905000002", second) for second in range(5)])
        self.assertEqual(stack.count("0905000002"), 5)

    def test_old_snapshots_are_deleted_and_damaged_ones_refused(self):
        os.mkdir(self.backups)
        for day in range(1, 6):
            with open(os.path.join(self.backups, f"single-2026010{day}T000000Z.rdb"), "w", encoding="ascii") as file:
                file.write("not a snapshot")
        self.run_script("backup", self.backups, "3")
        left = sorted(os.listdir(self.backups))
        self.assertEqual(len(left), 3, left)
        self.assertEqual(left[0], "single-20260104T000000Z.rdb")
        empty = os.path.join(self.stack.folder, "empty")
        os.mkdir(empty)
        damaged = self.run_script("restore", os.path.join(self.backups, left[0]), empty, check=False)
        self.assertNotEqual(damaged.returncode, 0)
        self.assertIn("is no snapshot, or damaged", damaged.stderr)
        self.assertEqual(os.listdir(empty), [])


class Cluster(unittest.TestCase):
    """deploy/redis/cluster makes a cluster, changes nothing when run again, and adds what is new; every shard is backed up."""

    def setUp(self):
        self.stack = harness.Stack()
        self.addCleanup(shutil.rmtree, self.stack.folder, True)
        self.secrets = os.path.join(self.stack.folder, "secrets")
        self.common = {**harness.clean_environment(), "REDIS_SECRETS": self.secrets, "REDIS_COMMAND": render.redis_command(),
                       **({"REDIS_OLD": "1"} if render.redis_is_old() else {})}
        subprocess.run([os.path.join(REDIS, "credentials"), "create", self.secrets], check=True, env=self.common)
        self.ports = []

    def add_server(self):
        port = next(port for port in iter(harness.free_port, None) if port < 50000)
        folder = os.path.join(self.stack.folder, str(port))
        os.mkdir(folder)
        variables = {**self.common, "REDIS_DIR": folder, "REDIS_PORT": port, "REDIS_BIND": "127.0.0.1", "REDIS_MODE": "cluster",
                     "REDIS_ANNOUNCE": "127.0.0.1", "POD_IP": "127.0.0.1", "REDIS_MEMORY_LIMIT": 64 * 1024 * 1024}
        server = harness.Process(f"redis-{port}", folder, ["env", "-i", *(f"{key}={value}" for key, value in variables.items()),
                                                           os.path.join(REDIS, "start")])
        server.start()
        self.addCleanup(server.stop)
        self.ports.append(port)
        return f"127.0.0.1:{port}"

    def run_script(self, name, *arguments, **variables):
        done = subprocess.run([os.path.join(REDIS, name), *arguments], capture_output=True, text=True, timeout=harness.WAIT_SECONDS * 3,
                              env={**self.common, "REDIS_PORT": str(self.ports[0]), "REDIS_TRIES": "100", **variables})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def roles(self):
        nodes = self.run_script("cli", "cluster", "nodes")
        return len(re.findall(r"\bmaster\b", nodes)), len(re.findall(r"\bslave\b", nodes))

    def test_a_cluster_is_made_completed_and_backed_up(self):
        shards = [[self.add_server()] for _ in range(3)]
        shards[0].append(self.add_server())

        def complete():
            return self.run_script("cluster", REDIS_SHARDS=" ".join(",".join(shard) for shard in shards))

        self.assertIn("the cluster is complete", complete())
        # The server that is asked hears of another's new role by gossip.
        harness.wait_until(lambda: self.roles() == (3, 1), "three masters and a replica")
        again = complete()
        self.assertNotIn("owns", again)
        self.assertNotIn("replica", again)
        shards[1].append(self.add_server())
        self.assertIn("is a replica of " + shards[1][0], complete())
        harness.wait_until(lambda: self.roles() == (3, 2), "three masters and two replicas")
        backups = self.run_script("backup", os.path.join(self.stack.folder, "backups"))
        self.assertEqual(len(re.findall(r"(?m)^/.*\.rdb$", backups)), 3, backups)


if __name__ == "__main__":
    unittest.main()
