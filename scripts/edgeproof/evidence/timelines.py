"""What samplers saw while a cell was measured, as plain data: lanes over one axis of time, under the latency.

Positions are percent of the width for rectangles; paths are in a box of 1000 by 40, whatever the width of the page.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edgeproof.core.configuration import Json
from edgeproof.core.files import FilePath
from edgeproof.core.formatting import SPACE, format_bytes, format_fixed, format_number, format_range, format_time
from edgeproof.runs.raw_samples import path_beside, read_samples
from edgeproof.runs.results import find_telemetry
from edgeproof.runs.run_power import Window
from edgeproof.runs.telemetry_files import Series, Telemetry

from .charts import anchor_of, label_of
from .collecting import CellEvidence

MOST_SESSIONS = 3
_WIDTH, _HEIGHT, _AIR = 1000.0, 40.0, 4.0
_BINS = 250
_LATENCY_BINS = 24  # of one window
_MOST_CLOCKS = 3


class _Lane(NamedTuple):
    name: str
    unit: str
    series: Series
    breaks: list[int]  # times at which a new line begins


def draw_timelines(cells: Sequence[CellEvidence]) -> list[Json]:
    """Return the timelines of every cell that had samplers, {anchor, label, facts, sessions, more}.

    Session: {name, windows [{x, width}], idles, lanes [{name, path, low, high, description}], length, notes}.
    """
    return [_draw_cell(item) for item in cells if any(entry["telemetry"] for entry in item.result["sessions"])]


def describe_power(result: Json) -> list[str]:
    """Return the sentences beside a cell's timelines: what samplers say of its result, and why something is absent."""
    power, energy, heat, memory = (result[part] for part in ("power", "energy", "temperature", "memory"))
    if power["mean_w"] is None:
        lines = [f"Power and energy: {power['reason']}."]
    else:
        kind = "" if power["kind"] == "measured" else f", {power['kind']}"
        of = f"{power['boundary']} ({' + '.join(power['rails'])}{kind})"
        idle = "" if power["idle_w"] is None else f", {format_number(power['idle_w'])}{SPACE}W when idle"
        lines = [
            f"Power of the {of}, by {power['sampler']}: {format_number(power['mean_w'])}{SPACE}W on average, "
            f"{format_number(power['peak_w'])}{SPACE}W at most{idle}.",
            f"Energy per inference: {_show_energy(energy)}.",
        ]
        net = (
            f"{format_number(energy['net_j'] * 1e3)}{SPACE}mJ ± {energy['net_error']:.1%}" if energy["net_j"] else None
        )
        lines.append(f"Beyond idling: {net or 'unknown, ' + energy['net_reason']}.")
    if heat["peak_c"] is not None:
        lines.append(
            f"Temperature ({heat['sensor']}): {format_fixed(heat['mean_c'], 1)}{SPACE}°C on average, "
            f"{format_fixed(heat['peak_c'], 1)}{SPACE}°C at most."
        )
    if memory["mean_bytes"] is not None:
        lines.append(f"Memory of the process while timed: {format_bytes(memory['mean_bytes'])} on average.")
    return lines


def _show_energy(energy: Json) -> str:
    value = f"{format_number(energy['value_j'] * 1e3)}{SPACE}mJ"
    if energy["low_j"] is not None:
        value += f" ({format_range(energy['low_j'] * 1e3, energy['high_j'] * 1e3, 3)} over processes)"
    parts = ", ".join(
        f"{name} {part:.1%}" for name, part in energy["budget"].items() if name != "total" and part >= 0.0005
    )
    return f"{value}, error budget {energy['budget']['total']:.1%}" + (f" ({parts})" if parts else "")


def _draw_cell(item: CellEvidence) -> Json:
    result, path = item.result, item.paths["result"]
    watched = [number for number, entry in enumerate(result["sessions"]) if entry["telemetry"]]
    samples = read_samples(path_beside(path)) if result["latency"] else []
    return {
        "anchor": anchor_of(item.cell),
        "label": f"{item.cell.model} · {label_of(item.cell)}",
        "facts": describe_power(result),
        "sessions": [
            _draw_session(result, number, samples[number] if samples else [], path)
            for number in watched[:MOST_SESSIONS]
        ],
        "more": max(0, len(watched) - MOST_SESSIONS),
    }


def _draw_session(result: Json, number: int, samples: Sequence[npt.NDArray[np.int64]], path: FilePath) -> Json:
    entry = result["sessions"][number]
    told = entry["telemetry"]
    telemetry = find_telemetry(entry, path)
    windows = [Window(**window) for window in told["windows"]]
    idles = [stretch for stretch in told["idle"].values() if stretch]
    times = [series.times_ns for series in telemetry.values() if len(series.times_ns)]
    ends = [*(t for window in windows for t in window[:2]), *(t for stretch in idles for t in stretch)]
    begin = min([*ends, *(int(t[0]) for t in times)], default=0)
    length = max(1, max([*ends, *(int(t[-1]) for t in times)], default=1) - begin)

    def stretch(start: int, stop: int) -> Json:
        return {"x": round(100 * (start - begin) / length, 2), "width": round(100 * (stop - start) / length, 2)}

    lanes = [_latency_lane(result, number, windows, samples), *_list_lanes(result, told, telemetry)]
    return {
        "name": f"Session {number + 1}",
        "started": format_time(entry["started_at_unix_s"]),
        "length": f"{format_fixed(length / 1e9, 0)}{SPACE}s",
        "windows": [stretch(window.start_ns, window.stop_ns) for window in windows],
        "idles": [stretch(*idle) for idle in idles],
        "lanes": [_draw_lane(lane, begin, length) for lane in lanes if lane is not None and len(lane.series.values)],
        "notes": [f"{sampler['id']}: {note}" for sampler in told["samplers"] for note in sampler["notes"]],
    }


def _latency_lane(
    result: Json, number: int, windows: list[Window], samples: Sequence[npt.NDArray[np.int64]]
) -> _Lane | None:
    """Return the latency over time: medians of stretches of samples, or of windows under sustained load."""
    processes = [process for process in result["processes"] if process["session"] == number]
    times: list[int] = []
    values: list[float] = []
    breaks: list[int] = []
    for window, process, own in zip(windows, processes, samples, strict=False):
        breaks.append(window.start_ns)
        if process["load"]:
            for part in process["load"]["windows"]:
                times.append(window.start_ns + int(part["seconds"] * 1e9))
                values.append(part["median_ms"])
            continue
        at = window.start_ns + np.cumsum(own) * ((window.stop_ns - window.start_ns) / max(1, int(own.sum())))
        for chosen in np.array_split(np.arange(len(own)), min(_LATENCY_BINS, len(own))):
            times.append(int(at[chosen].mean()))
            values.append(float(np.median(own[chosen])) / process["calls_per_sample"] / 1e6)
    if not times:
        return None
    return _Lane("Latency, median", "ms", Series(np.array(times, dtype=np.int64), np.array(values)), breaks)


def _list_lanes(result: Json, told: Json, telemetry: Telemetry) -> Iterator[_Lane]:
    power = next((s for s in told["samplers"] if s["id"] == result["power"]["sampler"]), None)
    power = power or next((s for s in told["samplers"] if s["power"]), None)
    if power and (series := telemetry.get((power["id"], power["power"]["channel"]))):
        if power["power"]["channel"] == "total_j":
            rates = np.diff(series.values) / np.maximum(np.diff(series.times_ns), 1) * 1e9
            series = Series(series.times_ns[1:], rates)
        yield _Lane(f"Power, {power['power']['boundary']}", "W", series, [])
    heat = (result["temperature"]["sampler"], f"temperature_c:{result['temperature']['sensor']}")
    if heat in telemetry:
        yield _Lane(f"Temperature, {result['temperature']['sensor']}", "°C", telemetry[heat], [])
    clocks = [key for key in telemetry if key[1].startswith("clock_mhz:")]
    for key in clocks[:_MOST_CLOCKS]:
        yield _Lane(f"Clock, {key[1].partition(':')[2]}", "MHz", telemetry[key], [])
    for key, series in telemetry.items():
        if key[1].startswith("throttled:") and series.values.any():
            yield _Lane(f"Throttled, {key[0]} {key[1].partition(':')[2]}", "", series, [])
    memory = (result["memory"]["sampler"], "memory_bytes:process")
    if memory in telemetry:
        series = telemetry[memory]
        yield _Lane("Memory, process", "MB", Series(series.times_ns, series.values / 1e6), [])


def _draw_lane(lane: _Lane, begin: int, length: int) -> Json:
    values = lane.series.values
    low, high = float(values.min()), float(values.max())
    reach = (high - low) or max(abs(high), 1.0)
    x = (lane.series.times_ns - begin).astype(np.float64) * (_WIDTH / length)
    y = _HEIGHT - _AIR - (values - low) / reach * (_HEIGHT - 2 * _AIR)
    starts = set(np.searchsorted(lane.series.times_ns, lane.breaks).tolist()) | {0}
    parts: list[str] = []
    for place in _choose_points(x, y, starts):
        parts.append(f"{'M' if place in starts else 'L'}{x[place]:.1f} {y[place]:.1f}")
    words = [_words(value, lane.unit) for value in (low, high)]
    return {
        "name": lane.name,
        "path": "".join(parts),
        "low": words[0],
        "high": words[1],
        "description": f"{len(values)} values between {words[0]} and {words[1]}.",
    }


def _choose_points(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], starts: set[int]) -> list[int]:
    """Return which points to draw: all of a few, else the lowest and the highest of each narrow strip."""
    if len(x) <= 2 * _BINS:
        return list(range(len(x)))
    strips = np.minimum((x / _WIDTH * _BINS).astype(int), _BINS - 1)
    chosen = set(starts)
    for strip in np.unique(strips):
        own = np.flatnonzero(strips == strip)
        chosen |= {int(own[y[own].argmin()]), int(own[y[own].argmax()])}
    return sorted(place for place in chosen if place < len(x))


def _words(value: float, unit: str) -> str:
    return f"{format_number(value, 4)}{SPACE}{unit}" if unit else str(format_number(value))
