"""One policy for `authorization` on both protocols: exactly one value, and blanks around scheme and token do not matter."""

import http.client
import json
import unittest

import grpc

import harness
import stubs


class Authorization(harness.StackTest):
    def by_http(self, values):
        """The status of a count whose request has these Authorization headers."""
        body = json.dumps({"vbot_id": harness.VBOT, "project_code": harness.PROJECT, "phone": "0912345678"})
        connection = http.client.HTTPConnection("127.0.0.1", self.stack.gateway_port, timeout=harness.WAIT_SECONDS)
        try:
            connection.putrequest("GET", harness.PATH)
            connection.putheader("Content-Length", str(len(body)))
            for value in values:
                connection.putheader("Authorization", value)
            connection.endheaders(body.encode())
            return connection.getresponse().status
        finally:
            connection.close()

    def by_grpc(self, values):
        """The reason of the refusal of a count with this metadata, or OK."""
        with stubs.channel(self.stack.service_address) as channel:
            count = stubs.history_grpc.CallHistoryServiceStub(channel).CountCalls
            try:
                count(stubs.history.CountCallsRequest(phone="0912345678"), timeout=harness.WAIT_SECONDS,
                      metadata=[("authorization", value) for value in values])
                return "OK"
            except grpc.RpcError as error:
                self.assertEqual(error.code(), grpc.StatusCode.UNAUTHENTICATED, error.details())
                return stubs.details(error)["ErrorInfo"].reason

    def test_blanks_do_not_matter(self):
        token = self.stack.token()
        for value in ("Bearer {}", "bearer {}", "BEARER  {}", "Bearer {} ", "Bearer {}   ", "  Bearer {}"):
            with self.subTest(value=value):
                self.assertEqual(self.by_http([value.format(token)]), 200)
                self.assertEqual(self.by_grpc([value.format(token)]), "OK")

    def test_exactly_one_value(self):
        token = "Bearer " + self.stack.token()
        for values in ((token, token), (token, "Bearer none"), ("Bearer none", token), ("Basic eDp5", token), (token, ""),
                       ("", token), (token, token, token), (f"{token}, {token}",), (f"{token},{token}",), (f"{token} {token}",)):
            with self.subTest(values=[value.replace(token, "T") for value in values]):
                self.assertEqual(self.by_http(values), 401)
                self.assertIn(self.by_grpc(values), ("TOKEN_INVALID", "TOKEN_MISSING"))

    def test_no_value(self):
        for values in ((), ("",), ("Bearer",), ("Bearer ",), ("Basic eDp5",), (self.stack.token(),), ("Bearer" + self.stack.token(),)):
            with self.subTest(count=len(values)):
                self.assertEqual(self.by_http(values), 401)
                self.assertIn(self.by_grpc(values), ("TOKEN_INVALID", "TOKEN_MISSING"))


if __name__ == "__main__":
    unittest.main()
