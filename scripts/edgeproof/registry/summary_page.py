"""Pairs of runs on one page: what each run has beside its figures, and what verifying it has found, said as it is."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from edgeproof.comparability.two_runs import compare_runs
from edgeproof.core.catalogues import read_catalogue
from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.files import is_file

from .edgeenv_runs import read_sampler
from .run_reading import EDGEENV, check_run, read_optional_json, read_two_runs

_REQUIRED = ("result.json", "config.yaml", "target.yaml", "env.json", "stdout.log", "stderr.log")
_NO_SAMPLER = "no sampler metadata"


class Scenario(NamedTuple):
    """A pair of runs of the page."""

    label: str
    left: str
    right: str


def read_scenarios(texts: Sequence[str]) -> list[Scenario]:
    """Return the scenarios of a summary page, `--scenario LABEL:RUN:RUN`, in order.

    UserError for another form or a label twice.
    """
    found: list[Scenario] = []
    for text in texts:
        parts = text.split(":")
        if len(parts) != 3 or not all(parts):
            raise UserError(f"--scenario {text}: a label and two runs are needed: LABEL:RUN:RUN")
        if any(scenario.label == parts[0] for scenario in found):
            raise UserError(f"--scenario {text}: the label {parts[0]!r} is used twice")
        found.append(Scenario(*parts))
    return found


def summarise(
    root: Path, scenarios: Sequence[Scenario], rows: Mapping[str, Json], metrics: Mapping[str, Sequence[Json]]
) -> Json:
    """Return what the summary page shows of pairs of runs, {runs, comparisons, warnings, notes}.

    `rows`, `metrics`: of the registry, by the names in the scenarios. UserError where a run of EdgeEnv lacks a file
    that it must have.
    """
    runs = [_describe_run(root, row, metrics[name]) for name, row in rows.items()]
    believed = {run["name"]: run["integrity"]["word"] != "refuted" for run in runs}
    comparisons = [_compare(root, scenario, rows, believed) for scenario in scenarios]
    warnings = [f"{run['name']}: {warning}" for run in runs for warning in run.pop("warnings")]
    notes = ["deltas are of two runs at two times: they have no interval"] if comparisons else []
    return {"runs": runs, "comparisons": comparisons, "warnings": warnings, "notes": notes}


def render_summary(found: Json) -> Iterator[str]:
    """Yield the lines of the summary page, as Markdown."""
    yield "# Bundle summary"
    yield ""
    yield "## Scope"
    yield ""
    device = f", measured on {found['source_device']}" if found["source_device"] else ""
    yield f"{len(found['comparisons'])} pairs of {len(found['runs'])} runs{device}."
    yield ""
    yield "## Bundles"
    yield ""
    yield "| run | from | files | sampler evidence | sources | operation |"
    yield "|---|---|---:|---|---|---|"
    for run in found["runs"]:
        sources = ", ".join(run["sources"]) or "none"
        cells = (run["name"], run["origin"], str(len(run["files"])), run["sampler"], sources, run["operation"] or "-")
        yield f"| {' | '.join(cells)} |"
    yield ""
    yield "## Imported compare results"
    yield ""
    yield "| scenario | baseline | candidate | comparable | mode | deltas |"
    yield "|---|---|---|---|---|---|"
    for item in found["comparisons"]:
        deltas = "present" if item["deltas"] else "absent"
        cells = (item["label"], item["left"], item["right"], item["comparable"], item["mode"] or "-", deltas)
        yield f"| {' | '.join(cells)} |"
    yield ""
    yield "## Evidence integrity"
    yield ""
    for run in found["runs"]:
        yield f"- {run['name']}: {run['integrity']['word']}, {run['integrity']['detail']}"
    for title, lines in (("Notes", found["notes"]), ("Warnings", found["warnings"])):
        yield ""
        yield f"## {title}"
        yield ""
        yield from ([f"- {line}" for line in lines] or ["None."])


def _describe_run(root: Path, row: Json, metrics: Sequence[Json]) -> Json:
    folder = Path(row["path"]).parent if row["origin"] == EDGEENV else root / Path(row["path"]).parent
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    warnings = [] if metrics else ["no resource metrics"]
    sampler = _find_sampler(folder, warnings) if row["origin"] == EDGEENV else "the agent's records"
    fault = check_run(root, row)
    if fault:
        integrity = {"word": "refuted", "detail": fault}
    elif row["origin"] == EDGEENV:
        integrity = {"word": "asserted", "detail": "EdgeEnv keeps no samples, so nothing can be computed again"}
    else:
        integrity = {"word": "recomputed", "detail": f"every figure follows from {row['samples'] or 0} samples"}
    document: Json = read_optional_json(folder / "result.json") or {}
    summary: Json = document.get("runtime_operation_summary") or {}
    return {
        "name": row["id"],
        "origin": row["origin"],
        "files": files,
        "sampler": sampler,
        "sources": sorted({metric["source"] for metric in metrics}),
        "operation": summary.get("label") if isinstance(summary, dict) else None,
        "integrity": integrity,
        "warnings": warnings,
    }


def _find_sampler(folder: Path, warnings: list[str]) -> str:
    """Return which sampler evidence a run of EdgeEnv has; UserError where a file is missing that it must have."""
    for name in _REQUIRED:
        if not is_file(folder / name):
            raise UserError(f"{folder / name}: is missing; a run of EdgeEnv has it")
    if not (folder / "sampler").is_dir():
        warnings.append(_NO_SAMPLER)
        return "absent"
    artifacts: list[str] = read_sampler(folder)["raw_artifacts"]
    for name in artifacts:  # the schema leaves them below sampler/
        if not is_file(folder / name) or (folder / name).is_symlink():
            raise UserError(f"{folder / name}: is missing or a link, and sampler/metadata.json names it")
    if not artifacts:
        warnings.append("no raw log of the sampler")
        return "metadata only"
    return "metadata + raw log"


def _compare(root: Path, scenario: Scenario, rows: Mapping[str, Json], believed: Mapping[str, bool]) -> Json:
    sides = {"left": rows[scenario.left], "right": rows[scenario.right]}
    names = {side: row["id"] for side, row in sides.items()}
    if not all(believed[name] for name in names.values()):
        return {"label": scenario.label, **names, "comparable": "not judged", "mode": None, "deltas": None}
    read = read_two_runs(root, sides)
    policy = "edgeenv-v1" if any(side.edgeenv for side in read.values()) else "strict"
    found = compare_runs(read, policy, read_catalogue("policy", root / "config")[policy])
    kept = {name: found[name] for name in ("comparable", "mode", "deltas")}
    return {"label": scenario.label, **names, **kept}
