"""Bounds by elimination and plans by local search, against brute force: never above the optimum, never infeasible."""

import itertools
import math
import random

import numpy as np
import pytest
from edgeproof.bench.scenario_families import draw_chain, draw_graph
from edgeproof.plans.scenario.costs import Problem
from edgeproof.plans.scenario.goals import compile_goal
from edgeproof.plans.scenario.loading import parse_scenario
from edgeproof.plans.solver.cutting_planes import ascend_by_cuts
from edgeproof.plans.solver.device_blocks import list_blocks
from edgeproof.plans.solver.elimination import Elimination, add_up_copies, costs_add_up
from edgeproof.plans.solver.lagrangian_search import count_forced_crossings, search_lagrangian
from edgeproof.plans.solver.local_search import LocalSearch
from edgeproof.plans.solver.search import Effort, find_plans
from hypothesis import given, settings
from hypothesis import strategies as st

GOALS = ("balanced", "min-latency", "min-energy", "efficiency")


def draw(seed, tight):
    """Return (problem, goal, level) of a random graph; `tight`: memory and often a cap decide."""
    rng = random.Random(seed)
    document = draw_graph(
        seed,
        rng.randint(3, 5),
        rng.randint(2, 3),
        variants=rng.randint(1, 2),
        activations=rng.random() < 0.4,
        shared=rng.random() < 0.3,
        ends=rng.random() < 0.6,
    )
    if tight:
        for device in document["devices"]:
            device["memory_mb"] = round(device["memory_mb"] / 2 * rng.uniform(0.3, 0.9))
        problem = Problem(parse_scenario(document))
        totals = [t for t in map(problem.evaluate, list_placements(problem)) if t]
        if totals and rng.random() < 0.5:
            document["constraints"] = {"max_total_latency_ms": round(rng.choice(totals).latency / 1e9, 9)}
    problem = Problem(parse_scenario(document))
    return problem, compile_goal(rng.choice(GOALS), problem).levels[0]


def list_placements(problem):
    return itertools.product(*(range(len(options)) for options in problem.device))


def survey(problem, level):
    """Return [(value, switches)] of every feasible placement."""
    found = []
    for placement in list_placements(problem):
        totals = problem.evaluate(placement)
        if totals is not None and problem.caps.allow(totals):
            found.append((float(level.value(totals) * level.scale), totals.switches))
    return found


@pytest.mark.parametrize("start", range(0, 120, 20))
def test_the_bound_never_exceeds_the_optimum_and_the_plan_keeps_every_limit(start):
    planned = 0
    for seed in range(start, start + 20):
        problem, level = draw(seed, tight=True)
        feasible = survey(problem, level)
        found = search_lagrangian(problem, level, problem.caps)
        if found is None:  # no placement has a link for each of its crossings
            assert not feasible, seed
            continue
        least = min((value for value, _ in feasible), default=math.inf)
        assert found.bound <= least + 1e-9, seed
        fewest = min((switches for _, switches in feasible), default=math.inf)
        assert count_forced_crossings(problem, problem.caps) <= fewest, seed
        totals = [problem.evaluate(placement) for placement in found.placements]
        assert [t for t in totals if not problem.caps.allow(t)] == [], seed
        assert [t for t in totals if float(level.value(t) * level.scale) < least - 1e-9] == [], seed
        planned += bool(totals)
    assert planned >= 5  # of 20; the others are infeasible, or the local search found nothing


@pytest.mark.parametrize("start", range(1000, 1060, 20))
def test_without_limits_that_bind_the_first_elimination_is_the_optimum(start):
    for seed in range(start, start + 20):
        problem, level = draw(seed, tight=False)
        best = min(value for value, _ in survey(problem, level))
        found = search_lagrangian(problem, level, problem.caps)
        assert found.nodes == 1, seed
        assert found.bound == pytest.approx(best, abs=1e-9), seed
        totals = problem.evaluate(found.placements[0])
        assert float(level.value(totals) * level.scale) == pytest.approx(best, abs=1e-9), seed


def test_a_large_graph_is_proved_without_branching():
    problem = Problem(parse_scenario(draw_graph(3, 120, 5)))
    answer = find_plans(problem, compile_goal("balanced", problem), effort=Effort(seconds=1, gap=1e-6))
    assert (answer.status, answer.engine, answer.nodes) == ("optimal", "elimination", 1)


def test_memory_nearly_full_leaves_a_small_gap():
    document = draw_graph(0, 60, 4)
    total = sum(max(p["weights_mb"] for v in s["profiles"].values() for p in v) for s in document["stages"])
    for device in document["devices"]:
        device["memory_mb"] = round(0.3 * total)
    problem = Problem(parse_scenario(document))
    goal = compile_goal("balanced", problem)
    found = search_lagrangian(problem, goal.levels[0], problem.caps)
    totals = problem.evaluate(found.placements[0])
    value = float(goal.levels[0].value(totals))
    assert problem.caps.allow(totals) and 0 <= value - found.bound <= 0.1 * value
    assert count_forced_crossings(problem, problem.caps) == 2  # no two devices hold all stages


def test_what_a_wide_graph_would_cost_is_known_before_it_is_paid():
    document = draw_chain(1, 12, 5)
    document |= {"schema": "edgeproof.scenario.v2"}
    for link in document["links"]:
        link["bidirectional"] = True
    for stage in document["stages"]:
        for profile in stage["profiles"].values():
            profile["weights_mb"] = profile.pop("memory_mb")
    document["edges"] = [{"source": f"s{n}", "target": "s11"} for n in range(11)]
    problem = Problem(parse_scenario(document))
    assert Elimination(problem).widest is None
    assert search_lagrangian(problem, compile_goal("balanced", problem).levels[0], problem.caps) is None


def test_goals_that_do_not_add_up_are_left_to_others():
    problem = Problem(parse_scenario(draw_graph(1, 4, 2)))
    assert costs_add_up(problem, compile_goal("balanced", problem).levels, problem.caps)
    assert not costs_add_up(problem, compile_goal("throughput", problem).levels, problem.caps)
    assert not costs_add_up(problem, compile_goal("accuracy-first", problem).levels, problem.caps)
    scheduled = Problem(parse_scenario({**draw_graph(1, 4, 2), "execution": "scheduled"}))
    assert not costs_add_up(scheduled, compile_goal("min-latency", scheduled).levels, scheduled.caps)


def test_a_crossing_without_a_link_is_infinitely_dear():
    document = draw_graph(5, 3, 2)
    document["links"] = []
    problem = Problem(parse_scenario(document))
    costs = [np.array(row, float) for row in problem.latency]
    value, placement = Elimination(problem).minimize(costs, *add_up_copies(problem, {"latency": 1.0}))
    assert len(set(problem.devices_of(placement))) == 1 and value == problem.evaluate(placement).latency


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 5))
def test_cutting_planes_find_the_top_of_planes(seed, prices):
    random_numbers = np.random.default_rng(seed)
    top = random_numbers.uniform(0.1, 2.0, prices)
    slopes = random_numbers.standard_normal((12, prices))
    slopes -= slopes.mean(axis=0)  # so that 0 is among their means: the lowest of all planes has its top at `top`

    def dual(point):
        values = slopes @ (point - top)
        lowest = values.argmin()
        return 5.0 + float(values[lowest]), slopes[lowest]

    point, value = ascend_by_cuts(dual, np.zeros(prices), 1.0, 400)
    assert value == pytest.approx(5.0, abs=1e-5) and (point >= 0).all()


def test_a_local_search_goes_downhill_within_the_limits():
    kept, repaired, broken, worse = 0, 0, [], []
    for seed in range(40):
        problem, level = draw(seed, tight=True)
        weights = {metric: float(weight * level.scale) for metric, weight in level.weights.items()}
        search = LocalSearch(problem, weights, problem.caps)
        linked = [(p, t) for p in list_placements(problem) if (t := problem.evaluate(p)) is not None]
        for placement, totals in linked[::56]:
            found = search.repair(placement)
            if found is None:
                continue
            broken += [] if problem.caps.allow(problem.evaluate(found[1])) else [(seed, placement)]
            if problem.caps.allow(totals):
                kept += 1
                worse += [(seed, placement)] if found[0] > float(level.value(totals) * level.scale) + 1e-9 else []
            else:
                repaired += 1
    assert (broken, worse) == ([], [])
    assert kept > 12 and repaired > 2


def test_blocks_stay_together_and_keep_memory():
    document = draw_graph(2, 40, 4)
    total = sum(max(p["weights_mb"] for v in s["profiles"].values() for p in v) for s in document["stages"])
    for device in document["devices"]:
        device["memory_mb"] = round(0.45 * total)
    problem = Problem(parse_scenario(document))
    found = list_blocks(problem, {"latency": 1.0}, problem.caps, 5)
    assert len(found) == 5
    for placement in found:
        devices = [problem.devices_of(placement)[stage] for stage in problem.order]
        runs = [device for device, _ in itertools.groupby(devices)]
        assert len(runs) == len(set(runs)) >= 2
        used = problem.resident_memory(placement, problem.devices_of(placement))
        assert all(use <= cap for use, cap in zip(used, problem.caps.memory, strict=True))
