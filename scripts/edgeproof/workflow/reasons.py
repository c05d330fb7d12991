"""Why a document would be made again: which parts of keys differ from today's, and what that costs."""

from collections.abc import Iterator
from pathlib import Path

from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.job_key import read_key
from edgeproof.core.keys import Difference, list_differences
from edgeproof.core.layout import comparison_folder, plan_folder, replay_folder, run_folder
from edgeproof.core.suggestions import suggest_words

from .attempt_keys import DeviceTime, find_device_time
from .job_graph import ON_DEVICE, Job, list_downstream, list_jobs, list_upstream
from .workflow_reading import Reading

_SHOWN = 12  # documents that are named; the rest are counted


def explain(reading: Reading, text: str) -> Json:
    """Return the reasons why a document is made again. `text`: its path, or the name of a cell, a comparison or a plan.

    {document, rule, status, differences, upstream: those that differ above it, runs: what would run, devices: what each
    measuring job among those needs, keyless: those that are there without a key}. `status`: `same`, `differs`,
    `follows` (only something above it differs), or `missing`: there is none, or it was changed since it was made.
    """
    jobs = list_jobs(reading.keys)
    document = find_document(reading, jobs, text)
    own = _compare(document, jobs[document])
    upstream = {path: _compare(path, jobs[path]) for path in list_upstream(jobs, document)}
    changed = {path: found for path, found in upstream.items() if found != []}
    runs = list_downstream(jobs, [*changed, *([document] if own != [] else [])])
    return {
        "document": document,
        "rule": jobs[document].rule,
        "status": "missing" if own is None else "differs" if own else "follows" if changed else "same",
        "differences": _as_json(own),
        "upstream": {path: _as_json(found) for path, found in changed.items()},
        "runs": runs,
        "keyless": [path for path in (document, *changed) if changed.get(path, own) is None and Path(path).is_file()],
        "devices": {
            path: _ask_store(path, jobs, runs, reading)._asdict() for path in runs if jobs[path].rule in ON_DEVICE
        },
    }


def render_reasons(reasons: Json) -> Iterator[str]:
    """Yield the lines of `runs why` for people: reasons, and what would run."""
    document = reasons["document"]
    if reasons["status"] == "same":
        yield f"{document}: made by today's configuration and code, and so is all that it follows from"
        return
    words = {
        "differs": "its key differs from today's",
        "follows": "its own key is today's, but not that of what it follows from",
        "missing": "nothing says what it was made from: it is missing, or was changed since",
    }
    yield f"{document}: {words[reasons['status']]}"
    yield from (f"  {_show(item)}" for item in reasons["differences"] or ())
    for path, found in reasons["upstream"].items():
        yield f"  above it, {path}{': missing, or changed since' if found is None else ''}"
        yield from (f"    {_show(item)}" for item in found or ())
    if keyless := reasons["keyless"]:
        yield f"Snakemake does not see that a key is missing; add to your command: --forcerun {' '.join(keyless)}"
    yield f"would run: {len(reasons['runs'])} jobs"
    yield from (f"  {path}" for path in reasons["runs"][:_SHOWN])
    if len(reasons["runs"]) > _SHOWN:
        yield f"  and {len(reasons['runs']) - _SHOWN} more (--json names them)"
    times = reasons["devices"]
    if not times:
        yield "device time: none; nothing that would run is measured"
    for status, said in (("needed", "needed for"), ("unknown", "not known yet for"), ("kept", "not needed for")):
        group = {path: item["why"] for path, item in times.items() if item["status"] == status}
        for path, why in list(group.items())[:_SHOWN]:
            yield f"device time: {said} {path}: {why}"
        if len(group) > _SHOWN:
            yield f"device time: {said} {len(group) - _SHOWN} more"


def find_document(reading: Reading, jobs: dict[str, Job], text: str) -> str:
    """Return the document whose reasons to be made again are asked for, by path or name; UserError without one."""
    named = list_names(reading)
    if text in named:
        return named[text]
    path = Path(text)
    parts = path.parts
    inside = str(Path(*parts[parts.index("results") :])) if "results" in parts else text
    if inside in jobs:
        return inside
    beside = [document for document in jobs if str(Path(document).parent) == str(Path(inside).parent)]
    if beside and path.suffix:  # samples.csv, pairs.csv, an artifact: made by the job of a document beside it
        return beside[-1] if len(beside) == 1 else _choose(Path(inside).name, beside)
    known = [*named, *jobs]
    raise UserError(
        f"{text}: no job of the campaign {reading.campaign.name} makes it{suggest_words(text, known)}"
        " (name the campaign's files with --configfile)"
    )


def list_names(reading: Reading) -> dict[str, str]:
    """Return {name: document} of what `why` can give reasons for: cells, comparisons, plans and replays of a
    campaign.
    """
    campaign = reading.campaign
    cells = {str(cell): f"{run_folder(cell)}/result.json" for cell in campaign.cells}
    folders = {name: comparison_folder(campaign.name, name) for name in campaign.comparisons}
    plans = {f"{a}/{b}": f"{plan_folder(a, b)}/check.json" for a, b in reading.keys.targets.list_plans()}
    replays = {"/".join(row): f"{replay_folder(*row)}/summary.json" for row in reading.keys.targets.list_replays()}
    plans |= replays
    return cells | {name: f"{folder}/decision.json" for name, folder in folders.items()} | plans


def _choose(name: str, beside: list[str]) -> str:
    """Return the document whose job makes another file of its folder."""
    makers = {"pairs.csv": "pairs.json", "report.md": "report.json", "reference.npz": "parity.json"}
    makers |= {"samples.csv": "check.json"} if any(path.endswith("check.json") for path in beside) else {}
    makers |= {"decisions.jsonl": "summary.json"}
    makers |= {"plan.txt": "plan.json", "plan.csv": "plan.json", "pareto.csv": "plan.json"}
    wanted = makers.get(name, "manifest.json" if name.startswith("artifact.") else "")
    for document in beside:
        if Path(document).name == wanted:
            return document
    raise UserError(f"{name}: name one of {', '.join(Path(document).name for document in beside)}")


def _compare(document: str, job: Job) -> list[Difference] | None:
    made = read_key(document)
    return None if made is None else list_differences(made, job.key)


def _ask_store(document: str, jobs: dict[str, Job], runs: list[str], reading: Reading) -> DeviceTime:
    """Return what a measuring job needs; not known where something that it measures would itself be made again."""
    built = [path for path in list_upstream(jobs, document) if path in runs and _is_measured(jobs[path])]
    if built:
        return DeviceTime("unknown", f"{built[0]} is made first; equal bytes need no measurement")
    return find_device_time(document, jobs[document], reading.keys)


def _is_measured(job: Job) -> bool:
    return job.rule.startswith("build_") or job.rule in ("make_samples", "make_stage_samples")


def _as_json(found: list[Difference] | None) -> list[Json] | None:
    return None if found is None else [{"part": item.part, "old": item.old, "new": item.new} for item in found]


def _show(item: Json) -> str:
    return str(Difference(item["part"], item["old"], item["new"]))
