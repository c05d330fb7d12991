"""What the doctor says of what sets a board's power mode and clocks."""

import os
from collections.abc import Iterator

from .findings import Finding, Place, may_write


def inspect_power_control(place: Place) -> Iterator[Finding]:
    """Yield the doctor's findings on power: per means to fix a board's power mode or clocks, whether it is there and
    this user may use it.
    """
    for tool in ("nvpmodel", "jetson_clocks"):
        finding = _find_tool(place, tool)
        root = finding.state == "good" and os.geteuid() != 0
        text = f"{finding.text}; setting it needs root" if root else finding.text
        yield Finding("power control", tool, finding.state, text, "sudo -v" if root else None)
    yield _inspect_governor_files(place)


def _find_tool(place: Place, name: str) -> Finding:
    path = place.find_tool(name)
    if path is None:
        return Finding("power control", name, "absent", "not here; it comes with JetPack, so only a Jetson has it")
    return Finding("power control", name, "good", path)


def _inspect_governor_files(place: Place) -> Finding:
    files = place.list_files("sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor")
    if not files:
        return Finding("power control", "governors", "absent", "the kernel shows no governor here")
    text = f"{len(files)} CPUs"
    if all(may_write(path) for path in files):
        return Finding("power control", "governors", "good", f"{text}, may be set by this user")
    remedy = "sudo chmod a+w /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
    return Finding("power control", "governors", "absent", f"{text}; setting them needs root", remedy)
