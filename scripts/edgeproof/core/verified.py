"""Documents that were recomputed before are not recomputed again while nothing has changed that decides the outcome.

Whether a document follows from its raw data depends on the bytes of the files that were read for it, and on our code.
Both are noted in `.edgeproof/verified/` when it does. Where a later process finds them the same, it parses and
validates the document and leaves the recomputation out; every file is still hashed. The folder is a cache: delete it
at any time. `ignore_verified` is for programs whose task is to recompute.
"""

import contextlib
import functools
import json
import os
from collections.abc import Callable, Collection, Generator
from contextvars import ContextVar
from typing import Any

from .configuration import Json
from .digest_cache import CACHE
from .documents import SCHEMAS, read_json
from .errors import UserError
from .files import FilePath, sha256_bytes
from .layout import REPOSITORY
from .reader import Reader, reader_of_block

_FOLDER = CACHE / "verified"
_RECOMPUTING: ContextVar[bool] = ContextVar("recomputing", default=False)

Reading = Callable[[FilePath], Json]


@contextlib.contextmanager
def ignore_verified() -> Generator[None]:
    """Ignore what was verified before: recompute every document that is read until the block ends."""
    token = _RECOMPUTING.set(True)
    try:
        yield
    finally:
        _RECOMPUTING.reset(token)


def verified_once(kind: str) -> Callable[[Reading], Reading]:
    """Mark a function that reads and recomputes a document of this kind: what was verified before counts.

    It must read every file that decides its outcome through the reader of `core.reader`, and answer with the document
    as it stands in its file. Outside of `reading_once()` nothing is noted and nothing left out.
    """

    def mark(function: Reading) -> Reading:
        @functools.wraps(function)
        def answer(path: FilePath) -> Json:
            reader = reader_of_block()
            if reader is None or _RECOMPUTING.get():
                return function(path)
            note, document = _note_of(function.__qualname__, path), read_json(path, kind)
            if _holds(note, reader):
                return document
            with reader.watching() as files:
                document = function(path)
            _keep(note, reader, files)
            return document

        return answer

    return mark


def _note_of(name: str, path: FilePath) -> str:
    return os.path.join(_FOLDER, sha256_bytes(f"{name} {os.path.abspath(path)}".encode())[:32])


def _holds(note: str, reader: Reader) -> bool:
    """Tell whether a note is there and everything that it names is as it was."""
    try:
        with open(note, "rb", buffering=0) as stream:
            known: Any = json.loads(stream.read())
        return known["code"] == _stamp_code() and all(
            reader.digest(path) == sha256 for path, sha256 in known["files"].items()
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError, UserError):
        return False


def _keep(note: str, reader: Reader, files: Collection[str]) -> None:
    """Write a note. It is nothing lost where that fails, and nothing is flushed: half of a note is none."""
    text = json.dumps({"code": _stamp_code(), "files": {path: reader.digest(path) for path in sorted(files)}})
    part = f"{note}.{os.getpid()}.part"
    with contextlib.suppress(OSError):
        os.makedirs(_FOLDER, exist_ok=True)
        with open(part, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.replace(part, note)


@functools.cache
def _stamp_code() -> str:
    """Return what changes with every edit of our code and schemas: names, sizes and times of their files.

    Python takes its compiled files for current by the same facts.
    """
    facts: list[tuple[str, int, int]] = []
    for folder, suffix in ((REPOSITORY / "scripts" / "edgeproof", ".py"), (SCHEMAS, ".json")):
        for place, _, names in os.walk(folder):
            for name in names:
                if name.endswith(suffix):
                    path = os.path.join(place, name)
                    status = os.stat(path)
                    facts.append((path, status.st_size, status.st_mtime_ns))
    return sha256_bytes(repr(sorted(facts)).encode())
