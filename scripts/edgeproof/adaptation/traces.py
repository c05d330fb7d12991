"""Traces: the state of a device over time, as `edgeproof state` streams it, split into what we did and what we did not.

A recorded state contains the footprint of what ran. Replaying another variant needs the state without it: memory that
would be free with none of ours, and load without our own. What is left is exogenous.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath
from edgeproof.core.reader import require_regular
from edgeproof.core.world_errors import explain_unreadable
from edgeproof.runtime.device_state import DeviceState, parse_state

_DECODER = json.JSONDecoder()
_OWN = ("variant", "memory_mb", "cpu_pct")
_LONGEST_GAP_S = 86400.0


class Moment(NamedTuple):
    """What a device is like without us. `at_s`: seconds since the trace's beginning.

    `free_mb`: MiB that all of ours together may take. `load_pct`: of all processors, by others. `recorded_load_pct`:
    with ours. `heat_c`: as recorded; a heat model takes what ours adds out of it.
    """

    at_s: float
    free_mb: float
    load_pct: float
    recorded_load_pct: float
    heat_c: float | None
    battery_pct: float | None
    is_charging: bool | None


def read_trace(path: FilePath, footprints: Mapping[str, float]) -> Iterator[Moment]:
    """Yield the moments of a trace, a file of JSON lines.

    `footprints`: {variant: MiB}, for lines that say what ran and not what it took. UserError names the line that is
    wrong; a trace has at least one, and its timestamps rise by a day at most.
    """
    first, before = None, None
    require_regular(path)
    try:
        with open(path, encoding="utf-8") as stream:
            for number, line in enumerate(stream, 1):
                fields, state = _parse_line(line, path, number)
                first = state.timestamp if first is None else first
                if before is not None and state.timestamp <= before:
                    raise UserError(f"{path}:{number}: timestamp is {state.timestamp}, not after {before}")
                if before is not None and state.timestamp - before > _LONGEST_GAP_S:
                    gap = f"{state.timestamp - before:g} s after the line before"
                    raise UserError(f"{path}:{number}: timestamp is {gap}, more than a day; cut the trace there")
                before = state.timestamp
                own = fields.get("own")
                memory, load = (0.0, 0.0) if own is None else _read_own(own, footprints, f"{path}:{number}")
                yield Moment(
                    state.timestamp - first,
                    state.available_ram_mb + memory,
                    max(0.0, state.cpu_utilization_pct - load),
                    state.cpu_utilization_pct,
                    state.thermal_zone_c,
                    state.battery_pct,
                    state.is_charging,
                )
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: {explain_unreadable(error)}") from error
    if before is None:
        raise UserError(f"{path}: is empty; record a trace: edgeproof state --duration 600 > {path}")


def _parse_line(line: str, path: FilePath, number: int) -> tuple[dict[str, Any], DeviceState]:
    try:
        fields, end = _DECODER.raw_decode(line)
        if not isinstance(fields, dict) or line[end:].strip():
            raise ValueError("a line is one object")
        return fields, parse_state(fields)
    except ValueError as error:
        told = "a number has too many digits" if "int_max_str_digits" in str(error) else error
        raise UserError(f"{path}:{number}: is no state of a device: {told}") from error


def _read_own(own: Any, footprints: Mapping[str, float], where: str) -> tuple[float, float]:
    """Return (MiB, percent of all processors) that were ours when a line was recorded."""
    if not isinstance(own, dict) or not set(own) <= set(_OWN):
        raise UserError(f"{where}: own is {own!r}; it has {', '.join(_OWN)}")
    variant, memory = own.get("variant"), own.get("memory_mb")
    if memory is None and variant is not None:
        if variant not in footprints:
            raise UserError(f"{where}: own.variant is {variant!r}; the family has {', '.join(footprints)}")
        memory = footprints[variant]
    return _read_share(memory, "memory_mb", 1e9, where), _read_share(own.get("cpu_pct"), "cpu_pct", 100.0, where)


def _read_share(value: Any, name: str, most: float, where: str) -> float:
    """Return what of the device was ours, 0 where a line does not say it."""
    if value is None:
        return 0.0
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise UserError(f"{where}: own.{name} is {value!r:.60}; it is a number from 0 to {most:g}")
    return float(value)
