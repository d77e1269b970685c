"""What a client without a token may send costs the service little memory, and others are served meanwhile.

The service runs in a cgroup of its Pod's size where that is possible (cgroups.py), so that the kernel would kill it.
"""

import contextlib
import http.client
import json
import re
import socket
import threading
import unittest

import grpc

import cgroups
import harness
import http2
import stubs

COUNT = "/callhistory.v1.CallHistoryService/CountCalls"
# A sanitizer slows a flood down so much that the other client's requests may wait 1.5 s for Redis in vain: UNAVAILABLE.
EFFORT = 8 if harness.SANITIZED else 1


def reset_peak(process):
    with open(f"/proc/{process.process.pid}/clear_refs", "w", encoding="ascii") as file:
        file.write("5")


def peak(process):
    """The most resident memory since reset_peak(), in MiB."""
    with open(f"/proc/{process.process.pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    raise AssertionError("no VmHWM")


def resident(process):
    """The resident memory at this time, in MiB."""
    with open(f"/proc/{process.process.pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096 / 1048576


class Survival(unittest.TestCase):
    def assert_grown_less(self, grown, limit):
        """grown, limit: MiB."""
        if not harness.SANITIZED:
            self.assertLess(grown, limit)

    def start(self, *options):
        stack = harness.Stack(service_options=options, in_pods=True)
        self.addCleanup(stack.stop)
        stack.start_redis()
        stack.service.start()
        stack.wait_service()
        return stack

    def test_a_message_is_not_unpacked_for_a_client_without_a_token(self):
        """Two bytes ask for a struct of hundreds: 24 requests of 512 KiB took 1.7 GiB."""
        stack = self.start()
        reset_peak(stack.service)
        before = peak(stack.service)
        body = b"\x1a\x00" * (256 << 10)
        with stubs.channel(stack.service_address) as channel:
            record = channel.unary_unary("/callhistory.v1.CallIngestService/RecordCalls")
            calls = [record.future(body, metadata=[("authorization", f"Bearer none{i}")], timeout=harness.WAIT_SECONDS)
                     for i in range(24)]
            self.assertEqual({call.code() for call in calls}, {grpc.StatusCode.UNAUTHENTICATED})
        self.assert_grown_less(peak(stack.service) - before, 64)

    def test_the_budget_is_a_share_of_the_pods_limit(self):
        """Three eighths, by default: of the cgroup, where the machine lets a test make one."""
        stack = self.start()
        budget = int(re.search(r"callhistory_memory_budget_bytes (\d+)", stack.metrics()).group(1))
        if harness.SANITIZED:  # no limit but the machine's
            self.assertGreater(budget, 0)
        else:
            self.assertEqual(budget, cgroups.pod_limit("callhistoryd") * 3 // 8)

    def closed(self, stack, reason):
        return int(re.search(r'connections_closed_total{reason="%s"} (\d+)' % reason, stack.metrics()).group(1))

    @contextlib.contextmanager
    def another_client(self, stack):
        """A client with a token that goes on asking meanwhile, on one connection; each of its requests must be answered."""
        token, stop, failed, answered = stack.token(), threading.Event(), [], []

        def ask():
            with stubs.channel(stack.service_address) as channel:
                count = stubs.history_grpc.CallHistoryServiceStub(channel).CountCalls
                while not stop.is_set():
                    try:
                        count(stubs.history.CountCallsRequest(), metadata=[("authorization", "Bearer " + token)],
                              timeout=harness.WAIT_SECONDS)
                        answered.append(1)
                    except grpc.RpcError as error:
                        if not harness.SANITIZED or error.code() != grpc.StatusCode.UNAVAILABLE:
                            failed.append(str(error))
                    stop.wait(0.005)

        thread = threading.Thread(target=ask)
        thread.start()
        harness.wait_until(lambda: answered or failed, "the first answer")
        try:
            yield
        finally:
            before = len(answered)
            harness.wait_until(lambda: len(answered) > before or failed, "an answer afterwards")
            stop.set()
            thread.join()
        self.assertEqual(failed, [])

    def connections(self, stack, count):
        for _ in range(count):
            made = http2.connect(stack.service_port)
            self.addCleanup(made.close)
            yield made

    def test_requests_that_are_reset_at_once(self):
        """CVE-2023-44487: one connection that sends nothing else, and many that stay below the limit of one."""
        stack = self.start()
        block = http2.headers(COUNT)
        for connections, pairs in ((1, 100000 // EFFORT), (20, 4000 // EFFORT)):
            with self.another_client(stack):
                reset_peak(stack.service)
                before = peak(stack.service)
                for connection in self.connections(stack, connections):
                    for start in range(0, pairs, 500):
                        data = b"".join(
                            http2.frame(http2.HEADERS, http2.END_HEADERS, stream, block) +
                            http2.frame(http2.RST_STREAM, 0, stream, b"\0\0\0\x08") for stream in range(2 * start + 1, 2 * (start + 500) + 1, 2))
                        if not http2.send(connection, data):
                            break
            grown = peak(stack.service) - before
            print(f"resets on {connections} connections: {grown:.0f} MiB")
            self.assert_grown_less(grown, 160)
        # Who did that makes few new connections for a while; a slow server has yet to read what was sent.
        harness.wait_until(lambda: list(self.connections(stack, 10)) and self.closed(stack, "connections_after_resets") > 0, "the refusals")

    def test_header_blocks_without_an_end(self):
        stack = self.start()
        with self.another_client(stack):
            reset_peak(stack.service)
            before = peak(stack.service)
            for connection in self.connections(stack, 8):
                http2.send(connection, http2.frame(http2.HEADERS, 0, 1, http2.headers(COUNT)))
                data = http2.frame(http2.CONTINUATION, 0, 1, http2.field(b"x-filler", b"y" * 100) * 140) * 64
                for _ in range(64):
                    if not http2.send(connection, data):
                        break
                self.assertTrue(http2.closed(connection))
            self.assertEqual(self.closed(stack, "header_block"), 8)
        self.assert_grown_less(peak(stack.service) - before, 32)

    def test_requests_that_never_arrive(self):
        """40 connections with 1,000 requests each that don't end: the most that wait at a time is bounded, and none waits for long."""
        stack = self.start("--request-timeout", "2")
        block = http2.headers(COUNT)
        with self.another_client(stack):
            reset_peak(stack.service)
            before = peak(stack.service)
            made = list(self.connections(stack, 40))
            for connection in made:
                http2.send(connection, b"".join(
                    http2.frame(http2.HEADERS, http2.END_HEADERS, stream, block) +
                    http2.frame(http2.DATA, 0, stream, b"\0\0\x08") for stream in range(1, 2000, 2)))
            for connection in made:
                self.assertTrue(http2.closed(connection))
            grown = peak(stack.service) - before
            print(f"unfinished requests: {grown:.0f} MiB")
            self.assert_grown_less(grown, 160)
            self.assertGreater(self.closed(stack, "unfinished_requests"), 0)
            # On a busy machine all of them are closed as too many; one with a single request never is.
            for connection in self.connections(stack, 1):
                http2.send(connection, http2.frame(http2.HEADERS, http2.END_HEADERS, 1, block) + http2.frame(http2.DATA, 0, 1, b"\0\0\x08"))
                self.assertTrue(http2.closed(connection))
            self.assertGreater(self.closed(stack, "slow_request"), 0)

    def test_messages_that_never_end(self):
        """Each of 4 MiB but for the last byte. Unfinished requests may take a third of --max-memory."""
        stack = self.start("--request-timeout", "5", "--max-memory", "192")
        with self.another_client(stack):
            reset_peak(stack.service)
            before = peak(stack.service)
            threads, sent = [], []
            for connection in self.connections(stack, 60):
                def fill(connection=connection):
                    http2.send(connection, http2.frame(http2.HEADERS, http2.END_HEADERS, 1, http2.headers(COUNT)))
                    sent.append(http2.Sender(connection, 1).send(b"\0\0\x40\0\0" + bytes((4 << 20) - 1)))
                    http2.closed(connection)
                threads.append(threading.Thread(target=fill))
                threads[-1].start()
            for thread in threads:
                thread.join()
            grown = peak(stack.service) - before
            print(f"unfinished messages: {grown:.0f} MiB, sent {sum(sent) / 1048576:.0f} MiB")
            self.assert_grown_less(grown, 200)

    def test_answers_that_nobody_takes(self):
        """Whole requests, without a token and without end: gRPC limits streams only once its settings are acknowledged."""
        stack = self.start()
        block = http2.headers(COUNT)
        with self.another_client(stack):
            reset_peak(stack.service)
            before = peak(stack.service)
            for connection in self.connections(stack, 16):
                for start in range(1, 40000 // EFFORT, 200):
                    if not http2.send(connection, b"".join(
                            http2.frame(http2.HEADERS, http2.END_HEADERS | http2.END_STREAM, stream, block)
                            for stream in range(start, start + 200, 2))):
                        break
            grown = peak(stack.service) - before
            print(f"answers not taken: {grown:.0f} MiB")
            self.assert_grown_less(grown, 200)
        if not harness.SANITIZED:
            self.assertGreater(self.closed(stack, "streams") + self.closed(stack, "unfinished_requests"), 0)

    @staticmethod
    def while_redis_is_silent(stack, record, request, metadata):
        """How 100 requests end that are sent at once."""
        stack.redis.signal(harness.SIGSTOP)
        try:
            calls = [record[number % len(record)].future(request, metadata=metadata, timeout=5) for number in range(100)]
            return [call.code() for call in calls]
        finally:
            stack.redis.signal(harness.SIGCONT)

    def test_requests_that_wait_for_redis(self):
        """100 valid requests of 666 KiB while Redis is silent took 594 MiB: their bytes are bounded, and those beyond refused at once."""
        stack = self.start("--max-memory", "16")
        token = stack.token("writer")
        request = stubs.ingest.RecordCallsRequest(project_code=harness.PROJECT, vbot_id=harness.VBOT)
        for number in range(1000):
            call = request.calls.add()
            call.CopyFrom(stubs.call("0912345678", number))
            for party in range(20):
                call.callees.add(phone=f"{party:020}")
        metadata, request = [("authorization", "Bearer " + token)], request.SerializeToString()
        with contextlib.ExitStack() as channels:
            # Packed once: a busy machine would pack so slowly that the first ones have failed before the last ones come.
            record = [channels.enter_context(stubs.channel(stack.service_address)).unary_unary(
                "/callhistory.v1.CallIngestService/RecordCalls") for _ in range(8)]
            for one in record:
                one(request, metadata=metadata, timeout=harness.WAIT_SECONDS)
            reset_peak(stack.service)
            before = peak(stack.service)
            # On a busy machine it may take several attempts; with a sanitizer the service is always too slow.
            for _ in range(1 if harness.SANITIZED else 5):
                codes = self.while_redis_is_silent(stack, record, request, metadata)
                if grpc.StatusCode.RESOURCE_EXHAUSTED in codes:
                    break
                harness.wait_until(lambda: stubs.serving(stack.service_address), "Redis")
            else:
                self.assertTrue(harness.SANITIZED, "none was refused")
            grown = peak(stack.service) - before
            print(f"requests that wait: {grown:.0f} MiB, {codes.count(grpc.StatusCode.RESOURCE_EXHAUSTED)} refused")
            self.assertNotIn(grpc.StatusCode.OK, codes)
            self.assert_grown_less(grown, 64)
            # What was in use is given back.
            harness.eventually(lambda: self.assertIn("callhistory_memory_used_bytes 0\n", stack.metrics()))
            harness.wait_until(lambda: stubs.serving(stack.service_address), "Redis")
            record[0](request, metadata=metadata, timeout=harness.WAIT_SECONDS)

    def test_more_connections_than_allowed(self):
        stack = self.start("--max-connections", "200", "--max-connections-per-address", "100")
        with self.another_client(stack):
            made = list(self.connections(stack, 150))
            harness.wait_until(lambda: self.closed(stack, "connections_per_address") >= 50, "the refusals")
            ended = 0
            for connection in made:
                connection.settimeout(0.2)
                with contextlib.suppress(socket.timeout):
                    ended += http2.closed(connection)
            self.assertGreaterEqual(ended, 50, "a connection too many is closed, not left waiting")

    def test_connections_that_stay_silent(self):
        """Before their preface they have 10 s, afterwards the idle time, and then they end."""
        stack = self.start("--max-connection-idle", "1")
        with self.another_client(stack):
            made = [socket.create_connection(("127.0.0.1", stack.service_port), timeout=harness.WAIT_SECONDS) for _ in range(20)]
            for connection in made:
                self.addCleanup(connection.close)
            for connection in (*made, *self.connections(stack, 20)):
                self.assertTrue(http2.closed(connection))

    def test_memory_is_given_back_when_idle(self):
        """A thousand connections ask for pages of all sizes at once: what that leaves in pieces goes back to the system."""
        stack = harness.Stack(gateway_options=("--timeout", "30000"))
        self.addCleanup(stack.stop)
        stack.start()
        number, programs = "0912000778", (stack.service, stack.gateway)
        stack.import_lines([harness.call(number, second) for second in range(1000)])
        fields = {"vbot_id": harness.VBOT, "project_code": harness.PROJECT, "phone": number, "page": 1}
        headers = {"Authorization": "Bearer " + stack.token()}
        small = [resident(program) for program in programs]
        for program in programs:
            reset_peak(program)
        made = [http.client.HTTPConnection("127.0.0.1", stack.gateway_port, timeout=harness.WAIT_SECONDS) for _ in range(1000 // EFFORT)]
        for size, count in ((1, 1000), (10, 1000), (100, 1000), (1000, 64)):
            count //= EFFORT
            for connection in made[:count]:
                connection.request("GET", harness.PATH, json.dumps({**fields, "size": size}), headers)
            for connection in made[:count]:
                answer = connection.getresponse()
                self.assertEqual((answer.status, len(json.loads(answer.read())["data"])), (200, size))
        for connection in made:
            connection.close()
        for program, before in zip(programs, small):
            most = peak(program)
            harness.eventually(lambda: self.assert_grown_less(resident(program) - before, max((most - before) / 2, 8)), 30)
            print(f"{program.name}: {before:.0f} MiB, {most:.0f} at most, {resident(program):.0f} afterwards")

    def test_silent_connections_to_the_port_of_metrics(self):
        """A probe of another address is answered meanwhile; what is too much is closed, not left waiting."""
        stack = self.start()
        made = []
        for _ in range(300):
            made.append(socket.create_connection(("127.0.0.1", stack.metrics_port), harness.WAIT_SECONDS, ("127.0.0.2", 0)))
            self.addCleanup(made[-1].close)
        for _ in range(20):
            self.assertIn("callhistory_workers", stack.metrics())
        self.assertTrue(http2.closed(made[-1]))

    def test_other_protocols_are_named_once(self):
        stack = self.start()
        for sent, reason in ((b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "http1"), (b"\x16\x03\x01\x00\xa5\x01", "tls")):
            for _ in range(50):
                with socket.create_connection(("127.0.0.1", stack.service_port), timeout=harness.WAIT_SECONDS) as connection:
                    connection.sendall(sent)
                    self.assertTrue(http2.closed(connection))
            self.assertEqual(self.closed(stack, reason), 50)
            harness.wait_until(lambda: f'"reason":"{reason}"' in stack.service.log_text(), "the line")
            self.assertLessEqual(stack.service.log_text().count(f'"reason":"{reason}"'), 2)


if __name__ == "__main__":
    unittest.main()
