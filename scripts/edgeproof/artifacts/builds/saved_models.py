"""SavedModels: the TFLite and Core ML artifacts of a model are made from one, which is converted once for all."""

import shutil
import time
from pathlib import Path

from edgeproof.artifacts.records.manifests import describe_file, describe_record
from edgeproof.core.clock import now
from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json, write_json
from edgeproof.core.errors import UserError
from edgeproof.core.files import atomic_path, sha256_file
from edgeproof.core.layout import locate

from .build_failures import BuildError
from .converter_process import Converter

_PACKAGES = ("onnx2tf", "tensorflow", "onnx", "numpy")


def build_saved_model(
    source: str | Path,
    identity: str | Path,
    converter: Converter,
    artifact: str | Path,
    record: str | Path,
    log: str | Path,
    command: list[str],
) -> None:
    """Convert the ONNX file `source` to a SavedModel, packed as `artifact`, and write its `record`.

    `converter`: has been started. `log`: file for its output. `command`: for the record. If the model cannot be
    converted, the artifact is empty and the record has a reason, which also becomes the reason of what is built on it.
    """
    begin = time.monotonic()
    known, digest = read_json(identity, "identity"), sha256_file(source)
    if known["sha256"] != digest:
        raise UserError(f"{source}: sha256 is {digest}, but {identity} says {known['sha256']}; identify it again")
    facts = describe_record(converter.record, _PACKAGES)
    document = {
        "schema": "edgeproof.saved-model.v1",
        "model": known["model"],
        "status": "ok",
        "reason": None,
        "source": {"file": locate(source), "sha256": digest, "bytes": known["bytes"]},
        "artifact": None,
        "interface": None,
        "warnings": [],
    }
    # A copy: onnx2tf rewrites the file it reads.
    spec = {"model": shutil.copyfile(source, converter.scratch / "model.onnx")}
    with atomic_path(artifact) as temporary:
        try:
            converted = converter.convert(spec, source, log, facts)
            shutil.move(converted["path"], temporary)
            document |= {"interface": converted["interface"], "warnings": converted["warnings"]}
        except BuildError as failure:
            document |= {"status": "failed", "reason": {"kind": failure.kind, "message": str(failure)}}
    document |= {**facts, "artifact": describe_file(artifact), "command": command}
    write_json(record, {**document, "duration_s": round(time.monotonic() - begin, 3), "built_at": now()}, "saved-model")


def take_saved_model(path: str | Path | None, known: Json, facts: Json) -> Json:
    """Return what a converter is told about the SavedModel whose record is at `path`, and describe it in `facts`.

    `known`: the identity of the model that it must be made from. BuildError if that could not be converted.
    """
    if path is None:
        raise UserError("this format is made from a SavedModel; give its record with --saved-model")
    record = read_json(path, "saved-model")
    packed = Path(path).with_suffix(".zip")
    if record["source"]["sha256"] != known["sha256"]:
        raise UserError(f"{path}: is about another model ({record['source']['sha256']}); the workflow remakes it")
    facts["intermediate"] = {
        "file": locate(packed),
        "sha256": record["artifact"]["sha256"],
        "toolchain": record["toolchain"],
        "toolchain_lock_sha256": record["toolchain_lock_sha256"],
    }
    if record["status"] == "failed":
        raise BuildError(record["reason"]["kind"], record["reason"]["message"])
    if sha256_file(packed) != record["artifact"]["sha256"]:
        raise UserError(f"{packed}: sha256 is not the one in {path}; delete both, the workflow remakes them")
    return {"saved_model": str(packed.resolve()), "interface": record["interface"]}
