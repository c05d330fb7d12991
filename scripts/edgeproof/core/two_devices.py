"""Comparing two devices, which cannot take turns: Welch's test over means of whole sessions.

What differs from one session to the next (the day, heat, what else runs) is part of each device's latency, so the
session is the unit and at least three of them on at least two days are needed for each device. The critical values are
those of the sequential t-test over sessions (see `boundaries`), read at the smaller of both numbers: a session may be
added and the verdict derived again, up to twelve of each, and the error stays what it says in total.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from .boundaries import ALPHA, FIRST_SESSION, SESSIONS_HORIZON, find_boundary
from .modes import Claim
from .statistics import Interval

FEWEST_SESSIONS = FIRST_SESSION
MOST_SESSIONS = SESSIONS_HORIZON  # of a device; those beyond are not used
_FEWEST_DAYS = 2

DeviceReason: TypeAlias = Literal["sessions", "days", "width", "horizon"]


@dataclass(frozen=True)
class DeviceSessions:
    """One device's sessions in order of start: `means` (any unit, each the geometric mean over its processes), and the
    `days` on which they were measured (ISO dates)."""

    means: tuple[float, ...]
    days: tuple[str, ...]


@dataclass(frozen=True)
class DeviceVerdict:
    """What sessions say about the right device, relative to the left.

    `left`, `right`: geometric means over sessions. `verdict` is `undecided` with a `reason`: `sessions` (fewer than
    three on a device) or `days` (all on one) leave only the two numbers and no interval; `width` (the interval decides
    nothing yet) can be continued, `horizon` cannot. `missing`: sessions to add on the left and on the right before a
    verdict is possible. `ratio` is right / left at confidence 1 - level, `equivalence` at 1 - 2 levels.
    """

    verdict: Claim | Literal["undecided"]
    reason: DeviceReason | None
    left: float
    right: float
    ratio: Interval
    equivalence: Interval | None
    degrees_of_freedom: int | None
    missing: tuple[int, int]


def compare_devices(
    left: DeviceSessions, right: DeviceSessions, margin: float, comparisons: int = 1, alpha: float = ALPHA
) -> DeviceVerdict:
    """Return the DeviceVerdict of two devices, from their sessions, at a margin (a fraction).

    The level is `alpha` / `comparisons`. Degrees of freedom are the smaller number of sessions less one, which is never
    too many. Sessions beyond the twelfth are not used. ValueError for means that are not positive or have no day.
    """
    if not 0 < margin < math.inf:
        raise ValueError(f"margin {margin} is not a positive fraction")
    devices = (left, right)
    for device in devices:
        if not device.means or len(device.means) != len(device.days) or not all(mean > 0 for mean in device.means):
            raise ValueError("every session needs a positive mean and a day")
    logs = [np.log(device.means[:SESSIONS_HORIZON]) for device in devices]
    days = [len(set(device.days[:SESSIONS_HORIZON])) for device in devices]
    centres = [float(each.mean()) for each in logs]
    fewest, level = min(map(len, logs)), alpha / comparisons
    ratio = math.exp(centres[1] - centres[0])
    missing = (_count_missing(len(logs[0]), days[0]), _count_missing(len(logs[1]), days[1]))
    if any(missing):
        reason: DeviceReason = "sessions" if fewest < FIRST_SESSION else "days"
        none = Interval(ratio, None, None, round(1 - level, 12), fewest)
        return DeviceVerdict("undecided", reason, math.exp(centres[0]), math.exp(centres[1]), none, None, None, missing)
    error = math.sqrt(sum(float(each.var(ddof=1)) / len(each) for each in logs))
    reaches = [_critical(half, fewest) * error for half in (level / 2, level)]
    claim = _claim(centres[1] - centres[0], reaches, math.log1p(margin))
    open_reason: DeviceReason = "horizon" if fewest == SESSIONS_HORIZON else "width"
    return DeviceVerdict(
        verdict=claim or "undecided",
        reason=None if claim else open_reason,
        left=math.exp(centres[0]),
        right=math.exp(centres[1]),
        ratio=_interval(centres, reaches[0], 1 - level, fewest),
        equivalence=_interval(centres, reaches[1], 1 - 2 * level, fewest),
        degrees_of_freedom=fewest - 1,
        missing=missing,
    )


def pool_sessions(sessions: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """Return the values by which two devices are compared: the geometric mean of each session's process values."""
    return tuple(math.exp(float(np.log(values).mean())) for values in sessions)


def _critical(level: float, sessions: int) -> float:
    value = find_boundary(level, FIRST_SESSION, SESSIONS_HORIZON).at(sessions)
    assert value is not None  # sessions lie between both ends
    return value


def _count_missing(sessions: int, days: int) -> int:
    return max(0, FIRST_SESSION - sessions, _FEWEST_DAYS - days)


def _claim(difference: float, reaches: Sequence[float], log_margin: float) -> Claim | None:
    if abs(difference) - reaches[0] > log_margin:
        return "slower" if difference > 0 else "faster"
    return "equivalent" if abs(difference) + reaches[1] < log_margin else None


def _interval(centres: Sequence[float], reach: float, confidence: float, count: int) -> Interval:
    middle = centres[1] - centres[0]
    return Interval(
        math.exp(middle),
        math.exp(max(middle - reach, -700.0)),
        math.exp(min(middle + reach, 700.0)),
        round(confidence, 12),
        count,
    )
