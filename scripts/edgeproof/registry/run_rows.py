"""Rows of the registry: what one result, one attempt or one run of EdgeEnv says, flattened for queries.

A row repeats a document and is never more than it: the document stays the evidence, and `runs show` reads that.
"""

import datetime
import json
import os
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from edgeproof.agent.machine import describe_machine
from edgeproof.core.attempts import FAILURE, RECORD
from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.layout import Cell
from edgeproof.runs.foreign_sessions import mark_foreign_sessions

UNREADABLE = "unreadable"  # status of a row whose document cannot be read: it is listed, with the reason
BYTES_PER_MB = 2**20
# Metrics that `runs resources` knows, with their units: those of EdgeEnv's contract.
METRICS = {
    "memory_peak_mb": "mb",
    "memory_mean_mb": "mb",
    "power_mean_w": "w",
    "power_peak_w": "w",
    "energy_j": "j",
    "temperature_peak_c": "c",
}
_DUMMY = "PMIC"  # a sensor of Jetsons that always says 100 °C
# What samplers watch: where it stands in a result, and what it is divided by.
_WATCHED = {
    "memory_mean_mb": ("memory", "mean_bytes", BYTES_PER_MB),
    "power_mean_w": ("power", "mean_w", 1),
    "power_peak_w": ("power", "peak_w", 1),
    "energy_j": ("energy", "value_j", 1),
    "temperature_peak_c": ("temperature", "peak_c", 1),
}
RUN_COLUMNS = (
    *("id", "origin", "path", "sha256", "size", "mtime_ns"),
    *("model", "preset", "device", "precision", "runtime", "provider", "board", "machine"),
    *("status", "reason", "provenance", "elsewhere", "labels", "created_at"),
    *("sessions", "processes", "samples", "median_ms", "low_ms", "high_ms", "mean_ms"),
    *("p50_ms", "p95_ms", "p99_ms", "throughput_per_s"),
)
ATTEMPT_COLUMNS = ("path", "target", "kind", "status", "key", "machine", "started_at", "ended_at", "reason", "message")


class Row(NamedTuple):
    """A run: {column of RUN_COLUMNS: value}, and its metrics as (name, value, source)."""

    run: Json
    metrics: list[tuple[str, float, str]]


@cache
def name_this_machine() -> str | None:
    """Return the id of this machine for the rows of the registry; asked once, since there may be very many runs."""
    return describe_machine()["id"]


def read_run_row(root: Path, path: str, origin: str, suffix: str = "") -> Row:
    """Return the row of the result at `path` below `root`; of status `unreadable` where it is no valid result.

    `origin`: `results`, or the name of what it was imported with. `suffix`: of the run's id.
    """
    file = root / path
    parts = Path(path).parts[-5:-1]
    cell = Cell(*parts) if len(parts) == 4 else Cell("", "", "", "")
    status = file.stat()
    row: Json = dict.fromkeys(RUN_COLUMNS)
    row |= {"id": f"{cell}{suffix}", "origin": origin, "path": path, "size": status.st_size}
    row |= {"mtime_ns": status.st_mtime_ns, **cell._asdict(), "created_at": status.st_mtime, "elsewhere": 0}
    try:
        result = mark_foreign_sessions(read_json(file, "result"), name_this_machine())
        row["sha256"] = sha256_file(file)
    except UserError as error:
        reason = " ".join(str(error).split()).removeprefix(f"{file}: ")
        return Row(row | {"status": UNREADABLE, "reason": reason}, [])
    return Row(row | _flatten(result), list(_list_metrics(result)))


def read_attempt_row(root: Path, path: str) -> Json:
    """Return the row of the registry for the attempt in the folder `path` below `root`, beside the rows of runs."""
    row: Json = dict.fromkeys(ATTEMPT_COLUMNS)
    row |= {"path": path, "target": str(Path(path).parent.parent)}
    try:
        record: Json = json.loads((root / path / RECORD).read_bytes())
        row |= {name: record[name] for name in ("kind", "status", "started_at", "ended_at")}
        row |= {"key": record["key"]["sha256"], "machine": record["machine"]["id"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        return row | {"status": UNREADABLE, "message": f"{RECORD} cannot be read ({type(error).__name__})"}
    if row["status"] == "failed":
        row |= _read_failure(root / path / FAILURE)
    return {name: value if isinstance(value, str) else None for name, value in row.items()}


def describe_edgeenv_run(run: Json, path: str, sha256: str, origin: str) -> Row:
    """Return the registry's row of a run of EdgeEnv; `run`: a valid `result.json` of `edgeenv.result.v1`."""
    metrics, target, runtime = run["metrics"], run["target"], run["runtime"]
    row: Json = dict.fromkeys(RUN_COLUMNS)
    row |= {
        "id": run["run_id"],
        "origin": origin,
        "path": path,
        "sha256": sha256,
        "size": 0,
        "mtime_ns": 0,
        "model": run["model"]["model_name"],
        "preset": run["benchmark_name"],
        "device": target["target_name"],
        "precision": run["protocol"]["precision"],
        "runtime": runtime["runtime"],
        "provider": runtime["execution_provider"],
        "board": target["board_name"],
        "status": "ok",
        "provenance": "simulated" if target["target_type"] == "fake" else "declared",
        "elsewhere": 1,
        "labels": "",
        "created_at": _to_unix(run["created_at"]),
        "mean_ms": metrics["latency_mean_ms"],
        "p50_ms": metrics["latency_p50_ms"],
        "p95_ms": metrics["latency_p95_ms"],
        "p99_ms": metrics["latency_p99_ms"],
        "throughput_per_s": metrics["throughput_fps"],
    }
    resources: Json = run.get("resource_metrics") or {}
    source = resources.get("source") or "unspecified"
    return Row(row, [(name, float(resources[name]), source) for name in METRICS if resources.get(name) is not None])


def describe_unreadable(run_id: str, path: str, origin: str, reason: str) -> Row:
    """Return the registry's row of a run that does not satisfy EdgeEnv's contract, with the reason."""
    row: Json = dict.fromkeys(RUN_COLUMNS)
    row |= {"id": run_id, "origin": origin, "path": path, "size": 0, "mtime_ns": 0, "elsewhere": 1}
    return Row(row | {"status": UNREADABLE, "reason": reason, "created_at": 0.0}, [])


def _to_unix(text: str) -> float:
    """Return the moment of an ISO text in Unix seconds, 0 where it is none; without a zone it is UTC."""
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        return 0.0
    return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp()


def list_results(root: Path) -> Iterator[str]:
    """Yield the paths of all results that have a row: those below `root/results/runs`, relative to `root`, sorted."""
    for depth_path in _descend(root / "results/runs", len(Cell._fields)):
        if os.path.isfile(os.path.join(depth_path, "result.json")):
            yield f"{os.path.relpath(depth_path, root)}/result.json"


def _descend(folder: Path | str, depth: int) -> Iterator[str]:
    if depth == 0:
        yield str(folder)
        return
    try:
        with os.scandir(folder) as entries:
            names = sorted(item.name for item in entries if item.is_dir() and not item.name.startswith("."))
    except OSError:
        return
    for name in names:
        yield from _descend(os.path.join(folder, name), depth - 1)


def _flatten(result: Json) -> Json:
    latency: Json = result["latency"] or {}
    percentiles: Json = result["percentiles"] or {}
    runtime: Json = result["runtime"] or {}
    carried: Json = result["protocol"]["carried_out"] or {}
    sessions: list[Json] = result["sessions"]
    counts = [(process["samples"], process["mean_ms"]) for process in result["processes"]]
    total = sum(count for count, _ in counts)
    return {
        "runtime": runtime.get("name"),
        "provider": runtime.get("execution_provider_requested"),
        "board": result["device"]["board"],
        "machine": sessions[0]["machine"]["id"] if sessions else None,
        "status": result["status"],
        "reason": (result["reason"] or {}).get("message"),
        "provenance": result["provenance"],
        "elsewhere": int(result["elsewhere"]),
        "labels": " ".join(entry["label"] for entry in result["labels"]),
        **({"created_at": sessions[-1]["started_at_unix_s"]} if sessions else {}),
        "sessions": len(sessions),
        "processes": carried.get("processes"),
        "samples": carried.get("samples"),
        "median_ms": latency.get("median_ms"),
        "low_ms": latency.get("interval_low_ms"),
        "high_ms": latency.get("interval_high_ms"),
        "mean_ms": sum(count * mean for count, mean in counts) / total if total else None,
        **{f"{name}_ms": (percentiles.get(name) or {}).get("value_ms") for name in ("p50", "p95", "p99")},
        "throughput_per_s": result["throughput_per_s"],
    }


def _list_metrics(result: Json) -> Iterator[tuple[str, float, str]]:
    if result["memory_peak_bytes"] is not None:
        source = result["origins"]["memory_peak_bytes"].split(",")[0]
        yield "memory_peak_mb", result["memory_peak_bytes"] / BYTES_PER_MB, source
    for name, (section, key, factor) in _WATCHED.items():
        told: Json = result[section]
        if told[key] is not None:
            yield name, told[key] / factor, told["sampler"] or "unspecified"
    hottest = max(_list_temperatures(result["sessions"]), default=None)
    if result["temperature"]["peak_c"] is None and hottest is not None:
        yield "temperature_peak_c", hottest, "snapshots before and after each session"


def _list_temperatures(sessions: Iterable[Json]) -> Iterator[float]:
    for session in sessions:
        for side in ("before", "after"):
            found: Any = (session["environment"][side] or {}).get("temperatures_c")
            yield from (float(value) for name, value in (found or {}).items() if not name.upper().startswith(_DUMMY))


def _read_failure(path: Path) -> Json:
    try:
        failure: Json = json.loads(path.read_bytes())
        return {"reason": failure["kind"], "message": failure["message"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {"reason": None, "message": "why it failed was not kept"}
