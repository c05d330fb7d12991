"""Processes that hold as much memory as they are told: a variant that is swapped, or a neighbour that comes and goes.

They end when the process that started them ends, since their standard input is closed then.
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Generator
from typing import IO, Any, NamedTuple, cast

import numpy as np

from edgeproof.core.layout import REPOSITORY

_MB = 2**20


class Holder(NamedTuple):
    """A process that holds memory."""

    process: subprocess.Popen[str]

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def hold(self, megabytes: float) -> None:
        """Let it hold so many MiB instead of what it held; return when it does."""
        commands, answers = cast("tuple[IO[str], IO[str]]", (self.process.stdin, self.process.stdout))
        commands.write(f"{megabytes}\n")
        commands.flush()
        answers.readline()


@contextlib.contextmanager
def start_holder() -> Generator[Holder]:
    """Start a memory holder, a process that holds nothing yet, and end it on leaving."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "scripts")}
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-m", __name__], env=environment, **pipes) as process:
        holder = Holder(process)
        try:
            holder.hold(0)
            yield holder
        finally:
            process.kill()


def obey() -> None:
    """Be a memory holder: for every line of standard input hold so many MiB, and say so."""
    held: Any = None
    for line in sys.stdin:
        del held  # the old goes before the new comes, so that a swap needs no room for both
        held = np.full(int(float(line) * _MB), 1, np.uint8)  # written to, so that it is there
        print(len(held), flush=True)


if __name__ == "__main__":
    obey()
