"""What bounds a connection: age with grace, idle time, keepalive, streams, size of metadata and messages; and workers that share a
port give the same answers whatever their number.
"""

import concurrent.futures
import json
import os
import socket
import struct
import threading
import time
import unittest

import grpc

import harness
import metrics
import stubs

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS, PING, GOAWAY = 4, 6, 7
MAX_CONCURRENT_STREAMS, MAX_HEADER_LIST_SIZE = 3, 6
ENHANCE_YOUR_CALM = 11


def is_closed(connection):
    """Whether the other side has closed it; takes what it has sent."""
    try:
        return not connection.recv(65536, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


class Http2:
    """A client that speaks HTTP/2 frames by hand, and says no more than it is told to."""

    def __init__(self, port, answer_pings=True):
        self._begin(socket.create_connection(("127.0.0.1", port), timeout=harness.WAIT_SECONDS), answer_pings, PREFACE)

    def _begin(self, connection, answer_pings, preface):
        self.answer_pings, self.socket = answer_pings, connection
        self.socket.sendall(preface + self.frame(SETTINGS, 0, b""))
        self.settings, self.pings, self.goaways = {}, 0, []

    @staticmethod
    def frame(kind, flags, payload):
        return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, 0) + payload

    def _exactly(self, count):
        data = b""
        while len(data) < count:
            try:
                got = self.socket.recv(count - len(data))
            except ConnectionResetError:
                got = b""
            if not got:
                return None
            data += got
        return data

    def read(self):
        """One frame's kind; None at the end of the connection."""
        head = self._exactly(9)
        if head is None:
            return None
        length, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
        payload = self._exactly(length)
        if payload is None:
            return None
        if kind == SETTINGS and not flags & 1:
            self.settings.update(struct.iter_unpack(">HI", payload))
            self.socket.sendall(self.frame(SETTINGS, 1, b""))
        elif kind == PING and not flags & 1:
            self.pings += 1
            if self.answer_pings:
                self.socket.sendall(self.frame(PING, 1, payload))
        elif kind == GOAWAY:
            self.goaways.append((struct.unpack(">I", payload[4:8])[0], payload[8:]))
        return kind

    def until_end(self):
        while self.read() is not None:
            pass

    def close(self):
        self.socket.close()


class Http2Server(Http2):
    """The other side: a server that answers no request."""

    def __init__(self, connection):
        connection.settimeout(harness.WAIT_SECONDS)
        self._begin(connection, True, b"")
        self._exactly(len(PREFACE))


class Connections(unittest.TestCase):
    def start(self, *options):
        stack = harness.Stack(service_options=options)
        self.addCleanup(stack.stop)
        stack.start_redis()
        stack.service.start()
        stack.wait_service()
        return stack

    def http2(self, stack, **more):
        client = Http2(stack.service_port, **more)
        self.addCleanup(client.close)
        return client

    def test_an_idle_connection_is_asked_to_go(self):
        client = self.http2(self.start("--max-connection-idle", "1"))
        client.until_end()
        self.assertTrue(client.goaways)
        self.assertIn(b"enter idle", [words for _, words in client.goaways])

    def test_an_old_connection_is_asked_to_go_and_loses_nothing(self):
        """Requests go on over connections that live for a second: GOAWAY and a new one, no failure."""
        stack = self.start("--max-connection-age", "1", "--max-connection-age-grace", "5")
        client = self.http2(stack)
        token = stack.issue()
        metadata = [("authorization", "Bearer " + token)]
        forwarder = harness.Wire(stack.service_port)
        self.addCleanup(forwarder.close)
        with stubs.channel(f"127.0.0.1:{forwarder.port}") as channel:
            count = stubs.history_grpc.CallHistoryServiceStub(channel).CountCalls

            def ask():
                self.assertEqual(count(stubs.history.CountCallsRequest(), metadata=metadata, timeout=harness.WAIT_SECONDS).count, 0)
                return forwarder.accepted >= 3

            harness.wait_until(ask, "three connections, one after the other")
        client.until_end()
        self.assertTrue(client.goaways)

    def test_the_grace_of_an_old_connection_ends(self):
        """A stream that its client would keep for ever ends with the grace."""
        stack = self.start("--max-connection-age", "1", "--max-connection-age-grace", "1")
        with stubs.channel(stack.service_address) as channel:
            watch = stubs.health_grpc.HealthStub(channel).Watch(stubs.health.HealthCheckRequest(), timeout=harness.WAIT_SECONDS)
            self.assertEqual(next(watch).status, stubs.SERVING)
            with self.assertRaises(grpc.RpcError) as caught:
                next(watch)
            self.assertEqual(caught.exception.code(), grpc.StatusCode.UNAVAILABLE)
        self.assertTrue(stubs.serving(stack.service_address))

    def test_a_silent_client_is_asked_and_then_left(self):
        stack = self.start("--keepalive", "1", "--keepalive-timeout", "1")
        dead = self.http2(stack, answer_pings=False)
        dead.until_end()
        self.assertGreaterEqual(dead.pings, 1)
        alive = self.http2(stack)
        while alive.pings < 3:
            self.assertIsNotNone(alive.read(), "a client that answers stays")

    def test_a_client_that_pings_too_often_is_sent_away(self):
        client = self.http2(self.start())
        client.socket.sendall(20 * client.frame(PING, 0, b"12345678"))
        client.until_end()
        self.assertIn(ENHANCE_YOUR_CALM, [code for code, _ in client.goaways])

    def test_more_connections_than_descriptors_shut_the_port_for_no_longer_than_they_last(self):
        """gRPC Core stops to listen for ever when it can't accept; ours goes on, with and without descriptors in reserve."""
        for most in (100, 400):
            stack = harness.Stack(service_options=("--workers", "2", "--grace", "1"))
            self.addCleanup(stack.stop)
            stack.service.arguments = ["prlimit", f"--nofile={most}:{most}", *stack.service.arguments]
            stack.start_redis()
            stack.service.start()
            stack.wait_service()
            many = [socket.create_connection(("127.0.0.1", stack.service_port)) for _ in range(most + 100)]

            def shut():
                for i, one in enumerate(many):
                    if is_closed(one):  # The service leaves a silent client: on a slow machine before all of this is done.
                        one.close()
                        many[i] = socket.create_connection(("127.0.0.1", stack.service_port))
                return not stubs.serving(stack.service_address)

            harness.wait_until(lambda: len(os.listdir(f"/proc/{stack.service.process.pid}/fd")) >= most - 64, "the last descriptor")
            harness.wait_until(shut, "no more connections")
            for one in many:
                one.close()
            harness.wait_until(lambda: stubs.serving(stack.service_address), "the service after the storm")

    def test_caps_that_the_settings_tell(self):
        client = self.http2(self.start("--max-streams", "7"))
        while not client.settings:
            self.assertIsNotNone(client.read())
        self.assertEqual(client.settings[MAX_CONCURRENT_STREAMS], 7)
        self.assertEqual(client.settings[MAX_HEADER_LIST_SIZE], 16384)

    def test_caps_of_sizes(self):
        stack = self.start()
        token = stack.issue()
        for more, request in (([("x-filler", "x" * 20000)], b""), ([], b"\x1a\x84\x80\x80\x02" + b"1" * (4 << 20) + b"1234"), ([], b"")):
            with stubs.channel(stack.service_address) as channel:
                call = channel.unary_unary("/callhistory.v1.CallHistoryService/CountCalls").future(
                    request, metadata=[("authorization", "Bearer " + token), *more], timeout=harness.WAIT_SECONDS)
                wanted = grpc.StatusCode.RESOURCE_EXHAUSTED if more or request else grpc.StatusCode.OK
                self.assertEqual(call.code(), wanted, call.details())


class Herd(unittest.TestCase):
    """A server that is away is not stormed by those who wait for it."""

    SECONDS = 3

    def attempts(self, start):
        """Connections that a program makes within a few seconds to a server that closes each at once."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(0.2)
            program = start(listener.getsockname()[1])
            accepted, end = 0, time.monotonic() + self.SECONDS
            try:
                while time.monotonic() < end and accepted < 1000:
                    try:
                        listener.accept()[0].close()
                        accepted += 1
                    except socket.timeout:
                        pass
            finally:
                self.assertEqual(program.stop(), 0)
        return accepted

    def test_the_gateway_backs_off_from_its_service(self):
        def start(port):
            stack = harness.Stack(gateway_options=("--workers", "4"))
            self.addCleanup(stack.stop)
            stack.gateway.arguments[stack.gateway.arguments.index(stack.service_address)] = f"127.0.0.1:{port}"
            stack.gateway.start()
            harness.wait_until(lambda: harness.connects(stack.gateway_port), "the gateway's port")

            def ask():
                for _ in range(200):
                    try:
                        stack.request("GET", headers=harness.NOBODY, timeout=1)
                    except OSError:
                        return

            threading.Thread(target=ask, daemon=True).start()
            return stack.gateway

        # Without backoff four workers would make thousands; doubling from 50 ms, each makes about six.
        self.assertIn(self.attempts(start), range(1, 61))

    def test_the_service_backs_off_from_redis(self):
        def start(port):
            stack = harness.Stack(service_options=("--workers", "4"))
            self.addCleanup(stack.stop)
            stack.service.arguments[stack.service.arguments.index(stack.redis_url)] = f"redis://127.0.0.1:{port}"
            stack.service.start()
            return stack.service

        self.assertIn(self.attempts(start), range(1, 61))


class AtRest(unittest.TestCase):
    def test_a_gateway_without_requests_asks_whether_its_service_is_there(self):
        """A connection that died silently is found before the next request, not by it."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(harness.WAIT_SECONDS)
            stack = harness.Stack(gateway_options=("--workers", "1", "--service", f"127.0.0.1:{listener.getsockname()[1]}"))
            self.addCleanup(stack.stop)
            stack.gateway.start()
            harness.wait_until(lambda: harness.connects(stack.gateway_port), "the gateway's port")
            asked = threading.Thread(target=stack.request, args=("GET", harness.PATH, None, harness.NOBODY))
            asked.start()  # a reason to connect
            server = Http2Server(listener.accept()[0])
            self.addCleanup(server.close)
            while server.pings < 1:
                self.assertIsNotNone(server.read(), "the connection stays")
            asked.join(harness.WAIT_SECONDS)


class Balance(unittest.TestCase):
    """The gateway over several services: by a list, and by a name that DNS resolves."""

    def setUp(self):
        self.first, self.second = harness.Stack(), harness.Stack()
        self.addCleanup(self.first.stop)
        self.addCleanup(self.second.stop)
        self.second.service.arguments += ["--redis", self.first.redis_url]
        self.first.start_redis()
        for stack in (self.first, self.second):
            stack.service.start()
            stack.wait_service()

    def gateway(self, service):
        self.first.gateway.arguments += ["--service", service, "--workers", "1"]
        self.first.gateway.start()
        self.first.wait_ready()

    def calls(self):
        return [metrics.parse(stack.metrics()).value("grpc_server_call_started_total",
                grpc_method="callhistory.v1.CallHistoryService/CountCalls") if stack.service.running() else 0
                for stack in (self.first, self.second)]

    def test_a_list_is_taken_in_turn(self):
        self.gateway(f"{self.first.service_address},{self.second.service_address}")
        # Both connections are there once both have been asked.
        harness.wait_until(lambda: self.first.count("1") == 0 and all(self.calls()), "calls on both")
        before = self.calls()
        for _ in range(40):
            self.assertEqual(self.first.count("1"), 0)
        self.assertGreaterEqual(min(after - start for start, after in zip(before, self.calls())), 10)
        # One of them dies: nobody notices, and when it is back it has its share again.
        self.second.service.kill()
        for _ in range(20):
            self.assertEqual(self.first.count("1"), 0)
        self.second.service.start()
        self.second.wait_service()
        harness.wait_until(lambda: self.first.count("1") == 0 and self.calls()[1] > 0, "its share")

    def test_a_name_is_resolved(self):
        self.gateway(f"dns:///localhost:{self.first.service_port}")
        self.assertEqual(self.first.count("1"), 0)
        self.assertGreater(self.calls()[0], 0)


class Workers(unittest.TestCase):
    def answers(self, workers):
        """What clients on many connections get from both programs with so many workers each."""
        stack = harness.Stack(service_options=("--workers", str(workers)), gateway_options=("--workers", str(workers)))
        self.addCleanup(stack.stop)
        stack.start()
        stack.import_lines([harness.call("0912345678", second) for second in range(40)])
        token = stack.token()

        def http(page):
            fields = {"vbot_id": harness.VBOT, "project_code": harness.PROJECT, "phone": "0912345678", "page": page % 5, "size": 10}
            status, _, body = stack.request("GET", body=json.dumps(fields), headers={"Authorization": "Bearer " + token})
            return page % 5, status, body

        def direct(_):
            with stubs.channel(stack.service_address) as channel:
                history = stubs.history_grpc.CallHistoryServiceStub(channel)
                return history.ListCalls(stubs.history.ListCallsRequest(page_size=15), metadata=[("authorization", "Bearer " + token)],
                                         timeout=harness.WAIT_SECONDS).SerializeToString()

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            pages, lists = set(pool.map(http, range(40))), set(pool.map(direct, range(16)))
        self.assertIn(f"callhistory_workers {workers}\n", stack.metrics())
        self.assertIn(f"callhistory_gateway_workers {workers}\n", stack.metrics(stack.gateway_port))
        self.assertEqual({process.stop() for process in (stack.gateway, stack.service)}, {0})
        return pages, {answer[: answer.rindex(b"\x12")] for answer in lists}

    def test_one_and_four_give_the_same(self):
        one, four = self.answers(1), self.answers(4)
        self.assertEqual(len(one[0]), 5)
        self.assertEqual(len(one[1]), 1)
        self.assertEqual(one, four)

    def test_the_default_is_the_cores_that_the_process_may_use(self):
        cores = os.sched_getaffinity(0)
        self.addCleanup(os.sched_setaffinity, 0, cores)
        for some in ({min(cores)}, cores):
            stack = harness.Stack()
            os.sched_setaffinity(0, some)  # the programs inherit it
            try:
                stack.start()
                self.assertIn(f"callhistory_workers {len(some)}\n", stack.metrics())
                self.assertIn(f"callhistory_gateway_workers {len(some)}\n", stack.metrics(stack.gateway_port))
            finally:
                stack.stop()

    def test_the_port_is_shared_by_all_workers(self):
        """With several workers a socket can join the port, as only sockets that share it can; a plain one can't."""
        stack = harness.Stack(service_options=("--workers", "4"), gateway_options=("--workers", "4"))
        self.addCleanup(stack.stop)
        stack.start()
        for port in (stack.service_port, stack.gateway_port):
            with socket.socket() as joins, socket.socket() as plain:
                joins.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                joins.bind(("127.0.0.1", port))
                with self.assertRaises(OSError):
                    plain.bind(("127.0.0.1", port))
        for process in (stack.service, stack.gateway):
            self.assertGreaterEqual(len(os.listdir(f"/proc/{process.process.pid}/task")), 5, process.name)


if __name__ == "__main__":
    unittest.main()
