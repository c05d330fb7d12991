"""Histories of telemetry, `edgeenv.runtime-telemetry-history.v1`: what samplers said of several runs, in one file.

Source: InferEdgeEnv v0.1.5 (contract, section 1). Of a run of EdgeEnv the file has what its command printed, which
nobody can compute again. Of a run of ours it has the table of each session's samplers, so that power, energy,
temperature and memory can be computed again from the file alone. A run without telemetry is a gap, and no failure.
"""

import datetime
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from edgeproof.bundles.claims import ASSERTED, RECOMPUTED, find_fault
from edgeproof.core.attempts import FOLDER as ATTEMPTS
from edgeproof.core.clock import now
from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json
from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath, sha256_bytes
from edgeproof.core.reader import current_reader
from edgeproof.core.recomputing import must_follow
from edgeproof.runs.run_power import WatchedSession, summarise_telemetry
from edgeproof.runs.telemetry_files import Telemetry, parse_telemetry, path_in_attempt

from .run_reading import EDGEENV, read_run
from .run_rows import UNREADABLE

KIND, MARKER = "edgeenv-telemetry-history", "edgeenv.runtime-telemetry-history.v1"
OWN = "edgeproof.run-telemetry.v1"  # marker of the telemetry of a run of ours
MISSING = "runtime_telemetry_missing"  # EdgeEnv's word
_FIGURES = ("power", "energy", "temperature", "memory")
_PARTS = ("target", "model", "runtime", "protocol", "metrics")
_NOTES = [
    "a run without telemetry is a gap in the evidence, and no failed run",
    "telemetry has no effect on whether two runs may be compared",
]


class Inspected(NamedTuple):
    """A run of a history that has telemetry.

    `word`: recomputed, asserted, or refuted with the `fault`. `fields`: its channels, or the keys that were printed.
    """

    run_id: str
    telemetry_timestamp: str | float | None
    sessions: int | None
    fields: list[str]
    word: str
    fault: str | None


def build_history(root: Path, rows: Iterable[Json], source: Json, requested: int | None) -> Json:
    """Return the telemetry history of runs, given by their rows in the registry of the checkout `root`.

    `source`: where they are from. `requested`: how many were named, None where all were taken. A run whose document
    cannot be believed is a gap, too, with the reason.
    """
    entries: list[Json] = []
    gaps: list[Json] = []
    for row in rows:
        found = _describe_run(root, row)
        (entries if "runtime_telemetry" in found else gaps).append(found)
    entries.sort(key=_order)
    gaps.sort(key=lambda gap: gap["run_id"])
    return {
        "schema_version": MARKER,
        "generated_at": now(),
        "source": source,
        "summary": {
            "requested_runs": requested,
            "registered_runs": len(entries) + len(gaps),
            "telemetry_runs": len(entries),
            "missing_telemetry_runs": len(gaps),
        },
        "runs": entries,
        "missing_telemetry": gaps,
        "notes": _NOTES,
    }


def read_history(path: FilePath) -> Json:
    """Return the telemetry history in a file; UserError where it is malformed or its lists contradict its summary."""
    history = read_json(path, KIND)
    gaps = history.setdefault("missing_telemetry", [])
    names = [entry["run_id"] for entry in (*history["runs"], *gaps)]
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise UserError(f"{path}: run_id {twice[0]!r} occurs twice")
    counts = {
        "registered_runs": len(names),
        "telemetry_runs": len(history["runs"]),
        "missing_telemetry_runs": len(gaps),
    }
    claimed = {name: value for name, value in history["summary"].items() if name in counts}
    must_follow(claimed, {name: counts[name] for name in claimed}, "summary", path, "its lists")
    return history


def inspect_history(history: Json, path: FilePath) -> Json:
    """Return what `runs telemetry inspect-history` shows of a history that was read from `path`.

    `replay` has EdgeEnv's keys. `fault`: the first figure of ours that does not follow from its table, None if all do.
    """
    watched = [entry for entry in history["runs"] if entry.get("runtime_telemetry") is not None]
    empty = [entry["run_id"] for entry in history["runs"] if entry.get("runtime_telemetry") is None]
    missing = [gap["run_id"] for gap in history["missing_telemetry"]]
    runs = [_inspect_run(entry, path) for entry in watched]
    moments = sorted((run.telemetry_timestamp for run in runs if run.telemetry_timestamp is not None), key=_rank)
    sequence = [entry.get("execution_sequence_id") for entry in history["runs"]]
    numbers = [number for number in sequence if isinstance(number, int | float) and not isinstance(number, bool)]
    fault = next((f"{run.run_id}: {run.fault}" for run in runs if run.fault), None)
    return {
        "file": str(path),
        "schema_version": history["schema_version"],
        "valid": fault is None,
        "fault": fault,
        "summary": history["summary"],
        "source": history.get("source", {}),
        "replay": {
            "run_ids": [entry["run_id"] for entry in history["runs"]],
            "telemetry_fields": sorted({name for run in runs for name in run.fields}),
            "first_telemetry_timestamp": moments[0] if moments else None,
            "last_telemetry_timestamp": moments[-1] if moments else None,
            "execution_sequence_ids": sequence,
            "sequence_monotonic": numbers == sorted(numbers) if numbers else None,
            "evidence_gap_count": len(missing) + len(empty),
            "missing_run_ids": [*missing, *empty],
        },
        "runs": [run._asdict() for run in runs],
        "missing_telemetry": [
            *history["missing_telemetry"],
            *({"run_id": name, "reason": MISSING} for name in empty),
        ],
        "notes": _NOTES,
    }


def _describe_run(root: Path, row: Json) -> Json:
    """Return the entry of a run, or {run_id, reason, detail} of a gap."""
    if row["status"] == UNREADABLE:
        return _describe_gap(row, "result_unreadable", row["reason"])
    try:
        document = read_run(root, row)
    except UserError as error:
        return _describe_gap(row, "result_refuted", " ".join(str(error).split()))
    if row["origin"] == EDGEENV:
        telemetry = document.get("runtime_telemetry")
        if telemetry is None:
            return _describe_gap(row, MISSING, "its command printed none")
        told = {"created_at": document["created_at"], **{name: document[name] for name in _PARTS}}
        times = {name: telemetry.get(name) for name in ("telemetry_timestamp", "execution_sequence_id")}
        return {"run_id": row["id"], **times, **told, "runtime_telemetry": telemetry}
    sessions = [_describe_session(root, row, session) for session in document["sessions"]]
    watched = [session for session in sessions if session["telemetry"]]
    if not watched:
        return _describe_gap(row, MISSING, document["power"]["reason"] or "nothing sampled it beside the timing")
    return {
        "run_id": row["id"],
        "created_at": sessions[-1]["started_at"],
        "telemetry_timestamp": watched[0]["started_at"],
        "execution_sequence_id": None,  # EdgeEnv's command says it; the order of ours is that of their starts
        **_describe_parts(row, document),
        "runtime_telemetry": {
            "schema_version": OWN,
            "result_sha256": row["sha256"],
            "provenance": document["provenance"],
            **{name: document[name] for name in _FIGURES},
            "sessions": sessions,
        },
    }


def _describe_gap(row: Json, reason: str, detail: str) -> Json:
    return {"run_id": row["id"], "reason": reason, "detail": detail}


def _describe_session(root: Path, row: Json, session: Json) -> Json:
    """Return a session with the text of its telemetry.csv, which reading the result has hashed."""
    telemetry: Json | None = session["telemetry"]
    if telemetry is not None:
        attempt = (root / row["path"]).with_name(ATTEMPTS) / Path(session["attempt"]).name
        telemetry = {**telemetry, "table": current_reader().read(path_in_attempt(attempt)).decode()}
    started = _format_moment(session["started_at_unix_s"])
    return {"attempt": session["attempt"], "started_at": started, "telemetry": telemetry}


def _describe_parts(row: Json, result: Json) -> Json:
    """Return what a result says under EdgeEnv's keys; None for a figure that it does not have."""
    workload, protocol = result["workload"], result["protocol"]
    snapshot: Json = result["sessions"][0]["environment"]["before"]
    return {
        "target": {
            "target_name": row["device"],
            "target_type": "fake" if result["provenance"] == "simulated" else "local",
            "board_name": result["device"]["board"],
            "os": snapshot["os"],
            "runtime_tags": result["device"]["tags"],
        },
        "model": {"model_name": row["model"], "model_hash": result["digests"]["model"]},
        "runtime": {"runtime": row["runtime"], "execution_provider": row["provider"]},
        "protocol": {
            **{name: workload[name] for name in ("input_shape", "input_dtype", "task", "batch_size")},
            "precision": row["precision"],
            "warmup_runs": protocol["requested"]["warmup_runs"],
            "repeat_runs": (protocol["carried_out"] or {}).get("samples"),
            **{name: workload[name] for name in ("include_preprocess", "include_postprocess")},
        },
        "metrics": {
            **{f"latency_{name}_ms": row[f"{name}_ms"] for name in ("mean", "p50", "p95", "p99")},
            "throughput_fps": row["throughput_per_s"],
        },
    }


def _inspect_run(entry: Json, path: FilePath) -> Inspected:
    telemetry: Json = entry["runtime_telemetry"]
    moment = entry.get("telemetry_timestamp")
    if telemetry.get("schema_version") != OWN:
        return Inspected(entry["run_id"], moment, None, sorted(telemetry), ASSERTED, None)
    series: list[Telemetry] = []
    fault = find_fault(lambda: _compute_again(telemetry, path, series))
    channels = {f"{sampler}/{channel}" for found in series for sampler, channel in found}
    word = "refuted" if fault else RECOMPUTED
    return Inspected(entry["run_id"], moment, len(telemetry["sessions"]), sorted(channels), word, fault)


def _compute_again(telemetry: Json, path: FilePath, series: list[Telemetry]) -> None:
    """Raise UserError unless tables have their digests and the figures follow from them; add them to `series`."""
    watched: list[WatchedSession | None] = []
    for number, session in enumerate(telemetry["sessions"]):
        told = session["telemetry"]
        if told is None:
            watched.append(None)
            continue
        where = f"sessions[{number}].telemetry"
        must_follow(told["sha256"], sha256_bytes(told["table"].encode()), f"{where}.sha256", path, "its table")
        series.append(parse_telemetry(told["table"], f"{path}: {where}.table"))
        watched.append(WatchedSession({name: told[name] for name in told if name != "table"}, series[-1]))
    again = summarise_telemetry(watched, telemetry["provenance"])
    for name in _FIGURES:
        must_follow(telemetry[name], again[name], name, path, "the tables of its sessions")


def _order(entry: Json) -> tuple[Any, ...]:
    keys = (_rank(entry["telemetry_timestamp"]), _rank(entry["execution_sequence_id"]))
    return (*keys, entry["created_at"], entry["run_id"])


def _rank(value: object) -> tuple[int, float, str]:
    """Return what orders moments and sequence numbers of any type: none first, numbers, then texts."""
    if isinstance(value, int | float):
        return (1, float(value), "")
    return (0, 0.0, "") if value is None else (2, 0.0, str(value))


def _format_moment(unix_s: float) -> str:
    return datetime.datetime.fromtimestamp(unix_s, datetime.UTC).isoformat()
