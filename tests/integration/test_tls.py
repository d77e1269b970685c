"""TLS along the whole way: HTTPS client, gateway, service, with an authority of the test's own; certificates that change while all
of it serves; who is refused.
"""

import http.client
import json
import shutil
import socket
import ssl
import tempfile
import time
import unittest
import warnings

import grpc

import certificates
import harness
import stubs

NUMBER = "0912345678"
FIELDS = json.dumps({"vbot_id": harness.VBOT, "project_code": harness.PROJECT, "phone": NUMBER})


def shake(port, context):
    """One TLS handshake: (version, ALPN, serial number of the certificate)."""
    with socket.create_connection(("127.0.0.1", port), timeout=harness.WAIT_SECONDS) as plain:
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as wrapped:
            certificate = wrapped.getpeercert()
            return wrapped.version(), wrapped.selected_alpn_protocol(), int(certificate["serialNumber"], 16)


def versions(context, lowest, highest):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version, context.maximum_version = lowest, highest
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


class Chain(unittest.TestCase):
    """One chain, all of it encrypted; the service demands client certificates and has a health port without them."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="callhistory-tls-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.authority = certificates.Authority(cls.folder)
        cls.stranger = certificates.Authority(cls.folder, "stranger-ca")
        cls.gateway, cls.service, cls.client = (cls.authority.issue(name) for name in ("gateway", "service", "client"))
        # Trust is a file as well, and changes as well.
        cls.roots, cls.client_roots = cls.authority.path("roots.pem"), cls.authority.path("client-roots.pem")
        for roots in (cls.roots, cls.client_roots):
            certificates.replace(cls.authority.file, roots)
        cls.health_port = harness.free_port()
        cls.stack = harness.Stack(
            service_options=("--tls-cert", cls.service[0], "--tls-key", cls.service[1], "--tls-client-ca", cls.client_roots,
                             "--health-listen", f"127.0.0.1:{cls.health_port}", "--workers", "2"),
            gateway_options=("--tls-cert", cls.gateway[0], "--tls-key", cls.gateway[1], "--service-ca", cls.roots,
                             "--service-cert", cls.client[0], "--service-key", cls.client[1], "--workers", "2"))
        cls.addClassCleanup(cls.stack.stop)
        cls.stack.redis.start()
        cls.stack.service.start()
        cls.stack.gateway.start()
        harness.wait_until(cls.ready, "readiness over TLS")
        cls.token = cls.stack.issue()

    @classmethod
    def https(cls, method, path, body=None, headers=None):
        connection = http.client.HTTPSConnection("127.0.0.1", cls.stack.gateway_port, timeout=harness.WAIT_SECONDS,
                                                 context=cls.authority.context())
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    @classmethod
    def ready(cls):
        for process in (cls.stack.service, cls.stack.gateway):
            if not process.running():
                raise AssertionError(process.log_text())
        try:
            return cls.https("GET", harness.PATH, headers=harness.NOBODY)[0] == 401
        except OSError:
            return False

    def counts(self):
        """A request along the whole chain."""
        return self.https("GET", harness.PATH, FIELDS, {"Authorization": "Bearer " + self.token}) == (
            200, {"status": 1, "error": 0, "message": "success", "data": 0})

    def health(self, address, credentials=None, service=""):
        return stubs.serving(address, service, credentials)

    def credentials(self, client=None, authority=None):
        pair = [certificates.read(path) for path in client] if client else [None, None]
        return grpc.ssl_channel_credentials(certificates.read((authority or self.authority).file), pair[1], pair[0])


@unittest.skipUnless(shutil.which("openssl"), "needs openssl")
class Tls(Chain):
    def test_the_whole_chain(self):
        self.assertTrue(self.counts())
        self.assertTrue(self.health(self.stack.service_address, self.credentials(self.client)))

    def test_who_is_refused_by_the_service(self):
        address = self.stack.service_address
        self.assertFalse(self.health(address, self.credentials()), "no certificate")
        other = self.stranger.issue("other-client")
        self.assertFalse(self.health(address, self.credentials(other)), "a certificate of a stranger")
        self.assertFalse(self.health(address, self.credentials(self.client, self.stranger)), "a client that trusts somebody else")
        self.assertFalse(self.health(address), "no TLS")
        # None of them has left a mark.
        self.assertTrue(self.health(address, self.credentials(self.client)))

    def test_old_protocols_are_refused(self):
        Version = ssl.TLSVersion
        for port, pair, alpn in ((self.stack.gateway_port, None, None), (self.stack.service_port, self.client, "h2")):
            for version, name in ((Version.TLSv1_2, "TLSv1.2"), (Version.TLSv1_3, "TLSv1.3")):
                got = shake(port, versions(self.authority.context(pair, alpn), version, version))
                self.assertEqual(got[:2], (name, alpn))
            for version in (Version.TLSv1, Version.TLSv1_1):
                with self.assertRaises((ssl.SSLError, ConnectionError), msg=f"{version} on {port}"):
                    shake(port, versions(self.authority.context(pair, alpn), version, version))

    def test_the_plain_health_port(self):
        address = f"127.0.0.1:{self.health_port}"
        for service in ("", "callhistory.v1.CallHistoryService", "callhistory.v1.CallIngestService", "grpc.health.v1.Health"):
            self.assertTrue(self.health(address, service=service), service)
        with stubs.channel(address) as channel:
            with self.assertRaises(grpc.RpcError) as caught:
                stubs.health_grpc.HealthStub(channel).Check(stubs.health.HealthCheckRequest(service="nobody"), timeout=30)
            self.assertEqual(caught.exception.code(), grpc.StatusCode.NOT_FOUND)
            # Health and nothing else: no calls go out unencrypted.
            for method in ("/callhistory.v1.CallHistoryService/CountCalls", "/callhistory.v1.CallIngestService/RecordCalls",
                           "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"):
                with self.assertRaises(grpc.RpcError) as caught:
                    channel.unary_unary(method)(b"", metadata=[("authorization", "Bearer " + self.token)], timeout=30)
                self.assertEqual(caught.exception.code(), grpc.StatusCode.UNIMPLEMENTED, method)
            self.assertFalse(self.health(address, self.credentials(self.client)), "TLS on the plain port")

    def test_certificates_change_while_all_serves(self):
        service_context = lambda: self.authority.context(self.client, "h2")
        for port, pair, context in ((self.stack.gateway_port, self.gateway, self.authority.context),
                                    (self.stack.service_port, self.service, service_context)):
            before = shake(port, context())[2]
            fresh = self.authority.issue("fresh")
            serial = self.authority.serial
            self.assertNotEqual(before, serial)
            for source, target in zip(fresh, pair):
                certificates.replace(source, target)

            def all_new():
                try:
                    return all(shake(port, context())[2] == serial for _ in range(8))
                except ssl.SSLError:  # a client certificate whose key has not followed yet
                    return False

            harness.wait_until(all_new, "the new certificate")
            self.assertTrue(self.counts())


    def test_a_pair_that_is_replaced_halfway(self):
        """Certificate and key change one after the other, a while apart: until both have, the old pair serves, without a gap."""
        service_context = lambda: self.authority.context(self.client, "h2")
        for port, pair, context in ((self.stack.gateway_port, self.gateway, self.authority.context),
                                    (self.stack.service_port, self.service, service_context)):
            for first, second in ((0, 1), (1, 0)):
                with self.subTest(port=port, first=pair[first]):
                    before = shake(port, context())[2]
                    fresh = self.authority.issue("halfway")
                    serial = self.authority.serial
                    certificates.replace(fresh[first], pair[first])
                    # Longer than the program takes to look at its files twice.
                    end = time.monotonic() + 3
                    while time.monotonic() < end:
                        self.assertEqual(shake(port, context())[2], before)
                        self.assertTrue(self.counts())
                        time.sleep(0.05)
                    certificates.replace(fresh[second], pair[second])
                    harness.wait_until(lambda: all(shake(port, context())[2] == serial for _ in range(8)), "the new certificate")
                    self.assertTrue(self.counts())


@unittest.skipUnless(shutil.which("openssl"), "needs openssl")
class AnotherAuthority(Chain):
    def test_the_authority_between_gateway_and_service_changes(self):
        """Trust in both first, then new certificates, then trust in the new one only: nobody is restarted, nothing is refused."""
        new = certificates.Authority(self.folder, "new-ca")
        both = self.authority.path("both.pem")
        with open(both, "wb") as file:
            file.write(certificates.read(self.authority.file) + certificates.read(new.file))
        fresh_service, fresh_client = new.issue("fresh-service"), new.issue("fresh-client")
        log = self.stack.gateway.log_text

        def taken(words, count, text):
            harness.wait_until(lambda: text().count(words) >= count, words)

        for steps in (((both, self.roots), (both, self.client_roots)),
                      ((fresh_service[0], self.service[0]), (fresh_service[1], self.service[1]),
                       (fresh_client[0], self.client[0]), (fresh_client[1], self.client[1])),
                      ((new.file, self.roots), (new.file, self.client_roots))):
            read_before = log().count("read again")
            for source, target in steps:
                certificates.replace(source, target)
            taken("read again", read_before + 1, log)
            harness.wait_until(self.counts, "a request under the new certificates")

        # The old authority opens nothing any more, the new one does; the gateway holds no connection of before.
        def only_new():
            return (not self.health(self.stack.service_address, self.credentials(fresh_client)) and
                    self.health(self.stack.service_address, self.credentials(fresh_client, new)))

        harness.wait_until(only_new, "the new authority alone")
        self.assertTrue(self.counts())

        # A gateway that trusts another authority says so.
        certificates.replace(self.authority.file, self.roots)
        harness.wait_until(lambda: not self.counts() and "certificate verify failed" in log(), "the reason in the log")
        certificates.replace(new.file, self.roots)
        harness.wait_until(self.counts, "a request under the new certificates")


if __name__ == "__main__":
    unittest.main()
