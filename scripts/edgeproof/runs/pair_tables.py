"""`pairs.csv` and the entries of sessions in documents: views of what the raw times of pairs say."""

from collections.abc import Sequence
from pathlib import Path

from edgeproof.core.attempts import Attempt, read_record
from edgeproof.core.configuration import Json
from edgeproof.core.files import atomic_write
from edgeproof.core.layout import relative_to_repository
from edgeproof.core.reader import read_once

from .drift_records import describe_drift
from .pair_records import Pair
from .paired_sessions import PairsSession, read_session

COLUMNS = (
    "pair",
    "session",
    "mode",
    "log_ratio",
    "left_ns",
    "right_ns",
    "left_log_error",
    "right_log_error",
    "floor_sd",
    "alone_left",
    "alone_right",
    "seconds",
    "folder",
    "sha256",
)


@read_once
def read_session_at(folder: str) -> PairsSession:
    """Return the session, in an attempt's folder, whose pairs are rows of the table `pairs.csv`."""
    return read_session(Attempt(Path(folder), read_record(folder)))


def write_table(path: Path, sessions: Sequence[PairsSession]) -> None:
    """Write the table of pairs, `pairs.csv`: a row per pair in order of the sequence, a view of what raw times say."""
    atomic_write(path, render_table(sessions))


def render_table(sessions: Sequence[PairsSession]) -> str:
    """Return the text of the table of pairs, `pairs.csv`."""
    lines, number = [",".join(COLUMNS)], 0
    for order, session in enumerate(sessions, 1):
        for pair in session.pairs:
            number += 1
            cells = (number, order, *_cells_of(pair))
            lines.append(",".join("" if cell is None else str(cell) for cell in cells))
    return "\n".join(lines) + "\n"


def describe_session(session: PairsSession) -> Json:
    """Return a session's entry in a document that has a table of pairs, `pairs.csv`, beside it."""
    record, attempt = session.record, session.attempt
    watched = {"telemetry": record["telemetry"]} if record.get("telemetry") else {}
    return {
        "attempt": relative_to_repository(attempt.folder),
        "started_at": attempt.record["started_at"],
        "machine": attempt.record["machine"]["id"],
        "pairs": len(session.pairs),
        "seconds": record["seconds"],
        "ended_by": record["ended_by"],
        "interleaving": record["interleaving"],
        "inputs": record["inputs"],
        "state": session.state,
        "steal_share": record["environment"]["steal_share"],
        "throttled": session.throttled,
        "drift": describe_drift(record["drift"]),
        "provenance": session.provenance,
        **watched,
    }


def _cells_of(pair: Pair) -> tuple[object, ...]:
    return (
        pair.mode,
        pair.log_ratio,
        pair.left.value_ns,
        pair.right.value_ns,
        pair.left.log_error,
        pair.right.log_error,
        pair.floor_sd,
        pair.alone.get("left"),
        pair.alone.get("right"),
        pair.seconds,
        relative_to_repository(pair.folder),
        pair.sha256,
    )
