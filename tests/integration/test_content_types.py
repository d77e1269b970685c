"""The content type of a gRPC request: 415 for what is not application/grpc, and nothing of it is executed."""

import shutil
import subprocess
import unittest

import harness
import http2
import stubs
import test_tls

GRPC = (b"application/grpc",), (b"application/grpc+proto",), (b"application/grpc; x=y",), (b"APPLICATION/gRPC",), (
    b"application/grpc", b"application/grpc+proto")
OTHER = (b"application/grpc-web",), (b"application/json",), (b"text/plain",), (b"",), (b"\xff" * 200,), (), (
    b"text/plain", b"application/grpc")
COUNT, RECORD = "callhistory.v1.CallHistoryService/CountCalls", "callhistory.v1.CallIngestService/RecordCalls"
TE = (b"te", b"trailers")


def status(frames):
    """(HTTP status, the last header block) of an answer."""
    kind, block = frames[0]
    assert kind == http2.HEADERS, frames
    if block.startswith(b"\x88"):
        return 200, frames[-1][1]
    assert block.startswith(b"\0\x07:status\x03"), block
    return int(block[10:13]), frames[-1][1]


class Requests:
    """What is true with and without TLS. A class has connect(), reader and writer (tokens), and stack."""

    def request(self, stream, path, types, message=b"", more=(), end=True):
        token = self.writer if path == RECORD else self.reader
        fields = [(b":method", b"POST"), (b":scheme", b"http"), (b":authority", b"localhost"), (b":path", b"/" + path.encode()),
                  (b"authorization", b"Bearer " + token.encode()), *more, *((b"content-type", value) for value in types)]
        return (http2.frame(http2.HEADERS, http2.END_HEADERS, stream, b"".join(http2.field(*one) for one in fields)) +
                http2.frame(http2.DATA, http2.END_STREAM if end else 0, stream, b"\0" + len(message).to_bytes(4, "big") + message))

    def ask(self, path, types, message=b"", more=(TE,)):
        with self.connect() as connection:
            http2.send(connection, self.request(1, path, types, message, more))
            return status(http2.answer(connection, 1))

    def count(self):
        with self.connect() as connection:
            http2.send(connection, self.request(1, COUNT, GRPC[0], more=(TE,)))
            frames = http2.answer(connection, 1)
        self.assertIn(http2.DATA, [kind for kind, _ in frames])
        return frames[1][1][5:]

    def test_which_are_served(self):
        for types in GRPC:
            with self.subTest(types=types):
                self.assertEqual(self.ask(COUNT, types)[0], 200)
        for types in OTHER:
            for more in ((TE,), (), ((b"te", b"gzip"),)):
                with self.subTest(types=types, more=more):
                    self.assertEqual(self.ask(COUNT, types, more=more)[0], 415)

    def test_nothing_is_executed(self):
        message = stubs.ingest.RecordCallsRequest(calls=[stubs.call("0931000001", 1)], project_code=harness.PROJECT,
                                                  vbot_id=harness.VBOT).SerializeToString()
        before = self.count()
        for types in OTHER:
            self.assertEqual(self.ask(RECORD, types, message)[0], 415)
        self.assertEqual(self.count(), before)
        self.assertEqual(self.ask(RECORD, GRPC[0], message)[0], 200)
        self.assertNotEqual(self.count(), before)

    def test_bodies_that_are_no_messages(self):
        """With a token and `te: trailers`, beside a request that goes on; gRPC would execute the second as an empty message."""
        for body in (b'{"page":1}', b"\x02\0\0\0\x01a", b"a=b&c=d", b"AAAAAAA=", b"\0" * 5, b"\0\0\0\0\x01ab", b"x" * 100000, b""):
            for path in (COUNT, RECORD, "callhistory.v1.CallHistoryService/ListCalls", "callhistory.v1.CallHistoryService/ExportCalls"):
                with self.connect() as connection, self.subTest(body=body[:20], path=path):
                    parts = [body[at:at + 16000] for at in range(0, len(body), 16000)]
                    head = self.request(1, path, OTHER[1], more=(TE,))
                    head = head[:9 + int.from_bytes(head[:3], "big")]
                    http2.send(connection, head + b"".join(http2.frame(http2.DATA, 0, 1, part) for part in parts[:3]) +
                               http2.frame(http2.DATA, http2.END_STREAM, 1) + self.request(3, COUNT, GRPC[0], more=(TE,)))
                    answers = http2.answers(connection, (1, 3))
                    self.assertEqual([status(answers[stream])[0] for stream in (1, 3)], [415, 200])
                    self.assertNotIn(http2.DATA, [kind for kind, _ in answers[1]])

    def test_an_even_stream_ends_the_connection(self):
        """gRPC ignores it and takes the lower ones as new, which would not be followed."""
        with self.connect() as connection:
            http2.send(connection, self.request(2, COUNT, GRPC[0], more=(TE,)) + self.request(1, COUNT, OTHER[1], more=(TE,)))
            self.assertEqual(http2.answer(connection, 1), ("closed",))

    def test_every_kind_of_method(self):
        for path in ("grpc.health.v1.Health/Check", "grpc.health.v1.Health/Watch", "callhistory.v1.CallHistoryService/ExportCalls",
                     "grpc.reflection.v1.ServerReflection/ServerReflectionInfo", COUNT, RECORD, "unknown.Service/Method"):
            for message in (b"", b"\x0a\x00", b"\xff" * 100):
                with self.subTest(path=path, message=message):
                    code, trailers = self.ask(path, OTHER[1], message)
                    self.assertEqual(code, 415)
                    self.assertIn(b"unknown method" if path.startswith("unknown") else b"content type", trailers)

    def test_other_requests_of_the_connection_go_on(self):
        """In one write, as a proxy sends those of its clients."""
        streams = range(1, 200, 2)
        types = {stream: (GRPC + OTHER)[stream // 2 % len(GRPC + OTHER)] for stream in streams}
        with self.connect() as connection:
            http2.send(connection, b"".join(self.request(stream, COUNT, types[stream], more=(TE,)) for stream in streams))
            answers = http2.answers(connection, streams)
        for stream in streams:
            with self.subTest(types=types[stream]):
                self.assertEqual(status(answers[stream])[0], 200 if types[stream] in GRPC else 415)

    def test_a_type_in_the_table_of_compression(self):
        """Literal once (RFC 7541 section 6.2.1), then by its index: 62 is the newest field."""
        for types, expected in ((GRPC[0], 200), (OTHER[1], 415)):
            with self.connect() as connection, self.subTest(types=types):
                literal = b"\x40" + http2.field(b"content-type", types[0])[1:]
                for stream, kind in ((1, literal), (3, b"\xbe"), (5, b"\xbe")):
                    block = self.request(stream, COUNT, (), more=(TE,))
                    length = int.from_bytes(block[:3], "big")
                    message = block[9 + length:]
                    http2.send(connection, http2.frame(http2.HEADERS, http2.END_HEADERS, stream, block[9:9 + length] + kind) + message)
                    self.assertEqual(status(http2.answer(connection, stream))[0], expected)

    def test_a_refused_request_without_an_end(self):
        """The connection ends after --request-timeout, as for every request that does not arrive."""
        with self.connect() as connection:
            http2.send(connection, self.request(1, COUNT, OTHER[1], b"\x0a\x00", (TE,), end=False))
            self.assertTrue(http2.closed(connection))
        self.count()


class Plaintext(Requests, harness.StackTest):
    service_options = ("--request-timeout", "1")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.reader, cls.writer = cls.stack.issue(), cls.stack.issue("writer")

    def connect(self):
        return http2.connect(self.stack.service_port)

    @unittest.skipUnless(shutil.which("curl"), "needs curl")
    def test_curl(self):
        # curl 7.88 calls it an error when the answer comes before it has sent its body, as that to a request without `te` does.
        for more in (["--data", "{}", "--header", "content-type: application/json", "--header", "te: trailers"],
                     ["--data", '{"page":1}', "--header", "te: trailers"], ["--request", "POST"], []):
            done = subprocess.run(
                ["curl", "--silent", "--http2-prior-knowledge", "--output", "/dev/null", "--write-out", "%{http_code}", *more,
                 f"http://{self.stack.service_address}/{COUNT}"], capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(done.stdout, "415", done)


@unittest.skipUnless(shutil.which("openssl"), "needs openssl")
class Tls(Requests, test_tls.Chain):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.reader, cls.writer = cls.stack.issue(), cls.stack.issue("writer")
        cls.context = cls.authority.context(cls.client, "h2")

    def connect(self):
        return http2.connect(self.stack.service_port, self.context)


if __name__ == "__main__":
    unittest.main()
