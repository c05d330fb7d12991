"""PyTorch and TensorFlow models as sources: exported to ONNX in their toolchain, and compared with what that computes.

A module that cannot be exported is a fault of the input: a note takes the place of the model, the record says why, and
the rest of the campaign goes on.
"""

import shutil
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime

from edgeproof.agent.machine import describe_machine
from edgeproof.artifacts.records.deciding_code import digest_converter_code, digest_deciding_code
from edgeproof.artifacts.records.manifest_entries import describe_file, describe_toolchain
from edgeproof.core.attempts import open_attempt
from edgeproof.core.clock import now
from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json, write_json
from edgeproof.core.errors import UserError
from edgeproof.core.exported_sources import EXPORTERS, SAVED_MODEL, list_exported_files
from edgeproof.core.files import sha256_file
from edgeproof.core.keys import compose_key
from edgeproof.core.layout import locate
from edgeproof.sources.input_faults import InputFault, require_file, write_note

from .build_failures import BuildError
from .converter_process import Converter
from .kept_builds import find_kept_build, keep_build_log, place_kept_build

LIMIT = 1e-3  # relative L2 between the outputs of ONNX Runtime and of the original, both float32
ROUNDED_LIMIT = 0.05  # of a quantised TFLite file: its integer kernels round elsewhere than quantised floats do
MODEL, RECORD = "model.onnx", "export.json"
_DEFAULT_OPSET = 17
_PACKAGES = {
    "torch": ("torch", "torchvision", "onnx", "numpy"),
    "tensorflow": ("tensorflow", "tf2onnx", "onnx", "numpy"),
}
_FRAMEWORKS = {"torch": "PyTorch", "tensorflow": "TensorFlow"}
_CODE = "scripts/edgeproof/artifacts/builds/exported_models.py"


class ExportJob(NamedTuple):
    """One export. `source`: the model's configuration under `source`. `output`, `record`: files to write.

    `log`: file for the output of the exporter. `command`: for the record.
    """

    model: str
    source: Json
    output: str
    record: str
    log: str
    command: list[str]


def export_model(job: ExportJob, converter: Converter) -> InputFault | None:
    """Export a PyTorch or TensorFlow model (module, SavedModel or TFLite file) to ONNX, and write the record of it.

    If there is none, a note takes its place and its fault is returned. An export with the same key is taken from the
    store. `converter`: has been started. UserError if there is no verdict.
    """
    begin, facts = time.monotonic(), describe_toolchain(converter.record, _PACKAGES[job.source["kind"]])
    document: Json = {
        "schema": "edgeproof.export.v1",
        "model": job.model,
        "status": "ok",
        "reason": None,
        "source": job.source,
        "files": _describe_files(job.source),
        "exporter": None,
        "opset": job.source.get("opset", _DEFAULT_OPSET),
        "outputs": [],
    }
    key = _compose_export_key(document, converter)
    kept = find_kept_build(job.record, key, _verify_record)
    if kept is None:
        with open_attempt(Path(job.record).parent, "build", key, describe_machine()) as attempt:
            made = attempt.folder / MODEL
            try:
                document |= _export(job, document["opset"], converter, made, facts)
            except (BuildError, InputFault) as fault:
                document |= {"status": "failed", "reason": {"kind": fault.kind, "message": str(fault)}}
                write_note(made, InputFault("no_export", fault))
            document |= {**facts, "artifact": {**describe_file(made), "file": locate(job.output)}}
            document |= {"command": job.command, "duration_s": round(time.monotonic() - begin, 3), "built_at": now()}
            write_json(attempt.folder / RECORD, document, "export")
            keep_build_log(job.log, attempt.folder)
            kept = attempt.complete(status=document["status"]).folder
    place_kept_build(kept, job.output, job.record, job.log)
    reason = read_json(job.record, "export")["reason"]
    return InputFault(**reason) if reason else None


def _export(job: ExportJob, opset: int, converter: Converter, made: Path, facts: Json) -> Json:
    """Write the ONNX model to `made` and return what the record says; BuildError or InputFault if there is none."""
    where, kind = f"config/models/{job.model}.yaml: source", job.source["kind"]
    spec = (_specify_module if kind == "torch" else _specify_tensorflow)(job.source, where) | {"opset": opset}
    converted = converter.convert(spec, None, job.log, facts)
    shutil.move(converted["path"], made)
    eager, rounds = Path(converted["path"]).with_name("eager.npz"), converted.get("quantised", False)
    outputs = _compare_with_eager(made, eager, _FRAMEWORKS[kind], ROUNDED_LIMIT if rounds else LIMIT)
    return {"exporter": converted["exporter"], "outputs": outputs, "warnings": converted["warnings"]}


def _specify_module(source: Json, where: str) -> Json:
    module, weights = source["module"], source.get("weights")
    require_file(module.partition(".py:")[0] + ".py" if ".py:" in module else module, f"{where}.module")
    if weights:
        require_file(weights, f"{where}.weights")
    return {
        "module": str(Path.cwd() / module),
        "weights": str(Path.cwd() / weights) if weights else None,
        "example_input": source["example_input"],
    }


def _specify_tensorflow(source: Json, where: str) -> Json:
    path = Path(source["path"])
    require_file(path if path.suffix == ".tflite" else path / SAVED_MODEL, f"{where}.path")
    return {"path": str(Path.cwd() / path)}


def _compare_with_eager(model: Path, eager: Path, framework: str, limit: float) -> list[Json]:
    """Return `[{name, relative_l2}]`, the worst of the two sets of inputs; BuildError if one is above the limit."""
    try:
        session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
        names = [item.name for item in session.get_outputs()]
        with np.load(eager, allow_pickle=False) as archive:
            arrays = dict(archive)
        taken = {item.name for item in session.get_inputs()}
        worst = dict.fromkeys(names, 0.0)
        for seed in sorted({key.split("/")[0] for key in arrays}):
            feed = {name: arrays[f"{seed}/inputs/{name}"] for name in taken}
            for n, (name, actual) in enumerate(zip(names, session.run(None, feed), strict=True)):
                worst[name] = max(worst[name], _measure_distance(arrays[f"{seed}/outputs/{n}"], np.asarray(actual)))
    except Exception as error:  # whatever the runtime raises, it does not run the model
        raise BuildError("conversion_failed", f"ONNX Runtime does not run the exported model: {error}") from error
    for name, distance in worst.items():
        if not distance <= limit:
            why = "tracing keeps one branch of each condition, and one draw of anything random"
            raise BuildError(
                "conversion_failed",
                f"the exported model computes something else than {framework}: {name!r} differs by {distance:.3g} "
                f"(relative L2; {limit:g} is allowed)" + (f"; {why}" if framework == "PyTorch" else ""),
            )
    return [{"name": name, "relative_l2": distance} for name, distance in worst.items()]


def _measure_distance(expected: np.ndarray, actual: np.ndarray) -> float:
    if expected.shape != actual.shape:
        return float("inf")
    left, right = expected.astype(np.float64), actual.astype(np.float64)
    return float(np.linalg.norm(left - right) / max(float(np.linalg.norm(left)), 1e-12))


def _describe_files(source: Json) -> dict[str, str | None]:
    """Return the digests of the files that decide an export, None for one that is not there."""
    named = list_exported_files(source)
    return {name: sha256_file(name) if Path(name).is_file() else None for name in named}


def _compose_export_key(document: Json, converter: Converter) -> Json:
    code = {
        "building": digest_deciding_code(_CODE),
        "converter": digest_converter_code(EXPORTERS[document["source"]["kind"]]),
    }
    parts = {name: document[name] for name in ("model", "source", "files", "opset")}
    return compose_key({**parts, "toolchain": {"lock": converter.record["lock"]["sha256"]}, "code": code})


def _verify_record(path: Path) -> None:
    """Raise UserError if a kept record is invalid, or the model beside it is not the one it names."""
    recorded = read_json(path, "export")["artifact"]
    if sha256_file(path.with_name(MODEL)) != recorded["sha256"]:
        raise UserError(f"{path.with_name(MODEL)}: sha256 is not the one in {path}; it was changed after the export")
