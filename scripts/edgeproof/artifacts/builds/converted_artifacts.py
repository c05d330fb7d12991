"""Artifacts that a converter makes in its toolchain. All but the converting is as in a build for ONNX Runtime."""

import shutil
from pathlib import Path

from edgeproof.artifacts.records.formats import FORMATS, check_options
from edgeproof.artifacts.records.manifests import describe_record
from edgeproof.core.files import atomic_write, sha256_file

from .build_failures import BuildError
from .build_job import carry_out, check_job, require_interface
from .precision_proof import judge_counts, require_precision
from .saved_models import take_saved_model


def build_converted(
    cell,
    source,
    identity,
    preset,
    precision,
    calibration,
    converter,
    artifact,
    manifest,
    log,
    command,
    saved_model=None,
    quantise=None,
):
    """Build the artifact of `cell` with the converter of its format, a `converting.Converter` that has been started.

    `log`: file for what the converter said. `saved_model`: record of the model's SavedModel, for formats made from it.
    `quantise`: for formats made from an ONNX model that is quantised already; `quantise(source, options, feed,
    scratch)` returns its path and the versions of the tools used. All else is as in `building.build_onnx`.
    """
    kind = FORMATS[preset["artifact"]]
    known = check_job(cell, source, identity, preset, precision, artifact, manifest, kind.options)
    options = check_options(preset["build"], precision, kind)
    used = None
    if precision == "int8":
        from .range_calibration import check_calibration  # numpy takes longer to import than OpenVINO to convert

        used = check_calibration(calibration, known["inputs"], precision, options)
    atomic_write(log, b"")  # a build that ends before its converter runs has said nothing
    facts = {
        "calibration": used,
        **describe_record(converter.record, kind.packages),
        "exit_code": None,
        "log_sha256": sha256_file(log),
    }

    def convert(target, scratch):
        require_interface(known, used is not None)
        spec, tools = {"precision": precision, "options": options}, {}
        if kind.origin == "saved_model":
            spec |= take_saved_model(saved_model, known, facts)
            spec["calibration"] = used and {"path": str(Path(calibration).resolve()), "samples": used["samples"]}
        elif used:
            spec["model"], tools = quantise(source, options, (calibration, known["inputs"]), scratch)
        else:
            spec["model"] = Path(source).resolve()
        converted = converter.convert(spec, source, log, facts)
        facts["toolchain"] |= tools
        proof = judge_counts(precision, converted["weights"], converted["values"], converted["operators"])
        require_precision(proof, kind.quantisers)
        if preset["artifact"] == "tflite" and precision == "int8":
            require_integer_activations(proof)
        shutil.move(converted["path"], target)
        described = {key: converted[key] for key in ("inputs", "outputs", "warnings")}
        return {**described, "opset": None, "precision": proof}

    carry_out(cell, source, known, preset, artifact, manifest, command, convert, facts)


def require_integer_activations(proof):
    """Raise BuildError unless most activations of an int8 TFLite file are int8: float kernels may hide in between."""
    numbers = {dtype: number for dtype, number in proof["values"].items() if dtype != "int32"}
    if numbers.get("int8", 0) < sum(numbers.values()) / 2:
        found = ", ".join(f"{number} {dtype}" for dtype, number in numbers.items())
        raise BuildError("precision_not_held", f"most activations are not int8; found {found}")
