"""The exclusive lock of a device: one measurement, or one build for it, at a time, whichever user starts it.

The lock is an advisory `flock` on a file; the kernel releases it when its holder dies, and all that its holder has
started and tied to itself (see `tied_processes`). The file stays, and says who holds the device. The rooms import this
module too.
"""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import json
import os
import stat
import time
from typing import IO, Generator, Optional, TypedDict

from .failures import NoVerdict
from .messages import tell
from .tied_processes import keep_open

NAME = "edgeproof-device.lock"
_GONE = " and is gone: something that it has started still runs, or it is in another container"
# Not the folder for temporary files: TMPDIR differs between users, and systemd gives a service its own /tmp.
# /dev/shm comes second because a log-out may remove the user's files there.
_FOLDERS = ("/run/lock", "/dev/shm", "/tmp")


class Holder(TypedDict):
    """Who holds the device: written into the lock's file as JSON."""

    pid: int
    user: str
    label: str
    since_unix_s: float


class HeldLock(TypedDict):
    """The lock as the record of a session has it. `waited_s`: how long we waited for the holder before us."""

    path: str
    waited_s: float
    holder: Holder


class LockUnavailable(NoVerdict):
    """The lock's file cannot be opened."""

    def __init__(self, message: str) -> None:
        super().__init__("lock", message)


def default_path(root: str = "/") -> str:
    """Return the path of this machine's lock: the same for all users, sessions and services.

    It lies in the first of /run/lock, /dev/shm and /tmp (below `root`) that all users may write to.
    """
    folders = [os.path.join(root, folder.lstrip("/")) for folder in _FOLDERS]
    return os.path.join(next(filter(_is_open_to_all, folders), folders[-1]), NAME)


@contextlib.contextmanager
def hold_device(path: Optional[str | os.PathLike[str]], label: str) -> Generator[HeldLock, None, None]:
    """Hold the lock of this device (None: the one at `default_path`) and yield the record of it.

    If the device is busy, say on stderr who holds it, and wait. LockUnavailable if the file cannot be opened.
    """
    place = os.fspath(path or default_path())
    begin = time.monotonic()
    with _lock_file(place, label) as stream:
        holder: Holder = {"pid": os.getpid(), "user": _user(), "label": label, "since_unix_s": round(time.time(), 3)}
        stream.seek(0)
        stream.truncate()
        json.dump(holder, stream)
        stream.flush()
        try:
            with keep_open(stream.fileno()):
                yield {"path": place, "waited_s": round(time.monotonic() - begin, 3), "holder": holder}
        finally:
            stream.seek(0)
            stream.truncate()
            fcntl.flock(stream, fcntl.LOCK_UN)  # a daemon that a program has left behind does not hold it further


def _lock_file(path: str, label: str) -> IO[str]:
    """Return the lock's file, open and locked."""
    while True:
        stream = _open_shared(path)
        try:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = describe_holder(stream.read())
                tell("{}: the device is busy: waiting for {}".format(label, holder))
                fcntl.flock(stream, fcntl.LOCK_EX)
        except BaseException:
            stream.close()
            raise
        if _is_still_there(stream, path):
            return stream
        stream.close()  # somebody removed it while we waited: the next one locks another file of this name


def describe_holder(text: str) -> str:
    """Return who holds a lock, in words; `text`: of its file, empty where the holder has not said so yet."""
    try:
        holder = json.loads(text)
        held_s = max(0.0, time.time() - holder["since_unix_s"])
        ended = "" if _is_alive(holder["pid"]) else _GONE
        return "{}, process {} of {}, which began {:.0f} s ago{}".format(
            holder["label"], holder["pid"], holder["user"], held_s, ended
        )
    except (ValueError, KeyError, TypeError):
        return "somebody"


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True


def _open_shared(path: str) -> IO[str]:
    # First without O_CREAT: the kernel refuses that on another user's file in a sticky folder (fs.protected_regular).
    try:
        try:
            descriptor = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            with contextlib.suppress(OSError):
                os.fchmod(descriptor, 0o666)  # whatever the umask: the next user holds it, too
    except OSError as error:
        raise LockUnavailable("{}: the device's lock cannot be opened ({})".format(path, error.strerror)) from error
    return os.fdopen(descriptor, "r+", encoding="utf-8")


def _is_still_there(stream: IO[str], path: str) -> bool:
    """Return whether the path still names the open file."""
    try:
        named, opened = os.stat(path), os.fstat(stream.fileno())
    except FileNotFoundError:
        return False
    return (named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino)


def _is_open_to_all(folder: str) -> bool:
    try:
        mode = os.stat(folder).st_mode
    except OSError:
        return False
    return stat.S_ISDIR(mode) and bool(mode & stat.S_IWOTH)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # nobody has this number: a container's user
        return str(os.getuid())
