"""What the verbs of `edgeproof artifacts` do: each reads, prints for people or as JSON, and returns an exit code."""

import json
from argparse import Namespace
from collections.abc import Callable, Iterable
from pathlib import Path

from edgeproof.artifacts.records.agent_manifests import create_agent_manifest
from edgeproof.artifacts.records.forge import (
    find_imported_build,
    read_forge_record,
    summarise_forge,
    validate_forge_record,
)
from edgeproof.artifacts.records.manifest_places import find_manifest_root
from edgeproof.artifacts.records.manifests import flag_random_ranges, read_manifest, verify_manifest
from edgeproof.artifacts.records.parity_records import describe_limit, describe_parity, read_parity_record
from edgeproof.artifacts.records.run_summary import summarise_run
from edgeproof.artifacts.records.runtime_summary import summarise_artifact
from edgeproof.artifacts.records.validation import Check, has_faults, validate_manifest
from edgeproof.core.catalogues import read_catalogue, read_catalogue_entry, require_in_catalogue
from edgeproof.core.command_line import show
from edgeproof.core.configuration import Json
from edgeproof.core.documents import validate, write_json
from edgeproof.core.errors import UserError
from edgeproof.core.exit_codes import ExitCode
from edgeproof.core.files import atomic_write
from edgeproof.core.layout import run_folder, source_folder

from . import comparable_builds, verb_output
from .artifact_names import MANIFEST, find_manifest, find_named_manifests, parse_name, split_name
from .comparable_builds import ResultReader
from .searching import search


def show_presets(options: Namespace, root: Path, _: ResultReader) -> ExitCode:
    """Do `edgeproof artifacts presets`: list all presets, or show the one that is named."""
    if options.preset is not None:
        preset = read_catalogue_entry("preset", options.preset, root)
        return show(options, preset, lambda: verb_output.show_document(preset))
    presets = read_catalogue("preset", root / "config")
    return show(options, presets, lambda: verb_output.show_presets(presets))


def plan_build(options: Namespace, root: Path, _: ResultReader) -> ExitCode:
    """Do `edgeproof artifacts dry-run`: show the dry run of a build; nothing is created."""
    from . import dry_run  # brings onnx and ONNX Runtime, which other verbs do without

    name = parse_name(options.artifact, root)
    device = None if name.builder == "host" else name.builder
    document = dry_run.plan_build(root, name.model, name.preset, name.precision, device)
    return show(options, document, lambda: verb_output.show_dry_run(document))


def list_artifacts(options: Namespace, root: Path, _: ResultReader) -> ExitCode:
    """Do `edgeproof artifacts list`: list what was built.

    A manifest that cannot be read is a line of its own and stops nothing.
    """
    _check_model(root, options.model)
    found = sorted((root / "results" / "artifacts").glob(f"*/*/*/*/{MANIFEST}"))
    entries = [_describe(path) for path in found if options.model in (None, path.parts[-5])]
    return show(options, entries, lambda: verb_output.show_list(entries))


def inspect(options: Namespace, root: Path, read_result: ResultReader) -> ExitCode:
    """Do `edgeproof artifacts inspect`: show one manifest, edgeproof's or InferEdgeForge's, and what is around it."""
    path = find_manifest(options.artifact, root)
    if (foreign := read_forge_record(path)) is not None:
        checks = validate_forge_record(path, foreign)
        document = {"file": str(path), "document": foreign, "checks": _as_json(checks)}
        return show(
            options, document, lambda: [*verb_output.show_document(foreign), *verb_output.show_checks([(path, checks)])]
        )
    manifest, beside = read_manifest(path), path.with_name("parity.json")
    parity = read_parity_record(beside) if beside.is_file() else None
    build = comparable_builds.read_build(find_manifest_root(path), path, read_result)
    if build.problem:
        action = f"edgeproof artifacts validate {path}" if manifest["status"] == "ok" else "change the model"
    elif parity and parity["status"] == "failed":
        action = _suggest_for_wrong_outputs(parity)
    elif build.ready:
        action = f"edgeproof artifacts compare-command --left {build.ready[0].cell}"
    else:
        action = comparable_builds.suggest_run(build)
    document = {
        "manifest": manifest,
        "parity": parity,
        "build": comparable_builds.describe_build(build),
        "next": action,
    }
    return show(options, document, lambda: verb_output.show_manifest(manifest, parity, build, action))


def _suggest_for_wrong_outputs(parity: Json) -> str:
    """Return what to do about an artifact that computes something else than its source."""
    cell = parity["cell"]
    if parity["task"] != "none" and cell["precision"].startswith("int8"):
        return f"edgeproof artifacts search {cell['model']} {cell['preset']}"
    return f"change how preset {cell['preset']} builds {cell['precision']}, or what the missed limit allows"


def _validate_records(options: Namespace, root: Path, _: ResultReader) -> ExitCode:
    """Hash the files of one or many manifests again; NOT_GOOD if something differs or is missing."""
    paths = find_named_manifests(options.target, root)
    checked = [(path, _validate(path, options.lenient)) for path in paths]
    document = [{"manifest": str(path), "checks": _as_json(checks)} for path, checks in checked]
    show(options, document, lambda: verb_output.show_checks(checked, options.verbose))
    return ExitCode.NOT_GOOD if any(has_faults(checks) for _, checks in checked) else ExitCode.GOOD


def rebuild(options: Namespace, root: Path, _: ResultReader) -> ExitCode:
    """Do `edgeproof artifacts rebuild`: rebuild one or many artifacts.

    NOT_GOOD for a different result, MISTAKE if one was refused.
    """
    from edgeproof.artifacts.records.rebuilding import explain_no_rebuild, rebuild_artifact  # other verbs do without

    paths = find_named_manifests(options.target, root)
    if len(paths) == 1:
        if told := explain_no_rebuild(paths[0]):
            raise UserError(told)
        record = rebuild_artifact(paths[0], options.output)
        show(options, record, lambda: verb_output.show_rebuild(record))
        return ExitCode.NOT_GOOD if record["verdict"] == "different" else ExitCode.GOOD
    if options.output:
        raise UserError(f"--output holds one rebuild, and {options.target} has {len(paths)} manifests")
    outcomes = [_try_rebuild(path) for path in paths]
    show(options, outcomes, lambda: [line for outcome in outcomes for line in verb_output.show_outcome(outcome)])
    verdicts = {outcome["verdict"] for outcome in outcomes}
    if "refused" in verdicts:
        return ExitCode.MISTAKE
    return ExitCode.NOT_GOOD if "different" in verdicts else ExitCode.GOOD


def _summarise(options: Namespace, root: Path, _: ResultReader) -> ExitCode:
    """Show or write the summary that a worker needs."""
    path = find_manifest(options.artifact, root)
    foreign = read_forge_record(path)
    summary = summarise_artifact(path) if foreign is None else summarise_forge(path, foreign)
    validate(summary, "runtime-summary", path)
    if options.output:
        return _write(options, summary, "runtime-summary")
    return show(options, summary, lambda: verb_output.show_document(summary))


def _summarise_run(options: Namespace, root: Path, read_result: ResultReader) -> ExitCode:
    """Show or write Forge's run summary of an artifact, from its newest run that counts."""
    path = find_manifest(options.artifact, root)
    if read_forge_record(path) is not None:
        path = find_imported_build(path, sorted((root / "results" / "artifacts").glob(f"*/*/*/*/{MANIFEST}")))
    build = comparable_builds.read_build(find_manifest_root(path), path, read_result)
    if not build.ready:
        told = build.problem or "; ".join(f"{item.cell}: {item.state}: {item.why}" for item in build.measurements)
        raise UserError(f"{build}: no run of it counts ({told or 'not measured'}); measure it with: "
                        f"{comparable_builds.suggest_run(build)}")  # fmt: skip
    cell = build.ready[0].cell
    result = read_result(find_manifest_root(path) / run_folder(cell) / "result.json")
    document = summarise_run(path, cell, result, options.output)
    if options.output:
        atomic_write(options.output, json.dumps(document, indent=2, ensure_ascii=False) + "\n")
        return show(options, {"output": options.output}, lambda: [f"wrote {options.output}"])
    return show(options, document, lambda: verb_output.show_document(document))


def _describe_agent(options: Namespace, root: Path, _: ResultReader) -> ExitCode:
    """Show or write the agent manifest of an artifact."""
    document = create_agent_manifest(find_manifest(options.artifact, root), vars(options))
    if options.output:
        atomic_write(options.output, json.dumps(document, indent=2, ensure_ascii=False) + "\n")
        return show(options, {"output": options.output}, lambda: [f"wrote {options.output}"])
    return show(options, document, lambda: verb_output.show_document(document))


def _list_candidates(options: Namespace, root: Path, read_result: ResultReader) -> ExitCode:
    """List the builds of every source, and which can be compared."""
    builds = comparable_builds.collect_builds(root, read_result, _check_model(root, options.model))
    groups = comparable_builds.describe_groups(builds)
    problems = [comparable_builds.describe_build(build) for build in builds if build.problem]
    document = {"sources": groups, "problems": problems}
    return show(options, document, lambda: verb_output.show_groups(groups, problems))


def _suggest_comparison(options: Namespace, root: Path, read_result: ResultReader) -> ExitCode:
    """Print what the configuration needs for a comparison, and the command that makes it."""
    builds = comparable_builds.collect_builds(root, read_result, _check_model(root, options.model))
    left, right = comparable_builds.choose_comparable_pair(builds, options.left, options.right)
    lines, command = comparable_builds.describe_new_comparison(root, left, right)
    document = {"left": left._asdict(), "right": right._asdict(), "config": lines, "command": command}
    text = ["# in config/config.yaml:", *lines] if lines else ["# config/config.yaml has this comparison"]
    return show(options, document, lambda: [*text, command])


def explain(options: Namespace, root: Path, _: ResultReader) -> ExitCode:
    """Do `edgeproof artifacts explain`: profile an artifact and its source, and show where the time goes."""
    if len(split_name(options.artifact)) == 4:
        parse_name(options.artifact, root)  # a wrong name is a mistake in the name, not a missing file
    path = find_manifest(options.artifact, root)
    cell = read_manifest(path)["cell"]
    preset, root = read_catalogue_entry("preset", cell["preset"], root), find_manifest_root(path)
    if preset["backend"] != "onnxruntime":
        raise UserError(
            f"preset {cell['preset']!r} runs in {preset['backend']}; only ONNX Runtime says how long operators take"
        )
    source = root / source_folder(cell["model"])
    manifest = verify_manifest(path, source=source / "model.onnx")
    if manifest["status"] != "ok":
        raise UserError(f"{path}: the build failed ({manifest['reason']['message']}); there is nothing to profile")
    from edgeproof.artifacts.agreement.profiling import explain_speed  # brings ONNX Runtime

    artifact, inputs = path.with_name(manifest["artifact"]["file"]), source / "samples" / "evaluation.npz"
    document = explain_speed(cell, source / "model.onnx", artifact, preset["runtime"], inputs, options.runs)
    validate(document, "operators", "the profile")
    if options.output:
        return _write(options, document, "operators")
    return show(options, document, lambda: verb_output.show_operators(document))


RUN: dict[str, Callable[[Namespace, Path, ResultReader], ExitCode]] = {
    "presets": show_presets,
    "dry-run": plan_build,
    "list": list_artifacts,
    "inspect": inspect,
    "validate": _validate_records,
    "rebuild": rebuild,
    "summary": _summarise,
    "run-summary": _summarise_run,
    "agent-manifest": _describe_agent,
    "candidates": _list_candidates,
    "compare-command": _suggest_comparison,
    "search": search,
    "explain": explain,
}


def _try_rebuild(path: Path) -> Json:
    """Return the record of a rebuild, or why it was refused: one refusal among many stops no other rebuild.

    A supplied artifact is no mistake among many: nobody has built it, and its line says so.
    """
    from edgeproof.artifacts.records.rebuilding import NothingToRepeat, rebuild_artifact

    try:
        return rebuild_artifact(path)
    except NothingToRepeat as error:
        return {"manifest": str(path), "verdict": "supplied", "reason": " ".join(str(error).split())}
    except UserError as error:
        return {"manifest": str(path), "verdict": "refused", "reason": " ".join(str(error).split())}


def _validate(path: Path, lenient: bool) -> list[Check]:
    try:
        foreign = read_forge_record(path)
    except UserError:
        foreign = None  # not JSON: the checks say so
    return validate_manifest(path, lenient) if foreign is None else validate_forge_record(path, foreign)


def _describe(path: Path) -> Json:
    """Return one artifact of the list; one that cannot be read says so in place of its status."""
    place = "/".join(path.parts[-5:-1])
    try:
        manifest, beside = read_manifest(path), path.with_name("parity.json")
        parity = read_parity_record(beside) if beside.is_file() else None
    except UserError as error:
        problem = " ".join(str(error).split()).removeprefix(f"{path}: ")
        unknown = dict.fromkeys(("bytes", "sha256", "share", "parity", "limits", "calibration"))
        return {"artifact": place, "status": "unreadable", **unknown, "problem": problem}
    share = manifest["precision"] and manifest["precision"]["share"]
    return {
        "artifact": place,
        "status": manifest["status"],
        "bytes": manifest["artifact"]["bytes"],
        "sha256": manifest["artifact"]["sha256"],
        "share": share,
        "parity": describe_parity(parity) if parity else "not yet",
        "limits": [describe_limit(line) for line in parity["thresholds"]] if parity else [],
        "calibration": flag_random_ranges(manifest),
        "problem": None,
    }


def _as_json(checks: Iterable[Check]) -> list[Json]:
    return [vars(check) for check in checks]


def _write(options: Namespace, document: Json, kind: str) -> ExitCode:
    write_json(options.output, document, kind)
    return show(options, {"output": options.output}, lambda: [f"wrote {options.output}"])


def _check_model(root: Path, model: str | None) -> str | None:
    """Return `model` if it is None or a model of the configuration; else UserError."""
    return None if model is None else require_in_catalogue("model", model, root)
