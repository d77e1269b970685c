"""Webhooks with real servers: who may post what. test_webhook_chaos has what becomes of it."""

import base64
import json
import unittest

import harness

FIRST_MS = 1795140907000


def vbot_log(number):
    return json.dumps({"event_data": "MANUAL_CALL_LOG", "transId": f"vbot-{number}", "projectCode": harness.PROJECT,
                       "createAt": FIRST_MS + number * 1000, "timeCall": 3, "durationCall": 10, "typeCall": 2, "caller": "101",
                       "callee": "0988000001", "disposition": "ANSWER"})


def a_leg(number):
    return json.dumps({
        "variables": {"uuid": f"a-{number}", "start_uepoch": str((FIRST_MS + number * 1000) * 1000), "answer_epoch": "1795140910",
                      "billsec": "5", "duration": "9", "call_direction": "inbound", "hangup_cause": "NORMAL_CLEARING"},
        "callflow": [{"caller_profile": {
            "caller_id_number": "0988000002", "destination_number": "19001234",
            "originatee": {"originatee_caller_profiles": [{"uuid": f"b-{number}", "destination_number": "102"}]}}, "times": {}}]})


class Webhooks(harness.StackTest):
    def post(self, path, body, headers=None, token=None):
        headers = headers or {"Authorization": "Bearer " + (token or self.stack.token("writer"))}
        status, _, answer = self.stack.request("POST", path, body, headers)
        return status, json.loads(answer)

    def basic(self, token=None):
        text = "freeswitch:" + (token or self.stack.token("writer"))
        return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode(), "Content-Type": "application/x-www-form-urlencoded"}

    def test_what_a_client_without_a_token_can_send(self):
        large = b"{" + b" " * 200000
        for headers, expected in (({}, 413), ({"Authorization": "Bearer nobody"}, 401), (self.basic("nobody"), 401),
                                  ({"Authorization": "Digest x"}, 401)):
            with self.subTest(headers=headers):
                status, answer = self.post("/webhooks/freeswitch", large, headers or {"Accept": "*/*"})
                self.assertEqual((status, answer["error"]), (expected, expected))
        self.assertEqual(self.post("/webhooks/freeswitch", large)[0], 400)
        self.assertEqual(self.post("/webhooks/freeswitch", b"x" * (1 << 20) + b"y")[0], 413)
        # Only these paths take large bodies.
        self.assertEqual(self.post(harness.PATH, large)[0], 413)

    def test_a_large_leg(self):
        """As large as SDP, headers and logs make it; in chunks, too."""
        leg = json.loads(a_leg(900))
        leg["callflow"][0]["caller_profile"]["caller_id_number"] = "0988000003"
        leg["variables"]["last_arg"] = "user/1000@pbx.example.vn," * 400
        leg["app_log"] = ["x" * 1000] * 900
        body = json.dumps(leg).encode()
        self.assertGreater(len(body), 900000)
        self.assertEqual(self.post("/webhooks/freeswitch", body, self.basic())[0], 200)
        pieces = (body[at:at + 50000] for at in range(0, len(body), 50000))
        self.assertEqual(self.post("/webhooks/freeswitch", pieces, self.basic())[0], 200)
        self.assertEqual(self.stack.count("0988000003"), 1)

    def test_tenants_and_roles(self):
        several = self.stack.issue("writer", ((harness.PROJECT, harness.VBOT), ("OTHER", "V9")))
        self.assertEqual(self.post("/webhooks/vbot", vbot_log(950).replace("0988000001", "0988000004"), token=several)[0], 200)
        self.assertEqual(self.stack.count("0988000004"), 1)
        status, answer = self.post("/webhooks/freeswitch", a_leg(951), token=several)
        self.assertEqual((status, answer["message"]), (400, "project_code must be given: the token opens several tenants"))
        self.assertEqual(self.post("/webhooks/vbot", vbot_log(952).replace(harness.PROJECT, "NOBODYS"), token=several)[0], 403)
        self.assertEqual(self.post("/webhooks/vbot", vbot_log(953), token=self.stack.token("reader"))[0], 403)

    def test_a_record_costs_one_request_of_the_rate(self):
        """Though the gateway checks the token before it reads the body."""
        slow = self.stack.issue("writer", ((harness.PROJECT, harness.VBOT),), "--rate", "1", "--burst", "1")
        self.assertEqual(self.post("/webhooks/vbot", vbot_log(960), token=slow)[0], 200)
        self.assertEqual(self.post("/webhooks/vbot", vbot_log(961), token=slow)[0], 429)


if __name__ == "__main__":
    unittest.main()
