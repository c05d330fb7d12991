"""Recomputes the points of stated Pareto fronts from their placements, and holds them against each other."""

from typing import Any

from edgeproof.core.configuration import Json
from edgeproof.plans.scenario.model import METRIC_KEYS

from .ledger import Ledger
from .verdict import PRECISION, Verdict


def _list_axes(ledger: Ledger, period: bool) -> list[str]:
    """Return the axes of a front as documents name them.

    Latency, energy where it is known, accuracy where it varies, and the period where it matters.
    """
    axes = ["latency"] + ["energy"] * (ledger.scenario.energy_missing is None)
    axes += ["accuracy"] * (len({option.accuracy for row in ledger.options for option in row}) > 1)
    return [METRIC_KEYS[axis] for axis in axes + ["period"] * period]


def verify_fronts(verdict: Verdict, document: Json, ledger: Ledger, limits: dict[str, float | None]) -> None:
    """Check every point of the stated fronts: its values, its placements, its limits, and that none beats another."""
    if document["pareto"] is None:
        return
    known = (_list_axes(ledger, False), _list_axes(ledger, True))
    free = {**limits, "latency": None, "energy": None}
    for name, allowed in (("with_caps", limits), ("without_caps", free)):
        front = document["pareto"][name]
        verdict.expect(front["axes"] in known, f"the front {name} has the axes {front['axes']}")
        if not verdict.ok:
            return
        for point in front["points"]:
            _verify_point(verdict, ledger, front["axes"], point, allowed, f"front {name}")
        values = [point["values"] for point in front["points"]]
        for a in values:
            beaten = any(b is not a and all(x <= y for x, y in zip(b, a, strict=True)) for b in values)
            verdict.expect(not beaten, f"front {name}: {a} is beaten by another point")
        if not front["complete"]:
            verdict.doubt(f"the front {name} is not called complete")
        elif ledger.scenario.placements > 200_000 or ledger.scenario.execution == "scheduled":
            verdict.doubt(f"whether the front {name} is complete was not recomputed")


def _verify_point(verdict: Verdict, ledger: Ledger, axes: list[str], point: Json, limits: Any, where: str) -> None:
    scenario, metric_of = ledger.scenario, {key: metric for metric, key in METRIC_KEYS.items()}
    verdict.same(len(point["values"]), len(axes), f"{where}: number of values")
    verdict.expect(bool(point["paths"]), f"{where}: a point has no placement")
    for path in point["paths"]:
        fits = len(path["options"]) == len(scenario.order) and all(
            0 <= o < len(scenario.stages[i].options) for o, i in zip(path["options"], scenario.order, strict=False)
        )
        verdict.expect(fits, f"{where}: {path['options']} is no placement")
        if not fits:
            continue
        by_stage = dict(zip(scenario.order, path["options"], strict=True))
        placement = tuple(by_stage[i] for i in range(len(scenario.stages)))
        chosen = [scenario.stages[i].options[placement[i]] for i in scenario.order]
        verdict.same(path["path"], [scenario.devices[o.device].name for o in chosen], f"{where}: path")
        verdict.same(path["variants"], [option.variant for option in chosen], f"{where}: variants")
        totals = ledger.account(placement)
        verdict.expect(totals is not None, f"{where}: a placement crosses where there is no link")
        if totals is None:
            continue
        verdict.same(path["switches"], totals["switches"], f"{where}: switches")
        if scenario.execution == "scheduled":
            verdict.doubt(f"the schedules of the {where} are not part of the plan file")
            continue
        for axis, said in zip(axes, point["values"], strict=False):
            verdict.compare(said, totals[metric_of[axis]], f"{where}: {axis}")
        slack = {key: None if cap is None else cap + PRECISION * max(1.0, cap) for key, cap in limits.items()}
        broken = ledger.violations(placement, totals, slack)
        verdict.expect(not broken, f"{where}: {path['options']} breaks the limit on {', '.join(broken)}")
