"""What a request makes of a scenario: what is searched, proved, traced and left out."""

import pytest
from edgeproof.core.errors import UserError
from edgeproof.plans.outcome.planning import Request, add_requested_limits, plan_scenario
from edgeproof.plans.scenario.loading import parse_scenario


def plan(document, **asked):
    return plan_scenario(parse_scenario(document), Request(**{"goal": "min-latency", "draws": 0, **asked}))


def test_only_what_is_asked_for_is_found(two_stages):
    whole, short = plan(two_stages), plan(two_stages, front=False, top_k=1)
    assert whole.fronts is not None and len(whole.answer.placements) == 3
    assert (short.fronts, short.robustness, short.infeasibility) == (None, None, None)
    assert len(short.answer.placements) == 1


def test_without_caps_both_fronts_are_one(two_stages):
    fronts = plan(two_stages).fronts
    assert fronts["with_caps"] is fronts["without_caps"]
    two_stages["constraints"] = {"max_total_latency_ms": 9}
    fronts = plan(two_stages).fronts
    assert len(fronts["with_caps"].points) <= len(fronts["without_caps"].points)
    assert fronts["with_caps"] is not fronts["without_caps"]


def test_an_infeasible_scenario_has_a_certificate(two_stages):
    two_stages["constraints"] = {"max_total_latency_ms": 1}
    outcome = plan(two_stages)
    assert outcome.answer.status == "infeasible"
    assert "max_total_latency_ms" in outcome.infeasibility.conflict


@pytest.mark.parametrize(("goal", "rule"), [("throughput", "pipelined"), ("min-latency", "serial")])
def test_the_goal_decides_how_memory_counts(two_stages, goal, rule):
    assert plan(two_stages, goal=goal).problem.memory_rule == rule


def test_limits_are_added_and_never_loosened(two_stages):
    two_stages["constraints"] = {"max_total_latency_ms": 9}
    scenario = parse_scenario(two_stages)
    assert (
        add_requested_limits(scenario, latency_ms=20.0, energy_mj=7.0).limits
        == add_requested_limits(scenario, latency_ms=None, energy_mj=7.0).limits
    )
    assert add_requested_limits(scenario, latency_ms=8.0).limits.latency_ms == 8.0
    assert add_requested_limits(scenario, energy_mj=7.0).limits.energy_mj == 7.0


def test_a_goal_that_lacks_its_numbers_is_a_mistake(two_stages):
    del two_stages["stages"][0]["profiles"]["cpu"]["energy_mj"]
    with pytest.raises(UserError, match="needs every energy"):
        plan(two_stages, goal="min-energy")
