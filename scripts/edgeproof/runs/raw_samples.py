"""`samples.csv`: the raw times of a run, one row per sample, in the order measured.

Columns: `process` (0, 1, …) and `elapsed_ns` (integer nanoseconds of one sample, which spans `calls_per_sample`
inferences).
"""

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath, atomic_write
from edgeproof.core.reader import current_reader, read_once

Integers = npt.NDArray[np.int64]

_HEADER = "session,process,elapsed_ns"
_COLUMNS = 3
_DIGITS = 18  # of nanoseconds are 31 years; an int64 holds every number of so many digits


def render_samples(sessions: Iterable[Iterable[Integers]]) -> str:
    """Return the text of `samples.csv`: per session one int64 array of nanoseconds per process."""
    lines = [_HEADER]
    for session, processes in enumerate(sessions):
        for process, samples in enumerate(processes):
            lines.extend(f"{session},{process},{elapsed}" for elapsed in samples.tolist())
    return "\n".join(lines) + "\n"


def write_samples(path: FilePath, sessions: Iterable[Iterable[Integers]]) -> None:
    """Write `samples.csv` to `path`; arguments as for `render_samples`."""
    atomic_write(path, render_samples(sessions))


@read_once
def read_samples(path: FilePath) -> list[list[Integers]]:
    """Return the int64 arrays of `path`, per session one per process; UserError unless all are positive and in
    order.
    """
    header, _, body = current_reader().read(path).partition(b"\n")
    if header.decode(errors="replace") != _HEADER:
        raise UserError(f"{path}: the columns are {header[:60].decode(errors='replace')}; {_HEADER} is needed")
    rows = _parse_rows(body)
    if rows is None:
        raise UserError(
            f"{path}: {_find_malformed_row(body)}; three integers are needed: session, process, nanoseconds"
        )
    session, process, elapsed = rows
    if not len(process):
        return []
    if elapsed.min() <= 0:
        raise UserError(
            f"{path}: elapsed_ns is {elapsed.min()} in row {int(elapsed.argmin()) + 2}; a positive time is needed"
        )
    later = np.flatnonzero((session[1:] != session[:-1]) | (process[1:] != process[:-1])) + 1
    starts, parts = np.append(0, later), np.split(elapsed, later)
    sessions: list[list[Integers]] = []
    for own, number, samples in zip(session[starts].tolist(), process[starts].tolist(), parts, strict=True):
        if own == len(sessions):
            sessions.append([])
        if own != len(sessions) - 1 or number != len(sessions[-1]):
            raise UserError(f"{path}: sessions, and processes in each, must be numbered 0, 1, … in order")
        sessions[-1].append(samples)
    return sessions


def list_processes(sessions: Iterable[Iterable[Integers]]) -> list[Integers]:
    """Return the arrays of all sessions one after the other, as `processes` of a result."""
    return [samples for session in sessions for samples in session]


def path_beside(result_path: FilePath) -> Path:
    """Return the path of the samples of a result."""
    return Path(result_path).with_name("samples.csv")


def _parse_rows(body: bytes) -> list[Integers] | None:
    """Return the three int64 columns of lines `<digits>,<digits>,<digits>`, each ended by a newline; None for any other
    text.

    Several times as fast as `numpy.loadtxt`, where a campaign has a million rows and more.
    """
    text = np.frombuffer(body, dtype=np.uint8)
    digits = text - np.uint8(ord("0"))  # above 9 for every other character
    ends = np.flatnonzero(digits > 9)
    separators = [text[ends[column::_COLUMNS]] for column in range(_COLUMNS)]
    if len(ends) % _COLUMNS or any((marks != ord(",")).any() for marks in separators[:-1]):
        return None
    if (separators[-1] != ord("\n")).any() or len(text) != (ends[-1] + 1 if len(ends) else 0):
        return None
    widths = ends.copy()
    widths[1:] -= ends[:-1] + 1
    if len(widths) and not 1 <= widths.min() <= widths.max() <= _DIGITS:
        return None
    return [_parse_numbers(digits, ends[column::_COLUMNS], widths[column::_COLUMNS]) for column in range(_COLUMNS)]


def _parse_numbers(digits: npt.NDArray[np.uint8], ends: npt.NDArray[np.intp], widths: npt.NDArray[np.intp]) -> Integers:
    """Return the numbers whose digits end before the places `ends` and are `widths` long."""
    numbers: Integers = np.zeros(len(ends), dtype=np.int64)
    fewest, most = int(widths.min(initial=_DIGITS)), int(widths.max(initial=0))
    places: npt.NDArray[np.intp] = ends - most
    for width in range(most, 0, -1):  # digit by digit from the left; shorter numbers come in later
        digit = digits.take(places, mode="wrap")
        if width > fewest:
            digit *= widths >= width
        numbers *= 10
        numbers += digit
        places += 1
    return numbers


def _find_malformed_row(body: bytes) -> str:
    """Return words on the first line that `_parse_rows` refuses."""
    lines = body.split(b"\n")
    for number, line in enumerate(lines[:-1], 2):
        if not re.fullmatch(rb"[0-9]{1,18},[0-9]{1,18},[0-9]{1,18}", line):
            return f"row {number} is {line.decode(errors='replace')!r}"
    return f"the last row, {lines[-1].decode(errors='replace')!r}, has no end"
