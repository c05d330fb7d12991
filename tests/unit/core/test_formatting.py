"""Numbers as text."""

import pytest
from edgeproof.core.formatting import (
    MINUS,
    SPACE,
    choose_unit,
    format_bytes,
    format_count,
    format_estimate,
    format_limit,
    format_number,
    format_percent,
    format_period,
    format_quantity,
    format_range,
    format_signed,
    plain,
    plural,
    shorten_digest,
)


@pytest.mark.parametrize(
    ("values", "unit"),
    [([0.0004], "ns"), ([0.02, 0.03], "µs"), ([0.5, 40.0], "ms"), ([1500.0], "s"), ([None, 2.0], "ms"), ([], "ms")],
)
def test_unit_suits_the_geometric_mean(values, unit):
    assert choose_unit(values)[0] == unit


@pytest.mark.parametrize(
    ("value", "low", "high", "expected"),
    [
        (10.688, 7.814, 14.618, ("10.7", "7.8 – 14.6")),
        (0.61234, 0.6101, 0.6145, ("0.6123", "0.6101 – 0.6145")),
        (1234.5, 1100.0, 1370.0, (f"1{SPACE}234", f"1{SPACE}100 – 1{SPACE}370")),
        (5.0, 4.9999999, 5.0000001, ("5.0000", "5.0000 – 5.0000")),
        (5.0, 5.0, 5.0, ("5.00", "5.00 – 5.00")),
        (2.0, None, None, ("2.00", None)),
        (None, None, None, (None, None)),
    ],
)
def test_estimates_have_the_digits_of_their_interval(value, low, high, expected):
    assert format_estimate(value, low, high) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (0, "0"),
        (0.000123456, "0.000123"),
        (-2.5, f"{MINUS}2.50"),
        (123456.0, f"123{SPACE}456"),
        (1.5e-7, f"1.50{SPACE}×{SPACE}10⁻⁷"),
        (3.2e9, f"3.20{SPACE}×{SPACE}10⁹"),
    ],
)
def test_numbers_have_three_digits(value, expected):
    assert format_number(value) == expected


def test_signs_are_true_minuses_and_zero_has_none():
    assert format_signed(-0.4, 1) == f"{MINUS}0.4"
    assert format_signed(0.4, 1) == "+0.4"
    assert format_signed(-0.001, 1) == "0.0"
    assert format_range(-1.0, 2.0, 1, sign=True) == f"{MINUS}1.0 to +2.0"


def test_quantities_carry_their_unit_behind_a_narrow_space():
    assert format_bytes(999) == f"999{SPACE}B"
    assert format_bytes(128052) == f"128{SPACE}kB"
    assert format_bytes(None) is None
    assert format_quantity(349151936) == f"349{SPACE}M"
    assert format_quantity(12) == "12"
    assert format_percent(0.986) == f"98.6{SPACE}%"
    assert format_percent(None) is None
    assert format_limit(0.02, share=True) == f"2{SPACE}%"
    assert format_limit(0.0001) == "0.0001"
    assert format_count(133694) == f"133{SPACE}694"
    assert format_count(None) is None


def test_periods_name_the_day_once():
    assert format_period([]) is None
    assert format_period([0.0]) == "1970-01-01 00:00 UTC"
    assert format_period([0.0, 3600.0]) == "1970-01-01 00:00 – 01:00 UTC"
    assert format_period([0.0, 86400.0]) == "1970-01-01 00:00 – 1970-01-02 00:00 UTC"


def test_words():
    assert (plural(1, "cell"), plural(2, "cell")) == ("1 cell", "2 cells")
    assert shorten_digest("a" * 64) == "a" * 12
    assert shorten_digest(None) is None
    assert plain(f"1{SPACE}ms, {MINUS}2") == "1 ms, -2"
