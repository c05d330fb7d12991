"""Phase 5: on each device, does the vendor's SDK do, or a converted model, or both together, or nothing that was tried?

The rule is the plan's: the SDK if it holds all required criteria; otherwise the best converted candidate that does, is
lighter than the SDK, and is told apart from the others by a comparison; otherwise the hybrid. What is not known keeps a
decision open. Each device has a decision of its own, and nothing is averaged over them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgeproof.comparability.criteria import VERDICTS, Criteria, CriterionLine, judge_criteria, read_criteria
from edgeproof.comparability.quantities import RunEvidence, find_in_run
from edgeproof.comparability.reading import read_comparison
from edgeproof.comparability.side_files import read_parity
from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json, read_sealed, write_json
from edgeproof.core.files import FilePath, sha256_file
from edgeproof.core.layout import Cell, run_folder
from edgeproof.core.reader import reading_once
from edgeproof.core.recomputing import must_follow
from edgeproof.core.seals import REMEDY, require_sealed, seal
from edgeproof.runs.carried_sessions import list_brought
from edgeproof.runs.raw_samples import list_processes, path_beside, read_samples
from edgeproof.runs.results import NOT_BROUGHT, read_result

_SCHEMA = "edgeproof.phase-decision.v2"
_STATUSES = {"unsupported": "skipped"}
_SETTLED_BY = {
    "latency": "edgeproof runs again {cell}, or a protocol with ten processes (standard)",
    "throughput": "edgeproof runs again {cell}",
    "cold_start": "run the campaign with the protocol cold",
    "energy": "name a power sampler in config/devices/{device}.yaml and measure again",
    "accuracy_difference": "give the model a task and labelled evaluation samples",
    "parity": "edgeproof artifacts inspect {cell}",
}


@dataclass(frozen=True)
class Request:
    """What is decided: {role or name: cell} of one device's candidates, and the rule. See `core.phase_plan`.

    `artifacts`: {name: folder of the artifact}. `comparisons`: {name: path of report.json} of the campaign's.
    """

    campaign: str
    device: str
    cells: Mapping[str, Cell]
    artifacts: Mapping[str, str]
    comparisons: Mapping[str, str]
    criteria: str
    lighter_by: str
    best_by: str
    declared: Sequence[Json]


def read_request(document: Json) -> Request:
    """Return the Request for a phase decision, which a job got as JSON."""
    order = sorted(document["cells"], key=lambda name: (name != "sdk", name == "hybrid", name))
    return Request(**{**document, "cells": {name: Cell(*document["cells"][name]) for name in order}})


@dataclass(frozen=True)
class _Candidate:
    """A candidate as it was measured. `state`: qualifies, fails or open. `weight`: by the configured measure."""

    name: str
    cell: Cell
    state: str
    lines: list[CriterionLine]
    result: Json
    weight: float | None
    value: float | None


def decide_device(request: Request, preparation: FilePath, conversion: FilePath, output: FilePath) -> None:
    """Write the phase decision of a device, `decision.json` (schema `phase-decision`)."""
    write_json(output, seal(_build_decision(request, preparation, conversion)), "phase-decision")


@reading_once()
def read_phase_decision(path: FilePath, request: Request, preparation: FilePath, conversion: FilePath) -> Json:
    """Return the phase decision of a device after deciding again from its evidence; UserError names what differs."""
    document = read_json(path, "phase-decision")
    again = _build_decision(request, preparation, conversion)
    must_follow({key: value for key, value in document.items() if key != "document_sha256"}, again, "", path,
                "criteria and evidence")  # fmt: skip
    require_sealed(document, path, REMEDY)
    return document


@reading_once()
def _build_decision(request: Request, preparation: FilePath, conversion: FilePath) -> Json:
    criteria = read_criteria(f"config/criteria/{request.criteria}.yaml")
    prepared = read_sealed(preparation, "phase-preparation", REMEDY)
    converted = {entry["name"]: entry for entry in read_sealed(conversion, "phase-conversion", REMEDY)["candidates"]}
    candidates = [_judge_candidate(name, cell, request, criteria) for name, cell in request.cells.items()]
    gates = [*prepared["gates"], *_list_sample_gates(request, converted)]
    choice, chosen = choose_decision(candidates, request)
    open_gates = [gate for gate in gates if not gate["passed"]]
    if open_gates:
        choice, chosen = "insufficient_evidence", []
    unknown = [_say_unknown(each, line) for each in candidates for line in each.lines if _is_open(line)]
    return {
        "schema": _SCHEMA,
        "campaign": request.campaign,
        "device": request.device,
        "model": next(iter(request.cells.values())).model,
        "criteria": request.criteria,
        "lighter_by": request.lighter_by,
        "best_by": request.best_by,
        "decision": choice,
        "chosen": chosen,
        "sentence": _say_decision(choice, chosen, request, open_gates, unknown),
        "gates": gates,
        "candidates": [_describe(each, candidates, request) for each in candidates],
        "unknown": unknown,
        "declared": list(request.declared),
        "digests": {
            "preparation": sha256_file(preparation),
            "conversion": sha256_file(conversion),
            "results": {each.name: sha256_file(_result_path(each.cell)) for each in candidates},
            "comparisons": {name: sha256_file(path) for name, path in request.comparisons.items()},
        },
    }


def name_state(lines: Sequence[CriterionLine]) -> str:
    """Return the state of a candidate in a phase decision, by its criteria: `qualifies`, `fails` or `open`.

    It `qualifies` if it holds all that are required, and `fails` if it misses one.
    """
    verdicts = {line["verdict"] for line in lines if line["required"]}
    return "fails" if "fail" in verdicts else "open" if "unknown" in verdicts else "qualifies"


def choose_decision(candidates: Sequence[_Candidate], request: Request) -> tuple[str, list[str]]:
    """Return the phase decision on a device, and the names chosen.

    Several names: no comparison says which of them is better.
    """
    by_name = {each.name: each for each in candidates}
    sdk, hybrid = by_name.get("sdk"), by_name.get("hybrid")
    converted = [each for each in candidates if each.name not in ("sdk", "hybrid")]
    if sdk and sdk.state == "qualifies":
        return "sdk", ["sdk"]
    if sdk is None or sdk.state == "fails":
        fit = [each for each in converted if each.state == "qualifies" and _is_lighter(each, sdk)]
        if fit:
            return "convert", [each.name for each in _find_best(fit, request)]
        if all(each.state == "fails" for each in converted):
            if hybrid and hybrid.state == "qualifies":
                return "hybrid", ["hybrid"]
            if hybrid is None or hybrid.state == "fails":
                return "none_qualifies", []
    return "insufficient_evidence", []


def _judge_candidate(name: str, cell: Cell, request: Request, criteria: Criteria) -> _Candidate:
    path = _result_path(cell)
    result = read_result(path)
    parity = read_parity(result, f"{request.artifacts[name]}/parity.json")
    samples = list_processes(read_samples(path_beside(path))) if result["latency"] is not None else []
    evidence = RunEvidence(result, samples, parity)
    trivial = criteria["accept_trivial_parity"] or name in ("sdk", "hybrid")  # the reference itself agrees with itself
    lines = judge_criteria(criteria, lambda criterion: find_in_run(criterion, evidence, trivial))
    return _Candidate(
        name,
        cell,
        "open" if result["status"] == "unsupported" else name_state(lines),
        lines,
        result,
        _weigh(result, request.lighter_by),
        _value(result, request.best_by),
    )


def _weigh(result: Json, measure: str) -> float | None:
    if measure == "size":
        return result["artifact_bytes"]
    return result["memory_peak_bytes"] if measure == "memory" else result["energy"]["value_j"]


def _value(result: Json, objective: str) -> float | None:
    if objective == "latency":
        return None if result["latency"] is None else result["latency"]["median_ms"]
    return _weigh(result, objective)


def _is_lighter(candidate: _Candidate, sdk: _Candidate | None) -> bool:
    """Tell whether a candidate weighs less than the SDK's artifact; without an SDK each does."""
    if sdk is None:
        return True
    return candidate.weight is not None and sdk.weight is not None and candidate.weight < sdk.weight


def _find_best(fit: Sequence[_Candidate], request: Request) -> list[_Candidate]:
    """Return the best candidate, and with it those that nothing separates from it.

    Rows are not differences: two latencies are told apart by a comparison of the campaign, or not at all.
    """
    known = [each for each in fit if each.value is not None]
    if not known:
        return list(fit)
    best = min(known, key=lambda each: (each.value or 0.0, each.name))
    if request.best_by != "latency":
        return [each for each in fit if each.value == best.value]
    return [best, *(each for each in fit if each is not best and not _is_separated(best, each, request))]


def _is_separated(best: _Candidate, other: _Candidate, request: Request) -> bool:
    for path in request.comparisons.values():
        report = read_comparison(path)
        sides = [tuple(report[side][field] for field in Cell._fields) for side in ("left", "right")]
        if sides == [tuple(other.cell), tuple(best.cell)] and report["verdict"] == "faster":
            return True
        if sides == [tuple(best.cell), tuple(other.cell)] and report["verdict"] == "slower":
            return True
    return False


def _list_sample_gates(request: Request, converted: Mapping[str, Json]) -> list[Json]:
    """Return a gate for each candidate whose ranges were chosen from samples: there must be enough of them."""
    gates: list[Json] = []
    for name in request.cells:
        entry = converted.get(name)
        if entry and entry["samples_used"] is not None:
            reason = entry["samples_reason"]
            gates.append({"id": f"samples of {name}", "found": entry["samples_used"], "passed": reason is None,
                          "more_than": None, "reason": reason})  # fmt: skip
    return gates


def _describe(candidate: _Candidate, candidates: Sequence[_Candidate], request: Request) -> Json:
    result, sdk = candidate.result, next((each for each in candidates if each.name == "sdk"), None)
    converted = candidate.name not in ("sdk", "hybrid")
    return {
        "name": candidate.name,
        "role": "converted" if converted else candidate.name,
        "cell": candidate.cell._asdict(),
        "status": "pending" if _is_pending(result) else _STATUSES.get(result["status"], result["status"]),
        "reason": None if result["reason"] is None else result["reason"]["message"],
        "state": candidate.state,
        "weight": candidate.weight,
        "lighter": _is_lighter(candidate, sdk) if converted and sdk else None,
        "lines": [_show_flips(candidate, line, candidates, request) for line in candidate.lines],
        "provenance": result["provenance"],
        "brought": list_brought(run_folder(candidate.cell)),
    }


def _show_flips(
    candidate: _Candidate, line: CriterionLine, candidates: Sequence[_Candidate], request: Request
) -> dict[str, Any]:
    """Return a line with the decision that each other verdict of it alone would give."""
    outcomes: dict[str, str] = {}
    now = choose_decision(candidates, request)
    for verdict in VERDICTS:
        if verdict != line["verdict"]:
            lines: list[CriterionLine] = [
                {**each, "verdict": verdict} if each is line else each for each in candidate.lines
            ]
            other = _Candidate(
                candidate.name, candidate.cell, name_state(lines), lines, candidate.result, candidate.weight,
                candidate.value,
            )  # fmt: skip
            outcomes[verdict] = _name(
                *choose_decision([other if each is candidate else each for each in candidates], request)
            )
    return {**line, "decision_if": outcomes, "flips_decision": any(each != _name(*now) for each in outcomes.values())}


def _is_open(line: CriterionLine) -> bool:
    return line["required"] and line["verdict"] == "unknown"


def _say_unknown(candidate: _Candidate, line: CriterionLine) -> Json:
    cell = candidate.cell
    settle = _SETTLED_BY.get(line["metric"], "edgeproof runs again {cell}").format(cell=cell, device=cell.device)
    if _is_pending(candidate.result):
        settle = f"follow {cell.device}/runbook.md: edgeproof import-step {cell} FILE"
    return {"candidate": candidate.name, "criterion": line["id"], "reason": line["reason"], "settled_by": settle}


def _is_pending(result: Json) -> bool:
    """Tell whether nothing has been brought back yet from a device that no job reaches."""
    return result["reason"] is not None and result["reason"]["kind"] == NOT_BROUGHT


def _name(choice: str, chosen: Sequence[str]) -> str:
    return f"convert:{'|'.join(chosen)}" if choice == "convert" else choice


def _say_decision(
    choice: str, chosen: Sequence[str], request: Request, gates: Sequence[Json], unknown: Sequence[Json]
) -> str:
    where = f"On {request.device}"
    if choice == "sdk":
        return f"{where} the SDK's path holds every required criterion: keep it."
    if choice == "convert":
        names = " or ".join(chosen)
        more = "" if len(chosen) == 1 else " No comparison says which is better; compare them."
        return (
            f"{where} deploy {names}: it holds every required criterion and is lighter by {request.lighter_by}.{more}"
        )
    if choice == "hybrid":
        return f"{where} only the hybrid path holds every required criterion."
    if choice == "none_qualifies":
        return f"{where} nothing that was tried holds every required criterion."
    reasons = [f"{gate['id']}: {gate['reason']}" for gate in gates]
    reasons += [f"{item['candidate']}, {item['criterion']}: {item['reason']}" for item in unknown[:3]]
    more = len(unknown) - 3
    tail = f"; and {more} more" if more > 0 else ""
    return (
        f"{where} the evidence does not decide. {'; '.join(reasons) or 'no candidate was lighter than the SDK'}{tail}."
    )


def _result_path(cell: Cell) -> str:
    return f"{run_folder(cell)}/result.json"
