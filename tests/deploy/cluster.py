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
import traceback

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
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        # Closing alone leaves the thread in accept(), which may go on with the next cluster's listener under the same number.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
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
                answer = (70, "", f"cluster.py: {words}: {traceback.format_exc()}\n")
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
            if document["kind"] == "Pod":
                self.run_pod(document)
        if option == "-k":
            secrets = {name: each["data"] for (kind, name), each in self.objects.items() if kind == "Secret"}
            if self.pods is None:
                self.pods = pods.Pods(os.path.join(self.folder, "pods"), documents, secrets)
                self.pods.start()
            else:
                self.pods.secrets = secrets
                self.pods.fill()
                self.previous = self.pods.documents
                self.pods.update(documents)
        return "".join(f"{manifests.name(each)} configured\n" for each in documents)

    def do_create(self, words, text):
        if words[0] == "job":
            _, source, name = words
            self.find("CronJob", source.removeprefix("--from=cronjob/"))
            return self.run_to_the_end({**self.pods.job(source.removeprefix("--from=cronjob/")).workload, "metadata": {"name": name}})
        if words[:2] == ["secret", "generic"]:
            _, _, name, *files = words
            data = {}
            for each in files:
                key, path = re.fullmatch(r"--from-file=(\w+)=(.*)", each).groups()
                with open(os.path.join(self.folder, path), "rb") as file:
                    data[key] = base64.b64encode(file.read()).decode()
            text = json.dumps({"kind": "Secret", "metadata": {"name": name}, "data": data})
            words = ["-f", "-"]
        for document in self.documents(*words, text):
            if (document["kind"], document["metadata"]["name"]) in self.objects:
                raise Refused(f"Error from server (AlreadyExists): {manifests.name(document)} already exists")
            self.keep(document)
        return "created\n"

    def run_to_the_end(self, workload):
        pod = self.pods.once(workload)
        done = pod.execute(*pod.command, check=False)
        if done.returncode != 0:
            raise Refused(f"{pod.name} failed: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def run_pod(self, pod):
        """A Pod of its own has ended by the time that anybody asks for it."""
        try:
            log, phase = self.run_to_the_end({"kind": "Job", "metadata": pod["metadata"], "spec": {"template": pod}}), "Succeeded"
        except Refused as problem:
            log, phase = f"{problem}\n", "Failed"
        pod["status"] = {"phase": phase, "log": log}

    def do_wait(self, words, text):
        what, target, _ = words
        name = target.removeprefix("pod/")
        if what == "--for=delete":
            assert not self.pods[name].process.running(), f"{name} runs"
            return ""
        assert what == "--for=jsonpath={.status.phase}=Succeeded", words
        if self.find("Pod", name)["status"]["phase"] != "Succeeded":
            raise Refused(f"error: timed out waiting for the condition on pods/{name}")
        return f"pod/{name} condition met\n"

    def do_logs(self, words, text):
        (name,) = words
        return self.find("Pod", name)["status"]["log"]

    def do_scale(self, words, text):
        target, replicas = words
        pods_of = [pod for pod in self.pods if pod.workload["metadata"]["name"] == target.partition("/")[2]]
        assert pods_of and replicas.startswith("--replicas="), words
        for number, pod in enumerate(pods_of):
            if number >= int(replicas.partition("=")[2]):
                pod.process.stop()
            elif pod.process.process is None:
                pod.process.start()
        return "scaled\n"

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
            if words[2:3] == ["-o"] and words[3].startswith("jsonpath="):
                return data[re.fullmatch(r"jsonpath=\{\.data\.([\w-]+)\}", words[3])[1]]
            return "".join(f"{key} {value}\n" for key, value in data.items())
        if words[0] == "pod":
            assert words[2:] == ["-o", "jsonpath={.status.phase}"], words
            return self.find("Pod", words[1])["status"]["phase"]
        kind, option, selector = words[:3]
        assert (kind, option) == ("pods", "-l"), words
        key, value = selector.split("=")
        return " ".join(pod.name for pod in self.pods if manifests.pod_labels(pod.workload).get(key) == value)

    def do_rollout(self, words, text):
        status, workload, *_ = words
        kind, name = workload.split("/")
        self.find({"deploy": "Deployment", "statefulset": "StatefulSet"}[kind], name)
        if status == "undo":
            self.pods.update([each for each in self.pods.documents if each["metadata"]["name"] != name or each["kind"] != "Deployment"] +
                             [each for each in self.previous if each["metadata"]["name"] == name and each["kind"] == "Deployment"])
            return f"{name} rolled back\n"
        assert status == "status", words
        for pod in self.pods:
            if pod.workload["metadata"]["name"] == name:
                pod.wait_ready()
        return f"{name} successfully rolled out\n"

    def do_exec(self, words, text):
        options, command = words[:words.index("--")], words[words.index("--") + 1:]
        options = [each for each in options if each not in ("-i", "-c", "redis")]
        (target,) = options
        pod = self.pods[target.partition("/")[2] or target]
        if os.path.basename(command[0]) not in render.image_programs(manifests.image_name(pod.container)):
            raise Refused(f'exec: "{command[0]}": executable file not found in $PATH')
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
                        subprocess.run(["rm", "-r", pod.volume(claim["metadata"]["name"])], check=True)
        elif words[0] == "pod":
            self.find("Pod", words[1])
            del self.objects["Pod", words[1]]
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
