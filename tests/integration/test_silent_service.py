"""A service whose connections stay open but answer nothing any more, as when its node or its network dies: requests go to the other
one within moments, and a gateway that has no other one notices within seconds.
"""

import json
import threading
import time
import unittest

import harness
import stubs

FIELDS = {"vbot_id": harness.VBOT, "project_code": harness.PROJECT, "phone": "0912345678"}


class SilentService(unittest.TestCase):
    def start(self, services, *options):
        stack = harness.Stack(gateway_options=("--workers", "2", *options))
        self.addCleanup(stack.stop)
        self.wire = harness.Wire(stack.service_port)
        self.addCleanup(self.wire.close)
        addresses = [f"127.0.0.1:{self.wire.port}"]
        stack.start_redis()
        stack.service.start()
        if services == 2:
            other = harness.Stack(service_options=("--redis", stack.redis_url))
            self.addCleanup(other.stop)
            other.service.start()
            other.wait_service()
            addresses.append(other.service_address)
        stack.gateway.arguments += ["--service", ",".join(addresses)]
        stack.gateway.start()
        stack.wait_ready()
        harness.wait_until(lambda: self.ask(stack)[0] == 200, "an answer")
        return stack

    @staticmethod
    def ask(stack):
        start = time.monotonic()
        status, _, _ = stack.request("GET", body=json.dumps(FIELDS), headers={"Authorization": "Bearer " + stack.token()})
        return status, time.monotonic() - start

    def test_requests_go_to_the_other_service(self):
        stack = self.start(2)
        stack.token()
        answers, stop = [], threading.Event()

        def client():
            while not stop.is_set():
                answers.append(self.ask(stack))

        threads = [threading.Thread(target=client) for _ in range(8)]
        for thread in threads:
            thread.start()
        try:
            harness.wait_until(lambda: len(answers) > 200, "answers before")
            self.wire.whole = False
            seen = len(answers)
            harness.wait_until(lambda: len(answers) > seen + 1000, "answers afterwards")
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        lost = [answer for answer in answers if answer[0] != 200]
        print(f"{len(answers)} answers, {len(lost)} lost, the slowest took {max(seconds for _, seconds in answers):.2f} s")
        self.assertEqual(lost, [])

    def test_a_single_service_is_noticed(self):
        """Without another service requests fail as 503 or 504; the connection is given up, so the first one after the service's return works."""
        stack = self.start(1, "--service-keepalive", "500", "--service-keepalive-timeout", "500", "--timeout", "10000")
        self.wire.whole = False
        # The connection's end is noticed long before the deadline of ten seconds: then there is no service at all.
        status, _ = self.ask(stack)
        self.assertIn(status, (503, 504))
        for one in self.wire.sockets:
            one.close()
        self.wire.whole = True
        harness.wait_until(lambda: self.ask(stack)[0] == 200, "an answer after the return")


if __name__ == "__main__":
    unittest.main()
