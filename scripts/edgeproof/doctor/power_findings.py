"""What the doctor says of samplers of power and heat, and of what sets a board's power mode and clocks."""

import os
import subprocess
from collections.abc import Iterator

from .findings import Finding, Place, may_read, may_write

_MONITORS = ("ina3221", "ina226", "ina2xx", "ina219")  # names of power monitors that hwmon knows
_TIMEOUT_S = 10


def inspect_samplers(place: Place) -> Iterator[Finding]:
    """Yield, per source of power or temperature, whether it is there and may be read."""
    yield _inspect_hwmon(place)
    yield _inspect_tool(place, "tegrastats", "comes with JetPack; only a Jetson has it")
    yield _inspect_rapl(place)
    yield _inspect_nvidia(place)
    yield _inspect_vcgencmd(place)
    yield _inspect_thermal_zones(place)


def inspect_power_control(place: Place) -> Iterator[Finding]:
    """Yield, per means to fix a board's power mode or clocks, whether it is there and this user may use it."""
    for tool in ("nvpmodel", "jetson_clocks"):
        finding = _inspect_tool(place, tool, "comes with JetPack; only a Jetson has it")
        root = finding.state == "good" and os.geteuid() != 0
        text = f"{finding.text}; setting it needs root" if root else finding.text
        yield Finding("power control", tool, finding.state, text, "sudo -v" if root else None)
    yield _inspect_governor_files(place)


def _inspect_hwmon(place: Place) -> Finding:
    found = [path.parent for path in place.list_files("sys/class/hwmon/hwmon*/name") if _is_monitor(place, path)]
    found += [path.parent for path in place.list_files("sys/bus/i2c/drivers/ina3221x/*/iio:device*/name")]
    if not found:
        text = "no INA3221 or INA226 power monitor (Jetson modules have one, behind JetPack's kernel)"
        return Finding("samplers", "hwmon", "absent", text)
    rails = sorted({file for folder in found for pattern in ("in*_input", "curr*_input", "power*_input", "in_power*_input")
                    for file in folder.glob(pattern)})  # fmt: skip
    closed = [path for path in rails if not may_read(path)]
    folders = ", ".join(place.name_file(folder) for folder in found)
    if closed:
        folder = place.name_file(closed[0].parent)
        text = f"{folders}: {len(closed)} of {len(rails)} files only root may read"
        return Finding("samplers", "hwmon", "bad", text, f"sudo chmod a+r {folder}/*_input")
    return Finding("samplers", "hwmon", "good", f"{folders}, {len(rails)} readings")


def _inspect_tool(place: Place, name: str, otherwise: str) -> Finding:
    path = place.find_tool(name)
    if path is None:
        return Finding("samplers", name, "absent", f"not here; {otherwise}")
    return Finding("samplers", name, "good", path)


def _inspect_rapl(place: Place) -> Finding:
    counters = place.list_files("sys/class/powercap/intel-rapl:*/energy_uj")
    if not counters:
        return Finding("samplers", "rapl", "absent", "the kernel shows no energy counter of an x86 package")
    closed = [path for path in counters if not may_read(path)]
    if closed:
        text = f"{len(closed)} of {len(counters)} energy counters only root may read"
        return Finding("samplers", "rapl", "bad", text, "sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj")
    return Finding("samplers", "rapl", "good", ", ".join(place.name_file(path.parent) for path in counters))


def _inspect_nvidia(place: Place) -> Finding:
    driver = place.read("proc/driver/nvidia/version")
    if driver is None:
        return Finding("samplers", "nvml", "absent", "no NVIDIA driver with NVML is loaded")
    return Finding("samplers", "nvml", "good", driver)


def _inspect_vcgencmd(place: Place) -> Finding:
    path = place.find_tool("vcgencmd")
    if path is None:
        return Finding("samplers", "vcgencmd", "absent", "not here; only a Raspberry Pi has it")
    try:
        ended = subprocess.run(
            [path, "get_throttled"], capture_output=True, text=True, errors="replace", timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding("samplers", "vcgencmd", "bad", f"{path}: {error}")
    said = " ".join((ended.stdout or ended.stderr).split())
    if ended.returncode or not said.startswith("throttled="):
        text = f"{path} get_throttled says {said[:200]!r}"
        return Finding("samplers", "vcgencmd", "bad", text, "sudo usermod -aG video $USER, then log in again")
    return Finding("samplers", "vcgencmd", "good", f"{path}, {said}; bits 16 to 19 stay set since the board started")


def _inspect_thermal_zones(place: Place) -> Finding:
    zones = [text for path in place.list_files("sys/class/thermal/thermal_zone*/type")
             if (text := place.read(path.relative_to(place.root)))]  # fmt: skip
    if not zones:
        return Finding("samplers", "temperatures", "absent", "the kernel shows no thermal zone")
    return Finding("samplers", "temperatures", "good", f"{len(zones)} thermal zones: {', '.join(sorted(set(zones)))}")


def _inspect_governor_files(place: Place) -> Finding:
    files = place.list_files("sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor")
    if not files:
        return Finding("power control", "governors", "absent", "the kernel shows no governor here")
    text = f"{len(files)} CPUs"
    if all(may_write(path) for path in files):
        return Finding("power control", "governors", "good", f"{text}, may be set by this user")
    remedy = "sudo chmod a+w /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
    return Finding("power control", "governors", "absent", f"{text}; setting them needs root", remedy)


def _is_monitor(place: Place, path: os.PathLike[str]) -> bool:
    """Return whether a hwmon device's file of its name names a power monitor."""
    text = place.read(os.path.relpath(path, place.root))
    return text is not None and text.lower().startswith(_MONITORS)
