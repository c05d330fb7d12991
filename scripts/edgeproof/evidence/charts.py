"""Drawings as plain data: positions in percent of the width, SVG paths, and texts."""

import math

import numpy as np

from edgeproof.core.configuration import Json
from edgeproof.core.formatting import DASH, SPACE, choose_unit, format_estimate, format_limit, format_number, plural
from edgeproof.core.layout import Cell

from .collecting import CellEvidence
from .scales import fit_ratio_scale, fit_scale, place_ratio_ticks, place_ticks

ROWS_PER_DRAWING = 60
_CLOUD_HEIGHT = 26.0
_PAIRS_REACH = 1.6  # single pairs widen an axis to at most this multiple of what intervals and margins need (log scale)
_NO_INTERVAL = {"session": "no interval from one process", "two sessions": "no interval from two sessions"}
_DOTS_TOP, _DOTS_HEIGHT = 42.0, 18.0


def draw_latencies(cells: list[CellEvidence]) -> list[Json]:
    """Return the charts of latencies, one per model, in the order of the cells; all cells of a model share one axis.

    Chart: {model, unit, log, ticks, parts: [{title, rows}], absent: [{cell, reason}]}.
    """
    figures = []
    for model in dict.fromkeys(item.cell.model for item in cells):
        own = [item for item in cells if item.cell.model == model]
        drawn = [item for item in own if item.distribution is not None]
        absent = [
            {"label": label_of(item.cell), "anchor": anchor_of(item.cell), "state": item.result["status"]}
            for item in own
            if item.distribution is None
        ]
        figure = {"model": model, "unit": None, "log": False, "ticks": [], "parts": [], "absent": absent}
        figures.append(figure)
        if not drawn:
            continue
        unit, factor = choose_unit([item.result["latency"]["median_ms"] for item in drawn])
        scale = _shared_scale(drawn)
        figure.update({"unit": unit, "log": scale.log, "ticks": _ticks(place_ticks(scale, factor))})
        rows = [_latency_row(item, scale, unit, factor) for item in drawn]
        figure["parts"] = split_rows(rows)
    return figures


def draw_forest(rows: list[Json]) -> Json | None:
    """Return the chart of comparisons, a forest plot {ticks, one, parts}, or None if no comparison has a difference.

    `rows`: dicts with `effect` ({ratio, low, high, margin, ratios} or None); a `drawing` is added to each.
    """
    effects = [row["effect"] for row in rows if row["effect"]]
    if not effects:
        return None
    needed = [value for effect in effects for value in _extent(effect)]
    reach = _PAIRS_REACH * max(abs(math.log(value)) for value in needed)
    pairs = [ratio for effect in effects for ratio in effect["ratios"] if abs(math.log(ratio)) <= reach]
    scale = fit_ratio_scale(needed + pairs)
    for row in rows:
        row["drawing"] = row["effect"] and _draw_effect(row["effect"], scale)
    return {"ticks": _ticks(place_ratio_ticks(scale)), "one": _round(scale.position(1.0)), "parts": split_rows(rows)}


def draw_verdicts(rows: list[Json]) -> Json | None:
    """Return the axis of the chart of verdicts in a page's head, {ticks, one}; None if none of them has a ratio.

    `rows`: dicts with `bounds` ({ratio, low, high, margin} or None); each gets a `strip`, a drawing without single
    pairs.
    """
    known = [row["bounds"] for row in rows if row["bounds"]]
    if not known:
        return None
    scale = fit_ratio_scale([value for bounds in known for value in _extent(bounds)])
    for row in rows:
        row["strip"] = row["bounds"] and _draw_effect(row["bounds"] | {"ratios": []}, scale)
    return {"ticks": _ticks(place_ratio_ticks(scale)), "one": _round(scale.position(1.0))}


def draw_sessions(sessions: list[np.ndarray], margin: float) -> Json:
    """Return the chart of A/A ratios, a dot plot {ticks, one, margin, rows: [{dots, middle}]}, one row per session.

    `sessions`: ratios right / left, one array each.
    """
    bounds = [1 / (1 + margin), 1 + margin]
    scale = fit_ratio_scale([*bounds, *(float(ratio) for ratios in sessions for ratio in ratios)])
    rows = []
    for ratios in sessions:
        step = 24.0 / max(1, len(ratios) - 1)
        middle = float(np.exp(np.log(ratios).mean()))
        dots = [(_round(scale.position(float(ratio))), round(8 + n * step, 1)) for n, ratio in enumerate(ratios)]
        rows.append({"dots": dots, "middle": _round(scale.position(middle))})
    return {
        "ticks": _ticks(place_ratio_ticks(scale)),
        "one": _round(scale.position(1.0)),
        "margin": _segment(scale, *bounds),
        "rows": rows,
    }


def split_rows(rows: list[Json]) -> list[Json]:
    """Return the rows of a chart in parts of at most ROWS_PER_DRAWING; the page shows the first, folds the others."""
    parts = [rows[start : start + ROWS_PER_DRAWING] for start in range(0, len(rows), ROWS_PER_DRAWING)]
    return [
        {"title": f"Rows {number * ROWS_PER_DRAWING + 1} {DASH} {number * ROWS_PER_DRAWING + len(part)}", "rows": part}
        for number, part in enumerate(parts)
    ]


def label_of(cell: Cell) -> str:
    """Return the label of a cell in a chart of its model: preset, precision, device."""
    return f"{cell.preset} · {cell.precision} · {cell.device}"


def anchor_of(cell: Cell) -> str:
    """Return what a bar in the charts links to: the HTML id of its cell's row."""
    return f"cell-{cell.model}-{cell.preset}-{cell.device}-{cell.precision}"


def _shared_scale(items):
    """Return an axis that holds every median and 5 to 95 % of the samples; long tails may reach beyond it."""
    lows, highs = [], []
    for item in items:
        quantiles, latency = item.distribution.quantiles, item.result["latency"]
        medians = [process["median_ms"] for process in item.result["processes"]]
        inner = [*medians, *filter(None, (latency["interval_low_ms"], latency["interval_high_ms"]))]
        floor, ceiling = min(quantiles[0.05], *inner), max(quantiles[0.95], *inner)
        lows.append(min(floor, max(quantiles[0.01], 0.9 * floor)))
        highs.append(max(ceiling, min(quantiles[0.99], 1.25 * ceiling)))
    return fit_scale(min(lows), max(highs))


def _latency_row(item, scale, unit, factor):
    result, distribution = item.result, item.distribution
    latency, quantiles = result["latency"], distribution.quantiles
    value, interval = format_estimate(
        latency["median_ms"], latency["interval_low_ms"], latency["interval_high_ms"], factor
    )
    medians = [process["median_ms"] for process in result["processes"]]
    step = _DOTS_HEIGHT / max(1, len(medians) - 1)
    spread = f"{format_number(min(medians) * factor)} to {format_number(max(medians) * factor)} {unit}"
    confidence = format_limit(latency["confidence"], share=True)
    bounds = f"{confidence} interval {interval} {unit}" if interval else _NO_INTERVAL[latency["basis"]]
    return {
        "label": label_of(item.cell),
        "anchor": anchor_of(item.cell),
        "preset": item.cell.preset,
        "precision": item.cell.precision,
        "device": item.cell.device,
        "state": result["status"],
        "noisy": bool(latency["noisy"]),
        "simulated": result["provenance"] == "simulated",
        "value": f"{value}{SPACE}{unit}",
        "interval": interval,
        "cloud": _draw_cloud(distribution, scale),
        "median": _round(scale.position(latency["median_ms"])),
        "band": _segment(scale, latency["interval_low_ms"], latency["interval_high_ms"]),
        "box": _segment(scale, quantiles[0.05], quantiles[0.95]),
        "half": _segment(scale, quantiles[0.25], quantiles[0.75]),
        "dots": [
            (_round(scale.position(median)), round(_DOTS_TOP + number * step, 1))
            for number, median in enumerate(medians)
        ],
        "beyond": f"slowest {format_number(distribution.maximum * factor)}{SPACE}{unit}"
        if scale.locate(distribution.maximum) > 100
        else None,
        "description": f"Headline {value} {unit}, {bounds}. Medians of {len(medians)} processes: {spread}. "
        f"{plural(distribution.count, 'sample')}, of which 5 to 95 % lie between "
        f"{format_number(quantiles[0.05] * factor)} and {format_number(quantiles[0.95] * factor)} {unit}.",
    }


def _draw_cloud(distribution, scale):
    """Return the SVG path of the density in a box 1,000 wide and _CLOUD_HEIGHT high."""
    edges = distribution.edges
    centres = (edges[:-1] + edges[1:]) / 2
    heights = distribution.density * (centres if scale.log and not distribution.log else 1.0)  # per unit of the axis
    heights = heights / heights.max()
    points = [
        f"{10 * scale.locate(float(x)):.1f} {_CLOUD_HEIGHT * (1 - 0.94 * float(y)):.1f}"
        for x, y in zip(centres, heights, strict=True)
    ]
    first, last = 10 * scale.locate(float(edges[0])), 10 * scale.locate(float(edges[-1]))
    return f"M{first:.1f} {_CLOUD_HEIGHT:g}L{'L'.join(points)}L{last:.1f} {_CLOUD_HEIGHT:g}Z"


def _draw_effect(effect, scale):
    step = 12.0 / max(1, len(effect["ratios"]) - 1)
    shown = [(number, ratio) for number, ratio in enumerate(effect["ratios"]) if scale.low <= ratio <= scale.high]
    return {
        "beyond": len(effect["ratios"]) - len(shown),
        "margin": _segment(scale, 1 / (1 + effect["margin"]), 1 + effect["margin"]),
        "interval": _segment(scale, effect["low"], effect["high"]),
        "ratio": _round(scale.position(effect["ratio"])),
        "dots": [(_round(scale.position(ratio)), round(30 + number * step, 1)) for number, ratio in shown],
    }


def _extent(effect):
    bounds = (effect["ratio"], effect["low"], effect["high"], 1 / (1 + effect["margin"]), 1 + effect["margin"])
    return [value for value in bounds if value is not None]


def _segment(scale, low, high):
    """Return {x, end, width} of a span in percent, or None if a bound is unknown."""
    if low is None or high is None:
        return None
    start, end = scale.position(low), scale.position(high)
    return {"x": _round(start), "end": _round(end), "width": _round(end - start)}


def _ticks(ticks):
    return [
        {"x": _round(x), "label": label, "anchor": "start" if x < 5 else "end" if x > 95 else "middle"}
        for x, label in ticks
    ]


def _round(value):
    return round(value, 2)
