import math

import numpy as np
import pytest
from edgeproof.core.statistics import geometric_mean_interval, holm, interval_of_logs, paired_logs
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

latencies = st.lists(st.floats(0.01, 1000), min_size=2, max_size=20)
pairs = st.lists(st.tuples(st.floats(0.01, 1000), st.floats(0.01, 1000)), min_size=2, max_size=20)
scales = st.floats(0.001, 1000)


def ratio_interval(left, right):
    return interval_of_logs(paired_logs(left, right), 0.95)


def bounds(interval):
    return [interval.low, interval.estimate, interval.high]


def test_geometric_mean_interval_equals_scipy():
    values = np.random.default_rng(1).lognormal(1, 0.2, 9)
    for confidence in (0.8, 0.95, 0.99):
        logs = np.log(values)
        low, high = stats.t.interval(confidence, 8, logs.mean(), stats.sem(logs))
        interval = geometric_mean_interval(values, confidence)
        assert interval.estimate == pytest.approx(stats.gmean(values), rel=1e-12)
        assert [interval.low, interval.high] == pytest.approx([math.exp(low), math.exp(high)], rel=1e-12)
        assert (interval.confidence, interval.count) == (confidence, 9)


def test_the_interval_of_paired_logs_equals_scipy():
    generator = np.random.default_rng(2)
    left, right = generator.lognormal(0, 0.1, (2, 12))
    interval = interval_of_logs(paired_logs(left, right), 0.9)
    expected = stats.ttest_rel(np.log(right), np.log(left)).confidence_interval(0.9)
    assert [interval.low, interval.high] == pytest.approx(np.exp([expected.low, expected.high]), rel=1e-12)


@given(latencies, scales)
def test_the_unit_does_not_matter(values, scale):
    scaled = bounds(geometric_mean_interval([value * scale for value in values]))
    assert scaled == pytest.approx([bound * scale for bound in bounds(geometric_mean_interval(values))], rel=1e-6)


@given(pairs, scales)
def test_a_ratio_ignores_the_unit_and_the_order_of_pairs_and_inverts_when_arms_are_swapped(values, scale):
    left, right = zip(*values, strict=True)
    ratio = bounds(ratio_interval(left, right))
    scaled = ratio_interval([value * scale for value in left], [value * scale for value in right])
    turned = ratio_interval(left[::-1], right[::-1])
    swapped = bounds(ratio_interval(right, left))
    assert bounds(scaled) == pytest.approx(ratio, rel=1e-6)
    assert bounds(turned) == pytest.approx(ratio, rel=1e-6)
    assert [1 / bound for bound in swapped[::-1]] == pytest.approx(ratio, rel=1e-6)


@given(latencies)
def test_more_confidence_is_a_wider_interval_around_the_same_estimate(values):
    narrow, wide = geometric_mean_interval(values, 0.9), geometric_mean_interval(values, 0.99)
    assert narrow.estimate == wide.estimate
    assert wide.low <= narrow.low <= narrow.estimate <= narrow.high <= wide.high


def test_one_process_has_no_interval_and_equal_ones_have_no_width():
    assert geometric_mean_interval([3.0]).low is None
    assert geometric_mean_interval([3.0]).high is None
    assert geometric_mean_interval([3.0]).estimate == pytest.approx(3)
    assert bounds(geometric_mean_interval([2.0, 2.0, 2.0])) == pytest.approx([2, 2, 2])


def test_bounds_stay_finite_however_far_two_processes_lie_apart():
    interval = geometric_mean_interval([1e-9, 1e9], 0.999)
    assert 0 <= interval.low < interval.estimate < interval.high < math.inf


@pytest.mark.parametrize("values", [[], [1, 0], [1, -1], [1, math.nan], [1, math.inf], [[1, 2], [3, 4]]])
def test_what_has_no_geometric_mean_is_refused(values):
    with pytest.raises(ValueError):
        geometric_mean_interval(values)


def test_arms_of_unequal_length_and_impossible_confidences_are_refused():
    with pytest.raises(ValueError, match="3 left values cannot be paired with 2"):
        paired_logs([1, 2, 3], [1, 2])
    with pytest.raises(ValueError, match="confidence"):
        geometric_mean_interval([1, 2], 1.0)


def test_holm_on_the_textbook_case():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    with pytest.raises(ValueError):
        holm([0.5, math.nan])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_lies_between_the_raw_values_and_bonferroni_and_keeps_their_order(p_values):
    adjusted = holm(p_values)
    for raw, value in zip(p_values, adjusted, strict=True):
        assert raw <= value <= min(1, raw * len(p_values)) or value == pytest.approx(raw)
    by_raw = [adjusted[i] for i in sorted(range(len(p_values)), key=p_values.__getitem__)]
    assert by_raw == sorted(by_raw)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.001, 0.5))
def test_holm_rejects_what_the_step_down_definition_rejects(p_values, level):
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    rejected = set()
    for rank, index in enumerate(order):
        if p_values[index] * (len(p_values) - rank) > level:
            break
        rejected.add(index)
    assert {index for index, value in enumerate(holm(p_values)) if value <= level} == rejected
