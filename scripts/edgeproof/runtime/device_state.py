"""The state of the device that a decision rests on: memory, heat, battery and load, read from Linux.

Every path is relative to `root`. What cannot be read is None, and one unreadable sensor hides no other; only without a
figure for memory nothing can be decided, which is an error.
"""

from __future__ import annotations

import glob
import os
import time
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Tuple

from ..agent.memory import read_memory_left

_MB = 2.0**20
# A zone outside of this is no reading: sensors that are off say -274 °C or 200 °C.
_PLAUSIBLE_C = (-40.0, 150.0)
_NEEDED = frozenset(("available_ram_mb", "cpu_utilization_pct", "timestamp"))
# What a reading can be; anything else is no state of a device.
_BOUNDS = {
    "available_ram_mb": (0.0, 1e9),
    "cpu_utilization_pct": (0.0, 100.0),
    "battery_pct": (0.0, 100.0),
    "thermal_zone_c": _PLAUSIBLE_C,
    "gpu_utilization_pct": (0.0, 100.0),
    "timestamp": (-1e12, 1e12),
}
# Files that tell how busy a GPU is, and what full load reads as.
_GPU_LOADS = (
    ("sys/devices/gpu.0/load", 1000.0),  # Jetson
    ("sys/devices/platform/gpu.0/load", 1000.0),
    ("sys/devices/platform/*.gpu/load", 1000.0),
    ("sys/devices/platform/bus@0/*.gpu/load", 1000.0),
    ("sys/class/drm/card*/device/gpu_busy_percent", 100.0),  # amdgpu
    ("sys/class/devfreq/*.gpu/load", 100.0),  # Mali: "37@800000000Hz"
)


class StateError(RuntimeError):
    """The state of the device cannot be read."""


class DeviceState(NamedTuple):
    """EdgeAdapt's fields in its units; None: not known.

    `available_ram_mb` in MiB: what new memory of ours may take, beside what we have already. `cpu_utilization_pct`: of
    all processors since the reader's last reading. `timestamp`: seconds of a monotonic clock.
    """

    available_ram_mb: float
    cpu_utilization_pct: float = 0.0
    battery_pct: Optional[float] = None
    is_charging: Optional[bool] = None
    thermal_zone_c: Optional[float] = None
    gpu_utilization_pct: Optional[float] = None
    network_quality: Optional[str] = None
    timestamp: float = 0.0


class OwnUse(NamedTuple):
    """What one process takes of the device: resident memory in MiB, and its share of all processors in percent."""

    memory_mb: float
    cpu_pct: float


class StateReader:
    """Reads the device. Each reader has its own baseline for the load, so two do not disturb each other.

    `problems`: what could not be read the last time, {sensor: why}.
    """

    def __init__(self, root: str = "/", clock: Callable[[], float] = time.monotonic) -> None:
        self._root, self._clock = root, clock
        self._ticks: Optional[Tuple[int, int]] = None
        self.problems: Dict[str, str] = {}

    def read(self) -> DeviceState:
        """Return the state now; StateError where the kernel does not say how much memory is available."""
        self.problems = {}
        battery = self._try("battery", self._read_battery) or (None, None)
        return DeviceState(
            available_ram_mb=self._read_memory(),
            cpu_utilization_pct=self._try("cpu", self._read_load) or 0.0,
            battery_pct=battery[0],
            is_charging=battery[1],
            thermal_zone_c=self._try("heat", self._read_heat),
            gpu_utilization_pct=self._try("gpu", self._read_gpu),
            timestamp=self._clock(),
        )

    def _try(self, sensor: str, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except (OSError, ValueError) as error:
            self.problems[sensor] = str(error)
            return None

    def _read_memory(self) -> float:
        place = os.path.join(self._root, "proc/meminfo")
        if not any(line.startswith("MemAvailable:") for line in _list_lines(place)):
            raise StateError(f"{place}: has no line MemAvailable; without it no variant can be chosen")
        left = read_memory_left(self._root)  # a limit of our control group counts as well
        return max(0, left or 0) / _MB

    def _read_load(self) -> float:
        """Return the busy share since the last reading, in percent; 0 the first time. Waiting for a disk is idle."""
        words = next(iter(_list_lines(os.path.join(self._root, "proc/stat"))), "").split()
        counts = [int(word) for word in words[1:9]]  # what follows (guests) is in user and nice already
        if len(counts) < 4:
            raise ValueError("proc/stat has no line of all processors")
        idle, total = sum(counts[3:5]), sum(counts)
        before, self._ticks = self._ticks, (idle, total)
        if before is None or total <= before[1]:
            return 0.0
        return min(100.0, max(0.0, 100.0 * (1.0 - (idle - before[0]) / (total - before[1]))))

    def _read_battery(self) -> Optional[Tuple[Optional[float], Optional[bool]]]:
        """Return (charge in percent, whether it charges) of the first battery; None without one."""
        for supply in sorted(glob.glob(os.path.join(self._root, "sys/class/power_supply/*"))):
            if _read_text(supply, "type") == "Battery":
                charge, status = _read_text(supply, "capacity"), _read_text(supply, "status")
                charging = {"Charging": True, "Full": True, "Discharging": False, "Not charging": False}
                share = None if charge is None else min(100.0, max(0.0, float(charge)))
                return share, charging.get(status or "")
        return None

    def _read_heat(self) -> Optional[float]:
        found: List[float] = []
        for zone in sorted(glob.glob(os.path.join(self._root, "sys/class/thermal/thermal_zone*"))):
            text = _read_text(zone, "temp")
            kind = _read_text(zone, "type") or ""
            if text is None or not text.lstrip("-").isdigit():
                self.problems[f"heat: {os.path.basename(zone)}"] = "temp cannot be read"
            elif _PLAUSIBLE_C[0] < int(text) / 1000 < _PLAUSIBLE_C[1] and "pmic" not in kind.lower():
                found.append(int(text) / 1000)
        return max(found) if found else None

    def _read_gpu(self) -> Optional[float]:
        found: List[float] = []
        for pattern, full in _GPU_LOADS:
            for place in glob.glob(os.path.join(self._root, pattern)):
                text = (_read_text(*os.path.split(place)) or "").split("@")[0]
                if text.isdigit():
                    found.append(min(100.0, 100.0 * int(text) / full))
        return max(found) if found else None


class ProcessReader:
    """Reads what one process takes, for a trace that says what of the device's state is our own doing."""

    def __init__(self, pid: int, root: str = "/") -> None:
        self._folder, self._root = os.path.join(root, f"proc/{pid}"), root
        self._ticks: Optional[Tuple[int, int]] = None

    def read(self) -> Optional[OwnUse]:
        """Return what the process takes now, its load since the last reading; None when it has ended."""
        memory = next((line for line in _list_lines(os.path.join(self._folder, "status")) if "VmRSS:" in line), None)
        text = _read_text(self._folder, "stat")
        totals = next(iter(_list_lines(os.path.join(self._root, "proc/stat"))), "").split()[1:9]
        if memory is None or text is None or not totals:
            return None
        fields = text[text.rindex(")") + 2 :].split()  # the name before may hold spaces
        own, total = int(fields[11]) + int(fields[12]), sum(map(int, totals))
        before, self._ticks = self._ticks, (own, total)
        share = 0.0 if before is None or total <= before[1] else 100.0 * (own - before[0]) / (total - before[1])
        return OwnUse(int(memory.split()[1]) / 1024, min(100.0, max(0.0, share)))


def describe_state(state: DeviceState) -> Dict[str, Any]:
    """Return the state of a device as JSON, in EdgeAdapt's order of fields."""
    names = ("battery_pct", "is_charging", "thermal_zone_c", "available_ram_mb", "cpu_utilization_pct")
    rest = ("gpu_utilization_pct", "network_quality", "timestamp")
    return {name: getattr(state, name) for name in (*names, *rest)}


def parse_state(fields: Mapping[str, Any]) -> DeviceState:
    """Return the state of a device that a line of a trace describes; ValueError for a number that is none or cannot be,
    or a missing field.
    """
    get = fields.get
    state = DeviceState(
        get("available_ram_mb"),  # pyright: ignore[reportArgumentType]  # checked below
        get("cpu_utilization_pct", 0.0),
        get("battery_pct"),
        get("is_charging"),
        get("thermal_zone_c"),
        get("gpu_utilization_pct"),
        get("network_quality"),
        get("timestamp"),  # pyright: ignore[reportArgumentType]
    )
    for name in DeviceState._fields:
        value: Any = getattr(state, name)
        if value is None:
            if name in _NEEDED:
                raise ValueError(f"{name} is missing")
        elif name in _BOUNDS:
            low, high = _BOUNDS[name]
            if value.__class__ is not float and (isinstance(value, bool) or not isinstance(value, int)):
                raise ValueError(f"{name} is {value!r:.60}, which is no number")
            if not low <= value <= high:  # not a number is in no bounds
                raise ValueError(f"{name} is {_show(value)}; it is from {low:g} to {high:g}")
    return state


def _show(value: Any) -> str:
    """Return a number as text, a whole one of many digits too."""
    return f"{value!r:.60}" if isinstance(value, float) or abs(value) < 10**20 else "a number of many digits"


def _read_text(folder: str, name: str) -> Optional[str]:
    return next(iter(_list_lines(os.path.join(folder, name))), "").strip() or None


def _list_lines(path: str) -> Iterator[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            yield from stream
    except OSError:
        return
