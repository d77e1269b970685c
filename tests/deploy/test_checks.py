"""The tools that platform teams run over manifests and scripts: schemas, kube-score, shellcheck, and a server-side dry run where
KUBECONFIG names a cluster."""

import json
import os
import subprocess
import tempfile
import unittest

import harness
import manifests
import render
import tools

# What kube-score says and we do differently, with the reason.
ACCEPTED = {
    # Tags are what our own images have until they are pushed; production pins digests, and IfNotPresent is right for both.
    "container-image-pull-policy",
    # The limit of CPU is left out for the exporter, Sentinel and Jobs: throttling a health check causes failovers.
    "container-resources",
    # The base goes without policies; the component network-policy has them.
    "pod-networkpolicy",
    # The component network-policy allows for Jobs of components that are not in every overlay.
    "networkpolicy-targets-pod",
}
# Objects whose schemas belong to operators.
CUSTOM = ("monitoring.coreos.com", "cert-manager.io", "gateway.networking.k8s.io")


def core(documents):
    return [document for document in documents if not document["apiVersion"].startswith(CUSTOM)]


class Manifests(unittest.TestCase):
    def validate(self, documents):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as file:
            file.write("\n---\n".join(documents))
            file.flush()
            return tools.run("kubernetes-validate", "--strict", file.name, check=False)

    def test_schemas(self):
        """kubernetes-validate has the schemas of Kubernetes; unknown fields are errors. Each distinct object is looked at once."""
        distinct = {json.dumps(document, sort_keys=True) for name in render.kustomizations() for document in core(render.rendered(name))}
        status, text = self.validate(sorted(distinct))
        self.assertEqual(status, 0, text[-3000:])

    def test_a_field_that_does_not_exist_is_found(self):
        document = core(render.rendered("tests/single"))[0]
        document["nonsense"] = True
        self.assertNotEqual(self.validate([json.dumps(document)])[0], 0)

    def test_kube_score(self):
        for name in ("overlays/production", "tests/everything"):
            done = subprocess.run([tools.tool("kube-score"), "score", "--output-format", "json", "--kubernetes-version", "v1.31", "-"],
                                  input=render.rendered_text(name), capture_output=True, text=True, timeout=tools.SECONDS)
            found = set()
            for scored in json.loads(done.stdout):
                for check in scored["checks"] or []:
                    if check["grade"] == 1 and not check["skipped"]:  # critical
                        comments = "; ".join(f"{each['path']} {each['summary']}" for each in check["comments"] or [])
                        found.add((check["check"]["id"], scored["object_name"], comments))
            self.assertEqual({each for each in found if each[0] not in ACCEPTED}, set(), name)

    def test_a_cluster_accepts_them(self):
        """Only where KUBECONFIG names a cluster: it validates every object, without keeping it."""
        if not os.environ.get("KUBECONFIG"):
            return
        for name in render.kustomizations():
            text = "\n---\n".join(json.dumps(document) for document in core(render.rendered(name)))
            done = subprocess.run([tools.tool("kubectl"), "apply", "--server-side", "--dry-run=server", "-f", "-"], input=text,
                                  capture_output=True, text=True, timeout=tools.SECONDS)
            self.assertEqual(done.returncode, 0, name + ": " + done.stderr[-3000:])
            self.assertNotIn("would violate PodSecurity", done.stderr, name)


class Scripts(unittest.TestCase):
    def test_shellcheck_has_no_complaint(self):
        scripts = []
        for folder, _, files in os.walk(render.DEPLOY):
            for file in files if not folder.endswith("/local") else []:
                path = os.path.join(folder, file)
                with open(path, "rb") as opened:
                    if opened.read(2) == b"#!":
                        scripts.append(path)
        self.assertGreater(len(scripts), 10)
        tools.run("shellcheck", "--severity=style", *sorted(scripts))

    def test_every_script_explains_itself(self):
        for script in ("redis/credentials", "redis/restore", "kubernetes/redis-secret", "docker/build"):
            done = subprocess.run([os.path.join(render.DEPLOY, script), "--help"], capture_output=True, text=True,
                                  timeout=harness.WAIT_SECONDS)
            self.assertIn(os.path.basename(script), done.stdout + done.stderr, script)


if __name__ == "__main__":
    unittest.main()
