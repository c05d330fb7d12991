"""Tries every placement, to find what ranking, fronts and certificate of infeasibility must say."""

import math
from bisect import insort
from collections.abc import Callable
from typing import Any

import numpy as np

from edgeproof.core.configuration import Json
from edgeproof.plans.scenario.model import METRIC_KEYS, Placement

from .ledger import Ledger
from .stated_reasons import judge_infeasibility
from .verdict import Verdict, counts_as_equal

_AXES = ("latency", "energy", "accuracy", "period")
_PATHS = 4  # placements that a front names per point


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
        self.rows = []  # of placements that keep all limits but the caps: totals, path, whether they keep the caps

    def run(self, relax: Callable[[Ledger, Placement, dict[str, Any]], tuple[dict[str, Any], Any]] | None) -> None:
        """Look at every placement.

        `relax(ledger, placement, totals)` returns (totals, ends of the stages) that no schedule can be below; None:
        they are what serial execution makes them.
        """
        for placement, totals, broken in self.ledger.enumerate(self.limits):
            self.count += 1
            if relax is not None:
                totals, ends = relax(self.ledger, placement, totals)
                broken = self.ledger.violations(placement, totals, self.limits, ends)
            if not broken:
                self.feasible += 1
                insort(self.best, self.ledger.levels(self.goal, totals)[0])
                del self.best[self.top_k :]
            self._note_limits(placement, totals, broken)
            self._note_front(self.front if not broken else None, totals)
            if not set(broken) - {"latency", "energy"}:
                self._note_front(self.free_front, totals)
                path = tuple(placement[stage] for stage in self.ledger.scenario.order)
                self.rows.append(([totals[name] for name in _AXES], path, not broken))

    def _note_limits(self, placement, totals, broken):
        self.broken_sets.add(frozenset(broken))
        if len(broken) == 1:
            value = self._value(broken[0], totals, placement)
            self.least[broken[0]] = min(value, self.least.get(broken[0], math.inf))
        caps = (self.limits["latency"], self.limits["energy"])
        if all(caps) and not set(broken) - {"latency", "energy"}:
            self.factor = min(self.factor, max(totals["latency"] / caps[0], totals["energy"] / caps[1]))

    def _value(self, name, totals, placement):
        if name.startswith("deadline of "):
            stages = [stage.name for stage in self.ledger.scenario.stages]
            ends = self.ledger.stage_ends(placement, self.ledger.require_copies(placement))
            return ends[stages.index(name.removeprefix("deadline of "))]
        if not name.startswith("memory of "):
            return totals[name]
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
        status, said = document["status"], [plan["total_score"] for plan in document["plans"]]
        if self.ledger.scenario.execution == "scheduled":
            if said and self.best:
                words = "the objective is below a bound that needs no schedule"
                verdict.expect(said[0] >= self.best[0] - 1e-6, words)
            return
        if status == "unknown":
            verdict.optimality = f"not confirmed: {self.feasible} of {self.count} placements are feasible"
            verdict.doubt("the plan file claims nothing: no plan was found, and it is not proved that there is none")
            return
        if status.startswith("infeasible"):
            verdict.expect(self.feasible == 0, f"called infeasible, but {self.feasible} placements are feasible")
            if document["infeasibility"] is not None:
                judge_infeasibility(self, verdict, document["infeasibility"])
            self._judge_fronts(verdict, document)
            verdict.optimality = f"infeasibility confirmed: {self.count} placements with links tried"
            return
        verdict.expect(bool(self.best), "no placement is feasible")
        if not self.best:
            return
        bound = document["certificate"]["bound"]
        verdict.expect(
            bound <= self.best[0] or counts_as_equal(bound, self.best[0]),
            f"the bound {bound} is above what is possible, {self.best[0]}",
        )
        agree = [counts_as_equal(a, b) for a, b in zip(said, self.best, strict=False)]
        if status != "gap":
            verdict.expect(agree[0], f"called optimal at {said[0]}, but {self.best[0]} is possible")
        if document["certificate"]["ranking_proven"]:
            verdict.expect(len(said) == len(self.best), f"the ranking has {len(said)} plans, not {len(self.best)}")
            verdict.expect(all(agree), "the ranking misses a better placement")
        self._judge_fronts(verdict, document)
        verdict.optimality = f"confirmed: {self.count} placements with links tried, {self.feasible} feasible"

    def _judge_fronts(self, verdict, document):
        for name, front in (("with_caps", self.front), ("without_caps", self.free_front)):
            if document["pareto"] is not None and document["pareto"][name]["complete"]:
                self._judge_front(verdict, name, document["pareto"][name], front)

    def _judge_front(self, verdict, name, said, found):
        columns = [[METRIC_KEYS[name] for name in _AXES].index(axis) for axis in said["axes"]]
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
        rows = [row for row in self.rows if row[2] or name == "without_caps"]
        table = np.array([[row[0][c] for c in columns] for row in rows]).reshape(len(rows), len(columns))
        for point in said["points"]:
            near = np.flatnonzero((np.abs(table - np.array(point["values"])) <= 1e-6).all(axis=1))
            found = sorted(rows[int(index)][1] for index in near)[:_PATHS]
            paths = [tuple(path["options"]) for path in point["paths"]]
            verdict.expect(
                paths == found, f"the front {name} names other placements than the first that attain a point"
            )
