"""Labels on chains of version 2: resident weights plus the largest need of one stage, against all placements."""

import random

import pytest
from edgeproof.bench.scenario_families import add_working_memory, draw_chain, draw_crowded_graph, tighten_memory
from edgeproof.plans.scenario.costs import Problem
from edgeproof.plans.scenario.goals import compile_goal
from edgeproof.plans.scenario.loading import parse_scenario
from edgeproof.plans.solver.chain_search import search_chain
from edgeproof.plans.solver.enumeration import enumerate_plans
from edgeproof.plans.solver.search import find_plans
from edgeproof.plans.solver.watch import Effort, Watch


def draw(seed):
    rng = random.Random(seed)
    share = rng.uniform(0.3, 1.0)
    document = tighten_memory(draw_chain(seed, rng.randint(3, 6), 3, missing=0.1, holes=0.1), seed, share=share)
    document = add_working_memory(document, seed)
    for device in document["devices"]:
        device["memory_mb"] = round(device["memory_mb"] * rng.uniform(0.6, 1.0))
    if seed % 3 == 0:
        document["execution"] = "pipelined"
    if seed % 2:
        document["constraints"] = {"max_total_latency_ms": rng.uniform(10, 40), "max_total_energy_mj": 40}
    if seed % 5 == 0:
        document["ingest"], document["egress"] = {"device": "d0", "input_mb": 1}, {"device": "d1"}
    return Problem(parse_scenario(document))


@pytest.mark.parametrize("start", range(0, 120, 30))
def test_labels_rank_as_enumeration_does(start):
    planned = 0
    for seed in range(start, start + 30):
        problem = draw(seed)
        goal = compile_goal(random.Random(seed).choice(("balanced", "min-latency", "min-energy")), problem)
        expected = enumerate_plans(problem, goal.levels, problem.caps, 3)
        found = search_chain(problem, goal.levels[0], problem.caps, 3)
        assert (found.placements, found.proven) == (expected.placements, True), seed
        planned += bool(found.placements)
    assert 5 < planned < 30  # memory decides: some are infeasible


def test_a_peak_that_does_not_fit_beside_the_weights():
    """By hand: on `fast`, 60 MB of weights and 50 MB at the peak do not fit into 109 MB, and do into 110."""
    stages = [
        {
            "name": name,
            "profiles": {
                "fast": {"latency_ms": 1, "energy_mj": 1, "weights_mb": 30, "activations_mb": peak},
                "slow": {"latency_ms": 5, "energy_mj": 1, "weights_mb": 30, "activations_mb": peak},
            },
        }
        for name, peak in (("a", 50), ("b", 20))
    ]
    document = {
        "schema": "edgeproof.scenario.v2",
        "name": "peak",
        "devices": [{"name": "fast", "memory_mb": 110}, {"name": "slow", "memory_mb": 200}],
        "links": [{"source": "fast", "target": "slow", "latency_ms_per_mb": 0, "energy_mj_per_mb": 0}],
        "stages": stages,
    }
    for budget, latency in ((110, 2.0), (109, 6.0), (79, 6.0), (49, 10.0)):
        document["devices"][0]["memory_mb"] = budget
        problem = Problem(parse_scenario(document))
        level = compile_goal("min-latency", problem).levels[0]
        assert float(search_chain(problem, level).bound) == pytest.approx(latency), budget


def test_a_watch_that_has_expired_ends_a_search_without_a_proof():
    document = tighten_memory(draw_chain(3, 30, 4), 3, share=0.6)
    problem = Problem(parse_scenario(add_working_memory(document, 3)))
    level = compile_goal("balanced", problem).levels[0]
    watch = Watch()
    watch.stop()
    found = search_chain(problem, level, effort=Effort(watch=watch))
    assert not found.proven and not found.placements


def test_a_crowded_graph_of_24_stages_is_proved():
    problem = Problem(parse_scenario(draw_crowded_graph(0, 24, 3)))
    answer = find_plans(problem, compile_goal("balanced", problem))
    assert answer.status == "optimal"
