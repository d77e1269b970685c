"""RecordCalls, ListCalls, CountCalls and GetCall against a plain model: a dictionary of calls that is sorted for each question.

Random calls are recorded, recorded again, moved in time and to other numbers, in random order; many share a millisecond.
After each round every listing (by page and by token, with and without time range and filters), count and call must be what
the model says, and Redis must hold nothing beside what its layout tells. CALLHISTORY_MODEL_SEED and _ROUNDS repeat or extend it.
"""

import hashlib
import os
import random
import re
import struct
import unittest

import grpc

import harness
import stubs
from callhistory.v1 import call_pb2

SEED = int(os.environ.get("CALLHISTORY_MODEL_SEED", "20261128"))
ROUNDS = int(os.environ.get("CALLHISTORY_MODEL_ROUNDS", "4"))
START_MS = 1790000000000
HOUR_MS = 3600000
CHUNK = 121

# Canonical number: the spellings in which it is recorded and asked for.
NUMBERS = {
    "0912345678": ["0912345678", "+84 912 345 678", "0084912345678", "84912345678", "(0912) 345-678"],
    "0388765432": ["01688765432", "0388765432", "+84 168 876 5432"],
    "+12025550123": ["+1 202-555-0123", "0012025550123"],
    "19001234": ["19001234", "+84 1900 1234"],
    "02873001234": ["028 7300 1234", "+842873001234"],
    "101": ["101", " 101 "], "102": ["102"], "103": ["103"], "9": ["9"],
    "Quầy lễ tân": ["Quầy lễ tân"], "anonymous": ["anonymous"],
}
OUTSIDE = re.compile(r"\+?[0-9]+")
DIRECTIONS = (call_pb2.CALL_DIRECTION_INBOUND, call_pb2.CALL_DIRECTION_OUTBOUND, call_pb2.CALL_DIRECTION_INTERNAL)
DISPOSITIONS = (call_pb2.DISPOSITION_ANSWERED, call_pb2.DISPOSITION_BUSY, call_pb2.DISPOSITION_CANCELLED)
GROUPS = ("a", "Nhóm 2", "g" * 300)
HOTLINES = {"19001234": "1900 1234", "02873001234": "+84 28 7300 1234", "": ""}


def order(call_id, ms):
    """What listings are sorted by, newest first."""
    return ms, hashlib.sha256(call_id.encode()).digest()[:4]


class Model:
    """One tenant's calls: id -> (milliseconds, canonical numbers, message)."""

    def __init__(self, rng, crowded):
        self.rng, self.crowded, self.calls = rng, crowded, {}

    def moment(self):
        """Milliseconds: now and then all of one hour fall on the same few."""
        if self.rng.random() < self.crowded:
            return START_MS + self.rng.randrange(3) * HOUR_MS + self.rng.randrange(3)
        return START_MS + self.rng.randrange(200 * HOUR_MS)

    def parties(self, parties, numbers):
        for _ in range(self.rng.choice((0, 1, 1, 1, 1, 2, 5))):
            party = parties.add()
            if self.rng.random() < 0.05:
                continue
            number = self.rng.choice(list(NUMBERS))
            party.phone = self.rng.choice(NUMBERS[number])
            party.member_no = self.rng.choice(("", "m1", "m2"))
            numbers.add(number)

    def make(self, call_id, ms):
        call, numbers = call_pb2.Call(id=call_id), set()
        call.start_time.seconds, call.start_time.nanos = ms // 1000, ms % 1000 * 1000000
        call.direction, call.disposition = self.rng.choice(DIRECTIONS), self.rng.choice(DISPOSITIONS)
        call.hotline = HOTLINES[self.rng.choice(list(HOTLINES))]
        self.parties(call.callers, numbers)
        self.parties(call.callees, numbers)
        call.talk_seconds = self.rng.randrange(1000)
        call.group_id = self.rng.choice(("", "", *GROUPS))
        if self.rng.random() < 0.02:
            call.recordings.append("https://recordings.example.vn/" + "x" * self.rng.randrange(900))
        return ms, numbers, call

    def again(self, old):
        """The same id: as it was, with other content, at another time, or with other numbers."""
        ms, numbers, message = old
        change = self.rng.randrange(5)
        if change == 0:
            return old
        if change == 1:
            copy = call_pb2.Call.FromString(message.SerializeToString())
            copy.talk_seconds += 1
            return ms, numbers, copy
        return self.make(message.id, ms if change == 2 else self.moment())

    def round(self, count):
        """Calls to record, in order: the last one of an id counts."""
        batch, moments = [], [self.moment() for _ in range(count)]
        if self.rng.random() < 0.6:
            moments.sort(reverse=self.rng.random() < 0.5)
        for ms in moments:
            if self.calls and self.rng.random() < 0.3:
                made = self.again(self.calls[self.rng.choice(list(self.calls))])
            else:
                made = self.make(f"id-{len(self.calls)}-{self.rng.randrange(1000)}", ms)
            old = self.calls.get(made[2].id)
            outcome = 1 if old is None else 3 if old[2] == made[2] else 2
            self.calls[made[2].id] = made
            batch.append((made[2], outcome))
        return batch

    def find(self, number, low, high, keeps):
        found = [(order(call_id, ms), call_id) for call_id, (ms, numbers, call) in self.calls.items()
                 if low <= ms < high and (number is None or number in numbers) and keeps(call)]
        return [call_id for _, call_id in sorted(found, reverse=True)]


class AgainstTheModel(harness.StackTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.channel = stubs.channel(cls.stack.service_address)
        cls.history = stubs.history_grpc.CallHistoryServiceStub(cls.channel)
        cls.ingest = stubs.ingest_grpc.CallIngestServiceStub(cls.channel)
        cls.redis = harness.RedisClient(cls.stack.redis_socket)

    @classmethod
    def tearDownClass(cls):
        cls.redis.close()
        cls.channel.close()
        super().tearDownClass()

    def ask(self, method, request):
        return method(request, metadata=[("authorization", "Bearer " + self.token)], timeout=60)

    def record(self, batch):
        while batch:
            size = self.rng.choice((1, 3, 150, 1000))
            part, batch = batch[:size], batch[size:]
            results = self.ask(self.ingest.RecordCalls, stubs.ingest.RecordCallsRequest(calls=[c for c, _ in part])).results
            self.assertEqual([(r.id, r.outcome) for r in results], [(c.id, outcome) for c, outcome in part])

    def question(self, kind, number, low, high, condition):
        request = {"list": stubs.history.ListCallsRequest, "count": stubs.history.CountCallsRequest}[kind]()
        if number is not None:
            request.phone = self.rng.choice(NUMBERS[number])
        for field, ms in ((request.start_time, low), (request.end_time, high)):
            if ms is not None:
                field.seconds, field.nanos = ms // 1000, ms % 1000 * 1000000
        if condition:
            request.filter.CopyFrom(condition)
        return request

    def condition(self):
        """A filter and the same in Python."""
        wanted = call_pb2.CALL_DIRECTION_INTERNAL, call_pb2.DISPOSITION_BUSY
        made = stubs.history.CallFilter()
        kind = self.rng.randrange(6)
        if kind == 0:
            made.directions.append(wanted[0])
            return made, lambda call: call.direction == wanted[0]
        if kind == 1:
            made.dispositions.extend(DISPOSITIONS[:2])
            return made, lambda call: call.disposition in DISPOSITIONS[:2]
        if kind == 2:
            made.hotline = "+84 28 7300 1234"
            return made, lambda call: call.hotline == HOTLINES["02873001234"]
        if kind < 5:
            made.group_id = self.rng.choice(GROUPS)
            return made, lambda call: call.group_id == made.group_id
        made.member_no = "m1"
        return made, lambda call: any(p.member_no == "m1" for p in [*call.callers, *call.callees])

    def pages(self, request, size, by_token):
        """All calls of a listing, with what each answer must have: its size, and a token but on the last page."""
        found, request.page_size = [], size
        for number in range(1, 100000):
            if not by_token:
                request.page = number
            answer = self.ask(self.history.ListCalls, request)
            self.assertEqual(len(answer.calls), size if answer.next_page_token else len(answer.calls))
            found += answer.calls
            if not answer.next_page_token:
                return found
            if by_token:
                request.page_token = answer.next_page_token
        return self.fail("pages without end")

    def check(self, model, number, low=None, high=None, condition=None, keeps=lambda call: True):
        wanted = model.find(number, -1 if low is None else low, 1 << 60 if high is None else high, keeps)
        about = f"seed {SEED}, number {number}, [{low}, {high}), filter {condition}"
        count = self.ask(self.history.CountCalls, self.question("count", number, low, high, condition)).count
        self.assertEqual(count, len(wanted), about)
        for by_token in (False, True):
            size = max(self.rng.choice((1, 7, 64, 100, 1000)), len(wanted) // 20 + 1)
            found = self.pages(self.question("list", number, low, high, condition), min(size, 1000), by_token)
            self.assertEqual([call.id for call in found], wanted, about)
            for call in found:
                self.assertEqual(call, model.calls[call.id][2], about)

    def check_all(self, model):
        for number in [None, *NUMBERS]:
            self.check(model, number)
            for _ in range(2):
                bounds = sorted(model.moment() for _ in range(2))
                self.check(model, number, *self.rng.choice((bounds, (bounds[0], None), (None, bounds[1]))))
            condition, keeps = self.condition()
            self.check(model, number, None, None, condition, keeps)
        for call_id in self.rng.sample(list(model.calls), min(100, len(model.calls))):
            answer = self.ask(self.history.GetCall, stubs.history.GetCallRequest(id=call_id))
            self.assertEqual(answer.call, model.calls[call_id][2])
        with self.assertRaises(grpc.RpcError) as caught:
            self.ask(self.history.GetCall, stubs.history.GetCallRequest(id="id-none"))
        self.assertEqual(caught.exception.code(), grpc.StatusCode.NOT_FOUND)

    def check_redis(self, model):
        """Counts what Redis has: no member too many, no chunk empty, none far too full."""
        tag = b"{" + self.redis("HGET", "callhistory:tenants", f"{self.project}\0V") + b"}"
        members = {"groups": 0, "numbers": 0, "hours": 0, "timeline": 0, "extensions": 0, "ids": 0}
        for key in self.redis("KEYS", tag.replace(b"{", b"\\{") + b"*"):
            place = key[len(tag) :]
            if place[:1] == b"i":
                members["ids"] += self.redis("HLEN", key)
            elif place[:1] == b"k":
                size, rest = divmod(self.redis("STRLEN", key), 27)
                self.assertTrue(size and not rest, place)
                members["timeline" if place[:2] == b"kt" else "extensions"] += size
            elif place[:1] not in b"mxtcp":
                members[{b"h": "hours", b"g": "groups"}.get(place[:1], "numbers")] += self.redis("ZCARD", key)
        # Calls without a hotline have an index of their own.
        references = sum(len(numbers) + (not call.hotline) for _, numbers, call in model.calls.values())
        homeless = sum(not any(len(n) >= 7 and OUTSIDE.fullmatch(n) for n in numbers)
                       for _, numbers, _ in model.calls.values())
        self.assertEqual(members["hours"], homeless)
        self.assertEqual(members["timeline"], len(model.calls))
        self.assertEqual(members["ids"], len(model.calls))
        self.assertEqual(members["groups"], sum(bool(call.group_id) for _, _, call in model.calls.values()))
        self.assertEqual(members["numbers"] + members["extensions"], references)
        values = self.redis("HGETALL", tag + b"m")
        for place, state in zip(values[::2], values[1::2]):
            if place == b"t" or place[:1] == b"x":
                self.check_index(tag, place, state)

    def check_index(self, tag, place, state):
        """The state of an index and its directory against its chunks."""
        total = int.from_bytes(state[:6], "big")
        size, bound, newest = struct.unpack(">Iqq", state[6:])
        chunks = [(size, bound)] + [struct.unpack(">Iq", name) for name in self.redis("ZRANGE", tag + place, 0, -1)]
        self.assertEqual(sum(size for size, _ in chunks), total, place)
        low = newest
        for size, bound in chunks:
            content = self.redis("GET", tag + b"k" + place + b":" + b"%d" % bound) or b""
            scores = [struct.unpack(">q", content[at : at + 8])[0] for at in range(0, len(content), 27)]
            self.assertEqual(len(scores), size, place)
            self.assertTrue(all(low <= score < bound for score in scores), place)
            self.assertEqual(scores, sorted(scores, reverse=True), place)
            self.assertTrue(size < CHUNK or len(set(scores)) == 1, place)
            low = bound

    def run_model(self, project, crowded, rounds, size):
        self.project, self.rng = project, random.Random(f"{SEED} {project}")
        self.token = self.stack.issue("writer", ((project, "V"),))
        model = Model(self.rng, crowded)
        for _ in range(rounds):
            self.record(model.round(self.rng.randrange(size // 4, size)))
            self.check_all(model)
            self.check_redis(model)
        self.record([(call, 3) for _, _, call in model.calls.values()])
        self.check_redis(model)

    def walk(self, model, number, size, steady, change):
        """Pages by token while `change` goes on; gives the steady ids in the order in which they came."""
        request, found = self.question("list", number, None, None, None), []
        request.page_size = size
        for _ in range(10000):
            answer = self.ask(self.history.ListCalls, request)
            found += [call.id for call in answer.calls if call.id in steady]
            if not answer.next_page_token:
                return found
            request.page_token = answer.next_page_token
            change(answer.calls[-1].id)
        return self.fail("pages without end")

    def test_tokens_stay_exact_while_calls_arrive_and_move(self):
        """The calls that stay where they are come once each, in order, whatever becomes of the others between two pages."""
        for project, crowded in (("MOVING1", 0.02), ("MOVING2", 0.95)):
            self.project, self.rng = project, random.Random(f"{SEED} {project}")
            self.token = self.stack.issue("writer", ((project, "V"),))
            model = Model(self.rng, crowded)
            self.record(model.round(900))
            steady = set(self.rng.sample(list(model.calls), len(model.calls) // 2))

            def change(last):
                moving = [call_id for call_id in model.calls if call_id not in steady]
                chosen = self.rng.sample(moving, 20) + ([last] if last not in steady else [])
                batch = []
                for call_id in dict.fromkeys(chosen):
                    model.calls[call_id] = model.make(call_id, model.moment())
                    batch.append(model.calls[call_id][2])
                for _ in range(3):
                    made = model.make(f"new-{len(model.calls)}", model.moment())
                    model.calls[made[2].id] = made
                    batch.append(made[2])
                self.ask(self.ingest.RecordCalls, stubs.ingest.RecordCallsRequest(calls=batch))

            for number in (None, "0912345678", "101", "anonymous"):
                wanted = [i for i in model.find(number, -1, 1 << 60, lambda call: True) if i in steady]
                self.assertEqual(self.walk(model, number, 5 if number else 20, steady, change), wanted)
            self.check_redis(model)

    def test_a_token_that_is_changed_is_refused(self):
        self.project, self.rng = "TOKENS", random.Random(SEED)
        self.token = self.stack.issue("writer", (("TOKENS", "V"),))
        self.record(Model(self.rng, 0.5).round(40))
        good = self.ask(self.history.ListCalls, stubs.history.ListCallsRequest(page_size=3)).next_page_token
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        bad = [good[:at] + self.rng.choice(letters.replace(good[at], "")) + good[at + 1 :] for at in range(len(good))]
        for token in [*bad, *(good[:at] for at in range(1, len(good))), good + "A", good + "=", " " + good, "\u00e9", "A" * 5000]:
            with self.assertRaises(grpc.RpcError, msg=token) as caught:
                self.ask(self.history.ListCalls, stubs.history.ListCallsRequest(page_size=3, page_token=token))
            self.assertEqual(caught.exception.code(), grpc.StatusCode.INVALID_ARGUMENT, token)
            self.assertEqual(stubs.details(caught.exception)["BadRequest"].field_violations[0].field, "page_token")

    def test_sparse(self):
        self.run_model("SPARSE", 0.02, ROUNDS, 900)

    def test_crowded_milliseconds(self):
        self.run_model("CROWDED", 0.9, ROUNDS, 900)


if __name__ == "__main__":
    unittest.main()
