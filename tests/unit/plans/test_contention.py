"""Stages that run at the same time on devices sharing memory: plans whose times are known by arithmetic."""

import itertools
import random

import pytest
from edgeproof.core.errors import UserError
from edgeproof.plans.outcome.plan_document import build_plan_document
from edgeproof.plans.outcome.planning import Request, plan_scenario
from edgeproof.plans.scenario.contention import run_side_by_side
from edgeproof.plans.scenario.costs import UNIT, Problem
from edgeproof.plans.scenario.loading import parse_scenario
from edgeproof.plans.verifier.verification import verify_plan

REQUEST = Request("min-latency", top_k=1, front=False, draws=0)


def apart(works, factor, **more):
    """One stage per device, none reads another; each slows each by `factor`."""
    names = "ABCD"[: len(works)]
    return {
        "schema": "edgeproof.scenario.v2",
        "name": "apart",
        "execution": "scheduled",
        "devices": [{"name": name, "memory_mb": 10} for name in names],
        "links": [
            {"source": a, "target": b, "latency_ms_per_mb": 0} for a, b in itertools.combinations(names, 2)
        ],
        "contention": [
            {"slowed": a, "by": b, "factor": factor} for a, b in itertools.permutations(names, 2)
        ],
        "stages": [
            {"name": name.lower(), "profiles": {name: {"latency_ms": work}}}
            for name, work in zip(names, works, strict=True)
        ],
        "edges": [],
        **more,
    }  # fmt: skip


def plan(document, request=REQUEST):
    scenario = parse_scenario(document)
    return scenario, build_plan_document(plan_scenario(scenario, request))


@pytest.mark.parametrize(
    ("works", "factor", "makespan"),
    [
        ((4, 4), 1.5, 6),
        ((2, 6), 1.5, 7),  # a loses 1 ms beside b, and b 1 ms beside a
        ((3, 5), 1.25, 5.75),  # 0.2 of its speed: 3 / 0.8 = 3.75, of which b loses a fifth
        ((4, 4), 2, 8),
        ((4, 4), 3, 8),  # one after the other
        ((3, 3, 3), 1.25, 5),  # two others: 0.4 of its speed
    ],
)
def test_makespans_known_by_arithmetic(works, factor, makespan):
    scenario, document = plan(apart(works, factor))
    best = document["plans"][0]
    assert document["status"] == "optimal (one engine)"
    assert best["total_latency_ms"] == pytest.approx(makespan, abs=2e-5)
    rows = best["assignments"]
    assert [row["end_ms"] - row["start_ms"] - row["contention_latency_ms"] for row in rows] == pytest.approx(works)
    assert verify_plan(document, scenario).failures == []


def test_a_smaller_loss_is_refuted():
    scenario, document = plan(apart((4, 4), 1.5))
    document["plans"][0]["assignments"][0]["contention_latency_ms"] -= 0.5
    assert any("loses to others" in failure for failure in verify_plan(document, scenario).failures)


def test_contention_that_never_meets_is_proved_twice():
    """b reads a, so they never run at the same time."""
    scenario, document = plan(apart((4, 4), 1.5, edges=[{"source": "a", "target": "b"}]))
    assert document["status"] == "optimal" and document["plans"][0]["total_latency_ms"] == 8
    assert verify_plan(document, scenario).outcome == "holds"


def start_on_a_grid(problem):
    """Return the least makespan in units where a, b and c start at whole ms; c reads a, and runs on device B."""
    work = [problem.latency[i][0] for i in range(3)]
    best = sum(work)
    for starts in itertools.product(range(best // UNIT), repeat=3):
        release = [start * UNIT for start in starts]
        begun, ends = run_side_by_side(work, [0, 1, 1], release, [set(), set(), {0}], problem.losses)
        if begun == release and (begun[1] >= ends[2] or begun[2] >= ends[1]):
            best = min(best, max(ends))
    return best


@pytest.mark.parametrize("seed", range(6))
def test_no_schedule_on_a_grid_is_better(seed):
    rng = random.Random(seed)
    document = apart([rng.randint(1, 4), rng.randint(1, 4)], 1)
    for row in document["contention"]:
        row["factor"] = rng.choice([1, 1.25, 1.5, 2, 4])
    document["stages"].append({"name": "c", "profiles": {"B": {"latency_ms": rng.randint(1, 3)}}})
    document["edges"] = [{"source": "a", "target": "c"}]
    scenario, made = plan(document)
    assert made["plans"][0]["total_latency_ms"] <= start_on_a_grid(Problem(scenario)) / UNIT + 1e-3
    assert verify_plan(made, scenario).failures == []


def test_a_measured_factor_is_drawn_again():
    factor = {"value": 1.5, "provenance": "declared", "process_medians": [1.2, 1.5, 1.8]}
    document = apart((4, 4), 1.5, stage_error=0)
    document["contention"] = [{"slowed": "A", "by": "B", "factor": factor}]
    _, made = plan(document, Request("min-latency", top_k=1, front=False, draws=40))
    drawn = made["robustness"]["latency_ms_quantiles"]
    # a loses a third of b's 4 ms; of the draws a sixth to four ninths: 4 + 4 (1 − 1/1.2) to 4 + 4 (1 − 1/1.8).
    assert 4 + 4 / 6 - 1e-3 <= drawn["p5"] < drawn["p95"] <= 4 + 16 / 9 + 1e-3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"execution": "serial"}, "contention counts in scheduled execution only"),
        (
            {"contention": [{"slowed": "A", "by": "B", "factor": 0.9}]},
            r"contention\[0\].factor is 0.9; it is at least 1",
        ),
        ({"contention": [{"slowed": "A", "by": "A", "factor": 2}]}, "'A' cannot slow itself"),
        ({"contention": [{"slowed": "A", "by": "B", "factor": 2}] * 2}, "repeats the pair 'A', 'B'"),
        ({"constraints": {"max_period_ms": 5}}, "max_period_ms: periods do not count contention"),
    ],
)
def test_what_contention_does_not_cover_is_refused(change, message):
    with pytest.raises(UserError, match=message):
        parse_scenario(apart((4, 4), 1.5, **change), "s.json")


def test_devices_never_stand_still():
    with pytest.raises(UserError, match="together bring 'A' to a standstill"):
        parse_scenario(apart((1, 1, 1), 3), "s.json")


def test_a_goal_with_periods_is_refused():
    with pytest.raises(UserError, match="contention: periods do not count it"):
        plan(apart((4, 4), 1.5), Request("throughput", draws=0))
