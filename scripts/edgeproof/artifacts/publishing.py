"""An artifact and its manifest appear together: two builds into one folder at once never leave a mixture."""

import contextlib
import fcntl
import os
from pathlib import Path

from ..core.files import atomic_write
from .manifests import write_manifest


def publish_build(artifact, data, manifest, document):
    """Write the bytes `data` to `artifact` and `document` to `manifest`, as one step for every other build.

    The old manifest goes first: while the new files arrive, and for good if the process dies in between, the folder
    holds an artifact without a manifest, which nobody uses, and never one build's artifact under another's manifest.
    """
    with exclusive_folder(Path(artifact).parent):
        Path(manifest).unlink(missing_ok=True)
        atomic_write(artifact, data)
        write_manifest(manifest, document)


@contextlib.contextmanager
def exclusive_folder(folder):
    """Hold a folder against other processes (flock on the folder itself, so that no lock file stays behind).

    Waits for whoever holds it; the kernel releases it with the process. The folder is made if it is missing.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
