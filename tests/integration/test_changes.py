"""ListCallChanges: what was recorded, replaced and deleted, in order, late calls included; and the tokens that it refuses."""

import json
import random
import unittest
import urllib.parse

import grpc

import harness
import stubs
from callhistory.v1 import call_pb2

START = 1790000000
Code = grpc.StatusCode


def make(call_id, start=START, text=""):
    call = call_pb2.Call(id=call_id, direction=call_pb2.CALL_DIRECTION_INBOUND, disposition=call_pb2.DISPOSITION_ANSWERED,
                         direction_other="", hotline="19001234", group_id=text)
    call.start_time.seconds = start
    call.callers.add(phone="0938000001")
    call.callees.add(phone="201")
    return call


class Changes(harness.StackTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.channel = stubs.channel(cls.stack.service_address)
        cls.history = stubs.history_grpc.CallHistoryServiceStub(cls.channel)
        cls.ingest = stubs.ingest_grpc.CallIngestServiceStub(cls.channel)

    @classmethod
    def tearDownClass(cls):
        cls.channel.close()
        super().tearDownClass()

    def setUp(self):
        self.tenant = [("CHANGES", self.id().rsplit(".", 1)[1][:60])]
        self.writer, self.eraser = (self.stack.issue(role, self.tenant) for role in ("writer", "eraser"))
        self.redis = harness.RedisClient(self.stack.redis_socket)
        self.addCleanup(self.redis.close)

    def ask(self, method, request, token=None):
        return method(request, metadata=[("authorization", "Bearer " + (token or self.writer))], timeout=60)

    def changes(self, token="", size=0, credentials=None):
        request = stubs.history.ListCallChangesRequest(change_token=token, page_size=size)
        return self.ask(self.history.ListCallChanges, request, credentials)

    def record(self, *calls):
        self.ask(self.ingest.RecordCalls, stubs.ingest.RecordCallsRequest(calls=calls))

    def delete(self, *ids):
        self.ask(self.ingest.DeleteCalls, stubs.ingest.DeleteCallsRequest(ids=ids), self.eraser)

    def refused(self, code, reason, *arguments, **more):
        with self.assertRaises(grpc.RpcError) as caught:
            self.changes(*arguments, **more)
        info = stubs.details(caught.exception)
        self.assertEqual((caught.exception.code(), info["ErrorInfo"].reason), (code, reason))
        return caught.exception.details()

    def test_in_order(self):
        begin = self.changes()
        self.assertEqual((list(begin.changes), begin.more), ([], False))
        self.assertEqual((begin.project_code, begin.vbot_id), self.tenant[0])
        first, late = make("first"), make("late", START - 86400 * 365)
        self.record(first)
        self.record(late)
        self.record(make("first", text="again"))
        self.record(late)  # unchanged
        self.delete("late")
        answer = self.changes(begin.next_change_token)
        self.assertEqual([c.WhichOneof("change") for c in answer.changes], ["call", "deleted_id"])
        self.assertEqual(answer.changes[0].call, make("first", text="again"))  # as it is now
        self.assertEqual(answer.changes[1].deleted_id, "late")
        self.assertEqual(list(self.changes(answer.next_change_token).changes), [])

    def test_pages_of_random_changes(self):
        """A copy that applies them equals the store, whatever the sizes of pages."""
        rng, token, copy, store = random.Random(7), self.changes().next_change_token, {}, {}
        for step in range(40):
            calls = [make(f"id-{rng.randrange(60)}", START - rng.randrange(10**6), f"{step}/{i}") for i in range(rng.randrange(1, 30))]
            calls = list({call.id: call for call in calls}.values())
            if step % 5 == 4:
                self.delete(*(call.id for call in calls))
                for call in calls:
                    store.pop(call.id, None)
            else:
                self.record(*calls)
                store.update((call.id, call) for call in calls)
            more = rng.random() < 0.5 or step == 39
            while more:
                answer = self.changes(token, rng.choice((1, 3, 7, 50, 1000)))
                for change in answer.changes:
                    if change.deleted_id:
                        copy.pop(change.deleted_id, None)
                    else:
                        copy[change.call.id] = change.call
                token, more = answer.next_change_token, answer.more
        self.assertEqual(copy, store)

    def test_large_calls(self):
        """An answer stays below 4 MiB, which is what clients accept."""
        token, ids = self.changes().next_change_token, []
        calls = [make(f"large-{i}") for i in range(90)]
        for call in calls:
            call.recordings.extend(f"https://recordings.example.vn/{call.id}/{i}/{'x' * 4000}" for i in range(15))
        for first in range(0, len(calls), 45):
            self.record(*calls[first:first + 45])
        sizes, more = [], True
        while more:
            answer = self.changes(token, 1000)
            ids += [change.call.id for change in answer.changes]
            sizes.append(answer.ByteSize())
            token, more = answer.next_change_token, answer.more
        self.assertEqual(ids, [call.id for call in calls])
        self.assertLess(max(sizes), 4 << 20)
        self.assertGreater(max(sizes), 3 << 20)

    def test_refused_tokens(self):
        token = self.changes().next_change_token
        other = self.stack.issue("reader", [("CHANGES", "another")])
        for wrong in (token[:-2], token + "A", "x", ("B" if token[5] == "A" else "A").join((token[:5], token[6:]))):
            self.assertIn("start over", self.refused(Code.INVALID_ARGUMENT, "CHANGE_TOKEN_INVALID", wrong))
        self.refused(Code.INVALID_ARGUMENT, "CHANGE_TOKEN_INVALID", token, credentials=other)
        listing = stubs.history.ListCallsRequest(page_size=1)
        self.record(make("a"), make("b"))
        self.refused(Code.INVALID_ARGUMENT, "CHANGE_TOKEN_INVALID", self.ask(self.history.ListCalls, listing).next_page_token)
        self.refused(Code.INVALID_ARGUMENT, "INVALID_FIELD", token, -1)
        self.refused(Code.PERMISSION_DENIED, "ROLE_DENIED", credentials=self.eraser)

    def test_expired_tokens(self):
        self.record(make("a"))
        token = self.changes(self.changes().next_change_token).next_change_token
        tag = self.redis("HGET", "callhistory:tenants", "\0".join(self.tenant[0])).decode()
        seconds = self.redis("TIME")[0].decode()
        self.redis("HSET", f"{{{tag}}}m", "c", str((int(seconds) + 1000) * 1000))
        self.assertIn("start over", self.refused(Code.FAILED_PRECONDITION, "CHANGE_TOKEN_EXPIRED", token))


    # -- The same over HTTP -------------------------------------------------------------------------------------------------

    def over_http(self, credentials=None, status=200, **fields):
        """The answer to a query string; of an error, its message."""
        path = "/api/v1/calls/changes?" + urllib.parse.urlencode(fields)
        code, headers, body = self.stack.request("GET", path, headers={"Authorization": "Bearer " + (credentials or self.writer)})
        self.assertEqual((code, headers["Content-Type"]), (status, "application/json; charset=utf-8"), body)
        answer = json.loads(body)
        self.assertEqual(answer["error"], 0 if status == 200 else status)
        return answer["data"] if status == 200 else answer["message"]

    def test_http(self):
        begin = self.over_http()
        self.assertEqual((begin["changes"], begin["more"]), ([], False))
        self.record(*(make(f"id-{i}", START - i, f"group {i}") for i in range(7)))
        self.delete("id-3")
        seen, token, more = [], begin["next_change_token"], True
        project, vbot = self.tenant[0]
        while more:
            part = self.over_http(change_token=token, size=2, project_code=project, vbot_id=vbot)
            self.assertLessEqual(len(part["changes"]), 2)
            seen, token, more = seen + part["changes"], part["next_change_token"], part["more"]
        self.assertEqual(seen[-1], {"trans_id": "id-3", "deleted": True})
        self.assertEqual([change["trans_id"] for change in seen[:-1]], ["id-0", "id-1", "id-2", "id-4", "id-5", "id-6"])
        fields = {"vbot_id": vbot, "project_code": project, "phone": "0938000001", "page": 1, "size": 10}
        status, listed = self.stack.request("POST", body=json.dumps(fields), headers={"Authorization": "Bearer " + self.writer})[::2]
        self.assertEqual(status, 200)
        for change in seen:  # as a list has it, beside the id
            change.pop("trans_id")
        self.assertEqual(seen[:-1], json.loads(listed)["data"])
        # gRPC goes on from a token of HTTP, and HTTP from one of gRPC.
        self.record(make("next"))
        answer = self.changes(token)
        self.assertEqual([change.call.id for change in answer.changes], ["next"])
        self.assertEqual(self.over_http(change_token=answer.next_change_token)["changes"], [])

    def test_http_errors(self):
        token = self.over_http()["next_change_token"]
        self.assertIn("change_token is not a token", self.over_http(status=400, change_token="other"))
        self.assertIn("size", self.over_http(status=400, size=1001))
        self.assertIn("size", self.over_http(status=400, size=0))
        self.assertIn("vbot_id", self.over_http(status=400, project_code="CHANGES"))
        self.over_http("unknown", status=401, change_token="other")
        self.over_http(self.eraser, status=403, change_token=token)
        self.over_http(status=403, project_code="CHANGES", vbot_id="another")
        tag = self.redis("HGET", "callhistory:tenants", "\0".join(self.tenant[0])).decode()
        self.redis("HSET", f"{{{tag}}}m", "c", str(2**41))
        self.assertIn("start over", self.over_http(status=410, change_token=token))


if __name__ == "__main__":
    unittest.main()
