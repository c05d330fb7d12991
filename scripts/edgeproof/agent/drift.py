"""The drift control: a small fixed kernel, timed in every session at its start, between its processes, and at its end.

Boards often do not tell that they throttle. The times of the kernel show a change of the machine's speed within a
session; they say nothing of a GPU or NPU. The kernel runs in one thread, element by element over arrays that fit into a
second-level cache, and calls no BLAS. `KERNEL` names it; a change of what it computes is a new version.
"""

from __future__ import annotations

import os
import time
from array import array
from typing import List, Optional

import numpy

from .specs import Report

KERNEL = "elementwise-1"
POINT_S = 0.2
# Of a session's time, all points and their warm-up included; a short session spends more for its first and last point.
_SHARE = 0.028
_LONGEST_SLICE_S, _SHORTEST_SLICE_S = 0.2, 0.005
_ELEMENTS, _ROUNDS, _WARM_UP = 32768, 32, 3


class DriftControl:
    """Times the kernel over a session, of whose time it has a share.

    A point is at least `POINT_S` of it; between its start and its end a session spreads points over the gaps, the last
    of which may be incomplete.

    `save` writes `drift.npy`, int64, shape (repetitions, 3): number of the point, nanoseconds from the session's start
    to the repetition's, nanoseconds that it took.
    """

    def __init__(self, share: float = _SHARE) -> None:
        self._share = share
        self._value = numpy.linspace(0.5, 1.5, _ELEMENTS).astype("float32")
        self._half = numpy.full(_ELEMENTS, 0.5, "float32")
        self._rows = array("q")
        self._names: List[str] = []
        self._spent_ns = 0
        self._begin = time.perf_counter_ns()
        self._point_ns = 0

    def time_start(self) -> None:
        """Time the first point."""
        self._open("start")
        self._fill(POINT_S)

    def time_gap(self) -> None:
        """Time a slice of a point, as long as the kernel's share of the session leaves, the last point set apart."""
        if self._names[-1] == "start" or self._point_ns >= POINT_S * 1e9:
            self._open("between")
        left_s = (self._share * (time.perf_counter_ns() - self._begin) - self._spent_ns) / 1e9 - POINT_S
        self._fill(min(_LONGEST_SLICE_S, max(_SHORTEST_SLICE_S, left_s)))

    def time_end(self) -> None:
        """Time the last point."""
        self._open("end")
        self._fill(POINT_S)

    def save(self, out: str) -> Report:
        """Write the times into a folder and return what they are in short, for the session's record."""
        rows = numpy.frombuffer(self._rows, "int64").reshape(-1, 3)
        numpy.save(os.path.join(out, "drift.npy"), rows)
        elapsed = max(1, time.perf_counter_ns() - self._begin)
        points: List[Report] = []
        for number, name in enumerate(self._names):
            own = rows[rows[:, 0] == number]
            points.append(
                {
                    "place": name,
                    "at_s": round(float(own[:, 1].mean()) / 1e9, 3),
                    "repetitions": len(own),
                    "seconds": round(float(own[:, 2].sum()) / 1e9, 4),
                    "complete": bool(own[:, 2].sum() >= POINT_S * 1e9),
                    "mean_ns": int(own[:, 2].mean()),
                    "median_ns": int(numpy.median(own[:, 2])),
                }
            )
        return {
            "kernel": KERNEL,
            "numpy": numpy.__version__,
            "points": points,
            "share": round(self._spent_ns / elapsed, 4),
            "file": "drift.npy",
        }

    def _open(self, name: str) -> None:
        self._names.append(name)
        self._point_ns = 0

    def _fill(self, seconds: float) -> None:
        clock, number = time.perf_counter_ns, len(self._names) - 1
        begin = clock()
        for _ in range(_WARM_UP):
            self._run()
        until = self._point_ns + int(seconds * 1e9)
        while self._point_ns <= until:
            start = clock()
            self._run()
            stop = clock()
            self._rows.extend((number, start - self._begin, stop - start))
            self._point_ns += stop - start
        self._spent_ns += clock() - begin

    def _run(self) -> None:
        value, half = self._value, self._half
        for _ in range(_ROUNDS):
            numpy.multiply(value, half, out=value)
            numpy.add(value, half, out=value)  # tends to 1: no overflow, nothing below the normal range


def start_drift_control(simulated: bool) -> Optional[DriftControl]:
    """Return a drift control that has timed its first point; None where times are simulated and no machine drifts."""
    if simulated:
        return None
    control = DriftControl()
    control.time_start()
    return control
