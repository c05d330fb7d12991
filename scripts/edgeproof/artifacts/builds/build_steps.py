"""The steps of every build: check that the job is consistent, build, and write the manifest."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgeproof.agent.machine import describe_machine
from edgeproof.artifacts.records.formats import check_build_options
from edgeproof.artifacts.records.manifest_entries import (
    describe_building_code,
    describe_host,
    describe_host_lock,
    describe_preset_file,
    record_command,
)
from edgeproof.artifacts.records.manifests import write_manifest
from edgeproof.artifacts.records.own_version import describe_own_version
from edgeproof.artifacts.records.package_versions import list_package_versions
from edgeproof.core.attempts import open_attempt
from edgeproof.core.clock import now
from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json
from edgeproof.core.errors import UserError
from edgeproof.core.files import atomic_write, sha256_file
from edgeproof.core.layout import locate
from edgeproof.core.seals import digest_json
from edgeproof.sources.input_faults import InputFault

from .build_failures import BuildError
from .build_job import BuildJob
from .build_keys import compose_build_key
from .kept_builds import keep_artifact, keep_build_log, place_kept_build

Convert = Callable[[Path, Path], Json]  # see carry_out_build


def check_before_build(job: BuildJob, *formats: str) -> tuple[Json, dict[str, Any]]:
    """First step of a build: check its job; return (identity of the model, build options of the precision).

    UserError unless the job is consistent. `formats`: those that the caller builds. This is where the options that a
    build script was given are checked; the code after it relies on them. InputFault if the identity says that the model
    cannot be used.
    """
    known, options = _check_consistency(job, formats)
    if known.get("status") == "failed":
        raise InputFault(**known["reason"])
    return known, options


def _check_consistency(job: BuildJob, formats: tuple[str, ...]) -> tuple[Json, dict[str, Any]]:
    cell, preset = job.cell, job.preset
    if set(cell) != {"model", "preset", "builder", "precision"}:
        raise UserError(f"--cell has keys {sorted(cell)}; model, preset, builder and precision are needed")
    options = check_build_options(preset, job.precision)
    if preset["artifact"] not in formats:
        raise UserError(f"--preset: artifact is {preset['artifact']!r}; {job.script} builds {', '.join(formats)}")
    if cell["precision"] != job.precision:
        raise UserError(f"--cell says precision {cell['precision']!r}, --precision says {job.precision!r}")
    if Path(job.artifact).resolve().parent != Path(job.manifest).resolve().parent:
        raise UserError(f"{job.artifact} and {job.manifest} must be in one folder, so that they can be moved together")
    known, actual = read_json(job.identity, "identity"), sha256_file(job.source)
    if known["sha256"] != actual:
        recorded = f"{job.identity} says {known['sha256']}"
        raise UserError(f"{job.source}: sha256 is {actual}, but {recorded}; identify it again")
    if known["model"] != cell["model"]:
        raise UserError(f"{job.identity}: model is {known['model']!r}, but --cell says {cell['model']!r}")
    return known, options


def carry_out_build(
    job: BuildJob, known: Json, convert: Convert, facts: Json, device_tools: Json | None = None
) -> None:
    """Steps of a build after its check: convert, keep artifact and manifest, and put both into place.

    `convert(target, scratch)` does the first step. `known`: the model's identity. `convert` writes `target` and returns
    opset, inputs, outputs, precision and warnings; it raises BuildError if the artifact cannot be built, which is a
    verdict. `facts`: what else the manifest says (`toolchain`, `calibration`, …), read after `convert`, which may add
    to it. `device_tools`: see `compose_build_key`.
    """
    key = compose_build_key(job, device_tools)
    with open_attempt(Path(job.manifest).parent, "build", key, job.machine or describe_machine()) as attempt:
        document = _convert_source(job, known, convert, facts, attempt.folder / Path(job.artifact).name)
        write_manifest(attempt.folder / Path(job.manifest).name, document)
        keep_build_log(job.log, attempt.folder)
        built = attempt.complete(status=document["status"]).folder
    place_kept_build(built, job.artifact, job.manifest)


def record_failed_build(job: BuildJob, kind: str, message: str) -> None:
    """Take the steps of a build that fails at once: an empty artifact, a manifest with the reason, and no tool."""
    known, _ = _check_consistency(job, (job.preset["artifact"],))

    def refuse(target: Path, scratch: Path) -> Json:
        raise BuildError(kind, message)

    if job.log:
        atomic_write(job.log, b"")
    carry_out_build(
        job, known, refuse, {"toolchain": list_package_versions(()), "calibration": None, "exit_code": None}
    )


def _convert_source(job: BuildJob, known: Json, convert: Convert, facts: Json, target: Path) -> Json:
    """Convert the source of a job to `target` (empty if that fails) and return the manifest."""
    begin, before = time.monotonic(), _read_file_state(job.source)
    document = {
        "cell": job.cell,
        "status": "ok",
        "reason": None,
        "source": {
            "file": locate(job.source),
            "sha256": known["sha256"],
            "bytes": known["bytes"],
            "opset": known["opset"],
            "format": "onnx",
        },
        "target": {
            "runtime": job.preset["backend"],
            "device": "any" if job.cell["builder"] == "host" else job.cell["builder"],
        },
        "tool": describe_own_version(),
        "preset": job.preset,
        "preset_sha256": digest_json(job.preset),
        **describe_preset_file(job.cell["preset"]),
        "opset": None,
        "inputs": None,
        "outputs": None,
        "precision": None,
        "warnings": [],
        "calibration": None,
        **describe_host_lock(),
        **describe_building_code(),
        "command": record_command(job.script, job.argv),
        "exit_code": 0,
        "host": describe_host(),
    }
    with tempfile.TemporaryDirectory(prefix="edgeproof-build-") as scratch:
        made = Path(scratch) / "converted"
        try:
            document |= convert(made, Path(scratch))
        except BuildError as failure:
            document |= {"status": "failed", "reason": {"kind": failure.kind, "message": str(failure)}}
            made = None
        if _read_file_state(job.source) != before and sha256_file(job.source) != known["sha256"]:
            raise RuntimeError(f"{job.source} was changed by its own build; a converter wrote to it")
        file = {"file": Path(job.artifact).name, "format": job.preset["artifact"], "opset": document.pop("opset")}
        document["artifact"] = {**file, "role": "deployment_model", **keep_artifact(made, target)}
    return {**document, **facts, "duration_s": round(time.monotonic() - begin, 3), "built_at": now()}


def _read_file_state(path: str | Path) -> tuple[int, ...]:
    """Return what changes when somebody writes to a file: inode, size and times."""
    status = Path(path).stat()
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
