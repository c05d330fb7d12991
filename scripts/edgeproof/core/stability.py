"""Whether a run is stable: its processes agree, each has settled, and each is one piece.

All three tests must pass. An unstable run is recorded, shown and compared like any other; the gate asks about it.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt

VARIATION_LIMIT = 0.02
SETTLED_LIMIT = 0.05
SETTLED_WINDOWS = 3
LEVEL_LIMIT = 0.05
DEFAULT_WINDOWS = 10

_SHORTEST_SEGMENT = 2
_SCALE_FLOOR = 0.001  # log scale: changes far below the limits need not be found, and equal windows have no spread


@dataclass(frozen=True)
class StabilityTest:
    """One test: passed iff `value` <= `limit` (fractions). `process`, counted from 0, is the one farthest off, None if
    none is."""

    passed: bool
    value: float | None
    limit: float
    process: int | None
    detail: str


@dataclass(frozen=True)
class Stability:
    """Whether a run is stable, and the three tests that say so."""

    stable: bool
    between_processes: StabilityTest
    settled: StabilityTest
    change_points: StabilityTest


def window_medians(samples_ns: npt.ArrayLike, windows: int = DEFAULT_WINDOWS) -> npt.NDArray[np.float64]:
    """Return the medians of `windows` equal consecutive windows of one process, float64, shape (windows,), in ns.

    `samples_ns`: shape (n,), in the order measured. The n mod windows samples that are too many are left out at the
    start, next to the warm-up. Fewer samples than windows give one window per sample. ValueError when there is none.
    """
    samples = np.asarray(samples_ns)
    if samples.ndim != 1 or not len(samples):
        raise ValueError(f"samples of one process are needed, not an array of shape {samples.shape}")
    if windows < 1:
        raise ValueError(f"at least one window is needed, not {windows}")
    windows = min(windows, len(samples))
    return middle_of_rows(samples[len(samples) % windows :].reshape(windows, -1))


def middle_of_rows(array: npt.NDArray[np.integer | np.floating]) -> npt.NDArray[np.float64]:
    """Return the median of each row of a 2-D array as float64 (np.median without its overhead; no NaN)."""
    half = array.shape[1] // 2
    if array.shape[1] % 2:
        return np.partition(array, half, axis=1)[:, half].astype(np.float64)
    ordered = np.partition(array, (half - 1, half), axis=1)
    return (ordered[:, half - 1].astype(np.float64) + ordered[:, half]) / 2


def judge_stability(process_medians: npt.ArrayLike, process_windows: Sequence[npt.ArrayLike]) -> Stability:
    """Return the Stability of a run.

    `process_medians`: shape (p,), the median latency of each process, any unit; `process_windows`: p arrays of
    `window_medians`, same unit, in the order measured. 1. `between_processes`: coefficient of variation (ddof 1) of
    the process medians <= 2 %. 2. `settled`: in each process the last three windows lie within 5 % (largest / smallest
    - 1). 3. `change_points`: in each process all segments between change points lie within 5 % of the last one, so
    that after merging equivalent ones a single, terminal segment is left. What is too short to be judged (one process,
    fewer than three windows) does not pass. ValueError for non-positive values.
    Source: E. Barrett et al., "Virtual machine warmup blows hot and cold", OOPSLA 2017: change points by PELT,
    segments equivalent to the last one merged, steady iff one is left.
    """
    medians = np.asarray(process_medians, dtype=np.float64)
    windows = [np.asarray(series, dtype=np.float64) for series in process_windows]
    if medians.ndim != 1 or not len(medians) or len(medians) != len(windows):
        raise ValueError(f"{medians.shape} process medians and {len(windows)} series of windows do not belong together")
    if not (medians > 0).all() or any(series.ndim != 1 or not (series > 0).all() for series in windows):
        raise ValueError("medians and window medians must be positive")
    tests = (_judge_variation(medians), _judge_settled(windows), _judge_change_points(windows))
    return Stability(all(test.passed for test in tests), *tests)


def find_segments(log_windows: npt.NDArray[np.float64]) -> list[list[int]]:
    """Return for each process the starts of its segments, a list of p lists that begin with 0.

    `log_windows`: shape (p, w), logarithms of window medians. Lone spikes are removed by running medians of three
    (they belong to the tail, not to the level), then optimal partitioning minimises the squared error around segment
    means plus 2 log(w) times the variance of a window for each segment. That variance comes from the median absolute
    first difference, which steps and spikes hardly move: of the process, or of all processes where that is larger.
    Sources: B. Jackson et al. (2005) for optimal partitioning, whose result PELT (Killick et al. 2012) reaches faster
    on long series; Y.-C. Yao (1988) for the penalty.
    """
    count, width = log_windows.shape
    if width < 2 * _SHORTEST_SEGMENT:
        return [[0] for _ in range(count)]
    smooth = _remove_spikes(log_windows)
    scaled = (smooth - smooth.mean(axis=1, keepdims=True)) / _window_scale(log_windows)[:, None]
    penalty = 2 * math.log(width)
    sums = np.zeros((count, width + 1))
    squares = np.zeros((count, width + 1))
    np.cumsum(scaled, axis=1, out=sums[:, 1:])
    np.cumsum(scaled * scaled, axis=1, out=squares[:, 1:])
    best = np.full((count, width + 1), np.inf)
    best[:, 0] = 0
    origins = np.zeros((count, width + 1), dtype=np.intp)
    rows = cast("npt.NDArray[np.intp]", np.arange(count))
    for end in range(_SHORTEST_SEGMENT, width + 1):
        starts = np.arange(0, end - _SHORTEST_SEGMENT + 1)
        total = sums[:, end, None] - sums[:, starts]
        error = squares[:, end, None] - squares[:, starts] - total * total / (end - starts)
        costs = best[:, starts] + error + penalty
        origins[:, end] = costs.argmin(axis=1)
        best[:, end] = costs[rows, origins[:, end]]
    return [_trace(chain) for chain in origins.tolist()]


def _judge_variation(medians: npt.NDArray[np.float64]) -> StabilityTest:
    if len(medians) < 2:
        return StabilityTest(False, None, VARIATION_LIMIT, None, "one process says nothing about the next")
    mean = medians.mean()
    value = float(medians.std(ddof=1) / mean)
    process = int(np.abs(medians - mean).argmax())
    detail = (
        f"process medians vary by {value:.2%} (limit {VARIATION_LIMIT:.0%}); process {process} lies farthest off, "
        f"{medians[process] / mean - 1:+.2%} from the mean"
    )
    return StabilityTest(value <= VARIATION_LIMIT, value, VARIATION_LIMIT, process, detail)


def _judge_settled(windows: list[npt.NDArray[np.float64]]) -> StabilityTest:
    short = _too_short(windows, SETTLED_LIMIT)
    if short:
        return short
    last = np.array([series[-SETTLED_WINDOWS:] for series in windows])
    spreads = last.max(axis=1) / last.min(axis=1) - 1
    process = int(spreads.argmax())
    value = float(spreads[process])
    detail = (
        f"last {SETTLED_WINDOWS} windows differ by up to {value:.2%} (limit {SETTLED_LIMIT:.0%}), in process {process}"
    )
    return StabilityTest(value <= SETTLED_LIMIT, value, SETTLED_LIMIT, process, detail)


def _judge_change_points(windows: list[npt.NDArray[np.float64]]) -> StabilityTest:
    short = _too_short(windows, LEVEL_LIMIT)
    if short:
        return short
    value, process, place = -1.0, 0, 0
    for indexes in _groups_of_equal_length(windows):
        logs = np.log(np.array([windows[index] for index in indexes]))
        for index, series, starts in zip(indexes, logs, find_segments(logs), strict=True):
            levels = [float(np.median(part)) for part in np.split(series, starts[1:])] if starts[1:] else [0.0]
            distances = [math.expm1(abs(level - levels[-1])) for level in levels]
            if max(distances) > value:
                value, process = max(distances), index
                place = starts[distances.index(value)]
    if value <= 0:
        return StabilityTest(True, 0.0, LEVEL_LIMIT, None, "no change point")
    detail = (
        f"process {process}: the segment from window {place} differs by {value:.2%} from the last one "
        f"(limit {LEVEL_LIMIT:.0%})"
    )
    return StabilityTest(value <= LEVEL_LIMIT, value, LEVEL_LIMIT, process, detail)


def _too_short(windows: list[npt.NDArray[np.float64]], limit: float) -> StabilityTest | None:
    process = min(range(len(windows)), key=lambda index: len(windows[index]))
    if len(windows[process]) >= SETTLED_WINDOWS:
        return None
    detail = f"process {process} has {len(windows[process])} windows; at least {SETTLED_WINDOWS} are needed"
    return StabilityTest(False, None, limit, process, detail)


def _groups_of_equal_length(windows: list[npt.NDArray[np.float64]]) -> Iterable[list[int]]:
    groups: dict[int, list[int]] = {}
    for index, series in enumerate(windows):
        groups.setdefault(len(series), []).append(index)
    return groups.values()


def _remove_spikes(series: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return running medians of three along axis 1, with Tukey's rule at both ends."""
    smooth = series.copy()
    smooth[:, 1:-1] = _median_of_three(series[:, :-2], series[:, 1:-1], series[:, 2:])
    for end, first, second in ((0, 1, 2), (-1, -2, -3)):
        beyond = 3 * smooth[:, first] - 2 * smooth[:, second]
        smooth[:, end] = _median_of_three(series[:, end], smooth[:, first], beyond)
    return smooth


def _median_of_three(
    a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], c: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    return np.maximum(np.minimum(a, b), np.minimum(np.maximum(a, b), c))


def _window_scale(series: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the standard deviation of one window, shape (p,): 1.4826 MAD of first differences / sqrt(2),
    normal-consistent."""
    differences = np.abs(np.diff(series, axis=1))
    own = middle_of_rows(differences) * (1.4826 / math.sqrt(2))
    return np.maximum(np.maximum(own, np.median(own)), _SCALE_FLOOR)


def _trace(origins: list[int]) -> list[int]:
    starts: list[int] = []
    end = len(origins) - 1
    while end:
        end = origins[end]
        starts.append(end)
    return starts[::-1]
