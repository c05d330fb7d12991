"""Placing a long, narrow graph: limits become prices, elimination gives the bound, and a local search the plan.

For prices λ ≥ 0 per limit, the least of objective + Σ λ (use − limit) never exceeds the best feasible objective; it is
found by `elimination.py`, and λ by subgradient steps (`bounds.climb`). What the cheapest placements at these prices use
too much of, the local search moves elsewhere. Without limits that bind, the first elimination is the optimum.
"""

import math

import numpy as np

from .bounds import climb
from .chain import SearchResult
from .elimination import Elimination, price_copies
from .local_search import LocalSearch

_METRICS = {"latency", "energy", "switches", "accuracy"}
_FIRST, _SECOND = 60, 120  # rounds of subgradient steps before and after the first plan
_STARTS = 12  # placements that the local search begins with, per turn
_SLACK = 1e-9  # of the bound: what summing floats may have lost


def handles_narrow(problem, level, caps):
    """Return whether costs of a level simply add up, so that a bound by elimination means something."""
    adds_up = set(level.weights) <= _METRICS and problem.scenario.execution != "scheduled"
    return adds_up and caps.period is None and all(cap is None for cap in caps.deadlines)


def search_narrow(problem, level, caps, gap=0.0):
    """Return a `SearchResult` of at most one placement with a bound, never `proven`: ties are not looked at.

    None when the graph is too wide. With `gap`, the search ends once (objective − bound) / objective is below it.
    """
    search = _Priced(problem, level, caps)
    if search.elimination.widest is None:
        return None
    value, excess = search.dual(np.zeros(len(search.limits)))
    if math.isinf(value):
        return None  # no placement avoids crossings without a link; CP-SAT proves it
    bound = value
    if (excess > 0).any():
        bound = max(bound, _climb(search, 1.05 * value, _FIRST))
    search.improve()
    for _ in range(2):
        if search.best is None or search.closes(bound, gap):
            break
        bound = max(bound, _climb(search, search.best, _SECOND // 2))
        search.improve()
    placements = [] if search.placement is None else [search.placement]
    bound = float((bound - _SLACK * abs(bound)) * search.scale)
    return SearchResult(placements, bound, False, search.evaluations, "elimination")


def _climb(search, target, rounds):
    trail = climb(search.dual, search.prices, target, rounds)
    search.prices = trail[-1][0]
    return trail[-1][1]


class _Priced:
    """A level's costs with limits priced in. `limits`: (use per option, is it paid by copies too, cap), each cap 1."""

    def __init__(self, problem, level, caps):
        self.problem, self.caps = problem, caps
        self.elimination = Elimination(problem)
        self.weights = {metric: float(weight * level.scale) for metric, weight in level.weights.items()}
        self.scale = 1.0
        self.local = LocalSearch(problem, self.weights, caps)
        self.limits = [
            *((metric, getattr(caps, metric)) for metric in ("latency", "energy", "accuracy")),
            *((("memory", device), cap) for device, cap in enumerate(caps.memory)),
        ]
        self.limits = [(metric, cap) for metric, cap in self.limits if cap is not None]
        self.prices = np.zeros(len(self.limits))
        self.options = [self._use(metric) for metric, _ in self.limits]
        self.own = self._blend(self.weights)
        self.seen, self.best, self.placement, self.evaluations = [], None, None, 0

    def _use(self, metric):
        """Return what every option uses of a limit; of memory the weights that nobody shares, which is no more."""
        problem = self.problem
        if isinstance(metric, str):
            return [np.array(row, float) for row in getattr(problem, metric)]
        return [
            np.array(
                [
                    weight if device == metric[1] and option.shared_weights is None else 0
                    for weight, device, option in zip(weights, devices, stage.options, strict=True)
                ],
                float,
            )
            for weights, devices, stage in zip(problem.weights, problem.device, problem.scenario.stages, strict=True)
        ]

    def _blend(self, weights):
        rows = [weights.get(name, 0.0) * 1.0 for name in ("latency", "energy", "accuracy")]
        tables = zip(self.problem.latency, self.problem.energy, self.problem.accuracy, strict=True)
        return [rows[0] * np.array(a) + rows[1] * np.array(b) + rows[2] * np.array(c) for a, b, c in tables]

    def dual(self, prices):
        """Return the Lagrangian value at prices per limit (limits scaled to 1), and its subgradient."""
        costs, weights = [row.copy() for row in self.own], dict(self.weights)
        for price, (metric, cap), use in zip(prices, self.limits, self.options, strict=True):
            if price == 0:
                continue
            rate = price / max(cap, 1)
            for row, used in zip(costs, use, strict=True):
                row += rate * used
            if metric in ("latency", "energy"):
                weights[metric] = weights.get(metric, 0.0) + rate
        value, placement = self.elimination.minimize(costs, *price_copies(self.problem, weights))
        self.evaluations += 1
        if math.isinf(value):
            return value, np.zeros(len(self.limits))
        totals = self.problem.evaluate(placement)
        excess = []
        for (metric, cap), use in zip(self.limits, self.options, strict=True):
            if metric in ("latency", "energy"):
                used = getattr(totals, metric)
            else:
                used = sum(row[option] for row, option in zip(use, placement, strict=True))
            excess.append(used / max(cap, 1) - cap / max(cap, 1))
        excess = np.array(excess)
        self.seen.append((max([0.0, *excess]), len(self.seen), placement))
        fixed = sum(price * cap / max(cap, 1) for price, (_, cap) in zip(prices, self.limits, strict=True))
        return value - fixed, excess

    def improve(self):
        """Try what was seen since the last time, that which breaks limits least first; keep the best plan."""
        tried = set()
        for _, _, placement in sorted(self.seen)[: 4 * _STARTS]:
            if placement in tried:
                continue
            tried.add(placement)
            found = self.local.repair(placement)
            if found is not None and (self.best is None or found[0] < self.best - 1e-12):
                self.best, self.placement = found
            if len(tried) == _STARTS:
                break
        self.seen = []

    def closes(self, bound, gap):
        """Return whether a bound is as near to the best plan as is asked."""
        return self.best - bound <= max(gap * abs(self.best), 1e-12 * abs(self.best))
