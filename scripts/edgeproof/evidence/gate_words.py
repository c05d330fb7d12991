"""What the gate says in a terminal: verdicts first, then what does not pass, and what to do."""

import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path

from edgeproof.comparability.deciding import OUTCOMES, read_decision
from edgeproof.comparability.reading import read_comparison
from edgeproof.comparability.sentences import describe_remedy, describe_verdict
from edgeproof.core.closing import EXTRA
from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json
from edgeproof.core.formatting import plain
from edgeproof.core.layout import comparison_folder, evidence_folder

from .judged_campaign import JudgedCampaign, name_entry
from .stale import Stale, name_remedy
from .urgency import rank_verdict

_TOLD = 8  # comparisons whose verdicts are printed
_STALE = 10  # documents that are named; the rest are counted
_WIDTH = 118  # of the table, so that it fits a terminal and a CI log


def explain_gate(judged: JudgedCampaign) -> list[str]:
    """Return what the gate says in words, one text per paragraph, as the terminal shows it."""
    cells, compared = judged.cells, judged.compared
    told = ["\n".join(_explain_comparisons(judged))] if judged.comparisons else []
    told += _explain_decisions(judged)
    if judged.passed:
        ungated = " No comparison counted: none has `gate: true`." if judged.comparisons and not compared else ""
        told.append(f"Gate of campaign {judged.campaign} passed; cells: {count_passing(judged)}.{ungated}")
    told += [*_explain_cells(judged.campaign, cells), *_explain_regressions(compared), *_explain_plans(judged.plans)]
    told += _explain_stale(judged.stale)
    told.append(f"Every number and reason: {evidence_folder(judged.campaign)}/report.html")
    if judged.kinds:
        told[-1] += f"\nTo accept such cells, add {' or '.join(sorted(judged.kinds))} to gate.tolerate of the campaign."
    return told


def list_verdicts(judged: JudgedCampaign, most: int) -> list[tuple[str, str]]:
    """Return the gate's words on comparisons, (name, verdict and remedy), of many the most urgent `most`."""
    names, failing = judged.comparisons, [e["comparison"] for e in judged.compared if e["state"] == "failing"]
    paths = {name: f"{comparison_folder(judged.campaign, name)}/report.json" for name in names}
    if len(names) > most:
        names = sorted(names, key=lambda name: rank_verdict(read_json(paths[name], "comparison"), failing))[:most]
    return [(name, say_verdict(read_comparison(paths[name]))) for name in names]


def say_verdict(report: Json) -> str:
    """Return the gate's words on a comparison: its verdict and what would decide it; `report`: its report.json."""
    mark = " (simulated)" if report["effect"] and report["provenance"] == "simulated" else ""
    parts = [describe_verdict(report) + mark, describe_remedy(report)]
    return plain(" ".join(filter(None, parts)))


def count_passing(judged: JudgedCampaign) -> str:
    """Return the gate's words on the cells that pass, "6 ok, 1 throttled; 5 noisy".

    A tolerated cell whose status is ok was measured elsewhere.
    """
    cells = judged.cells
    words = [entry["status"] if entry["status"] != "ok" else "elsewhere" for entry in cells if entry["reasons"]]
    told = [f"{len(cells) - len(words)} ok", *(f"{words.count(word)} {word}" for word in dict.fromkeys(words))]
    limits = [f"{count} {label}" for label, count in judged.labels.items()]
    return "; ".join(filter(None, (", ".join(told), ", ".join(limits))))


def _explain_comparisons(judged: JudgedCampaign) -> list[str]:
    """Return the lines with verdicts of comparisons, one sentence each."""
    lines: list[str] = []
    for name, text in list_verdicts(judged, _TOLD):
        told = f"{name}: {text}"
        lines += textwrap.wrap(told, _WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    if len(judged.comparisons) > _TOLD:
        lines.append(f"… and {len(judged.comparisons) - _TOLD} more comparisons")
    return lines


def _explain_decisions(judged: JudgedCampaign) -> list[str]:
    """Return a paragraph on which right sides may be deployed; none where not all verdicts are printed."""
    names = judged.comparisons if len(judged.comparisons) <= _TOLD else []
    paths = {name: f"{comparison_folder(judged.campaign, name)}/decision.json" for name in names}
    decided = {name: read_decision(path)["decision"] for name, path in paths.items() if Path(path).is_file()}
    told = [
        f"{outcome.replace('_', ' ')} ({', '.join(name for name, own in decided.items() if own == outcome)})"
        for outcome in reversed(OUTCOMES)
        if outcome in decided.values()
    ]
    return (
        [textwrap.fill(EXTRA + "; ".join(told), _WIDTH, subsequent_indent="  ", break_on_hyphens=False)] if told else []
    )


def _explain_stale(stale: Sequence[Stale]) -> list[str]:
    """Return paragraphs on the documents that are not today's; none if all are."""
    if not stale:
        return []
    shown = [f"  {item}" for item in stale[:_STALE]]
    rest = [f"  and {len(stale) - _STALE} more"] if len(stale) > _STALE else []
    sentence = "GATE NOT PASSED: these were made with another configuration or other code than today's:"
    return ["\n".join([sentence, *shown, *rest]), f"Make them again: {name_remedy(stale)}"]


def _explain_plans(plans: list[Json]) -> list[str]:
    """Return paragraphs on the plans that fail; none if all are ok."""
    return _describe_failing(plans, f"GATE NOT PASSED: of {len(plans)} plans, these are none:")


def _explain_regressions(compared: list[Json]) -> list[str]:
    """Return paragraphs on the gated comparisons that fail or are tolerated; none if all are ok."""
    failing = f"GATE NOT PASSED: of {len(compared)} gated comparisons, these regress or could not be judged:"
    return _describe_failing(compared, failing) + _list_tolerated(compared)


def _explain_cells(campaign: str, cells: list[Json]) -> list[str]:
    """Return paragraphs on the cells that fail, are tolerated or are simulated; none if there are none."""
    failing = sum(entry["state"] == "failing" for entry in cells)
    verb = "is" if failing == 1 else "are"
    sentence = f"GATE NOT PASSED: {failing} of {len(cells)} cells of campaign {campaign} {verb} not ok."
    told = _describe_failing(cells, sentence) + _list_tolerated(cells)
    simulated = sum(entry["provenance"] == "simulated" for entry in cells)
    if simulated:
        told.append(f"Simulated, so they say nothing about a device: {simulated} of {len(cells)} cells.")
    return told


def _describe_failing(entries: Iterable[Json], sentence: str) -> list[str]:
    """Return a paragraph on those that fail: a sentence, and a table with their reasons."""
    found = [entry for entry in entries if entry["state"] == "failing"]
    return ["\n".join([sentence, *_table(found)])] if found else []


def _list_tolerated(entries: Iterable[Json]) -> list[str]:
    """Return a paragraph that names what is tolerated; why it is not ok, says the page."""
    found = [entry for entry in entries if entry["state"] == "tolerated"]
    if not found:
        return []
    names = ", ".join(name_entry(entry) for entry in found)
    return [textwrap.fill(f"Tolerated: {names}.", _WIDTH, subsequent_indent="  ", break_on_hyphens=False)]


def _table(entries: Sequence[Json]) -> list[str]:
    names = [name_entry(entry) for entry in entries]
    width = max(len(name) for name in names)
    lines = []
    for name, entry in zip(names, entries, strict=True):
        room = max(40, _WIDTH - width - 4)
        texts = [line for reason in entry["reasons"] for line in textwrap.wrap(reason, room)]
        lines += [f"  {label:<{width}}  {text}" for label, text in zip([name, *[""] * len(texts)], texts, strict=False)]
    return lines
