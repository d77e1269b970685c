"""A Python client (grpcio) on all RPCs, as a microservice would write it."""

import gzip
import os
import sys
import tempfile
import unittest

import grpc
from grpc_tools import protoc

import harness
import http2


def generate():
    """Python code of proto/, made as a client would make it."""
    folder = tempfile.mkdtemp(prefix="callhistory-proto-")
    proto = os.path.join(harness.SOURCE, "proto")
    files = ["callhistory/v1/call.proto", "callhistory/v1/call_history_service.proto",
             "callhistory/v1/call_ingest_service.proto"]
    include = os.path.join(os.path.dirname(protoc.__file__), "_proto")
    status = protoc.main(["protoc", f"-I{proto}", f"-I{include}", f"--python_out={folder}", f"--grpc_python_out={folder}",
                          *files])
    assert status == 0
    sys.path.insert(0, folder)


generate()
from callhistory.v1 import call_history_service_pb2 as history  # noqa: E402
from callhistory.v1 import call_history_service_pb2_grpc as history_grpc  # noqa: E402
from callhistory.v1 import call_ingest_service_pb2 as ingest  # noqa: E402
from callhistory.v1 import call_ingest_service_pb2_grpc as ingest_grpc  # noqa: E402
from callhistory.v1 import call_pb2  # noqa: E402

TENANT = {"project_code": harness.PROJECT, "vbot_id": harness.VBOT}


def make(number, seconds, **more):
    call = call_pb2.Call(id=f"{number}/{seconds}", direction=call_pb2.CALL_DIRECTION_INBOUND, talk_seconds=5, hotline="19001234",
                         disposition=call_pb2.DISPOSITION_ANSWERED, **more)
    call.start_time.seconds = 1760000000 + seconds
    call.callers.add(phone=number, charge={"amount": 6.1})
    call.callees.add(phone="201", member_no="201", start_offset_ms=1500)
    return call


class Grpc(harness.StackTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.channel = grpc.insecure_channel(cls.stack.service_address)
        cls.history = history_grpc.CallHistoryServiceStub(cls.channel)
        cls.ingest = ingest_grpc.CallIngestServiceStub(cls.channel)
        cls.reader = [("authorization", "Bearer " + cls.stack.token("reader"))]
        cls.writer = [("authorization", "Bearer " + cls.stack.token("writer"))]

    @classmethod
    def tearDownClass(cls):
        cls.channel.close()
        super().tearDownClass()

    def record(self, calls, **more):
        request = ingest.RecordCallsRequest(calls=calls, **{**TENANT, **more})
        return self.ingest.RecordCalls(request, metadata=self.writer, timeout=30).results

    def list(self, **more):
        return self.history.ListCalls(history.ListCallsRequest(**{**TENANT, **more}), metadata=self.reader, timeout=30)

    def count(self, **more):
        return self.history.CountCalls(history.CountCallsRequest(**{**TENANT, **more}), metadata=self.reader, timeout=30).count

    def fails(self, code, method, request, metadata):
        with self.assertRaises(grpc.RpcError) as caught:
            method(request, metadata=metadata, timeout=30)
        self.assertEqual(caught.exception.code(), code, caught.exception.details())
        return caught.exception

    def test_compressed_requests_are_served(self):
        for compression in (grpc.Compression.Gzip, grpc.Compression.Deflate):
            request = ingest.RecordCallsRequest(calls=[make("0977000111", second) for second in range(500)], **TENANT)
            answer = self.ingest.RecordCalls(request, metadata=self.writer, compression=compression, timeout=30)
            self.assertEqual(len(answer.results), 500)

    def test_the_largest_requests_at_once(self):
        """Of just below 4 MiB: on one connection, and each on its own."""
        calls = [make("0977000112", second) for second in range(67)]
        for call in calls:
            call.recordings.extend("https://recordings.example.vn/" + "x" * 4000 for _ in range(15))
        request = ingest.RecordCallsRequest(calls=calls, **TENANT)
        self.assertTrue(4000000 < request.ByteSize() < 4 << 20, request.ByteSize())
        for connections in (1, 4):
            channels = [grpc.insecure_channel(self.stack.service_address, [("grpc.use_local_subchannel_pool", 1)])
                        for _ in range(connections)]
            answers = [ingest_grpc.CallIngestServiceStub(channels[i % connections]).RecordCalls.future(
                request, metadata=self.writer, timeout=harness.WAIT_SECONDS) for i in range(4)]
            self.assertEqual([len(answer.result().results) for answer in answers], [len(calls)] * 4)
            for channel in channels:
                channel.close()

    def test_what_needs_no_token_inflates_to_little(self):
        """The limit of health checks and reflection, 4 KiB, is one of the inflated request."""
        more = {"compression": grpc.Compression.Gzip, "timeout": harness.WAIT_SECONDS}
        name = b"\x0a\xc0\x84\x3d" + b"a" * 1000000  # the service of a health check, the host of a question
        check = self.channel.unary_unary("/grpc.health.v1.Health/Check")
        watch = self.channel.unary_stream("/grpc.health.v1.Health/Watch")
        ask = self.channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
        list_services = b"\x3a\x00"
        for start in (lambda: check(name, **more), lambda: next(watch(name, **more)),
                      lambda: next(ask(iter((name + list_services,)), **more))):
            with self.assertRaises(grpc.RpcError) as caught:
                start()
            self.assertIn(caught.exception.code(), (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.INVALID_ARGUMENT))

    def test_the_encodings_of_requests_are_announced(self):
        """To clients that compress; with a failure, in the only headers that it has."""
        encoded = {"more": ((b"grpc-encoding", b"gzip"),), "flag": b"\1"}
        good, bad, plain = self.ask_by_hand(b"application/grpc", pack=gzip.compress, **encoded), self.ask_by_hand(
            b"application/grpc", pack=lambda message: b"not gzip", **encoded), self.ask_by_hand(b"application/grpc")
        for frames, count in ((good, 3), (bad, 1)):
            kind, headers = frames[0]
            self.assertEqual((kind, len(frames)), (http2.HEADERS, count))
            self.assertIn(b"grpc-accept-encoding", headers)
            self.assertIn(b"identity,deflate,gzip", headers.replace(b" ", b""))
        self.assertNotIn(b"grpc-accept-encoding", plain[0][1])

    def test_a_record_is_newer_than_the_parts_before_it(self):
        """A main part without a start waits; RecordCalls records the call; then another part comes."""
        def merge(supplement, **fields):
            part = ingest.CallPart(call=call_pb2.Call(id="parts", **fields), supplement=supplement)
            return self.ingest.MergeCalls(ingest.MergeCallsRequest(parts=[part], **TENANT), metadata=self.writer, timeout=30).results

        merge(False, hotline="1900OLD", recordings=["https://r/1"])
        newer = make("0931000077", 1)
        newer.id, newer.hotline = "parts", "1900NEW"
        self.record([newer])
        merge(True, recordings=["https://r/2"])
        got = self.history.GetCall(history.GetCallRequest(id="parts", **TENANT), metadata=self.reader, timeout=30).call
        self.assertEqual((got.hotline, sorted(got.recordings)), ("1900NEW", ["https://r/1", "https://r/2"]))

    def test_record_list_count_get(self):
        Outcome = ingest.RecordCallResult
        calls = [make("0931000001", second) for second in range(25)]
        self.assertEqual([r.outcome for r in self.record(calls)], [Outcome.OUTCOME_RECORDED] * 25)
        self.assertEqual([r.outcome for r in self.record(calls)], [Outcome.OUTCOME_UNCHANGED] * 25)
        calls[3].talk_seconds = 77
        self.assertEqual(self.record([calls[3]])[0].outcome, Outcome.OUTCOME_REPLACED)
        self.assertEqual(self.count(phone="+84 931 000 001"), 25)
        answer = self.list(phone="0931000001", page=1, page_size=10)
        self.assertEqual(list(answer.calls), calls[:14:-1])
        one = self.history.GetCall(history.GetCallRequest(id=calls[3].id, **TENANT), metadata=self.reader, timeout=30)
        self.assertEqual(one.call, calls[3])
        self.fails(grpc.StatusCode.NOT_FOUND, self.history.GetCall, history.GetCallRequest(id="none", **TENANT), self.reader)

    def test_page_token_stays_exact_while_calls_arrive(self):
        number = "0931000002"
        calls = [make(number, second) for second in range(100)]
        self.record(calls)
        for phone in (number, "201"):
            seen, token, fresh = [], "", 1000
            for _ in range(100):
                answer = self.list(phone=phone, page_size=7, page_token=token)
                seen += [c.id for c in answer.calls if c.id.startswith(number) and int(c.id.split("/")[1]) < 1000]
                token = answer.next_page_token
                if not token:
                    break
                # Newer calls arrive between the pages, and one older than all.
                self.record([make(number, fresh), make(number, fresh + 1)])
                fresh += 2
            self.assertEqual(seen, [c.id for c in reversed(calls)], phone)

    def test_page_token_of_other_arguments(self):
        self.record([make("0931000003", second) for second in range(5)])
        token = self.list(phone="0931000003", page_size=2).next_page_token
        self.assertTrue(token)
        self.assertEqual(len(self.list(phone="84931000003", page_size=3, page_token=token).calls), 3)
        for wrong in ({"phone": "0931000004", "page_token": token}, {"phone": "0931000003", "page_token": "AAAA"},
                      {"phone": "0931000003", "page_token": token[:-2] + "xx"}, {"phone": "0931000003", "page_token": token, "page": 1},
                      {"phone": "0931000003", "page_token": "é"}):
            error = self.fails(grpc.StatusCode.INVALID_ARGUMENT, self.history.ListCalls,
                               history.ListCallsRequest(page_size=2, **{**TENANT, **wrong}), self.reader)
            self.assertIn("page_token", error.details())

    def test_page_token_of_another_tenant(self):
        """The same query in two tenants that have calls of the same ids and times: a token of one is none of the other."""
        other = {"project_code": TENANT["project_code"], "vbot_id": TENANT["vbot_id"] + "2"}
        # A boundary between the two names that lies elsewhere makes the same text.
        shifted = {"project_code": TENANT["project_code"] + TENANT["vbot_id"][:1], "vbot_id": TENANT["vbot_id"][1:]}
        tenants = [TENANT, other, shifted]
        both = self.stack.issue("writer", [(t["project_code"], t["vbot_id"]) for t in tenants])
        metadata = [("authorization", "Bearer " + both)]
        tokens = []
        for tenant in tenants:
            calls = [make("0931000010", second) for second in range(5)]
            self.ingest.RecordCalls(ingest.RecordCallsRequest(calls=calls, **tenant), metadata=metadata, timeout=30)
            tokens.append([self.history.ListCalls(history.ListCallsRequest(page_size=2, **query, **tenant), metadata=metadata, timeout=30)
                           .next_page_token for query in ({"phone": "0931000010"}, {"phone": "201"}, {})])
        for i, own in enumerate(tokens):
            for j, tenant in enumerate(tenants):
                for query, token in zip(({"phone": "0931000010"}, {"phone": "201"}, {}), own):
                    request = history.ListCallsRequest(page_size=2, page_token=token, **query, **tenant)
                    with self.subTest(token_of=i, used_by=j, query=query):
                        if i == j:
                            self.assertTrue(self.history.ListCalls(request, metadata=metadata, timeout=30).calls)
                            continue
                        error = self.fails(grpc.StatusCode.INVALID_ARGUMENT, self.history.ListCalls, request, metadata)
                        self.assertIn("page_token", error.details())

    def test_time_range_is_half_open(self):
        self.record([make("0931000005", second) for second in range(10)])
        request = history.CountCallsRequest(phone="0931000005", **TENANT)
        request.start_time.seconds, request.end_time.seconds = 1760000002, 1760000005
        self.assertEqual(self.history.CountCalls(request, metadata=self.reader, timeout=30).count, 3)

    def test_refused_calls_are_named_in_order(self):
        bad = make("0931000006", 2)
        bad.ClearField("start_time")
        results = self.record([make("0931000006", 1), bad, make("0931000006", 3)])
        Outcome = ingest.RecordCallResult
        self.assertEqual([r.outcome for r in results],
                         [Outcome.OUTCOME_RECORDED, Outcome.OUTCOME_REFUSED, Outcome.OUTCOME_RECORDED])
        self.assertEqual(results[1].field, "start_time")
        self.assertEqual(self.count(phone="0931000006"), 2)

    def ask_by_hand(self, *content_types, te=((b"te", b"trailers"),), more=(), flag=b"\0", pack=bytes):
        """The frames that come back for a count with these content-type fields."""
        message = history.CountCallsRequest(phone="0931000001", **TENANT).SerializeToString()
        fields = [(b":method", b"POST"), (b":scheme", b"http"), (b":authority", b"localhost"), *te,
                  (b"authorization", self.reader[0][1].encode()), (b":path", b"/callhistory.v1.CallHistoryService/CountCalls")]
        block = b"".join(http2.field(*one) for one in (*fields, *((b"content-type", value) for value in content_types), *more))
        message = pack(message)
        with http2.connect(self.stack.service_port) as connection:
            http2.send(connection, http2.frame(http2.HEADERS, http2.END_HEADERS, 1, block) + http2.frame(
                http2.DATA, http2.END_STREAM, 1, flag + len(message).to_bytes(4, "big") + message))
            return http2.answer(connection, 1)

    def test_what_a_page_in_a_browser_can_send_is_refused(self):
        """A script cannot send `te`: whatever its content type, its request is not executed."""
        for te in ((), ((b"te", b""),), ((b"te", b"gzip"),)):
            for content_type in (b"text/plain", b"application/grpc"):
                with self.subTest(te=te, content_type=content_type):
                    self.assertNotIn(http2.DATA, [kind for kind, *_ in self.ask_by_hand(content_type, te=te)])
        self.assertIn(http2.DATA, [kind for kind, *_ in self.ask_by_hand(b"application/grpc")])

    def test_credentials_and_roles(self):
        request = history.CountCallsRequest(phone="1", **TENANT)
        for metadata in ([], [("authorization", "Bearer nonsense")], [("authorization", "Basic x")]):
            self.fails(grpc.StatusCode.UNAUTHENTICATED, self.history.CountCalls, request, metadata)
        other = history.CountCallsRequest(phone="1", project_code="X", vbot_id="Y")
        self.fails(grpc.StatusCode.PERMISSION_DENIED, self.history.CountCalls, other, self.reader)
        self.fails(grpc.StatusCode.PERMISSION_DENIED, self.ingest.RecordCalls,
                   ingest.RecordCallsRequest(calls=[make("0931000007", 1)], **TENANT), self.reader)
        self.assertEqual(self.history.CountCalls(history.CountCallsRequest(phone="0931000099"), metadata=self.reader,
                                                 timeout=30).count, 0)

    def test_bad_arguments_are_named(self):
        for field, more in (("page_size", {"page_size": -1}), ("page", {"page": -1}),
                            ("phone", {"phone": "1" * 513}), ("vbot_id", {"vbot_id": "v" * 65})):
            error = self.fails(grpc.StatusCode.INVALID_ARGUMENT, self.history.ListCalls,
                               history.ListCallsRequest(**{**TENANT, **more}), self.reader)
            self.assertIn(field, error.details())
        self.fails(grpc.StatusCode.INVALID_ARGUMENT, self.ingest.RecordCalls,
                   ingest.RecordCallsRequest(calls=[make("1", s) for s in range(1001)], **TENANT), self.writer)

    def test_unknown_values_survive(self):
        call = make("0931000008", 1, direction_other="WEBCALL", disposition_other="odd one", event="HISTORY_CALL",
                    group_id="G", external_call_id="E", customer_code="C", sip_code="486", hangup_cause="busy",
                    recordings=["https://recordings.example.vn/a.wav"])
        call.direction, call.disposition = call_pb2.CALL_DIRECTION_UNSPECIFIED, call_pb2.DISPOSITION_UNSPECIFIED
        self.assertEqual(self.record([call])[0].outcome, ingest.RecordCallResult.OUTCOME_RECORDED)
        self.assertEqual(list(self.list(phone="0931000008").calls), [call])
        # Of a client that is newer than the service: values of its enums, and a field (127, a text).
        call.id, call.direction, call.disposition = "newer", 9, 200
        call.MergeFromString(b"\xfa\x07\x03new")
        self.assertEqual(self.record([call])[0].outcome, ingest.RecordCallResult.OUTCOME_RECORDED)
        found = {one.id: one.SerializeToString(deterministic=True) for one in self.list(phone="0931000008").calls}
        self.assertEqual(found["newer"], call.SerializeToString(deterministic=True))


if __name__ == "__main__":
    unittest.main()
