"""A client written from generation 3's documents (axios, X-API-KEY, params {page, size}, error !== 0), unchanged, on a real stack."""

import json
import os
import subprocess
import unittest

import harness

CLIENT = os.path.join(harness.SOURCE, "tests", "contract", "clients", "generation3.js")
RECORDING = "https://recordings.example.vn/3.mp3"


class Generation3(harness.StackTest):
    gateway_options = ("--recording-hosts", "recordings.example.vn")

    def test_the_client_works_unchanged(self):
        self.stack.import_lines(
            [harness.call("0912345678", second) for second in range(120)]
            + [harness.call("0987000001", 200, id="with recording", external_call_id="CRM-7", record_file=[RECORDING])])
        done = subprocess.run(
            [os.environ.get("NODE", "node"), CLIENT, f"http://127.0.0.1:{self.stack.gateway_port}", self.stack.token()],
            capture_output=True, text=True, timeout=harness.WAIT_SECONDS * 2,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        saw = json.loads(done.stdout)
        self.assertEqual((saw["first"], len(saw["calls"]), saw["total"]), (50, 121, 121))
        self.assertEqual(saw["calls"], sorted(saw["calls"], reverse=True))
        self.assertEqual((saw["phone"], saw["counted"]), (50, 120))
        self.assertEqual(saw["range"], [f"10/25/2026 10:00:{second}" for second in range(19, 9, -1)])
        self.assertEqual((saw["location"], saw["external"]), (RECORDING, ["CRM-7"]))
        self.assertIn("400: page", saw["refused"])


if __name__ == "__main__":
    unittest.main()
