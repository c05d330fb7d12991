"""The state of the device around a measurement. What cannot be read is null, never a guess.

Every path is relative to `root`, so that tests (and a mounted file system) can stand in for a board.
"""

from __future__ import annotations

import glob
import os
import platform
import shutil
import subprocess
import time
from typing import Any, Dict, List, Optional, Tuple

# A snapshot: what `read_environment` returns, JSON.
Environment = Dict[str, Any]
# Boards say in these files what they are.
_BOARD_FILES = ("proc/device-tree/model", "sys/devices/virtual/dmi/id/product_name")


def read_environment(root: str = "/") -> Environment:
    """Return a snapshot of the environment: board, CPU, governors, frequencies, temperatures, load, quota, steal,
    throttling, power mode.
    """
    return {
        "taken_at_unix_s": round(time.time(), 3),
        "board": read_board(root),
        "machine": platform.machine(),
        "emulator": read_emulator(root),
        "kernel": platform.release(),
        "os": _os_name(root),
        "python": platform.python_version(),
        "cpu_model": _cpu_model(root),
        "cpu_count": os.cpu_count(),
        "affinity": sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "governors": _distinct(root, "sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor"),
        "frequencies_khz": _integers(root, "sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq"),
        "cpu_quota": _cpu_quota(root),
        "load_average": _load_average(root),
        "memory_available_bytes": _memory_available(root),
        "cpu_ticks": _cpu_ticks(root),
        "temperatures_c": read_temperatures(root),
        "throttled": _throttled(root),
        "power_mode": _power_mode(),
        "clocks_locked": read_clocks_locked(),
        "jetpack": _text(root, "etc/nv_tegra_release"),
        "gpu_driver": _text(root, "proc/driver/nvidia/version"),
    }


def read_board(root: str = "/") -> Optional[str]:
    """Return what the environment says the board is called (device tree, DMI), or null."""
    return next(filter(None, (_text(root, path) for path in _BOARD_FILES)), None)


def read_emulator(root: str = "/") -> Optional[str]:
    """Return the environment's `emulator`: what emulates the processor that this Python is built for, or null.

    Such a program (qemu-aarch64, Rosetta) is mapped into the process. It hides itself in /proc/self, not in the list of
    the process's threads.
    """
    own = os.getpid()
    for line in _lines(root, "proc/{0}/task/{0}/maps".format(own)):
        name = os.path.basename(line.split(None, 5)[-1])
        if name.startswith(("qemu-", "rosetta")):
            return name
    return None


def name_provenance(simulated: bool) -> str:
    """Return whether a time is `measured` in this environment, or `simulated` (by a backend or an emulator)."""
    return "simulated" if simulated or read_emulator() else "measured"


def steal_share(before: Environment, after: Environment) -> Optional[float]:
    """Return the share of CPU time that the hypervisor took between two snapshots of the environment, or null."""
    if not before["cpu_ticks"] or not after["cpu_ticks"]:
        return None
    delta = {key: after["cpu_ticks"][key] - before["cpu_ticks"][key] for key in before["cpu_ticks"]}
    total = sum(delta.values())
    return delta["steal"] / total if total > 0 else 0.0


def read_temperatures(root: str = "/") -> Optional[Dict[str, float]]:
    """Return the environment's temperatures, {zone type: °C}, without PMIC zones: Jetsons read a constant 100 there."""
    found: Dict[str, float] = {}
    for zone in sorted(glob.glob(os.path.join(root, "sys/class/thermal/thermal_zone*"))):
        kind, value = _text(zone, "type"), _text(zone, "temp")
        if kind and value and value.lstrip("-").isdigit() and "pmic" not in kind.lower():
            found[kind] = int(value) / 1000
    return found or None


def _text(root: str, path: str) -> Optional[str]:
    try:
        with open(os.path.join(root, path), encoding="utf-8", errors="replace") as stream:
            return " ".join(stream.read().replace("\0", " ").split()) or None
    except OSError:
        return None


def _texts(root: str, pattern: str) -> List[str]:
    return [text for text in (_text("/", path) for path in sorted(glob.glob(os.path.join(root, pattern)))) if text]


def _distinct(root: str, pattern: str) -> Optional[List[str]]:
    return sorted(set(_texts(root, pattern))) or None


def _integers(root: str, pattern: str) -> Optional[List[int]]:
    return [int(text) for text in _texts(root, pattern) if text.isdigit()] or None


def _os_name(root: str) -> str:
    for line in _lines(root, "etc/os-release"):
        if line.startswith("PRETTY_NAME="):
            return line.split("=", 1)[1].strip().strip('"')
    return platform.system()


def _lines(root: str, path: str) -> List[str]:
    try:
        with open(os.path.join(root, path), encoding="utf-8", errors="replace") as stream:
            return stream.read().splitlines()
    except OSError:
        return []


def _cpu_model(root: str) -> Optional[str]:
    for line in _lines(root, "proc/cpuinfo"):
        if line.lower().startswith(("model name", "hardware")):
            return line.split(":", 1)[1].strip()
    return platform.processor() or None


def _cpu_quota(root: str) -> Optional[float]:
    """Return CPUs allowed by the control group (a float), or null when there is no limit."""
    version_2 = (_text(root, "sys/fs/cgroup/cpu.max") or "").split()
    if len(version_2) == 2 and version_2[0] != "max":
        return int(version_2[0]) / int(version_2[1])
    quota = _text(root, "sys/fs/cgroup/cpu/cpu.cfs_quota_us")
    period = _text(root, "sys/fs/cgroup/cpu/cpu.cfs_period_us")
    return int(quota) / int(period) if quota and period and int(quota) > 0 else None


def _load_average(root: str) -> Optional[List[float]]:
    text = _text(root, "proc/loadavg")
    return [float(part) for part in text.split()[:3]] if text else None


def _memory_available(root: str) -> Optional[int]:
    for line in _lines(root, "proc/meminfo"):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def _cpu_ticks(root: str) -> Optional[Dict[str, int]]:
    names = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
    for line in _lines(root, "proc/stat")[:1]:
        return dict(zip(names, map(int, line.split()[1:9])))
    return None


def _throttled(root: str) -> Optional[Dict[str, Any]]:
    """Return what the board says of throttling: firmware flags of a Raspberry Pi, counters of an x86 CPU, else null."""
    flags = _run("vcgencmd", "get_throttled")
    if flags and "=" in flags:
        return {"source": "vcgencmd get_throttled", "value": int(flags.split("=")[1], 16)}
    counts = _integers(root, "sys/devices/system/cpu/cpu[0-9]*/thermal_throttle/core_throttle_count")
    return {"source": "core_throttle_count", "value": sum(counts)} if counts else None


def _power_mode() -> Optional[str]:
    text = _run("nvpmodel", "-q")
    return text.replace("\n", " ") if text else None


def read_clocks_locked() -> Optional[bool]:
    """Return whether the environment has locked clocks, or null.

    They are locked if every CPU line of `jetson_clocks --show` has equal minimum and maximum.
    """
    text = _run("jetson_clocks", "--show")
    pairs: List[Tuple[str, str]] = []
    for line in (text or "").splitlines():
        values = dict(part.split("=", 1) for part in line.split() if "=" in part)
        if line.startswith("cpu") and "MinFreq" in values and "MaxFreq" in values:
            pairs.append((values["MinFreq"], values["MaxFreq"]))
    return all(low == high for low, high in pairs) if pairs else None


def _run(*command: str) -> Optional[str]:
    if not shutil.which(command[0]):
        return None
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace").strip() or None
