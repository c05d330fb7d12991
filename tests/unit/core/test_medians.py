import numpy as np
import pytest
from edgeproof.core.medians import median_by_label, medians_in_turn, middle_of_rows, window_medians
from hypothesis import given
from hypothesis import strategies as st


def test_window_medians_are_medians_of_equal_consecutive_windows():
    samples = np.random.default_rng(0).integers(1, 1000, 203)
    expected = np.median(samples[3:].reshape(10, 20), axis=1)
    assert window_medians(samples) == pytest.approx(expected)
    assert window_medians(samples[:205], windows=5) == pytest.approx(np.median(samples[3:].reshape(5, 40), axis=1))
    assert window_medians([3, 1, 2]).tolist() == [3, 1, 2]
    assert window_medians(np.stack([samples, samples[::-1]])).tolist() == [
        window_medians(samples).tolist(),
        window_medians(samples[::-1]).tolist(),
    ]
    for wrong in ([], [[]], 1):
        with pytest.raises(ValueError):
            window_medians(wrong)
    with pytest.raises(ValueError):
        window_medians([1, 2], windows=0)


@pytest.mark.parametrize("width", [1, 2, 5, 8, 300, 301])
def test_middle_of_rows_is_the_median(width):
    table = np.random.default_rng(1).normal(size=(7, width))
    assert middle_of_rows(table) == pytest.approx(np.median(table, axis=1))


@pytest.mark.parametrize("count", [1, 3, 16, 17, 31, 32, 200])
def test_medians_in_turn_are_those_of_each_kind(count):
    samples = np.random.default_rng(2).integers(1, 1000, count)
    expected = [np.median(samples[kind::16]) for kind in range(min(16, count))]
    assert medians_in_turn(samples, 16).tolist() == expected
    assert medians_in_turn(np.stack([samples, 2 * samples]), 16).tolist() == [expected, [2 * each for each in expected]]


@given(st.lists(st.tuples(st.integers(-2, 3), st.floats(-1e9, 1e9)), min_size=1, max_size=40))
def test_medians_by_label(calls):
    labels, values = map(np.array, zip(*calls, strict=True))
    wanted = [np.median(values[labels == label]) for label in sorted(set(labels.tolist()))]
    assert median_by_label(np.stack([values, -values]), labels).tolist() == [wanted, [-value for value in wanted]]
