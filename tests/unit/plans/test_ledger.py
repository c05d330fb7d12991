"""The verifier's own accounts, against amounts that follow by hand."""

from fractions import Fraction

import pytest
from edgeproof.plans.scenario.loading import parse_scenario
from edgeproof.plans.verifier.ledger import Ledger, account_least_makespan

NO_LIMITS = {"latency": None, "energy": None, "accuracy": None, "period": None}


@pytest.fixture
def fork(two_stages):
    """first → second, first → third; every stage has activations of 50 MB."""
    two_stages["stages"].append({**two_stages["stages"][1], "name": "third"})
    two_stages["edges"] = [{"source": "first", "target": name} for name in ("second", "third")]
    for stage in two_stages["stages"]:
        stage["profiles"] = {n: {**p, "activations_mb": 50} for n, p in stage["profiles"].items()}
    return two_stages


def make_ledger(document, rule="serial", number=Fraction):
    return Ledger(parse_scenario(document), rule, number)


def test_numbers_are_the_digits_of_the_document(two_stages):
    assert make_ledger(two_stages).exact(0.1) == Fraction(1, 10)
    assert make_ledger(two_stages, number=float).exact(0.1) == 0.1


def test_totals_of_a_placement(fork):
    totals = make_ledger(fork).account((0, 1, 1))
    assert totals["latency"] == 4 + Fraction(3, 2) + 3 + 3
    assert totals["energy"] == 4 + 1 + 2 + 2
    assert (totals["switches"], totals["accuracy"], totals["period"]) == (1, 0, 6)
    # cpu: weights, activations, tensor. npu: weights of two stages, activations of one, the copy.
    assert totals["memory"] == [100 + 50 + 10, 600 + 50 + 10]


def test_one_copy_per_device_waits_for_its_first_reader(fork):
    assert make_ledger(fork).copies((0, 1, 1)) == [(1, 0, 0, 1, Fraction(3, 2), 1, 0)]


def test_overlapping_inputs_count_everything_at_once(fork):
    memory = make_ledger(fork, "pipelined").account((0, 1, 1))["memory"]
    assert memory == [100 + 50 + 2 * 10, 600 + 2 * 50 + 2 * 10]


def test_shared_weights_count_once_per_device(fork):
    for stage in fork["stages"][1:]:
        stage["profiles"]["npu"]["shared_weights"] = "w"
    ledger = make_ledger(fork)
    assert ledger.resident([ledger.options[i][o] for i, o in enumerate((0, 1, 1))]) == [100, 300]


def test_a_missing_link_is_no_placement(two_stages):
    two_stages["links"][0]["bidirectional"] = False
    ledger = make_ledger(two_stages)
    assert ledger.copies((1, 0)) is None and ledger.account((1, 0)) is None
    with pytest.raises(ValueError, match="no link"):
        ledger.require_copies((1, 0))
    assert len(list(ledger.enumerate(NO_LIMITS))) == 3


def test_version_1_crosses_for_nothing_at_0_mb(two_stages):
    costs = {"latency_ms": 1, "energy_mj": 1, "memory_mb": 1}
    profile = {"cpu": costs, "npu": costs}
    devices = [{"name": name, "memory_mb": 9} for name in ("cpu", "npu")]
    stages = [{"name": name, "output_mb": 0, "profiles": profile} for name in "ab"]
    ledger = make_ledger({"name": "free", "devices": devices, "links": [], "stages": stages})
    assert ledger.account((0, 1))["latency"] == 2 and ledger.account((0, 1))["switches"] == 1
    two_stages["links"], two_stages["stages"][0]["output_mb"] = [], 0
    assert make_ledger(two_stages).account((0, 1)) is None


@pytest.mark.parametrize(
    ("limits", "broken"),
    [
        ({}, []),
        ({"latency": 10.0}, []),
        ({"latency": 9.9}, ["latency"]),
        ({"energy": 8.9, "period": 9.9}, ["energy", "period"]),
    ],
)
def test_limits_are_inclusive(two_stages, limits, broken):
    ledger = make_ledger(two_stages)
    assert ledger.violations((0, 0), ledger.account((0, 0)), {**NO_LIMITS, **limits}) == broken


def test_budgets_and_deadlines_are_limits_too(two_stages):
    two_stages["devices"][0]["memory_mb"] = 309
    two_stages["stages"][1]["deadline_ms"] = 9.5
    ledger = make_ledger(two_stages)
    assert ledger.violations((0, 0), ledger.account((0, 0)), NO_LIMITS) == ["memory of cpu", "deadline of second"]
    assert ledger.stage_ends((0, 0), []) == {0: 4, 1: 10}


@pytest.mark.parametrize(
    ("goal", "levels"),
    [
        ("min-latency", [Fraction(17, 2)]),
        ("throughput", [4]),
        ("lex:switches,energy", [1, 7]),
        ("accuracy-first", [0, Fraction(17, 2), 7]),
    ],
)
def test_levels_of_a_goal(two_stages, goal, levels):
    ledger = make_ledger(two_stages)
    totals = ledger.account((0, 1))
    assert ledger.levels(goal, totals) == levels
    assert ledger.key(goal, (0, 1), totals) == (*levels, Fraction(17, 2), 7, 1, (0, 1))


def test_a_blend_divides_by_the_least_of_every_stage(two_stages):
    ledger = make_ledger(two_stages)
    assert (ledger.latency_ref, ledger.energy_ref) == (5, 3)
    score = ledger.levels("balanced", ledger.account((0, 1)))[0]
    assert score == Fraction("0.75") * Fraction("8.5") / 5 + Fraction("0.75") * 7 / 3 + Fraction("0.08")


def test_a_makespan_is_at_least_the_longest_path_and_the_busiest_device(fork):
    ledger = make_ledger(fork)
    apart, together = ledger.account((0, 0, 1)), ledger.account((0, 0, 0))
    assert account_least_makespan(ledger, (0, 0, 1), apart) == 10  # first and second on cpu
    assert account_least_makespan(ledger, (0, 0, 0), together) == 16  # all on cpu
    assert account_least_makespan(ledger, (0, 1, 1), ledger.account((0, 1, 1))) == Fraction(17, 2)  # path over the link
