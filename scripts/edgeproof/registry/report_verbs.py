"""What `edgeproof report` does: runs side by side, wherever they were measured. It ranks nothing and gates nothing."""

import json
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path

from edgeproof.comparability.two_runs import RunSide, compare_runs, judge_runs
from edgeproof.core.catalogues import CATALOGUES, read_catalogue
from edgeproof.core.command_line import show
from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.exit_codes import ExitCode
from edgeproof.core.files import atomic_write
from edgeproof.core.formatting import format_number, format_signed, plain
from edgeproof.core.suggestions import suggest_words

from .queries import find_run, list_metrics_of
from .run_reading import read_two_runs
from .run_tables import render_differences, render_table
from .run_verbs import open_named_registry
from .summary_page import read_scenarios, render_summary, summarise

_EDGEENV_POLICY = "edgeenv-v1"
_REGRESSION_CODES = {"no-regression": ExitCode.GOOD, "regression": ExitCode.NOT_GOOD, "blocked": ExitCode.NOT_PROVED}


def _compare(options: Namespace, root: Path) -> ExitCode:
    """Do the verb `report compare`: NOT_GOOD where the two may not be compared."""
    sides = _read_sides(options, root)
    name = options.policy
    if any(side.edgeenv for side in sides.values()) and name == "strict":
        name = _EDGEENV_POLICY  # EdgeEnv records too little for ours
    found = compare_runs(sides, name, _read_policy(root, "policy", name))
    show(options, found, lambda: _render_comparison(found))
    return ExitCode.NOT_GOOD if found["comparable"] == "no" else ExitCode.GOOD


def _regression(options: Namespace, root: Path) -> ExitCode:
    """Do the verb `report regression`."""
    sides = _read_sides(options, root)
    policy = _read_policy(root, "regression-policy", options.policy)
    comparability = _read_policy(root, "policy", policy["comparability"] or "strict")
    found = judge_runs(sides, options.policy, policy, comparability)
    if options.output_json:
        atomic_write(options.output_json, json.dumps(found["edgeenv"] or found, indent=2, allow_nan=False) + "\n")
    if options.output_md:
        atomic_write(options.output_md, "\n".join(_render_page(found)) + "\n")
    show(options, found, lambda: _render_regression(found))
    return _REGRESSION_CODES[found["status"]]


def _bundle_summary(options: Namespace, root: Path) -> ExitCode:
    """Do the verb `report bundle-summary`: NOT_GOOD where a run is refuted."""
    scenarios = read_scenarios(options.scenario)
    with open_named_registry(options, root) as connection:
        names = dict.fromkeys(name for scenario in scenarios for name in (scenario.left, scenario.right))
        rows = {name: find_run(connection, name) for name in names}
        metrics = {name: list_metrics_of(connection, rows[name]["id"]) for name in names}
    found = summarise(root, scenarios, rows, metrics)
    found |= {"source_device": options.source_device, "notes": [*options.note, *found["notes"]]}
    lines = list(render_summary(found))
    if options.output:
        atomic_write(options.output, "\n".join(lines) + "\n")
    show(options, found, lambda: lines)
    refuted = any(run["integrity"]["word"] == "refuted" for run in found["runs"])
    return ExitCode.NOT_GOOD if refuted else ExitCode.GOOD


def _read_sides(options: Namespace, root: Path) -> dict[str, RunSide]:
    with open_named_registry(options, root) as connection:
        rows = {side: find_run(connection, getattr(options, side)) for side in ("left", "right")}
    for row in rows.values():
        if row["status"] == "unreadable":
            raise UserError(f"{row['path']}: {row['reason']}")
    return read_two_runs(root, rows)


def _read_policy(root: Path, kind: str, name: str) -> Json:
    known = read_catalogue(kind, root / "config")
    if name not in known:
        folder = CATALOGUES[kind]
        raise UserError(f"--policy {name}: is not one of {', '.join(sorted(known))} of config/{folder}/"
                        f"{suggest_words(name, known)}")  # fmt: skip
    return known[name]


def _render_comparison(found: Json) -> Iterator[str]:
    words = {"no": "may not be compared", "conditional": "may be compared", "yes": "may be compared"}
    mode = "" if found["mode"] == "none" else f" ({found['mode']})"
    yield f"{found['left']} and {found['right']} {words[found['comparable']]}{mode}, policy {found['policy']}"
    yield from render_differences(found["reasons"])
    rows = [
        (name, format_number(line["baseline"]), format_number(line["candidate"]), _format_delta(line["delta_pct"]))
        for name, line in (found["deltas"] or {}).items()
    ]
    yield from render_table(("figure", "baseline", "candidate", "delta"), rows)
    yield from found["notes"]


def _render_regression(found: Json) -> Iterator[str]:
    mode, severity = found["mode"], found["severity"]
    yield f"{found['candidate']} against {found['baseline']}: {found['status']} ({mode}, {severity}), {found['policy']}"
    if found["reason"]:
        yield f"  {found['reason']}"
    yield from render_table(("threshold", "limit", "delta", "status"), _list_lines(found))
    yield f"recommendation: {found['recommendation']}"
    yield from found["notes"]


def _render_page(found: Json) -> Iterator[str]:
    yield f"# Regression report: {found['status']}"
    yield ""
    yield f"Baseline `{found['baseline']}`, candidate `{found['candidate']}`, policy `{found['policy']}`."
    yield f"Mode {found['mode']}, severity {found['severity']}, recommendation {found['recommendation']}."
    if found["reason"]:
        yield found["reason"]
    yield ""
    yield "| threshold | limit | delta | status |"
    yield "|---|---:|---:|---|"
    for line in _list_lines(found):
        yield f"| {' | '.join(cell or '-' for cell in line)} |"
    yield ""
    yield from (f"{note}." for note in found["notes"])


def _list_lines(found: Json) -> list[tuple[str | None, ...]]:
    return [
        (line["name"], f"{line['comparison']} {line['threshold_pct']:g} %", _format_delta(line["delta_pct"]),
         line["status"] + (f": {line['reason']}" if line["reason"] else ""))
        for line in found["thresholds"]
    ]  # fmt: skip


def _format_delta(delta: float | None) -> str:
    return "n/a" if delta is None else f"{plain(format_signed(delta, 2))} %"


RUN: dict[str, Callable[[Namespace, Path], ExitCode]] = {
    "report compare": _compare,
    "report regression": _regression,
    "report bundle-summary": _bundle_summary,
}
