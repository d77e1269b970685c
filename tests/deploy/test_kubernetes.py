"""The Kubernetes manifests: every overlay and combination renders and keeps the rules of manifests.py. Each rule is also shown a
manifest that breaks it."""

import copy
import unittest

import manifests
import render


class Kubernetes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.documents = render.rendered("tests/single")

    def problems(self, documents, small=False):
        return manifests.problems(documents, render.helps(), render.secrets(), render.version(), small)

    def workload(self, name, documents=None):
        (found,) = [w for w in manifests.workloads(documents or self.documents) if w["metadata"]["name"] == name]
        return found

    def container(self, name, documents=None):
        return manifests.containers(self.workload(name, documents))[0]

    def test_every_overlay_and_combination_keeps_the_rules(self):
        for name in render.kustomizations():
            with self.subTest(name):
                self.assertEqual(self.problems(render.rendered(name), small="minimal" in name), [])

    def test_the_base_has_no_store_and_no_namespace(self):
        kinds = {document["kind"] for name in ("callhistoryd.yaml", "gateway.yaml")
                 for document in manifests.load(render.read("deploy", "kubernetes", "base", name))}
        self.assertEqual(kinds, {"Deployment", "Service", "ServiceAccount", "PodDisruptionBudget"})

    def test_redis_gets_the_one_configuration(self):
        (config,) = [d for d in manifests.of_kind(self.documents, "ConfigMap") if "redis.conf" in d["data"]]
        for file in ("redis.conf", "start", "cli", "reload"):
            self.assertEqual(config["data"][file], render.read("deploy", "redis", file))

    def breaks(self, sentence, change):
        """Changes a copy of the manifests and expects that the problem is found."""
        documents = copy.deepcopy(self.documents)
        change(documents)
        found = self.problems(documents)
        self.assertTrue(any(sentence in problem for problem in found), f"{sentence}: not found, but {found}")

    def test_what_breaks_a_container_is_found(self):
        def service(documents):
            return self.container("callhistoryd", documents)

        def redis(documents):
            return self.container("callhistory-redis", documents)

        for probe in ("readinessProbe", "livenessProbe", "startupProbe"):
            self.breaks(f"no {probe}", lambda d, p=probe: service(d).pop(p))
        self.breaks("no memory in limits", lambda d: service(d)["resources"]["limits"].pop("memory"))
        self.breaks("no cpu in requests", lambda d: service(d)["resources"]["requests"].pop("cpu"))
        self.breaks("no ephemeral-storage in limits", lambda d: service(d)["resources"]["limits"].pop("ephemeral-storage"))
        self.breaks("may gain privileges", lambda d: service(d)["securityContext"].pop("allowPrivilegeEscalation"))
        self.breaks("can write to its image", lambda d: service(d)["securityContext"].pop("readOnlyRootFilesystem"))
        self.breaks("keeps capabilities", lambda d: service(d)["securityContext"]["capabilities"].update(add=["NET_ADMIN"]))
        self.breaks("has no version", lambda d: service(d).update(image="callhistory/callhistoryd:latest"))
        self.breaks("which does not exist", lambda d: service(d)["livenessProbe"]["httpGet"].update(port="nowhere"))
        self.breaks("contains a secret", lambda d: service(d)["env"].append({"name": "X_PASSWORD", "value": "p"}))
        self.breaks("contains a secret", lambda d: service(d)["env"].append({"name": "X", "value": "redis://u:p@h"}))
        self.breaks("a secret among the arguments", lambda d: service(d)["args"].append("--redis=redis://u:p@h"))
        self.breaks("has no option --no-such-option", lambda d: service(d)["args"].append("--no-such-option=1"))
        self.breaks("reads no CALLHISTORY_NONE", lambda d: service(d)["env"].append({"name": "CALLHISTORY_NONE", "value": "1"}))
        self.breaks("not as many workers", lambda d: service(d)["resources"]["limits"].update(cpu="4"))
        self.breaks("stops serving before", lambda d: service(d).pop("lifecycle"))
        self.breaks("no container runs callhistoryd", lambda d: service(d).update(image="other:1"))
        self.breaks("not defined before", lambda d: service(d)["env"].insert(0, {"name": "A", "value": "$(REDIS_HOST)"}))
        self.breaks("no volume none", lambda d: redis(d)["volumeMounts"][0].update(name="none"))
        self.breaks("its data is on no volume", lambda d: redis(d)["volumeMounts"].pop(0))
        self.breaks("does not know its memory limit", lambda d: redis(d)["env"].pop())
        self.breaks("is no headless Service", lambda d: self.container("callhistory-gateway", d)["args"].append("--service=x:1"))

    def test_what_breaks_a_pod_is_found(self):
        def pod(documents, name="callhistory-gateway"):
            return manifests.pod(self.workload(name, documents))["spec"]

        broken = render.rendered("tests/everything")
        for workload in ("staging-callhistory-import", "staging-callhistoryd"):
            self.container(workload, broken)["env"] = []
        found = list(manifests.check_command_line(broken))
        self.assertEqual(len([each for each in found if "does not speak TLS to the service" in each]), 2, found)
        self.breaks("does not know --redis-ca", lambda d: self.container("callhistoryd", d)["args"].append("--redis-ca=/x"))
        broken = render.rendered("tests/monitoring")
        manifests.pod(self.workload("callhistory-redis", broken))["metadata"]["annotations"].pop("kubectl.kubernetes.io/default-container")
        self.assertIn("StatefulSet/callhistory-redis: kubectl exec goes to exporter", self.problems(broken))
        self.breaks("may run as root", lambda d: pod(d)["securityContext"].pop("runAsNonRoot"))
        self.breaks("a user of the host", lambda d: pod(d)["securityContext"].update(runAsUser=999))
        self.breaks("no seccomp profile", lambda d: pod(d)["securityContext"].pop("seccompProfile"))
        self.breaks("mounts a token", lambda d: pod(d).pop("automountServiceAccountToken"))
        self.breaks("read as options", lambda d: pod(d).pop("enableServiceLinks"))
        self.breaks("the host's namespaces", lambda d: pod(d).update(hostNetwork=True))
        self.breaks("a path of the host", lambda d: pod(d).update(volumes=[{"name": "x", "hostPath": {"path": "/"}}]))
        self.breaks("killed before its grace", lambda d: pod(d).update(terminationGracePeriodSeconds=25))
        self.breaks("all Pods may share a node", lambda d: pod(d).pop("topologySpreadConstraints"))
        self.breaks("two copies may share a node", lambda d: pod(d, "callhistory-redis").pop("affinity"))
        self.breaks("no ServiceAccount", lambda d: pod(d).update(serviceAccountName="other"))
        self.breaks("no ConfigMap", lambda d: pod(d, "callhistory-redis")["volumes"][0]["configMap"].update(name="other"))
        self.breaks("no Secret", lambda d: pod(d, "callhistory-redis")["volumes"][1]["secret"].update(secretName="other"))

    def test_what_breaks_the_rest_is_found(self):
        def one(documents, kind, name):
            (found,) = [d for d in manifests.of_kind(documents, kind) if d["metadata"]["name"] == name]
            return found

        self.breaks("a secret in the manifests", lambda d: d.append({"kind": "Secret", "metadata": {"name": "x"}}))
        self.breaks("would delete the calls", lambda d: d.append({"kind": "Namespace", "metadata": {"name": "x"}}))
        self.breaks("not retained", lambda d: one(d, "StatefulSet", "callhistory-redis")["spec"].pop("persistentVolumeClaimRetentionPolicy"))
        self.breaks("gives a token", lambda d: one(d, "ServiceAccount", "callhistoryd").pop("automountServiceAccountToken"))
        self.breaks("selects no workload", lambda d: one(d, "Service", "callhistoryd")["spec"]["selector"].update(x="y"))
        self.breaks("has no port", lambda d: one(d, "Service", "callhistoryd")["spec"]["ports"][0].update(targetPort="x"))
        self.breaks("is no headless Service", lambda d: one(d, "Service", "callhistoryd")["spec"].pop("clusterIP"))
        self.breaks("is no headless Service", lambda d: one(d, "Service", "callhistory-redis")["spec"]["ports"][0].update(port=1))
        for name in ("callhistoryd", "callhistory-gateway", "callhistory-redis"):
            self.breaks("0 disruption budgets", lambda d, n=name: d.remove(one(d, "PodDisruptionBudget", n)))
            self.breaks("hold up the drain", lambda d, n=name: one(d, "PodDisruptionBudget", n)["spec"].pop("unhealthyPodEvictionPolicy"))
        self.breaks("exactly one Pod", lambda d: one(d, "PodDisruptionBudget", "callhistoryd")["spec"].update(maxUnavailable=2))
        self.breaks("only one Pod", lambda d: one(d, "Deployment", "callhistoryd")["spec"].update(replicas=1))
        self.breaks("removes Pods", lambda d: one(d, "Deployment", "callhistoryd")["spec"]["strategy"].update(
            rollingUpdate={"maxUnavailable": 1}))
        self.breaks("does not select its own", lambda d: one(d, "Deployment", "callhistoryd")["spec"]["selector"]["matchLabels"].update(x="y"))
        self.breaks("no label app.kubernetes.io/component",
                    lambda d: one(d, "Service", "callhistoryd")["metadata"]["labels"].pop("app.kubernetes.io/component"))
        self.breaks("CronJob/callhistory-retention: no label", lambda d: one(d, "CronJob", "callhistory-retention")["spec"]["jobTemplate"].pop(
            "metadata"))
        self.breaks("a version label", lambda d: one(d, "Deployment", "callhistoryd")["metadata"]["labels"].update(
            {"app.kubernetes.io/version": "1"}))
        self.breaks("is not version", lambda d: self.container("callhistoryd", d).update(image="callhistory/callhistoryd:9.9.9"))

    def test_what_breaks_a_route_is_found(self):
        documents = render.rendered("tests/everything")
        for kind in ("HTTPRoute", "GRPCRoute"):
            broken = copy.deepcopy(documents)
            manifests.of_kind(broken, kind)[0]["spec"]["rules"][0]["backendRefs"][0]["port"] = 1
            self.assertTrue(any("with port 1" in problem for problem in manifests.check_routes(broken)))
        broken = render.rendered("overlays/production")
        manifests.of_kind(broken, "Ingress")[0]["spec"]["rules"][0]["http"]["paths"][0]["path"] = "/"
        self.assertTrue(any("shows the metrics" in problem for problem in manifests.check_routes(broken)))

    def test_a_prefix_changes_every_name(self):
        """An overlay's namePrefix reaches the addresses in variables and routes; a registry and a digest reach the images."""
        text = render.rendered_text("tests/everything")
        documents = manifests.load(text)
        for _, _, container in manifests.each_container(documents):
            for key, value in manifests.environment(container).items():
                if key in ("SERVICE_HOST", "REDIS_HOST"):
                    self.assertTrue(value.startswith("staging-"), (key, value))
            if "valkey" in container["image"]:
                self.assertRegex(container["image"], r"^registry\.example/cdr/valkey@sha256:")
        self.assertEqual(list(manifests.check_addresses(documents)), [])
        self.assertEqual(list(manifests.check_routes(documents)), [])

    def test_what_breaks_the_network_is_found(self):
        def spec(documents, name):
            (found,) = [d for d in manifests.of_kind(documents, "NetworkPolicy") if d["metadata"]["name"] == name]
            return found["spec"]

        def dns(documents):
            return spec(documents, "callhistory-dns")["egress"]

        self.breaks("no policy denies", lambda d: spec(d, "callhistory-default-deny").update(ingress=[{}]))
        self.breaks("callhistory-gateway → callhistoryd grpc: not allowed", lambda d: spec(d, "callhistory-gateway").pop("egress"))
        self.breaks("callhistory-gateway → callhistory-redis redis: allowed", lambda d: (
            spec(d, "callhistory-gateway")["egress"].append({"to": [{"podSelector": {}}], "ports": [{"port": "redis"}]}),
            spec(d, "callhistory-redis")["ingress"][0]["from"].append({"podSelector": {}})))
        self.breaks("a foreign Pod → callhistory-redis", lambda d: spec(d, "callhistory-redis")["ingress"][0].pop("from"))
        external = render.rendered("tests/external")
        spec(external, "callhistory-redis-external")["podSelector"]["matchExpressions"][0]["values"].remove("retention")
        self.assertIn("callhistory-retention → a Redis outside: not allowed", self.problems(external))
        self.breaks("a Redis outside: allowed", lambda d: spec(d, "callhistoryd")["egress"].append(
            {"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}], "ports": [{"port": 6379}]}))
        self.breaks("NodeLocal DNSCache UDP: not allowed", lambda d: [rule["to"].remove(peer) for rule in dns(d)
                                                                      for peer in list(rule["to"]) if "ipBlock" in peer])
        self.breaks("OpenShift's DNS UDP: not allowed", lambda d: dns(d).pop())
        self.breaks("the internet: allowed", lambda d: dns(d).append({"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}))
        self.breaks("metadata service: allowed", lambda d: dns(d).append({"to": [{"ipBlock": {"cidr": "169.254.0.0/16"}}]}))
        self.breaks("NetworkPolicy/callhistoryd: no port x", lambda d: spec(d, "callhistoryd")["ingress"][0]["ports"][0].update(port="x"))


if __name__ == "__main__":
    unittest.main()
