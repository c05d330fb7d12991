"""Neighbours for benchmarks: processes that are busy and idle for random times, and sweep memory while they are busy.

They end when the process that started them ends, however it ends: their standard input is closed then.
"""

import contextlib
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from typing import Any

import numpy as np

from edgeproof.core.layout import REPOSITORY

BUSY_S, IDLE_S = 0.4, 0.3  # means of exponential times
_SWEPT_BYTES = 32 * 2**20  # beyond the caches of most boards


@contextlib.contextmanager
def start_neighbours(count: int, lapse: float = 1.0) -> Generator[list[int]]:
    """Start `count` neighbours, yield their process ids when all are at work, and end them on leaving.

    `lapse`: how many times as fast they change between busy and idle.
    """
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "scripts")}
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with contextlib.ExitStack() as stack:
        started: list[subprocess.Popen[str]] = []
        for seed in range(count):
            command = [sys.executable, "-m", __name__, str(seed), str(lapse)]
            process = stack.enter_context(subprocess.Popen(command, env=environment, **pipes))
            stack.callback(process.terminate)
            started.append(process)
        for process in started:
            assert process.stdout
            process.stdout.readline()
        yield [process.pid for process in started]


def disturb(seed: int, lapse: float) -> None:
    """Be one of a benchmark's neighbours: busy and idle for random times in turn, until the process is ended."""
    draw, memory = random.Random(seed), np.zeros(_SWEPT_BYTES // 4, "float32")
    print("at work", flush=True)
    while True:
        until = time.monotonic() + draw.expovariate(lapse / BUSY_S)
        while time.monotonic() < until:
            memory += 1
        time.sleep(draw.expovariate(lapse / IDLE_S))


def _end_with_input() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=_end_with_input, daemon=True).start()
    disturb(int(sys.argv[1]), float(sys.argv[2]))
