"""The headline of a run, with what its processes and sessions can carry, and percentiles with the same honesty.

One session says what further processes *in this session* would give; another day may differ. Two sessions show how they
differ and no more. Three or more are a sample of sessions, and the interval is over their means. No session is dropped
or repeated for its spread: choosing quiet ones would bias every figure.
"""

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .distributions import student_t_quantile
from .modes import Mode, bound_rare_starts, find_levels
from .percentiles import percentile_floor
from .statistics import Interval, geometric_mean_interval, interval_of_logs, summarise_logs

Floats: TypeAlias = NDArray[np.float64]
Places: TypeAlias = NDArray[np.intp]
Basis: TypeAlias = Literal["session", "two sessions", "sessions"]

WIDTH = 0.05
FEWEST_FOR_PERCENTILES = 10
_FEWEST_SESSIONS = 3
_LAST_WELL_COVERED = 0.9
_ROUNDING = 1e-9  # more than the mean of a share is rounded
_REACH, _LEAST_GUESS = 1.2, 32  # where an interval reaches farther than these say, the search goes on


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


def find_headline_percentiles(
    processes: Sequence[ArrayLike], fractions: Sequence[float], confidence: float = 0.95
) -> list[Percentile]:
    """Return the percentiles that stand beside a run's headline, one per fraction, over its processes.

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
    rare, count, total = bound_rare_starts(len(arrays)), len(arrays), sum(map(len, arrays))
    able = [fraction for fraction in fractions if total >= percentile_floor(fraction)]
    calls = _Calls(arrays)
    shares = 1 - np.array(able)
    places = calls.find_places(shares + 1e-12)
    values = dict(zip(able, calls.times[places].tolist(), strict=True))
    reaches: dict[float, tuple[float, float]] = {}
    if able and count >= FEWEST_FOR_PERCENTILES:
        reaches = dict(zip(able, _find_reaches(calls, shares, places, confidence), strict=True))
    found: list[Percentile] = []
    for fraction in fractions:
        low, high = reaches.get(fraction, (None, None))
        stated = reason = None
        if fraction not in values:
            reason = f"{total} calls are fewer than the {percentile_floor(fraction)} that it needs"
        elif fraction not in reaches:
            reason = f"in these {count} starts; an interval needs {FEWEST_FOR_PERCENTILES}"
        else:
            stated = state_confidence(fraction, confidence)
        found.append(Percentile(fraction, values.get(fraction), low, high, stated, count, rare, reason))
    return found


def state_confidence(fraction: float, confidence: float = 0.95) -> float:
    """Return the confidence that a run's headlines may state of an interval made at `confidence` for a percentile."""
    return confidence if fraction <= _LAST_WELL_COVERED else round(1 - 2 * (1 - confidence), 12)


def confidence_to_state(fraction: float, stated: float) -> float:
    """Return at which confidence to make an interval of a run's headlines, at `fraction`, so that `stated` holds."""
    return stated if fraction <= _LAST_WELL_COVERED else 1 - (1 - stated) / 2


class _Moments(NamedTuple):
    """Moments over processes of the shares of calls beyond some distinct times, ascending; all of shape (times,).

    The mean share, its variance and its third central moment.
    """

    mean: Floats
    variance: Floats
    third: Floats


class _Calls:
    """The calls of all processes in order of their times. `times`: the distinct ones, ascending.

    Moments are computed around some times, where they are asked for: an interval needs those of a few hundred times,
    and a run has tens of thousands.
    """

    def __init__(self, processes: Sequence[Floats]) -> None:
        self._processes = [np.sort(each) for each in processes]
        self._lengths = np.array([len(each) for each in processes])
        pooled, count = np.concatenate(self._processes), len(processes)
        order = np.argsort(pooled, kind="stable")  # which merges what is sorted already
        ordered = pooled[order]
        self._owners = np.repeat(np.arange(count), self._lengths)[order]
        self._last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))  # of equal times; it knows the share
        self.times = ordered[self._last]

    def find_places(self, shares: Floats) -> Places:
        """Return for each of `shares` the place of the first time whose mean share of calls beyond is at most that."""
        lengths = self._lengths
        rounded = 1 - np.cumsum((1 / (lengths * len(lengths)))[self._owners])[self._last]
        places = len(rounded) - rounded[::-1].searchsorted(shares + _ROUNDING, "right")
        while (early := self.shares_beyond(places).mean(axis=0) > shares).any():
            places += early
        return places

    def shares_beyond(self, places: Places) -> Floats:
        """Return the share of each process's calls beyond the times in `places`, shape (processes, places)."""
        return 1 - self._count_until(places) / self._lengths[:, None]

    def moments(self, firsts: Places, ends: Places) -> _Moments:
        """Return the moments at the times in the places from each of `firsts` to before each of `ends`, all in turn."""
        begins, stops = self._last[firsts - 1] + 1, self._last[ends - 1] + 1
        begins[firsts == 0] = 0
        sizes = stops - begins
        starts = np.cumsum(sizes) - sizes
        owners = np.concatenate([self._owners[begin:stop] for begin, stop in zip(begins, stops, strict=True)])
        count = len(self._lengths)
        calls = np.zeros((count, len(owners)), dtype=np.int32)
        calls[owners, np.arange(len(owners))] = 1
        # The sum runs through all stretches: at the start of each it is set to what came before it.
        before = self._count_until(firsts - 1)
        calls[:, starts] += before
        calls[:, starts[1:]] -= self._count_until(ends[:-1] - 1)
        np.cumsum(calls, axis=1, out=calls)
        if len(owners) > (ends - firsts).sum():  # some times are equal
            last = [self._last[a:b] + shift for a, b, shift in zip(firsts, ends, starts - begins, strict=True)]
            calls = calls.take(np.concatenate(last), axis=1)
        shares = calls / self._lengths[:, None]
        np.subtract(1, shares, out=shares)
        mean = shares.mean(axis=0)
        shares -= mean
        squares = shares * shares
        variance = squares.sum(axis=0) / max(1, count - 1)
        squares *= shares
        third = squares.sum(axis=0) * count / max(1, (count - 1) * (count - 2))
        return _Moments(mean, variance, third)

    def _count_until(self, places: Places) -> Places:
        """Return how many calls each process has until the times in `places`, none for -1."""
        times = self.times[places]
        return np.array([each.searchsorted(times, "right") for each in self._processes]) * (places >= 0)


def _find_reaches(calls: _Calls, shares: Floats, places: Places, confidence: float) -> list[tuple[float, float]]:
    """Return for each share the least and largest time around its place whose mean share does not differ significantly
    from it.

    Johnson's t is (d + μ₃ / (6 s² n) + μ₃ d² / (3 s⁴)) √n / s, with d the mean less the share, s the standard deviation
    and μ₃ the third central moment over n processes.
    """
    found, last = calls.shares_beyond(places), len(calls.times) - 1
    count = len(found)
    limit = float(student_t_quantile((1 + confidence) / 2, count - 1)) / math.sqrt(count)
    guesses = (_REACH * limit * found.std(axis=0, ddof=1) * last).astype(np.intp) + _LEAST_GUESS
    firsts, ends = np.maximum(0, places - guesses), np.minimum(last, places + guesses) + 1
    stretches = list(zip(range(len(places)), firsts.tolist(), ends.tolist(), strict=True))
    lows, highs = [0] * len(places), [last] * len(places)
    while stretches:
        numbers, firsts, ends = (np.array(each) for each in zip(*stretches, strict=True))
        mean, variance, third = calls.moments(firsts, ends)
        distance, variance = mean - np.repeat(shares[numbers], ends - firsts), np.maximum(variance, 1e-30)
        corrected = distance + third / (6 * variance * count) + third * distance**2 / (3 * variance**2)
        outside = np.split(np.abs(corrected) > limit * np.sqrt(variance), np.cumsum(ends - firsts)[:-1])
        further: list[tuple[int, int, int]] = []
        for (number, first, end), flags in zip(stretches, outside, strict=True):
            place = int(places[number])
            beyond = (np.flatnonzero(flags) + first).tolist()
            before = bisect.bisect_left(beyond, place)
            after = bisect.bisect_right(beyond, place)
            if before:
                lows[number] = beyond[before - 1] + 1
            elif 0 < first <= place:
                further.append((number, max(0, first - (place - first) // 2 - _LEAST_GUESS), first))
            if after < len(beyond):
                highs[number] = beyond[after] - 1
            elif place < end <= last:
                further.append((number, end, min(last + 1, end + (end - place) // 2 + _LEAST_GUESS)))
        stretches = further
    return list(zip(calls.times[lows].tolist(), calls.times[highs].tolist(), strict=True))


def _is_noisy(intervals: Sequence[Interval], width: float) -> bool | None:
    """Return whether any interval reaches farther than `width` from its estimate, on the log scale."""
    if any(interval.low is None or interval.high is None for interval in intervals):
        return None
    return any(
        math.log((interval.high or 1) / (interval.low or 1)) / 2 > math.log1p(width) * (1 + 1e-9)
        for interval in intervals
    )
