"""Building an artifact again from its manifest, and comparing the two: identical, equivalent or different.

The command of the manifest is run again with the preset as it was then (the snapshot, not today's file), and with all
outputs in a new folder. The first build is read and never written.

A manifest may come from somebody else, who must not decide what runs here or what is written. So only the script and
the names of its options are taken from the command. Data are read from where the manifest and the layout say;
toolchains and the options of devices are this repository's, and a SavedModel is made again from the source.
"""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from edgeproof.core.catalogues import NAME, read_catalogue_entry
from edgeproof.core.clock import now
from edgeproof.core.configuration import Json
from edgeproof.core.documents import write_json
from edgeproof.core.errors import UserError
from edgeproof.core.files import atomic_write, is_file, sha256_file
from edgeproof.core.layout import REPOSITORY, locate, toolchain_record
from edgeproof.core.processes import child_environment

from .artifact_differences import MOST_NAMED, Difference, list_artifact_differences
from .forge import read_forge_record
from .manifest_places import find_manifest_root
from .manifests import read_manifest, verify_manifest

_BUILD_SCRIPT = re.compile(r"scripts/build_[a-z0-9_]+\.py")
_SAVED_MODEL_SCRIPT = "scripts/build_saved_model.py"
_OUTPUT_OPTIONS = ("artifact", "manifest", "log")
_DEVICE_OPTIONS = {
    "board": "board_contains",
    "interpreter": "interpreter",
    "lock": "lock",
}  # options, and the keys of a device that give their values


class NothingToRepeat(UserError):
    """An artifact that was supplied, so that there is no build to repeat."""


def rebuild_artifact(manifest_path: str | Path, output: str | Path | None = None) -> Json:
    """Rebuild what a manifest describes; return the record (`edgeproof.rebuild.v1`), which is in the new folder.

    `output`: a new or empty folder; by default the next number in `results/rebuilds/{cell}/`. NothingToRepeat for a
    supplied artifact; UserError if the source, the calibration set or another input has changed, if the artifact itself
    was changed, if the folder is not empty, or if the build ends without a verdict.
    """
    begin = time.monotonic()
    built, root = verify_manifest(manifest_path), find_manifest_root(manifest_path)
    if supplied := built.get("supplied"):
        made = supplied.get("record")
        whose = f", InferEdgeForge's build {made['build_id']} by its preset {made['preset']}" if made else ""
        raise NothingToRepeat(
            f"{manifest_path}: the artifact was supplied ({supplied['file']}{whose}); there is no build to repeat"
        )
    for what, recorded in _list_inputs(built):
        _require_unchanged(what, root / recorded["file"], recorded["sha256"])
    script, options = read_command(built["command"], manifest_path)
    options = choose_values(options, built, root, manifest_path)
    folder = claim_folder(output, root, built["cell"])
    options |= {name: str(folder / options[name]) for name in _OUTPUT_OPTIONS if name in options}
    if "saved-model" in options:
        options["saved-model"] = _make_saved_model(options, folder, manifest_path)
    command = [str(REPOSITORY / script), *(part for pair in options.items() for part in (f"--{pair[0]}", pair[1]))]
    _run_build([sys.executable, *command], folder / "build.log")
    again = read_manifest(folder / "manifest.json")
    verdict, differences = _judge_rebuild(built, again, Path(manifest_path).parent, folder)
    record = {
        "schema": "edgeproof.rebuild.v1",
        "cell": built["cell"],
        "verdict": verdict,
        "first": {"manifest": locate(manifest_path), **_describe_build(built, manifest_path)},
        "second": {"manifest": locate(folder / "manifest.json"), **_describe_build(again, folder / "manifest.json")},
        "differences": [vars(item) for item in differences[:MOST_NAMED]],
        "differences_count": len(differences),
        "environment": compare_environments(built, again),
        "command": [script, *map(_locate_argument, command[1:])],
        "duration_s": round(time.monotonic() - begin, 3),
        "rebuilt_at": now(),
    }
    write_json(folder / "rebuild.json", record, "rebuild")
    return record


def explain_no_rebuild(path: str | Path) -> str | None:
    """Return why no rebuild is possible from the Forge manifest at `path`, and how to build its source here.

    None for a manifest of ours.
    """
    document = read_forge_record(path)
    if document is None:
        return None
    build, tool = (document.get(name) if isinstance(document.get(name), dict) else {} for name in ("build", "tool"))
    snapshot = document.get("preset_snapshot")
    options = snapshot.get("build_options") if isinstance(snapshot, dict) else None
    made = f"InferEdgeForge {(tool or {}).get('inferedgeforge_version', 'of an unknown version')}"
    return (
        f"{path}: is the build {(build or {}).get('build_id')} of {made}, by its preset "
        f"{(build or {}).get('preset_name')} with {options or 'options that it did not keep'}. Its manifest has no "
        "command, builder version or driver, so it cannot be repeated; a build of its source with a preset of ours "
        f"can: edgeproof new forge-build {Path(path).parent}, then take `supplied` out of the model's YAML"
    )


def read_command(command: list[str], where: str | Path) -> tuple[str, dict[str, str]]:
    """Return what to run for a rebuild, from a recorded command: (script, `{option: value}`).

    UserError unless it is one of our build scripts.
    """
    script, arguments = command[0], command[1:]
    pairs = list(zip(arguments[::2], arguments[1::2], strict=False))
    if not _BUILD_SCRIPT.fullmatch(script) or not (REPOSITORY / script).is_file():
        raise UserError(f"{where}: command starts with {script!r}; only scripts/build_….py is run again")
    if len(arguments) % 2 or any(not name.startswith("--") for name, _ in pairs):
        raise UserError(f"{where}: command is not a list of options with one value each")
    return script, {name.removeprefix("--"): value for name, value in pairs}


def choose_values(options: dict[str, str], built: Json, root: Path, where: str | Path) -> dict[str, str]:
    """Return the options of the rebuild, with outputs as names of files in its folder.

    `options`: of the first build. UserError for an option that no build has, a toolchain that is missing, or a device
    that is not configured.
    """
    cell, source = built["cell"], root / built["source"]["file"]
    known = {
        "cell": json.dumps(cell, sort_keys=True),
        "preset": json.dumps(built["preset"], sort_keys=True),
        "precision": cell["precision"],
        "source": str(source),
        "identity": str(source.with_name("identity.json")),
        "saved-model": "saved_model.json",
        "artifact": built["artifact"]["file"],
        "manifest": "manifest.json",
        "log": "converter.log",
    }
    if built["calibration"]:
        known["calibration"] = str(root / built["calibration"]["file"])
    if "toolchain" in options:
        known["toolchain"] = _find_toolchain(options["toolchain"], where)
    device = {} if cell["builder"] == "host" else _describe_device(cell["builder"])
    if unknown := sorted(options.keys() - known.keys() - _DEVICE_OPTIONS.keys()):
        raise UserError(f"{where}: command has the option --{unknown[0]}, which this build does not have")
    return {name: known[name] for name in options if name in known} | device


def _find_toolchain(recorded, where):
    name = Path(recorded).stem
    record = REPOSITORY / toolchain_record(name)
    if not re.fullmatch(NAME, name) or not record.is_file():
        raise UserError(
            f"{where}: was built with the toolchain {name!r}, which is missing; make it with "
            f"`snakemake --profile local {toolchain_record(name)}`"
        )
    return str(record)


def _describe_device(name):
    document = read_catalogue_entry("device", name)
    return {option: document[key] for option, key in _DEVICE_OPTIONS.items() if document.get(key)}


def claim_folder(output: str | Path | None, root: Path, cell: Json) -> Path:
    """Return a new folder for a rebuild; UserError if `output` is not empty."""
    if output is not None:
        folder = Path(output).resolve()
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UserError(f"{output}: is not an empty folder; a rebuild never overwrites, choose a new one")
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    base = root / "results" / "rebuilds" / cell["model"] / cell["preset"] / cell["builder"] / cell["precision"]
    base.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        try:
            (base / f"{number:04}").mkdir()
        except FileExistsError:
            number += 1
        else:
            return base / f"{number:04}"


def _make_saved_model(options: dict[str, str], folder: Path, where: str | Path) -> str:
    """Make the SavedModel of a rebuild from the source, beside it; return the path of its record.

    Theirs is never loaded: TensorFlow runs what is in it, and a table that is filled on loading can write files.
    """
    own = {
        "source": options["source"],
        "identity": options["identity"],
        "toolchain": _find_toolchain(toolchain_record("tensorflow"), where),
        "artifact": str(folder / "saved_model.zip"),
        "record": str(folder / "saved_model.json"),
        "log": str(folder / "saved_model.log"),
    }
    arguments = [part for name, value in own.items() for part in (f"--{name}", value)]
    _run_build([sys.executable, str(REPOSITORY / _SAVED_MODEL_SCRIPT), *arguments], folder / "saved_model.build.log")
    return own["record"]


def _run_build(command: list[str], log: str | Path) -> None:
    """Run a build script and write its output to `log`; UserError with its last line unless it reached a verdict."""
    process = subprocess.run(
        command,
        cwd=REPOSITORY,
        env=child_environment(command[0]),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    atomic_write(log, process.stdout)
    if process.returncode:
        last = (process.stdout.strip().splitlines() or ["no message"])[-1]
        raise UserError(f"{Path(command[1]).name}: exited with {process.returncode}: {last.removeprefix('error: ')}")


def _judge_rebuild(built: Json, again: Json, first: Path, second: Path) -> tuple[str, list[Difference]]:
    """Return `(verdict, differences)` of two builds in the folders `first` and `second`."""
    if built["status"] != again["status"]:
        reason = (built["reason"] or again["reason"])["message"]
        return "different", [Difference("status", f"{built['status']} became {again['status']} ({reason})")]
    if built["status"] == "failed":
        same = built["reason"]["kind"] == again["reason"]["kind"]
        return ("identical" if same else "different"), []
    name = built["artifact"]["file"]
    return list_artifact_differences(first / name, second / name, built["artifact"]["format"])


def compare_environments(built: Json, again: Json) -> list[str]:
    """Return in sentences what was different around an artifact at its rebuild: versions, lock, machine."""
    found = []
    for what in ("toolchain", "host"):
        for name in sorted({*built[what], *again[what]}):
            before, after = built[what].get(name), again[what].get(name)
            if before != after:
                found.append(f"{name}: {before} became {after}")
    for what, key in (("toolchain lock", "toolchain_lock_sha256"), ("edgeproof's own code", "code_sha256")):
        before, after = built.get(key), again.get(key)
        if before != after:
            found.append(f"{what}: {before} became {after}")
    return found


def _locate_argument(value: str) -> str:
    """Return an argument with a path inside the repository relative to it."""
    return locate(value) if value.startswith("/") else value


def _list_inputs(built: Json) -> Iterator[tuple[str, Json]]:
    yield "source", built["source"]
    if built["calibration"]:
        yield "calibration set", built["calibration"]


def _require_unchanged(what, path, digest):
    if not is_file(path):
        raise UserError(f"{path}: is missing; the {what} of the first build is needed")
    actual = sha256_file(path)
    if actual != digest:
        raise UserError(
            f"{path}: sha256 is {actual}, the first build's {what} had {digest}; a rebuild needs the same file"
        )


def _describe_build(manifest, path):
    return {"manifest_sha256": sha256_file(path), "artifact_sha256": manifest["artifact"]["sha256"]}
