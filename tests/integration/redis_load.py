"""Writers and readers of a few tenants, for tests that do things to Redis meanwhile; and what must be true afterwards.

A writer repeats a batch until it is acknowledged. A reader's page must have every call that was acknowledged before it asked,
each once. What they saw is kept: failed requests with their times, wrong answers, and how long requests took.
"""

import collections
import random
import threading
import time

import grpc

import redis_servers
import stubs
from callhistory.v1 import call_pb2

NUMBERS, EXTENSIONS, BATCH = 6, 3, 5
START_S = 1790000000


class Tenant:
    def __init__(self, name):
        self.name, self.lock = name, threading.Lock()
        self.acknowledged = collections.defaultdict(dict)  # number -> id -> True
        self.next = 0
        self.slot = None

    def batch(self, rng):
        calls = []
        for _ in range(BATCH):
            number, extension = f"09{rng.randrange(NUMBERS):08}", f"{100 + rng.randrange(EXTENSIONS)}"
            call = call_pb2.Call(id=f"{self.name}-{self.next}", direction=call_pb2.CALL_DIRECTION_INBOUND,
                                 disposition=call_pb2.DISPOSITION_ANSWERED)
            call.start_time.seconds = START_S + self.next
            call.callers.add(phone=number)
            call.callees.add(phone=extension)
            calls.append(call)
            self.next += 1
        return calls

    def acknowledge(self, calls):
        with self.lock:
            for call in calls:
                for party in (*call.callers, *call.callees):
                    self.acknowledged[party.phone][call.id] = True

    def known(self, number):
        with self.lock:
            return set(self.acknowledged[number])


class Load:
    def __init__(self, service, tenants=3, seed=20261128):
        self.service, self.seed, self.stopping = service, seed, False
        self.tenants = [Tenant(f"T{i}") for i in range(tenants)]
        pairs = [(tenant.name, "V") for tenant in self.tenants]
        self.tokens = {role: service.issue(role, pairs) for role in ("writer", "reader")}
        self.failures, self.wrong = [], []  # (when, tenant, code, details), text
        self.write_s, self.read_s, self.successes = [], [], []  # successes: (when, tenant)
        self.channel = stubs.channel(service.address)
        self.ingest, self.history = stubs.ingest_grpc.CallIngestServiceStub(self.channel), stubs.history_grpc.CallHistoryServiceStub(self.channel)
        self.threads = []

    def ask(self, role, method, request, tenant, seconds):
        request.project_code, request.vbot_id = tenant.name, "V"
        return method(request, timeout=seconds, metadata=(("authorization", "Bearer " + self.tokens[role]),))

    def start(self, writers=2, readers=2):
        for i in range(writers):
            # A writer has tenants of its own, so that a repeated batch and a later one do not cross.
            self.threads.append(redis_servers.Thread(self.write, i, self.tenants[i::writers]))
        for i in range(readers):
            self.threads.append(redis_servers.Thread(self.read, i))

    def finish(self):
        self.stopping = True
        for thread in self.threads:
            thread.finish()

    def write(self, index, tenants):
        rng = random.Random(self.seed + index)
        while not self.stopping:
            tenant = rng.choice(tenants)
            calls = tenant.batch(rng)
            end = time.monotonic() + 60
            while True:
                begin = time.monotonic()
                try:
                    answer = self.ask("writer", self.ingest.RecordCalls, stubs.ingest.RecordCallsRequest(calls=calls), tenant, 10)
                except grpc.RpcError as error:
                    self.failures.append((time.monotonic(), tenant.name, error.code().name, error.details()))
                    assert time.monotonic() < end, f"a batch was not accepted for 60 s: {error.details()}"
                    time.sleep(0.02)
                    continue
                self.write_s.append(time.monotonic() - begin)
                self.successes.append((time.monotonic(), tenant.name))
                refused = [r for r in answer.results if r.outcome == stubs.ingest.RecordCallResult.OUTCOME_REFUSED]
                assert not refused, refused
                tenant.acknowledge(calls)
                break

    def read(self, index):
        rng = random.Random(self.seed * 7 + index)
        while not self.stopping:
            tenant = rng.choice(self.tenants)
            number = rng.choice([f"09{i:08}" for i in range(NUMBERS)] + [f"{100 + i}" for i in range(EXTENSIONS)])
            expected = tenant.known(number)
            request = stubs.history.ListCallsRequest(phone=number, page_size=200)
            # The newest are on the first page.
            recent = set(sorted(expected, key=lambda call: -int(call.split("-")[1]))[:50])
            begin = time.monotonic()
            try:
                ids = [call.id for call in self.ask("reader", self.history.ListCalls, request, tenant, 5).calls]
            except grpc.RpcError as error:
                self.failures.append((time.monotonic(), tenant.name, error.code().name, error.details()))
                time.sleep(0.02)
                continue
            self.read_s.append(time.monotonic() - begin)
            if len(ids) != len(set(ids)) or recent - set(ids):
                self.wrong.append(f"{tenant.name} {number}: {len(recent - set(ids))} of {len(recent)} missing")
            time.sleep(0.002)

    def find_slots(self, cluster):
        """Notes each tenant's slot."""
        tags = cluster.owner(cluster.slot_of("callhistory:tenants")).ask("HGETALL", "callhistory:tenants")
        for name, tag in zip(tags[::2], tags[1::2]):
            for tenant in self.tenants:
                if name == tenant.name.encode() + b"\0V":
                    tenant.slot = cluster.slot_of(b"{" + tag.split(b",")[0] + b"}t")

    def lost(self):
        """Acknowledged calls that are not listed under one of their numbers, and what is listed but once too often or unasked."""
        lost, odd = 0, []
        for tenant in self.tenants:
            for number in list(tenant.acknowledged):
                expected, ids, token = tenant.known(number), [], ""
                while True:
                    request = stubs.history.ListCallsRequest(phone=number, page_size=1000, page_token=token)
                    page = self.ask("reader", self.history.ListCalls, request, tenant, 20)
                    ids += [call.id for call in page.calls]
                    token = page.next_page_token
                    if not token:
                        break
                count = self.ask("reader", self.history.CountCalls, stubs.history.CountCallsRequest(phone=number), tenant, 20).count
                lost += len(expected - set(ids))
                if len(ids) != len(set(ids)) or set(ids) - expected or count != len(ids):
                    odd.append(f"{tenant.name} {number}: {len(ids)} listed, {len(set(ids))} different, {len(expected)} acknowledged, count {count}")
        return lost, odd

    def summary(self):
        def percentile(values, share):
            return sorted(values)[min(len(values) - 1, int(len(values) * share))] * 1000 if values else 0
        return (f"{len(self.write_s)} batches, {len(self.read_s)} pages, {len(self.failures)} failed, {len(self.wrong)} wrong; "
                f"write p50 {percentile(self.write_s, .5):.0f} p99.9 {percentile(self.write_s, .999):.0f} max {percentile(self.write_s, 1):.0f} ms; "
                f"read p50 {percentile(self.read_s, .5):.0f} p99.9 {percentile(self.read_s, .999):.0f} max {percentile(self.read_s, 1):.0f} ms")
