"""Reading what somebody else has written: while a bundle is verified, no file outside of it is opened.

Documents name files. One that names `/etc/passwd`, or a path with `..`, is refused when it is opened, listed or
changed, wherever in the code that is. Python's own files and this edgeproof's may be read; from other folders that
Python imports from, which may be the one you stand in, code alone. Python tells nobody when it asks whether a file is
there, so that is not refused.
"""

import contextlib
import importlib.machinery
import os
import site
import sys
from collections.abc import Generator, Iterable
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any

from edgeproof.core.errors import UserError
from edgeproof.core.layout import REPOSITORY

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_LISTING = ("os.listdir", "os.scandir")
# What Python tells of before it does it, and which of the things that it tells are paths.
_ONE_PATH = ("open", *_LISTING, "os.mkdir", "os.rmdir", "os.remove", "os.truncate", "os.chmod", "os.chown", "os.utime")
_PATHS = dict.fromkeys(_ONE_PATH, slice(1)) | {"os.rename": slice(2), "os.link": slice(2), "os.symlink": slice(1, 2)}
_CODE = tuple(importlib.machinery.all_suffixes())
_INSIDE: ContextVar[str | None] = ContextVar("inside", default=None)


@contextlib.contextmanager
def confined_to(folder: Path) -> Generator[None]:
    """Confine the reading to `folder` until the block ends: any file outside of it is refused (UserError).

    The block works in `folder`.
    """
    _listen()
    before, inside = os.getcwd(), os.path.realpath(folder)  # before the change: `folder` may be relative
    compiled, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # an import in the block would write beside code
    os.chdir(inside)
    token = _INSIDE.set(inside + os.sep)
    try:
        yield
    finally:
        _INSIDE.reset(token)
        sys.dont_write_bytecode = compiled
        os.chdir(before)


@cache
def _listen() -> None:
    """Have Python ask before it opens a file; it cannot be taken back, and costs next to nothing outside of a block."""
    sys.addaudithook(_look)


def _look(event: str, arguments: tuple[Any, ...]) -> None:
    inside = _INSIDE.get()
    if inside is None or event not in _PATHS:
        return
    for path in arguments[_PATHS[event]]:
        if isinstance(path, str | bytes | os.PathLike) and not _is_allowed(event, path, arguments, inside):
            raise UserError(f"{os.fsdecode(path)[:200]}: is outside of the bundle; nothing there is read or written")


def _is_allowed(event: str, path: Any, arguments: tuple[Any, ...], inside: str) -> bool:
    real = os.path.realpath(os.fsdecode(path))
    if f"{real}{os.sep}".startswith(inside):
        return True
    if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & _WRITING):
        return real.startswith(_own_places()) or (real.startswith(_import_places()) and real.endswith(_CODE))
    if event in _LISTING:
        return f"{real}{os.sep}".startswith(_own_places()) or f"{real}{os.sep}" in _import_places()
    return False


@cache
def _own_places() -> tuple[str, ...]:
    """Return the folders of code and schemas that reading needs."""
    places = [REPOSITORY / "scripts", REPOSITORY / "config/schemas", os.path.dirname(os.__file__)]
    installed = {sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix, *site.getsitepackages()}
    return _name_folders([*places, *installed, site.getusersitepackages()])


@cache
def _import_places() -> tuple[str, ...]:
    """Return the other folders that Python imports from, as it was started: the current one and those of its caller."""
    return _name_folders(item for item in sys.path if item)


def _name_folders(paths: Iterable[str | Path]) -> tuple[str, ...]:
    found = {os.path.realpath(path) for path in paths}
    return tuple(path + os.sep for path in sorted(found) if path != os.sep)
