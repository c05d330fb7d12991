"""How much a pair depends on the pair before it: the correlation by which every standard error is widened.

The boundaries are exact for independent pairs. Pairs that follow each other are alike when the machine's state lasts
longer than a pair and does not cancel; the mean of n such pairs is less certain than sd / √n. Four to twenty pairs of a
comparison cannot show how much, so it is taken from the device's A/A pairs, and from above.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from .distributions import normal_quantile

DEFAULT_CORRELATION = 0.2
FEWEST_PAIRS = 60
LIMIT_CONFIDENCE = 0.8

_SHORTEST_SEQUENCE = 8
_LARGEST = 0.95


@dataclass(frozen=True)
class Dependence:
    """The lag-1 correlation that verdicts assume, and where it comes from.

    `source`: `calibration` (the upper 80 % limit over `pairs` A/A pairs in `sequences` sequences, whose estimate is
    `estimate`) or `default` (0.2: fewer than 60 usable pairs).
    """

    correlation: float
    source: Literal["calibration", "default"]
    estimate: float | None
    pairs: int
    sequences: int


def estimate_dependence(sequences: Sequence[ArrayLike]) -> Dependence:
    """Return the Dependence that a device's A/A calibrations show.

    `sequences`: one array per sequence of consecutive pairs, log(right / left) in the order measured. Each is centred
    on its own mean and lags never cross from one to the next; sequences of fewer than eight pairs are left out. Means
    estimated from the same pairs pull the estimate down by (1 + 4 ρ) / length (F. Marriott, J. Pope, Biometrika 41
    (1954)), which is undone. The limit is the upper one of 80 %, with standard error 1 / √pairs at 0; it is never below
    0. ValueError for values that are not finite.
    """
    arrays = [np.asarray(sequence, dtype=np.float64) for sequence in sequences]
    if any(array.ndim != 1 or not np.isfinite(array).all() for array in arrays):
        raise ValueError("sequences of finite log-ratios are needed")
    usable = [array - array.mean() for array in arrays if len(array) >= _SHORTEST_SEQUENCE]
    pairs = sum(map(len, usable))
    if pairs < FEWEST_PAIRS:
        return Dependence(DEFAULT_CORRELATION, "default", None, pairs, len(usable))
    power = sum(float(array @ array) for array in usable)
    product = sum(float(array[1:] @ array[:-1]) for array in usable)
    plain, short = (product / power if power > 0 else 0.0), len(usable) / pairs
    estimate = min(_LARGEST, (plain + short) / (1 - 4 * short))
    error = math.sqrt((1 - min(plain * plain, 0.9)) / pairs) / (1 - 4 * short)
    limit = estimate + float(normal_quantile(LIMIT_CONFIDENCE)) * error
    return Dependence(min(_LARGEST, max(0.0, limit)), "calibration", estimate, pairs, len(usable))


def widen_error(correlation: float) -> float:
    """Return √((1 + ρ) / (1 - ρ)), by which dependence between neighbours (correlation ρ) widens a standard error."""
    if not 0 <= correlation < 1:
        raise ValueError(f"correlation {correlation} is not inside [0, 1)")
    return math.sqrt((1 + correlation) / (1 - correlation))
