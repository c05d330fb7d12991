"""Publishing an artifact together with its manifest: two builds into one folder at once never leave a mixture."""

import contextlib
import fcntl
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

from edgeproof.artifacts.records.manifests import write_manifest
from edgeproof.core.configuration import Json
from edgeproof.core.files import atomic_path, sha256_file

_LARGE_BYTES = 1 << 25  # bytes


def publish_build(artifact: str | Path, made: Path | None, manifest: str | Path, document: Json) -> None:
    """Move the file `made` to `artifact` and write `document` to `manifest`, in one step as other builds see it.

    The digest and size of the file go into the document's `artifact`. `made`: None if the build failed; then the file
    is empty. The old manifest is removed first. If the process dies in between, the folder has an artifact without a
    manifest, which nobody uses, and never an artifact beside the manifest of another build.
    """
    with exclusive_folder(Path(artifact).parent):
        Path(manifest).unlink(missing_ok=True)
        with atomic_path(artifact) as temporary:
            if made:
                shutil.move(made, temporary)
            size = temporary.stat().st_size
            document["artifact"] |= {"sha256": _digest_while_flushing(temporary) if made else None, "bytes": size}
        write_manifest(manifest, document)


@contextlib.contextmanager
def exclusive_folder(folder: str | Path) -> Iterator[None]:
    """Hold a folder against other processes (flock on the folder itself, so no lock file is left behind).

    Waits for another holder; the kernel releases it with the process. The folder is made if it is missing.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


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
