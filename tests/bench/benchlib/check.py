"""Before anything is measured: every stack must give the same answers to a sample of requests."""

import json
import random

from .stacks import ask, calls_body


def canonical(answer):
    """An answer as JSON text, calls of one second in one order (each stack has a fixed order of its own), numbers alike."""
    if not isinstance(answer.get("data"), list):
        return json.dumps(answer, sort_keys=True)
    for call in answer["data"]:
        for party in call["caller"] + call["callee"]:
            party["postage"] = float(party["postage"])
    # The sort is stable and newest first is kept: a group is a run of equal dates.
    groups, last = [], None
    for call in answer["data"]:
        if last != call["date_create"]:
            groups.append([])
            last = call["date_create"]
        groups[-1].append(json.dumps(call))
    calls = [text for group in groups for text in sorted(group)]
    return json.dumps({**answer, "data": calls})


def sample(data):
    """Bodies of requests: pages and counts of customers of every kind, and of nobody."""
    rng = random.Random(7)
    bodies = [calls_body("0900000000", 1, 10), calls_body("0900000000")]
    for number in rng.sample(sorted(data.customers), min(60, len(data.customers))):
        bodies += [calls_body(number), calls_body(number, 1, 10), calls_body(number, 2, 3)]
    for number, count in data.customers.most_common(6):
        bodies += [calls_body(number, 1, 1000), calls_body(number, 3, 100), calls_body(number, count, 1)]
    extension, _ = data.busiest_extension()
    bodies += [calls_body(extension), calls_body("+84" + next(iter(data.customers))[1:], 1, 5)]
    return bodies


def same_failures(stacks):
    """Status and `error` of requests that must fail."""
    body = calls_body("0900000000", 1, 10)
    cases = [
        ("no token", None, body, 401), ("unknown token", "nonsense", body, 401),
        ("another tenant", True, body.replace("DEMO", "OTHER"), 403), ("page 0", True, body.replace('"page":1', '"page":0'), 400),
        ("no size", True, body.replace(',"size":10', ""), 400), ("no JSON", True, "{", 400),
        ("size 1001", True, body.replace('"size":10', '"size":1001'), 400),
    ]
    problems = []
    for name, token, text, expected in cases:
        for stack in stacks:
            status, answer = ask(stack.http, stack.token if token is True else token, text)
            if status != expected or json.loads(answer).get("error") != expected:
                problems.append(f"{stack.name}, {name}: {status} {answer[:200]!r}, not {expected}")
    return problems


def compare(stacks, data):
    """Raises where a stack's answers differ from the first one's; gives how many were compared."""
    problems = same_failures(stacks)
    bodies = sample(data)
    for body in bodies:
        wanted = None
        for stack in stacks:
            status, answer = ask(stack.http, stack.token, body)
            text = canonical(json.loads(answer)) if status == 200 else f"{status} {answer[:300]!r}"
            if wanted is None:
                wanted = text
            elif text != wanted:
                problems.append(f"{body}\n  {stacks[0].name}: {wanted[:1500]}\n  {stack.name}: {text[:1500]}")
    if problems:
        raise RuntimeError(f"{len(problems)} answers differ:\n" + "\n".join(problems[:5]))
    return len(bodies)
