"""What failed, as plain data: one entry per reason, with the cells that it stopped and their logs."""

import re
from pathlib import Path

from edgeproof.core.configuration import Json
from edgeproof.core.files import FilePath
from edgeproof.core.formatting import format_count, plural

from .charts import anchor_of, label_of
from .collecting import CellEvidence, link_from
from .gate import name_state

_REASONS, _EXAMPLES, _LONGEST = 6, 3, 240  # on the first page: reasons, cells named for each, characters of a reason
_SHORT = 8  # cells that the head of a page names
_LOGS = 6  # of one cell
_BUILDS = ("build_*", "check_parity")  # rules whose logs say why there is no artifact, or why it computes wrong


def describe_failures(cells: list[CellEvidence], page: FilePath) -> list[Json]:
    """Return [{anchor, state, reason, cells: [{label, href, words, logs}]}] of failed cells, those that are not ok.

    What fails comes before what is tolerated. `page`: links to logs start from its folder.
    """
    groups: dict[tuple[str, str], list[CellEvidence]] = {}
    for item in cells:
        for reason in item.verdict["reasons"]:
            groups.setdefault((item.verdict["state"], reason), []).append(item)
    ordered = sorted(groups.items(), key=lambda group: group[0][0] != "failing")
    return [
        {
            "anchor": f"failure-{number}",
            "state": state,
            "reason": reason,
            "cells": [_describe_cell(item, page) for item in items],
        }
        for number, ((state, reason), items) in enumerate(ordered, 1)
    ]


def find_failure_anchors(failures: list[Json]) -> dict[str, str]:
    """Return {anchor of a failed cell: anchor of the first reason}; `failures`: of `describe_failures`."""
    anchors: dict[str, str] = {}
    for failure in failures:
        for cell in failure["cells"]:
            anchors.setdefault(cell["anchor"], failure["anchor"])
    return anchors


def name_failures(failures: list[Json]) -> Json:
    """Return the failed cells for the head of a page, {shown: [{label, href, words, state}], more}.

    They say which cells are not ok, and where it says why.
    """
    rows: dict[str, Json] = {}
    for failure in failures:
        for cell in failure["cells"]:
            told = {"label": cell["label"], "words": cell["words"], "state": failure["state"]}
            rows.setdefault(cell["anchor"], told | {"href": f"#{failure['anchor']}"})
    return {"shown": list(rows.values())[:_SHORT], "more": max(0, len(rows) - _SHORT)}


def list_failures(cells: list[CellEvidence]) -> Json:
    """Return {kinds, more} of failed cells, for the first page; reasons that differ in numbers only are one kind."""
    kinds: dict[str, list[CellEvidence]] = {}
    for item in cells:
        if item.verdict["state"] == "failing":
            kinds.setdefault(re.sub(r"\d[\d.,]*", "#", item.verdict["reasons"][0]), []).append(item)
    ordered = sorted(kinds.values(), key=len, reverse=True)
    return {
        "kinds": [_describe_kind(items) for items in ordered[:_REASONS]],
        "more": sum(len(items) for items in ordered[_REASONS:]),
    }


def _describe_kind(items: list[CellEvidence]) -> Json:
    reason = items[0].verdict["reasons"][0]
    return {
        "count": plural(len(items), "cell"),
        "reason": reason if len(reason) <= _LONGEST else f"{reason[:_LONGEST]}…",
        "cells": [
            {
                "label": f"{item.cell.model} · {label_of(item.cell)}",
                "href": f"models/{item.cell.model}.html#{anchor_of(item.cell)}",
            }
            for item in items[:_EXAMPLES]
        ],
        "more": max(0, len(items) - _EXAMPLES),
    }


def _describe_cell(item: CellEvidence, page: FilePath) -> Json:
    logs = _list_logs(item)
    return {
        "anchor": anchor_of(item.cell),
        "label": f"{item.cell.model} · {label_of(item.cell)}",
        "words": _name_kind(item),
        "logs": [{"name": name, "href": link_from(page, path)} for name, path in logs[:_LOGS]],
        "more": format_count(len(logs) - _LOGS) if len(logs) > _LOGS else None,
    }


def _name_kind(item: CellEvidence) -> str:
    """Return in few words what happened to a cell: "failed: crashed", "not ok: outputs"."""
    words, reason = name_state(item.result, item.verdict), item.result["reason"]
    if words == "not ok":
        return "not ok: outputs"
    kind = reason["kind"].replace("_", " ") if reason else words
    return words if kind == words else f"{words}: {kind}"


def _list_logs(item: CellEvidence) -> list[tuple[str, str]]:
    """Return [(name, path)] of the logs that may say why a cell is not ok; empty files are left out."""
    cell, found = item.cell, []
    for session in item.result["sessions"]:
        folder = Path(session["attempt"])
        found += [("agent.log", folder / "agent.log")]
        found += [(f"{path.parent.name}.log", path) for path in sorted(folder.glob("session/process-*/log.txt"))]
    if not item.result["sessions"] or item.parity["status"] != "passed":
        place = f"{cell.model}/{cell.preset}/{item.builder}/{cell.precision}"
        paths = [path for rule in _BUILDS for path in sorted(Path("results/logs").glob(f"{rule}/{place}*.log"))]
        found += [(f"{path.relative_to('results/logs').parts[0]}.log", path) for path in paths]
    return [(name, path.as_posix()) for name, path in found if path.is_file() and path.stat().st_size]
