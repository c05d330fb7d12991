"""Checks a plan file without the solver: it reads the scenario and the plan, and computes everything again.

Costs, feasibility and objective are recomputed with exact fractions (`ledger.py`). Where there are at most 200,000
placements, all of them are tried: this confirms or refutes the ranking, the fronts, and the relaxations and the
conflict of an infeasible scenario. Larger spaces are bounded by the prices that the solver leaves in the certificate.
Scheduled plans are checked event by event; their optimality is confirmed by a search of its own (`schedule_space.py`).
"""

import itertools
from fractions import Fraction
from typing import Any

from edgeproof.core.configuration import Json
from edgeproof.plans.scenario.model import LIMIT_KEYS, Placement, Scenario

from .lagrangian_bound import recompute_bound
from .ledger import TOLERANCE, Ledger, relax_schedule
from .placement_space import Survey
from .schedule_laws import prove_schedules_again
from .schedule_space import measure_scheduled_memory
from .stated_fronts import verify_fronts
from .stated_search import verify_search
from .stated_transfers import CopyKey, key_copy, pair_transfers, verify_transfers
from .stated_values import verify_header, verify_statements
from .verdict import PRECISION, Verdict, counts_as_equal

ENUMERATED = 200_000
_FIELDS = {"latency": "total_latency_ms", "accuracy": "accuracy_drop", "period": "period_ms", "switches": "switches"}


def verify_plan(document: Json, scenario: Scenario, limit: int = ENUMERATED) -> Verdict:
    """Return the `Verdict` of the verification of a validated plan document, which needs no solver.

    Spaces of at most `limit` placements are tried completely.
    """
    verdict = Verdict()
    verdict.expect(
        document["scenario"]["digest"] == scenario.digest,
        f"the scenario's digest is {scenario.digest[:12]}…,"
        f" the plan was made from {document['scenario']['digest'][:12]}…",
    )
    if verdict.failures:
        return verdict
    try:
        _verify_contents(verdict, document, scenario, limit)
    except (KeyError, IndexError, ValueError) as error:
        verdict.expect(False, f"the plan names something that the scenario does not have: {error}")
    return verdict


def _verify_contents(verdict: Verdict, document: Json, scenario: Scenario, limit: int) -> None:
    rule = document["scenario"]["memory_rule"]
    goal = document["goal"]["name"]
    period = "period_ms" in document["goal"]["levels"] or document["limits"]["max_period_ms"] is not None
    verdict.expect(
        rule == ("pipelined" if period else scenario.execution),
        f"memory was counted as {rule}, which does not fit the goal",
    )
    limits = _read_limits(document, scenario, verdict)
    ledger = Ledger(scenario, rule)
    verify_header(verdict, document, ledger)
    verdict.same([plan["rank"] for plan in document["plans"]], list(range(1, len(document["plans"]) + 1)), "ranks")
    keys, placements = [], []
    for plan in document["plans"]:
        key = _verify_one(verdict, document, ledger, plan, goal, limits)
        if key is not None:
            keys.append(key)
            placements.append(tuple(key[-1][scenario.order.index(i)] for i in range(len(scenario.stages))))
    if len(keys) == len(document["plans"]):
        verdict.expect(
            all(a[:-1] <= b[:-1] or counts_as_equal(a[0], b[0]) for a, b in itertools.pairwise(keys)),
            "plans are not in order of rank",
        )
        verdict.expect(len(set(placements)) == len(placements), "one placement has two ranks")
    _verify_certificate(verdict, document)
    verify_search(verdict, document, scenario)
    verify_fronts(verdict, document, ledger, limits)
    if not verdict.ok:
        return
    if scenario.execution == "scheduled":
        _verify_schedules(verdict, document, Ledger(scenario, rule, float), placements, limits, limit)
    if scenario.placements <= limit:
        _verify_space(verdict, document, scenario, rule, goal, limits)
    elif scenario.execution != "scheduled":
        _verify_bound(verdict, document, ledger, limits)


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
    copies = ledger.require_copies(placement)
    transfers = pair_transfers(verdict, ledger, plan, copies, where)
    if transfers is None:
        return None
    events, ends = _verify_events(verdict, ledger, plan, placement, transfers, where)
    if verdict.failures:
        return None
    if ledger.scenario.execution == "scheduled":
        totals["latency"] = Fraction(max(end for _, end in events)) if events else Fraction(0)
        totals["memory"] = _scheduled_memory(ledger, placement, plan, transfers)
    else:
        for stage, end in ledger.stage_ends(placement, copies).items():
            verdict.compare(float(ends[stage]), end, f"{where}: end of {ledger.scenario.stages[stage].name}")
    for name, key in _FIELDS.items():
        verdict.compare(plan[key], totals[name], f"{where}: {key}")
    if ledger.scenario.energy_missing is None:
        verdict.compare(plan["total_energy_mj"], totals["energy"], f"{where}: total_energy_mj")
    verify_statements(verdict, document, ledger, plan, placement, totals)
    verify_transfers(verdict, ledger, transfers, copies, where)
    slackened = {name: None if cap is None else cap + PRECISION * max(1.0, cap) for name, cap in limits.items()}
    for broken in ledger.violations(placement, totals, slackened, ends):
        verdict.expect(False, f"{where} breaks the limit on {broken}")
    levels = ledger.levels(goal, totals)
    count = len(document["goal"]["levels"])
    verdict.same(len(plan["objective"]), count, f"{where}: number of objectives")
    if ledger.scenario.energy_missing is not None and goal == "accuracy-first":
        levels = levels[:2]
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
    verdict: Verdict,
    ledger: Ledger,
    plan: Json,
    placement: Placement,
    transfers: dict[CopyKey, Json],
    where: str,
) -> tuple[list[tuple[float, float]], dict[int, Fraction]]:
    """Check durations, order and exclusive use by stages and transfers; return their spans and the stages' ends."""
    scenario, copies = ledger.scenario, ledger.require_copies(placement)
    rows = {row["stage_name"]: row for row in plan["assignments"]}
    lanes, spans, ends, entries = {}, [], {}, ledger.entries(placement)
    times = {
        i: (Fraction(rows[stage.name]["start_ms"]), Fraction(rows[stage.name]["end_ms"]))
        for i, stage in enumerate(scenario.stages)
    }
    for i, stage in enumerate(scenario.stages):
        row, option = rows[stage.name], ledger.options[i][placement[i]]
        lost = ledger.lost(placement, times, i) if ledger.losses else 0
        verdict.compare(row["execution_latency_ms"], option.latency, f"{where}: execution of {stage.name}")
        lasts = option.latency + entries[i] + lost
        verdict.compare(row["contention_latency_ms"], lost, f"{where}: what {stage.name} loses to others")
        verdict.compare(row["end_ms"] - row["start_ms"], lasts, f"{where}: duration of {stage.name}")
        spans.append((row["start_ms"], row["end_ms"]))
        lanes.setdefault(("device", option.device), []).append(spans[-1])
        ends[i] = Fraction(row["end_ms"])
    for copy in copies:
        tensor, target, row = scenario.tensors[copy.tensor], copy.target, transfers[key_copy(copy)]
        producer = None if tensor.producer is None else scenario.stages[tensor.producer].name
        spans.append((row["start_ms"], row["end_ms"]))
        verdict.compare(row["end_ms"] - row["start_ms"], copy.latency, f"{where}: duration of a transfer")
        if copy.link is not None:
            lanes.setdefault(("link", copy.link), []).append(spans[-1])
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


def _scheduled_memory(ledger: Ledger, placement: Placement, plan: Json, transfers: dict[CopyKey, Json]) -> list[Any]:
    """Return the peak memory per device over the plan's own times, in MB."""
    rows = {row["stage_name"]: row for row in plan["assignments"]}
    starts, ends = ([rows[stage.name][key] for stage in ledger.scenario.stages] for key in ("start_ms", "end_ms"))
    copies = {key: row["start_ms"] for key, row in transfers.items()}
    return measure_scheduled_memory(ledger, placement, (starts, ends), copies)


def _verify_certificate(verdict: Verdict, document: Json) -> None:
    """Check that status, bound, gap and plans fit each other."""
    status, certificate = document["status"], document["certificate"]
    objective, bound = certificate["objective"], certificate["bound"]
    planned = status.startswith("optimal") or status == "gap"
    verdict.expect(planned == bool(document["plans"]), f"status {status} does not fit the plans")
    verdict.expect(
        status.startswith("infeasible") == (document["infeasibility"] is not None), f"status {status} has no reasons"
    )
    verdict.expect(len(document["plans"]) <= certificate["top_k"], "more plans than were asked for")
    ended = certificate["ended_by"]
    verdict.expect((status in ("gap", "unknown")) == (ended != "proof"), f"status {status}, but ended by {ended}")
    if not certificate["ranking_proven"]:
        verdict.doubt("the plan file itself does not call its answer proved to the last rank")
    if not planned:
        verdict.same((objective, certificate["gap"]), (None, None), "objective and gap without a plan")
        if status.startswith("infeasible"):
            verdict.same(bound, None, "certificate: bound")
        elif bound is not None:
            verdict.doubt("the bound of a search that found nothing was not recomputed")
        return
    verdict.expect(None not in (objective, bound, certificate["gap"]), "objective, bound and gap belong to every plan")
    if not verdict.ok:
        return
    verdict.expect(bound <= objective + TOLERANCE, f"the bound {bound} is above the objective {objective}")
    verdict.expect(counts_as_equal(certificate["gap"], max(0.0, objective - bound)), "gap is not objective − bound")
    if status != "gap":
        verdict.expect(
            certificate["gap"] <= TOLERANCE * max(1.0, abs(objective)), f"{status}, but the gap is {certificate['gap']}"
        )


def _verify_space(verdict, document, scenario, rule, goal, limits):
    """Try every placement."""
    survey = Survey(Ledger(scenario, rule, float), goal, limits, document["certificate"]["top_k"])
    survey.run(relax_schedule if scenario.execution == "scheduled" else None)
    survey.judge(verdict, document)


def _verify_schedules(verdict, document, ledger, placements, limits, steps):
    """Prove a scheduled optimum, or that there is no schedule, by a search of the verifier's own."""
    if document["status"] in ("unknown", "gap"):
        verdict.doubt(f"the status is {document['status']}: optimality is not claimed, and no bound was recomputed")
        return
    ranked = [(p, plan["total_score"]) for p, plan in zip(placements, document["plans"], strict=True)]
    proof = prove_schedules_again(
        ledger, document["goal"]["name"], limits, ranked, document["certificate"]["top_k"], max(1, steps // 4)
    )
    if proof.better is not None:
        verdict.expect(False, f"called {document['status']}, but {proof.better.value:.9g} is possible")
        return
    verdict.optimality = "confirmed: no schedule of any placement is better" if proof.first else "not confirmed"
    if not proof.first:
        verdict.doubt("whether a better schedule exists was not decided by a second search")
    elif not proof.ranking:
        verdict.doubt("whether the ranking misses a schedule was not decided by a second search")
    if document["infeasibility"] is not None:
        verdict.doubt("relaxations and conflict of a scheduled scenario were not recomputed")


def _verify_bound(verdict: Verdict, document: Json, ledger: Ledger, limits: dict[str, float | None]) -> None:
    """Bound a space that is too large to try by the prices in the certificate."""
    certificate, prices = document["certificate"], {}
    size = f"{document['scenario']['placements_log10']:.1f} decades of placements"
    if document["infeasibility"] is not None:
        verdict.doubt(f"infeasibility was not recomputed: {size}")
    verdict.optimality = f"bound not recomputed: {size}"
    if not document["plans"]:
        return
    known = {name: key for name, key in LIMIT_KEYS.items() if limits[name] is not None}
    known |= {f"memory of {device.name}": f"memory_mb of {device.name}" for device in ledger.scenario.devices}
    for row in certificate["prices"] or ():
        name = next((name for name, key in known.items() if key == row["limit"]), None)
        verdict.expect(name is not None and row["price"] >= 0, f"certificate: price of {row['limit']}: {row['price']}")
        prices[name] = row["price"]
    if not verdict.ok:
        return
    bound = recompute_bound(Ledger(ledger.scenario, ledger.rule, float), document["goal"]["name"], limits, prices)
    objective = certificate["objective"]
    if bound is None:
        verdict.doubt(f"the bound was not recomputed: {size}, and costs do not add up or the graph is too wide")
        return
    near = PRECISION * max(1.0, abs(objective))
    verdict.optimality = f"bounded: at the certificate's prices nothing is below {bound:.9g}"
    if bound >= objective - near:
        verdict.optimality = f"confirmed: at the certificate's prices nothing is below {bound:.9g}"
        if len(document["plans"]) > 1 or certificate["top_k"] > 1:
            verdict.doubt("the first plan is proved to be optimal, the further ranks were not recomputed")
    elif certificate["bound"] > bound + near:
        share = (objective - bound) / abs(objective) if objective else 0.0
        verdict.doubt(
            f"the bound {certificate['bound']:.9g} rests on the solver's word; recomputed, the plan is at most"
            f" {share:.2%} above the optimum"
        )


def _before(a, b):
    return a <= b + PRECISION * max(1.0, abs(b))
