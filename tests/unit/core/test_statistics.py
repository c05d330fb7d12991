import math

import numpy as np
import pytest
from edgeproof.core.statistics import geometric_mean_interval
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

latencies = st.lists(st.floats(0.01, 1000), min_size=2, max_size=20)
scales = st.floats(0.001, 1000)


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


@given(latencies, scales)
def test_the_unit_does_not_matter(values, scale):
    scaled = bounds(geometric_mean_interval([value * scale for value in values]))
    assert scaled == pytest.approx([bound * scale for bound in bounds(geometric_mean_interval(values))], rel=1e-6)


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


def test_an_impossible_confidence_is_refused():
    with pytest.raises(ValueError, match="confidence"):
        geometric_mean_interval([1, 2], 1.0)
