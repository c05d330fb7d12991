"""The section on comparisons as plain data: a verdict in one sentence, the difference if there is one, and reasons."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TypeVar

from edgeproof.comparability.accuracy_sentences import describe_accuracy
from edgeproof.comparability.energy_sentences import describe_energy
from edgeproof.comparability.resource_sentences import describe_resources
from edgeproof.comparability.sentences import (
    choose_effect,
    describe_comparable,
    describe_cost,
    describe_grounds,
    describe_interleaving,
    describe_reason,
    describe_remedy,
    describe_verdict,
    name_sides,
)
from edgeproof.core.configuration import Json
from edgeproof.core.files import FilePath
from edgeproof.core.formatting import (
    DASH,
    SPACE,
    decimals_for,
    format_fixed,
    format_limit,
    format_percent,
    format_range,
    plural,
    shorten_digest,
)
from edgeproof.core.layout import Cell
from edgeproof.runs.drift_records import say_changes

from .charts import anchor_of
from .collecting import ComparisonEvidence, link_from
from .drift_charts import DriftOfSession, draw_drift, format_started
from .judgements import describe_decision, describe_regression_judgement
from .recomputing_commands import recompute_comparison
from .urgency import rank_verdict

_STATES = {
    "not-comparable": "refused",
    "waived": "refused",
    "failed": "failing",
}  # where the icon's name is not the verdict
_ENERGY = {"lower": "faster", "higher": "slower"}  # whose icons they share
_TOLD = 12  # verdicts in the head of the page that are not folded
PageOf = Callable[[str], str]  # from a model to the link to its page; "" where that is the page itself
_Told = TypeVar("_Told", Json, tuple[Json, ComparisonEvidence])


def describe_comparisons(
    comparisons: list[ComparisonEvidence],
    page: FilePath,
    page_of: PageOf = lambda model: "",
    failing: Collection[str] = (),
) -> list[Json]:
    """Return the section on comparisons, one dict each. `effect` is None without a difference.

    Links to files start from the folder of `page`, links to cells from `page_of`. `failing`: comparisons that shut the
    gate.
    """
    return [_describe(item, page, page_of, failing) for item in comparisons]


def fold_comparisons(rows: list[Json]) -> Json:
    """Return {shown, folded, summary} of all comparisons; `rows`: of `describe_comparisons`.

    They stand in the order of the campaign. Where they are many, those that fail a gate or say a difference come first.
    """
    if len(rows) <= _TOLD:
        return {"shown": rows, "folded": [], "summary": None}
    ordered = order_comparisons(rows)
    words = Counter(row["words"] for row in rows)
    counts = ", ".join(f"{count} {word}" for word, count in words.items())
    summary = f"{plural(len(rows), 'comparison')}: {counts}"
    return {"shown": ordered[:_TOLD], "folded": ordered[_TOLD:], "summary": summary}


def order_comparisons(rows: Sequence[_Told]) -> list[_Told]:
    """Sort rows of comparisons by urgency: what fails a gate, then differences, the largest first.

    `rows`: of `tell_comparison`, or tuples that start with one.
    """
    return sorted(rows, key=lambda row: (row[0] if isinstance(row, tuple) else row)["rank"])


def count_verdicts(reports: Sequence[Json]) -> str | None:
    """Return how many comparisons have which verdict, in words, "2 faster, 1 undecided"; None without comparisons."""
    words = Counter(report["verdict"].replace("-", " ") for report in reports)
    return ", ".join(f"{count}{SPACE}{word}" for word, count in words.most_common()) or None


def state_of(report: Json) -> str:
    """Return the state of a comparison, which names its icon and its colour."""
    verdict = str(report["verdict"])
    return _STATES.get(verdict, verdict)


def tell_comparison(campaign: str, report: Json, page_of: PageOf, failing: Collection[str] = ()) -> Json:
    """Return a comparison in short, for a page's head: its verdict in one sentence, and the link to its own section.

    `bounds`: its ratio with interval and margin, which `charts.draw_verdicts` draws; None without a difference.
    """
    anchor = f"comparison-{report['comparison']}"
    return {
        "name": report["comparison"],
        "context": _name_common(report["left"], report["right"]),
        "anchor": anchor,
        "href": f"{page_of(report['left']['model'])}#{anchor}",
        "state": state_of(report),
        "words": report["verdict"].replace("-", " "),
        "sentence": describe_verdict(report),
        "remedy": describe_remedy(report),
        "simulated": report["provenance"] == "simulated",
        "numbered": bool(report["effect"] or report["between_sessions"]),
        "paired": bool(report["effect"]),
        "shuts": report["comparison"] in failing,
        "bounds": _bound_ratio(report),
        "strip": None,
        "command": recompute_comparison(campaign, report["comparison"]),
        "rank": rank_verdict(report, failing),
    }


def _describe(item, page, page_of, failing):
    campaign = Path(item.paths["report"]).parts[-3]
    report, design = item.report, item.report["design"]
    folder = item.paths["report"].rsplit("/", 1)[0]
    return {
        **tell_comparison(campaign, report, lambda model: "", failing),
        **_entitle(report["comparison"], report["left"], report["right"]),
        "left": _name_cell(report["left"]),
        "right": _name_cell(report["right"]),
        "left_href": _link_cell(report["left"], page_of),
        "right_href": _link_cell(report["right"], page_of),
        "same": report["left"] == report["right"],
        "comparable": report["comparable"],
        "comparable_words": describe_comparable(report),
        "mode": report["mode"].replace("-", " "),
        "policy": report["policy"],
        "reason": describe_reason(report),
        "grounds": _list_grounds(report),
        "effect": _describe_effect(item),
        "accuracy": describe_accuracy(report),
        "energy": _describe_energy(report),
        "drawing": None,
        "regression": describe_regression_judgement(
            item.regression, (report["explanation"], describe_reason(report)), _count_further(report)
        ),
        "decision": describe_decision(item.decision),
        "reasons": [_describe_reason(reason) for reason in report["reasons"]],
        "declared": all(reason["remedy"] is None for reason in report["reasons"]),
        "margin": format_limit(design["margin"], share=True),
        "pairs": report["pairs"],
        "sessions": len(report["sessions"]),
        "interleaving": describe_interleaving(report),
        "disturbances": _list_disturbances(report["sessions"]),
        "drift": draw_drift(_list_drifts(report["sessions"])),
        "attempts": [link_from(page, session["attempt"]) for session in report["sessions"] if session["attempt"]],
        "links": [
            {"name": name, "href": link_from(page, f"{folder}/{name}")}
            for name in ("report.json", "verdict.json", "regression.json", "decision.json", "pairs.json", "pairs.csv")
        ],
    }


def _count_further(report):
    """Return how many further pairs would probably decide the times, else the energy; None where no number would."""
    return report["further_pairs"] or report.get("energy", {}).get("further_pairs")


def _link_cell(fields, page_of):
    return f"{page_of(fields['model'])}#{anchor_of(_cell(fields))}"


def _entitle(name, left, right):
    """Return {title, subtitle} of a row. The long name that a table of comparisons makes is replaced by its sides."""
    sides = name_sides(left, right)
    if not name.endswith("-{}-vs-{}".format(*sides)):
        return {"title": name, "subtitle": None}
    return {"title": " → ".join(sides), "subtitle": _name_common(left, right)}


def _name_common(left, right):
    """Return what both sides have in common: "digits-cnn · ort-cpu · local"."""
    return " · ".join(
        left[field] for field in ("model", "preset", "precision", "device") if left[field] == right[field]
    )


def describe_ratio(report: Json) -> Json:
    """Return {ratio, ratio_text, interval_text} of a comparison, from its pairs or from sessions of two devices; each
    None without a difference.
    """
    effect = report["effect"] or report["between_sessions"]
    if effect is None:
        return dict.fromkeys(("ratio", "ratio_text", "interval_text"))
    ratio, low, high = effect["ratio"], effect["interval_low"], effect["interval_high"]
    decimals = decimals_for(ratio, low, high, digits=4)
    span = None if low is None or high is None else format_range(low, high, decimals)
    return {"ratio": ratio, "ratio_text": format_fixed(ratio, decimals), "interval_text": span}


def _bound_ratio(report: Json) -> Json | None:
    """Return {ratio, low, high, margin} of a comparison; None without a difference."""
    effect = report["effect"] or report["between_sessions"]
    if effect is None:
        return None
    ends = {"low": effect["interval_low"], "high": effect["interval_high"]}
    return {"ratio": effect["ratio"], **ends, "margin": report["design"]["margin"]}


def _describe_effect(item):
    """Return the difference of a comparison, from its pairs or from sessions of two devices; None if it has none."""
    paired = item.report["effect"] is not None
    effect = item.report["effect"] or item.report["between_sessions"]
    if effect is None:
        return None
    return {
        **describe_ratio(item.report),
        "paired": paired,
        **(_bound_ratio(item.report) or {}),
        "ratios": item.ratios.tolist(),
        "confidence": f"{100 * effect['confidence']:.4g}",
    }


def _list_grounds(report):
    """Return what a difference rests on, and what the calibration expects; nothing where there is no difference."""
    told = [*describe_grounds(report), *describe_energy(report)[1:]]
    told += describe_resources(report)
    return told + [_describe_noise(noise, report) for noise in report["noise"] if report["effect"]]


def _describe_noise(noise, report):
    """Return what the calibration of the left cell expects of a difference beyond the margin."""
    words = "Its simulated calibration" if noise["provenance"] == "simulated" else "Its calibration"
    margin = report["design"]["margin"]
    asked = choose_effect(noise, margin)
    if asked is None:
        return f"{words} does not say what a verdict costs."
    cost = describe_cost(noise, asked, margin)
    return f"{words} expects that a true difference of {format_limit(asked, share=True)} takes {cost}."


def _describe_energy(report):
    """Return {state, words, sentence} of the verdict on energy, None where it was not asked for."""
    if "energy" not in report:
        return None
    words = report["energy"]["verdict"]
    return {"state": _ENERGY.get(words, words), "words": f"energy {words}", "sentence": describe_energy(report)[0]}


def _list_drifts(sessions):
    return [
        DriftOfSession(f"Session {number}", format_started(session["started_at"]), session["drift"])
        for number, session in enumerate(sessions, 1)
        if session["drift"]
    ]


def _list_disturbances(sessions):
    """Return what disturbed the sessions of pairs, in words."""
    steal = max((session["steal_share"] or 0 for session in sessions), default=0)
    lines = dict.fromkeys(session["throttled"] for session in sessions if session["throttled"])
    stolen = [f"the hypervisor took {format_percent(steal, 2)} of the CPU time"] if steal > 0.005 else []
    changes = dict.fromkeys(words for session in sessions for words in say_changes(session["drift"]))
    return [*lines, *stolen, *(f"{words}, for both arms alike" for words in changes)]


def _describe_reason(reason):
    return {
        "field": reason["field"].replace("_", " "),
        "left": _show(reason["left"]),
        "right": _show(reason["right"]),
        "remedy": reason["remedy"],
    }


def _show(value):
    """Return a field's value as {text, full}: digests are shortened, None becomes "not available"."""
    if value is None:
        return {"text": "not available", "full": None}
    if isinstance(value, bool):
        return {"text": "yes" if value else "no", "full": None}
    if isinstance(value, list):
        shape = all(isinstance(item, int) for item in value)
        return {"text": (SPACE + "×" + SPACE if shape else ", ").join(map(str, value)) or DASH, "full": None}
    text = str(value)
    if len(text) == 64 and all(digit in "0123456789abcdef" for digit in text):
        return {"text": shorten_digest(text), "full": text}
    return {"text": text, "full": None}


def _cell(fields):
    return Cell(*(fields[name] for name in Cell._fields))


def _name_cell(cell):
    return f"{cell['model']} · {cell['preset']} · {cell['precision']} · {cell['device']}"
