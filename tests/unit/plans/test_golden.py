"""The nine scenarios with exhaustive results: goals, three ranks, fronts and relaxations, to 6 decimals."""

from dataclasses import replace

import pytest
from edgeproof.plans.outcome.infeasibility import explain_infeasibility
from edgeproof.plans.outcome.pareto import trace_front
from edgeproof.plans.scenario.costs import UNIT, Problem
from edgeproof.plans.scenario.goals import compile_goal
from edgeproof.plans.scenario.loading import load_scenario
from edgeproof.plans.solver.search import find_plans

NAMES = (
    "mobile_vision_pipeline",
    "goal_sensitivity",
    "memory_budget",
    *(f"random_0{i}" for i in range(1, 7)),
)


@pytest.fixture(params=NAMES)
def case(request, golden, planner_data):
    entry = golden[request.param]
    return entry, Problem(load_scenario(planner_data / entry["file"]))


def caps_of(problem, which):
    return problem.caps if which == "with_caps" else replace(problem.caps, latency=None, energy=None)


def names_of(problem, placement):
    return [problem.scenario.devices[d].name for d in problem.devices_of(placement)]


def test_references_and_size_of_the_space(case):
    entry, problem = case
    assert problem.latency_ref / UNIT == pytest.approx(entry["latency_ref_ms"], abs=5e-7)
    assert problem.energy_ref / UNIT == pytest.approx(entry["energy_ref_mj"], abs=5e-7)
    assert problem.scenario.placements == entry["placements"]


@pytest.mark.parametrize("which", ["with_caps", "without_caps"])
@pytest.mark.parametrize("goal", ["latency", "efficiency", "balanced"])
def test_top_three_for_every_goal(case, goal, which):
    entry, problem = case
    compiled = compile_goal(goal, problem)
    answer = find_plans(problem, compiled, caps_of(problem, which), 3)
    expected = entry[which]["goals"][goal][:3]
    assert answer.status == ("optimal" if expected else "infeasible") and answer.ranking_proven
    assert len(answer.placements) == len(expected)
    for placement, row in zip(answer.placements, expected, strict=True):
        totals = problem.evaluate(placement)
        assert names_of(problem, placement) == row["path"]
        assert float(compiled.levels[0].value(totals)) == pytest.approx(row["score"], abs=5.1e-7)
        assert totals.latency / UNIT == pytest.approx(row["latency_ms"], abs=5.1e-7)
        assert totals.energy / UNIT == pytest.approx(row["energy_mj"], abs=5.1e-7)
        assert totals.switches == row["switches"]
        memory = {d.name: m / UNIT for d, m in zip(problem.scenario.devices, totals.memory, strict=True)}
        assert memory == row["memory_mb"]


@pytest.mark.parametrize("which", ["with_caps", "without_caps"])
def test_pareto_front(case, which):
    entry, problem = case
    front = trace_front(problem, ("latency", "energy"), caps_of(problem, which))
    assert front.complete
    found = [
        ([round(v, 6) for v in point.values], sorted(names_of(problem, p) for p in point.placements))
        for point in front.points
    ]
    expected = [
        ([row["latency_ms"], row["energy_mj"]], sorted(path["path"] for path in row["paths"]))
        for row in entry[which]["pareto"]
    ]
    assert found == expected


def test_certificate_of_infeasibility(golden, planner_data):
    problem = Problem(load_scenario(planner_data / "random_06.json"))
    certificate = explain_infeasibility(problem)
    expected = golden["random_06"]["relaxation"]
    needed = {row.limit: row.needed for row in certificate.relaxations}
    assert needed["max_total_latency_ms"] == pytest.approx(expected["max_total_latency_ms"], abs=5e-7)
    assert needed["max_total_energy_mj"] == pytest.approx(expected["max_total_energy_mj"], abs=5e-7)
    assert {name: needed[f"memory_mb of {name}"] for name in ("cpu", "gpu", "npu")} == expected["memory_mb"]
    assert certificate.both_caps_factor == pytest.approx(expected["both_caps_factor"], abs=5e-7)
    assert set(certificate.conflict) == {
        "max_total_latency_ms",
        "max_total_energy_mj",
        "memory_mb of gpu",
        "memory_mb of npu",
    }


def test_efficiency_plan_that_a_beam_misses(planner_data):
    problem = Problem(load_scenario(planner_data / "random_05.json"))
    answer = find_plans(problem, compile_goal("efficiency", problem))
    assert answer.objective == pytest.approx(3.103299, abs=5e-7)


def test_minimum_latency_is_not_the_latency_blend(planner_data):
    problem = Problem(load_scenario(planner_data / "mobile_vision_pipeline.json"))
    free = caps_of(problem, "without_caps")
    answers = [find_plans(problem, compile_goal(goal, problem), free) for goal in ("latency", "min-latency")]
    assert [round(problem.evaluate(a.placements[0]).latency / UNIT, 6) for a in answers] == [25.9, 25.45]
