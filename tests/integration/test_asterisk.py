"""Import of Asterisk's CDR files: both kinds of Master.csv, exports with a header line, JSON lines; what is wrong with one row is no
reason to leave others out."""

import csv
import gzip
import os
import unittest

import harness
import stubs
from harness import PROJECT, VBOT

from callhistory.v1 import call_history_service_pb2 as history
from callhistory.v1 import call_pb2


def quoted(*cells):
    """A row as Asterisk writes it: texts are quoted, numbers and None (nothing) are not."""
    return ",".join("" if c is None else f"{c:d}" if isinstance(c, int) else '"' + c.replace('"', '""') + '"' for c in cells) + "\n"


def cdr_csv(number, src="0912345678", dst="101", clid=None, answered=True, tail=True, **more):
    """A row of cdr_csv, with all optional columns."""
    start = f"2026-11-20 {8 + number // 3600 % 16:02}:{number // 60 % 60:02}:{number % 60:02}"
    row = ["", src, dst, more.get("context", "from-trunk"), clid or f'"Caller {number}" <{src}>', "PJSIP/carrier-%08x" % number,
           f"PJSIP/{dst}-%08x" % (number + 1), "Dial", f"PJSIP/{dst},20", start, start if answered else None, start,
           9, 7 if answered else 0, more.get("disposition", "ANSWERED" if answered else "NO ANSWER"), "DOCUMENTATION"]
    return quoted(*row, *((f"1795136400.{number}", more.get("userfield", ""), "", f"1795136400.{number}", number) if tail else ()))


EXPORT_HEADER = ("calldate,clid,src,dst,dcontext,channel,dstchannel,lastapp,lastdata,duration,billsec,disposition,amaflags,accountcode,"
                 "uniqueid,userfield,did,recordingfile,cnum,cnam,outbound_cnum,outbound_cnam,dst_cnam,linkedid,peeraccount,sequence")


class AsteriskTest(harness.StackTest):
    def setUp(self):
        """Each test has a tenant, with a token that names no other."""
        self.vbot = self.id().rpartition(".")[2][:60]
        self.writer = self.stack.issue("writer", ((PROJECT, self.vbot),))
        self.reader = self.stack.issue("reader", ((PROJECT, self.vbot),))
        self.folder = os.path.join(self.stack.folder, self.vbot)
        os.mkdir(self.folder)

    def path(self, name="Master.csv"):
        return os.path.join(self.folder, name)

    def write(self, text, name="Master.csv", encoding="utf-8"):
        with open(self.path(name), "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode(encoding))
        return self.path(name)

    def load(self, *arguments, status=0):
        found, out, errors = self.stack.ctl("--service", self.stack.service_address, "--token", self.writer, "import", "--format",
                                            "asterisk", *arguments, check=False)
        self.assertEqual(found, status, out + errors)
        return out + errors

    def count(self, phone=""):
        """How many calls the tenant has, or one of its numbers."""
        with stubs.channel(self.stack.service_address) as channel:
            stub = stubs.history_grpc.CallHistoryServiceStub(channel)
            return stub.CountCalls(history.CountCallsRequest(phone=phone), metadata=[("authorization", "Bearer " + self.reader)],
                                   timeout=harness.WAIT_SECONDS).count

    def calls(self):
        """All calls of the tenant, by id."""
        found, token = {}, ""
        with stubs.channel(self.stack.service_address) as channel:
            stub = stubs.history_grpc.CallHistoryServiceStub(channel)
            while True:
                page = stub.ListCalls(history.ListCallsRequest(page_size=1000, page_token=token),
                                      metadata=[("authorization", "Bearer " + self.reader)], timeout=harness.WAIT_SECONDS)
                for call in page.calls:
                    self.assertNotIn(call.id, found)
                    found[call.id] = call
                token = page.next_page_token
                if not token:
                    return found


class Import(AsteriskTest):
    def test_cdr_csv(self):
        path = self.write("".join(cdr_csv(number, userfield=f"crm-{number}", answered=number % 2 == 0) for number in range(30)))
        options = ("--inbound-context", "from-trunk", "--trunk-channel", "PJSIP/carrier-", "--external-id-column", "userfield", path)
        self.assertIn("recorded 30,", self.load(*options))
        self.assertIn("unchanged 30,", self.load(*options))
        calls = self.calls()
        self.assertEqual(len(calls), 30)
        call = calls["1795136400.3-3"]
        self.assertEqual(call.start_time.seconds, 1795136403)  # 08:00:03 in Ho Chi Minh City
        self.assertEqual((call.direction, call.missed), (call_pb2.CALL_DIRECTION_INBOUND, True))
        self.assertEqual(call.disposition, call_pb2.DISPOSITION_NO_ANSWER)
        self.assertEqual((call.callers[0].phone, call.callers[0].name), ("0912345678", "Caller 3"))
        self.assertEqual((call.callees[0].phone, call.callees[0].member_no), ("101", "101"))
        self.assertEqual((call.external_call_id, call.group_id), ("crm-3", "1795136400.3"))
        self.assertEqual((call.duration_seconds, call.talk_seconds), (9, 0))
        self.assertEqual(calls["1795136400.4-4"].answer_time.seconds, 1795136404)

    def test_tenant_and_zone(self):
        writer, reader = (self.stack.issue(role, ((PROJECT, self.vbot), (PROJECT, "other"))) for role in ("writer", "reader"))
        path = self.write(cdr_csv(1))
        self.writer = writer
        self.assertIn("INVALID_ARGUMENT", self.load(path, status=1))
        self.load("--project-code", PROJECT, "--vbot-id", self.vbot, "--time-zone", "UTC", path)
        self.assertEqual([call.start_time.seconds for call in self.calls().values()], [1795136401 + 7 * 3600])
        self.assertTrue(reader)

    def test_cdr_custom(self):
        rows = "".join(
            quoted('"Ann" <101>', "101", "0912345678", "internal", f"PJSIP/101-{n}", f"PJSIP/carrier-{n}", "Dial", "a,b",
                   f"2026-11-20 08:00:0{n}", "", "2026-11-20 08:01:00", "9.75", "0.5", "BUSY", "3", "", f"1795136400.{n}",
                   "line\nfeed", f"{n}") for n in range(5))
        self.load("--trunk-channel", "PJSIP/carrier-", self.write(rows.replace("\n", "\r\n")))
        calls = self.calls()
        self.assertEqual(sorted(calls), [f"1795136400.{n}-{n}" for n in range(5)])
        self.assertEqual({(c.direction, c.disposition, c.duration_seconds) for c in calls.values()},
                         {(call_pb2.CALL_DIRECTION_OUTBOUND, call_pb2.DISPOSITION_BUSY, 9)})

    def test_exports(self):
        row = ('2026-11-20 08:00:0{n},"""X"" <02838>",02838,0912345678,from-internal,PJSIP/103-1,PJSIP/c-2,Dial,x,9,0,ANSWERED,3,,'
               '1795136400.{n},,1900123,in+{n}.wav,103,Ann,02838,,Bob,1795136400.0,,{n}')
        rows = [row.format(n=n) for n in range(3)]
        text = "\ufeff" + "\r\n".join([EXPORT_HEADER, *rows])  # the last one has no line feed
        self.assertIn("recorded 3,", self.load(self.write(text)))
        self.assertIn("unchanged 3,", self.load(self.write(text.lstrip("\ufeff").replace("\r", ""), "lf.csv")))
        self.assertIn("unchanged 3,", self.load(self.write(gzip.compress(text.encode("utf-16-le")), "utf16.csv.gz")))
        self.assertIn("unchanged 3,", self.load(self.write(text.replace(",", ";").replace("calldate", "CallDate"), "semicolon.csv")))
        calls = self.calls()
        self.assertEqual(len(calls), 3)
        call = calls["1795136400.2-2"]
        self.assertEqual((list(call.recordings), call.hotline, call.callers[0].phone, call.group_id),
                         (["in+2.wav"], "1900123", "103", "1795136400.0"))

    def test_files_of_a_real_asterisk(self):
        """What Asterisk 22.10.1 wrote of 20 calls in all three kinds (tests/interop/asterisk/run.py --calls 20 --keep)."""
        folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "asterisk")
        options = ("--time-zone", "UTC", "--inbound-context", "from-trunk", "--external-id-column", "userfield")
        path = os.path.join(folder, "cdr-csv.csv")
        with open(path, encoding="utf-8", newline="") as file:
            rows = {f"{row[16]}-{row[20]}": row for row in csv.reader(file)}
        self.assertIn(f"recorded {len(rows)}, replaced 0, unchanged 0, refused 0,", self.load(*options, path))
        calls = self.calls()
        self.assertEqual(set(calls), set(rows))
        for each, row in rows.items():
            call = calls[each]
            self.assertEqual((call.callers[0].phone, call.callees[0].phone, call.duration_seconds, call.external_call_id, call.group_id),
                             (row[1], row[2], int(row[12]), row[17], row[19]))
        names = {call.callers[0].phone: call.callers[0].name for call in calls.values()}
        self.assertEqual((names["+84912000001"], names["0912000004"], names["0912000003"]), ("Lê, Văn", 'A "B" C', ""))
        busy = next(call for call in calls.values() if call.external_call_id == "crm-102" and call.callees[0].channel)
        self.assertEqual((busy.disposition, busy.missed, busy.direction),
                         (call_pb2.DISPOSITION_BUSY, True, call_pb2.CALL_DIRECTION_INBOUND))
        self.assertIn(f"lines {len(rows)}, recorded 0,", self.load(*options, os.path.join(folder, "cdr-custom.csv")))
        self.assertIn(f"lines {len(rows)}, recorded 0,", self.load(*options, os.path.join(folder, "cdr-custom.json")))
        again = self.calls()
        self.assertEqual(set(again), set(rows))
        for each, call in calls.items():
            self.assertEqual((again[each].callers[0].name, again[each].disposition, again[each].missed),
                             (call.callers[0].name, call.disposition, call.missed), each)

    def test_ids_of_rows_without_them(self):
        """The rows of a queue have one uniqueid; two calls of one second differ only in their channels."""
        rows = [cdr_csv(5, dst=f"10{n}", tail=False) for n in range(3)]
        text = "".join(rows) + rows[0]
        self.assertIn("recorded 3, replaced 0, unchanged 1,", self.load(self.write(text)))
        self.assertEqual(len(self.calls()), 3)
        same = "".join(row[:-1] + ',"1795136400.5"\n' for row in rows)
        self.assertIn("recorded 3,", self.load(self.write(same)))
        self.assertEqual(sum(call.group_id == "1795136400.5" for call in self.calls().values()), 3)

    def test_json_lines(self):
        text = ('{"clid":"\\"Ann\\" <101>","start":1795136400.5,"dst":"0912","disposition":8,"uniqueid":"1795136400.1","sequence":4}\n'
                '{"start":"x"}\n')
        self.assertIn(":2: start must be", self.load(self.write(text), status=1))
        self.assertEqual(self.calls()["1795136400.1-4"].start_time.nanos, 500000000)

    def test_errors_name_line_and_field(self):
        text = "".join([
            cdr_csv(1, userfield="two\nlines"),                   # lines 1, 2
            cdr_csv(2).replace('"2026-11-20 08:00:02"', '"soon"', 1),  # 3
            cdr_csv(3)[:60] + cdr_csv(4),                         # 4: half of a row, and the next one behind it
            cdr_csv(5).replace(",9,", ",nine,"),                  # 5
            cdr_csv(6, userfield="x" * 70000),                    # 6
            cdr_csv(7, clid="name\n" + "n" * 1025),               # 7, 8
            cdr_csv(8), "\n", "not,a,row\n",                      # 9 to 11
            cdr_csv(9), cdr_csv(10)[:-1],                         # 12, and 13 without its line feed
        ])
        shown = self.load(self.write(text), status=1)
        for line, what in ((3, "row has 21 columns and no start time"), (4, "a quote in a text must be doubled"),
                           (5, "duration must be seconds"), (6, "the row is longer than 64 KiB"),
                           (7, "clid must have at most 1024 bytes"), (11, "row has 3 columns"), (13, "the file ends within this row")):
            self.assertRegex(shown, rf"(?m)^\S*Master.csv:{line}: {what}")
        self.assertEqual(sorted(self.calls()), [f"1795136400.{n}-{n}" for n in (1, 8, 9)])
        self.assertIn("recorded 3, replaced 0, unchanged 0, refused 7,", shown)
        self.assertIn("the file ends within quotes", self.load(self.write(cdr_csv(1)[:20], "cut.csv"), status=1))

    def test_usage(self):
        path = self.write(cdr_csv(1))
        for arguments in (("--format", "xml"), ("--format", "ndjson", "--trunk-channel", "x"), ("--vbot-id", "x")):
            self.assertIn("import: ", self.load(*arguments, path, status=2))


if __name__ == "__main__":
    unittest.main()
