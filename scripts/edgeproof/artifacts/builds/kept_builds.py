"""Builds that are kept in the store, found there, and put into place: two at once never leave a mixture.

Artifact and manifest are in the store first (see `core.attempts`). Their places get a hard link to the artifact, which
may be large, and copies of the small files, so that editing those leaves the store as it is.
"""

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

from edgeproof.agent.messages import tell
from edgeproof.artifacts.records.manifests import verify_manifest
from edgeproof.core.attempts import find_attempts
from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.files import atomic_path, is_file, keep_file, sha256_file
from edgeproof.core.held_folders import hold_folder

_LARGE_BYTES = 1 << 25  # bytes
_LOG = "build.log"  # what the store calls the log of a converter


def keep_artifact(made: Path | None, target: Path) -> Json:
    """Put the file `made` by a build among the kept builds, at `target`, flushed to disk; return its sha256 and bytes.

    It is moved there; None makes an empty file.
    """
    with atomic_path(target) as temporary:
        if made:
            shutil.move(made, temporary)
        size = temporary.stat().st_size
        return {"sha256": _digest_while_flushing(temporary) if made else None, "bytes": size}


def keep_build_log(log: str | Path, folder: Path) -> None:
    """Keep the log of a build's converter, if there is one, beside the kept artifact."""
    if log and is_file(log):
        _copy_file(log, folder / _LOG)


def find_kept_build(manifest: str | Path, key: Json, verify: Callable[[Path], object] = verify_manifest) -> Path | None:
    """Return the folder of the first kept build with this key whose files are as its manifest says; None without one.

    `manifest`: where the manifest of the build belongs. `verify`: raises UserError if a manifest or its artifact was
    changed; such a build is named on stderr.
    """
    for attempt in find_attempts(Path(manifest).parent, key, spares=True):
        try:
            verify(attempt.folder / Path(manifest).name)
        except UserError as error:
            tell(f"{attempt.folder} is not used: {error}")
            continue
        return attempt.folder
    return None


def place_kept_build(built: Path, artifact: str | Path, manifest: str | Path, log: str | Path = "") -> None:
    """Put the files of a kept build into their places, in one step as other builds see it. `log`: its place, if any.

    The old manifest is removed first. If the process dies in between, the folder has an artifact without a manifest,
    which nobody uses, and never an artifact beside the manifest of another build.
    """
    with hold_folder(Path(artifact).parent):
        Path(manifest).unlink(missing_ok=True)
        if log and is_file(built / _LOG):
            _copy_file(built / _LOG, log)
        keep_file(built / Path(artifact).name, artifact)
        _copy_file(built / Path(manifest).name, manifest)


def _copy_file(source: str | Path, destination: str | Path) -> None:
    """Copy a small file in one step. It is not flushed to disk: what is in the store can be copied again."""
    beside = Path(destination).with_name(f".{Path(destination).name}.{os.getpid()}.part")
    beside.parent.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copyfile(source, beside)
        os.replace(beside, destination)
    finally:
        beside.unlink(missing_ok=True)


def _digest_while_flushing(path):
    """Return the sha256 of a file that is complete; a large one is flushed to disk in the meantime."""
    if path.stat().st_size < _LARGE_BYTES:
        return sha256_file(path)
    failures = []

    def flush():
        try:
            os.fsync(stream.fileno())
        except OSError as error:
            failures.append(error)

    with open(path, "rb") as stream:
        flushing = threading.Thread(target=flush)
        flushing.start()
        digest = sha256_file(path)
        flushing.join()
    if failures:
        raise failures[0]
    return digest
