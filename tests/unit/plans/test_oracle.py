"""500 seeded random instances against brute force: chains and graphs, tight caps, finite memory, every kind of goal."""

import random

import pytest
from edgeproof.bench.scenario_families import draw_chain, draw_graph, tighten_memory
from edgeproof.plans.scenario.loading import parse_scenario
from edgeproof.plans.solver import chain_search
from edgeproof.plans.solver.general_search import search_general

GOALS = ("balanced", "latency", "efficiency", "min-latency", "min-energy")
MORE_GOALS = (*GOALS, "throughput", "accuracy-first", "lex:switches,energy")
CHAINS, GRAPHS, BATCH = 250, 250, 25


def draw_case(seed, graph):
    """Return a document; about two thirds have caps that one random placement just keeps."""
    rng = random.Random(seed)
    if not graph:
        document = draw_chain(seed, rng.randint(2, 5), rng.randint(2, 3), missing=0.2, holes=0.15, zero_mb=0.2)
        return tighten_memory(document, seed, share=rng.uniform(0.5, 1.4)), rng
    document = draw_graph(
        seed,
        rng.randint(2, 4),
        rng.randint(2, 3),
        variants=rng.randint(1, 2),
        activations=rng.random() < 0.5,
        shared=rng.random() < 0.5,
        ends=rng.random() < 0.5,
    )
    for device in document["devices"]:
        device["memory_mb"] = round(device["memory_mb"] / 2 * rng.uniform(0.3, 1.0))
    if rng.random() < 0.3:
        document["stages"][-1]["deadline_ms"] = round(rng.uniform(5, 40), 1)
    if rng.random() < 0.3:
        document["execution"] = "pipelined"
    return document, rng


def add_caps(document, rng, rows):
    """Cap latency (and more) at what a random placement takes: inclusive, so that placement stays feasible."""
    if not rows or rng.random() < 0.33:
        return document
    totals = rng.choice(rows)[2]
    caps = {"max_total_latency_ms": round(totals["latency"], 9)}
    if rng.random() < 0.5:
        caps["max_total_energy_mj"] = round(totals["energy"], 9)
    if "schema" in document and rng.random() < 0.3:
        caps["max_accuracy_drop"] = round(totals["accuracy"], 9)
    if "schema" in document and rng.random() < 0.3:
        caps["max_period_ms"] = round(totals["period"], 9)
    return {**document, "constraints": caps}


def check(seed, graph, oracle, solver):
    document, rng = draw_case(seed, graph)
    goal = rng.choice(MORE_GOALS if graph else GOALS)
    rows = oracle(parse_scenario(document), goal).rows
    scenario = parse_scenario(add_caps(document, rng, rows))
    expected = oracle(scenario, goal).best(3)
    problem, compiled, answer = solver(scenario, goal)
    assert list(answer.placements) == expected, f"seed {seed}, goal {goal}"
    assert answer.ranking_proven and answer.status == ("optimal" if expected else "infeasible")
    return problem, compiled, expected


@pytest.mark.parametrize("start", range(0, CHAINS, BATCH))
def test_chains(start, oracle, solver):
    for seed in range(start, start + BATCH):
        problem, compiled, expected = check(seed, False, oracle, solver)
        found = chain_search.search_chain(problem, compiled.levels[0], top_k=3)  # labels alone
        assert found.placements == expected and found.proven, f"seed {seed}"
        if seed % 5 == 0:
            general = search_general(problem, compiled.levels, top_k=3)
            assert general.placements == expected and general.proven, f"seed {seed}"


@pytest.mark.parametrize("start", range(1000, 1000 + GRAPHS, BATCH))
def test_graphs(start, oracle, solver):
    for seed in range(start, start + BATCH):
        problem, compiled, expected = check(seed, True, oracle, solver)
        if seed % 25 == 0:
            general = search_general(problem, compiled.levels, top_k=3)  # CP-SAT alone
            assert general.placements == expected and general.proven, f"seed {seed}"
