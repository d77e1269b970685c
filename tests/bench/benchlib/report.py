"""Medians, spread, ratios and targets, as Markdown tables and as JSON."""

import os
import platform
import statistics
import subprocess
import time

MIB = 1 << 20


def median(values):
    values = [v for v in values if v is not None]
    return statistics.median(values) if values else None


def summary(line):
    """Medians of a line's outcomes, with the spread of its rate."""
    out = {"key": line.key, "text": line.text, "rounds": len(line.outcomes)}
    names = {name for outcome in line.outcomes for name, value in outcome.items() if isinstance(value, (int, float))}
    for name in names:
        out[name] = median([outcome.get(name) for outcome in line.outcomes])
    rates = [outcome["rate"] for outcome in line.outcomes if "rate" in outcome]
    if rates:
        out["rate_low"], out["rate_high"] = min(rates), max(rates)
    processes = {name for outcome in line.outcomes for name in outcome.get("cpu_us", {})}
    out["cpu_us"] = {name: median([o["cpu_us"].get(name) for o in line.outcomes if "cpu_us" in o]) for name in processes}
    out["outcomes"] = line.outcomes
    return out


def machine(source):
    """Where and on what this was measured."""
    def read(path, prefix):
        with open(path, encoding="utf-8") as file:
            return next((line.split(":", 1)[1].strip() for line in file if line.startswith(prefix)), "?")

    def git(*arguments):
        return subprocess.run(["git", "-C", source, *arguments], capture_output=True, text=True, check=False).stdout.strip()

    return {
        "date": time.strftime("%Y-%m-%d"), "commit": git("rev-parse", "--short", "HEAD"),
        "changed": bool(git("status", "--porcelain", "--untracked-files=no")),
        "processor": read("/proc/cpuinfo", "model name"), "cores": os.cpu_count(),
        "memory_gib": round(int(read("/proc/meminfo", "MemTotal").split()[0]) / MIB), "kernel": platform.release(),
    }


def _cell(value, form):
    return "" if value is None else form.format(value)


def _short(name):
    """gateway, service, redis or generator."""
    for part in ("gateway-tcp", "gateway", "service", "redis", "generator"):
        if name.endswith(part):
            return part.replace("-tcp", "")
    return name


def lines_table(summaries):
    rows = ["| line | per second | spread | p50 ms | p99 ms | CPU µs a request | others' CPU |", "|---|---:|---|---:|---:|---|---:|"]
    order = ("gateway", "service", "redis", "generator")
    for s in summaries:
        if "rate" not in s:
            continue
        cpu = {_short(name): value for name, value in s["cpu_us"].items() if value is not None}
        parts = ", ".join(f"{name} {cpu[name]:.1f}" for name in order if name in cpu)
        spread = f"{s['rate_low']:,.0f}–{s['rate_high']:,.0f}"
        ms = {name: s[name] / 1e3 if s.get(name) is not None else None for name in ("p50_us", "p99_us")}
        errors = f" ({s['errors']:.0f} errors)" if s.get("errors") else ""
        rows.append(f"| {s['text']}{errors} | {s['rate']:,.0f} | {spread} | {_cell(ms['p50_us'], '{:.2f}')} | "
                    f"{_cell(ms['p99_us'], '{:.2f}')} | {parts} | {_cell(s.get('others_share'), '{:.0%}')} |")
    return rows


# name, text, and the targets: our rate against theirs, their CPU per page against ours, our p99 against theirs.
PEERS = (("go-direct", "Go tuned by hand", 3.6, 4.2, 0.2), ("go-gateway", "Go grpc-gateway", 6.5, 7.5, 0.15),
         ("node", "Node", 12, 12, 0.1), ("rust", "Rust", None, None, None))


def _figure(key, name):
    """A function that gives a figure of a line from the outcomes of one round."""
    return lambda lines: lines[key][name]


def _cpu(key, *parts):
    """The same for the CPU per request, of all programs or of some; the load generator only where it is named."""
    def total(lines):
        used = {_short(name): value for name, value in lines[key]["cpu_us"].items()}
        return sum(value for name, value in used.items() if (name in parts if parts else name != "generator"))
    return total


class Targets:
    """What was wanted and what was measured; a line that was not measured leaves its row out."""

    def __init__(self, summaries, facts):
        self.by_key = {s["key"]: s for s in summaries}
        self.facts = facts
        self.rows = []

    def value(self, key, name):
        return self.by_key.get(key, {}).get(name)

    def _add(self, what, wanted, measured, met):
        self.rows.append({"what": what, "wanted": wanted, "measured": measured, "met": met})

    def ratio(self, what, name, above, below, wanted, least=None, most=None, digits=2):
        """above/below of a figure against a bound."""
        a, b = self.value(above, name), self.value(below, name)
        if not a or not b:
            return
        ratio = a / b
        met = ratio >= least if least is not None else ratio <= most
        self._add(what, wanted, f"{ratio:.{digits}f} ×", met)

    def of_rounds(self, what, top, bottom, wanted, least=None, most=None, digits=2):
        """The ratio of two figures of the same round, each a function of the round's outcomes by line; the median, and the spread."""
        ratios = []
        for number in range(max((s["rounds"] for s in self.by_key.values()), default=0)):
            outcomes = {key: s["outcomes"][number] for key, s in self.by_key.items() if number < len(s["outcomes"])}
            try:
                ratios.append(top(outcomes) / bottom(outcomes))
            except (KeyError, ZeroDivisionError):
                return
        if not ratios:
            return
        ratio = median(ratios)
        met = ratio >= least if least is not None else most is None or ratio <= most
        spread = f" ({min(ratios):.{digits}f}–{max(ratios):.{digits}f})" if len(ratios) > 1 else ""
        self._add(what, wanted, f"{ratio:.{digits}f} ×{spread}", met)

    def bound(self, what, value, form, wanted, least=None, most=None):
        if value is None:
            return
        self._add(what, wanted, form.format(value), value >= least if least is not None else value <= most)

    def peers(self):
        for name, text, rate, cpu, p99 in PEERS:
            key = f"{name}/10/64"
            self.of_rounds(f"page of 10, 64 connections: rate against {text}", _figure("chain/10/64", "rate"), _figure(key, "rate"),
                           f"≥ {rate} ×" if rate else "reported", least=rate)
            self.of_rounds(f"the same: CPU per page of {text} against ours", _cpu(key), _cpu("chain/10/64"),
                           f"≥ {cpu} ×" if cpu else "reported", least=cpu)
            self.of_rounds(f"the same: p99 against {text}", _figure("chain/10/64", "p99_us"), _figure(key, "p99_us"),
                           f"≤ {p99} ×" if p99 else "reported", most=p99)

    def floors(self):
        floor = lambda lines: _cpu("floor/http")(lines) + _cpu("floor/rpc", "service", "generator")(lines) + _cpu("raw/page/1x64")(lines)
        rpc_floor = lambda lines: _cpu("floor/rpc", "service")(lines) + _cpu("raw/page/1x64")(lines)
        self.of_rounds("CPU of the chain against the libraries alone (libmicrohttpd, gRPC on both sides, Redis pipelined)",
                       _cpu("chain/10/64"), floor, "≤ 1.30 ×", most=1.30)
        self.of_rounds("CPU of the service and its Redis against the same alone", _cpu("service/page/64"), rpc_floor, "≤ 1.20 ×",
                       most=1.20)

    def chain(self):
        cpu = self.by_key.get("chain/10/64", {}).get("cpu_us", {})
        total = sum(value for name, value in cpu.items() if name != "generator") if cpu else None
        self.bound("CPU of gateway + service + Redis per page of 10", total, "{:.1f} µs", "≤ 50 µs", most=50)
        self.of_rounds("CPU per page with 1,000 connections against 64", _cpu("chain/10/1000"), _cpu("chain/10/64"), "≤ 1.25 ×",
                       most=1.25)
        self.of_rounds("p99 against p50 with 1,000 connections", _figure("chain/10/1000", "p99_us"), _figure("chain/10/1000", "p50_us"),
                       "≤ 1.8 ×", most=1.8)
        self.of_rounds("count through the chain against a page of 10", _figure("chain/count/64", "rate"),
                       _figure("chain/10/64", "rate"), "≥ 1.25 ×", least=1.25)
        self.ratio("p50, all data against 10,000 calls", "p50_us", "ratio/all-data", "ratio/small-data", "≤ 1.1 ×", most=1.1)
        self.ratio("p50, page 1,000 against page 1", "p50_us", "ratio/page-1000", "ratio/page-1", "≤ 1.5 ×", most=1.5)
        self.ratio("p50, page 1,000 of an extension against its page 1", "p50_us", "ratio/extension-1000", "ratio/extension",
                   "≤ 1.5 ×", most=1.5)
        self.ratio("p50, customer with 3,000 calls against one with 20", "p50_us", "ratio/customer-3000", "ratio/customer-20",
                   "≤ 1.5 ×", most=1.5)
        self.ratio("p50, page of the busiest extension against a customer's", "p50_us", "ratio/extension", "ratio/all-data",
                   "≤ 2.5 ×", most=2.5)

    def storage(self):
        self.bound("Redis memory per call", self.facts.get("bytes_per_call", {}).get("product"), "{:.0f} bytes", "≤ 336 bytes",
                   most=336)  # 325, and 11 of the stream of changes
        for mode, least in (("always", 30000), ("everysec", 60000)):
            self.bound(f"import, appendfsync {mode}", self.value(f"import/{mode}", "rate"), "{:,.0f} calls/s",
                       f"≥ {least:,} calls/s", least=least)
            beside = self.by_key.get(f"import/{mode}-readers")
            if beside:
                self.bound(f"readers' p99 during import, appendfsync {mode}, against quiet",
                           beside["p99_us"] / max(beside["quiet_p99_us"], 1), "{:.2f} ×", "≤ 3 ×", most=3)

    def programs(self):
        rest, idle = self.facts.get("rest", {}).get("product"), self.facts.get("idle", {}).get("product")
        for part in ("gateway", "service"):
            if rest:
                self.bound(f"RSS at rest, {part}", rest[part] / MIB, "{:.1f} MiB", "≤ 16 MiB", most=16)
        after = self.facts.get("after", {}).get("product")
        for part, most in (("gateway", 48), ("service", 40)):
            if after:
                self.bound(f"RSS 10 s after all load, {part}", after[part] / MIB, "{:.1f} MiB", f"≤ {most} MiB", most=most)
        if idle:
            self._add("8 KiB of headers in 40 lines, beside the idle connections", "answered",
                      "answered" if idle["large_heads"] else "refused", idle["large_heads"])
            self.bound("RSS of the gateway with 10,000 idle connections", idle["gateway"] / MIB, "{:.1f} MiB", "≤ 64 MiB", most=64)
        self.bound("start to first answer", self.value("start", "milliseconds"), "{:.0f} ms", "≤ 150 ms", most=150)

    def table(self):
        self.peers()
        self.floors()
        self.chain()
        self.storage()
        self.programs()
        rows = ["| what | target | measured | met |", "|---|---|---:|---|"]
        for row in self.rows:
            rows.append(f"| {row['what']} | {row['wanted']} | {row['measured']} | {'yes' if row['met'] else 'no'} |")
        return rows


def facts_table(facts):
    """Memory, sizes: one column a stack."""
    tables = [value for value in facts.values() if isinstance(value, dict)]
    names = [n for n in ("product", "go-gateway", "go-direct", "node", "rust") if any(n in table for table in tables)]
    rows = ["| | " + " | ".join(names) + " |", "|---|" + "---:|" * len(names)]

    def add(text, cell):
        rows.append(f"| {text} | " + " | ".join(cell(name) for name in names) + " |")

    def mib(kind, part):
        return lambda name: _cell(facts.get(kind, {}).get(name, {}).get(part, 0) / MIB or None, "{:.1f}")

    for kind, text in (("rest", "RSS at rest"), ("after", "RSS 10 s after the load"), ("idle", "RSS with 10,000 idle connections")):
        for part in ("gateway", "service"):
            if facts.get(kind):
                add(f"{text}, {part}, MiB", mib(kind, part))
    for part in ("gateway", "service"):
        add(f"size of the {part} on disk, MiB", mib("size", part))
    add("Redis memory per call, bytes", lambda name: _cell(facts.get("bytes_per_call", {}).get(name), "{:.0f}"))
    return rows


def markdown(summaries, facts, where, options):
    targets = Targets(summaries, facts)
    heading = [
        f"{where['date']}, commit {where['commit']}{' (with changes)' if where['changed'] else ''}, {where['cores']} cores, "
        f"{where['processor']}, {where['memory_gib']} GiB, Linux {where['kernel']}; {facts['calls']:,} calls, "
        f"{options.rounds} rounds of {options.seconds} s, medians.", ""]
    text = heading + targets.table() + [""] + lines_table(summaries) + [""] + facts_table(facts)
    return "\n".join(text) + "\n", targets.rows
