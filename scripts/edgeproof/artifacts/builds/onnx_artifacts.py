"""ONNX artifacts, and the artifacts of the fake backend. If one cannot be built, its manifest says `failed`."""

import json
from pathlib import Path

from edgeproof.artifacts.records.formats import list_host_tools
from edgeproof.artifacts.records.manifests import describe_file, describe_toolchain
from edgeproof.core.configuration import Json
from edgeproof.core.files import atomic_write
from edgeproof.sources.identity import describe_tensor
from edgeproof.sources.onnx_files import load_known_model
from edgeproof.sources.onnx_graphs import list_inputs

from .build_job import BuildJob
from .build_steps import carry_out, check_job, require_calibration_file, require_interface
from .element_types import prove_precision
from .onnx_precisions import convert_onnx
from .precision_proof import require_precision
from .preflight import require_operators

FAKE_SPEED = {"fp32": 1.0, "fp16": 0.7, "int8": 0.5, "int8-dynamic": 0.6}  # latency of the fake backend, fp32 = 1


def build_onnx(job: BuildJob) -> None:
    """Build the ONNX artifact of a job from its fp32 model, and write it and its manifest.

    UserError, before anything is written, if options are wrong, the calibration set does not fit or is too small, or
    files do not belong together.
    """
    known, options = check_job(job, "onnx")
    model = load_known_model(job.source)
    calibration = require_calibration_file(job) if job.precision == "int8" else None

    def convert(target: Path, scratch: Path) -> Json:
        require_operators(job.source, model, job.preset["backend"])
        require_interface(known, calibration is not None)
        feed = (calibration, known["inputs"]) if calibration else None
        converted, warnings = convert_onnx(job.source, model, target, job.precision, options, feed, scratch)
        proof = prove_precision(converted, job.precision)
        require_precision(proof)
        return {
            "opset": {item.domain or "ai.onnx": item.version for item in converted.opset_import},
            "inputs": [describe_tensor(value, job.artifact) for value in list_inputs(converted.graph)],
            "outputs": [describe_tensor(value, job.artifact) for value in converted.graph.output],
            "precision": proof,
            "warnings": warnings,
        }

    used = calibration and {
        **describe_file(calibration),
        "samples": options["calibration_samples"],
        "method": options["calibration_method"],
    }
    toolchain = describe_toolchain(list_host_tools(job.preset, job.precision))
    carry_out(job, known, convert, {"toolchain": toolchain, "calibration": used})


def build_fake(job: BuildJob) -> None:
    """Write the JSON that the agent's fake backend runs, and its manifest; arguments and errors as in `build_onnx`.

    Times and outputs are simulated. Only the names and shapes of the outputs are the model's, with 1 for named sizes.
    """
    known, options = check_job(job, "json")

    def convert(target: Path, _: Path) -> Json:
        outputs = [
            {"name": item["name"], "dtype": "float32", "shape": [n if isinstance(n, int) else 1 for n in item["shape"]]}
            for item in known["outputs"]
        ]
        content = {
            "seed": f"{known['sha256']}/{job.precision}",
            "latency_ms": round(options["latency_ms"] * FAKE_SPEED[job.precision], 9),
            "outputs": [[item["name"], item["shape"]] for item in outputs],
        }
        atomic_write(target, json.dumps(content, indent=2) + "\n")
        proof = {
            "claimed": job.precision,
            "basis": "simulated",
            "share": None,
            "weights": {},
            "values": {},
            "operators": {},
        }
        return {"opset": None, "inputs": known["inputs"], "outputs": outputs, "precision": proof, "warnings": []}

    carry_out(job, known, convert, {"toolchain": describe_toolchain(())})
