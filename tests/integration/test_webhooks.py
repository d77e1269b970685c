"""Webhooks with real servers: senders that repeat until they are answered, kills of every process in between, each call exactly once."""

import base64
import json
import random
import threading
import unittest
import urllib.parse

import harness

FIRST_MS = 1795140907000
CALLS = 120


def vbot_log(number):
    return json.dumps({"event_data": "MANUAL_CALL_LOG", "transId": f"vbot-{number}", "projectCode": harness.PROJECT,
                       "createAt": FIRST_MS + number * 1000, "timeCall": 3, "durationCall": 10, "typeCall": 2, "caller": "101",
                       "callee": "0988000001", "disposition": "ANSWER"})


def vbot_recording(number):
    return json.dumps({"eventData": "MANUAL_CALL_RECORDING", "transId": f"vbot-{number}", "recordUrl": f"https://r/{number}.mp3"})


def vbot_complete(number):
    return json.dumps({"manualCallLog": json.loads(vbot_log(number)),
                       "manualCallRecording": json.loads(vbot_recording(number))})


def a_leg(number):
    return json.dumps({
        "variables": {"uuid": f"a-{number}", "start_uepoch": str((FIRST_MS + number * 1000) * 1000), "answer_epoch": "1795140910",
                      "billsec": "5", "duration": "9", "call_direction": "inbound", "hangup_cause": "NORMAL_CLEARING"},
        "callflow": [{"caller_profile": {
            "caller_id_number": "0988000002", "destination_number": "19001234",
            "originatee": {"originatee_caller_profiles": [{"uuid": f"b-{number}", "destination_number": "102"}]}}, "times": {}}]})


def b_leg(number, leg="b", extension="102"):
    return json.dumps({
        "variables": {"uuid": f"{leg}-{number}", "start_uepoch": str((FIRST_MS + number * 1000 + 500) * 1000), "answer_epoch": "0",
                      "billsec": "0", "duration": "8", "hangup_cause": "LOSE_RACE" if leg == "c" else "NO_ANSWER"},
        "callflow": [{"caller_profile": {"destination_number": extension, "originator": {
            "originator_caller_profiles": [{"uuid": f"a-{number}", "caller_id_number": "0988000002"}]}}, "times": {}}]})


def encoded(text, way):
    """A leg as FreeSWITCH sends it."""
    if way == 0:
        return text
    return "cdr=" + (urllib.parse.quote(text, safe="") if way == 1 else base64.b64encode(text.encode()).decode())


class Webhooks(harness.StackTest):
    def post(self, path, body, headers=None, token=None):
        headers = headers or {"Authorization": "Bearer " + (token or self.stack.token("writer"))}
        status, _, answer = self.stack.request("POST", path, body, headers)
        return status, json.loads(answer)

    def basic(self, token=None):
        text = "freeswitch:" + (token or self.stack.token("writer"))
        return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode(), "Content-Type": "application/x-www-form-urlencoded"}

    def send(self, posts, problems):
        """Posts in order, each until it is answered with success, as a sender with retries does."""
        try:
            for path, body, headers in posts:
                def accepted():
                    try:
                        status, answer = self.post(path, body, headers)
                    except (OSError, ValueError, harness.http.client.HTTPException):
                        return False
                    assert status in (200, 429, 500, 503, 504), (status, answer)
                    return status == 200
                harness.wait_until(accepted, "a post is accepted")
        except Exception as error:  # pylint: disable=broad-except
            problems.append(error)

    def send_all(self, posts, disturb):
        """Several senders at once, with something that happens meanwhile."""
        problems = []
        senders = [threading.Thread(target=self.send, args=(posts[i::6], problems)) for i in range(6)]
        for sender in senders:
            sender.start()
        try:
            disturb()
        finally:
            for sender in senders:
                sender.join()
        self.assertEqual(problems, [])

    def disturb(self):
        self.stack.service.kill()
        self.stack.service.start()
        self.stack.wait_ready()
        self.stack.redis.kill()
        self.stack.start_redis()
        self.stack.wait_ready()
        self.stack.gateway.kill()
        self.stack.gateway.start()
        self.stack.wait_ready()

    def listed(self, phone):
        """All calls of a number, each by when it began."""
        calls = {}
        for page in range(1, 10):
            part = self.stack.list(phone, page, 100)
            for call in part:
                self.assertNotIn(call["date_create"], calls)
                calls[call["date_create"]] = call
            if len(part) < 100:
                return calls
        raise AssertionError("too many calls")

    def test_each_vbot_call_once_whatever_is_killed(self):
        chosen = random.Random(20261129)
        posts = []
        for number in range(CALLS):
            events = [vbot_log(number), vbot_recording(number), vbot_complete(number)] + [vbot_log(number)] * (number % 3 == 0)
            chosen.shuffle(events)
            posts += [("/webhooks/vbot", event, None) for event in events]
        self.send_all(posts, self.disturb)
        calls = self.listed("0988000001")
        self.assertEqual(len(calls), CALLS)
        self.assertEqual({call["record_file"][0] for call in calls.values()}, {f"https://r/{number}.mp3" for number in range(CALLS)})
        for call in calls.values():
            self.assertEqual((len(call["record_file"]), len(call["callee"]), call["time_call"]), (1, 1, "7"))
        self.stack.ctl("--redis", self.stack.operator_url, "verify")

    def test_each_freeswitch_call_once_whatever_is_killed(self):
        chosen = random.Random(20261130)
        posts = []
        for number in range(CALLS):
            legs = [a_leg(number), b_leg(number), b_leg(number, "c", "103")] + [a_leg(number)] * (number % 4 == 0)
            chosen.shuffle(legs)
            posts += [(f"/webhooks/freeswitch?uuid={number}", encoded(leg, chosen.randrange(3)), self.basic()) for leg in legs]
        self.send_all(posts, self.disturb)
        calls = self.listed("0988000002")
        self.assertEqual(len(calls), CALLS)
        for call in calls.values():
            self.assertEqual(call["disposition"], "ANSWER")
            self.assertEqual({(party["phone"], party["disposition"], party["duration_call"]) for party in call["callee"]},
                             {("102", "NOANSWER", 8), ("103", "SOMEONEANSWERED", 8)})
        self.stack.ctl("--redis", self.stack.operator_url, "verify")

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


if __name__ == "__main__":
    unittest.main()
