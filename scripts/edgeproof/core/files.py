"""Digests of files, and writes that either happen whole or not at all."""

import contextlib
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Generator
from pathlib import Path

from .errors import UserError
from .layout import FilePath
from .reader import current_reader
from .world_errors import explain_unreadable

_LFS_POINTER = b"version https://git-lfs.github.com/spec/"


def sha256_bytes(data: bytes) -> str:
    """Return the sha256 of bytes as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: FilePath) -> str:
    """Return the sha256 of a file's bytes as 64 hexadecimal digits; UserError if it cannot be read."""
    return current_reader().digest(path)


def require_readable(path: FilePath) -> None:
    """Raise UserError unless `path` is a file that can be read."""
    read_head(path, 1)


def read_head(path: FilePath, size: int) -> bytes:
    """Return the first `size` bytes of a file at most; UserError if it cannot be read."""
    try:
        with open(path, "rb") as stream:
            return stream.read(size)
    except OSError as error:
        raise UserError(f"{path}: {explain_unreadable(error)}") from error


def describe_pointer(path: FilePath) -> str | None:
    """Return what to tell about a file that is a Git LFS pointer, the text that git leaves in place of a large file.

    None for any other file; UserError if it cannot be read.
    """
    if read_head(path, len(_LFS_POINTER)) != _LFS_POINTER:
        return None
    return f"{path}: a Git LFS pointer instead of the file; fetch it: git lfs pull --include {path}"


def require_no_pointer(path: FilePath) -> None:
    """Raise UserError if a file is a Git LFS pointer."""
    if told := describe_pointer(path):
        raise UserError(told)


def is_file(path: FilePath) -> bool:
    """Return whether `path` is a regular file, or one that the reader knows by its digest alone (`Reader.note_absent`).

    False also for a name that no file can have (too long, a zero byte).
    """
    if current_reader().is_absent(path):
        return True
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False


@contextlib.contextmanager
def atomic_path(path: FilePath) -> Generator[Path]:
    """Yield a temporary path beside `path`; on a clean exit flush it to disk and rename it to `path`.

    On an error the temporary file is removed and an older `path` stays as it was; an OSError without a file's name, as
    of a full disk, gets that of `path`. Parent folders are made.
    """
    with _claiming(Path(path)) as (handle, temporary):
        os.close(handle)
        yield temporary
        with open(temporary, "rb") as stream:
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o666 & ~_UMASK)


def atomic_write(path: FilePath, data: str | bytes) -> None:
    """Write text (UTF-8, newlines as given) or bytes to `path` in one step."""
    with _claiming(Path(path)) as (handle, _), open(handle, "wb", buffering=0) as stream:
        rest = memoryview(data.encode() if isinstance(data, str) else data)
        while rest:
            rest = rest[stream.write(rest) :]
        os.fsync(handle)
        os.fchmod(handle, 0o666 & ~_UMASK)


@contextlib.contextmanager
def hold_folder(folder: FilePath) -> Generator[None]:
    """Hold a folder against other processes that hold it too (flock, so no lock file is left behind).

    Waits for another holder; the kernel releases it with the process. The folder is made if it is missing. A network
    file system may not lock folders: there nobody is kept out.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def await_holder(folder: FilePath) -> None:
    """Wait until no process holds a folder any more; OSError if it is not there."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
    finally:
        os.close(handle)


def is_held(folder: FilePath) -> bool:
    """Tell whether somebody holds a folder; OSError if it is not there or its file system locks no folders.

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


@contextlib.contextmanager
def _claiming(path: Path) -> Generator[tuple[int, Path]]:
    """Yield an open, empty file beside `path` and its path; see `atomic_path` for the rest."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        yield handle, Path(name)
        os.replace(name, path)
    except BaseException as error:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        if isinstance(error, OSError):
            error.filename = error.filename or str(path)
        raise


def _read_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


_UMASK = _read_umask()
