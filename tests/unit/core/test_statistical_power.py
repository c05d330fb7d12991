import math

import numpy as np
import pytest
from edgeproof.core.statistical_power import detectable_effect, pairs_needed, power_of_pairs
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

MARGIN = math.log(1.02)


@pytest.mark.parametrize("pairs", [2, 3, 10, 40])
def test_the_detectable_effect_has_the_power_it_promises(pairs):
    for power in (0.5, 0.8, 0.95):
        effect = math.log(detectable_effect(0.02, pairs, power))
        critical = stats.t.ppf(0.975, pairs - 1)
        assert stats.nct.sf(critical, pairs - 1, effect * math.sqrt(pairs) / 0.02) == pytest.approx(power, abs=1e-6)


@given(st.floats(1e-4, 0.3), st.integers(2, 200), st.floats(0, 0.1))
def test_the_detectable_effect_grows_with_spread_and_margin_and_falls_with_pairs(spread, pairs, margin):
    effect = detectable_effect(spread, pairs, margin=margin)
    assert effect >= 1 + margin
    assert detectable_effect(2 * spread, pairs, margin=margin) > effect
    assert detectable_effect(spread, 2 * pairs, margin=margin) < effect
    assert effect == pytest.approx((1 + margin) * detectable_effect(spread, pairs))


def test_no_spread_detects_any_effect_and_one_pair_none():
    assert detectable_effect(0.0, 10) == 1
    with pytest.raises(ValueError):
        detectable_effect(0.01, 1)
    with pytest.raises(ValueError):
        detectable_effect(-0.01, 10)


@pytest.mark.parametrize("effect", [0, 0.005, 0.012, 0.025, 0.03, 0.1, -0.1])
@pytest.mark.parametrize("spread", [0.002, 0.01, 0.03])
def test_pairs_needed_is_the_smallest_number_with_that_power(effect, spread):
    needed = pairs_needed(effect, spread, MARGIN, 0.05)
    by_counting = next(n for n in range(2, 300) if power_of_pairs(effect, spread, MARGIN, n, 0.05) >= 0.8)
    assert needed == by_counting


def test_pairs_needed_knows_when_no_number_would_do():
    assert pairs_needed(MARGIN, 0.01, MARGIN, 0.05) is None
    assert pairs_needed(MARGIN * 1.001, 0.01, MARGIN, 0.05) is None
    assert pairs_needed(0.5, 0.0, MARGIN, 0.05) == 2
    beyond = pairs_needed(MARGIN * 1.1, 0.02, MARGIN, 0.05)
    assert 100 < beyond < 10_000
    assert pairs_needed(MARGIN * 1.1, 0.02, MARGIN, 0.05, limit=beyond) == beyond
    assert pairs_needed(MARGIN * 1.1, 0.02, MARGIN, 0.05, limit=beyond - 1) is None


@pytest.mark.parametrize("effect", [0.0, 0.008, 0.04])
def test_power_is_what_simulated_comparisons_show(effect):
    pairs = pairs_needed(effect, 0.02, MARGIN, 0.05)
    logs = np.random.default_rng(5).normal(effect, 0.02, (20_000, pairs))
    mean, error = logs.mean(axis=1), logs.std(axis=1, ddof=1) / math.sqrt(pairs)
    if effect > MARGIN:
        decided = mean - stats.t.ppf(0.975, pairs - 1) * error > MARGIN
    else:
        decided = np.abs(mean) + stats.t.ppf(0.95, pairs - 1) * error < MARGIN
    assert decided.mean() == pytest.approx(power_of_pairs(effect, 0.02, MARGIN, pairs, 0.05), abs=0.01)
    assert 0.78 < decided.mean() < 0.87
