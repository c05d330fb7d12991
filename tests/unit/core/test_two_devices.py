import math

import numpy as np
import pytest
from edgeproof.core.boundaries import find_boundary
from edgeproof.core.two_devices import DeviceSessions, compare_devices, pool_sessions

DAYS = tuple(f"2026-03-{day:02d}" for day in range(1, 31))


def device(level, sessions=3, sd=0.002, seed=1, days=DAYS):
    noise = sd * np.random.default_rng(seed).standard_normal(sessions)
    return DeviceSessions(tuple(level * np.exp(noise - noise.mean())), days[:sessions])


@pytest.mark.parametrize(("ratio", "verdict"), [(0.5, "faster"), (2.0, "slower"), (1.0, "equivalent")])
def test_verdicts(ratio, verdict):
    found = compare_devices(device(5.0, 6), device(5.0 * ratio, 6, seed=2), 0.02)
    assert (found.verdict, found.reason) == (verdict, None)
    assert found.ratio.estimate == pytest.approx(ratio)
    assert (found.left, found.right) == pytest.approx((5.0, 5.0 * ratio))


def test_the_interval_is_welch_with_the_smaller_number_of_sessions():
    left, right = device(5.0, 3, 0.05), device(5.5, 8, 0.02, seed=2)
    found = compare_devices(left, right, 0.02)
    logs = [np.log(each.means) for each in (left, right)]
    error = math.sqrt(sum(each.var(ddof=1) / len(each) for each in logs))
    reach = find_boundary(0.025, 3, 12).at(3) * error
    middle = logs[1].mean() - logs[0].mean()
    assert [found.ratio.low, found.ratio.high] == pytest.approx(np.exp([middle - reach, middle + reach]))
    assert found.degrees_of_freedom == 2 and (found.verdict, found.reason) == ("undecided", "width")


@pytest.mark.parametrize(
    ("left", "right", "reason", "missing"),
    [
        (device(5.0, 1), device(6.0, 3), "sessions", (2, 0)),
        (device(5.0, 3), device(6.0, 2), "sessions", (0, 1)),
        (device(5.0, 3), device(6.0, 3, days=("2026-03-01",) * 3), "days", (0, 1)),
    ],
)
def test_with_too_few_sessions_there_are_two_numbers(left, right, reason, missing):
    found = compare_devices(left, right, 0.02)
    assert (found.verdict, found.reason, found.missing) == ("undecided", reason, missing)
    assert found.ratio.low is None and found.equivalence is None
    assert (found.left, found.right) == pytest.approx((5.0, 6.0))


def test_the_test_is_over_after_twelve_sessions():
    found = compare_devices(device(5.0, 14, 0.2), device(5.0, 14, 0.2, seed=2), 0.02)
    assert (found.verdict, found.reason, found.ratio.count) == ("undecided", "horizon", 12)


def test_more_comparisons_need_wider_intervals():
    arms = device(5.0, 4, 0.02), device(5.5, 4, 0.02, seed=2)
    one, many = compare_devices(*arms, 0.02), compare_devices(*arms, 0.02, comparisons=10)
    assert many.ratio.high > one.ratio.high and many.ratio.confidence == 0.995


def test_sessions_are_geometric_means():
    assert pool_sessions([[1.0, 4.0], [3.0]]) == pytest.approx((2.0, 3.0))


def test_sessions_need_means_days_and_a_margin():
    for wrong in (DeviceSessions((), ()), DeviceSessions((1.0,), ()), DeviceSessions((0.0,), ("2026-03-01",))):
        with pytest.raises(ValueError):
            compare_devices(wrong, device(1.0), 0.02)
    with pytest.raises(ValueError):
        compare_devices(device(1.0), device(1.0), 0)
