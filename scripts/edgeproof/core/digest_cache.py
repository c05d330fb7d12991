"""Facts about files that were computed before and still hold: kept by path, size, inode and times in nanoseconds.

The cache is a convenience: it can be deleted at any time, and nothing in it is evidence.
"""

import json
import os
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from .errors import UserError
from .files import atomic_write, sha256_file
from .layout import FilePath
from .reader import LARGE_FILE

CACHE = Path(".edgeproof")
# A file that changed this recently may change again without a new time of change.
_SETTLED_NS = 2_000_000_000


@cache
def _files() -> "DigestCache":
    return DigestCache("files", is_sound=lambda value: isinstance(value, str))


def digest_user_file(path: Path | str) -> str | None:
    """Return the sha256 of a file that a user named, remembered in a cache of digests; None without the file."""
    try:
        digest: str = _files().ask(path, sha256_file)
    except (OSError, UserError):
        return None
    _files().save()
    return digest


def digest_kept(path: FilePath) -> str:
    """Return the sha256 of a file that is evidence, from the cache of digests if it is large.

    UserError if it cannot be read. A file up to 16 MiB is hashed every time. A larger one is remembered while its size,
    inode and both times stay: a program cannot set the time of change (ctime), so an edit shows even where the date of
    the file was set back.
    """
    try:
        if os.stat(path).st_size <= LARGE_FILE:
            return sha256_file(path)
        digest: str = _files().ask(Path(path), sha256_file)
    except OSError:
        return sha256_file(path)  # which says why it cannot be read
    _files().save()
    return digest


class DigestCache:
    """Facts about files, remembered in `.edgeproof/{name}.json` until a file changes.

    `is_sound`: tells whether a remembered fact is of the kind that is computed. One that is not is computed again.
    """

    def __init__(self, name: str, folder: Path = CACHE, is_sound: Callable[[Any], bool] = lambda _: True) -> None:
        self.path, self._is_sound = folder / f"{name}.json", is_sound
        self.known: dict[str, Any] = self._read()
        self.changed = False

    def ask(self, path: Path | str, compute: Callable[[Path], Any]) -> Any:
        """Return `compute(path)`, from memory where the file is the one it was computed for; OSError if it is gone."""
        path = Path(path)
        status = os.stat(path)
        stamp = [status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns]
        match self.known.get(str(path)):  # from a file that a crash or a hand may have left in any shape
            case [remembered, value] if remembered == stamp and self._is_sound(value):
                return value
            case _:
                pass
        value = compute(path)
        if time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > _SETTLED_NS:
            self.known[str(path)] = [stamp, value]
            self.changed = True
        return value

    def save(self) -> None:
        """Write what was learnt, in one step. A folder that cannot be written costs time and nothing else."""
        if not self.changed:
            return
        try:
            atomic_write(self.path, json.dumps(self.known, separators=(",", ":")))
        except OSError:
            return
        self.changed = False

    def _read(self) -> dict[str, Any]:
        try:
            known = json.loads(self.path.read_bytes())
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}  # pyright: ignore[reportUnknownVariableType]
