"""ExportCalls: all calls in one stream, resumed exactly after whatever ends it; bounded in memory and number; and `callhistoryctl export` over it."""

import json
import os
import signal
import subprocess
import threading
import time
import unittest

import grpc

import harness
import metrics
import stubs
from callhistory.v1 import call_pb2

CTL = os.path.join(harness.BIN, "callhistoryctl")
METHOD = "callhistory.v1.CallHistoryService/ExportCalls"
START = 1790000000
SMALL, BIG = ("EXPORT", "SMALL"), ("EXPORT", "BIG")
SMALL_CALLS, BIG_CALLS, BIG_BYTES = 4500, 600, 50000
SEND_TIMEOUT, WORKER_MOST, TENANT_MOST = 3, 6, 2
MIB = 1 << 20
Code = grpc.StatusCode
# Else the client takes megabytes that nobody has asked for yet.
NARROW = (("grpc.http2.lookahead_bytes", 65536), ("grpc.http2.bdp_probe", 0))


def make(name, second, phone="0938000001", **more):
    call = call_pb2.Call(id=name, direction=call_pb2.CALL_DIRECTION_INBOUND, disposition=call_pb2.DISPOSITION_ANSWERED, hotline="19001234", **more)
    call.start_time.seconds = START + second
    call.callers.add(phone=phone)
    call.callees.add(phone=f"{200 + second % 5}", member_no=f"{200 + second % 5}")
    return call


class Exports(harness.StackTest):
    service_options = ("--workers", "1", "--send-timeout", str(SEND_TIMEOUT), "--max-exports", str(WORKER_MOST), "--grace", "3")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.writers = {tenant: cls.stack.issue("writer", (tenant,)) for tenant in (SMALL, BIG)}
        cls.small = [make(f"small-{second}", second, f"09380{second % 7:05}") for second in range(SMALL_CALLS)]
        text = "https://recordings.example.vn/" + "x" * 3960
        cls.big = [make(f"big-{second}", second, recordings=[text] * (BIG_BYTES // 4000)) for second in range(BIG_CALLS)]
        cls.record(SMALL, cls.small, 1000)
        cls.record(BIG, cls.big, 20)
        for calls in (cls.small, cls.big):
            calls.reverse()  # newest first

    def setUp(self):
        self.channel = stubs.channel(self.stack.service_address, None, *NARROW)
        self.addCleanup(self.channel.close)
        self.history = stubs.history_grpc.CallHistoryServiceStub(self.channel)

    @classmethod
    def record(cls, tenant, calls, size=1000):
        with stubs.channel(cls.stack.service_address) as channel:
            ingest = stubs.ingest_grpc.CallIngestServiceStub(channel)
            for at in range(0, len(calls), size):
                ingest.RecordCalls(stubs.ingest.RecordCallsRequest(calls=calls[at : at + size]), metadata=cls.metadata(cls.writers[tenant]),
                                   timeout=harness.WAIT_SECONDS)

    @staticmethod
    def metadata(token):
        return [("authorization", "Bearer " + token)]

    def export(self, tenant=SMALL, token=None, timeout=None, **more):
        """Begins an export; gives the stream. Each has a connection of its own, whose window no other takes."""
        return self.history.ExportCalls(stubs.history.ExportCallsRequest(**more), metadata=self.metadata(token or self.writers[tenant]),
                                        timeout=timeout)

    def drain(self, stream):
        """All messages that come, and the status."""
        messages = []
        try:
            for message in stream:
                messages.append(message)
        except grpc.RpcError as error:
            return messages, error
        return messages, None

    def whole(self, *arguments, **more):
        messages, error = self.drain(self.export(*arguments, **more))
        self.assertIsNone(error)
        self.assertEqual([bool(message.next_page_token) for message in messages], [True] * (len(messages) - 1) + [False])
        return messages

    def refused(self, code, reason, *arguments, **more):
        messages, error = self.drain(self.export(*arguments, **more))
        self.assertEqual((messages, error.code()), ([], code), error.details())
        self.assertEqual(stubs.details(error)["ErrorInfo"].reason, reason)
        return error

    @staticmethod
    def calls(messages):
        return [call for message in messages for call in message.calls]

    def page(self):
        return metrics.parse(self.stack.metrics())

    def finished(self, status):
        return self.page().count("grpc_server_call_duration_seconds", grpc_method=METHOD, grpc_status=status)

    def running(self):
        """Exports that have begun and not ended."""
        page = self.page()
        return page.value("grpc_server_call_started_total", grpc_method=METHOD) - page.count("grpc_server_call_duration_seconds", grpc_method=METHOD)

    def resume(self, messages, tenant):
        """What comes after these messages, of which there are some, to the end."""
        return self.whole(tenant, page_token=messages[-1].next_page_token)


class Streams(Exports):
    def test_all_of_it(self):
        time.sleep(0.3)  # the worker's counters are copied ten times a second
        commands = self.page().value("callhistory_redis_commands_total")
        messages = self.whole(page_size=1000)
        time.sleep(0.3)
        commands = self.page().value("callhistory_redis_commands_total") - commands
        self.assertEqual(self.calls(messages), self.small)
        self.assertEqual({(message.project_code, message.vbot_id) for message in messages}, {SMALL})
        self.assertEqual([bool(message.change_token) for message in messages], [True] + [False] * (len(messages) - 1))
        self.assertEqual([len(message.calls) for message in messages], [1000] * 4 + [500])
        # One round trip to Redis a page; the changes' position, the token once a second, and probes of the connection.
        self.assertLessEqual(commands, len(messages) + 6)
        self.assertEqual({len(message.calls) for message in self.whole()}, {250})
        self.assertEqual(self.calls(self.whole(page_size=333)), self.small)
        self.assertEqual(self.calls(self.whole(page_size=5000, project_code=SMALL[0], vbot_id=SMALL[1])), self.small)

    def test_a_part(self):
        expected = [call for call in self.small if call.callers[0].phone == "0938000003" and START + 500 <= call.start_time.seconds < START + 4000]
        request = stubs.history.ExportCallsRequest(phone="+84 938 000 003")
        request.start_time.seconds, request.end_time.seconds = START + 500, START + 4000
        messages, error = self.drain(self.history.ExportCalls(request, metadata=self.metadata(self.writers[SMALL])))
        self.assertIsNone(error)
        self.assertEqual(self.calls(messages), expected)
        expected = [call for call in self.small if call.callees[0].member_no == "203"]
        self.assertEqual(self.calls(self.whole(filter=stubs.history.CallFilter(member_no="203"), page_size=100)), expected)
        (empty,) = self.whole(phone="0999999999")
        self.assertEqual((list(empty.calls), empty.next_page_token), ([], ""))
        self.refused(Code.INVALID_ARGUMENT, "INVALID_FIELD", page_size=-1)
        self.refused(Code.INVALID_ARGUMENT, "INVALID_FIELD", page_token="AaGfyJyy4M4jAAABoXE9OICiDhhzuURFgQ")

    def test_a_scan_goes_on_past_its_bound(self):
        """A filter that matches nothing reads 20,000 calls at a time, and sends an empty message after them."""
        tenant = ("EXPORT", "SCAN")
        self.writers[tenant] = self.stack.issue("writer", (tenant,))
        calls = [make(f"scan-{second}", second) for second in range(20500)]
        self.record(tenant, calls)
        messages = self.whole(tenant, filter=stubs.history.CallFilter(customer_code="nobody"))
        self.assertEqual([(len(message.calls), bool(message.next_page_token)) for message in messages], [(0, True), (0, False)])

    def test_each_token_continues(self):
        messages = self.whole(page_size=700)
        for count, message in enumerate(messages[:-1], 1):
            rest = self.whole(page_token=message.next_page_token, page_size=900)
            self.assertEqual(self.calls(messages[:count]) + self.calls(rest), self.small)
            self.assertEqual({each.change_token for each in rest}, {""})
        # A token of ListCalls, and back.
        request = stubs.history.ListCallsRequest(page_token=messages[0].next_page_token, page_size=10)
        answer = self.history.ListCalls(request, metadata=self.metadata(self.writers[SMALL]))
        self.assertEqual(list(answer.calls), self.small[700:710])
        self.assertEqual(self.calls(self.whole(page_token=answer.next_page_token)), self.small[710:])
        self.refused(Code.INVALID_ARGUMENT, "INVALID_FIELD", page_token=answer.next_page_token, phone="0938000003")
        self.refused(Code.INVALID_ARGUMENT, "INVALID_FIELD", BIG, page_token=answer.next_page_token)

    def test_tenants_and_roles(self):
        reader = self.stack.issue("reader", (BIG, SMALL))
        both = {tenant: self.whole(token=reader, project_code=tenant[0], vbot_id=tenant[1]) for tenant in (SMALL, BIG)}
        self.assertEqual(self.calls(both[SMALL]), self.small)
        self.assertEqual(self.calls(both[BIG]), self.big)
        self.refused(Code.INVALID_ARGUMENT, "INVALID_FIELD", token=reader)
        self.refused(Code.PERMISSION_DENIED, "TENANT_DENIED", SMALL, project_code=BIG[0], vbot_id=BIG[1])
        self.refused(Code.PERMISSION_DENIED, "ROLE_DENIED", token=self.stack.issue("eraser", (SMALL,)))
        self.refused(Code.UNAUTHENTICATED, "TOKEN_INVALID", token="nobody")

    def test_complete_while_calls_arrive(self):
        """Each call that was there at the beginning comes once; with the changes since then, the copy equals the store."""
        tenant = ("EXPORT", "BUSY")
        self.writers[tenant] = self.stack.issue("writer", (tenant,))
        eraser = self.stack.issue("eraser", (tenant,))
        before = [make(f"busy-{second}", second * 10) for second in range(3000)]
        self.record(tenant, before)
        stream, copy, seen = self.export(tenant, page_size=100), {}, []
        with stubs.channel(self.stack.service_address) as other:
            ingest = stubs.ingest_grpc.CallIngestServiceStub(other)
            for number, message in enumerate(stream):
                token = message.change_token or token
                seen += [call.id for call in message.calls]
                copy.update((call.id, call) for call in message.calls)
                # Newer than all, older than all, and right where the export is; replaced; deleted.
                at = message.calls[-1].start_time.seconds - START if message.calls else 0
                self.record(tenant, [make(f"new-{number}", 100000 + number), make(f"old-{number}", -1000 - number),
                                     make(f"here-{number}", at, customer_code="here"), make(f"busy-{number}", number * 10, customer_code="again")])
                ingest.DeleteCalls(stubs.ingest.DeleteCallsRequest(ids=[f"busy-{2999 - number}"]), metadata=self.metadata(eraser))
        own = [name for name in seen if name.startswith("busy-")]
        self.assertEqual(len(own), len(set(own)))
        deleted = {f"busy-{2999 - index}" for index in range(number + 1)}
        self.assertLessEqual({call.id for call in before} - deleted, set(own))
        more = True
        while more:
            request = stubs.history.ListCallChangesRequest(change_token=token, page_size=1000)
            answer = self.history.ListCallChanges(request, metadata=self.metadata(self.writers[tenant]))
            token, more = answer.next_change_token, answer.more
            for change in answer.changes:
                if change.deleted_id:
                    copy.pop(change.deleted_id, None)
                else:
                    copy[change.call.id] = change.call
        self.assertEqual(copy, {call.id: call for call in self.calls(self.whole(tenant))})

    def test_damaged_entries(self):
        """A record that cannot be read, and one that is missing, cost themselves."""
        tenant, redis = ("EXPORT", "DAMAGED"), harness.RedisClient(self.stack.redis_socket)
        self.addCleanup(redis.close)
        self.writers[tenant] = self.stack.issue("writer", (tenant,))
        known = set(redis("KEYS", "*"))
        calls = [make(f"damaged-{second}", second, "0938000009") for second in range(30)]
        self.record(tenant, calls)
        calls.reverse()
        (home,) = [key for key in set(redis("KEYS", "*")) - known if key.endswith(b"0938000009")]
        member, score = redis("ZRANGE", home, 11, 11, "WITHSCORES")
        redis("ZADD", home, score, member[:8] + b"\x0a\x7fxx")
        redis("ZREM", home, member)
        redis("ZREM", home, redis("ZRANGE", home, 20, 20)[0])
        expected = [call for index, call in enumerate(calls) if index not in (11, 20)]
        for more in ({}, {"phone": "0938000009"}, {"filter": stubs.history.CallFilter(directions=[call_pb2.CALL_DIRECTION_INBOUND])}):
            for size in (1, 7, 1000):
                self.assertEqual(self.calls(self.whole(tenant, page_size=size, **more)), expected)
        harness.eventually(lambda: self.assertGreater(self.page().value("callhistory_missing_records_total"), 0))

    def test_long_calls(self):
        messages = self.whole(BIG)
        self.assertEqual(self.calls(messages), self.big)
        self.assertTrue(all(message.ByteSize() <= MIB + 4096 for message in messages))
        self.assertTrue(all(len(message.calls) > 10 for message in messages[:-1]))

    def test_a_client_that_reads_slowly(self):
        """It costs one message, and is ended after --send-timeout; the last token that it has read continues."""
        streams = [self.export(BIG) for _ in range(TENANT_MOST)]
        begun = [[next(stream)] for stream in streams]
        harness.eventually(lambda: self.assertGreater(self.page().value("callhistory_memory_used_bytes"), 0))
        most = 0
        ended = self.finished("ABORTED")
        while self.finished("ABORTED") < ended + TENANT_MOST:
            most = max(most, self.page().value("callhistory_memory_used_bytes"))
            self.assertEqual(self.stack.count("0912999999"), 0)  # others are served meanwhile
            time.sleep(0.05)
        # A message for each, and the arenas.
        self.assertLess(most, TENANT_MOST * 2 * MIB)
        for stream, messages in zip(streams, begun):
            more, error = self.drain(stream)
            messages += more
            self.assertEqual(error.code(), Code.ABORTED, error.details())
            self.assertLess(len(self.calls(messages)), BIG_CALLS)
            self.assertEqual(self.calls(messages) + self.calls(self.resume(messages, BIG)), self.big)
        harness.eventually(lambda: self.assertEqual(self.page().value("callhistory_memory_used_bytes"), 0))

    def test_cancelled(self):
        before = self.finished("CANCELLED")
        for _ in range(3 * WORKER_MOST):
            stream = self.export(BIG)
            next(stream)
            stream.cancel()
            harness.wait_until(lambda: self.running() == 0, "the end of the export")
        self.assertEqual(self.finished("CANCELLED"), before + 3 * WORKER_MOST)
        before = self.finished("DEADLINE_EXCEEDED")
        stream = self.export(BIG, timeout=0.5)
        next(stream)
        harness.wait_until(lambda: self.finished("DEADLINE_EXCEEDED") > before, "the deadline")
        self.assertEqual(self.drain(stream)[1].code(), Code.DEADLINE_EXCEEDED)
        self.assertEqual(self.calls(self.whole()), self.small)

    def test_too_many(self):
        streams = [self.export(BIG) for _ in range(TENANT_MOST)]
        harness.wait_until(lambda: self.running() == TENANT_MOST, "the exports")
        error = self.refused(Code.RESOURCE_EXHAUSTED, "TOO_MANY_EXPORTS", BIG)
        self.assertIn("of this tenant", error.details())
        self.assertEqual(stubs.details(error)["RetryInfo"].retry_delay.seconds, 1)
        self.assertEqual(self.calls(self.whole()), self.small)
        for stream in streams:
            stream.cancel()
        harness.wait_until(lambda: self.running() == 0, "their end")
        self.assertEqual(self.calls(self.whole(BIG)), self.big)

    def test_a_token_that_is_revoked(self):
        reader = self.stack.issue("reader", (BIG,))
        stream = self.export(token=reader)
        messages = [next(stream)]
        self.stack.ctl("--redis", self.stack.redis_url, "token", "revoke", reader)
        time.sleep(1.2)  # the cache's second
        more, error = self.drain(stream)
        messages += more
        self.assertEqual(error.code(), Code.UNAUTHENTICATED, error.details())
        self.assertEqual(stubs.details(error)["ErrorInfo"].reason, "TOKEN_REVOKED")
        self.assertLess(len(self.calls(messages)), BIG_CALLS)
        self.assertEqual(self.calls(messages) + self.calls(self.resume(messages, BIG)), self.big)


class Trouble(Exports):
    """What ends a stream from the server's side. All go on exactly where they were."""

    def begin(self):
        stream = self.export(BIG)
        return stream, [next(stream)]

    def check_resumed(self, stream, messages, code):
        more, error = self.drain(stream)
        messages += more
        self.assertEqual(error.code(), code, error.details())
        self.stack.wait_ready()
        self.assertLess(len(self.calls(messages)), BIG_CALLS)
        self.assertEqual(self.calls(messages) + self.calls(self.resume(messages, BIG)), self.big)

    def test_the_service_drains(self):
        """A stream that is read ends with the message that is under way; one that is not, with the grace."""
        stream, messages = self.begin()
        idle, unread = self.begin()
        self.stack.service.signal(signal.SIGTERM)
        harness.wait_until(lambda: "draining" in self.stack.service.log_text(), "the drain")
        time.sleep(0.1)
        more, error = self.drain(stream)
        messages += more
        self.assertEqual((error.code(), stubs.details(error)["ErrorInfo"].reason), (Code.UNAVAILABLE, "DRAINING"), error.details())
        harness.wait_until(lambda: not self.stack.service.running(), "the end of the service")
        self.assertEqual(self.stack.service.process.returncode, 0)
        self.stack.service.process = None
        self.stack.service.start()
        self.stack.wait_ready()
        self.assertEqual(self.calls(messages) + self.calls(self.resume(messages, BIG)), self.big)
        self.check_resumed(idle, unread, Code.UNAVAILABLE)

    def test_the_service_is_killed(self):
        stream, messages = self.begin()
        self.stack.service.kill()
        self.stack.service.start()
        self.check_resumed(stream, messages, Code.UNAVAILABLE)

    def test_redis_is_killed(self):
        """A short outage is waited out; a long one ends the stream as it ends other requests. A busy machine makes it long."""
        for _ in range(5):
            stream, messages = self.begin()
            self.stack.redis.kill()
            os.unlink(self.stack.redis_socket)
            self.stack.start_redis()
            more, error = self.drain(stream)
            if not error:
                break
            self.stack.wait_ready()
        self.assertIsNone(error)
        self.assertEqual(self.calls(messages + more), self.big)
        self.stack.wait_ready()
        stream, messages = self.begin()
        self.stack.redis.kill()
        more, error = self.drain(stream)
        messages += more
        self.assertEqual((error.code(), stubs.details(error)["ErrorInfo"].reason), (Code.UNAVAILABLE, "STORE_UNAVAILABLE"))
        os.unlink(self.stack.redis_socket)
        self.stack.start_redis()
        self.stack.wait_ready()
        self.assertEqual(self.calls(messages) + self.calls(self.resume(messages, BIG)), self.big)


class Ctl(Exports):
    """callhistoryctl export goes on by itself, whatever ends the stream: its output is the same to the byte."""

    def setUp(self):
        super().setUp()
        self.environment = harness.clean_environment()
        self.expected = subprocess.run(self.command(), env=self.environment, capture_output=True, timeout=harness.WAIT_SECONDS, check=True).stdout
        self.assertEqual([json.loads(line)["id"] for line in self.expected.splitlines()], [call.id for call in self.big])

    def command(self, *more):
        return [CTL, "--service", self.stack.service_address, "--token", self.writers[BIG], "export", *more]

    def interrupted(self, trouble, *more, status=0, times=1):
        """Runs an export into a pipe that is not read while there is trouble."""
        with subprocess.Popen(self.command(*more), env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            errors = []
            reader = threading.Thread(target=lambda: errors.append(process.stderr.read()))
            reader.start()
            read = b""
            try:
                for _ in range(times):
                    read += process.stdout.read(2 * MIB)
                    trouble()
                read += process.stdout.read()
                self.assertEqual(process.wait(harness.WAIT_SECONDS), status, errors)
            finally:
                process.kill()
                reader.join()
        return read, errors[0].decode()

    def test_the_service_is_killed(self):
        def kill():
            self.stack.service.kill()
            self.stack.service.start()

        self.assertEqual(self.interrupted(kill, times=5), (self.expected, ""))

    def test_the_service_is_restarted(self):
        def restart():
            self.assertEqual(self.stack.service.stop(), 0)
            self.stack.service.start()

        self.assertEqual(self.interrupted(restart, times=2), (self.expected, ""))

    def test_redis_is_killed(self):
        def kill():
            self.stack.redis.kill()
            os.unlink(self.stack.redis_socket)
            time.sleep(1)
            self.stack.start_redis()

        self.assertEqual(self.interrupted(kill, times=3), (self.expected, ""))

    def test_a_reader_that_pauses(self):
        before = self.finished("ABORTED")

        def pause():
            harness.wait_until(lambda: self.finished("ABORTED") > before, "the end of the stream")

        self.assertEqual(self.interrupted(pause), (self.expected, ""))

    def test_what_does_not_pass(self):
        reader = self.stack.issue("reader", (BIG,))

        def revoke():
            self.stack.ctl("--redis", self.stack.redis_url, "token", "revoke", reader)
            time.sleep(1.2)

        read, errors = self.interrupted(revoke, "--token", reader, status=1)
        self.assertIn("UNAUTHENTICATED", errors)
        self.assertTrue(self.expected.startswith(read) and len(read) < len(self.expected))
        read, errors = self.interrupted(self.stack.service.kill, "--timeout", "1500", status=1)
        self.assertIn("UNAVAILABLE", errors)
        self.assertTrue(self.expected.startswith(read))
        self.stack.service.start()
        self.stack.wait_ready()


if __name__ == "__main__":
    unittest.main()
