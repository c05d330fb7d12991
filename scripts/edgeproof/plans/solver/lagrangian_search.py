"""Places a long graph of few open tensors: limits become prices, elimination gives the bound, a local search the plan.

For prices λ ≥ 0 per limit, the least of objective + Σ λ (use − limit) never exceeds the best feasible objective;
`elimination.py` finds it, and `cutting_planes.py` finds λ. The local search then repairs the placements that are
cheapest at these prices. When no limit binds, the first elimination is the optimum.

One more limit follows from memory: a connected graph that needs m devices crosses at least m − 1 times. Without it, the
prices mix placements of one device each, and the bound contains no crossing.
"""

import itertools
import math
from collections.abc import Iterable

import numpy as np

from edgeproof.plans.scenario.costs import Caps, Problem
from edgeproof.plans.scenario.goals import Level, Metric
from edgeproof.plans.scenario.model import Placement

from .chain_search import SearchResult
from .cutting_planes import ascend_by_cuts
from .device_blocks import list_blocks
from .elimination import Elimination, add_up_copies
from .local_search import LocalSearch
from .watch import Effort

_WORK = 4e8  # table entries in all: about 10 s
_ROUNDS = (30, 60, 120)  # evaluations of prices; a local search follows each round
_STARTS = 8  # placements that a local search starts from
_SUBSETS = 10  # devices; all subsets are tried up to this many
_SLACK = 1e-11  # relative to the bound: the rounding error of float sums


def search_lagrangian(
    problem: Problem, level: Level, caps: Caps, effort: Effort | None = None, top_k: int = 1
) -> SearchResult | None:
    """Search by Lagrangian prices; return a `SearchResult` with a bound, never `proven`: ties are not broken.

    The first placement is the best one that was found; the others differ from it in one stage. None when the graph is
    too wide, or every placement needs a link that is missing. With a gap in `effort`, the search ends once
    (objective − bound) / objective is below it.
    """
    effort = effort or Effort()
    gap, watch = effort.gap, effort.watch
    search = _Priced(problem, level, caps)
    if search.elimination.widest is None:
        return None
    bound, excess = search.dual(np.zeros(search.count))
    if math.isinf(bound):
        return None
    binding = bool((excess > 0).any())
    if binding:
        search.begin(list_blocks(problem, search.weights, caps, _STARTS))
    prices, box = np.zeros(search.count), abs(bound)
    for rounds in _ROUNDS if binding else ():
        rounds = min(rounds, int(_WORK / len(_ROUNDS) / search.elimination.work))
        if rounds:
            prices, value = ascend_by_cuts(search.dual, prices, box, rounds)
            bound = max(bound, value)
        search.improve()
        if search.best is not None:
            watch.note(search.best, bound)
        if search.closes(bound, gap) or watch.expired:
            break
        box /= 8
    search.improve()
    placements = [] if search.placement is None else search.local.list_neighbours(search.placement, top_k)
    bound = float(bound - _SLACK * abs(bound))
    return SearchResult(placements, bound, False, search.evaluations, "elimination", prices=search.read_prices(prices))


def count_forced_crossings(problem: Problem, caps: Caps) -> int:
    """Return how many crossings memory forces on every placement, for the Lagrangian search one more limit to price.

    0 if that is not known. Copies connect the devices in use, so there are at least as many as devices in use less one,
    if the graph is connected.
    """
    budgets = [cap for cap in caps.memory if cap is not None]
    if len(budgets) < len(caps.memory):
        return 0
    group = list(range(len(problem.order)))
    for tensor in problem.scenario.tensors:
        members = [s for s in (tensor.producer, *tensor.consumers) if s is not None and s != -1]
        if tensor.producer is not None:
            joined = {group[s] for s in members}
            group = [min(joined) if g in joined else g for g in group]
    if len(set(group)) > 1:
        return 0
    needs = _list_needs(problem)
    devices = range(len(caps.memory))
    if len(devices) > _SUBSETS:
        return 0
    for count in devices:
        for chosen in itertools.combinations(devices, count + 1):
            if needs[:, chosen].min(axis=1).sum() <= sum(budgets[device] for device in chosen):
                return count
    return 0


def _list_needs(problem: Problem) -> np.ndarray:
    """Return stages × devices: the least weights of a stage on a device, infinite where it cannot run.

    Shared weights count as 0, because it is not known here which stages share them.
    """
    needs = np.full((len(problem.device), len(problem.scenario.devices)), np.inf)
    for stage, spec in enumerate(problem.scenario.stages):
        for option, device in enumerate(problem.device[stage]):
            weight = 0 if spec.options[option].shared_weights is not None else problem.weights[stage][option]
            needs[stage, device] = min(needs[stage, device], weight)
    return needs


class _Priced:
    """A level's costs with limits priced in, each limit as a share of itself, in readers' units."""

    def __init__(self, problem: Problem, level: Level, caps: Caps) -> None:
        self.problem = problem
        self.elimination = Elimination(problem)
        self.weights = {str(metric): float(weight * level.scale) for metric, weight in level.weights.items()}
        self.local = LocalSearch(problem, self.weights, caps)
        limits = [
            *((metric, getattr(caps, metric)) for metric in ("latency", "energy", "accuracy")),
            *((device, cap) for device, cap in enumerate(caps.memory)),
        ]
        self.limits = [(what, max(cap, 1)) for what, cap in limits if cap is not None]
        self.uses = [self._list_uses(what) for what, _ in self.limits]
        self.crossings = count_forced_crossings(problem, caps)
        self.count = len(self.limits) + bool(
            self.crossings
        )  # prices; the last is that of the least number of crossings
        self.seen, self.best, self.placement, self.evaluations = [], None, None, 0

    def _list_uses(self, what: str | int) -> list[np.ndarray]:
        """Return what every option uses of a limit; of a device's memory only weights that are not shared."""
        problem = self.problem
        if isinstance(what, str):
            return [np.array(row, float) for row in getattr(problem, what)]
        own = [[option.shared_weights is None for option in stage.options] for stage in problem.scenario.stages]
        rows = zip(problem.weights, problem.device, own, strict=True)
        return [np.array([w * (d == what and o) for w, d, o in zip(*row, strict=True)], float) for row in rows]

    def dual(self, prices: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the Lagrangian value at prices per limit (limits scaled to 1), and its subgradient."""
        weights, rates = dict(self.weights), prices[: len(self.limits)] / np.array([cap for _, cap in self.limits])
        fixed = -float(prices[: len(self.limits)].sum())
        if self.crossings:
            weights["switches"] = weights.get("switches", 0.0) - prices[-1] / self.crossings
            fixed += float(prices[-1])
        costs = [np.zeros(len(options)) for options in self.problem.device]
        for rate, (what, _), uses in zip(rates, self.limits, self.uses, strict=True):
            if isinstance(what, str):
                weights[what] = weights.get(what, 0.0) + rate
            elif rate:
                costs = [row + rate * use for row, use in zip(costs, uses, strict=True)]
        for name in ("latency", "energy", "accuracy"):
            if weight := weights.get(name, 0.0):
                table = getattr(self.problem, name)
                costs = [row + weight * np.array(use, float) for row, use in zip(costs, table, strict=True)]
        value, placement = self.elimination.minimize(costs, *add_up_copies(self.problem, weights))
        self.evaluations += 1
        if math.isinf(value):
            return value, np.zeros(self.count)
        totals = self.problem.require_totals(placement)
        used = [
            getattr(totals, what)
            if isinstance(what, str)
            else sum(row[option] for row, option in zip(uses, placement, strict=True))
            for (what, _), uses in zip(self.limits, self.uses, strict=True)
        ]
        excess = [float(use - cap) / cap for use, (_, cap) in zip(used, self.limits, strict=True)]
        self.seen.append((max([0.0, *excess]), len(self.seen), placement))
        if self.crossings:
            excess.append(1 - totals.switches / self.crossings)
        return value + fixed, np.array(excess)

    def read_prices(self, prices: np.ndarray) -> dict[Metric, float]:
        """Return the prices per unit of each limit at which the bound was found."""
        pairs = zip(prices, self.limits, strict=False)  # the price of the least number of crossings is left out
        return {
            what if isinstance(what, str) else ("memory", what): float(price) / cap
            for price, (what, cap) in pairs
            if price
        }

    def begin(self, placements: Iterable[Placement]) -> None:
        """Use placements from elsewhere as starts of the local search."""
        for placement in placements:
            if self.problem.evaluate(placement) is not None:
                self.seen.append((0.0, len(self.seen), placement))
        self.improve()

    def improve(self) -> None:
        """Search locally from the placements seen since the last call, those that break limits least first; keep the
        best plan.
        """
        starts = list(dict.fromkeys(placement for _, _, placement in sorted(self.seen)))[:_STARTS]
        for placement in starts if self.placement is None else [*starts, self.placement]:
            found = self.local.repair(placement)
            if found is not None and (self.best is None or found[0] < self.best):
                self.best, self.placement = found
        self.seen = []

    def closes(self, bound: float, gap: float) -> bool:
        """Return whether a bound is within a relative gap of the best plan."""
        return self.best is not None and self.best - bound <= max(gap, 1e-12) * abs(self.best)
