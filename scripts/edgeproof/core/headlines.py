"""The headline of a run, with what its processes and sessions can carry, and percentiles with the same honesty.

One session says what further processes *in this session* would give; another day may differ. Two sessions show how they
differ and no more. Three or more are a sample of sessions, and the interval is over their means. No session is dropped
or repeated for its spread: choosing quiet ones would bias every figure.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .distributions import student_t_quantile
from .modes import Mode, bound_rare_starts, find_levels
from .percentiles import percentile_floor
from .statistics import Interval, geometric_mean_interval, interval_of_logs, summarise_logs

Floats: TypeAlias = NDArray[np.float64]
Basis: TypeAlias = Literal["session", "two sessions", "sessions"]

WIDTH = 0.05
FEWEST_FOR_PERCENTILES = 10
_FEWEST_SESSIONS = 3


@dataclass(frozen=True)
class SessionHeadline:
    """One session: geometric mean of its process values with the t-interval within the session, and its modes."""

    interval: Interval
    modes: tuple[Mode, ...]


@dataclass(frozen=True)
class Headline:
    """A run's latency.

    `basis`: what the interval is over: `session` (processes of the only one), `two sessions` (no interval; both are
    in `sessions`), `sessions` (means of three or more). `estimate`: in the unit of the values; of several sessions the
    geometric mean of theirs. `noisy`: the interval, or either of two, is wider than the protocol's width on one side;
    None where a single process has none. `rare_starts`: a kind of start rarer than this may be missing.
    """

    basis: Basis
    estimate: float
    interval: Interval | None
    sessions: tuple[SessionHeadline, ...]
    noisy: bool | None
    processes: int
    rare_starts: float


@dataclass(frozen=True)
class Percentile:
    """The value that a share 1 - `fraction` of calls exceeds, over the `starts` measured, each counting alike.

    `low`, `high`: its interval over starts at `confidence`; None, with `reason`, where there is none. `value` is None
    where the calls are too few for any estimate.
    """

    fraction: float
    value: float | None
    low: float | None
    high: float | None
    confidence: float | None
    starts: int
    rare_starts: float
    reason: str | None


def summarise_headline(
    sessions: Sequence[ArrayLike],
    errors: Sequence[ArrayLike],
    width: float = WIDTH,
    confidence: float = 0.95,
) -> Headline:
    """Return the Headline of a run's sessions, in order of start.

    `sessions`: one array per session, shape (processes,), each process's value (arithmetic mean over inputs of their
    medians, any unit); `errors`: the same shapes, standard errors of their logarithms. `width`: of the protocol, a
    fraction, also the smallest gap that separates modes. ValueError without sessions or for what is not positive.
    """
    if not sessions or len(sessions) != len(errors):
        raise ValueError(f"{len(sessions)} sessions and {len(errors)} series of errors do not belong together")
    parts = tuple(
        SessionHeadline(geometric_mean_interval(values, confidence), find_levels(np.log(values), error, width))
        for values, error in zip(sessions, errors, strict=True)
    )
    means = np.log([part.interval.estimate for part in parts])
    basis: Basis = "session" if len(parts) == 1 else "two sessions" if len(parts) < _FEWEST_SESSIONS else "sessions"
    interval = {
        "session": lambda: parts[0].interval,
        "two sessions": lambda: None,
        "sessions": lambda: interval_of_logs(summarise_logs(means), confidence),
    }[basis]()
    judged = [interval] if interval else [part.interval for part in parts]
    processes = sum(part.interval.count for part in parts)
    return Headline(
        basis=basis,
        estimate=math.exp(float(means.mean())),
        interval=interval,
        sessions=parts,
        noisy=_is_noisy(judged, width),
        processes=processes,
        rare_starts=bound_rare_starts(processes),
    )


def find_percentiles(
    processes: Sequence[ArrayLike], fractions: Sequence[float], confidence: float = 0.95
) -> list[Percentile]:
    """Return a Percentile for each of `fractions`, in their order.

    `processes`: one array of times per process, any unit; lengths may differ. At a time x every process has a share of
    calls beyond x. The value is the smallest x whose mean share is at most 1 - fraction; the interval holds every x
    whose mean share has a t-interval over processes with 1 - fraction inside. It needs ten processes. All is withheld
    where even independent calls would be too few (`percentile_floor`). The t-interval is for starts like those seen:
    a slow tail in one start of ten is often not among ten starts, and `rare_starts` says so.
    """
    arrays = [np.sort(np.asarray(times, dtype=np.float64)) for times in processes]
    if not arrays or any(array.ndim != 1 or not len(array) for array in arrays):
        raise ValueError("every process needs its times, in one dimension")
    count, total = len(arrays), sum(map(len, arrays))
    grid = np.unique(np.concatenate(arrays))
    shares = np.stack([1 - np.searchsorted(array, grid, side="right") / len(array) for array in arrays])
    mean = shares.mean(axis=0)
    reach = np.zeros_like(mean)
    if count > 1:
        quantile = float(student_t_quantile((1 + confidence) / 2, count - 1))
        reach = quantile * shares.std(axis=0, ddof=1) / math.sqrt(count)
    found: list[Percentile] = []
    for fraction in fractions:
        value = low = high = None
        floor, reason = percentile_floor(fraction), None
        if total < floor:
            reason = f"{total} calls are fewer than the {floor} that it needs"
        else:
            value = float(grid[np.argmax(mean <= 1 - fraction + 1e-12)])
            if count < FEWEST_FOR_PERCENTILES:
                reason = f"in these {count} starts; an interval needs {FEWEST_FOR_PERCENTILES}"
            else:
                inside = np.flatnonzero(np.abs(mean - (1 - fraction)) <= reach + 1e-12)
                low, high = (
                    (min(value, float(grid[inside[0]])), max(value, float(grid[inside[-1]])))
                    if len(inside)
                    else (value, value)
                )
        bounds = None if low is None else confidence
        found.append(Percentile(fraction, value, low, high, bounds, count, bound_rare_starts(count), reason))
    return found


def _is_noisy(intervals: Sequence[Interval], width: float) -> bool | None:
    """Return whether any interval reaches farther than `width` from its estimate, on the log scale."""
    if any(interval.low is None or interval.high is None for interval in intervals):
        return None
    return any(
        math.log((interval.high or 1) / (interval.low or 1)) / 2 > math.log1p(width) * (1 + 1e-9)
        for interval in intervals
    )
