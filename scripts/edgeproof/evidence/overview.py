"""The head of the page as plain data: the state of the gate, and when, where and on which models it was measured."""

from collections import Counter
from collections.abc import Sequence

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
from .charts import label_of
from .collecting import Evidence
from .gate import count_labels, name_state
from .stale import Stale, name_remedy

_CALIBRATIONS = 3  # in the head; the section on calibrations has all
_NAMED = 3  # models, presets, devices that the head names; more are counted
_STALE = 20  # documents that are named; the rest are counted
_WORSE = 4  # comparisons that are named; the rest are counted


def describe_overview(evidence: Evidence, model: str | None = None) -> Json:
    """Return the overview at the head of the page: the state of the gate in words, what was asked, and the facts.

    `model`: the only one of the page, whose evidence this is; None on a page about the whole campaign.
    """
    cells = evidence.cells
    moments = [session["started_at_unix_s"] for item in cells for session in item.result["sessions"]]
    simulated = sum(item.result["provenance"] == "simulated" for item in cells)
    return {
        "campaign": evidence.campaign,
        "model": model,
        **_describe_gate(evidence, model is not None),
        **_describe_stale(evidence.stale),
        "simulated": simulated,
        "all_simulated": simulated == len(cells),
        "simulated_words": "Every number on this page is simulated"
        if simulated == len(cells)
        else f"{format_count(simulated)} of {plural(len(cells), 'cell')} {'is' if simulated == 1 else 'are'} simulated",
        "asked": _say_asked(evidence),
        "title": _say_title(evidence),
        "period": format_period(moments),
        "devices": _describe_devices(cells),
        "calibrations": _describe_calibrations(evidence.calibrations),
        "protocol": _describe_protocol(cells),
        "models": _describe_models(evidence),
    }


def _describe_gate(evidence: Evidence, part: bool = False) -> Json:
    """Return {gate, headline, sentence, limited}: whether the gate is shut, and by what.

    `limited`: what follows the headline limits it, and so has its size. `part`: this is a part of the campaign.
    """
    labels = count_labels(item.result for item in evidence.cells)
    states = [item.verdict["state"] for item in evidence.cells]
    failing = states.count("failing")
    tolerated = Counter(
        name_state(item.result, item.verdict) for item in evidence.cells if item.verdict["state"] == "tolerated"
    )
    unplaced = sum(item.verdict["state"] == "failing" for item in evidence.plans)
    worse = list_failing_gates(evidence)
    shut = failing or unplaced or worse or evidence.stale
    words = ("Shuts the gate", "Passes the gate") if part else ("Gate not passed", "Gate passed")
    return {
        "gate": "failing" if shut else "tolerated" if tolerated else "ok",
        "headline": words[0] if shut else words[1],
        "limited": bool(shut or tolerated or labels),
        "sentence": _say_gate(len(evidence.cells), failing, tolerated)
        + _say_labels(len(evidence.cells), labels)
        + _say_plans(len(evidence.plans), unplaced)
        + _say_gated(worse)
        + _say_stale(len(evidence.stale)),
    }


def list_failing_gates(evidence: Evidence) -> list[str]:
    """Return, for the overview at the head of the page, the comparisons that shut the gate."""
    return [entry["comparison"] for entry in evidence.gated if entry["state"] == "failing"]


def _describe_stale(stale: Sequence[Stale]) -> Json:
    """Return {stale, stale_remedy}: the first documents that are not today's, and the command that makes all again."""
    told = [str(item) for item in stale[:_STALE]]
    rest = [f"and {format_count(len(stale) - _STALE)} more"] if len(stale) > _STALE else []
    return {"stale": told + rest, "stale_remedy": name_remedy(stale) if stale else None}


def _say_gate(total, failing, tolerated):
    """Return a sentence on the cells; `tolerated`: {what is tolerated: number of cells}."""
    if not failing and not tolerated:
        return "The one wanted cell is ok." if total == 1 else f"All {format_count(total)} wanted cells are ok."
    told = [f"{format_count(failing)} not ok"] if failing else []
    told += [f"{format_count(count)} {words}, tolerated" for words, count in tolerated.items()]
    return f"Of {plural(total, 'wanted cell')}: {'; '.join(told)}."


def _say_labels(total, labels):
    """Return how many cells have labels: " 5 of 6 cells noisy, 1 drift."."""
    told = [f"{format_count(count)} {label}" for label, count in labels.items()]
    if told:
        count, _, label = told[0].partition(" ")
        told[0] = f"{count} of {plural(total, 'cell')} {label}"
    return f" {', '.join(told)}." if told else ""


def _say_plans(total, unplaced):
    if unplaced:
        return f" {format_count(unplaced)} of {plural(total, 'plan')} could not be made, or does not run as placed."
    return f" {plural(total, 'plan')} made and run as placed." if total else ""


def _say_gated(worse):
    verb = "regresses" if len(worse) == 1 else "regress"
    names = ", ".join(worse[:_WORSE]) + (f" and {len(worse) - _WORSE} more" if len(worse) > _WORSE else "")
    return f" Against its baseline {names} {verb}, or could not be judged." if worse else ""


def _say_stale(total):
    if not total:
        return ""
    verb = "was" if total == 1 else "were"
    return f" {plural(total, 'document')} {verb} made with another configuration or other code than today's."


def _say_asked(evidence: Evidence) -> str:
    """Return what was asked: "6 cells of digits-cnn and squeezenet with ort-cpu on local, and 4 comparisons"."""
    cells = [item.cell for item in evidence.cells]
    models, presets, devices = (
        _name_some([getattr(cell, field) for cell in cells], f"{field}") for field in ("model", "preset", "device")
    )
    comparisons, plans, replays = len(evidence.comparisons), len(evidence.plans), len(evidence.replays)
    margins = dict.fromkeys(item.report["design"]["margin"] for item in evidence.comparisons)
    within = f" with a margin of ±{format_limit(next(iter(margins)), share=True)}" if len(margins) == 1 else ""
    told = [f"{plural(len(cells), 'cell')} of {models} with {presets} on {devices}"]
    told += [f"{plural(comparisons, 'comparison')}{within}"] if comparisons else ["no comparison"]
    told += [plural(plans, "plan")] if plans else []
    told += [plural(replays, "replay")] if replays else []
    return f"Asked: {'; '.join(told)}."


def _name_some(values: list[str], noun: str) -> str:
    """Return "a, b and c" of different values, or how many there are if they are many: "12 models"."""
    names = list(dict.fromkeys(values))
    if len(names) > _NAMED:
        return plural(len(names), noun)
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else f"no {noun}"


def _say_title(evidence: Evidence) -> str:
    """Return what a browser's tab says after the name: verdicts in short, or how many cells there are."""
    words = Counter(item.report["verdict"].replace("-", " ") for item in evidence.comparisons)
    told = ", ".join(f"{count} {word}" for word, count in words.most_common())
    return told or plural(len(evidence.cells), "cell")


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
            f"{format_limit(p['warmup_seconds'])}{SPACE}s; {_name_load(p)}",
        }
        for name, p in protocols.items()
    ]


def _name_load(protocol):
    if not protocol.get("load"):
        return "burst, not sustained load"
    return f"sustained load until it has settled, {format_limit(protocol['load']['seconds'])}{SPACE}s at most"


def _name_processes(count):
    return "one fresh process" if count == 1 else f"{format_count(count)} fresh processes"


def _describe_models(evidence):
    models = []
    for name, identity in evidence.identities.items():
        named = len(identity["inputs"]) > 1
        shapes = [
            (f"{value['name']} " if named else "") + " × ".join(map(str, value["shape"])) + f" {value['dtype']}"
            for value in identity["inputs"]
        ]
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
