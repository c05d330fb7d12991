"""Rendering plain data into HTML pages and their Markdown. Templates only lay out; they compute nothing."""

import contextlib
import functools
from collections.abc import Callable, Sequence
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from edgeproof.core.configuration import Json
from edgeproof.core.files import FilePath, atomic_write
from edgeproof.core.formatting import plain
from edgeproof.core.pages import list_page_models, model_page
from edgeproof.core.shares import share_work

from .calibrations import describe_calibrations
from .cell_tables import describe_cells, describe_digests, describe_parities, describe_percentiles
from .charts import draw_forest, draw_latencies, draw_verdicts
from .collecting import Evidence, collect_evidence
from .comparisons import describe_comparisons, fold_comparisons
from .environment_tables import describe_environments
from .failed_cells import describe_failures, find_failure_anchors, name_failures
from .first_page import describe_first_page
from .limits import list_limits
from .model_parts import split_evidence
from .overview import describe_overview, list_failing_gates
from .placements import describe_plans
from .recomputing_commands import recompute_campaign
from .replays_shown import describe_replays
from .services_shown import describe_services
from .stale import Stale
from .timelines import draw_timelines
from .wanted import CampaignSnapshot, GateSettings

TEMPLATES = Path(__file__).parent
_LABEL = 7  # words of a reason that are too few to be said once only
_FIRST = 6  # words that name a reason where it stands again


def write_report(
    snapshot: CampaignSnapshot,
    tolerate: Sequence[str],
    html: FilePath,
    markdown: FilePath,
    noise_paths: Sequence[str] = (),
    regressions: GateSettings | None = None,
    stale: Sequence[Stale] = (),
) -> None:
    """Render the evidence of a campaign into `report.html` and `report.md`; arguments as for `collect_evidence`.

    The pages of a large campaign's models are written beside them, see `core.pages`, and those of models that are gone
    are removed.
    """
    evidence = collect_evidence(snapshot, tolerate, noise_paths, regressions, stale)
    models = list_page_models(snapshot["cells"], snapshot["comparisons"])
    parts = split_evidence(evidence, models)

    def write_model_pages(model: str) -> None:
        page, text = model_page(Path(html).parent, model, "html"), model_page(Path(markdown).parent, model, "md")
        _write_pages(page, text, lambda page: build_view(parts[model], page, model))

    share_work(write_model_pages, list(parts))
    if models:
        _write_pages(html, markdown, lambda page: describe_first_page(evidence, parts, page))
    else:
        _write_pages(html, markdown, lambda page: build_view(evidence, page))
    for first, kind in ((html, "html"), (markdown, "md")):
        _remove_old_pages(Path(first).parent, models, kind)


def _write_pages(html: FilePath, markdown: FilePath, build: Callable[[FilePath], Json]) -> None:
    """Write a page and its Markdown. `build`: from a page to what it shows, with links from the page's folder."""
    view = build(html)
    atomic_write(html, render_html(view))
    atomic_write(markdown, render_markdown(view if Path(markdown).parent == Path(html).parent else build(markdown)))


def _remove_old_pages(folder: Path, models: Sequence[str], kind: str) -> None:
    """Remove pages of models that are none of `models` from beside the first page in `folder`."""
    wanted = {Path(model_page(folder, model, kind)) for model in models}
    for path in (folder / "models").glob(f"*.{kind}"):
        if path not in wanted:
            path.unlink()
    with contextlib.suppress(OSError):  # not there, or not empty
        (folder / "models").rmdir()


def build_view(evidence: Evidence, page: FilePath, model: str | None = None) -> Json:
    """Return the view that is rendered, everything that the templates show; links are relative to the folder of `page`.

    `model`: whose page it is; None for the page of a whole campaign.
    """
    own = {item.cell.model for item in evidence.cells}
    comparisons = describe_comparisons(
        evidence.comparisons,
        page,
        lambda name: "" if name in own else f"{name}.html",
        list_failing_gates(evidence),
    )
    failures = describe_failures(evidence.cells, page)
    verdicts = fold_comparisons(comparisons)
    return {
        "overview": describe_overview(evidence, model),
        "failures": failures,
        "failed": name_failures(failures),
        "cells": describe_cells(evidence.cells, page, find_failure_anchors(failures)),
        "validate": recompute_campaign(evidence.campaign),
        "latencies": draw_latencies(evidence.cells),
        "timelines": draw_timelines(evidence.cells),
        "percentiles": describe_percentiles(evidence.cells),
        "comparisons": comparisons,
        "verdicts": verdicts | {"axis": draw_verdicts(verdicts["shown"])},
        "forest": draw_forest(comparisons),
        "calibrations": describe_calibrations(evidence.calibrations, page),
        "plans": describe_plans(evidence.plans, page),
        "replays": describe_replays(evidence.replays, page),
        "services": describe_services(evidence.services, page),
        "parities": describe_parities(evidence.cells),
        "environments": describe_environments(evidence.cells),
        "limits": list_limits(evidence),
        "digests": describe_digests(evidence.cells, page),
    }


def render_html(view: Json) -> str:
    """Render a view, of `build_view` or `describe_first_page`, as a page; every value is escaped."""
    style, program = (Markup((TEMPLATES / name).read_text(encoding="utf-8")) for name in ("report.css", "report.js"))
    return _get_template(view, "html").render(view, style=style, program=program, why=SaidOnce())


def render_markdown(view: Json) -> str:
    """Render a view as Markdown; every value is escaped."""
    return _get_template(view, "md").render(view)


def escape_markdown(value: object) -> str:
    """Filter of the templates that render Markdown: return text for a table, one line, Markdown and HTML escaped."""
    if value is None:
        return "not available"
    text = " ".join(plain(str(value)).split())
    for character in "\\`*[]|":
        text = text.replace(character, f"\\{character}")
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def mark_code(text: object) -> Markup:
    """Render a text as escaped HTML, with the parts between backticks as `<code>`."""
    parts = [escape(part) for part in str(text).split("`")]
    if len(parts) % 2 == 0:  # an odd backtick marks no code
        return escape(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else part for number, part in enumerate(parts)
    )


class SaidOnce:
    """Reasons on one page: each in full the first time, after that its first words as a link to there.

    That holds for a reason in a longer sentence as well.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def __call__(self, text: object) -> Markup:
        """Return the reason `text` as escaped HTML; a short one may stand twice."""
        reason = str(text)
        if len(reason.split()) <= _LABEL:
            return mark_code(reason)
        known = max((said for said in self._numbers if said in reason), key=len, default=None)
        if known is not None:
            before, _, after = reason.partition(known)
            link = Markup('<a class="same" href="#why-{}">{}, as above</a>').format(self._numbers[known], _cut(known))
            return Markup("").join((mark_code(before), link, mark_code(after)))
        number = len(set(self._numbers.values())) + 1
        cause = reason.rpartition(": ")[2]  # "accuracy: the set has no labels" is said of other things, too
        self._numbers |= dict.fromkeys([reason, *([cause] if len(cause.split()) > _LABEL else [])], number)
        return Markup('<span class="why" id="why-{}">{}</span>').format(number, mark_code(reason))


def _cut(reason):
    """Return the first words of a reason, never half of what is in brackets."""
    return f"{' '.join(reason.replace('`', '').partition(' (')[0].split()[:_FIRST])} …"


def _get_template(view, kind):
    name = "report" if "cells" in view else "first_page"
    return _environment(kind == "html").get_template(f"{name}.{kind}.j2")


@functools.cache
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
