"""callhistoryd as a program: options, exit statuses, ports, health, drain, metrics, logs, certificates.

Messages are bytes here: an empty request means the token's only tenant and all of its calls.
"""

import concurrent.futures
import http.client
import json
import os
import shutil
import socket
import subprocess
import tempfile
import unittest

import grpc

import harness

PROGRAM = os.path.join(harness.BIN, "callhistoryd")
COUNT = "/callhistory.v1.CallHistoryService/CountCalls"
RECORD = "/callhistory.v1.CallIngestService/RecordCalls"
CHECK = "/grpc.health.v1.Health/Check"
SERVING, NOT_SERVING = b"\x08\x01", b"\x08\x02"


def run(*arguments, **environment):
    """Runs the program to its end; gives (exit status, standard output, standard error)."""
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=harness.WAIT_SECONDS,
                          env={**harness.clean_environment(), **environment})
    return done.returncode, done.stdout, done.stderr


def ask(channel, method, request=b"", token=None, timeout=harness.WAIT_SECONDS, **more):
    metadata = [("authorization", "Bearer " + token)] if token else []
    return channel.unary_unary(method)(request, metadata=metadata, timeout=timeout, **more)


def start_asking(channel, method, token):
    return channel.unary_unary(method).future(b"", metadata=[("authorization", "Bearer " + token)],
                                              timeout=harness.WAIT_SECONDS)


def http_get(port, path, method="GET"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=harness.WAIT_SECONDS)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()
    finally:
        connection.close()


class CommandLine(unittest.TestCase):
    def test_help_and_version(self):
        status, out, _ = run("--help")
        self.assertEqual(status, 0)
        for name in ("--listen", "--redis", "--metrics", "--country-code", "--tls-cert", "--tls-key", "--tls-client-ca",
                     "--log-level", "--workers", "--grace", "--health-listen", "--max-streams", "--keepalive", "CALLHISTORY_REDIS"):
            self.assertIn(name, out)
        status, out, _ = run("--version")
        self.assertEqual(status, 0)
        self.assertRegex(out, r"^callhistoryd \d+\.\d+\.\d+\n$")

    def test_wrong_usage_is_2_and_names_the_option(self):
        for arguments, words in (
            (["--nope"], "--nope"), (["operand"], "operand"), (["--workers", "x"], "--workers"),
            (["--workers", "-1"], "--workers"), (["--grace"], "--grace"), (["--log-level", "loud"], "--log-level"),
            (["--access-log", "2"], "--access-log"), (["--access-log", "nan"], "--access-log"),
            (["--tls-cert", "x"], "--tls-key"), (["--tls-client-ca", "x"], "--tls-cert"), (["--redis="], "--redis"),
            (["--redis", "http://x"], "--redis"), (["--redis", "redis://h:99999"], "--redis"), (["--country-code", "+84"], "--country-code"),
            (["--listen", "127.0.0.1:99999"], "--listen"), (["--listen", "nowhere"], "--listen"), (["--listen", "::1:18099"], "--listen"),
            (["--listen", "[::1:18099"], "--listen"), (["--metrics", "::1:18099"], "--metrics"), (["--metrics", "nowhere"], "--metrics"),
            (["--health-listen", "unix:"], "--health-listen"),
        ):
            status, _, error = run(*arguments)
            self.assertEqual(status, 2, arguments)
            # Standard error is no terminal here: one JSON object a line.
            self.assertIn(words, json.loads(error)["reason"])
        status, _, error = run(CALLHISTORY_MAX_IN_FLIGHT="none")
        self.assertEqual(status, 2)
        self.assertIn("CALLHISTORY_MAX_IN_FLIGHT", error)

    def test_what_can_not_start_is_1_and_says_why(self):
        for arguments, words in (
            (["--listen", "192.0.2.1:0"], "listen"), (["--metrics", "192.0.2.1:0"], "metrics"),
            (["--tls-cert", "/no/such/cert.pem", "--tls-key", "/no/such/key.pem"], "/no/such/cert.pem"),
        ):
            status, _, error = run("--listen", "127.0.0.1:0", "--metrics", "off", *arguments)
            self.assertEqual(status, 1, (arguments, error))
            self.assertIn(words, error)
            for line in error.splitlines():
                json.loads(line)

    def test_a_port_that_is_taken(self):
        with socket.socket() as taken:
            # As a second callhistoryd would: sharing must not hide it.
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = "127.0.0.1:%d" % taken.getsockname()[1]
            for workers in ("1", "3"):
                status, _, error = run("--listen", address, "--workers", workers, "--metrics", "off")
                self.assertEqual(status, 1)
                self.assertIn(address, error)
            status, _, error = run("--listen", "127.0.0.1:0", "--metrics", address)
            self.assertEqual(status, 1)
            self.assertIn(address, error)


class Service(unittest.TestCase):
    """Redis and the service, without a gateway."""

    def start(self, *options, redis=True):
        stack = harness.Stack(service_options=options)
        self.addCleanup(stack.stop)
        if redis:
            stack.start_redis()
        stack.service.start()
        harness.wait_until(lambda: "\"started\"" in stack.service.log_text() or not stack.service.running(), "the start")
        self.assertTrue(stack.service.running(), stack.service.log_text())
        return stack

    def channel(self, address):
        # A connection of its own for each: else channels of one process share one.
        channel = grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)])
        self.addCleanup(channel.close)
        return channel

    def health(self, channel):
        return ask(channel, CHECK)

    def test_several_addresses(self):
        folder = tempfile.mkdtemp(prefix="callhistory-test-")
        self.addCleanup(shutil.rmtree, folder)
        path = os.path.join(folder, "grpc.sock")
        # A file that a crash has left behind is no obstacle.
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(path)
        stack = self.start("--listen", "unix:" + path, "--listen", "127.0.0.1:0", "--workers", "3")
        addresses = [json.loads(line)["address"] for line in stack.service.log_text().splitlines() if '"listening"' in line]
        self.assertEqual(len(addresses), 3)
        token = stack.issue("reader")
        for address in addresses:
            self.assertFalse(address.endswith(":0"))
            self.assertEqual(ask(self.channel(address), COUNT, token=token), b"")
        status, _, error = run("--listen", "unix:" + path, "--metrics", "off")
        self.assertEqual(status, 1)
        self.assertIn(path, error)

    def test_each_socket_has_a_worker(self):
        folder = tempfile.mkdtemp(prefix="callhistory-test-")
        self.addCleanup(shutil.rmtree, folder)
        sockets = ["unix:" + os.path.join(folder, name) for name in ("a", "b", "c")]
        listen = [word for path in sockets for word in ("--listen", path)]
        service = harness.Process("sockets", folder, [
            PROGRAM, *listen, "--redis", self.start().redis_url, "--metrics", "off", "--workers", "8", "--access-log", "1"])
        service.start()
        self.addCleanup(service.stop)
        harness.wait_until(lambda: '"started"' in service.log_text(), "the start")
        gateway = harness.Process("gateway", folder, [
            os.path.join(harness.BIN, "callhistory-gateway"), "--listen", "unix:" + os.path.join(folder, "http"), "--service",
            ",".join(sockets)])
        gateway.start()
        self.addCleanup(gateway.stop)
        harness.wait_until(lambda: '"listening"' in gateway.log_text(), "the gateway")
        for path in sockets:
            harness.wait_until(lambda p=path: self.health(self.channel(p)) == SERVING, path)
        # More workers than sockets would have nothing to do.
        started = next(line for line in service.log_text().splitlines() if '"started"' in line)
        self.assertEqual(json.loads(started)["workers"], "3")

        def workers():
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(os.path.join(folder, "http"))
                client.sendall(b"GET /api/crm/historycall/countAll HTTP/1.0\r\nX-API-KEY: wrong\r\n\r\n")
                self.assertIn(b"401", client.recv(4096).split(b"\r\n")[0])
            lines = [json.loads(line) for line in service.log_text().splitlines() if "CountCalls" in line]
            return {line["worker"] for line in lines}

        harness.wait_until(lambda: workers() == {"0", "1", "2"}, "calls on every worker, by the gateway's turns")

    def test_health_follows_redis(self):
        stack = self.start(redis=False)
        channel = self.channel(stack.service_address)
        self.assertEqual(self.health(channel), NOT_SERVING)
        self.assertEqual(http_get(stack.metrics_port, "/readyz")[0], 503)
        self.assertEqual(http_get(stack.metrics_port, "/healthz")[0], 200)
        stack.redis.start()
        harness.wait_until(lambda: self.health(channel) == SERVING, "health with Redis")
        harness.wait_until(lambda: http_get(stack.metrics_port, "/readyz")[0] == 200, "readiness with Redis")
        stack.redis.kill()
        harness.wait_until(lambda: self.health(channel) == NOT_SERVING, "health without Redis")
        for words in ("Redis is connected", "Redis is lost"):
            harness.wait_until(lambda: words in stack.service.log_text(), words)
        with self.assertRaises(grpc.RpcError) as caught:
            ask(channel, COUNT, token="x")
        self.assertEqual(caught.exception.code(), grpc.StatusCode.UNAVAILABLE)

    def test_drain_lets_requests_finish(self):
        stack = self.start("--workers", "2")
        token = stack.issue("reader")
        channels = [self.channel(stack.service_address) for _ in range(8)]
        for channel in channels:
            self.assertEqual(ask(channel, COUNT, token=token), b"")
        stack.redis.signal(harness.SIGSTOP)
        calls = [start_asking(channel, COUNT, token) for channel in channels]
        harness.wait_until(lambda: "grpc_server_calls_in_flight 8" in http_get(stack.metrics_port, "/metrics")[2], "8 calls")
        stack.service.process.terminate()
        harness.wait_until(lambda: "draining" in stack.service.log_text(), "the drain")
        stack.redis.signal(harness.SIGCONT)
        self.assertEqual([call.result() for call in calls], [b""] * 8)
        self.assertEqual(stack.service.stop(), 0)
        self.assertIn("stopped", stack.service.log_text())

    def test_a_second_signal_ends_at_once(self):
        stack = self.start("--grace", "600")
        token = stack.issue("writer")
        channel = self.channel(stack.service_address)
        ask(channel, COUNT, token=token)
        # A call that nobody will answer: a stream of health, which lives as long as its client wants.
        watch = channel.unary_stream("/grpc.health.v1.Health/Watch")(b"", timeout=harness.WAIT_SECONDS)
        self.assertEqual(next(watch), SERVING)
        stack.redis.signal(harness.SIGSTOP)
        try:
            call = start_asking(channel, RECORD, token)
            stack.service.process.terminate()
            harness.wait_until(lambda: "draining" in stack.service.log_text(), "the drain")
            stack.service.process.terminate()
            self.assertEqual(stack.service.process.wait(harness.WAIT_SECONDS), 0)
        finally:
            stack.redis.signal(harness.SIGCONT)
        self.assertIn(call.code(), (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.OK))

    def test_metrics(self):
        stack = self.start()
        token = stack.issue("reader")
        channel = self.channel(stack.service_address)
        for _ in range(3):
            ask(channel, COUNT, token=token)
        with self.assertRaises(grpc.RpcError):
            ask(channel, COUNT, token="wrong")
        status, headers, text = http_get(stack.metrics_port, "/metrics")
        self.assertEqual(status, 200)
        self.assertTrue(headers["Content-Type"].startswith("text/plain; version=0.0.4"))
        name = "grpc_server_call_duration_seconds"
        labels = 'grpc_method="callhistory.v1.CallHistoryService/CountCalls",grpc_status='

        def counted():
            now = http_get(stack.metrics_port, "/metrics")[2]
            self.assertIn(f'{name}_count{{{labels}"OK"}} 3\n', now)
            self.assertIn(f'{name}_count{{{labels}"UNAUTHENTICATED"}} 1\n', now)
            self.assertIn(f'{name}_bucket{{{labels}"OK",le="+Inf"}} 3\n', now)

        harness.eventually(counted)
        for name in ("callhistory_redis_round_trip_seconds_bucket", "callhistory_redis_connections", "callhistory_build_info",
                     "callhistory_redis_pending_commands", "callhistory_redis_reconnects_total", "process_start_time_seconds"):
            self.assertIn("\n" + name, text)
        for line in text.splitlines():
            self.assertRegex(line, r"^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[^{}]*\})? [0-9.e+]+)$")
        self.assertEqual(http_get(stack.metrics_port, "/nope")[0], 404)
        status, headers, _ = http_get(stack.metrics_port, "/metrics", "POST")
        self.assertEqual((status, headers["Allow"]), (405, "GET, HEAD"))

    def test_the_log_names_calls_and_no_secret(self):
        stack = self.start("--access-log", "1", "--redis", "redis://someone:hunter2@127.0.0.1:1/0", redis=False)
        with open(f"/proc/{stack.service.process.pid}/cmdline", "rb") as arguments:
            self.assertNotIn(b"hunter2", arguments.read())
        with self.assertRaises(grpc.RpcError):
            ask(self.channel(stack.service_address), COUNT, token="secret-token")
        harness.wait_until(lambda: '"call"' in stack.service.log_text(), "the access line")
        log = stack.service.log_text()
        for secret in ("hunter2", "someone", "secret-token"):
            self.assertNotIn(secret, log)
        lines = [json.loads(line) for line in log.splitlines()]
        line = next(line for line in lines if line["message"] == "call")
        self.assertEqual(line["method"], "callhistory.v1.CallHistoryService/CountCalls")
        self.assertEqual(line["status"], "UNAVAILABLE")
        self.assertEqual(next(line for line in lines if line["message"] == "started")["redis"], "redis://127.0.0.1:1/0")

    def test_many_connections_reach_all_workers(self):
        stack = self.start("--workers", "2", "--access-log", "1")
        token = stack.issue("reader")
        # gRPC 1.51 reads errno late, so that a client's attempt to connect can fail for what another thread did; it connects again.
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: ask(self.channel(stack.service_address), COUNT, token=token, wait_for_ready=True),
                                    range(40)))
        self.assertEqual(answers, [b""] * 40)
        def lines():
            return [line for line in map(json.loads, stack.service.log_text().splitlines()) if line["message"] == "call"]

        # Lines that are equal throughout are written once, and their number in a line without a worker.
        harness.wait_until(lambda: sum(int(line.get("repeated", 1)) for line in lines()) == 40, "the access lines")
        self.assertEqual({line["worker"] for line in lines() if "worker" in line}, {"0", "1"})


@unittest.skipUnless(shutil.which("openssl"), "needs openssl")
class Certificates(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="callhistory-test-")
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def make(self, name):
        """A certificate of its own authority."""
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
                        "2", "-subj", "/CN=" + name, "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout",
                        self.path(name + ".key"), "-out", self.path(name + ".pem")], check=True, capture_output=True)

    def ask(self, address, authority, client=None):
        """What health says over TLS; None when the connection is refused."""
        key, chain = (self.read(client + ".key"), self.read(client + ".pem")) if client else (None, None)
        credentials = grpc.ssl_channel_credentials(self.read(authority + ".pem"), key, chain)
        with grpc.secure_channel(address, credentials, [("grpc.use_local_subchannel_pool", 1)]) as channel:
            try:
                return ask(channel, CHECK, timeout=5)
            except grpc.RpcError as error:
                self.assertIn(error.code(), (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED))
                return None

    def start(self, *options):
        stack = harness.Stack(service_options=("--tls-cert", self.path("now.pem"), "--tls-key", self.path("now.key"), *options))
        self.addCleanup(stack.stop)
        stack.service.start()
        harness.wait_until(lambda: harness.connects(stack.service_port) or not stack.service.running(), "the port")
        self.assertTrue(stack.service.running(), stack.service.log_text())
        return stack

    def install(self, name):
        for kind in (".key", ".pem"):
            shutil.copy(self.path(name + kind), self.path("next" + kind))
            os.rename(self.path("next" + kind), self.path("now" + kind))

    def test_certificates_are_read_again(self):
        for name in ("first", "second"):
            self.make(name)
        self.install("first")
        stack = self.start("--workers", "2")
        self.assertEqual(self.ask(stack.service_address, "first"), NOT_SERVING)
        # A file that is no certificate changes nothing.
        with open(self.path("now.pem"), "w", encoding="ascii") as file:
            file.write("nonsense")
        harness.wait_until(lambda: "the old certificates remain in use" in stack.service.log_text(), "the refusal")
        self.assertEqual(self.ask(stack.service_address, "first"), NOT_SERVING)
        self.install("second")
        harness.wait_until(lambda: "certificate files were read again" in stack.service.log_text(), "the new certificate")
        harness.wait_until(lambda: self.ask(stack.service_address, "second") == NOT_SERVING, "the new certificate's use")
        self.assertIsNone(self.ask(stack.service_address, "first"))

    def test_each_address_follows_the_certificates(self):
        for name in ("first", "second"):
            self.make(name)
        self.install("first")
        other = f"127.0.0.1:{harness.free_port()}"
        stack = self.start("--workers", "1", "--listen", other)
        harness.wait_until(lambda: harness.connects(int(other.split(":")[1])) or not stack.service.running(), "the other port")
        for address in (stack.service_address, other):
            self.assertEqual(self.ask(address, "first"), NOT_SERVING, stack.service.log_text())
        self.install("second")
        for address in (stack.service_address, other):
            harness.wait_until(lambda: self.ask(address, "second") == NOT_SERVING, "the new certificate's use")
            self.assertIsNone(self.ask(address, "first"))

    def test_client_certificates(self):
        for name in ("now", "client", "stranger"):
            self.make(name)
        stack = self.start("--tls-client-ca", self.path("client.pem"))
        self.assertEqual(self.ask(stack.service_address, "now", "client"), NOT_SERVING)
        self.assertIsNone(self.ask(stack.service_address, "now"))
        self.assertIsNone(self.ask(stack.service_address, "now", "stranger"))
        # Probes reach the plain listener all the same.
        self.assertEqual(http_get(stack.metrics_port, "/healthz")[0], 200)

    def test_a_pair_that_does_not_belong_together(self):
        for name in ("one", "other"):
            self.make(name)
        status, _, error = run("--listen", "127.0.0.1:0", "--metrics", "off", "--tls-cert", self.path("one.pem"), "--tls-key",
                               self.path("other.key"))
        self.assertEqual(status, 1)
        self.assertIn("certificate", error)


if __name__ == "__main__":
    unittest.main()
