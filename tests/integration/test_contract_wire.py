"""The contract on the wire: requests that get real answers, in every framing of HTTP/1. Malformed ones are in test_gateway_http.py."""

import json
import unittest
import urllib.parse

import harness
import test_gateway_http as http

NUMBER = "0936000001"
FIELDS = {"vbot_id": harness.VBOT, "project_code": harness.PROJECT, "phone": NUMBER}
COUNT = json.dumps(FIELDS).encode()


def page(number):
    return json.dumps({**FIELDS, "page": number, "size": 1}).encode()


class ContractWire(harness.StackTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.stack.import_lines([harness.call(NUMBER, second, external_call_id=str(second)) for second in range(20)])
        cls.bearer = "Authorization: Bearer " + cls.stack.token()

    def wire(self):
        return http.Wire(self.stack.gateway_port)

    def ask(self, method="GET", *headers, body=COUNT, path=harness.PATH, version="1.1"):
        return http.request(method, path, self.bearer, *headers, body=body, version=version)

    def data(self, answer):
        status, headers, body = answer
        self.assertEqual((status, headers["content-type"]), (200, "application/json; charset=utf-8"), body)
        return json.loads(body)["data"]

    def shown(self, answer):
        return [call["external_call_id"] for call in self.data(answer)]

    def test_pipelined_requests_are_answered_in_order(self):
        spellings = ("GET", "POST", "QUERY")
        with self.wire() as wire:
            wire.send(b"".join(self.ask(spellings[n % 3], body=page(n + 1)) + self.ask(body=COUNT) for n in range(20)))
            for number in range(20):
                self.assertEqual(self.shown(wire.answer()), [str(19 - number)])
                self.assertEqual(self.data(wire.answer()), 20)

    def test_one_connection_serves_one_request_after_the_other(self):
        with self.wire() as wire:
            for number in range(20):
                wire.send(self.ask("POST" if number % 2 else "GET", body=page(number + 1)))
                self.assertEqual(self.shown(wire.answer()), [str(19 - number)])

    def test_http_1_0(self):
        with self.wire() as wire:
            wire.send(self.ask(body=page(1), version="1.0"))
            self.assertEqual(self.shown(wire.answer()), ["19"])
            self.assertTrue(wire.ended())
        with self.wire() as wire:
            for number in range(3):
                wire.send(self.ask("POST", "Connection: keep-alive", body=page(number + 1), version="1.0"))
                self.assertEqual(self.shown(wire.answer()), [str(19 - number)])

    def test_chunks_of_every_size(self):
        with self.wire() as wire:
            for method in ("GET", "POST", "QUERY"):
                for size in (1, 2, 7, 64, 4096):
                    wire.send(self.ask(method, "Transfer-Encoding: chunked", body=http.chunks(page(3), size)))
                    self.assertEqual(self.shown(wire.answer()), ["17"])
            # Extensions of chunks and trailers are read over.
            body = b"%x;name=value\r\n%s\r\n0\r\nX-Trailer: 1\r\n\r\n" % (len(COUNT), COUNT)
            wire.send(self.ask("POST", "Transfer-Encoding: chunked", body=body) + self.ask())
            self.assertEqual([self.data(wire.answer()), self.data(wire.answer())], [20, 20])

    def test_expect_100_continue(self):
        for method in ("GET", "POST", "QUERY"):
            with self.wire() as wire:
                wire.send(http.request(method, harness.PATH, self.bearer, "Expect: 100-continue", f"Content-Length: {len(COUNT)}"))
                self.assertEqual(wire.answer()[0], 100)
                wire.send(COUNT)
                self.assertEqual(self.data(wire.answer()), 20)

    def test_cors_is_off_by_default(self):
        with self.wire() as wire:
            wire.send(self.ask("GET", "Origin: https://crm.example.vn") +
                      self.ask("OPTIONS", "Origin: https://crm.example.vn", "Access-Control-Request-Method: GET", body=b""))
            for answer, status in ((wire.answer(), 200), (wire.answer(), 405)):
                self.assertEqual(answer[0], status)
                self.assertFalse([name for name in answer[1] if name.startswith("access-control-")])

    def test_a_request_in_single_bytes(self):
        with self.wire() as wire:
            for byte in self.ask(body=page(2)):
                wire.send(bytes([byte]))
            self.assertEqual(self.shown(wire.answer()), ["18"])

    def test_head_leaves_the_connection_in_step(self):
        target = harness.PATH + "?" + urllib.parse.urlencode({**FIELDS, "page": 1, "size": 1})
        with self.wire() as wire:
            wire.send(self.ask("HEAD", body=b"", path=target) + self.ask("HEAD", body=page(1)) + self.ask(body=page(1)))
            first, second, third = wire.answer(head=True), wire.answer(head=True), wire.answer()
            self.assertEqual(self.shown(third), ["19"])
            for head in (first, second):
                self.assertEqual((head[0], head[1]["content-length"]), (200, third[1]["content-length"]))


if __name__ == "__main__":
    unittest.main()
