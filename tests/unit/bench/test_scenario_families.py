"""The families are functions of their seed, readable scenarios, and have the properties that they are named for."""

import pytest
from edgeproof.bench import scenario_families as families
from edgeproof.plans.scenario.costs import Problem
from edgeproof.plans.scenario.goals import compile_goal
from edgeproof.plans.scenario.loading import parse_scenario
from edgeproof.plans.solver.search import find_plans

DRAWS = {
    "chain": lambda seed: families.draw_chain(seed, 5, 3),
    "crowded": lambda seed: families.draw_crowded_graph(seed, 6, 3),
    "scheduled": lambda seed: families.draw_scheduled(seed, 4, 2),
    "working": lambda seed: families.add_working_memory(families.draw_chain(seed, 5, 3), seed),
    "board": lambda seed: families.draw_board_chain(seed, 6, 0.9),
    "tight": lambda seed: families.draw_tight_chain(seed, 6),
    "capped": lambda seed: families.draw_capped_chain(seed, 8, 3),
    "graph": lambda seed: families.draw_graph(seed, 6, 3, variants=2, activations=True, shared=True, ends=True),
}


@pytest.mark.parametrize("name", DRAWS)
def test_a_family_is_a_function_of_its_seed(name):
    draw = DRAWS[name]
    assert draw(3) == draw(3) and draw(3) != draw(4)
    assert parse_scenario(draw(3)).placements > 1


def test_shares_leave_out_links_and_profiles():
    document = families.draw_chain(5, 40, 4, missing=0.5, holes=0.5, zero_mb=0.5)
    assert len(document["links"]) < 6
    assert sum(len(stage["profiles"]) for stage in document["stages"]) < 120
    assert 5 < sum(stage["output_mb"] == 0 for stage in document["stages"]) < 35


def test_a_capped_chain_excludes_its_best_plan():
    document = families.draw_capped_chain(2, 10, 3)
    free = {key: value for key, value in document.items() if key != "constraints"}
    problem = Problem(parse_scenario(free))
    best = find_plans(problem, compile_goal("balanced", problem)).placements[0]
    assert not Problem(parse_scenario(document)).is_feasible(best)


def test_a_tight_chain_has_a_cap_just_above_the_optimum_without_memory():
    document = families.draw_tight_chain(1, 8, slack=0.02)
    roomy = {**document, "devices": [{**device, "memory_mb": 10**6} for device in document["devices"]]}
    problem = Problem(parse_scenario(roomy))
    best = find_plans(problem, compile_goal("min-latency", problem)).objective
    assert document["constraints"]["max_total_latency_ms"] == pytest.approx(1.02 * best, abs=1e-4)


def test_optional_parts_of_a_graph_are_absent_unless_asked_for():
    plain = families.draw_graph(1, 8, 2)
    assert "ingest" not in plain and "egress" not in plain
    keys = {key for s in plain["stages"] for variants in s["profiles"].values() for v in variants for key in v}
    assert keys == {"latency_ms", "energy_mj", "weights_mb"}
