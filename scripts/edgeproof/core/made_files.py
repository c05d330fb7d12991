"""`results/registry.pending`: what jobs have made or tried to make, one path a line, so that the registry can follow.

A job appends one line when it ends. The registry reads the lines when somebody asks it something, looks at the folders
that they name, and removes the file. Little is imported here: jobs that start in a hurry use it.
"""

import contextlib
import os
from collections.abc import Generator
from pathlib import Path

from .layout import FilePath

_RESULTS = "results"
_PENDING = "registry.pending"
_TAKEN = "registry.pending.taken"
_LONGEST = 4096  # bytes that one append writes in one piece


def note_job(made: FilePath) -> None:
    """Note a file that a job makes below `results/` in the list of made files, for the registry."""
    parts = Path(made).parts
    if _RESULTS in parts:
        at = len(parts) - 1 - parts[::-1].index(_RESULTS)
        note_made(Path(*parts[: at + 1]), "/".join(parts[at + 1 :]))


def note_made(results: Path, path: str) -> None:
    """Append a path below the folder `results` to the list of made files; a full disk costs the caller nothing."""
    line = os.fsencode(path) + b"\n"
    if len(line) <= _LONGEST and b"\n" not in line[:-1]:
        with contextlib.suppress(OSError):
            handle = os.open(results / _PENDING, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            try:
                os.write(handle, line)
            finally:
                os.close(handle)


@contextlib.contextmanager
def take_made(results: Path) -> Generator[list[str]]:
    """Yield the made files noted since the last time, paths below `results`; forget them if the block succeeds.

    Only one process may be in the block at a time: the registry's own lock sees to that.
    """
    pending, taken = results / _PENDING, results / _TAKEN
    if not taken.exists():  # else somebody was killed in the block: its paths are read again
        with contextlib.suppress(FileNotFoundError):
            os.rename(pending, taken)
    try:
        lines = taken.read_bytes().splitlines()
    except FileNotFoundError:
        lines = []
    yield list(dict.fromkeys(os.fsdecode(line) for line in lines if line))
    taken.unlink(missing_ok=True)
