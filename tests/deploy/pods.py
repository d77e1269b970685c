"""The Pods of a rendered combination, run here as processes: their commands, arguments, variables, files, host names and
ports are the manifests'. What the kubelet would do, Pods.start does; directories take the place of volumes, and each Pod has a
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
        self.folder = os.path.join(pods.folder, name)
        os.makedirs(self.folder, exist_ok=True)
        self.process = harness.Process(name, self.folder, [])
        self.describe(workload)

    def describe(self, workload):
        """Takes what the manifest says; volumes that are there stay."""
        self.workload = workload
        self.container = [each for each in manifests.containers(workload) if each["name"] not in manifests.SIDECARS][0]
        self.ports = {port["name"]: port["containerPort"] for port in self.container.get("ports", [])}
        self.places = {mount["mountPath"]: self.volume(mount["name"]) for mount in self.container.get("volumeMounts", [])}
        for place in self.places.values():
            os.makedirs(place, exist_ok=True)
        self.variables = self.environment()
        command = self.container.get("command") or [manifests.image_name(self.container)]
        self.command = command + self.container.get("args", [])
        words = [self.here(word) for word in self.command]
        self.process.arguments = ["env", "-i", *self.settings(), *words]

    def volume(self, name):
        """The directory of a volume: a claim's, which outlives the Pod and which others may have too, or this Pod's own."""
        claims = {each["name"]: each["persistentVolumeClaim"]["claimName"]
                  for each in manifests.pod(self.workload)["spec"].get("volumes", []) if "persistentVolumeClaim" in each}
        claims |= {each["metadata"]["name"]: f"{each['metadata']['name']}-{self.name}"
                   for each in self.workload["spec"].get("volumeClaimTemplates", [])}
        return self.pods.claim(claims[name]) if name in claims else os.path.join(self.folder, "volumes", name)

    def fill(self):
        """Writes the files of its ConfigMaps and Secrets; those of claims stay as they are."""
        for volume in manifests.pod(self.workload)["spec"].get("volumes", []):
            if "persistentVolumeClaim" in volume:
                continue
            if "configMap" in volume:
                source, name = volume["configMap"], volume["configMap"]["name"]
                (data,) = [each["data"] for each in manifests.of_kind(self.pods.documents, "ConfigMap")
                           if each["metadata"]["name"] == name]
                files = {key: value.encode() for key, value in data.items()}
            else:
                source, name = volume["secret"], volume["secret"]["secretName"]
                files = {key: base64.b64decode(value) for key, value in self.pods.secrets[name].items()}
            wanted = {each["key"]: each["path"] for each in source.get("items", [])} or {key: key for key in files}
            for key, path in wanted.items():
                path = os.path.join(self.folder, "volumes", volume["name"], path)
                with open(path + ".new", "wb") as file:
                    file.write(files[key])
                os.chmod(path + ".new", int(source.get("defaultMode", 0o644)))
                os.rename(path + ".new", path)

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
        # Where no ConfigMap covers them, the image has the scripts.
        places = {**({"/etc/redis": os.path.join(render.DEPLOY, "redis")} if manifests.image_name(self.container) == "valkey" else {}),
                  **self.places}
        for path in sorted(places, key=len, reverse=True):
            word = re.sub(rf"(^|[=<\s]){re.escape(path)}(?=/|\s|$)", lambda m, p=path: m[1] + places[p], word)
        return word.replace("=localhost", "=" + self.address)

    def settings(self):
        """Its variables, and what only this machine knows: the data's directory, the address and the server's name."""
        variables = {"PATH": harness.BIN + ":" + os.environ["PATH"]}
        variables |= {key: self.here(value) for key, value in self.variables.items()}
        if manifests.image_name(self.container) == "valkey":
            variables |= {"REDIS_DIR": self.places.get("/data", self.folder), "REDIS_BIND": self.address,
                          "REDIS_COMMAND": render.redis_command()}
            variables.setdefault("REDIS_HOST", self.address)  # in a Pod 127.0.0.1 is its own
        return [f"{key}={value}" for key, value in variables.items()]

    def execute(self, *command, text=None, check=True):
        """kubectl exec; gives the CompletedProcess."""
        done = subprocess.run(["env", "-i", *self.settings(), *(self.here(word) for word in command)], input=text,
                              capture_output=True, text=True, timeout=harness.WAIT_SECONDS * 5)
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
        host = self.address if manifests.image_name(self.container) == "valkey" else "127.0.0.1"
        command = ["bash", "-c", f"exec 3<>/dev/tcp/{host}/{port}"]
        if "httpGet" in action:
            scheme = check.get("scheme", "HTTP").lower()
            command = ["curl", "--silent", "--fail", "--insecure", "--output", "/dev/null", "--max-time",
                       str(action.get("timeoutSeconds", 1)), f"{scheme}://{host}:{port}{check['path']}"]
        return subprocess.run(command, capture_output=True, timeout=harness.WAIT_SECONDS).returncode == 0

    def wait_ready(self):
        try:
            # Each connection reaches one of the workers, so many probes in a row must succeed.
            harness.wait_until(lambda: all(self.probe("readinessProbe") for _ in range(10)), f"{self.name} ready")
        except AssertionError as problem:
            raise AssertionError(f"{problem}\n{self.process.log_text()[-4000:]}") from problem


class Pods:
    """All Pods of a combination, by name. Of a Deployment there is one: both would listen on the same port here."""

    def __init__(self, folder, documents, secrets):
        self.folder, self.documents, self.secrets = folder, documents, secrets
        self.pods, lines = {}, ["127.0.0.1 localhost"]
        os.makedirs(folder)
        # In memory: where a busy disk takes 2 s for a sync, Sentinel stops judging others for half a minute (TILT).
        self.system("mount", "-t", "tmpfs", "-o", "size=2g,mode=0755", "tmpfs", folder)
        for workload in manifests.of_kind(documents, "StatefulSet", "Deployment"):
            if manifests.image_name(manifests.containers(workload)[0]) in manifests.SIDECARS:
                continue
            names = [workload["metadata"]["name"]]
            if workload["kind"] == "StatefulSet":
                names = [f"{names[0]}-{number}" for number in range(workload["spec"].get("replicas", 1))]
            for name in names:
                pod = self.pods[name] = Pod(self, workload, name, f"127.0.1.{len(self.pods) + 1}")
                for service in manifests.of_kind(documents, "Service"):
                    if manifests.matches({"matchLabels": service["spec"]["selector"]}, manifests.pod_labels(workload)):
                        host = service["metadata"]["name"]
                        lines += [f"{pod.address} {name}.{host}", f"{pod.address} {host}"]
        hosts = os.path.join(folder, "hosts")
        with open(hosts, "w", encoding="ascii") as file:
            file.write("\n".join(lines) + "\n")
        self.system("mount", "--bind", hosts, "/etc/hosts")

    @staticmethod
    def system(*command):
        subprocess.run(command, check=True, timeout=harness.WAIT_SECONDS)

    def __getitem__(self, name):
        return self.pods[name]

    def __iter__(self):
        return iter(self.pods.values())

    def claim(self, name):
        """The directory of a PersistentVolumeClaim."""
        return os.path.join(self.folder, "claims", name)

    def update(self, documents):
        """Applies manifests again: the Pods of a workload that has changed are replaced."""
        self.documents = documents
        for pod in self:
            (workload,) = [each for each in manifests.of_kind(documents, pod.workload["kind"])
                           if each["metadata"]["name"] == pod.workload["metadata"]["name"]]
            if manifests.pod(workload) != manifests.pod(pod.workload):
                pod.process.stop()
                pod.describe(workload)
                pod.fill()
            if pod.process.process is None:
                pod.process.start()

    def job(self, name):
        """A Pod of a CronJob or a Job, made now; execute(*job.command) runs it."""
        (workload,) = [each for each in manifests.of_kind(self.documents, "CronJob", "Job") if each["metadata"]["name"] == name]
        return self.once(workload)

    def once(self, workload):
        """A Pod that runs to its end."""
        pod = Pod(self, workload, workload["metadata"]["name"], "127.0.1.254")
        pod.fill()
        return pod

    def fill(self):
        for pod in self:
            pod.fill()

    def start(self):
        """Starts all at once, as a cluster does."""
        self.fill()
        for pod in self:
            pod.process.start()

    def wait_ready(self):
        for pod in self:
            pod.wait_ready()

    def stop(self):
        """Ends all, the programs before the store; volumes stay."""
        for pod in sorted(self, key=lambda each: each.container["name"] == "redis"):
            pod.process.stop()

    def remove(self):
        """Ends all and removes their volumes."""
        self.stop()
        self.system("umount", "/etc/hosts")
        self.system("umount", self.folder)
        os.rmdir(self.folder)
