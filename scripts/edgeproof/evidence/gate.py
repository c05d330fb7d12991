"""The gate: it passes if every cell is ok, every plan exists and runs, and no gated comparison has regressed."""

import textwrap
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from edgeproof.artifacts.records.parity_records import read_parity_record
from edgeproof.comparability.reading import read_comparison
from edgeproof.comparability.sentences import describe_remedy, describe_verdict
from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json, read_sealed, write_json
from edgeproof.core.files import sha256_file
from edgeproof.core.formatting import plain
from edgeproof.core.layout import Cell, artifact_folder, comparison_folder, evidence_folder, plan_folder, run_folder
from edgeproof.core.reader import FilePath, reading_once
from edgeproof.core.seals import REMEDY
from edgeproof.plans.outcome.explanation import explain_empty_document
from edgeproof.plans.plan_check import read_check
from edgeproof.runs.results import read_result

from .evidence_files import check_evidence_files
from .regression_gate import check_regressions
from .stale import Stale, name_remedy
from .urgency import rank_verdict
from .wanted import CampaignSnapshot, GateSettings

_TOLERABLE = ("throttled", "unsupported", "elsewhere")
# Labels of results that limit a passed gate; what inputs were timed is a fact, not a limit.
_LIMITS = {
    "noisy": "noisy",
    "not_settled": "not settled",
    "modes": "with modes",
    "steal": "disturbed",
    "drift": "with drift",
}
_TOLD = 8  # comparisons whose verdicts are printed
_STALE = 10  # documents that are named; the rest are counted
_WIDTH = 118  # of the table, so that it fits a terminal and a CI log


def judge_cell(result: Json, parity: Json, tolerate: Sequence[str] = ()) -> Json:
    """Return {state, status, parity, reasons} of one cell; `state` is `ok`, `tolerated` or `failing`.

    A cell passes if its result is ok, or has a status in `tolerate`, and the outputs of its artifact agree with those
    of the source model (parity). A result of another machine (`elsewhere`) passes only where that is in `tolerate`.
    `reasons`: one line each, also for what is tolerated.
    """
    reasons, failing = [], False
    if result["status"] != "ok":
        reasons.append(_describe_verdict(result))
        failing = result["status"] not in tolerate
    if result["elsewhere"]:
        reasons.append(_describe_machine(_find_foreign_machine(result)))
        failing |= "elsewhere" not in tolerate
    if not _is_parity_fine(result, parity, tolerate):
        if parity["reason"]["message"] not in (result["reason"] or {}).get("message", ""):
            reasons.append(f"parity {parity['status'].replace('_', ' ')}: {parity['reason']['message']}")
        failing = True
    state = "failing" if failing else "tolerated" if reasons else "ok"
    return {"state": state, "status": result["status"], "parity": parity["status"], "reasons": reasons}


def name_state(result: Json, verdict: Json) -> str:
    """Return the gate's word for a cell: its status, `elsewhere` if only that matters, `not ok` if its outputs are
    wrong.
    """
    if result["status"] != "ok":
        return result["status"]
    if result["elsewhere"]:
        return "elsewhere"
    return "not ok" if verdict["state"] == "failing" else "ok"


def count_labels(results: Iterable[Json]) -> Counter[str]:
    """Return how many results at the gate have each label that limits trust in their headlines, in words."""
    found = (entry["label"] for result in results for entry in result["labels"])
    return Counter(_LIMITS[label] for label in found if label in _LIMITS)


def judge_plan(plan: Json, check: Json) -> Json:
    """Return {state, status, reasons} of one plan: `failing` if the stages cannot be placed or do not run as placed.

    A plan that is not proved optimal passes; its report says how far it may be off. A prediction that misses the
    measured time passes, too: it is a finding.
    """
    if not plan["plans"]:
        return {"state": "failing", "status": plan["status"], "reasons": [explain_empty_document(plan)]}
    if check["status"] != "ok":
        return {"state": "failing", "status": check["status"], "reasons": [f"run as placed: {check['reason']}"]}
    return {"state": "ok", "status": plan["status"], "reasons": []}


@reading_once()
def check_gate(
    snapshot: CampaignSnapshot,
    tolerate: Sequence[str],
    output: FilePath,
    regressions: GateSettings | None = None,
    stale: Sequence[Stale] = (),
) -> tuple[bool, str]:
    """Write `output` (`edgeproof.gate.v2`) if every cell and every plan passes; return (passed, text to print).

    `tolerate`: statuses that pass besides `ok`. `regressions`: None if no comparison is gated. `stale`: documents that
    are not today's; none passes. If anything fails no file is written, so that Snakemake runs the gate again next time.
    """
    cells, kinds, results = [], set(), []
    for *names, builder in snapshot["cells"]:
        cell = Cell(*names)
        result_path = f"{run_folder(cell)}/result.json"
        parity_path = f"{artifact_folder(cell.model, cell.preset, builder, cell.precision)}/parity.json"
        result, parity = read_result(result_path), read_parity_record(parity_path)
        results.append(result)
        kinds |= {result["status"], *(["elsewhere"] if result["elsewhere"] else [])} & {*_TOLERABLE} - {*tolerate}
        cells.append(
            {
                "cell": {**cell._asdict(), "builder": builder},
                **judge_cell(result, parity, tolerate),
                "provenance": result["provenance"],
                "result_sha256": sha256_file(result_path),
                "parity_sha256": sha256_file(parity_path),
            }
        )
    compared = check_regressions(snapshot["campaign"], regressions) if regressions else []
    plans = [_check_plan(*row) for row in snapshot["plans"]]
    check_evidence_files(snapshot)
    passed = not stale and all(entry["state"] != "failing" for entry in (*cells, *compared, *plans))
    if passed:
        document = {
            "schema": "edgeproof.gate.v2",
            "campaign": snapshot["campaign"],
            "passed": True,
            "tolerate": list(tolerate),
            "cells": cells,
            "regressions": compared,
            "plans": plans,
        }
        write_json(output, document, "gate")
    told = _explain_comparisons(
        snapshot["campaign"],
        snapshot["comparisons"],
        [entry["comparison"] for entry in compared if entry["state"] == "failing"],
    )
    if passed:
        told.append(
            f"Gate of campaign {snapshot['campaign']} passed; cells: {_count_passing(cells, count_labels(results))}."
        )
    told += [*_explain_cells(snapshot["campaign"], cells), *_explain_regressions(compared), *_explain_plans(plans)]
    told += _explain_stale(stale)
    told.append(f"Every number and reason: {evidence_folder(snapshot['campaign'])}/report.html")
    if kinds:
        told[-1] += f"\nTo accept such cells, add {' or '.join(sorted(kinds))} to gate.tolerate of the campaign."
    return passed, "\n\n".join(told)


def _explain_comparisons(campaign: str, names: Sequence[str], failing: Collection[str] = ()) -> list[str]:
    """Return a paragraph with the verdicts of comparisons, one sentence each; none without comparisons.

    Of many it tells those that fail a gate or say a difference. `failing`: comparisons that shut the gate.
    """
    lines, told = [], list(names)
    if len(names) > _TOLD:
        paths = {name: f"{comparison_folder(campaign, name)}/report.json" for name in names}
        told.sort(key=lambda name: rank_verdict(read_json(paths[name], "comparison"), failing))
    for name in told[:_TOLD]:
        report = read_comparison(f"{comparison_folder(campaign, name)}/report.json")
        mark = " (simulated)" if report["effect"] and report["provenance"] == "simulated" else ""
        parts = [describe_verdict(report) + mark, describe_remedy(report)]
        text = f"{name}: {plain(' '.join(filter(None, parts)))}"
        lines += textwrap.wrap(text, _WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    if len(names) > _TOLD:
        lines.append(f"… and {len(names) - _TOLD} more comparisons")
    return ["\n".join(lines)] if lines else []


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


def _check_plan(pipeline, goal):
    paths = {name: f"{plan_folder(pipeline, goal)}/{name}.json" for name in ("plan", "check")}
    plan, check = read_sealed(paths["plan"], "plan", REMEDY), read_check(paths["check"])
    digests = {f"{name}_sha256": sha256_file(path) for name, path in paths.items()}
    return {"pipeline": pipeline, "goal": goal, **judge_plan(plan, check), **digests}


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


def _describe_failing(entries, sentence):
    """Return a paragraph on those that fail: a sentence, and a table with their reasons."""
    found = [entry for entry in entries if entry["state"] == "failing"]
    return ["\n".join([sentence, *_table(found)])] if found else []


def _list_tolerated(entries):
    """Return a paragraph that names what is tolerated; why it is not ok, says the page."""
    found = [entry for entry in entries if entry["state"] == "tolerated"]
    if not found:
        return []
    names = ", ".join(_name_entry(entry) for entry in found)
    return [textwrap.fill(f"Tolerated: {names}.", _WIDTH, subsequent_indent="  ", break_on_hyphens=False)]


def _count_passing(cells, labels):
    """Return "6 ok, 1 throttled; 5 noisy"; a tolerated cell whose status is ok was measured elsewhere."""
    words = [entry["status"] if entry["status"] != "ok" else "elsewhere" for entry in cells if entry["reasons"]]
    told = [f"{len(cells) - len(words)} ok", *(f"{words.count(word)} {word}" for word in dict.fromkeys(words))]
    limits = [f"{count} {label}" for label, count in labels.items()]
    return "; ".join(filter(None, (", ".join(told), ", ".join(limits))))


def _describe_verdict(result):
    kind, status = result["reason"]["kind"].replace("_", " "), result["status"]
    return f"{status if kind == status else f'{status} ({kind})'}: {result['reason']['message']}"


def _find_foreign_machine(result):
    return next(session["machine"] for session in result["sessions"] if session["elsewhere"])


def _describe_machine(machine):
    known = ", ".join(machine[key] for key in ("board", "cpu") if machine and machine[key])
    return f"measured elsewhere, on another machine than this one: {known or 'which one is not recorded'}"


def _is_parity_fine(result, parity, tolerate):
    if parity["status"] == "passed":
        return True
    if parity["status"] == "not_run" and parity["provenance"] == "simulated":
        return True  # simulated outputs have nothing to agree with
    # Without the provider neither the run nor the parity is possible; it is reported once, for the run.
    tolerated = result["status"] == "unsupported" and "unsupported" in tolerate
    return tolerated and parity["reason"]["kind"] == "provider_unavailable"


def _table(entries):
    names = [_name_entry(entry) for entry in entries]
    width = max(len(name) for name in names)
    lines = []
    for name, entry in zip(names, entries, strict=True):
        room = max(40, _WIDTH - width - 4)
        texts = [line for reason in entry["reasons"] for line in textwrap.wrap(reason, room)]
        lines += [f"  {label:<{width}}  {text}" for label, text in zip([name, *[""] * len(texts)], texts, strict=False)]
    return lines


def _name_entry(entry):
    if "cell" in entry:
        return "/".join(entry["cell"][field] for field in Cell._fields)
    return entry["comparison"] if "comparison" in entry else f"{entry['pipeline']}/{entry['goal']}"
