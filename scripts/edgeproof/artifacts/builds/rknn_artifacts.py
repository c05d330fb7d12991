"""RKNN artifacts for Rockchip's NPUs, made by the vendor's toolkit, which the user installs (its licence is theirs).

Nobody has run this with the toolkit or on a board yet; the tests drive it with a stand-in that replays what the toolkit
is known to say.
"""

import re
import shutil
from pathlib import Path

from edgeproof.artifacts.records.formats import FORMATS, check_options
from edgeproof.artifacts.records.manifests import describe_toolchain
from edgeproof.core.errors import UserError
from edgeproof.core.files import atomic_write, sha256_file
from edgeproof.sources.onnx_files import load_known_model

from .boards import describe_drivers, hold_device, require_board
from .build_failures import BuildError, locate_failure
from .build_job import carry_out, check_job, fix_shapes, require_interface
from .precision_proof import judge_counts, require_precision
from .range_calibration import check_calibration
from .vendor_converters import run_program

FORMAT = FORMATS["rknn"]
_METHODS = ("entropy", "minmax")
_VERSION = re.compile(r"rknn-toolkit2 version: ([\w.+-]+)")
_TROUBLE = re.compile(r"^(?:E|W) [\w ]+: .*", re.MULTILINE)
_REFUSED = re.compile(
    r"unsupport(?:ed)? op\w*:? *'?(\w+)|unsupport (\w+) op\b|The follow op is not support *: *\['(\w+)'", re.IGNORECASE
)
# A row of the table of a verbose build: number, operator, type, where it runs.
_ROW = re.compile(r"^D RKNN: \[[\d:.]+\] +\d+ +(\w+) +(\S+) +(NPU|CPU|GPU) ", re.MULTILINE)
_DTYPES = {"FLOAT16": "float16", "FLOAT": "float32", "FLOAT32": "float32", "BFLOAT16": "bfloat16"}
_EDGES = {"InputOperator", "OutputOperator"}  # what comes in and goes out, not what is computed


def build_rknn(
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
    """Build the RKNN artifact of `cell`; arguments and errors as in `tensorrt.build_tensorrt`.

    `interpreter`: Python that has rknn-toolkit2. UserError without a verdict where it has not.
    """
    known = check_job(cell, source, identity, preset, precision, artifact, manifest, FORMAT.options)
    options = check_options(preset["build"], precision, FORMAT)
    used = check_calibration(calibration, known["inputs"], precision, options)
    if used and options["calibration_method"] not in _METHODS:
        raise UserError(f"preset: build.calibration_method: rknn-toolkit2 has {' and '.join(_METHODS)}")
    require_board(board)
    model = load_known_model(source)
    atomic_write(log, b"")
    facts = {
        "calibration": used,
        "toolchain": describe_toolchain(()),
        "drivers": describe_drivers(),
        "exit_code": None,
        "log_sha256": sha256_file(log),
    }

    def convert(target, scratch):
        require_interface(known, used is not None)
        spec = {
            "model": str(shutil.copyfile(source, Path(scratch) / "model.onnx")),
            "precision": precision,
            "target_platform": options["target_platform"],
            "optimization_level": options["optimization_level"],
        }
        if fixed := fix_shapes(known["inputs"]):  # the toolkit takes none that is open, and if told one, wants all
            spec["inputs"] = [item["name"] for item in known["inputs"]]
            spec["input_size_list"] = [fixed.get(item["name"], item["shape"]) for item in known["inputs"]]
        if used:
            spec["method"] = used["method"]
            spec["calibration"] = {"path": str(Path(calibration).resolve()), "samples": used["samples"]}
        try:
            made, text = run_program("rknn", interpreter, spec, scratch, log, options["timeout_s"], model, facts)
        except BuildError as failure:
            text = Path(log).read_text(errors="replace")
            note_version(text, facts)
            raise explain_log(text, failure, model) from failure
        note_version(text, facts)
        proof, elsewhere = prove_operators(text, precision)
        require_precision(proof, {})
        shutil.move(made["path"], target)
        return {
            "opset": None,
            "inputs": known["inputs"],
            "outputs": known["outputs"],
            "precision": proof,
            "warnings": [f"runs on the CPU, not on the NPU: {name}" for name in elsewhere],
        }

    with hold_device(lock, f"build of {'/'.join(cell.values())}"):
        carry_out(cell, source, known, preset, artifact, manifest, command, convert, facts)


def note_version(text, facts):
    """Enter the toolkit's version, which it says in its log, into what a manifest says of the toolchain."""
    if found := _VERSION.search(text):
        facts["toolchain"]["rknn-toolkit2"] = found[1]


def explain_log(text, failure, model):
    """Return the BuildError of a failed conversion with the toolkit's own words, and the node they are about."""
    said = [line for line in _TROUBLE.findall(text) if "version:" not in line and "=====" not in line]
    refused = _REFUSED.search(text)
    if refused:
        operator = next(filter(None, refused.groups()))
        why = next((line for line in said if operator in line), refused[0])
        return BuildError("unsupported_operator", f"{failure}: {why}{locate_failure(operator, model)}")
    errors = [line for line in said if line.startswith("E ")]
    why = next((line for line in errors if "Traceback" not in line and "Catch exception" not in line), "")
    return BuildError(failure.kind, f"{failure}: {why}" if why else str(failure))


def prove_operators(text, precision):
    """Return `(the manifest's precision, operators that run on the CPU)` from the table of a verbose build."""
    rows = [row for row in _ROW.findall(text) if row[0] not in _EDGES]
    if not rows:
        raise UserError("rknn-toolkit2: printed no table of operators, so that the precision is unproved")
    values, operators = {}, {}
    for operator, dtype, _ in rows:
        name = _DTYPES.get(dtype, dtype.lower())
        values[name] = values.get(name, 0) + 1
        operators[operator] = operators.get(operator, 0) + 1
    proof = judge_counts(precision, {}, values, operators) | {"basis": "layer-report"}
    return proof, sorted({operator for operator, _, place in rows if place != "NPU"})
