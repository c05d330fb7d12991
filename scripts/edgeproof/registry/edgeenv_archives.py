"""EdgeEnv's own archives, `edgeenv.export.v1`: read, judged and written, for good runs and for failed ones.

Source: InferEdgeEnv v0.1.5 (contract, section 9). What EdgeEnv refuses is refused in its order, and so is what it lets
through: names that are one on some systems, encrypted or overlapping members, sizes beyond the limits. The manifest
says who exported when, and nobody has signed it.
"""

import hashlib
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from edgeproof.agent.archive_limits import BUNDLE, ArchiveRefused, extract_member, open_archive
from edgeproof.core.clock import now
from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json
from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath, atomic_path, is_file, sha256_file
from edgeproof.core.reader import require_regular
from edgeproof.core.world_errors import explain_unreadable

from .edgeenv_runs import list_registered, read_edgeenv_failure, read_edgeenv_result, read_sampler

MARKER = "edgeenv.export.v1"
_LIMITS = BUNDLE._replace(exact=False, members=1000, total_bytes=1 << 30, member_bytes=1 << 29)
_LOGS = ("config.yaml", "target.yaml", "env.json", "stdout.log", "stderr.log")
_TELEMETRY = "runtime_telemetry.json"
_METADATA = "sampler/metadata.json"


class _Kind(NamedTuple):
    """A kind of archive: its document, where its folders are, and which key of the manifest has its version."""

    document: str
    place: str
    version: str


KINDS = {
    "successful-run": _Kind("result.json", "runs", "source_result_schema_version"),
    "failed-run": _Kind("failure.json", "failed-runs", "source_failed_schema_version"),
}


class EdgeEnvImport(NamedTuple):
    """A run that was taken from an archive: its id, kind and folder."""

    run_id: str
    kind: str
    folder: str


def export_edgeenv_run(root: Path, run: str, kind: str, output: FilePath) -> Json:
    """Write the archive of a run below the folder of EdgeEnv `root`; return its manifest.

    `kind`: of KINDS. UserError where the run is invalid, a file is missing, or one is a link.
    """
    told = KINDS[kind]
    folder = root / told.place / run
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such run")
    document = _read_document(folder, kind)
    names = [told.document, *_LOGS]
    if kind == "successful-run":
        names += [_TELEMETRY] if is_file(folder / _TELEMETRY) else []
        if (folder / "sampler").exists():
            names += [_METADATA, *read_sampler(folder)["raw_artifacts"]]
    files = [_describe_file(folder, name, name in (told.document, *_LOGS)) for name in names]
    manifest: Json = {
        "schema_version": MARKER,
        "bundle_type": kind,
        "run_id": run,
        "created_at": document["created_at"],
        told.version: document.get("schema_version", "edgeenv.result.v1"),
        "files": files,
        "exported_at": now(),
        "exported_by": {"tool": "edgeproof", "package": "edgeproof", "version": "0.1.0"},
    }
    with atomic_path(output) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{run}/manifest.json", json.dumps(manifest, indent=2, allow_nan=False) + "\n")
        for entry in files:
            archive.write(folder / entry["path"], f"{run}/{entry['path']}")
    return manifest


def import_edgeenv_run(path: FilePath, root: Path) -> EdgeEnvImport:
    """Take the run of an archive into the folder of EdgeEnv `root`; nothing is left behind where it is refused.

    Its database stays as it is: EdgeEnv's own commands find the run when they read their folders. UserError in one line
    for what is refused, or where the run is there already.
    """
    require_regular(path)
    root.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(dir=root, prefix=".", suffix=".part"))
    try:
        try:
            with open(path, "rb") as stream:
                archive, members = open_archive(stream, _LIMITS)
                top = _find_top(member.filename for member in members)
                for member in members:
                    extract_member(archive, member, str(place))
        except ArchiveRefused as error:
            raise UserError(f"{path}: {error}") from error
        except OSError as error:
            raise UserError(f"{path}: {explain_unreadable(error)}") from error
        folder = place / top
        names = {member.filename.partition("/")[2] for member in members}
        try:
            kind = _check_archive(folder, names)
        except UserError as error:
            raise UserError(str(error).replace(f"{folder}{os.sep}", f"{path}: ")) from error
        target = root / KINDS[kind].place / top
        if target.exists() or (kind == "successful-run" and top in list_registered(root)):
            raise UserError(f"{target}: the run is there or registered already; nothing is written over")
        target.parent.mkdir(exist_ok=True)
        (folder / "manifest.json").unlink()  # as EdgeEnv does: its readers know no such file
        os.rename(folder, target)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return EdgeEnvImport(top, kind, str(target))


def _find_top(names: Iterable[str]) -> str:
    tops = {name.partition("/")[0] if "/" in name else "" for name in names}
    if len(tops) != 1 or "" in tops:
        raise ArchiveRefused("has not exactly one folder at its top, with everything in it")
    return tops.pop()


def _check_archive(folder: Path, names: set[str]) -> str:
    """Return the kind of an unpacked archive; UserError for the first thing that the contract refuses."""
    if "manifest.json" not in names:
        raise UserError(f"{folder / 'manifest.json'}: is missing")
    manifest = read_json(folder / "manifest.json", "edgeenv-export")
    kind = manifest["bundle_type"]
    told = KINDS[kind]
    listed: dict[str, Json] = {entry["path"]: entry for entry in manifest["files"]}
    if len(listed) < len(manifest["files"]):
        raise UserError(f"{folder / 'manifest.json'}: files names a path twice")
    required = {told.document, *_LOGS}
    if missing := sorted(required - listed.keys()):
        raise UserError(f"{folder / missing[0]}: is missing; a {kind} has it")
    if names != {*listed, "manifest.json"}:
        other = sorted(names ^ {*listed, "manifest.json"})[0]
        raise UserError(f"{folder / other}: is in the archive or in manifest.json, and not in both")
    for name, entry in listed.items():
        _check_file(folder, name, entry, name in required, kind)
    if kind == "successful-run":
        _check_sampler(folder, listed)
        _check_telemetry(folder, listed)
    document = _read_document(folder, kind)
    if not folder.name == manifest["run_id"] == document["run_id"]:
        told = (
            f"run_id is {manifest['run_id']!r}, that of the document {document['run_id']!r}, the folder {folder.name!r}"
        )
        raise UserError(f"{folder / 'manifest.json'}: {told}")
    if manifest.get(told.version) != document.get("schema_version", "edgeenv.result.v1"):
        raise UserError(f"{folder / 'manifest.json'}: {told.version} is not the version of {told.document}")
    return kind


def _check_file(folder: Path, name: str, entry: Json, required: bool, kind: str) -> None:
    if entry["required"] != required:
        raise UserError(f"{folder / 'manifest.json'}: required of {name} is {entry['required']}")
    if not required and (kind == "failed-run" or not (name == _TELEMETRY or name.startswith("sampler/"))):
        raise UserError(f"{folder / name}: no {kind} has such a file")
    if (folder / name).stat().st_size != entry["bytes"] or sha256_file(folder / name) != entry["sha256"]:
        raise UserError(f"{folder / name}: its size or sha256 is not the one in manifest.json")


def _check_sampler(folder: Path, listed: Mapping[str, Any]) -> None:
    raw = {name for name in listed if name.startswith("sampler/")} - {_METADATA}
    if _METADATA not in listed:
        if raw:
            raise UserError(f"{folder / sorted(raw)[0]}: has no {_METADATA} beside it")
        return
    if raw != set(read_sampler(folder)["raw_artifacts"]):
        raise UserError(f"{folder / _METADATA}: raw_artifacts are not the files beside it")


def _check_telemetry(folder: Path, listed: Mapping[str, Any]) -> None:
    if _TELEMETRY in listed:
        try:
            value = json.loads((folder / _TELEMETRY).read_bytes())
        except (ValueError, RecursionError) as error:
            raise UserError(f"{folder / _TELEMETRY}: not valid JSON") from error
        if not isinstance(value, dict):
            raise UserError(f"{folder / _TELEMETRY}: is no object")


def _read_document(folder: Path, kind: str) -> Json:
    path = folder / KINDS[kind].document
    document = read_edgeenv_result(path) if kind == "successful-run" else read_edgeenv_failure(path)
    if document["run_id"] != folder.name:
        raise UserError(f"{path}: run_id is {document['run_id']!r}, not the name of its folder")
    return document


def _describe_file(folder: Path, name: str, required: bool) -> Json:
    path = folder / name
    if not is_file(path) or path.is_symlink():
        raise UserError(f"{path}: is missing or a link; an archive holds files")
    data = path.read_bytes()
    return {"path": name, "required": required, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
