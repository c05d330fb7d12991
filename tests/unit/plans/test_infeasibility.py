"""The certificate of infeasibility, on an instance whose relaxations and conflict follow by hand."""

import pytest
from edgeproof.plans.outcome.infeasibility import drop_cause, explain_infeasibility, is_feasible, relax_both_caps
from edgeproof.plans.scenario.costs import UNIT, Problem
from edgeproof.plans.scenario.loading import parse_scenario
from edgeproof.plans.solver.search import Effort


@pytest.fixture
def tight(two_stages):
    """cpu alone: 10 ms, 9 mJ; cpu → npu: 8.5 ms, 7 mJ; npu → cpu: 9.5 ms, 7 mJ; npu alone (5 ms, 3 mJ) needs 610 MB."""
    two_stages["devices"][1]["memory_mb"] = 400
    two_stages["constraints"] = {"max_total_latency_ms": 8, "max_total_energy_mj": 7}
    return two_stages


def explain(document):
    return explain_infeasibility(Problem(parse_scenario(document)))


def test_every_limit_alone(tight):
    needed = {row.limit: row.needed for row in explain(tight).relaxations}
    assert needed == {
        "max_total_latency_ms": pytest.approx(8.5),
        "max_total_energy_mj": None,
        "memory_mb of cpu": None,
        "memory_mb of npu": pytest.approx(610),
    }


def test_a_limit_keeps_its_value_and_says_why_it_does_not_help(tight):
    rows = {row.limit: row for row in explain(tight).relaxations}
    assert rows["max_total_latency_ms"].value == 8
    assert rows["max_total_latency_ms"].reason is None
    assert rows["max_total_energy_mj"].reason == "this limit alone cannot help"


def test_both_caps_are_scaled_by_the_least_factor(tight):
    assert (explain(tight).both_caps_factor, explain(tight).both_caps_reason) == (pytest.approx(8.5 / 8), None)
    tight["constraints"] = {"max_total_latency_ms": 8}
    assert relax_both_caps(Problem(parse_scenario(tight))) == (None, None)


def test_the_conflict_is_irreducible(tight):
    certificate = explain(tight)
    assert set(certificate.conflict) == {"max_total_latency_ms", "memory_mb of npu"} and certificate.conflict_minimal
    problem = Problem(parse_scenario(tight))
    for limit in ("latency", ("memory", 1)):
        assert is_feasible(problem, drop_cause(problem.caps, limit), Effort())


def test_a_missing_link_leaves_memory_in_conflict(two_stages):
    """There is no way back from npu, so the middle stage has to run on cpu, where it does not fit."""
    first, second = two_stages["stages"]
    second["profiles"]["cpu"]["weights_mb"] = 2000
    last = {**first, "name": "last", "profiles": {"cpu": first["profiles"]["cpu"]}}
    two_stages["stages"] = [last | {"name": "first"}, second, last]
    two_stages["links"][0]["bidirectional"] = False
    assert explain(two_stages).conflict == ("memory_mb of cpu",)


def test_a_deadline_is_relaxed_to_the_end_of_its_stage(tight):
    tight["constraints"] = {}
    tight["stages"][1]["deadline_ms"] = 5
    rows = {row.limit: row.needed for row in explain(tight).relaxations}
    assert rows["deadline_ms of second"] == pytest.approx(8.5, abs=2e-9)


@pytest.mark.parametrize("limit", ["latency", "energy", ("memory", 1), ("deadline", 1)])
def test_a_limit_is_dropped_and_the_others_stay(tight, limit):
    tight["stages"][1]["deadline_ms"] = 5
    caps = Problem(parse_scenario(tight)).caps
    rest = drop_cause(caps, limit)
    kept = {
        "latency": rest.latency,
        "energy": rest.energy,
        ("memory", 0): rest.memory[0],
        ("memory", 1): rest.memory[1],
    }
    kept["deadline", 1] = rest.deadlines[1]
    assert kept.pop(limit) is None
    assert None not in kept.values() and rest.latency in (None, 8 * UNIT + 1)
