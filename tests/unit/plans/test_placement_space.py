"""Trying every placement: what the survey finds, and what it says about plan files that claim something else."""

import copy

import pytest
from edgeproof.plans.outcome.plan_document import build_plan_document
from edgeproof.plans.outcome.planning import Request, plan_scenario
from edgeproof.plans.scenario.loading import parse_scenario
from edgeproof.plans.verifier.ledger import Ledger
from edgeproof.plans.verifier.placement_space import Survey
from edgeproof.plans.verifier.verdict import Verdict, counts_as_equal

NO_LIMITS = {"latency": None, "energy": None, "accuracy": None, "period": None}


def survey(document, goal="min-latency", top_k=3, **limits):
    """Return the survey of a document that it has run over."""
    found = Survey(Ledger(parse_scenario(document), "serial", float), goal, {**NO_LIMITS, **limits}, top_k)
    found.run(None)
    return found


def judge(document, change, goal="min-latency"):
    """Return the verdict on the plan of a document after a change of the plan."""
    plan = copy.deepcopy(build_plan_document(plan_scenario(parse_scenario(document), Request(goal=goal, draws=0))))
    change(plan)
    limits = {"latency": plan["limits"]["max_total_latency_ms"], "energy": plan["limits"]["max_total_energy_mj"]}
    verdict = Verdict()
    survey(document, goal, max(1, len(plan["plans"])), **limits).judge(verdict, plan)
    return verdict


def test_all_placements_are_counted_and_the_best_are_kept(two_stages):
    two_stages["devices"][1]["memory_mb"] = 400  # not both stages on npu: 600 MB
    found = survey(two_stages, top_k=2)
    assert (found.count, found.feasible) == (4, 3)
    assert found.best == pytest.approx([8.5, 9.5])  # cpu → npu, npu → cpu; 10 on cpu alone


def test_the_front_has_the_points_that_nothing_beats(two_stages):
    two_stages["devices"][1]["memory_mb"] = 400
    two_stages["stages"][1]["profiles"]["npu"]["energy_mj"] = 9
    found = survey(two_stages)
    assert {point[:2] for point in found.front} == {(8.5, 14.0), (9.5, 7.0)}


def test_caps_that_exclude_everything_leave_least_values(two_stages):
    two_stages["devices"][1]["memory_mb"] = 400
    found = survey(two_stages, latency=5.0, energy=100.0)
    assert found.feasible == 0 and found.front == set()
    assert found.least == {"latency": 8.5, "memory of npu": 610}  # npu alone: 5 ms, weights 600, a tensor 10
    assert found.factor == pytest.approx(8.5 / 5)
    assert {point[:2] for point in found.free_front} == {(8.5, 7.0)}


def test_a_true_plan_is_confirmed(two_stages):
    two_stages["devices"][1]["memory_mb"] = 400
    verdict = judge(two_stages, lambda plan: None)
    assert verdict.ok and verdict.optimality == "confirmed: 4 placements with links tried, 3 feasible"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda p: [plan.update(total_score=plan["total_score"] + 1) for plan in p["plans"]],
            "called optimal at 9.5, but 8.5 is possible",
        ),
        (lambda p: p.update(status="infeasible", infeasibility=None), "called infeasible, but 3 placements"),
        (lambda p: p["pareto"]["with_caps"]["points"].pop(), "the front with_caps has"),
        (lambda p: p["plans"][2].update(total_score=99.0), "the ranking misses a better placement"),
    ],
)
def test_a_false_claim_is_refuted(two_stages, change, words):
    two_stages["devices"][1]["memory_mb"] = 400
    two_stages["stages"][1]["profiles"]["npu"]["energy_mj"] = 9  # two points on the front
    verdict = judge(two_stages, change)
    assert [sentence for sentence in verdict.failures if words in sentence], verdict.failures


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c["relaxations"][0].update(needed=8.0), "max_total_latency_ms would need 8.5, not 8.0"),
        (lambda c: c.update(conflict=["memory_mb of cpu"]), "the limits in conflict can be kept together"),
        (lambda c: c["conflict"].append("memory_mb of cpu"), "without memory of cpu the limits are still"),
        (lambda c: c.update(conflict=["links"]), "the conflict names the links"),
    ],
)
def test_a_false_certificate_is_refuted(two_stages, change, words):
    two_stages["devices"][1]["memory_mb"] = 400
    two_stages["constraints"] = {"max_total_latency_ms": 5}
    verdict = judge(two_stages, lambda plan: change(plan["infeasibility"]))
    assert [sentence for sentence in verdict.failures if words in sentence], verdict.failures


def test_a_true_certificate_is_confirmed(two_stages):
    two_stages["devices"][1]["memory_mb"] = 400
    two_stages["constraints"] = {"max_total_latency_ms": 5}
    verdict = judge(two_stages, lambda plan: None)
    assert verdict.ok and verdict.optimality.startswith("infeasibility confirmed")


def test_a_verdict_counts_checks_and_keeps_what_failed():
    verdict = Verdict()
    verdict.expect(True, "fine")
    verdict.compare(1.0, 1.0 + 1e-9, "latency")
    assert verdict.ok and verdict.checks == 2
    verdict.compare(None, 3, "energy")
    verdict.expect(False, "wrong")
    assert verdict.failures == ["energy is None, recomputed 3", "wrong"] and not verdict.ok


@pytest.mark.parametrize(("a", "b", "close"), [(1e6, 1e6 + 0.01, True), (1e6, 1e6 + 0.03, False), (0, 1e-8, True)])
def test_numbers_are_close_relative_to_their_size(a, b, close):
    assert counts_as_equal(a, b) is close
