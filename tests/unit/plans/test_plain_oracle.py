"""Drawn scenarios against a brute force from the words of docs/plans.md: ranks, infeasibility, what verify says."""

import collections

import pytest
from edgeproof.core.errors import UserError
from edgeproof.plans.outcome.plan_document import build_plan_document
from edgeproof.plans.outcome.planning import Request, plan_scenario
from edgeproof.plans.plan_verification import verify_document
from edgeproof.plans.scenario.loading import parse_scenario

from .drawn_scenarios import draw_scenario
from .plain_costs import PlainCosts
from .plain_schedules import rank_placements

NEAR = 1e-7
ROUNDED = 2e-3  # relative: with contention, times are rounded up to ten-thousandths of the longest plan


def read(seed, execution):
    """Return (document, goal, scenario); None where a hand-over is impossible, which is all that may be refused."""
    document, goal = draw_scenario(seed, execution)
    try:
        return document, goal, parse_scenario(document)
    except UserError as error:
        assert "cannot be handed over" in str(error) or "shares weights" in str(error), seed
        return None


def describe(plan):
    placed = [(row["device_name"], row["variant"]) for row in plan["assignments"]]
    return placed, plan["total_latency_ms"], plan["total_energy_mj"], plan["switches"], plan["period_ms"]


def compare(seed, execution):
    """Return what is wrong with the plans of one drawn scenario, and its status (None: not read)."""
    drawn = read(seed, execution)
    if drawn is None:
        return [], None
    document, goal, scenario = drawn
    expected = rank_placements(PlainCosts(document, goal), 3)
    plans = build_plan_document(plan_scenario(scenario, Request(goal, top_k=3, front=False, draws=0)))
    found, wrong = plans["plans"], []
    if bool(found) != bool(expected) or plans["status"].startswith("infeasible") == bool(expected):
        wrong.append((seed, goal, plans["status"], expected[:1]))
    wrong += [(seed, goal, text) for text in verify_document(plans, scenario).failures]
    if execution == "contended":
        wrong += [(seed, goal, *row) for row in compare_rounded(found, expected)]
    else:
        wrong += [(seed, goal, *row) for row in compare_ranks(found, expected, plans)]
    return wrong, plans["status"]


def compare_ranks(found, expected, plans):
    """Yield the ranks that differ."""
    if len(found) != len(expected):
        yield "number of plans", len(found), len(expected)
    for plan, (_, placed, totals) in zip(found, expected, strict=False):
        wanted = [float(totals[metric]) for metric in ("latency", "energy", "switches", "period")]
        said = describe(plan)
        if said[0] != placed or any(abs(a - b) > NEAR for a, b in zip(said[1:], wanted, strict=True)):
            yield plans["status"], plan["rank"], said, (placed, wanted)


def compare_rounded(found, expected):
    """Yield a first plan that is worse than the best one by more than rounding."""
    for plan, (key, _, _) in zip(found[:1], expected[:1], strict=False):
        if plan["objective"][0] > float(key[0]) * (1 + ROUNDED) + ROUNDED:
            yield "worse than", float(key[0]), plan["objective"]


@pytest.mark.parametrize("execution", ["serial", "pipelined", "scheduled", "contended"])
def test_some_plans_are_those_of_a_brute_force(execution):
    results = [compare(seed, execution) for seed in range(12)]
    assert [row for wrong, _ in results for row in wrong] == []


@pytest.mark.campaign
@pytest.mark.parametrize("execution", ["serial", "pipelined", "scheduled", "contended"])
@pytest.mark.parametrize("start", range(1000, 1200, 50))
def test_200_plans_are_those_of_a_brute_force(start, execution):
    results = [compare(seed, execution) for seed in range(start, start + 50)]
    assert [row for wrong, _ in results for row in wrong] == []
    seen = collections.Counter(status for _, status in results)
    assert sum(seen[status] for status in seen if status) > 30
    assert seen["optimal"] + seen["optimal (one engine)"] > 10
