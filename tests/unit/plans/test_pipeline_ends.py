"""Input and output of the whole pipeline lie with the caller: they cost time and energy, and no device's memory."""

import pytest
from edgeproof.plans.outcome.plan_document import build_plan_document
from edgeproof.plans.outcome.planning import Request, plan_scenario
from edgeproof.plans.plan_verification import verify_document
from edgeproof.plans.scenario.loading import parse_scenario
from edgeproof.plans.solver.chain_search import search_chain
from edgeproof.plans.solver.general_search import search_general

# By hand: first holds 100 MB of weights, 7 of activations and hands on 10; second 200, 5, and makes the output of 40.
NEED = {"serial": 300 + max(7 + 10, 10 + 5), "scheduled": 300 + max(7 + 10, 10 + 5), "pipelined": 300 + 12 + 2 * 10}


def write_document(two_stages, execution, ends, budget):
    """Return a document whose two stages run on one device of `budget` MB, with a caller who has 1 MB."""
    stages = [{**stage, "profiles": {"cpu": stage["profiles"]["cpu"]}} for stage in two_stages["stages"]]
    for stage, activations in zip(stages, (7, 5), strict=True):
        stage["profiles"]["cpu"]["activations_mb"] = activations
    stages[1]["output_mb"] = 40
    links = [
        {"source": "caller", "target": "cpu", "latency_ms_per_mb": 0.1, "energy_mj_per_mb": 0.1, "setup_ms": 0.5},
    ]
    devices = [{"name": "cpu", "memory_mb": budget}, {"name": "caller", "memory_mb": 1}]
    document = {**two_stages, "devices": devices, "links": links, "stages": stages, "execution": execution}
    if ends:
        document |= {"ingest": {"device": "caller", "input_mb": 60}, "egress": {"device": "caller"}}
    return document


def plan(document):
    scenario = parse_scenario(document)
    return scenario, build_plan_document(plan_scenario(scenario, Request("min-latency", front=False, draws=0)))


@pytest.mark.parametrize("ends", [False, True])
@pytest.mark.parametrize("execution", NEED)
def test_a_budget_of_what_the_stages_need_is_enough(two_stages, execution, ends):
    scenario, document = plan(write_document(two_stages, execution, ends, NEED[execution]))
    assert document["status"] == "optimal"
    assert document["plans"][0]["memory_by_device"] == {"cpu": NEED[execution], "caller": 0}
    assert verify_document(document, scenario).outcome == "holds"


@pytest.mark.parametrize("ends", [False, True])
@pytest.mark.parametrize("execution", NEED)
def test_a_budget_below_is_too_small_with_and_without_a_caller(two_stages, execution, ends):
    scenario, document = plan(write_document(two_stages, execution, ends, NEED[execution] - 1))
    assert document["status"] == "infeasible"
    needed = [row["needed"] for row in document["infeasibility"]["relaxations"] if row["limit"] == "memory_mb of cpu"]
    assert needed == [NEED[execution]]
    assert verify_document(document, scenario).failures == []


@pytest.mark.parametrize("execution", NEED)
def test_cp_sat_alone_counts_the_same(two_stages, execution, solver):
    problem, goal, _ = solver(parse_scenario(write_document(two_stages, execution, True, NEED[execution])))
    assert search_general(problem, goal.levels, problem.caps).placements == [(0, 0)]
    problem, goal, _ = solver(parse_scenario(write_document(two_stages, execution, True, NEED[execution] - 1)))
    found = search_general(problem, goal.levels, problem.caps)
    assert (found.placements, found.proven) == ([], True)


@pytest.mark.parametrize("end", [{"ingest": {"device": "caller", "input_mb": 1}}, {"egress": {"device": "caller"}}])
@pytest.mark.parametrize("execution", ["serial", "scheduled"])
def test_labels_use_no_device_without_a_link_to_the_caller(two_stages, execution, end, solver):
    """Of four placements, npu cannot take the stage that the caller waits for, or feeds."""
    links = [
        {"source": "cpu", "target": name, "latency_ms_per_mb": 0.1, "energy_mj_per_mb": 0.1}
        for name in ("npu", "caller")
    ]
    devices = [{"name": name, "memory_mb": 2000} for name in ("cpu", "npu", "caller")]
    document = {**two_stages, "execution": execution, "devices": devices, "links": links, **end}
    problem, goal, answer = solver(parse_scenario(document), "min-latency", 4)
    found = search_chain(problem, goal.levels[0], problem.caps, 4)
    fixed = 0 if "ingest" in end else 1
    assert sorted(found.placements) == [(0, 0), (0, 1) if fixed == 0 else (1, 0)]
    assert sorted(answer.placements) == sorted(found.placements) and found.proven
