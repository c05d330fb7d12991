"""Paired measurement: two arms interleaved in sessions of the agent, in random order within each pair.

Pairs are never thrown away: a session's pairs stay under `attempts/`. If you ask for more pairs later, only the missing
ones are measured, provided that everything in the caller's key (arms, protocol, agent) and the state of the machine are
still the same.
"""

import csv
import functools
import io
import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from edgeproof.core.configuration import Json, MeasuringProtocol
from edgeproof.core.documents import read_text
from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath, atomic_write, sha256_file
from edgeproof.core.layout import relative_to_repository
from edgeproof.core.reader import current_reader, read_once, reading_once
from edgeproof.core.stability import middle_of_rows

from .conditions import describe_state, judge_environment
from .sessions import ProcessRecord, Reason, Samples, Session, SessionRecord, SessionSetup, process_folder, run_session

COLUMNS = ("session", "pair", "position", "arm", "calls_per_sample", "samples", "median_ns", "file", "sha256")
SIDES = ("left", "right")
_INTEGERS = ("session", "pair", "position", "calls_per_sample", "samples")
_RECORD = "pairs-of-session.json"
_HEADER_START = 10  # bytes of a .npy file of version 1.0: the magic, the version, two for the length of the header


class PairRow(TypedDict):
    """One process of a pair: a row of `pairs.csv`. `pair`, `position` count from 1; `file` holds its raw samples."""

    session: int
    pair: int
    position: int
    arm: str
    calls_per_sample: int
    samples: int
    median_ns: float
    file: str
    sha256: str


class PairsOfSession(TypedDict):
    """A session of pairs, without its rows as documents hold it.

    `state`: {arm: state of machine and runtime}. `disturbances`: what makes the session useless, one line each.
    `steal_share`: None if not known. `failure`: why an arm could not be measured.
    """

    attempt: str
    started_at_unix_s: float
    pairs: int
    provenance: str
    state: dict[str, Json]
    disturbances: list[str]
    steal_share: float | None
    failure: Reason | None


class MeasuredPairs(PairsOfSession):
    """A session of pairs with one row per process; without any if it failed."""

    rows: list[Json]


def measure_session_of_pairs(
    folder: FilePath,
    label: str,
    arms: Mapping[str, Mapping[str, Any]],
    pairs: int,
    setup: SessionSetup,
    key: str,
    seed: str,
) -> MeasuredPairs:
    """Measure `pairs` pairs in one session; keep its record beside its attempt and return it.

    `arms`: {left, right}: the agent's arms, artifact paths included. `key`: digest of everything that sessions must
    share to be put together. `seed`: text that decides the order within pairs.
    """
    session = run_session(folder, label, arms, interleave(pairs, seed), setup)
    processes = session.record["processes"]
    failure = next((process["reason"] for process in processes if process["status"] != "ok"), None)
    provenance = next((process["provenance"] for process in processes if process["status"] == "ok"), "measured")
    environment = session.record["environment"]
    record: MeasuredPairs = {
        "attempt": relative_to_repository(session.attempt),
        "started_at_unix_s": session.record["started_at_unix_s"],
        "pairs": pairs,
        "provenance": provenance,
        "state": {arm: _state_of(arm, session.record) for arm in SIDES},
        "disturbances": judge_environment(environment) if provenance == "measured" else [],
        "steal_share": environment["steal_share"],
        "failure": failure,
        "rows": [] if failure else [_row_of(process, session) for process in processes],
    }
    atomic_write(session.attempt / _RECORD, json.dumps({"key": key, **record}, indent=1) + "\n")
    return record


def timing_of(protocol: MeasuringProtocol) -> Json:
    """Return the part of a protocol that decides how one process of a pair is timed (not how many there are)."""
    return {key: value for key, value in protocol.items() if key not in ("name", "processes", "repeats_when_unstable")}


def interleave(pairs: int, seed: str) -> list[str]:
    """Return 2 × `pairs` arm names: each pair holds both arms, in random order. Equal seeds give equal orders."""
    generator = random.Random(seed)
    return [arm for _ in range(pairs) for arm in generator.sample(SIDES, 2)]


def find_sessions(folder: FilePath, key: str) -> list[MeasuredPairs]:
    """Return the records of earlier sessions in a result's folder that share `key`, oldest first.

    Failed and disturbed sessions stay on disk but are left out, so that their pairs are measured again.
    """
    paths = sorted((Path(folder) / "attempts").glob(f"[0-9]*/{_RECORD}"))
    records: list[Any] = [json.loads(path.read_text()) for path in paths]
    same: list[MeasuredPairs] = [record for record in records if record.pop("key") == key]
    return [record for record in same if not record["failure"] and not record["disturbances"]]


def write_pairs(path: FilePath, sessions: Sequence[MeasuredPairs]) -> list[PairsOfSession]:
    """Write the table of all sessions' processes, in order; return the sessions without their rows."""
    rows: list[Json] = [{"session": number, **row} for number, item in enumerate(sessions, 1) for row in item["rows"]]
    lines = [",".join(COLUMNS), *(",".join(str(row[name]) for name in COLUMNS) for row in rows)]
    atomic_write(path, "\n".join(lines) + "\n")
    return [_without_rows(session) for session in sessions]


@read_once
@reading_once()
def read_pairs(path: FilePath, expected_sha256: str) -> list[PairRow]:
    """Return the rows of a table of pairs, after recomputing its medians from the raw samples that it names.

    UserError if the table is not the one recorded, if samples are missing or changed, or if a median does not follow.
    """
    if sha256_file(path) != expected_sha256:
        raise UserError(f"{path}: its sha256 is not the recorded table_sha256; these are not the pairs measured")
    rows = _parse_table(path)
    for row in rows:
        if sha256_file(row["file"]) != row["sha256"]:
            raise UserError(f"{row['file']}: its sha256 is not the one in {path}; these are not the samples measured")
        samples = _parse_array(current_reader().read(row["file"]), row["file"])
        median = _median(samples, row["calls_per_sample"])
        if not abs(median - row["median_ns"]) <= 1e-6 * median:  # NaN is refused, too
            raise UserError(
                f"{path}: median_ns of pair {row['pair']} {row['arm']} is {row['median_ns']}, the samples give {median}"
            )
    return rows


def medians_of(rows: Sequence[PairRow]) -> dict[str, npt.NDArray[np.float64]]:
    """Return {left, right}: the arms' medians in ns, shape (pairs,), in order of pairs."""
    return {arm: np.array([row["median_ns"] for row in rows if row["arm"] == arm], dtype=np.float64) for arm in SIDES}


def _parse_array(data: bytes, path: str) -> Samples:
    """Return the array of a `.npy` file; the headers of a campaign's files are few and parsed once each."""
    start = _HEADER_START + int.from_bytes(data[_HEADER_START - 2 : _HEADER_START], "little")
    try:
        shape, dtype = _parse_header(data[:start])
        return np.frombuffer(data, dtype, offset=start).reshape(shape)
    except ValueError as error:
        raise UserError(f"{path}: not the samples of a process: {error}") from error


@functools.lru_cache(maxsize=64)
def _parse_header(header: bytes) -> tuple[tuple[int, ...], npt.DTypeLike]:
    stream = io.BytesIO(header)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError("version 1.0 of the format is needed")
    shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    return shape, dtype


def _parse_table(path: FilePath) -> list[PairRow]:
    """Return the rows of a table of pairs; UserError if a column is missing or a value is no number."""
    reader = csv.DictReader(io.StringIO(read_text(path)), strict=True)
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise UserError(f"{path}: the columns are {','.join(reader.fieldnames or ())}; {','.join(COLUMNS)} is needed")
    try:
        return [_parse_row(row) for row in reader]
    except (ValueError, TypeError, csv.Error) as error:
        raise UserError(f"{path}: line {reader.line_num}: not a row of a table of pairs: {error}") from error


def _parse_row(row: Mapping[str, str]) -> PairRow:
    session, pair, position, calls, samples = (int(row[name]) for name in _INTEGERS)
    return {
        "session": session,
        "pair": pair,
        "position": position,
        "arm": row["arm"],
        "calls_per_sample": calls,
        "samples": samples,
        "median_ns": float(row["median_ns"]),
        "file": row["file"],
        "sha256": row["sha256"],
    }


def _without_rows(session: MeasuredPairs) -> PairsOfSession:
    rest: Any = {name: value for name, value in session.items() if name != "rows"}
    return rest


def _state_of(arm: str, record: SessionRecord) -> Json:
    """Return the state in which the processes of an arm ran; no runtime version if none was ok."""
    first = next((p for p in record["processes"] if p["arm"] == arm and p["status"] == "ok"), None)
    return describe_state(record["environment"]["before"], first["runtime"]["version"] if first else None)


def _row_of(process: ProcessRecord, session: Session) -> Json:
    slot = process["slot"]
    samples, path = session.samples[slot], process_folder(session.folder, slot) / "samples.npy"
    return {
        "pair": slot // 2 + 1,
        "position": slot % 2 + 1,
        "arm": process["arm"],
        "calls_per_sample": process["calls_per_sample"],
        "samples": len(samples),
        "median_ns": _median(samples, process["calls_per_sample"]),
        "file": relative_to_repository(path),
        "sha256": sha256_file(path),
    }


def _median(samples: Samples, calls_per_sample: int) -> float:
    return float(middle_of_rows(samples[None, :])[0]) / calls_per_sample
