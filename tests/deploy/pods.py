"""The Pods of a rendered combination, run here as processes: their commands, arguments, variables, files, host names and
ports are the manifests'. What the kubelet would do, Pods.start does; directories stand in for volumes, and each Pod has a
loopback address.

    if __name__ == "__main__":
        pods.enter()
        unittest.main()
"""

import base64
import os
import re
import subprocess
import sys

import harness
import manifests
import render
import tools

INSIDE = "TEST_NETWORK"


def enter():
    """Runs this program again in namespaces of its own, so that it may name hosts and listen on any port; the network
    has a loopback only."""
    if os.environ.get(INSIDE):
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True, timeout=harness.WAIT_SECONDS)
        return
    tools.install("kubectl")  # there is no registry inside
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    command = ["unshare", *user, "--net", "--mount", sys.executable, "-B", *sys.argv]
    os.execvpe(command[0], command, {**os.environ, INSIDE: "1"})


def bytes_of(quantity):
    number, unit = re.fullmatch(r"(\d+)([KMGT]i)?", str(quantity)).groups()
    return int(number) * 1024 ** (" KMGT".index(unit[0]) if unit else 0)


class Pod:
    """One Pod of a workload: its main container as a process."""

    def __init__(self, pods, workload, name, address):
        self.pods, self.name, self.address = pods, name, address
        self.container = [each for each in manifests.containers(workload) if each["name"] not in manifests.SIDECARS][0]
        self.ports = {port["name"]: port["containerPort"] for port in self.container.get("ports", [])}
        self.folder = os.path.join(pods.folder, name)
        os.makedirs(self.folder)
        self.places = {
            mount["mountPath"]: self.volume(workload, mount["name"]) for mount in self.container.get("volumeMounts", [])
        }
        self.variables = self.environment()
        program = manifests.image_name(self.container)
        command = self.container.get("command") or [render.program(program)]
        self.command = [self.here(word) for word in command + self.container.get("args", [])]
        self.process = harness.Process(name, self.folder, ["env", "-i", *self.settings(), *self.command])

    def volume(self, workload, name):
        """A directory with what the volume has. Those of claims are kept when the Pod is started again."""
        folder = os.path.join(self.folder, "volumes", name)
        os.makedirs(folder, exist_ok=True)
        for volume in manifests.pod(workload)["spec"].get("volumes", []):
            if volume["name"] != name:
                continue
            if "configMap" in volume:
                (data,) = [
                    each["data"]
                    for each in manifests.of_kind(self.pods.documents, "ConfigMap")
                    if each["metadata"]["name"] == volume["configMap"]["name"]
                ]
                files, mode = {key: value.encode() for key, value in data.items()}, volume["configMap"].get(
                    "defaultMode", 0o644
                )
            else:
                secret = self.pods.secrets[volume["secret"]["secretName"]]
                wanted = {each["key"]: each["path"] for each in volume["secret"].get("items", [])} or {
                    key: key for key in secret
                }
                files = {path: base64.b64decode(secret[key]) for key, path in wanted.items()}
                mode = volume["secret"].get("defaultMode", 0o644)
            for path, content in files.items():
                with open(os.path.join(folder, path), "wb") as file:
                    file.write(content)
                os.chmod(os.path.join(folder, path), int(mode))
        return folder

    def environment(self):
        """The container's variables as Kubernetes sets them."""
        variables = {}
        for each in self.container.get("env", []):
            source = each.get("valueFrom", {})
            if "resourceFieldRef" in source:
                value = str(bytes_of(self.container["resources"]["limits"]["memory"]))
            elif "fieldRef" in source:
                value = {"metadata.name": self.name, "status.podIP": self.address}[source["fieldRef"]["fieldPath"]]
            else:
                value = manifests.expand(each["value"], variables)
            variables[each["name"]] = value
        return variables

    def here(self, word):
        """A word of the manifest, with this Pod's directories, and its address for its loopback."""
        word = manifests.expand(word, self.variables)
        for path in sorted(self.places, key=len, reverse=True):
            word = re.sub(rf"(^|=){re.escape(path)}(?=/|$)", lambda m, p=path: m[1] + self.places[p], word)
        return word.replace("=localhost", "=" + self.address)

    def settings(self):
        """Its variables, and what only this machine knows: the data's directory, the address and the server's name."""
        variables = {"PATH": os.environ["PATH"], **{key: self.here(value) for key, value in self.variables.items()}}
        if manifests.image_name(self.container) == "valkey":
            variables |= {
                "REDIS_DIR": self.places.get("/data", self.folder),
                "REDIS_BIND": self.address,
                "REDIS_COMMAND": render.redis_command(),
                **({"REDIS_OLD": "1"} if render.redis_is_old() else {}),
            }
        return [f"{key}={value}" for key, value in variables.items()]

    def execute(self, *command, text=None, check=True):
        """kubectl exec; gives the CompletedProcess."""
        program = render.program(command[0]) if command[0] in manifests.PROGRAMS else self.here(command[0])
        done = subprocess.run(
            ["env", "-i", *self.settings(), program, *(self.here(word) for word in command[1:])],
            input=text,
            capture_output=True,
            text=True,
            timeout=harness.WAIT_SECONDS * 5,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{self.name}: {command}: {done.stdout}{done.stderr}")
        return done

    def probe(self, name):
        """A probe as the kubelet sends it; whether it succeeds."""
        action = self.container[name]
        if "exec" in action:
            return self.execute(*action["exec"]["command"], check=False).returncode == 0
        check = action.get("tcpSocket") or action["httpGet"]
        port = self.ports.get(check["port"], check["port"])
        # Redis listens on its own address only, the programs on all.
        host = self.address if "tcpSocket" in action else "127.0.0.1"
        address = f"http://{host}:{port}{check.get('path', '/')}"
        if "tcpSocket" in action:
            command = ["bash", "-c", f"exec 3<>/dev/tcp/{host}/{port}"]
        else:
            command = [
                "curl",
                "--silent",
                "--fail",
                "--output",
                "/dev/null",
                "--max-time",
                str(action.get("timeoutSeconds", 1)),
                address,
            ]
        return subprocess.run(command, capture_output=True, timeout=harness.WAIT_SECONDS).returncode == 0


class Pods:
    """All Pods of a combination, by name. Of a Deployment there is one: both would listen on the same port here."""

    def __init__(self, folder, documents, secrets):
        self.folder, self.documents, self.secrets = folder, documents, secrets
        self.pods, lines = {}, ["127.0.0.1 localhost"]
        os.makedirs(folder)
        # In memory: where a busy disk takes 2 s for a sync, Sentinel stops judging others for half a minute (TILT).
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=2g,mode=0755", "tmpfs", folder],
            check=True,
            timeout=harness.WAIT_SECONDS,
        )
        for workload in manifests.of_kind(documents, "StatefulSet", "Deployment"):
            if manifests.image_name(manifests.containers(workload)[0]) in manifests.SIDECARS:
                continue
            name = workload["metadata"]["name"]
            names = (
                [f"{name}-{i}" for i in range(workload["spec"].get("replicas", 1))]
                if workload["kind"] == "StatefulSet"
                else [name]
            )
            for each in names:
                address = f"127.0.1.{len(self.pods) + 1}"
                self.pods[each] = Pod(self, workload, each, address)
                for service in manifests.of_kind(documents, "Service"):
                    if manifests.matches({"matchLabels": service["spec"]["selector"]}, manifests.pod_labels(workload)):
                        host = service["metadata"]["name"]
                        lines += [f"{address} {each}.{host}", f"{address} {host}"]
        hosts = os.path.join(folder, "hosts")
        with open(hosts, "w", encoding="ascii") as file:
            file.write("\n".join(lines) + "\n")
        subprocess.run(["mount", "--bind", hosts, "/etc/hosts"], check=True, timeout=harness.WAIT_SECONDS)

    def __getitem__(self, name):
        return self.pods[name]

    def start(self):
        """Starts all at once, as a cluster does, and waits until all are ready."""
        for pod in self.pods.values():
            pod.process.start()
        for pod in self.pods.values():
            try:
                # Each connection reaches one of the workers, so many probes in a row must succeed.
                harness.wait_until(lambda p=pod: all(p.probe("readinessProbe") for _ in range(10)), f"{pod.name} ready")
            except AssertionError as problem:
                raise AssertionError(f"{problem}\n{pod.process.log_text()[-4000:]}") from problem

    def stop(self):
        """Ends all, the programs before the store."""
        for pod in sorted(self.pods.values(), key=lambda each: each.container["name"] == "redis"):
            pod.process.stop()
        for place in ("/etc/hosts", self.folder):
            subprocess.run(["umount", place], check=True, timeout=harness.WAIT_SECONDS)
        os.rmdir(self.folder)
