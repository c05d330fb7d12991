"""TensorRT engines: built by trtexec on the machine that will run them, since no other can.

Nobody has run this on a Jetson yet; the tests drive it with stand-ins that replay what trtexec is known to say.
"""

import json
import os
import shutil
from pathlib import Path

from edgeproof.artifacts.records.formats import FORMATS, check_options
from edgeproof.artifacts.records.manifests import describe_toolchain
from edgeproof.core.errors import UserError
from edgeproof.core.files import atomic_write, sha256_file
from edgeproof.sources.onnx_files import load_known_model

from .boards import describe_drivers, find_tool, hold_device, require_board, run_tool
from .build_failures import BuildError
from .build_job import carry_out, check_job, fix_shapes, require_interface
from .onnx_precisions import convert_onnx
from .precision_proof import judge_counts, require_precision
from .range_calibration import check_calibration
from .trtexec import (
    OLDEST,
    PLACES,
    TYPED,
    choose_error,
    compose_command,
    count_layers,
    explain_log,
    is_about_machine,
    read_version,
)
from .vendor_converters import run_program

FORMAT = FORMATS["engine"]
_CALIBRATORS = ("entropy", "minmax")
_REMEDY = "it comes with TensorRT (on a Jetson with JetPack); install that, or add its folder to the PATH"


def build_tensorrt(
    cell,
    source,
    identity,
    preset,
    precision,
    artifact,
    manifest,
    log,
    command,
    calibration=None,
    board="",
    interpreter=None,
    lock=None,
):
    """Build the TensorRT engine of `cell`; arguments and errors as in `building.build_onnx`.

    `board`: text that this machine's name must contain. `interpreter`: Python with the module `tensorrt`, which only
    int8 needs. `lock`: lock file of the device, None for the usual one. `log`: file for what trtexec said. UserError
    without a verdict: no trtexec, one that is too old, no GPU.
    """
    known = check_job(cell, source, identity, preset, precision, artifact, manifest, FORMAT.options)
    options = check_options(preset["build"], precision, FORMAT)
    used = check_calibration(calibration, known["inputs"], precision, options)
    if used and options["calibration_method"] not in _CALIBRATORS:
        raise UserError(f"preset: build.calibration_method: TensorRT has {' and '.join(_CALIBRATORS)}")
    require_board(board)
    trtexec = find_tool("trtexec", PLACES, _REMEDY)
    version = ask_version(trtexec)
    if precision == "int8" and version >= TYPED:
        raise UserError(
            f"TensorRT {_join(version)} has no calibration any more, and edgeproof does not yet write the quantised "
            "model that it wants instead; build int8 with TensorRT 8.5 to 10"
        )
    model = load_known_model(source)
    atomic_write(log, b"")
    facts = {
        "calibration": used,
        "toolchain": describe_toolchain(("onnx",)) | {"tensorrt": _join(version)},
        "drivers": {"tensorrt": _join(version), **describe_drivers()},
        "exit_code": None,
        "log_sha256": sha256_file(log),
    }

    def convert(target, scratch):
        require_interface(known, used is not None)
        shapes = fix_shapes(known["inputs"])
        paths = {name: Path(scratch) / file for name, file in _FILES.items()}
        if precision == "fp16" and version >= TYPED:
            (Path(scratch) / "typing").mkdir()
            convert_onnx(source, model, paths["model"], "fp16", {}, None, Path(scratch) / "typing")
        else:
            shutil.copyfile(source, paths["model"])
        said = ""
        if used:
            spec = {
                "model": str(paths["model"]),
                "calibration": {"path": str(Path(calibration).resolve()), "samples": used["samples"]},
                "method": used["method"],
                "workspace_mb": options["workspace_mb"],
                "shapes": shapes,
            }
            made, said = run_program(
                "tensorrt_calibration", interpreter, spec, scratch, log, options["timeout_s"], model, facts
            )
            shutil.move(made["path"], paths["cache"])
            used["cache_sha256"] = sha256_file(paths["cache"])
        argv = compose_command(trtexec, version, precision, options, shapes, paths)
        code, text = run_tool(argv, scratch, dict(os.environ), options["timeout_s"])
        atomic_write(log, (said + text).replace(str(scratch), "SCRATCH"))
        facts.update(exit_code=code, log_sha256=sha256_file(log))
        require_engine(code, text, paths["engine"], model, options["timeout_s"])
        proof = prove_layers(paths["layers"], precision)
        require_precision(proof, {})
        shutil.move(paths["engine"], target)
        return {
            "opset": None,
            "inputs": known["inputs"],
            "outputs": known["outputs"],
            "precision": proof,
            "warnings": [],
        }

    with hold_device(lock, f"build of {'/'.join(cell.values())}"):
        carry_out(cell, source, known, preset, artifact, manifest, command, convert, facts)


_FILES = {"model": "model.onnx", "engine": "model.engine", "layers": "layers.json", "cache": "calibration.cache"}


def ask_version(trtexec):
    """Return the version of TensorRT that a trtexec belongs to; UserError if it does not say, or is too old."""
    code, text = run_tool([trtexec, "--help"], None, dict(os.environ), 120)
    version = read_version(text)
    if version is None:
        last = (text.strip().splitlines() or ["no message"])[-1][:200]
        raise UserError(f"{trtexec}: does not say which TensorRT it belongs to (exit code {code}: {last})")
    if version < OLDEST:
        raise UserError(f"{trtexec}: belongs to TensorRT {_join(version)}; {_join(OLDEST)} or newer is needed")
    return version


def require_engine(code, text, engine, model, timeout_s):
    """Raise BuildError unless trtexec left an engine; UserError where it is the machine that could not."""
    if code is None:
        raise BuildError("timed_out", f"trtexec: no engine within {timeout_s} s (build.timeout_s)")
    if code < 0:
        raise UserError(f"trtexec: ended by signal {-code}; free memory if it ran out, and run again")
    if code:
        if is_about_machine(text):
            raise UserError(f"trtexec: {choose_error(text)}; this is no verdict on the model")
        raise explain_log(text, code, model)
    if not engine.is_file() or not engine.stat().st_size:
        raise BuildError("conversion_failed", "trtexec: exited with 0, but left no engine")


def prove_layers(path, precision):
    """Return the manifest's `precision` from what trtexec exported about the layers of an engine."""
    try:
        counted = count_layers(json.loads(path.read_text()))
    except (OSError, ValueError):
        counted = None
    if counted is None:
        raise UserError("trtexec: exported nothing about the layers, so that the precision of the engine is unproved")
    return judge_counts(precision, *counted) | {"basis": "layer-report"}


def _join(version):
    return ".".join(map(str, version))
