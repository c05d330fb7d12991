import numpy as np
import pytest
import scipy.stats
from edgeproof.bench.naive_protocols import count_shares, find_p_by_iterations, judge_naively


def test_naive_protocols_see_what_they_would_have_measured():
    left, right = np.full(2000, 100), np.full(2000, 100)
    right[:60] = 200  # a slow start, over before a median of many runs looks
    assert judge_naively(left, right) == [True, True, True, True, False, True]
    assert judge_naively(left[:200], right)[4] is None


def test_shares_leave_out_what_had_too_few_runs():
    assert count_shares([[True, None], [False, None], [True, None]]) == [pytest.approx(2 / 3), None]


def test_welch_agrees_with_scipy():
    random = np.random.default_rng(0)
    left, right = random.normal(1, 0.1, 50), random.normal(1.02, 0.2, 70)
    expected = scipy.stats.ttest_ind(left, right, equal_var=False).pvalue
    assert find_p_by_iterations(left, right) == pytest.approx(expected, rel=1e-9)
