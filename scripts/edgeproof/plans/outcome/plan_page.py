"""`plan.html`: one self-contained page with the placement over time, the front, the alternatives and the proof."""

import functools
from pathlib import Path

import jinja2
from markupsafe import Markup

from edgeproof.core.configuration import Json

from .control_characters import make_printable
from .explanation import (
    explain_distance_from_front,
    explain_empty_document,
    explain_flip_points,
    explain_path,
    explain_proof,
    explain_relaxation,
    explain_robustness,
)
from .plan_drawings import draw_front, draw_timeline

_FOLDER = Path(__file__).parent


def render_page(document: Json, check: Json | None = None) -> str:
    """Return the page `plan.html` of a plan document; it needs nothing from elsewhere.

    `check`: the plan-check document of the pipeline run as placed, None where it was not run.
    """
    document = make_printable(document)
    plan = document["plans"][0] if document["plans"] else None
    return (
        _environment()
        .get_template("plan.html.j2")
        .render(
            d=document,
            check=check,
            plan=plan,
            proof=explain_proof(document) if plan else "",
            failure="" if plan else explain_empty_document(document),
            timeline=Markup(draw_timeline(plan)) if plan else "",  # drawings escape what they show
            front=Markup(draw_front(document)),
            off_front=explain_distance_from_front(document),
            flips=explain_flip_points(document),
            robustness=explain_robustness(document["robustness"]) if document["robustness"] else [],
        )
    )


@functools.cache
def _environment() -> jinja2.Environment:
    loader = jinja2.FileSystemLoader(_FOLDER)
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined)
    environment.globals |= {"number": _format_number, "steps": explain_path, "relaxation": explain_relaxation}
    return environment


def _format_number(value, decimals):
    return "unknown" if value is None else f"{value:.{decimals}f}"
