import math

import numpy as np
import pytest
from edgeproof.core.pair_values import (
    floor_of_clock,
    value_pair,
    value_pairs,
    value_process,
    value_processes,
)
from hypothesis import given
from hypothesis import strategies as st

times = st.lists(st.tuples(st.integers(1, 10**9), st.integers(1, 10**9), st.integers(0, 3)), min_size=1, max_size=40)


def test_one_input_gives_the_median_of_logs():
    left, right = np.random.default_rng(1).lognormal(10, 0.1, (2, 81))
    assert value_pair(left, right, np.zeros(81)).log_ratio == pytest.approx(np.median(np.log(right / left)))


def test_the_pair_is_the_ratio_of_the_mix():
    """Two inputs of 1 and 9 ms; only the slow one doubles: the mix of 10 ms becomes one of 19."""
    inputs = np.tile([0, 1], 20)
    left = np.where(inputs, 9e6, 1e6)
    right = np.where(inputs, 18e6, 1e6)
    value = value_pair(left, right, inputs)
    assert math.exp(value.log_ratio) == pytest.approx(1.9)
    assert [each.share for each in value.inputs] == pytest.approx([0.1, 0.9])
    assert [each.calls for each in value.inputs] == [20, 20]
    assert value_process(right, inputs, np.zeros(40)).value_ns / value_process(
        left, inputs, np.zeros(40)
    ).value_ns == pytest.approx(1.9)


def test_what_lasts_longer_than_a_block_cancels():
    rng = np.random.default_rng(2)
    state = np.repeat(np.exp(rng.normal(0, 0.5, 40)), 8)
    left = 1e6 * state * np.exp(0.01 * rng.standard_normal(320))
    right = 1.05e6 * state * np.exp(0.01 * rng.standard_normal(320))
    assert value_pair(left, right, np.tile(range(4), 80)).log_ratio == pytest.approx(math.log(1.05), abs=0.003)


def test_one_slow_call_does_not_matter():
    left, right = np.full(9, 100.0), np.full(9, 100.0)
    right[4] = 1e9
    assert value_pair(left, right, np.zeros(9)).log_ratio == 0


@given(times)
def test_a_unit_cancels_and_calls_have_no_order(calls):
    left, right, inputs = map(np.array, zip(*calls, strict=True))
    value = value_pair(left, right, inputs).log_ratio
    assert value_pair(left * 1000.0, right * 1000.0, inputs).log_ratio == pytest.approx(value)
    assert value_pair(left[::-1], right[::-1], inputs[::-1]).log_ratio == pytest.approx(value)
    logs = np.log(right / left)
    assert logs.min() - 1e-9 <= value <= logs.max() + 1e-9


def test_the_error_of_a_process_is_that_of_its_blocks():
    rng, found = np.random.default_rng(3), []
    for _ in range(300):
        levels = 0.02 * rng.standard_normal(40)
        times = np.exp(np.repeat(levels, 6) + 0.001 * rng.standard_normal(240) + np.tile([0, 2, 0], 80))
        found.append(value_process(times, np.tile([0, 1, 0], 80), np.repeat(range(40), 6)))
    spread = np.std([math.log(each.value_ns) for each in found])
    assert np.median([each.log_error for each in found]) == pytest.approx(spread, rel=0.25)
    assert value_process([1.0, 2.0], [0, 0], [0, 0]).log_error is None


def test_the_floor_of_the_clock():
    assert floor_of_clock(1_000, 10_000_000) == pytest.approx(1e-4 / math.sqrt(6))
    with pytest.raises(ValueError):
        floor_of_clock(1, 0)


@pytest.mark.parametrize("wrong", [([1.0], [1.0, 2.0], [0]), ([1.0], [1.0], [0, 1]), ([0.0], [1.0], [0]), ([], [], [])])
def test_calls_that_cannot_be_paired(wrong):
    with pytest.raises(ValueError):
        value_pair(*wrong)
    with pytest.raises(ValueError):
        value_process(*wrong)


@pytest.mark.parametrize(("inputs", "samples"), [(1, 4), (3, 4), (4, 8), (5, 7), (9, 64), (40, 12)])
def test_many_at_once_are_the_same_to_the_last_bit(inputs, samples):
    """Documents hold these numbers, so it must not matter how many pairs are read together."""
    rng = np.random.default_rng(inputs)
    left, right = np.exp(rng.normal(14, 0.3, (2, 6, 10 * samples))).round() / 3
    labels, places = np.arange(10 * samples) % inputs, np.repeat(range(10), samples)
    assert value_pairs(left, right, labels) == [value_pair(*each, labels) for each in zip(left, right, strict=True)]
    assert value_processes(left, labels, places) == [value_process(each, labels, places) for each in left]
    for times, value in zip(left, value_processes(left, labels, places), strict=True):
        medians = np.array([np.median(times[labels == label]) for label in range(inputs)])
        logs = np.log(times / medians[labels])
        levels = np.array([np.median(logs[places == place]) for place in range(10)])
        spread = 1.4826 * float(np.median(np.abs(levels - np.median(levels))))
        assert value.value_ns == medians.mean() and value.log_error == 1.2533 * spread / math.sqrt(10)


def test_pairs_of_other_shapes_are_refused():
    with pytest.raises(ValueError, match="cannot be paired"):
        value_pairs(np.ones((2, 3)), np.ones((1, 3)), np.zeros(3))
    with pytest.raises(ValueError, match="do not belong together"):
        value_processes(np.ones((2, 3)), np.zeros(3), np.zeros(4))
