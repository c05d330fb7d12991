"""The difference in error between two regressions on the same evaluation samples, with a paired interval."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .distributions import normal_cdf, normal_quantile

_CHUNK = 1_000  # resamples held at once


@dataclass(frozen=True)
class ErrorDifference:
    """Root mean square error (RMSE) of the candidate less that of the reference, in the unit of the targets.

    Positive is worse. `low`, `high`: BCa bootstrap over samples, None when both models make the same error on every
    sample, because the bootstrap interval would then have no width. `*_r2`: share of the targets' variance that is
    explained, None when all targets are equal.
    """

    difference: float
    low: float | None
    high: float | None
    confidence: float
    count: int
    reference_rmse: float
    candidate_rmse: float
    reference_r2: float | None
    candidate_r2: float | None
    resamples: int
    seed: int


def bootstrap_error_difference(
    targets: npt.NDArray[Any],
    reference: npt.NDArray[Any],
    candidate: npt.NDArray[Any],
    seed: int,
    confidence: float = 0.95,
    resamples: int = 10_000,
) -> ErrorDifference:
    """Return the difference in RMSE of two regressions' answers, an ErrorDifference.

    All three of shape `(n, …)`, in the same sample order. A sample is drawn with both answers attached, so that samples
    that are hard for both models cancel out. With several values per sample, their squared errors are averaged first.
    ValueError for other shapes, or fewer than two samples.
    Source: B. Efron, J. Amer. Statist. Assoc. 82 (1987) for BCa; the acceleration is from the jackknife.
    """
    if not (targets.shape == reference.shape == candidate.shape and targets.ndim and len(targets) > 1):
        raise ValueError(f"targets {targets.shape}, reference {reference.shape} and candidate {candidate.shape} differ")
    truth = targets.astype(np.float64).reshape(len(targets), -1)
    squares = np.stack(
        [
            ((answers.astype(np.float64).reshape(truth.shape) - truth) ** 2).mean(axis=1)
            for answers in (reference, candidate)
        ]
    )
    errors = np.sqrt(squares.mean(axis=1))
    difference = float(errors[1] - errors[0])
    low, high = None, None
    if not np.array_equal(squares[0], squares[1]):
        low, high = _interval(squares, difference, seed, confidence, resamples)
    variance = float(((truth - truth.mean(axis=0)) ** 2).mean())
    shares = [1 - float(error) ** 2 / variance if variance else None for error in errors]
    return ErrorDifference(
        difference=difference,
        low=low,
        high=high,
        confidence=confidence,
        count=len(truth),
        reference_rmse=float(errors[0]),
        candidate_rmse=float(errors[1]),
        reference_r2=shares[0],
        candidate_r2=shares[1],
        resamples=resamples,
        seed=seed,
    )


def _interval(
    squares: npt.NDArray[np.float64], difference: float, seed: int, confidence: float, resamples: int
) -> tuple[float, float]:
    """Return the BCa interval of the difference of root means; `squares`: `(2, n)`, reference and candidate."""
    generator, count = np.random.default_rng(seed), squares.shape[1]
    parts: list[npt.NDArray[np.float64]] = []
    for start in range(0, resamples, _CHUNK):
        index = generator.integers(0, count, (min(_CHUNK, resamples - start), count))
        roots = np.sqrt(squares[:, index].mean(axis=2))
        parts.append(roots[1] - roots[0])
    drawn = np.sort(np.concatenate(parts))
    below = (np.count_nonzero(drawn < difference) + np.count_nonzero(drawn <= difference)) / (2 * resamples)
    bias = normal_quantile(min(max(below, 0.5 / resamples), 1 - 0.5 / resamples))
    left_out = np.sqrt((squares.sum(axis=1, keepdims=True) - squares).clip(0) / (count - 1))
    influence = left_out[1] - left_out[0]
    influence = influence.mean() - influence
    spread = float((influence**2).sum())
    acceleration = float((influence**3).sum()) / (6 * spread**1.5) if spread > 0 else 0.0
    bounds: list[float] = []
    for z in (normal_quantile((1 - confidence) / 2), normal_quantile((1 + confidence) / 2)):
        level = normal_cdf(bias + (bias + z) / (1 - acceleration * (bias + z)))
        bounds.append(float(drawn[min(resamples - 1, max(0, math.floor(level * resamples)))]))
    return bounds[0], bounds[1]
