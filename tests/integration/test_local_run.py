"""deploy/local/run with the programs that are built already: a tree of its own, where cmake has nothing to do."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

import harness


class LocalRun(unittest.TestCase):
    def setUp(self):
        # A blank in the path: not everything that stands in it may stand in a URL.
        self.folder = tempfile.mkdtemp(prefix="callhistory test-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        shutil.copytree(os.path.join(harness.SOURCE, "deploy"), os.path.join(self.folder, "deploy"))
        os.makedirs(os.path.join(self.folder, "build", "local"))
        os.symlink(os.path.abspath(harness.BIN), os.path.join(self.folder, "build", "local", "bin"))
        os.mkdir(os.path.join(self.folder, "path"))
        for name in ("cmake", os.path.join("..", "deploy", "local", "install")):
            path = os.path.join(self.folder, "path", name)
            with open(path, "w", encoding="ascii") as file:
                file.write(f'#!/bin/sh\necho "$(basename "$0") $*" >>"{self.folder}/commands"\n')
            os.chmod(path, 0o755)
        self.script = os.path.join(self.folder, "deploy", "local", "run")
        self.state = os.path.join(self.folder, ".local")
        self.environment = {**harness.clean_environment(), "PATH": os.path.join(self.folder, "path") + ":" + os.environ["PATH"]}
        self.port = harness.free_port()
        self.addresses = ["--listen", f"127.0.0.1:{self.port}", "--service-listen", f"127.0.0.1:{harness.free_port()}",
                          "--metrics", f"127.0.0.1:{harness.free_port()}"]
        self.addCleanup(self.run_it, "--stop")

    def test_it_builds_where_nothing_else_does(self):
        """tests/run configures the folders of the presets, with other options."""
        with open(os.path.join(harness.SOURCE, "CMakePresets.json"), encoding="ascii") as file:
            presets = {each["name"] for each in json.load(file)["configurePresets"]}
        self.assertEqual(self.run_it("--detach", *self.addresses)[0], 0)
        with open(os.path.join(self.folder, "commands"), encoding="utf-8") as file:
            (build,) = re.findall(r" -B (.*?) -", file.read())
        self.assertEqual(os.path.dirname(build), os.path.join(self.folder, "build"))
        self.assertNotIn(os.path.basename(build), presets)

    def run_it(self, *arguments):
        done = subprocess.run([self.script, *arguments], capture_output=True, text=True, env=self.environment,
                              timeout=harness.WAIT_SECONDS * 2)
        return done.returncode, done.stdout, done.stderr

    def running(self):
        return sorted(name for name in os.listdir(self.state) if name.endswith(".pid"))

    def paste(self, output):
        """What the printed commands answer, in a shell that knows nothing else but which races of libraries are known."""
        sanitizers = {name: value for name, value in os.environ.items() if name.endswith("SAN_OPTIONS")}
        return subprocess.run(["sh", "-euc", output[output.index("  . '") :].replace("Then, for example:", "")], capture_output=True,
                              text=True, env={"PATH": "/usr/bin:/bin", **sanitizers}, timeout=harness.WAIT_SECONDS, check=True).stdout

    def test_start_use_stop_and_again(self):
        status, first, errors = self.run_it("--detach", *self.addresses)
        self.assertEqual(status, 0, errors)
        self.assertIn("recorded 200, replaced 0, unchanged 0, refused 0", first)
        # Its own folder, since tests/run configures build/release with other options.
        commands = self.text(os.path.join(self.folder, "commands")).splitlines()
        build = os.path.join(self.folder, "build", "local")
        self.assertEqual([build in command for command in commands if command.startswith("cmake ")], [True, True])
        answer = self.paste(first)
        self.assertIn('{"status":1,"error":0,"message":"success","data":[{"hotline_number":', answer)
        self.assertIn("outbound", answer[answer.rindex("}") :])
        status, again, _ = self.run_it("--detach")
        self.assertEqual(status, 0)
        self.assertIn("It runs already", again)
        self.assertEqual(self.paste(again), answer)
        self.assertEqual(self.run_it("--stop")[0], 0)
        self.assertEqual(self.running(), [])
        status, second, errors = self.run_it("--detach", *self.addresses)
        self.assertEqual(status, 0, errors)
        self.assertIn("recorded 0, replaced 0, unchanged 200, refused 0", second)
        self.assertEqual(second[second.index("  . '") :], first[first.index("  . '") :])
        self.assertEqual(self.paste(second), answer)

    def test_a_port_in_use_is_told_and_leaves_nothing_behind(self):
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of the test before may linger
            other.bind(("127.0.0.1", self.port))
            other.listen()
            status, _, errors = self.run_it("--detach", *self.addresses)
        self.assertEqual(status, 1)
        self.assertIn("callhistory-gateway has stopped (is its port in use?)", errors)
        self.assertIn(f"127.0.0.1:{self.port}", errors)
        self.assertEqual(self.running(), [])

    def test_foreground_ends_on_interrupt_and_when_a_program_ends(self):
        for end in (lambda process: process.send_signal(signal.SIGINT), self.kill_the_service):
            with open(os.path.join(self.folder, "output"), "w+", encoding="utf-8") as output, subprocess.Popen(
                    [self.script, *self.addresses], stdout=output, stderr=subprocess.STDOUT, env=self.environment) as process:
                harness.wait_until(lambda: "Ctrl-C stops" in self.text(output.name), "the greeting")
                end(process)
                status = process.wait(harness.WAIT_SECONDS * 2)
                self.assertEqual(status, 0 if "Stopping." in self.text(output.name) else 1)
                self.assertEqual(self.running(), [])
        self.assertIn("callhistoryd has stopped; see", self.text(output.name))

    def left_behind(self):
        """Programs that have something to do with this test's folder or ports."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    line = file.read().decode(errors="replace")
            except OSError:
                continue
            if self.state in line or any(f"\0{address}\0" in line for address in self.addresses[1::2]):
                found.append(line.replace("\0", " "))
        return found

    def test_an_interrupt_before_it_is_ready_leaves_nothing_behind(self):
        """At any moment: as Ctrl-C sends it, to all processes of the terminal, and to the script alone."""
        for delay in (0, 0.002, 0.01, 0.03, 0.1):
            for to_all in (True, False):
                with self.subTest(delay=delay, to_all=to_all), subprocess.Popen(
                        [self.script, "--detach", *self.addresses], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                        env=self.environment, start_new_session=True) as process:
                    harness.wait_until(lambda: os.path.exists(os.path.join(self.state, "redis-server.pid")), "Redis's start",
                                       harness.WAIT_SECONDS * 4)
                    time.sleep(delay)
                    if to_all:
                        os.killpg(process.pid, signal.SIGINT)
                    else:
                        process.send_signal(signal.SIGINT)
                    _, errors = process.communicate(timeout=harness.WAIT_SECONDS * 2)
                    self.assertEqual(process.returncode, 130, errors)
                    self.assertEqual(self.running(), [])
                    harness.eventually(lambda: self.assertEqual(self.left_behind(), []), 10)  # A killed process ends a moment later.

    def kill_the_service(self, _):
        with open(os.path.join(self.state, "callhistoryd.pid"), encoding="ascii") as file:
            os.kill(int(file.read()), signal.SIGKILL)

    @staticmethod
    def text(path):
        with open(path, encoding="utf-8") as file:
            return file.read()


if __name__ == "__main__":
    unittest.main()
