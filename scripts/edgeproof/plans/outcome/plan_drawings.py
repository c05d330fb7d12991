"""Inline SVG for the plan page: a timeline per device, and the Pareto front. Without scripts or fonts of its own."""

import math
from html import escape

from edgeproof.core.configuration import Json

from .explanation import explain_path

_FILLS = ("#cfe3f7", "#fde2b8", "#d5ecd0", "#ecd6ef", "#f8d3d0", "#d9dbf5", "#e6e2c8", "#cdeaea")
_STROKES = ("#2c6aa0", "#a86a00", "#3a7d34", "#7b3f86", "#a83a32", "#4449a0", "#75692a", "#1f7a7a")
_WIDTH = 760


def draw_timeline(plan: Json) -> str:
    """Return the drawing of a plan over time: an SVG with a lane per device; stages are bars, transfers arrows.

    Stages have their numbers; arrows go from lane to lane.
    """
    devices = [row["device_name"] for row in plan["memory"]]
    left, top, lane = 100, 14, 46
    end = max([row["end_ms"] for row in (*plan["assignments"], *plan["transfers"])] + [1e-9])
    height = top + lane * len(devices) + 34

    def x(ms):
        return left + (_WIDTH - left - 16) * ms / end

    def y(device):
        return top + lane * devices.index(device)

    parts = []
    for device in devices:
        middle = y(device) + lane / 2
        parts.append(f'<line x1="{left}" x2="{_WIDTH - 16}" y1="{middle:.1f}" y2="{middle:.1f}" class="lane"/>')
        parts.append(f'<text x="{left - 8}" y="{middle + 5:.1f}" text-anchor="end">{_shorten(device, 12)}</text>')
    for number, row in enumerate(plan["assignments"], 1):
        index = devices.index(row["device_name"]) % len(_FILLS)
        a, b = x(row["start_ms"]), x(row["end_ms"])
        place = explain_path([row["device_name"]], [row["variant"]])[0]
        label = f"{number}. {row['stage_name']} on {place}: {row['start_ms']:.3f} to {row['end_ms']:.3f} ms"
        parts.append(
            f"<g><title>{escape(label)}</title>"
            f'<rect x="{a:.1f}" y="{y(row["device_name"]) + 8}" width="{max(b - a, 1):.1f}"'
            f' height="{lane - 16}" rx="3" fill="{_FILLS[index]}" stroke="{_STROKES[index]}"/>'
        )
        shown = next((t for t in (row["stage_name"], str(number)) if b - a >= 9 * len(t) + 2), None)
        if shown is not None:
            parts.append(
                f'<text x="{(a + b) / 2:.1f}" y="{y(row["device_name"]) + lane / 2 + 5:.1f}"'
                f' text-anchor="middle">{escape(shown)}</text>'
            )
        parts.append("</g>")
    for row in plan["transfers"]:
        parts.append(_draw_transfer(row, x, y, lane))
    base = top + lane * len(devices) + 4
    parts.append(f'<line x1="{left}" x2="{_WIDTH - 16}" y1="{base}" y2="{base}" class="axis"/>')
    for tick in _ticks(0, end):
        parts.append(f'<line x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{base}" y2="{base + 5}" class="axis"/>')
        parts.append(f'<text x="{x(tick):.1f}" y="{base + 19}" text-anchor="middle">{tick:g}</text>')
    parts.append(f'<text x="{left - 8}" y="{base + 19}" text-anchor="end">ms</text>')
    return _frame(parts, height, "Timeline of the plan: one lane per device, arrows are transfers")


def _draw_transfer(row, x, y, lane):
    down = y(row["target_device"]) > y(row["source_device"])
    a, b = y(row["source_device"]) + lane / 2, y(row["target_device"]) + lane / 2
    a, b = (a + lane / 2 - 8, b - lane / 2 + 8) if down else (a - lane / 2 + 8, b + lane / 2 - 8)
    start, end = x(row["start_ms"]), max(x(row["end_ms"]), x(row["start_ms"]) + 1.5)
    tensor = f" ({row['tensor']})" if row["tensor"] and row["source_stage"] and row["target_stage"] else ""
    label = (
        f"{row['source_stage'] or 'input'}{tensor} to {row['target_stage'] or 'output'}: {row['size_mb']:g} MB"
        f" {row['source_device']} → {row['target_device']}, {row['latency_ms']:.3f} ms"
    )
    return (
        f"<g><title>{escape(label)}</title>"
        f'<polygon class="move" points="{start:.1f},{a:.1f} {end:.1f},{b:.1f} {start:.1f},{b:.1f}"/>'
        f'<line x1="{start:.1f}" y1="{a:.1f}" x2="{end:.1f}" y2="{b:.1f}" class="arrow"'
        ' marker-end="url(#tip)"/></g>'
    )


def draw_front(document: Json) -> str:
    """Return the drawing of latency against energy, an SVG with fronts, ranked plans and limits; "" without energy."""
    fronts = document["pareto"]
    if not fronts or "energy_mj" not in fronts["with_caps"]["axes"]:
        return ""
    free = [tuple(p["values"][:2]) for p in fronts["without_caps"]["points"]]
    kept = [tuple(p["values"][:2]) for p in fronts["with_caps"]["points"]]
    plans = [(p["total_latency_ms"], p["total_energy_mj"]) for p in document["plans"]]
    points = [*free, *kept, *plans]
    if not points:
        return ""
    caps = (document["limits"]["max_total_latency_ms"], document["limits"]["max_total_energy_mj"])
    xs, ys = _span([p[0] for p in points], caps[0]), _span([p[1] for p in points], caps[1])
    left, top, right, height = 62, 14, 20, 340
    bottom = height - 46

    def x(value):
        return left + (_WIDTH - left - right) * (value - xs[0]) / (xs[1] - xs[0])

    def y(value):
        return bottom - (bottom - top) * (value - ys[0]) / (ys[1] - ys[0])

    parts = [
        f'<line x1="{left}" x2="{_WIDTH - right}" y1="{bottom}" y2="{bottom}" class="axis"/>',
        f'<line x1="{left}" x2="{left}" y1="{top}" y2="{bottom}" class="axis"/>',
        f'<text x="{(left + _WIDTH) / 2}" y="{height - 6}" text-anchor="middle">latency in ms</text>',
        f'<text text-anchor="middle" transform="translate(14 {(top + bottom) / 2}) rotate(-90)">energy in mJ</text>',
    ]
    for tick in _ticks(*xs):
        parts.append(f'<line x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{top}" y2="{bottom}" class="grid"/>')
        parts.append(f'<text x="{x(tick):.1f}" y="{bottom + 17}" text-anchor="middle">{tick:g}</text>')
    for tick in _ticks(*ys):
        parts.append(f'<line x1="{left}" x2="{_WIDTH - right}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" class="grid"/>')
        parts.append(f'<text x="{left - 6}" y="{y(tick) + 5:.1f}" text-anchor="end">{tick:g}</text>')
    if caps[0] is not None:
        parts.append(f'<line x1="{x(caps[0]):.1f}" x2="{x(caps[0]):.1f}" y1="{top}" y2="{bottom}" class="cap"/>')
    if caps[1] is not None:
        parts.append(
            f'<line x1="{left}" x2="{_WIDTH - right}" y1="{y(caps[1]):.1f}" y2="{y(caps[1]):.1f}" class="cap"/>'
        )
    for points, kind in ((free, "free"), (kept, "kept")):
        for a, b in points:
            parts.append(
                f'<circle cx="{x(a):.1f}" cy="{y(b):.1f}" r="5" class="{kind}">'
                f"<title>{a:.4f} ms, {b:.4f} mJ</title></circle>"
            )
    for rank, (a, b) in enumerate(plans, 1):
        parts.append(f'<circle cx="{x(a):.1f}" cy="{y(b):.1f}" r="9" class="plan"><title>plan {rank}</title></circle>')
        parts.append(f'<text x="{x(a) + 12:.1f}" y="{y(b) - 8:.1f}" class="strong">{rank}</text>')
    return _frame(
        parts, height, "Latency against energy: filled points keep the caps, hollow ones do not, rings are the plans"
    )


def _frame(parts, height, title):
    tip = '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    tip += '<path d="M0 0 8 4 0 8z" fill="#333"/></marker></defs>'
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(title)}"><title>{escape(title)}</title>'
        f"{tip}{''.join(parts)}</svg>"
    )


def _span(values, cap):
    low, high = min(values), max(values)
    if cap is not None and low <= cap <= high + 0.5 * (high - low):
        high = max(high, cap)
    margin = 0.08 * (high - low) or 0.05 * abs(high) or 1.0
    return low - margin, high + margin


def _ticks(low, high, count=6):
    raw = (high - low) / count
    power = 10 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 10) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def _shorten(text, length):
    return escape(text if len(text) <= length else text[: length - 1] + "…")
