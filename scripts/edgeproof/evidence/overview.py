"""The head of the page as plain data: the state of the gate, and when, where and on which models it was measured."""

from collections import Counter

from edgeproof.core.configuration import Json
from edgeproof.core.formatting import (
    DASH,
    SPACE,
    first_up,
    format_count,
    format_limit,
    format_period,
    format_quantity,
    plural,
)
from edgeproof.core.layout import Cell
from edgeproof.runs.conditions import first_snapshot

from .calibrations import summarise_calibration
from .charts import anchor_of, label_of
from .collecting import Evidence
from .gate import name_state
from .stale import name_remedy

_CALIBRATIONS = 3  # in the head; the section on calibrations has all
_SQUARES = 400  # with more cells the head shows counts only


def describe_overview(evidence: Evidence) -> Json:
    """Return the state of the gate in words, one square per cell, and the facts of the campaign."""
    cells = evidence.cells
    states = [item.verdict["state"] for item in cells]
    failing = states.count("failing")
    tolerated = Counter(name_state(item.result, item.verdict) for item in cells if item.verdict["state"] == "tolerated")
    unplaced = sum(item.verdict["state"] == "failing" for item in evidence.plans)
    worse = [entry["comparison"] for entry in evidence.gated if entry["state"] == "failing"]
    shut = failing or unplaced or worse or evidence.stale
    moments = [session["started_at_unix_s"] for item in cells for session in item.result["sessions"]]
    simulated = sum(item.result["provenance"] == "simulated" for item in cells)
    return {
        "campaign": evidence.campaign,
        "gate": "failing" if shut else "tolerated" if tolerated else "ok",
        "headline": "Gate not passed" if shut else "Gate passed",
        "sentence": _say_gate(len(cells), failing, tolerated)
        + _say_plans(len(evidence.plans), unplaced)
        + _say_gated(worse)
        + _say_stale(len(evidence.stale)),
        "stale": [str(item) for item in evidence.stale],
        "stale_remedy": name_remedy(evidence.stale) if evidence.stale else None,
        "simulated": simulated,
        "all_simulated": simulated == len(cells),
        "simulated_words": "Every number on this page is simulated"
        if simulated == len(cells)
        else f"{format_count(simulated)} of {plural(len(cells), 'cell')} {'is' if simulated == 1 else 'are'} simulated",
        "squares": [_square(item) for item in cells] if len(cells) <= _SQUARES else [],
        "period": format_period(moments),
        "devices": _describe_devices(cells),
        "calibrations": _describe_calibrations(evidence.calibrations),
        "protocol": _describe_protocol(cells),
        "models": _describe_models(evidence),
    }


def _say_gate(total, failing, tolerated):
    """Return a sentence on the cells; `tolerated`: {what is tolerated: number of cells}."""
    if not failing and not tolerated:
        return "The one wanted cell is ok." if total == 1 else f"All {format_count(total)} wanted cells are ok."
    told = [f"{format_count(failing)} not ok"] if failing else []
    told += [f"{format_count(count)} {words}, tolerated" for words, count in tolerated.items()]
    return f"Of {plural(total, 'wanted cell')}: {'; '.join(told)}."


def _say_plans(total, unplaced):
    if unplaced:
        return f" {format_count(unplaced)} of {plural(total, 'plan')} could not be made, or does not run as placed."
    return f" {plural(total, 'plan')} made and run as placed." if total else ""


def _say_gated(worse):
    verb = "regresses" if len(worse) == 1 else "regress"
    return f" Against its baseline {', '.join(worse)} {verb}, or could not be judged." if worse else ""


def _say_stale(total):
    if not total:
        return ""
    verb = "was" if total == 1 else "were"
    return f" {plural(total, 'document')} {verb} made with another configuration or other code than today's."


def _square(item):
    words = "; ".join(item.verdict["reasons"]) or "ok"
    return {
        "state": item.verdict["state"],
        "simulated": item.result["provenance"] == "simulated",
        "anchor": anchor_of(item.cell),
        "title": f"{item.cell.model} · {label_of(item.cell)}: {words}",
    }


def _describe_devices(cells):
    devices = []
    for name in dict.fromkeys(item.cell.device for item in cells):
        own = [item.result for item in cells if item.cell.device == name]
        snapshot = next(filter(None, map(first_snapshot, own)), {})
        words = [snapshot.get("board"), snapshot.get("cpu_model"), snapshot.get("machine")]
        devices.append(
            {"name": name, "words": ", ".join(dict.fromkeys(filter(None, words))) or own[0]["device"]["board"]}
        )
    return devices


def _describe_calibrations(calibrations):
    return [
        {"name": f"{item.noise['cell']['model']} · {label_of(Cell(**item.noise['cell']))}", "words": words}
        for item in calibrations[:_CALIBRATIONS]
        for words in [first_up(summarise_calibration(item.noise)) + _mark(item.noise)]
    ]


def _mark(noise):
    return " (simulated)" if noise["provenance"] == "simulated" else ""


def _describe_protocol(cells):
    protocols = {item.result["protocol"]["requested"]["name"]: item.result["protocol"]["requested"] for item in cells}
    return [
        {
            "name": name,
            "words": f"{_name_processes(p['processes'])}, each at least {format_count(p['min_samples'])} samples and "
            f"{format_limit(p['min_seconds'])}{SPACE}s after {p['warmup_runs']} warm-up runs and "
            f"{format_limit(p['warmup_seconds'])}{SPACE}s",
        }
        for name, p in protocols.items()
    ]


def _name_processes(count):
    return "one fresh process" if count == 1 else f"{format_count(count)} fresh processes"


def _describe_models(evidence):
    models = []
    for name, identity in evidence.identities.items():
        shapes = [" × ".join(map(str, value["shape"])) + f" {value['dtype']}" for value in identity["inputs"]]
        sets = evidence.samples[name]
        models.append(
            {
                "name": name,
                "sha256": identity["sha256"],
                "parameters": format_quantity(identity["parameters"]),
                "macs": ("at least " if identity["macs_unknown"] else "") + format_quantity(identity["macs"]),
                "inputs": ", ".join(shapes) or DASH,
                "samples": f"{format_count(sets['evaluation']['count'])} {sets['kind']} samples"
                + ("" if sets["labels"] else " without labels"),
            }
        )
    return models
