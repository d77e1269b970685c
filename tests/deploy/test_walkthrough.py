"""The walk-through of deploy/README.md, command by command: from nothing to a served request, and the removal that keeps the
calls. There are no kubelets here, so cluster.py runs the rendered Pods as processes; building images is test_images.py's."""

import json
import os
import re
import shutil
import tempfile
import threading
import unittest

import harness
import pods
import render
from cluster import Cluster

# Lines that need a container engine or kind.
ELSEWHERE = re.compile(r"(?m)^(deploy/docker/build|kind load) ?.*\n")


def commands(heading):
    """The sh blocks of a section of deploy/README.md."""
    (section,) = re.findall(rf"(?ms)^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", render.read("deploy", "README.md"))
    return re.findall(r"(?ms)^```sh\n(.*?)^```$", section)


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
