"""callhistoryctl where gRPC reports an error of connect() that another call has left in errno: abseil looks for a file of /sys once."""

import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))

import harness  # noqa: E402

LIBRARY = os.path.join(harness.BIN, "..", "lib", "libenoent.so")


class Errno(harness.StackTest):
    def test_a_connection_that_was_not_refused(self):
        self.assertTrue(os.path.exists(LIBRARY), LIBRARY)
        done = subprocess.run([os.path.join(harness.BIN, "callhistoryctl"), "--service", self.stack.service_address, "count", "--project-code",
                               harness.PROJECT, "--vbot-id", harness.VBOT], capture_output=True, text=True, timeout=harness.WAIT_SECONDS,
                              env={**harness.clean_environment(), "CALLHISTORY_TOKEN": self.stack.token(), "LD_PRELOAD": LIBRARY})
        self.assertEqual((done.returncode, done.stdout), (0, "0\n"), done.stderr)


if __name__ == "__main__":
    unittest.main()
