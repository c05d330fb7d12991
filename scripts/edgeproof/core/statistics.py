"""Geometric means and ratios over processes, with t-intervals on the log scale, and Holm's correction.

The unit of repetition is the process. Every function here takes one number per process (its median), never the
iterations of a process: they depend on each other, and however many there are, they do not tell what the next process
will do.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .distributions import student_t_quantile

_LARGEST_LOG = 700.0  # bounds of wildly different processes can exceed the largest float, and JSON has no infinity


@dataclass(frozen=True)
class Interval:
    """A point estimate with its confidence interval, in the unit of the estimate.

    `low` and `high` are None if there are too few observations for an interval (`count` below two).
    """

    estimate: float
    low: float | None
    high: float | None
    confidence: float
    count: int


@dataclass(frozen=True)
class LogSample:
    """Mean, standard deviation (ddof 1, None for one value) and standard error of logarithms."""

    mean: float
    sd: float | None
    count: int

    @property
    def standard_error(self) -> float | None:
        """Standard error of the mean; None for one value."""
        return None if self.sd is None else self.sd / math.sqrt(self.count)


def geometric_mean_interval(values: npt.ArrayLike, confidence: float = 0.95) -> Interval:
    """Return the geometric mean of `values` with its t-interval on the log scale, as an Interval in their unit.

    `values`: shape (n,), positive and finite, one per process. For n = 1 the bounds are None; ValueError for values
    without a geometric mean. The interval is exact when log values are normal. It estimates exp(E[log X]), the
    geometric mean of process medians in the population, not their arithmetic mean. With few processes and skewed log
    levels it covers less than it states: 90 % instead of 95 % for exponential levels and ten processes, 84 % for two
    modes and five processes, 95 % for normal or heavy-tailed levels (tests/unit/core/test_simulation.py). It assumes
    independent processes; processes that share a drift are not, so compare arms by pairs.
    Source: Student (1908) on logarithms; T. Mytkowicz et al. (2009) and T. Kalibera, R. Jones (2013) on the process as
    unit.
    """
    return interval_of_logs(summarise_logs(_logs(values, "value")), confidence)


def paired_logs(left: npt.ArrayLike, right: npt.ArrayLike) -> LogSample:
    """Return the LogSample of log(right / left) over pairs; a ratio below 1 means that the right arm is faster.

    `left`, `right`: shape (n,), the medians of the two processes of each pair, in pair order and the same unit. What
    both processes of a pair share (a slow minute) cancels out. ValueError for unequal lengths or values that are not
    positive.
    """
    lefts, rights = _logs(left, "left value"), _logs(right, "right value")
    if len(lefts) != len(rights):
        raise ValueError(f"{len(lefts)} left values cannot be paired with {len(rights)} right values")
    return summarise_logs(rights - lefts)


def summarise_logs(logs: npt.NDArray[np.float64]) -> LogSample:
    """Return the LogSample of an array of logarithms, shape (n,), n >= 1."""
    count = len(logs)
    mean = float(logs.mean())
    if count < 2:
        return LogSample(mean, None, count)
    residuals = logs - mean
    return LogSample(mean, math.sqrt(float(residuals @ residuals) / (count - 1)), count)


def interval_of_logs(sample: LogSample, confidence: float) -> Interval:
    """Return exp(mean ± t · standard error) of a LogSample as an Interval."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence {confidence} is not inside (0, 1)")
    error = sample.standard_error
    if error is None:
        return Interval(math.exp(sample.mean), None, None, confidence, sample.count)
    reach = student_t_quantile((1 + confidence) / 2, sample.count - 1) * error
    low, high = (math.exp(min(bound, _LARGEST_LOG)) for bound in (sample.mean - reach, sample.mean + reach))
    return Interval(math.exp(sample.mean), low, high, confidence, sample.count)


def holm(p_values: Iterable[float]) -> list[float]:
    """Return p-values adjusted by Holm's step-down method, as a list in input order.

    An adjusted value <= a rejects at family-wise error a, under any dependence between the tests.
    Source: S. Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6 (1979).
    """
    values = [float(p) for p in p_values]
    if not all(0 <= p <= 1 for p in values):
        raise ValueError("a p-value lies outside [0, 1]")
    adjusted, largest = [0.0] * len(values), 0.0
    for rank, index in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        largest = max(largest, min(1.0, (len(values) - rank) * values[index]))
        adjusted[index] = largest
    return adjusted


def _logs(values: npt.ArrayLike, name: str) -> npt.NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not len(array):
        raise ValueError(f"one {name} per process is needed, not an array of shape {array.shape}")
    wrong = ~(np.isfinite(array) & (array > 0))
    if wrong.any():
        index = int(wrong.argmax())
        raise ValueError(f"{name} {index} is {array[index]}; positive and finite is needed")
    return np.log(array)
