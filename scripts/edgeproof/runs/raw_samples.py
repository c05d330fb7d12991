"""`samples.csv`: the raw times of a run, one row per sample, in the order measured.

Columns: `process` (0, 1, …) and `elapsed_ns` (integer nanoseconds of one sample, which spans `calls_per_sample`
inferences).
"""

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeproof.core.documents import read_text
from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath, atomic_write

_HEADER = "process,elapsed_ns"


def render_samples(samples_by_process: Iterable[npt.NDArray[np.int64]]) -> str:
    """Return the text of `samples.csv` for int64 arrays of nanoseconds, one per process."""
    lines = [_HEADER]
    for process, samples in enumerate(samples_by_process):
        lines.extend(f"{process},{elapsed}" for elapsed in samples.tolist())
    return "\n".join(lines) + "\n"


def write_samples(path: FilePath, samples_by_process: Iterable[npt.NDArray[np.int64]]) -> None:
    """Write int64 arrays of nanoseconds, one per process, to `path`."""
    atomic_write(path, render_samples(samples_by_process))


def read_samples(path: FilePath) -> list[npt.NDArray[np.int64]]:
    """Return the int64 arrays of `path`, one per process; UserError unless all are positive integers in order."""
    header, _, rows = read_text(path).partition("\n")
    if header != _HEADER:
        raise UserError(f"{path}: the columns are {header[:60]}; {_HEADER} is needed")
    if not rows:
        return []
    try:
        table = np.loadtxt(io.StringIO(rows), dtype=np.int64, delimiter=",", comments=None, ndmin=2)
    except ValueError as error:
        raise UserError(f"{path}: not a table of integers: {error}") from error
    if table.shape[1] != 2:
        raise UserError(f"{path}: {table.shape[1]} columns; {_HEADER} is needed")
    process, elapsed = table[:, 0], np.ascontiguousarray(table[:, 1])
    steps = np.diff(process)
    if process[0] != 0 or not np.isin(steps, (0, 1)).all():
        raise UserError(f"{path}: processes must be numbered 0, 1, … in order")
    if elapsed.min() <= 0:
        raise UserError(
            f"{path}: elapsed_ns is {elapsed.min()} in row {int(elapsed.argmin()) + 2}; a positive time is needed"
        )
    return np.split(elapsed, np.flatnonzero(steps) + 1)


def path_beside(result_path: FilePath) -> Path:
    """Return the path of the samples of a result."""
    return Path(result_path).with_name("samples.csv")
