"""SIGTERM while connections wait in the listen backlog, or while requests and answers are under way: whoever has connected gets a whole
answer, not a reset."""

import json
import signal
import socket
import time
import unittest

import grpc

import harness
import stubs

NUMBER = "0945000001"
# More than a worker accepts at a time.
CLIENTS = 200


class Backlog(unittest.TestCase):
    def setUp(self):
        self.stack = harness.Stack(gateway_options=("--workers", "1"), service_options=("--workers", "2"))
        self.addCleanup(self.stack.stop)
        self.stack.start()
        self.stack.import_lines([harness.call(NUMBER, second) for second in range(3)])
        self.assertEqual(self.stack.count(NUMBER), 3)

    def stop_and_go(self, process, connect):
        """Lets clients connect to a program that stands still, sends it SIGTERM, and lets it go on; gives what connect() gave."""
        process.signal(harness.SIGSTOP)
        try:
            made = [connect() for _ in range(CLIENTS)]
            process.signal(signal.SIGTERM)
        finally:
            process.signal(harness.SIGCONT)
        return made

    def test_http_connections_in_the_backlog_are_answered(self):
        body = json.dumps({"project_code": harness.PROJECT, "vbot_id": harness.VBOT, "phone": NUMBER})
        data = (f"GET {harness.PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.stack.token()}\r\n"
                f"Content-Length: {len(body)}\r\n\r\n{body}").encode()

        def connect():
            connection = socket.create_connection(("127.0.0.1", self.stack.gateway_port), timeout=harness.WAIT_SECONDS)
            self.addCleanup(connection.close)
            connection.sendall(data)
            return connection

        for connection in self.stop_and_go(self.stack.gateway, connect):
            answer = b""
            while more := connection.recv(65536):
                answer += more
            head, _, rest = answer.partition(b"\r\n\r\n")
            self.assertTrue(head.startswith(b"HTTP/1.1 200 "), answer)
            self.assertEqual(json.loads(rest)["data"], 3)
        harness.wait_until(lambda: not self.stack.gateway.running(), "the end of the gateway")
        self.assertEqual(self.stack.gateway.process.returncode, 0)

    def test_grpc_connections_in_the_backlog_are_answered_or_sent_elsewhere(self):
        """A client hears at once: an answer, or UNAVAILABLE, which says that it may ask another server."""
        metadata = [("authorization", "Bearer " + self.stack.token())]
        request = stubs.history.CountCallsRequest(project_code=harness.PROJECT, vbot_id=harness.VBOT, phone=NUMBER)

        def connect():
            channel = stubs.channel(self.stack.service_address, None, ("grpc.enable_retries", 0))
            self.addCleanup(channel.close)
            call = stubs.history_grpc.CallHistoryServiceStub(channel).CountCalls.future(
                request, metadata=metadata, timeout=harness.WAIT_SECONDS)
            return call

        calls = self.stop_and_go(self.stack.service, connect)
        for call in calls:
            if call.code() == grpc.StatusCode.OK:
                self.assertEqual(call.result().count, 3)
            else:
                self.assertEqual(call.code(), grpc.StatusCode.UNAVAILABLE, call.details())
        harness.wait_until(lambda: not self.stack.service.running(), "the end of the service")
        self.assertEqual(self.stack.service.process.returncode, 0)


class UnderWay(harness.StackTest):
    gateway_options = ("--workers", "1", "--grace", "600", "--timeout", "60000", "--request-timeout", "600")

    def connect(self):
        connection = socket.socket()
        self.addCleanup(connection.close)
        connection.settimeout(harness.WAIT_SECONDS)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
        connection.connect(("127.0.0.1", self.stack.gateway_port))
        return connection

    def test_slow_clients_have_the_grace(self):
        """Idle connections have a second of it; who still reads an answer or sends a request has all of it."""
        # A page of 19 MB: far more than the kernel takes for a client that does not read.
        stubs.record(self.stack, (stubs.call(NUMBER, second, recordings=["\x01" * 4000] * 8) for second in range(100)))
        body = json.dumps({"project_code": harness.PROJECT, "vbot_id": harness.VBOT, "phone": NUMBER, "page": 1, "size": 100}).encode()
        data = (f"POST {harness.PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.stack.token()}\r\n"
                f"Content-Length: {len(body)}\r\n\r\n").encode() + body
        reader, sender = self.connect(), self.connect()
        reader.sendall(data)
        sender.sendall(data[:-20])
        begun = reader.recv(1000)
        self.stack.gateway.signal(signal.SIGTERM)
        harness.wait_until(lambda: "draining" in self.stack.gateway.log_text(), "the drain")
        time.sleep(2)  # longer than an idle connection has
        sender.sendall(data[-20:])
        # The reader's connection is not closed after its answer, which began before the drain, but with the gateway.
        for connection, begin in ((sender, b""), (reader, begun)):
            answer = bytearray(begin)
            while more := connection.recv(65536):
                answer += more
            head, _, rest = answer.partition(b"\r\n\r\n")
            self.assertTrue(head.startswith(b"HTTP/1.1 200 "), head)
            self.assertEqual(len(json.loads(rest)["data"]), 100)
            connection.close()
        harness.wait_until(lambda: not self.stack.gateway.running(), "the end of the gateway")
        self.assertEqual(self.stack.gateway.process.returncode, 0)


if __name__ == "__main__":
    unittest.main()
