"""Reading once: a report needs the same files many times, and opens, hashes, parses and checks each of them once.

Inside `reading_once()` there is one `Reader`. It remembers the digest of every file it has opened and the answer of
every function marked with `@read_once`: a document that is valid, a result that follows from its samples. Outside,
each call reads the file again. Inside, a file that changes after it was read is not read again, so do not keep a block
open while files change that it has read. Do not change what a marked function returns: the next caller gets the same
object.
"""

import contextlib
import functools
import hashlib
import os
from collections import OrderedDict
from collections.abc import Callable, Generator, Hashable
from contextvars import ContextVar
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from .errors import UserError
from .layout import FilePath

RECENT_FILES = 4  # A file is hashed and parsed, in either order: its bytes are kept until this many others were read.
LARGE_FILE = 16 * 2**20  # bytes; a larger file, such as an artifact, is hashed in pieces and not kept.


P = ParamSpec("P")
R = TypeVar("R")


class Reader:
    """What has been read so far: digests of files, bytes of the last few, and answers of functions that read."""

    def __init__(self) -> None:
        self._digests: dict[str, str] = {}
        self._absent: set[str] = set()
        self._recent: OrderedDict[str, bytes] = OrderedDict()
        self._answers: dict[Hashable, Any] = {}

    def read(self, path: FilePath) -> bytes:
        """Return the bytes of a file, not opened again if it is one of the last few; UserError if it cannot be read."""
        name = os.fspath(path)
        if name not in self._recent:
            with _naming(path), open(path, "rb") as stream:
                self._keep(name, stream.read())
        return self._recent[name]

    def digest(self, path: FilePath) -> str:
        """Return the sha256 of a file as 64 hexadecimal digits, not opened again; UserError if it cannot be read."""
        name = os.fspath(path)
        if name not in self._digests:
            with _naming(path), open(path, "rb") as stream:
                if os.fstat(stream.fileno()).st_size > LARGE_FILE:
                    self._digests[name] = hashlib.file_digest(stream, "sha256").hexdigest()
                else:
                    self._keep(name, stream.read())
        return self._digests[name]

    def note(self, path: FilePath, digest: str) -> None:
        """Remember the sha256 of a file that somebody else has read."""
        self._digests[os.fspath(path)] = digest

    def note_absent(self, path: FilePath, digest: str) -> None:
        """Remember the sha256 of a file that is not here and that somebody answers for, as a bundle does."""
        self.note(path, digest)
        self._absent.add(os.fspath(path))

    def is_absent(self, path: FilePath) -> bool:
        """Tell whether a file is known by its digest alone."""
        return os.fspath(path) in self._absent

    def answer(self, function: Callable[..., R], args: tuple[Any, ...], kwargs: dict[str, Any]) -> R:
        """Return what `function` returned for these arguments the first time. An error is raised and not kept."""
        key = (function, *map(_name_argument, args), *((name, _name_argument(kwargs[name])) for name in sorted(kwargs)))
        if key not in self._answers:
            self._answers[key] = function(*args, **kwargs)
        return self._answers[key]

    def _keep(self, name: str, data: bytes) -> None:
        self._digests[name] = hashlib.sha256(data).hexdigest()
        self._recent[name] = data
        if len(self._recent) > RECENT_FILES:
            self._recent.popitem(last=False)


_CURRENT: ContextVar[Reader | None] = ContextVar("reader", default=None)


def current_reader() -> Reader:
    """Return the reader of the `reading_once` block around the caller, a new one outside of any block."""
    return _CURRENT.get() or Reader()


def note_digest(path: FilePath, digest: str) -> str:
    """Tell the reader of this block the sha256 of a file that the caller has read and hashed itself; return it."""
    current_reader().note(path, digest)
    return digest


@contextlib.contextmanager
def reading_once() -> Generator[Reader]:
    """Read each file at most once until the block ends; a block inside another shares its reader.

    Also a decorator: the block is then the call.
    """
    reader = current_reader()
    token = _CURRENT.set(reader)
    try:
        yield reader
    finally:
        _CURRENT.reset(token)


def read_once(function: Callable[P, R]) -> Callable[P, R]:
    """Mark a function of paths and other hashable values that returns what it reads: see the module's docstring."""

    @functools.wraps(function)
    def answer(*args: P.args, **kwargs: P.kwargs) -> R:
        reader = _CURRENT.get()
        return function(*args, **kwargs) if reader is None else reader.answer(function, args, kwargs)

    return answer


def _name_argument(value: Any) -> Hashable:
    return str(value) if isinstance(value, Path) else value


@contextlib.contextmanager
def _naming(path: FilePath) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
