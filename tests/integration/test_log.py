"""Whoever reads the logs may be slow or gone: requests, probes and the end do not wait for them. Keys with a passphrase are refused."""

import ctypes
import os
import pty
import re
import select
import subprocess
import time
import unittest
import urllib.error
import urllib.request

import harness
import stubs

PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17
WALL = 0x40000000


class Log(unittest.TestCase):
    def test_nobody_reads_standard_error(self):
        stack = harness.Stack(gateway_options=("--access-log", "1"), service_options=("--access-log", "1"))
        self.addCleanup(stack.stop)
        read, write = os.pipe()
        self.addCleanup(os.close, read)
        stack.start_redis()
        for process in (stack.service, stack.gateway):
            process.process = subprocess.Popen(process.arguments, stdin=subprocess.DEVNULL, stderr=write, env=harness.clean_environment())
        os.close(write)
        harness.wait_until(stack.ready, "readiness")
        token = stack.token()
        with stubs.channel(stack.service_address) as channel:
            count = stubs.history_grpc.CallHistoryServiceStub(channel).CountCalls
            for number in range(3000):
                count(stubs.history.CountCallsRequest(), timeout=harness.WAIT_SECONDS, metadata=[
                    ("authorization", "Bearer " + token), ("x-request-id", "x" * 100 + str(number))])
        for _ in range(500):
            self.assertEqual(stack.get({"vbot_id": harness.VBOT, "project_code": harness.PROJECT, "phone": "1"}, token)[0], 200)
        self.assertEqual(stack.request("GET", "/healthz")[0], 200)
        with urllib.request.urlopen(f"http://127.0.0.1:{stack.metrics_port}/healthz", timeout=harness.WAIT_SECONDS) as answer:
            self.assertEqual(answer.status, 200)
        self.assertGreater(int(re.search(r"callhistory_log_lines_dropped_total (\d+)", stack.metrics()).group(1)), 0)
        for process in (stack.gateway, stack.service):
            self.assertEqual(process.stop(), 0)

    def test_health_fails_while_a_worker_stands_still(self):
        stack = harness.Stack(service_options=("--workers", "2"))
        self.addCleanup(stack.stop)
        stack.start_redis()
        stack.service.start()
        stack.wait_service()
        tasks = f"/proc/{stack.service.process.pid}/task"
        workers = [int(task) for task in os.listdir(tasks) if open(f"{tasks}/{task}/comm", encoding="ascii").read().startswith("worker 1")]
        self.assertEqual(len(workers), 1)
        status = lambda: self.status(f"http://127.0.0.1:{stack.metrics_port}/healthz")  # noqa: E731
        self.assertEqual(status(), 200)
        libc = ctypes.CDLL(None, use_errno=True)
        libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        if libc.ptrace(PTRACE_SEIZE, workers[0], None, None) != 0:
            self.fail("one thread can't be stopped: " + os.strerror(ctypes.get_errno()))
        self.assertEqual(libc.ptrace(PTRACE_INTERRUPT, workers[0], None, None), 0)
        os.waitpid(workers[0], WALL)
        harness.wait_until(lambda: status() == 503, "the failure")
        self.assertEqual(libc.ptrace(PTRACE_DETACH, workers[0], None, None), 0)
        harness.wait_until(lambda: status() == 200, "progress")

    @staticmethod
    def status(url):
        try:
            with urllib.request.urlopen(url, timeout=harness.WAIT_SECONDS) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    def on_terminal(self, *arguments):
        """Runs a program with a terminal of its own, on which it could ask; returns its exit status and all that it wrote.

        A shell owns the terminal and outlives the program: an owner's end discards what has not been read yet.
        """
        ours, theirs = pty.openpty()
        with subprocess.Popen(["setsid", "--ctty", "--wait", "sh", "-c", '"$@"; echo "ended with $?."; read -r _', "sh",
                               os.path.join(harness.BIN, arguments[0]), *arguments[1:]], stdin=theirs, stdout=theirs, stderr=theirs,
                              env=harness.clean_environment()) as process:
            os.close(theirs)
            shown, ended, end = "", None, time.monotonic() + harness.WAIT_SECONDS
            while time.monotonic() < end and not ended and "phrase:" not in shown:
                if select.select([ours], [], [], 1)[0]:
                    shown += os.read(ours, 65536).decode()
                ended = re.search(r"ended with (\d+)\.", shown)
            os.close(ours)  # hangs up whoever still asks
            process.wait(harness.WAIT_SECONDS)
            return ended and int(ended[1]), shown

    def test_a_key_with_a_passphrase_is_an_error(self):
        """Wherever a program takes a key: it names the file or the option and asks nobody."""
        folder = harness.tempfile.mkdtemp(prefix="callhistory-test-")
        self.addCleanup(harness.shutil.rmtree, folder, True)
        key, cert = os.path.join(folder, "key.pem"), os.path.join(folder, "cert.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-passout", "pass:secret", "-subj", "/CN=x", "-days", "2",
                        "-keyout", key, "-out", cert], check=True, capture_output=True)
        old = key + ".old"
        subprocess.run(["openssl", "rsa", "-aes128", "-traditional", "-passin", "pass:secret", "-passout", "pass:secret",
                        "-in", key, "-out", old], check=True, capture_output=True)
        nobody = f"127.0.0.1:{harness.free_port()}"
        for key in (key, old):
            tls, service = ("--tls-cert", cert, "--tls-key", key), ("--service-ca", cert, "--service-cert", cert, "--service-key", key)
            redis = ("--redis", "rediss://" + nobody, "--redis-ca", cert, "--redis-cert", cert, "--redis-key", key)
            for status, named, *arguments in (
                (1, key, "callhistoryd", "--listen", nobody, "--metrics", "off", *tls),
                (1, key, "callhistoryd", "--listen", nobody, "--metrics", "off", *redis),
                (1, key, "callhistory-gateway", "--listen", nobody, *tls),
                (1, key, "callhistory-gateway", "--listen", nobody, "--service", nobody, *service),
                (1, "--service-key", "callhistoryctl", "count", "--token", "t", "--service", nobody, *service),
                (2, key, "callhistoryctl", "token", "list", *redis),
            ):
                with self.subTest(arguments=arguments):
                    got, shown = self.on_terminal(*arguments)
                    self.assertEqual(got, status, shown)
                    self.assertIn("the private key is encrypted; use one without a passphrase", shown)
                    self.assertIn(named, shown)
                    self.assertNotIn("pass phrase", shown)


if __name__ == "__main__":
    unittest.main()
