"""Exact placement of a chain by labels, pruned by bounds that know every later crossing.

A label is a placement of the first stages. It is dropped when a limit is out of reach, when even its most optimistic
completion is worse than the k-th best plan known, or when k other labels on the same option are at least as good in
every respect. The optimistic completion is Lagrangian: limits are priced into the costs (`chain_bounds.py`), so the
bound sees crossings and limits at once. The search starts with few labels per stage and is repeated with more, until
none was dropped for lack of room; then the result is proved."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeproof.plans.scenario.costs import TOLERANCE, Caps, Problem
from edgeproof.plans.scenario.goals import Level, Metric
from edgeproof.plans.scenario.model import Placement, Schedule

from .chain_bounds import Multipliers, bound_at, tighten_bounds
from .chain_model import Chain
from .viterbi import search_by_viterbi
from .watch import LABEL_LIMIT, Effort, Watch

_WIDTHS = (48, 512, 4_096, 32_768, LABEL_LIMIT)
_RIVALS = 96


@dataclass(frozen=True)
class SearchResult:
    """What a search found: placements, best first; `bound` on the first level's value; `proven`: the ranking is exact.

    `schedules` has one schedule per placement for scheduled execution, and is empty otherwise. `prices`: per unit of
    each limit, in readers' units of the objective; the Lagrangian bound at these prices is part of the proof.
    """

    placements: list[Placement]
    bound: float
    proven: bool
    nodes: int
    engine: str
    schedules: tuple[Schedule | None, ...] = ()
    prices: dict[Metric, float] | None = None


def search_chain(
    problem: Problem,
    level: Level,
    caps: Caps | None = None,
    top_k: int = 1,
    effort: Effort | None = None,
) -> SearchResult:
    """Search for the `top_k` best placements of a chain by `level` and the tie-breakers, under `caps`.

    Returns a `SearchResult`. With a gap in `effort`, the search ends once (objective − bound) / objective is below it.
    """
    effort = effort or Effort()
    width_limit, gap, watch = effort.labels, effort.gap, effort.watch
    search = _Search(problem, level, caps or problem.caps, top_k, Chain(problem), watch)
    if search.hopeless:
        return SearchResult([], math.inf, True, 0, "labels")
    if not search.resources and not any(cap is not None for cap in search.caps.deadlines):
        placements = search_by_viterbi(search)
        best = level.value(problem.require_totals(placements[0])) * level.scale if placements else math.inf
        return SearchResult(placements, float(best), True, search.nodes, "labels")
    multipliers, cut, bound = search.multipliers, math.inf, -math.inf
    for attempt, width in enumerate(_WIDTHS):
        width = min(width, width_limit)
        if search.resources:
            multipliers = tighten_bounds(search, multipliers, search.best_value, rounds=120 if attempt > 1 else 30)
        cut = search.sweep(multipliers, width)
        bound = max(bound, search.root, min(cut, search.best_value))
        best = search.best_value
        if math.isfinite(best):
            watch.note(best, min(bound, best))
        if cut == math.inf or width == width_limit or watch.expired:
            break
        if gap and math.isfinite(best) and len(search.ranked) >= top_k and best - bound <= gap * abs(best):
            break
    placements = search.ranked[:top_k]
    bound = min(bound, search.best_value) if placements else max(bound, cut)
    return SearchResult(
        placements, bound, cut == math.inf, search.nodes, "labels", prices=search.read_prices(multipliers)
    )


class _Search:
    """One minimisation: objective and limits that can bind, as floats for bounds and integers for totals."""

    def __init__(self, problem: Problem, level: Level, caps: Caps, top_k: int, chain: Chain, watch: Watch) -> None:
        self.problem, self.level, self.caps, self.top_k, self.chain = problem, level, caps, top_k, chain
        self.nodes, self.ranked, self.keys, self.watch = 0, [], [], watch
        self.root = -math.inf
        self.entry = self._find_usable()
        use, move = self._blend(level)
        self.objective = np.where(self.entry, use, np.inf), np.where(chain.open, move, np.inf)
        self.resources: list[tuple[Any, ...]] = []
        self.tracked, self.hopeless = [], not self.entry.any(axis=1).all()
        self._select_resources()
        self.multipliers = Multipliers.plain(len(self.resources))

    def _blend(self, level: Level) -> tuple[np.ndarray, np.ndarray]:
        use = np.zeros(self.chain.latency.shape)
        move = np.zeros(self.chain.move_latency.shape)
        for metric, weight in level.weights.items():
            rate = float(weight * level.scale)
            option, transition = self.chain.resource(metric)
            use += rate * option
            if transition is not None:
                move += rate * transition
        return use, move

    def _select_resources(self) -> None:
        """Keep the limits that some placement could break; `tracked` also has what ties and dominance need."""
        caps = self.caps
        limited: list[tuple[Metric, int | None]] = [
            ("latency", caps.latency),
            ("energy", caps.energy),
            ("accuracy", caps.accuracy),
        ]
        limited += [(("memory", device), cap) for device, cap in enumerate(caps.memory)]
        self.peaks = []  # devices whose largest need is carried along
        names: list[Metric] = ["latency", "energy", "switches"]
        for metric, cap in limited:
            if cap is None:
                continue
            use, move = self.chain.resource(metric)
            room, need = cap, 0
            if isinstance(metric, tuple) and self.chain.peaks:
                needs = self.chain.need[self.entry & (self.chain.device == metric[1])]
                if not len(needs):
                    continue
                room, need = cap - int(needs.min()), int(needs.max())
            if self._largest(use, move) + need <= cap:
                continue
            if cap <= 0 and self._largest(-use, None if move is None else -move) < -cap:
                self.hopeless = True
            if need:
                self.peaks.append((metric, cap, len(self.resources), cap - room))
            scale = 1.0 / max(room, 1)
            self.resources.append((use * scale, 0.0 if move is None else move * scale, room * scale, room, metric))
            if metric not in names:
                names.append(metric)
        names += [metric for metric in self.level.weights if metric not in names]
        self.tracked = names
        self.tables = [self.chain.resource(metric) for metric in names]
        self.columns = [(names.index(metric), cap) for *_, cap, metric in self.resources]
        # Columns after the tracked totals: the largest need on a device, which goes with the column of its weights.
        self.pairs = [(names.index(metric), len(names) + n, cap) for n, (metric, cap, *_) in enumerate(self.peaks)]
        self.needs = [np.where(self.chain.device == metric[1], self.chain.need, 0) for metric, *_ in self.peaks]

    def _find_usable(self):
        """Return which options can be used: those that links can reach, and that fit into their device alone."""
        entry, chain = self.chain.entry.copy(), self.chain
        if chain.peaks:
            budgets = [np.iinfo(np.int64).max if cap is None else cap for cap in self.caps.memory]
            entry &= chain.weights + chain.need <= np.array([*budgets, 0])[chain.device]
        return entry

    def read_prices(self, multipliers: Multipliers) -> dict[Metric, float] | None:
        """Return the prices per unit of every limit at which the bound is best; None where no limit can bind."""
        if not self.resources:
            return None
        rows = [p for w, p in zip(multipliers.weight, multipliers.prices, strict=True) if w > 0]
        best = max(rows, key=lambda prices: bound_at(self, prices))
        limits = zip(best, self.resources, strict=True)
        return {metric: float(price) / max(room, 1) for price, (*_, room, metric) in limits if price > 0}

    def _largest(self, use, move):
        """Return an upper bound of a total: the largest option per stage plus the largest move into it."""
        top = np.where(self.entry, use, np.iinfo(np.int64).min // 2**20).max(axis=1).sum()
        if move is not None:
            top += np.where(self.chain.open, move, 0).max(axis=(1, 2)).sum()
        return int(top)

    @property
    def best_value(self) -> float:
        """The first level's value of the best plan so far, in readers' units; infinity without one."""
        return float(self.keys[0][0] * self.level.scale) if self.keys else math.inf

    @property
    def cutoff(self) -> float:
        """The largest value that still matters: that of the k-th best plan so far, plus the tolerance."""
        if len(self.keys) < self.top_k:
            return math.inf
        value = float(self.keys[self.top_k - 1][0] * self.level.scale)
        return value + TOLERANCE * max(1.0, abs(value))

    def sweep(self, multipliers: Multipliers, width: int) -> float:
        """Label all stages with at most `width` labels each; return the least bound among those dropped for room (inf:
        none).
        """
        chain, bounds = self.chain, multipliers.tabulate(self)
        self.dominance_pays = True
        rows = bounds.use.shape[-1]
        self.peak_prices = [
            (column, multipliers.prices[:, number] / max(self.resources[number][3], 1), least)
            for (_, column, _), (*_, number, least) in zip(self.pairs, self.peaks, strict=True)
        ]
        row = np.flatnonzero(self.entry[0])
        start = (bounds.use[0] + bounds.ahead[0])[row]
        self.root = max(self.root, float(start[:, bounds.blends].min(axis=0).max()))
        row = row[self._is_hopeful((bounds.use[0] + bounds.ahead[0])[row], bounds)]
        columns = [use[0, row] for use, _ in self.tables] + [need[0, row] for need in self.needs]
        labels = np.stack(columns, axis=1)
        values = bounds.use[0][row]
        option, history, cut = row, [], math.inf
        parents = np.zeros(len(row), int)
        option, labels, values, _, lost = self._prune(0, option, labels, values, parents, bounds, width)
        cut = min(cut, lost)
        history.append((option, None))
        for i in range(1, chain.length):
            if not len(option):
                return cut
            if self.watch.expired:
                return -math.inf
            parents, following = np.nonzero(chain.open[i][option] & self.entry[i])
            self.nodes += len(parents)
            pairs = option[parents] * chain.width + following
            values = values.take(parents, axis=0) + (bounds.move[i] + bounds.use[i]).reshape(-1, rows).take(
                pairs, axis=0
            )
            hopeful = np.flatnonzero(self._is_hopeful(values + bounds.ahead[i].take(following, axis=0), bounds))
            parents, following, values = parents[hopeful], following[hopeful], values.take(hopeful, axis=0)
            labels = self._grow(i, labels.take(parents, axis=0), pairs[hopeful], following)
            option, labels, values, parents, lost = self._prune(i, following, labels, values, parents, bounds, width)
            cut = min(cut, lost)
            history.append((option, parents))
        self._collect(history, labels)
        return cut

    def _grow(self, i, labels, pairs, following):
        """Return labels with stage i: totals grow by a step, largest needs to that of the stage."""
        count = len(self.tables)
        grown = np.empty_like(labels)
        grown[:, :count] = labels[:, :count] + self._steps(i).take(pairs, axis=0)
        for column, need in enumerate(self.needs, count):
            grown[:, column] = np.maximum(labels[:, column], need[i].take(following))
        return grown

    def _steps(self, i):
        """Return what every move into stage i adds to the tracked totals: (option before × option after, total)."""
        steps = [
            np.broadcast_to(use[i], self.chain.open[i].shape) + (0 if m is None else m[i]) for use, m in self.tables
        ]
        return np.stack(steps, axis=-1).reshape(-1, len(steps))

    def _prune(self, i, option, labels, values, parents, bounds, width):
        keep = np.ones(len(option), bool)
        for column, cap in self.columns:
            keep &= labels[:, column] <= cap
        for weights, need, cap in self.pairs:
            keep &= labels[:, weights] + labels[:, need] <= cap
        deadline = self.caps.deadlines[self.problem.order[i]]
        if deadline is not None:
            keep &= labels[:, 0] <= deadline
        optimistic = values + bounds.ahead[i].take(option, axis=0)
        for column, prices, least in self.peak_prices:  # what is needed at the peak is not there for weights
            optimistic += np.maximum(labels[:, column] - least, 0)[:, None] * prices
        if self.peak_prices:
            keep &= self._is_hopeful(optimistic, bounds)
        best = optimistic[:, bounds.blends].max(axis=1)
        if len(option) > 24 and self.dominance_pays:
            before = int(keep.sum())
            keep = self._drop_dominated(keep, option, labels, best)
            self.dominance_pays = before < 1000 or int(keep.sum()) < 0.8 * before
        chosen, lost = np.flatnonzero(keep), math.inf
        if len(chosen) > width:
            ranking = np.argsort(best[chosen], kind="stable")
            lost = float(best[chosen[ranking[width:]]].min())
            chosen = np.sort(chosen[ranking[:width]])
        return option[chosen], labels[chosen], values[chosen], parents[chosen], lost

    def _is_hopeful(self, optimistic, bounds):
        """Return which labels may still keep every limit and reach the k-th best plan known."""
        ceiling = np.full(optimistic.shape[1], TOLERANCE)
        ceiling[bounds.blends] = self.cutoff
        return (optimistic <= ceiling).all(axis=1)

    def _drop_dominated(self, keep: np.ndarray, option: np.ndarray, labels: np.ndarray, best: np.ndarray) -> np.ndarray:
        """Drop labels that `top_k` others on the same option match or beat in every tracked total.

        A label with equal totals counts only when it comes earlier: labels are in the order of their paths, and the
        path is the last tie-breaker. Of memory, the weights and the peak have to be matched: then every later peak is.
        """
        if self.pairs:
            labels = labels.copy()
            for weights, need, _ in self.pairs:
                labels[:, need] += labels[:, weights]
        for o in range(self.chain.width):
            group = np.flatnonzero(keep & (option == o))
            if len(group) <= self.top_k:
                continue
            rivals = group
            if len(group) > _RIVALS:
                rivals = np.sort(group[np.argsort(best[group], kind="stable")[:_RIVALS]])
            beaten = np.zeros(len(group), int)
            for start in range(0, len(group), 4096):
                some = group[start : start + 4096]
                no_worse = np.ones((len(some), len(rivals)), bool)
                better = np.zeros((len(some), len(rivals)), bool)
                for column in range(labels.shape[1]):
                    mine, theirs = labels[some, column][:, None], labels[rivals, column]
                    no_worse &= theirs <= mine
                    better |= theirs < mine
                better |= rivals < some[:, None]
                beaten[start : start + 4096] = (no_worse & better).sum(axis=1)
            keep[group[beaten >= self.top_k]] = False
        return keep

    def _collect(self, history: list[Any], labels: np.ndarray) -> None:
        """Rank complete labels exactly, together with the plans known from earlier sweeps."""
        if not len(labels):
            return
        found = dict(zip(self.ranked, self.keys, strict=True))
        value = np.zeros(len(labels))
        for metric, weight in self.level.weights.items():
            value += float(weight * self.level.scale) * labels[:, self.tracked.index(metric)]
        margin = TOLERANCE * max(1.0, abs(float(value.min())))
        kth = np.sort(value)[min(self.top_k, len(value)) - 1]
        for index in np.flatnonzero(value <= kth + margin):
            placement, row = [], int(index)
            for option, parents in reversed(history):
                placement.append(int(option[row]))
                row = int(parents[row]) if parents is not None else -1
            path = tuple(reversed(placement))
            amounts = [int(x) for x in labels[index]]
            totals = dict(zip(self.tracked, amounts, strict=False))  # needs come after them
            exact = sum(weight * totals[metric] for metric, weight in self.level.weights.items())
            by_stage = tuple(path[self.problem.position[stage]] for stage in range(len(path)))
            found[by_stage] = (exact, *amounts[:3], path)
        ordered = sorted(found.items(), key=lambda item: item[1])[: self.top_k]
        self.ranked, self.keys = [item[0] for item in ordered], [item[1] for item in ordered]
