"""`edgeproof evidence validate`: all that a campaign's evidence consists of is recomputed and hashed again.

A report stops at the first fault, since it may not be written. This goes on and names them all, and it also looks at
what nobody reads again: pages and tables, gate.json, keys, and attempts that are kept for another time.
"""

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from edgeproof.adaptation.replay_documents import read_replay
from edgeproof.adaptation.replay_page import render_page as render_replay_page
from edgeproof.comparability.reading import read_comparison, read_own_verdict
from edgeproof.comparability.reporting import render_markdown as render_comparison
from edgeproof.core.attempts import FOLDER, check_files
from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json, read_sealed, read_text
from edgeproof.core.errors import UserError
from edgeproof.core.files import is_file, sha256_file
from edgeproof.core.job_key import is_key_of, list_keys, read_kept_key
from edgeproof.core.layout import Cell, comparison_folder, evidence_folder, plan_folder, replay_folder, run_folder
from edgeproof.core.reader import reading_once
from edgeproof.core.seals import REMEDY
from edgeproof.core.verified import ignore_verified
from edgeproof.plans.outcome.plan_page import render_page
from edgeproof.plans.outcome.plan_tables import render_pareto_table, render_plan_table, render_plan_text
from edgeproof.plans.plan_check import read_check

from .evidence_files import folder_of_artifact, list_cells, list_checks
from .rendering import write_report
from .stale import find_stale
from .wanted import settings_of, snapshot_as_made

_RESULTS = "results"
_OTHER = "is not what campaign and documents give today: it was edited, or the campaign was changed"
_PLAN_VIEWS: dict[str, Callable[[Json], str]] = {
    "plan.csv": render_plan_table,
    "pareto.csv": render_pareto_table,
    "plan.txt": render_plan_text,
}


@ignore_verified()
@reading_once()
def validate_evidence(campaign: str) -> list[str]:
    """Do `edgeproof evidence validate`: return a line for every file of a campaign that is not as it was when made.

    There are none if all are. Paths are relative to the current folder, which has `results/`. UserError if the campaign
    has no wanted.json.
    """
    path = f"{evidence_folder(campaign)}/wanted.json"
    if not is_file(path):
        raise UserError(f"{path}: is missing; a campaign has one once the workflow has read it")
    try:
        wanted = read_json(path, "wanted")
    except UserError as error:
        return [str(error)]
    checks = [*_list_key_checks(), *_list_file_checks(wanted), *_list_view_checks(wanted)]
    faults = (_run(check) for check in checks)
    return list(dict.fromkeys(fault for fault in faults if fault))


def check_keys(results: str = _RESULTS) -> None:
    """Validate the keys kept below `results`, for `evidence validate`: UserError unless each is of its file."""
    for place, made in list_keys(results):
        _check_key(place, made)


def _run(check: Callable[[], Any]) -> str | None:
    try:
        check()
    except UserError as error:
        return " ".join(str(error).split())
    return None


def _list_key_checks() -> Iterator[Callable[[], None]]:
    for place, made in list_keys(_RESULTS):
        yield partial(_check_key, place, made)


def _check_key(place: Path, made: Path) -> None:
    if is_file(made) and not is_key_of(read_kept_key(place), made):
        raise UserError(f"{made}: its sha256 is not the one in {place}; it was changed since it was made, {REMEDY}")


def _list_file_checks(wanted: Json) -> Iterator[Callable[[], Any]]:
    """Yield a check for each file behind the evidence, and for each attempt beside its documents."""
    snapshot, cells = wanted["campaign"], list[tuple[str, ...]]()
    try:
        yield from list_checks(snapshot, wanted["noise"])
        cells = list_cells(snapshot)
    except UserError as error:  # a scenario that cannot be read names no cells
        yield partial(_raise, error)
    folders = [folder for row in cells for folder in (run_folder(Cell(*row[:4])), folder_of_artifact(row))]
    folders += [comparison_folder(snapshot["campaign"], name) for name in snapshot["comparisons"]]
    folders += [str(Path(path).parent) for path in wanted["noise"]]
    folders += [place for row in snapshot["plans"] for place in (plan_folder(row[0]), plan_folder(*row))]
    for folder in dict.fromkeys(folders):
        for attempt in sorted(Path(folder, FOLDER).glob("[0-9]*")):
            yield partial(_check_attempt, attempt)


def _check_attempt(folder: Path) -> None:
    if not is_file(folder / "attempt.json"):
        raise UserError(f"{folder}/attempt.json: is missing; remove the attempt's folder and run the workflow again")
    check_files(folder)


def _list_view_checks(wanted: Json) -> Iterator[Callable[[], Any]]:
    """Yield checks of the documents together, and of the pages and tables that are made from them."""
    snapshot, folder = wanted["campaign"], evidence_folder(wanted["campaign"]["campaign"])
    yield partial(_check_report, wanted, folder)
    yield partial(_check_gate, f"{folder}/gate.json")
    for name in snapshot["comparisons"]:
        compared = comparison_folder(snapshot["campaign"], name)
        yield partial(read_own_verdict, f"{compared}/verdict.json")
        yield partial(_check_comparison_page, compared)
    for row in snapshot["plans"]:
        yield partial(_check_plan_views, plan_folder(*row))
    for row in snapshot.get("replays", []):
        yield partial(_check_replay_page, replay_folder(*row))


def _check_report(wanted: Json, folder: str) -> None:
    stale = find_stale(wanted)
    # As deep as the pages themselves, since their links are relative.
    with tempfile.TemporaryDirectory(dir=Path(folder).parent, prefix=".") as place:
        html, markdown = (Path(place, name) for name in ("report.html", "report.md"))
        write_report(
            snapshot_as_made(wanted), wanted["tolerate"], html, markdown, wanted["noise"], settings_of(wanted), stale
        )
        for page in sorted(path for path in Path(place).rglob("*") if path.is_file()):
            _require_text(f"{folder}/{page.relative_to(place)}", page.read_text())


def _check_gate(path: str) -> None:
    """Check gate.json against the documents that it names; a gate that did not pass has none."""
    if not is_file(path):
        return
    for entry in read_json(path, "gate")["cells"]:
        result = f"{run_folder(Cell(*(entry['cell'][field] for field in Cell._fields)))}/result.json"
        if sha256_file(result) != entry["result_sha256"]:
            raise UserError(f"{path}: result_sha256 is not that of {result}; run the workflow again")


def _check_comparison_page(folder: str) -> None:
    _require_text(f"{folder}/report.md", render_comparison(read_comparison(f"{folder}/report.json")))


def _check_plan_views(folder: str) -> None:
    plan = read_sealed(f"{folder}/plan.json", "plan", REMEDY)
    for name, render in _PLAN_VIEWS.items():
        _require_text(f"{folder}/{name}", render(plan))
    _require_text(f"{folder}/plan.html", render_page(plan, read_check(f"{folder}/check.json")))


def _check_replay_page(folder: str) -> None:
    summary = read_replay(f"{folder}/summary.json")
    _require_text(f"{folder}/page.html", render_replay_page(summary, f"{folder}/decisions.jsonl"))


def _require_text(path: str, text: str) -> None:
    """Raise UserError unless a page or table is what its documents give; one that was not made yet is left out."""
    if is_file(path) and read_text(path) != text:
        raise UserError(f"{path}: {_OTHER}, {REMEDY}")


def _raise(error: UserError) -> None:
    raise error
