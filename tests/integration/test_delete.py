"""Deleting calls with real servers: DeleteCalls, callhistoryctl delete and retention; what is left afterwards, after kills and errors too."""

import json
import os
import signal
import subprocess
import time
import unittest

import grpc

import harness
import stubs

CTL = os.path.join(harness.BIN, "callhistoryctl")
TENANTS = ((harness.PROJECT, harness.VBOT), ("OTHER", "V"))
NUMBERS = ("0912000001", "0912000002", "0977777777", "101", "102", "")
FIRST = 1735707600  # 2025-01-01 in Viet Nam
DAY = 86400


class Delete(unittest.TestCase):
    def setUp(self):
        self.stack = harness.Stack()
        self.addCleanup(self.stack.stop)
        self.stack.start()
        self.writer = self.stack.issue("writer", TENANTS)
        self.eraser = self.stack.issue("eraser", TENANTS)
        self.connect()
        self.redis = harness.RedisClient(self.stack.redis_socket)
        self.addCleanup(self.redis.close)

    # -- helpers ------------------------------------------------------------------------------------------------------

    def connect(self):
        self.channel = stubs.channel(self.stack.service_address)
        self.addCleanup(self.channel.close)

    @staticmethod
    def metadata(token):
        return [("authorization", "Bearer " + token)]

    def record(self, count, tenant=TENANTS[0]):
        """One call a day."""
        for first in range(0, count, 1000):
            calls = []
            for i in range(first, min(first + 1000, count)):
                call = stubs.call(NUMBERS[i % 2] if i % 5 else "55", 0)
                call.id, call.start_time.seconds = f"id{i}", FIRST + i * DAY
                call.callees.add(phone=NUMBERS[3 + i % 2])
                if i % 7 == 0:
                    call.callees.add(phone=NUMBERS[2])
                calls.append(call)
            stubs.ingest_grpc.CallIngestServiceStub(self.channel).RecordCalls(
                stubs.ingest.RecordCallsRequest(project_code=tenant[0], vbot_id=tenant[1], calls=calls),
                metadata=self.metadata(self.writer), timeout=harness.WAIT_SECONDS)

    def delete(self, token=None, tenant=TENANTS[0], **fields):
        return stubs.ingest_grpc.CallIngestServiceStub(self.channel).DeleteCalls(
            stubs.ingest.DeleteCallsRequest(project_code=tenant[0], vbot_id=tenant[1], **fields),
            metadata=self.metadata(token or self.eraser), timeout=harness.WAIT_SECONDS)

    def counts(self, tenant=TENANTS[0]):
        """Calls by number; each count equals its list."""
        history = stubs.history_grpc.CallHistoryServiceStub(self.channel)
        counts = {}
        for phone in NUMBERS:
            fields = {"project_code": tenant[0], "vbot_id": tenant[1], "phone": phone}
            count = history.CountCalls(stubs.history.CountCallsRequest(**fields), metadata=self.metadata(self.writer),
                                       timeout=harness.WAIT_SECONDS).count
            ids, token = [], ""
            while True:
                page = history.ListCalls(stubs.history.ListCallsRequest(page_size=1000, page_token=token, **fields),
                                         metadata=self.metadata(self.writer), timeout=harness.WAIT_SECONDS)
                ids += [call.id for call in page.calls]
                token = page.next_page_token
                if not token:
                    break
            self.assertEqual((len(ids), len(set(ids))), (count, count), phone)
            counts[phone] = count
        return counts

    def run_ctl(self, *arguments, status=0):
        done = subprocess.run([CTL, "--redis", self.stack.redis_url, "--service", self.stack.service_address, "--token",
                               self.eraser, *arguments], capture_output=True, text=True, timeout=harness.WAIT_SECONDS,
                              env=harness.clean_environment())
        self.assertEqual(done.returncode, status, done.stderr + done.stdout)
        return done.stdout if not status else done.stderr

    def erase(self, *arguments, status=0):
        return self.run_ctl("delete", "--project-code", TENANTS[0][0], "--vbot-id", TENANTS[0][1], *arguments, status=status)

    def verified(self):
        self.assertIn(", 0 differences\n", self.run_ctl("verify", "--redis", self.stack.operator_url))

    def keys(self, tenant=TENANTS[0]):
        tag = b"{" + self.redis("HGET", "callhistory:tenants", "\0".join(tenant)) + b"}"
        return sorted(key[len(tag):] for key in self.redis("KEYS", "*") if key.startswith(tag))

    def audit(self):
        return [json.loads(line) for line in self.stack.service.log_text().splitlines() if '"message":"deletion' in line]

    # -- DeleteCalls --------------------------------------------------------------------------------------------------

    def test_all_selections_and_what_is_left(self):
        self.record(1200)
        self.record(50, TENANTS[1])
        before, other = self.counts(), self.counts(TENANTS[1])
        answer = self.delete(ids=["id1", "id2", "absent", "id1"])
        self.assertEqual((answer.deleted_count, answer.next_page_token), (2, ""))
        self.assertEqual(self.counts()[""], before[""] - 2)
        number = self.counts()["0912000001"]
        self.assertEqual(self.delete(phone="+84 912 000 001", validate_only=True).deleted_count, number)
        self.assertEqual(self.counts()["0912000001"], number)
        self.assertEqual(self.delete(phone="+84 912 000 001").deleted_count, number)
        self.assertEqual(self.counts()["0912000001"], 0)
        self.verified()
        request = stubs.ingest.DeleteCallsRequest()
        request.end_time.seconds = FIRST + 600 * DAY
        left, token, steps = self.delete(end_time=request.end_time, validate_only=True).deleted_count, "", 0
        self.assertGreater(left, 200)
        while True:
            answer = self.delete(end_time=request.end_time, page_size=100, page_token=token)
            left, token, steps = left - answer.deleted_count, answer.next_page_token, steps + 1
            if not token:
                break
        self.assertEqual(left, 0)
        self.assertGreater(steps, 2)
        self.verified()
        request.end_time.seconds = FIRST + 5000 * DAY
        self.delete(end_time=request.end_time)
        self.assertEqual(set(self.counts().values()), {0})
        self.assertEqual(self.keys(), [b"c", b"m"])
        self.assertEqual(self.counts(TENANTS[1]), other)
        self.verified()

    def test_roles_errors_and_the_log(self):
        self.record(3)
        reader = self.stack.issue("reader", TENANTS)
        for token in (reader, self.writer):
            with self.assertRaises(grpc.RpcError) as raised:
                self.delete(token=token, phone="0912000001")
            self.assertEqual(raised.exception.code(), grpc.StatusCode.PERMISSION_DENIED)
        with self.assertRaises(grpc.RpcError) as raised:
            self.delete()
        self.assertEqual(raised.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
        self.assertIn("ids", raised.exception.details())
        with self.assertRaises(grpc.RpcError) as raised:
            stubs.history_grpc.CallHistoryServiceStub(self.channel).CountCalls(
                stubs.history.CountCallsRequest(project_code=TENANTS[0][0], vbot_id=TENANTS[0][1]),
                metadata=self.metadata(self.eraser), timeout=harness.WAIT_SECONDS)
        self.assertEqual(raised.exception.code(), grpc.StatusCode.PERMISSION_DENIED)
        self.assertEqual(self.counts()[""], 3)
        self.delete(phone="0912000001", validate_only=True)
        self.delete(phone="0912000001")
        listed = self.stack.ctl("--redis", self.stack.redis_url, "token", "list", "--json")[1].splitlines()
        self.assertEqual(sorted(json.loads(line)["role"] for line in listed), ["eraser", "reader", "writer"])
        harness.wait_until(lambda: len(self.audit()) == 4, "four lines of deletions")
        lines = self.audit()
        self.assertEqual([line["status"] for line in lines], ["PERMISSION_DENIED"] * 2 + ["OK"] * 2)
        self.assertEqual([line["message"] for line in lines], ["deletion"] * 2 + ["deletion, dry run", "deletion"])
        self.assertEqual({line["phone"] for line in lines}, {"*******001"})
        self.assertEqual((lines[3]["project_code"], lines[3]["vbot_id"], lines[3]["calls"]), (*TENANTS[0], lines[2]["calls"]))
        self.assertRegex(lines[3]["token"], "^[0-9a-f]{12}$")
        # Equal requests are no repetitions of one line: nothing of what was deleted is left out.
        for _ in range(5):
            self.delete(phone="0912000002", validate_only=True)
        harness.wait_until(lambda: len(self.audit()) == 9, "a line for each of equal requests")
        self.assertEqual(sorted(int(line["number"]) for line in self.audit() if line["worker"] == lines[0]["worker"])[0], 1)
        for secret in ("0912000001", self.eraser, self.writer, reader):
            self.assertNotIn(secret, self.stack.service.log_text())
        self.assertIn('rpc_method="callhistory.v1.CallIngestService/DeleteCalls"', str(self.stack.metrics()))

    def test_an_error_of_redis_midway(self):
        """A key of a foreign type fails a request after some calls; what was deleted is, the rest waits, and verify is clean."""
        self.record(300)
        tag = self.redis("HGET", "callhistory:tenants", "\0".join(TENANTS[0])).decode()
        self.redis("CONFIG", "SET", "maxmemory", "1")
        self.assertEqual(self.delete(ids=[f"id{i}" for i in range(40)]).deleted_count, 40)
        self.redis("CONFIG", "SET", "maxmemory", "0")
        self.verified()
        bucket = next(key for key in self.redis("KEYS", "*") if key.startswith(f"{{{tag}}}i".encode()))
        saved = self.redis("DUMP", bucket)
        self.redis("DEL", bucket)
        self.redis("SET", bucket, "foreign")
        with self.assertRaises(grpc.RpcError) as raised:
            self.delete(ids=[f"id{i}" for i in range(300)])
        self.assertEqual(raised.exception.code(), grpc.StatusCode.DATA_LOSS)
        self.redis("DEL", bucket)
        self.redis("RESTORE", bucket, 0, saved)
        self.verified()
        left = self.counts()[""]
        self.assertLess(left, 261)
        self.assertEqual(self.delete(ids=[f"id{i}" for i in range(300)]).deleted_count, left)
        self.assertEqual(self.keys(), [b"c", b"m"])
        self.verified()

    # -- callhistoryctl -----------------------------------------------------------------------------------------------

    def test_delete_from_a_shell(self):
        self.record(400)
        self.assertEqual(self.erase("id1", "id2", "nobody"), "2 calls would be deleted; --yes deletes them\n")
        self.assertEqual(self.erase("id1", "id2", "nobody", "--yes", "--json"), '{"calls":2,"deleted":true}\n')
        self.assertEqual(self.erase("--before", "2025-01-11T00:00:00+07:00", "--json"), '{"calls":8,"deleted":false}\n')
        self.assertEqual(self.erase("--before", "2025-01-11T00:00:00+07:00", "--yes"), "8 calls deleted\n")
        number = self.counts()["0912000002"]
        self.assertEqual(self.erase("--phone", "0912 000 002", "--yes", "--calls-per-second", "100000"), f"{number} calls deleted\n")
        self.assertEqual(self.counts()["0912000002"], 0)
        self.verified()
        self.assertIn("ids, --phone or --before", self.erase(status=2))
        self.assertIn("ids exclude", self.erase("id1", "--phone", "1", status=2))
        self.assertIn("--before", self.erase("--before", "yesterday", status=2))
        self.assertIn("may not delete", self.run_ctl("--token", self.writer, "delete", "--project-code", TENANTS[0][0], "--vbot-id",
                                                     TENANTS[0][1], "id3", status=1))

    def start_ctl(self, *arguments):
        process = subprocess.Popen([CTL, "--redis", self.stack.redis_url, "--service", self.stack.service_address, "--token",
                                    self.eraser, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env=harness.clean_environment())
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def total(self):
        tag = self.redis("HGET", "callhistory:tenants", "\0".join(TENANTS[0])).decode()
        return int(self.redis("HGET", f"{{{tag}}}m", "n"))

    def test_killed_midway_and_run_again(self):
        self.record(1000)
        delete = ("delete", "--project-code", TENANTS[0][0], "--vbot-id", TENANTS[0][1], "--before", str(FIRST + 900 * DAY), "--yes")
        retention = ("retention", "--older-than", "1d", "--yes", "--project-code", TENANTS[0][0], "--vbot-id", TENANTS[0][1])
        for command, number in ((delete, signal.SIGKILL), (delete, signal.SIGTERM), (retention, signal.SIGKILL), (retention, signal.SIGINT)):
            before = self.total()
            process = self.start_ctl(*command, "--calls-per-second", "200")
            harness.wait_until(lambda: self.total() < before, "the first calls are deleted")
            process.send_signal(number)
            process.communicate(timeout=harness.WAIT_SECONDS)
            self.assertNotEqual(process.returncode, 0)
            self.assertGreater(self.total(), 0)
            self.verified()
        # The service is killed and comes back: the command goes on by itself.
        process = self.start_ctl(*delete, "--calls-per-second", "300")
        before = self.total()
        harness.wait_until(lambda: self.total() < before, "the first calls are deleted")
        self.stack.service.kill()
        self.stack.service.start()
        out, errors = process.communicate(timeout=harness.WAIT_SECONDS)
        self.assertEqual(process.returncode, 0, errors)
        self.assertRegex(out, r"^\d+ calls deleted\n$")
        self.verified()
        left = stubs.ingest.DeleteCallsRequest()
        left.end_time.seconds = FIRST + 900 * DAY
        self.stack.wait_ready()
        self.connect()  # the first request on a connection that was cut may fail
        harness.eventually(lambda: self.assertEqual(self.delete(end_time=left.end_time, validate_only=True).deleted_count, 0))

    def test_retention(self):
        self.record(500)
        self.record(500, TENANTS[1])
        other = self.counts(TENANTS[1])
        days = int((time.time() - FIRST) // DAY) - 100  # the first 101 days, the last of which is not over
        options = ("retention", "--older-than", f"{days}d")
        out = self.run_ctl(*options)
        self.assertIn(f"{TENANTS[0][0]}/{TENANTS[0][1]}: 101 calls\n", out)
        self.assertRegex(out, r"2 tenants, 202 calls before \S+Z would be deleted; --yes deletes them\n$")
        self.assertEqual(self.counts(TENANTS[1]), other)
        one = ("--project-code", TENANTS[0][0], "--vbot-id", TENANTS[0][1])
        self.assertRegex(self.run_ctl(*options, *one, "--yes"), r"1 tenants, 101 calls before \S+Z deleted\n$")
        self.assertEqual(self.counts()[""], 399)
        self.assertEqual(self.counts(TENANTS[1]), other)
        lines = [json.loads(line) for line in self.run_ctl(*options, "--yes", "--json").splitlines()]
        self.assertEqual({(line["project_code"], line["calls"], line["deleted"]) for line in lines},
                         {(TENANTS[0][0], 0, True), ("OTHER", 101, True)})
        self.verified()
        self.assertRegex(self.run_ctl("retention", "--older-than", "1d", "--yes", "--calls-per-second", "100000"), r"deleted\n$")
        self.assertIn("--older-than is needed", self.run_ctl("retention", status=2))
        self.assertIn("--older-than is needed", self.run_ctl("retention", "--older-than", "1y", status=2))
        self.verified()


if __name__ == "__main__":
    unittest.main()
