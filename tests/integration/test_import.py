"""Import and the promises about identity: the same file twice, a call recorded again, bad lines among good ones."""

import json
import re
import unittest

import harness
import stubs
from harness import call

from callhistory.v1 import call_pb2


class Import(harness.StackTest):
    def test_twice_changes_nothing(self):
        lines = [call("0908111222", second) for second in range(50)]
        for line in lines[:25]:
            del line["id"]  # its id is then a digest of the record
        _, first, _ = self.stack.import_lines(lines)
        before = self.stack.list("0908111222")
        self.assertEqual(len(before), 50)
        self.stack.import_lines(lines)
        self.assertEqual(self.stack.list("0908111222"), before)
        self.assertEqual(self.stack.count("0908111222"), 50)

    def test_requests_of_a_megabyte(self):
        """Several at once on one connection, each larger than the windows of HTTP/2 are at first."""
        url = "https://recordings.example.vn/" + "x" * 900
        lines = [harness.call("0912000099", second, record_file=[url]) for second in range(6000)]
        _, out, _ = self.stack.import_lines(lines)
        # A request that a busy machine does not answer in time is repeated, and its calls are then unchanged.
        found = re.search(r"recorded (\d+), replaced 0, unchanged (\d+), refused 0, failed 0", out)
        self.assertEqual(found and int(found[1]) + int(found[2]), 6000, out)

    def test_another_number_leaves_the_old_one(self):
        self.stack.import_lines([call("0908333444", 7, id="moves")])
        self.assertEqual(self.stack.count("0908333444"), 1)
        self.stack.import_lines([call("0908555666", 7, id="moves", callee=[{"phone": "109"}])])
        self.assertEqual(self.stack.count("0908333444"), 0)
        self.assertEqual(self.stack.list("0908333444"), [])
        self.assertEqual(self.stack.count("0908555666"), 1)
        self.assertEqual(self.stack.count("109"), 1)

    def test_replaced_record_shows_its_new_content(self):
        self.stack.import_lines([call("0908777888", 1, id="again")])
        self.stack.import_lines([call("0908777888", 1, id="again", time_call="99", disposition="BUSY")])
        (only,) = self.stack.list("0908777888")
        self.assertEqual((only["time_call"], only["disposition"]), ("99", "BUSY"))

    def test_bad_lines_are_named_and_skipped(self):
        good = [json.dumps(call("0908999000", second)) for second in range(3)]
        text = "\n".join([
            good[0],
            "{not json",
            json.dumps(call("0908999000", 10, time_call="soon")),
            json.dumps(call("0908999000", 11, callee=[{"phone": "1"}, {"phone": "2", "time_call": "x"}])),
            good[1],
            json.dumps({"project_code": harness.PROJECT, "vbot_id": harness.VBOT}),
            "",
            good[2],
        ]) + "\n"
        status, _, errors = self.stack.import_text(text, check=False)
        self.assertEqual(status, 1)
        self.assertEqual(self.stack.count("0908999000"), 3)
        for line, field in ((2, ""), (3, "time_call"), (4, "callee[1].time_call"), (6, "date_create")):
            self.assertRegex(errors, rf"(?m):{line}:.*{field.replace('[', '.').replace(']', '.')}")
        self.assertNotRegex(errors, r"(?m):(1|5|7|8): ")

    def test_many_pages_have_every_call_once(self):
        number = "0908121212"
        self.stack.import_lines([call(number, second) for second in range(2503)])
        self.assertEqual(self.stack.count(number), 2503)
        for phone in (number, "101"):
            seen, page = [], 1
            while page < 100:
                calls = [c for c in self.stack.list(phone, page, 1000)]
                seen += [c["date_create"] for c in calls if c["caller"][0]["phone"] == number]
                if len(calls) < 1000:
                    break
                page += 1
            self.assertEqual(len(seen), 2503)
            self.assertEqual(seen, sorted(seen, reverse=True))

    def test_nothing_within_the_caps_is_refused(self):
        number = "0908131313"
        lines = [
            call(number, 0, id="i" * 256),
            call(number, 1, id="url", record_file=["https://recordings.example.vn/" + "r" * 4066]),
            call(number, 2, id="recordings", record_file=[f"https://recordings.example.vn/{i}.wav" for i in range(256)]),
            call(number, 3, id="queue", callee=[{"phone": f"{2000 + i}", "member_no": f"{i}"} for i in range(512)]),
            call(number, 4, id="uri", callee=[{"phone": "sip:" + "u" * 480 + "@pbx.example.vn"}]),
            call(number, 5, id="text", disposition="d" * 1024, group_id="\t\n\x1b\x7f"),
            call(number, 6, id="tab", callee=[{"phone": "0908141414\t", "member_no": "An\tBinh", "vbot_id": "\x01"}]),
            call(number, 7, id="no date", callee=[{"phone": "101", "date_create": "01/01/0001 00:00:00"}]),
            call(number, 8, id="real", time_call=120.0, duration_call="120.9"),
            call(number, 9, id="negative", time_call=-1, duration_call=4294967295),
        ]
        _, out, errors = self.stack.import_lines(lines)
        self.assertIn("recorded 10,", out + errors)
        shown = {c["date_create"]: c for c in self.stack.list(number, size=100)}
        self.assertEqual(len(shown), 10)
        calls = [shown[date] for date in sorted(shown)]
        self.assertEqual(len(calls[1]["record_file"][0]), 4096)
        self.assertEqual(len(calls[2]["record_file"]), 256)
        self.assertEqual(len(calls[3]["callee"]), 512)
        self.assertEqual((calls[5]["disposition"], calls[5]["group_id"]), ("d" * 1024, "\t\n\x1b\x7f"))
        self.assertEqual(calls[6]["callee"][0]["member_no"], "An\tBinh")
        self.assertEqual(calls[6]["callee"][0]["phone"], "0908141414\t")
        self.assertEqual(calls[7]["callee"][0]["date_create"], "")
        self.assertEqual((calls[8]["time_call"], calls[8]["duration_call"]), ("120", "120"))
        self.assertEqual(calls[9]["time_call"], "")
        self.assertNotIn("duration_call", calls[9])
        for phone in ("2000", "2511", "u" * 100, "0908141414"):
            self.assertEqual(self.stack.count(phone), 0 if phone[0] == "u" else 1)

    def test_limits_are_named(self):
        number = "0908151515"
        for field, limit, more in (
            ("id", "256", {"id": "i" * 257}), ("hotline_number", "512", {"hotline_number": "1" * 513}),
            ("group_id", "1024", {"group_id": "g" * 1025}), ("record_file[0]", "4096", {"record_file": ["r" * 4097]}),
            ("record_file", "256", {"record_file": ["r"] * 257}), ("callee", "512", {"callee": [{}] * 513}),
        ):
            status, out, errors = self.stack.import_text(json.dumps(call(number, 1, **more)) + "\n", check=False)
            self.assertEqual(status, 1)
            self.assertIn(f"{field} must have at most {limit} ", errors)

    def test_an_export_is_an_import(self):
        """Whatever is recorded over gRPC comes back unchanged, in every zone, and in the hour that clocks show twice."""
        token = self.stack.issue("writer", (("EXPORT", "V"),))
        ingest = stubs.ingest
        calls = []
        for index in range(120):
            made = call_pb2.Call(id=f"export-{index}", direction=index % 6, missed=index % 4 == 1, disposition=index % 20)
            if index % 7:
                made.charge.amount = index % 7 - 1 + index / 7
            made.charge.currency_code = "" if index % 9 else "VND"
            made.start_time.seconds = 1792884600 + index * 120  # around 25 October 2026, 01:00 UTC
            made.start_time.nanos = index * 7 * 1000000
            if index % 2:
                made.create_time.seconds, made.create_time.nanos = 1792900000 + index, index * 1000000
                made.answer_time.seconds = made.create_time.seconds - 30
                made.talk_seconds = 4294967295 - index
                made.disposition_other = "beside a known one"
            party = made.callers.add(phone="0908\u00a0161616", start_offset_ms=250 - index * 1000, disposition=index)
            if index % 3 == 0:
                party.duration_seconds = 0
                made.recordings.append("")
            if index % 5 == 0:
                made = call_pb2.Call.FromString(made.SerializeToString() + b"\xf8\x07\x01")
            calls.append(made)
        with stubs.channel(self.stack.service_address) as channel:
            stub = stubs.ingest_grpc.CallIngestServiceStub(channel)
            metadata = [("authorization", "Bearer " + token)]
            results = stub.RecordCalls(ingest.RecordCallsRequest(calls=calls), metadata=metadata, timeout=60).results
            self.assertEqual({r.outcome for r in results}, {ingest.RecordCallResult.OUTCOME_RECORDED})
        service = ("--service", self.stack.service_address, "--token", token)
        for zone in ("Asia/Ho_Chi_Minh", "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"):
            _, lines, _ = self.stack.ctl(*service, "list", "--project-code", "EXPORT", "--vbot-id", "V", "--all", "--json",
                                         "--time-zone", zone)
            self.assertEqual(lines.count("\n"), 120)
            for back in (zone, "Europe/Berlin"):
                _, out, errors = self.stack.ctl(*service, "import", "--time-zone", back, "-", stdin=lines)
                self.assertIn("unchanged 120,", out + errors)


if __name__ == "__main__":
    unittest.main()
