"""A real cluster of Redis under load: slots that move, masters that are killed, masters that stand still.

CALLHISTORY_LONG=1 (tests/run --long) repeats each often. The figures are printed.
"""

import os
import random
import shutil
import tempfile
import time
import unittest

import grpc

import harness
import redis_load
import redis_servers
import stubs

MOVES, KILLS, PAUSES, ROUNDS = (100, 20, 10, 5) if redis_servers.LONG else (9, 1, 1, 1)
PAUSE_S = 4
# What may be answered while a slot has no master.
AWAY = {"UNAVAILABLE", "DEADLINE_EXCEEDED"}


class ClusterTest(unittest.TestCase):
    replicas, cluster_options, options = 1, (), ("--redis-reply-age", str(redis_servers.REPLY_AGE_MS))

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="callhistory-cluster-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.cluster = redis_servers.Cluster(self.folder, replicas=self.replicas, options=self.cluster_options)
        self.addCleanup(self.cluster.stop)
        self.cluster.start()
        self.rng = random.Random(20261128)

    def serve(self, *options, tenants=3, readers=2):
        service = redis_servers.ServiceOver(self.folder, self.cluster.url(), *options)
        self.addCleanup(lambda: service.process.running() and service.process.kill())
        service.start()
        load = redis_load.Load(service, tenants)
        load.start(readers=readers)
        try:
            harness.wait_until(lambda: all(t.known("0900000000") for t in load.tenants), "the first calls")
        except AssertionError as failure:
            raise AssertionError(f"{load.failures[-3:]} {load.wrong[-3:]} {[t.failure for t in load.threads]} {service.process.log_text()[-2000:]}") from failure
        load.find_slots(self.cluster)
        return service, load

    def check(self, service, load, lost=0):
        load.finish()
        self.cluster.wait_ok()
        harness.wait_until(service.ready, "the service")
        found, odd = load.lost()
        print(f"{self.id()}: {load.summary()}; lost {found}", flush=True)
        self.assertEqual(load.wrong, [])
        self.assertEqual(odd, [])
        self.assertEqual(found, lost)
        service.verify()
        service.stop()


class Nodes(ClusterTest):
    """A master is added, takes the tenants' slots, gives them back and is removed, as redis-cli --cluster does it."""

    def known(self, count):
        return all(redis_servers.Cluster.known(server) == count for server in self.cluster.servers)

    def add(self):
        server = redis_servers.Server(self.folder, self.cluster.options)
        redis_servers.start_all([server])
        # A master without slots would become a replica of whoever took the last one.
        server.ask("CONFIG", "SET", "cluster-allow-replica-migration", "no")
        self.cluster.servers.append(server)
        server.ask("CLUSTER", "MEET", "127.0.0.1", self.cluster.servers[0].port)
        harness.wait_until(lambda: self.known(len(self.cluster.servers)), "the new node to be known")
        self.cluster.wait_ok()
        return server

    def remove(self, server):
        name = server.ask("CLUSTER", "MYID").decode()
        self.cluster.servers.remove(server)
        for other in self.cluster.servers:
            other.ask("CLUSTER", "FORGET", name)
        server.ask("CLUSTER", "RESET", "SOFT")
        server.process.kill()

    def test_a_node_comes_and_goes_under_load(self):
        service, load = self.serve(*self.options)
        for _ in range(ROUNDS):
            added, before = self.add(), len(load.successes)
            homes = {tenant.slot: self.cluster.owner(tenant.slot) for tenant in load.tenants}
            for slot in homes:
                self.cluster.move(slot, added, 100)
            harness.wait_until(lambda b=before: len(load.successes) > b + 20, "writes to the new node")
            for slot, home in homes.items():
                self.cluster.move(slot, home, 100)
            self.remove(added)
            before = len(load.successes)
            harness.wait_until(lambda b=before: len(load.successes) > b + 20, "writes without the removed node")
        print(f"{ROUNDS} nodes added and removed", flush=True)
        self.check(service, load)
        self.assertEqual(load.failures, [])


class Tokens(ClusterTest):
    """The shard with the tokens is down: those that were used lately go on, others have to wait."""

    replicas, cluster_options = 0, ("--cluster-require-full-coverage", "no")

    def test_tokens_are_served_from_the_cache(self):
        service, load = self.serve(*self.options, tenants=12)
        load.finish()
        owner = self.cluster.owner(self.cluster.slot_of("callhistory:tokens"))
        others = [t for t in load.tenants if self.cluster.owner(t.slot) is not owner]
        self.assertTrue(others)

        def page(tenant, seconds=5):
            request = stubs.history.ListCallsRequest(phone="0900000000", page_size=200)
            return load.ask("reader", load.history.ListCalls, request, tenant, seconds).calls

        self.assertTrue(page(others[0]))
        owner.process.kill()
        begin = time.monotonic()
        while time.monotonic() < begin + 4:  # The cache's second is long over.
            time.sleep(0.5)
            self.assertTrue(page(others[0]))
        self.assertGreater(service.metric("callhistory_redis_map_age_seconds"), -1)
        known, load.tokens["reader"] = load.tokens["reader"], "chk_" + "A" * 43
        with self.assertRaises(grpc.RpcError) as refused:
            page(others[0], 2)
        self.assertIn(refused.exception.code().name, AWAY)
        load.tokens["reader"] = known
        owner.start()
        self.cluster.wait_ok()
        harness.wait_until(lambda: len(page(load.tenants[0])) > 0, "all tenants")
        service.stop()


class Kills(ClusterTest):
    replicas = 2

    def test_masters_are_killed(self):
        service, load = self.serve(*self.options, "--redis-ack", "replicas=1")
        gaps, answers = [], []
        for i in range(KILLS):
            tenant = load.tenants[i % len(load.tenants)]
            old = self.cluster.owner(tenant.slot)
            witness = next(s for s in self.cluster.servers if s is not old and s.process.running())
            old.process.kill()
            killed = time.monotonic()
            harness.wait_until(lambda w=witness, t=tenant, o=old: self.cluster.owner(t.slot, w) not in (None, o), "a new master", 30)
            elected = time.monotonic()
            harness.wait_until(lambda e=elected, t=tenant: any(when > e and name == t.name for when, name in load.successes), "an answer")
            answered = min(when for when, name in load.successes if when > elected and name == tenant.name)
            gaps.append(elected - killed)
            answers.append(answered - elected)
            old.start()
            self.cluster.wait_ok()
        print(f"{KILLS} kills: without master {max(gaps):.1f} s at most, answers again after {max(answers) * 1000:.0f} ms at most "
              f"({sorted(int(a * 1000) for a in answers)})", flush=True)
        self.check(service, load)
        self.assertLessEqual({code for _, _, code, _ in load.failures}, AWAY)


class Pauses(ClusterTest):
    replicas = 2

    def pause(self, load, times):
        for i in range(times):
            tenant = load.tenants[i % len(load.tenants)]
            old = self.cluster.owner(tenant.slot)
            witness = next(s for s in self.cluster.servers if s is not old)
            os.kill(old.pid(), harness.SIGSTOP)
            begin = time.monotonic()
            harness.wait_until(lambda w=witness, t=tenant, o=old: self.cluster.owner(t.slot, w) not in (None, o), "a new master", 30)
            time.sleep(max(0, begin + PAUSE_S - time.monotonic()))
            os.kill(old.pid(), harness.SIGCONT)
            time.sleep(1)
            self.cluster.wait_ok()

    def test_masters_stand_still(self):
        service, load = self.serve(*self.options)
        self.pause(load, PAUSES)
        self.check(service, load)

    if redis_servers.LONG:  # The bound alone protects a service that only writes; a minute each.
        # A read is given up after 2.5 s (1.5 s, and 1 s for a late reply), which has the map asked for and all connections
        # to the old master closed before it goes on: where there are readers, writes are safe without the bound.

        def test_masters_stand_still_for_writers(self):
            service, load = self.serve(*self.options, readers=0)
            self.pause(load, PAUSES)
            self.check(service, load)

        def test_without_the_bound_calls_are_lost(self):
            _, load = self.serve("--redis-reply-age", "0", readers=0)
            self.pause(load, PAUSES)
            load.finish()
            self.cluster.wait_ok()
            lost, _ = load.lost()
            print(f"{self.id()}: {load.summary()}; lost {lost}", flush=True)
            self.assertGreater(lost, 0)


class SlotMoves:
    """Scripts are safe in a slot that moves only if they declare a key that never exists: the store's phantom."""

    def test_slots_move_under_load(self):
        service, load = self.serve(*self.options)
        masters = [s for s in self.cluster.servers if s.info("role") == "master"]
        begin = time.monotonic()
        for i in range(MOVES):
            tenant = load.tenants[i % len(load.tenants)]
            target = self.rng.choice([m for m in masters if m is not self.cluster.owner(tenant.slot)])
            self.cluster.move(tenant.slot, target, (10, 100, 1000000)[i // len(load.tenants) % 3])
            time.sleep(0.05)
        print(f"{MOVES} moves in {time.monotonic() - begin:.1f} s", flush=True)
        moved = service.metric('callhistory_redis_redirects_total{kind="moved"}')
        self.check(service, load)
        self.assertEqual(load.failures, [])
        self.assertGreater(moved, 0)


class Moves(SlotMoves, ClusterTest):
    pass


if __name__ == "__main__":
    unittest.main()
