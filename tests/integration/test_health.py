"""grpc.health.v1 as probes and clients use it: Check and Watch, per service and overall, through loss of Redis and a drain."""

import os
import queue
import tempfile
import threading
import unittest

import grpc

import harness
import stubs

SERVICES = ("", "callhistory.v1.CallHistoryService", "callhistory.v1.CallIngestService", "grpc.health.v1.Health")
SERVING, NOT_SERVING = stubs.SERVING, stubs.NOT_SERVING


class Watch:
    """A Watch stream that a thread reads; its states in order, and how it ended."""

    def __init__(self, address, service):
        self.service, self.states, self.end = service, queue.Queue(), None
        self.channel = stubs.channel(address)
        self.stream = stubs.health_grpc.HealthStub(self.channel).Watch(stubs.health.HealthCheckRequest(service=service))
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def _read(self):
        try:
            for answer in self.stream:
                self.states.put(answer.status)
        except grpc.RpcError as error:
            self.end = error.code()

    def next(self):
        return self.states.get(timeout=harness.WAIT_SECONDS)

    def close(self):
        self.stream.cancel()
        self.thread.join(harness.WAIT_SECONDS)
        self.channel.close()


class Streams(harness.StackTest):
    service_options = ("--workers", "1")

    def test_too_many_watches_are_told_when_to_come_back(self):
        most = 1024
        with stubs.channel(self.stack.service_address) as one, stubs.channel(self.stack.service_address) as other:
            watches = [stubs.health_grpc.HealthStub(one).Watch(stubs.health.HealthCheckRequest()) for _ in range(most)]
            self.assertEqual({next(watch).status for watch in watches}, {SERVING})
            with self.assertRaises(grpc.RpcError) as caught:
                next(stubs.health_grpc.HealthStub(other).Watch(stubs.health.HealthCheckRequest(), timeout=harness.WAIT_SECONDS))
            self.assertEqual(caught.exception.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
            details = stubs.details(caught.exception)
            self.assertEqual(details["ErrorInfo"].reason, "TOO_MANY_STREAMS")
            self.assertGreater(details["RetryInfo"].retry_delay.ToMilliseconds(), 0)
            # A probe still gets its answer.
            self.assertTrue(stubs.serving(self.stack.service_address))
            for watch in watches:
                watch.cancel()


class Drain(unittest.TestCase):
    def health_listen(self):
        """A socket, which belongs to one worker; below a port, which belongs to all."""
        folder = tempfile.TemporaryDirectory(prefix="callhistory-test-")
        self.addCleanup(folder.cleanup)
        return "unix:" + os.path.join(folder.name, "health.sock")

    def setUp(self):
        self.health_address = self.health_listen()
        self.stack = harness.Stack(service_options=(
            "--workers", "2", "--grace", "600", "--health-listen", self.health_address))
        self.addCleanup(self.stack.stop)
        self.stack.start_redis()
        self.stack.service.start()
        self.stack.wait_service()
        # Every worker has its own connection to Redis.
        harness.wait_until(lambda: self.stack.service.log_text().count("Redis is connected") == 2, "both workers")

    def watches(self, address):
        made = [Watch(address, service) for service in SERVICES]
        for watch in made:
            self.addCleanup(watch.close)
            self.assertEqual(watch.next(), SERVING, watch.service)
        return made

    def test_watch_tells_of_the_drain_at_once(self):
        """NOT_SERVING comes while the drain waits for a request; the port of health says it until the last one is done."""
        own, plain = self.watches(self.stack.service_address), self.watches(self.health_address)
        sent = threading.Event()
        self.addCleanup(sent.set)

        def late_message():
            sent.wait(harness.WAIT_SECONDS)
            yield from ()

        with stubs.channel(self.stack.service_address) as channel:
            # A request whose message does not come keeps its connection, and with it the drain.
            call = channel.stream_unary("/callhistory.v1.CallHistoryService/CountCalls").future(
                late_message(), timeout=harness.WAIT_SECONDS)
            # What follows on the same connection has been read after it.
            check = stubs.health_grpc.HealthStub(channel).Check
            self.assertEqual(check(stubs.health.HealthCheckRequest(), timeout=30).status, SERVING)
            self.stack.service.process.terminate()
            for watch in own + plain:
                self.assertEqual(watch.next(), NOT_SERVING, watch.service)
            for watch in own:
                watch.thread.join(harness.WAIT_SECONDS)
                self.assertEqual(watch.end, grpc.StatusCode.UNAVAILABLE, watch.service)
            # The program still answers those who ask how it is, on new connections too.
            with stubs.channel(self.health_address) as probe:
                answer = stubs.health_grpc.HealthStub(probe).Check(stubs.health.HealthCheckRequest(), timeout=30)
                self.assertEqual(answer.status, NOT_SERVING)
            harness.wait_until(lambda: not harness.connects(self.stack.service_port), "the end of new connections")
            self.assertTrue(self.stack.service.running())
            call.cancel()
            sent.set()
        self.assertEqual(self.stack.service.process.wait(harness.WAIT_SECONDS), 0)
        for watch in plain:
            watch.thread.join(harness.WAIT_SECONDS)
            self.assertEqual(watch.end, grpc.StatusCode.UNAVAILABLE, watch.service)


class Health(Drain):
    def health_listen(self):
        return f"127.0.0.1:{harness.free_port()}"

    def redis_goes(self):
        self.stack.redis.kill()
        os.unlink(self.stack.redis_socket)

    def test_watch_follows_redis(self):
        watches = self.watches(self.stack.service_address) + self.watches(self.health_address)
        self.redis_goes()
        for watch in watches:
            self.assertEqual(watch.next(), NOT_SERVING, watch.service)
        for address in (self.stack.service_address, self.health_address):
            for service in SERVICES:
                self.assertFalse(stubs.serving(address, service))
        self.stack.redis.start()
        for watch in watches:
            self.assertEqual(watch.next(), SERVING, watch.service)

    def test_watch_follows_a_redis_that_is_silent(self):
        """Its connections stay open; NOT_SERVING comes before they are given up, also while nobody asks for calls."""
        watches = self.watches(self.stack.service_address) + self.watches(self.health_address)
        self.stack.redis.signal(harness.SIGSTOP)
        try:
            for watch in watches:
                self.assertEqual(watch.next(), NOT_SERVING, watch.service)
            harness.eventually(lambda: self.assertIn("connected, but no reply", self.stack.service.log_text()))
            for address in (self.stack.service_address, self.health_address):
                self.assertFalse(stubs.serving(address))
        finally:
            self.stack.redis.signal(harness.SIGCONT)
        for watch in watches:
            self.assertEqual(watch.next(), SERVING, watch.service)

    def test_unknown_service(self):
        watch = Watch(self.stack.service_address, "no.such.Service")
        self.addCleanup(watch.close)
        self.assertEqual(watch.next(), stubs.health.HealthCheckResponse.SERVICE_UNKNOWN)
        with stubs.channel(self.stack.service_address) as channel:
            with self.assertRaises(grpc.RpcError) as caught:
                stubs.health_grpc.HealthStub(channel).Check(stubs.health.HealthCheckRequest(service="no.such.Service"), timeout=30)
            self.assertEqual(caught.exception.code(), grpc.StatusCode.NOT_FOUND)


if __name__ == "__main__":
    unittest.main()
