"""InferEdgeForge's own records: manifests (`inferedgeforge-manifest-v1`) and metadata (`0.1.0`), read and validated.

All of Forge's checks are here, with the same split into errors and warnings. We also check what Forge does not: that
the files exist and have the recorded digests, that digests are well-formed, and that schema and precision are right.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.files import is_file, sha256_file
from edgeproof.core.layout import locate
from edgeproof.core.reader import require_regular
from edgeproof.core.world_errors import explain_unreadable

from . import agent_manifests
from .manifests import read_manifest
from .validation import Check

MANIFEST_SCHEMA = "inferedgeforge-manifest-v1"
METADATA_SCHEMA = "0.1.0"
_REQUIRED_TEXTS = {
    "build": ("build_id", "timestamp", "preset_name", "backend", "target"),
    "source_model": ("path", "format"),
    "artifact": ("path", "format", "role"),
    "runtime": ("engine", "device", "precision", "model_path", "artifact_path"),
}
_EQUAL_FIELDS = (
    (("build", "backend"), ("runtime", "engine")),
    (("build", "target"), ("runtime", "device")),
    (("artifact", "path"), ("runtime", "artifact_path")),
)
_SIZES = ("batch", "height", "width")
# The fields of its manifests by which Forge compares builds; its documentation does not list them.
_COMPARE_CONTEXT = (("artifact", "model_name"), ("artifact", "precision"), ("runtime", "engine"), ("runtime", "device"))
_SHA256 = re.compile(r"[0-9a-f]{64}")


def read_forge_record(path: str | Path) -> Json | None:
    """Return the JSON object at `path` if it is one of Forge's documents, None if it is ours or not JSON.

    UserError if the file cannot be read. Unknown keys are allowed, as in Forge. A key that occurs twice, or a number
    such as NaN, is an error as everywhere in edgeproof.
    """
    require_regular(path)
    try:
        document = json.loads(
            Path(path).read_text(encoding="utf-8"),
            object_pairs_hook=_require_unique_keys,
            parse_constant=_refuse_constant,
        )
    except OSError as error:
        raise UserError(f"{path}: {explain_unreadable(error)}") from error
    except (ValueError, RecursionError) as error:
        if b"inferedgeforge" in Path(path).read_bytes()[:4096]:
            raise UserError(f"{path}: not valid JSON: {error}") from error
        return None
    if not isinstance(document, dict) or "schema" in document:
        return None
    return document if "schema_version" in document or "build" in document else None


def validate_forge_record(path: str | Path, document: Json) -> list[Check]:
    """Return the Checks of a Forge record: Forge's errors are `differs` or `missing`, its warnings `note`."""
    if document.get("schema_version") == agent_manifests.SCHEMA:
        return _validate_agent_manifest(path, document)
    if "handoff" in document or document.get("schema_version") == METADATA_SCHEMA:
        return _validate_metadata(path, document)
    return _validate_manifest(path, document)


def _validate_manifest(path: str | Path, document: Json) -> list[Check]:
    """Return the Checks of a Forge manifest: those of Forge itself, then existence, digests and precision."""
    errors, warnings = list_errors(document), list_warnings(document)
    checks = [Check("manifest", "differs", str(path), text) for text in errors]
    checks += [Check("manifest", "note", str(path), text) for text in warnings]
    checks = checks or [Check("manifest", "ok", str(path))]
    checks.append(_check_file("source", path, _get_section(document, "source_model")))
    checks.append(_check_file("artifact", path, _get_section(document, "artifact")))
    return checks + _check_precision(path, document)


def _validate_agent_manifest(path: str | Path, document: Json) -> list[Check]:
    """Return the Checks of an agent manifest: its fields, then the files that it names."""
    errors = agent_manifests.list_agent_errors(document)
    checks = [Check("agent manifest", "differs", str(path), text) for text in errors]
    missing = agent_manifests.list_missing_files(path, document)
    checks += [Check("agent manifest", "missing", file, "no such file") for file in missing]
    return checks or [Check("agent manifest", "ok", str(path))]


def _validate_metadata(path: str | Path, document: Json) -> list[Check]:
    """Return the Checks of a Forge metadata file: its required texts, and its files."""
    required = {"build": _REQUIRED_TEXTS["build"], "source_model": _REQUIRED_TEXTS["source_model"]}
    errors = _list_empty(document, required)
    if document.get("schema_version") != METADATA_SCHEMA:
        errors.append(f"schema_version is {document.get('schema_version')!r}; {METADATA_SCHEMA!r} is known")
    artifacts = document.get("artifacts")
    if not isinstance(artifacts, list) or not artifacts or not all(isinstance(item, dict) for item in artifacts):
        errors.append("artifacts is not a list of objects")
        artifacts = []
    checks = [Check("metadata", "differs", str(path), text) for text in errors] or [Check("metadata", "ok", str(path))]
    checks.append(_check_file("source", path, _get_section(document, "source_model")))
    return checks + [_check_file("artifact", path, item) for item in artifacts]


def list_errors(document: Json) -> list[str]:
    """Return the errors in Forge's records: sections and texts that are missing, and fields that disagree."""
    errors = _list_empty(document, _REQUIRED_TEXTS)
    for one, other in _EQUAL_FIELDS:
        values = [_get_section(document, section).get(key) for section, key in (one, other)]
        if all(values) and values[0] != values[1]:
            errors.append(f"{'.'.join(one)} is {values[0]!r}, {'.'.join(other)} is {values[1]!r}")
    if document.get("schema_version") not in (None, MANIFEST_SCHEMA):
        errors.append(f"schema_version is {document['schema_version']!r}; {MANIFEST_SCHEMA!r} is known")
    for section in ("source_model", "artifact"):
        digest = _get_section(document, section).get("sha256")
        if digest is not None and not (isinstance(digest, str) and _SHA256.fullmatch(digest)):
            errors.append(f"{section}.sha256 is {digest!r}; 64 hexadecimal digits are needed")
    return errors


def list_warnings(document: Json) -> list[str]:
    """Return the warnings about Forge's records: missing optional fields, and what makes builds hard to trust."""
    warnings = [f"no {key}" for key in ("schema_version", "tool") if not document.get(key)]
    warnings += [
        f"no {section}.sha256"
        for section in ("source_model", "artifact")
        if not _has_field(document, section, "sha256")
    ]
    if not _has_field(document, "artifact", "model_name"):
        warnings.append("no artifact.model_name")
    runtime = _get_section(document, "runtime")
    for name in _SIZES:
        if not (type(runtime.get(name)) is int and runtime[name] > 0):
            warnings.append(f"runtime.{name} is not a positive integer")
    missing = [".".join(item) for item in _COMPARE_CONTEXT if not _has_field(document, *item)]
    if missing:
        warnings.append(f"incomplete compare context: {', '.join(missing)}")
    return warnings


def _list_empty(document: Json, required: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a sentence for each section or text that is missing or empty. `required`: `{section: (key, …)}`."""
    errors = []
    for section, keys in required.items():
        if not isinstance(document.get(section), dict):
            errors.append(f"section {section} is missing")
            continue
        for key in keys:
            value = document[section].get(key)
            if not isinstance(value, str) or not value.strip():
                errors.append(f"{section}.{key} is {value!r}; a text is needed")
    return errors


def summarise_forge(path: str | Path, document: Json) -> Json:
    """Return the fifteen worker fields of a Forge manifest, by InferEdgeForge's precedence; UserError if one is
    missing.

    A field comes from the manifest's `runtime`, else from its `build` or `artifact`, else from the `lab_compat` of the
    metadata.json beside it, else from the rest of that file.
    """
    beside = Path(path).with_name("metadata.json")
    metadata = (read_forge_record(beside) or {}) if beside.is_file() else {}
    runtime, build, artifact = (_get_section(document, name) for name in ("runtime", "build", "artifact"))
    source = {**_get_section(metadata, "source_model"), **_get_section(document, "source_model")}
    lab = _get_section(_get_section(metadata, "lab_compat"), "runtime")
    artifacts = metadata.get("artifacts")
    first = artifacts[0] if isinstance(artifacts, list) and artifacts and isinstance(artifacts[0], dict) else {}
    chains = {
        "source_model_path": [source.get("path")],
        "source_model_sha256": [source.get("sha256")],
        "backend": [
            runtime.get("engine"),
            build.get("backend"),
            lab.get("engine"),
            _get_section(metadata, "build").get("backend"),
        ],
        "target": [
            runtime.get("device"),
            build.get("target"),
            lab.get("device"),
            _get_section(metadata, "build").get("target"),
        ],
        "precision": [runtime.get("precision"), artifact.get("precision"), lab.get("precision")],
        **{name: [runtime.get(name), lab.get(f"requested_{name}")] for name in _SIZES},
        "artifact_path": [
            runtime.get("artifact_path"),
            artifact.get("path"),
            lab.get("runtime_artifact_path"),
            first.get("path"),
        ],
        "artifact_sha256": [artifact.get("sha256"), first.get("sha256")],
        "artifact_type": [artifact.get("format"), first.get("format")],
        "metadata_path": [str(beside) if metadata else None],
        "manifest_path": [str(path)],
        "preset_name": [build.get("preset_name"), _get_section(metadata, "build").get("preset_name")],
        "build_id": [build.get("build_id"), _get_section(metadata, "build").get("build_id")],
    }
    summary = {name: next((value for value in values if value), None) for name, values in chains.items()}
    for name, value in summary.items():
        if name in _SIZES and not (type(value) is int and value > 0):
            raise UserError(f"{path}: {name} is {value!r}; a positive integer is needed")
        if name not in (*_SIZES, "metadata_path") and not (isinstance(value, str) and value):
            raise UserError(f"{path}: {name} is {value!r}; a text is needed")
    return {"schema": "edgeproof.runtime-summary.v1", **summary}


def describe_forge_build(path: str | Path, artifact_sha256: str) -> Json:
    """Return what a Forge manifest says of the build of an artifact, for the artifact's own manifest.

    UserError if it is not a valid one, or is about a file with another digest than `artifact_sha256`.
    """
    document = read_forge_record(path)
    if document is None or document.get("schema_version") not in (None, MANIFEST_SCHEMA):
        raise UserError(f"{path}: is not a manifest.json of InferEdgeForge")
    if errors := list_errors(document):
        raise UserError(f"{path}: {errors[0]}")
    recorded = document["artifact"].get("sha256")
    if recorded != artifact_sha256:
        raise UserError(f"{path}: artifact.sha256 is {recorded}, the file has {artifact_sha256}")
    build, snapshot = document["build"], _get_section(document, "preset_snapshot")
    return {
        "file": locate(path),
        "sha256": sha256_file(path),
        "build_id": build["build_id"],
        "built_at": build["timestamp"],
        "preset": build["preset_name"],
        "backend": build["backend"],
        "target": build["target"],
        "options": _get_section(snapshot, "build_options"),
        "tool": _get_section(document, "tool"),
    }


def find_imported_build(path: str | Path, manifests: Sequence[Path]) -> Path:
    """Return our manifest of the artifact that was taken over with the Forge record at `path`.

    `manifests`: of the artifacts there are. UserError if none was taken with that record.
    """
    digest = sha256_file(path)
    for item in manifests:
        try:
            record = (read_manifest(item).get("supplied") or {}).get("record")
        except UserError:  # of an artifact that cannot be read, `list` tells
            continue
        if record and record["sha256"] == digest:
            return item
    raise UserError(
        f"{path}: this build was not taken over, so nothing of it is measured; do that with: edgeproof new forge-build "
        f"{Path(path).parent}"
    )


def locate_recorded(path: str | Path, recorded: str) -> Path | None:
    """Return the file that a path in a Forge record means, or None: Forge stores paths as they were typed.

    Tried in turn: the path as it is, from the folder of the record or one above it, and its name beside the record.
    """
    here = Path(path).resolve().parent
    candidates = [Path(recorded), *(folder / recorded for folder in (here, *here.parents)), here / Path(recorded).name]
    return next((item for item in candidates if is_file(item)), None)


def _check_file(subject, path, section):
    recorded, digest = section.get("path"), section.get("sha256")
    if not isinstance(recorded, str) or not recorded:
        return Check(subject, "missing", "-", "no path is recorded")
    found = locate_recorded(path, recorded)
    if found is None:
        return Check(subject, "missing", recorded)
    if not digest:
        return Check(subject, "note", recorded, "exists; no sha256 is recorded to compare it with")
    actual = sha256_file(found)
    if actual != digest:
        return Check(subject, "differs", recorded, f"sha256 is {actual}, the record says {digest}")
    return Check(subject, "ok", recorded)


def _check_precision(path, document):
    """Return a Check if the claimed precision is not the one that the preset's snapshot asked for."""
    asked = _get_section(_get_section(document, "preset_snapshot"), "build_options").get("precision")
    for section in ("runtime", "artifact"):
        claimed = _get_section(document, section).get("precision")
        if asked and claimed and asked != claimed:
            message = f"{section}.precision is {claimed!r}, the preset's build_options.precision is {asked!r}"
            return [Check("precision", "differs", str(path), message)]
    return []


def _get_section(document, name):
    value = document.get(name)
    return value if isinstance(value, dict) else {}


def _has_field(document, section, key):
    return bool(_get_section(document, section).get(key))


def _require_unique_keys(pairs):
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a key occurs twice in one object")
    return document


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number in JSON")
