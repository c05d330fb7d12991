"""The gate: it passes if every cell is ok, every plan exists and runs, and no gated comparison has regressed."""

from collections import Counter
from collections.abc import Iterable, Sequence

from edgeproof.artifacts.records.parity_records import read_parity_record
from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_sealed, write_json
from edgeproof.core.files import sha256_file
from edgeproof.core.layout import Cell, artifact_folder, plan_folder, run_folder
from edgeproof.core.reader import FilePath, reading_once
from edgeproof.core.seals import REMEDY
from edgeproof.plans.outcome.explanation import explain_empty_document
from edgeproof.plans.plan_check import read_check
from edgeproof.runs.foreign_sessions import mark_foreign_sessions
from edgeproof.runs.results import read_result

from .evidence_files import checking_evidence_files
from .gate_words import explain_gate
from .judged_campaign import JudgedCampaign
from .regression_gate import check_regressions
from .stale import Stale
from .wanted import CampaignSnapshot, GateSettings, name_machine

_TOLERABLE = ("throttled", "unsupported", "elsewhere")
# Labels of results that limit a passed gate; what inputs were timed is a fact, not a limit.
_LIMITS = {
    "noisy": "noisy",
    "not_settled": "not settled",
    "modes": "with several speeds",
    "steal": "disturbed",
    "drift": "with drift",
}


def judge_cell(result: Json, parity: Json, tolerate: Sequence[str] = ()) -> Json:
    """Judge one cell at the gate; return {state, status, parity, reasons}; `state` is `ok`, `tolerated` or `failing`.

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
    if not is_parity_fine(result, parity, tolerate):
        if parity["reason"]["message"] not in (result["reason"] or {}).get("message", ""):
            reasons.append(f"parity {parity['status'].replace('_', ' ')}: {parity['reason']['message']}")
        failing = True
    state = "failing" if failing else "tolerated" if reasons else "ok"
    return {"state": state, "status": result["status"], "parity": parity["status"], "reasons": reasons}


def name_state(result: Json, verdict: Json) -> str:
    """Return the state of a cell at the gate, in a word.

    It is its status, `elsewhere` if only that matters, `not ok` if its outputs are wrong.
    """
    if result["status"] != "ok":
        return result["status"]
    if result["elsewhere"]:
        return "elsewhere"
    return "not ok" if verdict["state"] == "failing" else "ok"


def count_labels(results: Iterable[Json]) -> Counter[str]:
    """Count, for the gate, the labels that limit trust in the headlines of results; the keys are their words."""
    found = (entry["label"] for result in results for entry in result["labels"])
    return Counter(_LIMITS[label] for label in found if label in _LIMITS)


def judge_plan(plan: Json, check: Json) -> Json:
    """Judge one plan at the gate; return {state, status, reasons}.

    It is `failing` if the stages cannot be placed or do not run as placed. A plan that is not proved optimal passes;
    its report says how far it may be off. A prediction that misses the measured time passes, too: it is a finding.
    """
    if not plan["plans"]:
        return {"state": "failing", "status": plan["status"], "reasons": [explain_empty_document(plan)]}
    if check["status"] != "ok":
        return {"state": "failing", "status": check["status"], "reasons": [f"run as placed: {check['reason']}"]}
    return {"state": "ok", "status": plan["status"], "reasons": []}


@reading_once()
def judge_campaign(
    snapshot: CampaignSnapshot,
    tolerate: Sequence[str],
    regressions: GateSettings | None = None,
    stale: Sequence[Stale] = (),
) -> JudgedCampaign:
    """Judge a campaign at the gate: every cell, gated comparison and plan from raw data, and all files behind them.

    `tolerate`: statuses that pass besides `ok`. `regressions`: None if no comparison is gated. `stale`: documents that
    are not today's; none passes. UserError names the first file that does not follow.
    """
    with checking_evidence_files(snapshot):
        return _judge(snapshot, tolerate, regressions, stale)


def _judge(
    snapshot: CampaignSnapshot, tolerate: Sequence[str], regressions: GateSettings | None, stale: Sequence[Stale]
) -> JudgedCampaign:
    cells, kinds, results, here = [], set[str](), [], name_machine(snapshot)
    for *names, builder in snapshot["cells"]:
        cell = Cell(*names)
        result_path = f"{run_folder(cell)}/result.json"
        parity_path = f"{artifact_folder(cell.model, cell.preset, builder, cell.precision)}/parity.json"
        result, parity = mark_foreign_sessions(read_result(result_path), here), read_parity_record(parity_path)
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
    names = list(snapshot["comparisons"])
    return JudgedCampaign(snapshot["campaign"], cells, compared, plans, names, stale, count_labels(results), kinds)


@reading_once()
def check_gate(
    snapshot: CampaignSnapshot,
    tolerate: Sequence[str],
    output: FilePath,
    regressions: GateSettings | None = None,
    stale: Sequence[Stale] = (),
) -> tuple[bool, str]:
    """Write the gate's `output` (`edgeproof.gate.v2`) if all cells and plans pass; return (passed, text to print).

    Arguments as for `judge_campaign`. If anything fails no file is written, so that Snakemake runs the gate again next
    time.
    """
    judged = judge_campaign(snapshot, tolerate, regressions, stale)
    if judged.passed:
        document = {
            "schema": "edgeproof.gate.v2",
            "campaign": judged.campaign,
            "passed": True,
            "tolerate": list(tolerate),
            "cells": judged.cells,
            "regressions": judged.compared,
            "plans": judged.plans,
        }
        write_json(output, document, "gate")
    return judged.passed, "\n\n".join(explain_gate(judged))


def _check_plan(pipeline, goal):
    paths = {name: f"{plan_folder(pipeline, goal)}/{name}.json" for name in ("plan", "check")}
    plan, check = read_sealed(paths["plan"], "plan", REMEDY), read_check(paths["check"])
    digests = {f"{name}_sha256": sha256_file(path) for name, path in paths.items()}
    return {"pipeline": pipeline, "goal": goal, **judge_plan(plan, check), **digests}


def _describe_verdict(result):
    kind, status = result["reason"]["kind"].replace("_", " "), result["status"]
    return f"{status if kind == status else f'{status} ({kind})'}: {result['reason']['message']}"


def _find_foreign_machine(result):
    return next(session["machine"] for session in result["sessions"] if session["elsewhere"])


def _describe_machine(machine):
    known = ", ".join(machine[key] for key in ("board", "cpu") if machine and machine[key])
    return f"measured elsewhere, on another machine than this one: {known or 'which one is not recorded'}"


def is_parity_fine(result: Json, parity: Json, tolerate: Sequence[str] = ()) -> bool:
    """Tell whether the parity of a cell's artifact lets the cell pass the gate."""
    if parity["status"] == "passed":
        return True
    if parity["status"] == "not_run" and parity["provenance"] == "simulated":
        return True  # simulated outputs have nothing to agree with
    # Without the provider neither the run nor the parity is possible; it is reported once, for the run.
    tolerated = result["status"] == "unsupported" and "unsupported" in tolerate
    return tolerated and parity["reason"]["kind"] == "provider_unavailable"
