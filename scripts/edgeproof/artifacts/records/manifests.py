"""Manifests: what an artifact was made from, how and with what, and whether it is unchanged.

A failed build has a manifest too, beside an empty artifact file. Read the manifest before you use an artifact.
"""

import functools
import os
import platform
import sys
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

from edgeproof.core.configuration import Json
from edgeproof.core.digest_cache import digest_kept
from edgeproof.core.documents import read_json, validate, write_sealed
from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath, is_file, sha256_bytes, sha256_file
from edgeproof.core.layout import REPOSITORY, locate, toolchain_record
from edgeproof.core.reader import read_once
from edgeproof.core.seals import digest_json, require_sealed

_BUILDING = ("core", "sources", "artifacts", "converters")
HOST_LOCK = "envs/edgeproof.lock"  # of the environment that runs the workflow, and builds where no toolchain is needed


@read_once
def read_manifest(path: FilePath) -> Json:
    """Return the manifest at `path`, checked against its schema, its own digest and that of its preset snapshot.

    `status` is `ok` or `failed`. If it is `failed`, `reason` says why, `artifact.sha256` is None and the artifact file
    is empty. UserError if the manifest is missing or invalid.
    """
    manifest = read_json(path, "manifest")
    if manifest["preset_sha256"] != digest_json(manifest["preset"]):
        raise UserError(f"{path}: preset_sha256 does not match preset; the manifest was edited, rebuild it")
    require_sealed(manifest, path, "rebuild the artifact")
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


def describe_file(path: str | Path) -> Json:
    """Return path (relative to the repository if inside), sha256 and bytes of a file."""
    return {"file": locate(path), "sha256": digest_once(path), "bytes": Path(path).stat().st_size}


def digest_once(path: str | Path) -> str:
    """Return the sha256 of a file, which this process does not read again until it changes."""
    try:
        state = os.stat(path)
    except OSError:
        return sha256_file(path)  # which says why it cannot be read
    return _digest_state(str(path), state.st_size, state.st_ino, state.st_mtime_ns, state.st_ctime_ns)


@functools.lru_cache(maxsize=16)
def _digest_state(path: str, *_state: int) -> str:
    return sha256_file(path)


def describe_toolchain(tools: Iterable[str]) -> dict[str, str]:
    """Return the versions of Python and of the named distributions in this interpreter."""
    return {"python": platform.python_version(), **{name: version_of(name) for name in sorted(tools)}}


def version_of(package: str) -> str:
    """Return the version of a distribution in this interpreter; ONNX Runtime has another name with CUDA.

    importlib.metadata.PackageNotFoundError if there is neither.
    """
    from importlib import metadata  # slow to import, and most records list packages of another interpreter

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return metadata.version(f"{package}-gpu")


def describe_lock() -> Json:
    """Return the manifest's entries about the lock of the workflow's environment; {} without one.

    It is the lock that the environment was made from, as `make setup` noted; the file may have changed since.
    """
    path, noted = REPOSITORY / HOST_LOCK, Path(sys.prefix) / "edgeproof.stamp"
    if not path.is_file():
        return {}
    digest = noted.read_text().strip() if noted.is_file() else ""
    return {"toolchain_lock_file": HOST_LOCK, "toolchain_lock_sha256": digest or sha256_file(path)}


def describe_record(record: Json, packages: Sequence[str]) -> Json:
    """Return the manifest's entries about a toolchain: versions of Python and of `packages`, and its lock.

    UserError unless `record` is the record of a toolchain that has these packages.
    """
    validate(record, "toolchain", toolchain_record(record["toolchain"]))
    versions = {name.replace("_", "-"): version for name, version in record["packages"].items()}
    if missing := sorted(set(packages) - set(versions)):
        raise UserError(
            f"toolchain {record['toolchain']!r} has no {missing[0]}, which this format needs; correct the "
            "preset's `toolchain`"
        )
    tools = {"python": record["interpreter"]["version"], **{name: versions[name] for name in sorted(packages)}}
    lock = {f"toolchain_lock_{key}": record["lock"][key] for key in ("file", "sha256")}
    return {"toolchain": tools, **lock}


def describe_preset_file(name: str) -> Json:
    """Return the manifest's entry about the file of the preset `name`; {} if there is no such file."""
    path = REPOSITORY / "config" / "presets" / f"{name}.yaml"
    return {"preset_file": {"file": locate(path), "sha256": sha256_file(path)}} if path.is_file() else {}


def describe_code() -> Json:
    """Return the manifest's entry about edgeproof's own code: one digest of all packages that take part in a build.

    Another digest does not mean another build, but if a rebuild differs, it is one thing to look at.
    """
    package = Path(__file__).resolve().parents[2]
    files = sorted(path for name in _BUILDING for path in (package / name).rglob("*.py"))
    return {
        "code_sha256": digest_json({str(path.relative_to(package)): sha256_bytes(path.read_bytes()) for path in files})
    }


def describe_host() -> dict[str, str]:
    """Return machine (instruction set) and os of the computer that builds."""
    return {"machine": platform.machine(), "os": f"{platform.system()} {platform.release()}"}


def record_command(script: str, argv: Sequence[str] | None = None) -> list[str]:
    """Return a command as a list, with paths inside the repository relative to it.

    An interpreter outside is recorded by its name only: where a machine keeps its Python does not belong in a record.
    An option that a rule gave no value, such as the calibration of fp32, is left out.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    command = [script]
    for item, following in pairwise([*arguments, "--"]):
        if item.startswith("--") and following.startswith("--"):
            continue
        place = locate(item) if item.startswith("/") else item
        elsewhere = place.startswith("/") and command[-1] == "--interpreter"
        command.append(Path(place).name if elsewhere else place)
    return command


def _verify_file(manifest_path, what, path, recorded, empty):
    path = Path(path)
    if not is_file(path):
        raise UserError(f"{path}: is missing; {manifest_path} names it as {what}")
    if empty:
        if path.stat().st_size:
            raise UserError(f"{path}: is not empty, but {manifest_path} says that its build failed; rebuild it")
        return
    actual = digest_kept(path)
    if actual != recorded["sha256"]:
        raise UserError(
            f"{path}: sha256 is {actual}, but {manifest_path} says {recorded['sha256']} ({what}); it was changed after "
            "the build, rebuild it"
        )
