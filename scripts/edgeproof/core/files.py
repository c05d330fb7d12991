"""Digests, and writes that are either whole or not there."""

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

from .reader import current_reader


def sha256_bytes(data):
    """Return the sha256 of bytes as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path):
    """Return the sha256 of a file's bytes as 64 hexadecimal digits; UserError if it cannot be read."""
    return current_reader().digest(path)


def is_file(path):
    """Tell whether `path` is a regular file that can be looked at. A name that no file can have (too long) is none."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):
        return False


@contextlib.contextmanager
def atomic_path(path):
    """Yield a temporary path beside `path`; on a clean exit flush it to disk and rename it to `path`.

    On an error the temporary file is removed and an older `path` stays as it was. Parent folders are made.
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
    finally:
        temporary.unlink(missing_ok=True)


def atomic_write(path, data):
    """Write text (UTF-8, newlines as given) or bytes to `path` in one step."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


def _read_umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


_UMASK = _read_umask()
