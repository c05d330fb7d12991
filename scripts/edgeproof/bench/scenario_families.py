"""Seeded families of synthetic scenarios, for benchmarks and for tests against brute force.

All numbers are decimals with few digits, so that totals are exact. Every family is a function of a seed and returns a
scenario document, not a `Scenario`: what is tested includes reading it.
"""

import itertools
import random

from edgeproof.core.configuration import Json
from edgeproof.plans.scenario.costs import UNIT, Problem
from edgeproof.plans.scenario.goals import compile_goal
from edgeproof.plans.scenario.loading import parse_scenario
from edgeproof.plans.solver.chain_search import search_chain
from edgeproof.plans.solver.watch import Effort


def draw_chain(
    seed: int, stages: int, devices: int, *, missing: float = 0.0, holes: float = 0.0, zero_mb: float = 0.0
) -> Json:
    """Draw a scenario of the family of version 1 chains, whose devices trade speed against energy and memory.

    `missing`: share of missing links; `holes`: share of missing profiles; `zero_mb`: share of outputs of 0 MB.
    """
    rng = random.Random(seed)
    names = [f"d{i}" for i in range(devices)]
    speed = [round(rng.uniform(1, 4), 2) for _ in names]
    thrift = [round(rng.uniform(0.3, 1.5), 2) for _ in names]
    rows = []
    for index in range(stages):
        work, size = rng.uniform(1, 12), rng.uniform(50, 600)
        able = [d for d in range(devices) if rng.random() >= holes] or [rng.randrange(devices)]
        rows.append(
            {
                "name": f"s{index}",
                "output_mb": 0 if rng.random() < zero_mb else round(rng.uniform(0.5, 25), 1),
                "profiles": {
                    names[d]: {
                        "latency_ms": round(work / speed[d] * rng.uniform(0.8, 1.2), 2),
                        "energy_mj": round(work * thrift[d] * rng.uniform(0.8, 1.2), 2),
                        "memory_mb": 10 * round(size * rng.uniform(0.8, 1.6) / 10),
                    }
                    for d in able
                },
            }
        )
    links = [
        {
            "source": a,
            "target": b,
            "latency_ms_per_mb": round(rng.uniform(0.02, 0.12), 3),
            "energy_mj_per_mb": round(rng.uniform(0.02, 0.1), 3),
            "bidirectional": rng.random() < 0.8,
        }
        for i, a in enumerate(names)
        for b in names[i + 1 :]
        if rng.random() >= missing
    ]
    total = sum(max(p["memory_mb"] for p in row["profiles"].values()) for row in rows)
    return {
        "name": f"chain_{seed}",
        "devices": [{"name": name, "memory_mb": 2 * total} for name in names],
        "links": links,
        "stages": rows,
    }


def tighten_memory(document: Json, seed: int, share: float = 0.5) -> Json:
    """Make a scenario of a family whose memory binds: give every device a budget near `share` of the average demand,
    between its largest stage and all stages.
    """
    rng = random.Random(seed)
    count = len(document["devices"])
    for device in document["devices"]:
        needs = [
            s["profiles"][device["name"]]["memory_mb"] for s in document["stages"] if device["name"] in s["profiles"]
        ]
        budget = sum(needs) / count * 2 * share * rng.uniform(0.8, 1.4)
        device["memory_mb"] = max(10 * round(budget / 10), 10)
    return document


# Ranges of (latency, energy, memory) on each device, relative to a CPU; read off the version 1 scenarios with known
# answers (tests/data/planner/random_*.json).
_BOARD = {
    "cpu": ((1.0, 1.0), (0.55, 1.05), (1.0, 1.0)),
    "gpu": ((0.22, 0.42), (0.55, 0.95), (1.8, 3.0)),
    "npu": ((0.34, 0.52), (0.2, 0.42), (1.2, 2.0)),
}


def draw_board_chain(seed: int, stages: int, share: float) -> Json:
    """Return a scenario of the family of chains on CPU, GPU and NPU, in version 1.

    Every device holds about `share` of what all stages need on it.
    """
    rng = random.Random(seed)
    rows = []
    for index in range(stages):
        work, size = rng.uniform(3.5, 28), rng.uniform(90, 760)
        profiles = {}
        for device, (latency, energy, memory) in _BOARD.items():
            if device != "cpu" and rng.random() < 0.1:
                continue
            profiles[device] = {
                "latency_ms": round(work * rng.uniform(*latency), 2),
                "energy_mj": round(work * rng.uniform(*energy), 2),
                "memory_mb": 10 * round(size * rng.uniform(*memory) / 10),
            }
        output = 0 if index == stages - 1 else round(rng.uniform(1, 26), 1)
        rows.append({"name": f"s{index}", "output_mb": output, "profiles": profiles})
    links = [
        {
            "source": a,
            "target": b,
            "latency_ms_per_mb": round(rng.uniform(0.02, 0.16), 3),
            "energy_mj_per_mb": round(rng.uniform(0.02, 0.12), 3),
        }
        for a, b in itertools.combinations(_BOARD, 2)
    ]
    needs = {d: sum(r["profiles"][d]["memory_mb"] for r in rows if d in r["profiles"]) for d in _BOARD}
    devices = [
        {"name": d, "memory_mb": 50 * max(1, round(needs[d] * share * rng.uniform(0.8, 1.2) / 50))} for d in _BOARD
    ]
    return {"name": f"board_{seed}", "devices": devices, "links": links, "stages": rows}


def draw_tight_chain(seed: int, stages: int, slack: float = 0.02) -> Json:
    """Return a scenario of the family of tight chains: 3 devices, finite memory and a latency cap.

    The cap is `slack` above the optimum without memory limits. On this family a beam of width 128 calls feasible
    instances infeasible.
    """
    document = draw_board_chain(seed, stages, share=0.9)
    roomy = {**document, "devices": [{**device, "memory_mb": 10**6} for device in document["devices"]]}
    problem = Problem(parse_scenario(roomy))
    level = compile_goal("min-latency", problem).levels[0]
    optimum = float(search_chain(problem, level).bound)
    document["constraints"] = {"max_total_latency_ms": round(optimum * (1 + slack), 4)}
    return document


def draw_capped_chain(seed: int, stages: int, devices: int) -> Json:
    """Return a scenario of the family of chains on which memory, latency and energy caps all matter.

    Budgets are finite. The best balanced plan without caps is not allowed: the latency cap is 2 % below it and the
    energy cap 6 % above it.
    """
    document = tighten_memory(draw_chain(seed, stages, devices), seed + 1, share=0.8)
    problem = Problem(parse_scenario(document))
    goal = compile_goal("balanced", problem)
    found = search_chain(problem, goal.levels[0], effort=Effort(labels=512))
    totals = problem.require_totals(found.placements[0])
    document["constraints"] = {
        "max_total_latency_ms": round(totals.latency / UNIT * 0.98, 4),
        "max_total_energy_mj": round(totals.energy / UNIT * 1.06, 4),
    }
    return document


def add_working_memory(document: Json, seed: int) -> Json:
    """Return a scenario of a family of version 1 chains as version 2: memory becomes weights, stages get activations.

    Budgets grow by what the hungriest stage needs, so that memory stays about as tight as it was.
    """
    rng = random.Random(seed)
    document = {"schema": "edgeproof.scenario.v2", **document}
    largest = 0
    for stage in document["stages"]:
        for profile in stage["profiles"].values():
            profile["weights_mb"] = profile.pop("memory_mb")
            profile["activations_mb"] = 10 * rng.randint(1, 20)
            largest = max(largest, profile["activations_mb"])
    document["devices"] = [{**device, "memory_mb": device["memory_mb"] + largest} for device in document["devices"]]
    return document


def draw_crowded_graph(seed: int, stages: int, devices: int) -> Json:
    """Return a scenario of a family of graphs in which no device holds everything, with activations.

    Budgets are about 1.5 shares each.
    """
    document = draw_graph(seed, stages, devices, activations=True)
    total = sum(max(p["weights_mb"] for v in s["profiles"].values() for p in v) for s in document["stages"])
    for number, device in enumerate(document["devices"]):
        device["memory_mb"] = round(total * (1.4 + 0.1 * ((seed + number) % 3)) / devices)
    return document


def draw_scheduled(seed: int, stages: int, devices: int, variants: int = 1) -> Json:
    """Return a scenario of a family of graphs whose devices and links work side by side; memory never binds."""
    document = draw_graph(seed, stages, devices, variants=variants)
    return {**document, "execution": "scheduled"}


def draw_graph(
    seed: int,
    stages: int,
    devices: int,
    *,
    variants: int = 1,
    activations: bool = False,
    shared: bool = False,
    ends: bool = False,
) -> Json:
    """Return a scenario of the family of graphs (version 2), a chain with skips and joins.

    There are set-up costs, and links between all devices. `variants` per profile; `activations`, `shared` weights and
    `ends` (ingest and egress) are left out unless asked for.
    """
    rng = random.Random(seed)
    document = draw_chain(seed, stages, devices)
    document = {"schema": "edgeproof.scenario.v2", **document}
    edges = set()
    for target in range(1, stages):
        for _ in range(1 if rng.random() < 0.6 else 2):
            edges.add((max(0, target - rng.randint(1, 4)), target))
    document["edges"] = [{"source": f"s{a}", "target": f"s{b}"} for a, b in sorted(edges)]
    for link in document["links"]:
        link["setup_ms"] = round(rng.uniform(0, 0.3), 2)
        link["setup_mj"] = round(rng.uniform(0, 0.2), 2)
        link["bidirectional"] = True
    for stage in document["stages"]:
        group = f"g{rng.randrange(2)}" if shared and rng.random() < 0.5 else None
        for device, profile in stage["profiles"].items():
            profile["weights_mb"] = profile.pop("memory_mb")
            if activations:
                profile["activations_mb"] = 10 * rng.randint(0, 20)
            if group is not None:
                profile["shared_weights"], profile["weights_mb"] = group, 200 if group == "g0" else 350
            stage["profiles"][device] = [profile] + [
                {
                    **profile,
                    "precision": f"int{v}",
                    "latency_ms": round(profile["latency_ms"] * 0.6 / v, 2),
                    "energy_mj": round(profile["energy_mj"] * 0.7 / v, 2),
                    "accuracy_drop": round(rng.uniform(0.05, 0.4) * v, 2),
                }
                for v in range(1, variants)
            ]
    if ends:
        document["ingest"] = {"device": "d0", "input_mb": 3.0}
        document["egress"] = {"device": f"d{devices - 1}"}
    return document
