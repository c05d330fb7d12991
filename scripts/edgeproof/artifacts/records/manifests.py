"""Manifests: what an artifact was made from, how, with what, and that it still is what it was.

A build that failed has a manifest too, beside an empty artifact file. Whoever uses an artifact reads its manifest
first.
"""

import platform
import sys
from pathlib import Path

from edgeproof.core.configuration import Json
from edgeproof.core.documents import digest_json, read_json, require_sealed, validate, write_sealed
from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath, is_file, sha256_bytes, sha256_file
from edgeproof.core.layout import REPOSITORY, locate, toolchain_record
from edgeproof.core.reader import read_once

_BUILDING = ("core", "sources", "artifacts", "converters")
HOST_LOCK = "envs/edgeproof.lock"  # of the environment that runs the workflow, and builds what needs no other


@read_once
def read_manifest(path: FilePath) -> Json:
    """Return the manifest at `path`, checked against its schema, its own digest and that of its preset snapshot.

    `status` is `ok` or `failed`; with `failed`, `reason` says why, `artifact.sha256` is None and the artifact file is
    empty. UserError when it is missing or invalid.
    """
    manifest = read_json(path, "manifest")
    if manifest["preset_sha256"] != digest_json(manifest["preset"]):
        raise UserError(f"{path}: preset_sha256 does not match preset; the manifest was edited, rebuild it")
    require_sealed(manifest, path, "rebuild the artifact")
    return manifest


def verify_manifest(path, artifact=None, source=None):
    """Return the manifest at `path` after hashing the files it speaks of; UserError names the first that differs.

    `artifact`: where the file is, by default beside the manifest. `source`: the model file, hashed when given. A failed
    build must have an empty artifact file.
    """
    manifest = read_manifest(path)
    artifact = Path(path).parent / manifest["artifact"]["file"] if artifact is None else Path(artifact)
    _verify_file(path, "artifact", artifact, manifest["artifact"], manifest["status"] == "failed")
    if source is not None:
        _verify_file(path, "source", source, manifest["source"], False)
    return manifest


def write_manifest(path, document):
    """Write a manifest and seal it with its own digest; keys that a build has nothing to say about are None."""
    write_sealed(path, {"schema": "edgeproof.manifest.v1", **document}, "manifest")


def describe_file(path):
    """Return file (relative to the repository where possible), sha256 and bytes of a file."""
    return {"file": locate(path), "sha256": sha256_file(path), "bytes": Path(path).stat().st_size}


def describe_toolchain(tools):
    """Return the versions of Python and of the named distributions in this interpreter."""
    return {"python": platform.python_version(), **{name: version_of(name) for name in sorted(tools)}}


def version_of(package):
    """Return the version of a distribution in this interpreter; ONNX Runtime goes by another name with CUDA.

    importlib.metadata.PackageNotFoundError where there is neither.
    """
    from importlib import metadata  # slow to import, and most records name tools of another interpreter

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return metadata.version(f"{package}-gpu")


def describe_lock():
    """Return the manifest's entries about the lock of our own environment; {} without one.

    It is the one that the environment was made from, as `make setup` noted there: the file may have changed since.
    """
    path, noted = REPOSITORY / HOST_LOCK, Path(sys.prefix) / "edgeproof.stamp"
    if not path.is_file():
        return {}
    digest = noted.read_text().strip() if noted.is_file() else ""
    return {"toolchain_lock_file": HOST_LOCK, "toolchain_lock_sha256": digest or sha256_file(path)}


def describe_record(record, packages):
    """Return the manifest's entries about a toolchain: versions of Python and the packages named, and its lock.

    UserError unless `record` is the record of a toolchain, and of one that has these packages.
    """
    validate(record, "toolchain", toolchain_record(record["toolchain"]))
    versions = {name.replace("_", "-"): version for name, version in record["packages"].items()}
    if missing := sorted(set(packages) - set(versions)):
        raise UserError(
            f"toolchain {record['toolchain']!r} has no {missing[0]}, which makes this kind of artifact; correct the "
            "preset's `toolchain`"
        )
    tools = {"python": record["interpreter"]["version"], **{name: versions[name] for name in sorted(packages)}}
    lock = {f"toolchain_lock_{key}": record["lock"][key] for key in ("file", "sha256")}
    return {"toolchain": tools, **lock}


def describe_preset_file(name):
    """Return the manifest's entry about the file of the preset `name`; none where there is no such file."""
    path = REPOSITORY / "config" / "presets" / f"{name}.yaml"
    return {"preset_file": {"file": locate(path), "sha256": sha256_file(path)}} if path.is_file() else {}


def describe_code():
    """Return the manifest's entry about our own code: one digest of all packages that take part in a build.

    Another one does not mean that the build is another, but where a rebuild differs it is one thing to look at.
    """
    package = Path(__file__).resolve().parents[2]
    files = sorted(path for name in _BUILDING for path in (package / name).rglob("*.py"))
    return {
        "code_sha256": digest_json({str(path.relative_to(package)): sha256_bytes(path.read_bytes()) for path in files})
    }


def describe_host():
    """Return machine (instruction set) and os of the computer that builds."""
    return {"machine": platform.machine(), "os": f"{platform.system()} {platform.release()}"}


def record_command(script, argv=None):
    """Return a command as a list, with the paths inside the repository relative to it.

    An interpreter that is elsewhere is told by its name: where a machine keeps its Python is nobody's concern.
    """
    arguments = sys.argv[1:] if argv is None else argv
    command = [script]
    for item in arguments:
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
    actual = sha256_file(path)
    if actual != recorded["sha256"]:
        raise UserError(
            f"{path}: sha256 is {actual}, but {manifest_path} says {recorded['sha256']} ({what}); it was changed after "
            "the build, rebuild it"
        )
