"""Building one artifact and its manifest. What cannot be built is a verdict: status `failed`, an empty artifact."""

import json

from edgeproof.artifacts.records.formats import FORMATS, HOST_TOOLS, check_options
from edgeproof.artifacts.records.manifests import describe_file, describe_toolchain
from edgeproof.core.errors import UserError
from edgeproof.core.files import atomic_write
from edgeproof.sources.identity import describe_tensor
from edgeproof.sources.onnx_files import load_known_model
from edgeproof.sources.onnx_graphs import list_inputs

from .build_job import carry_out, check_job, require_interface
from .element_types import prove_precision
from .onnx_precisions import CALIBRATION_METHODS, convert_onnx
from .precision_proof import require_precision
from .preflight import require_operators
from .range_calibration import LEAST_SAMPLES

FAKE_SPEED = {"fp32": 1.0, "fp16": 0.7, "int8": 0.5, "int8-dynamic": 0.6}  # latency of the fake backend, fp32 = 1


def build_onnx(cell, source, identity, preset, precision, calibration, artifact, manifest, command):
    """Build the ONNX artifact of `cell` from the fp32 model `source`, and write `artifact` and `manifest`.

    `cell`: model, preset, builder, precision. `identity`: path of the model's identity.json. `preset`: backend,
    artifact and build options. `calibration`: path of the calibration set, which only int8 uses (None otherwise).
    `command`: argv for the record. UserError, before anything is written, for wrong options, a wrong or too small
    calibration set, or files that do not belong together.
    """
    known = check_job(cell, source, identity, preset, precision, artifact, manifest, HOST_TOOLS)
    options = _check_onnx_options(preset["build"], precision)
    model = load_known_model(source)
    if precision != "int8":
        calibration = None
    elif calibration is None:
        raise UserError("int8 needs a calibration set; give one with --calibration")

    def convert(target, scratch):
        require_operators(source, model, preset["backend"])
        require_interface(known, calibration is not None)
        feed = calibration and (calibration, known["inputs"])
        converted, warnings = convert_onnx(source, model, target, precision, options, feed, scratch)
        proof = prove_precision(converted, precision)
        require_precision(proof)
        return {
            "opset": {item.domain or "ai.onnx": item.version for item in converted.opset_import},
            "inputs": [describe_tensor(value, artifact) for value in list_inputs(converted.graph)],
            "outputs": [describe_tensor(value, artifact) for value in converted.graph.output],
            "precision": proof,
            "warnings": warnings,
        }

    used = calibration and {
        **describe_file(calibration),
        "samples": options["calibration_samples"],
        "method": options["calibration_method"],
    }
    facts = {"toolchain": describe_toolchain(HOST_TOOLS[precision]), "calibration": used}
    carry_out(cell, source, known, preset, artifact, manifest, command, convert, facts)


def build_fake(cell, source, identity, preset, precision, artifact, manifest, command):
    """Write the JSON that the agent's fake backend runs, and its manifest; arguments as in `build_onnx`.

    Its times and outputs are simulated; only names and shapes of the outputs are the model's (symbolic sizes are 1).
    """
    known = check_job(cell, source, identity, preset, precision, artifact, manifest, FAKE_SPEED)
    latency_ms = preset["build"].get("latency_ms")
    if type(latency_ms) not in (int, float) or not 0 < latency_ms < float("inf"):
        raise UserError(f"preset {cell['preset']}: build.latency_ms is {latency_ms!r}; a positive number is needed")

    def convert(target, scratch):
        outputs = [
            {"name": item["name"], "dtype": "float32", "shape": [n if isinstance(n, int) else 1 for n in item["shape"]]}
            for item in known["outputs"]
        ]
        content = {
            "seed": f"{known['sha256']}/{precision}",
            "latency_ms": round(latency_ms * FAKE_SPEED[precision], 9),
            "outputs": [[item["name"], item["shape"]] for item in outputs],
        }
        atomic_write(target, json.dumps(content, indent=2) + "\n")
        proof = {
            "claimed": precision,
            "basis": "simulated",
            "share": None,
            "weights": {},
            "values": {},
            "operators": {},
        }
        return {"opset": None, "inputs": known["inputs"], "outputs": outputs, "precision": proof, "warnings": []}

    facts = {"toolchain": describe_toolchain(())}
    carry_out(cell, source, known, preset, artifact, manifest, command, convert, facts)


def _check_onnx_options(build, precision):
    """Return the build options that this precision uses; options of other precisions may stand beside them."""
    build = check_options(build, precision, FORMATS["onnx"])
    method, samples = build.get("calibration_method", "minmax"), build.get("calibration_samples", LEAST_SAMPLES)
    if method not in CALIBRATION_METHODS:
        raise UserError(f"preset: build.calibration_method is {method!r}; allowed: {', '.join(CALIBRATION_METHODS)}")
    if type(samples) is not int or samples < LEAST_SAMPLES:
        raise UserError(f"preset: build.calibration_samples is {samples!r}; at least {LEAST_SAMPLES} are needed")
    if type(build.get("per_channel", False)) is not bool:
        raise UserError(f"preset: build.per_channel is {build['per_channel']!r}; true or false is needed")
    return build
