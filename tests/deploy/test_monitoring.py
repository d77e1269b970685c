"""Alerts and dashboard: every expression is held against what the programs export."""

import http.client
import json
import re
import unittest

import yaml

import harness
from harness import call
from render import read

# Not ours: kube-state-metrics makes it.
FOREIGN = {"kube_pod_deletion_timestamp"}
# Labels that Prometheus adds at the scrape.
ADDED = {"instance", "job", "namespace", "pod"}

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
        if metric in FOREIGN or metric.startswith("callhistory:"):
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
        for text in (gateway, service):
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

    def test_every_alert_has_its_line_in_the_runbook(self):
        headings = {heading.lower() for heading in re.findall(r"(?m)^#+ (\S+)$", read("deploy", "README.md"))}
        for rule in self.rules:
            if "alert" in rule:
                self.assertIn(rule["labels"]["severity"], ("page", "ticket"))
                self.assertEqual(rule["annotations"]["runbook"], "deploy/README.md#" + rule["alert"].lower())
                self.assertIn(rule["alert"].lower(), headings)
                self.assertTrue(rule["annotations"]["summary"])

    def test_the_runbook_knows_no_other_alert(self):
        alerts = {rule["alert"] for rule in self.rules if "alert" in rule}
        self.assertEqual(set(re.findall(r"(?m)^#+ (CallHistory\w+)$", read("deploy", "README.md"))), alerts)

    def test_the_dashboard_is_whole(self):
        panels = self.dashboard["panels"]
        self.assertEqual(len({panel["id"] for panel in panels}), len(panels))
        variables = {variable["name"] for variable in self.dashboard["templating"]["list"]}
        used = set(re.findall(r"\$\{?(\w+)", json.dumps(panels))) - {"__rate_interval"}
        self.assertEqual(used, variables)


if __name__ == "__main__":
    unittest.main()
