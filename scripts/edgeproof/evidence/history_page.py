"""The history of a campaign's cells: each session's latency over time, the drift control's kernel beside it, and steps.

A step of both lines at once is the machine's; a step of the latency alone has the parts of the key that changed there.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import jinja2
from markupsafe import Markup

from edgeproof.core.configuration import Json
from edgeproof.core.documents import write_json
from edgeproof.core.files import FilePath, atomic_write
from edgeproof.core.formatting import format_number, format_percent, format_time
from edgeproof.core.keys import Difference
from edgeproof.core.layout import Cell, run_folder
from edgeproof.core.seals import seal
from edgeproof.runs.cell_history import describe_history, find_history_steps, read_history

_TEMPLATES = Path(__file__).parent
_WIDTH, _HEIGHT, _AIR = 720.0, 120.0, 12.0  # of a drawing, in pixels
_LEAST_REACH = 0.01  # log of the ratio, so that noise of a quiet cell does not fill the drawing
_SHOWN = 5  # differing parts of a step's keys that are named; the rest are counted


def write_history(campaign: str, cells: Sequence[Cell], page: FilePath, output: FilePath) -> None:
    """Write the page of a campaign's history and its `history.json`; UserError where a session was changed since."""
    histories = [_read_cell(cell) for cell in cells]
    document: Json = {"schema": "edgeproof.history.v1", "campaign": campaign, "cells": histories}
    write_json(output, seal(document), "history")
    atomic_write(page, render_history(campaign, histories))


def render_history(campaign: str, histories: Sequence[Json]) -> str:
    """Return the page of histories, as `runs.cell_history.describe_history` gives each."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    style = Markup((_TEMPLATES / "report.css").read_text(encoding="utf-8"))
    cells = [_show_cell(history) for history in histories]
    return environment.get_template("history.html.j2").render(campaign=campaign, cells=cells, style=style)


def _read_cell(cell: Cell) -> Json:
    sessions = read_history(run_folder(cell))
    return describe_history(str(cell), sessions, find_history_steps(sessions))


def _show_cell(history: Json) -> Json:
    sessions = history["sessions"]
    medians = [session["median_ms"] for session in sessions]
    kernels = [session["kernel_ns"] for session in sessions]
    last = f"{format_number(medians[-1])} ms" if medians else None
    return {
        "name": history["cell"],
        "count": len(sessions),
        "first": format_time(sessions[0]["started_at_unix_s"]) if sessions else None,
        "last": last,
        "lines": _draw(medians, kernels),
        "steps": [_show_step(step, sessions, len(sessions)) for step in history["steps"]],
        "reason": history["reason"],
        "width": _WIDTH,
        "height": _HEIGHT,
    }


def _draw(medians: Sequence[float], kernels: Sequence[float | None]) -> Json:
    """Return {reach, latency, kernel}: points (x, y) of both, relative to each one's first value on one log scale."""
    known = [value for value in kernels if value is not None]
    logs = [math.log(value / medians[0]) for value in medians]
    shifts = [None if value is None else math.log(value / known[0]) for value in kernels]
    reach = max([_LEAST_REACH, *map(abs, logs), *(abs(each) for each in shifts if each is not None)])

    def place(number: int, value: float) -> tuple[float, float]:
        x = _place(number, len(medians))
        return x, round(_HEIGHT / 2 - (_HEIGHT / 2 - _AIR) * value / reach, 1)

    return {
        "reach": format_percent(math.expm1(reach), 2),
        "latency": [place(number, value) for number, value in enumerate(logs)],
        "kernel": [place(number, value) for number, value in enumerate(shifts) if value is not None],
    }


def _place(number: float, count: int) -> float:
    return round(_AIR + (_WIDTH - 2 * _AIR) * (number / (count - 1) if count > 1 else 0.5), 1)


def _show_step(step: Json, sessions: Sequence[Json], count: int) -> Json:
    differences = [str(Difference(**item)) for item in step["differences"]]
    more = [f"and {len(differences) - _SHOWN} more"] if len(differences) > _SHOWN else []
    causes = {
        "machine": "the machine changed",
        "key": "; ".join([*differences[:_SHOWN], *more]),
        "unknown": "nothing that is recorded says why",
    }
    kernel = None if step["kernel_ratio"] is None else format_percent(step["kernel_ratio"] - 1, 2)
    return {
        "x": _place(step["place"] - 0.5, count),
        "when": format_time(sessions[step["place"]]["started_at_unix_s"]),
        "change": f"{format_percent(abs(step['ratio'] - 1), 2)} {'slower' if step['ratio'] > 1 else 'faster'}",
        "cause": causes[step["cause"]],
        "machine": step["cause"] == "machine",
        "kernel": kernel,
    }
