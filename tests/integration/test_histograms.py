"""Histograms count in the right bucket: messages whose size is exactly a bound or one byte more, and calls of a known duration."""

import contextlib
import threading
import time
import unittest

import harness
import metrics
import stubs

COUNT = "callhistory.v1.CallHistoryService/CountCalls"
RECEIVED = "grpc_server_call_rcvd_total_compressed_message_size_bytes"
SENT = "grpc_client_attempt_sent_total_compressed_message_size_bytes"
NUMBER = "0912345678"
PAUSE_SECONDS = 0.9  # less than the 1.5 s that the service waits for Redis
SHORTEST_SECONDS = PAUSE_SECONDS / 2  # on a busy machine a call begins some time after the pause


def buckets(page, name, **labels):
    """How many are in each bucket, by its upper bound: not cumulative, all matching series together."""
    total = {}
    for found, value in page.series(name + "_bucket", **labels).items():
        bound = float(dict(found)["le"])
        total[bound] = total.get(bound, 0) + value
    below, own = 0, {}
    for bound in sorted(total):
        own[bound], below = total[bound] - below, total[bound]
    return own


class Histograms(harness.StackTest):
    def page(self, port=None):
        return metrics.parse(self.stack.metrics(port))

    def grew(self, before, name, port=None, **labels):
        """The bounds of the buckets that count one more than on the page `before`; waits until there is one."""
        def check():
            old, new = buckets(before, name, **labels), buckets(self.page(port), name, **labels)
            more = {bound: count - old.get(bound, 0) for bound, count in new.items() if count != old.get(bound, 0)}
            self.assertEqual(sum(more.values()), 1, more)
            (bound,) = more
            return bound, sorted(new)

        return harness.eventually(check)

    @contextlib.contextmanager
    def counted(self, over_http=0):
        """Ends once the answers that were got inside it are in the histograms, which happens just after they have been sent."""
        def seen():
            return (sum(buckets(self.page(), "grpc_server_call_duration_seconds", grpc_method=COUNT).values()),
                    sum(buckets(self.page(gateway), "http_server_request_duration_seconds", http_route=harness.PATH).values()))

        gateway = self.stack.gateway_port
        calls, requests = seen()
        yield
        harness.eventually(lambda: self.assertEqual(seen(), (calls + 1, requests + over_http)))

    def count(self, tenant=(harness.PROJECT, harness.VBOT), token=None):
        """Counts over gRPC; gives the size of the request."""
        with stubs.channel(self.stack.service_address) as channel:
            request = stubs.history.CountCallsRequest(project_code=tenant[0], vbot_id=tenant[1], phone=NUMBER)
            stubs.history_grpc.CallHistoryServiceStub(channel).CountCalls(
                request, metadata=[("authorization", "Bearer " + (token or self.stack.token()))], timeout=harness.WAIT_SECONDS)
            return request.ByteSize()

    def count_over_http(self, tenant=(harness.PROJECT, harness.VBOT), token=None):
        status, answer = self.stack.get({"project_code": tenant[0], "vbot_id": tenant[1], "phone": NUMBER}, token)
        self.assertEqual(status, 200, answer)

    def settle(self):
        """One count each way, so that all series are there, and all of them counted."""
        with self.counted():
            self.count()
        with self.counted(over_http=1):
            self.count_over_http()

    def test_a_size_that_is_a_bound_belongs_below_it(self):
        gateway, labels = self.stack.gateway_port, {"grpc_method": COUNT}
        self.settle()
        for size, bound in ((63, 64), (64, 64), (65, 128)):
            with self.subTest(size=size):
                # A tenant whose name makes the request so long: three fields, two bytes before each.
                tenant = "P" * 20, "V" * (size - 3 * 2 - 20 - len(NUMBER))
                token = self.stack.issue("reader", [tenant])
                before = self.page()
                self.assertEqual(self.count(tenant, token), size)
                self.assertEqual(self.grew(before, RECEIVED, **labels)[0], bound)
                before = self.page(gateway)
                with self.counted(over_http=1):
                    self.count_over_http(tenant, token)
                self.assertEqual(self.grew(before, SENT, gateway, **labels)[0], bound)

    def slow_call(self, call):
        """Makes the call while Redis stands still for a while; gives how long it took."""
        def go_on():
            time.sleep(PAUSE_SECONDS)
            self.stack.redis.signal(harness.SIGCONT)

        start = time.monotonic()
        self.stack.redis.signal(harness.SIGSTOP)
        pause = threading.Thread(target=go_on)
        pause.start()
        try:
            call()
            return time.monotonic() - start
        finally:
            pause.join()

    def fits(self, bounds, bound, shortest, longest):
        """Whether a duration between the two belongs into the bucket below `bound`."""
        lower = max((other for other in bounds if other < bound), default=0)
        self.assertGreaterEqual(bound, shortest)
        self.assertLess(lower, longest)

    def test_a_calls_duration_is_in_its_bucket(self):
        self.settle()
        before = self.page()
        took = self.slow_call(self.count)
        for name in ("grpc_server_call_duration_seconds",):
            bound, bounds = self.grew(before, name, grpc_method=COUNT, grpc_status="OK")
            self.fits(bounds, bound, SHORTEST_SECONDS, took)
        gateway = self.stack.gateway_port
        before, route = self.page(gateway), {"http_route": harness.PATH, "http_response_status_code": "200"}
        took = self.slow_call(self.count_over_http)
        for name, labels in (("http_server_request_duration_seconds", route),
                             ("grpc_client_call_duration_seconds", {"grpc_method": COUNT}),
                             ("grpc_client_attempt_duration_seconds", {"grpc_method": COUNT})):
            with self.subTest(name=name):
                bound, bounds = self.grew(before, name, gateway, **labels)
                self.fits(bounds, bound, SHORTEST_SECONDS, took)

    def test_redis_round_trips_are_in_their_buckets(self):
        self.settle()
        before = buckets(self.page(), "callhistory_redis_round_trip_seconds")
        self.slow_call(self.count)

        def one_is_slow():
            after = buckets(self.page(), "callhistory_redis_round_trip_seconds")
            self.assertGreaterEqual(sum(after[bound] - before[bound] for bound in after if bound >= SHORTEST_SECONDS), 1)

        harness.eventually(one_is_slow)


if __name__ == "__main__":
    unittest.main()
