#!/usr/bin/env python3
"""Runs the commands of the documents, pasted in order, in a fresh copy of the tree.

    tests/docs/run.py [DOCUMENT...]

What counts in a document:

    ```sh            runs, in one shell for the whole document, from the top of the copy; the first command that fails ends it
    ```json, ```text directly after it, are what it prints
    `NAME`:          on the line before a block of another language: the block is that file, written in the shell's folder
    <!-- not run: REASON -->   on the line before a block: left out

The servers listen where deploy/local/run puts them, so those ports must be free. Ends with `N passed, N failed`.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

SOURCE = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "deploy/README.md", "proto/README.md", "tests/bench/README.md",
             "tests/contract/README.md", "tests/distributions/README.md", "tests/interop/README.md"]
SHELL = "sh"
PRINTED = ("json", "text")
SECONDS = 1800
FENCE = re.compile(r"(?ms)^(?P<before>[^\n]*)\n(?:\n)?```(?P<language>\w*)\n(?P<body>.*?)^```$")


class Failure(Exception):
    pass


def text_of(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def copy_of_the_tree(folder):
    """What a clone has, and what is not committed yet."""
    names = subprocess.run(["git", "-C", SOURCE, "ls-files", "-z", "--cached", "--others", "--exclude-standard"], check=True,
                           capture_output=True, text=True).stdout.split("\0")
    for name in filter(None, names):
        source, target = os.path.join(SOURCE, name), os.path.join(folder, name)
        if os.path.lexists(source):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)


def script_of(document, text, printed):
    """The document as one shell script; what a block should print is for `printed`, a list of (its file, the text)."""
    if re.search(r"(?m)^\n(?: {4}|\t)[^ \t*|-]", re.sub(r"(?ms)^```.*?^```$", "", text)):
        raise Failure("an indented block: write a fence, so that it is known what it is")
    lines, last = ["set -eu", "set -o pipefail"], None
    for number, match in enumerate(FENCE.finditer(text)):
        before, language, body = match["before"], match["language"], match["body"]
        reason = re.search(r"<!-- not run: (.+) -->", before)
        name = re.search(r"`([\w./-]+)`:$", before)
        if reason:
            print(f"  not run: {body.splitlines()[0]} ...: {reason[1]}", flush=True)
            last = None
        elif language == SHELL:
            last = f"$DOCS_OUTPUT/{number}"
            lines += [f"exec 3>&1 >{last}", body.rstrip("\n"), "exec >&3", f"cat {last}"]
        elif language in PRINTED:
            if last:
                printed.append((last.replace("$DOCS_OUTPUT/", ""), body))
            last = None
        elif language and name:
            lines += [f"cat >{name[1]} <<'END_OF_{number}'", body.rstrip("\n"), f"END_OF_{number}"]
        else:
            raise Failure(f"a block that is neither commands nor a file nor what is printed:\n{body[:200]}")
    return "\n".join(lines) + "\n"


def environment(home, tree):
    """A new user's, but for what the languages' package managers keep in $CALLHISTORY_DOCS_CACHE."""
    cache = os.environ.get("CALLHISTORY_DOCS_CACHE", os.path.expanduser("~/.cache/callhistory-docs"))
    kept = {"PATH", "LANG", "CI", "CCACHE_DIR", "CMAKE_C_COMPILER_LAUNCHER", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
            "PIP_CERT", "NODE_EXTRA_CA_CERTS", "JAVA_HOME", "MAVEN_OPTS", "JAVA_TOOL_OPTIONS", "GOPROXY", "GOSUMDB", "GOFLAGS", "http_proxy",
            "https_proxy", "no_proxy"}
    settings = os.path.expanduser("~/.m2/settings.xml")
    os.makedirs(os.path.join(home, ".m2"), exist_ok=True)
    if os.path.exists(settings):
        shutil.copy(settings, os.path.join(home, ".m2"))
    return {
        **{name: value for name, value in os.environ.items() if name in kept},
        "HOME": home,
        "CCACHE_BASEDIR": tree,
        "CCACHE_NOHASHDIR": "1",
        "GOCACHE": os.path.join(cache, "go-build"),
        "GOMODCACHE": os.path.join(cache, "go-mod"),
        "GOFLAGS": "-modcacherw",
        "npm_config_cache": os.path.join(cache, "npm"),
        "PIP_CACHE_DIR": os.path.join(cache, "pip"),
        "MAVEN_ARGS": "-B -ntp -Dmaven.repo.local=" + os.path.join(cache, "maven"),
        "CCACHE_DIR": os.environ.get("CCACHE_DIR", os.path.expanduser("~/.ccache")),
    }


def run_document(document, folder, tree):
    printed = []
    script = script_of(document, text_of(os.path.join(tree, document)), printed)
    output = os.path.join(folder, "output")
    shutil.rmtree(output, ignore_errors=True)
    os.mkdir(output)
    log = os.path.join(folder, "log")
    try:
        # A file, not a pipe: servers that a document starts keep it open.
        with open(log, "w", encoding="utf-8") as file:
            status = subprocess.run(["bash", "-c", script], cwd=tree, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                                    timeout=SECONDS, check=False,
                                    env={**environment(os.path.join(folder, "home"), tree), "DOCS_OUTPUT": output}).returncode
    finally:
        subprocess.run([os.path.join(tree, "deploy", "local", "run"), "--stop"], check=False, timeout=SECONDS)
    if status != 0:
        unfinished = max(map(int, os.listdir(output)), default=None)
        printed_last = text_of(os.path.join(output, str(unfinished))) if unfinished is not None else ""
        raise Failure(f"exit status {status}\n{text_of(log)[-6000:]}\n{printed_last[-6000:]}")
    for name, wanted in printed:
        got = text_of(os.path.join(output, name))
        if got.strip() != wanted.strip():
            raise Failure(f"it says\n{wanted}and is\n{got}")


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what a document started ends
    documents = sys.argv[1:] or DOCUMENTS
    passed, failed = 0, 0
    with tempfile.TemporaryDirectory(prefix="callhistory-docs-") as folder:
        tree = os.path.join(folder, "callhistory")
        copy_of_the_tree(tree)
        for document in documents:
            print(f"== {document}", flush=True)
            try:
                run_document(document, folder, tree)
                passed += 1
            except (Failure, subprocess.SubprocessError, OSError) as why:
                failed += 1
                print(f"FAILED  {document}: {why}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
