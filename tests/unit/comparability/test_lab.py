"""Lab's words: overall, trade-off risk and the bands of accuracy loss."""

import pytest
from edgeproof.comparability.lab import name_accuracy_band, name_direction, name_overall, name_tradeoff_risk
from hypothesis import given
from hypothesis import strategies as st

BANDS = {"noticeable": 0.20, "caution": -0.30, "risky": -1.0, "severe": -2.0}


@pytest.mark.parametrize(
    ("difference_pp", "band"),
    [
        (0.5, "acceptable"),
        (0.0, "acceptable"),
        (-0.29, "acceptable"),
        (-0.30, "caution"),
        (-0.99, "caution"),
        (-1.0, "risky"),
        (-1.99, "risky"),
        (-2.0, "severe"),
        (-50.0, "severe"),
    ],
)
def test_band_begins_at_its_limit(difference_pp, band):
    assert name_accuracy_band(difference_pp, BANDS) == band


@pytest.mark.parametrize(
    ("changes", "direction"),
    [
        ([0, 0], "neutral"),
        ([2.99, -2.99], "neutral"),
        ([3, 0], "slower"),
        ([-10, 3], "slower"),
        ([-3, 0], "faster"),
        ([-3, None], None),
        ([0, None], None),
        ([3, None], "slower"),
        ([None, None], None),
    ],
)
def test_direction_of_mean_and_p99(changes, direction):
    assert name_direction(changes, 3) == direction


def test_overall_is_a_trade_off_only_across_precisions():
    names = {"slower": "regression", "faster": "improvement", "neutral": "neutral", None: None}
    for direction, name in names.items():
        assert name_overall(direction, False) == name
        assert name_overall(direction, True) == (direction and f"tradeoff_{direction}")


@pytest.mark.parametrize(
    ("direction", "cross", "difference_pp", "risk"),
    [
        ("faster", False, -5.0, "not_applicable"),
        ("faster", True, None, "unknown_risk"),
        ("faster", True, 0.0, "acceptable"),
        ("faster", True, -0.5, "caution"),
        ("faster", True, -1.5, "risky"),
        ("faster", True, -3.0, "severe"),
        ("neutral", True, 0.0, "no_clear_tradeoff"),
        ("neutral", True, -0.5, "not_beneficial"),
        ("slower", True, 0.0, "not_beneficial"),
        ("slower", True, 0.2, "no_clear_tradeoff"),
        (None, True, 0.0, None),
    ],
)
def test_risk_of_a_trade_off(direction, cross, difference_pp, risk):
    assert name_tradeoff_risk(direction, cross, difference_pp, BANDS) == risk


@given(st.floats(-100, 100), st.floats(0, 100))
def test_losing_more_is_never_a_better_band(difference_pp, more):
    order = ("acceptable", "caution", "risky", "severe")
    before, after = (name_accuracy_band(value, BANDS) for value in (difference_pp, difference_pp - more))
    assert order.index(after) >= order.index(before)
