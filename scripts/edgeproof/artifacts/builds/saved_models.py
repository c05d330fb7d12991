"""SavedModels: what TFLite and Core ML artifacts of one model are made from, converted once for all of them."""

import shutil
import time
from pathlib import Path

from edgeproof.artifacts.records.manifests import describe_file, describe_record
from edgeproof.core.clock import now
from edgeproof.core.documents import read_json, write_json
from edgeproof.core.errors import UserError
from edgeproof.core.files import atomic_path, sha256_file
from edgeproof.core.layout import locate

from .build_failures import BuildError

_PACKAGES = ("onnx2tf", "tensorflow", "onnx", "numpy")


def build_saved_model(source, identity, converter, artifact, record, log, command):
    """Convert the ONNX file `source` to a SavedModel, packed as `artifact`, and write its `record`.

    `converter`: a `converting.Converter` that has been started. `log`: what it said. A model that cannot be converted
    has an empty artifact and a record with a reason; whoever builds on it passes that reason on.
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
    # onnx2tf rewrites the file it reads, and must not touch the source.
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


def take_saved_model(path, known, facts):
    """Return what a converter is told of the SavedModel whose record is at `path`; BuildError when there is none."""
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
