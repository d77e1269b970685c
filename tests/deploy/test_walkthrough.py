"""The walk-through of deploy/README.md, command by command: from nothing to a served request, and the removal that keeps the
calls. There are no kubelets here, so cluster.py runs the rendered Pods as processes; building images is test_images.py's."""

import base64
import json
import os
import re
import shutil
import tempfile
import threading
import time
import unittest

import certificates
import harness
import manifests
import pods
import render
from cluster import Cluster

# Lines that need a container engine or kind.
ELSEWHERE = re.compile(r"(?m)^(deploy/docker/build|kind load) ?.*\n")


def commands(heading, document="README.md", language="sh", depth=2):
    """The blocks of a section of a document of deploy/."""
    (section,) = re.findall(rf"(?ms)^{'#' * depth} {re.escape(heading)}\n(.*?)(?=^## |\Z)", render.read("deploy", document))
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```$", section)


OVERLAY = """
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: callhistory
resources: [../deploy/kubernetes/base]
components:
  - ../deploy/kubernetes/components/redis-single
  - ../deploy/kubernetes/components/backup
  - ../deploy/kubernetes/components/import
images:
  - {name: callhistory/callhistoryd, newTag: %(tag)s}
patches:
  - target: {kind: StatefulSet}
    patch: |
      - {op: replace, path: /spec/template/spec/containers/0/resources/limits/memory, value: %(memory)s}
"""


class Test(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="callhistory-test-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.cluster = self.enterContext(Cluster(self.folder))


class Walkthrough(Test):
    def test_from_nothing_to_a_served_request_and_back(self):
        install, tokens, request = commands("From nothing to a served request, on Kubernetes")
        self.assertEqual(len(ELSEWHERE.findall(install)), 2)
        self.cluster.shell(ELSEWHERE.sub("", install))
        self.cluster.shell(tokens)
        for role in ("reader", "writer"):
            path = os.path.join(self.folder, role + ".token")
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
            with open(path, encoding="ascii") as file:
                self.assertRegex(file.read(), r"^cht_\S+\n$")
        calls = self.listed(self.cluster.shell(request))
        self.assertEqual(len(calls), 10)
        remove, destroy = commands("Uninstalling")
        self.cluster.shell(remove)
        self.assertIsNone(next((pod for pod in self.cluster.pods if pod.process.running()), None))
        # The namespace, the Secret and the volumes stayed: applying again, without a new Secret, finds the calls.
        with self.assertRaisesRegex(AssertionError, "exists in callhistory; 'rotate' changes the passwords"):
            self.cluster.shell("deploy/kubernetes/redis-secret create")
        again = "".join(line + "\n" for line in install.splitlines() if re.match("kubectl (apply -k|-n .* rollout)", line))
        self.cluster.shell(again)
        self.assertEqual(self.listed(self.cluster.shell(re.sub(r"(?m)^.* import - .*\n", "", request))), calls)
        self.cluster.shell(remove)
        self.cluster.shell(destroy)
        store = self.cluster.pods["callhistory-redis-0"]
        self.assertFalse(os.path.exists(store.places["/data"]))
        self.assertEqual(self.cluster.objects, {})

    def listed(self, output):
        answer = json.loads(output[output.index('{"'):])
        self.assertEqual(answer["error"], 0, answer)
        return answer["data"]

    def test_the_namespace_must_be_there_first(self):
        with self.assertRaisesRegex(AssertionError, 'namespaces "callhistory" not found'):
            self.cluster.shell("kubectl apply -k deploy/kubernetes/overlays/minimal")


class Operations(Test):
    """docs/kubernetes.md, upgrade.md, capacity.md and backup-restore.md on one deployment: an import as a Job, a backup, a new version
    and back, more memory, and a restore."""

    def apply(self, tag="0.1.0", memory="512Mi"):
        os.makedirs(os.path.join(self.folder, "overlay"), exist_ok=True)
        with open(os.path.join(self.folder, "overlay", "kustomization.yaml"), "w", encoding="ascii") as file:
            file.write(OVERLAY % {"tag": tag, "memory": memory})
        self.cluster.shell("kubectl apply -k overlay")
        self.cluster.pods.wait_ready()

    def calls(self):
        _, _, request = commands("From nothing to a served request, on Kubernetes")
        answer = self.cluster.shell(re.sub(r"(?m)^.* import - .*\n", "", request).replace(',"page":1,"size":10', ""))
        return json.loads(answer[answer.index('{"'):])["data"]

    def started(self):
        return {pod.name: pod.process.process.pid for pod in self.cluster.pods}

    def replaced(self, before):
        return {name for name, pid in self.started().items() if pid != before[name]}

    def test_an_import_an_upgrade_and_a_restore(self):
        install, tokens, _ = commands("From nothing to a served request, on Kubernetes")
        self.cluster.shell("".join(line + "\n" for line in install.splitlines() if "namespace.yaml" in line or "redis-secret" in line))
        self.apply()
        self.cluster.shell(tokens)
        self.cluster.shell(commands("Imports", "docs/kubernetes.md")[0])
        self.cluster.pods.secrets["callhistory-token"] = self.cluster.objects["Secret", "callhistory-token"]["data"]
        job = self.cluster.pods.job("callhistory-import")
        shutil.copy(os.path.join(render.DEPLOY, "local", "sample-calls.ndjson"), os.path.join(job.places["/import"], "calls.ndjson"))
        self.assertIn("recorded 200", job.execute(*job.command).stdout)
        self.assertEqual(self.calls(), 40)

        backup, back = re.findall(r"`(kubectl -n callhistory (?:create job|rollout undo) [^`]*)`", render.read("deploy", "docs", "upgrade.md"))
        self.cluster.shell(backup)
        self.assertEqual(len(os.listdir(self.cluster.pods.claim("callhistory-backup"))), 1)
        before = self.started()
        self.apply(tag="0.1.1")
        self.assertEqual(self.replaced(before), {"callhistoryd"})
        self.assertEqual(self.calls(), 40)
        before = self.started()
        self.cluster.shell(back + "\nkubectl -n callhistory rollout status deploy/callhistoryd")
        self.assertEqual(self.replaced(before), {"callhistoryd"})
        before = self.started()
        self.apply(memory="1Gi")
        self.assertEqual(self.replaced(before), {"callhistory-redis-0"})
        limit = self.cluster.pods["callhistory-redis-0"].execute("/etc/redis/cli", "config", "get", "maxmemory").stdout.split()[1]
        self.assertEqual(int(limit), 1024 ** 3 * 45 // 100)
        self.assertEqual(self.calls(), 40)

        (verify,) = commands("Runbook", "docs/runbook.md", depth=1)[:1]
        self.assertEqual(self.cluster.shell(verify), "2 tenants verified, 0 differences\n")
        late = json.dumps(harness.call("0912345678", vbot_id="VBOT001", project_code="DEMO"))
        self.cluster.pods["callhistoryd"].execute("callhistoryctl", "--token", self.token("writer"), "import", "-", text=late + "\n")
        self.assertEqual(self.calls(), 41)
        (restore,), (pod,) = (commands("Restore on Kubernetes", "docs/backup-restore.md", language) for language in ("sh", "yaml"))
        with open(os.path.join(self.folder, "restore-pod.yaml"), "w", encoding="utf-8") as file:
            file.write(pod)
        data = self.cluster.pods["callhistory-redis-0"].places["/data"]
        # A failed one ends, leaves Redis stopped, and may be repeated, as often as there is reason to.
        damaged = os.path.join(self.cluster.pods.claim("callhistory-backup"), "single-99990101T000000Z.rdb")
        with open(damaged, "w", encoding="ascii") as file:
            file.write("not a snapshot")
        with self.assertRaisesRegex(AssertionError, "(?s)Failed\n.*is no snapshot, or damaged.*timed out"):
            self.cluster.shell(restore)
        self.assertFalse(self.cluster.pods["callhistory-redis-0"].process.running())
        self.assertEqual(os.listdir(data), ["lost"])
        os.remove(damaged)
        self.cluster.shell("kubectl -n callhistory delete pod restore")
        for _ in range(2):
            self.cluster.shell(restore)
            self.cluster.pods.wait_ready()
            self.assertEqual(self.calls(), 40)  # as it was at the backup
            time.sleep(1)  # the old log's name has the second
        self.assertEqual(set(os.listdir(data)), {"appendonlydir", "lost"})
        lost = os.path.join(data, "lost")
        self.assertEqual([os.listdir(os.path.join(lost, each)) for each in os.listdir(lost)], [["appendonlydir"]] * 2)
        (remove,) = re.findall(r"`(kubectl -n callhistory exec [^`]*rm [^`]*)`", render.read("deploy", "docs", "backup-restore.md"))
        self.cluster.shell(remove)
        self.assertFalse(os.path.exists(lost))

    def token(self, role):
        with open(os.path.join(self.folder, role + ".token"), encoding="ascii") as file:
            return file.read().strip()


class Tls(Test):
    """The component tls, with certificates of the names that tls/certificates asks for: tokens, an import by hand and as a Job,
    retention, and a request by HTTPS."""

    def setUp(self):
        super().setUp()
        os.makedirs(os.path.join(self.folder, "overlay"))
        components = ("redis-single", "import", "retention", "tls")
        with open(os.path.join(self.folder, "overlay", "kustomization.yaml"), "w", encoding="ascii") as file:
            file.write("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: callhistory\n"
                       "resources: [../deploy/kubernetes/base]\ncomponents:\n" +
                       "".join(f"  - ../deploy/kubernetes/components/{each}\n" for each in components))

    def secrets(self):
        """What cert-manager would make."""
        authority = certificates.Authority(self.folder)
        for wanted in manifests.of_kind(manifests.load(render.read("deploy", "kubernetes", "components", "tls", "certificates",
                                                                   "certificates.yaml")), "Certificate"):
            names = wanted["spec"].get("dnsNames")
            if not names:
                continue
            files = authority.issue(wanted["metadata"]["name"], ",".join("DNS:" + name for name in names))
            data = {key: base64.b64encode(certificates.read(path)).decode()
                    for key, path in zip(("tls.crt", "tls.key", "ca.crt"), (*files, authority.file))}
            self.cluster.objects["Secret", wanted["spec"]["secretName"]] = {
                "kind": "Secret", "metadata": {"name": wanted["spec"]["secretName"]}, "data": data}
        return authority

    def test_everything_speaks_tls(self):
        install, tokens, request = commands("From nothing to a served request, on Kubernetes")
        self.cluster.shell("kubectl apply -f deploy/kubernetes/namespace.yaml\ndeploy/kubernetes/redis-secret create")
        authority = self.secrets()
        self.cluster.shell("kubectl apply -k overlay")
        self.cluster.pods.wait_ready()
        self.cluster.shell(tokens)
        self.assertIn("recorded 200", self.cluster.shell(re.search(r"(?m)^.* import - .*$", request)[0]))
        self.cluster.shell(commands("Imports", "docs/kubernetes.md")[0])
        self.cluster.pods.secrets["callhistory-token"] = self.cluster.objects["Secret", "callhistory-token"]["data"]
        job = self.cluster.pods.job("callhistory-import")
        shutil.copy(os.path.join(render.DEPLOY, "local", "sample-calls.ndjson"), os.path.join(job.places["/import"], "calls.ndjson"))
        self.assertIn("unchanged 200", job.execute(*job.command).stdout)
        job = self.cluster.pods.job("callhistory-retention")
        self.assertIn('"deleted":true', job.execute(*job.command).stdout)
        command = re.search(r"(?ms)^curl .*", request)[0].replace("http://127.0.0.1:8080", "https://callhistory-gateway:8080")
        answer = json.loads(self.cluster.shell(command.replace("curl", f"curl --cacert {authority.file}", 1)))
        self.assertEqual(len(answer["data"]), 10, answer)


class Rotation(Test):
    """redis-secret rotate and finish reach each of three servers and three Sentinels, and refuse nobody meanwhile."""

    def test_new_passwords_reach_every_server(self):
        self.cluster.shell("kubectl apply -f deploy/kubernetes/namespace.yaml\ndeploy/kubernetes/redis-secret create\n"
                           "kubectl apply -k deploy/kubernetes/tests/sentinel")
        self.cluster.pods.wait_ready()
        service = self.cluster.pods["callhistoryd"]
        first = self.password()
        problems, over = [], threading.Event()

        def work():
            """What a client does all the time, with new connections to Redis for each round."""
            while not over.wait(0.2):
                done = service.execute("callhistoryctl", "token", "list", check=False)
                if done.returncode != 0:
                    problems.append(done.stderr)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            self.cluster.shell("deploy/kubernetes/redis-secret rotate")
            self.assertNotEqual(self.password(), first)
            for pod in self.stores():
                self.assertTrue(self.accepts(pod, first), pod.name)
                self.assertTrue(self.accepts(pod, self.password()), pod.name)
            self.cluster.shell("deploy/kubernetes/redis-secret finish")
        finally:
            over.set()
            thread.join()
        self.assertEqual(problems, [])
        for pod in self.stores():
            self.assertFalse(self.accepts(pod, first), pod.name)
            self.assertTrue(self.accepts(pod, self.password()), pod.name)
        # The CronJob of retention asks the Sentinels and the master as a user of its own, whose password has changed, too.
        job = self.cluster.pods.job("callhistory-retention")
        job.execute(*job.command)

    def stores(self):
        return [pod for pod in self.cluster.pods if pod.container["name"] == "redis"]

    def password(self):
        with open(self.cluster.pods["callhistoryd"].places["/etc/redis-password"] + "/callhistory-password",
                  encoding="ascii") as file:
            return file.read()

    def accepts(self, pod, password):
        done = pod.execute("env", "REDISCLI_AUTH=" + password, render.redis_command() + "-cli", "-e", "-h", pod.address,
                           "-p", str(next(iter(pod.ports.values()))), "--user", "callhistory", "--no-auth-warning", "ping",
                           check=False)
        return done.stdout == "PONG\n" and "WRONGPASS" not in done.stderr


if __name__ == "__main__":
    pods.enter()
    unittest.main()
