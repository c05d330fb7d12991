"""A pipeline of two stages, placed and run: the files that the plans room would have written."""

import itertools

import numpy as np
from edgeproof.bench.made_up_cells import digest, write_cell
from edgeproof.core.documents import read_json, write_json, write_sealed
from edgeproof.core.files import atomic_write, sha256_file
from edgeproof.core.layout import Cell, artifact_folder, plan_folder, run_folder, source_folder
from edgeproof.core.seals import digest_json
from edgeproof.plans.outcome.plan_document import build_plan_document
from edgeproof.plans.outcome.plan_page import render_page
from edgeproof.plans.outcome.planning import Request, plan_scenario
from edgeproof.plans.plan_check import compare_latency, summarise_samples
from edgeproof.plans.scenario.assembling import write_scenario
from edgeproof.plans.scenario.loading import load_scenario
from edgeproof.runs.raw_samples import write_samples

EXECUTORS = ("left", "right")
STAGES = ("stem", "head")


def write_placement(pipeline="pipe", goal="min-latency", cap_ms=None, measured_ms=3.4, status="ok"):
    """Write scenario, plan, check and page below `results/plans/`; return [pipeline, goal].

    `cap_ms`: a limit on the latency. `status`: of the check, `failed` with a reason if it is not ok.
    """
    cells = []
    for (number, stage), (place, executor) in itertools.product(enumerate(STAGES), enumerate(EXECUTORS)):
        model, preset = f"{pipeline}-0{number + 1}-{stage}", ("ort-cpu", "ort-cpu-1t")[place]
        write_cell(model=model, preset=preset, median_ms=1.0 + number + 0.5 * (number == place))
        cell = Cell(model, preset, "desk", "fp32")
        cells.append(
            {
                "stage": number,
                "executor": executor,
                "precision": "fp32",
                "result": f"{run_folder(cell)}/result.json",
                "parity": f"{artifact_folder(model, preset, 'host', 'fp32')}/parity.json",
            }
        )
    ends = itertools.permutations(("host", *EXECUTORS), 2)
    document = {
        "stages": [{"name": name} for name in STAGES],
        "executors": [{"name": n, "device": "desk", "preset": "ort-cpu", "memory_mb": 2048} for n in EXECUTORS],
        "links": {"declare": [{"source": a, "target": b, "setup_ms": 0.1, "latency_ms_per_mb": 0.2} for a, b in ends]},
        "constraints": {} if cap_ms is None else {"max_total_latency_ms": cap_ms},
    }
    identities = [f"{source_folder(f'{pipeline}-0{n + 1}-{stage}')}/identity.json" for n, stage in enumerate(STAGES)]
    scenario, folder = f"{plan_folder(pipeline)}/scenario.json", plan_folder(pipeline, goal)
    write_scenario(pipeline, document, identities, cells, None, None, scenario)
    plan = build_plan_document(plan_scenario(load_scenario(scenario), Request(goal=goal, draws=20)), scenario)
    write_json(f"{folder}/plan.json", plan, "plan")
    check = write_check(folder, plan, measured_ms, status)
    atomic_write(f"{folder}/plan.html", render_page(plan, check))
    return [pipeline, goal]


def write_check(folder, plan, measured_ms, status):
    """Write check.json and samples.csv of a plan and return the check."""
    ran = bool(plan["plans"]) and status == "ok"
    samples = [np.full(60, measured_ms * 1e6).astype("int64") + n * 1000 for n in range(3)] if ran else []
    write_samples(f"{folder}/samples.csv", [samples] if ran else [])
    measured = summarise_samples(samples, [1, 1, 1], 1) if ran else None
    chosen = plan["plans"][0] if plan["plans"] else None
    document = {
        "schema": "edgeproof.plan-check.v3",
        "pipeline": plan["pipeline_name"],
        "goal": plan["goal"]["name"],
        "status": status if chosen else "no-plan",
        "reason": None if ran else "load_failed: stage head: made up" if chosen else "there is no plan to run",
        "provenance": "measured" if chosen else None,
        "plan": {"file": f"{folder}/plan.json", "digest": digest_json(plan)},
        "scenario_digest": plan["scenario"]["digest"],
        "protocol": {},
        "predicted": chosen and {"latency_ms": chosen["total_latency_ms"], "quantiles_ms": None, "period_ms": None},
        "measured": measured,
        "error": measured and compare_latency(chosen["total_latency_ms"], measured),
        "period": None,
        "stages": [_describe_stage(row) for row in chosen["assignments"]] if ran else [],
        "returning": {"predicted_ms": 0.1, "measured_ms": 0.12} if ran else None,
        "output_check": None,
        "environment": None,
        "agent_sha256": digest("agent"),
        "samples_sha256": sha256_file(f"{folder}/samples.csv"),
        "attempt": None,
    }
    write_sealed(f"{folder}/check.json", document, "plan-check")
    return read_json(f"{folder}/check.json", "plan-check")


def _describe_stage(row):
    return {
        "name": row["stage_name"],
        "executor": row["device_name"],
        "variant": row["variant"],
        "predicted_start_ms": row["start_ms"],
        "measured_start_ms": row["start_ms"],
        "predicted_handover_ms": row["transfer_latency_ms"],
        "measured_handover_ms": row["transfer_latency_ms"] * 1.5,
        "predicted_execution_ms": row["execution_latency_ms"],
        "measured_execution_ms": row["execution_latency_ms"] * 1.1,
    }
