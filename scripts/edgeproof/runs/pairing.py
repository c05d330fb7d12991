"""Paired measurement: two arms interleaved in sessions of the agent, in random order within each pair.

Pairs are never thrown away: the pairs of a session stay under `attempts/`. If you ask for more, only the missing ones
are measured, as long as the caller's key (arms, protocol, agent) and the state of the machine are the same.
"""

import csv
import functools
import io
import json
import random
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edgeproof.core.errors import UserError
from edgeproof.core.files import atomic_write, sha256_file
from edgeproof.core.layout import relative_to_repository
from edgeproof.core.reader import current_reader, read_once, reading_once

from .conditions import describe_state, judge_environment
from .sessions import process_folder, run_session

_RECORD = "pairs-of-session.json"
_HEADER_START = 10  # bytes of a .npy file of version 1.0: the magic, the version, two for the length of the header


class PairRow(NamedTuple):
    """One process of a pair, a row of `pairs.csv`: `median_ns` per inference, `file` and `sha256` of its samples."""

    session: int
    pair: int
    position: int
    arm: str
    calls_per_sample: int
    samples: int
    median_ns: float
    file: str
    sha256: str


COLUMNS = PairRow._fields


def measure_session_of_pairs(folder, label, arms, pairs, inputs, device, protocol, interpreter, key, seed):
    """Measure `pairs` pairs in one session; keep its record beside its attempt and return it.

    `arms`: {left, right}: the agent's arms, artifact paths included. `key`: digest of all that sessions put together
    must share. `seed`: text that decides the order within pairs. The record has `rows`, one per process, or a
    `failure` and no rows.
    """
    order = interleave(pairs, seed)
    session = run_session(folder, label, arms, order, inputs, device, protocol, interpreter)
    processes = session.record["processes"]
    failure = next((process["reason"] for process in processes if process["status"] != "ok"), None)
    provenance = next((process["provenance"] for process in processes if process["status"] == "ok"), "measured")
    environment = session.record["environment"]
    record = {
        "attempt": relative_to_repository(session.attempt),
        "started_at_unix_s": session.record["started_at_unix_s"],
        "pairs": pairs,
        "provenance": provenance,
        "state": {arm: _state_of(arm, session.record) for arm in ("left", "right")},
        "disturbances": judge_environment(environment) if provenance == "measured" else [],
        "steal_share": environment["steal_share"],
        "failure": failure,
        "rows": [] if failure else [_row_of(process, session) for process in processes],
    }
    atomic_write(session.attempt / _RECORD, json.dumps({"key": key, **record}, indent=1) + "\n")
    return record


def timing_of(protocol):
    """Return what of a protocol decides how one process of a pair is timed; how many there are does not."""
    return {key: value for key, value in protocol.items() if key not in ("name", "processes", "repeats_when_unstable")}


def interleave(pairs, seed):
    """Return 2 × `pairs` arm names: each pair holds both arms, in random order. Equal seeds give equal orders."""
    generator = random.Random(seed)
    return [arm for _ in range(pairs) for arm in generator.sample(("left", "right"), 2)]


def find_sessions(folder, key):
    """Return the records of earlier sessions below a result's folder that share `key`, oldest first.

    Failed and disturbed sessions stay where they are and do not count; their pairs are measured again.
    """
    paths = sorted((Path(folder) / "attempts").glob(f"[0-9]*/{_RECORD}"))
    records = [json.loads(path.read_text()) for path in paths]
    same = [record for record in records if record.pop("key") == key]
    return [record for record in same if not record["failure"] and not record["disturbances"]]


def write_pairs(path, sessions):
    """Write the table of all sessions' processes, in order; return the sessions without their rows, as records hold
    them.
    """
    rows = [{"session": number, **row} for number, session in enumerate(sessions, 1) for row in session["rows"]]
    lines = [",".join(COLUMNS), *(",".join(str(row[name]) for name in COLUMNS) for row in rows)]
    atomic_write(path, "\n".join(lines) + "\n")
    return [{name: value for name, value in session.items() if name != "rows"} for session in sessions]


@read_once
@reading_once()
def read_pairs(path, expected_sha256):
    """Return the rows of the table, PairRows in its order, their medians recomputed from the samples that they name.

    UserError when the table is not the one recorded, when samples are missing or changed, or when a median does not
    follow.
    """
    if sha256_file(path) != expected_sha256:
        raise UserError(f"{path}: its sha256 is not the recorded table_sha256; these are not the pairs measured")
    rows = _parse_table(path)
    for row in rows:
        if sha256_file(row.file) != row.sha256:
            raise UserError(f"{row.file}: its sha256 is not the one in {path}; these are not the samples measured")
        samples = _parse_array(current_reader().read(row.file), row.file)
        median = _median(samples, row.calls_per_sample)
        if not abs(median - row.median_ns) <= 1e-6 * median:  # NaN is refused, too
            raise UserError(
                f"{path}: median_ns of pair {row.pair} {row.arm} is {row.median_ns}, the samples give {median}"
            )
    return rows


def medians_of(rows):
    """Return {left, right}: the arms' medians in ns, float64, in order of pairs."""
    return {arm: np.array([row.median_ns for row in rows if row.arm == arm]) for arm in ("left", "right")}


def _parse_array(data, path):
    """Return the array of a `.npy` file. The header of all files of a campaign is one of a few texts."""
    start = _HEADER_START + int.from_bytes(data[_HEADER_START - 2 : _HEADER_START], "little")
    try:
        shape, _, dtype = _parse_header(data[:start])
        return np.frombuffer(data, dtype, offset=start).reshape(shape)
    except ValueError as error:
        raise UserError(f"{path}: not the samples of a process: {error}") from error


@functools.lru_cache(maxsize=64)
def _parse_header(header):
    stream = io.BytesIO(header)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError("version 1.0 of the format is needed")
    return np.lib.format.read_array_header_1_0(stream)


def _parse_table(path):
    lines = list(csv.reader(io.StringIO(current_reader().read(path).decode(errors="replace"))))
    if lines[:1] != [list(COLUMNS)]:
        raise UserError(f"{path}: the columns are {lines[:1]}; {','.join(COLUMNS)} is needed")
    kinds = PairRow.__annotations__.values()
    try:
        return [PairRow(*(kind(text) for kind, text in zip(kinds, row, strict=True))) for row in lines[1:]]
    except ValueError as error:
        raise UserError(f"{path}: not a table of pairs: {error}") from error


def _state_of(arm, record):
    """Return the state that the processes of an arm met; no version of the runtime where none came so far."""
    first = next((p for p in record["processes"] if p["arm"] == arm and p["status"] == "ok"), None)
    return describe_state(record["environment"]["before"], first and first["runtime"]["version"])


def _row_of(process, session):
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


def _median(samples, calls_per_sample):
    return float(np.median(samples)) / calls_per_sample
