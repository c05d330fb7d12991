"""What makes what stale, as data: a row for every key of every configuration schema and for every file of code.

A row changes one thing in a campaign in which every key is set, and says which parts of which jobs' keys change, how
many jobs of each rule would run, and how many of those may measure. Nothing is run, and Snakemake is not asked.
"""

import copy
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from edgeproof.core.campaign import expand_campaign
from edgeproof.core.campaign_files import CampaignFiles
from edgeproof.core.catalogues import CATALOGUES, read_catalogue
from edgeproof.core.closure import (
    AGENT,
    ROOT,
    digest_agent_code,
    digest_converter,
    digest_script,
    digest_text,
    list_code,
    list_converter_code,
)
from edgeproof.core.configuration import Json
from edgeproof.core.documents import is_valid, load_schema, validate
from edgeproof.core.errors import UserError
from edgeproof.core.keys import list_differences
from edgeproof.core.pipelines import list_stage_models
from edgeproof.core.preset_builds import add_builds
from edgeproof.workflow.attempt_keys import list_amounts, list_raw_parts
from edgeproof.workflow.job_graph import MEASURING, Job, list_downstream, list_jobs
from edgeproof.workflow.phase_keys import PhaseKeys, list_phase_jobs
from edgeproof.workflow.workflow_reading import make_keys

from .changed_values import list_keys_set, propose_values, put

Documents = dict[str, dict[str, Json]]  # {kind of configuration: {name: document}}, the campaign among them
_NOT_CODE = (".j2", ".css")
_MADE_BEFORE = ("make_samples", "make_stage_samples", "solve_plan")


class Change(NamedTuple):
    """One row before it is judged: its name, and the documents after the change. None: no other value is allowed."""

    name: str
    documents: Documents | None


def build_matrix(campaign_file: Path) -> Json:
    """Return the staleness matrix, {row: what it changes}; see `describe_row`.

    `campaign_file`: documents that set every key.
    """
    documents = read_documents(campaign_file)
    before = list_all_jobs(documents)
    rows: Json = {}
    for change in list_changes(documents):
        after = None if change.documents is None else list_all_jobs(change.documents)
        rows[change.name] = "no other value is allowed" if after is None else describe_row(before, after)
    places = _find_values(before)
    for path, stale in _list_code_changes(before):
        rows[path] = _describe_code_row(before, stale, places)
    return rows


def read_documents(campaign_file: Path) -> Documents:
    """Return the configuration that rows of the staleness matrix change.

    It is the shipped one with a file's documents laid over it.
    """
    asked: Documents = yaml.safe_load(campaign_file.read_text())
    found: Documents = {kind: read_catalogue(kind) for kind in CATALOGUES} | {"campaign": {}}
    for kind, named in asked.items():
        for name, changes in named.items():
            base = found[kind].get(changes.get("base", ""), {})
            document = _lay_over(base, {key: value for key, value in changes.items() if key != "base"})
            found[kind][name] = validate(document, kind, f"{campaign_file}: {kind} {name}")
    return found


def list_all_jobs(documents: Documents) -> dict[str, Job]:
    """Return {document: Job} of the campaign over these documents, from which rows of the staleness matrix start.

    UserError where they do not fit together.
    """
    (config,) = documents["campaign"].values()
    catalogues = {kind: dict(documents[kind]) for kind in CATALOGUES}
    catalogues["model"] |= list_stage_models(catalogues["pipeline"])
    catalogues["preset"] = add_builds(catalogues["preset"])
    campaign = expand_campaign(config, catalogues)
    keys = make_keys(campaign, catalogues, lambda *packages: dict.fromkeys(packages, "1.0"))
    phases = PhaseKeys(CampaignFiles((), config, {}), keys)
    return list_jobs(keys, phases.plan.cells() if phases.plan else ()) | list_phase_jobs(phases)


def list_changes(documents: Documents) -> Iterator[Change]:
    """Yield the changes that are rows of the staleness matrix: one for every key of a schema that its campaign sets."""
    asked = [(kind, name) for kind in (*CATALOGUES, "campaign") for name in _list_used(documents, kind)]
    seen: set[tuple[str, str, str]] = set()
    for kind, name in asked:
        for path, pointer, node in list_keys_set(documents[kind][name], load_schema(kind)):
            key = (kind, pointer, ".".join(part for part in path if isinstance(part, str)))
            if key not in seen:
                seen.add(key)
                changed = _change(documents, kind, name, path, node)
                yield Change(f"{kind} {name}: {'.'.join(map(str, path))}", changed)


def list_runs(before: Mapping[str, Job], after: dict[str, Job]) -> list[str]:
    """Return, for a row of the staleness matrix, the documents whose jobs run after a change.

    They are new ones, those with changed keys or inputs, and what follows.
    """
    new = [path for path, job in after.items() if path not in before or _differs(before[path], job)]
    return list_downstream(after, new)


def describe_row(before: Mapping[str, Job], after: dict[str, Job]) -> Json:
    """Return what the change of a row of the staleness matrix does.

    `keys`: {rule: {part of the key: number of jobs}}. `runs`: {rule: jobs that run}. `measures`: {rule: jobs that may
    start a session}: what decides the raw data changed, more is asked for, or an artifact, the samples or a plan are
    made again.
    """
    keys: dict[str, Counter[str]] = {}
    for path, job in after.items():
        if path in before:
            for difference in list_differences(before[path].key, job.key):
                keys.setdefault(job.rule, Counter())[difference.part] += 1
    runs = list_runs(before, after)
    return _row({rule: dict(sorted(parts.items())) for rule, parts in sorted(keys.items())}, before, after, runs)


def _list_code_changes(jobs: Mapping[str, Job]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield (file of code, {digest that changes with it: how it comes in}) for every file below `scripts/`."""
    scripts = sorted(str(path) for path in ROOT.glob("*.py"))
    closures = {script: ({script, *list_code(script)}, digest_script(script)) for script in scripts}
    converters = {path.stem.removeprefix("to_"): path for path in (ROOT / "edgeproof/converters").glob("to_*.py")}
    for name in converters:
        closures[f"converter {name}"] = (set(list_converter_code(name)), digest_converter(name))
    agent = {str(path) for path in AGENT.rglob("*.py")}
    closures["agent"] = (agent, digest_agent_code())
    paths = {str(path) for path in ROOT.rglob("*") if path.suffix in (".py", *_NOT_CODE)}
    for path in sorted(paths):
        if path.endswith(_NOT_CODE):
            yield path, {digest_text(path): "text"}
        else:
            wording = path.endswith("_texts.py")
            yield path, {} if wording else {digest: name for name, (files, digest) in closures.items() if path in files}


def _find_values(jobs: Mapping[str, Job]) -> dict[str, list[tuple[str, str]]]:
    """Return {text: where it stands in keys, (path of the job, part)}."""
    places: dict[str, list[tuple[str, str]]] = {}
    for path, job in jobs.items():
        for part, value in _list_leaves(job.key):
            places.setdefault(value, []).append((path, part))
    return places


def _describe_code_row(
    jobs: dict[str, Job], stale: Mapping[str, str], places: Mapping[str, list[tuple[str, str]]]
) -> Json:
    """Return what an edit of a file does, as `describe_row`; `stale`: the digests that change with it; `places`: from
    `_find_values` of the jobs.
    """
    keys: dict[str, Counter[str]] = {}
    hit = [place for digest in stale for place in places.get(digest, ())]
    for path, part in sorted(hit):
        keys.setdefault(jobs[path].rule, Counter())[part] += 1
    touched = {path for path, _ in hit}
    changed = {path: job._replace(key=_replace_leaves(job.key, stale)) for path, job in jobs.items() if path in touched}
    after = {path: changed.get(path, job) for path, job in jobs.items()}
    named = {rule: dict(sorted(parts.items())) for rule, parts in sorted(keys.items())}
    return _row(named, jobs, after, list_downstream(after, changed))


def _row(keys: Json, before: Mapping[str, Job], after: dict[str, Job], runs: Iterable[str]) -> Json:
    listed = list(runs)
    measured = Counter(after[path].rule for path in listed if _may_measure(path, before, after, set(listed)))
    return {
        "keys": keys,
        "runs": dict(sorted(Counter(after[path].rule for path in listed).items())),
        "measures": dict(sorted(measured.items())),
    }


def _may_measure(path: str, before: Mapping[str, Job], after: Mapping[str, Job], runs: set[str]) -> bool:
    """Tell whether a job that runs may start a session: unless its raw data are the same, and it asks for no more."""
    job = after[path]
    if job.rule not in MEASURING:
        return False
    if path not in before or any(ask(before[path]) != ask(job) for ask in (list_raw_parts, list_amounts)):
        return True
    return any(read in runs and _is_measured(after[read]) for read in job.reads)


def _is_measured(job: Job) -> bool:
    return job.rule.startswith("build_") or job.rule in _MADE_BEFORE


def _differs(old: Job, new: Job) -> bool:
    return old.key != new.key or set(old.reads) != set(new.reads) or old.rule != new.rule


def _change(documents: Documents, kind: str, name: str, path: tuple[Any, ...], node: Json) -> Documents | None:
    """Return the documents with another value at `path`, the first that is allowed and changes no name."""
    names = [other for found in documents.values() for other in found]
    for value in propose_values(documents[kind][name], path, node, names):
        other = copy.copy(documents)
        other[kind] = documents[kind] | {name: put(documents[kind][name], path, value)}
        if not is_valid(other[kind][name], kind):
            continue
        try:
            list_all_jobs(other)
        except (UserError, KeyError, IndexError):
            continue
        return other
    return None


def _list_used(documents: Documents, kind: str) -> list[str]:
    """Return the documents of a kind that the campaign uses: those that its file has, last in the catalogue."""
    return [name for name in documents[kind] if name not in (read_catalogue(kind) if kind in CATALOGUES else ())]


def _lay_over(base: Json, changes: Json) -> Json:
    merged = copy.deepcopy(base)
    for key, value in changes.items():
        inner = merged.get(key)
        same = isinstance(inner, dict) and isinstance(value, dict) and inner.get("kind") == value.get("kind")
        merged[key] = _lay_over(inner or {}, value) if same else value
    return merged


def _list_leaves(value: Any, part: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _list_leaves(item, f"{part}.{key}" if part else key)
    elif isinstance(value, list):
        for item in value:
            yield from _list_leaves(item, part)
    elif isinstance(value, str):
        yield part, value


def _replace_leaves(value: Any, stale: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _replace_leaves(item, stale) for key, item in value.items()}
    if isinstance(value, list):
        return [_replace_leaves(item, stale) for item in value]
    return "changed" if isinstance(value, str) and value in stale else value


def render_matrix(rows: Json) -> str:
    """Return the staleness matrix as the file has it: a row a line, so that a difference of two files can be read."""
    lines = (f"{json.dumps(name)}: {json.dumps(row, sort_keys=True)}" for name, row in rows.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"
