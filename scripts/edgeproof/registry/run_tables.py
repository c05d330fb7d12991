"""Runs, metrics and failed attempts as tables and lines for people."""

from collections.abc import Iterable, Iterator, Sequence

from edgeproof.agent.machine import describe_machine
from edgeproof.core.configuration import Json
from edgeproof.core.formatting import format_estimate, format_number, format_time, plain, plural, shorten_digest
from edgeproof.core.layout import REFUTED

from .index import RESULTS
from .run_reading import EDGEENV

_NUMBERS = ("median ms", "interval ms", "p99 ms", "per s", "value")
_HERE = "this machine"  # what config/devices/local.yaml calls its board, on every machine
_LONGEST = 60  # characters of a cell of a table


def render_runs(found: Json) -> Iterator[str]:
    """Yield the lines of the table that `runs list` prints. `found`: of `queries.list_runs`."""
    rows = [
        (
            row["id"],
            _name_state(row),
            *_format_headline(row),
            format_number(row["p99_ms"]),
            format_number(row["throughput_per_s"]),
            row["runtime"],
            _name_place(row),
            format_time(row["created_at"] or None),
        )
        for row in found["runs"]
    ]
    yield from render_table(("run", "status", *_NUMBERS[:4], "runtime", "measured on", "when"), rows)
    yield _count(found["total"], len(rows), "run")


def render_run(found: Json) -> Iterator[str]:
    """Yield the tables that `runs show` prints, in lines.

    `found`: {run, resource_metrics, attempts, fault, checked}.
    """
    row = found["run"]
    yield f"{row['id']}: {_name_state(row)}" + (f" ({row['reason']})" if row["reason"] else "")
    median, interval = _format_headline(row)
    if median:
        yield f"  latency {median} ms" + (f" ({interval})" if interval else "")
    for name in ("p50", "p95", "p99"):
        if row[f"{name}_ms"] is not None:
            yield f"  {name} {plain(format_number(row[f'{name}_ms']) or '')} ms"
    for metric in found["resource_metrics"]:
        value = plain(format_number(metric["metric_value"]) or "")
        yield f"  {metric['metric_name']} {value} ({metric['source']})"
    if row["samples"]:
        starts = f"{row['processes']} fresh {'process' if row['processes'] == 1 else 'processes'}"
        yield f"  {plain(plural(row['sessions'], 'session'))}, {starts}, {plain(plural(row['samples'], 'sample'))}"
    yield f"  measured on {_name_place(row)}, {format_time(row['created_at'] or None) or 'nobody knows when'}"
    for attempt in found["attempts"]:
        told = f": {attempt['message']}" if attempt["message"] else ""
        yield f"  attempt {attempt['path']}: {attempt['status']}{told}"
    yield f"  {found['checked']}"
    yield f"  {row['path']} (sha256 {shorten_digest(row['sha256']) or 'unknown'})"


def render_resources(found: Json) -> Iterator[str]:
    """Yield the lines of the table that `runs resources` prints. `found`: of `queries.list_resources`."""
    rows = [
        (row["run_id"], row["metric_name"], format_number(row["metric_value"]), row["unit"], row["source"])
        for row in found["results"]
    ]
    yield from render_table(("run", "metric", "value", "unit", "source"), rows)
    yield _count(found["count"], len(rows), "value")
    for source in found["sources"]:
        yield f"  {source['count']} from {source['source']}"
    yield found["note"]


def render_failed(found: Json) -> Iterator[str]:
    """Yield the lines of the table that `failed-runs list` prints. `found`: of `queries.list_failed`."""
    rows = [
        (row["path"], row["kind"], row["reason"] or row["status"], row["started_at"], row["message"])
        for row in found["attempts"]
    ]
    yield from render_table(("attempt", "kind", "reason", "started", "message"), rows)
    yield _count(found["total"], len(rows), "failed attempt")


def render_table(heads: Sequence[str], rows: Sequence[Sequence[str | None]]) -> Iterator[str]:
    """Yield the lines of a table of runs; numbers stand on the right, a value that is not known is a dash."""
    if not rows:
        return
    texts = [[plain(cell) if cell else "-" for cell in row] for row in rows]
    cells = [[name, *map(_shorten, rest)] for name, *rest in texts]  # a name is there to be copied
    columns = list(zip(heads, *cells, strict=True))
    widths = [max(map(len, column)) for column in columns]
    for row in (heads, *cells):
        padded = (
            cell.rjust(width) if head in _NUMBERS else cell.ljust(width)
            for head, cell, width in zip(heads, row, widths, strict=True)
        )
        yield "  ".join(padded).rstrip()


def render_differences(reasons: Iterable[Json]) -> Iterator[str]:
    """Yield a line per field that differs between two runs, beside their tables.

    It has both values and what would make them equal.
    """
    for reason in reasons:
        remedy = f"; {reason['remedy']}" if reason["remedy"] else ""
        yield f"  {reason['field']}: {reason['left']!r} and {reason['right']!r}{remedy}"


def _shorten(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _format_headline(row: Json) -> tuple[str | None, str | None]:
    value, interval = format_estimate(row["median_ms"] or row["mean_ms"], row["low_ms"], row["high_ms"])
    return value and plain(value), interval and plain(interval)


def _name_state(row: Json) -> str:
    marks = [row["provenance"]] if row["provenance"] in ("simulated", "declared") else []
    imported = row["origin"] not in (RESULTS, EDGEENV)
    marks += ["imported"] if imported else ["elsewhere"] if row["elsewhere"] else []
    marks += ["refuted"] if row["origin"].endswith(REFUTED) else []
    return f"{row['status']}, {', '.join(marks)}" if marks else row["status"]


def _name_place(row: Json) -> str:
    if row["elsewhere"] and row["board"] == _HERE:
        same = row["machine"] is not None and row["machine"] == describe_machine()["id"]
        return "a machine with this one's id" if same else "another machine"
    return row["board"] or row["device"] or "an unknown machine"


def _count(total: int, shown: int, noun: str) -> str:
    if total == shown:
        return plain(plural(total, noun))
    return plain(f"{plural(total, noun)}, the newest {shown} shown; --limit N or --all shows more")
