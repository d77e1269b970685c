"""What a client without a token may send costs the service little memory, and others are served meanwhile."""

import os
import unittest

import grpc

import harness
import stubs

MIB = 1 << 20


def reset_peak(process):
    with open(f"/proc/{process.process.pid}/clear_refs", "w", encoding="ascii") as file:
        file.write("5")


def peak(process):
    """The most resident memory since reset_peak(), in MiB."""
    with open(f"/proc/{process.process.pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    raise AssertionError("no VmHWM")


class Survival(unittest.TestCase):
    def start(self, *options):
        stack = harness.Stack(service_options=options)
        self.addCleanup(stack.stop)
        stack.redis.start()
        harness.wait_until(lambda: os.path.exists(stack.redis_socket), "Redis")
        stack.service.start()
        harness.wait_until(lambda: stubs.serving(stack.service_address), "the service")
        return stack

    def test_a_message_is_not_unpacked_for_a_client_without_a_token(self):
        """Two bytes ask for a struct of hundreds: 24 requests of 512 KiB took 1.7 GiB."""
        stack = self.start()
        reset_peak(stack.service)
        before = peak(stack.service)
        body = b"\x1a\x00" * (256 << 10)
        with stubs.channel(stack.service_address) as channel:
            record = channel.unary_unary("/callhistory.v1.CallIngestService/RecordCalls")
            calls = [record.future(body, metadata=[("authorization", f"Bearer none{i}")], timeout=harness.WAIT_SECONDS)
                     for i in range(24)]
            self.assertEqual({call.code() for call in calls}, {grpc.StatusCode.UNAUTHENTICATED})
        sanitized = "san" in harness.BIN
        self.assertLess(peak(stack.service) - before, 200 if sanitized else 64)


if __name__ == "__main__":
    unittest.main()
