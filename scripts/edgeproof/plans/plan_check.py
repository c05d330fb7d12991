"""Runs a planned pipeline end to end as placed, and compares what was predicted with what is measured."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeproof.core.configuration import Json, MeasuringProtocol, NamedDevice
from edgeproof.core.documents import read_json, read_sealed, write_sealed
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.layout import relative_to_repository
from edgeproof.core.recomputing import must_follow
from edgeproof.core.seals import REMEDY, digest_json, require_sealed
from edgeproof.core.summary import summarise_run
from edgeproof.core.tensors import read_tensors
from edgeproof.runs.process_outputs import worst_output_difference
from edgeproof.runs.raw_samples import path_beside, read_samples, write_samples
from edgeproof.runs.results import OUTPUT_LIMIT
from edgeproof.runs.sessions import Session, SessionSetup, compose_session_key, digest_agent, run_session

from .hand_overs import CONFIDENCE, summarise_hand_over
from .placed_arms import PlacedCell, choose_cells, fill_pipeline, place_checked_stages

_MS = 1e6
_FULL_S = 30.0  # for which a plan for overlapping inputs is kept full, all processes together
_SAMPLES = "the samples"


@dataclass(frozen=True)
class PlanRun:
    """What is needed to run a plan as placed.

    `plan`: path of plan.json. `identities`: path of the identity of each stage. `cells`: those of the whole pipeline,
    of which the plan chooses one per stage. `reads`: per stage the numbers of the stages that it reads. `inputs`:
    evaluation samples of the first stage; the first is the input.
    """

    plan: str
    identities: list[str]
    cells: list[PlacedCell]
    reads: list[list[int]]
    inputs: str
    device: NamedDevice
    protocol: MeasuringProtocol
    interpreter: str


def check_plan(run: PlanRun, output: Path, samples_path: Path) -> None:
    """Check the best plan: run it as placed, and write `check.json` and `samples.csv` beside it.

    The document is `edgeproof.plan-check.v3`. A plan for overlapping inputs is also kept full, for half a minute in
    all, and its period measured. Without a plan nothing runs, and the status says so. A stage that does not run is a
    verdict; UserError when the session reached none.
    """
    plan_document = read_sealed(run.plan, "plan", REMEDY)
    document: Json = {
        "schema": "edgeproof.plan-check.v3",
        "pipeline": plan_document["pipeline_name"],
        "goal": plan_document["goal"]["name"],
        "status": "no-plan",
        "reason": "there is no plan to run",
        "provenance": None,
        "plan": {"file": run.plan, "digest": digest_json(plan_document)},
        "scenario_digest": plan_document["scenario"]["digest"],
        "protocol": run.protocol,
        "predicted": None,
        "measured": None,
        "error": None,
        "period": None,
        "stages": [],
        "returning": None,
        "output_check": None,
        "environment": None,
        "agent_sha256": digest_agent(),
        "samples_sha256": None,
        "attempt": None,
    }
    session = None
    if plan_document["plans"]:
        plan = plan_document["plans"][0]
        chosen = choose_cells(plan, run.cells)
        stages = _read_stages(run)
        label = f"{document['pipeline']}/{document['goal']}"
        session = run_session(output.parent, label, *_compose_session(run, plan, chosen, stages))
        _fill(document, plan_document, session, chosen, stages)
    write_samples(samples_path, _list_samples(session) if session else [])
    document["samples_sha256"] = sha256_file(samples_path)
    write_sealed(output, document, "plan-check")


def compose_check_key(run: PlanRun) -> Json | None:
    """Return the key of the attempts of a plan check; None where there is no plan to run."""
    plans = read_json(run.plan, "plan")["plans"]
    if not plans:
        return None
    return compose_session_key(*_compose_session(run, plans[0], choose_cells(plans[0], run.cells), _read_stages(run)))


def _compose_session(
    run: PlanRun, plan: Json, chosen: list[PlacedCell], stages: list[Json]
) -> tuple[Json, list[str], SessionSetup]:
    """Return arms, order and setup of the session that runs a plan."""
    execution = read_json(run.plan, "plan")["scenario"]
    arm = place_checked_stages(plan, chosen, stages, run.reads, execution["execution"] == "scheduled")
    setup = SessionSetup(run.inputs, run.device, run.protocol, run.interpreter)
    count = run.protocol["processes"]
    arms, order = {"placed": arm}, ["placed"] * count
    if execution["memory_rule"] == "pipelined":
        arms["full"] = fill_pipeline(arm, run.reads, _FULL_S / count)
        order += ["full"] * count
    return arms, order, setup


def _list_samples(session: Session) -> list[list[Any]]:
    """Return the samples of a check as `samples.csv` has them.

    Session 0: the latency of one input alone. Of the pipeline kept full, session 1: the time from one result to the
    next, session 2: the time from an input to its result.
    """
    slots = {name: [] for name in ("placed", "full")}
    for process in sorted(session.record["processes"], key=lambda process: process["slot"]):
        if process["slot"] in session.samples:
            slots[process["arm"]].append(session.samples[process["slot"]])
    full = [[samples[row] for samples in slots["full"]] for row in (0, 1)] if slots["full"] else []
    return [slots["placed"], *full] if slots["placed"] else []


def _read_stages(run: PlanRun) -> list[Json]:
    """Return the identity of each stage; UserError where a model cannot be used, which no plan should place."""
    stages = [read_json(path, "identity") for path in run.identities]
    for identity in stages:
        if reason := identity.get("reason"):
            raise UserError(f"{identity['model']} cannot be used: {reason['message']}; plan again")
    return stages


def read_check(path: str | Path) -> Json:
    """Return the plan check at `path`, with latency and error recomputed from `samples.csv` beside it.

    UserError names what does not follow from the samples.
    """
    check, samples_path = read_json(path, "plan-check"), path_beside(path)
    if sha256_file(samples_path) != check["samples_sha256"]:
        raise UserError(f"{samples_path}: its sha256 is not the samples_sha256 of {path}; not the samples measured")
    if check["measured"]:
        measured, sessions = check["measured"], read_samples(samples_path)
        again = summarise_samples(sessions[0], measured["calls_per_sample"], measured["inputs"])
        must_follow(measured, again, "measured", path, _SAMPLES)
        error = compare_latency(check["predicted"]["latency_ms"], again)
        must_follow(check["error"], error, "error", path, _SAMPLES)
        if check["period"]:
            again = summarise_period(check["period"]["predicted_ms"], *sessions[1:])
            must_follow(check["period"], again, "period", path, _SAMPLES)
    require_sealed(
        check, path, "run the plan again"
    )  # covers the stages' times and the prediction, which the samples do not show
    return check


def summarise_samples(samples: Sequence[Any], calls: Sequence[int], inputs: int) -> Json:
    """Return the measured latency of a plan check.

    `samples`: ns per sample, `calls`: inferences per sample, both per process. `inputs`: how many it went through in
    turn.
    """
    times = [ns / count if count > 1 else ns for ns, count in zip(samples, calls, strict=True)]
    summary: Json = summarise_run([times], inputs)
    latency = summary["latency"]
    return {
        **{key: latency[key] for key in ("median_ms", "interval_low_ms", "interval_high_ms", "confidence", "noisy")},
        "process_medians_ms": [row["median_ns"] / _MS for row in summary["processes"]],
        "calls_per_sample": list(calls),
        "samples": summary["sample_count"],
        "inputs": inputs,
    }


def summarise_period(predicted_ms: float, gaps: Sequence[Any], responses: Sequence[Any]) -> Json:
    """Return what a plan check says of a pipeline that is kept full; ns per result and process.

    `gaps`: from one result to the next; the period of a process is their mean. `responses`: from an input to its
    result.
    """
    period = summarise_hand_over([float(np.mean(row)) / _MS for row in gaps])
    bounds = (period["value"], *(period["interval"] or (None, None)))
    relative, low, high = (None if bound is None else bound / predicted_ms - 1 for bound in bounds)
    return {
        "predicted_ms": predicted_ms,
        "measured": period,
        "error": {"relative": relative, "interval_low": low, "interval_high": high, "confidence": CONFIDENCE},
        "response": {
            "median_ms": summarise_hand_over([float(np.median(row)) / _MS for row in responses]),
            "largest_ms": max(int(np.max(row)) for row in responses) / _MS,
        },
        "results": sum(len(row) for row in gaps),
        "seconds": sum(int(np.sum(row)) for row in gaps) / 1e9,
    }


def compare_latency(predicted_ms: float, latency: Json) -> Json:
    """Return a plan check's error of the prediction, measured / predicted − 1, with its interval."""
    bounds = (latency["median_ms"], latency["interval_low_ms"], latency["interval_high_ms"])
    error, low, high = (None if bound is None else bound / predicted_ms - 1 for bound in bounds)
    return {"relative": error, "interval_low": low, "interval_high": high, "confidence": latency["confidence"]}


def _fill(document, plan_document, session, chosen, stages):
    processes, plan = session.record["processes"], plan_document["plans"][0]
    pipelined = plan_document["scenario"]["memory_rule"] == "pipelined"
    robustness = plan_document["robustness"]
    document["predicted"] = {
        "latency_ms": plan["total_latency_ms"],
        "quantiles_ms": robustness["latency_ms_quantiles"] if robustness else None,
        "period_ms": plan["period_ms"] if pipelined else None,
    }
    document["attempt"] = relative_to_repository(session.attempt)
    document["environment"] = session.record["environment"]
    broken = next((process for process in processes if process["status"] != "ok"), None)
    if broken:
        reason = f"{broken['reason']['kind']}: {broken['reason']['message']}"
        document.update(status="failed", reason=reason, provenance="measured")
        return
    ordered = sorted((p for p in processes if p["arm"] == "placed"), key=lambda process: process["slot"])
    calls = [process["calls_per_sample"] for process in ordered]
    document["provenance"] = processes[0]["provenance"]
    samples = [session.samples[process["slot"]] for process in ordered]
    document["measured"] = summarise_samples(samples, calls, ordered[0]["inputs"])
    document["error"] = compare_latency(plan["total_latency_ms"], document["measured"])
    if pipelined:
        document["period"] = summarise_period(plan["period_ms"], *_list_samples(session)[1:])
    document["stages"] = [_compare_stage(plan, number, ordered) for number in range(len(stages))]
    document["returning"] = {
        "predicted_ms": _predict_hop(plan, None),
        "measured_ms": statistics.median(process["placed"]["return_ns"] for process in ordered) / _MS,
    }
    document["output_check"] = check = _check_output(session, chosen[-1], stages[-1], document["provenance"])
    passed = check["passed"] is not False
    document.update(
        status="ok" if passed else "failed",
        reason=None if passed else "the outputs differ from those of the parity check",
    )


def _compare_stage(plan, number, processes):
    row = plan["assignments"][number]
    steps = [
        next(step for step in process["placed"]["steps"] if step["name"] == row["stage_name"]) for process in processes
    ]
    begin = row["end_ms"] - row["execution_latency_ms"]  # waking up, where a device has to, comes before it
    return {
        "name": row["stage_name"],
        "executor": row["device_name"],
        "variant": row["variant"],
        "predicted_start_ms": begin,
        "measured_start_ms": statistics.median(step["start_ns"] for step in steps) / _MS,
        "predicted_handover_ms": _predict_hop(plan, row["stage_name"]),
        "measured_handover_ms": statistics.median(step["handover_ns"] for step in steps) / _MS,
        "predicted_execution_ms": row["execution_latency_ms"],
        "measured_execution_ms": statistics.median(step["execution_ns"] for step in steps) / _MS,
    }


def _predict_hop(plan, stage):
    return sum((row["latency_ms"] for row in plan["transfers"] if row["target_stage"] == stage), 0.0)


def _check_output(session, last, identity, provenance):
    """Compare with what the artifact of the last stage computed from the same sample when its parity was checked."""
    if provenance == "simulated":
        reason = "outputs of a simulated run are not compared"
        return {"relative_l2": None, "limit": OUTPUT_LIMIT, "passed": None, "reason": reason}
    if not last["reference"]:
        reason = "the stages are models with their own samples"
        return {"relative_l2": None, "limit": OUTPUT_LIMIT, "passed": None, "reason": reason}
    known = read_tensors(last["reference"]).values()  # converters rename outputs, and keep their order
    reference = {f"outputs/{item['name']}": value for item, value in zip(identity["outputs"], known, strict=True)}
    difference = worst_output_difference(session, reference)
    passed = difference is not None and difference <= OUTPUT_LIMIT
    shown = difference if difference is not None and difference != float("inf") else None
    return {"relative_l2": shown, "limit": OUTPUT_LIMIT, "passed": passed, "reason": None}
