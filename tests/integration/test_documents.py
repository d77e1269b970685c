"""Manual pages and completions, as `cmake --install` puts them: they name all that --help names, and bash completes with them."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest

import harness

PROGRAMS = ("callhistoryctl", "callhistoryd", "callhistory-gateway")
COMMANDS = ("token issue", "token list", "token revoke", "import", "list", "count", "get", "verify", "delete", "retention", "export", "changes")


def help_text(program, *command):
    return subprocess.run([os.path.join(harness.BIN, program), *command, "--help"], capture_output=True, text=True, check=True,
                          env=harness.clean_environment(), timeout=harness.WAIT_SECONDS).stdout


def options(program, *command):
    """The long options that a help text lists."""
    return set(re.findall(r"(?m)^  (?:-h, )?(--[a-z-]+)", help_text(program, *command)))


class Documents(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.prefix = tempfile.mkdtemp(prefix="callhistory-test-")
        cls.addClassCleanup(shutil.rmtree, cls.prefix)
        subprocess.run(["cmake", "--install", os.path.dirname(harness.BIN.rstrip("/")), "--prefix", cls.prefix], check=True,
                       capture_output=True, timeout=harness.WAIT_SECONDS * 2)

    def page(self, program):
        with open(os.path.join(self.prefix, "share", "man", "man1", program + ".1"), encoding="utf-8") as file:
            return file.read()

    def complete(self, program, *words):
        """What bash offers behind these words; the last one is being typed."""
        file = os.path.join(self.prefix, "share", "bash-completion", "completions", program)
        script = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); compopt() { :; }; '
                  '"$(complete -p "$1" | sed "s/.*-F \\([^ ]*\\) .*/\\1/")"; printf "%s\\n" "${COMPREPLY[@]}"')
        done = subprocess.run(["bash", "--norc", "-c", script, "bash", file, program, *words], capture_output=True, text=True,
                              check=True, cwd=self.prefix, timeout=harness.WAIT_SECONDS)
        self.assertEqual(done.stderr, "")
        return set(done.stdout.split())

    def test_a_page_names_every_option(self):
        for program in PROGRAMS:
            page = self.page(program)
            self.assertTrue(page.startswith(f".TH {program.upper()} 1 "), page[:200])
            named = {text.replace("\\-", "-") for text in re.findall(r"(?m)^\.B .*?((?:\\-){2}[a-z\\-]+)", page)}
            wanted = options(program) if program != "callhistoryctl" else set().union(*(options(program, *c.split()) for c in COMMANDS))
            self.assertGreater(len(wanted), 8)
            self.assertEqual(named, wanted)
            for section in ("NAME", "SYNOPSIS", "DESCRIPTION"):
                self.assertIn(f"\n.SH {section}\n", page)
            # No line that roff would take for a request by accident.
            self.assertEqual(set(re.findall(r"(?m)^[.'](\w*)", page)) - {"TH", "SH", "SS", "PP", "TP", "B", "br"}, set())
        for command in COMMANDS:
            self.assertIn(f"\n.SS {command}\n", self.page("callhistoryctl"))

    def test_every_numbering_plan_is_described(self):
        found = []
        for name, pattern in (("number_plan.c", r'(?m)^    \{"([1-9]\d*)",'), ("README.md", r"(?m)^\| ([1-9]\d*) \|")):
            with open(os.path.join(harness.SOURCE, "services", "handlers", name), encoding="utf-8") as file:
                found.append(re.findall(pattern, file.read()))
        self.assertEqual(*found)
        self.assertLessEqual({"1", "7", "39", "44", "49", "61", "65", "81", "84", "86", "852"}, set(found[0]))

    def test_limits_on_clients_are_on_by_default(self):
        """Idle connections outlive nginx's idle time towards its upstreams (60 s), which closes them first."""
        for program, idle in (("callhistoryd", "max-connection-idle"), ("callhistory-gateway", "idle-timeout")):
            rows = re.findall(r"(?m)^  --([a-z-]+) .*\n(?:      .*\n)*?      default: (\d+)$", help_text(program))
            defaults = {name: int(value) for name, value in rows}
            self.assertGreater(defaults[idle], 60, defaults)
            for name in ("max-connections", "max-connections-per-address", "request-timeout", "max-in-flight"):
                self.assertGreater(defaults[name], 0, (program, name))

    def test_bash_completes(self):
        self.assertEqual(self.complete("callhistoryctl", ""),
                         {"token", "import", "list", "count", "get", "verify", "delete", "retention", "export", "changes", "help"})
        self.assertEqual(self.complete("callhistoryctl", "co"), {"count"})
        self.assertEqual(self.complete("callhistoryctl", "token", ""), {"issue", "list", "revoke"})
        self.assertEqual(self.complete("callhistoryctl", "help", "token", "r"), {"revoke"})
        for command in COMMANDS:
            self.assertEqual(self.complete("callhistoryctl", *command.split(), "--"), options("callhistoryctl", *command.split()))
        # Options before the command, with a value that is a command's name.
        self.assertEqual(self.complete("callhistoryctl", "--redis", "list", "token", "is"), {"issue"})
        self.assertEqual(self.complete("callhistoryctl", "list", "--phone", ""), set())
        for name in ("calls.ndjson", "reader.token"):
            with open(os.path.join(self.prefix, name), "w", encoding="ascii"):
                pass
        self.assertEqual(self.complete("callhistoryctl", "import", "ca"), {"calls.ndjson"})
        self.assertEqual(self.complete("callhistoryctl", "count", "--token-file", "re"), {"reader.token"})
        for program in ("callhistoryd", "callhistory-gateway"):
            self.assertEqual(self.complete(program, "--"), options(program))


if __name__ == "__main__":
    unittest.main()
