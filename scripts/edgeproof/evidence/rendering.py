"""Rendering: plain data into one HTML page and its Markdown. The templates lay out, nothing is computed in them."""

from pathlib import Path

import jinja2

from ..core.files import atomic_write
from .collecting import collect_evidence

TEMPLATES = Path(__file__).parent


def write_report(snapshot, tolerate, html, markdown):
    """Collect a campaign's evidence and write `report.html` and `report.md`."""
    evidence = collect_evidence(snapshot, tolerate)
    atomic_write(html, render_html({"evidence": evidence}))
    atomic_write(markdown, render_html({"evidence": evidence}))


def render_html(view):
    """Return the page of a view; every value is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(view)
