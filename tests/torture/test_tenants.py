"""Random tenants, roles, tokens and page tokens against a model: nobody sees, changes or learns of another tenant's calls.

Tenants share ids, numbers and extensions, and their names are easily mixed up; each call's recording says whose it is. Reads are in
flight together, by gRPC and HTTP; writes come between. Every answer must be what the model says, and a refusal is byte for byte
the same whether the tenant or the call exists or not. CALLHISTORY_LONG=1 (tests/run --long): 100,000 answers.
CALLHISTORY_TENANTS_SEED repeats a run.
"""

import collections
import dataclasses
import http.client
import json
import os
import random
import shutil
import sys
import tempfile
import time
import unittest
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))

import grpc  # noqa: E402

import harness  # noqa: E402
import redis_servers  # noqa: E402
import stubs  # noqa: E402
from callhistory.v1 import call_pb2  # noqa: E402

SEED = int(os.environ.get("CALLHISTORY_TENANTS_SEED", "20261129"))
ANSWERS = 100000 if redis_servers.LONG else 3000
TENANTS = (("DEMO", "VBOT001"), ("DEMO", "VBOT002"), ("DEMO", "vbot001"), ("DEM", "OVBOT001"), ("DEMOVBOT", "001"), ("VBOT001", "DEMO"),
           ("{a}", "b"), ("a", "{b}"), ("Ứng dụng", "tổng đài"), ("x" * 64, "y" * 64))
GHOSTS = (("DEMO", "VBOT003"), ("DEMO", "VBOT0011"), ("DEMOVBOT001", "x"), ("demo", "VBOT001"), ("{a}b", "c"), ("y" * 64, "x" * 64))
NUMBERS = ("0912345678", "0987654321", "02873001234", "101", "102")
IDS = tuple(f"call-{i}" for i in range(30))
ROLES, READ, WRITE, DELETE = ("reader", "writer", "eraser"), ("reader", "writer"), ("writer",), ("eraser",)
HOST, START_S = "https://recordings.example.vn", 1790000000
GRPC_READS, HTTP_READS = 12, 4
# Answers that a busy machine may give instead, which show nothing of anybody.
BUSY, TRIES = ("UNAVAILABLE", "DEADLINE_EXCEEDED"), 5
# What the documents promise, in seconds: with Redis there, and while the tokens' server is away.
REVOKED_S, REVOKED_AWAY_S = 1, 61
OF_ONE_ANSWER = ("date", "x-request-id", "traceparent")


@dataclasses.dataclass
class Token:
    text: str
    role: str
    tenants: tuple
    state: str = "good"  # or unknown, revoked, expired


class Stream:
    """The messages of a method whose answer is a stream, as a future has the answer of others."""

    def __init__(self, method, request, token, named):
        self.method, self.request, self.token = method, request, token
        request.project_code, request.vbot_id = named

    def result(self):
        return list(self.method(self.request, metadata=[("authorization", "Bearer " + self.token.text)], timeout=60))


class Model:
    """Calls of each tenant: id → (start, version, numbers). No two calls begin in one second."""

    def __init__(self):
        self.calls, self.second = {tenant: {} for tenant in TENANTS}, 0

    def make(self, rng, tenant, call_id):
        self.second += 1
        # Scattered in time, and each its own: an odd factor permutes the residues of a power of two.
        start = START_S + self.second * 40503 % (1 << 24)
        self.calls[tenant][call_id] = start, self.second, tuple(rng.sample(NUMBERS, 2))
        return self.message(tenant, call_id)

    def message(self, tenant, call_id):
        start, _, numbers = self.calls[tenant][call_id]
        call = call_pb2.Call(id=call_id, direction=call_pb2.CALL_DIRECTION_INBOUND, disposition=call_pb2.DISPOSITION_ANSWERED)
        call.start_time.seconds = start
        call.callers.add(phone=numbers[0])
        call.callees.add(phone=numbers[1])
        call.recordings.append(self.recording(tenant, call_id))
        return call

    def recording(self, tenant, call_id):
        return f"{HOST}/{TENANTS.index(tenant)}/{call_id}/{self.calls[tenant][call_id][1]}"

    def found(self, tenant, phone, before=None):
        """Ids, newest first."""
        return sorted((i for i, (start, _, numbers) in self.calls[tenant].items()
                       if (not phone or phone in numbers) and (before is None or start < before)), key=lambda i: -self.calls[tenant][i][0])


class World(harness.StackTest):
    gateway_options, service_options = ("--recording-hosts", "recordings.example.vn"), ("--workers", "2")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.channel = stubs.channel(cls.stack.service_address)
        cls.addClassCleanup(cls.channel.close)
        cls.history, cls.ingest = stubs.history_grpc.CallHistoryServiceStub(cls.channel), stubs.ingest_grpc.CallIngestServiceStub(cls.channel)

    def setUp(self):
        self.rng, self.model, self.answers, self.records = random.Random(SEED), Model(), collections.Counter(), 0
        self.refusals, self.page_tokens = collections.defaultdict(set), {}
        self.connections = [http.client.HTTPConnection("127.0.0.1", self.stack.gateway_port, timeout=60) for _ in range(HTTP_READS)]
        for connection in self.connections:
            self.addCleanup(connection.close)
        self.tokens = [self.issue(role, tenants) for role in ROLES for tenants in ([t] for t in TENANTS)]
        self.tokens += [self.issue(self.rng.choice(ROLES), self.rng.sample(TENANTS, self.rng.randrange(2, 5))) for _ in range(9)]
        spoiled = [self.issue(self.rng.choice(ROLES), self.rng.sample(TENANTS, 2)) for _ in range(2)]
        self.revoke(spoiled[0])
        self.tokens += spoiled + [self.issue("writer", TENANTS[:2], "--expires", "1s"), Token("cht_" + "A" * 43, "writer", TENANTS, "unknown")]
        self.tokens[-2].state = "expired"
        time.sleep(REVOKED_S + 0.2)

    def issue(self, role, tenants, *more):
        return Token(self.stack.issue(role, tenants, *more), role, tuple(tenants))

    def revoke(self, token):
        self.stack.ctl("--redis", self.stack.redis_url, "token", "revoke", token.text)
        token.state = "revoked"

    # -- what the model says ------------------------------------------------------------------------------------------

    def pick(self):
        """A token and what the request names: mostly a tenant that it opens, else any, one that is not there, or none."""
        token, kind = self.rng.choice(self.tokens), self.rng.random()
        named = self.rng.choice(token.tenants) if kind < 0.6 else self.rng.choice(TENANTS + GHOSTS) if kind < 0.9 else ("", "")
        return token, named

    @staticmethod
    def verdict(token, named, roles):
        """(refusal, tenant)."""
        if token.state != "good":
            return token.state, None
        tenant = named if named[0] else token.tenants[0] if len(token.tenants) == 1 else None
        if tenant is None:
            return "several", None
        if tenant not in token.tenants:
            return "tenant", None
        return (None, tenant) if token.role in roles else ("role", None)

    CODES = {"unknown": "UNAUTHENTICATED", "revoked": "UNAUTHENTICATED", "expired": "UNAUTHENTICATED", "several": "INVALID_ARGUMENT",
             "tenant": "PERMISSION_DENIED", "role": "PERMISSION_DENIED", "missing": "NOT_FOUND", "page token": "INVALID_ARGUMENT"}
    STATUSES = {"UNAUTHENTICATED": 401, "INVALID_ARGUMENT": 400, "PERMISSION_DENIED": 403, "NOT_FOUND": 404}

    def refused(self, where, kind, answer, code):
        self.assertEqual(code, self.CODES[kind] if isinstance(code, str) else self.STATUSES[self.CODES[kind]], (where, kind, answer))
        self.answers[f"refused: {kind}"] += 1
        self.refusals[where, kind].add(answer)

    # -- gRPC ---------------------------------------------------------------------------------------------------------

    def begin(self, method, request, token, named):
        request.project_code, request.vbot_id = named
        return method.future(request, metadata=[("authorization", "Bearer " + token.text)], timeout=60)

    def end(self, where, future, kind):
        """The answer; None where it was refused as it had to be, or not answered."""
        try:
            answer = future.result()
        except grpc.RpcError as error:
            if error.code().name in BUSY:
                self.answers["busy"] += 1
                return None
            details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
            self.assertIsNotNone(kind, f"{where}: {error.details()}")
            self.refused(where, kind, (error.details(), details), error.code().name)
            return None
        self.assertIsNone(kind, f"{where}: {answer}")
        self.answers[where] += 1
        return answer

    def same(self, calls, tenant, ids):
        self.records += len(calls)
        self.assertEqual([(c.id, list(c.recordings)) for c in calls], [(i, [self.model.recording(tenant, i)]) for i in ids])

    def page_request(self, kind_of_request):
        """A request for a page, perhaps with a page token, of any tenant or none; gives it with what the model says."""
        (token, named), phone, size = self.pick(), self.rng.choice(("", *NUMBERS)), self.rng.randrange(1, 9)
        text, before = "", None
        if self.page_tokens and self.rng.random() < 0.6:
            text = self.rng.choice(list(self.page_tokens))
            if self.rng.random() < 0.8:
                phone = self.page_tokens[text][1]
            if self.rng.random() < 0.1:
                at = self.rng.randrange(len(text))
                text = text[:at] + self.rng.choice("Aa0-_") + text[at + 1:]
        kind, tenant = self.verdict(token, named, READ)
        if text and not kind:
            scope = self.page_tokens.get(text)
            kind, before = (None, scope[2]) if scope and scope[:2] == (tenant, phone) else ("page token", None)
        return kind_of_request(phone=phone, page_size=size, page_token=text), token, named, kind, tenant, before

    def check_page(self, request, answer, named, tenant, ids):
        """A page of ListCalls or ExportCalls; gives the ids behind it."""
        size = request.page_size
        self.same(answer.calls, tenant, ids[:size])
        self.assertEqual((answer.project_code, answer.vbot_id), ("", "") if named[0] else tenant)
        self.assertEqual(bool(answer.next_page_token), len(ids) > size)
        if answer.next_page_token:
            self.page_tokens[answer.next_page_token] = tenant, request.phone, answer.calls[-1].start_time.seconds
        return ids[size:]

    def list_calls(self):
        request, token, named, kind, tenant, before = self.page_request(stubs.history.ListCallsRequest)
        future = self.begin(self.history.ListCalls, request, token, named)

        def finish():
            answer = self.end("ListCalls", future, kind)
            if answer is not None:
                self.check_page(request, answer, named, tenant, self.model.found(tenant, request.phone, before))
        return finish

    def export_calls(self):
        """All pages in one stream, whose tokens are those of ListCalls. One stream at a time: their number has a bound."""
        request, token, named, kind, tenant, before = self.page_request(stubs.history.ExportCallsRequest)

        def finish():
            answers = self.end("ExportCalls", Stream(self.history.ExportCalls, request, token, named), kind)
            if answers is None:
                return
            ids = self.model.found(tenant, request.phone, before)
            for answer in answers:
                ids = self.check_page(request, answer, named, tenant, ids)
            self.assertEqual(ids, [])
        return finish

    def count_calls(self):
        (token, named), phone = self.pick(), self.rng.choice(("", *NUMBERS))
        kind, tenant = self.verdict(token, named, READ)
        future = self.begin(self.history.CountCalls, stubs.history.CountCallsRequest(phone=phone), token, named)

        def finish():
            answer = self.end("CountCalls", future, kind)
            if answer is not None:
                self.assertEqual(answer.count, len(self.model.found(tenant, phone)))
        return finish

    def get_call(self):
        (token, named), call_id = self.pick(), self.rng.choice(IDS)
        kind, tenant = self.verdict(token, named, READ)
        if not kind and call_id not in self.model.calls[tenant]:
            kind = "missing"
        future = self.begin(self.history.GetCall, stubs.history.GetCallRequest(id=call_id), token, named)

        def finish():
            answer = self.end("GetCall", future, kind)
            if answer is not None:
                self.same([answer.call], tenant, [call_id])
        return finish

    def record(self):
        token, named = self.pick()
        kind, tenant = self.verdict(token, named, WRITE)
        ids = self.rng.sample(IDS, self.rng.randrange(1, 9))
        # What is refused would be seen as a foreign record.
        calls = [self.model.make(self.rng, tenant, i) if tenant else call_pb2.Call(id=i, start_time={"seconds": START_S}) for i in ids]
        self.write("RecordCalls", self.ingest.RecordCalls, stubs.ingest.RecordCallsRequest(calls=calls), token, named, kind)

    def write(self, where, method, request, token, named, kind):
        """Repeats what was not answered, so that the model knows what is stored; gives the answer, and whether it was repeated."""
        for number in range(TRIES):
            busy = self.answers["busy"]
            answer = self.end(where, self.begin(method, request, token, named), kind)
            if busy == self.answers["busy"]:
                return answer, number > 0
        self.fail(f"{where}: no answer")

    def delete(self):
        (token, named), phone, dry = self.pick(), self.rng.choice(NUMBERS), self.rng.random() < 0.5
        kind, tenant = self.verdict(token, named, DELETE)
        ids = self.rng.sample(IDS, 3) if self.rng.random() < 0.9 else []
        request = stubs.ingest.DeleteCallsRequest(ids=ids, phone="" if ids else phone, validate_only=dry)
        answer, again = self.write("DeleteCalls", self.ingest.DeleteCalls, request, token, named, kind)
        if answer is not None:
            calls = self.model.calls[tenant]
            gone = [i for i in ids if i in calls] if ids else self.model.found(tenant, phone)
            self.assertTrue(again or answer.deleted_count == len(gone), answer)
            for call_id in gone if not dry else ():
                del calls[call_id]

    # -- HTTP ---------------------------------------------------------------------------------------------------------

    def by_http(self, connection):
        """A list, a count or a recording, with the bearer's token or as an API key; without the tenant only as the latter."""
        (token, named), phone, what = self.pick(), self.rng.choice(NUMBERS), self.rng.choice(("list", "count", "record"))
        key = not named[0] or self.rng.random() < 0.3
        kind, tenant = self.verdict(token, named, READ)
        call_id, size, page = self.rng.choice(IDS), self.rng.randrange(1, 9), self.rng.randrange(1, 4)
        fields = dict(zip(("project_code", "vbot_id"), named)) if named[0] else {}
        headers, body, path = {"X-API-KEY": token.text} if key else {"Authorization": "Bearer " + token.text}, None, harness.PATH
        if what == "record":
            path = f"/api/crm/historycall/record/{call_id}?{urllib.parse.urlencode(fields)}"
            kind = "missing" if not kind and call_id not in self.model.calls[tenant] else kind
        else:
            fields |= {"phone": phone} | ({"page": page, "size": size} if what == "list" else {})
            body, headers["Content-Type"] = json.dumps(fields), "application/json"
        connection.request("GET", path, body, headers)

        def finish():
            answer = connection.getresponse()
            text = answer.read().decode()
            if answer.status in (503, 504):
                self.answers["busy"] += 1
                return
            if kind:
                kept = tuple(sorted((n.lower(), v) for n, v in answer.getheaders() if n.lower() not in OF_ONE_ANSWER))
                self.refused("HTTP " + what, kind, (text, kept), answer.status)
                return
            self.answers["HTTP " + what] += 1
            if what == "record":
                self.assertEqual((answer.status, answer.headers["Location"]), (302, self.model.recording(tenant, call_id)))
                return
            ids = self.model.found(tenant, phone)
            right = len(ids) if what == "count" else [[self.model.recording(tenant, i)] for i in ids[size * (page - 1):size * page]]
            data = json.loads(text)["data"]
            self.assertEqual((answer.status, data if what == "count" else [one["record_file"] for one in data]), (200, right))
            self.records += len(right) if what == "list" else what == "record"
        return finish

    # -- a run --------------------------------------------------------------------------------------------------------

    def test_nobody_sees_what_is_another_tenants(self):
        while sum(self.answers.values()) < ANSWERS:
            reads = [self.rng.choice((self.list_calls, self.list_calls, self.export_calls, self.count_calls, self.get_call))() for _ in range(GRPC_READS)]
            reads += [self.by_http(connection) for connection in self.connections]
            for finish in reads:
                finish()
            for _ in range(3):
                self.record()
            self.delete()
        print(f"seed {SEED}: {sum(self.answers.values())} answers, {self.records} records, none foreign: {dict(sorted(self.answers.items()))}")
        # A refusal reveals nothing: there is one for each kind, whatever exists.
        self.assertEqual({key: answers for key, answers in self.refusals.items() if len(answers) != 1}, {})
        self.assertGreaterEqual(len(self.refusals), 20)

    def test_a_revoked_token_is_refused_in_time(self):
        """Whatever is sent later than the documented second after the revocation is refused, by each worker."""
        for role in ROLES:
            token = self.issue(role, TENANTS[:1])
            for _ in range(50):
                self.end("before", self.begin(self.history.CountCalls, stubs.history.CountCallsRequest(), token, TENANTS[0]),
                         None if role in READ else "role")
            self.revoke(token)
            time.sleep(REVOKED_S)
            for _ in range(50):
                with stubs.channel(self.stack.service_address) as channel:
                    count = stubs.history_grpc.CallHistoryServiceStub(channel).CountCalls
                    self.end("CountCalls", self.begin(count, stubs.history.CountCallsRequest(), token, TENANTS[0]), "revoked")


class TokensAway(unittest.TestCase):
    """The tokens' server goes away right after a revocation, so that a worker may not have seen it."""

    def test_a_revoked_token_is_refused_in_time(self):
        folder = tempfile.mkdtemp(prefix="callhistory-tenants-")
        self.addCleanup(shutil.rmtree, folder, True)
        cluster = redis_servers.Cluster(folder, replicas=0, options=("--cluster-require-full-coverage", "no"))
        self.addCleanup(cluster.stop)
        cluster.start()
        service = redis_servers.ServiceOver(folder, cluster.url(), workers=1)
        self.addCleanup(service.process.stop)
        service.start()
        owner = cluster.owner(cluster.slot_of("callhistory:tokens"))
        for number in range(100):  # until a tenant's calls are on another server
            tenant = (harness.PROJECT, f"V{number}")
            token = service.issue("reader", [tenant])
            client = harness.RedisClient(cluster.owner(cluster.slot_of("callhistory:tenants")).port)
            tag = client("HGET", "callhistory:tenants", "\0".join(tenant)).decode()
            client.close()
            if cluster.owner(cluster.slot_of(tag)) is not owner:
                break
        with stubs.channel(service.address) as channel:
            count = stubs.history_grpc.CallHistoryServiceStub(channel).CountCalls

            def code():
                try:
                    count(stubs.history.CountCallsRequest(project_code=tenant[0], vbot_id=tenant[1]), timeout=5,
                          metadata=[("authorization", "Bearer " + token)])
                    return "OK"
                except grpc.RpcError as error:
                    return error.code().name

            harness.wait_until(lambda: code() == "OK", "the first answer")
            service.ctl("--redis", service.url, "token", "revoke", token)
            revoked = time.monotonic()
            owner.process.kill()
            accepted, codes = 0.0, set()
            while time.monotonic() < revoked + (REVOKED_AWAY_S + 5 if redis_servers.LONG else 3):
                sent, answer = time.monotonic() - revoked, code()
                codes.add(answer)
                if answer == "OK":
                    accepted = sent
                    self.assertLessEqual(sent, REVOKED_AWAY_S)
                time.sleep(0.05)
            print(f"accepted until {accepted:.1f} s after the revocation, while the tokens' server was away: {sorted(codes)}")
            owner.start()
            cluster.wait_ok()
            harness.wait_until(lambda: code() == "UNAUTHENTICATED", "the refusal")
            for _ in range(20):
                self.assertIn(code(), ("UNAUTHENTICATED", *BUSY))
        service.stop()


if __name__ == "__main__":
    unittest.main()
