"""The shape of the code, as a test: which room may include what, and what every source file keeps to.

    python3 tests/structure.py [PROJECT]
"""

import os
import re
import shutil
import subprocess
import sys
import unittest

ROOT = os.path.abspath(sys.argv.pop(1) if len(sys.argv) > 1 and os.path.isdir(sys.argv[1]) else ".")

# Who may include a library: a test on the path.
LIBRARIES = {
    r"<grpc/": lambda path: path.startswith("services/rpc/"),
    r"<hiredis": lambda path: path.startswith("services/redis/"),
    r"<microhttpd": lambda path: path.startswith("gateway/") and not path.startswith("gateway/contract/")
    or path == "services/callhistoryd/metrics.c",
    r"<gnutls/": lambda path: path in ("gateway/tls.c", "gateway/http_guard.c"),
    r"<openssl/": lambda path: path.startswith("services/"),
}

# The rooms that a room may include, besides itself and base.
ARROWS = {
    "base": set(),
    "redis": set(),
    "rpc": set(),
    "store": {"redis"},
    "handlers": {"store"},
    "contract": set(),
    "callhistoryd": {"handlers", "rpc", "store", "redis"},
    "callhistoryctl": {"contract", "rpc", "store", "redis"},
    "gateway": {"contract", "rpc"},
}


def sources():
    for top in ("services", "gateway"):
        for folder, _, files in os.walk(os.path.join(ROOT, top)):
            for name in files:
                if name.endswith((".c", ".h")):
                    yield os.path.relpath(os.path.join(folder, name), ROOT)


def room(path):
    parts = path.split("/")
    if parts[0] == "gateway":
        return "contract" if parts[1] == "contract" else "gateway"
    return parts[1]


def text(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


class Structure(unittest.TestCase):
    def test_there_are_sources(self):
        self.assertGreater(len(list(sources())), 30)

    def test_one_room_per_library(self):
        for path in sources():
            for include in re.findall(r"^\s*#\s*include\s+(<[^>]+>)", text(path), re.M):
                for library, allowed in LIBRARIES.items():
                    if include.startswith(library):
                        self.assertTrue(allowed(path), f"{path} includes {include}")

    def test_data_goes_one_way(self):
        for path in sources():
            for include in re.findall(r'^\s*#\s*include\s+"([^"/]+)/', text(path), re.M):
                if include in ARROWS and include not in ("base", room(path)):
                    self.assertIn(include, ARROWS[room(path)], f"{path} includes {include}/")

    def test_every_file_opens_with_a_comment(self):
        for path in sources():
            self.assertTrue(text(path).startswith("/*"), path)

    def test_files_fit_a_head(self):
        for path in sources():
            self.assertLessEqual(text(path).count("\n"), 800, path)

    def test_layout_is_clang_format(self):
        clang_format = shutil.which("clang-format")
        if not clang_format:
            self.skipTest("clang-format is not installed")
        version = subprocess.run([clang_format, "--version"], capture_output=True, text=True, check=True).stdout
        if " version 14." not in version:
            return  # Debian 12's decides: later ones lay some macros out in another way
        files = [os.path.join(ROOT, path) for path in sources()]
        done = subprocess.run([clang_format, "--dry-run", "-Werror", *files], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr[:4000])


if __name__ == "__main__":
    unittest.main()
