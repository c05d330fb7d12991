"""Changes within a session, from the times of a small fixed kernel at its start, between its pairs and at its end.

Boards often do not tell that they throttle. The series tells a lasting change of the processor's speed from noise: it
is split where both parts differ most, and the split counts when so large a difference comes from series without change
in at most 1 % of cases, and is itself at least 1 %. Both parts are then searched again.

Neighbours make points heavy with noise and alike from one to the next. The statistic, the largest |t| over all splits,
is therefore divided by √((1 + ρ) / (1 - ρ)) with the correlation ρ of what the split leaves. A trend or a second change
leave a correlation too; so that they do not hide behind it, 0.6 |t| with the spread of first differences counts where
it is larger. Critical values are the largest 99 % quantiles over simulated series, normal and heavy-tailed (t with 3
degrees of freedom), with correlations 0 and 0.3 from point to point.
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .dependence import widen_error

SMALLEST_CHANGE = 0.01
SIGNIFICANCE = 0.01
FEWEST_POINTS = 5

_FEWEST_SIDE = 2
_LEAST_SD = 1e-4  # what no clock and no kernel resolves; equal times have no spread
_LARGEST_CORRELATION = 0.9
_LOCAL_WEIGHT = 0.6  # differences know nothing of a correlation up to 0.5, which makes |t| too large by a half
# By number of points; a series between two of them takes the former, which is larger. See `simulate_critical`.
_CRITICAL: tuple[tuple[int, float], ...] = (
    (5, 8.41),
    (6, 7.23),
    (7, 6.54),
    (8, 6.21),
    (9, 5.96),
    (10, 5.71),
    (12, 5.43),
    (15, 5.37),
    (20, 5.18),
    (30, 5.18),
    (45, 5.05),
    (61, 5.04),
)


@dataclass(frozen=True)
class Change:
    """A lasting change: between the points at `after_s` and `before_s` the kernel's time grew by the factor `ratio`."""

    after_s: float
    before_s: float
    ratio: float


@dataclass(frozen=True)
class DriftFinding:
    """The changes of a session in order of time, none when it held its speed; `reason` says why nothing was tested."""

    changes: tuple[Change, ...]
    points: int
    reason: str | None


def find_changes(times_s: ArrayLike, kernel_ns: ArrayLike) -> DriftFinding:
    """Return the change points of one session, as a DriftFinding.

    `times_s`: shape (points,), when each point was timed, ascending; `kernel_ns`: the kernel's time there, any unit
    (mean over the point's repetitions: a median would not see a process that is stopped one fifth of the time).
    ValueError for times that are not positive or not paired.
    """
    times, kernel = np.asarray(times_s, dtype=np.float64), np.asarray(kernel_ns, dtype=np.float64)
    if times.ndim != 1 or times.shape != kernel.shape or not (kernel > 0).all() or (np.diff(times) < 0).any():
        raise ValueError("ascending points with a positive time each are needed")
    if len(times) < FEWEST_POINTS:
        return DriftFinding((), len(times), f"{len(times)} points are too few; {FEWEST_POINTS} are needed")
    places = _search(np.log(kernel), 0, len(times))
    logs = np.log(kernel)
    edges = [0, *places, len(times)]
    levels = [float(logs[start:end].mean()) for start, end in itertools.pairwise(edges)]
    changes = tuple(
        Change(float(times[place - 1]), float(times[place]), math.exp(levels[index + 1] - levels[index]))
        for index, place in enumerate(places)
    )
    return DriftFinding(changes, len(times), None)


def split_series(logs: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]:
    """Return the likeliest change point of each series: place, statistic, and the difference of both parts' means.

    `logs`: shape (series, points), at least five points. At least two points lie on each side.
    """
    count = logs.shape[1]
    centred = logs - logs.mean(axis=1, keepdims=True)
    sizes = np.arange(_FEWEST_SIDE, count - _FEWEST_SIDE + 1, dtype=np.intp)
    sums = np.cumsum(centred, axis=1)[:, sizes - 1]
    steps = -sums * (1 / sizes + 1 / (count - sizes))
    squares = (centred**2).sum(axis=1, keepdims=True) - sums**2 * (1 / sizes + 1 / (count - sizes))
    sd = np.maximum(np.sqrt(np.maximum(squares, 0.0) / (count - 2)), _LEAST_SD)
    t = np.abs(steps) / (sd * np.sqrt(1 / sizes + 1 / (count - sizes)))
    best = t.argmax(axis=1)
    rows = np.arange(len(logs), dtype=np.intp)
    step, place = steps[rows, best], sizes[best]
    local = np.diff(centred, axis=1)
    local[rows, place - 1] = 0.0  # the step itself
    local_sd = np.maximum(np.sqrt((local**2).sum(axis=1) / (count - 2) / 2), _LEAST_SD)
    local_t = np.abs(step) / (local_sd * np.sqrt(1 / place + 1 / (count - place)))
    later = np.arange(count, dtype=np.intp) >= place[:, None]
    rest = centred - np.where(later, 1.0, 0.0) * step[:, None]
    rest -= rest.mean(axis=1, keepdims=True)
    power = (rest**2).sum(axis=1)
    product = (rest[:, 1:] * rest[:, :-1]).sum(axis=1)
    plain = np.divide(product, power, out=np.zeros_like(power), where=power > 0)
    correlation = np.clip(plain + 2 * (1 + np.maximum(plain, 0.0)) / count, 0.0, _LARGEST_CORRELATION)
    widths = np.array([widen_error(float(each)) for each in correlation])
    return place, np.maximum(t[rows, best] / widths, _LOCAL_WEIGHT * local_t), step


def simulate_critical(points: int, series: int = 40_000, seed: int = 6) -> float:
    """Return the critical value of the test for a change point in a series of `points`: see the module's docstring."""
    generator = np.random.default_rng(seed)
    worst = 0.0
    for correlation in (0.0, 0.3):
        for heavy in (False, True):
            shape = (series, points + 20)
            noise = generator.standard_t(3, shape) if heavy else generator.standard_normal(shape)
            for index in range(1, shape[1]):
                noise[:, index] += correlation * noise[:, index - 1]
            statistics = split_series(noise[:, 20:])[1]
            worst = max(worst, float(np.quantile(statistics, 1 - SIGNIFICANCE)))
    return worst


def _search(logs: NDArray[np.float64], start: int, end: int) -> list[int]:
    """Return the places of changes between `start` and `end`, ascending."""
    if end - start < FEWEST_POINTS:
        return []
    places, statistics, steps = split_series(logs[None, start:end])
    critical = next(value for points, value in reversed(_CRITICAL) if points <= end - start)
    if float(statistics[0]) <= critical or abs(float(steps[0])) < math.log1p(SMALLEST_CHANGE):
        return []
    place = start + int(places[0])
    return [*_search(logs, start, place), place, *_search(logs, place, end)]
