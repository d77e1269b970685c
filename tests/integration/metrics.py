"""A strict reader of Prometheus's text format: what is not exactly as the format says is an error.

    page = metrics.parse(text)
    page.value("callhistory_workers")
    page.count("http_server_request_duration_seconds", http_response_status_code="200")
"""

import math
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\S+)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)')
KINDS = {"counter", "gauge", "histogram"}


class Metrics:
    def __init__(self):
        self.families = {}  # name: kind
        self.samples = {}  # (name, labels as a sorted tuple): value

    def series(self, name, **labels):
        wanted = set(labels.items())
        return {found: value for (sample, found), value in self.samples.items() if sample == name and wanted <= set(found)}

    def value(self, name, **labels):
        """The one sample of this name and labels, 0 where there is none."""
        found = self.series(name, **labels)
        assert len(found) <= 1, (name, found)
        return next(iter(found.values()), 0)

    def count(self, histogram, **labels):
        """How much all matching histograms have counted."""
        return sum(self.series(histogram + "_count", **labels).values())


def _labels(text):
    found, at = {}, 0
    while at < len(text):
        match = LABEL.match(text, at)
        assert match, f"not a label: {text[at:]!r}"
        assert match[1] not in found, f"label {match[1]} twice"
        found[match[1]] = match[2]
        assert match[3] or match.end() == len(text)
        at = match.end()
    return found


def _number(text):
    assert re.fullmatch(r"[+-]?(\d+(\.\d+)?(e[+-]?\d+)?|Inf)|NaN", text), f"not a number: {text!r}"
    return float(text)


def _family(name, families):
    """The family that a sample belongs to."""
    if families.get(name) in ("counter", "gauge"):
        return name
    for suffix in ("_bucket", "_sum", "_count"):
        if name.endswith(suffix) and families.get(name[: -len(suffix)]) == "histogram":
            return name[: -len(suffix)]
    raise AssertionError(f"{name} has no TYPE before it")


def parse(text):
    page, helped, current, closed = Metrics(), set(), None, set()
    assert text.endswith("\n") and "\r" not in text
    for line in text[:-1].split("\n"):
        if line.startswith("#"):
            what, name, rest = re.fullmatch(rf"# (HELP|TYPE) ({NAME}) (.+)", line).groups()
            if what == "HELP":
                assert name not in helped, f"HELP of {name} twice"
                helped.add(name)
            else:
                assert rest in KINDS and name not in page.families and name in helped, line
                page.families[name] = rest
                if current:
                    closed.add(current)
                current = name
            continue
        name, labels, value = SAMPLE.fullmatch(line).groups()
        family = _family(name, page.families)
        assert family == current and family not in closed, f"{name} stands apart from its family"
        key = name, tuple(sorted(_labels(labels or "").items()))
        assert key not in page.samples, f"{key} twice"
        page.samples[key] = _number(value)
        if page.families[family] != "gauge":
            assert page.samples[key] >= 0
        if page.families[family] == "counter":
            assert name.endswith("_total"), f"the counter {name} is not called _total"
    for name, kind in page.families.items():
        if kind == "histogram":
            _check_histogram(page, name)
        else:
            assert page.series(name), f"{name} has a TYPE and no value"
    return page


def _check_histogram(page, name):
    """Buckets rise to the count, at +Inf; bounds rise; each has a sum."""
    for labels, buckets in _histogram(page, name).items():
        bounds = [bound for bound, _ in buckets]
        counts = [count for _, count in buckets]
        assert bounds == sorted(set(bounds)) and bounds[-1] == math.inf, (name, bounds)
        assert counts == sorted(counts), (name, counts)
        assert counts[-1] == page.value(name + "_count", **dict(labels)), (name, labels)
        assert 10 <= len(bounds) <= 24, f"{name}: {len(bounds)} buckets"


def _histogram(page, name):
    """The buckets by the other labels: (bound, count) of each."""
    by_labels = {}
    for labels, value in page.series(name + "_bucket").items():
        bound = dict(labels)["le"]
        rest = tuple(pair for pair in labels if pair[0] != "le")
        by_labels.setdefault(rest, []).append((math.inf if bound == "+Inf" else float(bound), value))
    assert set(by_labels) == set(page.series(name + "_count")) == set(page.series(name + "_sum")), name
    return by_labels


def check_sums(page):
    """Each sum fits the buckets from both sides: of programs at rest, because a page is no snapshot of workers that count meanwhile."""
    for name in (name for name, kind in page.families.items() if kind == "histogram"):
        for labels, buckets in _histogram(page, name).items():
            total, count = page.value(name + "_sum", **dict(labels)), buckets[-1][1]
            # No less than all of them at the lower end of their buckets.
            lowest = sum((count - before) * lower for (lower, before), (_, count) in zip([(0, 0), *buckets], buckets))
            if count == buckets[-2][1]:
                highest = sum((count - before) * upper for (_, before), (upper, count) in zip([(0, 0), *buckets[:-2]], buckets[:-1]))
                assert total <= highest + 1e-5 * max(count, 1), (name, labels, total, highest)
            assert total >= lowest - 1e-5 * max(count, 1), (name, labels, total, lowest)
