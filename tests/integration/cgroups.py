"""Memory cgroups of the Pods' size, where the machine lets a test make them (version 1 or 2, as root).

Where it does not, as in most containers, a program gets the budget that it would take from such a cgroup, and its peak of resident
memory is compared with the limit: what the kernel would kill it for, but for the page cache, which it gives up before.
"""

import atexit
import contextlib
import os
import re

SOURCE = os.environ.get("CALLHISTORY_SOURCE", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
MANIFESTS = {"callhistoryd": "callhistoryd.yaml", "callhistory-gateway": "gateway.yaml"}
LIMITS = ("memory.max", "memory.limit_in_bytes")


def pod_limit(program):
    """The memory limit of a program's Pod, in bytes."""
    path = os.path.join(SOURCE, "deploy", "kubernetes", "base", MANIFESTS[program])
    with open(path, encoding="utf-8") as file:
        return int(re.search(r"limits:\n(?: +\w.*\n)*? +memory: (\d+)Mi\n", file.read()).group(1)) << 20


def _parents():
    """Folders of cgroups in which this process may perhaps make another one."""
    with open("/proc/self/cgroup", encoding="ascii") as file:
        for line in file:
            _, controllers, own = line.rstrip("\n").split(":", 2)
            if controllers in ("", "memory"):
                root = "/sys/fs/cgroup/" + controllers
                yield root + own
                yield root


def _remove(folder):
    with contextlib.suppress(OSError):
        os.rmdir(folder)


def make(name, limit):
    """A folder of a new cgroup with this limit, or None."""
    for parent in _parents():
        folder = os.path.join(parent, name)
        try:
            os.mkdir(folder)
            for file in LIMITS:
                if os.path.exists(os.path.join(folder, file)):
                    with open(os.path.join(folder, file), "w", encoding="ascii") as limits:
                        limits.write(str(limit))
                    atexit.register(_remove, folder)
                    return folder
        except OSError:
            pass
        _remove(folder)
    return None


def confine(process):
    """Has a process of the harness start in a cgroup of its Pod's size; gives the limit in bytes."""
    limit = pod_limit(process.name)
    folder = make(f"callhistory-test-{os.getpid()}-{process.name}-{id(process)}", limit)
    if folder:
        process.arguments = ["sh", "-c", 'echo $$ >"$0" && exec "$@"', os.path.join(folder, "cgroup.procs"), *process.arguments]
    elif "--max-memory" not in process.arguments:
        process.arguments += ["--max-memory", str((limit >> 20) * 3 // 8)]
    return limit
