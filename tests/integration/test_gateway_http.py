"""HTTP as the gateway speaks it, on raw sockets: framing, keep-alive, limits, headers, readiness and drain. Most of it needs
no service; what does stands in WithService."""

import ctypes
import gzip
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import warnings

import harness
import stubs
from certificates import Authority, replace

COUNT = harness.PATH.replace("getAll", "countAll")
RECORD = harness.PATH.replace("getAll", "record/")
FIELDS = {"vbot_id": harness.VBOT, "project_code": harness.PROJECT, "phone": "0912345678"}
BODY = json.dumps(FIELDS).encode()
BEARER = "Authorization: Bearer not-a-token-of-anyone"


class Wire:
    """A connection that sends bytes and reads answers one by one."""

    def __init__(self, port, tls=None):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=harness.WAIT_SECONDS)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname="127.0.0.1")
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def _more(self):
        got = self.socket.recv(65536)
        self.buffer += got
        return got

    def answer(self, head=False):
        """(status, {header: value}, body) of the next answer; None at the connection's end."""
        while b"\r\n\r\n" not in self.buffer:
            if not self._more():
                return None
        start, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        lines = start.decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(": ")
            headers[name.lower()] = headers[name.lower()] + ", " + value if name.lower() in headers else value
        status = int(lines[0].split()[1])
        length = 0 if head or status in (100, 204) else int(headers.get("content-length", 0))
        while len(self.buffer) < length:
            if not self._more():
                break
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return status, headers, body

    def ended(self):
        """Whether the other side closes, with nothing more to say."""
        try:
            return self.buffer == b"" and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True


def request(method="GET", path=harness.PATH, *headers, body=b"", version="1.1", host=True):
    lines = [f"{method} {path} HTTP/{version}"] + (["Host: test"] if host else []) + list(headers)
    if body and not any(h.lower().startswith(("content-length", "transfer-encoding")) for h in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def chunks(body, size=7):
    parts = [body[i : i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in parts) + b"0\r\n\r\n"


def gateway_alone(*options):
    """A gateway whose service is away."""
    stack = harness.Stack(gateway_options=("--timeout", "300", *options))
    stack.gateway.start()
    harness.wait_until(lambda: harness.connects(stack.gateway_port), "the gateway")
    return stack


class GatewayTest(unittest.TestCase):
    options = ()

    @classmethod
    def setUpClass(cls):
        cls.stack = gateway_alone(*cls.options)

    @classmethod
    def tearDownClass(cls):
        cls.stack.stop()

    def wire(self):
        return Wire(self.stack.gateway_port)

    def ask(self, *parts, **more):
        with self.wire() as wire:
            wire.send(request(*parts, **more))
            return wire.answer(head=bool(parts) and parts[0] == "HEAD")

    def envelope(self, answer, status, word=None):
        """An error of the contract, whole."""
        self.assertEqual(answer[0], status, answer)
        self.assertEqual(answer[1]["content-type"], "application/json; charset=utf-8")
        decoded = json.loads(answer[2])
        self.assertEqual(list(decoded), ["status", "error", "message"])
        self.assertEqual((decoded["status"], decoded["error"]), (0, status))
        if word:
            self.assertIn(word, decoded["message"])
        return decoded


class Errors(GatewayTest):
    def test_unknown_paths(self):
        for path in ("/api/crm/historycall/getall", harness.PATH + "/", harness.PATH + "%00", harness.PATH + "%zz", "*", "//",
                     "/api%2Fcrm/historycall/getAll", RECORD, RECORD + "a/b", RECORD + "%0a", "/healthz%00x", "x" * 2000):
            with self.subTest(path=path):
                self.envelope(self.ask("GET", path), 404, "path")

    def test_encoded_and_absolute_paths_are_the_same_path(self):
        for path in ("/api/crm/historycall/get%41ll", "http://test" + harness.PATH, "HTTPS://test:1/healthz"):
            with self.subTest(path=path):
                self.assertIn(self.ask("GET", path)[0], (200, 401))

    def test_methods(self):
        for path, allow in ((harness.PATH, "GET, HEAD, POST, QUERY"), (COUNT, "GET, HEAD, POST, QUERY"), (RECORD + "x", "GET, HEAD, POST, QUERY"),
                            ("/healthz", "GET, HEAD"), ("/readyz", "GET, HEAD"), ("/metrics", "GET, HEAD"), ("/openapi.json", "GET, HEAD"), ("/", "GET, HEAD"), ("/docs", "GET, HEAD")):
            for method in ("DELETE", "PUT", "PATCH", "OPTIONS", "TRACE", "get", "BREW"):
                with self.subTest(path=path, method=method):
                    answer = self.ask(method, path)
                    self.envelope(answer, 405, "method")
                    self.assertEqual(answer[1]["allow"], allow)

    def test_too_large(self):
        for method in ("GET", "POST", "QUERY"):
            self.envelope(self.ask(method, harness.PATH, body=b"x" * 4097), 413, "4096")
            self.envelope(self.ask(method, harness.PATH, body=b"x" * 300000), 413, "4096")
        self.envelope(self.ask("POST", harness.PATH, "Transfer-Encoding: chunked", body=chunks(b"x" * 5000, 999)), 413)
        self.envelope(self.ask("POST", harness.PATH, "Transfer-Encoding: chunked", body=chunks(b"x" * 300000, 9999)), 413)

    def test_a_body_without_end_is_not_read_on(self):
        with self.wire() as wire:
            wire.send(request("POST", harness.PATH, "Content-Length: 99999999999"))
            answer = wire.answer()
            self.envelope(answer, 413)
            self.assertEqual(answer[1]["connection"], "close")
        with self.wire() as wire:
            wire.send(request("POST", harness.PATH, "Transfer-Encoding: chunked"))
            with self.assertRaises(OSError):
                for _ in range(1000):
                    wire.send(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")

    def test_order_404_405_413_401(self):
        large = b"x" * 5000
        self.envelope(self.ask("DELETE", "/nope", body=large), 404)
        self.envelope(self.ask("DELETE", harness.PATH, body=large), 405)
        self.envelope(self.ask("GET", harness.PATH, body=large), 413)
        self.envelope(self.ask("GET", harness.PATH, body=b"{"), 401)

    def test_credentials(self):
        for headers in ([], ["Authorization:"], ["Authorization: Bearer"], ["Authorization: Bearer "], ["Authorization: Basic eDp5"],
                        ["Authorization: not-a-token"], ["Authorization: Bearer a b"], ["Authorization: Bearer a, Bearer b"],
                        ["Authorization: Bearer \xe4"], ["Authorization: Bearer a", "Authorization: Bearer a"], ["X-API-KEY:"],
                        ["X-API-KEY: a b"], ["X-API-KEY: a", "X-API-KEY: b"], ["X-API-KEY: a", "Authorization: Bearer b"],
                        ["X-API-KEY: a", "Authorization: Bearer a b"], ["Authorization: Bearer " + "a" * 3000]):
            with self.subTest(headers=headers):
                answer = self.ask("GET", harness.PATH, *headers, body=BODY)
                self.envelope(answer, 401)
                self.assertEqual(answer[1]["www-authenticate"], "Bearer")

    def test_the_service_is_away(self):
        for headers in ([BEARER], ["X-API-KEY: abc"], ["X-API-KEY: abc", "Authorization: bearer  abc"], ["X-API-KEY: abc", "Authorization:"],
                        ["X-API-KEY: abc", "Authorization: Bearer "], ["X-API-KEY: abc", "Authorization: Basic a"]):
            answer = self.ask("GET", harness.PATH, *headers, body=BODY)
            self.envelope(answer, 503, "unavailable")
            self.assertEqual(answer[1]["retry-after"], "1")

    def test_a_wrong_field_is_400_where_the_token_can_not_be_checked(self):
        self.envelope(self.ask("GET", harness.PATH, BEARER, body=b'{"page":1}'), 400, "vbot_id")

    def test_malformed_framing_ends_the_connection(self):
        for headers in (["Content-Length: 5", "Content-Length: 6"], ["Content-Length: 5", "Transfer-Encoding: chunked"],
                        ["Transfer-Encoding: gzip, chunked"], ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
                        ["Content-Length : 30"], ["Host: another"]):
            with self.subTest(headers=headers), self.wire() as wire:
                wire.send(request("POST", harness.PATH, *headers) + request("GET", "/healthz"))
                answer = wire.answer()
                self.envelope(answer, 400, headers[0].split()[0].split(":")[0] if headers[0] != "Content-Length : 30" else "header")
                self.assertEqual(answer[1]["connection"], "close")
                self.assertTrue(wire.ended())

    def test_http_1_1_needs_a_host(self):
        with self.wire() as wire:
            wire.send(request("GET", "/healthz", host=False))
            self.envelope(wire.answer(), 400, "Host")

    def test_garbage_does_no_harm(self):
        for data in (b"\r\n\r\n\r\n", b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET / HTTP/9.9\r\n\r\n",
                     b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\n\r\n",
                     b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 5000 + b"\r\n", b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                     b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"GET / HTTP/1.1\r\nCookie: " + b"a=b; " * 1000 + b"\r\n\r\n"):
            with self.wire() as wire:
                wire.socket.settimeout(0.5)
                try:
                    wire.send(data)
                    while wire.socket.recv(65536):
                        pass
                except OSError:
                    pass
        self.assertEqual(self.ask("GET", "/healthz")[0], 200)


    def test_many_parameters(self):
        with self.wire() as wire:
            wire.send(request("GET", "/healthz?" + "a=1&" * 1000) * 2)
            self.assertEqual([wire.answer()[0], wire.answer()[0]], [200, 200])


class Heads(GatewayTest):
    """Heads as a strict reader of RFC 9112 takes them, and what is answered where they are none."""

    def raw(self, data, pieces=1):
        """All bytes that come back until the gateway closes."""
        with self.wire() as wire:
            size = max(1, -(-len(data) // pieces))
            for start in range(0, len(data), size):
                wire.send(data[start : start + size])
            wire.socket.shutdown(socket.SHUT_WR)
            got = b""
            while more := wire.socket.recv(65536):
                got += more
            return got

    def one_answer(self, got, status):
        """One answer of the contract, whole, that says that the connection ends."""
        self.assertEqual(got.count(b"HTTP/1."), 1, got)
        head, _, body = got.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        names = [line.split(": ")[0].lower() for line in lines[1:]]
        self.assertEqual(len(set(names)), len(names), lines)
        headers = dict(zip(names, (line.split(": ", 1)[1] for line in lines[1:])))
        self.assertEqual(int(headers["content-length"]), len(body))
        self.assertEqual(headers["connection"], "close")
        self.assertIn("date", headers)
        return self.envelope((int(lines[0].split()[1]), headers, body), status)

    def head_of(self, length, *headers):
        """A request for /healthz with a head of just so many bytes."""
        bare = request("GET", "/healthz", *headers, "Cookie: ")
        return request("GET", "/healthz", *headers, "Cookie: " + "c" * (length - len(bare)))

    def test_heads_of_8_kib_in_any_split(self):
        mesh = [f"x-b3-header-number-{i}: {'v' * 90}" for i in range(60)]
        for data in (self.head_of(8192), self.head_of(8191), self.head_of(8192, *mesh), request("GET", "/healthz?" + "q" * 8000)):
            for pieces in (1, 2, 3, 7, 100, 1000):
                with self.subTest(length=len(data), pieces=pieces), self.wire() as wire:
                    size = -(-len(data) // pieces)
                    for start in range(0, len(data), size):
                        wire.send(data[start : start + size])
                    self.assertEqual(wire.answer()[0], 200)
                    wire.send(request("GET", "/healthz"))
                    self.assertEqual(wire.answer()[0], 200)

    def test_larger_heads_get_one_answer(self):
        self.one_answer(self.raw(self.head_of(8193)), 431)
        self.one_answer(self.raw(self.head_of(30000)), 431)
        self.one_answer(self.raw(self.head_of(200000), 50), 431)
        self.one_answer(self.raw(request("GET", "/healthz?" + "q" * 30000)), 414)

    def test_malformed_heads_get_one_answer(self):
        line, host = b"GET /healthz HTTP/1.1\r\n", b"Host: x\r\n"
        for data in (
            b"G{T /healthz HTTP/1.1\r\n" + host + b"\r\n", b"@ /healthz HTTP/1.1\r\n" + host + b"\r\n", b"\x16\x03\x01\x02\x00\x01\x00",
            b"GET /healthz /a HTTP/1.1\r\n" + host + b"\r\n", b"GET  /healthz HTTP/1.1\r\n" + host + b"\r\n", b"GET /healthz\r\n\r\n",
            b"GET /healthz HTTP/1.1\n" + host + b"\r\n", line + b"Host: x\n\r\n", line + host + b"X: a\nContent-Length: 0\r\n\r\n",
            line + host + b"Content-Length: 0\x0057\r\n\r\n", line + host + b"X: \x00\r\n\r\n", b"GET /\x00healthz HTTP/1.1\r\n" + host + b"\r\n",
            line + host + b"Content-Length: 85, 85\r\n\r\n" + b"x" * 85, line + host + b"Content-Length: +85\r\n\r\n" + b"x" * 85,
            line + host + b"Content-Length: 8\r\nContent-Length: 8\r\n\r\n" + b"x" * 8, line + host + b"X: a\r\n folded\r\n\r\n",
            line + b"\r\n", line + host + host + b"\r\n", line + host + b"X : a\r\n\r\n", line + host + b"no colon\r\n\r\n",
            b"POST /healthz HTTP/1.1\r\n" + host + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
            b"POST /healthz HTTP/1.1\r\n" + host + b"Transfer-Encoding: chunked\r\n\r\n0\r\n",
            b"POST /healthz HTTP/1.1\r\n" + host + b"Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
        ):
            for pieces in (1, len(data)):
                with self.subTest(data=data, pieces=pieces):
                    # What follows would be answered with 404, were it taken for a request.
                    self.one_answer(self.raw(data + b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n", pieces), 400)
        self.one_answer(self.raw(b"GET / HTTP/2.0\r\n\r\n"), 505)
        self.one_answer(self.raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505)

    def test_a_body_without_framing_is_no_request(self):
        """Node's http.request() sends the body of a GET without Content-Length or chunking."""
        alone = request("GET", harness.PATH, BEARER)
        for data in ((alone + BODY,), (alone, BODY), (alone, BODY + request("GET", "/healthz")), (alone + BODY + request("GET", "/healthz"),)):
            with self.subTest(data=data), self.wire() as wire:
                for part in data:
                    wire.send(part)
                    time.sleep(0.05)
                self.envelope(wire.answer(), 400, "vbot_id")
                self.assertIsNone(wire.answer())  # one request, one answer

    def test_node_goes_on_after_such_a_body(self):
        script = """
            const http = require('http'), agent = new http.Agent({keepAlive: true, maxSockets: 1}), port = +process.argv[1];
            const ask = (path, body) => new Promise((done, failed) => {
                const request = http.request({port, path, agent, method: 'GET'}, answer => {
                    answer.resume().on('end', () => done(answer.statusCode));
                });
                request.on('error', failed);
                if (body) request.write(body);
                request.end();
            });
            (async () => {
                for (let i = 0; i < 20; i++) console.log(await ask('%s', '{"vbot_id":"V"}'), await ask('/healthz'));
            })();""" % harness.PATH
        done = subprocess.run([os.environ.get("NODE") or shutil.which("node"), "-e", script, str(self.stack.gateway_port)], capture_output=True,
                              text=True, timeout=harness.WAIT_SECONDS)
        self.assertEqual((done.stdout, done.stderr), ("401 200\n" * 20, ""))

    def test_an_empty_line_after_a_body_is_skipped(self):
        with self.wire() as wire:
            wire.send((request("POST", harness.PATH, body=BODY) + b"\r\n") * 3)
            self.assertEqual([wire.answer()[0] for _ in range(3)], [401] * 3)

    def test_compressed_bodies(self):
        for headers, status in ((["Content-Encoding: gzip"], 415), (["Content-Encoding: identity"], 401), (["Content-Encoding:"], 401)):
            answer = self.ask("POST", harness.PATH, *headers, body=gzip.compress(BODY) if status == 415 else BODY)
            self.envelope(answer, status)
        self.assertEqual(self.ask("GET", harness.PATH, "Content-Encoding: utf-8")[0], 401)
        self.assertEqual(self.ask("DELETE", harness.PATH, "Content-Encoding: gzip", body=b"x")[0], 405)
        self.assertEqual(self.ask("GET", "/nope", "Content-Encoding: gzip", body=b"x")[0], 404)

    def test_a_large_body_that_is_still_sent_meets_no_reset(self):
        for _ in range(10):
            with self.wire() as wire:
                wire.send(request("POST", harness.PATH, "Content-Length: 500000"))
                for _ in range(50):
                    wire.send(b"x" * 10000)
                self.envelope(wire.answer(), 413)


class Wires(GatewayTest):
    def test_keep_alive_and_pipelining(self):
        with self.wire() as wire:
            wire.send(b"".join(request("GET", "/healthz", f"X-Request-Id: {i}") for i in range(50)))
            for i in range(50):
                status, headers, _ = wire.answer()
                self.assertEqual((status, headers["x-request-id"]), (200, str(i)))
        # Answers come in order, also where one waits for the service and the next doesn't.
        with self.wire() as wire:
            wire.send(request("GET", harness.PATH, BEARER, body=BODY) + request("GET", "/nope", body=b"x" * 10) + request("GET", "/healthz"))
            self.assertEqual([wire.answer()[0] for _ in range(3)], [503, 404, 200])

    def test_pipelining_on_many_connections(self):
        """libmicrohttpd waits for events once it has another connection: what was received with a request is no event."""
        wires = [self.wire() for _ in range(20)]
        for path, body in (("/healthz", b""), ("/nope", BODY), (harness.PATH, BODY)):
            for wire in wires:
                wire.send(request("POST" if body else "GET", path, body=body) * 5 + request("GET", "/healthz"))
            for wire in wires:
                self.assertEqual(len({wire.answer()[0] for _ in range(5)}), 1)
                self.assertEqual(wire.answer()[0], 200)
        for wire in wires:
            wire.socket.close()

    def test_an_error_keeps_the_connection(self):
        with self.wire() as wire:
            for path, status in (("/nope", 404), (harness.PATH, 401), ("/healthz", 200)):
                wire.send(request("POST" if status != 200 else "GET", path, body=b"x" * 3000))
                self.assertEqual(wire.answer()[0], status)

    def test_http_1_0(self):
        with self.wire() as wire:
            wire.send(request("GET", "/healthz", version="1.0", host=False))
            status, headers, body = wire.answer()
            self.assertEqual((status, headers["connection"], body), (200, "close", b'{"status":"ok"}'))
            self.assertTrue(wire.ended())
        with self.wire() as wire:
            for _ in range(2):
                wire.send(request("GET", "/healthz", "Connection: Keep-Alive", version="1.0", host=False))
                self.assertEqual(wire.answer()[1]["connection"].lower(), "keep-alive")

    def test_connection_close_is_obeyed(self):
        with self.wire() as wire:
            wire.send(request("GET", "/healthz", "Connection: close"))
            self.assertEqual(wire.answer()[1]["connection"], "close")
            self.assertTrue(wire.ended())

    def test_expect_100_continue(self):
        with self.wire() as wire:
            wire.send(request("POST", harness.PATH, f"Content-Length: {len(BODY)}", "Expect: 100-continue"))
            self.assertEqual(wire.answer()[0], 100)
            wire.send(BODY)
            self.assertEqual(wire.answer()[0], 401)
        with self.wire() as wire:
            wire.send(request("POST", harness.PATH, "Content-Length: 5000", "Expect: 100-continue"))
            self.assertEqual(wire.answer()[0], 413)

    def test_a_request_in_single_bytes(self):
        with self.wire() as wire:
            for byte in request("GET", harness.PATH, BEARER, "Transfer-Encoding: chunked", body=chunks(BODY, 3)):
                wire.send(bytes([byte]))
            self.assertEqual(wire.answer()[0], 503)

    def test_head_has_the_headers_of_get(self):
        for path in ("/healthz", "/openapi.json", harness.PATH):
            get, head = self.ask("GET", path), self.ask("HEAD", path)
            for name in ("content-length", "content-type", "cache-control", "vary"):
                self.assertEqual(get[1].get(name), head[1].get(name), path)
            self.assertEqual((get[0], head[2]), (head[0], b""))

    def test_a_client_that_ends_its_side_sees_the_connections_end(self):
        """Not only after the idle time, for which a place among the connections would be taken."""
        for data in (request("GET", "/healthz"), request("OPTIONS", harness.PATH), request("POST", harness.PATH, body=BODY) * 3):
            with self.wire() as wire:
                wire.send(data)
                wire.socket.shutdown(socket.SHUT_WR)
                wire.socket.settimeout(30)
                for _ in range(3 if data.startswith(b"POST") else 1):
                    self.assertIn(wire.answer()[0], (200, 401, 405))
                self.assertTrue(wire.ended())

    def test_a_client_that_leaves_does_no_harm(self):
        for _ in range(20):
            with self.wire() as wire:
                wire.send(request("GET", harness.PATH, BEARER, body=BODY))
        self.assertEqual(self.ask("GET", "/healthz")[0], 200)


class Headers(GatewayTest):
    def test_common_headers(self):
        for path in ("/healthz", "/nope", harness.PATH):
            headers = self.ask("GET", path)[1]
            self.assertEqual(headers["cache-control"], "no-store")
            self.assertRegex(headers["x-request-id"], "^[0-9a-f]{32}$")
            self.assertNotIn("access-control-allow-origin", headers)

    def test_request_id(self):
        self.assertEqual(self.ask("GET", "/healthz", "X-Request-Id: mine-1")[1]["x-request-id"], "mine-1")
        for bad in ("", "a b", "a" * 129, "\xe4"):
            self.assertRegex(self.ask("GET", "/healthz", "X-Request-Id: " + bad)[1]["x-request-id"], "^[0-9a-f]{32}$")
        self.assertEqual(self.ask("GET", "/healthz", "X-Request-Id: " + "a" * 128)[1]["x-request-id"], "a" * 128)

    def test_traceparent(self):
        good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        self.assertEqual(self.ask("GET", "/healthz", "traceparent: " + good)[1]["traceparent"], good)
        for bad in ("00-" + "0" * 32 + "-00f067aa0ba902b7-01", "00-x", good.upper()):
            self.assertNotIn("traceparent", self.ask("GET", "/healthz", "traceparent: " + bad)[1])

    def test_gzip(self):
        plain = self.ask("GET", "/openapi.json")
        self.assertNotIn("content-encoding", plain[1])
        self.assertEqual(plain[1]["vary"], "Accept-Encoding")
        for accept in ("gzip", "br, gzip;q=0.5", "*", "GZIP", "gzip ; q=1.0", "x-gzip"):
            answer = self.ask("GET", "/openapi.json", "Accept-Encoding: " + accept)
            self.assertEqual(answer[1].get("content-encoding"), "gzip", accept)
            self.assertEqual(gzip.decompress(answer[2]), plain[2])
            self.assertLess(len(answer[2]), len(plain[2]) // 3)
        for accept in ("", "identity", "gzip;q=0", "gzip;q=0.000", "*;q=0", "gzip;q=0, *", "br"):
            self.assertNotIn("content-encoding", self.ask("GET", "/openapi.json", "Accept-Encoding: " + accept)[1], accept)
        self.assertNotIn("content-encoding", self.ask("GET", "/healthz", "Accept-Encoding: gzip")[1])

    def test_request_timeout(self):
        for bad in ("0", "-1", "x", "1.5", "", "600001", "9" * 30):
            self.envelope(self.ask("GET", harness.PATH, BEARER, "X-Request-Timeout: " + bad, body=BODY), 400, "X-Request-Timeout")
        self.assertIn(self.ask("GET", harness.PATH, BEARER, "X-Request-Timeout: 1", body=BODY)[0], (503, 504))

    def test_unknown_fields(self):
        body = json.dumps({**FIELDS, "pgae": 1, "x\u00e4": 2}).encode()
        answer = self.ask("GET", harness.PATH, BEARER, "Prefer: respond-async, handling=strict", body=body)
        self.envelope(answer, 400, "pgae")
        answer = self.ask("GET", harness.PATH, BEARER, "Prefer: handling=lenient", body=body)
        self.assertEqual((answer[0], answer[1]["x-unknown-fields"]), (503, "pgae, x%C3%A4"))
        answer = self.ask("GET", harness.PATH, BEARER, body=body)
        self.assertEqual((answer[0], answer[1].get("x-unknown-fields")), (503, None))

    def test_openapi_names_every_path(self):
        document = json.loads(self.ask("GET", "/openapi.json")[2])
        self.assertEqual(document["openapi"], "3.1.0")
        self.assertEqual(set(document["paths"]), {
            harness.PATH, COUNT, RECORD + "{trans_id}", "/m-cdr/api/call/get-all", "/m-cdr/api/call/count-all", "/m-cdr/api/call/get-detail",
            "/api/v1/calls/changes", "/webhooks/vbot", "/webhooks/freeswitch",
            "/healthz", "/readyz", "/metrics", "/openapi.json", "/", "/docs", "/docs.js"})

    def test_metrics(self):
        self.ask("GET", "/nope")
        text = self.ask("GET", "/metrics")[2].decode()
        self.assertRegex(text, r'http_server_request_duration_seconds_bucket\{http_route="_OTHER",http_request_method="GET",'
                               r'http_response_status_code="404",le="\+Inf"\} [1-9]')
        for name in ("http_server_active_requests 0", "http_server_open_connections", "callhistory_build_info{"):
            self.assertIn(name, text)
        for line in text.splitlines():
            self.assertRegex(line, r'^(# (HELP|TYPE) .*|[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? [0-9.]+)$')

    def test_readiness_is_the_gateways_own(self):
        """Its service is away: if it left the balancer for that, no client would get the contract's 503."""
        self.assertEqual(self.ask("GET", "/healthz")[0], 200)
        self.assertEqual(self.ask("GET", "/readyz")[0], 200)
        answer = self.ask("GET", harness.PATH, BEARER, body=BODY)
        self.assertEqual((answer[0], answer[1]["retry-after"]), (503, "1"))


class Cors(GatewayTest):
    options = ("--cors-origins", "https://crm.example.vn", "--cors-origins", "https://a.example,https://b.example:8443")

    def test_preflight(self):
        for origin in ("https://crm.example.vn", "https://b.example:8443"):
            status, headers, body = self.ask("OPTIONS", harness.PATH, "Origin: " + origin, "Access-Control-Request-Method: POST")
            self.assertEqual((status, headers["access-control-allow-origin"], body), (204, origin, b""))
            self.assertIn("X-API-KEY", headers["access-control-allow-headers"])
            self.assertIn("POST", headers["access-control-allow-methods"])
            self.assertEqual(headers["vary"], "Origin")
        status, headers, _ = self.ask("OPTIONS", harness.PATH, "Origin: https://evil.example", "Access-Control-Request-Method: POST")
        self.assertEqual((status, headers.get("access-control-allow-origin")), (204, None))
        self.assertEqual(self.ask("OPTIONS", "/healthz", "Origin: https://crm.example.vn")[0], 405)

    def test_answers(self):
        headers = self.ask("GET", harness.PATH, "Origin: https://a.example")[1]
        self.assertEqual((headers["access-control-allow-origin"], headers["vary"]), ("https://a.example", "Origin"))
        headers = self.ask("GET", harness.PATH, "Origin: https://a.example.evil")[1]
        self.assertEqual((headers.get("access-control-allow-origin"), headers["vary"]), (None, "Origin"))
        self.assertEqual(self.ask("DELETE", harness.PATH)[1]["allow"], "GET, HEAD, POST, QUERY, OPTIONS")


class Connections(GatewayTest):
    """A client beyond a limit gets a 503 or a closed connection at once; the others are served."""

    options = ("--max-connections", "20", "--max-connections-per-address", "12")

    def from_address(self, address):
        wire = Wire.__new__(Wire)
        wire.socket = socket.create_connection(("127.0.0.1", self.stack.gateway_port), timeout=harness.WAIT_SECONDS, source_address=(address, 0))
        wire.buffer = b""
        return wire

    def served(self, wire):
        """The status of an answer; 0 where the connection was closed. One that is left waiting fails the test."""
        wire.send(request("GET", "/healthz"))
        try:
            answer = wire.answer()
        except ConnectionError:
            return 0
        return answer[0] if answer else 0

    def serves(self, wire):
        with wire:
            return self.served(wire) == 200

    def test_limits(self):
        wires = [self.from_address("127.0.0.2") for _ in range(12)]
        self.assertEqual([self.served(wire) for wire in wires], [200] * 12)
        beyond = self.from_address("127.0.0.2")
        answer = beyond.answer()  # before it has sent anything
        self.envelope(answer, 503, "connections")
        self.assertEqual((answer[1]["retry-after"], answer[1]["connection"]), ("1", "close"))
        self.assertTrue(beyond.ended())
        beyond.socket.close()
        others = [self.from_address("127.0.0.3") for _ in range(8)]
        self.assertEqual([self.served(wire) for wire in others], [200] * 8)
        refused = [self.from_address("127.0.0.4") for _ in range(200)]
        for wire in refused:
            self.assertIn(self.served(wire), (0, 503))
        self.assertEqual([self.served(wire) for wire in wires + others], [200] * 20)
        wires[0].send(request("GET", "/metrics"))
        self.assertRegex(wires[0].answer()[2].decode(), r"\nhttp_server_refused_connections_total [1-9]")
        for wire in wires + others + refused:
            wire.socket.close()
        harness.wait_until(lambda: self.serves(self.from_address("127.0.0.2")), "a free place")

    def test_descriptors_that_run_out(self):
        stack = harness.Stack(gateway_options=("--workers", "1"))
        stack.gateway.arguments = ["sh", "-c", 'ulimit -n 64; exec "$0" "$@"', *stack.gateway.arguments]
        stack.gateway.start()
        try:
            harness.wait_until(lambda: harness.connects(stack.gateway_port) and self.serves(Wire(stack.gateway_port)), "the gateway")
            wires = [Wire(stack.gateway_port) for _ in range(100)]
            answers = [self.served(wire) for wire in wires]
            self.assertIn(200, answers)
            self.assertIn(0, answers)  # closed, not left waiting
            for wire in wires:
                wire.socket.close()
            harness.wait_until(lambda: self.serves(Wire(stack.gateway_port)), "a free descriptor")
        finally:
            stack.stop()


class Survival(harness.StackTest):
    """What slow or unfair clients cost, and that a well-behaved one is served meanwhile; in cgroups of the Pods' size."""

    in_pods = True
    gateway_options = ("--max-memory", "16", "--timeout", "20000", "--request-timeout", "60")

    def peak(self):
        """The most resident memory of the gateway since its last reset, in MiB."""
        with open(f"/proc/{self.stack.gateway.process.pid}/status", encoding="ascii") as file:
            return int(re.search(r"VmHWM:\s+(\d+)", file.read()).group(1)) / 1024

    def reset_peak(self):
        with open(f"/proc/{self.stack.gateway.process.pid}/clear_refs", "w", encoding="ascii") as file:
            file.write("5")

    def assert_grown_less(self, grown, limit):
        """grown, limit: MiB."""
        if not harness.SANITIZED:
            self.assertLess(grown, limit)

    def test_requests_that_never_end(self):
        wires = []
        self.addCleanup(lambda: [wire.socket.close() for wire in wires])
        self.reset_peak()
        before = self.peak()
        parts = (request("GET", "/healthz", "Cookie: " + "c" * 8000)[:-1],
                 request("POST", harness.PATH, "Content-Length: 4096", "Cookie: " + "c" * 4000) + b"x" * 4000)
        for number in range(2000):
            wires.append(Wire(self.stack.gateway_port))
            wires[-1].send(parts[number % 2])
        self.assertEqual(self.stack.count("0912345678"), 0)
        grown = self.peak() - before
        print(f"2,000 unfinished requests: {grown:.0f} MiB", file=sys.stderr)
        self.assert_grown_less(grown, 48)

    def test_answers_that_nobody_reads(self):
        """Beyond the budget large pages are refused at once; counts go on."""
        number = "0912000777"
        self.stack.import_lines([harness.call(number, second) for second in range(1000)])
        body = json.dumps({**FIELDS, "phone": number, "page": 1, "size": 1000}).encode()
        data = request("GET", harness.PATH, "Authorization: Bearer " + self.stack.token(), body=body)
        wires = []
        self.addCleanup(lambda: [wire.socket.close() for wire in wires])
        self.reset_peak()
        before = self.peak()
        for _ in range(300):
            wire = Wire.__new__(Wire)
            wire.socket, wire.buffer = socket.socket(), b""
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            wire.socket.settimeout(harness.WAIT_SECONDS)
            wire.socket.connect(("127.0.0.1", self.stack.gateway_port))
            wire.send(data)
            wires.append(wire)
        # The first bytes of each answer: many are refused.
        statuses = [int(wire.socket.recv(12)[9:12]) for wire in wires]
        self.assertEqual(set(statuses), {200, 429})
        self.assertEqual(self.stack.count(number), 1000)
        self.assert_grown_less(self.peak() - before, 64)
        for wire in wires:
            wire.socket.close()
        harness.wait_until(lambda: len(self.stack.list(number, 1, 1000)) == 1000, "a page, once memory is free")

    def test_answers_larger_than_the_budget(self):
        """What an answer takes is known only as it grows: beyond the budget it is refused, and all of its memory is free again."""
        number = "0912000888"
        token = self.stack.token()
        path = f"/api/v1/calls/changes?project_code={harness.PROJECT}&vbot_id={harness.VBOT}&size="

        def changes(size, after):
            return self.stack.request("GET", f"{path}{size}&change_token={after}", headers={"Authorization": "Bearer " + token})

        begin = json.loads(changes(1, "")[2])["data"]["next_change_token"]
        # 60 KB each, of which the first 100, which are the last of the list, are 360 KB as JSON.
        stubs.record(self.stack, (stubs.call(number, second, recordings=["\x01" * 4000 if second < 100 else "x" * 4000] * 15)
                                  for second in range(200)))
        body = json.dumps({**FIELDS, "phone": number, "page": 1, "size": 200}).encode()
        for _ in range(3):
            for status, headers, answer in (self.stack.request("POST", harness.PATH, body, {"Authorization": "Bearer " + token}),
                                            changes(200, begin)):
                self.assertEqual((status, headers["Retry-After"]), (429, "1"), answer[:100])
                self.assertIn("smaller page", json.loads(answer)["message"])
            self.assertEqual(len(self.stack.list(number, 1, 100)), 100)
            self.assertEqual(changes(10, begin)[0], 200)


class Limits(GatewayTest):
    options = ("--workers", "1", "--max-connections", "3", "--request-timeout", "1", "--idle-timeout", "1")

    def test_a_request_that_is_not_complete_in_time_gets_an_answer(self):
        for part in (b"GET /healthz HT", request("POST", harness.PATH, "Content-Length: 10")):
            with self.wire() as wire:
                wire.send(part)
                answer = wire.answer()
                self.envelope(answer, 408)
                self.assertEqual(answer[1]["connection"], "close")
                self.assertTrue(wire.ended())

    def test_a_request_that_trickles_in_is_cut(self):
        with self.wire() as wire:
            wire.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
            with self.assertRaises(OSError):
                for _ in range(300):
                    wire.send(b"x")
                    time.sleep(0.05)

    def test_an_empty_line_in_two_pieces_is_no_request(self):
        """Its second byte leaves nothing unread, and the connection ends in time like another idle one."""
        with self.wire() as wire:
            wire.send(b"\r")
            time.sleep(0.2)
            wire.send(b"\n")
            self.assertTrue(wire.ended())
        self.assertEqual(self.ask("GET", "/healthz")[0], 200)

    def test_an_idle_connection_ends(self):
        with self.wire() as wire:
            self.assertTrue(wire.ended())

    def test_connections_are_capped(self):
        def healthy():
            try:
                return self.ask("GET", "/healthz")[0] == 200
            except OSError:
                return False

        harness.wait_until(healthy, "a place")
        wires = [self.wire() for _ in range(8)]
        for wire in wires:
            wire.socket.close()
        harness.wait_until(healthy, "a place")


class Progress(GatewayTest):
    """/healthz fails while one worker of several is stuck. The test stops just that thread, as a debugger does."""

    options = ("--workers", "3")
    ATTACH, DETACH, WAIT_ALL = 16, 17, 0x40000000

    def threads(self):
        return sorted(int(task) for task in os.listdir(f"/proc/{self.stack.gateway.process.pid}/task"))

    def health(self):
        """The statuses of some tries on connections of their own; those that reach the stuck worker get no answer."""
        found = set()
        for _ in range(12):
            with self.wire() as wire:
                wire.socket.settimeout(0.3)
                wire.send(request("GET", "/healthz"))
                try:
                    found.add(wire.answer()[0])
                except OSError:
                    found.add(None)
        return found

    def test_a_stuck_worker(self):
        ptrace = ctypes.CDLL(None, use_errno=True).ptrace
        ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        harness.wait_until(lambda: self.health() == {200}, "health")
        worker = [task for task in self.threads() if self.name(task).startswith("worker")][-1]
        self.assertEqual(ptrace(self.ATTACH, worker, None, None), 0, os.strerror(ctypes.get_errno()))
        try:
            os.waitpid(worker, self.WAIT_ALL)
            harness.wait_until(lambda: 503 in self.health(), "a failing /healthz")
            self.assertEqual(self.health() - {None}, {503})
        finally:
            ptrace(self.DETACH, worker, None, None)
        harness.wait_until(lambda: self.health() == {200}, "health")

    def name(self, task):
        with open(f"/proc/{self.stack.gateway.process.pid}/task/{task}/comm", encoding="ascii") as file:
            return file.read().strip()


class Life(unittest.TestCase):
    def run_gateway(self, *options):
        done = subprocess.run([os.path.join(harness.BIN, "callhistory-gateway"), *options], capture_output=True, text=True,
                              timeout=harness.WAIT_SECONDS, env=harness.clean_environment())
        return done.returncode, done.stdout, done.stderr

    def test_usage(self):
        self.assertEqual(self.run_gateway("--help")[0], 0)
        self.assertRegex(self.run_gateway("--version")[1], r"^callhistory-gateway \d+\.\d+\.\d+\n$")
        for options in (("--nope",), ("stray",), ("--timeout", "0"), ("--timeout", "x"), ("--access-log", "2"), ("--tls-cert", "x"),
                        ("--service-cert", "x", "--service-key", "y"), ("--cors-origins", "*"), ("--cors-origins", "https://a/b"),
                        ("--recording-hosts", "https://a"), ("--log-level", "loud"), ("--listen", "127.0.0.1"), ("--listen", "127.0.0.1:x"),
                        ("--listen", "127.0.0.1:65536"), ("--listen", "::1:18099"), ("--listen", "[::1:18099"), ("--listen", "[::1]x:18099"), ("--listen", "unix:"), ("--time-zone", "Nowhere/None"), ("--service", ""),
                        ("--service", "nohost"), ("--service", "127.0.0.1:1,nohost"), ("--service", "unix:")):
            with self.subTest(options=options):
                status, _, error = self.run_gateway(*options)
                self.assertEqual(status, 2, error)
                # Standard error is no terminal here: one JSON object a line.
                self.assertIn(options[0].lstrip("-") if options[0].startswith("--") else "arguments", json.loads(error)["reason"])

    def test_failures(self):
        for options in (("--listen", "192.0.2.1:80"), ("--listen", "unix:/nonexistent/socket"), ("--tls-cert", "/nonexistent", "--tls-key", "/nonexistent")):
            with self.subTest(options=options):
                self.assertEqual(self.run_gateway(*options)[0], 1)

    def test_a_port_of_another_program_is_refused(self):
        for reuse in (False, True):
            with socket.socket() as other:
                if reuse:
                    other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                other.bind(("127.0.0.1", 0))
                other.listen()
                status, _, error = self.run_gateway("--listen", f"127.0.0.1:{other.getsockname()[1]}")
                self.assertEqual(status, 1, error)

    def test_unix_socket(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "http.sock")
            for _ in range(2):  # a socket file that a crash left behind is no obstacle
                process = harness.Process("callhistory-gateway", folder, [os.path.join(harness.BIN, "callhistory-gateway"), "--listen", "unix:" + path])
                process.start()

                def answers():
                    with socket.socket(socket.AF_UNIX) as client:
                        try:
                            client.connect(path)
                        except OSError:
                            return False
                        client.sendall(request("GET", "/healthz"))
                        return client.recv(100).startswith(b"HTTP/1.1 200")

                harness.wait_until(answers, "an answer")
                process.kill()
            process.start()
            harness.wait_until(answers, "an answer")
            self.assertEqual(process.stop(), 0)
            self.assertFalse(os.path.exists(path))

    def test_drain(self):
        stack = gateway_alone("--drain-delay", "1", "--grace", "5")
        try:
            with Wire(stack.gateway_port) as wire, Wire(stack.gateway_port) as late:
                wire.send(request("GET", "/healthz"))
                self.assertEqual(wire.answer()[0], 200)
                stack.gateway.signal(signal.SIGTERM)

                def not_ready():
                    late.send(request("GET", "/readyz"))
                    return late.answer()[0] == 503

                # Not ready at once, and all else is still served while balancers turn away.
                harness.wait_until(not_ready, "not ready")
                wire.send(request("GET", "/healthz"))
                self.assertEqual(wire.answer()[0], 200)

                def closing():
                    wire.send(request("GET", "/healthz"))
                    answer = wire.answer()
                    if answer is None:
                        return True  # a connection that was idle for a second of the drain is closed; this machine was slow
                    self.assertEqual(answer[0], 200)
                    return answer[1].get("connection") == "close"

                harness.wait_until(closing, "Connection: close")
                self.assertTrue(wire.ended())
            harness.wait_until(lambda: not stack.gateway.running(), "the end")
            self.assertEqual(stack.gateway.process.returncode, 0)
            self.assertIn('"message":"stopped"', stack.gateway.log_text())
        finally:
            stack.stop()

    def test_a_second_signal_ends_the_grace(self):
        stack = gateway_alone("--drain-delay", "3600")
        stack.gateway.signal(signal.SIGTERM)
        harness.wait_until(lambda: "draining" in stack.gateway.log_text(), "the drain")
        stack.gateway.signal(signal.SIGINT)
        harness.wait_until(lambda: not stack.gateway.running(), "the end")
        self.assertEqual(stack.gateway.process.returncode, 0)
        stack.stop()

    def test_access_lines_hold_no_secrets(self):
        stack = gateway_alone("--access-log", "1")
        try:
            stack.request("GET", harness.PATH, BODY, {"Authorization": "Bearer very-secret-token"})
            harness.wait_until(lambda: '"message":"request"' in stack.gateway.log_text(), "an access line")
            text = stack.gateway.log_text()
            self.assertNotIn("very-secret-token", text)
            self.assertNotIn("0912345678", text)
            line = json.loads([l for l in text.splitlines() if '"message":"request"' in l][-1])
            self.assertEqual((line["status"], line["method"], line["route"]), ("503", "GET", harness.PATH))
            self.assertRegex(line["phone"], r"^\*+678$")
        finally:
            stack.stop()


class Tls(unittest.TestCase):
    def serial(self, port, authority):
        context = ssl.create_default_context(cafile=authority.file)
        with Wire(port, context) as wire:
            wire.send(request("GET", "/healthz"))
            self.assertEqual(wire.answer()[0], 200)
            return int(wire.socket.getpeercert()["serialNumber"], 16)

    def test_https(self):
        with tempfile.TemporaryDirectory() as folder:
            authority = Authority(folder)
            cert, key = authority.issue("gateway")
            stack = gateway_alone("--tls-cert", cert, "--tls-key", key)
            try:
                context = ssl.create_default_context(cafile=authority.file)
                with Wire(stack.gateway_port, context) as wire:
                    self.assertIn(wire.socket.version(), ("TLSv1.2", "TLSv1.3"))
                    idle = Wire(stack.gateway_port, context)
                    self.addCleanup(idle.socket.close)
                    wire.send(request("GET", "/openapi.json") + request("GET", harness.PATH, BEARER, body=BODY))
                    self.assertEqual([wire.answer()[0], wire.answer()[0]], [200, 503])
                old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", DeprecationWarning)
                    old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
                old.set_ciphers("ALL:@SECLEVEL=0")
                with self.assertRaises((ssl.SSLError, ConnectionError)):
                    Wire(stack.gateway_port, old)
            finally:
                stack.stop()

    def test_new_certificates_are_taken_without_a_restart(self):
        with tempfile.TemporaryDirectory() as folder:
            authority = Authority(folder)
            cert, key = authority.issue("gateway")
            next_cert, next_key = authority.issue("next")
            stack = gateway_alone("--tls-cert", cert, "--tls-key", key, "--workers", "2")
            try:
                with Wire(stack.gateway_port, ssl.create_default_context(cafile=authority.file)) as wire:
                    wire.send(request("GET", "/healthz"))
                    self.assertNotIn("connection", wire.answer()[1])
                    self.assertEqual(self.serial(stack.gateway_port, authority), 1)
                    replace(next_cert, cert)
                    replace(next_key, key)
                    harness.wait_until(lambda: self.serial(stack.gateway_port, authority) == 2, "the new certificate")
                    # The open connection keeps its certificate and goes on.
                    harness.wait_until(lambda: all(self.serial(stack.gateway_port, authority) == 2 for _ in range(8)), "all workers")
                    for _ in range(2):
                        wire.send(request("GET", "/healthz"))
                        self.assertEqual(wire.answer()[0], 200)
                with open(cert, "w", encoding="ascii") as file:
                    file.write("nonsense")
                harness.wait_until(lambda: "the old certificates remain in use" in stack.gateway.log_text(), "the refusal")
                self.assertEqual(self.serial(stack.gateway_port, authority), 2)
            finally:
                stack.stop()

    def test_mutual_tls_to_the_service(self):
        with tempfile.TemporaryDirectory() as folder:
            authority = Authority(folder)
            cert, key = authority.issue("service")
            client_cert, client_key = authority.issue("client")
            service = ("--tls-cert", cert, "--tls-key", key, "--tls-client-ca", authority.file)
            trust = ("--service-ca", authority.file)
            stack = harness.Stack(gateway_options=(*trust, "--service-cert", client_cert, "--service-key", client_key),
                                  service_options=service)
            try:
                stack.start()
                # A token that nobody has shows that the request went to the service and back.
                ask = lambda: stack.request("GET", harness.PATH, BODY, {"Authorization": "Bearer nobody"})[0]
                self.assertEqual(ask(), 401)
                replacement = authority.issue("replacement")
                replace(replacement[0], client_cert)
                replace(replacement[1], client_key)
                harness.wait_until(lambda: "read again" in stack.gateway.log_text(), "the new client certificate")
                for _ in range(20):
                    self.assertEqual(ask(), 401)
                # Without a client certificate the service lets nobody in.
                stranger = harness.Stack(gateway_options=(*trust, "--service", stack.service_address, "--timeout", "500"))
                stranger.gateway.start()
                try:
                    harness.wait_until(lambda: harness.connects(stranger.gateway_port), "the gateway")
                    self.assertEqual(stranger.request("GET", harness.PATH, BODY, {"Authorization": "Bearer nobody"})[0], 503)
                finally:
                    stranger.stop()
            finally:
                stack.stop()


class WithService(harness.StackTest):
    gateway_options = ("--recording-hosts", "recordings.example.vn", "--recording-hosts", "files.example:8443", "--max-in-flight", "8",
                       "--workers", "1", "--timeout", "5000")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        url = "https://recordings.example.vn/1.mp3"
        cls.stack.import_lines(
            [harness.call("0912345678", second) for second in range(30)]
            + [harness.call("0987000001", 1, id="rec-1", record_file=["https://evil.example/1.mp3", url]),
               harness.call("0987000001", 2, id="rec-2", record_file=["https://evil.example/1.mp3", "ftp://recordings.example.vn/x",
                                                                      "https://user@recordings.example.vn/", "javascript:alert(1)",
                                                                      "https://recordings.example.vn.evil.example/",
                                                                      "https://recordings.example.vn:444/", "//recordings.example.vn/"]),
               harness.call("0987000001", 3, id="rec-3"),
               harness.call("0987000001", 5, id="rec-5", record_file=["https://recordings.example.vn:443/cu\u1ed9c g\u1ecdi 5.mp3"]),
               harness.call("0987000001", 4, id="rec/4 \u00e4", record_file=["http://files.example:8443/a?b=c"])]
        )

    def bearer(self):
        return {"Authorization": "Bearer " + self.stack.token()}

    def ask(self, method, path, body=None, **headers):
        return self.stack.request(method, path, body, {**self.bearer(), **{k.replace("_", "-"): v for k, v in headers.items()}})

    def test_five_spellings(self):
        wanted = {**FIELDS, "page": 1, "size": 10}
        query = "?" + "&".join(f"{k}={v}" for k, v in wanted.items())
        answers = [self.ask("GET", harness.PATH, json.dumps(wanted))[2], self.ask("POST", harness.PATH, json.dumps(wanted))[2],
                   self.ask("QUERY", harness.PATH, json.dumps(wanted))[2], self.ask("GET", harness.PATH + query)[2]]
        self.assertEqual(len(json.loads(answers[0])["data"]), 10)
        self.assertEqual(len(set(answers)), 1)
        head = self.ask("HEAD", harness.PATH + query)
        self.assertEqual((head[0], head[2], head[1]["Content-Length"]), (200, b"", str(len(answers[0]))))
        status, headers, body = self.ask("GET", harness.PATH + query, Accept_Encoding="gzip")
        self.assertEqual((headers["Content-Encoding"], gzip.decompress(body)), ("gzip", answers[0]))

    def test_counts(self):
        self.assertEqual(self.stack.count("0912345678"), 30)
        query = "?" + "&".join(f"{k}={v}" for k, v in FIELDS.items())
        self.assertEqual(json.loads(self.ask("GET", COUNT + query + "&page=0&size=9999")[2])["data"], 30)

    def test_api_key(self):
        key = {"X-API-KEY": self.stack.token()}
        status, _, body = self.stack.request("GET", harness.PATH + "?phone=0912345678", headers=key)
        self.assertEqual((status, json.loads(body)["data"]), (200, 30))
        status, _, body = self.stack.request("GET", harness.PATH + "?page=1&size=1000", headers=key)
        self.assertEqual((status, len(json.loads(body)["data"])), (200, 35))

    def test_a_bad_token_wins_over_a_bad_body(self):
        for token, status in (("nobody", 401), (self.stack.token(), 400)):
            for body in ("{", '{"page":1}', '{"vbot_id":[]}'):
                self.assertEqual(self.stack.request("GET", harness.PATH, body, {"Authorization": "Bearer " + token})[0], status)

    def test_a_bad_token_wins_over_a_bad_header(self):
        """Each token is asked of the store once, so that each answer takes its time."""
        for number in range(50):
            headers = {"Authorization": f"Bearer nobody-{number}", "X-Request-Timeout": "soon"}
            self.assertEqual(self.stack.request("GET", harness.PATH, json.dumps(FIELDS), headers)[0], 401)
        self.assertEqual(self.ask("GET", harness.PATH, json.dumps(FIELDS), X_Request_Timeout="soon")[0], 400)

    def test_recordings(self):
        tenant = f"?vbot_id={harness.VBOT}&project_code={harness.PROJECT}"
        status, headers, body = self.ask("GET", RECORD + "rec-1" + tenant)
        self.assertEqual((status, headers["Location"], body), (302, "https://recordings.example.vn/1.mp3", b""))
        status, headers, _ = self.stack.request("HEAD", RECORD + "rec%2F4%20%c3%a4", headers={"X-API-KEY": self.stack.token()})
        self.assertEqual((status, headers["Location"]), (302, "http://files.example:8443/a?b=c"))
        status, headers, _ = self.ask("GET", RECORD + "rec-5" + tenant)
        self.assertEqual((status, headers["Location"]), (302, "https://recordings.example.vn:443/cu%E1%BB%99c%20g%E1%BB%8Di%205.mp3"))
        for call in ("rec-2", "rec-3", "unknown"):
            status, headers, body = self.ask("GET", RECORD + call + tenant)
            self.assertEqual((status, json.loads(body)["error"], headers["Location"]), (404, 404, None))
        self.assertEqual(self.ask("GET", RECORD + "rec-1")[0], 400)
        self.assertEqual(self.stack.request("GET", RECORD + "rec-1" + tenant)[0], 401)
        self.assertEqual(self.ask("GET", RECORD + "rec-1?vbot_id=X&project_code=Y")[0], 403)

    def test_overload_is_answered_at_once(self):
        self.stack.service.signal(harness.SIGSTOP)
        try:
            with_answers = [Wire(self.stack.gateway_port) for _ in range(20)]
            for wire in with_answers:
                wire.send(request("GET", harness.PATH, "Authorization: Bearer " + self.stack.token(), "X-Request-Timeout: 3000", body=BODY))
            answers = [wire.answer() for wire in with_answers]
            refused = [answer for answer in answers if answer[0] == 429]
            self.assertEqual(len(refused), 12)
            self.assertEqual({answer[1]["retry-after"] for answer in refused}, {"1"})
            self.assertTrue(all(answer[0] in (503, 504) for answer in answers if answer[0] != 429), answers)
            for wire in with_answers:
                wire.socket.close()
        finally:
            self.stack.service.signal(harness.SIGCONT)
        harness.wait_until(self.stack.ready, "readiness")
        self.assertEqual(self.stack.count("0912345678"), 30)

    def test_a_client_that_leaves_frees_its_place(self):
        self.stack.service.signal(harness.SIGSTOP)
        try:
            for _ in range(8):
                with Wire(self.stack.gateway_port) as wire:
                    wire.send(request("GET", harness.PATH, "Authorization: Bearer " + self.stack.token(), body=BODY))

            def free():
                text = self.stack.request("GET", "/metrics")[2].decode()
                return "\nhttp_server_active_requests 0\n" in text

            harness.wait_until(free, "free places", 4)
        finally:
            self.stack.service.signal(harness.SIGCONT)
        harness.wait_until(self.stack.ready, "readiness")

    def test_a_request_in_flight_survives_the_drain(self):
        gateway = harness.Stack(gateway_options=("--service", self.stack.service_address, "--timeout", "8000"))
        gateway.gateway.start()
        try:
            harness.wait_until(lambda: gateway.request("GET", headers=harness.NOBODY)[0] == 401 if harness.connects(gateway.gateway_port) else False, "ready")
            self.stack.service.signal(harness.SIGSTOP)
            with Wire(gateway.gateway_port) as wire:
                wire.send(request("GET", harness.PATH, "Authorization: Bearer " + self.stack.token(), body=BODY))
                harness.wait_until(lambda: b"active_requests 1" in gateway.request("GET", "/metrics")[2], "a request in flight")
                gateway.gateway.signal(signal.SIGTERM)
                # A connection may be refused while one of the workers closes its socket and the other still listens.
                refused = lambda: not any(harness.connects(gateway.gateway_port) for _ in range(5))
                harness.wait_until(refused, "no new connections")
                self.stack.service.signal(harness.SIGCONT)
                status, headers, body = wire.answer()
                self.assertEqual((status, headers["connection"], json.loads(body)["data"]), (200, "close", 30))
            harness.wait_until(lambda: not gateway.gateway.running(), "the end")
            self.assertEqual(gateway.gateway.process.returncode, 0)
        finally:
            self.stack.service.signal(harness.SIGCONT)
            gateway.stop()

    def test_the_grace_ends(self):
        gateway = harness.Stack(gateway_options=("--service", self.stack.service_address, "--timeout", "60000", "--grace", "1"))
        gateway.gateway.start()
        try:
            harness.wait_until(lambda: harness.connects(gateway.gateway_port) and gateway.request("GET", headers=harness.NOBODY)[0] == 401, "readiness")
            self.stack.service.signal(harness.SIGSTOP)
            data = request("GET", harness.PATH, "Authorization: Bearer " + self.stack.token(), body=BODY)
            wires = [Wire(gateway.gateway_port) for _ in range(20)]
            for wire in wires:
                wire.send(data + data)
            harness.wait_until(lambda: b"active_requests 20" in gateway.request("GET", "/metrics")[2], "requests in flight")
            gateway.gateway.signal(signal.SIGTERM)
            for wire in wires:
                status, headers, body = wire.answer()
                self.assertEqual((status, headers["connection"], headers["retry-after"]), (503, "close", "1"))
                self.assertIn("shutting down", json.loads(body)["message"])
                self.assertIsNone(wire.answer())
                wire.socket.close()
            harness.wait_until(lambda: not gateway.gateway.running(), "the end")
            self.assertEqual(gateway.gateway.process.returncode, 0)
        finally:
            self.stack.service.signal(harness.SIGCONT)
            gateway.stop()

    def test_a_rolling_restart_loses_no_request(self):
        gateways = [harness.Stack(gateway_options=("--service", self.stack.service_address)) for _ in range(2)]
        data = request("GET", harness.PATH, "Authorization: Bearer " + self.stack.token(), body=BODY)
        lost, answered, done = [], [0] * 8, threading.Event()

        def serves(gateway):
            return harness.connects(gateway.gateway_port) and gateway.request("GET", headers=harness.NOBODY)[0] == 401

        def connect(turn):
            while True:  # as a balancer does: only a gateway that takes connections
                try:
                    return Wire(gateways[turn % 2].gateway_port)
                except OSError:
                    turn += 1

        def work(number):
            wire = connect(number)
            while not done.is_set():
                try:
                    wire.send(data)
                    answer = wire.answer()
                except OSError as error:
                    answer = error
                if not isinstance(answer, tuple) or answer[0] != 200:
                    lost.append(answer)
                    return
                answered[number] += 1
                if answer[1].get("connection") == "close":
                    wire.socket.close()
                    wire = connect(number + answered[number])
            wire.socket.close()

        for gateway in gateways:
            gateway.gateway.start()
        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        try:
            for gateway in gateways:
                harness.wait_until(lambda: serves(gateway), "readiness")
            for thread in threads:
                thread.start()
            for turn in range(6):
                before = sum(answered)
                harness.wait_until(lambda: sum(answered) > before + 300 or lost, "traffic")
                self.assertEqual(gateways[turn % 2].gateway.stop(), 0)
                gateways[turn % 2].gateway.start()
                harness.wait_until(lambda: serves(gateways[turn % 2]), "readiness")
        finally:
            done.set()
            for thread in threads:
                thread.join()
            for gateway in gateways:
                gateway.stop()
        self.assertEqual(lost, [])

    def test_many_clients_at_once(self):
        problems = []

        def work():
            with Wire(self.stack.gateway_port) as wire:
                for _ in range(50):
                    wire.send(request("GET", harness.PATH, "Authorization: Bearer " + self.stack.token(), body=BODY))
                    answer = wire.answer()
                    if answer is None or answer[0] not in (200, 429) or (answer[0] == 200 and json.loads(answer[2])["data"] != 30):
                        problems.append(answer)

        self.stack.token()
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(problems, [])


if __name__ == "__main__":
    unittest.main()
