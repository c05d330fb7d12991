"""ONNX artifacts, in every precision. If one cannot be built, its manifest says `failed`."""

from pathlib import Path

import onnx

from edgeproof.artifacts.records.formats import list_host_tools
from edgeproof.artifacts.records.package_versions import list_package_versions
from edgeproof.core.configuration import Json
from edgeproof.sources.identity import describe_tensor
from edgeproof.sources.input_faults import InputFault
from edgeproof.sources.onnx_files import load_known_model, load_model
from edgeproof.sources.onnx_graphs import list_inputs

from .build_failures import BuildError
from .build_inputs import require_usable_source
from .build_job import BuildJob
from .build_steps import carry_out_build, check_before_build
from .onnx_element_types import prove_onnx_precision
from .onnx_precisions import convert_onnx
from .precision_proof import require_precision
from .preflight import require_operators
from .range_calibration import describe_calibration, require_calibration_file
from .supplied_artifacts import take_supplied


def build_onnx(job: BuildJob) -> None:
    """Build the ONNX artifact of a job from its fp32 model, or take the one supplied, and write it and its manifest.

    UserError, before anything is written, if options are wrong, the calibration set does not fit or is too small, or
    files do not belong together.
    """
    known, options = check_before_build(job, "onnx")
    model = load_known_model(job.source)
    calibration = require_calibration_file(job) if job.precision == "int8" and not job.supplied else None

    def convert(target: Path, scratch: Path) -> Json:
        if job.supplied:
            converted, warnings = _load_supplied(job.supplied, target, facts), []
        else:
            require_usable_source(known)
            require_operators(job.source, model, job.preset["backend"])
            feed = (calibration, known["inputs"]) if calibration else None
            converted, warnings = convert_onnx(job.source, model, target, job.precision, options, feed, scratch)
        proof = prove_onnx_precision(converted, job.precision)
        require_precision(proof)
        return {
            "opset": {item.domain or "ai.onnx": item.version for item in converted.opset_import},
            "inputs": [describe_tensor(value, job.artifact) for value in list_inputs(converted.graph)],
            "outputs": [describe_tensor(value, job.artifact) for value in converted.graph.output],
            "precision": proof,
            "warnings": warnings,
        }

    used = calibration and describe_calibration(calibration, options)
    toolchain = list_package_versions(() if job.supplied else list_host_tools(job.preset, job.precision))
    facts: Json = {"toolchain": toolchain, "calibration": used}
    carry_out_build(job, known, convert, facts)


def _load_supplied(supplied: Json, target: Path, facts: Json) -> onnx.ModelProto:
    """Take an artifact of the user's and return it; BuildError if it is not what its entry says, or no ONNX model."""
    take_supplied(supplied, target, facts)
    try:
        return load_model(target)
    except InputFault as fault:
        raise BuildError("unusable_input", str(fault).replace(str(target), supplied["file"])) from fault
