"""What the verbs of `edgeproof runs` and `edgeproof failed-runs` do that ask the registry."""

import contextlib
import sqlite3
import sys
from argparse import Namespace
from collections.abc import Callable, Generator
from pathlib import Path

from edgeproof.core.command_line import show
from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.exit_codes import ExitCode
from edgeproof.core.formatting import plural
from edgeproof.core.imported_bundles import find_import
from edgeproof.core.layout import IMPORTED

from .edgeenv_archives import export_edgeenv_run, import_edgeenv_run
from .edgeenv_runs import read_edgeenv_folder, read_sampler
from .filter_values import require_known_values
from .index import RESULTS, open_memory, open_registry, rebuild_registry
from .queries import (
    find_failed,
    find_run,
    list_attempts_of,
    list_failed,
    list_metrics_of,
    list_resources,
    list_runs,
)
from .run_reading import EDGEENV, check_run, read_log_tail, read_optional_json, read_run
from .run_tables import render_failed, render_resources, render_run, render_runs

_LOGS = ("agent.log", "log.txt", "converter.log", "stdout.log", "stderr.log")
_FILTERS = ("model", "preset", "device", "precision", "status", "runtime", "machine", "origin", "campaign")


@contextlib.contextmanager
def open_named_registry(options: Namespace, root: Path) -> Generator[sqlite3.Connection]:
    """Yield the registry that the options of a verb, as of `edgeproof runs`, name.

    It is that of `root`, or in memory that of a folder of EdgeEnv.
    """
    if options.edgeenv_root is None:
        with open_registry(root, lambda line: None if options.json else print(line, file=sys.stderr)) as connection:
            yield connection
        return
    folder = read_edgeenv_folder(Path(options.edgeenv_root))
    options.notes = folder.notes
    with contextlib.closing(open_memory(folder.runs, folder.failed)) as connection:
        yield connection


def _show_runs(options: Namespace, root: Path) -> ExitCode:
    """Do the verb `runs list`."""
    filters = {name: getattr(options, name) for name in _FILTERS}
    with open_named_registry(options, root) as connection:
        found = list_runs(connection, filters, _limit(options))
        if not found["total"]:
            require_known_values(connection, root, filters)
    found["notes"] = getattr(options, "notes", [])  # where a database of EdgeEnv and its folders disagree
    return show(options, found, lambda: [*render_runs(found), *found["notes"]])


def _show_run(options: Namespace, root: Path) -> ExitCode:
    """Do the verb `runs show`: NOT_GOOD where the document does not follow from its samples."""
    with open_named_registry(options, root) as connection:
        row = find_run(connection, options.run)
        metrics = list_metrics_of(connection, row["id"])
        attempts = list_attempts_of(connection, str(Path(row["path"]).parent))
    fault = check_run(root, row)
    found: Json = {"run": row, "resource_metrics": metrics, "attempts": attempts, "fault": fault}
    if fault:
        found["checked"] = f"not to be believed: {fault}"
    elif row["origin"] == EDGEENV:
        found["checked"] = "asserted: EdgeEnv keeps no samples, so nothing can be computed again"
        document = read_run(root, row)
        found |= {name: document.get(name) for name in ("runtime_operation_summary", "runtime_telemetry")}
    else:
        found["checked"] = "every figure was computed again from its samples"
    show(options, found, lambda: render_run(found))
    return ExitCode.NOT_GOOD if fault else ExitCode.GOOD


def _show_resources(options: Namespace, root: Path) -> ExitCode:
    """Do the verb `runs resources`."""
    names = ("metric", "source", "min_value", "max_value", "model", "device")
    filters = {name: getattr(options, name) for name in names}
    with open_named_registry(options, root) as connection:
        found = list_resources(connection, filters, _limit(options))
        if not found["count"]:
            require_known_values(connection, root, filters)
    return show(options, found, lambda: render_resources(found))


def _show_sampler(options: Namespace, root: Path) -> ExitCode:
    """Do the verb `runs sampler`; UserError where nothing sampled the run beside the timing."""
    with open_named_registry(options, root) as connection:
        row = find_run(connection, options.run)
        metrics = list_metrics_of(connection, row["id"])
    if row["origin"] == EDGEENV:
        found = read_sampler(Path(row["path"]).parent)
        lines = [f"{name}: {value}" for name, value in found.items()]
        return show(options, {"run": row["id"], "sampler": found}, lambda: lines)
    result = read_run(root, row)
    watched = [entry["telemetry"] for entry in result["sessions"]]
    if not any(watched):
        raise UserError(f"{row['id']}: nothing sampled it beside the timing ({result['power']['reason']})")
    figures = {name: result[name] for name in ("power", "energy", "temperature", "memory")}
    found = {"run": row["id"], "sampler": figures, "sessions": watched, "metrics": metrics}
    return show(options, found, lambda: [f"{name}: {value}" for name, value in figures.items()])


def _make_index(options: Namespace, root: Path) -> ExitCode:
    """Do the verb `runs index`."""
    if not (root / "results").is_dir():
        raise UserError(f"{root / 'results'}: there is no such folder; the workflow makes it")
    found = rebuild_registry(root)
    told = f"results/registry.sqlite: {plural(found.runs, 'run')}, {plural(found.attempts, 'attempt')}"
    return show(options, found._asdict(), lambda: [told])


def _show_failed(options: Namespace, root: Path) -> ExitCode:
    """Do the verb `failed-runs list`."""
    filters = {name: getattr(options, name) for name in ("kind", "reason", "target")}
    with open_named_registry(options, root) as connection:
        found = list_failed(connection, filters, _limit(options))
        if not found["total"]:
            require_known_values(connection, root, filters)
    return show(options, found, lambda: render_failed(found))


def _show_failed_run(options: Namespace, root: Path) -> ExitCode:
    """Do the verb `failed-runs show`: what is known of it, and the end of each log."""
    with open_named_registry(options, root) as connection:
        row = find_failed(connection, options.attempt)
    folder = root / row["path"]
    tails = {name: read_log_tail(folder / name, options.log_chars) for name in _LOGS}
    logs = {name: text for name, text in tails.items() if text is not None}
    failure = read_optional_json(folder / "failure.json")
    lines = [f"{row['path']}: {row['status']}", f"  {row['reason'] or 'no reason'}: {row['message']}"]
    lines += [f"  {row['kind']}, started {row['started_at']}, ended {row['ended_at'] or 'never'}"]
    for name, text in logs.items():
        lines += [f"  {name}:", *(f"    {line}" for line in text.splitlines())]
    return show(options, {"attempt": row, "failure": failure, "logs": logs}, lambda: lines)


def _export_run(options: Namespace, root: Path) -> ExitCode:
    """Do the verb `runs export`: a run of this checkout, or the whole bundle that an imported run came with."""
    if options.edgeenv_root is not None:
        return _export_edgeenv(options, "successful-run")
    if (imported := find_import(options.name, root)) is not None:
        return _export(options, root, "run", options.name, imported)
    with open_registry(root) as connection:
        row = find_run(connection, options.name)
    return _export(options, root, "run", row["id"], row["origin"])


def _export_failed(options: Namespace, root: Path) -> ExitCode:
    """Do the verb `failed-runs export`."""
    if options.edgeenv_root is not None:
        return _export_edgeenv(options, "failed-run")
    if (imported := find_import(options.name, root)) is not None:
        return _export(options, root, "failed-run", options.name, imported)
    with open_registry(root) as connection:
        row = find_failed(connection, options.name)
    parts = Path(row["path"]).parts
    origin = parts[2] if row["path"].startswith(f"{IMPORTED}/") else RESULTS
    return _export(options, root, "failed-run", row["path"], origin)


def _import_run(options: Namespace, root: Path) -> ExitCode:
    """Do the verbs `runs import` and `failed-runs import`: a bundle into this checkout, EdgeEnv's into its folder."""
    if options.edgeenv_root is not None:
        taken = import_edgeenv_run(options.bundle, Path(options.edgeenv_root))
        lines = [f"{taken.folder}: imported; nobody signed it, and nothing in it can be computed again"]
        return show(options, taken._asdict(), lambda: lines)
    from edgeproof.bundles.bundle_verbs import take_in  # reads evidence, which lists need not

    return take_in(options, root)


def _export_edgeenv(options: Namespace, kind: str) -> ExitCode:
    """Write EdgeEnv's own archive of one of its runs."""
    if options.key:
        raise UserError("--key: archives of EdgeEnv are not signed; leave --edgeenv-root out to make a bundle")
    manifest = export_edgeenv_run(Path(options.edgeenv_root), options.name, kind, options.output)
    lines = [f"{options.output}: {manifest['run_id']}, {len(manifest['files'])} files, unsigned"]
    return show(options, manifest, lambda: lines)


def _export(options: Namespace, root: Path, kind: str, name: str, origin: str) -> ExitCode:
    from edgeproof.bundles.bundle_verbs import pack, pack_again

    output = Path(options.output).absolute()
    options.key = options.key and Path(options.key).absolute()
    with contextlib.chdir(root):
        if origin == RESULTS:
            return pack(options, kind, name, output)
        return pack_again(options, Path(IMPORTED, origin), output)


def _limit(options: Namespace) -> int | None:
    return None if options.all else options.limit


RUN: dict[str, Callable[[Namespace, Path], ExitCode]] = {
    "runs list": _show_runs,
    "runs show": _show_run,
    "runs resources": _show_resources,
    "runs sampler": _show_sampler,
    "runs export": _export_run,
    "runs import": _import_run,
    "runs index": _make_index,
    "failed-runs list": _show_failed,
    "failed-runs show": _show_failed_run,
    "failed-runs export": _export_failed,
    "failed-runs import": _import_run,
}
