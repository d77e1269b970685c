"""The tools that platform teams run over manifests and scripts: kubernetes-validate, kubeconform, kube-score, checkov,
shellcheck, and a server-side dry run where KUBECONFIG names a cluster."""

import json
import os
import shutil
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
# The same of checkov.
ACCEPTED_BY_CHECKOV = {
    "CKV_K8S_11": "limits of CPU: as container-resources above",
    "CKV_K8S_15": "IfNotPresent is right for a version and for a digest",
    "CKV_K8S_43": "digests are known when our images are pushed; docker/build prints the commands that write them",
    "CKV_K8S_8": "no probe for redis_exporter: its failure must not restart Redis",
    "CKV_K8S_9": "no probe for redis_exporter: its failure must not take Redis out of its Service",
    "CKV_DOCKER_2": "no HEALTHCHECK: Kubernetes and compose have their own probes, and the images have no shell or client",
    "CKV_DOCKER_7": "FROM ${DEBIAN}: the argument's default is a digest",
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

    def test_kubeconform(self):
        """A second opinion on the same schemas, in Go as the API server is: no field twice, formats and quantities."""
        with open(os.path.join(tools.schemas(), "_definitions.json"), encoding="utf-8") as file:
            definitions = json.load(file)["$defs"]
        documents = [each for name in render.kustomizations() for each in core(render.rendered(name))]
        self.assertGreater(len(documents), 100)
        with tempfile.TemporaryDirectory(prefix="callhistory-test-") as folder:
            for kind, version in {(each["kind"], each["apiVersion"]) for each in documents}:
                group, _, version = version.rpartition("/")
                name = "-".join(part for part in (kind.lower(), group.partition(".")[0], version) if part) + ".json"
                with open(os.path.join(tools.schemas(), name), encoding="utf-8") as file:
                    schema = json.load(file)
                # A file for each kind, with all that it refers to: kubeconform reads no second file.
                text = json.dumps({**schema, "$defs": definitions}).replace('"/api/_definitions.json#', '"#')
                with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                    file.write(text)

            def status(text):
                done = subprocess.run(
                    [tools.tool("kubeconform"), "-strict", "-schema-location", folder + "/{{.ResourceKind}}{{.KindSuffix}}.json", "-"],
                    input=text, capture_output=True, text=True, timeout=tools.SECONDS)
                return done.returncode, done.stdout + done.stderr

            distinct = sorted({json.dumps(each, sort_keys=True) for each in documents})
            self.assertEqual(status("\n---\n".join(distinct)), (0, ""))
            self.assertNotEqual(status(distinct[0].replace('"metadata"', '"metadatum"'))[0], 0)

    def test_checkov(self):
        with tempfile.TemporaryDirectory(prefix="callhistory-test-") as folder:
            for name in ("overlays/production", "tests/everything"):
                with open(os.path.join(folder, name.replace("/", "-") + ".yaml"), "w", encoding="utf-8") as file:
                    file.write(render.rendered_text(name))
            shutil.copy(os.path.join(render.DEPLOY, "docker", "Dockerfile"), folder)
            _, text = tools.run("checkov", "--directory", folder, "--framework", "kubernetes", "dockerfile", "--skip-download",
                                "--compact", "--quiet", "--output", "json", check=False)
        reports = {report["check_type"]: report for report in json.loads(text)}
        self.assertEqual(set(reports), {"kubernetes", "dockerfile"})
        for report in reports.values():
            self.assertGreater(report["summary"]["passed"], 50)
            self.assertEqual(report["summary"]["parsing_errors"], 0)
        found = {(failed["check_id"], failed["check_name"], failed["resource"]) for report in reports.values()
                 for failed in report["results"]["failed_checks"]}
        self.assertEqual({each for each in found if each[0] not in ACCEPTED_BY_CHECKOV}, set())

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
