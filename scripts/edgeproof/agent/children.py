"""The processes that a session starts: none of them outlives it, also where it is killed."""

from __future__ import annotations

import subprocess
from types import FrameType
from typing import IO, Callable, Optional, Sequence

from .tied_processes import open_tied


class _Ending:
    """A signal that tells us to end waits while a child is being started: without a handle on it we cannot end it."""

    starting = False
    number: Optional[int] = None


def terminate(number: int, _: Optional[FrameType]) -> None:
    """End this process of the agent and its children (signal handler)."""
    _Ending.number = number
    if not _Ending.starting:
        raise SystemExit(128 + number)


def start_child(command: Sequence[str], log: IO[bytes], pass_fds: Sequence[int] = ()) -> subprocess.Popen[bytes]:
    """Start a child process of the agent, its output in `log`; a signal that tells us to end waits until the child can
    be ended, too.
    """
    process, _Ending.starting = None, True
    try:
        process = open_tied(command, pass_fds, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        _Ending.starting = False
        if _Ending.number:
            raise SystemExit(128 + _Ending.number)
        return process
    except BaseException:
        end_child(process)
        raise
    finally:
        _Ending.starting = False


def run_child(
    command: Sequence[str], log: IO[bytes], timeout_s: float, watch: Optional[Callable[[int], None]] = None
) -> int:
    """Run a child process of the agent and return its exit code; it is killed after `timeout_s`, or when we are told to
    end. `watch` is told its id.
    """
    process = start_child(command, log)
    try:
        if watch:
            watch(process.pid)
        return process.wait(timeout_s)
    finally:
        end_child(process)


def end_child(process: Optional[subprocess.Popen[bytes]]) -> None:
    """Kill a child process of the agent that still runs, stopped or not, and wait for its end."""
    if process is not None and process.poll() is None:
        process.kill()
        process.wait()
