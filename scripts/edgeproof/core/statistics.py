"""Geometric means over processes, with t-intervals on the log scale.

The unit of repetition is the process. Every function here takes one number per process (its median), never the
iterations of a process: they depend on each other, and however many there are, they do not tell what the next process
will do.
"""

import math
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
    """Return the main statistic, a geometric mean with its t-interval on the log scale, as an Interval.

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


def summarise_logs(logs: npt.NDArray[np.float64]) -> LogSample:
    """Return the statistics of an array of logarithms, shape (n,), n >= 1: a LogSample."""
    count = len(logs)
    mean = float(logs.mean())
    if count < 2:
        return LogSample(mean, None, count)
    residuals = logs - mean
    return LogSample(mean, math.sqrt(float(residuals @ residuals) / (count - 1)), count)


def interval_of_logs(sample: LogSample, confidence: float) -> Interval:
    """Return the Interval of a LogSample's statistics, exp(mean ± t · standard error)."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence {confidence} is not inside (0, 1)")
    error = sample.standard_error
    if error is None:
        return Interval(math.exp(sample.mean), None, None, confidence, sample.count)
    reach = student_t_quantile((1 + confidence) / 2, sample.count - 1) * error
    low, high = (math.exp(min(bound, _LARGEST_LOG)) for bound in (sample.mean - reach, sample.mean + reach))
    return Interval(math.exp(sample.mean), low, high, confidence, sample.count)


def _logs(values: npt.ArrayLike, name: str) -> npt.NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not len(array):
        raise ValueError(f"one {name} per process is needed, not an array of shape {array.shape}")
    wrong = ~(np.isfinite(array) & (array > 0))
    if wrong.any():
        index = int(wrong.argmax())
        raise ValueError(f"{name} {index} is {array[index]}; positive and finite is needed")
    return np.log(array)
