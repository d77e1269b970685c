"""The shape of the code, as a test: which module may include what, and what every source file keeps to.

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
    # TLS is where the connections are; digests are nettle's.
    r"<openssl/": lambda path: path in ("services/redis/tls.c", "services/rpc/certificates.c", "services/callhistoryd/connections.c"),
    r"<nettle/": lambda path: module(path) in ("base", "redis", "store", "handlers", "contract"),
    r"<nghttp2/": lambda path: path == "services/rpc/block.c",
    r"<zlib": lambda path: path in ("gateway/compress.c", "services/callhistoryctl/decode.c", "services/rpc/payload.c"),
}

# The modules that a module may include, besides itself and base.
ARROWS = {
    "base": set(),
    "redis": set(),
    "rpc": set(),
    "store": {"redis"},
    "handlers": {"store"},
    "contract": set(),
    "sources": {"contract"},
    "callhistoryd": {"handlers", "rpc", "store", "redis"},
    "callhistoryctl": {"contract", "sources", "rpc", "store", "redis"},
    "gateway": {"contract", "sources", "rpc"},
}

# The headers of a library that other modules may include. All others are private to it; those of base are all public.
PUBLIC = {
    "redis": {"redis.h", "url.h"},
    "rpc": {"server.h", "channel.h", "queue.h", "frames.h"},
    "store": {"store.h"},
    "handlers": {"handlers.h", "bucket.h"},
    "contract": {"contract.h", "view.h", "import.h", "node.h", "object.h", "fault.h"},
    "sources": {"source.h", "asterisk.h", "freeswitch.h", "vbot.h"},
}

FUNCTION_LINES = 60
LINE_COLUMNS = 120
TAB = 4


def sources():
    for top in ("services", "gateway"):
        for folder, _, files in os.walk(os.path.join(ROOT, top)):
            for name in files:
                if name.endswith((".c", ".h")):
                    yield os.path.relpath(os.path.join(folder, name), ROOT)


def module(path):
    parts = path.split("/")
    if parts[0] == "gateway":
        return parts[1] if parts[1] in ("contract", "sources") else "gateway"
    return parts[1]


def text(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def included(path):
    """The project's own headers that a file includes."""
    for name in re.findall(r'^\s*#\s*include\s+"([^"]+)"', text(path), re.M):
        for folder in (os.path.dirname(path), "services", "gateway"):
            found = os.path.normpath(os.path.join(folder, name))
            if os.path.exists(os.path.join(ROOT, found)):
                yield found
                break


def unit(path):
    """A source file with its headers: x.c, x.h and x_internal.h."""
    return re.sub(r"(_internal)?\.[ch]$", "", path)


def cycle(graph):
    """A cycle of a graph as a list; None if there is none."""
    done = set()

    def visit(node, trail):
        if node in trail:
            return trail[trail.index(node):] + [node]
        if node in done:
            return None
        for next_node in sorted(graph.get(node, ())):
            found = visit(next_node, trail + [node])
            if found:
                return found
        done.add(node)
        return None

    for start in sorted(graph):
        found = visit(start, [])
        if found:
            return found
    return None


def declared(path):
    """The functions and variables that a header declares. -Wmissing-prototypes makes sure that no other function is global."""
    code = re.sub(r"/\*.*?\*/", "", text(path), flags=re.S)
    code = re.sub(r"__attribute__\(\(.*?\)\)(?=;)", "", code, flags=re.S)
    functions = re.findall(r"^(?!static|typedef|_Static_assert|\s|#)\w[\w \n\t*]*?\b(\w+)\((?:[^;{}()]|\([^()]*\))*\)\s*;", code, re.M)
    return set(functions) | set(re.findall(r"^extern [\w \t*]*?\b(\w+)(?:\[[^\]]*\])?;", code, re.M))


class Structure(unittest.TestCase):
    def test_there_are_sources(self):
        self.assertGreater(len(list(sources())), 30)

    def test_libraries_are_used_where_they_belong(self):
        for path in sources():
            for include in re.findall(r"^\s*#\s*include\s+(<[^>]+>)", text(path), re.M):
                for library, allowed in LIBRARIES.items():
                    if include.startswith(library):
                        self.assertTrue(allowed(path), f"{path} includes {include}")

    def test_data_goes_one_way(self):
        for path in sources():
            for header in included(path):
                other = module(header)
                if other not in ("base", module(path)):
                    self.assertIn(other, ARROWS[module(path)], f"{path} includes {header}")

    def test_private_headers_stay_private(self):
        for path in sources():
            for header in included(path):
                other = module(header)
                if other != module(path) and other in PUBLIC:
                    self.assertIn(os.path.basename(header), PUBLIC[other], f"{path} includes {header}")

    def test_no_include_cycles(self):
        """A module's public headers are its vocabulary: its own files may include them whatever their .c file includes."""
        graph = {}
        for path in sources():
            for header in included(path):
                vocabulary = module(header) == module(path) and os.path.basename(header) in PUBLIC.get(module(path), ())
                if unit(header) != unit(path) and not vocabulary:
                    graph.setdefault(unit(path), set()).add(unit(header))
        self.assertIsNone(cycle(graph))

    def test_names_begin_with_their_module(self):
        """Libraries: the name of the module. base and programs: the first word of the file's name."""
        count = 0
        for path in sources():
            if not path.endswith(".h"):
                continue
            stem = os.path.basename(path)[:-2]
            prefix = module(path) + "_" if module(path) in PUBLIC else stem.split("_")[0]
            for name in declared(path):
                count += 1
                self.assertTrue(name.startswith(prefix), f"{path}: {name} lacks the prefix {prefix}")
        self.assertGreater(count, 300)

    def test_every_file_opens_with_a_comment(self):
        for path in sources():
            self.assertTrue(text(path).startswith("/*"), path)

    def test_files_fit_a_head(self):
        for path in sources():
            self.assertLessEqual(text(path).count("\n"), 800, path)

    def test_functions_fit_a_screen(self):
        for path in sources():
            start = None
            for number, line in enumerate(text(path).split("\n"), 1):
                if line == "{":
                    start = number - 1
                elif line == "}" and start:
                    self.assertLessEqual(number - start + 1, FUNCTION_LINES, f"{path}:{start}")
                    start = None

    def test_lines_fit_the_width(self):
        """clang-format wraps code; it leaves comments alone (ReflowComments: false)."""
        for path in sources():
            for number, line in enumerate(text(path).split("\n"), 1):
                self.assertLessEqual(len(line.expandtabs(TAB)), LINE_COLUMNS, f"{path}:{number}")

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
