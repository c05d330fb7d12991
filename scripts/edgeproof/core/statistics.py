"""Estimates over processes: geometric means and ratios with t-intervals on the log scale, and Holm's correction.

The unit of repetition is the process. Every function here takes one number per process (its median), never the
iterations of a process: those are not independent of each other, and their number says nothing about the next process.
"""

import math
from dataclasses import dataclass

import numpy as np

from .distributions import student_t_quantile

_LARGEST_LOG = 700.0  # two wildly different processes have a bound that no float holds; JSON has no infinity


@dataclass(frozen=True)
class Interval:
    """A point estimate with its confidence interval, in the unit of the estimate.

    `low` and `high` are None where `count` observations are too few for any interval (fewer than two).
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
    def standard_error(self):
        return None if self.sd is None else self.sd / math.sqrt(self.count)


def geometric_mean_interval(values, confidence=0.95):
    """Return the geometric mean of `values` with its t-interval on the log scale, as an Interval in their unit.

    `values`: shape (n,), positive and finite, one per process. For n = 1 the bounds are None; ValueError for anything
    else that has no geometric mean. Exact when log values are normal; its target is exp(E[log X]), the geometric mean
    of process medians in the population, not their arithmetic mean. With few processes and skewed log levels it covers
    less than it says: 90 % instead of 95 % for exponential levels and ten processes, 84 % for two modes and five
    processes, 95 % where levels are normal or only heavy-tailed (tests/unit/core/test_simulation.py). Processes that
    share a drift are not independent, and the interval does not know it; that is what pairs are for.
    Source: Student (1908) on logarithms; T. Mytkowicz et al. (2009) and T. Kalibera, R. Jones (2013) on the process as
    unit.
    """
    return interval_of_logs(summarise_logs(_logs(values, "value")), confidence)


def paired_ratio_interval(left, right, confidence=0.95):
    """Return the geometric mean of right / left over pairs with its t-interval on the log scale, as an Interval.

    `left`, `right`: shape (n,), the medians of the two processes of each pair, in pair order and the same unit. A ratio
    below 1 means that the right arm is faster. What both processes of a pair share (a slow minute) cancels out.
    """
    return interval_of_logs(paired_logs(left, right), confidence)


def paired_logs(left, right):
    """Return the LogSample of log(right / left) over pairs; ValueError for unequal lengths or what is not positive."""
    left, right = _logs(left, "left value"), _logs(right, "right value")
    if len(left) != len(right):
        raise ValueError(f"{len(left)} left values cannot be paired with {len(right)} right values")
    return summarise_logs(right - left)


def summarise_logs(logs):
    """Return the LogSample of an array of logarithms, shape (n,), n >= 1."""
    count = len(logs)
    mean = float(logs.mean())
    if count < 2:
        return LogSample(mean, None, count)
    residuals = logs - mean
    return LogSample(mean, math.sqrt(float(residuals @ residuals) / (count - 1)), count)


def interval_of_logs(sample, confidence):
    """Return exp(mean ± t · standard error) of a LogSample as an Interval."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence {confidence} is not inside (0, 1)")
    if sample.sd is None:
        return Interval(math.exp(sample.mean), None, None, confidence, sample.count)
    reach = student_t_quantile((1 + confidence) / 2, sample.count - 1) * sample.standard_error
    low, high = (math.exp(min(bound, _LARGEST_LOG)) for bound in (sample.mean - reach, sample.mean + reach))
    return Interval(math.exp(sample.mean), low, high, confidence, sample.count)


def holm(p_values):
    """Return p-values adjusted by Holm's step-down method, as a list in input order.

    An adjusted value <= a rejects at family-wise error a, under any dependence between the tests.
    Source: S. Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6 (1979).
    """
    p_values = [float(p) for p in p_values]
    if not all(0 <= p <= 1 for p in p_values):
        raise ValueError("a p-value lies outside [0, 1]")
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def _logs(values, name):
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not len(array):
        raise ValueError(f"one {name} per process is needed, not an array of shape {array.shape}")
    wrong = ~(np.isfinite(array) & (array > 0))
    if wrong.any():
        index = int(wrong.argmax())
        raise ValueError(f"{name} {index} is {array[index]}; positive and finite is needed")
    return np.log(array)
