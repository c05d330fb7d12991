"""Another process that has the machine between two timed calls, as the other stages of a pipeline have.

A stage that is timed back to back keeps its caches, its worker threads awake and the wide vector units of the core
powered. In a pipeline it finds none of that: on a two-core machine stages took up to 2.8 times what they took back to
back. Timed after a neighbour's 3 ms, single stages were still off by up to 28 %, and whole pipelines by 3 and 12 %
(docs/plans.md).
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import Callable

import numpy

from .failures import NoVerdict
from .specs import BetweenCalls
from .tied_processes import open_tied


class Neighbour:
    """`between_calls`: {busy_ms: how long it has the machine per turn, sweep_mb: the memory that it goes through}."""

    def __init__(self, between_calls: BetweenCalls) -> None:
        amounts = [str(between_calls["busy_ms"]), str(between_calls["sweep_mb"])]
        command = [sys.executable, "-m", __name__, *amounts]
        self._process = open_tied(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdin and self._process.stdout
        self._in, self._out = self._process.stdin, self._process.stdout
        self._give, self._take = self._in.fileno(), self._out.fileno()

    def take_turn(self) -> None:
        """Let it run once, and sleep until it has."""
        os.write(self._give, b"x")
        if not os.read(self._take, 1):
            raise NoVerdict("neighbour_ended", "the process that keeps the machine busy between calls has ended")

    def close(self) -> None:
        """End it."""
        self._in.close()
        self._process.wait()
        self._out.close()


class Sweep:
    """Calling it goes through `sweep_mb` MB again and again for `busy_ms`."""

    def __init__(self, busy_ms: float, sweep_mb: float) -> None:
        self._memory = numpy.zeros(max(1, int(sweep_mb * 1e6) // 4), "float32")
        self._busy_ns = int(busy_ms * 1e6)

    def __call__(self) -> None:
        clock = time.perf_counter_ns
        until = clock() + self._busy_ns
        while clock() < until:
            self._memory += 1


def _take_turns(sweep: Callable[[], None]) -> None:
    """Sweep whenever a byte comes in, and answer with one; end with the input."""
    while os.read(0, 1):
        sweep()
        os.write(1, b"x")


if __name__ == "__main__":
    _take_turns(Sweep(float(sys.argv[1]), float(sys.argv[2])))
