"""`procfs`: temperatures, clocks, load, pressure, and the memory of the measured process, from /proc and /sys."""

from __future__ import annotations

import glob
import os
from typing import Iterable, List, Optional, Tuple

from .sampler import PolledSampler, Unavailable

_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_TICKS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")


class Procfs(PolledSampler):
    """What the kernel says of the machine and of the measured process; no power."""

    name = "procfs"
    interval_ms = 100

    def _find_sources(self) -> None:
        self._root = self._options.get("root", "/")
        self._pid: Optional[int] = None
        self._ticks: List[int] = []
        self._zones = [
            (kind, os.path.join(folder, "temp"))
            for folder in sorted(glob.glob(self._below("sys/class/thermal/thermal_zone*")))
            for kind in [self._say(os.path.join(folder, "type"))]
            if kind and "pmic" not in kind.lower()  # a constant on a Jetson
        ]
        self._clocks = [
            (os.path.basename(os.path.dirname(path)), path, 1e3)
            for path in sorted(glob.glob(self._below("sys/devices/system/cpu/cpufreq/policy*/scaling_cur_freq")))
        ]
        self._clocks += [
            (os.path.basename(os.path.dirname(path)), path, 1e6)
            for path in sorted(glob.glob(self._below("sys/class/devfreq/*/cur_freq")))
        ]
        self._floors = [floor for each in self._options.get("least_clocks", {}).items() for floor in self._find(*each)]
        pattern = "sys/devices/system/cpu/cpu[0-9]*/thermal_throttle/core_throttle_count"
        self._throttles = sorted(glob.glob(self._below(pattern)))
        if not os.path.exists(self._below("proc/stat")):
            raise Unavailable("{} is not there".format(self._below("proc/stat")))

    def watch(self, pid: Optional[int]) -> None:
        """As every sampler; the memory of this process, and of what it starts, is read."""
        self._pid = pid

    def _read_values(self) -> Iterable[Tuple[str, float]]:
        for kind, path in self._zones:
            value = self._number(path)
            if value is not None and -40000 < value < 125000:
                yield "temperature_c:" + kind, value / 1000
        for name, path, per_mhz in self._clocks:
            value = self._number(path)
            if value is not None:
                yield "clock_mhz:" + name, value / per_mhz
        for name, path, least in self._floors:
            value = self._number(path)
            if value is not None:
                yield "throttled:clock of " + name, float(value < least)
        counts = [count for count in map(self._number, self._throttles) if count is not None]
        if counts:
            yield "throttle_count", sum(counts)
        yield from self._read_load()
        pid = self._pid
        if pid is not None:
            used = self._resident(pid)
            if used:
                yield "memory_bytes:process", used

    def _find(self, word: str, share: float) -> List[Tuple[str, str, float]]:
        """Return (name, file, Hz) of the accelerators whose name has this word, and the least clock that counts."""
        found: List[Tuple[str, str, float]] = []
        for folder in sorted(glob.glob(self._below("sys/class/devfreq/*"))):
            most = self._number(os.path.join(folder, "max_freq"))
            if word in os.path.basename(folder) and most:
                found.append((os.path.basename(folder), os.path.join(folder, "cur_freq"), share * most))
        if not found:
            raise Unavailable(
                "least_clocks: nothing in {} is called {} and says its highest clock".format(
                    self._below("sys/class/devfreq"), word
                )
            )
        return found

    def _read_load(self) -> Iterable[Tuple[str, float]]:
        words = self._say(self._below("proc/stat")).split("cpu0", 1)[0].split()[1:9]
        if len(words) == len(_TICKS) and all(word.isdigit() for word in words):
            now = list(map(int, words))
            if self._ticks:
                steps = dict(zip(_TICKS, (new - old for new, old in zip(now, self._ticks))))
                total = sum(steps.values())
                if total > 0:
                    yield "busy_share", 1 - (steps["idle"] + steps["iowait"]) / total
                    yield "steal_share", steps["steal"] / total
            self._ticks = now
        for line in self._say(self._below("proc/meminfo"), keep=False).splitlines():
            if line.startswith("MemAvailable:"):
                yield "memory_bytes:available", int(line.split()[1]) * 1024
        for kind in ("cpu", "memory"):
            words = self._say(self._below("proc/pressure/" + kind)).split()
            if len(words) > 1 and words[0] == "some" and words[1].startswith("avg10="):
                yield "pressure_percent:" + kind, float(words[1][6:])

    def _resident(self, pid: int) -> int:
        """Return the resident bytes of a process and of those that it has started; 0 when it is gone."""
        folder = self._below("proc/{}".format(pid))
        words = self._say(os.path.join(folder, "statm")).split()
        if len(words) < 2:
            return 0
        children = self._say(os.path.join(folder, "task", str(pid), "children")).split()
        return int(words[1]) * _PAGE + sum(self._resident(int(child)) for child in children)

    def _number(self, path: str) -> Optional[int]:
        try:
            return self._integer(path)
        except (OSError, ValueError):  # a zone that sleeps, a clock that is off
            return None

    def _say(self, path: str, keep: bool = True) -> str:
        before = len(self._said)
        try:
            return self._text(path)
        except OSError:
            return ""
        finally:
            if not keep:
                del self._said[before:]

    def _below(self, path: str) -> str:
        return os.path.join(self._root, path)
