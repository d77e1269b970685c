"""Alerts and dashboard: every expression is held against what the programs export."""

import http.client
import json
import os
import re
import subprocess
import unittest

import yaml

import harness
import manifests
import tools
from harness import call
from render import DEPLOY, read, redis_command, redis_is_old, rendered

# Made by kube-state-metrics, the kubelet, node_exporter, cert-manager and the blackbox exporter.
FOREIGN = re.compile(r"kube_|kubelet_|node_|certmanager_|probe_")
# Labels that Prometheus adds at the scrape.
ADDED = {"instance", "job", "namespace", "pod", "cronjob"}

PROMQL_TOKEN = re.compile(r"""
    (?P<grouping>\b(?:by|without|on|ignoring)\s*\((?P<labels>[^)]*)\))
  | (?P<operator>\b(?:and|or|unless|bool|offset)\b)
  | (?P<function>[a-zA-Z_]\w*\s*(?=\(|(?:by|without)\b))
  | (?P<metric>[a-zA-Z_:][\w:]*)\s*(?:\{(?P<matchers>[^}]*)\})?
  | (?P<range>\[[^\]]*\])
  | (?P<rest>[-+*/%^<>=!(),.\s\d]+)
""", re.X)


def parse(expression):
    """The selectors of a PromQL expression, as (metric, [(label, operator, value)]), and the labels that it groups by."""
    selectors, groups, place = [], set(), 0
    while place < len(expression):
        token = PROMQL_TOKEN.match(expression, place)
        assert token, f"not understood: {expression[place:]}"
        place = token.end()
        if token["metric"]:
            selectors.append((token["metric"], re.findall(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"', token["matchers"] or "")))
        elif token["grouping"]:
            groups.update(re.findall(r"\w+", token["labels"]))
    return selectors, groups


def samples(text):
    """metric → list of label dictionaries, of Prometheus's text format."""
    found = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            metric, labels = re.match(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? \S+$", line).groups()
            found.setdefault(metric, []).append(dict(re.findall(r'(\w+)="([^"]*)"', labels or "")))
    return found


def expression_problems(expression, exported):
    """What an expression names that no program exports."""
    selectors, groups = parse(expression)
    for metric, labels in selectors:
        if FOREIGN.match(metric) or metric.startswith("callhistory:"):
            continue
        if metric not in exported:
            yield f"no metric {metric}"
            continue
        for label, operator, value in labels:
            having = [sample[label] for sample in exported[metric] if label in sample]
            if label not in ADDED and not having:
                yield f"{metric} has no label {label}"
            elif label in ("le", "program", "http_route") and not any(re.fullmatch(value, one) if "~" in operator else value == one
                                                                      for one in having):
                yield f"{metric} has no {label} {value}"
    known = {label for labels in exported.values() for sample in labels for label in sample} | ADDED
    for label in groups - known:
        yield f"no label {label}"


def redis_metrics(folder):
    """What redis_exporter shows of a replica in a cluster's mode: every metric that the alerts read is there."""
    port, web = harness.free_port(), harness.free_port()
    secrets = os.path.join(folder, "secrets")
    subprocess.run([os.path.join(DEPLOY, "redis", "credentials"), "create", secrets], check=True, timeout=harness.WAIT_SECONDS,
                   env={**harness.clean_environment(), **({"REDIS_OLD": "1"} if redis_is_old() else {})})
    with open(os.path.join(secrets, "exporter.json"), encoding="ascii") as file:
        passwords = json.load(file)
    with open(os.path.join(secrets, "exporter.json"), "w", encoding="ascii") as file:
        json.dump({address.replace("6379", str(port)): password for address, password in passwords.items()}, file)
    text = ""
    for mode in ("cluster", "single"):
        data = os.path.join(folder, "redis-" + mode)
        os.mkdir(data)
        variables = {"REDIS_DIR": data, "REDIS_PORT": port, "REDIS_BIND": "127.0.0.1", "REDIS_SECRETS": secrets, "REDIS_MODE": mode,
                     "REDIS_ANNOUNCE": "127.0.0.1", "REDIS_MEMORY_LIMIT": 64 * 1024 * 1024, "REDIS_COMMAND": redis_command()}
        server = harness.Process("redis", data, ["env", *(f"{key}={value}" for key, value in variables.items()),
                                                 os.path.join(DEPLOY, "redis", "start")])
        exporter = harness.Process("exporter", data, [
            tools.tool("prometheus-redis-exporter"), f"--redis.addr=redis://localhost:{port}", "--redis.user=exporter",
            "--redis.password-file=" + os.path.join(secrets, "exporter.json"), "--config-command=-",
            f"--web.listen-address=127.0.0.1:{web}"])
        try:
            server.start()
            harness.wait_until(lambda: harness.connects(port), "Redis")
            if mode == "single":
                subprocess.run([os.path.join(DEPLOY, "redis", "cli"), "replicaof", "127.0.0.1", "1"], check=True, capture_output=True,
                               timeout=harness.WAIT_SECONDS, env={**harness.clean_environment(), "REDIS_PORT": str(port),
                                                                  "REDIS_SECRETS": secrets, "REDIS_COMMAND": redis_command()})
            exporter.start()
            harness.wait_until(lambda: harness.connects(web), "redis_exporter")
            connection = http.client.HTTPConnection("127.0.0.1", web, timeout=harness.WAIT_SECONDS)
            connection.request("GET", "/metrics")
            text += "\n".join(line for line in connection.getresponse().read().decode().splitlines() if line.startswith("redis_")) + "\n"
            connection.close()
        finally:
            exporter.stop()
            server.stop()
    assert "redis_up 1" in text and "redis_up 0" not in text, text
    return text


class Observability(harness.StackTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.stack.import_lines([call("0903000001", second) for second in range(3)])
        cls.stack.count("0903000001")
        cls.stack.list("0903000001")
        cls.stack.request("GET", harness.PATH)
        _, _, gateway = cls.stack.request("GET", "/metrics")
        connection = http.client.HTTPConnection("127.0.0.1", cls.stack.metrics_port, timeout=harness.WAIT_SECONDS)
        connection.request("GET", "/metrics")
        service = connection.getresponse().read()
        connection.close()
        cls.exported = {}
        for text in (gateway, service, redis_metrics(cls.stack.folder).encode()):
            for metric, labels in samples(text.decode()).items():
                cls.exported.setdefault(metric, []).extend(labels)
        cls.groups = yaml.safe_load(read("deploy", "observability", "alerts.yaml"))["groups"]
        cls.rules = [rule for group in cls.groups for rule in group["rules"]]
        cls.dashboard = json.loads(read("deploy", "observability", "dashboard.json"))

    def expressions(self):
        for rule in self.rules:
            yield rule.get("alert") or rule["record"], rule["expr"]
        for panel in self.dashboard["panels"]:
            for target in panel.get("targets", []):
                yield panel["title"], target["expr"]

    def test_every_metric_is_exported(self):
        for where, expression in self.expressions():
            self.assertTrue(parse(expression)[0], where)
            self.assertEqual(list(expression_problems(expression, self.exported)), [], where)

    def test_expressions_are_read_as_they_are_meant(self):
        self.assertEqual(
            parse('1 - sum by (le, a) (rate(m_bucket{x=~"1|2", y!="{"}[5m])) / n > 0.5 and absent(up:x{z="1"})'),
            ([("m_bucket", [("x", "=~", "1|2"), ("y", "!=", "{")]), ("n", []), ("up:x", [("z", "=", "1")])], {"le", "a"}))

    def test_a_metric_that_is_not_exported_is_found(self):
        for expression, problem in (
            ("sum(rate(no_such_metric_total[5m]))", "no metric no_such_metric_total"),
            ('callhistory_workers{colour="red"}', "callhistory_workers has no label colour"),
            ('http_server_request_duration_seconds_bucket{le="0.123"}', "http_server_request_duration_seconds_bucket has no le 0.123"),
            ('http_server_request_duration_seconds_count{http_route=~"/nowhere.*"}',
             "http_server_request_duration_seconds_count has no http_route /nowhere.*"),
            ("sum by (colour) (callhistory_workers)", "no label colour"),
        ):
            self.assertEqual(list(expression_problems(expression, self.exported)), [problem])

    def test_recorded_series_are_those_that_alerts_read(self):
        recorded = {rule["record"] for rule in self.rules if "record" in rule}
        read_by_alerts = {metric for rule in self.rules if "alert" in rule for metric, _ in parse(rule["expr"])[0]
                          if metric.startswith("callhistory:")}
        self.assertEqual(recorded, read_by_alerts)

    def test_every_alert_has_its_section_in_the_runbook(self):
        headings = set(re.findall(r"(?m)^#+ (CallHistory\w+)$", read("deploy", "docs", "runbook.md")))
        alerts = {rule["alert"]: rule for rule in self.rules if "alert" in rule}
        self.assertEqual(headings, set(alerts))
        for name, rule in alerts.items():
            self.assertIn(rule["labels"]["severity"], ("critical", "warning"))
            self.assertTrue(rule["annotations"]["runbook_url"].endswith("/runbook#" + name.lower()), name)
            self.assertTrue(rule["annotations"]["summary"])

    def test_the_runbook_names_every_reason_of_a_refusal(self):
        """CallHistoryOverload counts a status: what to do depends on the reason, of which proto/README.md has the list."""
        runbook = read("deploy", "docs", "runbook.md")

        def section(name):
            return re.search(rf"(?ms)^### {name}$(.*?)(?=^### |\Z)", runbook)[1]

        reasons = {reason for row in re.findall(r"(?m)^\| `RESOURCE_EXHAUSTED` \| ([^|]*)", read("proto", "README.md"))
                   for reason in re.findall(r"`(\w+)`", row)}
        self.assertIn("STORE_FULL", reasons)
        self.assertEqual({reason for reason in reasons if f"`{reason}`" not in section("CallHistoryOverload")}, set())
        self.assertIn("RESOURCE_EXHAUSTED, reason `STORE_FULL`", section("CallHistoryRedisMemoryFull"))
        self.assertIn("CallHistoryRedisMemoryFull", section("CallHistoryOverload"))

    def test_every_alert_stays_quiet_and_fires(self):
        """promtool runs the unit tests, and every alert has both cases."""
        text = read("deploy", "observability", "alerts_test.yaml")
        quiet, fires = set(), set()
        for test in yaml.safe_load(text)["tests"]:
            for case in test["promql_expr_test"]:
                (fires if case["exp_samples"] else quiet).update(re.search(r'alertname=~?"([\w|]+)"', case["expr"])[1].split("|"))
        alerts = {rule["alert"] for rule in self.rules if "alert" in rule}
        self.assertEqual(quiet, alerts)
        self.assertEqual(fires, alerts)
        tools.run("promtool", "check", "rules", os.path.join(DEPLOY, "observability", "alerts.yaml"))
        tools.run("promtool", "test", "rules", os.path.join(DEPLOY, "observability", "alerts_test.yaml"))

    def test_the_operators_object_has_the_same_rules(self):
        self.assertEqual(yaml.safe_load(read("deploy", "observability", "prometheus-rule.yaml"))["spec"]["groups"], self.groups)

    def test_the_monitors_find_the_ports(self):
        documents = rendered("tests/monitoring")
        for monitor in manifests.of_kind(documents, "PodMonitor"):
            (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
            targets = manifests.selected(documents, monitor["spec"]["selector"])
            self.assertTrue(targets, manifests.name(monitor))
            for target in targets:
                ports = {port["name"] for container in manifests.containers(target) for port in container.get("ports", [])}
                self.assertIn(endpoint["port"], ports, manifests.name(target))

    def test_the_dashboard_is_whole(self):
        panels = self.dashboard["panels"]
        self.assertEqual(len({panel["id"] for panel in panels}), len(panels))
        variables = {variable["name"] for variable in self.dashboard["templating"]["list"]}
        used = set(re.findall(r"\$\{?(\w+)", json.dumps(panels))) - {"__rate_interval"}
        self.assertEqual(used, variables)


if __name__ == "__main__":
    unittest.main()
