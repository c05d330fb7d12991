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

from edgeproof.plans.scenario.costs import FORBIDDEN, TOLERANCE, Caps, Problem
from edgeproof.plans.scenario.goals import Level, Metric
from edgeproof.plans.scenario.model import Placement, Schedule

from .chain_bounds import Multipliers, tighten_bounds
from .depth_first import search_depth_first
from .viterbi import search_by_viterbi

LABEL_LIMIT = 400_000  # labels per stage by default
_WIDTHS = (48, 512, 4_096, 32_768, LABEL_LIMIT)
_RIVALS = 96
_SHORT = 64


@dataclass(frozen=True)
class SearchResult:
    """What a search found: placements, best first; `bound` on the first level's value; `proven`: the ranking is exact.

    `schedules` has one schedule per placement for scheduled execution, and is empty otherwise.
    """

    placements: list[Placement]
    bound: float
    proven: bool
    nodes: int
    engine: str
    schedules: tuple[Schedule | None, ...] = ()


class Chain:
    """A problem as dense arrays, stage by stage: use of each resource per option, and per move between options."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        order = problem.order
        self.length, self.width = len(order), max(len(problem.device[stage]) for stage in order)
        shape = (self.length, self.width)
        self.latency, self.energy, self.accuracy, self.weights = (
            self._pad(table) for table in (problem.latency, problem.energy, problem.accuracy, problem.weights)
        )
        self.device = self._pad(problem.device, fill=-1)
        self.real = self.device >= 0
        self.move_latency = np.zeros((*shape, self.width), np.int64)
        self.move_energy = np.zeros((*shape, self.width), np.int64)
        self.open = np.ones((*shape, self.width), bool)
        self.entry = self.real.copy()
        self._fill_moves(problem)
        self.switch = (self.device[:-1, :, None] != self.device[1:, None, :]).astype(np.int64)
        self.switch = np.concatenate([np.zeros((1, self.width, self.width), np.int64), self.switch])

    def _pad(self, table, fill=0):
        array = np.full((self.length, self.width), fill, np.int64)
        for row, stage in enumerate(self.problem.order):
            array[row, : len(table[stage])] = table[stage]
        return array

    def _fill_moves(self, problem: Problem) -> None:
        """Fill the crossings: `move[i]` is that from stage i − 1 to stage i.

        Ingest and egress are added to the costs of their stage.
        """
        between = [
            (problem.position[tensor.consumers[0]], index)
            for index, tensor in enumerate(problem.scenario.tensors)
            if tensor.producer is not None and tensor.consumers[0] != -1
        ]
        if between:
            rows, tensors = (np.array(column) for column in zip(*between, strict=True))
            source, target = self.device[rows - 1][:, :, None], self.device[rows][:, None, :]
            pick = (tensors[:, None, None], source, target)
            self.move_latency[rows], self.move_energy[rows] = (
                problem.cross_latency_array[pick],
                problem.cross_energy_array[pick],
            )
            self.open[rows] = problem.cross_latency_array[pick] != FORBIDDEN
        self.open[1:] &= self.real[:-1, :, None] & self.real[1:, None, :]
        for index, tensor in enumerate(problem.scenario.tensors):
            if tensor.producer is None:
                self._add_end(0, problem, index, (problem.scenario.ingest, self.device[0]))
            elif tensor.consumers[0] == -1:
                self._add_end(-1, problem, index, (self.device[-1], problem.scenario.egress))

    def _add_end(self, row, problem, tensor, pair):
        latency = problem.cross_latency_array[tensor][pair]
        self.entry[row] &= latency != FORBIDDEN
        self.latency[row] += np.where(latency == FORBIDDEN, 0, latency)
        self.energy[row] += np.where(latency == FORBIDDEN, 0, problem.cross_energy_array[tensor][pair])

    def resource(self, metric: Metric) -> tuple[np.ndarray, np.ndarray | None]:
        """Return `(use, move)` of a metric: integers per option and per move (move may be None)."""
        if isinstance(metric, tuple):
            return np.where(self.device == metric[1], self.weights, 0), None
        return {
            "latency": (self.latency, self.move_latency),
            "energy": (self.energy, self.move_energy),
            "switches": (np.zeros_like(self.latency), self.switch),
            "accuracy": (self.accuracy, None),
        }[metric]


def is_chain(problem: Problem) -> bool:
    """Return whether the chain search fits: the stages form one chain whose memory adds up, or never matters."""
    scenario = problem.scenario
    inner = [(t.producer, t.consumers) for t in scenario.tensors if t.producer is not None and t.consumers != (-1,)]
    pairs = [(problem.position[producer], problem.position[c]) for producer, consumers in inner for c in consumers]
    if sorted(pairs) != [(i, i + 1) for i in range(len(problem.order) - 1)]:
        return False
    if any(option.shared_weights for stage in scenario.stages for option in stage.options):
        return False
    return _memory_adds_up(problem) or memory_never_binds(problem, problem.caps)


def handles_chain(problem: Problem, level: Level, caps: Caps) -> bool:
    """Return whether `search_chain` can minimise this level under these caps."""
    if not is_chain(problem) or caps.period is not None or "period" in level.weights:
        return False
    return _memory_adds_up(problem) or not any(isinstance(metric, tuple) for metric in level.weights)


def _memory_adds_up(problem):
    return problem.scenario.version == 1 or not (any(problem.sizes) or any(any(row) for row in problem.activations))


def memory_never_binds(problem: Problem, caps: Caps) -> bool:
    """Return whether a chain can be searched without memory: every budget exceeds what all stages could take."""
    for device, cap in enumerate(caps.memory):
        need = 2 * sum(problem.sizes)
        for i, options in enumerate(problem.device):
            need += max(
                (problem.weights[i][o] + problem.activations[i][o] for o, d in enumerate(options) if d == device),
                default=0,
            )
        if cap is not None and need > cap:
            return False
    return True


def search_chain(
    problem: Problem,
    level: Level,
    caps: Caps | None = None,
    top_k: int = 1,
    chain: Chain | None = None,
    width_limit: int = LABEL_LIMIT,
) -> SearchResult:
    """Return the `SearchResult` of the `top_k` best placements by `level` and the tie-breakers, under `caps`."""
    caps = caps or problem.caps
    nodes = 0
    if len(problem.order) <= _SHORT:
        placements, nodes = search_depth_first(problem, level, caps, top_k, _memory_adds_up(problem))
        if placements is not None:
            best = level.value(problem.require_totals(placements[0])) * level.scale if placements else math.inf
            return SearchResult(placements, float(best), True, nodes, "depth-first")
    search = _Search(problem, level, caps, top_k, chain or Chain(problem), nodes)
    if search.hopeless:
        return SearchResult([], math.inf, True, nodes, "labels")
    if not search.resources and not any(cap is not None for cap in search.caps.deadlines):
        placements = search_by_viterbi(search)
        best = level.value(problem.require_totals(placements[0])) * level.scale if placements else math.inf
        return SearchResult(placements, float(best), True, search.nodes, "labels")
    multipliers, cut = search.multipliers, math.inf
    for attempt, width in enumerate(_WIDTHS):
        width = min(width, width_limit)
        if attempt and search.resources:
            multipliers = tighten_bounds(search, multipliers, search.best_value, rounds=30 if attempt == 1 else 120)
        cut = search.sweep(multipliers, width)
        if cut == math.inf or width == width_limit:
            break
    placements = search.ranked[:top_k]
    best = search.best_value if placements else math.inf
    bound = min(cut, best)
    return SearchResult(placements, bound, cut == math.inf, search.nodes, "labels")


class _Search:
    """One minimisation: objective and limits that can bind, as floats for bounds and integers for totals."""

    def __init__(self, problem: Problem, level: Level, caps: Caps, top_k: int, chain: Chain, nodes: int = 0) -> None:
        self.problem, self.level, self.caps, self.top_k, self.chain = problem, level, caps, top_k, chain
        self.nodes, self.ranked, self.keys = nodes, [], []
        self.scale = float(level.scale)
        use, move = self._blend(level)
        self.objective = np.where(chain.entry, use, np.inf), np.where(chain.open, move, np.inf)
        self.resources: list[tuple[Any, ...]] = []
        self.tracked, self.hopeless = [], False
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
        if _memory_adds_up(self.problem):
            limited += [(("memory", device), cap) for device, cap in enumerate(caps.memory)]
        names: list[Metric] = ["latency", "energy", "switches"]
        for metric, cap in limited:
            if cap is None:
                continue
            use, move = self.chain.resource(metric)
            if self._largest(use, move) <= cap:
                continue
            if cap <= 0 and self._largest(-use, None if move is None else -move) < -cap:
                self.hopeless = True
            scale = 1.0 / max(cap, 1)
            self.resources.append((use * scale, 0.0 if move is None else move * scale, cap * scale, cap, metric))
            if metric not in names:
                names.append(metric)
        names += [metric for metric in self.level.weights if metric not in names]
        self.tracked = names
        self.tables = [self.chain.resource(metric) for metric in names]
        self.columns = [(names.index(metric), cap) for *_, cap, metric in self.resources]

    def _largest(self, use, move):
        """Return an upper bound of a total: the largest option per stage plus the largest move into it."""
        top = np.where(self.chain.real, use, np.iinfo(np.int64).min).max(axis=1).sum()
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
        row = np.flatnonzero(chain.entry[0])
        row = row[self._is_hopeful((bounds.use[0] + bounds.ahead[0])[row], bounds)]
        labels = np.stack([use[0, row] for use, _ in self.tables], axis=1)
        values = bounds.use[0][row]
        option, history, cut = row, [], math.inf
        parents = np.zeros(len(row), int)
        option, labels, values, _, lost = self._prune(0, option, labels, values, parents, bounds, width)
        cut = min(cut, lost)
        history.append((option, None))
        for i in range(1, chain.length):
            if not len(option):
                return cut
            parents, following = np.nonzero(chain.open[i][option] & chain.entry[i])
            self.nodes += len(parents)
            pairs = option[parents] * chain.width + following
            values = values.take(parents, axis=0) + (bounds.move[i] + bounds.use[i]).reshape(-1, rows).take(
                pairs, axis=0
            )
            hopeful = np.flatnonzero(self._is_hopeful(values + bounds.ahead[i].take(following, axis=0), bounds))
            parents, following, values = parents[hopeful], following[hopeful], values.take(hopeful, axis=0)
            labels = labels.take(parents, axis=0) + self._steps(i).take(pairs[hopeful], axis=0)
            option, labels, values, parents, lost = self._prune(i, following, labels, values, parents, bounds, width)
            cut = min(cut, lost)
            history.append((option, parents))
        self._collect(history, labels)
        return cut

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
        deadline = self.caps.deadlines[self.problem.order[i]]
        if deadline is not None:
            keep &= labels[:, 0] <= deadline
        best = (values + bounds.ahead[i].take(option, axis=0))[:, bounds.blends].max(axis=1)
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
        path is the last tie-breaker.
        """
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
            totals = dict(zip(self.tracked, amounts, strict=True))
            exact = sum(weight * totals[metric] for metric, weight in self.level.weights.items())
            by_stage = tuple(path[self.problem.position[stage]] for stage in range(len(path)))
            found[by_stage] = (exact, *amounts[:3], path)
        ordered = sorted(found.items(), key=lambda item: item[1])[: self.top_k]
        self.ranked, self.keys = [item[0] for item in ordered], [item[1] for item in ordered]
