"""`meter-csv`: an external meter that writes a CSV file with its own clock.

Its clock is aligned with ours when the session ends: by a marker that the meter notes when we run `marker_command`, or
by the cross-correlation of its power with the times at which a process of ours ran. Either has an error, which the
error budget of the energy takes in (`lag_s`).
"""

from __future__ import annotations

import csv
import io
import os
import subprocess
import time
from typing import List, Optional, Tuple

from .meter_alignment import Alignment, correlate, find_interval
from .sampler import Sample, Sampler, Unavailable

_PATIENCE_S = 10.0
_LARGEST_FILE = 1 << 28


class MeterCsv(Sampler):
    """Power of whatever the meter is connected to; rows that were in the file before the session count too."""

    name = "meter-csv"

    def start(self) -> None:
        """As every sampler; runs the marker's command."""
        self._path = self._options.get("file", "")
        self._begin_ns = time.perf_counter_ns()
        self._busy: List[Tuple[int, int]] = []
        self._running_since: Optional[int] = None
        self._marked: Optional[Tuple[int, int]] = None
        if not os.path.exists(self._path):
            raise Unavailable("{}: the meter has not written it".format(self._path))
        command = self._options.get("marker_command")
        if command:
            before = time.perf_counter_ns()
            try:
                subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=30, check=True)
            except (OSError, subprocess.SubprocessError) as error:
                raise Unavailable("the marker's command failed: {}".format(error)) from None
            self._marked = (before, time.perf_counter_ns())
        self._claim_power([os.path.basename(self._path)], "measured", self._options.get("boundary", "wall"))

    def watch(self, pid: Optional[int]) -> None:
        """As every sampler; the load is what the meter's clock may be aligned by."""
        now = time.perf_counter_ns()
        if self._running_since is not None:
            self._busy.append((self._running_since, now))
        self._running_since = now if pid is not None else None

    def stop(self) -> None:
        """As every sampler; waits a while for the meter's last rows."""
        self.watch(None)
        end_ns = time.perf_counter_ns()
        until = time.monotonic() + _PATIENCE_S
        while True:  # a meter writes its rows late
            times, watts, marker = self._read()
            alignment, reason = self._align(times, watts, marker)
            covered = alignment is not None and times[-1] * 1e9 + alignment.offset_ns >= end_ns
            if covered or time.monotonic() >= until:
                break
            time.sleep(0.2)
        if alignment is None:
            self._reason = reason
            return
        if not covered:
            self._notes.append("the meter's file ends before the session does")
        self.lag_s = alignment.error_s
        self._notes.append("clock aligned by {} to ±{:.3f} s".format(alignment.method, alignment.error_s))
        for second, power in zip(times, watts):
            at_ns = int(second * 1e9 + alignment.offset_ns)
            if self._begin_ns <= at_ns <= end_ns:
                self._raw.write("{}\t{!r},{!r}\n".format(at_ns, second, power).encode())
                self._waiting.append(Sample(at_ns, "total_w", power))

    def _align(
        self, times: List[float], watts: List[float], marker: Optional[float]
    ) -> Tuple[Optional[Alignment], Optional[str]]:
        if len(times) < 3:
            return None, "{}: has {} rows that can be read".format(self._path, len(times))
        if self._options.get("marker_column"):
            if marker is None:
                return None, "{}: no row has a marker".format(self._path)
            before, after = self._marked or (self._begin_ns, self._begin_ns)
            middle = (before + after) / 2
            error_s = (after - before) / 2e9 + find_interval(times)
            return Alignment(middle - marker * 1e9, error_s, "marker"), None
        return correlate(times, watts, self._busy)

    def _read(self) -> Tuple[List[float], List[float], Optional[float]]:
        """Return times, watts, and the time of the last marker; a row that cannot be read is left out."""
        options = self._options
        try:
            with open(self._path, "rb") as stream:
                text = stream.read(_LARGEST_FILE).decode("utf-8", "replace")
        except OSError:
            return [], [], None
        text = text[: text.rfind("\n") + 1]  # the last row may be half a row
        times: List[float] = []
        watts: List[float] = []
        marker: Optional[float] = None
        for row in csv.DictReader(io.StringIO(text)):
            try:
                second = float(row[options.get("time_column", "time_s")])
                power = float(row[options.get("power_column", "power_w")])
            except (KeyError, TypeError, ValueError):
                continue
            if abs(second) < 1e12 and 0 <= power < 1e6 and (not times or second > times[-1]):
                times.append(second)
                watts.append(power)
                if (row.get(options.get("marker_column", "")) or "").strip():
                    marker = second
        return times, watts, marker
