"""The layout of a pair: equal calls, balanced order, all inputs, one arm alone now and then, within its time."""

import itertools
import random

import numpy as np
import pytest
from edgeproof.agent.blocks import (
    ARMS,
    STRETCH,
    StretchSchedule,
    Timing,
    cut_plan,
    draw_order,
    list_inputs,
    plan_blocks,
)
from hypothesis import given
from hypothesis import strategies as st

PROTOCOL = {
    "warmup_runs": 3,
    "warmup_seconds": 0.0,
    "min_samples": 20,
    "min_seconds": 0.0,
    "max_timer_share": 0.01,
}


def plan(left_ns, right_ns, inputs=1, spent_s=0.5, timer=100, fixed=False, **protocol):
    timings = {
        "left": Timing([left_ns] * inputs, left_ns, timer, 40),
        "right": Timing([right_ns] * inputs, right_ns, timer, 40),
    }
    draw = random.Random(1)
    return plan_blocks(timings, {**PROTOCOL, **protocol}, spent_s, draw, StretchSchedule(draw), fixed)


@given(st.floats(1e3, 3e9), st.floats(0.1, 10), st.integers(1, 16), st.integers(20, 1000), st.floats(0, 30))
def test_every_layout_keeps_its_promises(left_ns, ratio, inputs, timer, spent_s):
    made = plan(left_ns, left_ns * ratio, inputs, spent_s, timer)
    calls = made.samples * made.calls_per_sample
    faster = left_ns * min(1, ratio)
    assert calls >= 3 and calls * faster >= 0.99e7
    assert timer <= made.calls_per_sample * 0.01 * faster + made.calls_per_sample
    assert made.untimed_calls >= 2
    assert 10 <= made.block_pairs <= 40 and made.block_pairs % 2 == 0
    assert made.block_pairs * made.samples >= 2 * made.inputs  # each input is timed twice in each arm
    assert 1 <= made.inputs <= inputs
    assert (made.reduced is None) == (made.block_pairs == 40 and made.inputs == inputs)
    assert len(made.first) == made.block_pairs
    assert all(set(made.first[k : k + 2]) == set(ARMS) for k in range(0, made.block_pairs, 2))


def test_a_fast_pair_has_forty_block_pairs_of_ten_milliseconds():
    made = plan(20_000, 25_000, inputs=16)
    assert (made.block_pairs, made.samples, made.calls_per_sample, made.untimed_calls) == (40, 500, 1, 100)
    assert (made.inputs, made.reduced) == (16, None)


def test_a_slow_pair_has_fewer_block_pairs_then_fewer_inputs():
    made = plan(10_000_000, 10_000_000, inputs=16)
    assert (made.samples, made.block_pairs, made.inputs) == (3, 38, 16)
    slower = plan(100_000_000, 100_000_000, inputs=16)
    assert (slower.samples, slower.block_pairs, slower.inputs) == (3, 10, 15)
    assert slower.reduced == "10 of 40 block pairs; 15 of 16 inputs"


def test_inputs_that_earlier_pairs_went_through_do_not_shrink():
    made = plan(100_000_000, 100_000_000, inputs=16, fixed=True)
    assert (made.inputs, made.block_pairs) == (16, 12)


def test_slow_inputs_count_by_what_they_take():
    """One slow input in sixteen: a block of ten milliseconds is not forty calls of the typical input."""
    per_input = [250_000.0] * 15 + [122_000_000.0]
    timings = {arm: Timing(per_input, 8e6, 100, 40) for arm in ARMS}
    draw = random.Random(1)
    made = plan_blocks(timings, PROTOCOL, 0.5, draw, StretchSchedule(draw))
    assert made.samples == 3


def test_a_machine_that_is_busy_has_fewer_block_pairs():
    timings = {arm: Timing([20_000.0], 200_000, 100, 40) for arm in ARMS}
    draw = random.Random(1)
    made = plan_blocks(timings, PROTOCOL, 0.5, draw, StretchSchedule(draw))
    assert made.samples == 500 and 10 <= made.block_pairs < 40


def test_a_pair_that_was_cut_says_so():
    made = plan(20_000, 25_000)
    cut = cut_plan(made, 12)
    assert (cut.block_pairs, len(cut.first), cut.alone) == (12, 12, [])
    assert cut.reduced == "12 of 40 planned block pairs"


@given(st.integers(0, 2**48), st.integers(0, 50))
def test_order_is_balanced_in_every_two(seed, count):
    order = draw_order(random.Random(seed), count)
    assert len(order) == count
    assert all(set(order[k : k + 2]) == set(ARMS) for k in range(0, count - 1, 2))


def test_order_is_random():
    firsts = {draw_order(random.Random(seed), 2)[0] for seed in range(20)}
    assert firsts == set(ARMS)


@pytest.mark.parametrize("block_pairs", [10, 16, 38, 40, 80])
def test_every_fifth_stretch_is_one_arm_alone_and_arms_take_turns(block_pairs):
    schedule = StretchSchedule(random.Random(3))
    placed = [schedule.place(block_pairs) for _ in range(40)]
    stretches = [stretch for pair in placed for stretch in pair]
    assert len(stretches) == 40 * block_pairs // (4 * STRETCH)
    assert all(a.arm != b.arm for a, b in itertools.pairwise(stretches))
    assert all(0 < stretch.before_block < block_pairs for stretch in stretches)


def test_a_stretch_that_was_not_run_comes_in_the_next_pair():
    schedule = StretchSchedule(random.Random(3))
    first = schedule.place(40)
    schedule.put_back(first)
    again = schedule.place(10)
    assert [stretch.arm for stretch in again] == [first[0].arm]


def test_the_cursor_goes_on_from_block_to_block():
    inputs = list_inputs(0, 5, 3, 4)
    assert inputs.tolist() == [[0, 1, 2], [3, 0, 1], [2, 3, 0], [1, 2, 3], [0, 1, 2]]
    np.testing.assert_array_equal(list_inputs(2, 3, 3, 4), inputs[2:])
