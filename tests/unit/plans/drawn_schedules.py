"""Drawn scheduled scenarios, and their best makespans by trying every placement and every order of events."""

import itertools
import random

from edgeproof.core.errors import UserError
from edgeproof.plans.scenario.loading import parse_scenario
from edgeproof.plans.verifier.ledger import Ledger, account_least_makespan


def draw_schedule(seed):
    """Return a version 2 document with scheduled execution that reading does not refuse."""
    attempts = (_draw(f"{seed}-{attempt}") for attempt in itertools.count())
    return next(filter(_is_readable, attempts))


def _is_readable(document):
    try:
        parse_scenario(document)
    except UserError:
        return False
    return True


def _draw(seed):
    """Return a document that may have a hand-over without a link.

    Three to five stages in a random graph, two or three devices, variants, equal costs, asymmetric and missing links,
    links of one and of both directions, deadlines, caps on latency and energy, ingest and egress.
    """
    rng = random.Random(seed)
    devices = [f"d{i}" for i in range(rng.choice((2, 2, 3)))]
    count = rng.choice((3, 3, 4, 4, 5)) if len(devices) == 2 else rng.choice((3, 4))
    stages = []
    for number in range(count):
        able = [d for d in devices if rng.random() < 0.85] or [rng.choice(devices)]
        profiles = {
            device: [
                {"precision": f"p{v}", "latency_ms": rng.randint(0, 9), "energy_mj": rng.randint(1, 3)}
                for v in range(rng.choice((1, 1, 2) if count < 5 else (1,)))
            ]
            for device in able
        }
        stages.append({"name": f"s{number}", "output_mb": rng.choice((0, 1, 2)), "profiles": profiles})
    edges = [
        {"source": f"s{a}", "target": f"s{b}"} for a, b in itertools.combinations(range(count), 2) if rng.random() < 0.5
    ]
    links = []
    for a, b in itertools.combinations(devices, 2):
        both = rng.random() < 0.5
        for source, target in ((a, b),) if both else ((a, b), (b, a)):
            if rng.random() < 0.9:
                cost = {
                    "latency_ms_per_mb": rng.choice((0, 1, 2)),
                    "energy_mj_per_mb": 0,
                    "setup_ms": rng.choice((0, 1)),
                }
                links.append({"source": source, "target": target, "bidirectional": both, **cost})
    document = {
        "schema": "edgeproof.scenario.v2",
        "name": f"drawn-{seed}",
        "execution": "scheduled",
        "devices": [{"name": name, "memory_mb": 10} for name in devices],
        "links": links,
        "stages": stages,
        "edges": edges,
    }
    if rng.random() < 0.2:
        document["ingest"] = {"device": devices[0], "input_mb": 1}
        document["egress"] = {"device": devices[-1]}
    if rng.random() < 0.3:
        document["constraints"] = {"max_total_latency_ms": rng.randint(3, 22)}
        if rng.random() < 0.5:
            document["constraints"]["max_total_energy_mj"] = rng.randint(count, 3 * count)
    if rng.random() < 0.2:
        stages[-1]["deadline_ms"] = rng.randint(2, 20)
    return document


def find_least_makespan(scenario):
    """Return the least makespan in ms over all placements and orders that keep the limits; None: there is none."""
    ledger, best = Ledger(scenario, "scheduled", float), None
    limits = {"latency": None, "energy": scenario.limits.energy_mj, "accuracy": None, "period": None}
    rows = []
    for placement in itertools.product(*(range(len(options)) for options in ledger.options)):
        totals = ledger.account(placement)
        if totals is not None and (limits["energy"] is None or totals["energy"] <= limits["energy"] + 1e-9):
            rows.append((account_least_makespan(ledger, placement, totals), placement))
    cap = float("inf") if scenario.limits.latency_ms is None else scenario.limits.latency_ms
    for least, placement in sorted(rows):
        if best is not None and least >= best:
            break
        found = _try_orders(ledger, placement, cap if best is None else min(cap, best))
        if found is not None and (best is None or found < best):
            best = found
    return best


def _try_orders(ledger, placement, cap):
    """Return the least makespan of a placement, at most `cap`, over all orders in which its events can follow."""
    scenario, copies = ledger.scenario, ledger.copies(placement)
    where = [ledger.options[i][o].device for i, o in enumerate(placement)]
    jobs = {}
    for k, copy in enumerate(copies):
        producer = scenario.tensors[copy.tensor].producer
        before = set() if producer is None else {("stage", producer)}
        jobs["copy", k] = (("link", copy.link), copy.latency, before, None)
    for i in range(len(placement)):
        before = {("stage", t.producer) for t in scenario.tensors if i in t.consumers and t.producer is not None}
        before |= {
            ("copy", k)
            for k, copy in enumerate(copies)
            if i in scenario.tensors[copy.tensor].consumers and copy.target == where[i]
        }
        jobs["stage", i] = (("device", where[i]), ledger.options[i][placement[i]].latency, before, i)
    best = [None]

    def go_on(done, free):
        if done and max(done.values()) > (cap if best[0] is None else min(cap, best[0] - 1e-9)) + 1e-9:
            return
        if len(done) == len(jobs):
            best[0] = max(done.values())
            return
        for job, (lane, duration, before, stage) in jobs.items():
            if job in done or not before <= done.keys():
                continue
            end = max([free.get(lane, 0), *(done[need] for need in before)]) + duration
            deadline = None if stage is None else scenario.stages[stage].deadline_ms
            if deadline is None or end <= deadline + 1e-9:
                go_on({**done, job: end}, {**free, lane: end})

    go_on({}, {})
    return best[0]
