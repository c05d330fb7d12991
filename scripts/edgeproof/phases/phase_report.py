"""The report of a five-phase evaluation: a decision per device, every candidate with its figures, and what is open."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_sealed, write_json
from edgeproof.core.files import FilePath, atomic_write
from edgeproof.core.formatting import format_number
from edgeproof.core.seals import REMEDY, seal
from edgeproof.evidence.rendering import TEMPLATES, escape_markdown

from .phase_decisions import Request, read_phase_decision
from .services import list_latencies

_HERE = Path(__file__).parent
_COLUMNS = (
    "device", "candidate", "role", "status", "state", "criterion", "verdict", "value", "low", "high", "unit", "limit",
    "provenance", "reason",
)  # fmt: skip
_WIDTH, _ROW, _LEFT = 720, 26, 220  # of the plot, in pixels


def report_phases(
    requests: Mapping[str, Request],
    preparation: FilePath,
    conversion: FilePath,
    decisions: Mapping[str, FilePath],
    folder: FilePath,
    services: Mapping[str, FilePath] | None = None,
) -> None:
    """Write the phase report into a folder: report.json, report.md, report.html, candidates.csv and latency.svg.

    `requests`: {device: what was to be decided}; every decision is decided again. `decisions`: {device: decision.json}.
    `services`: {device: service.json} of a family that is served there.
    """
    read = {
        device: read_phase_decision(path, requests[device], preparation, conversion)
        for device, path in decisions.items()
    }
    view: Json = {
        "preparation": read_sealed(preparation, "phase-preparation", REMEDY),
        "conversion": read_sealed(conversion, "phase-conversion", REMEDY),
        "decisions": read,
        "services": {device: list_latencies(path) for device, path in (services or {}).items()},
    }
    document: Json = {
        "schema": "edgeproof.phase-report.v2",
        "campaign": view["preparation"]["campaign"],
        "model": view["preparation"]["model"],
        "decisions": {
            device: {key: entry[key] for key in ("decision", "chosen", "sentence")} for device, entry in read.items()
        },
        "services": view["services"],
        "gates": view["preparation"]["gates"],
    }
    folder = Path(folder)
    write_json(folder / "report.json", seal(document), "phase-report")
    atomic_write(folder / "report.md", _render("phases.md.j2", view, False))
    plot = draw_latencies(list(read.values()))
    atomic_write(folder / "report.html", _render("phases.html.j2", view | {"plot": Markup(plot)}, True))
    atomic_write(folder / "candidates.csv", tabulate(list(read.values())))
    atomic_write(folder / "latency.svg", plot)


def tabulate(decisions: Sequence[Json]) -> str:
    """Return the phase report's candidates.csv: a row for every criterion of every candidate on every device."""
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(_COLUMNS)
    for decision in decisions:
        for candidate in decision["candidates"]:
            for line in candidate["lines"]:
                known = {**line, **{key: candidate[key] for key in ("role", "status", "state")}}
                known |= {"device": decision["device"], "candidate": candidate["name"], "criterion": line["id"]}
                table.writerow("" if known[name] is None else known[name] for name in _COLUMNS)
    return stream.getvalue()


def draw_latencies(decisions: Sequence[Json]) -> str:
    """Return the phase report's SVG of every candidate's first criterion on a time, on a log scale.

    Each has its interval and its limit.
    """
    rows = [
        (f"{decision['device']} · {candidate['name']}", line)
        for decision in decisions
        for candidate in decision["candidates"]
        for line in [each for each in candidate["lines"] if each["metric"] == "latency" and each["value"]][:1]
    ]
    height = _ROW * (len(rows) + 2)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="Latency of each candidate with its limit" font-family="sans-serif" font-size="12">'
    )
    if not rows:
        return f'{head}<text x="8" y="20">no candidate has a latency</text></svg>\n'
    values = [value for _, line in rows for value in (line["value"], line["low"], line["high"], line["limit"]) if value]
    low, high = math.log(min(values) / 1.2), math.log(max(values) * 1.2)

    def place(value: float) -> float:
        return round(_LEFT + (_WIDTH - _LEFT - 110) * (math.log(value) - low) / (high - low), 1)

    parts = [head]
    for number, (name, line) in enumerate(rows, 1):
        y = number * _ROW
        parts.append(f'<text x="8" y="{y + 4}" fill="currentColor">{_escape(name)}</text>')
        if line["low"] and line["high"]:
            ends = (place(line["low"]), place(line["high"]))
            parts.append(f'<path d="M{ends[0]} {y}H{ends[1]}" stroke="currentColor" stroke-width="2"/>')
        parts.append(f'<circle cx="{place(line["value"])}" cy="{y}" r="4" fill="currentColor"/>')
        limit = place(line["limit"])
        parts.append(f'<path d="M{limit} {y - 9}V{y + 9}" stroke="#b3261e" stroke-width="2"/>')
        figure = f"{format_number(line['value'])} {line['unit']}"
        parts.append(f'<text x="{_WIDTH - 100}" y="{y + 4}" fill="currentColor">{_escape(figure)}</text>')
    legend = "dot: value, line: interval, red: limit; log scale"
    parts.append(f'<text x="{_LEFT}" y="{height - 8}" fill="currentColor">{legend}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def _say_value(value: object) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _say_interval(line: Json) -> str:
    """Return the interval of a criterion's value; what is counted or read off has none."""
    if line["low"] is None or line["low"] == line["high"]:
        return "–"
    return f"{format_number(line['low'])} to {format_number(line['high'])}"


def _say_flip(line: Json) -> str:
    """Return what would change a verdict: why it is not known, or the limit on whose other side it would be another."""
    if line["reason"] or line["flip_point"] is None:
        return line["reason"] or "–"
    below = (line["direction"] == "at_most") == (line["verdict"] == "pass")
    return f"a limit {'below' if below else 'above'} {format_number(line['flip_point'])} {line['unit']}"


def _render(name: str, view: Json, html: bool) -> str:
    environment = Environment(
        loader=FileSystemLoader([_HERE, TEMPLATES]), autoescape=html, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["markdown"] = escape_markdown
    environment.filters["figure"] = lambda value: "–" if value is None else format_number(value)
    environment.filters["say"] = _say_value
    environment.filters["interval"] = _say_interval
    environment.filters["flip"] = _say_flip
    style = Markup((TEMPLATES / "report.css").read_text(encoding="utf-8"))
    return environment.get_template(name).render(view, style=style)
