"""Manifests: what an artifact was made from, how and with what, and whether it is unchanged.

A failed build has a manifest too, beside an empty artifact file. Read the manifest before you use an artifact.
"""

from pathlib import Path

from edgeproof.core.configuration import Json
from edgeproof.core.digest_cache import digest_kept
from edgeproof.core.documents import read_json, write_sealed
from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath, is_file
from edgeproof.core.reader import read_once
from edgeproof.core.seals import digest_json, require_sealed


@read_once
def read_manifest(path: FilePath) -> Json:
    """Return the manifest at `path`, checked against its schema, its own digest and that of its preset snapshot.

    `status` is `ok` or `failed`. If it is `failed`, `reason` says why, `artifact.sha256` is None and the artifact file
    is empty. UserError if the manifest is missing or invalid.
    """
    manifest = read_json(path, "manifest")
    if manifest["preset_sha256"] != digest_json(manifest["preset"]):
        raise UserError(
            f"{path}: preset_sha256 does not match preset; the manifest was edited; remove its folder and run again"
        )
    require_sealed(manifest, path, "remove its folder and run again")
    return manifest


def verify_manifest(path: str | Path, artifact: str | Path | None = None, source: str | Path | None = None) -> Json:
    """Return the manifest at `path` after hashing the files that it names; UserError for the first that differs.

    `artifact`: its path, by default beside the manifest. `source`: the model file, hashed if given. A failed build must
    have an empty artifact file.
    """
    manifest = read_manifest(path)
    artifact = Path(path).parent / manifest["artifact"]["file"] if artifact is None else Path(artifact)
    _verify_file(path, "artifact", artifact, manifest["artifact"], manifest["status"] == "failed")
    if source is not None:
        _verify_file(path, "source", source, manifest["source"], False)
    return manifest


def write_manifest(path: str | Path, document: Json) -> None:
    """Write a manifest and seal it with its own digest; keys that do not apply to a build are None."""
    write_sealed(path, {"schema": "edgeproof.manifest.v1", **document}, "manifest")


def flag_random_ranges(manifest: Json) -> str | None:
    """Return `calibrated on noise` if a manifest says that random numbers chose the int8 ranges; else None.

    Such ranges fit other random numbers. What they do to real inputs, only real inputs show.
    """
    used = manifest["calibration"]
    return "calibrated on noise" if used and used.get("samples_kind") == "random" else None


def _verify_file(manifest_path, what, path, recorded, empty):
    path = Path(path)
    if not is_file(path):
        raise UserError(f"{path}: is missing; {manifest_path} names it as {what}")
    if empty:
        if path.stat().st_size:
            raise UserError(
                f"{path}: is not empty, but {manifest_path} says that its build failed; remove its folder and run again"
            )
        return
    actual = digest_kept(path)
    if actual != recorded["sha256"]:
        raise UserError(
            f"{path}: sha256 is {actual}, but {manifest_path} says {recorded['sha256']} ({what}); it was changed after "
            "the build; remove its folder and run again"
        )
