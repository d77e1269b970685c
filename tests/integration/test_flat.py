"""Generation 4 over the whole chain, against a plain model: random calls, every filter alone and combined, pages, counts.

The model is a list of calls in Python; each answer must be what it says, byte for byte as JSON. CALLHISTORY_FLAT_SEED repeats a run.
"""

import hashlib
import json
import os
import random
import unittest
import urllib.parse

import harness
import stubs
from callhistory.v1 import call_pb2

SEED = int(os.environ.get("CALLHISTORY_FLAT_SEED", "20261129"))
START_MS, CALLS, ROUNDS = 1790000000000, 700, 220
LIST, COUNT, DETAIL = "/m-cdr/api/call/get-all", "/m-cdr/api/call/count-all", "/m-cdr/api/call/get-detail"
DETAIL_KEYS = ["trans_id", "group_id", "create_at", "call_at", "time_call", "duration", "caller_info", "callee_info", "disposition",
               "hangup_cause", "sip_code", "end_call", "hotline", "is_record", "postage", "conference_id", "payment_channel",
               "auto_dial_service_charge", "customer_code", "type_call", "external_call_id", "group_member_no"]
PROJECT = "FLAT"
# Canonical number: the spellings in which it is recorded and asked for.
NUMBERS = {"0912345678": ["0912345678", "+84 912 345 678", "0912.345.678"], "0388765432": ["01688765432", "0388765432"],
           "02473001234": ["024 7300 1234", "+842473001234"], "101": ["101", " 101 "], "102": ["102"], "Lễ tân": ["Lễ tân"]}
HOTLINES = {"": [""], "19001234": ["19001234", "1900 1234"], "02873001234": ["028 7300 1234", "+84 28 7300 1234"]}
DISPOSITIONS = {"ANSWER": call_pb2.DISPOSITION_ANSWERED, "NOANSWER": call_pb2.DISPOSITION_NO_ANSWER, "MORE": call_pb2.DISPOSITION_MULTIPLE}
VERBATIM = ("DECLINE", "BAD_GATEWAY", "more", "")  # the third is one that lists know, kept as a text
CODES = ("", "cus_1", "cus_2")
MEMBERS = ("", "m1", "m2", "m3")
GROUPS = ("", "", *(f"group {index}" for index in range(150)))
CHARGES = (None, 0, 5.5, 700, 1500.25, -2)


class Model:
    def __init__(self, rng):
        self.rng = rng
        self.calls = [self.make(f"t-{index}") for index in range(CALLS)]
        self.calls.sort(key=lambda call: (call.start_time.ToMilliseconds(), hashlib.sha256(call.id.encode()).digest()[:8]), reverse=True)

    def spelled(self, table):
        return self.rng.choice(table[self.rng.choice(list(table))])

    def money(self, field):
        amount = self.rng.choice(CHARGES)
        if amount is not None:
            field.amount = amount

    def party(self, parties):
        party = parties.add(phone=self.spelled(NUMBERS), member_no=self.rng.choice(MEMBERS), name=self.rng.choice(("", "Lan \"1\"")),
                            channel=self.rng.choice(("", "SIP/101")), type=self.rng.choice(("", "USER", "Phone")),
                            telco_code=self.rng.choice(("", "VTL")))
        party.disposition = self.rng.choice((0, call_pb2.DISPOSITION_ANSWERED, call_pb2.DISPOSITION_NO_ANSWER))
        self.money(party.charge)
        if self.rng.random() < 0.5:
            party.start_offset_ms = self.rng.randrange(60000)

    def make(self, name):
        rng = self.rng
        call = call_pb2.Call(id=name, direction=rng.randrange(4), missed=rng.random() < 0.3, hotline=self.spelled(HOTLINES),
                             customer_code=rng.choice(CODES), group_member_no=rng.choice(CODES), group_id=rng.choice(GROUPS),
                             external_call_id=rng.choice(CODES), ended_by=rng.choice(("", "CALLER")), payment_channel=rng.choice(("", "MONEY")),
                             hangup_cause=rng.choice(("", "NORMAL_CLEARING")), sip_code=rng.choice(("", "200")),
                             conference_id=rng.choice(("", "conf")), audio_recorded=rng.random() < 0.2)
        call.start_time.FromMilliseconds(START_MS + rng.randrange(CALLS) * 1000 // 3)
        for parties in (call.callers, call.callees):
            for _ in range(rng.choice((0, 1, 1, 1, 2))):
                self.party(parties)
        if rng.random() < 0.6:
            call.disposition = rng.choice(list(DISPOSITIONS.values()))
        else:
            call.disposition_other = rng.choice(VERBATIM)
        if rng.random() < 0.7:
            call.talk_seconds, call.duration_seconds = rng.randrange(100), rng.randrange(200)
        if rng.random() < 0.3:
            call.answer_time.FromMilliseconds(call.start_time.ToMilliseconds() + 5000)
        if rng.random() < 0.3:
            call.recordings.append("https://recordings.example.vn/a.wav")
        self.money(call.charge)
        self.money(call.auto_dial_service_charge)
        return call


def canonical(table, text):
    return next(number for number, spellings in table.items() if text in spellings)


def parties(call):
    return [*call.callers, *call.callees]


def postage(call):
    if call.HasField("charge"):
        return call.charge.amount
    return max((party.charge.amount for party in parties(call) if party.HasField("charge")), default=0)


def type_call(call):
    if call.direction in (call_pb2.CALL_DIRECTION_OUTBOUND, call_pb2.CALL_DIRECTION_INTERNAL):
        return 2
    return 3 if call.missed else call.direction


def disposition(call):
    return next((name for name, value in DISPOSITIONS.items() if value == call.disposition), call.disposition_other)


def chosen(found, prefer_answered):
    answered = [party for party in found if party.disposition == call_pb2.DISPOSITION_ANSWERED and prefer_answered]
    return (answered or list(found) or [call_pb2.Party()])[0]


def call_at(call):
    if call.HasField("answer_time"):
        return call.answer_time.ToMilliseconds()
    callee = chosen(call.callees, True)
    if (call.disposition == call_pb2.DISPOSITION_ANSWERED or call.talk_seconds) and callee.HasField("start_offset_ms"):
        return call.start_time.ToMilliseconds() + callee.start_offset_ms
    return 0


def party_info(party):
    return {"member_no": party.member_no, "number": party.phone, "name": party.name, "channel": party.channel, "type": party.type,
            "telco_code": party.telco_code}


def item(call):
    return {"trans_id": call.id, "group_id": call.group_id, "create_at": call.start_time.ToMilliseconds(), "call_at": call_at(call),
            "caller_info": party_info(chosen(call.callers, False)), "callee_info": party_info(chosen(call.callees, True)),
            "hotline": call.hotline, "type_call": type_call(call), "end_call": call.ended_by, "postage": postage(call),
            "time_call": call.talk_seconds, "duration": call.duration_seconds, "disposition": disposition(call),
            "is_record": call.audio_recorded or bool(call.recordings), "customer_code": call.customer_code,
            "payment_channel": call.payment_channel, "group_member_no": call.group_member_no, "external_call_id": call.external_call_id,
            "auto_dial_service_charge": call.auto_dial_service_charge.amount}


def detail(call):
    fields = {**item(call), "hangup_cause": call.hangup_cause, "sip_code": call.sip_code, "conference_id": call.conference_id}
    return {key: fields[key] for key in DETAIL_KEYS}


def has_number(call, wanted, whole):
    numbers = [canonical(NUMBERS, party.phone) for party in parties(call)]
    return any(number == wanted if whole else wanted in number for number in numbers)


class Conditions:
    """Random fields of a request, and the same in Python."""

    def __init__(self, rng):
        self.rng = rng
        self.makers = [self.key_search, self.part, self.hotline, self.disposition, self.type_call, self.charges, self.time, self.codes,
                       self.member_no]

    def key_search(self):
        number = self.rng.choice([number for number in NUMBERS if len(number) >= 10])
        return {"key_search": self.rng.choice(NUMBERS[number])}, lambda call: has_number(call, number, True)

    def part(self):
        part = self.rng.choice(("0", "234", "101", "Lễ", "7300"))
        return {"key_search": part}, lambda call: has_number(call, part, False)

    def hotline(self):
        number = self.rng.choice([number for number in HOTLINES if number])
        return {"hotline": self.rng.choice(HOTLINES[number])}, lambda call: call.hotline in HOTLINES[number]

    def disposition(self):
        if self.rng.random() < 0.5:
            name = self.rng.choice(list(DISPOSITIONS))
            return {"disposition": self.rng.choice((name, name.lower()))}, lambda call: disposition(call).upper() == name
        text = self.rng.choice(VERBATIM[:2])
        return {"disposition": self.rng.choice((text, text.lower()))}, lambda call: disposition(call) == text

    def type_call(self):
        number = self.rng.randrange(1, 4)
        return {"type_call": self.rng.choice((number, str(number)))}, lambda call: type_call(call) == number

    def charges(self):
        low, high = sorted((self.rng.choice((-2, 0, 5.5, 6, 700)), self.rng.choice((0, 5.5, 1500.25, 2000))))
        if self.rng.random() < 0.5:
            return {"min_postage": low}, lambda call: postage(call) >= low
        return {"min_postage": low, "max_postage": high}, lambda call: low <= postage(call) <= high

    def time(self):
        low, high = sorted(START_MS + self.rng.randrange(CALLS * 400) for _ in range(2))
        return {"from": low, "to": high}, lambda call: low <= call.start_time.ToMilliseconds() < high

    def codes(self):
        name, code = self.rng.choice(("customer_code", "group_member_no")), self.rng.choice(CODES[1:])
        return {name: code}, lambda call: getattr(call, name) == code

    def member_no(self):
        member = self.rng.choice(MEMBERS[1:])
        return {"member_no": member}, lambda call: any(party.member_no == member for party in parties(call))

    def make(self, count):
        fields, keeps = {}, []
        for maker in self.rng.sample(self.makers, count):
            more, keep = maker()
            if not fields.keys() & more.keys():
                fields |= more
                keeps.append(keep)
        wanted = self.rng.choice((None, -1, 0, 1, 1))
        if wanted is not None:
            fields["has_hotline"] = wanted
        keeps.append(lambda call: wanted == 1 or bool(call.hotline) == (wanted != 0))
        for name in ("key_search", "hotline", "type_call", "min_postage", "from", "customer_code", "member_no"):
            if name not in fields and self.rng.random() < 0.2:
                fields[name] = "-1"
        return fields, lambda call: all(keep(call) for keep in keeps)


class Flat(harness.StackTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.rng = random.Random(SEED)
        cls.model = Model(cls.rng)
        cls.writer = cls.stack.issue("writer", ((PROJECT, "V"),))
        cls.key = cls.stack.issue("reader", ((PROJECT, "V"),))
        with stubs.channel(cls.stack.service_address) as channel:
            ingest = stubs.ingest_grpc.CallIngestServiceStub(channel)
            request = stubs.ingest.RecordCallsRequest(calls=cls.rng.sample(cls.model.calls, CALLS))
            results = ingest.RecordCalls(request, metadata=[("authorization", "Bearer " + cls.writer)], timeout=60).results
        assert all(r.outcome == stubs.ingest.RecordCallResult.OUTCOME_RECORDED for r in results), results

    def ask(self, path, fields):
        """The same request in one of its spellings."""
        credentials = self.rng.choice(({"X-API-KEY": self.key}, {"Authorization": "Bearer " + self.key}))
        query = {name: value for name, value in fields.items() if self.rng.random() < self.rng.choice((0, 0.5, 1))}
        body = {name: value for name, value in fields.items() if name not in query or self.rng.random() < 0.1}
        method = self.rng.choice(("GET", "POST", "QUERY"))
        target = path + ("?" + urllib.parse.urlencode(query) if query else "")
        status, _, answer = self.stack.request(method, target, json.dumps(body).encode() if body else None, headers=credentials)
        self.assertEqual(status, 200, (target, body, answer))
        answer = json.loads(answer)
        self.assertEqual(list(answer), ["status", "error", "message", "data"])
        self.assertEqual((answer["status"], answer["error"], answer["message"]), (1, 0, "SUCCESS"))
        return answer["data"]

    def check(self, fields, keeps):
        wanted = [item(call) for call in self.model.calls if keeps(call)]
        about = f"seed {SEED}, {fields}"
        self.assertEqual(self.ask(COUNT, fields), len(wanted), about)
        self.assertEqual(self.ask(LIST, fields), wanted[:20], about)
        size = self.rng.choice((1, 7, 100, 1000))
        page = self.rng.randrange(len(wanted) // size + 2)
        found = self.ask(LIST, {**fields, "page": page, "size": size})
        self.assertEqual(found, wanted[page * size : (page + 1) * size], f"{about}, page {page} of {size}")
        for call in found:
            self.assertEqual(list(call), list(item(call_pb2.Call())))

    def test_every_filter_alone_and_combined(self):
        conditions = Conditions(self.rng)
        for maker in list(conditions.makers):
            conditions.makers = [maker]
            for _ in range(6):
                self.check(*conditions.make(1))
        conditions = Conditions(self.rng)
        for _ in range(ROUNDS):
            self.check(*conditions.make(self.rng.choice((0, 1, 2, 2, 3, 4))))

    def test_pages_together_are_all_calls(self):
        for fields, keeps in (({}, lambda call: call.hotline), ({"has_hotline": 1}, lambda call: True)):
            seen = []
            for page in range(CALLS // 64 + 2):
                seen += self.ask(LIST, {**fields, "page": page, "size": 64})
            self.assertEqual(seen, [item(call) for call in self.model.calls if keeps(call)])

    def test_details_are_the_legs_of_a_group(self):
        found = 0
        for group in GROUPS[2:]:
            wanted = [detail(call) for call in self.model.calls if call.group_id == group]
            if not wanted:
                continue
            legs = self.ask(DETAIL, {"group_id": group})
            self.assertEqual(legs, wanted, group)
            self.assertEqual(list(legs[0]), DETAIL_KEYS)
            found += len(legs)
        self.assertGreater(found, CALLS // 2)
        status, _, body = self.stack.request("GET", DETAIL + "?group_id=none", headers={"X-API-KEY": self.key})
        self.assertEqual((status, json.loads(body)["error"]), (404, 404))


class Many(harness.StackTest):
    """More calls than one request of the service reads for a filter, which takes a busy machine more than 2 s."""

    gateway_options = ("--timeout", "30000")

    def test_a_page_goes_on_where_the_service_stops(self):
        writer = self.stack.issue("writer", (("MANY", "V"),))
        key = {"X-API-KEY": self.stack.issue("reader", (("MANY", "V"),))}
        with stubs.channel(self.stack.service_address) as channel:
            ingest = stubs.ingest_grpc.CallIngestServiceStub(channel)
            for first in range(0, 21000, 1000):
                calls = [call_pb2.Call(id=f"n-{index}", customer_code="" if index else "first",
                                      group_id="large" if index else "small") for index in range(first, first + 1000)]
                for index, call in enumerate(calls):
                    call.start_time.seconds = START_MS // 1000 + first + index
                    call.callers.add(phone="0912345678")
                ingest.RecordCalls(stubs.ingest.RecordCallsRequest(calls=calls), metadata=[("authorization", "Bearer " + writer)],
                                   timeout=60)

        def ask(path, **fields):
            status, _, body = self.stack.request("GET", path + "?" + urllib.parse.urlencode(fields), headers=key)
            return status, json.loads(body)

        # The oldest call is the only one: the first 20,000 make an empty page.
        status, answer = ask(LIST, has_hotline=1, customer_code="first")
        self.assertEqual((status, [call["trans_id"] for call in answer["data"]]), (200, ["n-0"]))
        self.assertEqual(ask(LIST, has_hotline=-1), (200, {"status": 1, "error": 0, "message": "SUCCESS", "data": []}))
        self.assertEqual(ask(COUNT, has_hotline=1)[1]["data"], 21000)
        # What has a hotline is counted whatever there is, as is what has none.
        self.assertEqual([ask(COUNT)[1]["data"], ask(COUNT, has_hotline=0)[1]["data"]], [0, 21000])
        with stubs.channel(self.stack.service_address) as channel:
            ingest = stubs.ingest_grpc.CallIngestServiceStub(channel)
            calls = [call_pb2.Call(id=f"n-{index}", customer_code="first", group_id="small", hotline="19001234") for index in range(3)]
            for index, call in enumerate(calls):
                call.start_time.seconds = START_MS // 1000 + index
                call.callers.add(phone="0912345678")
            ingest.RecordCalls(stubs.ingest.RecordCallsRequest(calls=calls), metadata=[("authorization", "Bearer " + writer)], timeout=60)
        for bounds, found in (({}, (3, 20997)), ({"to": START_MS + 2000}, (2, 0)), ({"from": START_MS + 2000}, (1, 20997)),
                              ({"from": START_MS + 1000, "to": START_MS + 10000}, (2, 7))):
            self.assertEqual(tuple(ask(COUNT, has_hotline=each, **bounds)[1]["data"] for each in (-1, 0)), found, bounds)
            self.assertEqual(ask(COUNT, has_hotline=1, **bounds)[1]["data"], sum(found))
        self.assertEqual([call["trans_id"] for call in ask(LIST)[1]["data"]], ["n-2", "n-1", "n-0"])
        self.assertEqual([call["trans_id"] for call in ask(LIST, has_hotline=0, size=2, page=10498)[1]["data"]], ["n-3"])
        calls = [call_pb2.Call(id=f"n-{index}", customer_code="" if index else "first", group_id="large" if index else "small")
                 for index in range(3)]
        for index, call in enumerate(calls):
            call.start_time.seconds = START_MS // 1000 + index
            call.callers.add(phone="0912345678")
        with stubs.channel(self.stack.service_address) as channel:
            ingest = stubs.ingest_grpc.CallIngestServiceStub(channel)
            ingest.RecordCalls(stubs.ingest.RecordCallsRequest(calls=calls), metadata=[("authorization", "Bearer " + writer)], timeout=60)
        self.assertEqual([ask(COUNT)[1]["data"], ask(COUNT, has_hotline=0)[1]["data"]], [0, 21000])
        # So is the only leg of its group; a group that is too large for its index is read from the time line.
        status, answer = ask(DETAIL, group_id="small")
        self.assertEqual((status, [call["trans_id"] for call in answer["data"]]), (200, ["n-0"]))
        status, answer = ask(DETAIL, group_id="large")
        self.assertEqual((status, [call["trans_id"] for call in answer["data"]]), (200, [f"n-{20999 - index}" for index in range(1000)]))
        # A count has no page to go on with.
        status, answer = ask(COUNT, has_hotline=1, customer_code="first")
        self.assertEqual((status, answer["error"]), (400, 400))
        self.assertIn("narrower time range", answer["message"])
        status, answer = ask(COUNT, has_hotline=1, customer_code="first", to=START_MS + 1000)
        self.assertEqual((status, answer["data"]), (200, 1))


if __name__ == "__main__":
    unittest.main()
