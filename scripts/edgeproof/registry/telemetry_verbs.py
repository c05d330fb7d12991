"""What `edgeproof runs telemetry` does: write the telemetry of runs into one file, and look at such a file."""

from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path

from edgeproof.core.command_line import show
from edgeproof.core.configuration import Json
from edgeproof.core.documents import write_json
from edgeproof.core.errors import UserError
from edgeproof.core.exit_codes import ExitCode
from edgeproof.core.formatting import plain, plural

from .filter_values import require_known_values
from .index import REGISTRY
from .queries import find_run, list_runs
from .run_rows import UNREADABLE
from .run_tables import render_table
from .run_verbs import open_named_registry
from .telemetry_history import KIND, build_history, inspect_history, read_history

_FILTERS = ("campaign", "model", "device")


def _export_history(options: Namespace, root: Path) -> ExitCode:
    """Do the verb `runs telemetry export-history`."""
    filters = {name: getattr(options, name) for name in _FILTERS}
    if options.runs and any(filters.values()):
        raise UserError("--campaign, --model, --device: choose among all runs; name runs or filter them, not both")
    names = list(dict.fromkeys(options.runs))
    with open_named_registry(options, root) as connection:
        rows = [find_run(connection, name) for name in names]
        if not names:
            rows = list_runs(connection, filters, None)["runs"]
            if not rows:
                require_known_values(connection, root, filters)
    if broken := next((row for row in rows if names and row["status"] == UNREADABLE), None):
        raise UserError(f"{broken['path']}: {broken['reason']}")
    folder = options.edgeenv_root
    source = {"edgeenv_root": folder, "registry": f"{folder}/runs.db"} if folder else {"registry": REGISTRY}
    history = build_history(root, rows, source, len(names) or None)
    write_json(options.output, history, KIND)
    found = {"file": options.output, **{name: history[name] for name in ("summary", "source", "missing_telemetry")}}
    return show(options, found, lambda: _render_export(found))


def _inspect_history(options: Namespace, root: Path) -> ExitCode:
    """Do the verb `runs telemetry inspect-history`: NOT_GOOD where a figure does not follow from its table."""
    found = inspect_history(read_history(options.file), options.file)
    show(options, found, lambda: _render_inspection(found))
    return ExitCode.GOOD if found["valid"] else ExitCode.NOT_GOOD


def _render_export(found: Json) -> Iterator[str]:
    summary = found["summary"]
    yield plain(f"{found['file']}: {plural(summary['telemetry_runs'], 'run')} with telemetry")
    yield from _render_gaps(found["missing_telemetry"])


def _render_inspection(found: Json) -> Iterator[str]:
    rows = [
        (run["run_id"], _format(run["telemetry_timestamp"]), _format(run["sessions"]), *_format_found(run))
        for run in found["runs"]
    ]
    yield from render_table(("run", "when", "sessions", "telemetry", "checked"), rows)
    yield plain(f"{found['file']}: {plural(len(rows), 'run')} with telemetry")
    yield from _render_gaps(found["missing_telemetry"])
    if found["fault"]:
        yield f"not to be believed: {found['fault']}"


def _render_gaps(gaps: list[Json]) -> Iterator[str]:
    if gaps:
        yield plain(f"{plural(len(gaps), 'run')} without, which are gaps and no failures:")
    for gap in gaps:
        yield f"  {gap['run_id']}: {gap.get('detail') or gap['reason']}"


def _format_found(run: Json) -> tuple[str, str]:
    return ", ".join(run["fields"]), run["word"]


def _format(value: object) -> str | None:
    return None if value is None else str(value)


RUN: dict[str, Callable[[Namespace, Path], ExitCode]] = {
    "export-history": _export_history,
    "inspect-history": _inspect_history,
}
