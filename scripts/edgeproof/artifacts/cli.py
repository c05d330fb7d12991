"""`edgeproof artifacts`: what can be built, what was built, whether it still holds, and what can be compared."""

import argparse
import json
from pathlib import Path

from edgeproof.artifacts.records.forge import read_foreign, summarise_forge, validate_foreign
from edgeproof.artifacts.records.manifest_lookup import check_name, find_manifests, read_entry, read_parity, root_of
from edgeproof.artifacts.records.manifests import read_manifest, verify_manifest
from edgeproof.artifacts.records.runtime_summary import summarise_artifact
from edgeproof.artifacts.records.validation import has_faults, validate_manifest
from edgeproof.core.campaign import read_catalogue
from edgeproof.core.documents import validate, write_json
from edgeproof.core.errors import UserError
from edgeproof.core.layout import REPOSITORY, artifact_folder, source_folder

from . import candidates, verb_output
from .dry_run import plan_build


def main(argv, read_result, root=REPOSITORY):
    """Run one verb; return 0, or 1 for a verdict that is not good. UserError for mistakes (exit 2).

    `read_result`: reads a result.json of the runs room and checks it against its raw data. `root`: the folder that has
    `config/` and `results/`.
    """
    options = _parse(argv)
    return options.run(options, Path(root), read_result)


def list_presets(options, root, _):
    presets = read_catalogue("preset", root / "config")
    return _show(options, presets, lambda: verb_output.show_presets(presets))


def show_preset(options, root, _):
    return _print_json(read_entry("preset", options.name, root))


def plan(options, root, _):
    return _print_json(plan_build(root, options.model, options.preset, options.precision, options.device))


def list_artifacts(options, root, _):
    """A manifest that cannot be read is a line of its own and stops nothing."""
    candidates.check_model(root, options.model)
    found = sorted((root / "results" / "artifacts").glob("*/*/*/*/manifest.json"))
    entries = [_describe(path) for path in found if options.model in (None, path.parts[-5])]
    keys = ("artifact", "status", "bytes", "sha256", "share", "parity")
    return _show(
        options, entries, lambda: verb_output.show_list([tuple(item[key] for key in keys) for item in entries])
    )


def inspect(options, root, read_result):
    path = Path(options.manifest)
    if (foreign := read_foreign(path)) is not None:
        return _print_json(
            {"file": str(path), "document": foreign, "checks": _as_json(validate_foreign(path, foreign))}
        )
    manifest, beside = read_manifest(path), path.with_name("parity.json")
    parity = read_parity(beside) if beside.is_file() else None
    build = candidates.read_build(root_of(path), path, read_result)
    if build.problem:
        action = "edgeproof artifacts validate names what differs" if manifest["status"] == "ok" else "change the model"
    elif build.ready:
        action = f"edgeproof artifacts compare-command --left {build.ready[0].cell}"
    else:
        action = candidates.suggest_run(build)
    document = {"manifest": manifest, "parity": parity, "build": candidates.describe_build(build), "next": action}
    return _show(options, document, lambda: verb_output.show_manifest(manifest, parity, build, action))


def validate_records(options, root, _):
    paths = find_manifests(_target(options.target, root))
    checked = [(path, _validate(path, options.lenient)) for path in paths]
    document = [{"manifest": str(path), "checks": _as_json(checks)} for path, checks in checked]
    _show(options, document, lambda: verb_output.show_checks(checked, options.verbose))
    return int(any(has_faults(checks) for _, checks in checked))


def rebuild(options, root, _):
    from edgeproof.artifacts.records.rebuilding import rebuild_artifact

    paths = find_manifests(_target(options.target, root))
    if len(paths) == 1:
        record = rebuild_artifact(paths[0], options.output)
        _show(options, record, lambda: verb_output.show_rebuild(record))
        return int(record["verdict"] == "different")
    if options.output:
        raise UserError(f"--output holds one rebuild, and {options.target} has {len(paths)} manifests")
    outcomes = [_try_rebuild(rebuild_artifact, path) for path in paths]
    _show(options, outcomes, lambda: [line for outcome in outcomes for line in verb_output.show_outcome(outcome)])
    verdicts = {outcome["verdict"] for outcome in outcomes}
    return 2 if "refused" in verdicts else int("different" in verdicts)


def summarise(options, root, _):
    path = Path(options.manifest)
    foreign = read_foreign(path)
    summary = summarise_artifact(path) if foreign is None else summarise_forge(path, foreign)
    return _write(options.output, validate(summary, "runtime-summary", path), "runtime-summary")


def list_candidates(options, root, read_result):
    builds = candidates.collect_builds(root, read_result, candidates.check_model(root, options.model))
    groups = candidates.describe_groups(builds)
    problems = [candidates.describe_build(build) for build in builds if build.problem]
    return _show(options, {"sources": groups, "problems": problems}, lambda: verb_output.show_groups(groups, problems))


def suggest_comparison(options, root, read_result):
    builds = candidates.collect_builds(root, read_result, candidates.check_model(root, options.model))
    left, right = candidates.choose_pair(builds, options.left, options.right)
    lines, command = candidates.describe_comparison(root, left, right)
    document = {"left": left._asdict(), "right": right._asdict(), "config": lines, "command": command}
    text = ["# in config/config.yaml:", *lines] if lines else ["# config/config.yaml has this comparison"]
    return _show(options, document, lambda: [*text, command])


def explain(options, root, _):
    from edgeproof.artifacts.agreement.profiling import explain_speed

    preset = read_entry("preset", options.preset, root)
    check_name("model", options.model, root)
    if options.precision not in preset["precisions"]:
        raise UserError(f"preset {options.preset!r} does not build {options.precision!r}")
    if preset["backend"] != "onnxruntime":
        raise UserError(
            f"preset {options.preset!r} runs in {preset['backend']}; ONNX Runtime alone says what operators take"
        )
    if options.device is not None:
        check_name("device", options.device, root)
    builder = "host" if preset["built"] == "host" else options.device
    if builder is None:
        raise UserError(f"preset {options.preset!r} builds on the device; name one with --device")
    folder = root / artifact_folder(options.model, options.preset, builder, options.precision)
    if not (folder / "manifest.json").is_file():
        wanted = (folder / "manifest.json").relative_to(root)
        raise UserError(f"{wanted}: is not built; next: snakemake --profile local {wanted}")
    source = root / source_folder(options.model)
    manifest = verify_manifest(folder / "manifest.json", source=source / "model.onnx")
    if manifest["status"] != "ok":
        raise UserError(f"{folder}: the build failed ({manifest['reason']['message']}); there is nothing to profile")
    artifact, inputs = folder / manifest["artifact"]["file"], source / "samples" / "evaluation.npz"
    document = explain_speed(manifest["cell"], source / "model.onnx", artifact, preset["runtime"], inputs, options.runs)
    if options.output:
        return _write(options.output, document, "operators")
    return _show(options, validate(document, "operators", "the profile"), lambda: verb_output.show_operators(document))


def _target(text, root):
    return root / "results" / "artifacts" if text == "all" else Path(text)


def _try_rebuild(rebuild_artifact, path):
    """Return the record of a rebuild, or why it was refused: of many, one that cannot be rebuilt stops no other."""
    try:
        return rebuild_artifact(path)
    except UserError as error:
        return {"manifest": str(path), "verdict": "refused", "reason": " ".join(str(error).split())}


def _validate(path, lenient):
    try:
        foreign = read_foreign(path)
    except UserError:
        foreign = None  # no JSON: the checks say so
    return validate_manifest(path, lenient) if foreign is None else validate_foreign(path, foreign)


def _describe(path):
    """Return one artifact of the list; what cannot be read says so in place of its status."""
    place = "/".join(path.parts[-5:-1])
    try:
        manifest, beside = read_manifest(path), path.with_name("parity.json")
        parity = read_parity(beside)["status"] if beside.is_file() else "not yet"
    except UserError as error:
        status = f"unreadable: {' '.join(str(error).split()).removeprefix(f'{path}: ')}"
        return {"artifact": place, "status": status, "bytes": "", "sha256": "", "share": "", "parity": ""}
    share = manifest["precision"] and manifest["precision"]["share"]
    return {
        "artifact": place,
        "status": manifest["status"],
        "bytes": manifest["artifact"]["bytes"],
        "sha256": (manifest["artifact"]["sha256"] or "none")[:12],
        "share": "" if share is None else f"{share:.1%}",
        "parity": parity,
    }


def _as_json(checks):
    return [vars(check) for check in checks]


def _show(options, document, lines):
    """Print the document with --json, else the lines for people; return 0."""
    if options.json:
        return _print_json(document)
    print("\n".join(lines()))
    return 0


def _print_json(document):
    print(json.dumps(document, indent=2, ensure_ascii=False))
    return 0


def _write(output, document, kind):
    if output is None:
        return _print_json(document)
    write_json(output, document, kind)
    print(f"wrote {output}")
    return 0


def _parse(argv):
    parser = argparse.ArgumentParser(prog="edgeproof artifacts", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    def add(name, run, text, as_json=True):
        verb = verbs.add_parser(name, help=text, description=text)
        verb.set_defaults(run=run)
        if as_json:
            verb.add_argument("--json", action="store_true", help="print JSON")
        return verb

    def add_cell(verb):
        verb.add_argument("model", help="a name in config/models/")
        verb.add_argument("preset", help="a name in config/presets/")
        verb.add_argument("precision", help="fp32, fp16, int8, int8-dynamic or int8-weights, as the preset offers")
        verb.add_argument("--device", help="a name in config/devices/, for a preset that builds on the device")

    add("presets", list_presets, "what can be built")
    verb = add("preset", show_preset, "one preset as JSON", as_json=False)
    verb.add_argument("name", help="a name in config/presets/")
    add_cell(add("plan", plan, "dry run as JSON: paths, digests, operators; nothing is created", as_json=False))
    verb = add("list", list_artifacts, "what was built")
    verb.add_argument("--model", help="of this model only")
    verb = add("inspect", inspect, "what a manifest says, with its parity, its results and the next step")
    verb.add_argument("manifest", help="manifest.json, InferEdgeForge's too")
    verb = add("validate", validate_records, "hash every file again that manifests name; exit 1 if something differs")
    verb.add_argument("target", help="a manifest.json (InferEdgeForge's too), a folder of them, or `all`")
    verb.add_argument("--lenient", action="store_true", help="presets and locks may change in what decided no build")
    verb.add_argument("--verbose", action="store_true", help="also what holds")
    verb = add("rebuild", rebuild, "build again from a manifest and compare; exit 1 if the result is different")
    verb.add_argument("target", help="a manifest.json, a folder of them, or `all`")
    verb.add_argument("--output", help="an empty or new folder (default: the next one in results/rebuilds/)")
    verb = add("summary", summarise, "runtime-summary.json: the fifteen fields that a worker needs", as_json=False)
    verb.add_argument("manifest", help="manifest.json, InferEdgeForge's too")
    verb.add_argument("--output", help="file to write (default: print)")
    verb = add("candidates", list_candidates, "builds by the digest of their source: ready, pending, next step")
    verb.add_argument("--model", help="of this model only")
    verb = add("compare-command", suggest_comparison, "configuration and command that compare two builds of one source")
    verb.add_argument("--model", help="of this model only")
    verb.add_argument("--left", metavar="MODEL/PRESET/DEVICE/PRECISION", help="what is compared with")
    verb.add_argument("--right", metavar="MODEL/PRESET/DEVICE/PRECISION", help="what is compared")
    verb = add("explain", explain, "where an artifact spends its time, operator by operator, against its source")
    add_cell(verb)
    verb.add_argument("--runs", type=_positive, default=50, help="timed runs per arm (default: %(default)s)")
    verb.add_argument("--output", help="operators.json to write (default: print)")
    return parser.parse_args(argv)


def _positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} must be positive")
    return value
