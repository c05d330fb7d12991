"""Criteria: pass, fail or unknown, never pass by not knowing, with the limits at which that changes."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from edgeproof.comparability.criteria import judge_criterion, read_criteria
from edgeproof.comparability.criterion_terms import OFFERED, Quantity, absent, in_unit
from edgeproof.comparability.quantities import judge_cold, mean_interval, percentile_interval
from edgeproof.core.errors import UserError
from hypothesis import assume, given
from hypothesis import strategies as st

CRITERIA = Path(__file__).resolve().parents[3] / "config/criteria"
WARM = {
    "id": "warm-p95",
    "metric": "latency",
    "regime": "warm",
    "statistic": "p95",
    "confidence": 0.95,
    "limit": 10.0,
    "unit": "ms",
    "direction": "at_most",
    "required": True,
}


def quantity(low, high, value=None, provenance="measured", reason=None):
    return Quantity((low + high) / 2 if value is None else value, low, high, provenance, "made up", reason)


@pytest.mark.parametrize(
    ("direction", "low", "high", "verdict", "flip_point"),
    [
        ("at_most", 8, 9, "pass", 9),
        ("at_most", 8, 10, "pass", 10),  # the limit is the last good value
        ("at_most", 11, 12, "fail", 11),
        ("at_most", 10, 12, "unknown", 10),
        ("at_most", 9, 14, "unknown", 9),
        ("at_most", 5, 12, "unknown", 12),
        ("at_least", 11, 12, "pass", 11),
        ("at_least", 10, 12, "pass", 10),
        ("at_least", 8, 9, "fail", 9),
        ("at_least", 8, 10.5, "unknown", 10.5),
    ],
)
def test_whole_interval_on_one_side(direction, low, high, verdict, flip_point):
    line = judge_criterion({**WARM, "direction": direction}, quantity(low, high))
    assert (line["verdict"], line["flip_point"]) == (verdict, flip_point)
    assert (line["reason"] is not None) == (verdict == "unknown")


def test_straddling_interval_says_so_and_more_processes_resolve_it():
    line = judge_criterion(WARM, quantity(9.5, 10.5))
    assert "9.5 to 10.5 ms contains the limit 10" in line["reason"] and "more processes" in line["reason"]
    random = np.random.default_rng(1)
    values = 9.8 + 0.5 * random.standard_normal(400)
    few, many = (mean_interval(values[:count], 0.95) for count in (5, 400))
    assert judge_criterion(WARM, quantity(*few[1:]))["verdict"] == "unknown"
    assert judge_criterion(WARM, quantity(*many[1:]))["verdict"] == "pass"


FINITE = st.floats(-1e6, 1e6, allow_nan=False)
LINES = st.tuples(FINITE, FINITE, FINITE, st.sampled_from(["at_most", "at_least"]))


@given(LINES)
def test_verdict_changes_at_its_flip_points_and_nowhere_else(case):
    low, high, limit, direction = case
    low, high = min(low, high), max(low, high)
    criterion = {**WARM, "direction": direction}
    line = judge_criterion({**criterion, "limit": limit}, quantity(low, high))
    sign = 1 if direction == "at_most" else -1
    step = 1e-3 * (1 + abs(low) + abs(high))
    for at, nearer, farther in (
        (line["passes_at"], "pass", {"unknown", "fail"}),
        (line["passes_at"] + sign * step, "pass", None),
    ):
        assert judge_criterion({**criterion, "limit": at}, quantity(low, high))["verdict"] == nearer
        if farther:
            below = judge_criterion({**criterion, "limit": at - sign * step}, quantity(low, high))
            assert below["verdict"] in farther
    assert judge_criterion({**criterion, "limit": line["fails_at"] - sign * step}, quantity(low, high))["verdict"] == (
        "fail"
    )
    assert line["flip_point"] in (line["passes_at"], line["fails_at"])


@given(LINES, st.sampled_from(["declared", "estimated", "simulated"]))
def test_what_was_not_measured_never_passes(case, provenance):
    low, high, limit, direction = case
    figures = quantity(min(low, high), max(low, high), provenance=provenance)
    criterion = {**WARM, "limit": limit, "direction": direction}
    line = judge_criterion(criterion, figures)
    assert (line["verdict"], line["flip_point"]) == ("unknown", None)
    assert provenance in line["reason"] and line["value"] == figures.value  # shown all the same
    accepted = judge_criterion(criterion, figures, ("measured", provenance))
    assert accepted["verdict"] == judge_criterion(criterion, figures._replace(provenance="measured"))["verdict"]
    optional = judge_criterion({**criterion, "required": False}, figures)
    assert optional["verdict"] == accepted["verdict"]


def test_a_reason_makes_it_unknown_whatever_the_figures():
    line = judge_criterion(WARM, quantity(1, 2, reason="the run is throttled"))
    assert (line["verdict"], line["reason"], line["value"]) == ("unknown", "the run is throttled", 1.5)
    assert judge_criterion(WARM, absent("x", "no power"))["verdict"] == "unknown"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"statistic": None}, r"criteria\[0\].statistic"),
        ({"limit": None}, r"criteria\[0\].limit is null"),
        ({"limit": float("nan")}, "limit is nan"),
        ({"limit": True}, "limit is true"),
        ({"statistic": "median of means"}, "statistic is"),
        ({"statistic": "paired_difference"}, "is not one of median, mean, p50"),
        ({"regime": "cold", "statistic": "median"}, "statistic 'median' of cold latency is not one of mean, p50"),
        ({"regime": "hot"}, "regime is"),
        ({"unit": "furlongs"}, "unit 'furlongs' of latency is not one of ns, us, ms, s"),
        ({"confidence": None}, "confidence of the p95 of latency must be a number"),
        ({"confidence": 1}, "confidence"),
        ({"metric": "memory_peak", "unit": "MiB", "statistic": "maximum"}, "memory_peak has no regime"),
        ({"direction": "below"}, "direction is"),
    ],
)
def test_criterion_without_statistic_or_limit_is_a_mistake(tmp_path, change, message):
    path = write(tmp_path, {**WARM, **change})
    with pytest.raises(UserError, match=message):
        read_criteria(path)


@pytest.mark.parametrize("key", ["statistic", "limit", "unit", "direction", "required", "confidence", "metric"])
def test_every_key_is_needed(tmp_path, key):
    path = write(tmp_path, {name: value for name, value in WARM.items() if name != key})
    with pytest.raises(UserError, match=f"key '{key}' is missing"):
        read_criteria(path)


def test_regime_is_needed_where_there_are_two(tmp_path):
    path = write(tmp_path, {name: value for name, value in WARM.items() if name != "regime"})
    with pytest.raises(UserError, match="regime of latency must be warm or cold"):
        read_criteria(path)


def test_counted_metrics_take_no_confidence(tmp_path):
    parity = {"id": "p", "metric": "parity", "statistic": "missed_limits", "unit": "count", "limit": 0}
    path = write(tmp_path, {**parity, "direction": "at_most", "required": True, "confidence": 0.95})
    with pytest.raises(UserError, match="must be null"):
        read_criteria(path)


def test_id_used_twice(tmp_path):
    with pytest.raises(UserError, match="the id is used twice"):
        read_criteria(write(tmp_path, WARM, WARM))


@pytest.mark.parametrize("path", sorted(CRITERIA.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_criteria_are_valid(path):
    assert read_criteria(path)["accept"] == ["measured"]


@given(st.sampled_from(sorted(OFFERED, key=str)), FINITE)
def test_units_change_the_figure_and_not_the_verdict(offered, value):
    metric, regime = offered
    verdicts = set()
    for unit, factor in OFFERED[offered][1].items():
        criterion = {**WARM, "metric": metric, "regime": regime, "unit": unit, "limit": 10.0 / factor}
        assume(abs(value - 10.0) > 1e-6)
        verdicts.add(judge_criterion(criterion, in_unit(quantity(value, value), criterion))["verdict"])
    assert len(verdicts) == 1


def test_percentile_interval_holds_the_percentile_and_needs_its_floor():
    random = np.random.default_rng(0)
    hits, trials = 0, 400
    for _ in range(trials):
        processes = [random.exponential(size=200) for _ in range(5)]
        low, high, _ = percentile_interval(processes, 0.95, 0.95)
        hits += low <= -np.log(0.05) <= high
    assert hits >= 0.96 * trials  # each bound errs with at most 1 %
    assert percentile_interval([np.arange(1.0, 130.0)], 0.95, 0.95)[:2] == (None, None)
    low, high, effective = percentile_interval([np.arange(1.0, 131.0)], 0.95, 0.95)
    assert (effective, high) == (130, 130.0) and low < high


@given(st.lists(st.floats(0.1, 1e3), min_size=200, max_size=400), st.sampled_from([0.5, 0.9]))
def test_percentile_interval_is_in_order(values, q):
    low, high, _ = percentile_interval([np.array(values)], q, 0.95)
    assert min(values) <= low <= high <= max(values)


@pytest.mark.parametrize(("count", "known"), [(1, False), (19, False), (20, True), (40, True)])
def test_cold_criteria_need_twenty_processes(count, known):
    criterion = {**WARM, "regime": "cold", "statistic": "mean"}
    figures = judge_cold([100.0 + index for index in range(count)], criterion, "measured", "x")
    assert (figures.reason is None) == known
    if not known:
        assert "cold start" in figures.reason and "20 fresh processes are needed" in figures.reason


def test_cold_percentile_below_its_floor_is_unknown():
    values = [100.0 + index for index in range(20)]
    assert judge_cold(values, {**WARM, "statistic": "p50"}, "measured", "x").reason is None
    assert "64 are needed for p90" in judge_cold(values, {**WARM, "statistic": "p90"}, "measured", "x").reason


def write(folder, *criteria):
    path = folder / "criteria.yaml"
    bands = {"noticeable": 0.2, "caution": -0.3, "risky": -1.0, "severe": -2.0}
    document = {"description": "x", "accept": ["measured"], "accept_trivial_parity": False, "accuracy_bands": bands}
    path.write_text(yaml.safe_dump({**document, "criteria": list(criteria)}))
    return path
