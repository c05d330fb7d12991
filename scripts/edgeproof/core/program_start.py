"""How every program of ours starts, and how it ends: one line for a user's mistake, an exit code, also on a signal."""

import contextlib
import gc
import os
import select
import signal
import sys
from collections.abc import Callable, Generator
from types import FrameType
from typing import NoReturn

from .errors import UserError
from .exit_codes import ExitCode, exit_code_of_signal
from .formatting import show_controls
from .job_options import take_key
from .made_files import note_job
from .world_errors import describe_world_error

# What a command's `main` looks like: it takes the arguments and returns an exit code, or None for GOOD.
Main = Callable[[list[str]], int | None]


def run(main: Main, argv: list[str] | None = None) -> int:
    """Start a program's `main(argv)` and return its exit code: the outermost guard for errors and Ctrl-C.

    A UserError prints one `error: …` line and gives MISTAKE, and so does an OSError of the machine (a full disk, a file
    that may not be written); Ctrl-C gives INTERRUPTED. Any other exception is a bug of ours: its traceback is printed,
    and FAULT returned.
    """
    try:
        return main(sys.argv[1:] if argv is None else argv) or ExitCode.GOOD
    except UserError as error:
        print(f"error: {show_controls(' '.join(str(error).split()))}", file=sys.stderr)
        return ExitCode.MISTAKE
    except OSError as error:
        told = describe_world_error(error)
        if told is None:
            if isinstance(error, BrokenPipeError):
                raise
            return _tell_fault()
        print(f"error: {told}", file=sys.stderr)
        return ExitCode.MISTAKE
    except Exception:
        return _tell_fault()
    except KeyboardInterrupt:
        print("error: interrupted; nothing was recorded", file=sys.stderr)
        return ExitCode.INTERRUPTED


def _tell_fault() -> ExitCode:
    import traceback  # only when something is wrong with us

    traceback.print_exc()
    return ExitCode.FAULT


def run_program(main: Main) -> NoReturn:
    """Start a program: run its `main` with this process's arguments, and end the process with the exit code of `run`.

    SIGTERM and SIGHUP (a lost connection) raise SystemExit in `main`, so that it can stop what it has started and
    remove half-written files. A SIGHUP that is ignored, as under nohup, stays ignored.

    The process ends without tearing down its imports: with ONNX Runtime loaded that takes 40 ms, a fifth of a small
    build.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end_by_signal)
    argv, key = take_key(sys.argv[1:])
    try:
        code = run(main, argv)
        if key is not None and code == 0:
            from .job_key import record_key  # slow to import: a converter is to start first

            record_key(key)
    except BrokenPipeError:
        if not _is_unread():
            raise
        code = exit_code_of_signal(signal.SIGPIPE)  # the reader of our output (`| head`) has stopped reading
    finally:
        if key is not None:
            note_job(key.made)  # a job that failed has left an attempt
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BrokenPipeError):
            stream.flush()
    os._exit(code)


def _end_by_signal(number: int, _: FrameType | None) -> NoReturn:
    raise SystemExit(exit_code_of_signal(number))


def _is_unread() -> bool:
    """Return whether stdout is a pipe that nobody reads any more."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))


@contextlib.contextmanager
def importing() -> Generator[None]:
    """Start a program fast: switch garbage collection off for its imports, and never search their objects again.

    With onnx and ONNX Runtime this saves a twentieth of a small build.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
