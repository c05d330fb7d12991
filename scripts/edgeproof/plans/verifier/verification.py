"""Checks a plan file without the solver: it reads the scenario and the plan, and computes everything again.

Costs, feasibility and objective are recomputed with exact fractions (`ledger.py`). Where there are at most 200,000
placements, all of them are tried: this confirms or refutes the ranking, the fronts, and the relaxations and the
conflict of an infeasible scenario. Scheduled plans are checked event by event; their optimality is confirmed where the
makespan meets a bound that needs no schedule.
"""

import itertools
from fractions import Fraction
from typing import Any

from edgeproof.core.configuration import Json
from edgeproof.plans.scenario.model import LIMIT_KEYS, Placement, Scenario

from .ledger import TOLERANCE, Ledger, account_least_makespan
from .placement_space import Survey
from .verdict import PRECISION, Verdict, counts_as_equal

ENUMERATED = 200_000
_FIELDS = {"latency": "total_latency_ms", "accuracy": "accuracy_drop", "period": "period_ms", "switches": "switches"}


def verify_plan(document: Json, scenario: Scenario, limit: int = ENUMERATED) -> Verdict:
    """Return the `Verdict` on a validated plan document; spaces of at most `limit` placements are tried completely."""
    verdict = Verdict()
    verdict.expect(
        document["scenario"]["digest"] == scenario.digest,
        f"the scenario's digest is {scenario.digest[:12]}…,"
        f" the plan was made from {document['scenario']['digest'][:12]}…",
    )
    if verdict.failures:
        return verdict
    rule = document["scenario"]["memory_rule"]
    goal = document["goal"]["name"]
    period = "period_ms" in document["goal"]["levels"] or document["limits"]["max_period_ms"] is not None
    verdict.expect(
        rule == ("pipelined" if period else scenario.execution),
        f"memory was counted as {rule}, which does not fit the goal",
    )
    limits = _read_limits(document, scenario, verdict)
    ledger = Ledger(scenario, rule)
    keys = []
    for plan in document["plans"]:
        key = _verify_one(verdict, document, ledger, plan, goal, limits)
        if key is not None:
            keys.append(key)
    if len(keys) == len(document["plans"]):
        verdict.expect(
            all(a[:-1] <= b[:-1] or counts_as_equal(a[0], b[0]) for a, b in itertools.pairwise(keys)),
            "plans are not in order of rank",
        )
    _verify_certificate(verdict, document)
    if verdict.ok and scenario.placements <= limit:
        _verify_space(verdict, document, scenario, rule, goal, limits)
    elif verdict.ok:
        verdict.optimality = (
            f"bound not recomputed: {document['scenario']['placements_log10']:.1f} decades of placements"
        )
    return verdict


def _read_limits(document: Json, scenario: Scenario, verdict: Verdict) -> dict[str, float | None]:
    """Return the limits of the plan by metric; note those that are looser than the scenario's."""
    said = {name: document["limits"][key] for name, key in LIMIT_KEYS.items()}
    own = scenario.limits
    declared = (own.latency_ms, own.energy_mj, own.accuracy_drop, own.period_ms)
    for (name, value), limit in zip(said.items(), declared, strict=True):
        verdict.expect(
            limit is None or (value is not None and value <= limit),
            f"{LIMIT_KEYS[name]} is {value}, the scenario allows {limit}",
        )
    return said


def _verify_one(
    verdict: Verdict, document: Json, ledger: Ledger, plan: Json, goal: str, limits: dict[str, float | None]
) -> tuple[Any, ...] | None:
    """Check one ranked plan; return what it is ranked by, or None when it is not a placement."""
    where = f"plan {plan['rank']}"
    placement = _read_placement(verdict, ledger.scenario, plan, where)
    if placement is None:
        return None
    totals = ledger.account(placement)
    verdict.expect(totals is not None, f"{where} crosses where there is no link")
    if totals is None:
        return None
    events, ends = _verify_events(verdict, ledger, plan, placement, where)
    if ledger.scenario.execution == "scheduled":
        totals["latency"] = Fraction(max(end for _, end in events)) if events else Fraction(0)
        totals["memory"] = _scheduled_memory(ledger, placement, plan)
    for name, key in _FIELDS.items():
        verdict.compare(plan[key], totals[name], f"{where}: {key}")
    if ledger.scenario.energy_missing is None:
        verdict.compare(plan["total_energy_mj"], totals["energy"], f"{where}: total_energy_mj")
    for device, row, used in zip(ledger.scenario.devices, plan["memory"], totals["memory"], strict=True):
        verdict.compare(row["used_mb"], used, f"{where}: memory of {device.name}")
        verdict.expect(row["budget_mb"] == device.memory_mb, f"{where}: budget of {device.name} is {row['budget_mb']}")
    slackened = {name: None if cap is None else cap + PRECISION * max(1.0, cap) for name, cap in limits.items()}
    for broken in ledger.violations(placement, totals, slackened, ends):
        verdict.expect(False, f"{where} breaks the limit on {broken}")
    levels = ledger.levels(goal, totals)
    for said, found in zip(plan["objective"], levels, strict=False):
        verdict.compare(said, found, f"{where}: objective")
    verdict.compare(plan["total_score"], levels[0], f"{where}: total_score")
    if plan["rank"] == 1:
        verdict.compare(document["certificate"]["objective"], levels[0], "certificate: objective")
    return ledger.key(goal, placement, totals)


def _read_placement(verdict: Verdict, scenario: Scenario, plan: Json, where: str) -> Placement | None:
    """Return the placement that a plan's assignments stand for; None when they are none, which is noted."""
    rows = {row["stage_name"]: row for row in plan["assignments"]}
    names = [stage.name for stage in scenario.stages]
    verdict.expect(
        sorted(rows) == sorted(names) and len(rows) == len(plan["assignments"]),
        f"{where} does not assign each stage once",
    )
    if sorted(rows) != sorted(names):
        return None
    placement = []
    for stage in scenario.stages:
        row = rows[stage.name]
        fits = [
            o
            for o, option in enumerate(stage.options)
            if scenario.devices[option.device].name == row["device_name"] and option.variant == row["variant"]
        ]
        verdict.expect(
            len(fits) == 1, f"{where}: {stage.name} cannot run on {row['device_name']} {row['variant']}".strip()
        )
        if not fits:
            return None
        placement.append(fits[0])
    return tuple(placement)


def _verify_events(
    verdict: Verdict, ledger: Ledger, plan: Json, placement: Placement, where: str
) -> tuple[list[tuple[float, float]], dict[int, Fraction]]:
    """Check durations, order and exclusive use by stages and transfers; return their spans and the stages' ends."""
    scenario, copies = ledger.scenario, ledger.require_copies(placement)
    names = {device.name: i for i, device in enumerate(scenario.devices)}
    rows = {row["stage_name"]: row for row in plan["assignments"]}
    lanes, spans, ends = {}, [], {}
    for i, stage in enumerate(scenario.stages):
        row, option = rows[stage.name], ledger.options[i][placement[i]]
        verdict.compare(row["execution_latency_ms"], option.latency, f"{where}: execution of {stage.name}")
        verdict.compare(row["end_ms"] - row["start_ms"], option.latency, f"{where}: duration of {stage.name}")
        spans.append((row["start_ms"], row["end_ms"]))
        lanes.setdefault(("device", option.device), []).append(spans[-1])
        ends[i] = Fraction(row["end_ms"])
    verdict.expect(
        len(plan["transfers"]) == len(copies), f"{where}: {len(plan['transfers'])} transfers, needed {len(copies)}"
    )
    said = {}
    for row in plan["transfers"]:
        said.setdefault((row["source_stage"], names[row["source_device"]], names[row["target_device"]]), []).append(row)
    for _, k, source, target, latency, _, link in copies:
        tensor = scenario.tensors[k]
        producer = None if tensor.producer is None else scenario.stages[tensor.producer].name
        matches = said.get((producer, source, target), [])
        row = next(
            (
                r
                for r in matches
                if counts_as_equal(r["latency_ms"], latency) and counts_as_equal(r["size_mb"], tensor.size_mb)
            ),
            None,
        )
        verdict.expect(
            row is not None, f"{where}: no transfer of {producer or 'the input'} to {scenario.devices[target].name}"
        )
        if row is None:
            continue
        matches.remove(row)
        spans.append((row["start_ms"], row["end_ms"]))
        verdict.compare(row["end_ms"] - row["start_ms"], latency, f"{where}: duration of a transfer")
        if link is not None:
            lanes.setdefault(("link", link), []).append(spans[-1])
        if producer is not None:
            verdict.expect(
                _before(rows[producer]["end_ms"], row["start_ms"]), f"{where}: {producer} is sent before it ends"
            )
        for reader in tensor.consumers:
            if reader != -1 and ledger.options[reader][placement[reader]].device == target:
                name = scenario.stages[reader].name
                verdict.expect(
                    _before(row["end_ms"], rows[name]["start_ms"]), f"{where}: {name} starts before its input"
                )
    for tensor in scenario.tensors:
        for reader in tensor.consumers:
            if tensor.producer is not None and reader != -1:
                made, read = scenario.stages[tensor.producer].name, scenario.stages[reader].name
                verdict.expect(
                    _before(rows[made]["end_ms"], rows[read]["start_ms"]), f"{where}: {read} starts before {made} ends"
                )
    if scenario.execution != "scheduled":
        lanes = {"all": spans}
    for lane in lanes.values():
        ordered = sorted(lane)
        verdict.expect(
            all(_before(a[1], b[0]) for a, b in itertools.pairwise(ordered)), f"{where}: two things at one time"
        )
    return spans, ends


def _scheduled_memory(ledger: Ledger, placement: Placement, plan: Json) -> list[Any]:
    """Return the peak memory per device over the plan's own times, in MB."""
    scenario = ledger.scenario
    chosen = [ledger.options[i][o] for i, o in enumerate(placement)]
    if scenario.version == 1 or ledger.rule == "pipelined":
        return ledger.memory(chosen, ledger.require_copies(placement))
    rows = {row["stage_name"]: row for row in plan["assignments"]}
    times = [(rows[stage.name]["start_ms"], rows[stage.name]["end_ms"]) for stage in scenario.stages]
    spans = [(chosen[i].device, chosen[i].activations, *times[i]) for i in range(len(chosen))]
    names = {device.name: i for i, device in enumerate(scenario.devices)}
    for k, tensor in enumerate(scenario.tensors):
        if tensor.producer is None:
            continue
        readers = [c for c in tensor.consumers if c != -1]
        last = max([times[tensor.producer][1], *(times[c][1] for c in readers)])
        spans.append((chosen[tensor.producer].device, ledger.sizes[k], times[tensor.producer][0], last))
        name = scenario.stages[tensor.producer].name
        for target in {chosen[c].device for c in readers} - {chosen[tensor.producer].device}:
            here = [c for c in readers if chosen[c].device == target]
            starts = [
                row["start_ms"]
                for row in plan["transfers"]
                if row["source_stage"] == name
                and names[row["target_device"]] == target
                and counts_as_equal(row["size_mb"], tensor.size_mb)
                and row["target_stage"] in {scenario.stages[c].name for c in here}
            ]
            spans.append((target, ledger.sizes[k], min(starts, default=0), max(times[c][1] for c in here)))
    peaks = []
    for device in range(len(scenario.devices)):
        mine = [span for span in spans if span[0] == device]
        moments = [sum(s for _, s, a, b in mine if a <= at + TOLERANCE and at + TOLERANCE < b) for _, _, at, _ in mine]
        peaks.append(max(moments, default=0))
    return [a + b for a, b in zip(ledger.resident(chosen), peaks, strict=True)]


def _verify_certificate(verdict: Verdict, document: Json) -> None:
    """Check that status, bound, gap and plans fit each other."""
    status, certificate = document["status"], document["certificate"]
    objective, bound = certificate["objective"], certificate["bound"]
    verdict.expect((status in ("optimal", "gap")) == bool(document["plans"]), f"status {status} does not fit the plans")
    if status in ("optimal", "gap"):
        verdict.expect(bound <= objective + TOLERANCE, f"the bound {bound} is above the objective {objective}")
        verdict.expect(counts_as_equal(certificate["gap"], max(0.0, objective - bound)), "gap is not objective − bound")
    if status == "optimal":
        verdict.expect(
            certificate["gap"] <= TOLERANCE * max(1.0, abs(objective)), f"optimal, but the gap is {certificate['gap']}"
        )


def _verify_space(verdict, document, scenario, rule, goal, limits):
    """Try every placement."""
    survey = Survey(Ledger(scenario, rule, float), goal, limits, max(1, len(document["plans"])))
    survey.run(account_least_makespan if scenario.execution == "scheduled" else None)
    survey.judge(verdict, document)


def _before(a, b):
    return a <= b + PRECISION * max(1.0, abs(b))
