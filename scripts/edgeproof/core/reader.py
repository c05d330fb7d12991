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
import stat
from collections import OrderedDict
from collections.abc import Callable, Generator, Hashable
from contextvars import ContextVar
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from .errors import UserError
from .layout import FilePath
from .world_errors import explain_unreadable

# A file is hashed and parsed, in either order: its bytes are kept until so many bytes of others were read.
RECENT_BYTES = 2**25
LARGE_FILE = 16 * 2**20  # bytes; a larger file, such as an artifact, is hashed in pieces and not kept.


P = ParamSpec("P")
R = TypeVar("R")


class Reader:
    """What has been read so far: digests of files, bytes of the last few, and answers of functions that read."""

    def __init__(self) -> None:
        self._digests: dict[str, str] = {}
        self._absent: set[str] = set()
        self._recent: OrderedDict[str, bytes] = OrderedDict()
        self._recent_bytes = 0
        self._answers: dict[Hashable, tuple[Any, set[str]]] = {}
        self._seen: set[str] = set()

    def read(self, path: FilePath) -> bytes:
        """Return the bytes of a file, not opened again if it is a recent one; UserError if it cannot be read."""
        name = os.fspath(path)
        self._seen.add(name)
        if name not in self._recent:
            require_regular(path)
            with _naming(path), open(path, "rb") as stream:
                self._keep(name, stream.read())
        return self._recent[name]

    def digest(self, path: FilePath) -> str:
        """Return the sha256 of a file as 64 hexadecimal digits, not opened again; UserError if it cannot be read."""
        name = os.fspath(path)
        self._seen.add(name)
        if name not in self._digests:
            require_regular(path)
            with _naming(path), open(path, "rb") as stream:
                if os.fstat(stream.fileno()).st_size > LARGE_FILE:
                    self._digests[name] = hashlib.file_digest(stream, "sha256").hexdigest()
                else:
                    self._keep(name, stream.read())
        return self._digests[name]

    @contextlib.contextmanager
    def watching(self) -> Generator[set[str]]:
        """Yield a set that holds, when the block ends, the paths of all files that it asked for, read before or not."""
        outer, self._seen = self._seen, set()
        try:
            yield self._seen
        finally:
            outer |= self._seen
            self._seen = outer

    @contextlib.contextmanager
    def overlooking(self) -> Generator[None]:
        """Do not tell `watching` of the files that this block asks for: it hashes them for somebody else's sake."""
        outer, self._seen = self._seen, set()
        try:
            yield
        finally:
            self._seen = outer

    def note_absent(self, path: FilePath, digest: str) -> None:
        """Remember the sha256 of a file that is not here and that somebody answers for, as a bundle does."""
        self._digests[os.fspath(path)] = digest
        self._absent.add(os.fspath(path))

    def is_absent(self, path: FilePath) -> bool:
        """Tell whether a file is known by its digest alone."""
        return os.fspath(path) in self._absent

    def answer(self, function: Callable[..., R], args: tuple[Any, ...], kwargs: dict[str, Any]) -> R:
        """Return what `function` returned for these arguments the first time. An error is raised and not kept."""
        key = (function, *map(_name_argument, args), *((name, _name_argument(kwargs[name])) for name in sorted(kwargs)))
        known = self._answers.get(key)
        if known is None:
            with self.watching() as files:
                value = function(*args, **kwargs)
            self._answers[key] = (value, files)
            return value
        self._seen |= known[1]
        return known[0]

    def _keep(self, name: str, data: bytes) -> None:
        self._digests[name] = hashlib.sha256(data).hexdigest()
        self._recent_bytes += len(data) - len(self._recent.pop(name, b""))
        self._recent[name] = data
        while self._recent_bytes > RECENT_BYTES and len(self._recent) > 1:
            self._recent_bytes -= len(self._recent.popitem(last=False)[1])


_CURRENT: ContextVar[Reader | None] = ContextVar("reader", default=None)


def reader_of_block() -> Reader | None:
    """Return the reader of the `reading_once` block around the caller, None outside of any block."""
    return _CURRENT.get()


def current_reader() -> Reader:
    """Return the reader of the `reading_once` block around the caller, a new one outside of any block."""
    return _CURRENT.get() or Reader()


@contextlib.contextmanager
def reading_once() -> Generator[Reader]:
    """Have a reader read each file at most once until the block ends; a block inside another shares its reader.

    Also a decorator: the block is then the call.
    """
    reader = current_reader()
    token = _CURRENT.set(reader)
    try:
        yield reader
    finally:
        _CURRENT.reset(token)


def read_once(function: Callable[P, R]) -> Callable[P, R]:
    """Mark a function of paths and other hashable values whose answer a reader keeps: see the module's docstring."""

    @functools.wraps(function)
    def answer(*args: P.args, **kwargs: P.kwargs) -> R:
        reader = _CURRENT.get()
        return function(*args, **kwargs) if reader is None else reader.answer(function, args, kwargs)

    return answer


def require_regular(path: FilePath) -> None:
    """Raise UserError for what no reader may open: a pipe, a socket or a device, whose reading may never end.

    Others say what else is wrong. Standard input may be one: it was asked for by name.
    """
    if str(path) == "/dev/stdin":
        return
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        kinds = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
        raise UserError(f"{path}: is {kinds.get(stat.S_IFMT(mode), 'a device')}; write its content to a file first")


def _name_argument(value: Any) -> Hashable:
    return str(value) if isinstance(value, Path) else value


@contextlib.contextmanager
def _naming(path: FilePath) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"{path}: {explain_unreadable(error)}") from error
