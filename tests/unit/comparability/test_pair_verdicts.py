"""The verdict from pairs: one function for all; interference, wider intervals, modes."""

import math

import numpy as np
import pytest
import scipy.stats
from edgeproof.bench.made_up_pairs import PairsNoise, write_session
from edgeproof.comparability.pair_verdicts import (
    WIDER,
    describe_design,
    describe_effect,
    describe_interference,
    describe_modes,
    find_interference,
    judge,
    make_design,
)
from edgeproof.core.dependence import Dependence, estimate_dependence
from edgeproof.core.pair_values import ProcessValue
from edgeproof.runs.pair_records import Pair

DEFAULT = estimate_dependence([])
STATE = {"left": {"runtime_version": "1"}, "right": {"runtime_version": "1"}}


def pair(log_ratio, left_ns=1e6, alone=None, floor_sd=1e-9):
    levels = [ProcessValue(level, 0.001) for level in (left_ns, left_ns * math.exp(log_ratio))]
    return Pair("", "blocks", 2.0, log_ratio, *levels, floor_sd, alone or {}, "")


def pairs(count=12, ratio=1.1, spread=0.004, seed=1, **more):
    logs = math.log(ratio) + spread * np.random.default_rng(seed).standard_normal(count)
    return [pair(float(value), **more) for value in logs]


def design(margin=0.02, comparisons=1, dependence=DEFAULT):
    return make_design(margin, comparisons, dependence)


@pytest.mark.parametrize(("ratio", "verdict"), [(1.1, "slower"), (0.9, "faster"), (1.0, "equivalent"), (1.02, None)])
def test_verdicts(ratio, verdict):
    found = judge(pairs(ratio=ratio), design()).verdict
    assert found.verdict == (verdict or "undecided")


def test_a_session_that_was_measured_is_judged_by_its_raw_times(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    session = write_session("c", 10, PairsNoise(ratio=0.8), STATE)
    effect = describe_effect(judge(session.pairs, design()))
    assert effect["ratio"] == pytest.approx(0.8, rel=0.01) and effect["delta_pct"] == pytest.approx(-20, abs=1)
    assert effect["interval_low"] < effect["ratio"] < effect["interval_high"]


def test_levels_are_divided_by_the_comparisons_of_the_campaign():
    one, many = (describe_effect(judge(pairs(8), design(comparisons=count))) for count in (1, 20))
    assert one["confidence"] == pytest.approx(0.95) and many["confidence"] == pytest.approx(1 - 0.05 / 20)
    assert describe_design(design(comparisons=20), DEFAULT)["comparisons"] == 20


def test_where_dependence_is_assumed_the_interval_at_one_half_is_shown_too():
    assumed = judge(pairs(8), design())
    low, high = assumed.wider
    ratio = assumed.verdict.ratio
    assert low < ratio.low and high > ratio.high
    widened = math.log(high / low) / math.log(ratio.high / ratio.low)
    assert widened == pytest.approx(math.sqrt(3) / math.sqrt(1.2 / 0.8))
    known = Dependence(WIDER, "calibration", 0.4, 80, 2)
    assert judge(pairs(8), design(dependence=known)).wider is None
    assert judge(pairs(1), design()).wider is None


def test_a_clock_that_is_too_coarse_decides_nothing():
    assert judge(pairs(12, spread=0, floor_sd=0.2), design()).verdict.verdict == "undecided"
    assert judge(pairs(12, spread=0), design()).verdict.verdict == "slower"


def alternating(left, right):
    return [pair(0.1, alone={arm: value}) for values in zip(left, right, strict=True)
            for arm, value in zip(("left", "right"), values, strict=True)]  # fmt: skip


def test_interference_is_the_difference_of_both_arms_by_welch():
    random = np.random.default_rng(0)
    left, right = random.normal(0.01, 0.002, 6), random.normal(0.04, 0.004, 6)
    found = find_interference(alternating(left, right))
    oracle = scipy.stats.ttest_ind(right, left, equal_var=False).confidence_interval(0.95)
    assert (found.low, found.high) == (pytest.approx(oracle.low), pytest.approx(oracle.high))
    assert found.difference == pytest.approx(right.mean() - left.mean())
    assert describe_interference(judge(alternating(left, right), design()))["high"] == found.high


@pytest.mark.parametrize("count", [0, 1])
def test_interference_is_not_known_before_both_arms_ran_alone_twice(count):
    both = alternating([0.01] * count, [0.02] * count)
    assert find_interference([*both, pair(0.1, alone={"left": 0.0})]) is None
    assert describe_interference(judge(pairs(4), design())) is None


def test_interference_beyond_the_margin_leaves_it_undecided():
    found = judge(alternating([0.0, 0.001] * 3, [0.1, 0.101] * 3), design()).verdict
    assert (found.verdict, found.reason) == ("undecided", "interference")


def test_starts_in_two_levels_are_described_in_milliseconds():
    mixed = [pair(math.log(1.3 if number % 2 else 1.0)) for number in range(12)]
    modes = describe_modes(judge(mixed, design()))
    assert [entry["level_ms"] for entry in modes["right"]] == [pytest.approx(1.0), pytest.approx(1.3)]
    assert [entry["starts"] for entry in modes["right"]] == [6, 6] and len(modes["left"]) == 1
    assert describe_modes(judge(pairs(8), design())) is None
