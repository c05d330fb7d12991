"""The difference in accuracy between two models on the same evaluation samples, with paired intervals.

Only discordant samples carry information: `gained` (candidate right, reference wrong) and `lost` (the opposite).
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .distributions import binomial_cdf, normal_cdf, normal_quantile

_MOST_SAMPLES = 10_000_000  # more is no help to anybody


@dataclass(frozen=True)
class AccuracyDifference:
    """Candidate minus reference accuracy, as fractions of `count` samples.

    `low`, `high`: Tango's score interval; decisions use this one. `bootstrap_low`, `bootstrap_high`: the BCa bootstrap,
    None when no sample is discordant. `mcnemar_p`: exact two-sided p-value for equal accuracy.
    """

    difference: float
    low: float
    high: float
    confidence: float
    count: int
    reference_accuracy: float
    candidate_accuracy: float
    gained: int
    lost: int
    mcnemar_p: float
    bootstrap_low: float | None
    bootstrap_high: float | None
    resamples: int
    seed: int


def bootstrap_accuracy_difference(
    reference_correct: npt.ArrayLike,
    candidate_correct: npt.ArrayLike,
    seed: int,
    confidence: float = 0.95,
    resamples: int = 10_000,
) -> AccuracyDifference:
    """Return the difference in accuracy of two models judged on the same samples, an AccuracyDifference.

    `reference_correct`, `candidate_correct`: booleans, shape (n,), in the same sample order. ValueError for other
    shapes.

    The bootstrap draws samples with both answers attached, that is (gained, lost) from their multinomial. With few
    discordant samples its interval is too narrow, and without any it has no width, although n samples cannot exclude a
    difference below about 4/n. `low` and `high` are therefore the score interval, which keeps its coverage there
    (±z²/(n + z²) without discordant samples). The bootstrap is a check that shares none of its formulas; the two agree
    when there are many discordant samples.
    Sources: T. Tango, Statist. Med. 17 (1998); B. Efron, J. Amer. Statist. Assoc. 82 (1987) for BCa; Q. McNemar (1947).
    """
    reference, candidate = _answers(reference_correct, "reference"), _answers(candidate_correct, "candidate")
    if len(reference) != len(candidate):
        raise ValueError(f"{len(reference)} reference answers cannot be paired with {len(candidate)} candidate answers")
    count = len(reference)
    gained, lost = int((candidate & ~reference).sum()), int((reference & ~candidate).sum())
    low, high = paired_score_interval(gained, lost, count, confidence)
    bootstrap_low, bootstrap_high = _bootstrap(gained, lost, count, seed, confidence, resamples)
    return AccuracyDifference(
        difference=(gained - lost) / count,
        low=low,
        high=high,
        confidence=confidence,
        count=count,
        reference_accuracy=float(reference.mean()),
        candidate_accuracy=float(candidate.mean()),
        gained=gained,
        lost=lost,
        mcnemar_p=min(1.0, 2 * binomial_cdf(min(gained, lost), gained + lost, 0.5)),
        bootstrap_low=bootstrap_low,
        bootstrap_high=bootstrap_high,
        resamples=resamples,
        seed=seed,
    )


def paired_score_interval(gained: float, lost: float, count: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return (low, high) of Tango's score interval for a difference in accuracy, (gained - lost) / count.

    It holds every difference d that the score test, with the nuisance parameter at its maximum likelihood under d,
    does not reject at 1 - confidence. It always has a width and lies inside [-1, 1]. Source: T. Tango, Statist. Med. 17
    (1998), 891-908. Counts may be fractions, where they are expected ones.
    """
    if min(gained, lost) < 0 or gained + lost > count or count < 1:
        raise ValueError(f"{gained} gained and {lost} lost are not among {count} samples")
    z = normal_quantile((1 + confidence) / 2)
    return -_upper_score_bound(lost, gained, count, z), _upper_score_bound(gained, lost, count, z)


def count_samples_to_decide(
    gained: float, lost: float, count: int, limit: float, confidence: float = 0.95
) -> int | None:
    """Return how many samples decide a difference in accuracy.

    That is the fewest, at least `count`, whose score interval lies on one side of `limit`. The shares of `gained` and
    `lost` answers are taken to stay what they are among `count` samples. None if the difference is at the limit, so
    that no number would do, or more than ten million.
    """
    difference = (gained - lost) / count
    if difference == limit:
        return None

    def decides(number: int) -> bool:
        low, high = paired_score_interval(gained / count * number, lost / count * number, number, confidence)
        return low >= limit if difference > limit else high < limit

    below, enough = count, count
    while not decides(enough):
        below, enough = enough, 2 * enough
        if enough > _MOST_SAMPLES:
            return None
    while enough - below > 1:
        middle = (below + enough) // 2
        below, enough = (below, middle) if decides(middle) else (middle, enough)
    return enough


def _upper_score_bound(gained: float, lost: float, count: int, z: float) -> float:
    low, high = (gained - lost) / count, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _score(gained, lost, count, middle) > -z else (low, middle)
    return high


def _score(gained: float, lost: float, count: int, difference: float) -> float:
    """Return Tango's score statistic of `difference`; it falls as the difference grows."""
    room = difference * (1 - difference)
    b = (2 * count - gained + lost) * difference - gained - lost
    root = math.sqrt(max(0.0, b * b + 8 * count * lost * room))
    lost_probability = 2 * lost * room / (root + b) if b > 0 else (root - b) / (4 * count)
    variance = count * (2 * lost_probability + room)
    distance = gained - lost - count * difference
    return distance / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, distance)


def _bootstrap(
    gained: int, lost: int, count: int, seed: int, confidence: float, resamples: int
) -> tuple[float, float] | tuple[None, None]:
    if gained + lost == 0:
        return None, None
    generator = np.random.default_rng(seed)
    chances = [gained / count, lost / count, (count - gained - lost) / count]
    drawn = generator.multinomial(count, chances, size=resamples)
    differences = np.sort(drawn[:, 0] - drawn[:, 1])
    observed, mean = gained - lost, (gained - lost) / count
    below = (np.count_nonzero(differences < observed) + np.count_nonzero(differences <= observed)) / (2 * resamples)
    bias = normal_quantile(min(max(below, 0.5 / resamples), 1 - 0.5 / resamples))
    powers = [
        gained * (1 - mean) ** k + lost * (-1 - mean) ** k + (count - gained - lost) * (-mean) ** k for k in (2, 3)
    ]
    acceleration = powers[1] / (6 * powers[0] ** 1.5) if powers[0] > 0 else 0.0
    bounds: list[float] = []
    for z in (normal_quantile((1 - confidence) / 2), normal_quantile((1 + confidence) / 2)):
        level = normal_cdf(bias + (bias + z) / (1 - acceleration * (bias + z)))
        index = min(resamples - 1, max(0, math.floor(level * resamples)))
        bounds.append(float(differences[index]) / count)
    return bounds[0], bounds[1]


def _answers(values: npt.ArrayLike, name: str) -> npt.NDArray[np.bool_]:
    array = np.asarray(values)
    if array.ndim != 1 or not len(array) or not (array.dtype == bool or np.isin(array, (0, 1)).all()):
        raise ValueError(f"{name} answers must be one boolean per sample, not {array.dtype} of shape {array.shape}")
    return array.astype(bool)
