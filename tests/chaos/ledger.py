"""What writers sent and what was acknowledged; and, at the end, whether the store has just that.

A call's version says what the call is: its numbers, its start and its recording follow from id and version, so a record that
mixes two versions is seen. A sent version is allowed at the end unless an acknowledged one was sent after the last moment at
which it can have been written. What was not acknowledged is in doubt: it may have been written, until its deadline. A deletion
is the version None.
"""

import dataclasses
import math
import random
import threading
import time

import grpc

import harness
import stubs
from callhistory.v1 import call_pb2

START_S = 1790000000
RECORDING = "https://recordings.example.vn/"
# gRPC sends the time that is left, not the moment: the service counts from the request's arrival.
ARRIVAL_S = 0.5
# Calls whose ids begin so have one number, which no other call has.
ERASED, ERASED_NUMBER = "erased", "0955000000"


@dataclasses.dataclass
class Attempt:
    version: int  # None: it deletes the call
    sent: float
    seconds: float
    latest: float = math.inf  # the last moment at which it can have been written
    acknowledged: bool = False


def content(call_id, version):
    """Number, extension and start in seconds of a version."""
    rng = random.Random(f"{call_id}/{version}")
    number = f"09{rng.randrange(40):08}" if rng.random() < 0.9 else f"{200 + rng.randrange(9)}"
    number = ERASED_NUMBER if call_id.startswith(ERASED) else number
    return number, f"{100 + rng.randrange(6)}", START_S + rng.randrange(40000)


def message(call_id, version):
    number, extension, start = content(call_id, version)
    call = call_pb2.Call(id=call_id, direction=call_pb2.CALL_DIRECTION_INBOUND, disposition=call_pb2.DISPOSITION_ANSWERED)
    call.start_time.seconds, call.talk_seconds = start, version
    call.callers.add(phone=number)
    call.callees.add(phone=extension)
    call.recordings.append(f"{RECORDING}{call_id}/{version}")
    return call


def line(call_id, version):
    """The same as a line of an import."""
    number, extension, start = content(call_id, version)
    local = time.strftime("%m/%d/%Y %H:%M:%S", time.gmtime(start + 7 * 3600))
    return harness.call(number, id=call_id, date_create=local, callee=[{"phone": extension}], time_call=str(version),
                        record_file=[f"{RECORDING}{call_id}/{version}"])


def version_of(call):
    """The version that a stored call is; None if it is none."""
    made = message(call.id, call.talk_seconds)
    same = (call.start_time == made.start_time and list(call.recordings) == list(made.recordings) and
            [p.phone for p in call.callers] == [p.phone for p in made.callers] and
            [p.phone for p in call.callees] == [p.phone for p in made.callees])
    return call.talk_seconds if same else None


class Ledger:
    def __init__(self):
        self.lock, self.calls, self.stalls = threading.Lock(), {}, []

    def send(self, calls, seconds):
        """Notes that versions are about to be sent: pairs of id and version."""
        made = [Attempt(version, time.monotonic(), seconds) for _, version in calls]
        with self.lock:
            for (call_id, _), attempt in zip(calls, made):
                self.calls.setdefault(call_id, []).append(attempt)
        return made

    def settle(self, attempts, acknowledged, seconds=None):
        """seconds: how long after now it may still be written; the attempt's own deadline if not given."""
        for attempt in attempts:
            attempt.acknowledged, now = acknowledged, time.monotonic()
            late = attempt.sent + attempt.seconds if seconds is None else now + seconds
            attempt.latest = now if acknowledged else max(now, late + ARRIVAL_S)

    def stall(self, begin, end):
        """Requests may have arrived so much later: the service, or the way to it, stood still."""
        self.stalls.append((begin, end))

    def latest(self, attempt):
        if attempt.acknowledged:
            return attempt.latest
        late = attempt.latest
        for begin, end in self.stalls:
            if begin < late and end > attempt.sent:
                late = max(late, end + attempt.seconds + ARRIVAL_S)
        return late

    def allowed(self, call_id):
        """The versions that the store may have; with None if it may have none."""
        attempts = self.calls[call_id]
        newest = max((a.sent for a in attempts if a.acknowledged), default=None)
        if newest is None:
            return {None, *(a.version for a in attempts)}
        return {a.version for a in attempts if self.latest(a) >= newest}

    def acknowledged(self):
        return sum(any(a.acknowledged for a in attempts) for attempts in self.calls.values())


class Audit:
    """Compares what the store has with a ledger; `found` has each difference by its kind."""

    def __init__(self, ledger, stub, token):
        self.ledger, self.stub, self.token, self.versions = ledger, stub, token, {}
        self.found = {"lost": [], "duplicated": [], "torn": [], "overwritten": []}

    def ask(self, method, request):
        request.project_code, request.vbot_id = harness.PROJECT, harness.VBOT
        return method(request, timeout=30, metadata=[("authorization", "Bearer " + self.token)])

    def get(self, call_id):
        try:
            return self.ask(self.stub.GetCall, stubs.history.GetCallRequest(id=call_id)).call
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.NOT_FOUND:
                raise
            return None

    def listed(self, number):
        calls, token = [], ""
        while True:
            page = self.ask(self.stub.ListCalls, stubs.history.ListCallsRequest(phone=number, page_size=1000, page_token=token))
            calls += page.calls
            token = page.next_page_token
            if not token:
                return calls

    def one(self, call_id):
        """Its version in the store, or None."""
        call, allowed = self.get(call_id), self.ledger.allowed(call_id)
        version = version_of(call) if call else None
        if call is None and None not in allowed:
            self.found["lost"].append(call_id)
        elif call is not None and version is None:
            self.found["torn"].append(f"{call_id}: {call}")
        elif version not in allowed:
            self.found["overwritten"].append(f"{call_id}: version {version}, not of {allowed}")
        return version

    def listing(self, name, number, expected):
        calls = self.listed(number)
        ids = [call.id for call in calls]
        self.found["lost"] += [f"{name}: {i} not listed" for i in expected.keys() - set(ids)]
        self.found["duplicated"] += [f"{name}: {i} listed {ids.count(i)} times" for i in set(ids) if ids.count(i) > 1] \
            if len(ids) != len(set(ids)) else []
        self.found["duplicated"] += [f"{name}: {i} listed though it has another number" for i in set(ids) - expected.keys()]
        self.found["torn"] += [f"{name}: {c.id} is another version" for c in calls if c.id in expected and version_of(c) != expected[c.id]]
        starts = [call.start_time.seconds for call in calls]
        if starts != sorted(starts, reverse=True):
            self.found["torn"].append(f"{name}: not newest first")
        count = self.ask(self.stub.CountCalls, stubs.history.CountCallsRequest(phone=number)).count
        if count != len(ids):
            self.found["torn"].append(f"{name}: count {count}, {len(ids)} listed")

    def run(self):
        versions = {call_id: self.one(call_id) for call_id in self.ledger.calls}
        versions = {call_id: version for call_id, version in versions.items() if version is not None}
        by_number, self.versions = {}, versions
        for attempts_id, attempts in self.ledger.calls.items():
            for attempt in attempts:  # also numbers that only former versions have
                for number in content(attempts_id, attempt.version)[:2] if attempt.version else ():
                    by_number.setdefault(number, {})
        for call_id, version in versions.items():
            for number in content(call_id, version)[:2]:
                by_number[number][call_id] = version
        for number, expected in by_number.items():
            self.listing(number, number, expected)
        self.listing("time line", "", versions)
        return len(versions)
