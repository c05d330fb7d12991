"""`plan.html`: one self-contained page with the placement over time, the front, the alternatives and the proof."""

from pathlib import Path

import jinja2
from markupsafe import Markup

from edgeproof.core.configuration import Json

from .plan_drawings import draw_front, draw_timeline
from .plan_tables import describe_failure, describe_proof, describe_robustness

_FOLDER = Path(__file__).parent


def render_page(document: Json, check: Json | None = None) -> str:
    """Return `plan.html` for a plan document; the page needs nothing from elsewhere.

    `check`: the plan-check document of the pipeline run as placed, None where it was not run.
    """
    loader = jinja2.FileSystemLoader(_FOLDER)
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined)
    environment.globals["number"] = _format_number
    plan = document["plans"][0] if document["plans"] else None
    return environment.get_template("plan.html.j2").render(
        d=document,
        check=check,
        plan=plan,
        proof=describe_proof(document) if plan else "",
        failure="" if plan else describe_failure(document),
        timeline=Markup(draw_timeline(plan)) if plan else "",  # drawings escape what they show
        front=Markup(draw_front(document)),
        robustness=describe_robustness(document["robustness"]) if document["robustness"] else [],
    )


def _format_number(value, decimals):
    return "unknown" if value is None else f"{value:.{decimals}f}"
