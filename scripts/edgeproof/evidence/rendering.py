"""Rendering plain data into one HTML page and its Markdown. Templates only lay out; they compute nothing."""

from collections.abc import Sequence
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from edgeproof.core.configuration import Json
from edgeproof.core.files import FilePath, atomic_write
from edgeproof.core.formatting import plain

from .calibrations import describe_calibrations
from .cell_tables import describe_cells, describe_digests, describe_parities, describe_percentiles
from .charts import draw_forest, draw_latencies
from .collecting import Evidence, collect_evidence
from .comparisons import describe_comparisons, list_verdicts
from .environment_tables import describe_environments
from .limits import list_limits
from .overview import describe_overview
from .placements import describe_plans
from .wanted import CampaignSnapshot, GateSettings

TEMPLATES = Path(__file__).parent


def write_report(
    snapshot: CampaignSnapshot,
    tolerate: Sequence[str],
    html: FilePath,
    markdown: FilePath,
    noise_paths: Sequence[str] = (),
    regressions: GateSettings | None = None,
) -> None:
    """Collect a campaign's evidence and write `report.html` and `report.md`; arguments as for `collect_evidence`."""
    evidence = collect_evidence(snapshot, tolerate, noise_paths, regressions)
    view = build_view(evidence, html)
    atomic_write(html, render_html(view))
    if Path(markdown).parent != Path(html).parent:  # links are relative to the page's folder
        view = build_view(evidence, markdown)
    atomic_write(markdown, render_markdown(view))


def build_view(evidence: Evidence, page: FilePath) -> Json:
    """Return everything that the templates show, as plain data; links are relative to the folder of `page`."""
    comparisons = describe_comparisons(evidence.comparisons, page)
    return {
        "overview": describe_overview(evidence),
        "cells": describe_cells(evidence.cells),
        "latencies": draw_latencies(evidence.cells),
        "percentiles": describe_percentiles(evidence.cells),
        "comparisons": comparisons,
        "verdicts": list_verdicts(comparisons),
        "forest": draw_forest(comparisons),
        "calibrations": describe_calibrations(evidence.calibrations, page),
        "plans": describe_plans(evidence.plans, page),
        "parities": describe_parities(evidence.cells),
        "environments": describe_environments(evidence.cells),
        "limits": list_limits(evidence),
        "digests": describe_digests(evidence.cells, page),
    }


def render_html(view: Json) -> str:
    """Return the page of a view; every value is escaped."""
    style = Markup((TEMPLATES / "report.css").read_text(encoding="utf-8"))
    return _environment(autoescape=True).get_template("report.html.j2").render(view, style=style)


def render_markdown(view: Json) -> str:
    """Return the Markdown of a view; every value is escaped."""
    return _environment(autoescape=False).get_template("report.md.j2").render(view)


def escape_markdown(value: object) -> str:
    """Return text for a Markdown table: one line, with Markdown and HTML characters escaped."""
    if value is None:
        return "not available"
    text = " ".join(plain(str(value)).split())
    for character in "\\`*[]|":
        text = text.replace(character, f"\\{character}")
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def mark_code(text: object) -> Markup:
    """Return text as escaped HTML, with the parts between backticks as `<code>`."""
    parts = [escape(part) for part in str(text).split("`")]
    if len(parts) % 2 == 0:  # an odd backtick marks no code
        return escape(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else part for number, part in enumerate(parts)
    )


def _environment(autoescape):
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=autoescape,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"md": escape_markdown, "code": mark_code}
    return environment
