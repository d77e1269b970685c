"""Starts programs, measures what they use, and ends just what it started. Every wait is bounded."""

import os
import resource
import socket
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")
WAIT_SECONDS = 60


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until(condition, what, seconds=WAIT_SECONDS, pause=0.01):
    """Calls condition() until it is true; raises after `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(pause)
    raise RuntimeError(f"{what}: not within {seconds} s")


def clean_environment():
    """The environment without what the programs would read as options."""
    return {k: v for k, v in os.environ.items() if not k.startswith("CALLHISTORY_")}


def allow_many_files():
    """Raises the limit of open files, for the programs too: 10,000 connections need as many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Process:
    """One program; its output goes to a log in the folder."""

    started = []

    def __init__(self, name, folder, arguments, environment=None):
        self.name, self.arguments, self.environment = name, arguments, environment or {}
        self.log = os.path.join(folder, name + ".log")
        self.process = None

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**clean_environment(), **self.environment},
            )
        Process.started.append(self)
        return self

    def running(self):
        return self.process is not None and self.process.poll() is None

    def stop(self):
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(WAIT_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None
        Process.started.remove(self)

    def must_run(self):
        if not self.running():
            with open(self.log, encoding="utf-8", errors="replace") as log:
                raise RuntimeError(f"{self.name} has stopped:\n{log.read()[-3000:]}")

    def cpu_seconds(self):
        """Time on the processors so far, of all its threads, kernel included."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def rss_bytes(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        return 0

    @classmethod
    def stop_all(cls):
        for process in reversed(list(cls.started)):
            process.stop()


def run_program(arguments, stdin=None, seconds=3600, environment=None):
    """Runs a program to its end; gives its standard output, or raises with what it said."""
    done = subprocess.run(arguments, stdin=stdin, capture_output=True, text=True, timeout=seconds,
                          env={**clean_environment(), **(environment or {})})
    if done.returncode != 0:
        raise RuntimeError(f"{arguments[0]} exited {done.returncode}: {(done.stderr or done.stdout)[-3000:]}")
    return done.stdout


class Meter:
    """How busy the machine was beside what is measured: a line counts only where this is little."""

    def __init__(self):
        self.start, self.busy = time.monotonic(), self._busy_seconds()

    @staticmethod
    def _busy_seconds():
        with open("/proc/stat", encoding="ascii") as stat:
            fields = [int(field) for field in stat.readline().split()[1:]]
        user, nice, system, _, _, irq, softirq, steal = fields[:8]
        return (user + nice + system + irq + softirq + steal) / TICKS

    def others_share(self, outcome):
        """The share of all processors that something else used; None where a line doesn't know its own."""
        if "generator" not in outcome.get("cpu_us", {}):
            return None
        own = sum(outcome["cpu_us"].values()) * outcome["requests"] / 1e6
        everything = (time.monotonic() - self.start) * os.cpu_count()
        return max(0.0, (self._busy_seconds() - self.busy - own) / everything)
