"""Observed runs: what a loop of the user's own did, from its recording: deadlines, bursts, jitter, and its stages.

An observed run says what happened once, in one process, with all that ran beside it. It has no interval, and it is
never compared with a benchmark run as if it were one (`comparability.observed_beside`).
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeproof.core.configuration import Device, Json
from edgeproof.core.documents import read_sealed, write_sealed
from edgeproof.core.errors import UserError
from edgeproof.core.files import atomic_path, sha256_file
from edgeproof.core.layout import observed_folder, relative_to_repository
from edgeproof.core.recomputing import must_follow
from edgeproof.core.seals import SEAL
from edgeproof.runtime.observed_format import STAGES

from .observed_files import Recording, read_recording

DOCUMENT, RECORDING = "observed.json", "calls.observed"
_SCHEMA = "edgeproof.observed.v1"
_ENOUGH = {0.9: 10, 0.99: 100}  # calls from which this percentile is not simply the slowest call
_MS = 1e6


def import_recording(
    source: Path, name: str, root: Path, device: tuple[str, Device] | None, deadline_ms: float | None
) -> Json:
    """Make an observed run of a recording: copy it to `results/observed/NAME/` below `root`.

    Write `observed.json` beside the copy, and return that. `device`: name and configuration of the device it is from,
    None if it is none of the configuration. `deadline_ms`: instead of the recording's own. UserError if the name is
    taken by another recording, or the board is another one.
    """
    recording = read_recording(source)
    if device:
        _require_board(recording, source, *device)
    if not len(recording.calls):
        raise UserError(f"{source}: holds no call; run the loop for longer")
    folder = root / observed_folder(name)
    copy = folder / RECORDING
    if copy.exists() and sha256_file(copy) != sha256_file(source):
        raise UserError(f"{folder}: has another recording; choose another --name, or remove that folder")
    folder.mkdir(parents=True, exist_ok=True)
    if not copy.exists():
        with atomic_path(copy) as temporary:
            Path(temporary).write_bytes(source.read_bytes())
    given = {"name": name, "device": device[0] if device else None, "deadline_ms": deadline_ms}
    document = _build_document(recording, copy, given)
    write_sealed(folder / DOCUMENT, document, "observed")
    return document


def read_observed(path: Path) -> tuple[Json, Recording]:
    """Return an observed run, computed again from the recording beside it; UserError names what differs."""
    document = read_sealed(path, "observed", "import the recording again")
    copy = path.with_name(RECORDING)
    recording = read_recording(copy)
    chosen = document["deadline"] if document["deadline"] and document["deadline"]["source"] == "import" else None
    given = {
        "name": document["name"],
        "device": document["device"],
        "deadline_ms": chosen and chosen["deadline_ms"],
    }
    claimed = {key: value for key, value in document.items() if key != SEAL}
    must_follow(claimed, _build_document(recording, copy, given), "", relative_to_repository(path), "its recording")
    return document, recording


def latencies_ms(recording: Recording) -> npt.NDArray[np.float64]:
    """Return, for every call of an observed run, the ms from when its input was there to its end; NaN if it failed."""
    spent = (recording.column("end") - recording.column("ready")) / _MS
    return np.where(recording.column("failed") == 0, spent, np.nan)


def _require_board(recording: Recording, source: Path, name: str, device: Device) -> None:
    wanted, board = device.get("board_contains"), recording.head["environment"]["board"]
    if wanted and wanted.lower() not in (board or "").lower():
        where = repr(board) if board else "a machine that does not say its name"
        raise UserError(f"{source}: was recorded on {where}, and the board of device {name} is named {wanted!r}")


def _build_document(recording: Recording, copy: Path, given: Json) -> Json:
    head, end = recording.head, recording.end
    spent = latencies_ms(recording)
    good = spent[~np.isnan(spent)]
    reason = None if end else "the process ended without closing its observer; its last seconds are missing"
    return {
        "schema": _SCHEMA,
        "kind": "observed",
        "name": given["name"],
        "device": given["device"],
        "recording": {
            "file": RECORDING,
            "sha256": sha256_file(copy),
            "complete": end is not None,
            "reason": (end["trouble"] if end else reason),
        },
        "loop": {
            "label": head["label"],
            "artifact": head["artifact"],
            "started_unix_s": head["started_unix_s"],
            "ended_unix_s": end["ended_unix_s"] if end else None,
            "python": head["python"],
            "machine": head["machine"],
        },
        "cost_ns": head["cost_ns"],
        "environment": {"before": head["environment"], "after": end["environment"] if end else None},
        "calls": {
            "recorded": len(recording.calls),
            "failed": int((recording.column("failed") != 0).sum()),
            "lost": end["lost"] if end else None,
        },
        "latency": _summarise(good) if len(good) else None,
        "deadline": _judge_deadline(spent, head["deadline_ns"], given["deadline_ms"]),
        "jitter": _describe_jitter(recording, good),
        "stages": _describe_stages(recording),
    }


def _summarise(values_ms: npt.NDArray[np.float64]) -> Json:
    """Return first, mean, median, p90, p99 and maximum; a percentile that too few calls carry is None."""
    return {
        "first_ms": float(values_ms[0]),
        "mean_ms": float(values_ms.mean()),
        "median_ms": float(np.median(values_ms)),
        "p90_ms": _percentile(values_ms, 0.9),
        "p99_ms": _percentile(values_ms, 0.99),
        "max_ms": float(values_ms.max()),
    }


def _percentile(values: npt.NDArray[np.float64], fraction: float) -> float | None:
    """Return the smallest value that at least this share of the values does not exceed."""
    if len(values) < _ENOUGH[fraction]:
        return None
    return float(np.quantile(values, fraction, method="inverted_cdf"))


def _judge_deadline(spent_ms: npt.NDArray[np.float64], own_ns: int | None, chosen_ms: float | None) -> Json | None:
    """Return what was missed: calls, their share, bursts (two or more in a row), the worst; None without a deadline.

    A call that failed has no time: it is neither missed nor kept, and ends a burst.
    """
    deadline_ms = chosen_ms if chosen_ms is not None or own_ns is None else own_ns / _MS
    if deadline_ms is None:
        return None
    missed: npt.NDArray[np.bool_] = spent_ms > deadline_ms  # NaN is not
    edges = np.flatnonzero(np.diff(np.concatenate(([0], missed.astype(np.int8), [0]))))
    lengths = edges[1::2] - edges[::2]
    bursts = lengths[lengths > 1]
    good = int((~np.isnan(spent_ms)).sum())
    return {
        "deadline_ms": deadline_ms,
        "source": "recording" if chosen_ms is None else "import",
        "missed": int(missed.sum()),
        "share": int(missed.sum()) / good if good else None,
        "bursts": len(bursts),
        "longest_burst": int(bursts.max()) if len(bursts) else 0,
        "worst_over_ms": float((spent_ms[missed] - deadline_ms).max()) if missed.any() else None,
    }


def _describe_jitter(recording: Recording, good_ms: npt.NDArray[np.float64]) -> Json | None:
    """Return how evenly inputs came, and how evenly calls took; None for fewer than three calls."""
    if len(recording.calls) < 3 or len(good_ms) < 2:
        return None
    periods = np.diff(recording.column("ready")) / _MS
    period = float(np.median(periods))
    off = np.abs(periods - period)
    return {
        "period_ms": period,
        "period_off_p90_ms": _percentile(off, 0.9),
        "period_off_max_ms": float(off.max()),
        "latency_step_mean_ms": float(np.abs(np.diff(good_ms)).mean()),
    }


def _describe_stages(recording: Recording) -> list[Json]:
    """Return per stage that ran: calls, median, p99, maximum and its share of the whole time of all calls; `rest` last.

    `rest` is the part of each call that no stage timed; it is left out where stages overlap.
    """
    whole = recording.column("end") - recording.column("start")
    total = max(1, int(whole.sum()))
    stages: list[Json] = []
    rest: npt.NDArray[Any] = whole.copy()
    for name in STAGES:
        times = recording.column(name)
        rest -= times
        ran = times[times > 0]
        if len(ran):
            stages.append(_describe_stage(name, ran, total))
    if len(whole) and not (rest < 0).any():
        stages.append(_describe_stage("rest", rest, total))
    return stages


def _describe_stage(name: str, times_ns: npt.NDArray[np.int64], total_ns: int) -> Json:
    values = times_ns / _MS
    return {
        "name": name,
        "calls": len(values),
        "median_ms": float(np.median(values)),
        "p99_ms": _percentile(values, 0.99),
        "max_ms": float(values.max()),
        "share": int(times_ns.sum()) / total_ns,
    }
