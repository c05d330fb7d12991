"""Folders that a process holds against others, for as long as it works in them."""

import contextlib
import fcntl
import os
from collections.abc import Generator
from pathlib import Path

from .errors import UserError
from .layout import FilePath


@contextlib.contextmanager
def hold_folder(folder: FilePath) -> Generator[None]:
    """Hold a folder against other processes that hold it too (flock, so no lock file is left behind).

    Waits for another holder; the kernel releases it with the process. The folder is made if it is missing. A network
    file system may not lock folders: there nobody is kept out. UserError where a file has its place.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise UserError(f"{folder}: is not a folder, or a file lies on the way to it; move that file away") from error
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def await_holder(folder: FilePath) -> None:
    """Wait until a folder is held by no process any more; OSError if it is not there."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
    finally:
        os.close(handle)


def is_held(folder: FilePath) -> bool:
    """Tell whether a folder is held by some process; OSError if it is not there or its file system locks no folders.

    Those who ask or wait share the lock, so that none of them is taken for a holder.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
