"""What the tests share that kill processes while calls arrive: the kills, in an order that a seed repeats, and the audit."""

import os
import random
import subprocess

import harness
import stubs
from harness import WAIT_SECONDS, wait_until

LONG = os.environ.get("CALLHISTORY_LONG") == "1"


class Bag:
    """Faults in a random order in which each comes as often as any other."""

    def __init__(self, seed, faults):
        self.random, self.faults, self.left = random.Random(seed), faults, []

    def draw(self):
        """Lets one happen."""
        if not self.left:
            self.left = self.faults * 2
            self.random.shuffle(self.left)
        self.left.pop()()


class CrashTest:
    """To be mixed into a test case with a stack and a tenant of its own."""

    def kill(self, process):
        process.kill()
        process.start()

    def kill_service(self):
        self.kill(self.stack.service)

    def kill_gateway(self):
        self.kill(self.stack.gateway)

    def kill_redis(self):
        """Starts it again as the deployment does: without the transaction that the kill may have cut (deploy/redis/start)."""
        redis = self.stack.redis
        redis.kill()
        os.unlink(self.stack.redis_socket)
        command = os.path.basename(harness.REDIS_SERVER).removesuffix("-server")
        subprocess.run([os.path.join(harness.SOURCE, "deploy", "redis", "repair-log"), self.stack.folder], check=True,
                       timeout=WAIT_SECONDS, env={**harness.clean_environment(), "REDIS_COMMAND": command})
        self.stack.start_redis()

    def counted(self):
        """How many calls the tenant has; -1: the service is unavailable."""
        try:
            return self.count()
        except stubs.grpc.RpcError:
            return -1

    def assert_exactly(self, ids, numbers=()):
        """Each of these calls is listed once and there is no other; counts of all and of each number equal lists; the indexes match
        the records. Gives the calls by id."""
        wait_until(lambda: self.counted() >= 0, "the service", WAIT_SECONDS * 5)
        calls = self.calls()
        self.assertEqual(set(calls), set(ids))
        self.assertEqual(self.count(), len(calls))
        for number in numbers:
            listed = sum(any(party.phone == number for party in (*call.callers, *call.callees)) for call in calls.values())
            self.assertEqual(self.count(number), listed, number)
        self.stack.ctl("--redis", self.stack.operator_url, "verify")
        return calls
