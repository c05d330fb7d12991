"""Percentiles by the early-stopping rule of MLPerf LoadGen: withheld below a floor, and not optimistic above it.

The rule is for independent samples. Iterations of one process are not, and processes differ in level and in bursts:
over runs that pass as stable, the plain rule on pooled samples is too low in up to 40 % of simulated runs instead of 1
%. Pooled percentiles therefore apply it to the number of independent samples that the pooled ones are worth.
Source: MLCommons inference rules, appendix "Early stopping criterion"; loadgen's `early_stopping.cc` and `results.cc`.
"""

import functools
import math

import numpy as np

from .distributions import binomial_cdf, normal_quantile


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
    samples = np.asarray(samples)
    if samples.ndim != 1:
        raise ValueError(f"samples have shape {samples.shape}; one dimension is needed")
    rank = _rank_from_top(len(samples), q, confidence)
    return None if rank is None else float(np.partition(samples, len(samples) - rank)[len(samples) - rank])


def pooled_percentiles(processes, fractions, confidence=0.99):
    """Return for each fraction (value, effective count) of the samples of all processes together; value may be None.

    `processes`: p arrays of samples, any unit; lengths may differ. The effective count is n / max(1, D), where the
    design effect D compares how unevenly samples beyond the plain percentile fall on processes with the binomial that
    independent samples would follow: D = p/(p-1) Σ (x_i - n_i f)² / (n f (1 - f)), x_i of n_i samples of process i
    beyond it, f the share of all. The value is the early-stopping estimate for that many samples, at the same share
    from the top of the pooled ones; None when the effective count lies below the floor. D is itself an estimate over p
    processes: simulated, the value is too low in at most about 5 % of stable runs of 10 processes (1 % if samples are
    independent).
    Source: L. Kish, "Survey Sampling" (1965), design effect of a cluster sample.
    """
    pooled = np.concatenate([np.asarray(samples) for samples in processes])
    lengths = np.array([len(samples) for samples in processes])
    count = len(pooled)
    places = [min(count - 1, int(q * count)) for q in fractions]
    thresholds = np.partition(pooled, sorted(set(places)))[places]
    starts = np.concatenate(([0], np.cumsum(lengths)[:-1]))
    beyond = np.add.reduceat(pooled > thresholds[:, None], starts, axis=1, dtype=np.int64)
    effective = [int(count / max(1.0, _design_effect(row, lengths))) for row in beyond]
    ranks = [_rank_from_top(worth, q, confidence) for worth, q in zip(effective, fractions, strict=True)]
    indexes = [
        None if rank is None else count - rank * count // worth for rank, worth in zip(ranks, effective, strict=True)
    ]
    ordered = np.partition(pooled, sorted({index for index in indexes if index is not None} or {0}))
    values = [None if index is None else float(ordered[index]) for index in indexes]
    return list(zip(values, effective, strict=True))


def _design_effect(beyond, lengths):
    share = beyond.sum() / lengths.sum()
    if len(lengths) < 2 or share in (0, 1):
        return 1.0
    squares = float(((beyond - lengths * share) ** 2).sum()) * len(lengths) / (len(lengths) - 1)
    return squares / (lengths.sum() * share * (1 - share))


@functools.lru_cache(maxsize=65536)
def _rank_from_top(count, q, confidence):
    """Return the t of `percentile_upper_estimate`, or None below the floor."""
    if count < percentile_floor(q, confidence):
        return None
    low, high = 1, max(2, math.ceil(count * (1 - q)) + 1)
    middle = min(max(low, _guess_rank(count, q, confidence)), high - 1)
    while high - low > 1:
        rare = _is_rare(middle, count, q, confidence)
        low, high = (middle, high) if rare else (low, middle)
        middle = min(high - 1, low + 1) if rare else max(low + 1, high - 1)
    return low


def _guess_rank(count, q, confidence):
    """Return about the rank, by the normal approximation with its correction for skewness (Cornish and Fisher)."""
    spread, z = math.sqrt(count * q * (1 - q)), normal_quantile(1 - confidence)
    return math.floor(count * (1 - q) + z * spread + (z * z - 1) * (2 * q - 1) / 6 - 0.5)


def _is_rare(exceedances, count, q, confidence):
    if not (0 < q < 1 and 0 < confidence < 1):
        raise ValueError(f"fraction {q} and confidence {confidence} must lie inside (0, 1)")
    return binomial_cdf(exceedances, count, 1 - q) <= 1 - confidence
