"""Processes that end with the one that started them, and that keep its device held until they have ended.

Linux kills a tied process when the one that started it ends, even by SIGKILL, also while the tied one is stopped
(PR_SET_PDEATHSIG of prctl(2)). Other systems have nothing of the kind. Everywhere a tied process inherits the open file
of the device's lock, and the kernel releases a lock when the last process that has the file ends. So a device stays
held while anything of a killed session still runs.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from typing import Any, Callable, Dict, Generator, List, Optional, Sequence

_PR_SET_PDEATHSIG = 1
_KEPT = "EDGEPROOF_KEPT_FILES"  # for children: descriptor:device:inode of each file that they pass on, by commas
_prctl: Any = ctypes.CDLL(None).prctl if sys.platform.startswith("linux") else None
_kept: List[int] = []


def open_tied(command: Sequence[str], pass_fds: Sequence[int] = (), **options: Any) -> subprocess.Popen[Any]:
    """Start a tied process: it is killed when we end, and holds what `keep_open` holds; OSError as of Popen.

    `options`: of `subprocess.Popen`. The kernel kills it when the thread ends that started it, so a process that
    another thread than the main one has started only holds the files.
    """
    kept = _list_kept()
    variables: Optional[Dict[str, str]] = options.pop("env", None)
    environment = dict(os.environ if variables is None else variables)
    environment.pop(_KEPT, None)
    if kept:
        environment[_KEPT] = ",".join(map(_describe_file, kept))
    is_main = threading.current_thread() is threading.main_thread()
    tie = _compose_tie(os.getpid()) if _prctl and is_main else None
    return subprocess.Popen(command, pass_fds=(*pass_fds, *kept), env=environment, preexec_fn=tie, **options)


def end_with_parent(number: int) -> None:
    """Tie this process to the thread that started it: a signal comes when that ends (Linux; elsewhere nothing)."""
    if _prctl:
        _prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)


@contextlib.contextmanager
def keep_open(descriptor: int) -> Generator[None, None, None]:
    """Have the tied processes that are started in this block, and theirs, hold an open file until they end."""
    _kept.append(descriptor)
    try:
        yield
    finally:
        _kept.remove(descriptor)


def _compose_tie(parent: int) -> Callable[[], None]:
    """Return what a child does before it becomes its program."""

    def tie() -> None:
        _prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:  # it ended before we asked to end with it
            os.kill(os.getpid(), signal.SIGKILL)

    return tie


def _list_kept() -> List[int]:
    """Return the open files to pass on: our own, and those that the process that started us has passed to us."""
    passed: List[int] = []
    for described in filter(None, os.environ.get(_KEPT, "").split(",")):
        with contextlib.suppress(OSError, ValueError):  # a program in between has closed it
            descriptor = int(described.split(":")[0])
            if _describe_file(descriptor) == described:
                passed.append(descriptor)
    return [*_kept, *(descriptor for descriptor in passed if descriptor not in _kept)]


def _describe_file(descriptor: int) -> str:
    status = os.fstat(descriptor)
    return "{}:{}:{}".format(descriptor, status.st_dev, status.st_ino)
