"""`telemetry.csv` of a session: what its samplers said, by sampler and channel."""

import csv
import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath
from edgeproof.core.reader import current_reader, read_once

FOLDER = "telemetry"  # where the agent's samplers write, in a session
FILE = "telemetry.csv"
_HEADER = ["at_ns", "sampler", "channel", "value"]


class Series(NamedTuple):
    """One channel: times of the agent's clock in ns, rising, and values in the channel's unit."""

    times_ns: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]

    def within(self, start_ns: int, stop_ns: int) -> "Series":
        """Return what this channel of the telemetry has between two times."""
        inside = (self.times_ns >= start_ns) & (self.times_ns <= stop_ns)
        return Series(self.times_ns[inside], self.values[inside])


Telemetry = dict[tuple[str, str], Series]  # by sampler and channel


@read_once
def read_telemetry(path: FilePath) -> Telemetry:
    """Return the series in a telemetry file; UserError where a row is none."""
    return parse_telemetry(current_reader().read(path).decode(), path)


def parse_telemetry(text: str, path: FilePath) -> Telemetry:
    """Return the series of the text of a telemetry file; UserError, which names `path`, where a row is none."""
    rows = csv.reader(io.StringIO(text))
    if next(rows, None) != _HEADER:
        raise UserError(f"{path}: the columns must be {','.join(_HEADER)}; measure the cell again")
    found: dict[tuple[str, str], tuple[list[int], list[float]]] = {}
    try:
        for at_ns, sampler, channel, value in rows:
            times, values = found.setdefault((sampler, channel), ([], []))
            times.append(_parse_time(at_ns))
            values.append(float(value))
    except ValueError as error:
        raise UserError(f"{path}: row {rows.line_num} is not one of telemetry ({error}); measure again") from error
    telemetry: Telemetry = {}
    for key, (times, values) in found.items():
        order = np.argsort(np.array(times, dtype=np.int64), kind="stable")
        telemetry[key] = Series(np.array(times, dtype=np.int64)[order], np.array(values)[order])
        if not np.isfinite(telemetry[key].values).all():
            raise UserError(f"{path}: {'/'.join(key)} has a value that is not finite; measure again")
    return telemetry


def _parse_time(text: str) -> int:
    time_ns = int(text)
    if not -(2**63) <= time_ns < 2**63:
        raise ValueError(f"{text[:30]} is no time in ns")
    return time_ns


def path_in_attempt(attempt: FilePath) -> Path:
    """Return where a session's telemetry file is, given the folder of its attempt."""
    return Path(attempt) / "session" / FOLDER / FILE
