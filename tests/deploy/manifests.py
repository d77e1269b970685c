"""Rules for the rendered Kubernetes manifests. Each check_* function yields one sentence per problem; `problems` runs them all."""

import ipaddress
import re

import yaml

PROGRAMS = ("callhistoryd", "callhistory-gateway", "callhistoryctl")
# Containers beside a program, which serve no requests of clients.
SIDECARS = {"exporter"}
PROBES = ("readinessProbe", "livenessProbe", "startupProbe")
# Made outside of the manifests: by deploy/kubernetes/redis-secret, cert-manager or the operator. Secret name → keys.
REDIS_SECRET = "callhistory-redis"
TLS_KEYS = {"tls.crt", "tls.key", "ca.crt"}


def load(text):
    return [document for document in yaml.safe_load_all(text) if document]


def of_kind(documents, *kinds):
    return [document for document in documents if document["kind"] in kinds]


def workloads(documents):
    return of_kind(documents, "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob")


def runs_for_ever(workload):
    return workload["kind"] not in ("Job", "CronJob")


def name(document):
    return f"{document['kind']}/{document['metadata']['name']}"


def pod(workload):
    """The Pod template of a workload."""
    if workload["kind"] == "CronJob":
        return workload["spec"]["jobTemplate"]["spec"]["template"]
    return workload["spec"]["template"]


def pod_labels(workload):
    return pod(workload)["metadata"].get("labels", {})


def containers(workload):
    spec = pod(workload)["spec"]
    return spec.get("initContainers", []) + spec["containers"]


def each_container(documents):
    for workload in workloads(documents):
        for container in containers(workload):
            yield f"{name(workload)}: {container['name']}", workload, container


def matches(selector, labels):
    """Whether a label selector selects these labels; an empty one selects all."""
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    for expression in selector.get("matchExpressions", []):
        assert expression["operator"] == "In", expression
        if labels.get(expression["key"]) not in expression["values"]:
            return False
    return True


def selected(documents, selector):
    return [w for w in workloads(documents) if matches(selector, pod_labels(w))]


def program_options(arguments):
    """The options in a program's arguments, by name."""
    options = {}
    for argument in arguments:
        if argument.startswith("--"):
            key, _, value = argument.partition("=")
            options[key] = value
    return options


def image_name(container):
    return re.split(r"[:@]", container["image"].split("/")[-1])[0]


def expand(text, variables):
    """$(NAME) as Kubernetes expands it: unknown names stay."""
    return re.sub(r"\$\((\w+)\)", lambda m: variables.get(m[1], m[0]), text)


def environment(container):
    """The variables of a container with their values, as far as the manifests say them; others are <NAME>."""
    variables = {}
    for each in container.get("env", []):
        variables[each["name"]] = expand(each["value"], variables) if "value" in each else f"<{each['name']}>"
    return variables


def check_variables(documents):
    for where, _, container in each_container(documents):
        seen = set()
        for each in container.get("env", []):
            for used in re.findall(r"\$\((\w+)\)", each.get("value", "")):
                if used not in seen:
                    yield f"{where}: {each['name']} uses $({used}), which is not defined before it"
            if each["name"] in seen:
                yield f"{where}: {each['name']} is defined twice"
            seen.add(each["name"])
        for word in container.get("command", []) + container.get("args", []):
            for used in re.findall(r"\$\((\w+)\)", word):
                if used not in seen:
                    yield f"{where}: {word} uses an unknown variable"


def check_pods(documents):
    for workload in workloads(documents):
        spec, where = pod(workload)["spec"], name(workload)
        context = spec.get("securityContext", {})
        if not context.get("runAsNonRoot") or context.get("runAsUser", 0) < 10000:
            yield f"{where}: may run as root, or as a user of the host"
        if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            yield f"{where}: no seccomp profile"
        if spec.get("automountServiceAccountToken") is not False:
            yield f"{where}: mounts a token"
        if spec.get("enableServiceLinks") is not False:
            yield f"{where}: variables of Services would be read as options"
        if any(spec.get(host) for host in ("hostNetwork", "hostPID", "hostIPC")):
            yield f"{where}: shares the host's namespaces"
        if any("hostPath" in volume for volume in spec.get("volumes", [])):
            yield f"{where}: mounts a path of the host"


def check_containers(documents):
    for where, workload, container in each_container(documents):
        for probe in PROBES:
            if probe not in container and runs_for_ever(workload) and container["name"] not in SIDECARS:
                yield f"{where}: no {probe}"
        resources = container.get("resources", {})
        for kind, resource in (("requests", "cpu"), ("requests", "memory"), ("limits", "memory"),
                               ("requests", "ephemeral-storage"), ("limits", "ephemeral-storage")):
            if resource not in resources.get(kind, {}):
                yield f"{where}: no {resource} in {kind}"
        context = container.get("securityContext", {})
        if context.get("allowPrivilegeEscalation") is not False:
            yield f"{where}: may gain privileges"
        if context.get("readOnlyRootFilesystem") is not True:
            yield f"{where}: can write to its image"
        if context.get("capabilities", {}) != {"drop": ["ALL"]}:
            yield f"{where}: keeps capabilities"
        if context.get("privileged"):
            yield f"{where}: is privileged"
        if not re.search(r":v?[0-9][^:/]*$|@sha256:", container["image"]):
            yield f"{where}: image {container['image']} has no version"


def check_default_containers(documents):
    """`kubectl exec POD -- ...`, as the documents have it, is for the program and not for what runs beside it."""
    for workload in workloads(documents):
        first = containers(workload)[0]["name"]
        default = pod(workload)["metadata"].get("annotations", {}).get("kubectl.kubernetes.io/default-container", first)
        if default in SIDECARS or default not in {each["name"] for each in containers(workload)}:
            yield f"{name(workload)}: kubectl exec goes to {default}"


def check_ports(documents):
    for where, _, container in each_container(documents):
        named = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
        for probe in PROBES:
            for action in ("grpc", "httpGet", "tcpSocket"):
                port = container.get(probe, {}).get(action, {}).get("port")
                if port is not None and port not in named and port not in named.values():
                    yield f"{where}: {probe} names port {port}, which does not exist"


def check_secrets(documents):
    for document in of_kind(documents, "Secret"):
        yield f"{name(document)}: a secret in the manifests"
    for where, _, container in each_container(documents):
        for variable in container.get("env", []):
            if "secretKeyRef" in variable.get("valueFrom", {}):
                yield f"{where}: {variable['name']} is a secret in the environment; mount it as a file"
            value = variable.get("value", "")
            if re.search(r"(PASSWORD|TOKEN|SECRET)$", variable["name"]) and value or re.search(r"://[^/@]*:[^/@$]+@", value):
                yield f"{where}: {variable['name']} contains a secret"
        for argument in container.get("command", []) + container.get("args", []):
            if re.search(r"requirepass|masterauth|^--token(=|$)|://[^/@]*:[^/@]+@", argument):
                yield f"{where}: a secret among the arguments"


def check_references(documents, secrets):
    """Every ConfigMap, ServiceAccount, volume and Secret key that is named exists. `secrets`: name → keys."""
    maps = {document["metadata"]["name"]: document["data"] for document in of_kind(documents, "ConfigMap")}
    claims = {document["metadata"]["name"] for document in of_kind(documents, "PersistentVolumeClaim")}
    accounts = {d["metadata"]["name"]: d for d in of_kind(documents, "ServiceAccount")}
    for workload in workloads(documents):
        spec, where = pod(workload)["spec"], name(workload)
        account = accounts.get(spec.get("serviceAccountName"))
        if account is None:
            yield f"{where}: no ServiceAccount of its own"
        elif account.get("automountServiceAccountToken") is not False:
            yield f"{name(account)}: gives a token to every Pod"
        named = {claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", [])}
        for volume in spec.get("volumes", []):
            named.add(volume["name"])
            if "configMap" in volume and volume["configMap"]["name"] not in maps:
                yield f"{where}: no ConfigMap {volume['configMap']['name']}"
            if "persistentVolumeClaim" in volume and volume["persistentVolumeClaim"]["claimName"] not in claims:
                yield f"{where}: no PersistentVolumeClaim {volume['persistentVolumeClaim']['claimName']}"
            if "secret" in volume:
                keys = secrets.get(volume["secret"]["secretName"])
                if keys is None:
                    yield f"{where}: no Secret {volume['secret']['secretName']}"
                for item in volume["secret"].get("items", []):
                    if item["key"] not in (keys or {}):
                        yield f"{where}: the Secret has no key {item['key']}"
        for container in containers(workload):
            for mount in container.get("volumeMounts", []):
                if mount["name"] not in named:
                    yield f"{where}: no volume {mount['name']}"


def check_options(documents, helps):
    """Every option and variable is one that the program's --help names."""
    seen = set()
    for where, _, container in each_container(documents):
        program = image_name(container)
        if container.get("command"):
            program = container["command"][0].split("/")[-1]
        if program not in helps:
            continue
        seen.add(program)
        for option in program_options(container.get("args", [])):
            if not re.search(rf"(?m)(^|[\s,]){re.escape(option)}([\s=,]|$)", helps[program]):
                yield f"{where}: {program} has no option {option}"
        for variable in container.get("env", []):
            option = "--" + variable["name"].removeprefix("CALLHISTORY_").lower().replace("_", "-")
            # callhistoryctl runs in the same container, or has the variables of the image's program.
            known = helps[program] + helps["callhistoryctl"] + helps.get(image_name(container), "")
            if variable["name"].startswith("CALLHISTORY_") and option not in known:
                yield f"{where}: {program} reads no {variable['name']}"
    for program in ("callhistoryd", "callhistory-gateway"):
        if program not in seen:
            yield f"no container runs {program}"


def check_command_line(documents):
    """What `callhistoryctl` in a Pod of callhistoryd needs as well is in variables, not among callhistoryd's options; and where the
    service speaks TLS, all of its clients do."""
    tls = False
    for where, workload, container in each_container(documents):
        options = program_options(container.get("args", []))
        if image_name(container) == "callhistoryd" and runs_for_ever(workload):
            tls = "--tls-cert" in options
            for option in options:
                if option.startswith("--redis"):
                    yield f"{where}: callhistoryctl in this Pod does not know {option}"
    for where, workload, container in each_container(documents):
        options = program_options(container.get("args", []))
        client = "--service" in options or image_name(container) == "callhistoryd" and runs_for_ever(workload)
        if tls and client and "--service-ca" not in options and "CALLHISTORY_SERVICE_CA" not in environment(container):
            yield f"{where}: does not speak TLS to the service"


def check_time_to_end(documents):
    """What a Pod does between the signal and its end fits in the time that it is given."""
    for where, workload, container in each_container(documents):
        options = program_options(container.get("args", []))
        if "--grace" not in options:
            continue
        sleep = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        delay = sleep + int(options.get("--drain-delay", 0))
        if delay < 5:
            yield f"{where}: it stops serving before proxies and clients have removed it"
        if pod(workload)["spec"].get("terminationGracePeriodSeconds", 30) <= delay + int(options["--grace"]):
            yield f"{where}: it is killed before its grace period ends"


def check_workers(documents):
    for where, _, container in each_container(documents):
        options = program_options(container.get("args", []))
        if "--grace" in options and options.get("--workers") != str(container["resources"]["limits"].get("cpu")):
            yield f"{where}: not as many workers as cores"


def check_services(documents):
    for service in of_kind(documents, "Service"):
        targets = selected(documents, {"matchLabels": service["spec"].get("selector", {})})
        if not service["spec"].get("selector") or not targets:
            yield f"{name(service)}: selects no workload"
        if len({pod_labels(target).get("app.kubernetes.io/name") for target in targets}) > 1:
            yield f"{name(service)}: selects different programs"
        for workload in targets:
            names = {port["name"] for container in containers(workload) for port in container.get("ports", [])}
            for port in service["spec"]["ports"]:
                if port["targetPort"] not in names:
                    yield f"{name(service)}: {name(workload)} has no port {port['targetPort']}"


def check_routes(documents):
    """What an Ingress or a route sends requests to exists, and no route shows the metrics."""
    ports = {s["metadata"]["name"]: {key for port in s["spec"]["ports"] for key in (port["name"], port["port"])}
             for s in of_kind(documents, "Service")}
    found = []
    for ingress in of_kind(documents, "Ingress"):
        for path in (path for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]):
            service = path["backend"]["service"]
            found.append((ingress, path["path"], service["name"], service["port"].get("name", service["port"].get("number"))))
    for route in of_kind(documents, "HTTPRoute", "GRPCRoute"):
        for rule in route["spec"]["rules"]:
            for match in rule["matches"]:
                path = match.get("path", {}).get("value", "/" + match.get("method", {}).get("service", ""))
                found += [(route, path, backend["name"], backend["port"]) for backend in rule["backendRefs"]]
    for document, path, service, port in found:
        if port not in ports.get(service, ()):
            yield f"{name(document)}: no Service {service} with port {port}"
        if "/metrics".startswith(path):
            yield f"{name(document)}: {path} shows the metrics to everybody"


def check_selectors(documents):
    for workload in of_kind(documents, "Deployment", "StatefulSet"):
        if not matches(workload["spec"]["selector"], pod_labels(workload)):
            yield f"{name(workload)}: does not select its own Pods"
        for other in of_kind(documents, "Deployment", "StatefulSet"):
            if other is not workload and matches(other["spec"]["selector"], pod_labels(workload)):
                yield f"{name(other)}: selects the Pods of {name(workload)}"
        for constraint in pod(workload)["spec"].get("topologySpreadConstraints", []):
            if workload not in selected(documents, constraint["labelSelector"]):
                yield f"{name(workload)}: spreads the Pods of others"


def check_availability(documents, small):
    """`small`: an overlay that says that one Pod of each program is enough."""
    scaled = {h["spec"]["scaleTargetRef"]["name"]: h["spec"]["minReplicas"] for h in of_kind(documents, "HorizontalPodAutoscaler")}
    for workload in of_kind(documents, "Deployment", "StatefulSet"):
        where = name(workload)
        replicas = scaled.get(workload["metadata"]["name"], workload["spec"].get("replicas", 1))
        budgets = [b for b in of_kind(documents, "PodDisruptionBudget") if workload in selected(documents, b["spec"]["selector"])]
        if len(budgets) != 1:
            yield f"{where}: {len(budgets)} disruption budgets"
            continue
        if budgets[0]["spec"].get("maxUnavailable") != 1:
            yield f"{where}: the disruption budget does not allow exactly one Pod to be evicted"
        if budgets[0]["spec"].get("unhealthyPodEvictionPolicy") != "AlwaysAllow":
            yield f"{where}: Pods that are not ready hold up the drain of their node"
        if workload["kind"] == "StatefulSet":
            if not pod(workload)["spec"].get("affinity", {}).get("podAntiAffinity", {}).get("requiredDuringSchedulingIgnoredDuringExecution"):
                yield f"{where}: two copies may share a node"
            continue
        if replicas < 2 and not small:
            yield f"{where}: only one Pod"
        if workload["spec"]["strategy"]["rollingUpdate"].get("maxUnavailable") != 0:
            yield f"{where}: a rollout removes Pods before it adds new ones"
        if not pod(workload)["spec"].get("topologySpreadConstraints"):
            yield f"{where}: all Pods may share a node"


def check_storage(documents):
    """Deleting what the manifests describe deletes no calls."""
    for document in of_kind(documents, "Namespace", "PersistentVolume"):
        yield f"{name(document)}: deleting the manifests would delete the calls"
    for workload in of_kind(documents, "StatefulSet"):
        where = name(workload)
        retention = workload["spec"].get("persistentVolumeClaimRetentionPolicy", {})
        if retention != {"whenDeleted": "Retain", "whenScaled": "Retain"}:
            yield f"{where}: its volumes are not retained"
        claims = {claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", [])}
        (main,) = [container for container in containers(workload) if container["name"] not in SIDECARS]
        folders = {mount["mountPath"] for mount in main.get("volumeMounts", []) if mount["name"] in claims}
        if environment(main).get("REDIS_DIR", "/data") not in folders:
            yield f"{where}: its data is on no volume"
        limit = [each for each in main.get("env", []) if each["name"] == "REDIS_MEMORY_LIMIT"]
        if not limit or limit[0].get("valueFrom", {}).get("resourceFieldRef", {}).get("resource") != "limits.memory":
            yield f"{where}: Redis does not know its memory limit"
        if workload["spec"]["serviceName"] not in {s["metadata"]["name"] for s in of_kind(documents, "Service")}:
            yield f"{where}: no Service {workload['spec']['serviceName']}"


def addresses(text):
    """The HOST:PORT pairs of an address or URL."""
    return [part for part in re.sub(r"^\w[\w+.-]*:/*(?=[^/\d])", "", text).split("@")[-1].split("/")[0].split(",") if part]


def check_addresses(documents):
    """What a program connects to is a headless Service with that port, or a Pod of its StatefulSet; others are external."""
    headless = {}
    for service in of_kind(documents, "Service"):
        if service["spec"].get("clusterIP") == "None":
            headless[service["metadata"]["name"]] = {str(port["port"]) for port in service["spec"]["ports"]}
    for where, _, container in each_container(documents):
        variables = environment(container)
        options = program_options(container.get("args", []))
        found = [expand(options.get("--service", ""), variables), variables.get("CALLHISTORY_REDIS", ""),
                 variables.get("REDIS_SENTINELS", ""), variables.get("REDIS_MASTER", "")]
        for address in (each for text in found for each in addresses(text)):
            host, _, port = address.rpartition(":")
            if "." in host and host.split(".")[-1] not in headless:
                continue  # a name outside of this namespace
            if port not in headless.get(host.split(".")[-1], ()):
                yield f"{where}: {address} is no headless Service"


# -- Networks ---------------------------------------------------------------------------------------------------------------


class Peer:
    """One end of a connection: a Pod with its labels and its namespace's, or an address that is no Pod's."""

    def __init__(self, label, labels=None, namespace=None, address=None):
        self.label, self.labels, self.address = label, labels, address
        self.ports = set()
        self.namespace = {"kubernetes.io/metadata.name": "callhistory"} if namespace is None else namespace

    @staticmethod
    def of(workload):
        peer = Peer(workload["metadata"]["name"], pod_labels(workload))
        peer.ports = {port["name"] for container in containers(workload) for port in container.get("ports", [])}
        return peer


def _peer_matches(rule, peer):
    if "ipBlock" in rule:
        if peer.address is None:
            return False
        address = ipaddress.ip_address(peer.address)
        block = rule["ipBlock"]
        return address in ipaddress.ip_network(block["cidr"]) and not any(
            address in ipaddress.ip_network(each) for each in block.get("except", []))
    if peer.labels is None:
        return False
    # Without a namespaceSelector a podSelector selects in the policy's own namespace.
    if "namespaceSelector" in rule:
        if not matches(rule["namespaceSelector"], peer.namespace):
            return False
    elif peer.namespace.get("kubernetes.io/metadata.name") != "callhistory":
        return False
    return matches(rule.get("podSelector", {}), peer.labels)


def allows(documents, source, target, port, protocol="TCP"):
    """Whether the policies let `source` reach `port` (a name or number) of `target`; both are Peers."""
    def permits(subject, direction, key, other):
        if subject.labels is None or subject.namespace.get("kubernetes.io/metadata.name") != "callhistory":
            return True  # not ours to say
        policies = [p for p in of_kind(documents, "NetworkPolicy")
                    if direction in p["spec"]["policyTypes"] and matches(p["spec"]["podSelector"], subject.labels)]
        if not policies:
            return True
        for policy in policies:
            for rule in policy["spec"].get(direction.lower(), []):
                ports = rule.get("ports")
                if ports and not any(each.get("port", port) == port and each.get("protocol", "TCP") == protocol for each in ports):
                    continue
                if key not in rule or any(_peer_matches(each, other) for each in rule[key]):
                    return True
        return False

    return permits(source, "Egress", "to", target) and permits(target, "Ingress", "from", source)


def check_network(documents):
    """What the network policies allow is exactly what the programs need."""
    policies = of_kind(documents, "NetworkPolicy")
    if not policies:
        return
    if not any(p["spec"]["podSelector"] == {} and set(p["spec"]["policyTypes"]) == {"Ingress", "Egress"}
               and "ingress" not in p["spec"] and "egress" not in p["spec"] for p in policies):
        yield "no policy denies what is not listed"
    peers = {}
    for workload in workloads(documents):
        peers.setdefault(pod_labels(workload).get("app.kubernetes.io/component"), []).append(Peer.of(workload))
    wanted = {("gateway", "service"), ("service", "store"), ("store", "store"), ("import", "service"), ("retention", "store"),
              ("backup", "store")}
    served = {"service": {"grpc"}, "store": {"redis", "sentinel"}, "gateway": {"http"}}
    for source_role, sources in (*peers.items(), ("stranger", [Peer("a foreign Pod", {}, {})])):
        for target_role, target in ((role, target) for role in served for target in peers.get(role, [])):
            expected = (source_role, target_role) in wanted
            if source_role == target_role and not expected:
                continue
            for source in sources:
                for port in sorted(served[target_role] & target.ports):
                    if allows(documents, source, target, port) != expected:
                        yield f"{source.label} → {target.label} {port}: {'not allowed' if expected else 'allowed'}"
    resolvers = [
        (Peer("kube-dns", {"k8s-app": "kube-dns"}, {"kubernetes.io/metadata.name": "kube-system"}), 53),
        (Peer("NodeLocal DNSCache", address="169.254.20.10"), 53),
        (Peer("NodeLocal DNSCache (IPv6)", address="fd00:90::a"), 53),
        (Peer("NodeLocal DNSCache as a Pod", {"k8s-app": "node-local-dns"}, {"kubernetes.io/metadata.name": "kube-system"}), 53),
        (Peer("GKE's Cloud DNS", address="169.254.169.254"), 53),
        (Peer("OpenShift's DNS", {"dns.operator.openshift.io/daemonset-dns": "default"},
              {"kubernetes.io/metadata.name": "openshift-dns"}), 5353),
    ]
    elsewhere = (Peer("the internet", address="203.0.113.7"), Peer("the internet (IPv6)", address="2001:db8::7"),
                 Peer("the cloud's metadata service", address="169.254.169.254"))
    for role, sources in peers.items():
        for source in sources:
            for resolver, port in resolvers:
                for protocol in ("UDP", "TCP"):
                    if not allows(documents, source, resolver, port, protocol):
                        yield f"{source.label} → {resolver.label} {protocol}: not allowed"
            for address, port in ((address, port) for address in elsewhere for port in (80, 443, 6379)):
                if allows(documents, source, address, port):
                    yield f"{source.label} → {address.label}: allowed"
            # The example's address of redis-external, where there is no store in the cluster.
            expected = "store" not in peers and role in ("service", "retention")
            if allows(documents, source, Peer("a Redis outside", address="192.0.2.10"), 6379) != expected:
                yield f"{source.label} → a Redis outside: {'not allowed' if expected else 'allowed'}"
    for policy in policies:
        names = {port["name"] for w in selected(documents, policy["spec"]["podSelector"]) for c in containers(w)
                 for port in c.get("ports", [])}
        for port in (port["port"] for rule in policy["spec"].get("ingress", []) for port in rule.get("ports", [])):
            # Which of these a store has depends on the components.
            if names and isinstance(port, str) and port not in names | {"metrics", "redis", "sentinel"}:
                yield f"{name(policy)}: no port {port}"


# -- Labels -----------------------------------------------------------------------------------------------------------------


def check_labels(documents, version):
    for document in documents:
        if "callhistory" not in document["metadata"]["name"]:
            continue
        metadata = [document["metadata"]]
        if document in workloads(documents):
            metadata.append(pod(document)["metadata"])
        if document["kind"] == "CronJob":  # the runbook looks for its Jobs
            metadata.append(document["spec"]["jobTemplate"].get("metadata", {}))
        if document["kind"] != "NetworkPolicy":
            for label in ("name", "component", "part-of"):
                if any(f"app.kubernetes.io/{label}" not in each.get("labels", {}) for each in metadata):
                    yield f"{name(document)}: no label app.kubernetes.io/{label}"
        if any("app.kubernetes.io/version" in each.get("labels", {}) for each in metadata):
            yield f"{name(document)}: a version label, which does not follow the image"
    for where, _, container in each_container(documents):
        image, _, tag = container["image"].partition(":")
        if image.startswith("callhistory/") and tag != version:
            yield f"{where}: {container['image']} is not version {version}"


def problems(documents, helps, secrets, version, small=False):
    """All problems. `helps`: program → its --help; `secrets`: name → keys; `small`: one Pod of each program is enough."""
    found = []
    for check in (check_variables, check_pods, check_containers, check_default_containers, check_command_line, check_ports, check_secrets, check_time_to_end, check_workers,
                  check_services, check_routes, check_selectors, check_storage, check_network, check_addresses):
        found += check(documents)
    found += check_availability(documents, small)
    found += check_references(documents, secrets)
    found += check_options(documents, helps)
    found += check_labels(documents, version)
    return found
