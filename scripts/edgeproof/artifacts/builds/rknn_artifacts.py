"""RKNN artifacts for Rockchip's NPUs, made by the vendor's toolkit. You install it and accept its licence yourself.

This has not run with the toolkit or on a board yet. The tests use a stand-in that replays known output of the toolkit.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import onnx

from edgeproof.artifacts.records.package_versions import list_package_versions
from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.files import atomic_write, sha256_file
from edgeproof.remote.device_links import find_remote_device
from edgeproof.sources.onnx_files import load_known_model

from .build_failures import BuildError, locate_failure
from .build_inputs import fix_open_inputs, require_single_samples, require_usable_source
from .build_job import BuildJob
from .build_shortcuts import adopt_build
from .build_steps import carry_out_build, check_before_build
from .building_device import describe_drivers, hold_building_device, read_device_lock, require_building_device
from .precision_proof import judge_counts, require_precision
from .range_calibration import check_calibration, require_calibration_file
from .supplied_artifacts import take_closed_artifact
from .vendor_converters import run_vendor_converter

_VERSION = re.compile(r"rknn-toolkit2 version: ([\w.+-]+)")
_TROUBLE = re.compile(r"^(?:E|W) [\w ]+: .*", re.MULTILINE)
_REFUSED = re.compile(
    r"unsupport(?:ed)? op\w*:? *'?(\w+)|unsupport (\w+) op\b|The follow op is not support *: *\['(\w+)'", re.IGNORECASE
)
# A row of the table that a verbose build prints: number, operator, type, where it runs.
_ROW = re.compile(r"^D RKNN: \[[\d:.]+\] +\d+ +(\w+) +(\S+) +(NPU|CPU|GPU) ", re.MULTILINE)
_DTYPES = {"FLOAT16": "float16", "FLOAT": "float32", "FLOAT32": "float32", "BFLOAT16": "bfloat16"}
_EDGES = {"InputOperator", "OutputOperator"}  # inputs and outputs: nothing is computed there


def build_rknn(job: BuildJob) -> None:
    """Build the RKNN artifact of a job, and write it and its manifest; errors as in `build_onnx`.

    The job's `interpreter` is the Python that has rknn-toolkit2. UserError, and no verdict, if it has not.
    """
    known, options = check_before_build(job, "rknn")
    if job.supplied:
        take_closed_artifact(job, known)
        return
    used = None
    if job.precision == "int8":
        used = check_calibration(require_calibration_file(job), known["inputs"], options)
    if find_remote_device(job.cell["builder"]):
        raise UserError(
            f"{job}: rknn-toolkit2 runs in the board's own Python, which edgeproof does not drive over ssh; build it "
            "in the board's shell"
        )
    require_building_device(job.board)
    drivers = describe_drivers()
    tools = {"rknn-toolkit2": _ask_version(job.interpreter), **drivers}
    if adopt_build(job, tools):
        return
    model = load_known_model(job.source)
    atomic_write(job.log, b"")
    facts = {
        "calibration": used,
        "toolchain": list_package_versions(()),
        "drivers": drivers,
        "exit_code": None,
        "log_sha256": sha256_file(job.log),
    }

    def convert(target: Path, scratch: Path) -> Json:
        require_usable_source(known)
        if used is not None:
            require_single_samples(known, "RKNN")
        spec = _compose_spec(job, known, options, used, scratch)
        try:
            made, text = run_vendor_converter("rknn", job, spec, scratch, options["timeout_s"], model, facts)
        except BuildError as failure:
            text = Path(job.log).read_text(errors="replace")
            _note_version(text, facts)
            raise explain_log(text, failure, model) from failure
        _note_version(text, facts)
        proof, elsewhere = prove_rknn_operators(text, job.precision)
        require_precision(proof, {})
        shutil.move(made["path"], target)
        return {
            "opset": None,
            "inputs": known["inputs"],
            "outputs": known["outputs"],
            "precision": proof,
            "warnings": [f"runs on the CPU, not on the NPU: {name}" for name in elsewhere],
        }

    with hold_building_device(job.lock or read_device_lock(job.cell["builder"]), f"build of {job}"):
        carry_out_build(job, known, convert, facts, tools)


def _compose_spec(job: BuildJob, known: Json, options: dict[str, Any], used: Json | None, scratch: Path) -> Json:
    """Return what the converter is told; the model is copied, since the toolkit writes beside it."""
    spec = {
        "model": str(shutil.copyfile(job.source, scratch / "model.onnx")),
        "precision": job.precision,
        "target_platform": options["target_platform"],
        "optimization_level": options["optimization_level"],
    }
    if fixed := fix_open_inputs(known["inputs"]):  # the toolkit takes no open sizes; told one input's, it wants all
        spec["inputs"] = [item["name"] for item in known["inputs"]]
        spec["input_size_list"] = [fixed.get(item["name"], item["shape"]) for item in known["inputs"]]
    if used:
        spec["method"] = used["method"]
        spec["calibration"] = {
            "path": str(Path(require_calibration_file(job)).resolve()),
            "samples": used["samples"],
        }
    return spec


def _ask_version(interpreter: str | None) -> str | None:
    """Return the version of rknn-toolkit2 that a Python has; None if it does not say."""
    program = "from importlib.metadata import version; print(version('rknn-toolkit2'))"
    try:
        command = [interpreter or sys.executable, "-c", program]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def _note_version(text: str, facts: Json) -> None:
    """Add the toolkit's version, which it prints to its log, to the `toolchain` of a manifest's facts."""
    if found := _VERSION.search(text):
        facts["toolchain"]["rknn-toolkit2"] = found[1]


def explain_log(text: str, failure: BuildError, model: onnx.ModelProto) -> BuildError:
    """Return the BuildError of a failed RKNN conversion: the toolkit's own words, and the node that they name."""
    said = [line for line in _TROUBLE.findall(text) if "version:" not in line and "=====" not in line]
    refused = _REFUSED.search(text)
    if refused:
        operator = next(filter(None, refused.groups()))
        why = next((line for line in said if operator in line), refused[0])
        return BuildError("unsupported_operator", f"{failure}: {why}{locate_failure(operator, model)}")
    errors = [line for line in said if line.startswith("E ")]
    why = next((line for line in errors if "Traceback" not in line and "Catch exception" not in line), "")
    return BuildError(failure.kind, f"{failure}: {why}" if why else str(failure))


def prove_rknn_operators(text: str, precision: str) -> tuple[Json, list[str]]:
    """Return (an RKNN artifact's precision, operators that run on the CPU) from the table that rknn-toolkit2 prints."""
    rows = [row for row in _ROW.findall(text) if row[0] not in _EDGES]
    if not rows:
        raise UserError("rknn-toolkit2: printed no table of operators, so the precision is not proved")
    values, operators = {}, {}
    for operator, dtype, _ in rows:
        name = _DTYPES.get(dtype, dtype.lower())
        values[name] = values.get(name, 0) + 1
        operators[operator] = operators.get(operator, 0) + 1
    proof = judge_counts(precision, {}, values, operators) | {"basis": "layer-report"}
    return proof, sorted({operator for operator, _, place in rows if place != "NPU"})
