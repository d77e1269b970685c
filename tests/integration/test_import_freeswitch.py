"""Import of the files that FreeSWITCH's mod_json_cdr writes when a post has failed: one for each leg, in three encodings; legs of a call
are joined in any order."""

import base64
import json
import os
import unittest
import urllib.parse

import test_asterisk
from harness import PROJECT

ENCODINGS = (str, lambda text: urllib.parse.quote(text, safe="/,()'"), lambda text: base64.b64encode(text.encode()).decode())


def leg(uuid, originator=None, number="0912345678", dialled="101", answered=True, **variables):
    """A record of one leg; `originator` is the leg that made it."""
    caller = {"caller_id_number": number, "caller_id_name": "Ann", "destination_number": dialled, "uuid": uuid}
    if originator:
        caller["originator"] = {"originator_caller_profiles": [
            {"uuid": originator, "caller_id_number": number, "caller_id_name": "Ann", "destination_number": "19001234"}]}
    return {"core-uuid": "c", "switchname": "pbx", "callflow": [{"profile_index": "1", "caller_profile": caller, "times": {}}],
            "variables": {"uuid": uuid, "start_uepoch": "1795136400123456", "answer_epoch": "1795136402" if answered else "0",
                          "duration": "9", "billsec": "7" if answered else "0", "bridge_epoch": "1795136402" if answered else "0",
                          "caller_id": "%22Ann%22%20%3C0912345678%3E", "hangup_cause": "NORMAL_CLEARING", **variables}}


class FreeSwitch(test_asterisk.AsteriskTest):
    def save(self, record, encoding=0, end=""):
        return self.write(ENCODINGS[encoding](json.dumps(record)) + end, record["variables"]["uuid"] + ".cdr.json")

    def load_files(self, *arguments, status=0):
        found, out, errors = self.stack.ctl("--service", self.stack.service_address, "--token", self.writer, "import", "--format",
                                            "freeswitch", *arguments, check=False)
        self.assertEqual(found, status, out + errors)
        return out + errors

    def test_encodings_and_orders(self):
        """Whichever leg of a call is read first, and however it is written: one call with its callee."""
        paths = []
        for number in range(12):
            a_leg = self.save(leg(f"a{number}", dialled="19001234", call_direction="inbound"), number % 3, "\n" * (number % 2))
            b_leg = self.save(leg(f"b{number}", f"a{number}"), (number + 1) % 3, "\n" * (number // 2 % 2))
            paths += [b_leg, a_leg] if number % 4 < 2 else [a_leg, b_leg]
        for again in range(2):
            out = self.load_files(*paths)
            self.assertIn("files 24, lines 24, " + ("recorded 12, replaced 12," if not again else "recorded 0, replaced 0, unchanged 24,"),
                          out)
            calls = self.calls()
            self.assertEqual(sorted(calls), sorted(f"a{number}" for number in range(12)))
            for call in calls.values():
                self.assertEqual((call.callers[0].phone, call.hotline, call.talk_seconds), ("0912345678", "19001234", 7))
                self.assertEqual([callee.phone for callee in call.callees], ["101"])
                self.assertFalse(call.incomplete)

    def test_errors_name_file_and_field(self):
        good, no_start = self.save(leg("good")), self.save(leg("no-start", start_uepoch=""))
        broken, large = self.write("{", "broken.cdr.json"), self.write("x" * ((1 << 20) + 1), "large.cdr.json")
        out = self.load_files("--project-code", PROJECT, "--vbot-id", self.vbot, no_start, broken, large,
                              os.path.join(self.folder, "none"), good, status=1)
        self.assertRegex(out, r"(?m)^\S*no-start.cdr.json: variables.start_uepoch is missing$")
        self.assertRegex(out, r"(?m)^\S*broken.cdr.json: ")
        self.assertRegex(out, r"can't read \S*large.cdr.json: File too large")
        self.assertRegex(out, r"can't read \S*none: No such file")
        self.assertIn("files 3, lines 3, recorded 1, replaced 0, unchanged 0, refused 2,", out)
        self.assertEqual(list(self.calls()), ["good"])

    def test_usage(self):
        path = self.save(leg("a"))
        self.assertIn("--follow can't be used with", self.load_files("--follow", path, status=2))
        self.assertIn("--format asterisk", self.load_files("--inbound-context", "x", path, status=2))


if __name__ == "__main__":
    unittest.main()
