"""Clients that ask and never read their answers: others are served meanwhile, the calls end, and a drain waits for them no longer than
its grace."""

import json
import os
import socket
import struct
import time
import unittest

import harness
import metrics
import stubs
from test_connections import PREFACE, SETTINGS, Http2

LIST = "callhistory.v1.CallHistoryService/ListCalls"
NUMBER = "0944000001"
HEADERS, DATA, END_STREAM, END_HEADERS = 1, 0, 1, 4
INITIAL_WINDOW_SIZE = 4
STREAMS = 10


def headers(*pairs):
    """A header block without compression and without a table."""
    block = b""
    for name, value in pairs:
        block += b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
    return block


def frame(kind, flags, stream, payload):
    return len(payload).to_bytes(3, "big") + struct.pack(">BBI", kind, flags, stream) + payload


class Unread(unittest.TestCase):
    def start(self, gateway_options=(), service_options=()):
        # Under a sanitizer a page takes long to write.
        stack = harness.Stack(("--timeout", "60000", *gateway_options), service_options)
        self.addCleanup(stack.stop)
        stack.start()
        # A page of about half a MiB.
        stack.import_lines([harness.call(NUMBER, second, record_file=["https://recordings.example.vn/" + "x" * 300 + f"/{second}.mp3"])
                            for second in range(1000)])
        self.assertEqual(stack.count(NUMBER), 1000)
        return stack

    def ask_without_reading(self, stack, *more):
        """Many calls on one connection whose windows stay shut."""
        connection = socket.create_connection(("127.0.0.1", stack.service_port), timeout=harness.WAIT_SECONDS)
        self.addCleanup(connection.close)
        request = stubs.history.ListCallsRequest(project_code=harness.PROJECT, vbot_id=harness.VBOT, phone=NUMBER,
                                                 page_size=1000).SerializeToString()
        connection.sendall(PREFACE + Http2.frame(SETTINGS, 0, struct.pack(">HI", INITIAL_WINDOW_SIZE, 0)))
        block = headers((":method", "POST"), (":scheme", "http"), (":path", "/" + LIST), (":authority", "test"),
                        ("content-type", "application/grpc"), ("te", "trailers"), ("authorization", "Bearer " + stack.token()), *more)
        for stream in range(1, 2 * STREAMS, 2):
            connection.sendall(frame(HEADERS, END_HEADERS, stream, block) +
                               frame(DATA, END_STREAM, stream, b"\0" + struct.pack(">I", len(request)) + request))
        return connection

    def others_are_served(self, stack):
        for _ in range(20):
            self.assertEqual(stack.count(NUMBER), 1000)

    def test_calls_with_a_deadline_end_with_it(self):
        stack = self.start(service_options=("--workers", "1"))
        before = metrics.parse(stack.metrics()).count("grpc_server_call_duration_seconds", grpc_method=LIST)
        self.ask_without_reading(stack, ("grpc-timeout", "5S"))

        def ended():
            self.others_are_served(stack)
            return metrics.parse(stack.metrics()).count("grpc_server_call_duration_seconds", grpc_method=LIST) - before == STREAMS

        harness.wait_until(ended, "the calls' end")

    def test_the_service_drains(self):
        """Calls that nobody reads, without a deadline: they end with the grace, not with the client."""
        stack = self.start(service_options=("--workers", "1", "--grace", "2"))
        self.ask_without_reading(stack)
        self.others_are_served(stack)
        self.assertEqual(stack.service.stop(), 0, stack.service.log_text())

    def unread_http(self, stack, count):
        """Connections that have asked for a long page again and again and take nothing."""
        body = json.dumps({"project_code": harness.PROJECT, "vbot_id": harness.VBOT, "phone": NUMBER, "page": 1, "size": 1000})
        data = (f"GET {harness.PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {stack.token()}\r\n"
                f"Content-Length: {len(body)}\r\n\r\n{body}").encode()
        connections = []
        for _ in range(count):
            connection = socket.socket()
            self.addCleanup(connection.close)
            # What the kernel takes for a client that does not read is less than one answer.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", stack.gateway_port))
            connection.sendall(data * 20)
            connections.append(connection)
        return connections

    def test_http_connections_that_are_not_read_are_closed(self):
        stack = self.start(gateway_options=("--workers", "1"))
        established, local = "01", f":{stack.gateway_port:04X}"

        def connections():
            """Those that the gateway has open, by the kernel's table."""
            with open("/proc/net/tcp", encoding="ascii") as table:
                rows = [line.split() for line in table]
            return sum(row[1].endswith(local) and row[3] == established for row in rows)

        self.unread_http(stack, 10)
        harness.wait_until(lambda: connections() >= 10, "the connections")

        def closed():
            self.others_are_served(stack)
            return connections() < 5

        # A client has a minute to take its answer.
        harness.wait_until(closed, "the end of connections that take nothing", 60 + harness.WAIT_SECONDS)
        self.assertEqual(metrics.parse(stack.metrics(stack.gateway_port)).value("http_server_active_requests"), 0)

    def test_the_gateway_drains(self):
        stack = self.start(gateway_options=("--grace", "2", "--workers", "1"))
        self.unread_http(stack, 5)
        time.sleep(0.2)
        self.others_are_served(stack)
        self.assertEqual(stack.gateway.stop(), 0, stack.gateway.log_text())


if __name__ == "__main__":
    unittest.main()
