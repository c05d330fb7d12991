"""`samples.csv`: the raw times of a run, one row per sample, in the order measured.

Columns: `process` (0, 1, …) and `elapsed_ns` (integer nanoseconds of one sample, which spans `calls_per_sample`
inferences).
"""

from pathlib import Path

import numpy as np
import pandas as pd

from edgeproof.core.errors import UserError
from edgeproof.core.files import atomic_write

_HEADER = "process,elapsed_ns"


def write_samples(path, samples_by_process):
    """Write int64 arrays of nanoseconds, one per process, to `path`."""
    lines = [_HEADER]
    for process, samples in enumerate(samples_by_process):
        lines.extend(f"{process},{elapsed}" for elapsed in samples.tolist())
    atomic_write(path, "\n".join(lines) + "\n")


def read_samples(path):
    """Return the int64 arrays of `path`, one per process; UserError for anything but whole positive numbers in
    order.
    """
    try:
        table = pd.read_csv(path, dtype="int64")
    except (OSError, ValueError, OverflowError) as error:
        raise UserError(f"{path}: not a table of whole numbers: {error}") from error
    if list(table.columns) != _HEADER.split(","):
        raise UserError(f"{path}: the columns are {','.join(table.columns)}; {_HEADER} is needed")
    process, elapsed = table["process"].to_numpy(), table["elapsed_ns"].to_numpy()
    if not len(process):
        return []
    steps = np.diff(process)
    if process[0] != 0 or not np.isin(steps, (0, 1)).all():
        raise UserError(f"{path}: processes must be numbered 0, 1, … in order")
    if elapsed.min() <= 0:
        raise UserError(
            f"{path}: elapsed_ns is {elapsed.min()} in row {int(elapsed.argmin()) + 2}; a positive time is needed"
        )
    return np.split(elapsed, np.flatnonzero(steps) + 1)


def path_beside(result_path):
    """Return where the samples of a result are."""
    return Path(result_path).with_name("samples.csv")
