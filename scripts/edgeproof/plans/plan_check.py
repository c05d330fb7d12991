"""Runs a planned pipeline end to end as placed, and compares what was predicted with what is measured."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from edgeproof.core.configuration import Arm, Json, MeasuringProtocol, NamedDevice
from edgeproof.core.documents import read_json, read_sealed, write_sealed
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.layout import relative_to_repository
from edgeproof.core.recomputing import must_follow
from edgeproof.core.seals import REMEDY, digest_json, require_sealed
from edgeproof.core.summary import summarise_run
from edgeproof.core.tensors import read_tensors
from edgeproof.runs.measuring import worst_output_difference
from edgeproof.runs.raw_samples import list_processes, path_beside, read_samples, write_samples
from edgeproof.runs.results import OUTPUT_LIMIT
from edgeproof.runs.sessions import SessionSetup, compose_session_key, digest_agent, run_session

_MS = 1e6
_SAMPLES = "the samples"


class PlacedCell(TypedDict):
    """A variant of a stage on an executor, ready to run: `stage` counts from 0, `artifact` and `reference` are paths.

    `arm` is as in a run. `reference` holds what the artifact computed when its parity was checked; None: not known.
    """

    stage: int
    name: str
    executor: str
    precision: str
    arm: Arm
    artifact: str
    reference: str | None


@dataclass(frozen=True)
class PlanRun:
    """What is needed to run a plan as placed.

    `plan`: path of plan.json. `identities`: path of the identity of each stage. `cells`: those of the whole pipeline,
    of which the plan chooses one per stage. `inputs`: evaluation samples of the first stage; the first is the input.
    """

    plan: str
    identities: list[str]
    cells: list[PlacedCell]
    inputs: str
    device: NamedDevice
    protocol: MeasuringProtocol
    interpreter: str


def check_plan(run: PlanRun, output: Path, samples_path: Path) -> None:
    """Run the best plan as placed and write `check.json` (`edgeproof.plan-check.v2`) and `samples.csv` beside it.

    Without a plan nothing runs, and the status says so. A stage that does not run is a verdict; UserError when the
    session reached none.
    """
    plan_document = read_sealed(run.plan, "plan", REMEDY)
    document: Json = {
        "schema": "edgeproof.plan-check.v2",
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
    ordered = [session.samples[slot] for slot in sorted(session.samples)] if session else []
    write_samples(samples_path, [ordered] if ordered else [])
    document["samples_sha256"] = sha256_file(samples_path)
    write_sealed(output, document, "plan-check")


def compose_check_key(run: PlanRun) -> Json | None:
    """Return the key of the attempts of a check; None where there is no plan to run."""
    plans = read_json(run.plan, "plan")["plans"]
    if not plans:
        return None
    return compose_session_key(*_compose_session(run, plans[0], choose_cells(plans[0], run.cells), _read_stages(run)))


def _compose_session(
    run: PlanRun, plan: Json, chosen: list[PlacedCell], stages: list[Json]
) -> tuple[Json, list[str], SessionSetup]:
    """Return arms, order and setup of the session that runs a plan."""
    arm = place_checked_stages(plan, chosen, stages)
    setup = SessionSetup(run.inputs, run.device, run.protocol, run.interpreter)
    return {"placed": arm}, ["placed"] * run.protocol["processes"], setup


def _read_stages(run: PlanRun) -> list[Json]:
    """Return the identity of each stage; UserError where a model cannot be used, which no plan should place."""
    stages = [read_json(path, "identity") for path in run.identities]
    for identity in stages:
        if reason := identity.get("reason"):
            raise UserError(f"{identity['model']} cannot be used: {reason['message']}; plan again")
    return stages


def read_check(path: str | Path) -> Json:
    """Return the check at `path`, with its measured latency and error recomputed from `samples.csv` beside it.

    UserError names what does not follow from the samples.
    """
    check, samples_path = read_json(path, "plan-check"), path_beside(path)
    if sha256_file(samples_path) != check["samples_sha256"]:
        raise UserError(f"{samples_path}: its sha256 is not the samples_sha256 of {path}; not the samples measured")
    if check["measured"]:
        measured, samples = check["measured"], list_processes(read_samples(samples_path))
        again = summarise_samples(samples, measured["calls_per_sample"], measured["inputs"])
        must_follow(measured, again, "measured", path, _SAMPLES)
        error = compare_latency(check["predicted"]["latency_ms"], again)
        must_follow(check["error"], error, "error", path, _SAMPLES)
    require_sealed(
        check, path, "run the plan again"
    )  # covers the stages' times and the prediction, which the samples do not show
    return check


def summarise_samples(samples: Sequence[Any], calls: Sequence[int], inputs: int) -> Json:
    """Return the measured latency of a check of a plan.

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


def choose_cells(plan: Json, cells: list[PlacedCell]) -> list[PlacedCell]:
    """Return the cells that a plan to be checked chooses, one for each stage, in order.

    UserError when the pipeline has no such cell.
    """
    known = {(cell["name"], cell["executor"], cell["precision"]): cell for cell in cells}
    chosen = []
    for row in plan["assignments"]:
        key = (row["stage_name"], row["device_name"], row["variant"])
        if key not in known:
            raise UserError(f"the plan places {' '.join(key)}, which the pipeline does not have; plan again")
        chosen.append(known[key])
    return chosen


def place_checked_stages(plan: Json, chosen: list[PlacedCell], identities: list[Json]) -> Json:
    """Return what the agent runs to check a plan: one arm (backend `placed`) of stages, each on its executor.

    Tensors are named after the stage that reads them: `2/0` is the first input of stage 2, counted from 0. UserError
    when a stage does not read what the one before writes. An executor without an interpreter of its own has the
    agent's, whose path is in no key: a copied repository has another.
    """
    steps, executors, tensors = [], {}, {}
    places = [None, *(cell["executor"] for cell in chosen), None]
    for number, (cell, identity) in enumerate(zip(chosen, identities, strict=True)):
        arm = {key: value for key, value in cell["arm"].items() if key not in ("interpreter", "between_calls")}
        executors[cell["executor"]] = {"interpreter": cell["arm"].get("interpreter")}
        steps.append(
            {
                "name": plan["assignments"][number]["stage_name"],
                "executor": cell["executor"],
                "arm": {**arm, "artifact": str(cell["artifact"])},
                "inputs": _name_ends(identity["inputs"], number),
                "outputs": _name_ends(identity["outputs"], number + 1),
            }
        )
        if number:
            _check_joint(identities[number - 1], identity)
        if places[number] != places[number + 1]:
            tensors |= _describe_tensors(identity["inputs"], number)
    tensors |= _describe_tensors(identities[-1]["outputs"], len(identities))
    return {
        "backend": "placed",
        "precision": "mixed",
        "artifact": None,
        "runtime": {},
        "executors": executors,
        "tensors": tensors,
        "steps": steps,
        "inputs": _name_ends(identities[0]["inputs"], 0),
        "outputs": _name_ends(identities[-1]["outputs"], len(identities)),
    }


def compare_latency(predicted_ms: float, latency: Json) -> Json:
    """Return the error of the plan's prediction, measured / predicted − 1, with the interval of what was measured."""
    bounds = (latency["median_ms"], latency["interval_low_ms"], latency["interval_high_ms"])
    error, low, high = (None if bound is None else bound / predicted_ms - 1 for bound in bounds)
    return {"relative": error, "interval_low": low, "interval_high": high, "confidence": latency["confidence"]}


def _fill(document, plan_document, session, chosen, stages):
    processes, plan = session.record["processes"], plan_document["plans"][0]
    robustness = plan_document["robustness"]
    document["predicted"] = {
        "latency_ms": plan["total_latency_ms"],
        "quantiles_ms": robustness["latency_ms_quantiles"] if robustness else None,
    }
    document["attempt"] = relative_to_repository(session.attempt)
    document["environment"] = session.record["environment"]
    broken = next((process for process in processes if process["status"] != "ok"), None)
    if broken:
        reason = f"{broken['reason']['kind']}: {broken['reason']['message']}"
        document.update(status="failed", reason=reason, provenance="measured")
        return
    ordered = sorted(processes, key=lambda process: process["slot"])
    calls = [process["calls_per_sample"] for process in ordered]
    document["provenance"] = processes[0]["provenance"]
    samples = [session.samples[process["slot"]] for process in ordered]
    document["measured"] = summarise_samples(samples, calls, ordered[0]["inputs"])
    document["error"] = compare_latency(plan["total_latency_ms"], document["measured"])
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
    steps = [process["placed"]["steps"][number] for process in processes]
    return {
        "name": row["stage_name"],
        "executor": row["device_name"],
        "variant": row["variant"],
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


def _name_ends(items, number):
    return [[item["name"], f"{number}/{index}"] for index, item in enumerate(items)]


def _describe_tensors(items, number):
    return {f"{number}/{index}": {"dtype": item["dtype"], "shape": item["shape"]} for index, item in enumerate(items)}


def _check_joint(before, after):
    made, read = ([(item["dtype"], item["shape"]) for item in side] for side in (before["outputs"], after["inputs"]))
    if made != read:
        raise UserError(f"{after['model']} reads {read}, but {before['model']} makes {made}; they cannot be joined")
