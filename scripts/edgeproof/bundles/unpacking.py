"""Opening a bundle from somebody else: structure, names, sizes and digests, before anything in it is read.

Nothing of a bundle is ever run. It is unpacked into a folder of its own, through one open file, and each member is
hashed while it is written. What is refused is said in one line.
"""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from edgeproof.agent.archive_limits import (
    BUNDLE,
    HEAD,
    ArchiveRefused,
    check_name,
    extract_member,
    name_nested,
    open_archive,
    read_member,
)
from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath, is_file, sha256_bytes, sha256_file
from edgeproof.core.reader import require_regular
from edgeproof.core.world_errors import explain_unreadable

from .packing import MANIFEST, SIGNATURE, read_manifest_file
from .run_crates import CRATE, WORKFLOW

PLACES = ("results/", "config/", "envs/", "rules/", "sbom/", "signatures/")
_SINGLE = (CRATE, WORKFLOW)  # files beside them
_LARGEST_MANIFEST = 256 << 20  # bytes
_LARGEST_SIGNATURE = 1 << 20


class BundleRefused(UserError):
    """A bundle that is not what it says it is; the message is one line that names the file in it."""


class OpenedBundle(NamedTuple):
    """A bundle whose files are unpacked below `folder`, all as its manifest has them.

    `manifest_sha256`: of bundle.json; a signature is over it. `signature`: bytes of the envelope, None for none.
    """

    folder: Path
    manifest: Json
    manifest_sha256: str
    signature: bytes | None


def open_bundle(path: FilePath, folder: Path) -> OpenedBundle:
    """Unpack a bundle into the empty folder `folder` and return it; BundleRefused for what is not as it says.

    UserError where the file itself cannot be read.
    """
    require_regular(path)
    try:
        stream = Path(path).open("rb")  # noqa: SIM115 (closed by the block below)
    except OSError as error:
        raise UserError(f"{path}: {explain_unreadable(error)}") from error
    with stream:
        try:
            archive, members = open_archive(stream, BUNDLE)
            by_name = {member.filename: member for member in members}
            if MANIFEST not in by_name:
                raise ArchiveRefused(f"has no {MANIFEST}: it is no bundle")
            text = read_member(archive, by_name.pop(MANIFEST), _LARGEST_MANIFEST)
            (folder / MANIFEST).write_bytes(text)
            manifest = _read_manifest(folder, path)
            signature = None
            if SIGNATURE in by_name:
                signature = read_member(archive, by_name.pop(SIGNATURE), _LARGEST_SIGNATURE)
                (folder / SIGNATURE).write_bytes(signature)
            _require_same_names((entry["path"] for entry in manifest["files"]), by_name, "the archive")
            for entry in manifest["files"]:
                member = by_name[entry["path"]]
                if member.file_size != entry["bytes"]:
                    raise ArchiveRefused(f"{entry['path']}: has {member.file_size} bytes, not {entry['bytes']}")
                _check_file(extract_member(archive, member, str(folder)), entry)
        except ArchiveRefused as error:
            raise BundleRefused(f"{path}: {error}") from error
        except OSError as error:
            raise UserError(f"{path}: cannot be unpacked ({error.strerror or error})") from error
    return OpenedBundle(folder, manifest, sha256_bytes(text), signature)


def open_folder(folder: Path) -> OpenedBundle:
    """Open a bundle after its unpacking, hashing all its files again; BundleRefused names what differs."""
    if not is_file(folder / MANIFEST):
        raise UserError(f"{folder}: has no {MANIFEST}; it is no imported bundle")
    try:
        manifest = _read_manifest(folder, folder)
        own = {MANIFEST, SIGNATURE}
        found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
        _require_same_names((entry["path"] for entry in manifest["files"]), found - own, "the folder")
        for entry in manifest["files"]:
            path = folder / entry["path"]
            if path.is_symlink() or path.stat().st_size != entry["bytes"]:
                raise ArchiveRefused(f"{entry['path']}: is not the file that {MANIFEST} names")
            _check_file(str(path), entry)
    except ArchiveRefused as error:
        raise BundleRefused(f"{folder}: {error}") from error
    except OSError as error:
        raise UserError(f"{folder}: {explain_unreadable(error)}") from error
    signature = folder / SIGNATURE
    envelope = signature.read_bytes() if is_file(signature) else None
    return OpenedBundle(folder, manifest, sha256_file(folder / MANIFEST), envelope)


def _read_manifest(folder: Path, path: FilePath) -> Json:
    try:
        manifest = read_manifest_file(folder / MANIFEST)
    except UserError as error:
        reason = " ".join(str(error).split()).replace(f"{folder}{os.sep}", "")
        raise BundleRefused(f"{path}: {reason}") from error
    paths = [entry["path"] for entry in (*manifest["files"], *manifest["absent"])]
    for name in paths:
        check_name(name, BUNDLE)
        if not name.startswith(PLACES) and name not in _SINGLE:
            raise ArchiveRefused(f"{name!r} is not below {', '.join(PLACES)}")
    if len(set(paths)) < len(paths):
        twice = next(name for name in paths if paths.count(name) > 1)
        raise ArchiveRefused(f"{MANIFEST} names {twice!r} twice")
    return manifest


def _require_same_names(wanted: Iterable[str], found: Iterable[str], where: str) -> None:
    named, there = set(wanted), set(found)
    if missing := sorted(named - there):
        raise ArchiveRefused(f"{missing[0]}: is in {MANIFEST} and not in {where}")
    if added := sorted(there - named):
        raise ArchiveRefused(f"{added[0]}: is in {where} and not in {MANIFEST}")


def _check_file(path: str, entry: Json) -> None:
    name = entry["path"]
    with open(path, "rb") as stream:
        head = stream.read(HEAD)
        stream.seek(0)
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != entry["sha256"]:
        raise ArchiveRefused(f"{name}: its sha256 is not the one in {MANIFEST}; it was changed")
    nested = name_nested(head)
    if nested and entry["role"] != "artifact" and not name.endswith(".npz"):
        raise ArchiveRefused(f"{name}: is an archive itself ({nested}); only artifacts and .npz files may be")
