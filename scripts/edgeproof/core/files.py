"""Digests of files, and writes that either happen whole or not at all."""

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

from .errors import UserError
from .layout import FilePath
from .reader import current_reader, require_regular
from .world_errors import explain_unreadable


def sha256_bytes(data: bytes) -> str:
    """Return the sha256 of bytes, as `sha256_file` does of a file's: 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: FilePath) -> str:
    """Return the sha256 of the file at `path` as 64 hexadecimal digits; UserError if it cannot be read."""
    return current_reader().digest(path)


def require_readable(path: FilePath) -> None:
    """Raise UserError unless `path` is a file that can be read."""
    read_head(path, 1)


def read_head(path: FilePath, size: int) -> bytes:
    """Return the first `size` bytes of a file at most; UserError if it cannot be read."""
    require_regular(path)
    try:
        with open(path, "rb") as stream:
            return stream.read(size)
    except OSError as error:
        raise UserError(f"{path}: {explain_unreadable(error)}") from error


def is_file(path: FilePath) -> bool:
    """Tell whether `path` is a regular file, or one that is known by its digest alone (`Reader.note_absent`).

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
    """Yield a temporary file's path beside `path`; on a clean exit flush the file to disk and rename it to `path`.

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
    """Write a file in one step: text (UTF-8, newlines as given) or bytes to `path`."""
    with _claiming(Path(path)) as (handle, _), open(handle, "wb", buffering=0) as stream:
        rest = memoryview(data.encode() if isinstance(data, str) else data)
        while rest:
            rest = rest[stream.write(rest) :]
        os.fsync(handle)
        os.fchmod(handle, 0o666 & ~_UMASK)


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


def keep_file(source: FilePath, destination: FilePath) -> None:
    """Put a file at a second place, as a hard link where there are such, else as a copy.

    The store of attempts keeps files so, and what is in use comes from there.
    """
    source, destination = Path(source), Path(destination)
    destination.parent.mkdir(parents=True, exist_ok=True)
    beside = destination.with_name(f".{destination.name}.{os.getpid()}.part")
    beside.unlink(missing_ok=True)
    try:
        os.link(source, beside)
    except OSError:
        shutil.copyfile(source, beside)
    os.replace(beside, destination)
    beside.unlink(missing_ok=True)  # to rename a link onto another link of the same file does nothing and leaves it
