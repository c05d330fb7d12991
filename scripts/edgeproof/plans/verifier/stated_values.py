"""Recomputes every value that a plan states about one placement, stage by stage and device by device."""

import math
from typing import Any

from edgeproof.core.configuration import Json
from edgeproof.plans.scenario.model import LIMIT_KEYS, METRIC_KEYS, Placement

from .ledger import Copy, Ledger
from .verdict import Verdict

_BLEND_NAMES = ("latency", "energy", "switches")
_TIE_BREAKERS = ["latency", "energy", "switches"]


def _list_levels(ledger: Ledger, goal: str) -> list[str]:
    """Return the metrics that a goal states as its levels, as documents name them; ValueError for an unknown goal."""
    if ledger.weights_of(goal) is not None:
        return ["score"]
    metrics = ledger.metrics_of(goal)
    if any(metric not in METRIC_KEYS or metric == "score" for metric in metrics):
        raise ValueError(f"{goal!r} is not a goal")
    if ledger.scenario.energy_missing is not None:
        metrics = [metric for metric in metrics if metric != "energy"]
    if metrics == _TIE_BREAKERS[: len(metrics)]:
        metrics = metrics[:1]
    return [METRIC_KEYS[metric] for metric in metrics]


def verify_header(verdict: Verdict, document: Json, ledger: Ledger) -> None:
    """Check the stated values of a plan document on scenario and goal."""
    scenario, said = ledger.scenario, document["scenario"]
    verdict.same(document["pipeline_name"], scenario.name, "pipeline_name")
    for key in ("version", "execution", "thermal"):
        verdict.same(said[key], getattr(scenario, key), f"scenario.{key}")
    verdict.same(said["stages"], len(scenario.stages), "scenario.stages")
    count = scenario.placements
    verdict.same(said["placements"], count if count < 2**53 else None, "scenario.placements")
    verdict.expect(abs(said["placements_log10"] - math.log10(count)) < 1e-5, "scenario.placements_log10 does not fit")
    goal = document["goal"]
    verdict.same(goal["levels"], _list_levels(ledger, goal["name"]), "goal.levels")
    weights = ledger.weights_of(goal["name"])
    found = None if weights is None else dict(zip(_BLEND_NAMES, weights, strict=True))
    verdict.same(goal["weights"], found, "goal.weights")
    verdict.compare(goal["latency_ref_ms"], ledger.latency_ref, "goal.latency_ref_ms")
    verdict.compare_energy(goal["energy_ref_mj"], ledger.energy_ref, scenario.energy_missing, "goal.energy_ref_mj")


def verify_statements(
    verdict: Verdict, document: Json, ledger: Ledger, plan: Json, placement: Placement, totals: dict[str, Any]
) -> None:
    """Check all stated values of a placement beside totals and times.

    These are path, memory, slack, and the stages' shares.
    """
    scenario, where = ledger.scenario, f"plan {plan['rank']}"
    names = [device.name for device in scenario.devices]
    chosen = [ledger.options[i][o] for i, o in enumerate(placement)]
    verdict.same(plan["pipeline_name"], scenario.name, f"{where}: pipeline_name")
    verdict.same(plan["goal"], document["goal"]["name"], f"{where}: goal")
    verdict.same(plan["path"], [names[chosen[i].device] for i in scenario.order], f"{where}: path")
    variants = [scenario.stages[i].options[placement[i]].variant for i in scenario.order]
    verdict.same(plan["variants"], variants, f"{where}: variants")
    verdict.same([row["device_name"] for row in plan["memory"]], names, f"{where}: devices of memory")
    verdict.same(sorted(plan["memory_by_device"]), sorted(names), f"{where}: devices of memory_by_device")
    for device, row, used in zip(scenario.devices, plan["memory"], totals["memory"], strict=True):
        place = f"{where}: memory of {device.name}"
        verdict.compare(row["used_mb"], used, place)
        verdict.compare(plan["memory_by_device"].get(device.name), used, f"{place} by device")
        verdict.compare(row["slack_mb"], device.memory_mb - float(used), f"{place}: slack")
        verdict.expect(row["budget_mb"] == device.memory_mb, f"{where}: budget of {device.name} is {row['budget_mb']}")
    _verify_slack(verdict, document, ledger, plan, totals)
    copies = ledger.require_copies(placement)
    rows = plan["assignments"]
    order = [scenario.stages[i].name for i in scenario.order]
    verdict.same([row["stage_name"] for row in rows], order, f"{where}: order of the stages")
    for row in rows:
        stage = order.index(row["stage_name"])
        _verify_stage(verdict, ledger, row, scenario.order[stage], placement, copies, where)


def _verify_slack(verdict, document, ledger, plan, totals):
    where = f"plan {plan['rank']}: slack"
    for metric, key in LIMIT_KEYS.items():
        limit, said = document["limits"][key], plan["slack"][key]
        if limit is None:
            verdict.same(said, None, f"{where} of {key}")
        else:
            verdict.compare(said, limit - float(totals[metric]), f"{where} of {key}")
    ends = {row["stage_name"]: row["end_ms"] for row in plan["assignments"]}
    deadlines = {s.name: s.deadline_ms for s in ledger.scenario.stages if s.deadline_ms is not None}
    verdict.same(sorted(plan["slack"]["deadline_ms"]), sorted(deadlines), f"{where}: stages with a deadline")
    for name, deadline in deadlines.items():
        verdict.compare(plan["slack"]["deadline_ms"].get(name), deadline - ends[name], f"{where} of {name}")


def _verify_stage(
    verdict: Verdict, ledger: Ledger, row: Json, stage: int, placement: Placement, copies: list[Copy], where: str
) -> None:
    """Check the shares of one stage: execution, what it waits for, energy, memory, accuracy and provenance."""
    scenario, o = ledger.scenario, placement[stage]
    option, known = ledger.options[stage][o], scenario.energy_missing
    mine = [copy for copy in copies if copy.rank == ledger.rank[stage]]
    moved, spent = sum(float(c.latency) for c in mine), sum(float(c.energy) for c in mine)
    place = f"{where}: {row['stage_name']}"
    entry = float(ledger.entries(placement)[stage])
    own = float(option.energy) + float(ledger.idle) * entry
    verdict.compare(row["entry_latency_ms"], entry, f"{place}: entry_latency_ms")
    verdict.compare(row["transfer_latency_ms"], moved, f"{place}: transfer_latency_ms")
    lasts = moved + entry + row["contention_latency_ms"] + float(option.latency)  # the events are checked elsewhere
    verdict.compare(row["total_latency_ms"], lasts, f"{place}: total_latency_ms")
    verdict.compare_energy(row["execution_energy_mj"], own, known, f"{place}: execution_energy_mj")
    verdict.compare_energy(row["transfer_energy_mj"], spent, known, f"{place}: transfer_energy_mj")
    verdict.compare_energy(row["total_energy_mj"], spent + own, known, f"{place}: total_energy_mj")
    verdict.compare(row["memory_mb"], option.weights + option.activations, f"{place}: memory_mb")
    verdict.compare(row["accuracy_drop"], option.accuracy, f"{place}: accuracy_drop")
    quantity = scenario.quantities.get(("option", stage, o, "latency_ms"))
    provenance = "declared" if quantity is None else quantity.provenance
    verdict.same(row["latency_provenance"], provenance, f"{place}: latency_provenance")
    verdict.same(row["latency_result"], None if quantity is None else quantity.result, f"{place}: latency_result")
