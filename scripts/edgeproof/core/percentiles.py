"""Percentiles by the early-stopping rule of MLPerf LoadGen: withheld below a floor, and never optimistic above it.

The rule is for independent samples. Iterations of one process are not, so a caller also withdraws percentiles when
processes disagree (core.summary does).
Source: MLCommons inference rules, appendix "Early stopping criterion"; loadgen's `early_stopping.cc` and `results.cc`.
"""

import functools
import math

import numpy as np

from .distributions import binomial_cdf


@functools.lru_cache(maxsize=256)
def percentile_floor(q, confidence=0.99):
    """Return the smallest sample count for which the percentile at fraction `q` may be reported.

    That is the smallest n with P(Binomial(n, 1 - q) <= 1) <= 1 - confidence: fewer samples could, with more than that
    probability, hold at most one value above the true percentile.
    """
    low = high = 2
    while not _is_rare(1, high, q, confidence):
        low, high = high, 2 * high
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _is_rare(1, middle, q, confidence) else (middle + 1, high)
    return low


def percentile_upper_estimate(samples, q, confidence=0.99):
    """Return the order statistic that is not below the true percentile with the given confidence, None below the floor.

    `samples`: shape (n,), any unit, any order. With t the largest number such that P(Binomial(n, 1 - q) <= t) <= 1 -
    confidence, it is the t-th largest sample, as LoadGen reports it (t - 1 samples discarded). The (t + 1)-th largest
    would already satisfy the confidence; LoadGen's is kept so that equal samples give equal percentiles.
    """
    return percentile_upper_estimates(samples, (q,), confidence)[0]


def percentile_upper_estimates(samples, fractions, confidence=0.99):
    """Return `percentile_upper_estimate` at each of several fractions, with a single partition of the samples."""
    samples = np.asarray(samples)
    if samples.ndim != 1:
        raise ValueError(f"samples have shape {samples.shape}; one dimension is needed")
    count = len(samples)
    ranks = [_rank_from_top(count, q, confidence) for q in fractions]
    known = sorted({count - rank for rank in ranks if rank is not None})
    if not known:
        return [None] * len(ranks)
    ordered = np.partition(samples, known)
    return [None if rank is None else float(ordered[count - rank]) for rank in ranks]


@functools.lru_cache(maxsize=65536)
def _rank_from_top(count, q, confidence):
    """Return the t of `percentile_upper_estimate`, or None below the floor."""
    if count < percentile_floor(q, confidence):
        return None
    low, high = 1, max(2, math.ceil(count * (1 - q)) + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _is_rare(middle, count, q, confidence) else (low, middle)
    return low


def _is_rare(exceedances, count, q, confidence):
    if not (0 < q < 1 and 0 < confidence < 1):
        raise ValueError(f"fraction {q} and confidence {confidence} must lie inside (0, 1)")
    return binomial_cdf(exceedances, count, 1 - q) <= 1 - confidence
