"""google.rpc.Status on every error of gRPC: ErrorInfo always, BadRequest where a field is at fault, RetryInfo where a retry makes
sense; and what the gateway makes of the same error.
"""

import json
import os
import unittest

import grpc

import harness
import stubs

Code = grpc.StatusCode


class Errors(harness.StackTest):
    def fails(self, method, request, token, code):
        """The details of a call that fails so."""
        with stubs.channel(self.stack.service_address) as channel:
            call = getattr(stubs.history_grpc.CallHistoryServiceStub(channel), method).future(
                request, metadata=[("authorization", "Bearer " + token)] if token else [], timeout=harness.WAIT_SECONDS)
            self.assertEqual(call.code(), code, call.details())
            details = stubs.details(call)
            self.assertRegex(details["ErrorInfo"].reason, "^[A-Z][A-Z0-9_]+$")
            self.assertTrue(details["ErrorInfo"].domain)
            self.assertTrue(call.details())
            self.assertEqual("BadRequest" in details, code == Code.INVALID_ARGUMENT)
            self.assertEqual("RetryInfo" in details, code in (Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED))
            return details

    def test_every_error_has_its_details(self):
        history, token = stubs.history, self.stack.token()
        self.fails("CountCalls", history.CountCallsRequest(), None, Code.UNAUTHENTICATED)
        self.fails("CountCalls", history.CountCallsRequest(), "nobody", Code.UNAUTHENTICATED)
        self.fails("CountCalls", history.CountCallsRequest(project_code="X", vbot_id="Y"), token, Code.PERMISSION_DENIED)
        self.fails("GetCall", history.GetCallRequest(id="none"), token, Code.NOT_FOUND)
        for field, request in (("page_size", history.ListCallsRequest(page_size=-1)), ("page", history.ListCallsRequest(page=-1)),
                               ("phone", history.ListCallsRequest(phone="1" * 513))):
            violations = self.fails("ListCalls", request, token, Code.INVALID_ARGUMENT)["BadRequest"].field_violations
            self.assertEqual([violation.field for violation in violations], [field])
            self.assertTrue(violations[0].description)

    def test_a_method_that_does_not_exist(self):
        with stubs.channel(self.stack.service_address) as channel:
            for method in ("/callhistory.v1.CallHistoryService/Nothing", "/nobody.Service/CountCalls"):
                call = channel.unary_unary(method).future(b"", timeout=harness.WAIT_SECONDS)
                self.assertEqual((call.code(), call.details()), (Code.UNIMPLEMENTED, "unknown method"))

    def test_the_gateway_says_the_same_in_the_envelope(self):
        fields = {"vbot_id": harness.VBOT, "project_code": harness.PROJECT, "phone": "1"}
        token = self.stack.token()
        for fields, token, status, word in (
            ({**fields, "phone": "1" * 129}, token, 400, "phone"), (fields, "nobody", 401, "token"),
            ({**fields, "vbot_id": "OTHER"}, token, 403, "token"), ({**fields, "page": 1, "size": 1001}, token, 400, "size"),
        ):
            got, answer = self.stack.get(fields, token=token)
            self.assertEqual((got, answer["status"], answer["error"]), (status, 0, status))
            self.assertIn(word, answer["message"])
            self.assertNotIn("data", answer)


class Away(harness.StackTest):
    def test_unavailable_says_when_to_come_back(self):
        token = self.stack.token()
        self.stack.redis.kill()
        os.unlink(self.stack.redis_socket)
        Errors.fails(self, "CountCalls", stubs.history.CountCallsRequest(), token, Code.UNAVAILABLE)
        status, headers, body = self.stack.request(
            "GET", body=json.dumps({"vbot_id": harness.VBOT, "project_code": harness.PROJECT, "phone": "1"}),
            headers={"Authorization": "Bearer " + token})
        self.assertEqual((status, json.loads(body)["error"]), (503, 503))
        self.assertGreaterEqual(int(headers["Retry-After"]), 1)


if __name__ == "__main__":
    unittest.main()
