"""The finished programs as binutils sees them: what cmake/Compiler.cmake asks for must be in them.

    CALLHISTORY_BIN=build/release/bin python3 tests/hardening.py

Needs an optimized build by gcc without sanitizers, with debug information (gcc notes its options there).
"""

import os
import platform
import re
import subprocess
import unittest

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
BIN = os.environ.get("CALLHISTORY_BIN", os.path.join(SOURCE, "build", "release", "bin"))
PROGRAMS = [os.path.join(BIN, name) for name in ("callhistoryd", "callhistory-gateway", "callhistoryctl")]


def output(*command):
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}, check=True)
    return done.stdout


class Hardening(unittest.TestCase):
    def test_they_are_loaded_at_random_addresses(self):
        for path in PROGRAMS:
            self.assertRegex(output("readelf", "-hW", path), r"Type:\s+DYN")
            self.assertRegex(output("readelf", "-dW", path), r"\(FLAGS_1\).*\bPIE\b")

    def test_the_symbol_tables_are_read_only(self):
        for path in PROGRAMS:
            self.assertIn("GNU_RELRO", output("readelf", "-lW", path))
            self.assertRegex(output("readelf", "-dW", path), r"\(FLAGS_1\).*\bNOW\b")

    def test_the_stack_is_not_executable(self):
        for path in PROGRAMS:
            self.assertRegex(output("readelf", "-lW", path), r"GNU_STACK(\s+0x[0-9a-f]+){5}\s+RW\s")

    def test_stack_and_string_functions_are_checked(self):
        for path in PROGRAMS:
            symbols = output("readelf", "--dyn-syms", "-W", path)
            self.assertIn("__stack_chk_fail", symbols)
            self.assertRegex(symbols, r"__(memcpy|snprintf|vsnprintf)_chk")

    def test_all_of_our_code_is_compiled_with_the_options(self):
        wanted = ["-fstack-protector-strong", "-fstack-clash-protection"]
        if platform.machine() == "x86_64":
            wanted.append("-fcf-protection")
        for path in PROGRAMS:
            producers = re.findall(r"DW_AT_producer.*: (GNU C17 .*)", output("readelf", "--debug-dump=info", "-W", path))
            self.assertGreater(len(producers), 10)
            for option in wanted:
                self.assertEqual([line for line in producers if option not in line], [], option)

    @unittest.skipUnless(platform.machine() == "x86_64", "other processors have other instructions for it")
    def test_functions_are_marked_as_targets_of_jumps(self):
        for path in PROGRAMS:
            self.assertIn("endbr64", output("objdump", "-d", "--disassemble=main", path))


if __name__ == "__main__":
    unittest.main()
