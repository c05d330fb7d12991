"""`results/registry.sqlite`: an index of all runs and attempts below `results/`, made from files alone.

It can be removed at any time: it is made again from the files. A job that ends leaves one line in `registry.pending`
(`core.made_files`), and whoever asks the registry next looks at the folders named there, in one transaction. Nothing is
judged by it.
"""

import contextlib
import os
import sqlite3
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from edgeproof.core.attempts import FOLDER, list_attempt_folders
from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json
from edgeproof.core.errors import UserError
from edgeproof.core.layout import IMPORTED, Cell
from edgeproof.core.made_files import take_made

from .run_rows import ATTEMPT_COLUMNS, RUN_COLUMNS, Row, list_results, name_this_machine, read_attempt_row, read_run_row

REGISTRY = "results/registry.sqlite"
RESULTS = "results"  # origin of what this checkout has made itself
_VERSION = 1  # of the tables; an index of another version is made again
_BATCH = 2000  # rows that are written at once
_REALS = (*("created_at", "median_ms", "low_ms", "high_ms", "mean_ms"), *("p50_ms", "p95_ms", "p99_ms"))
_INTEGERS = ("size", "mtime_ns", "elsewhere", "sessions", "processes", "samples")
_SCHEMA = f"""
CREATE TABLE runs ({
    ", ".join(
        f"{name} {'REAL' if name in (*_REALS, 'throughput_per_s') else 'INTEGER' if name in _INTEGERS else 'TEXT'}"
        for name in RUN_COLUMNS
    )
}, PRIMARY KEY (id)) WITHOUT ROWID;
CREATE TABLE metrics (run TEXT, name TEXT, value REAL, source TEXT, created_at REAL, PRIMARY KEY (run, name))
  WITHOUT ROWID;
CREATE TABLE attempts ({", ".join(f"{name} TEXT" for name in ATTEMPT_COLUMNS)}, PRIMARY KEY (path)) WITHOUT ROWID;
CREATE TABLE campaigns (campaign TEXT, run TEXT, PRIMARY KEY (campaign, run)) WITHOUT ROWID;
CREATE INDEX runs_by_time ON runs (created_at DESC, id);
CREATE INDEX runs_by_model ON runs (model, created_at DESC, id);
CREATE INDEX runs_by_device ON runs (device, created_at DESC, id);
CREATE INDEX runs_by_status ON runs (status, created_at DESC, id);
CREATE INDEX runs_by_precision ON runs (precision, created_at DESC, id);
CREATE INDEX metrics_by_time ON metrics (created_at DESC, run, name, value, source);
CREATE INDEX metrics_by_source ON metrics (source, name, value);
CREATE INDEX attempts_by_target ON attempts (target, path);
CREATE INDEX attempts_by_status ON attempts (status, started_at DESC);
"""


class Indexed(NamedTuple):
    """What a look at the files has found: how many runs and attempts the registry has now."""

    runs: int
    attempts: int


@contextlib.contextmanager
def open_registry(root: Path, tell: Callable[[str], None] = lambda line: None) -> Generator[sqlite3.Connection]:
    """Yield the registry of the checkout `root`, its index of runs, brought up to date with what jobs have made since.

    It is made from the files where there is none, or one of another edgeproof or machine, and in memory where results
    are only to be read; `tell` is told so. UserError where it is no database.
    """
    path = root / REGISTRY
    if not (root / RESULTS).is_dir():
        raise UserError(f"{root / RESULTS}: there is no such folder; the workflow makes it")
    if not os.access(root / RESULTS, os.W_OK):
        tell(f"{root / RESULTS}: cannot be written, so the registry is made in memory and not kept")
        with contextlib.closing(_open_empty()) as connection:
            _add_everything(connection, root)
            yield connection
        return
    if not path.is_file() or _read_version(path) != _name_version():
        tell(f"{REGISTRY}: made from the files below results/")
        rebuild_registry(root)
    with contextlib.closing(_connect(path)) as connection:
        _follow_jobs(connection, root)
        yield connection


def rebuild_registry(root: Path) -> Indexed:
    """Make the registry, the index of runs, from the files below `root/results` alone.

    It is put into its place in one step.
    """
    path = root / REGISTRY
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    beside.unlink(missing_ok=True)
    try:
        with contextlib.closing(_connect(beside)) as connection:
            connection.execute("PRAGMA synchronous = OFF")  # a file that is not there yet has nothing to lose
            connection.executescript(f"{_SCHEMA} PRAGMA user_version = {_name_version()};")
            with take_made(root / RESULTS):  # everything is read anyway
                connection.execute("BEGIN")
                _add_everything(connection, root)
                connection.execute("COMMIT")
                connection.execute("ANALYZE")  # else a query takes an index that leaves many rows
            found = _count(connection)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    return found


def open_memory(runs: Iterable[Row], attempts: Iterable[Json]) -> sqlite3.Connection:
    """Return a registry in memory, an index of runs and failed runs that are not below `results/`."""
    connection = _open_empty()
    _write_runs(connection, runs)
    _write_attempts(connection, attempts)
    return connection


def _open_empty() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.executescript(_SCHEMA)
    return connection


def _name_version() -> int:
    """Return what `user_version` of an index made here is: which runs are of elsewhere differs between machines."""
    return zlib.crc32(f"{_VERSION} {name_this_machine()}".encode()) >> 1  # 31 bits: it is a signed number


def update_run(connection: sqlite3.Connection, root: Path, target: str) -> None:
    """Bring the index up to date on the result and the attempts in the folder `target` (relative to `root`).

    They are read again, in the caller's transaction. What is no longer there is removed from the registry.
    """
    origin, suffix, inner = _name_origin(target)
    result = f"{target}/result.json"
    if inner.startswith("results/runs/"):
        name = inner.removeprefix("results/runs/") + suffix
        connection.execute("DELETE FROM metrics WHERE run = ?", (name,))
        connection.execute("DELETE FROM runs WHERE id = ?", (name,))
        if (root / result).is_file():
            _write_runs(connection, [read_run_row(root, result, origin, suffix)])
    connection.execute("DELETE FROM attempts WHERE target = ?", (target,))
    _write_attempts(connection, _read_attempts(root, target))


def _follow_jobs(connection: sqlite3.Connection, root: Path) -> None:
    """Look at the folders in which jobs have ended since the last time."""
    if not any((root / RESULTS).glob("registry.pending*")):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        with take_made(root / RESULTS) as paths:
            for target in dict.fromkeys(str(Path(RESULTS, path).parent) for path in paths):
                if ".." not in Path(target).parts:
                    update_run(connection, root, target)
                    if target.startswith(f"{RESULTS}/evidence/"):
                        _write_campaign(connection, root, Path(target).name)
            connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _add_everything(connection: sqlite3.Connection, root: Path) -> None:
    _write_runs(connection, (read_run_row(root, path, RESULTS) for path in list_results(root)))
    for folder in sorted((root / IMPORTED).glob("*/results")):
        origin, suffix, _ = _name_origin(str(folder.relative_to(root)))
        place = folder.parent
        found = (str((place / path).relative_to(root)) for path in list_results(place))
        _write_runs(connection, (read_run_row(root, path, origin, suffix) for path in found))
    _write_attempts(
        connection, (row for target in _list_targets(root / RESULTS, root) for row in _read_attempts(root, target))
    )
    for path in sorted((root / RESULTS / "evidence").glob("*/wanted.json")):
        _write_campaign(connection, root, path.parent.name)


def _list_targets(folder: Path, root: Path) -> Iterator[str]:
    """Yield the folders that have attempts, relative to `root`, sorted; attempts are not entered."""
    for place, folders, _ in os.walk(folder):
        if FOLDER in folders:
            yield os.path.relpath(place, root)
        folders[:] = sorted(name for name in folders if name not in (FOLDER, "logs", "keys"))


def _read_attempts(root: Path, target: str) -> Iterator[Json]:
    for folder in list_attempt_folders(root / target):
        yield read_attempt_row(root, f"{target}/{FOLDER}/{folder.name}")


def _name_origin(target: str) -> tuple[str, str, str]:
    """Return (origin, end of ids, path below the origin's own root) of a folder relative to the checkout."""
    parts = Path(target).parts
    if parts[:2] == tuple(IMPORTED.split("/")) and len(parts) > 3:
        return parts[2], f"@{parts[2]}", "/".join(parts[3:])
    return RESULTS, "", target


def _write_runs(connection: sqlite3.Connection, rows: Iterable[Row]) -> None:
    runs: list[tuple[object, ...]] = []
    metrics: list[tuple[object, ...]] = []
    for row in rows:
        if row.run["origin"] != RESULTS:
            row.run["elsewhere"] = 1  # whatever the machine was: nobody here has seen it measured
        runs.append(tuple(row.run[name] for name in RUN_COLUMNS))
        metrics += [(row.run["id"], *metric, row.run["created_at"]) for metric in row.metrics]
        if len(runs) >= _BATCH:
            _flush(connection, runs, metrics)
    _flush(connection, runs, metrics)


def _flush(connection: sqlite3.Connection, runs: list[tuple[object, ...]], metrics: list[tuple[object, ...]]) -> None:
    connection.executemany(f"INSERT OR REPLACE INTO runs VALUES ({', '.join('?' * len(RUN_COLUMNS))})", runs)
    connection.executemany("INSERT OR REPLACE INTO metrics VALUES (?, ?, ?, ?, ?)", metrics)
    runs.clear()
    metrics.clear()


def _write_attempts(connection: sqlite3.Connection, rows: Iterable[Json]) -> None:
    values = (tuple(row[name] for name in ATTEMPT_COLUMNS) for row in rows)
    places = ", ".join("?" * len(ATTEMPT_COLUMNS))
    connection.executemany(f"INSERT OR REPLACE INTO attempts VALUES ({places})", values)


def _write_campaign(connection: sqlite3.Connection, root: Path, campaign: str) -> None:
    """Note which runs a campaign wants, as its wanted.json says; one that cannot be read wants none."""
    connection.execute("DELETE FROM campaigns WHERE campaign = ?", (campaign,))
    with contextlib.suppress(UserError):
        wanted = read_json(root / RESULTS / "evidence" / campaign / "wanted.json", "wanted")
        rows = {(campaign, str(Cell(*row[:4]))) for row in wanted["campaign"]["cells"]}
        connection.executemany("INSERT INTO campaigns VALUES (?, ?)", sorted(rows))


def _count(connection: sqlite3.Connection) -> Indexed:
    counts = (connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in ("runs", "attempts"))
    return Indexed(*counts)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    connection.row_factory = sqlite3.Row
    return connection


def _read_version(path: Path) -> int:
    try:
        with contextlib.closing(_connect(path)) as connection:
            return connection.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.DatabaseError:
        return -1  # no database: it is made again
