"""Agreement of outputs: laws that hold for any arrays, and edges that would divide by zero."""

import dataclasses

import numpy as np
import pytest
from edgeproof.artifacts.agreement.output_agreement import (
    UNKNOWN,
    agree_with_labels,
    count_not_finite,
    decides_for_class,
    describe_shape,
    find_parting,
    find_worst_sample,
    measure_agreement,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

FINITE = st.floats(-1e6, 1e6, width=32)


@st.composite
def pairs(draw):
    shape = draw(st.tuples(st.integers(1, 6), st.integers(2, 5)))
    return tuple(draw(arrays.arrays("float32", shape, elements=FINITE)) for _ in range(2))


@given(pairs())
@settings(max_examples=60, deadline=None)
def test_values_are_within_their_ranges_and_agree_with_plain_formulas(pair):
    left, right = pair
    agreement = measure_agreement(left, right)
    a, b = left.astype("float64"), right.astype("float64")
    assert agreement.max_abs == np.abs(a - b).max()
    assert agreement.absolute_l2 == pytest.approx(np.sqrt(((a - b) ** 2).sum()))
    zero = ~a.any(1) ^ ~b.any(1)
    assert agreement.without_angle == zero.sum()
    if zero.all():
        assert agreement.cosine_min is None
    else:
        assert -1 <= agreement.cosine_min <= agreement.cosine_mean + 1e-12 <= 1 + 2e-12
    assert agreement.top1_agreement == (a.argmax(1) == b.argmax(1)).mean()
    if a.any():
        assert agreement.relative_l2 == pytest.approx(np.linalg.norm(a - b) / np.linalg.norm(a))


@given(pairs(), st.sampled_from([2.0**-20, 4.0, 2.0**30]))
@settings(max_examples=30, deadline=None)
def test_a_common_scale_changes_no_relative_figure(pair, scale):
    left, right = (array.astype("float64") for array in pair)
    before, after = measure_agreement(left, right), measure_agreement(left * scale, right * scale)
    assert after.relative_l2 == before.relative_l2 and after.cosine_min == before.cosine_min
    assert after.top1_agreement == before.top1_agreement


@given(pairs(), st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_the_order_of_samples_does_not_matter(pair, random):
    left, right = pair
    order = list(range(len(left)))
    random.shuffle(order)
    before, after = measure_agreement(left, right), measure_agreement(left[order], right[order])
    cosines = [sorted(cosine for _, cosine in agreement.lowest_cosines) for agreement in (before, after)]
    assert cosines[0] == cosines[1]
    before, after = (dataclasses.asdict(agreement) | {"lowest_cosines": ()} for agreement in (before, after))
    assert after == {
        field: value if value is None or value == () else pytest.approx(value, rel=1e-9, abs=1e-12)
        for field, value in before.items()
    }


def test_equal_outputs_agree_exactly():
    array = np.random.default_rng(0).standard_normal((5, 7)).astype("float32")
    agreement = measure_agreement(array, array.copy())
    assert dataclasses.astuple(agreement)[:8] == (0.0, 0.0, 0.0, 1.0, 1.0, None, 1.0, None)


def test_zero_outputs_have_no_scale():
    zero, one = np.zeros((2, 3)), np.ones((2, 3))
    assert measure_agreement(zero, zero).relative_l2 == 0 and measure_agreement(zero, zero).cosine_min == 1
    assert measure_agreement(zero, one).relative_l2 is None and measure_agreement(zero, one).cosine_min is None
    assert measure_agreement(one, zero).relative_l2 == measure_agreement(one, zero).l2_without_angle == 1


def test_a_sample_of_zeros_has_no_angle_and_counts_by_its_size():
    reference = np.array([[100.0, 1.0], [50.0, 2.0], [0.1, 0.0]])
    candidate = np.array([[100.0, 1.0], [50.0, 2.5], [0.0, 0.0]])
    agreement = measure_agreement(reference, candidate)
    assert (agreement.without_angle, agreement.l2_without_angle) == (1, agreement.relative_l2)
    assert 0.99 < agreement.cosine_min < 1 and agreement.relative_l2 < 0.01
    assert [sample for sample, _ in agreement.lowest_cosines] == [1, 0]


@given(arrays.arrays("float32", 6, elements=FINITE), arrays.arrays("float32", 6, elements=FINITE))
@settings(max_examples=30, deadline=None)
def test_one_number_per_sample_has_no_angle_in_any_shape(left, right):
    agreement = measure_agreement(left.reshape(6, 1), right.reshape(6, 1))
    assert agreement.cosine_min is None and agreement.cosine_mean is None and agreement.without_angle == 6
    assert agreement.l2_without_angle == agreement.relative_l2
    assert measure_agreement(left.reshape(6, 1, 1), right.reshape(6, 1, 1)) == agreement


def test_large_values_do_not_overflow():
    large = np.full((1, 4), 1e300)
    agreement = measure_agreement(large, large * 0.5)
    assert agreement.relative_l2 == pytest.approx(0.5) and agreement.cosine_min == pytest.approx(1)
    assert agreement.absolute_l2 == pytest.approx(1e300)


def test_values_that_are_not_finite_have_no_distance():
    broken = np.zeros((3, 2), "float32")
    broken[1, 0], broken[2] = np.nan, np.inf
    assert measure_agreement(np.zeros((3, 2)), broken) == UNKNOWN
    assert count_not_finite(broken) == (3, 1)
    assert count_not_finite(np.zeros((3, 2))) == (0, None)


def test_rows_that_vary_are_compared_sample_by_sample():
    left = [np.ones((2, 3)), np.zeros((0, 3)), np.full((1, 3), 2.0)]
    right = [np.ones((2, 3)), np.zeros((0, 3)), np.full((1, 3), 1.0)]
    agreement = measure_agreement(left, right)
    assert agreement.max_abs == 1 and agreement.cosine_min == pytest.approx(1) and agreement.top1_agreement is None
    assert find_parting("y", left, right) is None and describe_shape(left) == ["?", 3]
    assert find_parting("y", left, [left[0], np.zeros((1, 3)), left[2]]) == (
        "output 'y' has another shape in 1 of 3 samples, first in sample 1: "
        "[0, 3] in the source, [1, 3] in the artifact"
    )
    assert "has 3 entries in the source, 2 in" in find_parting("y", left, right[:2])
    assert find_parting("y", np.zeros((2, 1, 2)), np.zeros((2, 2, 1))) == (
        "output 'y' has shape [1, 2] in the source, [2, 1] in the artifact"
    )


def test_scalars_have_a_distance_and_no_angle():
    left = [np.array(3.0), np.array(-2.0)]
    agreement = measure_agreement(left, [np.array(3.0), np.array(2.0)])
    assert (agreement.cosine_min, agreement.max_abs, agreement.without_angle) == (None, 4, 2)
    assert agreement.l2_without_angle == pytest.approx(4 / 13**0.5)


@pytest.mark.parametrize(
    ("reference", "candidate", "share"),
    [
        (np.array([[1], [2]]), np.array([[1], [4]]), 0.5),
        (np.array([[True]]), np.array([[False]]), 0.0),
        (np.array([[1, 2], [3, 4]]), np.array([[1.0, 2.0], [3.0, 4.5]]), 0.75),
        ([np.zeros((0, 4), "int64")], [np.zeros((0, 4), "int64")], 1.0),
        (np.array(["cat", "dog"]), np.array(["cat", "cow"]), 0.5),
    ],
)
def test_integers_and_booleans_are_equal_or_not(reference, candidate, share):
    """No angle, no distance: [1, 100] and [2, 100] point the same way and decide for different classes."""
    assert measure_agreement(reference, candidate) == dataclasses.replace(UNKNOWN, equal_share=share)


def test_the_worst_sample_of_integers_has_most_unequal_values():
    reference = np.full((3, 4), 1000)
    candidate = reference.copy()
    candidate[1, :3] += 1  # three values by a little, not one by much
    candidate[2, 0] = 0
    assert find_worst_sample([(reference, candidate)]) == 1


@pytest.mark.parametrize(
    ("shape", "dtype", "expected"),
    [
        ((1, 10), "float32", True),
        ((1, 10, 1, 1), "float32", True),
        ((1, 1, 1, 10), "float16", True),
        ((1, 1), "float32", False),
        ((1, 3, 5), "float32", False),
        ((1, 10), "int64", False),
        ((), "float32", False),
        ((3, 10), "float32", False),
    ],
)
def test_class_scores_are_one_vector_per_sample(shape, dtype, expected):
    assert decides_for_class(list(np.zeros((4, *shape), dtype))) is expected


def test_answers_are_the_largest_scores():
    scores = np.array([[0.1, 0.9], [0.8, 0.2], [0.5, 0.5]]).reshape(3, 2, 1, 1)
    assert agree_with_labels(scores, np.array([1, 1, 0])).tolist() == [True, False, True]
