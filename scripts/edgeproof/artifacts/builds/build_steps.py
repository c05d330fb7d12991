"""The steps of every build: check that the job is consistent, build, and write the manifest."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgeproof.agent.machine import describe_machine
from edgeproof.artifacts.records.formats import check_build_options
from edgeproof.artifacts.records.manifests import (
    describe_code,
    describe_host,
    describe_lock,
    describe_preset_file,
    describe_toolchain,
    record_command,
    write_manifest,
)
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
from .publishing import keep_log, place_build, publish_artifact

Convert = Callable[[Path, Path], Json]  # see carry_out


def check_job(job: BuildJob, *formats: str) -> tuple[Json, dict[str, Any]]:
    """Return (identity of the model, build options of the precision); UserError unless the job is consistent.

    `formats`: those that the caller builds. This is where the options that a build script was given are checked; the
    code after it relies on them. InputFault if the identity says that the model cannot be used.
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


def require_calibration_file(job: BuildJob) -> str | Path:
    """Return the calibration set of a job; UserError if it has none."""
    if job.calibration is None:
        raise UserError("int8 needs a calibration set; give one with --calibration")
    return job.calibration


def require_interface(known: Json, calibrated: bool) -> None:
    """Raise BuildError if samples cannot be fed to the model's inputs.

    Inputs must be numbers. Calibration feeds one sample at a time, so there the batch must be 1 or have a name.
    `known`: the model's identity.
    """
    opset = known["opset"].get("ai.onnx", "?")
    for item in known["inputs"]:
        if not item["dtype"].startswith(("float", "int", "uint", "bool", "bfloat")):
            raise BuildError("conversion_failed", f"input {item['name']!r} is {item['dtype']}; samples are numbers")
        batch = item["shape"][0] if item["shape"] else 1
        if calibrated and isinstance(batch, int) and batch != 1:
            raise BuildError(
                "conversion_failed",
                f"input {item['name']!r} has a fixed batch of {batch}, and calibration feeds one sample at a time; "
                f"export the model with batch 1 or a named batch dimension (opset {opset})",
            )


def fix_shapes(inputs: list[Json]) -> dict[str, list[int]]:
    """Return `{name: sizes}` of inputs with a named batch, which becomes 1; BuildError if another size has a name."""
    fixed = {}
    for item in inputs:
        if any(isinstance(size, str) for size in item["shape"][1:]):
            raise BuildError(
                "conversion_failed",
                f"input {item['name']!r} is {item['shape']}; only its batch may be open, export it with fixed sizes",
            )
        if item["shape"] and isinstance(item["shape"][0], str):
            fixed[item["name"]] = [1, *item["shape"][1:]]
    return fixed


def carry_out(job: BuildJob, known: Json, convert: Convert, facts: Json, device_tools: Json | None = None) -> None:
    """Run `convert(target, scratch)`, keep the artifact and its manifest as an attempt, and put both into place.

    `known`: the model's identity. `convert` writes `target` and returns opset, inputs, outputs, precision and
    warnings; it raises BuildError if the artifact cannot be built, which is a verdict. `facts`: what else the manifest
    says (`toolchain`, `calibration`, …), read after `convert`, which may add to it. `device_tools`: see
    `compose_build_key`.
    """
    key = compose_build_key(job, device_tools)
    with open_attempt(Path(job.manifest).parent, "build", key, describe_machine()) as attempt:
        document = _convert_source(job, known, convert, facts, attempt.folder / Path(job.artifact).name)
        write_manifest(attempt.folder / Path(job.manifest).name, document)
        keep_log(job.log, attempt.folder)
        built = attempt.complete(status=document["status"]).folder
    place_build(built, job.artifact, job.manifest)


def record_failure(job: BuildJob, kind: str, message: str) -> None:
    """Write an empty artifact and a manifest with a reason, without using any tool."""
    known, _ = _check_consistency(job, (job.preset["artifact"],))

    def refuse(target: Path, scratch: Path) -> Json:
        raise BuildError(kind, message)

    if job.log:
        atomic_write(job.log, b"")
    carry_out(job, known, refuse, {"toolchain": describe_toolchain(()), "calibration": None, "exit_code": None})


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
        },
        "preset": job.preset,
        "preset_sha256": digest_json(job.preset),
        **describe_preset_file(job.cell["preset"]),
        "opset": None,
        "inputs": None,
        "outputs": None,
        "precision": None,
        "warnings": [],
        "calibration": None,
        **describe_lock(),
        **describe_code(),
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
        document["artifact"] = {**file, **publish_artifact(made, target)}
    return {**document, **facts, "duration_s": round(time.monotonic() - begin, 3), "built_at": now()}


def _read_file_state(path: str | Path) -> tuple[int, ...]:
    """Return what changes when somebody writes to a file: inode, size and times."""
    status = Path(path).stat()
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
