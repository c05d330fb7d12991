"""The independent verifier: is this plan file true? It reads scenario and plan and imports nothing of the solver.

Costs, feasibility and objective are recomputed with exact fractions from the written rules (`ledger.py`). Where the
space has at most 200,000 placements, all of them are tried: the ranking, the front, and for an infeasible scenario
the relaxations and the conflict, are confirmed or refuted. Scheduled plans are checked event by event; their
optimality is confirmed where the makespan meets a bound that needs no schedule.
"""

import itertools
from dataclasses import dataclass, field
from fractions import Fraction

from .ledger import Ledger, relax_schedule

ENUMERATED = 200_000
_TOLERANCE = 1e-9
_CAPS = {
    "latency": "max_total_latency_ms",
    "energy": "max_total_energy_mj",
    "accuracy": "max_accuracy_drop",
    "period": "max_period_ms",
}
_FIELDS = {"latency": "total_latency_ms", "accuracy": "accuracy_drop", "period": "period_ms", "switches": "switches"}


@dataclass
class Verdict:
    """What was checked: `failures` are sentences; `optimality` says what is known about the ranking."""

    checks: int = 0
    failures: list = field(default_factory=list)
    optimality: str = "not confirmed"

    @property
    def ok(self):
        """True when nothing the plan says was refuted."""
        return not self.failures

    def expect(self, condition, sentence):
        """Count a check, and note `sentence` when it fails."""
        self.checks += 1
        if not condition:
            self.failures.append(sentence)

    def compare(self, said, found, what):
        """Expect a number of the plan to equal the recomputed one within 1e-9 relative, or 1e-9 per unit."""
        close = said is not None and abs(said - found) <= 20 * _TOLERANCE * max(1.0, abs(float(found)))
        self.expect(close, f"{what} is {said}, recomputed {float(found):.9g}")


def verify_plan(document, scenario, limit=ENUMERATED):
    """Return the `Verdict` on a plan document (validated) for a `Scenario`; `limit`: placements worth trying all."""
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
            all(a[:-1] <= b[:-1] or _close(a[0], b[0]) for a, b in itertools.pairwise(keys)),
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


def _read_limits(document, scenario, verdict):
    said = {name: document["limits"][key] for name, key in _CAPS.items()}
    own = scenario.limits
    declared = (own.latency_ms, own.energy_mj, own.accuracy_drop, own.period_ms)
    for (name, value), limit in zip(said.items(), declared, strict=True):
        verdict.expect(
            limit is None or (value is not None and value <= limit),
            f"{_CAPS[name]} is {value}, the scenario allows {limit}",
        )
    return said


def _verify_one(verdict, document, ledger, plan, goal, limits):
    """Check one ranked plan; return its key, or None when it is no placement at all."""
    where = f"plan {plan['rank']}"
    placement = _read_placement(verdict, ledger.scenario, plan, where)
    totals = placement and ledger.account(placement)
    if placement is not None:
        verdict.expect(totals is not None, f"{where} crosses where there is no link")
    if not totals:
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
    slackened = {name: None if cap is None else cap + 20 * _TOLERANCE * max(1.0, cap) for name, cap in limits.items()}
    for broken in ledger.violations(placement, totals, slackened, ends):
        verdict.expect(False, f"{where} breaks the limit on {broken}")
    levels = ledger.levels(goal, totals)
    for said, found in zip(plan["objective"], levels, strict=False):
        verdict.compare(said, found, f"{where}: objective")
    verdict.compare(plan["total_score"], levels[0], f"{where}: total_score")
    if plan["rank"] == 1:
        verdict.compare(document["certificate"]["objective"], levels[0], "certificate: objective")
    return ledger.key(goal, placement, totals)


def _read_placement(verdict, scenario, plan, where):
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


def _verify_events(verdict, ledger, plan, placement, where):
    """Check durations, order and exclusiveness of stages and transfers; return their spans and the stages' ends."""
    scenario, copies = ledger.scenario, ledger.copies(placement)
    names = {device.name: i for i, device in enumerate(scenario.devices)}
    rows = {row["stage_name"]: row for row in plan["assignments"]}
    lanes, spans, ends = {}, [], {}
    for i, stage in enumerate(scenario.stages):
        row, option = rows[stage.name], ledger.options[i][placement[i]]
        verdict.compare(row["execution_latency_ms"], option[1], f"{where}: execution of {stage.name}")
        verdict.compare(row["end_ms"] - row["start_ms"], option[1], f"{where}: duration of {stage.name}")
        spans.append((row["start_ms"], row["end_ms"]))
        lanes.setdefault(("device", option[0]), []).append(spans[-1])
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
            (r for r in matches if _close(r["latency_ms"], latency) and _close(r["size_mb"], tensor.size_mb)), None
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
            if reader != -1 and ledger.options[reader][placement[reader]][0] == target:
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


def _scheduled_memory(ledger, placement, plan):
    """Return the peak memory per device over the plan's times."""
    scenario = ledger.scenario
    chosen = [ledger.options[i][o] for i, o in enumerate(placement)]
    if scenario.version == 1 or ledger.rule == "pipelined":
        return ledger.memory(chosen, ledger.copies(placement))
    rows = {row["stage_name"]: row for row in plan["assignments"]}
    times = [(rows[stage.name]["start_ms"], rows[stage.name]["end_ms"]) for stage in scenario.stages]
    spans = [(chosen[i][0], chosen[i][4], *times[i]) for i in range(len(chosen))]
    names = {device.name: i for i, device in enumerate(scenario.devices)}
    for k, tensor in enumerate(scenario.tensors):
        if tensor.producer is None:
            continue
        readers = [c for c in tensor.consumers if c != -1]
        last = max([times[tensor.producer][1], *(times[c][1] for c in readers)])
        spans.append((chosen[tensor.producer][0], ledger.sizes[k], times[tensor.producer][0], last))
        name = scenario.stages[tensor.producer].name
        for target in {chosen[c][0] for c in readers} - {chosen[tensor.producer][0]}:
            here = [c for c in readers if chosen[c][0] == target]
            starts = [
                row["start_ms"]
                for row in plan["transfers"]
                if row["source_stage"] == name
                and names[row["target_device"]] == target
                and _close(row["size_mb"], tensor.size_mb)
                and row["target_stage"] in {scenario.stages[c].name for c in here}
            ]
            spans.append((target, ledger.sizes[k], min(starts, default=0), max(times[c][1] for c in here)))
    peaks = []
    for device in range(len(scenario.devices)):
        mine = [span for span in spans if span[0] == device]
        moments = [
            sum(s for _, s, a, b in mine if a <= at + _TOLERANCE and at + _TOLERANCE < b) for _, _, at, _ in mine
        ]
        peaks.append(max(moments, default=0))
    return [a + b for a, b in zip(ledger.resident(chosen), peaks, strict=True)]


def _verify_certificate(verdict, document):
    status, certificate = document["status"], document["certificate"]
    objective, bound = certificate["objective"], certificate["bound"]
    verdict.expect((status in ("optimal", "gap")) == bool(document["plans"]), f"status {status} does not fit the plans")
    if status in ("optimal", "gap"):
        verdict.expect(bound <= objective + _TOLERANCE, f"the bound {bound} is above the objective {objective}")
        verdict.expect(_close(certificate["gap"], max(0.0, objective - bound)), "gap is not objective − bound")
    if status == "optimal":
        verdict.expect(
            certificate["gap"] <= _TOLERANCE * max(1.0, abs(objective)), f"optimal, but the gap is {certificate['gap']}"
        )


def _verify_space(verdict, document, scenario, rule, goal, limits):
    """Try every placement."""
    from .placement_space import Survey

    survey = Survey(Ledger(scenario, rule, float), goal, limits, max(1, len(document["plans"])))
    survey.run(relax_schedule if scenario.execution == "scheduled" else None)
    survey.judge(verdict, document)


def _close(a, b):
    return abs(float(a) - float(b)) <= 20 * _TOLERANCE * max(1.0, abs(float(b)))


def _before(a, b):
    return a <= b + 20 * _TOLERANCE * max(1.0, abs(b))
