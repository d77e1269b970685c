"""Backup and restore as docs/backup-restore.md describes them: snapshots of a server under imports, its loss, and a restore."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
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

    def use(self, command, *old):
        """The server of another version from now on, with users that it knows."""
        self.stack.redis.kill()
        os.unlink(self.stack.redis_socket)
        for key, value in {"REDIS_COMMAND": command, **({"REDIS_OLD": "1"} if old else {})}.items():
            self.environment[key] = value
        variables = [f"{key}={value}" for key, value in {**self.environment, "REDIS_SOCKET": self.stack.redis_socket}.items()]
        self.stack.redis.arguments = ["env", "-i", *variables, os.path.join(REDIS, "start")]

    def answers(self, expected):
        harness.wait_until(self.stack.ready, "the store")
        self.assertEqual(self.stack.count("0905000001"), expected)

    def test_a_newer_server_reads_the_log_and_an_older_one_the_old_backup(self):
        """docs/upgrade.md, from this machine's Redis to the image's Valkey and back."""
        stack = self.stack
        with open(os.path.join(self.secrets, "users.acl"), encoding="ascii") as file:
            users = file.read()
        with open(os.path.join(self.secrets, "users.acl"), "w", encoding="ascii") as file:
            file.write(users.replace(" +waitaof", ""))
        self.use("redis", "old")
        shutil.rmtree(self.data)
        os.mkdir(self.data)
        stack.redis.start()
        harness.wait_until(stack.ready, "the older server")
        stack.import_lines([call("0905000001", second) for second in range(100)])
        self.answers(100)
        (snapshot,) = self.run_script("backup", self.backups).stdout.split()
        self.use(render.redis_command())
        stack.redis.start()
        self.answers(100)
        stack.import_lines([call("0905000001", second) for second in range(100, 120)])
        self.run_script("cli", "bgrewriteaof")
        harness.wait_until(lambda: "aof_rewrite_in_progress:0" in self.run_script("cli", "info", "persistence").stdout, "the rewrite")
        self.use("redis", "old")
        stack.redis.start()
        harness.wait_until(lambda: not stack.redis.running(), "the older server's refusal")
        self.assertIn("Can't handle RDB format version", stack.redis.log_text())
        stack.redis.stop()
        shutil.rmtree(self.data)
        os.mkdir(self.data)
        self.run_script("restore", snapshot, self.data)
        stack.redis.start()
        self.answers(100)

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


class Trouble(unittest.TestCase):
    """A disk that is full, and an end in the midst: what failed leaves nothing behind and may be repeated."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="callhistory-test-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        for name in ("server", "disk", "unreached", "backups"):
            os.mkdir(os.path.join(self.folder, name))
        port = harness.free_port()
        self.environment = {**harness.clean_environment(), "REDIS_COMMAND": render.redis_command(), "REDIS_PORT": str(port),
                            "NOBODY": str(harness.free_port()), "FOLDER": self.folder, "SCRIPTS": REDIS}
        socket = os.path.join(self.folder, "socket")
        server = harness.Process("redis", self.folder, [render.redis_command() + "-server", os.path.join(REDIS, "redis.conf"), "--dir",
                                                        os.path.join(self.folder, "server"), "--port", str(port), "--unixsocket", socket])
        server.start()
        self.addCleanup(server.stop)
        harness.wait_until(lambda: harness.connects(port), "Redis")
        client = harness.RedisClient(socket)
        for number in range(200):
            client("SET", f"k{number}", os.urandom(10000).hex())
        client.close()
        done = self.script('"$SCRIPTS/backup" "$FOLDER/backups"')
        self.assertEqual(done.returncode, 0, done.stderr)
        self.snapshot = done.stdout.strip()
        self.environment["SNAPSHOT"] = self.snapshot
        self.size = os.path.getsize(self.snapshot)

    def script(self, text, size=0):
        """Runs a script that may mount a disk of a size."""
        user = [] if os.geteuid() == 0 else ["--map-root-user"]
        return subprocess.run(["unshare", "--mount", *user, "sh", "-euc", text], env={**self.environment, "SIZE": str(size)}, check=False,
                              capture_output=True, text=True, timeout=harness.WAIT_SECONDS * 3)

    def test_a_backup_makes_room_and_keeps_the_newest(self):
        done = self.script("""
            cd "$FOLDER/unreached"
            touch single-20260101T000000Z.rdb single-20260102T000000Z.rdb
            REDIS_PORT=$NOBODY "$SCRIPTS/backup" . 2>unreached.log && echo a backup of nothing &
            mount -t tmpfs -o "size=$SIZE" tmpfs "$FOLDER/disk"
            cd "$FOLDER/disk"
            head -c 100000 /dev/zero >killed.rdb.new && touch -d '2 hours ago' killed.rdb.new
            for n in 1 2 3 4; do "$SCRIPTS/backup" .; sleep 1; done
            echo = * =
            # Room for the newest one only.
            rm "$(ls | head -n 1)"
            head -c "$((SIZE * 2 / 5))" /dev/zero >other
            ! "$SCRIPTS/backup" . || echo no failure
            echo = * =
            rm other
            "$SCRIPTS/backup" .
            echo = * =
            wait
            cd "$FOLDER/unreached"
            echo = * =
        """, size=self.size * 5 // 2)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        made = re.findall(r"(?m)^\./(single-\w+\.rdb)$", done.stdout)
        self.assertEqual(len(set(made)), 5, done.stdout)
        left = [each.split() for each in re.findall(r"(?m)^= (.*) =$", done.stdout)]
        self.assertEqual(left, [made[2:4], ["other", made[3]], made[3:5],
                                ["single-20260101T000000Z.rdb", "single-20260102T000000Z.rdb", "unreached.log"]])
        self.assertRegex(done.stderr, rf"no room in \.: \./{made[0]} is deleted")
        self.assertIn("has no room for a snapshot of 127.0.0.1:", done.stderr)
        self.assertNotIn("no failure", done.stdout)
        self.assertNotIn("a backup of nothing", done.stdout)

    def test_a_restore_onto_a_full_disk_ends_and_is_repeated(self):
        done = self.script("""
            mount -t tmpfs -o "size=$SIZE" tmpfs "$FOLDER/disk"
            for n in 1 2; do
                timeout 30 "$SCRIPTS/restore" "$SNAPSHOT" "$FOLDER/disk" && echo no failure || echo "status $?"
                ls -A "$FOLDER/disk"
            done
            # Room for the log, not for a copy of the snapshot beside it.
            mount -o "remount,size=$((SIZE * 3))" "$FOLDER/disk"
            "$SCRIPTS/restore" "$SNAPSHOT" "$FOLDER/disk"
            ls -A "$FOLDER/disk"
        """, size=self.size // 2)
        self.assertEqual(done.stdout, "status 1\n" * 2 + "200 keys restored\nappendonlydir\n", done.stderr[-2000:])
        self.assertIn("restore: the log could not be written", done.stderr)

    def slow(self, *options):
        """The prefix of programs whose server takes its time."""
        for name in ("check-rdb", "cli", "server"):
            path = os.path.join(self.folder, "slow-" + name)
            with open(path, "w", encoding="ascii") as file:
                more = " ".join(options) if name == "server" else ""
                file.write(f'#!/bin/sh\nexec {render.redis_command()}-{name} "$@" {more}\n')
            os.chmod(path, 0o755)
        return os.path.join(self.folder, "slow")

    def processes(self, folder):
        """Those that work in a folder, or did before it was removed."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.readlink(f"/proc/{pid}/cwd").startswith(folder):
                    found.append(int(pid))
            except OSError:
                pass
        return found

    def test_a_restore_that_is_ended_leaves_nothing(self):
        folder = os.path.join(self.folder, "disk")
        for what, options in (("Server initialized", ("--key-load-delay", "100000", "--loading-process-events-interval-bytes", "1024")),
                              ("Background append only file rewriting started", ("--rdb-key-save-delay", "500000"))):
            for end in ("TERM", "INT"):
                with self.subTest(what, end=end), open(os.path.join(self.folder, "log"), "w+", encoding="utf-8") as log:
                    process = subprocess.Popen([os.path.join(REDIS, "restore"), self.snapshot, folder], stdout=log, stderr=log,
                                               env={**self.environment, "REDIS_COMMAND": self.slow(*options)})
                    try:
                        harness.wait_until(lambda: what in open(log.name, encoding="utf-8").read(), what)
                        self.assertTrue(self.processes(folder))
                        process.send_signal(getattr(signal, "SIG" + end))
                        self.assertEqual(process.wait(harness.WAIT_SECONDS), 128 + getattr(signal, "SIG" + end))
                        harness.wait_until(lambda: not self.processes(folder), "the end of the server")
                        self.assertEqual(os.listdir(folder), [])
                    finally:
                        process.kill()
                        process.wait()
                        for pid in self.processes(folder):
                            os.kill(pid, signal.SIGKILL)
        restored = self.script('"$SCRIPTS/restore" "$SNAPSHOT" "$FOLDER/disk"')
        self.assertEqual(restored.stdout, "200 keys restored\n", restored.stderr)


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

    def run_script(self, name, *arguments, check=True, **variables):
        done = subprocess.run([os.path.join(REDIS, name), *arguments], capture_output=True, text=True, timeout=harness.WAIT_SECONDS * 3,
                              env={**self.common, "REDIS_PORT": str(self.ports[0]), "REDIS_TRIES": "100", **variables})
        if check:
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
        self.grow_and_shrink(complete, shards)
        backups = self.run_script("backup", os.path.join(self.stack.folder, "backups"))
        self.assertEqual(len(re.findall(r"(?m)^/.*\.rdb$", backups)), 3, backups)

    def slots(self):
        """HOST:PORT of each master → number of its slots, and its id."""
        found = {}
        for line in self.run_script("cli", "cluster", "nodes").splitlines():
            words = line.split()
            if len(words) >= 8 and "master" in words[2]:
                ranges = [each.split("-") for each in words[8:] if not each.startswith("[")]
                found[words[1].split("@")[0]] = (sum(int(each[-1]) - int(each[0]) + 1 for each in ranges), words[0])
        return found

    def settle(self, *masters):
        """Slots that have moved are known to all: `--cluster` commands refuse to begin before."""
        hosts = [f"127.0.0.1:{port}" for port in self.ports]
        harness.wait_until(lambda: len(self.slots()) in masters and "[ERR]" not in self.run_script(
            "cli", "--cluster", "check", hosts[0], check=False), "agreement")

    def grow_and_shrink(self, complete, shards):
        """docs/capacity.md: a shard more, which gets slots, and a shard less."""
        shards.append([self.add_server()])
        complete()
        self.settle(4)
        first, added = shards[0][0], shards[3][0]
        self.assertEqual(self.slots()[added][0], 0)
        # A quarter of the slots takes a minute here; a small weight gives the new shard some hundred.
        weight = [] if os.environ.get("CALLHISTORY_LONG") else ["--cluster-weight", self.slots()[added][1] + "=0.05"]
        self.run_script("cli", "--cluster", "rebalance", first, "--cluster-use-empty-masters", *weight)
        self.settle(4)
        count, identity = self.slots()[added]
        self.assertEqual(count, 4096) if not weight else self.assertGreater(count, 100)
        self.run_script("cli", "--cluster", "reshard", first, "--cluster-from", identity, "--cluster-to", self.slots()[first][1],
                        "--cluster-slots", str(count), "--cluster-yes")
        # A master that gives its last slot away may become a replica of the one that gets it.
        self.settle(3, 4)
        self.run_script("cli", "--cluster", "del-node", first, identity)
        self.ports.pop()
        shards.pop()
        self.settle(3)
        self.assertEqual(sum(count for count, _ in self.slots().values()), 16384)


if __name__ == "__main__":
    unittest.main()
