"""The headline of a run, with what its processes and sessions can carry, and percentiles with the same honesty.

One session says what further processes *in this session* would give; another day may differ. Two sessions show how they
differ and no more. Three or more are a sample of sessions, and the interval is over their means. No session is dropped
or repeated for its spread: choosing quiet ones would bias every figure.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .distributions import student_t_quantile
from .modes import Mode, bound_rare_starts, find_levels
from .percentiles import percentile_floor
from .statistics import Interval, geometric_mean_interval, interval_of_logs, summarise_logs

Floats: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]
Basis: TypeAlias = Literal["session", "two sessions", "sessions"]

WIDTH = 0.05
FEWEST_FOR_PERCENTILES = 10
_FEWEST_SESSIONS = 3
_LAST_WELL_COVERED = 0.9
_BLOCK = 512  # calls


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
    around it whose mean share has a t-interval over processes with 1 - fraction inside. Shares are skewed to the right
    (most processes have few slow calls, some have many), and the plain t-interval would end too low, so t is corrected
    for skewness (N. Johnson, J. Amer. Statist. Assoc. 73 (1978)). An interval needs ten processes; everything is
    withheld where even independent calls would be too few (`percentile_floor`). It is for starts like those seen: a
    slow tail in one start of ten is often not among ten starts, and `rare_starts` says so. Beyond the 90th percentile
    even the corrected interval covers less than it should (90 % in simulated sets of ten starts), and its confidence is
    stated as 1 - 2 (1 - `confidence`).
    """
    arrays = [np.asarray(times, dtype=np.float64) for times in processes]
    if not arrays or any(array.ndim != 1 or not len(array) for array in arrays):
        raise ValueError("every process needs its times, in one dimension")
    calls = _Calls(arrays)
    rare, count, total = bound_rare_starts(len(arrays)), len(arrays), sum(map(len, arrays))
    found: list[Percentile] = []
    for fraction in fractions:
        floor = percentile_floor(fraction)
        if total < floor:
            reason = f"{total} calls are fewer than the {floor} that it needs"
            found.append(Percentile(fraction, None, None, None, None, count, rare, reason))
            continue
        place = calls.find_place(1 - fraction + 1e-12)
        value = float(calls.times[place])
        if count < FEWEST_FOR_PERCENTILES:
            reason = f"in these {count} starts; an interval needs {FEWEST_FOR_PERCENTILES}"
            found.append(Percentile(fraction, value, None, None, None, count, rare, reason))
            continue
        low, high = _reach_of_share(calls, 1 - fraction, place, count, confidence)
        found.append(Percentile(fraction, value, low, high, state_confidence(fraction, confidence), count, rare, None))
    return found


def state_confidence(fraction: float, confidence: float = 0.95) -> float:
    """Return the confidence that may be stated of an interval made at `confidence` for the percentile at `fraction`."""
    return confidence if fraction <= _LAST_WELL_COVERED else round(1 - 2 * (1 - confidence), 12)


def confidence_to_state(fraction: float, stated: float) -> float:
    """Return the confidence at which to make an interval for the percentile at `fraction` so that `stated` holds."""
    return stated if fraction <= _LAST_WELL_COVERED else 1 - (1 - stated) / 2


class _Moments(NamedTuple):
    """Some distinct times, ascending, and over processes the moments of the shares of calls beyond them.

    All of shape (times,): places among all sorted calls, the mean share, its variance and its third central moment.
    """

    places: NDArray[np.intp]
    mean: Floats
    variance: Floats
    third: Floats


class _Calls:
    """The calls of all processes in order of their times. Moments are computed block by block, where they are asked
    for: an interval needs those of a few hundred times, and a run has tens of thousands.
    """

    def __init__(self, processes: Sequence[Floats]) -> None:
        self._lengths = np.array([len(each) for each in processes])
        pooled, count = np.concatenate(processes), len(processes)
        order = np.argsort(pooled)
        self.times = pooled[order]
        self._owners = np.repeat(np.arange(count), self._lengths)[order]
        self._last = np.append(self.times[1:] != self.times[:-1], True)  # of equal times; only there a share is known
        self.blocks = -(-len(pooled) // _BLOCK)
        cells = np.arange(len(pooled)) // _BLOCK * count + self._owners
        within = np.bincount(cells, minlength=self.blocks * count).reshape(self.blocks, count)
        self._until = np.cumsum(within, axis=0)
        self._before = self._until - within
        self._known: dict[int, _Moments] = {}

    def find_place(self, share: float) -> int:
        """Return the place of the first time whose mean share is at most `share`."""
        means = (1 - self._until / self._lengths).mean(axis=1)
        block = max(0, int(np.argmax(means <= share)) - 1)  # one earlier: these are rounded otherwise
        while not (enough := (found := self.moments(block)).mean <= share).any():
            block += 1
        return int(found.places[enough.argmax()])

    def find_reach(self, place: int, outside: Callable[[_Moments], Flags]) -> tuple[float, float]:
        """Return the least and largest time around `place` up to which no other is `outside`."""
        first, last = 0, len(self.times) - 1
        for block in range(place // _BLOCK, -1, -1):
            found = self.moments(block)
            if (beyond := outside(found) & (found.places < place)).any():
                first = int(found.places[np.flatnonzero(beyond)[-1]]) + 1
                break
        for block in range(place // _BLOCK, self.blocks):
            found = self.moments(block)
            if (beyond := outside(found) & (found.places > place)).any():
                last = int(found.places[beyond.argmax()])
                last = int(np.flatnonzero(self._last[:last])[-1])
                break
        return float(self.times[first]), float(self.times[last])

    def moments(self, block: int) -> _Moments:
        """Return the moments at the times of a block; it may have none."""
        if block not in self._known:
            self._known[block] = self._compute(block)
        return self._known[block]

    def _compute(self, block: int) -> _Moments:
        owners, count = self._owners[block * _BLOCK : (block + 1) * _BLOCK], len(self._lengths)
        calls = np.zeros((count, len(owners)))
        calls[owners, np.arange(len(owners))] = 1
        np.cumsum(calls, axis=1, out=calls)
        calls += self._before[block][:, None]
        last = np.flatnonzero(self._last[block * _BLOCK : (block + 1) * _BLOCK])
        shares = 1 - calls.take(last, axis=1) / self._lengths[:, None]
        mean = shares.mean(axis=0)
        shares -= mean
        squares = shares * shares
        variance = squares.sum(axis=0) / max(1, count - 1)
        third = (squares * shares).sum(axis=0) * count / max(1, (count - 1) * (count - 2))
        return _Moments(last + block * _BLOCK, mean, variance, third)


def _reach_of_share(calls: _Calls, share: float, place: int, count: int, confidence: float) -> tuple[float, float]:
    """Return the least and largest time around `place` whose mean share does not differ significantly from `share`.

    Johnson's t is (d + μ₃ / (6 s² n) + μ₃ d² / (3 s⁴)) √n / s, with d the mean less `share`, s the standard deviation
    and μ₃ the third central moment over `count` processes.
    """
    limit = float(student_t_quantile((1 + confidence) / 2, count - 1)) / math.sqrt(count)

    def is_outside(found: _Moments) -> Flags:
        distance, variance = found.mean - share, np.maximum(found.variance, 1e-30)
        corrected = distance + found.third / (6 * variance * count) + found.third * distance**2 / (3 * variance**2)
        return np.abs(corrected) > limit * np.sqrt(variance)

    return calls.find_reach(place, is_outside)


def _is_noisy(intervals: Sequence[Interval], width: float) -> bool | None:
    """Return whether any interval reaches farther than `width` from its estimate, on the log scale."""
    if any(interval.low is None or interval.high is None for interval in intervals):
        return None
    return any(
        math.log((interval.high or 1) / (interval.low or 1)) / 2 > math.log1p(width) * (1 + 1e-9)
        for interval in intervals
    )
