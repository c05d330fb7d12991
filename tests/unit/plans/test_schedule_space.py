"""The second route for scheduled optima: it agrees with enumeration, refutes a false claim, and says where it ended."""

import dataclasses

import pytest
from edgeproof.plans.outcome.plan_document import build_plan_document
from edgeproof.plans.outcome.planning import Request, plan_scenario
from edgeproof.plans.outcome.second_route import confirm_schedules
from edgeproof.plans.plan_verification import verify_document
from edgeproof.plans.scenario.costs import Problem
from edgeproof.plans.scenario.goals import compile_goal
from edgeproof.plans.scenario.loading import load_scenario, parse_scenario
from edgeproof.plans.solver.search import find_plans
from edgeproof.plans.verifier.ledger import Ledger
from edgeproof.plans.verifier.schedule_laws import SecondProof, build_list_schedule, prove_schedules_again
from edgeproof.plans.verifier.schedule_space import ScheduleSpace

from .drawn_schedules import draw_schedule, find_least_makespan

FREE = {"latency": None, "energy": None, "accuracy": None, "period": None}


@pytest.mark.parametrize("start", range(0, 48, 12))
def test_drawn_schedules_agree_with_enumeration(start):
    for seed in range(start, start + 12):
        scenario = parse_scenario(draw_schedule(seed))
        least = find_least_makespan(scenario)
        outcome = plan_scenario(scenario, Request("min-latency", top_k=1, front=False, draws=0))
        assert outcome.answer.status == ("infeasible" if least is None else "optimal"), seed
        assert outcome.answer.objective == (None if least is None else pytest.approx(least, abs=1e-9)), seed


def test_the_second_route_alone_finds_the_optimum():
    wrong = []
    for seed in range(40):
        scenario = parse_scenario(draw_schedule(seed))
        least = find_least_makespan(scenario)
        space = ScheduleSpace(Ledger(scenario, "scheduled", float), "min-latency", _limits(scenario), 10**6)
        nothing = space.find_better(float("inf") if least is None else least)
        above = None if least is None else space.find_better(least + 0.5)
        found = None if above is None else above.value
        if (
            nothing is not None
            or space.undecided
            or (found is None) != (least is None)
            or (least is not None and abs(found - least) > 1e-9)
        ):
            wrong.append((seed, least, found))
    assert wrong == []


def _limits(scenario):
    return {**FREE, "latency": scenario.limits.latency_ms, "energy": scenario.limits.energy_mj}


def answer_of(planner_data):
    scenario = load_scenario(planner_data / "cases" / "scheduled-false-optimum.json")
    problem = Problem(scenario)
    goal = compile_goal("min-latency", problem)
    return problem, goal, find_plans(problem, goal, top_k=1)


def test_a_false_optimum_is_replaced_by_the_better_plan(planner_data):
    problem, goal, answer = answer_of(planner_data)
    starts, copies = answer.schedules[0]
    late = dataclasses.replace(answer, objective=21.0, schedules=((tuple(s + 10**9 for s in starts), copies),))
    settled = confirm_schedules(problem, goal, late, 1)
    assert settled.status == "gap" and settled.objective == pytest.approx(20.0)
    assert settled.bound <= 20.0 and "refuted" in settled.engine


def test_a_false_infeasibility_is_replaced_by_a_plan(planner_data):
    problem, goal, answer = answer_of(planner_data)
    lie = dataclasses.replace(answer, status="infeasible", placements=(), schedules=(), objective=None, bound=None)
    settled = confirm_schedules(problem, goal, lie, 1)
    assert settled.status == "gap" and settled.placements


def test_what_is_not_proved_again_is_called_so_everywhere(planner_data):
    problem, goal, answer = answer_of(planner_data)

    def prove(*arguments):
        return prove_schedules_again(*arguments, steps=3)

    assert confirm_schedules(problem, goal, answer, 1).status == "optimal"
    settled = confirm_schedules(problem, goal, answer, 1, prove)
    assert (settled.status, settled.ranking_proven) == ("optimal (one engine)", False)
    request = Request("min-latency", top_k=1, front=False, draws=0)
    outcome = dataclasses.replace(plan_scenario(problem.scenario, request), answer=settled)
    document = build_plan_document(outcome)
    assert document["status"] == "optimal (one engine)" and any("nothing but CP-SAT" in n for n in document["notes"])
    assert verify_document(document, problem.scenario, limit=8).outcome == "is not proved"


def test_a_makespan_below_its_own_path_is_a_fault(planner_data):
    problem, goal, answer = answer_of(planner_data)
    early = dataclasses.replace(answer, schedules=((tuple(0 for _ in answer.schedules[0][0]), {}),))
    with pytest.raises(AssertionError, match="below what its stages"):
        confirm_schedules(problem, goal, early, 1, lambda *_: SecondProof(None, True, True, 0.0))


def test_a_list_schedule_is_a_schedule():
    ledgers = [Ledger(parse_scenario(draw_schedule(seed)), "scheduled", float) for seed in range(20)]
    cases = [(ledger, tuple(0 for _ in ledger.options)) for ledger in ledgers]
    linked = [(ledger, placement) for ledger, placement in cases if ledger.account(placement) is not None]
    assert len(linked) > 5
    for ledger, placement in linked:
        totals, (_, _, end) = ledger.account(placement), build_list_schedule(ledger, placement)
        assert totals["period"] - 1e-9 <= end <= totals["latency"] + 1e-9


def test_a_deadline_that_only_a_schedule_keeps_refutes_nothing():
    """Executed serially, b ends after a: at 7 ms with the cheap option of a. Side by side, it ends at 2 ms."""
    stages = [
        {"name": "a", "profiles": {"d1": {"latency_ms": 5, "energy_mj": 1}, "d2": {"latency_ms": 1, "energy_mj": 9}}},
        {"name": "b", "profiles": {"d0": {"latency_ms": 2, "energy_mj": 1}}, "deadline_ms": 3},
    ]
    document = {
        "schema": "edgeproof.scenario.v2",
        "name": "apart",
        "execution": "scheduled",
        "devices": [{"name": f"d{i}", "memory_mb": 10} for i in range(3)],
        "edges": [],
        "stages": stages,
    }
    scenario = parse_scenario(document)
    plan = build_plan_document(plan_scenario(scenario, Request("min-energy", top_k=1, front=False, draws=0)))
    assert plan["plans"][0]["total_energy_mj"] == 2
    assert verify_document(plan, scenario).outcome == "holds"
