"""Reading what somebody else has written: while a bundle is verified, no file outside of it is opened.

Documents name files. One that names `/etc/passwd`, or a path with `..`, is refused when it is opened, wherever in the
code that is. Python's own files and this edgeproof's may be read; nothing outside of the bundle may be written.
"""

import contextlib
import os
import sys
from collections.abc import Generator
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any

from edgeproof.core.errors import UserError
from edgeproof.core.layout import REPOSITORY

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_INSIDE: ContextVar[str | None] = ContextVar("inside", default=None)


@contextlib.contextmanager
def confined_to(folder: Path) -> Generator[None]:
    """Work in `folder`, and refuse to open any file outside of it until the block ends (UserError)."""
    _listen()
    before, inside = os.getcwd(), os.path.realpath(folder)  # before the change: `folder` may be relative
    os.chdir(inside)
    token = _INSIDE.set(inside + os.sep)
    try:
        yield
    finally:
        _INSIDE.reset(token)
        os.chdir(before)


@cache
def _listen() -> None:
    """Have Python ask before it opens a file; it cannot be taken back, and costs next to nothing outside of a block."""
    sys.addaudithook(_look)


def _look(event: str, arguments: tuple[Any, ...]) -> None:
    inside = _INSIDE.get()
    if inside is None or event != "open" or not isinstance(arguments[0], str | bytes | os.PathLike):
        return
    path = os.path.realpath(os.fsdecode(arguments[0]))
    if path.startswith(inside):
        return
    writes = isinstance(arguments[2], int) and bool(arguments[2] & _WRITING)
    if writes or not path.startswith(_own_places()):
        raise UserError(
            f"{os.fsdecode(arguments[0])[:200]}: is outside of the bundle; nothing there is read or written"
        )


@cache
def _own_places() -> tuple[str, ...]:
    """Return the folders of code and schemas that reading needs."""
    places = [REPOSITORY / "scripts", REPOSITORY / "config/schemas", sys.prefix, sys.base_prefix, os.__file__]
    paths = [*(item for item in sys.path if item), *map(str, places[:-1]), os.path.dirname(os.__file__)]
    found = {os.path.realpath(path) for path in paths}
    return tuple(path + os.sep for path in sorted(found) if path != os.sep)
