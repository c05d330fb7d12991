"""Interference: what alternating two arms does to their latency, from stretches in which one arm runs alone.

What biases a verdict is not that alternation changes a latency, but that it changes one arm's more than the other's.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .distributions import student_t_quantile


@dataclass(frozen=True)
class Interference:
    """The difference between both arms' log(alternated / alone), right minus left, over `pairs` pairs.

    `low` and `high` (at `confidence`) are None with fewer than two pairs. `left`, `right`: each arm's own change.
    """

    difference: float
    low: float | None
    high: float | None
    left: float
    right: float
    pairs: int
    confidence: float

    def warns(self, margin: float) -> bool:
        """Return whether the difference reaches half the margin, which a verdict's sentence has to say."""
        return abs(self.difference) >= math.log1p(margin) / 2

    def forbids(self, margin: float) -> bool:
        """Return whether the difference certainly exceeds the margin: its whole interval lies beyond it.

        A wide interval around a large difference only warns: beside neighbours a few stretches would otherwise refuse
        verdicts at random.
        """
        reach = math.log1p(margin)
        return self.low is not None and self.high is not None and (self.low > reach or self.high < -reach)


def compare_stretches(alternated_ns: ArrayLike, alone_ns: ArrayLike) -> float:
    """Return the interference that one process shows: the median of log(alternated / alone) over its stretches.

    Both of shape (stretches,), in the same unit: the block median next to each stretch that the arm ran alone, and the
    median of that stretch's second half. ValueError for what is not positive or not paired.
    """
    alternated, alone = (np.asarray(times, dtype=np.float64) for times in (alternated_ns, alone_ns))
    if alternated.shape != alone.shape or alternated.ndim != 1 or not len(alone):
        raise ValueError(f"stretches of shape {alternated.shape} and {alone.shape} cannot be paired")
    if not ((alternated > 0).all() and (alone > 0).all()):
        raise ValueError("times of stretches must be positive")
    return float(np.median(np.log(alternated / alone)))


def estimate_interference(left: ArrayLike, right: ArrayLike, confidence: float = 0.95) -> Interference:
    """Return the Interference of a comparison, with a t-interval over pairs.

    `left`, `right`: shape (pairs,), `compare_stretches` of each pair's two processes. The pair of fresh processes is
    the unit here too.
    """
    arms = [np.asarray(values, dtype=np.float64) for values in (left, right)]
    if arms[0].shape != arms[1].shape or arms[0].ndim != 1 or not len(arms[0]):
        raise ValueError(f"pairs of shape {arms[0].shape} and {arms[1].shape} do not belong together")
    differences: NDArray[np.float64] = arms[1] - arms[0]
    mean, count = float(differences.mean()), len(differences)
    low = high = None
    if count > 1:
        quantile = float(student_t_quantile((1 + confidence) / 2, count - 1))
        reach = quantile * float(differences.std(ddof=1)) / math.sqrt(count)
        low, high = mean - reach, mean + reach
    return Interference(mean, low, high, float(arms[0].mean()), float(arms[1].mean()), count, confidence)
