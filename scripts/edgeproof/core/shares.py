"""Work on many items by several processes, where there is enough of it to pay for them.

The processes are forked: they see what this one has read, and each leaves its answers in files or has none. A script
says by `sharing(threads)` how many its rule was given; outside such a block, and where a system cannot fork safely
(anything but Linux), this process does all of it.
"""

import contextlib
import multiprocessing
import signal
import sys
from collections.abc import Callable, Generator, Sequence
from contextvars import ContextVar
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from typing import TypeVar

from .errors import UserError

FEWEST = 100  # items; a fork of a process with numpy costs some 20 ms, and an item a few

_ENDING = {signal.SIGINT, signal.SIGTERM}

T = TypeVar("T")

_THREADS: ContextVar[int] = ContextVar("threads", default=1)


@contextlib.contextmanager
def sharing(threads: int) -> Generator[None]:
    """Let the block share its work among up to so many processes, this one included."""
    token = _THREADS.set(threads)
    try:
        yield
    finally:
        _THREADS.reset(token)


@contextlib.contextmanager
def working_beside(work: Callable[[T], object], items: Sequence[T]) -> Generator[None]:
    """Share work with further processes: they call `work` with every item, while this one runs the block.

    With few items this process calls it, after the block. When the block ends, what is not done is waited for. Raises
    the UserError of the first item that has one; an error of the block comes before it and stops the others.
    """
    others = _THREADS.get() - 1 if len(items) >= FEWEST and sys.platform == "linux" else 0
    helpers = [_Helper(work, items, offset, others) for offset in range(others)]
    try:
        yield
        if not helpers:
            for item in items:
                work(item)
        errors = [error for error in (helper.wait() for helper in helpers) if error is not None]
    finally:
        for helper in helpers:
            helper.stop()
    if errors:
        raise UserError(min(errors)[1])


def share_work(work: Callable[[T], object], items: Sequence[T]) -> None:
    """Call `work` with every item, in several processes of which this is one; errors as for `working_beside`."""
    threads = _THREADS.get() if len(items) >= 2 * FEWEST else 1
    with working_beside(work, [item for number, item in enumerate(items) if number % threads]):
        for item in items[::threads]:
            work(item)


class _Helper:
    """A forked process that takes every `step`-th item from `offset` on and says which of them failed first."""

    def __init__(self, work: Callable[[T], object], items: Sequence[T], offset: int, step: int) -> None:
        context = multiprocessing.get_context("fork")
        self._answers, answers = context.Pipe(duplex=False)
        share = range(offset, len(items), step)
        # A signal that reaches a process between its fork and its own handlers is lost. It is kept back until those are
        # there: the first one may end the others at once.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
        try:
            self._process: ForkProcess = context.Process(target=_work_through, args=(work, items, share, answers, mask))
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        answers.close()

    def wait(self) -> tuple[int, str] | None:
        """Return (number of the item, message) of a mistake of the user, None if there was none."""
        with contextlib.suppress(EOFError):
            error: tuple[int, str] | None = self._answers.recv()
            return error
        self._process.join()
        raise RuntimeError(f"a process that shared the work ended with exit code {self._process.exitcode}")

    def stop(self) -> None:
        """End the process, which removes what it has half-written."""
        self._process.terminate()
        self._process.join()
        self._answers.close()


def _work_through(
    work: Callable[[T], object], items: Sequence[T], share: range, answers: Connection, mask: set[signal.Signals]
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal tells the first process too, and that one ends us
    signal.signal(signal.SIGTERM, _end)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    answer = None
    for number in share:
        try:
            work(items[number])
        except UserError as error:
            answer = (number, str(error))
            break
    with contextlib.suppress(BrokenPipeError):  # killed, the other one
        answers.send(answer)


def _end(number: int, frame: object) -> None:
    sys.exit(128 + number)
