"""Comparing models whose builder draws: the build is the unit, and what it draws is part of the model's latency.

A builder such as TensorRT times candidates on the board and keeps the fastest of that moment, so that two builds of
one model differ. Pairs of one build of each side speak of two engines, however many there are. Here the i-th build of
the left is paired with the i-th of the right; the mean over builds of the mean log-ratio of their pairs has Student's
interval with one degree of freedom less than builds, which is exact for normal differences and equal numbers of pairs.

A rare tactic that none of the builds has drawn leaves no trace in their spread. What n builds can exclude is a tactic
in a share of 1 - level^(1/n) of them or more; one below may move the mean by that share times its effect, which is
taken to be a factor of `FACTOR` at most. `equivalent` is claimed only where that stays within the margin. And an F-test
asks whether builds differ by more than processes do; if they do not, their spread says nothing of what is drawn, and
the interval is wider by as much.

Sources: T. Kalibera, R. Jones, "Rigorous benchmarking in reasonable time" (2013), for the levels of repetition and the
highest random one as unit; S. Searle, G. Casella, C. McCulloch, "Variance Components" (1992), chapter 3, for the split.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from .boundaries import ALPHA
from .distributions import regularised_incomplete_beta, student_t_quantile
from .modes import Claim
from .statistics import Interval

FACTOR = 2.0  # by which a tactic that none of the builds has drawn may be slower or faster than those that they have
_ALIKE = 0.05  # level of the F-test

BuildsReason: TypeAlias = Literal["one-build", "pairs", "alike", "width"]


class BuiltPair(NamedTuple):
    """One pair of processes: log(right / left), and its variance from how blocks differ; None where that is unknown."""

    log_ratio: float
    block_variance: float | None


@dataclass(frozen=True)
class VarianceSplit:
    """The variance of one pair's log-ratio by what differs: builds, processes of one build, blocks of one process.

    `blocks` is None where pairs do not know it; `processes` then has it.
    """

    builds: float
    processes: float
    blocks: float | None


@dataclass(frozen=True)
class BuildsVerdict:
    """What builds say about the right model, relative to the left.

    `verdict` is `undecided` with a `reason`: `one-build` and `pairs` (a build with fewer than two) have no interval;
    `alike` and `width` have one. `rare`: a tactic that comes up in a smaller share of builds may not have been seen.
    """

    verdict: Claim | Literal["undecided"]
    reason: BuildsReason | None
    ratio: Interval
    equivalence: Interval | None
    variances: VarianceSplit | None
    rare: float


def compare_builds(
    builds: Sequence[Sequence[BuiltPair]], margin: float, comparisons: int = 1, alpha: float = ALPHA
) -> BuildsVerdict:
    """Compare two models whose builder draws: return the BuildsVerdict of so many builds, each with its pairs.

    The level is `alpha` / `comparisons`. `ratio` is right / left at confidence 1 - level, `equivalence` at 1 - 2
    levels; both allow for tactics that were not drawn where builds are alike, and a claim of `equivalent` always does.
    ValueError without pairs.
    """
    if not builds or not all(builds) or not 0 < margin < math.inf:
        raise ValueError("every build needs a pair, and the margin is a positive fraction")
    level, count = alpha / comparisons, len(builds)
    means = np.array([np.mean([pair.log_ratio for pair in pairs]) for pairs in builds])
    middle, rare = float(means.mean()), 1 - _ALIKE ** (1 / count)
    if count < 2 or min(map(len, builds)) < 2:
        reason: BuildsReason = "one-build" if count < 2 else "pairs"
        none = Interval(math.exp(middle), None, None, round(1 - level, 12), count)
        return BuildsVerdict("undecided", reason, none, None, None, rare)
    error = float(means.std(ddof=1)) / math.sqrt(count)
    split, differ = _split_variance(builds)
    unseen = (1 - level ** (1 / count)) * math.log(FACTOR)
    plain = [student_t_quantile(1 - tail, count - 1) * error for tail in (level / 2, level)]
    reaches = plain if differ else [reach + unseen for reach in plain]
    claim, log_margin = None, math.log1p(margin)
    if abs(middle) - reaches[0] > log_margin:
        claim = "slower" if middle > 0 else "faster"
    elif abs(middle) + plain[1] + unseen < log_margin:
        claim = "equivalent"
    return BuildsVerdict(
        verdict=claim or "undecided",
        reason=None if claim else "width" if differ else "alike",
        ratio=_interval(middle, reaches[0], 1 - level, count),
        equivalence=_interval(middle, reaches[1], 1 - 2 * level, count),
        variances=split,
        rare=rare,
    )


def _split_variance(builds: Sequence[Sequence[BuiltPair]]) -> tuple[VarianceSplit, bool]:
    """Return the split by the method of moments, and whether builds differ by more than their pairs do."""
    logs = [np.array([pair.log_ratio for pair in pairs]) for pairs in builds]
    sizes = np.array([len(each) for each in logs])
    total, count = int(sizes.sum()), len(logs)
    grand = float(np.concatenate(logs).mean())
    between = sum(len(each) * (float(each.mean()) - grand) ** 2 for each in logs) / (count - 1)
    within = sum(float(((each - each.mean()) ** 2).sum()) for each in logs) / (total - count)
    per_build = (total - float((sizes**2).sum()) / total) / (count - 1)
    known = [pair.block_variance for pairs in builds for pair in pairs if pair.block_variance is not None]
    blocks = min(within, float(np.mean(known))) if len(known) == total else None
    split = VarianceSplit(max(0.0, (between - within) / per_build), within - (blocks or 0.0), blocks)
    return split, _tail_of_f(between, within, count - 1, total - count) < _ALIKE


def _tail_of_f(between: float, within: float, upper: int, lower: int) -> float:
    """Return the probability of a larger ratio of mean squares where builds do not differ."""
    whole = upper * between + lower * within
    if whole == 0:
        return 1.0
    return regularised_incomplete_beta(lower / 2, upper / 2, lower * within / whole)


def _interval(middle: float, reach: float, confidence: float, count: int) -> Interval:
    low, high = math.exp(max(middle - reach, -700.0)), math.exp(min(middle + reach, 700.0))
    return Interval(math.exp(middle), low, high, round(confidence, 12), count)
