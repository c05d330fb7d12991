"""Tries every placement, to find what ranking, fronts and certificate of infeasibility must say."""

import math
from bisect import insort
from collections.abc import Callable
from typing import Any

from edgeproof.core.configuration import Json
from edgeproof.plans.scenario.model import LIMIT_KEYS, METRIC_KEYS, Placement

from .ledger import Ledger
from .verdict import Verdict, counts_as_equal


class Survey:
    """One pass over all placements.

    `ledger` computes in floats. `limits` maps latency, energy, accuracy and period to their limits. `top_k`: how many
    values of the goal's first level to keep.
    """

    def __init__(self, ledger: Ledger, goal: str, limits: dict[str, float | None], top_k: int) -> None:
        self.ledger, self.goal, self.limits, self.top_k = ledger, goal, limits, top_k
        self.count, self.feasible = 0, 0
        self.best, self.front, self.free_front = [], set(), set()
        self.least, self.factor, self.broken_sets = {}, math.inf, set()

    def run(self, relax: Callable[[Ledger, Placement, dict[str, Any]], Any] | None) -> None:
        """Look at every placement.

        `relax(ledger, placement, totals)` returns a bound that replaces the latency (scheduled plans); None: the
        latency as it is.
        """
        for placement, totals, broken in self.ledger.enumerate(self.limits):
            self.count += 1
            if relax is not None:
                totals["latency"] = relax(self.ledger, placement, totals)
                broken = self.ledger.violations(placement, totals, self.limits)
            if not broken:
                self.feasible += 1
                insort(self.best, self.ledger.levels(self.goal, totals)[0])
                del self.best[self.top_k :]
            self._note_limits(totals, broken)
            self._note_front(self.front if not broken else None, totals)
            if not set(broken) - {"latency", "energy"}:
                self._note_front(self.free_front, totals)

    def _note_limits(self, totals, broken):
        self.broken_sets.add(frozenset(broken))
        if len(broken) == 1:
            value = self._value(broken[0], totals)
            self.least[broken[0]] = min(value, self.least.get(broken[0], math.inf))
        caps = (self.limits["latency"], self.limits["energy"])
        if all(caps) and not set(broken) - {"latency", "energy"}:
            self.factor = min(self.factor, max(totals["latency"] / caps[0], totals["energy"] / caps[1]))

    def _value(self, name, totals):
        if not name.startswith("memory of "):
            return totals.get(name, math.nan)
        names = [device.name for device in self.ledger.scenario.devices]
        return totals["memory"][names.index(name.removeprefix("memory of "))]

    def _note_front(self, front: set[tuple[float, ...]] | None, totals: dict[str, Any]) -> None:
        """Keep a point unless another is at least as good in latency, energy, accuracy and period; drop those
        it beats.
        """
        if front is None:
            return
        point = (totals["latency"], totals["energy"], totals["accuracy"], totals["period"])
        if any(all(a <= b + 1e-12 for a, b in zip(other, point, strict=True)) for other in front):
            return
        front -= {other for other in front if all(a <= b for a, b in zip(point, other, strict=True))}
        front.add(point)

    def judge(self, verdict: Verdict, document: Json) -> None:
        """Note in `verdict` where the plan file contradicts what was found, and what is known about its optimality."""
        scheduled = self.ledger.scenario.execution == "scheduled"
        if document["status"] in ("infeasible", "unknown"):
            if scheduled and self.feasible:
                verdict.optimality = "not confirmed: whether a schedule keeps the limits was not decided"
                return
            verdict.expect(
                self.feasible == 0 or document["status"] == "unknown",
                f"called infeasible, but {self.feasible} placements are feasible",
            )
            if document["infeasibility"] is not None and not scheduled:
                self._judge_infeasibility(verdict, document["infeasibility"])
            verdict.optimality = f"infeasibility confirmed: {self.count} placements with links tried"
            if self.feasible:
                verdict.optimality = f"not confirmed: {self.feasible} of {self.count} placements are feasible"
            return
        said = [plan["total_score"] for plan in document["plans"]]
        if scheduled:
            met = counts_as_equal(self.best[0], said[0])
            verdict.expect(said[0] >= self.best[0] - 1e-6, "the objective is below a bound that needs no schedule")
            verdict.optimality = (
                "confirmed: the objective meets a bound over all placements"
                if met
                else f"not confirmed: nothing can be below {self.best[0]:.6f}, the schedule itself was not re-proved"
            )
            return
        complete = len(said) == len(self.best)
        verdict.expect(complete, f"{len(said)} plans of at least {len(self.best)} feasible placements")
        agree = [counts_as_equal(a, b) for a, b in zip(said, self.best, strict=False)]
        if document["status"] == "optimal":
            verdict.expect(agree[0], f"called optimal at {said[0]}, but {self.best[0]} is possible")
        if document["certificate"]["ranking_proven"]:
            verdict.expect(all(agree), "the ranking misses a better placement")
        for name, front in (("with_caps", self.front), ("without_caps", self.free_front)):
            if document["pareto"] is not None and document["pareto"][name]["complete"]:
                self._judge_front(verdict, name, document["pareto"][name], front)
        verdict.optimality = f"confirmed: {self.count} placements with links tried, {self.feasible} feasible"

    def _judge_front(self, verdict, name, said, found):
        order = ("latency", "energy", "accuracy", "period")
        columns = [[METRIC_KEYS[name] for name in order].index(axis) for axis in said["axes"]]
        points = {tuple(point[c] for c in columns) for point in found}
        points = [
            p
            for p in points
            if not any(q != p and all(a <= b + 1e-12 for a, b in zip(q, p, strict=True)) for q in points)
        ]
        told = [tuple(point["values"]) for point in said["points"]]
        matched = len(told) == len(points) and all(
            any(all(abs(a - b) <= 1e-6 for a, b in zip(p, q, strict=True)) for q in told) for p in points
        )
        verdict.expect(matched, f"the front {name} has {len(told)} points, enumeration finds {len(points)}")

    def _judge_infeasibility(self, verdict, said):
        readable = {key: name for name, key in LIMIT_KEYS.items()}
        readable |= {f"memory_mb of {d.name}": f"memory of {d.name}" for d in self.ledger.scenario.devices}
        readable |= {f"deadline_ms of {s.name}": f"deadline of {s.name}" for s in self.ledger.scenario.stages}
        for row in said["relaxations"]:
            found = self.least.get(readable[row["limit"]], math.inf)
            if math.isnan(found) or row["limit"].startswith("deadline_ms"):
                continue
            if _is_no_claim(row["needed"], row["reason"]):
                continue
            told = math.inf if row["needed"] is None else row["needed"]
            words = f"{row['limit']} would need {found}, not {told}"
            verdict.expect(_agrees(told, found, row["needed"] is None or row["reason"] is None, 1e-6), words)
        factor, doubt = said["both_caps_factor"], said["both_caps_reason"]
        if factor is not None:
            words = f"both caps would need the factor {self.factor}"
            verdict.expect(_agrees(factor, self.factor, doubt is None, 1e-9), words)
        if said["conflict"] == ["links"]:
            verdict.expect(self.count == 0, "the conflict names the links, but some placement has all of its links")
            return
        conflict = {readable[name] for name in said["conflict"]}
        remaining = {frozenset(broken & conflict) for broken in self.broken_sets}
        verdict.expect(frozenset() not in remaining, "the limits in conflict can be kept together")
        for name in conflict if said["conflict_minimal"] else ():
            verdict.expect(frozenset({name}) in remaining, f"without {name} the limits are still in conflict")


def _is_no_claim(needed, reason):
    """Tell whether a relaxation says only that the effort ran out, which nothing can refute."""
    return needed is None and reason == "the limit on effort came first"


def _agrees(told, found, exact, tolerance):
    """Return whether what was told is what enumeration finds; what is only called enough may be larger."""
    if not exact:
        return told >= found - tolerance
    return told == found or abs(told - found) <= tolerance
