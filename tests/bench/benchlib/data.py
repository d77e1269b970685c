"""The calls that every stack is loaded with, and which numbers to ask for.

The bulk comes from tests/bench/generate.py. Four customers of 3,000 calls each and forty of 20 are added, so that a row can
compare them at every size of data.
"""

import collections
import datetime
import importlib.util
import os
import random
import re
import subprocess
import sys

BENCH = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ACCOUNT = ("DEMO", "VBOT001")
BIG_CALLS, SMALL_CALLS = 3000, 20
BIG = [f"0999{i:06}" for i in range(4)]
SMALL = [f"0998{i:06}" for i in range(40)]
REQUESTS = 4096

PHONES = re.compile(r'"phone":"([^"]*)"')


def _generator():
    spec = importlib.util.spec_from_file_location("generate", os.path.join(BENCH, "generate.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _extra_lines():
    """Calls of the added customers, a few minutes apart, by extensions in turn."""
    generate = _generator()
    start = datetime.datetime(2026, 1, 2, 8, 0, 0)
    for numbers, calls in ((BIG, BIG_CALLS), (SMALL, SMALL_CALLS)):
        for i, number in enumerate(numbers):
            for j in range(calls):
                date = (start + datetime.timedelta(minutes=37 * j, seconds=i)).strftime("%m/%d/%Y %H:%M:%S")
                extension, seconds = str(101 + (i + j) % 500), 30 + j % 200
                agent = generate.party(extension, date, "ANSWER", seconds, 6.1 * 2, "softphone", extension, ACCOUNT[1])
                customer = generate.party(number, date, "ANSWER", seconds)
                trans_id = f"x{number}.{j}"
                yield generate.line(ACCOUNT[1], trans_id, "19001234", date, [agent], [customer], seconds, "CALLOUT",
                                    "ANSWER", [f'"https://recordings.example.vn/2026/01/02/{trans_id}.mp3"'])


class Data:
    """One file of calls and the numbers in it by how many calls they have."""

    def __init__(self, path, extra):
        self.path = path
        self.lines = 0
        self.customers, self.extensions = collections.Counter(), collections.Counter()
        self.extra = extra
        self._scan()

    @classmethod
    def make(cls, folder, calls, extra=True):
        path = os.path.join(folder, f"calls-{calls}{'' if extra else '-plain'}.ndjson")
        if not os.path.exists(path):
            with open(path + ".part", "w", encoding="utf-8") as out:
                subprocess.run([sys.executable, os.path.join(BENCH, "generate.py"), "--calls", str(calls)], stdout=out,
                               check=True)
                if extra:
                    out.writelines(_extra_lines())
            os.rename(path + ".part", path)
        return cls(path, extra)

    def _scan(self):
        with open(self.path, encoding="utf-8") as lines:
            for line in lines:
                self.lines += 1
                for phone in PHONES.findall(line):
                    (self.customers if len(phone) > 5 else self.extensions)[phone] += 1

    def head(self, folder, calls):
        """A file of the first calls."""
        path = os.path.join(folder, f"head-{calls}.ndjson")
        with open(self.path, encoding="utf-8") as lines, open(path, "w", encoding="utf-8") as out:
            for _, line in zip(range(calls), lines):
                out.write(line)
        return path

    def customers_of(self, least, most=None, seed=1):
        """Customers with a number of calls in a range, each as often as it is likely to be asked for: by its calls."""
        chosen = {n: c for n, c in self.customers.items() if c >= least and (most is None or c <= most)}
        if not chosen:
            return []
        rng = random.Random(seed)
        return rng.choices(list(chosen), list(chosen.values()), k=min(REQUESTS, sum(chosen.values())))

    def busiest_extension(self):
        return self.extensions.most_common(1)[0]
