"""A deadline goes from the HTTP client through the gateway and gRPC into each wait for Redis; what nobody waits for any more costs
nothing. Redis is stopped in its tracks, so that every answer here is owed to a deadline.
"""

import json
import socket
import time
import unittest

import grpc

import harness
import metrics
import stubs

FIELDS = {"vbot_id": harness.VBOT, "project_code": harness.PROJECT, "phone": "0912345678"}
# A deadline that was missed would end with the gateway's own, which is far away.
FAR_MS, FAR = "300000", 60


class Deadlines(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = harness.Stack(("--timeout", FAR_MS, "--workers", "1"), ("--workers", "1"))
        cls.addClassCleanup(cls.stack.stop)
        cls.stack.start()
        cls.reader, cls.writer = cls.stack.token("reader"), cls.stack.token("writer")

    def setUp(self):
        harness.wait_until(lambda: self.stack.ready() and self.redis("callhistory_redis_connections") == 1, "Redis")
        self.stack.redis.signal(harness.SIGSTOP)
        self.addCleanup(self.stack.redis.signal, harness.SIGCONT)

    def redis(self, name):
        return metrics.parse(self.stack.metrics()).value(name)

    def commands(self):
        return self.redis("callhistory_redis_commands_total")

    def ask(self, *headers):
        start = time.monotonic()
        status, answered, body = self.stack.request("GET", body=json.dumps(FIELDS), headers={
            "Authorization": "Bearer " + self.reader, **dict(headers)})
        return status, answered, json.loads(body), time.monotonic() - start

    def test_a_shorter_deadline_by_header(self):
        status, headers, answer, seconds = self.ask(("X-Request-Timeout", "300"))
        self.assertEqual(status, 504, answer)
        self.assertEqual((answer["status"], answer["error"]), (0, 504))
        self.assertLess(seconds, FAR)
        # The deadline, not the service's own patience of 1.5 s, has ended it in the service too.
        harness.wait_until(lambda: metrics.parse(self.stack.metrics()).count("grpc_server_call_duration_seconds",
                           grpc_status="DEADLINE_EXCEEDED"), "the service's own end of it")

    def test_the_option_bounds_what_a_header_asks(self):
        """--timeout is the most: a header can't lengthen it."""
        gateway = harness.Stack(("--timeout", "300", "--service", self.stack.service_address))
        gateway.gateway.start()
        self.addCleanup(gateway.stop)
        harness.wait_until(lambda: harness.connects(gateway.gateway_port), "the gateway")

        def ask():
            status, _, body = gateway.request("GET", body=json.dumps(FIELDS), timeout=FAR, headers={
                "Authorization": "Bearer " + self.reader, "X-Request-Timeout": "200000"})
            self.assertEqual(status, 504, body)

        # 503 until the gateway has connected to the service, and after more than the option's time without it.
        harness.eventually(ask)

    def test_without_a_near_deadline_the_service_gives_up_by_itself(self):
        status, headers, answer, seconds = self.ask()
        self.assertEqual(status, 503, answer)
        self.assertGreaterEqual(int(headers["Retry-After"]), 1)
        self.assertLess(seconds, FAR)

    def test_a_grpc_deadline_ends_reads_and_writes(self):
        with stubs.channel(self.stack.service_address) as channel:
            for method, request, token in (
                (stubs.history_grpc.CallHistoryServiceStub(channel).ListCalls, stubs.history.ListCallsRequest(), self.reader),
                (stubs.ingest_grpc.CallIngestServiceStub(channel).RecordCalls, stubs.ingest.RecordCallsRequest(
                    calls=[stubs.call("0912345678", 1)]), self.writer),
            ):
                call = method.future(request, metadata=[("authorization", "Bearer " + token)], timeout=0.3)
                self.assertEqual(call.code(), grpc.StatusCode.DEADLINE_EXCEEDED)
        harness.wait_until(lambda: self.redis("grpc_server_calls_in_flight") == 0, "the end of both in the service")
        # What waited for Redis was given up there as well.
        harness.wait_until(lambda: self.redis("callhistory_redis_timeouts_total") > 0, "commands whose deadline passed")

    def settle(self):
        """Redis goes on; once nothing is due, what it was sent."""
        self.stack.redis.signal(harness.SIGCONT)
        harness.wait_until(lambda: self.redis("callhistory_redis_pending_commands") == 0 and
                           self.redis("grpc_server_calls_in_flight") == 0, "the end of all")
        return self.commands()

    def prepare(self):
        """A token that is not in the service's cache: its first use has to ask Redis, before the page is read."""
        self.stack.redis.signal(harness.SIGCONT)
        token = self.stack.issue()
        self.settle()
        self.stack.redis.signal(harness.SIGSTOP)
        return token

    def two_round_trips(self, leave):
        """How many commands a request has cost that leave(call, channel) ends during the first of its two round trips."""
        token, before = self.prepare(), self.commands()
        with stubs.channel(self.stack.service_address) as channel:
            call = stubs.history_grpc.CallHistoryServiceStub(channel).ListCalls.future(
                stubs.history.ListCallsRequest(phone="0912345678"), metadata=[("authorization", "Bearer " + token)], timeout=FAR)
            harness.wait_until(lambda: self.commands() > before, "the token's lookup")
            time.sleep(0.2)  # the service looks after a call's end once it has lasted 100 ms
            leave(call, channel)
            return self.settle() - before

    def test_a_request_that_stays_costs_two_commands(self):
        """What the next tests' number means."""
        def stay(call, _):
            self.stack.redis.signal(harness.SIGCONT)
            self.assertIn(call.code(), (grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE))

        harness.wait_until(lambda: self.two_round_trips(stay) == 2, "two commands")

    def test_a_cancelled_call_sends_nothing_more(self):
        def leave(call, channel):
            call.cancel()
            # What is sent later on the same connection is handled later: Redis may answer only then.
            stubs.health_grpc.HealthStub(channel).Check(stubs.health.HealthCheckRequest(), timeout=30)

        self.assertEqual(self.two_round_trips(leave), 1)

    def leave_the_gateway(self):
        token, before = self.prepare(), self.commands()
        gone = metrics.parse(self.stack.metrics(self.stack.gateway_port)).count(
            "http_server_request_duration_seconds", http_response_status_code="499")
        body = json.dumps({**FIELDS, "page": 1, "size": 10}).encode()
        with socket.create_connection(("127.0.0.1", self.stack.gateway_port), timeout=FAR) as wire:
            wire.sendall((f"GET {harness.PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
                          f"Content-Length: {len(body)}\r\n\r\n").encode() + body)
            harness.wait_until(lambda: self.commands() > before, "the token's lookup")

        def ended():
            page = metrics.parse(self.stack.metrics(self.stack.gateway_port))
            return (page.count("http_server_request_duration_seconds", http_response_status_code="499") > gone and
                    page.value("http_server_active_requests") == 0)

        harness.wait_until(ended, "the gateway's end of it")
        time.sleep(0.1)  # the cancellation is on its way to the service, where nothing can be seen of it yet
        return self.settle() - before

    def test_a_client_of_the_gateway_that_leaves_ends_the_call(self):
        harness.wait_until(lambda: self.leave_the_gateway() == 1, "one command")


if __name__ == "__main__":
    unittest.main()
