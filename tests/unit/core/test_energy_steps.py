"""E-divisive: planted steps are found where they are, and series without one have none in at least 95 % of cases."""

import numpy as np
import pytest
from edgeproof.core.energy_steps import _rate_splits, find_steps
from hypothesis import given
from hypothesis import strategies as st


def draw(seed, count=60, sd=0.01):
    return np.random.default_rng(seed).normal(0, sd, count)


def test_a_step_is_found_where_it_is():
    series = draw(1)
    series[25:] += 0.03
    (place,) = find_steps(series)
    assert abs(place - 25) <= 1


def test_two_steps_are_found_also_when_the_series_comes_back():
    series = draw(2)
    series[20:40] += 0.05
    found = find_steps(series)
    assert len(found) == 2 and abs(found[0] - 20) <= 1 and abs(found[1] - 40) <= 1


def test_steps_of_three_percent_in_sixty_sessions_are_found_and_none_is_invented():
    found = missed = 0
    for seed in range(40):
        series = draw(100 + seed, sd=0.012)
        found += bool(find_steps(series, permutations=199))
        series[30:] += np.log(1.03)
        steps = find_steps(series, permutations=199)
        missed += not any(abs(place - 30) <= 3 for place in steps)
    assert (found <= 5, missed) == (True, 0)  # 2 of 40 expected; 6 or more come in 1.4 % of such draws


def test_the_strength_is_the_energy_distance_by_its_definition():
    series = draw(3, count=9)
    distances = np.abs(series[:, None] - series)
    rated = _rate_splits(distances[None])[0]
    for number, left in enumerate(range(3, 7)):
        x, y = series[:left], series[left:]
        across = np.mean([abs(a - b) for a in x for b in y])
        within = [np.mean([abs(a - b) for i, a in enumerate(z) for j, b in enumerate(z) if i != j]) for z in (x, y)]
        assert rated[number] == pytest.approx((2 * across - sum(within)) * len(x) * len(y) / 9)


@given(st.lists(st.floats(-1, 1), max_size=5))
def test_too_few_values_have_no_steps(values):
    assert find_steps(values) == []


def test_equal_values_have_no_steps_and_infinite_ones_are_refused():
    assert find_steps([1.0] * 20) == []
    with pytest.raises(ValueError, match="finite"):
        find_steps([1.0, np.inf])


@given(st.lists(st.floats(0.1, 10), min_size=6, max_size=20), st.integers(0, 3))
def test_a_series_upside_down_or_backwards_has_the_same_strengths(values, seed):
    series = np.array(values)
    distances = np.abs(series[:, None] - series)[None]
    assert np.allclose(_rate_splits(distances)[0], _rate_splits(distances[:, ::-1, ::-1])[0][::-1])
