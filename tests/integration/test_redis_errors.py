"""An error in any round trip of a request, not only in the first: never an answer that leaves something out, and never a hang.

A proxy between callhistoryd and a real Redis turns the n-th reply after it was armed into an error, for n = 1, 2, … until the
request needs fewer.
"""

import os
import socket
import threading
import unittest

import grpc

import harness
import stubs

REPLIES_MAX = 60
STATUSES = {
    "ERR injected": grpc.StatusCode.INTERNAL,
    "WRONGTYPE injected": grpc.StatusCode.DATA_LOSS,
    "OOM injected": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "NOPERM injected": grpc.StatusCode.INTERNAL,
}
ERRORS = tuple(STATUSES)


def reply_end(data, at):
    """Where the reply that begins at `at` ends; None when not all of it is there."""
    line = data.find(b"\r\n", at)
    if line < 0:
        return None
    kind, end = data[at : at + 1], line + 2
    if kind == b"$":
        end += max(int(data[at + 1 : line]), -2) + 2
        return end if end <= len(data) else None
    if kind == b"*":
        for _ in range(int(data[at + 1 : line])):
            end = reply_end(data, end)
            if end is None:
                return None
    return end


class Proxy:
    """Passes bytes on, and replaces one reply."""

    def __init__(self, path, redis):
        self.redis, self.lock, self.left, self.error = redis, threading.Lock(), 0, b""
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        threading.Thread(target=self.accept, daemon=True).start()

    def arm(self, number, error):
        with self.lock:
            self.left, self.error = number, b"-" + error.encode() + b"\r\n"

    def disarm(self):
        """Whether the reply did not come."""
        with self.lock:
            left, self.left, self.error = self.left, 0, b""
            return left > 0

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            server = socket.socket(socket.AF_UNIX)
            server.connect(self.redis)
            threading.Thread(target=self.requests, args=(client, server), daemon=True).start()
            threading.Thread(target=self.replies, args=(server, client), daemon=True).start()

    @staticmethod
    def close(*sockets):
        for each in sockets:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def requests(self, client, server):
        try:
            while data := client.recv(65536):
                server.sendall(data)
        except OSError:
            pass
        self.close(client, server)

    def replies(self, server, client):
        data = b""
        try:
            while more := server.recv(65536):
                data += more
                while data and (end := reply_end(data, 0)) is not None:
                    client.sendall(self.changed(data[:end]))
                    data = data[end:]
        except OSError:
            pass
        self.close(client, server)

    def changed(self, reply):
        with self.lock:
            self.left -= self.left > 0
            if self.left or not self.error:
                return reply
            reply, self.error = self.error, b""
            return reply


class RedisErrors(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = harness.Stack(service_options=("--workers", "1"))
        cls.addClassCleanup(cls.stack.stop)
        path = os.path.join(cls.stack.folder, "proxy.sock")
        cls.stack.service.arguments[cls.stack.service.arguments.index(cls.stack.redis_url)] = "unix://" + path
        cls.stack.start_redis()
        cls.proxy = Proxy(path, cls.stack.redis_socket)
        cls.stack.service.start()
        cls.stack.wait_service()
        cls.channel = stubs.channel(cls.stack.service_address)
        cls.addClassCleanup(cls.channel.close)
        cls.writer = cls.stack.issue("writer")
        # The second external number of a call has a reference to it: another round trip.
        calls = [stubs.call(f"09{i % 3:08}", i) for i in range(12)]
        for i, call in enumerate(calls):
            for member in range(1 + i % 2):
                call.callees.add(phone=f"{200 + member}", member_no=f"{200 + member}")
        calls[0].callees.add(phone="0977777777")
        cls.calls = sorted((call.id for call in calls), key=lambda id: -int(id.split("/")[1]))
        cls.record(calls)

    @classmethod
    def record(cls, calls):
        request = stubs.ingest.RecordCallsRequest(project_code=harness.PROJECT, vbot_id=harness.VBOT, calls=calls)
        return stubs.ingest_grpc.CallIngestServiceStub(cls.channel).RecordCalls(
            request, metadata=[("authorization", "Bearer " + cls.writer)], timeout=harness.WAIT_SECONDS)

    def each_reply_fails(self, ask, right):
        """Calls ask(token) with every one of its replies as an error; gives how many replies it needs."""
        for number in range(1, REPLIES_MAX + 1):
            for error in (ERRORS[0], ERRORS[1 + number % 3]):
                # A fresh token: its check is a round trip, too.
                token = self.stack.issue("writer")
                self.proxy.arm(number, error)
                try:
                    answer = ask([("authorization", "Bearer " + token)])
                except grpc.RpcError as failure:
                    self.proxy.disarm()
                    self.assertIn(failure.code(), (STATUSES[error], grpc.StatusCode.UNAVAILABLE), (number, error))
                    self.assertNotIn("injected", failure.details())
                    continue
                if not self.proxy.disarm():
                    # An error that was answered all the same, perhaps by a second try, must not show in the answer.
                    self.assertEqual(answer, right, (number, error))
                    continue
                self.assertEqual(answer, right)
                return number - 1
        self.fail(f"more than {REPLIES_MAX} replies")

    def list_of(self, **query):
        stub = stubs.history_grpc.CallHistoryServiceStub(self.channel)
        request = stubs.history.ListCallsRequest(project_code=harness.PROJECT, vbot_id=harness.VBOT, page_size=4, **query)

        def ask(metadata):
            answer = stub.ListCalls(request, metadata=metadata, timeout=harness.WAIT_SECONDS)
            return [call.id for call in answer.calls], answer.next_page_token

        return ask, ask([("authorization", "Bearer " + self.writer)])

    def test_lists(self):
        needed = {}
        for name, query in (("tenant", {}), ("number", {"phone": "0900000002"}), ("extension", {"phone": "200"}),
                            ("page", {"phone": "200", "page": 2}), ("reference", {"phone": "0977777777"}), ("filter", {"filter": {"member_no": "201"}})):
            with self.subTest(query=query):
                ask, right = self.list_of(**query)
                self.assertTrue(right[0])
                needed[name] = self.each_reply_fails(ask, right)
        # The token, the set of the number, and the calls that it refers to.
        self.assertGreaterEqual(max(needed.values()), 3, needed)

    def test_counts_and_single_calls(self):
        stub = stubs.history_grpc.CallHistoryServiceStub(self.channel)
        tenant = {"project_code": harness.PROJECT, "vbot_id": harness.VBOT}
        for method, request, right in (
            (stub.CountCalls, stubs.history.CountCallsRequest(phone="200", **tenant), 12),
            (stub.CountCalls, stubs.history.CountCallsRequest(phone="200", filter={"member_no": "201"}, **tenant), 6),
            (stub.GetCall, stubs.history.GetCallRequest(id=self.calls[7], **tenant), self.calls[7]),
        ):
            with self.subTest(request=str(request)):
                def ask(metadata):
                    answer = method(request, metadata=metadata, timeout=harness.WAIT_SECONDS)
                    return answer.call.id if hasattr(answer, "call") else answer.count

                self.assertGreaterEqual(self.each_reply_fails(ask, right), 2)

    def test_after_an_error_all_is_right_again(self):
        ask, right = self.list_of(phone="200")
        self.assertEqual(ask([("authorization", "Bearer " + self.writer)]), right)
        self.assertTrue(stubs.serving(self.stack.service_address))


if __name__ == "__main__":
    unittest.main()
