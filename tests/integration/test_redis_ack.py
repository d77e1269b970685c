"""--redis-ack: what is not on enough replicas, or not on the disk, is UNAVAILABLE with the reason NOT_REPLICATED, and may be repeated."""

import os
import shutil
import tempfile
import time
import unittest

import grpc

import harness
import redis_servers
import stubs


class Acknowledgements(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="callhistory-ack-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.master = redis_servers.Server(self.folder, ["--appendonly", "yes", "--repl-diskless-sync-delay", "0"])
        self.addCleanup(lambda: self.master.process.running() and self.master.process.kill())
        redis_servers.start_all([self.master])

    def service(self, ack):
        service = redis_servers.ServiceOver(self.folder, f"redis://127.0.0.1:{self.master.port}", "--redis-ack", ack)
        self.addCleanup(lambda: service.process.running() and service.process.kill())
        return service

    def begin(self, service):
        service.start()
        self.token = service.issue("writer", [(harness.PROJECT, harness.VBOT)])
        self.channel = stubs.channel(service.address)
        self.addCleanup(self.channel.close)

    def ask(self, stub, method, request):
        request.project_code, request.vbot_id = harness.PROJECT, harness.VBOT
        return getattr(stub(self.channel), method)(request, timeout=10, metadata=[("authorization", "Bearer " + self.token)])

    def record(self, *calls):
        answer = self.ask(stubs.ingest_grpc.CallIngestServiceStub, "RecordCalls", stubs.ingest.RecordCallsRequest(calls=calls))
        return [result.outcome for result in answer.results]

    def listed(self, number):
        return len(self.ask(stubs.history_grpc.CallHistoryServiceStub, "ListCalls", stubs.history.ListCallsRequest(phone=number)).calls)

    def refused(self, *calls):
        """Not acknowledged, with a reason and a time after which it may be repeated."""
        begin = time.monotonic()
        with self.assertRaises(grpc.RpcError) as raised:
            self.record(*calls)
        self.assertEqual(raised.exception.code(), grpc.StatusCode.UNAVAILABLE)
        status = stubs.rpc_status.Status.FromString(dict(raised.exception.trailing_metadata())["grpc-status-details-bin"])
        info, retry = stubs.error_details.ErrorInfo(), stubs.error_details.RetryInfo()
        self.assertTrue(any(detail.Unpack(info) for detail in status.details))
        self.assertTrue(any(detail.Unpack(retry) for detail in status.details))
        self.assertEqual(info.reason, "NOT_REPLICATED")
        self.assertGreater(retry.retry_delay.ToMilliseconds(), 0)
        self.assertLess(time.monotonic() - begin, 8)

    def test_replicas(self):
        replica = redis_servers.Server(self.folder, ["--replicaof", "127.0.0.1", str(self.master.port)])
        self.addCleanup(lambda: os.kill(replica.pid(), harness.SIGCONT) or replica.process.kill())
        redis_servers.start_all([replica])
        harness.wait_until(lambda: replica.info("master_link_status") == "up", "the replica")
        service = self.service("replicas=1")
        self.begin(service)
        call = stubs.call("0911111111", 1)
        self.record(call)
        os.kill(replica.pid(), harness.SIGSTOP)
        late = stubs.call("0922222222", 2)
        self.refused(late)
        self.assertEqual(self.listed("0911111111"), 1)  # Reads do not wait for replicas.
        os.kill(replica.pid(), harness.SIGCONT)
        harness.wait_until(lambda: self.repeated(late), "the repeated call")
        self.assertEqual(self.listed("0922222222"), 1)
        service.stop()

    def repeated(self, call):
        try:
            return self.record(call)
        except grpc.RpcError:
            return False

    def test_disk(self):
        version = tuple(int(part) for part in self.master.info("redis_version").split(".")[:2])
        service = self.service("disk")
        if version < (7, 2):
            service.process.start()
            harness.wait_until(lambda: "7.2" in service.process.log_text(), "the log to say which version is needed")
            self.assertFalse(service.ready())
            service.process.stop()
            return
        self.begin(service)
        self.record(stubs.call("0911111111", 1))
        # Without the file nothing gets to the disk.
        self.master.ask("CONFIG", "SET", "appendonly", "no")
        late = stubs.call("0922222222", 2)
        self.refused(late)
        self.master.ask("CONFIG", "SET", "appendonly", "yes")
        harness.wait_until(lambda: self.repeated(late), "the repeated call")
        self.assertEqual(self.listed("0922222222"), 1)
        service.stop()


if __name__ == "__main__":
    unittest.main()
