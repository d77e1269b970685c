"""Clients that ask and never read their answers: others are served meanwhile, the calls end, and a drain waits for them no longer than
its grace."""

import contextlib
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
HEADERS, DATA, WINDOW_UPDATE, END_STREAM, END_HEADERS = 1, 0, 8, 1, 4
INITIAL_WINDOW_SIZE, WINDOW_MAX = 4, 2**31 - 1
STREAMS = 10
RECEIVE_BUFFER = 4096  # of clients that do not read: less than one answer
UNSENT_MAX = 512 * 1024  # what a program's kernel may keep for one of them
ESTABLISHED = "01"


def unsent(port):
    """Bytes that the kernel keeps for each connection that the program on the port has open, by the kernel's table."""
    rows = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(FileNotFoundError), open(table, encoding="ascii") as lines:
            rows += [line.split() for line in lines]
    return [int(row[4].split(":")[0], 16) for row in rows if row[1].endswith(f":{port:04X}") and row[3] == ESTABLISHED]


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

    def connect_without_reading(self, port):
        connection = socket.socket()
        self.addCleanup(connection.close)
        connection.settimeout(harness.WAIT_SECONDS)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        connection.connect(("127.0.0.1", port))
        return connection

    def ask_without_reading(self, stack, *more, window=0):
        """Many calls on one connection whose windows stay shut, or are of a size."""
        connection = self.connect_without_reading(stack.service_port)
        request = stubs.history.ListCallsRequest(project_code=harness.PROJECT, vbot_id=harness.VBOT, phone=NUMBER,
                                                 page_size=1000).SerializeToString()
        connection.sendall(PREFACE + Http2.frame(SETTINGS, 0, struct.pack(">HI", INITIAL_WINDOW_SIZE, window)))
        if window:
            connection.sendall(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", window - 65535)))
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
        harness.wait_until(lambda: metrics.parse(stack.metrics()).value("callhistory_memory_used_bytes") == 0, "the answers' end")

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
            connection = self.connect_without_reading(stack.gateway_port)
            connection.sendall(data * 20)
            connections.append(connection)
        return connections

    def test_http_connections_that_are_not_read_are_closed(self):
        stack = self.start(gateway_options=("--workers", "1"))
        self.unread_http(stack, 10)
        harness.wait_until(lambda: len(unsent(stack.gateway_port)) >= 10, "the connections")

        def closed():
            self.others_are_served(stack)
            return len(unsent(stack.gateway_port)) < 5

        # A client has a minute to take its answer.
        harness.wait_until(closed, "the end of connections that take nothing", 60 + harness.WAIT_SECONDS)
        self.assertEqual(metrics.parse(stack.metrics(stack.gateway_port)).value("http_server_active_requests"), 0)

    def few_bytes_are_unsent(self, stack, port):
        """Whatever a client does not read, the kernel keeps little of it: half a MiB a page, and many pages were asked for."""
        harness.wait_until(lambda: max(unsent(port), default=0) > 0, "an answer that is not read")
        for _ in range(5):
            self.others_are_served(stack)
            self.assertLess(max(unsent(port)), UNSENT_MAX)

    def test_the_kernel_keeps_little_for_http_clients(self):
        stack = self.start()
        self.unread_http(stack, 5)
        self.few_bytes_are_unsent(stack, stack.gateway_port)

    def test_the_kernel_keeps_little_for_grpc_clients(self):
        stack = self.start()
        self.ask_without_reading(stack, window=WINDOW_MAX)
        self.few_bytes_are_unsent(stack, stack.service_port)

    def test_the_gateway_drains(self):
        stack = self.start(gateway_options=("--grace", "2", "--workers", "1"))
        self.unread_http(stack, 5)
        time.sleep(0.2)
        self.others_are_served(stack)
        self.assertEqual(stack.gateway.stop(), 0, stack.gateway.log_text())


if __name__ == "__main__":
    unittest.main()
