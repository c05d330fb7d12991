"""Sustained load: one process runs without a pause until latency and temperature have settled, or its time is over.

Time is cut into windows. Of each, the last samples are kept, and what the processor's hottest sensor said at its end.
The load has settled when six windows and the six before them agree: their median latency within 1 %, their mean
temperature, where the board has sensors, within 1 °C. The last six windows are what the figures are of.
"""

from __future__ import annotations

from array import array
from typing import List, Optional

from .environment import read_temperatures
from .specs import Load, Report

SPAN = 6
LATENCY_LIMIT = 0.01
TEMPERATURE_LIMIT_C = 1.0
WINDOW_S = 10.0


def window_seconds(load: Load) -> float:
    """Return how long a window of sustained load is, in seconds."""
    return load.get("window_seconds", WINDOW_S)


def read_hottest() -> Optional[float]:
    """Return the temperature that settles under sustained load, the hottest sensor's in °C; None without a sensor."""
    found = read_temperatures()
    return max(found.values()) if found else None


class LoadCurve:
    """The windows of one process under load. `inputs`: how many the loop goes through; `keep`: samples of a window."""

    def __init__(self, load: Load, inputs: int, keep: int) -> None:
        self._seconds, self._inputs = load["seconds"], inputs
        self.keep = -(-max(keep, inputs) // inputs) * inputs
        self.samples = array("q")
        self._windows: List[Report] = []
        self._medians: List[float] = []

    def add(self, times: "array[int]", ended_s: float, temperature: Optional[float]) -> None:
        """Take in a window whose samples began with the first input, so that those kept begin with it, too."""
        stop = len(times) // self._inputs * self._inputs
        kept = times[max(0, stop - self.keep) : stop]
        self.samples.extend(kept)
        self._medians.append(float(sorted(kept)[len(kept) // 2]))
        self._windows.append(
            {
                "seconds": round(ended_s, 3),
                "timed": len(times),
                "samples": len(kept),
                "temperature_c": temperature,
            }
        )

    @property
    def over(self) -> bool:
        """Whether the load has settled, or its time is over."""
        return bool(self._windows) and (self.settled or self._windows[-1]["seconds"] >= self._seconds)

    @property
    def settled(self) -> bool:
        """Whether the last windows agree with those before them."""
        if len(self._windows) < 2 * SPAN:
            return False
        before, last = (sorted(part)[SPAN // 2] for part in (self._medians[-2 * SPAN : -SPAN], self._medians[-SPAN:]))
        if not 1 / (1 + LATENCY_LIMIT) <= last / before <= 1 + LATENCY_LIMIT:
            return False
        heat = [window["temperature_c"] for window in self._windows[-2 * SPAN :]]
        known = [value for value in heat if value is not None]
        return len(known) < 2 * SPAN or abs(sum(known[SPAN:]) - sum(known[:SPAN])) / SPAN <= TEMPERATURE_LIMIT_C

    def describe(self) -> Report:
        """Return {settled, counted, windows}; `counted`: the samples at the end that the figures are of."""
        counted = sum(window["samples"] for window in self._windows[-SPAN:])
        return {"settled": self.settled, "counted": counted, "windows": self._windows}
