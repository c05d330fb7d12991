"""TensorRT engines, built by trtexec on the machine that will run them; they do not run on another.

This has not run on a Jetson yet. The tests use stand-ins that replay known output of trtexec.
"""

import json
import os
import shutil
from pathlib import Path

import onnx

from edgeproof.artifacts.records.package_versions import list_package_versions
from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.files import atomic_write, sha256_file
from edgeproof.remote.boards import Board
from edgeproof.sources.onnx_files import load_known_model

from .build_failures import BuildError
from .build_inputs import fix_open_inputs, require_single_samples, require_usable_source
from .build_job import BuildJob
from .build_shortcuts import adopt_build
from .build_steps import carry_out_build, check_before_build
from .building_device import (
    describe_drivers,
    find_device_program,
    hold_building_device,
    reach_building_device,
    read_device_lock,
    require_building_device,
    run_building_program,
    run_device_program,
)
from .onnx_precisions import convert_onnx
from .precision_proof import judge_counts, require_precision
from .range_calibration import check_calibration, require_calibration_file
from .supplied_artifacts import take_closed_artifact
from .trtexec import (
    OLDEST,
    PLACES,
    TYPED,
    blames_machine,
    choose_error,
    compose_trtexec_command,
    explain_log,
    read_layer_export,
    read_version,
)
from .vendor_converters import run_vendor_converter

_SCRATCH_FILES = {
    "model": "model.onnx",
    "engine": "model.engine",
    "layers": "layers.json",
    "cache": "calibration.cache",
}
_REMEDY = "it comes with TensorRT (on a Jetson with JetPack); install that, or add its folder to the PATH"


def build_tensorrt(job: BuildJob) -> None:
    """Build the TensorRT engine of a job with trtexec, and write it and its manifest; errors as in `build_onnx`.

    The job's `interpreter` is a Python with the module `tensorrt`; only int8 needs it. `log` gets the output of
    trtexec. UserError, and no verdict, if there is no trtexec, it is too old, or there is no GPU.
    """
    known, options = check_before_build(job, "engine")
    if job.supplied:
        take_closed_artifact(job, known)
        return
    used = None
    if job.precision == "int8":
        used = check_calibration(require_calibration_file(job), known["inputs"], options)
    with reach_building_device(job) as (job, root):
        _build_there(job, root, known, options, used)


def _build_there(job: BuildJob, root: str | Board, known: Json, options: Json, used: Json | None) -> None:
    """Build on the device at `root`. `known`: the model's identity. `used`: the calibration set of int8."""
    require_building_device(job.board, root)
    if used and isinstance(root, Board):
        raise UserError(
            f"{job}: int8 is calibrated by the board's own TensorRT, which edgeproof does not drive over ssh; build it "
            "in the board's shell"
        )
    trtexec = find_device_program("trtexec", PLACES, _REMEDY, root)
    version = _ask_version(trtexec, root)
    if job.precision == "int8" and version >= TYPED:
        raise UserError(
            f"TensorRT {_format_version(version)} can no longer calibrate, and edgeproof cannot yet write the "
            "quantised model that it needs instead; build int8 with TensorRT 8.5 to 10"
        )
    drivers = {"tensorrt": _format_version(version), **describe_drivers(root)}
    if adopt_build(job, drivers):
        return
    model = load_known_model(job.source)
    atomic_write(job.log, b"")
    facts = {
        "calibration": used,
        "toolchain": list_package_versions(("onnx",)) | {"tensorrt": _format_version(version)},
        "drivers": drivers,
        "exit_code": None,
        "log_sha256": sha256_file(job.log),
    }

    def convert(target: Path, scratch: Path) -> Json:
        require_usable_source(known)
        if used is not None:
            require_single_samples(known, "TensorRT")
        shapes = fix_open_inputs(known["inputs"])
        paths = {name: scratch / file for name, file in _SCRATCH_FILES.items()}
        if job.precision == "fp16" and version >= TYPED:
            (scratch / "typing").mkdir()
            convert_onnx(job.source, model, paths["model"], "fp16", {}, None, scratch / "typing")
        else:
            shutil.copyfile(job.source, paths["model"])
        said = ""
        if used:
            spec = {
                "model": str(paths["model"]),
                "calibration": {
                    "path": str(Path(require_calibration_file(job)).resolve()),
                    "samples": used["samples"],
                },
                "method": used["method"],
                "workspace_mb": options["workspace_mb"],
                "shapes": shapes,
            }
            made, said = run_vendor_converter(
                "tensorrt_calibration", job, spec, scratch, options["timeout_s"], model, facts
            )
            shutil.move(made["path"], paths["cache"])
            used["cache_sha256"] = sha256_file(paths["cache"])
        argv = compose_trtexec_command(trtexec, version, job.precision, options, shapes, paths)
        code, text = run_building_program(root, job, argv, scratch, options["timeout_s"])
        atomic_write(job.log, (said + text).replace(str(scratch), "SCRATCH"))
        facts.update(exit_code=code, log_sha256=sha256_file(job.log))
        _require_engine(code, text, paths["engine"], model, options["timeout_s"])
        proof = _prove_layers(paths["layers"], job.precision)
        require_precision(proof, {})
        shutil.move(paths["engine"], target)
        return {
            "opset": None,
            "inputs": known["inputs"],
            "outputs": known["outputs"],
            "precision": proof,
            "warnings": [],
        }

    with hold_building_device(job.lock or read_device_lock(job.cell["builder"]), f"build of {job}", root):
        carry_out_build(job, known, convert, facts, drivers)


def _ask_version(trtexec: str, root: str | Board) -> tuple[int, int, int]:
    """Return the TensorRT version of a trtexec; UserError if it does not print one, or is too old."""
    if isinstance(root, Board):
        said = root.link.ask("run", command=[trtexec, "--help"])
        code, text = said["code"], said["text"]
    else:
        code, text = run_device_program([trtexec, "--help"], None, dict(os.environ), 120)
    version = read_version(text)
    if version is None:
        last = (text.strip().splitlines() or ["no message"])[-1][:200]
        raise UserError(f"{trtexec}: does not say which TensorRT it belongs to (exit code {code}: {last})")
    if version < OLDEST:
        raise UserError(
            f"{trtexec}: belongs to TensorRT {_format_version(version)}; {_format_version(OLDEST)} or newer is needed"
        )
    return version


def _require_engine(code: int | None, text: str, engine: Path, model: onnx.ModelProto, timeout_s: float) -> None:
    """Raise BuildError unless trtexec left an engine; UserError if the fault is the machine's."""
    if code is None:
        raise BuildError("timed_out", f"trtexec: no engine within {timeout_s} s (build.timeout_s)")
    if code < 0:
        raise UserError(f"trtexec: ended by signal {-code}; free memory if it ran out, and run again")
    if code:
        if blames_machine(text):
            raise UserError(f"trtexec: {choose_error(text)}; this says nothing about the model")
        raise explain_log(text, code, model)
    if not engine.is_file() or not engine.stat().st_size:
        raise BuildError("conversion_failed", "trtexec: exited with 0, but left no engine")


def _prove_layers(path: Path, precision: str) -> Json:
    """Return the manifest's `precision` from the layers of an engine, as trtexec exported them."""
    try:
        counted = read_layer_export(json.loads(path.read_text()))
    except (OSError, ValueError):
        counted = None
    if counted is None:
        raise UserError("trtexec: exported nothing about the layers, so the precision of the engine is not proved")
    return judge_counts(precision, *counted) | {"basis": "layer-report"}


def _format_version(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
