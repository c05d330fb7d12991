"""Turns: of all jobs that want the same attempts, one looks for them and makes what is missing; the others wait.

Two campaigns side by side would both find a session missing, and both measure it.
"""

import contextlib
import fcntl
import os
import sys
from collections.abc import Generator
from pathlib import Path

from .configuration import Json
from .errors import UserError
from .layout import FilePath

_KEY_DIGITS = 8


@contextlib.contextmanager
def take_turn(place: FilePath, key: Json) -> Generator[None]:
    """Keep other processes with this key out while the caller looks for its attempts and makes what is missing.

    `place`: a folder that all jobs with this key share. Its hidden file `.KEY.turn` is there for as long as a turn
    lasts; the kernel ends the turn of a killed process. Where the file system locks no files, nobody is kept out.
    UserError where a folder has the place of that file.
    """
    mark = Path(place) / f".{key['sha256'][:_KEY_DIGITS]}.turn"
    mark.parent.mkdir(parents=True, exist_ok=True)
    handle = _hold(mark)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            mark.unlink(missing_ok=True)
        os.close(handle)


def list_turns(place: FilePath) -> list[str]:
    """Return the beginnings of the keys whose turns last in a folder right now: some process works there."""
    marks = sorted(Path(place).glob(".*.turn"))
    return [mark.name.removeprefix(".").removesuffix(".turn") for mark in marks if _is_held(mark)]


def _is_held(mark: Path) -> bool:
    try:
        handle = os.open(mark, os.O_RDONLY)
    except OSError:  # its turn has ended
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # no locks here
        return False
    finally:
        os.close(handle)
    return False


def _hold(mark: Path) -> int:
    """Return the open file `mark`, locked. One that its last holder has removed in the meantime locks nobody out."""
    told = False
    while True:
        try:
            handle = os.open(mark, os.O_RDWR | os.O_CREAT, 0o666)
        except IsADirectoryError as error:
            raise UserError(f"{mark}: is a folder, and turns need a file there; remove it (rm -r {mark})") from error
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not told:
                    with contextlib.suppress(OSError):  # a message ends nothing
                        print(f"waiting: another run works on the same in {mark.parent}", file=sys.stderr, flush=True)
                told = True
                fcntl.flock(handle, fcntl.LOCK_EX)
            if _is_at(handle, mark):
                return handle
        except OSError:  # no locks here
            return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _is_at(handle: int, mark: Path) -> bool:
    """Tell whether an open file is the one that its path leads to."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(mark))
    except FileNotFoundError:
        return False
