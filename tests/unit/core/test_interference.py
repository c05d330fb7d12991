import math

import numpy as np
import pytest
from edgeproof.core.interference import compare_stretches, estimate_interference
from scipy import stats


@pytest.mark.parametrize("planted", [0.0, 0.03])
def test_planted_interference_is_recovered_within_half_a_percent(planted):
    rng, arms = np.random.default_rng(3), []
    for effect in (0.01, 0.01 + planted):  # alternation costs both arms one percent, the right arm `planted` more
        pairs = []
        for _ in range(20):
            alone = 1e7 * np.exp(0.01 * rng.standard_normal(8))
            pairs.append(compare_stretches(alone * np.exp(effect + 0.01 * rng.standard_normal(8)), alone))
        arms.append(pairs)
    found = estimate_interference(*arms)
    assert found.difference == pytest.approx(planted, abs=0.005)
    assert found.low <= planted <= found.high
    assert found.left == pytest.approx(0.01, abs=0.005)
    assert (found.forbids(0.02), found.warns(0.02)) == (planted > 0, planted > 0)


def test_the_interval_is_that_of_scipy():
    left, right = np.random.default_rng(1).normal(0, 0.01, (2, 9))
    found = estimate_interference(left, right, 0.9)
    interval = stats.ttest_1samp(right - left, 0).confidence_interval(0.9)
    assert [found.low, found.high] == pytest.approx([interval.low, interval.high])


def test_one_pair_has_no_interval_and_forbids_nothing():
    found = estimate_interference([0.0], [0.5])
    assert found.low is None and not found.forbids(0.02) and found.warns(0.02)


def test_stretches_use_the_median():
    assert compare_stretches([2.0, 2.0, 90.0], [1.0, 1.0, 1.0]) == pytest.approx(math.log(2))
    for wrong in (([1.0], [1.0, 2.0]), ([], []), ([0.0], [1.0])):
        with pytest.raises(ValueError):
            compare_stretches(*wrong)
    with pytest.raises(ValueError):
        estimate_interference([0.1], [0.1, 0.2])
