"""The clock of an external meter against ours, from its power and from the times at which our processes ran."""

from __future__ import annotations

import bisect
import math
from typing import Iterable, List, NamedTuple, Optional, Sequence, Tuple

_FEWEST_ROWS = 20
_WEAKEST = 0.5  # correlation; below it the load does not show in the power
_NEAR = 0.99  # of the best correlation: lags this good cannot be told from the best
_MOST_LAGS = 4000


class Alignment(NamedTuple):
    """`offset_ns`: to add to the meter's time for ours. `error_s`: how far off that may be. `method`: in words."""

    offset_ns: float
    error_s: float
    method: str


def correlate(
    times: Sequence[float], watts: Sequence[float], busy: Sequence[Tuple[int, int]]
) -> Tuple[Optional[Alignment], Optional[str]]:
    """Return the alignment of a meter's clock at which its power is most like the load (1 while a process of ours ran,
    else 0), or why there is none.

    `times`: the meter's seconds, rising. `busy`: (from, to) of each process in our nanoseconds. Lags are tried in steps
    of half the meter's interval, and the best one refined; the error is an interval, and what is as good as the best.
    """
    if len(times) < _FEWEST_ROWS or not busy:
        return None, "too few rows, or no load, to align the meter's clock by"
    step = find_interval(times)
    edges = [(begin / 1e9, end / 1e9) for begin, end in busy]
    lags = _list_lags(edges[0][0] - times[-1], edges[-1][1] - times[0], step / 2)
    found = [(_likeness(times, watts, edges, lag), lag) for lag in lags]
    best, around = max(found)
    for finer in (step / 8, step / 32):
        found = [(_likeness(times, watts, edges, around + k * finer), around + k * finer) for k in range(-8, 9)]
        best, around = max(found)
    if best < _WEAKEST:
        return None, "the load does not show in the meter's power (correlation {:.2f})".format(best)
    near = [around + k * step / 4 for k in range(-80, 81)]
    alike = [lag for lag in near if _likeness(times, watts, edges, lag) >= _NEAR * best]
    middle = (min(alike) + max(alike)) / 2 if alike else around
    reach = (max(alike) - min(alike)) / 2 if alike else 0.0
    return Alignment(middle * 1e9, reach + step / 2, "cross-correlation ({:.2f})".format(best)), None


def find_interval(times: Sequence[float]) -> float:
    """Return the usual time between a meter's rows, in seconds: it limits the alignment of its clock with ours."""
    steps = sorted(times[number + 1] - times[number] for number in range(len(times) - 1))
    return steps[len(steps) // 2]


def _list_lags(first: float, last: float, step: float) -> Iterable[float]:
    count = max(1, min(_MOST_LAGS, int((last - first) / step) + 1))
    return [first + (last - first) * number / count for number in range(count + 1)]


def _likeness(times: Sequence[float], watts: Sequence[float], edges: List[Tuple[float, float]], lag: float) -> float:
    """Return the correlation of power and load where both are known: around the load, on the meter's rows."""
    reach = (edges[-1][1] - edges[0][0]) / 2 + 1.0
    first = bisect.bisect_left(times, edges[0][0] - reach - lag)
    last = bisect.bisect_right(times, edges[-1][1] + reach - lag)
    loads: List[float] = []
    place = 0
    for second in times[first:last]:
        now = second + lag
        while place < len(edges) - 1 and now > edges[place][1]:
            place += 1
        loads.append(1.0 if edges[place][0] <= now <= edges[place][1] else 0.0)
    return _correlation(loads, watts[first:last]) if len(loads) >= _FEWEST_ROWS else -1.0


def _correlation(left: Sequence[float], right: Sequence[float]) -> float:
    count = len(left)
    middle_left, middle_right = math.fsum(left) / count, math.fsum(right) / count
    rows = [(a - middle_left, b - middle_right) for a, b in zip(left, right)]
    spread = math.sqrt(math.fsum(a * a for a, _ in rows) * math.fsum(b * b for _, b in rows))
    return math.fsum(a * b for a, b in rows) / spread if spread else -1.0
