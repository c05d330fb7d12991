"""Intervals of standard deviations that do not trust in normal values.

D. Bonett, Approximate confidence interval for standard deviation of nonnormal distributions (2006), and Robust
confidence interval for a ratio of standard deviations (2006).
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgeproof.core.distributions import normal_quantile
from edgeproof.core.statistics import Interval

CONFIDENCE = 0.95


def estimate_sd(values: ArrayLike, confidence: float = CONFIDENCE) -> Interval:
    """Return the spread of `values`, shape (n,): their standard deviation with its interval.

    ValueError below four values.
    """
    array = _check(values)
    z = normal_quantile((1 + confidence) / 2)
    sd, count = float(array.std(ddof=1)), len(array)
    correction = count / (count - z)
    middle, reach = (
        math.log(correction * sd**2),
        z * correction * _log_variance_error(_estimate_kurtosis([array]), count),
    )
    return Interval(sd, math.exp((middle - reach) / 2), math.exp((middle + reach) / 2), confidence, count)


def compare_sds(over: ArrayLike, under: ArrayLike, confidence: float = CONFIDENCE) -> Interval:
    """Return the ratio of the spreads of two samples, their standard deviations, with its interval.

    ValueError below four values.
    """
    arrays = [_check(over), _check(under)]
    z = normal_quantile((1 + confidence) / 2)
    variances = [float(array.var(ddof=1)) for array in arrays]
    corrections = [len(array) / (len(array) - z) for array in arrays]
    kurtosis = _estimate_kurtosis(arrays)
    errors = [_log_variance_error(kurtosis, len(array)) for array in arrays]
    ratio = variances[0] / variances[1]
    middle = math.log(ratio * corrections[0] / corrections[1])
    reach = z * math.hypot(*errors)
    low, high = (math.exp((middle + side * reach) / 2) for side in (-1, 1))
    return Interval(math.sqrt(ratio), low, high, confidence, min(map(len, arrays)))


def _check(values: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or len(array) < 4 or not np.isfinite(array).all() or float(np.ptp(array)) == 0:
        raise ValueError("four values that are finite and not all equal are needed")
    return array


def _log_variance_error(kurtosis: float, count: int) -> float:
    """Return the standard error of log(variance) of a sample."""
    return math.sqrt(max(0.0, kurtosis - (count - 3) / count) / (count - 1))


def _estimate_kurtosis(arrays: list[NDArray[np.float64]]) -> float:
    """Return the kurtosis about trimmed means, pooled over samples that may differ in scale."""
    fourths = [((array - _trimmed_mean(array)) / array.std()) ** 4 for array in arrays]
    return float(np.concatenate(fourths).mean())


def _trimmed_mean(array: NDArray[np.float64]) -> float:
    share = 1 / (2 * math.sqrt(max(1, len(array) - 4)))
    cut = min(int(share * len(array)), (len(array) - 1) // 2)
    return float(np.sort(array)[cut : len(array) - cut].mean())
