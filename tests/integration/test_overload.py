"""More than the programs take: what is too much is turned away at once, with the time to wait; a token's rate holds over all workers."""

import concurrent.futures
import json
import time
import unittest

import grpc

import harness
import stubs

FIELDS = {"vbot_id": harness.VBOT, "project_code": harness.PROJECT, "phone": "0912345678"}
RATE = 20


class Overload(unittest.TestCase):
    def start(self, gateway_options=(), service_options=()):
        stack = harness.Stack(gateway_options, service_options)
        self.addCleanup(stack.stop)
        stack.start()
        return stack

    def assert_envelope(self, status, headers, body):
        answer = json.loads(body)
        self.assertEqual((status, answer["status"], answer["error"]), (429, 0, 429))
        self.assertGreaterEqual(int(headers["Retry-After"]), 1)

    def ask(self, stack, token):
        return stack.request("GET", body=json.dumps(FIELDS), headers={"Authorization": "Bearer " + token})

    def test_the_service_refuses_at_once_what_is_too_much(self):
        """Ten calls wait for a Redis that is silent; places are for four. Six are refused while the four still wait."""
        stack = self.start(service_options=("--workers", "1", "--max-in-flight", "4"))
        metadata = [("authorization", "Bearer " + stack.token())]
        with stubs.channel(stack.service_address) as channel:
            history = stubs.history_grpc.CallHistoryServiceStub(channel)
            history.CountCalls(stubs.history.CountCallsRequest(), metadata=metadata, timeout=30)
            stack.redis.signal(harness.SIGSTOP)
            try:
                calls = [history.CountCalls.future(stubs.history.CountCallsRequest(), metadata=metadata, timeout=harness.WAIT_SECONDS)
                         for _ in range(10)]
                done = concurrent.futures.as_completed([concurrent.futures.ThreadPoolExecutor(1).submit(call.code) for call in calls])
                first = [next(done).result() for _ in range(6)]
            finally:
                stack.redis.signal(harness.SIGCONT)
            refused = [call for call in calls if call.code() == grpc.StatusCode.RESOURCE_EXHAUSTED]
            self.assertEqual(first, [grpc.StatusCode.RESOURCE_EXHAUSTED] * 6)
            self.assertEqual(len(refused), 6)
            for call in refused:
                details = stubs.details(call)
                self.assertEqual(details["ErrorInfo"].reason, "OVERLOADED")
                self.assertGreater(details["RetryInfo"].retry_delay.ToMilliseconds(), 0)
        self.assertIn('grpc_status="RESOURCE_EXHAUSTED"', stack.metrics())

    def test_health_answers_when_the_service_is_full(self):
        stack = self.start(service_options=("--workers", "1", "--max-in-flight", "1"))
        metadata = [("authorization", "Bearer " + stack.token())]
        with stubs.channel(stack.service_address) as channel:
            stack.redis.signal(harness.SIGSTOP)
            try:
                call = stubs.history_grpc.CallHistoryServiceStub(channel).CountCalls.future(
                    stubs.history.CountCallsRequest(), metadata=metadata, timeout=harness.WAIT_SECONDS)
                answer = stubs.health_grpc.HealthStub(channel).Check(stubs.health.HealthCheckRequest(), timeout=30)
            finally:
                stack.redis.signal(harness.SIGCONT)
            self.assertEqual(answer.status, stubs.SERVING)
            call.code()

    def test_the_gateway_passes_the_refusal_on(self):
        """The service's own limit, seen as HTTP."""
        stack = self.start(("--timeout", "20000"), ("--workers", "1", "--max-in-flight", "2"))
        token = stack.token()
        self.assertEqual(self.ask(stack, token)[0], 200)
        stack.redis.signal(harness.SIGSTOP)
        try:
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                asked = [pool.submit(self.ask, stack, token) for _ in range(8)]
                answers = [next(concurrent.futures.as_completed(asked)).result()]
                stack.redis.signal(harness.SIGCONT)
                answers = [one.result() for one in asked]
        finally:
            stack.redis.signal(harness.SIGCONT)
        refused = [answer for answer in answers if answer[0] == 429]
        self.assertTrue(refused, [answer[0] for answer in answers])
        for answer in refused:
            self.assert_envelope(*answer)
        # Those that had a place are answered: by Redis, or by its absence.
        self.assertLessEqual({answer[0] for answer in answers}, {200, 429, 503})

    def rate_holds(self, admit, workers):
        """`admit()` is asked until 5 s have passed; what it lets through is a burst and the rate's share of that time."""
        start, admitted, asked = time.monotonic(), 0, 0
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            while time.monotonic() - start < 3:
                results = list(pool.map(lambda _: admit(), range(24)))
                asked, admitted = asked + len(results), admitted + sum(results)
        seconds = time.monotonic() - start
        most = RATE + RATE * seconds
        self.assertLessEqual(admitted, most + 1, f"{workers} workers let through {admitted} of {asked} in {seconds:.1f} s")
        # As much as it may be, where enough was asked for: no worker keeps a share to itself.
        if asked > 3 * most:
            self.assertGreaterEqual(admitted, 0.8 * RATE * seconds)
        self.assertGreaterEqual(admitted, RATE)

    def test_a_rate_is_one_rate_however_many_workers(self):
        for workers in (1, 4):
            stack = self.start(("--workers", "2"), ("--workers", str(workers)))
            for over in ("HTTP", "gRPC"):
                token = stack.issue("reader", ((harness.PROJECT, harness.VBOT),), "--rate", str(RATE))
                with self.subTest(workers=workers, over=over):
                    self.rate_holds(self.over_http(stack, token) if over == "HTTP" else self.over_grpc(stack, token), workers)
            # Another credential is not held back by what this one has used up.
            self.assertEqual(self.ask(stack, stack.issue())[0], 200)

    def test_a_burst_comes_at_once(self):
        """A burst lets so many through at once that the rate alone would not, and no more."""
        stack = self.start((), ("--workers", "4"))
        token = stack.issue("reader", ((harness.PROJECT, harness.VBOT),), "--rate", "1", "--burst", "40")
        start, statuses = time.monotonic(), [self.ask(stack, token)[0] for _ in range(80)]
        admitted = statuses.count(200)
        self.assertGreaterEqual(admitted, 40)
        self.assertLessEqual(admitted, 41 + time.monotonic() - start)
        self.assertEqual(statuses.count(429), 80 - admitted)

    def over_http(self, stack, token):
        def admit():
            status, headers, body = self.ask(stack, token)
            if status == 200:
                return True
            self.assert_envelope(status, headers, body)
            return False

        return admit

    def over_grpc(self, stack, token):
        def admit():
            with stubs.channel(stack.service_address) as channel:
                call = stubs.history_grpc.CallHistoryServiceStub(channel).CountCalls.future(
                    stubs.history.CountCallsRequest(), metadata=[("authorization", "Bearer " + token)], timeout=harness.WAIT_SECONDS)
                if call.code() == grpc.StatusCode.OK:
                    return True
                details = stubs.details(call)
                self.assertEqual(call.code(), grpc.StatusCode.RESOURCE_EXHAUSTED, f"{call.details()}, {details}\n{stack.service.log_text()[-2000:]}")
                self.assertEqual(details["ErrorInfo"].reason, "RATE_LIMIT")
                delay = details["RetryInfo"].retry_delay.ToMilliseconds()
                self.assertTrue(0 < delay <= 1000, delay)
                return False

        return admit


if __name__ == "__main__":
    unittest.main()
