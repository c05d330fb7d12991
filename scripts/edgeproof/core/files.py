"""Digests of files, and writes that either happen whole or not at all."""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Generator
from pathlib import Path

from .errors import UserError
from .layout import FilePath
from .reader import current_reader

LFS_POINTER = b"version https://git-lfs.github.com/spec/"


def sha256_bytes(data: bytes) -> str:
    """Return the sha256 of bytes as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: FilePath) -> str:
    """Return the sha256 of a file's bytes as 64 hexadecimal digits; UserError if it cannot be read."""
    return current_reader().digest(path)


def read_head(path: FilePath, size: int) -> bytes:
    """Return the first `size` bytes of a file at most; UserError if it cannot be read."""
    try:
        with open(path, "rb") as stream:
            return stream.read(size)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error


def describe_pointer(path: FilePath) -> str | None:
    """Return what to tell about a file that is a Git LFS pointer, the text that git leaves in place of a large file.

    None for any other file; UserError if it cannot be read.
    """
    if read_head(path, len(LFS_POINTER)) != LFS_POINTER:
        return None
    return f"{path}: a Git LFS pointer instead of the file; fetch it: git lfs pull --include {path}"


def require_no_pointer(path: FilePath) -> None:
    """Raise UserError if a file is a Git LFS pointer."""
    if told := describe_pointer(path):
        raise UserError(told)


def is_file(path: FilePath) -> bool:
    """Return whether `path` is a regular file; False also for a name that no file can have (too long, a zero byte)."""
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
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with open(temporary, "rb") as stream:
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o666 & ~_UMASK)
        os.replace(temporary, path)
    except OSError as error:
        error.filename = error.filename or str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def atomic_write(path: FilePath, data: str | bytes) -> None:
    """Write text (UTF-8, newlines as given) or bytes to `path` in one step."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


def _read_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


_UMASK = _read_umask()
