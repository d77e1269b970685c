"""ListCalls and CountCalls beyond the contract: no number, time ranges, filters, and the bound of what a filter may read."""

import time
import unittest

import grpc

import harness
import stubs
from callhistory.v1 import call_pb2

NUMBER, OTHER = "0938000001", "0938000002"
START = 1790000000
SCAN_MAX = 20000
INBOUND, OUTBOUND, INTERNAL = call_pb2.CALL_DIRECTION_INBOUND, call_pb2.CALL_DIRECTION_OUTBOUND, call_pb2.CALL_DIRECTION_INTERNAL
ANSWER, BUSY, CANCEL = call_pb2.DISPOSITION_ANSWERED, call_pb2.DISPOSITION_BUSY, call_pb2.DISPOSITION_CANCELLED
DIRECTIONS, DISPOSITIONS = (INBOUND, OUTBOUND, INTERNAL), (ANSWER, BUSY, CANCEL, call_pb2.DISPOSITION_UNSPECIFIED)


def make(index, number, prefix="f"):
    call = call_pb2.Call(id=f"{prefix}-{index}", direction=DIRECTIONS[index % 3], missed=index % 3 == 0 and index % 4 == 2, disposition=DISPOSITIONS[index % 4],
                         hotline="19001234" if index % 2 else "+84 28 7300 1234")
    call.start_time.seconds = START + index
    if not call.disposition:
        call.disposition_other = "odd"
    call.callers.add(phone=number)
    call.callees.add(phone="201", member_no=f"{200 + index % 5}")
    return call


class Filters(harness.StackTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.channel = stubs.channel(cls.stack.service_address)
        cls.history = stubs.history_grpc.CallHistoryServiceStub(cls.channel)
        cls.ingest = stubs.ingest_grpc.CallIngestServiceStub(cls.channel)
        cls.many = cls.stack.issue("writer", (("MANY", "V"),))
        cls.calls = [make(index, NUMBER if index % 10 else OTHER) for index in range(240)]
        cls.record(cls.calls, cls.stack.token("writer"))

    @classmethod
    def tearDownClass(cls):
        cls.channel.close()
        super().tearDownClass()

    @classmethod
    def record(cls, calls, token):
        for start in range(0, len(calls), 1000):
            request = stubs.ingest.RecordCallsRequest(calls=calls[start : start + 1000])
            results = cls.ingest.RecordCalls(request, metadata=cls.metadata(token), timeout=60).results
            assert all(r.outcome == stubs.ingest.RecordCallResult.OUTCOME_RECORDED for r in results)

    @staticmethod
    def metadata(token):
        return [("authorization", "Bearer " + token)]

    def ask(self, kind, token=None, start=None, end=None, **more):
        method, request = {"list": (self.history.ListCalls, stubs.history.ListCallsRequest),
                           "count": (self.history.CountCalls, stubs.history.CountCallsRequest)}[kind]
        request = request(**more)
        if start is not None:
            request.start_time.seconds = start
        if end is not None:
            request.end_time.seconds = end
        return method(request, metadata=self.metadata(token or self.stack.token()), timeout=60)

    def every_page(self, size, **more):
        seen, token = [], ""
        for _ in range(1000):
            answer = self.ask("list", page_size=size, page_token=token, **more)
            seen += [call.id for call in answer.calls]
            token = answer.next_page_token
            if not token:
                return seen
        self.fail("pages without end")

    def same(self, keeps, **more):
        """Lists by token and by offset, and the count, hold what `keeps` says."""
        wanted = [call.id for call in reversed(self.calls) if keeps(call)]
        self.assertEqual(self.every_page(7, **more), wanted)
        self.assertEqual([call.id for call in self.ask("list", page=1, page_size=1000, **more).calls], wanted)
        self.assertEqual([call.id for call in self.ask("list", page=2, page_size=5, **more).calls], wanted[5:10])
        self.assertEqual(self.ask("count", **more).count, len(wanted))

    def test_number_is_optional(self):
        self.same(lambda call: True)
        self.same(lambda call: call.callers[0].phone == OTHER, phone="+84 938 000 002")

    def test_ranges_are_half_open_with_and_without_a_number(self):
        for start, end in ((10, 20), (10, 10), (None, 20), (230, None), (0, 240)):
            bounds = {"start": None if start is None else START + start, "end": None if end is None else START + end}
            low, high = 0 if start is None else start, 240 if end is None else end

            def inside(call):
                return low <= call.start_time.seconds - START < high

            with self.subTest(start=start, end=end):
                self.same(inside, **bounds)
                self.same(lambda call: inside(call) and call.callers[0].phone == NUMBER, phone=NUMBER, **bounds)
                self.same(lambda call: inside(call) and call.direction == INTERNAL, filter={"directions": [INTERNAL]}, **bounds)

    def test_missed(self):
        for missed in (True, False):
            self.same(lambda call: call.missed == missed, filter={"missed": missed})
            self.same(lambda call: call.missed == missed and call.direction == INBOUND and call.callers[0].phone == NUMBER,
                      phone=NUMBER, filter={"missed": missed, "directions": [INBOUND]})
        self.same(lambda call: False, filter={"missed": True, "directions": [OUTBOUND]})

    def test_directions(self):
        self.same(lambda call: call.direction == OUTBOUND, filter={"directions": [OUTBOUND]})
        self.same(lambda call: call.direction != INBOUND, phone="201", filter={"directions": [INTERNAL, OUTBOUND]})

    def test_dispositions(self):
        self.same(lambda call: call.disposition == BUSY, filter={"dispositions": [BUSY]})
        self.same(lambda call: call.disposition in (BUSY, CANCEL) and call.callers[0].phone == NUMBER, phone=NUMBER,
                  filter={"dispositions": [CANCEL, BUSY, BUSY]})
        self.same(lambda call: call.disposition_other == "odd", filter={"disposition_other": "ODD"})
        self.same(lambda call: call.disposition == BUSY or call.disposition_other == "odd",
                  filter={"dispositions": [BUSY], "disposition_other": "odd"})

    def test_hotline_is_compared_as_a_number(self):
        for spelling in ("02873001234", "+842873001234", "(028) 7300.1234"):
            self.same(lambda call: call.hotline == "+84 28 7300 1234", filter={"hotline": spelling})
        self.same(lambda call: False, filter={"hotline": "02873009999"})

    def test_member_no(self):
        self.same(lambda call: call.callees[0].member_no == "203", filter={"member_no": "203"})
        self.same(lambda call: False, filter={"member_no": "20"})

    def test_all_conditions_must_hold(self):
        self.same(lambda call: call.direction == INBOUND and call.disposition in (ANSWER, CANCEL) and call.hotline == "19001234" and
                  call.callees[0].member_no == "201" and call.callers[0].phone == NUMBER, phone=NUMBER,
                  filter={"directions": [INBOUND], "dispositions": [ANSWER, CANCEL], "hotline": "1900 1234", "member_no": "201"})

    def test_get_call(self):
        for call in (self.calls[0], self.calls[77]):
            request = stubs.history.GetCallRequest(id=call.id)
            self.assertEqual(self.history.GetCall(request, metadata=self.metadata(self.stack.token()), timeout=60).call, call)
        for request, token, code in ((stubs.history.GetCallRequest(id="f-77"), self.many, grpc.StatusCode.NOT_FOUND),
                                     (stubs.history.GetCallRequest(id="F-77"), self.stack.token(), grpc.StatusCode.NOT_FOUND),
                                     (stubs.history.GetCallRequest(), self.stack.token(), grpc.StatusCode.INVALID_ARGUMENT)):
            with self.assertRaises(grpc.RpcError) as caught:
                self.history.GetCall(request, metadata=self.metadata(token), timeout=60)
            self.assertEqual(caught.exception.code(), code)

    def test_a_scan_ends_at_its_bound(self):
        calls = [make(index, NUMBER, "m") for index in range(SCAN_MAX + 1)]
        calls[0].callers[0].member_no = "oldest"
        self.record(calls, self.many)
        for number in ({}, {"phone": NUMBER}):
            # A list gives a short page and a token; the next page goes on where the scan ended.
            wanted = {"filter": {"member_no": "oldest"}, **number}
            first = self.ask("list", self.many, **wanted)
            self.assertEqual(len(first.calls), 0)
            second = self.ask("list", self.many, page_token=first.next_page_token, **wanted)
            self.assertEqual([call.id for call in second.calls], ["m-0"])
            self.assertEqual(second.next_page_token, "")
            # The same by a page's number, where matches are skipped before the bound and behind it.
            busy = {"filter": {"directions": [INTERNAL]}, "page": 7, "page_size": 1000, **number}
            missed = [call.id for call in reversed(calls) if call.direction == INTERNAL]
            short = self.ask("list", self.many, **busy)
            self.assertEqual([call.id for call in short.calls], missed[6000 : 6000 + len(short.calls)])
            del busy["page"]
            rest = self.ask("list", self.many, page_token=short.next_page_token, **busy)
            self.assertEqual([call.id for call in (*short.calls, *rest.calls)], missed[6000:7000])
            far = self.ask("list", self.many, page=SCAN_MAX + 1, page_size=1, filter={"directions": list(DIRECTIONS)}, **number)
            self.assertEqual(len(far.calls), 0)
            last = self.ask("list", self.many, page_token=far.next_page_token, page_size=1, filter={"directions": list(DIRECTIONS)}, **number)
            self.assertEqual([call.id for call in last.calls], ["m-0"])
            # A count says that it cannot count.
            with self.assertRaises(grpc.RpcError) as caught:
                self.ask("count", self.many, **wanted)
            self.assertEqual(caught.exception.code(), grpc.StatusCode.FAILED_PRECONDITION)
            self.assertIn(str(SCAN_MAX), caught.exception.details())
            self.assertEqual(stubs.details(caught.exception)["ErrorInfo"].reason, "SCAN_LIMIT")
        # As many as the bound allows are read to the last one.
        self.assertEqual(self.ask("count", self.many, start=START + 1, filter={"directions": list(DIRECTIONS)}).count, SCAN_MAX)
        self.assertEqual(self.ask("count", self.many, end=START + SCAN_MAX, filter={"member_no": "nobody"}).count, 0)
        # Without a filter nothing is scanned.
        self.assertEqual(self.ask("count", self.many).count, SCAN_MAX + 1)
        # A page that is full before the bound needs no more.
        self.assertEqual(len(self.ask("list", self.many, page_size=1000, filter={"directions": [INTERNAL]}).calls), 1000)

    def test_a_page_ends_before_it_is_too_large_for_a_client(self):
        """The client is grpcio as it is: it accepts 4 MiB."""
        token = self.stack.issue("writer", (("BIG", "V"),))
        calls = []
        for index in range(1000):
            call = make(index, NUMBER, "big")
            call.recordings.extend("https://recordings.example.vn/" + "r" * 4000 for _ in range(2 if index % 100 else 14))
            calls.append(call)
        for start in range(0, 1000, 250):
            self.record(calls[start : start + 250], token)
        expected = [call.id for call in reversed(calls)]
        for more in ({}, {"phone": NUMBER}, {"filter": {"member_no": "201"}}, {"filter": {"directions": list(DIRECTIONS)}}):
            with self.subTest(**more):
                seen, page_token, sizes = [], "", []
                while not sizes or page_token:
                    page = self.ask("list", token, page_size=1000, page_token=page_token, **more)
                    sizes.append(page.ByteSize())
                    seen += [call.id for call in page.calls]
                    page_token = page.next_page_token
                    self.assertLess(len(sizes), 10)
                self.assertLessEqual(max(sizes), 4 << 20)
                members = more.get("filter", {}).get("member_no")
                self.assertEqual(seen, [i for i in expected if not members or int(i[4:]) % 5 == 1])
        page = self.ask("list", token, page_size=400, page=2)
        self.assertEqual([call.id for call in page.calls], expected[400:800])
        # The gateway's pages are asked for by number: each is whole.
        for size, number in ((1000, 1), (600, 2)):
            status, answer = self.stack.get({"project_code": "BIG", "vbot_id": "V", "phone": NUMBER, "page": number, "size": size},
                                            token=token)
            self.assertEqual((status, answer["status"]), (200, 1))
            self.assertEqual(len(answer["data"]), 1000 if number == 1 else 400)
            dates = [call["date_create"] for call in answer["data"]]
            self.assertEqual(len(set(dates)), len(dates))
            self.assertEqual(dates, sorted(dates, reverse=True))

    def test_a_page_of_the_largest_calls_ends_early(self):
        """1,000 calls of nearly 64 KiB: Redis's reply to a page of 1,000 is 62 MiB."""
        token = self.stack.issue("writer", (("LARGE", "V"),))
        calls = []
        for index in range(1000):
            call = make(index, NUMBER, "large")
            call.recordings.extend("https://recordings.example.vn/" + "r" * 4000 for _ in range(16))
            call.hangup_cause = "h" * 850
            self.assertGreater(call.ByteSize(), 65000)
            calls.append(call)
        for start in range(0, 1000, 50):
            self.record(calls[start : start + 50], token)
        expected = [call.id for call in reversed(calls)]

        def ask(**more):
            """On a busy machine Redis needs more for such a reply than the 1.5 s that a read waits: UNAVAILABLE, which is repeated."""
            end = time.monotonic() + harness.WAIT_SECONDS
            while True:
                try:
                    return self.ask("list", token, page_size=1000, **more)
                except grpc.RpcError as error:
                    if error.code() != grpc.StatusCode.UNAVAILABLE or time.monotonic() > end:
                        raise

        for more in ({}, {"phone": NUMBER}, {"filter": {"directions": list(DIRECTIONS)}}):
            with self.subTest(**more):
                first = ask(**more)
                second = ask(page_token=first.next_page_token, **more)
                seen = [call.id for page in (first, second) for call in page.calls]
                self.assertGreater(len(seen), 100)
                self.assertEqual(seen, expected[:len(seen)])
                self.assertLessEqual(max(first.ByteSize(), second.ByteSize()), 4 << 20)
                self.assertTrue(second.next_page_token)
        self.assertNotIn("a reply was too big", self.stack.service.log_text())


if __name__ == "__main__":
    unittest.main()
