"""SavedModels: the TFLite and Core ML artifacts of a model are made from one, which is converted once for all."""

import shutil
import time
from pathlib import Path

from edgeproof.agent.machine import describe_machine
from edgeproof.agent.messages import tell
from edgeproof.artifacts.records.manifest_entries import describe_file, describe_toolchain
from edgeproof.core.attempts import open_attempt
from edgeproof.core.clock import now
from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json, write_json
from edgeproof.core.errors import UserError
from edgeproof.core.files import atomic_path, atomic_write, sha256_file
from edgeproof.core.layout import locate
from edgeproof.sources.input_faults import find_model_fault

from .build_failures import BuildError
from .build_job import read_job_file
from .build_keys import compose_saved_model_key
from .build_shortcuts import has_attempts
from .converter_process import Converter
from .kept_builds import find_kept_build, keep_build_log, place_kept_build

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
    begin, place = time.monotonic(), Path(record).parent
    document = _describe_source(source, identity)
    facts = describe_toolchain(converter.record, _PACKAGES)
    key = compose_saved_model_key(identity, converter.record)
    with open_attempt(place, "build", key, describe_machine()) as attempt:
        made = attempt.folder / Path(artifact).name
        # A copy: onnx2tf rewrites the file it reads.
        spec = {"model": shutil.copyfile(source, converter.scratch / "model.onnx")}
        with atomic_path(made) as temporary:
            try:
                converted = converter.convert(spec, source, log, facts)
                shutil.move(converted["path"], temporary)
                document |= {"interface": converted["interface"], "warnings": converted["warnings"]}
            except BuildError as failure:
                document |= {"status": "failed", "reason": {"kind": failure.kind, "message": str(failure)}}
        document |= {**facts, "artifact": {**describe_file(made), "file": locate(artifact)}, "command": command}
        _write_record(attempt.folder / Path(record).name, document, begin)
        keep_build_log(log, attempt.folder)
        built = attempt.complete(status=document["status"]).folder
    place_kept_build(built, artifact, record)


def settle_saved_model(options: Json, command: list[str]) -> bool:
    """Put an earlier SavedModel with the same key into place, or record that the model cannot be used.

    `options`: those of the script (source, identity, toolchain, artifact, record, log). Returns whether it did one of
    the two; otherwise the model has to be converted.
    """
    fault = find_model_fault(options["identity"])
    if fault:
        _record_fault(options, fault["message"], command)
        return True
    if not has_attempts(options["record"]):
        return False
    key = compose_saved_model_key(options["identity"], read_job_file(options["toolchain"]))
    built = find_kept_build(options["record"], key, _verify_record)
    if built is None:
        return False
    place_kept_build(built, options["artifact"], options["record"], options["log"])
    tell(f"the same SavedModel is in {built}; nothing is converted")
    return True


def _record_fault(options: Json, message: str, command: list[str]) -> None:
    begin = time.monotonic()
    for path in (options["artifact"], options["log"]):
        atomic_write(path, b"")
    document = {
        **_describe_source(options["source"], options["identity"]),
        "status": "failed",
        "reason": {"kind": "unusable_input", "message": message},
        **describe_toolchain(read_job_file(options["toolchain"]), _PACKAGES),
        "exit_code": None,
        "log_sha256": sha256_file(options["log"]),
        "artifact": describe_file(options["artifact"]),
        "command": command,
    }
    _write_record(options["record"], document, begin)


def _describe_source(source: str | Path, identity: str | Path) -> Json:
    known, digest = read_json(identity, "identity"), sha256_file(source)
    if known["sha256"] != digest:
        raise UserError(f"{source}: sha256 is {digest}, but {identity} says {known['sha256']}; identify it again")
    return {
        "schema": "edgeproof.saved-model.v2",
        "model": known["model"],
        "status": "ok",
        "reason": None,
        "source": {"file": locate(source), "sha256": digest, "bytes": known["bytes"]},
        "artifact": None,
        "interface": None,
        "warnings": [],
    }


def _write_record(path: str | Path, document: Json, begin: float) -> None:
    write_json(path, {**document, "duration_s": round(time.monotonic() - begin, 3), "built_at": now()}, "saved-model")


def _verify_record(path: Path) -> None:
    """Raise UserError if a kept record is invalid or the archive beside it is not the one it names."""
    recorded = read_json(path, "saved-model")["artifact"]
    packed = path.with_name(Path(recorded["file"]).name)
    if sha256_file(packed) != recorded["sha256"]:
        raise UserError(f"{packed}: sha256 is not the one in {path}; it was changed after the conversion")


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
