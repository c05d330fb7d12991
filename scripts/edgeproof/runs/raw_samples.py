"""`samples.csv`: the raw times of a run, one row per sample, in the order measured.

Columns: `process` (0, 1, …) and `elapsed_ns` (integer nanoseconds of one sample, which spans `calls_per_sample`
inferences).
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath, atomic_write
from edgeproof.core.reader import current_reader, read_once

Integers = npt.NDArray[np.int64]

_HEADER = "session,process,elapsed_ns"
_COLUMNS = 3
_SHORTEST = len("0,0,1")
_LONGEST_HEADER = 4096  # bytes of a first line that are looked at
_PREFIX = re.compile(rb"([0-9]{1,18}),([0-9]{1,18}),")
_DIGITS = 18  # of nanoseconds are 31 years; an int64 holds every number of so many digits
_JOINS = [
    (np.uint64(mask), np.uint64(factor), np.uint64(shift))
    for mask, factor, shift in (
        (0x0F0F0F0F0F0F0F0F, 10 * 2**8 + 1, 8),
        (0x00FF00FF00FF00FF, 100 * 2**16 + 1, 16),
        (0x0000FFFF0000FFFF, 10_000 * 2**32 + 1, 32),
    )
]


class _Rows(NamedTuple):
    """Rows of the same session and process in turn: (session, process) and first row of each; times of all rows."""

    owners: list[tuple[int, int]]
    starts: list[int]
    elapsed: Integers


def render_samples(sessions: Iterable[Iterable[Integers]]) -> str:
    """Return the text of `samples.csv`, the raw samples: per session one int64 array of nanoseconds per process."""
    lines = [_HEADER]
    for session, processes in enumerate(sessions):
        for process, samples in enumerate(processes):
            lines.extend(f"{session},{process},{elapsed}" for elapsed in samples.tolist())
    return "\n".join(lines) + "\n"


def write_samples(path: FilePath, sessions: Iterable[Iterable[Integers]]) -> None:
    """Write the raw samples, `samples.csv`, to `path`; arguments as for `render_samples`."""
    atomic_write(path, render_samples(sessions))


@read_once
def read_samples(path: FilePath) -> list[list[Integers]]:
    """Return the raw samples at `path`, int64 arrays, per session one per process.

    UserError unless all are positive and in order.
    """
    data = current_reader().read(path)
    header, _, _ = data[:_LONGEST_HEADER].partition(b"\n")
    if header.decode(errors="replace") != _HEADER:
        raise UserError(f"{path}: the columns are {header[:60].decode(errors='replace')}; {_HEADER} is needed")
    if len(data) <= len(_HEADER) + 1:
        return []
    rows = _parse_rows(data)
    if rows is None:
        found = _find_malformed_row(data[len(_HEADER) + 1 :])
        raise UserError(f"{path}: {found}; three integers are needed: session, process, nanoseconds")
    if rows.elapsed.min() <= 0:
        raise UserError(
            f"{path}: elapsed_ns is {rows.elapsed.min()} in row {int(rows.elapsed.argmin()) + 2}; a positive time is "
            "needed"
        )
    parts = np.split(rows.elapsed, rows.starts[1:])
    sessions: list[list[Integers]] = []
    for (own, number), samples in zip(rows.owners, parts, strict=True):
        if own == len(sessions):
            sessions.append([])
        if own != len(sessions) - 1 or number != len(sessions[-1]):
            raise UserError(f"{path}: sessions, and processes in each, must be numbered 0, 1, … in order")
        sessions[-1].append(samples)
    return sessions


def list_processes(sessions: Iterable[Iterable[Integers]]) -> list[Integers]:
    """Return the raw samples of all sessions one after the other, an array per process, as `processes` of a result."""
    return [samples for session in sessions for samples in session]


def path_beside(result_path: FilePath) -> Path:
    """Return the path of the raw samples beside a result."""
    return Path(result_path).with_name("samples.csv")


def _parse_rows(data: bytes) -> _Rows | None:
    """Return the rows below the header, lines `<digits>,<digits>,<digits>` each ended by a newline; None for any other
    text.

    Many times as fast as `numpy.loadtxt`, where a campaign has a million rows and more: session and process are the
    same for a thousand rows, so they are compared and not parsed.
    """
    text = np.frombuffer(data, dtype=np.uint8)
    newlines = np.flatnonzero(text == ord("\n"))
    ends = newlines[1:]
    starts = newlines[:-1] + 1
    lengths = ends - starts  # of rows, and then of the times in them
    others = np.count_nonzero(text[newlines[0] + 1 :] - np.uint8(ord("0")) > 9)
    if not data.endswith(b"\n") or others != _COLUMNS * len(ends) or lengths.min(initial=_SHORTEST) < _SHORTEST:
        return None
    beginnings = np.ndarray(len(data) - 3, "<u4", buffer=data, strides=(1,))[starts]  # four characters of each row
    edges = [*(np.flatnonzero(beginnings[1:] != beginnings[:-1]) + 1).tolist(), len(ends)]
    owners: list[tuple[int, int]] = []
    heads: list[int] = []
    row = 0
    for edge in edges:
        while row < edge:
            prefix = _PREFIX.match(data, int(starts[row]))
            if prefix is None:
                return None
            alike = np.ones(edge - row, dtype=np.bool_)
            for place in range(4, len(prefix[0])):
                alike &= text[starts[row:edge] + place] == prefix[0][place]
            owner = int(prefix[1]), int(prefix[2])
            if owners[-1:] != [owner]:  # else it is the same written otherwise: `00` for `0`
                owners.append(owner)
                heads.append(row)
            end = edge if alike.all() else row + int(alike.argmin())
            lengths[row:end] -= len(prefix[0])
            row = end
    if not 1 <= lengths.min() <= lengths.max() <= _DIGITS:
        return None
    return _Rows(owners, heads, _parse_numbers(data, ends, lengths))


def _parse_numbers(data: bytes, ends: npt.NDArray[np.intp], widths: npt.NDArray[np.intp]) -> Integers:
    """Return the numbers whose digits end before the places `ends` of a text and are `widths` long, at most 18.

    Eight digits are one integer of 64 bits, in which neighbours are joined to numbers of two, four and eight digits by
    a multiplication each (D. Lemire, "Quickly parsing eight digits", 2018).
    """
    eights = np.ndarray(len(data) - 7, "<u8", buffer=data, strides=(1,))
    numbers: Integers = np.zeros(len(ends), dtype=np.int64)
    for done in range(0, int(widths.max(initial=0)), 8):
        found = eights[ends - (8 + done)]
        foreign = ((8 - np.clip(widths - done, 0, 8)) * 8).astype(np.uint64)  # bits of what is before the number
        found = found >> foreign << foreign
        for mask, factor, shift in _JOINS:
            found &= mask
            found *= factor
            found >>= shift
        numbers += found.astype(np.int64) * 10**done
    return numbers


def _find_malformed_row(body: bytes) -> str:
    """Return words on the first line that `_parse_rows` refuses."""
    lines = body.split(b"\n")
    for number, line in enumerate(lines[:-1], 2):
        if not re.fullmatch(rb"[0-9]{1,18},[0-9]{1,18},[0-9]{1,18}", line):
            return f"row {number} is {line.decode(errors='replace')!r}"
    return f"the last row, {lines[-1].decode(errors='replace')!r}, has no end"
