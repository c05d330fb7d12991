"""What is drawn of raw samples."""

import numpy as np
import pytest
from edgeproof.evidence.latency_shapes import describe_distribution


def test_describes_all_processes_together_in_milliseconds():
    processes = [np.arange(1, 101) * 1_000_000, np.arange(101, 201) * 1_000_000]
    found = describe_distribution(processes, [1, 1])
    assert (found.count, found.minimum, found.maximum) == (200, 1.0, 200.0)
    assert found.quantiles[0.5] == pytest.approx(100.5)
    assert found.density.max() == 1.0
    assert (found.density >= 0).all()


def test_samples_of_several_calls_count_per_call():
    found = describe_distribution([np.array([4_000_000] * 10)], [4])
    assert found.quantiles[0.5] == pytest.approx(1.0)


def test_equal_samples_can_be_drawn():
    found = describe_distribution([np.full(50, 3_000_000)], [1])
    assert found.edges[0] < 3.0 < found.edges[-1]
    assert np.isfinite(found.density).all()


def test_a_slow_outlier_does_not_stretch_the_density():
    samples = np.full(1000, 1_000_000)
    samples[::2] = 1_100_000
    samples[0] = 10**10
    found = describe_distribution([samples], [1])
    assert found.edges[-1] < 1.2
    assert found.maximum == 10_000.0


def test_a_long_tail_does_not_put_all_that_is_fast_into_one_bin():
    """Where one sample in fifty takes a hundred times as long, equal widths would hide how the others lie."""
    fast = np.random.default_rng(3).normal(33_000, 1_000, 980)
    found = describe_distribution([np.concatenate([fast, np.full(20, 4_000_000)]).astype(np.int64)], [1])
    assert found.log and found.edges[-1] > 100 * found.edges[0]
    near = (found.edges[:-1] > 0.028) & (found.edges[1:] < 0.038)
    assert near.any() and found.density[near].max() == 1.0 and found.density[near.argmax() + 8 : -8].max() < 0.05
