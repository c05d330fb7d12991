import numpy as np
import pytest
from edgeproof.core.percentiles import percentile_floor, pooled_percentiles
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

FLOORS = {0.5: 11, 0.9: 64, 0.95: 130, 0.97: 219, 0.99: 662, 0.999: 6636}


def estimate_of(samples, q):
    """Return the plain early-stopping estimate: that of one process, whose samples count in full."""
    return pooled_percentiles([samples], (q,))[0][0]


@pytest.mark.parametrize(("q", "floor"), FLOORS.items())
def test_floors_are_those_of_the_early_stopping_rule(q, floor):
    assert percentile_floor(q) == floor
    assert stats.binom.cdf(1, floor, 1 - q) <= 0.01 < stats.binom.cdf(1, floor - 1, 1 - q)


@pytest.mark.parametrize(("q", "floor"), FLOORS.items())
def test_below_the_floor_nothing_is_reported_and_at_the_floor_the_largest_sample(q, floor):
    samples = np.random.default_rng(0).permutation(floor)
    assert estimate_of(samples, q) == floor - 1
    assert estimate_of(samples[1:], q) is None


@given(st.integers(11, 20_000), st.sampled_from(sorted(FLOORS)))
def test_the_rank_is_the_largest_that_the_rule_allows(count, q):
    assume(count >= FLOORS[q])
    rank = count - int(estimate_of(np.arange(count), q))
    assert stats.binom.cdf(rank, count, 1 - q) <= 0.01 + 1e-12
    assert stats.binom.cdf(rank + 1, count, 1 - q) > 0.01 - 1e-12


@given(st.lists(st.integers(1, 10**9), min_size=11, max_size=300), st.integers(1, 1000))
def test_an_estimate_is_a_sample_scales_and_ignores_order(samples, scale):
    estimate = estimate_of(samples, 0.5)
    assert estimate in samples
    assert estimate >= np.median(samples) or len(set(samples)) == 1
    assert estimate_of(samples[::-1], 0.5) == estimate
    assert estimate_of(np.array(samples) * scale, 0.5) == estimate * scale


def test_processes_that_do_not_differ_pool_to_the_plain_estimate():
    samples = np.arange(7000).reshape(700, 10).T  # every process holds the same share of each tail
    pooled = pooled_percentiles(samples, tuple(FLOORS))
    assert pooled == [(estimate_of(samples.ravel(), q), 7000) for q in FLOORS]


def test_a_tail_that_sits_in_one_process_is_worth_few_samples():
    processes = np.random.default_rng(3).normal(100, 1, (10, 300))
    processes[4, :100] += 50
    (p50, worth_p50), (p99, worth_p99) = pooled_percentiles(processes, (0.5, 0.99))
    assert worth_p50 > 500
    assert p50 == pytest.approx(100, abs=1)
    assert (p99, worth_p99 < 662) == (None, True)


@given(st.integers(0, 1000), st.lists(st.integers(20, 60), min_size=1, max_size=6), st.integers(1, 1000))
def test_pooling_scales_and_ignores_the_order_of_processes(seed, lengths, scale):
    generator = np.random.default_rng(seed)
    processes = [generator.integers(1, 1000, length) for length in lengths]
    pooled = pooled_percentiles(processes, (0.5, 0.9))
    assert pooled_percentiles(processes[::-1], (0.5, 0.9)) == pooled
    scaled = pooled_percentiles([samples * scale for samples in processes], (0.5, 0.9))
    assert scaled == [(None if value is None else value * scale, worth) for value, worth in pooled]
    for (value, worth), q in zip(pooled, (0.5, 0.9), strict=True):
        assert worth <= sum(lengths)
        assert (value is None) == (worth < FLOORS[q])
        if value is not None:
            assert value >= (estimate_of(np.concatenate(processes), q) or 0)


def test_independent_samples_give_estimates_that_are_not_below_the_truth():
    generator = np.random.default_rng(2)
    for q, count in [(0.5, 11), (0.9, 64), (0.9, 1000), (0.99, 662), (0.99, 2000)]:
        samples = generator.lognormal(0, 0.5, (2000, count))
        truth = stats.lognorm.ppf(q, 0.5)
        estimates = np.array([estimate_of(row, q) for row in samples])
        assert (estimates < truth).mean() <= 0.01


@pytest.mark.parametrize("q", [0, 1, -0.5])
def test_fractions_lie_inside_0_and_1(q):
    with pytest.raises(ValueError):
        estimate_of(np.arange(100), q)
    with pytest.raises(ValueError):
        estimate_of(np.ones((3, 3)), 0.5)
