"""Axes and their ticks."""

from itertools import pairwise

import pytest
from edgeproof.evidence.scales import fit_ratio_scale, fit_scale, place_ratio_ticks, place_ticks
from hypothesis import given
from hypothesis import strategies as st

positive = st.floats(1e-6, 1e6)


@given(positive, st.floats(1.0, 1e6))
def test_scale_holds_its_range_and_keeps_the_order(low, ratio):
    high = low * ratio
    scale = fit_scale(low, high)
    assert 0 <= scale.locate(low) <= scale.locate(high) <= 100 + 1e-6
    assert scale.position(low / 1e3) <= scale.position(high * 1e3)


@given(positive, st.floats(1.0, 1e6))
def test_ticks_are_few_and_inside(low, ratio):
    ticks = place_ticks(fit_scale(low, low * ratio))
    assert len(ticks) <= 8
    assert all(-1e-6 <= position <= 100 + 1e-6 for position, _ in ticks)
    assert len({label for _, label in ticks}) == len(ticks)


@given(st.lists(st.floats(0.01, 100.0), min_size=1, max_size=20))
def test_ratio_axis_has_one_and_room_on_both_sides(ratios):
    scale = fit_ratio_scale(ratios)
    ticks = place_ratio_ticks(scale)
    assert "1" in {label for _, label in ticks}
    assert 5 < scale.locate(1.0) < 95
    assert all(0 <= scale.locate(ratio) <= 100 for ratio in ratios)
    positions = [position for position, _ in ticks]
    assert all(b - a > 10 for a, b in pairwise(positions))


def test_wide_ranges_are_logarithmic():
    assert not fit_scale(1.0, 5.0).log
    assert fit_scale(1.0, 50.0).log


@pytest.mark.parametrize(
    ("low", "high", "factor", "labels"),
    [
        (16.0, 37.0, 1.0, ["20", "25", "30", "35"]),
        (0.016, 0.037, 1000.0, ["20", "25", "30", "35"]),
        (2.4, 5.1, 1.0, ["2.5", "3.0", "3.5", "4.0", "4.5", "5.0"]),
        (0.6, 9.0, 1.0, ["0.6", "1", "2", "3", "6"]),
    ],
)
def test_ticks_are_round_in_the_unit_shown(low, high, factor, labels):
    assert [label for _, label in place_ticks(fit_scale(low, high), factor)] == labels
