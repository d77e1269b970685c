"""Redis over TLS: which certificates are believed, what a cut connection and large replies do, and renewed certificates and
passwords without a restart."""

import os
import shutil
import socket
import ssl
import tempfile
import threading
import time
import unittest

import certificates
import harness
import redis_servers
import stubs
from callhistory.v1 import call_pb2

PASSWORDS = ("first-secret", "second-secret")


class TlsServer(redis_servers.Server):
    """A server that speaks TLS only and wants a client certificate."""

    def __init__(self, folder, authority, pair, own):
        super().__init__(folder)
        self.authority, self.own = authority, own
        self.process.arguments += ["--port", "0", "--tls-port", str(self.port), "--tls-cert-file", pair[0], "--tls-key-file", pair[1],
                                   "--tls-ca-cert-file", authority.file, "--requirepass", PASSWORDS[0]]
        self.password = PASSWORDS[0]

    def connect(self):
        context = self.authority.context(self.own)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        client = harness.RedisClient(self.port)
        client.file.close()
        try:
            client.socket = context.wrap_socket(client.socket)
        except OSError:
            client.socket.close()
            raise
        client.file = client.socket.makefile("rb")
        client("AUTH", self.password)
        return client


class Proxy:
    """Passes bytes on; the next connection from the server to the client is cut after so many of them."""

    def __init__(self, port):
        self.target, self.cut_after, self.cuts = port, None, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                return
            threading.Thread(target=self.pass_on, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self.pass_on, args=(server, client, True), daemon=True).start()

    def pass_on(self, source, target, may_cut):
        try:
            while data := source.recv(65536):
                if may_cut and self.cut_after is not None:
                    if len(data) >= self.cut_after:
                        target.sendall(data[: self.cut_after])
                        self.cut_after = None
                        self.cuts += 1
                        break
                    self.cut_after -= len(data)
                target.sendall(data)
        except OSError:
            pass
        for each in (source, target):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        source.close()


class Tls(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="callhistory-redis-tls-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.authority = certificates.Authority(self.folder)
        self.client = self.authority.issue("client")
        self.password_file = os.path.join(self.folder, "password")
        with open(self.password_file, "w", encoding="ascii") as file:
            file.write(PASSWORDS[0] + "\n")

    def start(self, pair=None):
        self.server = TlsServer(self.folder, self.authority, pair or self.authority.issue("server"), self.client)
        self.server.start()
        self.addCleanup(lambda: self.server.process.running() and self.server.process.kill())
        harness.wait_until(self.server.up, "redis-server")

    def options(self, **more):
        options = {"ca": self.authority.file, "cert": self.client[0], "key": self.client[1], "password-file": self.password_file}
        return [text for name, value in {**options, **more}.items() if value for text in (f"--redis-{name}", value)]

    def service(self, port=None, host="127.0.0.1", **more):
        service = redis_servers.ServiceOver(self.folder, f"rediss://{host}:{port or self.server.port}", *self.options(**more))
        self.addCleanup(lambda: service.process.running() and service.process.kill())
        return service

    def refused(self, reason, **more):
        """The service must not become ready, and its log must say why."""
        service = self.service(**more)
        service.process.start()
        harness.wait_until(lambda: reason in service.process.log_text(), f"the log to say {reason!r}", 20)
        self.assertFalse(service.ready())
        self.assertNotIn(PASSWORDS[0], service.process.log_text())
        service.process.stop()
        os.remove(service.process.log)

    def test_certificates(self):
        self.start()
        for host, name in (("127.0.0.1", None), ("localhost", None), ("127.0.0.1", "localhost")):
            service = self.service(host=host, **{"tls-name": name})
            service.start()
            service.issue("reader", [("P", "V")], *self.options())
            service.stop()
        other = certificates.Authority(self.folder, "other")
        self.refused("certificate", ca=other.file)
        self.refused("mismatch", **{"tls-name": "redis.example"})
        self.refused("TLS", cert=None, key=None)

    def test_a_certificate_for_another_host(self):
        self.start(self.authority.issue("elsewhere", "DNS:redis.example"))
        self.refused("mismatch")
        service = self.service(**{"tls-name": "redis.example"})
        service.start()
        service.stop()

    def test_an_expired_certificate(self):
        self.start(self.authority.issue("expired", days=0))
        time.sleep(1)
        self.refused("expired")

    def record(self, service, calls, bytes_each):
        tokens = {role: service.issue(role, [("P", "V")], *self.options()) for role in ("writer", "reader")}
        channel = stubs.channel(service.address, None, ("grpc.max_receive_message_length", 1 << 26))
        self.addCleanup(channel.close)
        ingest, history = stubs.ingest_grpc.CallIngestServiceStub(channel), stubs.history_grpc.CallHistoryServiceStub(channel)
        batch = []
        for i in range(calls):
            call = call_pb2.Call(id=f"large-{i}", direction=call_pb2.CALL_DIRECTION_INBOUND, disposition=call_pb2.DISPOSITION_ANSWERED)
            call.start_time.seconds = 1790000000 + i
            call.callers.add(phone="0912345678")
            call.recordings.extend("https://recordings.example/" + "x" * 1000 + str(n) for n in range(bytes_each // 1000))
            batch.append(call)
        for begin in range(0, calls, 10):
            ingest.RecordCalls(stubs.ingest.RecordCallsRequest(project_code="P", vbot_id="V", calls=batch[begin: begin + 10]), timeout=20,
                               metadata=(("authorization", "Bearer " + tokens["writer"]),))

        def page():
            request = stubs.history.ListCallsRequest(project_code="P", vbot_id="V", phone="0912345678", page_size=1000)
            return history.ListCalls(request, timeout=20, metadata=(("authorization", "Bearer " + tokens["reader"]),))
        return page

    def test_large_replies_and_a_cut_inside_a_record(self):
        self.start()
        proxy = Proxy(self.server.port)
        self.addCleanup(proxy.listener.close)
        service = self.service(port=proxy.port)
        service.start()
        page = self.record(service, 200, 15000)
        size = page().ByteSize()
        self.assertGreater(size, 3000000)
        for cut in (1, 5, 100, 16000, 1000000):
            proxy.cut_after = cut
            self.assertEqual(page().ByteSize(), size)
        self.assertEqual(proxy.cuts, 5)
        service.stop()

    def test_renewed_certificates_and_passwords(self):
        self.start()
        service = self.service()
        service.start()
        page = self.record(service, 1, 1000)
        renewed = certificates.Authority(self.folder, "renewed")
        pair = renewed.issue("server")
        own = self.server.connect()
        self.addCleanup(own.close)
        own("CONFIG", "SET", "tls-cert-file", pair[0], "tls-key-file", pair[1], "tls-ca-cert-file", renewed.file)
        own("CONFIG", "SET", "requirepass", PASSWORDS[1])
        self.assertEqual(len(page().calls), 1)  # Connections that are there stay.
        certificates.replace(renewed.file, self.authority.file)
        for source, target in zip(renewed.issue("again"), self.client):
            certificates.replace(source, target)
        with open(self.password_file + ".new", "w", encoding="ascii") as file:
            file.write(PASSWORDS[1])
        os.replace(self.password_file + ".new", self.password_file)
        own("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        self.assertEqual(len(page().calls), 1)
        self.assertNotIn("secret", service.process.log_text())
        service.stop()


if __name__ == "__main__":
    unittest.main()
