"""Takes the place of a cluster without kubelets: a `kubectl` whose `apply` starts what is rendered as the processes of pods.py, and
whose `exec` runs in them. It knows the commands that the documents and deploy/kubernetes/redis-secret use, and refuses all others.

    with Cluster(folder) as cluster:
        cluster.shell("kubectl apply -k deploy/kubernetes/overlays/minimal")
"""

import base64
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import threading

SOCKET = "TEST_CLUSTER"


class Refused(Exception):
    """What kubectl prints on standard error when it fails."""


class Cluster:
    def __init__(self, folder):
        self.folder, self.objects, self.pods = folder, {}, None
        self.lock = threading.Lock()

    # -- life ---------------------------------------------------------------------------------------------------------

    def __enter__(self):
        tools_folder = os.path.join(self.folder, "bin")
        os.makedirs(tools_folder)
        with open(os.path.join(tools_folder, "kubectl"), "w", encoding="ascii") as file:
            file.write(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -B {shlex.quote(os.path.abspath(__file__))} "$@"\n')
        os.chmod(file.name, 0o755)
        os.symlink(render.DEPLOY, os.path.join(self.folder, "deploy"))
        self.environment = {**harness.clean_environment(), SOCKET: os.path.join(self.folder, "socket"),
                            "PATH": tools_folder + ":" + os.environ["PATH"],
                            **({"REDIS_OLD": "1"} if render.redis_is_old() else {})}
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.environment[SOCKET])
        self.listener.listen()
        threading.Thread(target=self.serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.close()
        if self.pods:
            self.pods.remove()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.answer, args=(connection,), daemon=True).start()

    def answer(self, connection):
        with connection, connection.makefile("rw", encoding="utf-8") as file:
            words, text = json.loads(file.readline())
            try:
                answer = self.kubectl(words, text)
            except Refused as problem:
                answer = (1, "", f"{problem}\n")
            except Exception as problem:  # the shell that waits must hear of any
                answer = (70, "", f"cluster.py: {words}: {problem!r}\n")
            file.write(json.dumps(answer) + "\n")

    def shell(self, script):
        """Runs commands as a person types them, in a folder that has the repository's deploy/; gives standard output."""
        done = subprocess.run(["bash", "-c", "set -euo pipefail\n" + script], cwd=self.folder, capture_output=True, text=True,
                              env=self.environment, timeout=harness.WAIT_SECONDS * 10, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise AssertionError(f"exit status {done.returncode}\n{script}\n{done.stdout[-3000:]}{done.stderr[-6000:]}")
        return done.stdout

    # -- commands -----------------------------------------------------------------------------------------------------

    def kubectl(self, words, text):
        if words[:1] == ["-n"]:
            if ("Namespace", words[1]) not in self.objects:
                raise Refused(f'Error from server (NotFound): namespaces "{words[1]}" not found')
            words = words[2:]
        command, *rest = words
        done = getattr(self, "do_" + command.replace("-", "_"))(rest, text)
        return done if isinstance(done, tuple) else (0, done, "")

    def keep(self, document):
        namespace = document["metadata"].get("namespace")
        if namespace and ("Namespace", namespace) not in self.objects:
            raise Refused(f'Error from server (NotFound): namespaces "{namespace}" not found')
        self.objects[document["kind"], document["metadata"]["name"]] = document

    def find(self, kind, name):
        if (kind, name) not in self.objects:
            raise Refused(f'Error from server (NotFound): {kind} "{name}" not found')
        return self.objects[kind, name]

    def documents(self, option, value, text):
        if option == "-k":
            return manifests.load(tools.run("kubectl", "kustomize", os.path.join(self.folder, value))[1])
        if value == "-":
            return manifests.load(text)
        with open(os.path.join(self.folder, value), encoding="utf-8") as file:
            return manifests.load(file.read())

    def do_apply(self, words, text):
        option, value = words
        documents = self.documents(option, value, text)
        for document in documents:
            self.keep(document)
        if option == "-k":
            secrets = {name: each["data"] for (kind, name), each in self.objects.items() if kind == "Secret"}
            if self.pods is None:
                self.pods = pods.Pods(os.path.join(self.folder, "pods"), documents, secrets)
            self.pods.secrets = secrets
            self.pods.start()
        return "".join(f"{manifests.name(each)} configured\n" for each in documents)

    def do_create(self, words, text):
        for document in self.documents(*words, text):
            if (document["kind"], document["metadata"]["name"]) in self.objects:
                raise Refused(f"Error from server (AlreadyExists): {manifests.name(document)} already exists")
            self.keep(document)
        return "created\n"

    def do_replace(self, words, text):
        for document in self.documents(*words, text):
            self.find(document["kind"], document["metadata"]["name"])
            self.keep(document)
            if document["kind"] == "Secret" and self.pods:
                self.pods.secrets[document["metadata"]["name"]] = document["data"]
                self.pods.fill()  # the kubelet does this within a minute or two
        return "replaced\n"

    def do_get(self, words, text):
        if words[0] == "secret":
            data = self.find("Secret", words[1])["data"]
            return "".join(f"{key} {value}\n" for key, value in data.items())
        kind, option, selector = words[:3]
        assert (kind, option) == ("pods", "-l"), words
        key, value = selector.split("=")
        return " ".join(pod.name for pod in self.pods if manifests.pod_labels(pod.workload).get(key) == value)

    def do_rollout(self, words, text):
        status, workload, *_ = words
        assert status == "status", words
        kind, name = workload.split("/")
        self.find({"deploy": "Deployment", "statefulset": "StatefulSet"}[kind], name)
        for pod in self.pods:
            if pod.workload["metadata"]["name"] == name:
                pod.wait_ready()
        return f"{name} successfully rolled out\n"

    def do_exec(self, words, text):
        options, command = words[:words.index("--")], words[words.index("--") + 1:]
        options = [each for each in options if each not in ("-i", "-c", "redis")]
        (target,) = options
        pod = self.pods[target.partition("/")[2] or target]
        done = pod.execute(*command, text=text, check=False)
        return done.returncode, done.stdout, done.stderr

    def do_port_forward(self, words, text):
        """Here the port that the Service leads to is the one that clients are told."""
        target, ports = words
        service = self.find("Service", target.removeprefix("service/"))
        here, port = ports.split(":")
        (wanted,) = [each["targetPort"] for each in service["spec"]["ports"] if str(each["port"]) == port]
        assert here == str(self.pods[service["metadata"]["name"]].ports[wanted]), f"{here} is not {wanted}"
        return ""

    def do_delete(self, words, text):
        if words[0] == "-k":
            self.pods.stop()
            for document in self.documents(*words, text):
                del self.objects[document["kind"], document["metadata"]["name"]]
        elif words[0] == "pvc":
            _, option, selector = words
            assert option == "-l", words
            for pod in self.pods:
                for claim in pod.workload["spec"].get("volumeClaimTemplates", []):
                    if selector in (f"{key}={value}" for key, value in claim["metadata"]["labels"].items()):
                        subprocess.run(["rm", "-r", os.path.join(pod.folder, "volumes", claim["metadata"]["name"])], check=True)
        else:
            kind, name = words
            assert kind == "namespace", words
            self.find("Namespace", name)
            self.objects.clear()
        return "deleted\n"


def client(words):
    """The kubectl of the shell: hands its words over, and its standard input if it is asked to read it."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(os.environ[SOCKET])
        file = connection.makefile("rw", encoding="utf-8")
        reads = "-i" in words[:4] or words[-2:] == ["-f", "-"]
        file.write(json.dumps([words, sys.stdin.read() if reads else None]) + "\n")
        file.flush()
        status, out, error = json.loads(file.readline())
    sys.stdout.write(out)
    sys.stderr.write(error)
    return status


if __name__ == "__main__":
    sys.exit(client(sys.argv[1:]))

# Not for the client, which starts often.
import harness  # noqa: E402 pylint: disable=wrong-import-position
import manifests  # noqa: E402 pylint: disable=wrong-import-position
import pods  # noqa: E402 pylint: disable=wrong-import-position
import render  # noqa: E402 pylint: disable=wrong-import-position
import tools  # noqa: E402 pylint: disable=wrong-import-position
