"""Small spaces as arrays: totals of all placements against one evaluation each, and long rankings in order."""

import random
import time

import numpy as np
import pytest
from edgeproof.bench.scenario_families import draw_chain, draw_graph
from edgeproof.plans.scenario.costs import Problem
from edgeproof.plans.scenario.goals import compile_goal
from edgeproof.plans.scenario.loading import parse_scenario
from edgeproof.plans.solver.enumeration import Space, enumerate_plans, open_space
from edgeproof.plans.solver.search import find_plans


def draw(seed):
    rng = random.Random(seed)
    document = draw_graph(
        seed,
        rng.randint(2, 5),
        rng.randint(2, 3),
        variants=rng.randint(1, 2),
        activations=True,
        shared=True,
        ends=seed % 2,
    )
    if seed % 3 == 0:
        document["execution"] = "pipelined"
    if seed % 4 == 0:
        document["links"] = document["links"][:-1]
    for device in document["devices"]:
        device["memory_mb"] = round(device["memory_mb"] / 3)
    document["stages"][-1]["deadline_ms"] = 25
    return Problem(parse_scenario(document))


@pytest.mark.parametrize("seed", range(12))
def test_totals_and_limits_are_those_of_each_placement(seed):
    problem = draw(seed)
    space = Space(problem)
    kept = space.keep(problem.caps)
    assert space.size == problem.scenario.placements
    for index in range(0, space.size, max(1, space.size // 60)):
        placement = space.placement(index)
        totals = problem.evaluate(placement)
        assert bool(space.linked[index]) == (totals is not None)
        assert bool(kept[index]) == problem.is_feasible(placement)
        if totals is not None:
            found = {name: int(amounts[index]) for name, amounts in space.totals.items()}
            assert found == {name: getattr(totals, name) for name in found}
            assert tuple(int(memory[index]) for memory in space.memory) == totals.memory


def test_the_index_is_the_order_of_paths():
    problem = draw(1)
    space = Space(problem)
    paths = [tuple(space.placement(i)[stage] for stage in problem.order) for i in range(space.size)]
    assert paths == sorted(paths)


def test_a_thousand_placements_of_1296_are_ranked_at_once():
    problem = Problem(parse_scenario(draw_chain(2, 4, 6)))
    goal = compile_goal("balanced", problem)
    start = time.process_time()
    answer = find_plans(problem, goal, top_k=1000)
    assert time.process_time() - start < 5  # a search that excludes one plan after another takes minutes
    assert len(answer.placements) == 1000 and answer.engine == "enumeration"
    keys = [goal.key(problem, problem.evaluate(placement), placement) for placement in answer.placements]
    assert keys == sorted(keys)


def test_a_space_is_computed_once():
    problem = draw(3)
    goal = compile_goal("min-latency", problem)
    enumerate_plans(problem, goal.levels, problem.caps, 1)
    assert open_space(problem) is open_space(problem)
    assert np.array_equal(open_space(problem).totals["latency"], Space(problem).totals["latency"])
