"""Axes: positions of values in percent of the width, and ticks."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

LOG_FROM = 6.0  # an axis that spans more than this ratio is logarithmic
_STEPS = (1, 2, 2.5, 5, 10)
_MOST_TICKS = 6
_LEAST_GAP = 14.0  # percent of the width between two labels of a ratio axis
_RATIOS = (  # in the order in which ticks are tried: round ones near 1 first, on both sides
    *(0.5, 2, 0.9, 1.1, 0.98, 1.02, 0.8, 1.2, 0.95, 1.05, 0.7, 1.5, 0.99, 1.01, 0.6, 3, 0.3, 5, 0.2, 10, 0.1),
    *(0.995, 1.005, 0.998, 1.002, 0.999, 1.001, 20, 0.05, 50, 0.02, 100, 0.01, 1000, 0.001),
)


class Scale(NamedTuple):
    """An axis between two values; positions are percent of the width."""

    low: float
    high: float
    log: bool

    def position(self, value: float) -> float:
        """Return the position of a value, 0 to 100; a value outside the axis is put at the edge."""
        return min(100.0, max(0.0, self.locate(value)))

    def locate(self, value: float) -> float:
        """Return the position of a value, below 0 or above 100 if it lies outside the axis."""
        if self.log:
            return 100 * math.log(value / self.low) / math.log(self.high / self.low)
        return 100 * (value - self.low) / (self.high - self.low)


def fit_scale(low: float, high: float) -> Scale:
    """Return a Scale from a little below `low` to a little above `high`, both positive; logarithmic if it is wide."""
    log = high / low > LOG_FROM
    if log:
        air = (high / low) ** 0.03
        return Scale(low / air, high * air, True)
    air = max((high - low) * 0.04, high * 0.002)
    return Scale(max(low - air, low * 0.5), high + air, False)


def place_ticks(scale: Scale, factor: float = 1.0) -> list[tuple[float, str]]:
    """Return the ticks of a Scale, [(position, label)]; labels are values times `factor` (the unit)."""
    low, high = scale.low * factor, scale.high * factor
    values = _log_values(low, high) if scale.log else _linear_values(low, high)
    step = min((b - a for a, b in pairwise(values)), default=values[0] if values else 1.0)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9)) if not scale.log else None
    if decimals is not None and abs(step * 10**decimals - round(step * 10**decimals)) > 1e-6:
        decimals += 1  # a step of 2.5
    return [
        (
            scale.locate(value / factor),
            f"{value:g}" if decimals is None else f"{value:,.{decimals}f}".replace(",", "\u202f"),
        )
        for value in values
    ]


def fit_ratio_scale(ratios: Sequence[float]) -> Scale:
    """Return a logarithmic Scale for ratios: it holds 1 and all of them, with some room on both sides."""
    logs = [math.log(ratio) for ratio in ratios]
    furthest = max(0.02, *map(abs, logs))
    least = furthest * 0.25  # so that "faster" and "slower" both have room
    return Scale(math.exp(min(*logs, -least) - 0.06 * furthest), math.exp(max(*logs, least) + 0.06 * furthest), True)


def place_ratio_ticks(scale: Scale) -> list[tuple[float, str]]:
    """Return the ticks of a Scale for ratios, [(position, label)], with 1 always among them."""
    chosen = [1.0]
    for value in _RATIOS:
        near = min(abs(scale.locate(value) - scale.locate(other)) for other in chosen)
        if scale.low <= value <= scale.high and near >= _LEAST_GAP:
            chosen.append(value)
    return [(scale.locate(value), f"{value:g}") for value in sorted(chosen)]


def _linear_values(low, high):
    step = next(
        size * 10**power
        for power in range(math.floor(math.log10((high - low) / _MOST_TICKS)) - 1, 13)
        for size in _STEPS
        if (math.floor(high / (size * 10**power)) - math.ceil(low / (size * 10**power)) + 1) <= _MOST_TICKS
    )
    return [number * step for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _log_values(low, high):
    for digits in ((1, 1.5, 2, 3, 4, 6, 8), (1, 2, 3, 6), (1, 2, 5), (1, 3), (1,)):
        values = [
            digit * 10.0**power
            for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
            for digit in digits
            if low <= digit * 10.0**power <= high
        ]
        if len(values) <= _MOST_TICKS + 1:
            return values
    return values[:: math.ceil(len(values) / _MOST_TICKS)]
