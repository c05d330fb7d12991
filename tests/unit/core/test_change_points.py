import math

import numpy as np
import pytest
from edgeproof.core import change_points
from edgeproof.core.change_points import find_changes, simulate_critical, split_series


def series(levels, sd=0.004, seed=1):
    return 2e8 * np.exp(np.asarray(levels) + sd * np.random.default_rng(seed).standard_normal(len(levels)))


def test_a_step_is_found_with_time_and_size():
    found = find_changes(10 * np.arange(12), series([0.0] * 7 + [math.log(1.25)] * 5))
    assert len(found.changes) == 1 and found.points == 12 and found.reason is None
    change = found.changes[0]
    assert (change.after_s, change.before_s) == (60, 70)
    assert change.ratio == pytest.approx(1.25, abs=0.01)


def test_a_neighbour_that_comes_and_goes_is_two_changes():
    found = find_changes(np.arange(45), series([0.0] * 15 + [0.2] * 15 + [0.0] * 15))
    assert [(change.after_s, round(change.ratio, 1)) for change in found.changes] == [(14, 1.2), (29, 0.8)]


def test_a_slow_trend_is_a_change():
    assert find_changes(np.arange(30), series(np.linspace(0, 0.1, 30))).changes


def test_noise_is_no_change():
    rng = np.random.default_rng(5)
    named = [
        find_changes(np.arange(12), series(np.zeros(12), 0.2, seed)).changes for seed in rng.integers(0, 9999, 200)
    ]
    assert sum(map(bool, named)) <= 4


def test_less_than_one_percent_is_not_named():
    assert not find_changes(np.arange(40), series([0.0] * 20 + [0.008] * 20, sd=0.0002)).changes
    assert find_changes(np.arange(40), series([0.0] * 20 + [0.012] * 20, sd=0.0002)).changes


def test_equal_points_are_no_change_and_few_points_are_not_tested():
    assert find_changes(np.arange(9), np.full(9, 1e8)).changes == ()
    found = find_changes(np.arange(4), series([0.0, 0.0, 1.0, 1.0]))
    assert found.changes == () and found.reason == "4 points are too few; 5 are needed"


def test_the_statistic_is_the_largest_t_of_scipy():
    from scipy import stats

    values = np.random.default_rng(4).standard_normal(14)
    best = max(range(2, 13), key=lambda k: abs(stats.ttest_ind(values[:k], values[k:]).statistic))
    place, statistic, step = split_series(values[None])
    assert place[0] == best
    assert step[0] == pytest.approx(values[best:].mean() - values[:best].mean())
    plain = abs(stats.ttest_ind(values[:best], values[best:]).statistic)
    rest = np.concatenate((values[:best] - values[:best].mean(), values[best:] - values[best:].mean()))
    correlation = rest[1:] @ rest[:-1] / (rest @ rest)
    correlation = max(0, correlation + 2 * (1 + max(correlation, 0)) / 14)
    steps = np.delete(np.diff(values), best - 1)
    local = abs(step[0]) / np.sqrt((steps @ steps) / 24 * (1 / best + 1 / (14 - best)))
    assert statistic[0] == pytest.approx(max(plain * np.sqrt((1 - correlation) / (1 + correlation)), 0.6 * local))


@pytest.mark.parametrize("points", [5, 10, 30])
def test_critical_values_are_those_of_the_simulation(points):
    assert dict(change_points._CRITICAL)[points] == pytest.approx(
        simulate_critical(points, series=8_000, seed=77), rel=0.08
    )


def test_points_must_be_ordered_and_positive():
    for wrong in (([0, 1], [1.0]), ([1, 0], [1.0, 1.0]), ([0, 1], [1.0, 0.0])):
        with pytest.raises(ValueError):
            find_changes(*wrong)
