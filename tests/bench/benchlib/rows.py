"""The lines that are measured in turn, round after round. A line is a key, the stacks it needs and a function."""

import fnmatch

from . import data as calls_data
from .stacks import calls_body

PAGES = {"10": (1, 10), "100": (1, 100), "1000": (1, 1000), "count": (None, None)}
CONNECTIONS = (1, 64, 1000)


class Line:
    """One line: `measure` gives an outcome (a dictionary of figures)."""

    def __init__(self, key, text, measure):
        self.key, self.text, self.measure = key, text, measure
        self.outcomes = []


def chosen(lines, patterns):
    """The lines whose key matches one of the patterns; all where there is none."""
    if not patterns:
        return lines
    return [line for line in lines if any(fnmatch.fnmatch(line.key, p) for p in patterns)]


class Lines:
    """Makes the lines over a set of stacks."""

    def __init__(self, tools, data, seconds):
        self.tools, self.data, self.seconds = tools, data, seconds
        self.lines = []
        self._files = {}
        some = data.customers_of(10)
        self.numbers = {
            "10": some, "count": some,
            "100": data.customers_of(100) or calls_data.BIG,
            "1000": data.customers_of(1000) or calls_data.BIG,
        }

    def _add(self, key, text, measure):
        self.lines.append(Line(key, text, measure))

    def _bodies_file(self, stack, numbers, page, size):
        key = (stack.name, page, size, tuple(numbers[:50]))
        if key not in self._files:
            token = stack.stack.token if hasattr(stack, "stack") else stack.token
            self._files[key] = self.tools.lines_file([token] + [calls_body(n, page, size) for n in numbers])
        return self._files[key]

    def http(self, key, text, stack, numbers, page, size, connections):
        file = self._bodies_file(stack, numbers, page, size)
        self._add(key, text, lambda: self.tools.http(stack, file, connections, self.seconds))

    def chain(self, stack, key, pages=PAGES, connections=CONNECTIONS):
        for name in pages:
            page, size = PAGES[name]
            text = f"{stack.name}: " + ("count" if name == "count" else f"page of {name}")
            for count in connections:
                self.http(f"{key}/{name}/{count}", f"{text}, {count} connections", stack, self.numbers[name], page, size,
                          count)

    def raw(self, product):
        keys = self.tools.lines_file([product.home_key(n) for n in self.numbers["10"]])
        for command in ("page", "count"):
            for connections, depth in ((64, 1), (1, 64)):
                more = ["--command", command, "--connections", str(connections), "--depth", str(depth)]
                self._add(f"raw/{command}/{connections}x{depth}",
                          f"raw Redis: {command}, {connections} connections, {depth} deep",
                          lambda more=more: self.tools.redis(product, keys, self.seconds, *more))

    def service(self, product):
        numbers = self.tools.lines_file(self.numbers["10"])
        token = product.token_file
        cases = (("page/64", "page of 10, 64 in flight", ["--in-flight", "64"]),
                 ("page/1", "page of 10, 1 in flight", ["--in-flight", "1"]),
                 ("count/64", "count, 64 in flight", ["--in-flight", "64", "--count"]))
        for key, text, more in cases:
            self._add("service/" + key, "service alone: " + text,
                      lambda more=more: self.tools.grpc(product, token, numbers, calls_data.ACCOUNT, self.seconds, *more))

    def floor(self, floors):
        numbers = self.tools.lines_file(self.numbers["10"])
        self.http("floor/http", "floor: libmicrohttpd alone, page of 10, 64 connections", floors, self.numbers["10"], 1, 10, 64)
        self._add("floor/rpc", "floor: the rpc module alone, page of 10, 64 in flight",
                  lambda: self.tools.grpc(floors, floors.token_file, numbers, calls_data.ACCOUNT, self.seconds, "--in-flight", "64"))

    def ratios(self, product, small=None, small_data=None):
        """Pairs that a target compares, one connection each, so that latency is not waiting."""
        big, little = calls_data.BIG, calls_data.SMALL
        extension, count = self.data.busiest_extension()
        self.http("ratio/customer-3000", "page of 10 of customers with 3,000 calls", product, big, 1, 10, 1)
        self.http("ratio/customer-20", "page of 10 of customers with 20 calls", product, little, 1, 10, 1)
        self.http("ratio/page-1", "page 1 of 3 calls of customers with 3,000", product, big, 1, 3, 1)
        self.http("ratio/page-1000", "page 1,000 of 3 calls of customers with 3,000", product, big, 1000, 3, 1)
        self.http("ratio/extension", f"page of 10 of an extension with {count:,} calls", product, [extension], 1, 10, 1)
        if count >= 10000:
            self.http("ratio/extension-1000", f"page 1,000 of 10 of the extension with {count:,} calls", product,
                      [extension], 1000, 10, 1)
        if small:
            self.http("ratio/small-data", f"page of 10, {small_data.lines:,} calls in all", small,
                      small_data.customers_of(10), 1, 10, 1)
            self.http("ratio/all-data", f"page of 10, {self.data.lines:,} calls in all", product, self.numbers["10"], 1,
                      10, 1)
