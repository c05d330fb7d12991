"""Modes of a process's start: levels between which starts jump, and what starts that were never seen leave open.

Some processes start fast and some slow: memory placed otherwise, threads on other cores. A few starts cannot show a
mode that one start in twenty has, so every verdict speaks of starts like those seen, and names how rare a start may
be that is missing among them. A mode that is seen is shown, and a verdict must hold for every pair of levels.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats: TypeAlias = NDArray[np.float64]
Groups: TypeAlias = NDArray[np.intp]
Claim: TypeAlias = Literal["faster", "slower", "equivalent"]

_ERRORS_APART = 5.0
_FEWEST_STARTS = 2
_OWN_SHARE = 0.5


@dataclass(frozen=True)
class Mode:
    """One level of an arm: geometric mean of its starts, in the unit of the values, and how many starts have it."""

    level: float
    starts: int
    share: float


@dataclass(frozen=True)
class Modes:
    """Levels of both arms, lowest first (one each when no mode is seen).

    `log_ratios`: log(right / left) for every pair of levels, also those that did not meet in any pair.
    """

    left: tuple[Mode, ...]
    right: tuple[Mode, ...]
    log_ratios: tuple[float, ...]

    @property
    def seen(self) -> bool:
        """Whether a side has more than one level."""
        return len(self.left) > 1 or len(self.right) > 1

    def support(self, claim: Claim, margin: float) -> bool:
        """Return whether every pair of levels has the ratio that `claim` says, at a margin given as a fraction."""
        reach = math.log1p(margin)
        if claim == "equivalent":
            return all(abs(ratio) <= reach for ratio in self.log_ratios)
        return all((ratio > reach) if claim == "slower" else (ratio < -reach) for ratio in self.log_ratios)


@dataclass(frozen=True)
class ProcessLevels:
    """One arm's processes in pair order: logarithms of their values and standard errors of these, each shape (n,)."""

    logs: Floats
    errors: Floats

    def first(self, count: int) -> "ProcessLevels":
        """Return the first `count` processes."""
        return ProcessLevels(self.logs[:count], self.errors[:count])


def bound_rare_starts(starts: int) -> float:
    """Return how rare a mode must be to stay unseen: the share of starts that may behave otherwise though `starts` of
    them do not show it, at 95 %.

    1 - 0.05^(1/n): a kind of start that is more frequent is among n starts with probability 0.95. 53 % for 4 starts,
    26 % for 10.
    """
    if starts < 1:
        raise ValueError(f"{starts} starts say nothing")
    return -math.expm1(math.log(0.05) / starts)


def find_levels(logs: ArrayLike, errors: ArrayLike, margin: float) -> tuple[Mode, ...]:
    """Return the modes of one arm, lowest first; one that holds all starts when no gap is seen.

    `logs`: shape (n,), logarithms of process values; `errors`: shape (n,), their standard errors. A gap between sorted
    values separates modes when it exceeds log(1 + margin) and five times the median error, with at least two starts
    on each side.
    """
    values = np.asarray(logs, dtype=np.float64)
    return _describe(values, _split(values, _find_gaps(values, np.asarray(errors, dtype=np.float64), margin)))


def find_unseen_levels(
    levels: Sequence[ArrayLike], others: ArrayLike, errors: ArrayLike, margin: float
) -> tuple[Mode, ...]:
    """Return the modes of one arm that other starts of it do not show, lowest first; none for fewer than two starts.

    `levels`: the arm's levels, each the logarithms of its starts, shape (n,). `others`: shape (m,), logarithms of the
    other starts, `errors` their standard errors. A level is not shown where a gap that would separate levels (see
    `find_levels`) lies between it and the nearest of the others; levels of two sessions without such a gap are one.
    `share`: of the starts in `levels`.
    """
    seen, reach = np.sort(np.asarray(others, dtype=np.float64)), math.log1p(margin)
    reach = max(reach, _ERRORS_APART * float(np.median(np.asarray(errors, dtype=np.float64))))
    starts = [np.asarray(level, dtype=np.float64) for level in levels]
    apart = [level for level in starts if float(np.abs(level[:, None] - seen[None, :]).min()) > reach]
    merged: list[Floats] = []
    for level in sorted(apart, key=lambda level: float(level.min())):
        if merged and float(level.min() - merged[-1].max()) <= reach:
            merged[-1] = np.concatenate((merged[-1], level))
        else:
            merged.append(level)
    count = sum(map(len, starts))
    found = tuple(Mode(math.exp(float(level.mean())), len(level), len(level) / count) for level in merged)
    return found if sum(mode.starts for mode in found) >= _FEWEST_STARTS else ()


def find_modes(left: ProcessLevels, right: ProcessLevels, pair_logs: ArrayLike, margin: float) -> Modes:
    """Return the Modes of two arms measured in pairs.

    `pair_logs`: shape (n,), log(right / left) of each pair. Gaps as in `find_levels`, with one condition more: a gap
    must be the arm's own. What both processes of a pair share (a neighbour for some minutes, another day) moves both
    values and cancels in the pair, so a gap counts only if the pairs' ratios on its two sides differ by at least half
    of it. Ratios of levels come from a least-squares fit of the pairs' ratios to the levels of both arms, which adds up
    levels that never met.
    """
    ratios: Floats = np.asarray(pair_logs, dtype=np.float64)
    gaps = [_find_gaps(arm.logs, arm.errors, margin) for arm in (left, right)]
    while True:
        groups = [_split(arm.logs, cuts) for arm, cuts in zip((left, right), gaps, strict=True)]
        base, steps = _fit(ratios, groups)
        kept = [_own_gaps(*each) for each in zip((left.logs, right.logs), gaps, groups, steps, (-1, 1), strict=True)]
        if kept == gaps:
            break
        gaps = kept
    sides = [np.concatenate(([0.0], np.cumsum(each))) for each in steps]
    levels = (base + sides[0][:, None] + sides[1][None, :]).ravel()
    return Modes(_describe(left.logs, groups[0]), _describe(right.logs, groups[1]), tuple(map(float, levels)))


def _find_gaps(logs: Floats, errors: Floats, margin: float) -> list[float]:
    """Return the middles of all gaps that separate modes."""
    if logs.ndim != 1 or logs.shape != errors.shape or not len(logs):
        raise ValueError(f"values of shape {logs.shape} and errors of shape {errors.shape} do not belong together")
    ordered = np.sort(logs)
    inner = ordered[_FEWEST_STARTS - 1 : len(ordered) - _FEWEST_STARTS + 1]
    steps = inner[1:] - inner[:-1]
    wide = np.flatnonzero(steps > math.log1p(margin))
    if len(wide):
        wide = wide[steps[wide] > _ERRORS_APART * float(np.median(errors))]
    return [float(inner[k] + inner[k + 1]) / 2 for k in wide]


def _split(logs: Floats, gaps: Sequence[float]) -> Groups:
    return np.searchsorted(np.asarray(gaps, dtype=np.float64), logs)


def _describe(logs: Floats, groups: Groups) -> tuple[Mode, ...]:
    levels, starts = _average(logs, groups)
    return tuple(
        Mode(math.exp(level), count, count / len(logs))
        for level, count in zip(levels.tolist(), starts.tolist(), strict=True)
    )


def _average(logs: Floats, groups: Groups) -> tuple[Floats, Groups]:
    """Return the mean and the size of each group."""
    sizes = np.bincount(groups)
    return np.bincount(groups, weights=logs) / sizes, sizes


def _fit(ratios: Floats, groups: Sequence[Groups]) -> tuple[float, list[Floats]]:
    """Return log(right / left) of the lowest levels, and for each arm what each step to the next level adds to it."""
    columns, sizes = [np.ones(len(ratios))], [int(arm.max()) for arm in groups]
    for arm, size in zip(groups, sizes, strict=True):
        columns += [(arm >= step).astype(np.float64) for step in range(1, size + 1)]
    solution: Floats = np.linalg.lstsq(np.stack(columns, axis=1), ratios, rcond=None)[0].astype(np.float64)
    return float(solution[0]), [solution[1 : 1 + sizes[0]], solution[1 + sizes[0] :]]


def _own_gaps(logs: Floats, gaps: Sequence[float], groups: Groups, steps: Floats, sign: int) -> list[float]:
    """Return the gaps whose step in the pairs' ratios has the arm's sign and at least half the distance of levels."""
    levels = _average(logs, groups)[0]
    own = sign * steps >= _OWN_SHARE * (levels[1:] - levels[:-1])
    return [gap for gap, kept in zip(gaps, own.tolist(), strict=True) if kept]
