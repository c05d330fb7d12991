"""EdgeEnv's own folder, `.edgeenv/`: its runs, its failed runs and its database, read as they are and judged.

Source: InferEdgeEnv v0.1.5 (contract, sections 2, 4, 5 and 8). `result.json` is authoritative, the database is only
held against it. A run that breaks the contract is listed with the reason.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json
from edgeproof.core.errors import UserError
from edgeproof.core.files import is_file, sha256_file

from .run_rows import ATTEMPT_COLUMNS, Row, describe_edgeenv_run, describe_unreadable

_DATABASE = "runs.db"


class EdgeEnvFolder(NamedTuple):
    """What an `.edgeenv/` folder holds. `notes`: where its database and its files disagree, one line each."""

    runs: list[Row]
    failed: list[Json]
    notes: list[str]


def read_edgeenv_folder(root: Path) -> EdgeEnvFolder:
    """Return all runs and failed runs of EdgeEnv below `root`; UserError where there is no such folder."""
    if not (root / "runs").is_dir() and not (root / "failed-runs").is_dir():
        raise UserError(f"{root}: is no folder of EdgeEnv; it has runs/ or failed-runs/")
    runs = [_read_row(folder) for folder in _list_folders(root / "runs")]
    failed = [_read_failed(folder) for folder in _list_folders(root / "failed-runs")]
    return EdgeEnvFolder(runs, failed, list(_compare_database(root, {row.run["id"] for row in runs})))


def read_edgeenv_result(path: Path) -> Json:
    """Return the `result.json` of one of EdgeEnv's own runs; UserError where it breaks the contract.

    NaN, negative and non-numeric metrics, and percentiles out of order, are refused: EdgeEnv itself lets them through.
    """
    result = read_json(path, "edgeenv-result")
    metrics = result["metrics"]
    ordered = [metrics[f"latency_{name}_ms"] for name in ("p50", "p95", "p99")]
    if ordered != sorted(ordered):
        raise UserError(f"{path}: metrics: p50, p95 and p99 are {ordered}; they must not fall")
    return result


def read_edgeenv_failure(path: Path) -> Json:
    """Return the `failure.json` of one of EdgeEnv's own failed runs; UserError where it breaks the contract."""
    return read_json(path, "edgeenv-failure")


def read_sampler(folder: Path) -> Json:
    """Return `sampler/metadata.json` of one of EdgeEnv's own runs; UserError where it has none, or a malformed one."""
    path = folder / "sampler/metadata.json"
    if not is_file(path):
        raise UserError(f"{path}: is missing; the run was measured without a sampler")
    return read_json(path, "edgeenv-sampler")


def _list_folders(place: Path) -> list[Path]:
    return sorted(path for path in place.iterdir() if path.is_dir()) if place.is_dir() else []


def _read_row(folder: Path) -> Row:
    path = folder / "result.json"
    try:
        result = read_edgeenv_result(path)
        if result["run_id"] != folder.name:
            raise UserError(f"{path}: run_id is {result['run_id']!r}, not the name of its folder")
    except UserError as error:
        reason = " ".join(str(error).split()).removeprefix(f"{path}: ")
        return describe_unreadable(folder.name, str(path), "edgeenv", reason)
    return describe_edgeenv_run(result, str(path), sha256_file(path), "edgeenv")


def _read_failed(folder: Path) -> Json:
    row: Json = dict.fromkeys(ATTEMPT_COLUMNS)
    row |= {"path": str(folder), "target": str(folder.parent), "kind": "edgeenv-run"}
    try:
        failure = read_edgeenv_failure(folder / "failure.json")
    except UserError as error:
        return row | {"status": "unreadable", "message": " ".join(str(error).split())}
    told = {"status": "failed", "started_at": failure["created_at"], "reason": failure["error_type"]}
    return row | told | {"message": failure["error_message"]}


def _compare_database(root: Path, found: set[str]) -> Iterator[str]:
    """Yield where `runs.db` and the folders disagree; the database is opened for reading only."""
    path = root / _DATABASE
    if not path.is_file():
        yield f"{path}: is missing; the runs were read from their folders"
        return
    try:
        known = _read_registered(path)
    except sqlite3.Error as error:
        yield f"{path}: cannot be read ({error}); the runs were read from their folders"
        return
    for run in sorted(known - found):
        yield f"{path}: {run} is registered, and its folder is missing"
    for run in sorted(found - known):
        yield f"{path}: {run} has a folder, and is not registered"


def list_registered(root: Path) -> set[str]:
    """Return the runs that EdgeEnv's database names; none where there is no database, or one that cannot be read."""
    try:
        return _read_registered(root / _DATABASE) if (root / _DATABASE).is_file() else set()
    except sqlite3.Error:
        return set()


def _read_registered(path: Path) -> set[str]:
    uri = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
    with contextlib.closing(sqlite3.connect(uri, uri=True)) as connection:
        return {str(row[0]) for row in connection.execute("SELECT run_id FROM runs")}
