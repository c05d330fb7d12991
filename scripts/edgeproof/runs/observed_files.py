"""Recordings of an observer: the raw times of a loop, as the board wrote them (see `runtime.observed_format`)."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.reader import require_regular
from edgeproof.core.world_errors import explain_unreadable
from edgeproof.runtime.observed_format import CALLS, COLUMNS, DONE, HEAD, split_chunks

_HEAD_KEYS = frozenset(
    ("columns", "started_unix_s", "pid", "python", "clock_resolution_s", "machine", "environment", "deadline_ns")
) | {"artifact", "label", "cost_ns"}


@dataclass(frozen=True)
class Recording:
    """One recording. `head`: what was known at its start; `end`: at its end, None if it never came to that.

    `calls`: int64, one row per call and one column per name of COLUMNS, nanoseconds of the board's clock.
    """

    head: Json
    end: Json | None
    calls: npt.NDArray[np.int64]

    def column(self, name: str) -> npt.NDArray[np.int64]:
        """Return one column of the calls in an observed run's file, by its name in COLUMNS."""
        return self.calls[:, COLUMNS.index(name)]


def read_recording(path: Path) -> Recording:
    """Return the recording in the file of an observed run.

    UserError if it is none, was altered, or holds times that cannot be. A file that ends in the middle of a chunk is
    that of a process that was killed: what came before it counts.
    """
    require_regular(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: {explain_unreadable(error)}") from error
    heads: list[Json] = []
    ends: list[Json] = []
    blocks: list[bytes] = []
    try:
        for number, chunk in enumerate(split_chunks(data)):
            if not chunk.sound:
                raise UserError(f"{path}: part {number} is not as the observer wrote it; copy the file again")
            if not chunk.whole:
                break
            if chunk.kind == CALLS:
                blocks.append(chunk.payload)
            else:
                {HEAD: heads, DONE: ends}[chunk.kind].append(json.loads(chunk.payload))
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error
    if len(heads) != 1 or not heads[0].keys() >= _HEAD_KEYS or heads[0]["columns"] != list(COLUMNS):
        raise UserError(f"{path}: does not say how it was recorded; record again with today's runtime package")
    flat = np.frombuffer(b"".join(blocks), "<i8").astype(np.int64)
    if len(flat) % len(COLUMNS):
        raise UserError(f"{path}: holds half a call; copy the file again")
    recording = Recording(heads[0], ends[0] if ends else None, flat.reshape(-1, len(COLUMNS)))
    _require_order(recording, path)
    return recording


def _require_order(recording: Recording, path: Path) -> None:
    """Raise UserError at the first call whose times cannot be: it ends before it began, or began before the last."""
    start, ready, end = (recording.column(name) for name in ("start", "ready", "end"))
    backwards = np.diff(start, prepend=start[:1]) < 0
    wrong: npt.NDArray[Any] = (end < start) | (end < ready) | backwards | (recording.calls[:, 4:] < 0).any(axis=1)
    if wrong.any():
        raise UserError(f"{path}: call {int(np.argmax(wrong)) + 1} has times that run backwards; record again")
