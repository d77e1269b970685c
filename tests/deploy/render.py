"""What the tests of deploy/ share: reading its files, rendering its kustomizations, the Secret that belongs to them."""

import contextlib
import functools
import os
import re
import shutil
import subprocess
import unittest

import yaml

import harness
import manifests
import tools

DEPLOY = os.path.join(harness.SOURCE, "deploy")
KUBERNETES = os.path.join(DEPLOY, "kubernetes")


def read(*path):
    with open(os.path.join(harness.SOURCE, *path), encoding="utf-8") as file:
        return file.read()


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=harness.WAIT_SECONDS,
                          env=harness.clean_environment()).stdout


def program(name):
    return os.path.join(harness.BIN, name)


@functools.cache
def helps():
    """Program → what its --help prints; callhistoryctl has one for each of its commands."""
    found = {name: output(program(name), "--help") for name in manifests.PROGRAMS}
    commands = re.findall(r"(?m)^  ([a-z]+(?: [a-z]+)?)  ", found["callhistoryctl"])
    assert "import" in commands, commands
    for command in commands:
        found["callhistoryctl"] += output(program("callhistoryctl"), *command.split(), "--help")
    return found


def version():
    return re.search(r"project\(callhistory VERSION (\S+)", read("CMakeLists.txt"))[1]


@functools.cache
def image_programs(name):
    """The names of the programs and scripts that an image has."""
    stage = re.search(rf"(?ms)^FROM \S+ AS {name}\n(.*?)(?=^FROM|\Z)", read("deploy", "docker", "Dockerfile").replace("\\\n", ""))[1]
    found = {os.path.basename(path) for words in re.findall(r"(?m)^COPY (?:--from=build )?(.*)$", stage) for path in words.split()[:-1]}
    if name == "valkey":
        found.update(re.findall(r"\s\./([\w-]+)", read("deploy", "docker", "Dockerfile")))
    return found


@functools.cache
def kustomizations():
    """The directories that an operator may render: overlays and the combinations of components, by name."""
    found = {}
    for folder in ("overlays", "tests"):
        for name in sorted(os.listdir(os.path.join(KUBERNETES, folder))):
            if os.path.exists(os.path.join(KUBERNETES, folder, name, "kustomization.yaml")):
                found[f"{folder}/{name}"] = os.path.join(KUBERNETES, folder, name)
    return found


@functools.cache
def rendered_text(name):
    return tools.run("kubectl", "kustomize", kustomizations()[name])[1]


def rendered(name):
    """The objects of an overlay or a combination."""
    return manifests.load(rendered_text(name))


# The image's server first; where it cannot be had without root, the one that this machine has.
with contextlib.suppress(unittest.SkipTest):
    os.environ["PATH"] = tools.valkey() + ":" + os.environ["PATH"]


@functools.cache
def redis_command():
    return "valkey" if shutil.which("valkey-server") else "redis"


@functools.cache
def redis_is_old():
    """Whether the installed server is older than 7.2, which the deployment does not use: Debian 12's."""
    major, minor = re.search(r"v=(\d+)\.(\d+)", output(redis_command() + "-server", "--version")).groups()
    return (int(major), int(minor)) < (7, 2)


@functools.cache
def redis_secret():
    if redis_is_old():
        os.environ["REDIS_OLD"] = "1"
    return yaml.safe_load(output(os.path.join(KUBERNETES, "redis-secret"), "print"))


def secrets():
    """The Secrets that are made outside of the manifests: name → keys."""
    return {
        manifests.REDIS_SECRET: set(redis_secret()["data"]),
        "callhistory-redis-tls": manifests.TLS_KEYS,
        "callhistoryd-tls": manifests.TLS_KEYS,
        "callhistory-gateway-tls": manifests.TLS_KEYS,
        "callhistory-token": {"writer"},
    }
