"""`plan.json`: one document per request, with its certificate. Numbers have the units in their names."""

import math
from pathlib import Path

from edgeproof.core.configuration import Json
from edgeproof.core.documents import validate
from edgeproof.core.seals import seal
from edgeproof.plans.scenario.costs import UNIT, Problem
from edgeproof.plans.scenario.goals import BLENDS, Goal, Metric
from edgeproof.plans.scenario.model import LIMIT_KEYS, METRIC_KEYS, Placement
from edgeproof.plans.scenario.timeline import measure_totals, trace_plan

from .explanation import explain_plan
from .flip_points import find_flip_points
from .plan_notes import list_notes, name_resampled_number
from .planning import Outcome
from .robustness import Robustness


def build_plan_document(outcome: Outcome, source: str | Path | None = None) -> Json:
    """Return the sealed plan document of an `Outcome`; `source`: the scenario's path as it should be shown."""
    problem, scenario, answer = outcome.problem, outcome.problem.scenario, outcome.answer
    plans = [
        _describe_plan(outcome, rank, placement, schedule)
        for rank, (placement, schedule) in enumerate(zip(answer.placements, answer.schedules, strict=True), 1)
    ]
    placements = scenario.placements
    document = {
        "schema": "edgeproof.plan.v6",
        "pipeline_name": scenario.name,
        "scenario": {
            "source": None if source is None else str(source),
            "digest": scenario.digest,
            "version": scenario.version,
            "execution": scenario.execution,
            "thermal": scenario.thermal,
            "memory_rule": problem.memory_rule,
            "stages": len(scenario.stages),
            "placements": placements if placements < 2**53 else None,
            "placements_log10": round(sum(math.log10(len(stage.options)) for stage in scenario.stages), 6),
        },
        "goal": _describe_goal(outcome),
        "limits": {key: scenario.limits.of(metric) for metric, key in LIMIT_KEYS.items()},
        "status": answer.status,
        "certificate": {
            "top_k": outcome.request.top_k,
            "objective": answer.objective,
            "bound": answer.bound if answer.bound is not None and math.isfinite(answer.bound) else None,
            "gap": answer.gap,
            "ranking_proven": answer.ranking_proven,
            "engine": answer.engine,
            "nodes": answer.nodes,
            "label_limit": outcome.request.effort.labels,
            "deterministic_seconds_limit": outcome.request.effort.seconds,
            "gap_limit": outcome.request.effort.gap,
            "ended_by": outcome.ended_by,
            "prices": None if answer.prices is None else _describe_prices(scenario, answer.prices),
        },
        "plans": plans,
        "infeasibility": _describe_infeasibility(outcome.infeasibility),
        "pareto": outcome.fronts and {name: _describe_front(outcome, f) for name, f in outcome.fronts.items()},
        "robustness": describe_robustness(problem, outcome.goal, outcome.robustness),
    }
    document["flip_points"] = describe_flip_points(problem, outcome.goal, answer.placements)
    document["notes"] = list_notes(scenario, document)
    return validate(seal(document), "plan", "the plan")


def _describe_prices(scenario, prices):
    """Return what one unit of each limit is worth at the certificate's Lagrangian bound."""
    names: dict[Metric, str] = dict(LIMIT_KEYS.items())
    names |= {("memory", i): f"memory_mb of {device.name}" for i, device in enumerate(scenario.devices)}
    return [{"limit": names[metric], "price": price * UNIT} for metric, price in prices.items()]


def _describe_goal(outcome):
    problem, name = outcome.problem, outcome.goal.name
    weights = BLENDS.get(name)
    known = problem.scenario.energy_missing is None
    return {
        "name": name,
        "levels": [METRIC_KEYS[level.name] for level in outcome.goal.levels],
        "weights": weights and dict(zip(("latency", "energy", "switches"), map(float, weights), strict=True)),
        "latency_ref_ms": problem.latency_ref / UNIT,
        "energy_ref_mj": problem.energy_ref / UNIT if known else None,
    }


def _describe_plan(outcome, rank, placement, schedule):
    problem, scenario = outcome.problem, outcome.problem.scenario
    totals = measure_totals(problem, placement, schedule)
    timeline = trace_plan(problem, placement, schedule)
    energy_known = scenario.energy_missing is None
    values = [float(level.value(totals) * level.scale) for level in outcome.goal.levels]
    transfers = [_describe_transfer(problem, event) for event in timeline.events if event.crossing is not None]
    stages = {event.stage: event for event in timeline.events if event.stage is not None}
    entries = problem.list_entries(problem.devices_of(placement))
    assignments = [
        _describe_assignment(problem, placement, i, stages[i], (transfers, entries[i])) for i in problem.order
    ]
    memory = [
        {
            "device_name": device.name,
            "used_mb": used / UNIT,
            "budget_mb": device.memory_mb,
            "slack_mb": device.memory_mb - used / UNIT,
        }
        for device, used in zip(scenario.devices, totals.memory, strict=True)
    ]
    plan = {
        "rank": rank,
        "pipeline_name": scenario.name,
        "goal": outcome.goal.name,
        "strategy": "exact",
        "total_latency_ms": totals.latency / UNIT,
        "total_energy_mj": totals.energy / UNIT if energy_known else None,
        "total_score": values[0],
        "objective": values,
        "switches": totals.switches,
        "accuracy_drop": totals.accuracy / UNIT,
        "period_ms": totals.period / UNIT,
        "path": [assignment["device_name"] for assignment in assignments],
        "variants": [assignment["variant"] for assignment in assignments],
        "memory_by_device": {row["device_name"]: row["used_mb"] for row in memory},
        "memory": memory,
        "slack": _measure_slack(scenario, totals, stages),
        "assignments": assignments,
        "transfers": transfers,
    }
    plan["explanation"] = explain_plan(plan)
    return plan


def _describe_transfer(problem, event):
    scenario, crossing = problem.scenario, event.crossing
    tensor = scenario.tensors[crossing.tensor]
    return {
        "source_stage": None if tensor.producer is None else scenario.stages[tensor.producer].name,
        "target_stage": None if crossing.reader == -1 else scenario.stages[crossing.reader].name,
        "tensor": tensor.name or None,
        "source_device": scenario.devices[crossing.source].name,
        "target_device": scenario.devices[crossing.target].name,
        "size_mb": tensor.size_mb,
        "latency_ms": crossing.latency / UNIT,
        "energy_mj": crossing.energy / UNIT if scenario.energy_missing is None else None,
        "start_ms": event.start / UNIT,
        "end_ms": event.end / UNIT,
    }


def _describe_assignment(problem, placement, stage, event, before):
    """Return the shares of one stage; `before`: the plan's transfers, and what the device takes to wake up."""
    scenario, o, (transfers, entry) = problem.scenario, placement[stage], before
    spec, option = scenario.stages[stage], scenario.stages[stage].options[o]
    known = scenario.energy_missing is None
    mine = [t for t in transfers if t["target_stage"] == spec.name]
    moved_ms = sum((t["latency_ms"] for t in mine), 0.0)
    moved_mj = sum((t["energy_mj"] for t in mine), 0.0) if known else 0.0
    quantity = scenario.quantities.get(("option", stage, o, "latency_ms"))
    latency = problem.latency[stage][o] / UNIT
    lost = event.end - event.start - entry - problem.latency[stage][o]  # to stages that run at the same time
    energy = (problem.energy[stage][o] + problem.draw_idly([entry])) / UNIT
    return {
        "stage_name": spec.name,
        "device_name": scenario.devices[option.device].name,
        "variant": option.variant,
        "execution_latency_ms": latency,
        "entry_latency_ms": entry / UNIT,
        "contention_latency_ms": lost / UNIT,
        "transfer_latency_ms": moved_ms,
        "total_latency_ms": latency + (entry + lost) / UNIT + moved_ms,
        "execution_energy_mj": energy if known else None,
        "transfer_energy_mj": moved_mj if known else None,
        "total_energy_mj": energy + moved_mj if known else None,
        "memory_mb": option.weights_mb + option.activations_mb,
        "accuracy_drop": option.accuracy_drop,
        "start_ms": event.start / UNIT,
        "end_ms": event.end / UNIT,
        "latency_provenance": quantity.provenance if quantity else "declared",
        "latency_result": quantity.result if quantity else None,
    }


def _measure_slack(scenario, totals, stages):
    slack: Json = {}
    for metric, key in LIMIT_KEYS.items():
        limit = scenario.limits.of(metric)
        slack[key] = None if limit is None else limit - getattr(totals, metric) / UNIT
    slack["deadline_ms"] = {
        stage.name: stage.deadline_ms - stages[i].end / UNIT
        for i, stage in enumerate(scenario.stages)
        if stage.deadline_ms is not None
    }
    return slack


def _describe_infeasibility(certificate):
    if certificate is None:
        return None
    return {
        "relaxations": [
            {"limit": r.limit, "value": r.value, "needed": r.needed, "reason": r.reason}
            for r in certificate.relaxations
        ],
        "both_caps_factor": certificate.both_caps_factor,
        "both_caps_reason": certificate.both_caps_reason,
        "conflict": list(certificate.conflict),
        "conflict_minimal": certificate.conflict_minimal,
    }


def _describe_front(outcome, front):
    problem = outcome.problem
    names = [device.name for device in problem.scenario.devices]
    points = [
        {
            "values": list(point.values),
            "paths": [
                {
                    "switches": totals.switches,
                    "path": [names[problem.device[stage][placement[stage]]] for stage in problem.order],
                    "variants": [problem.scenario.stages[s].options[placement[s]].variant for s in problem.order],
                    "options": [placement[stage] for stage in problem.order],
                }
                for placement, totals in zip(point.placements, point.totals, strict=True)
            ],
        }
        for point in front.points
    ]
    return {"axes": [METRIC_KEYS[axis] for axis in front.axes], "complete": front.complete, "points": points}


def describe_flip_points(problem: Problem, goal: Goal, placements: tuple[Placement, ...]) -> list[Json] | None:
    """Return the part of a plan document on what would change its first plan; None where that was not computed."""
    found = find_flip_points(problem, goal, placements[0]) if placements else None
    if found is None:
        return None
    scenario, names = problem.scenario, [device.name for device in problem.scenario.devices]
    return [
        {
            "number": name_resampled_number(scenario, point.place),
            "value_ms": point.value,
            "flips_at_ms": point.flips_at,
            "path": point.placement and [names[problem.device[i][point.placement[i]]] for i in problem.order],
            "variants": point.placement
            and [scenario.stages[i].options[point.placement[i]].variant for i in problem.order],
        }
        for point in found
    ]


def describe_robustness(problem: Problem, goal: Goal, found: Robustness | None) -> Json | None:
    """Return the part of a plan document on how robust its first plan is; None where nothing was assessed."""
    if found is None:
        return None
    names = [device.name for device in problem.scenario.devices]
    contenders = [
        {
            "path": [names[problem.device[stage][c.placement[stage]]] for stage in problem.order],
            "variants": [problem.scenario.stages[s].options[c.placement[s]].variant for s in problem.order],
            "probability_best": c.probability_best,
            "probability_best_interval": list(c.best_interval),
            "probability_feasible": c.probability_feasible,
            "probability_feasible_interval": list(c.feasible_interval),
            "expected_regret": c.expected_regret,
            "worst_regret": c.worst_regret,
        }
        for c in found.contenders
    ]
    return {
        "method": "bootstrap over processes, the same processes for all numbers of one result; intervals as normal",
        "draws": found.draws,
        "seed": found.seed,
        "uncertain_numbers": found.uncertain,
        "fixed_numbers": found.fixed,
        "stage_error": problem.scenario.stage_error,
        "regret_unit": goal.levels[0].name,
        "plan": contenders[0],
        "runner_up": contenders[1] if len(contenders) > 1 else None,
        "contenders": contenders[1:],
        "latency_ms_quantiles": dict(zip(("p5", "p50", "p95"), found.latency_quantiles_ms, strict=True)),
        "draws_without_plan": found.infeasible_draws,
        "repeat_next": found.repeat
        and {
            "result": found.repeat.result,
            "numbers": list(found.repeat.places),
            "expected_regret_after": found.repeat.expected_regret_after,
            "probability_best_after": found.repeat.probability_best_after,
        },
    }
