"""Artifacts that a converter makes in its toolchain. Everything but the conversion is as for ONNX Runtime."""

import shutil
from collections.abc import Callable
from pathlib import Path

from edgeproof.artifacts.records.formats import CONVERTED_FORMATS, FORMATS
from edgeproof.artifacts.records.manifest_entries import describe_toolchain
from edgeproof.core.configuration import Json
from edgeproof.core.files import atomic_write, is_file, sha256_file

from .build_failures import BuildError
from .build_inputs import list_open_batches, require_usable_source
from .build_job import BuildJob
from .build_steps import carry_out_build, check_before_build
from .converter_process import Converter
from .precision_proof import judge_counts, require_precision
from .range_calibration import require_calibration_file
from .saved_models import take_saved_model
from .supplied_artifacts import take_supplied


def build_converted(
    job: BuildJob, converter: Converter, quantise: Callable[..., tuple[Path, dict]] | None = None
) -> None:
    """Build a job's converted artifact and its manifest with the converter of its format, which has been started.

    `quantise`: for formats that are made from an ONNX model in int8; `quantise(source, options, feed, scratch)` returns
    its path and the versions of the tools used. UserError, before anything is written, if options or files are wrong.
    """
    kind = FORMATS[job.preset["artifact"]]
    known, options = check_before_build(job, *CONVERTED_FORMATS)
    used = None
    if job.precision == "int8" and not job.supplied:
        from .range_calibration import check_calibration  # numpy takes longer to import than OpenVINO to convert

        used = check_calibration(require_calibration_file(job), known["inputs"], options)
    atomic_write(job.log, b"")  # stays empty if the build ends before its converter runs
    facts = {
        "calibration": used,
        **describe_toolchain(converter.record, kind.packages),
        "exit_code": None,
        "log_sha256": sha256_file(job.log),
    }

    def convert(target: Path, scratch: Path) -> Json:
        if not job.supplied:
            require_usable_source(known)
        spec, tools = {"precision": job.precision, "options": options, "open_batches": list_open_batches(known)}, {}
        if job.supplied:
            spec |= _take_supplied_file(job.supplied, known, scratch, facts)
        elif kind.origin == "saved_model":
            spec |= take_saved_model(job.saved_model, known, facts)
            facts["mapping"] = {
                side: [{key: item[key] for key in ("source", "name", "axes")} for item in spec["interface"][side]]
                for side in ("inputs", "outputs")
            }
            spec["calibration"] = used and {
                "path": str(Path(require_calibration_file(job)).resolve()),
                "samples": used["samples"],
            }
        elif used and quantise:
            spec["model"], tools = quantise(job.source, options, (job.calibration, known["inputs"]), scratch)
        else:
            spec["model"] = Path(job.source).resolve()
        converted = converter.convert(spec, job.source, job.log, facts)
        facts["toolchain"] |= tools
        proof = judge_counts(job.precision, converted["weights"], converted["values"], converted["operators"])
        require_precision(proof, kind.quantisers)
        for name in ("float_operators", "per_channel_weights"):  # what a TFLite file tells besides
            proof |= {name: converted[name]} if name in converted else {}
        if job.preset["artifact"] == "tflite" and job.precision == "int8" and not job.supplied:
            _require_integers(proof, options["quantised_io"])
        shutil.move(converted["path"], target)
        described = {key: converted[key] for key in ("inputs", "outputs", "warnings")}
        return {**described, "opset": None, "precision": proof}

    carry_out_build(job, known, convert, facts)


def _take_supplied_file(supplied: Json, known: Json, scratch: Path, facts: Json) -> Json:
    """Return what a converter is told about an artifact of the user's, which it describes and does not make."""
    path = Path(supplied["file"])
    taken = scratch / f"supplied{path.suffix}"
    take_supplied(supplied, taken, facts)
    if path.suffix == ".xml":  # OpenVINO keeps the weights beside it
        if not is_file(path.with_suffix(".bin")):
            raise BuildError(
                "unusable_input", f"{path.with_suffix('.bin')}: no such file; it has the weights of {path}"
            )
        shutil.copyfile(path.with_suffix(".bin"), taken.with_suffix(".bin"))
    return {"supplied": str(taken), "inputs": known["inputs"], "outputs": known["outputs"]}


def _require_integers(proof: Json, everywhere: bool) -> None:
    """Raise BuildError unless most activations of an int8 TFLite file are int8; the others run in float kernels.

    `everywhere`: no operator may take or give a float.
    """
    if everywhere and (floats := proof.get("float_operators")):
        found = ", ".join(f"{number} {name}" for name, number in floats.items())
        raise BuildError(
            "precision_not_held", f"quantised_io wants integers everywhere; operators that compute with floats: {found}"
        )
    numbers = {dtype: number for dtype, number in proof["values"].items() if dtype != "int32"}
    if numbers.get("int8", 0) < sum(numbers.values()) / 2:
        found = ", ".join(f"{number} {dtype}" for dtype, number in numbers.items())
        raise BuildError("precision_not_held", f"most activations are not int8; found {found}")
