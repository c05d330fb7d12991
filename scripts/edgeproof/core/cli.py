"""What every script's `main` shares: one line for a user's mistake, and an exit code."""

import contextlib
import gc
import json
import os
import select
import signal
import sys

from .errors import UserError
from .exit_codes import ExitCode


def run(main, argv=None):
    """Run `main(argv)` and return a process exit code.

    0 for None, whatever integer `main` returns, 2 after one `error: …` line for a UserError, 130 when interrupted.
    Anything else is a defect of ours and keeps its traceback.
    """
    try:
        return main(sys.argv[1:] if argv is None else argv) or 0
    except UserError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return ExitCode.MISTAKE
    except KeyboardInterrupt:
        print("error: interrupted; nothing was recorded", file=sys.stderr)
        return ExitCode.INTERRUPTED


def run_program(main):
    """Run `main` with this process's arguments and end it with the exit code of `run`.

    What was imported is not taken down first: with ONNX Runtime that lasts 40 ms, a fifth of a small build. Told to
    terminate, or when its terminal is gone (a lost connection; not under nohup), it ends what it has started and
    removes what is half-written first.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _terminate)
    try:
        code = run(main)
    except BrokenPipeError:
        if not _is_unread():
            raise
        code = 128 + signal.SIGPIPE  # as a shell says it: whoever read our output (`| head`) has had enough
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _terminate(number, _):
    raise SystemExit(128 + number)


def _is_unread():
    """Tell whether stdout is a pipe whose reader is gone."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))


@contextlib.contextmanager
def importing():
    """Import inside without looking for garbage among what packages make, now or later: it is there to stay.

    With onnx and ONNX Runtime that is a twentieth of a small build.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def json_argument(text):
    """Return the value of a command-line option that holds JSON (argparse `type`)."""
    return json.loads(text)
