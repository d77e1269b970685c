"""What happens when a program dies: idle or busy, the next request is answered and no recorded call is lost."""

import os
import signal
import threading
import time
import unittest
import zlib

import grpc

import harness
import stubs
from harness import call


class Life(harness.StackTest):
    def setUp(self):
        self.number = "0907" + str(zlib.crc32(self.id().encode()) % 1000000).zfill(6)
        self.stack.import_lines([call(self.number, second) for second in range(20)])
        self.assertEqual(self.stack.count(self.number), 20)

    def next_request_is_answered(self):
        """The very next request: not a retry."""
        self.assertEqual(self.stack.count(self.number), 20)
        self.assertEqual(len(self.stack.list(self.number)), 20)

    def test_no_core_dump(self):
        """It would have tokens in it."""
        for process in (self.stack.gateway, self.stack.service):
            with open(f"/proc/{process.process.pid}/limits", encoding="ascii") as limits:
                self.assertRegex(limits.read(), r"Max core file size +0 +0 ")

    def test_gateway_killed_while_idle(self):
        self.stack.gateway.kill()
        self.stack.gateway.start()
        harness.wait_until(lambda: harness.connects(self.stack.gateway_port), "the gateway's port")
        self.next_request_is_answered()

    def test_service_killed_while_idle(self):
        self.stack.service.kill()
        self.stack.service.start()
        harness.wait_until(lambda: harness.connects(self.stack.service_port), "the service's port")
        self.next_request_is_answered()

    def test_redis_killed_while_idle(self):
        self.stack.redis.kill()
        os.unlink(self.stack.redis_socket)
        self.stack.redis.start()
        harness.wait_until(lambda: os.path.exists(self.stack.redis_socket), "Redis's socket")
        self.next_request_is_answered()

    def test_redis_away_then_back(self):
        self.stack.redis.kill()
        os.unlink(self.stack.redis_socket)
        status, answer = self.stack.get({"vbot_id": harness.VBOT, "project_code": harness.PROJECT, "phone": self.number})
        self.assertIn(status, (503, 504))
        self.assertEqual(answer["status"], 0)
        self.assertEqual(answer["error"], status)
        harness.wait_until(lambda: not self.stack.ready(), "failing requests without Redis")
        # Were every gateway to leave its balancer now, no client would get the contract's 503.
        self.assertEqual(self.stack.request("GET", "/readyz")[0], 200)
        self.assertEqual(self.stack.request("GET", "/healthz")[0], 200)
        self.assertTrue(self.stack.service.running())
        self.stack.redis.start()
        self.stack.wait_ready()
        self.next_request_is_answered()

    def test_redis_back_after_a_while(self):
        """However long the service has tried in vain by then."""
        for _ in range(2):
            self.stack.redis.kill()
            os.unlink(self.stack.redis_socket)
            time.sleep(5.5)
            self.stack.redis.start()
            harness.wait_until(lambda: os.path.exists(self.stack.redis_socket), "Redis's socket")
            self.next_request_is_answered()

    def test_service_away_is_503(self):
        self.stack.service.kill()
        try:
            status, headers, _ = self.stack.request(
                "GET", harness.PATH + f"?vbot_id={harness.VBOT}&project_code={harness.PROJECT}&phone=1",
                headers={"Authorization": "Bearer " + self.stack.token()})
            self.assertEqual(status, 503)
            self.assertIsNotNone(headers["Retry-After"])
            harness.eventually(lambda: self.assertIn("the service can't be reached", self.stack.gateway.log_text()))
        finally:
            self.stack.service.start()
            self.stack.wait_ready()
        self.next_request_is_answered()

    def test_redis_stalled_is_bounded(self):
        """A Redis that is silent costs the deadline, not more, and is used again once it speaks."""
        self.stack.redis.signal(signal.SIGSTOP)
        try:
            status, _ = self.stack.get({"vbot_id": harness.VBOT, "project_code": harness.PROJECT, "phone": self.number})
            self.assertIn(status, (503, 504))
        finally:
            self.stack.redis.signal(signal.SIGCONT)
        self.stack.wait_ready()
        self.next_request_is_answered()

    def test_redis_that_refuses_is_away(self):
        """Out of memory, Redis answers reads and refuses the rest; the log and callhistoryctl report why."""
        redis = harness.RedisClient(self.stack.redis_socket)
        try:
            redis("CONFIG", "SET", "maxmemory", "1")
            with stubs.channel(self.stack.service_address) as channel, self.assertRaises(grpc.RpcError) as caught:
                stubs.ingest_grpc.CallIngestServiceStub(channel).RecordCalls(
                    stubs.ingest.RecordCallsRequest(calls=[stubs.call(self.number, 99)]), timeout=20,
                    metadata=[("authorization", "Bearer " + self.stack.token("writer"))])
            self.next_request_is_answered()
            _, _, errors = self.stack.ctl("--redis", self.stack.redis_url, "token", "issue", "--role", "reader",
                                          "--project-code", "P", "--vbot-id", "V", check=False)
        finally:
            redis("CONFIG", "SET", "maxmemory", "0")
            redis.close()
        self.assertEqual(caught.exception.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
        self.assertEqual(caught.exception.details(), "the store is out of memory; calls cannot be recorded until the operator adds some")
        self.assertIn("RetryInfo", stubs.details(caught.exception))
        self.assertIn("Redis is out of memory", errors)
        harness.eventually(lambda: self.assertIn("Redis is out of memory", self.stack.service.log_text()))
        self.stack.import_lines([call(self.number, 99)])
        self.assertEqual(self.stack.count(self.number), 21)

    def test_the_log_says_why_redis_does_not_come_back(self):
        """The reason at the loss is that the connection was closed; the later one tells the operator what to do."""
        redis = harness.RedisClient(self.stack.redis_socket)
        try:
            redis("ACL", "SETUSER", "callhistory", "resetpass", ">another")
            redis("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            harness.wait_until(lambda: "WRONGPASS" in self.stack.service.log_text(), "the reason")
        finally:
            redis("ACL", "SETUSER", "callhistory", "resetpass", ">callhistory")
            redis.close()
        self.stack.wait_ready()
        self.next_request_is_answered()

    def test_killed_during_import(self):
        """Calls that were acknowledged survive a kill of Redis in the middle of an import."""
        number = "0906" + self.number[4:]
        lines = [call(number, second) for second in range(3000)]
        result = {}
        worker = threading.Thread(target=lambda: result.update(done=self.stack.import_lines(lines, check=False)))
        worker.start()
        harness.wait_until(lambda: self.stack.count(number) > 0, "the first calls")
        self.stack.redis.kill()
        os.unlink(self.stack.redis_socket)
        self.stack.redis.start()
        worker.join(harness.WAIT_SECONDS * 5)
        self.assertEqual(result["done"][0], 0, result["done"][2])
        self.stack.wait_ready()
        self.assertEqual(self.stack.count(number), 3000)

    def test_drain_exits_with_zero(self):
        for process in (self.stack.gateway, self.stack.service):
            self.assertEqual(process.stop(), 0, process.name)
        self.stack.service.start()
        self.stack.gateway.start()
        self.stack.wait_ready()
        self.next_request_is_answered()


class StartOrder(unittest.TestCase):
    """No crash loop: each program waits for the one behind it."""

    def test_redis_comes_last(self):
        stack = harness.Stack()
        try:
            stack.gateway.start()
            stack.service.start()
            harness.wait_until(lambda: harness.connects(stack.gateway_port), "the gateway's port")
            harness.wait_until(lambda: harness.connects(stack.service_port), "the service's port")
            self.assertEqual(stack.request("GET", "/readyz")[0], 200)
            self.assertFalse(stack.ready())
            stack.redis.start()
            stack.wait_ready()
            stack.import_lines([call("0911000222", 1)])
            self.assertEqual(stack.count("0911000222"), 1)
        finally:
            stack.stop()


if __name__ == "__main__":
    unittest.main()
