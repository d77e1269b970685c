"""What the rendered Kubernetes manifests must keep to. Every function yields one sentence per problem; `problems` runs them all."""

import re

import yaml

PROGRAMS = ("callhistoryd", "callhistory-gateway", "callhistoryctl")


def load(text):
    return [document for document in yaml.safe_load_all(text) if document]


def of_kind(documents, *kinds):
    return [document for document in documents if document["kind"] in kinds]


def workloads(documents):
    return of_kind(documents, "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob")


def name(document):
    return f"{document['kind']}/{document['metadata']['name']}"


def pod(workload):
    return workload["spec"]["template"]


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
    return [w for w in workloads(documents) if matches(selector, pod(w)["metadata"]["labels"])]


def program_options(arguments):
    """The options in a program's arguments, by name."""
    options = {}
    for argument in arguments:
        if argument.startswith("--"):
            key, _, value = argument.partition("=")
            options[key] = value
    return options


def check_pods(documents):
    for workload in workloads(documents):
        spec, where = pod(workload)["spec"], name(workload)
        context = spec.get("securityContext", {})
        if not context.get("runAsNonRoot") or not context.get("runAsUser"):
            yield f"{where}: may run as root"
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
    for where, _, container in each_container(documents):
        for probe in ("readinessProbe", "livenessProbe", "startupProbe"):
            if probe not in container:
                yield f"{where}: no {probe}"
        resources = container.get("resources", {})
        for kind, resource in (("requests", "cpu"), ("requests", "memory"), ("limits", "cpu"), ("limits", "memory")):
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
        if not re.search(r":[0-9][^:/]*$|@sha256:", container["image"]):
            yield f"{where}: image {container['image']} has no version"


def check_probe_ports(documents):
    for where, _, container in each_container(documents):
        named = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
        for probe in ("readinessProbe", "livenessProbe", "startupProbe"):
            for action in ("grpc", "httpGet", "tcpSocket"):
                port = container.get(probe, {}).get(action, {}).get("port")
                if port is not None and port not in named and port not in named.values():
                    yield f"{where}: {probe} asks port {port}, which is none"


def check_secrets(documents):
    for document in of_kind(documents, "Secret"):
        yield f"{name(document)}: a secret in the manifests"
    for where, _, container in each_container(documents):
        for variable in container.get("env", []):
            value = variable.get("value", "")
            if re.search(r"PASSWORD|TOKEN|SECRET|REDIS$", variable["name"]) and "value" in variable or re.search(r"://[^/]*@", value):
                yield f"{where}: {variable['name']} holds a secret itself"
        for argument in container.get("command", []) + container.get("args", []):
            if re.search(r"requirepass|masterauth|^--token(=|$)|://[^/]*@", argument):
                yield f"{where}: a secret among the arguments"


def check_references(documents, secret):
    """Every ConfigMap, ServiceAccount and Secret key that is named exists; `secret` is the one that is made outside."""
    maps = {document["metadata"]["name"]: document["data"] for document in of_kind(documents, "ConfigMap")}
    accounts = {d["metadata"]["name"]: d for d in of_kind(documents, "ServiceAccount")}
    secrets = {secret["metadata"]["name"]: secret["stringData"]}
    for workload in workloads(documents):
        spec, where = pod(workload)["spec"], name(workload)
        account = accounts.get(spec.get("serviceAccountName"))
        if account is None:
            yield f"{where}: no ServiceAccount of its own"
        elif account.get("automountServiceAccountToken") is not False:
            yield f"{name(account)}: gives a token away"
        named = {claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", [])}
        for volume in spec.get("volumes", []):
            named.add(volume["name"])
            if "configMap" in volume and volume["configMap"]["name"] not in maps:
                yield f"{where}: no ConfigMap {volume['configMap']['name']}"
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
            for variable in container.get("env", []):
                reference = variable.get("valueFrom", {}).get("secretKeyRef")
                if reference and reference["key"] not in secrets.get(reference["name"], {}):
                    yield f"{where}: {variable['name']}: no key {reference['key']} in Secret {reference['name']}"


def check_options(documents, helps):
    """Every option and variable is one that the program's --help names."""
    seen = set()
    for where, _, container in each_container(documents):
        program = container["image"].split("/")[-1].split(":")[0]
        if program not in helps:
            continue
        seen.add(program)
        for option in program_options(container.get("args", [])):
            if not re.search(rf"(?m)(^|[\s,]){re.escape(option)}([\s=,]|$)", helps[program]):
                yield f"{where}: {program} has no option {option}"
        for variable in container.get("env", []):
            option = "--" + variable["name"].removeprefix("CALLHISTORY_").lower().replace("_", "-")
            if not variable["name"].startswith("CALLHISTORY_") or option not in helps[program]:
                yield f"{where}: {program} reads no {variable['name']}"
    for program in ("callhistoryd", "callhistory-gateway"):
        if program not in seen:
            yield f"no container runs {program}"


def check_time_to_end(documents):
    """What a Pod does between the signal and its end fits in the time that it is given."""
    for where, workload, container in each_container(documents):
        options = program_options(container.get("args", []))
        if "--grace" not in options:
            continue
        sleep = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        delay = sleep + int(options.get("--drain-delay", 0))
        if delay < 5:
            yield f"{where}: it stops serving before others have heard that it will"
        if pod(workload)["spec"].get("terminationGracePeriodSeconds", 30) <= delay + int(options["--grace"]):
            yield f"{where}: it is killed before its grace period ends"


def check_workers(documents):
    for where, _, container in each_container(documents):
        options = program_options(container.get("args", []))
        if "--grace" in options and options.get("--workers") != str(container["resources"]["limits"]["cpu"]):
            yield f"{where}: not as many workers as cores"


def check_services(documents):
    for service in of_kind(documents, "Service"):
        targets = selected(documents, {"matchLabels": service["spec"].get("selector", {})})
        if not service["spec"].get("selector") or len(targets) != 1:
            yield f"{name(service)}: selects {len(targets)} workloads"
        for workload in targets:
            names = {port["name"] for container in containers(workload) for port in container.get("ports", [])}
            for port in service["spec"]["ports"]:
                if port["targetPort"] not in names:
                    yield f"{name(service)}: {name(workload)} has no port {port['targetPort']}"


def check_selectors(documents):
    for workload in workloads(documents):
        if not matches(workload["spec"]["selector"], pod(workload)["metadata"]["labels"]):
            yield f"{name(workload)}: does not select its own Pods"
        for constraint in pod(workload)["spec"].get("topologySpreadConstraints", []):
            if workload not in selected(documents, constraint["labelSelector"]):
                yield f"{name(workload)}: spreads others' Pods"


def check_availability(documents):
    for workload in of_kind(documents, "Deployment"):
        budgets = [b for b in of_kind(documents, "PodDisruptionBudget") if workload in selected(documents, b["spec"]["selector"])]
        if len(budgets) != 1:
            yield f"{name(workload)}: {len(budgets)} disruption budgets"
        elif budgets[0]["spec"].get("maxUnavailable", 0) >= workload["spec"]["replicas"]:
            yield f"{name(workload)}: all Pods may be away at once"
        if workload["spec"]["replicas"] < 2:
            yield f"{name(workload)}: one Pod alone"
        if workload["spec"]["strategy"]["rollingUpdate"].get("maxUnavailable") != 0:
            yield f"{name(workload)}: a rollout takes Pods away before it adds new ones"
        if not pod(workload)["spec"].get("topologySpreadConstraints"):
            yield f"{name(workload)}: all Pods may stand on one node"


def check_storage(documents):
    for workload in of_kind(documents, "StatefulSet"):
        claims = {claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", [])}
        for container in containers(workload):
            folders = {mount["mountPath"] for mount in container.get("volumeMounts", []) if mount["name"] in claims}
            arguments = container.get("args", [])
            if "--dir" not in arguments or arguments[arguments.index("--dir") + 1] not in folders:
                yield f"{name(workload)}: its data is on no volume"
        if workload["spec"]["serviceName"] not in {s["metadata"]["name"] for s in of_kind(documents, "Service")}:
            yield f"{name(workload)}: no Service {workload['spec']['serviceName']}"


def check_addresses(documents, secret):
    """What one program calls another by is a headless Service with that port."""
    headless = {
        f"{service['metadata']['name']}:{port['port']}"
        for service in of_kind(documents, "Service") if service["spec"].get("clusterIP") == "None"
        for port in service["spec"]["ports"]
    }
    for where, _, container in each_container(documents):
        address = program_options(container.get("args", [])).get("--service")
        if address is not None and address.removeprefix("dns:///") not in headless:
            yield f"{where}: {address} is no headless Service"
    if secret["stringData"]["url"].split("@")[1] not in headless:
        yield "the Secret's url is no headless Service"


def allows(documents, source, target, port):
    """Whether the policies let `source` (a workload; None: a foreign Pod) reach `port` of `target`."""
    def permits(subject, direction, peer_key, peer):
        policies = [p for p in of_kind(documents, "NetworkPolicy")
                    if direction in p["spec"]["policyTypes"] and matches(p["spec"]["podSelector"], pod(subject)["metadata"]["labels"])]
        if not policies:
            return True
        for policy in policies:
            for rule in policy["spec"].get(direction.lower(), []):
                if not any(p.get("port") == port for p in rule.get("ports", [])):
                    continue
                for other in rule[peer_key]:
                    if peer and "namespaceSelector" not in other and matches(other["podSelector"], pod(peer)["metadata"]["labels"]):
                        return True
        return False

    return (source is None or permits(source, "Egress", "to", target)) and permits(target, "Ingress", "from", source)


def check_network(documents):
    by_name = {workload["metadata"]["name"]: workload for workload in workloads(documents)}
    gateway, service, redis = by_name["callhistory-gateway"], by_name["callhistoryd"], by_name["callhistory-redis"]
    all_pods = [p for p in of_kind(documents, "NetworkPolicy")
                if p["spec"]["podSelector"] == {} and set(p["spec"]["policyTypes"]) == {"Ingress", "Egress"}]
    if not any("ingress" not in p["spec"] and "egress" not in p["spec"] for p in all_pods):
        yield "no policy denies what is not listed"
    wanted = {(gateway["metadata"]["name"], service["metadata"]["name"], "grpc"), ("callhistoryd", "callhistory-redis", "redis")}
    for source in (gateway, service, redis, None):
        for target, port in ((service, "grpc"), (redis, "redis"), (gateway, "http")):
            pair = (source["metadata"]["name"] if source else "another Pod", target["metadata"]["name"], port)
            if source is not target and allows(documents, source, target, port) != (pair in wanted):
                yield f"{pair[0]} → {pair[1]}: {'not allowed' if pair in wanted else 'allowed'}"
    for policy in of_kind(documents, "NetworkPolicy"):
        targets = selected(documents, policy["spec"]["podSelector"])
        names = {port["name"] for w in targets for c in containers(w) for port in c.get("ports", [])}
        if not targets:
            yield f"{name(policy)}: selects nothing"
        for rule in policy["spec"].get("ingress", []):
            for port in rule["ports"]:
                if port["port"] not in names:
                    yield f"{name(policy)}: no port {port['port']}"


def check_labels(documents, version):
    for document in documents:
        if document["kind"] in ("Namespace", "NetworkPolicy"):
            continue
        metadata = [document["metadata"]]
        wanted = ["name", "component", "part-of"]
        if document in workloads(documents):
            metadata.append(pod(document)["metadata"])
            wanted.append("version")
        for label in wanted:
            if any(f"app.kubernetes.io/{label}" not in each.get("labels", {}) for each in metadata):
                yield f"{name(document)}: no label app.kubernetes.io/{label}"
    for where, workload, container in each_container(documents):
        image, _, tag = container["image"].partition(":")
        if image.startswith("callhistory/") and tag != version:
            yield f"{where}: {container['image']} is not version {version}"
        if pod(workload)["metadata"]["labels"].get("app.kubernetes.io/version") != tag:
            yield f"{where}: its version label is not {tag}"


def problems(documents, helps, secret, version):
    found = []
    for check in (check_pods, check_containers, check_probe_ports, check_secrets, check_time_to_end, check_workers, check_services,
                  check_selectors, check_availability, check_storage, check_network):
        found += check(documents)
    found += check_references(documents, secret)
    found += check_addresses(documents, secret)
    found += check_options(documents, helps)
    found += check_labels(documents, version)
    return found
