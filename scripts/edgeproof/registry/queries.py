"""Questions to the registry: lists of runs, resource metrics and failed attempts, by filters."""

import sqlite3
from collections.abc import Mapping

from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.suggestions import suggest_words

from .run_rows import METRICS

# Filters of `runs list` that are columns, by the name of their option.
RUN_FILTERS = ("model", "preset", "device", "precision", "status", "runtime", "machine", "origin")
NOTE = "resource metrics are supplemental: they have no effect on whether two runs may be compared"


def list_runs(connection: sqlite3.Connection, filters: Mapping[str, str | None], limit: int | None) -> Json:
    """Query the registry for runs, newest first: {total, runs}.

    `filters`: by RUN_FILTERS and `campaign`; None for any. `limit`: of rows.
    """
    where, values = _compose(filters)
    total = connection.execute(f"SELECT count(*) FROM runs {where}", values).fetchone()[0]
    order = "ORDER BY created_at DESC, id LIMIT ?"
    rows = connection.execute(f"SELECT * FROM runs {where} {order}", (*values, -1 if limit is None else limit))
    return {"total": total, "runs": [dict(row) for row in rows]}


def find_run(connection: sqlite3.Connection, name: str) -> Json:
    """Query the registry for the run with this id; UserError where there is none, with what was probably meant."""
    row = connection.execute("SELECT * FROM runs WHERE id = ?", (name.removeprefix("results/runs/"),)).fetchone()
    if row is not None:
        return dict(row)
    near = f"%{name.rpartition('/')[2]}%"
    known = connection.execute("SELECT id FROM runs WHERE id LIKE ? OR id LIKE ? LIMIT 500", (f"{name[:4]}%", near))
    raise UserError(
        f"{name}: the registry has no such run{suggest_words(name, [row[0] for row in known])}; `edgeproof runs list` "
        "lists them, those of imported bundles too; `edgeproof runs index` reads the files again"
    )


def list_metrics_of(connection: sqlite3.Connection, run: str) -> list[Json]:
    """Query the registry for the resource metrics of one run, sorted by name."""
    rows = connection.execute("SELECT name, value, source FROM metrics WHERE run = ? ORDER BY name", (run,))
    return [{"metric_name": name, "metric_value": value, "unit": METRICS[name], "source": source}
            for name, value, source in rows]  # fmt: skip


def list_attempts_of(connection: sqlite3.Connection, target: str) -> list[Json]:
    """Query the registry for the attempts below a target's folder, in order of start."""
    rows = connection.execute("SELECT * FROM attempts WHERE target = ? ORDER BY path", (target,))
    return [dict(row) for row in rows]


def list_resources(
    connection: sqlite3.Connection, filters: Mapping[str, str | float | None], limit: int | None
) -> Json:
    """Query the registry for what EdgeEnv's `runs resources list --json` gives: {count, filters, note, results, …}.

    `filters`: metric, source, min_value, max_value (both inclusive), model, device; None for any. UserError for a
    metric that nobody knows. `count` is of all that fit, `results` has the newest `limit` of them.
    """
    if (metric := filters.get("metric")) and metric not in METRICS:
        meant = suggest_words(str(metric), METRICS)
        raise UserError(f"--metric {metric}: is not one of {', '.join(METRICS)}{meant}")
    columns = {"metric": "m.name =", "source": "m.source =", "min_value": "m.value >=", "max_value": "m.value <="}
    columns |= {"model": "r.model =", "device": "r.device ="}
    given = {name: value for name, value in filters.items() if value is not None}
    where = f"WHERE {' AND '.join(f'{columns[name]} ?' for name in given)}" if given else ""
    of_runs = {"model", "device"} & set(given)
    joined = "metrics m JOIN runs r ON r.id = m.run" if of_runs else "metrics m"  # counts need no look at the runs
    values = tuple(given.values())
    sources = connection.execute(
        f"SELECT m.source, count(*) FROM {joined} {where} GROUP BY m.source ORDER BY m.source", values
    ).fetchall()
    newest = (
        f"SELECT m.run, m.name, m.value, m.source, m.created_at FROM {joined} {where} "
        "ORDER BY m.created_at DESC, m.run, m.name LIMIT ?"
    )
    rows = connection.execute(
        f"SELECT r.id, n.created_at, r.device, r.model, n.name, n.value, n.source FROM ({newest}) n "
        "JOIN runs r ON r.id = n.run ORDER BY n.created_at DESC, r.id, n.name",
        (*values, -1 if limit is None else limit),
    )
    names = ("run_id", "created_at", "target_name", "model_name", "metric_name", "metric_value")
    results = [dict(zip(names, row, strict=False)) | {"unit": METRICS[row[4]], "source": row[6]} for row in rows]
    return {
        "count": sum(count for _, count in sources),
        "filters": given,
        "note": NOTE,
        "results": results,
        "sources": [{"source": source, "count": count} for source, count in sources],
    }


def list_failed(connection: sqlite3.Connection, filters: Mapping[str, str | None], limit: int | None) -> Json:
    """Query the registry for failed attempts, which reached no verdict, newest first: {total, attempts}.

    `filters`: kind, reason, target (its folder, or one above it); None for any.
    """
    where, values = ["status IN ('failed', 'unreadable')"], list[str]()
    for name in ("kind", "reason"):
        if filters.get(name) is not None:
            where.append(f"{name} = ?")
            values.append(str(filters[name]))
    if (target := filters.get("target")) is not None:
        below = target if target.startswith("results") else f"results/runs/{target}"
        where.append("(target = ? OR target LIKE ? ESCAPE '!')")
        values += [below, f"{_escape(below)}/%"]
    text = " AND ".join(where)
    total = connection.execute(f"SELECT count(*) FROM attempts WHERE {text}", values).fetchone()[0]
    order = "ORDER BY started_at DESC, path LIMIT ?"
    rows = connection.execute(f"SELECT * FROM attempts WHERE {text} {order}", (*values, -1 if limit is None else limit))
    return {"total": total, "attempts": [dict(row) for row in rows]}


def find_failed(connection: sqlite3.Connection, name: str) -> Json:
    """Query the registry for one failed attempt. `name`: its folder, or the end of it. UserError if it is not one."""
    rows = connection.execute(
        "SELECT * FROM attempts WHERE status IN ('failed', 'unreadable') AND (path = ? OR path LIKE ? ESCAPE '!') "
        "LIMIT 3",
        (name, f"%/{_escape(name)}"),
    ).fetchall()
    if len(rows) == 1:
        return dict(rows[0])
    if rows:
        raise UserError(f"{name}: is the end of several: {rows[0]['path']}, {rows[1]['path']}; give the whole path")
    raise UserError(f"{name}: no failed attempt of this name; `edgeproof failed-runs list` lists them")


def _compose(filters: Mapping[str, str | None]) -> tuple[str, tuple[str, ...]]:
    given = {name: value for name, value in filters.items() if value is not None}
    where = [f"{name} = ?" for name in given if name in RUN_FILTERS]
    values = [value for name, value in given.items() if name in RUN_FILTERS]
    if "campaign" in given:
        where.append("id IN (SELECT run FROM campaigns WHERE campaign = ?)")
        values.append(given["campaign"])
    return (f"WHERE {' AND '.join(where)}" if where else ""), tuple(values)


def _escape(text: str) -> str:
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")
