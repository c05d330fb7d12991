"""The page of an observed run: deadlines and bursts first, then the calls over time, and the stages."""

from pathlib import Path

import jinja2
import numpy as np

from edgeproof.core.configuration import Json
from edgeproof.core.files import atomic_write
from edgeproof.core.formatting import SPACE, format_fixed, format_number, format_percent, format_time, plural
from edgeproof.runs.observed_files import Recording
from edgeproof.runs.observed_runs import latencies_ms, read_observed

from .scales import fit_scale, place_ticks

_FOLDER = Path(__file__).parent
_BINS = 240  # columns of the drawing, each with its middle and its slowest call
_HEIGHT = 100.0


def write_observed_page(document_path: Path) -> Path:
    """Write `observed.html` beside an observed run, which is computed again first; return the page's path."""
    document, recording = read_observed(document_path)
    page = document_path.with_name("observed.html")
    atomic_write(page, _render_page(document, recording))
    return page


def say_deadline(document: Json) -> str:
    """Return, for the page of an observed run, what became of the deadline in one sentence."""
    deadline, calls = document["deadline"], document["calls"]["recorded"] - document["calls"]["failed"]
    if deadline is None:
        return "No deadline was set."
    within = f"{format_number(deadline['deadline_ms'])}{SPACE}ms"
    if not deadline["missed"]:
        return f"All {plural(calls, 'call')} kept the deadline of {within}."
    missed = f"{plural(deadline['missed'], 'call')} of {calls} ({format_percent(deadline['share'], 2)}) missed the "
    worst = f"by {format_number(deadline['worst_over_ms'])}{SPACE}ms at worst"
    bursts = f"; {plural(deadline['bursts'], 'burst')}, the longest of {deadline['longest_burst']} in a row"
    return f"{missed}deadline of {within}, {worst}{bursts if deadline['bursts'] else '; never two in a row'}."


def list_limits(document: Json) -> list[str]:
    """Return, for the page of an observed run, sentences on what its recording lacks and what it does not say."""
    calls, cost = document["calls"], document["cost_ns"]
    lines = [
        "One process, once, with everything that ran beside it: there is no interval, and the run is never compared "
        "with a benchmark run as if it were one.",
        f"The observer cost {format_number(cost['stage'] / 1e3)}{SPACE}µs per stage and "
        f"{format_number(cost['call'] / 1e3)}{SPACE}µs per call where it ran (medians of {cost['rounds']}).",
    ]
    if calls["failed"]:
        lines.append(f"{plural(calls['failed'], 'call')} raised an error and has no time.")
    if calls["lost"]:
        lines.append(
            f"{plural(calls['lost'], 'call')} are not in it: {document['recording']['reason'] or 'slow disk'}."
        )
    if not document["recording"]["complete"]:
        lines.append(f"The recording is not complete: {document['recording']['reason']}.")
    return lines


def _render_page(document: Json, recording: Recording) -> str:
    loader = jinja2.FileSystemLoader(_FOLDER)
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined)
    return environment.get_template("observed.html.j2").render(
        d=document,
        style=(_FOLDER / "report.css").read_text(encoding="utf-8"),
        deadline=say_deadline(document),
        missed=bool(document["deadline"] and document["deadline"]["missed"]),
        started=format_time(document["loop"]["started_unix_s"]),
        facts=_list_facts(document),
        drawing=_draw_calls(recording, document["deadline"] and document["deadline"]["deadline_ms"]),
        limits=list_limits(document),
        ms=_ms,
        percent=format_percent,
    )


def _list_facts(document: Json) -> list[tuple[str, str, str]]:
    """Return (name, value, what more there is to say) of the figures at the top of the page."""
    machine, latency, jitter = document["loop"]["machine"], document["latency"], document["jitter"]
    facts = [("Calls", format_fixed(document["calls"]["recorded"], 0), document["loop"]["label"] or "")]
    if latency:
        few = "fewer than 100 calls say nothing of it" if latency["p99_ms"] is None else ""
        facts += [
            ("Median", _ms(latency["median_ms"]), "from its input to the end of a call"),
            ("99 % within", _ms(latency["p99_ms"]), few),
            ("Slowest", _ms(latency["max_ms"]), f"the first took {_ms(latency['first_ms'])}"),
        ]
    if jitter:
        facts.append(("An input every", _ms(jitter["period_ms"]), f"off by {_ms(jitter['period_off_max_ms'])} at most"))
    return [*facts, ("Machine", document["device"] or machine["board"] or "unknown", machine["cpu"] or "")]


def _ms(value):
    return "unknown" if value is None else f"{format_number(value)}{SPACE}ms"


def _draw_calls(recording: Recording, deadline_ms: float | None) -> Json | None:
    """Return the calls over time as plain data, x and y in percent: {seconds, ticks, middle, slowest, deadline}; None
    if no call has a time.

    `middle`: an SVG path through the median of each stretch of time; `slowest`: [(x, y, missed)] of its slowest call.
    """
    spent = latencies_ms(recording)
    known = ~np.isnan(spent) & (spent > 0)
    if not known.any():
        return None
    spent, at = spent[known], recording.column("start")[known]
    at_s = (at - at[0]) / 1e9
    length = max(float(at_s[-1]), 1e-9)
    bins = np.minimum((at_s / length * _BINS).astype(int), _BINS - 1)
    high = max(float(spent.max()), deadline_ms or 0.0)
    scale = fit_scale(float(spent.min()), high)
    points: list[tuple[float, float]] = []
    slowest: list[tuple[float, float, bool]] = []
    edges = np.flatnonzero(np.diff(bins, prepend=-1))
    for begin, values in zip(edges, np.split(spent, edges[1:]), strict=True):
        x = round(100 * (int(bins[begin]) + 0.5) / _BINS, 2)
        worst = float(values.max())
        points.append((x, _place(scale, float(np.median(values)))))
        slowest.append((x, _place(scale, worst), deadline_ms is not None and worst > deadline_ms))
    return {
        "seconds": format_number(length),
        "ticks": [(round(_HEIGHT - place, 2), label) for place, label in place_ticks(scale) if 0 <= place <= 100],
        "middle": "M" + " L".join(f"{x} {y}" for x, y in points),
        "slowest": slowest,
        "deadline": None if deadline_ms is None else _place(scale, deadline_ms),
    }


def _place(scale, value_ms):
    return round(_HEIGHT - scale.position(value_ms), 2)
