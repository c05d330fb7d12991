"""Ranks a small space by computing every placement at once, as arrays: exact for all goals, limits and memory rules.

Placements are in the order of their paths, so that the index of a placement is its last tie-breaker.
"""

import math
from weakref import WeakKeyDictionary

import numpy as np

from edgeproof.plans.scenario.costs import FORBIDDEN, TOLERANCE, Caps, Problem
from edgeproof.plans.scenario.goals import Level, Metric
from edgeproof.plans.scenario.model import Placement

from .chain_search import SearchResult

LARGEST_SPACE = 200_000
LARGEST_CHAIN = 20_000  # labels are faster on larger chains
_NEVER = 2**31
_SPACES: WeakKeyDictionary[Problem, "Space"] = WeakKeyDictionary()


class Space:
    """The totals of all placements executed serially (or overlapping, by the memory rule), in units."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        order, count = problem.order, problem.scenario.placements
        self.choice, repeat = {}, count
        for stage in order:
            options = len(problem.device[stage])
            repeat //= options
            self.choice[stage] = np.tile(np.repeat(np.arange(options), repeat), count // repeat // options)
        self.where = {s: np.array(problem.device[s])[self.choice[s]] for s in order}
        self.size = count
        self.linked = np.ones(count, bool)
        self.totals = {name: np.zeros(count, np.int64) for name in ("latency", "energy", "switches", "accuracy")}
        self.waits = {stage: np.zeros(count, np.int64) for stage in (*order, -1)}
        self.channels, self.copies, self._memory = {}, [], None
        for stage in order:
            for name in ("latency", "energy", "accuracy"):
                self.totals[name] += self._pick(getattr(problem, name), stage)
        for k in range(len(problem.scenario.tensors)):
            self._add_copies(k)
        if problem.has_modes:
            self._leave_out_mixed_modes()
        if problem.has_entries:
            self._add_entries()
        for waits in self.waits.values():
            self.totals["latency"] += waits
        self.totals["period"] = self._find_period()

    def _pick(self, table, stage):
        return np.array(table[stage], np.int64)[self.choice[stage]]

    def _add_copies(self, k: int) -> None:
        """Add what the copies of one tensor cost; each belongs to its first reader on the target."""
        problem, tensor = self.problem, self.problem.scenario.tensors[k]
        home = np.array(problem.ingest) if tensor.producer is None else self.where[tensor.producer]
        earlier = []
        for reader in sorted(tensor.consumers, key=lambda c: math.inf if c == -1 else problem.position[c]):
            target = np.array(problem.egress) if reader == -1 else self.where[reader]
            fresh = np.broadcast_to(target != home, (self.size,)).copy()
            for other in earlier:
                fresh &= target != other
            earlier.append(target)
            latency = problem.cross_latency_array[k][home, target]
            self.linked &= ~(fresh & (latency == FORBIDDEN))
            moved = np.where(fresh & (latency != FORBIDDEN), latency, 0)
            self.waits[reader] += moved
            self.totals["energy"] += np.where(fresh, problem.cross_energy_array[k][home, target], 0)
            if reader != -1 and tensor.producer is not None:
                self.totals["switches"] += fresh
            self.copies.append((k, reader, target, fresh))
            for (a, b), channel in problem.channel.items():
                here = fresh & (home == a) & (target == b)
                if moved.any():
                    load = self.channels.setdefault(channel, np.zeros(self.size, np.int64))
                    load += np.where(here, moved, 0)

    def _add_entries(self):
        """Add what devices take to wake up; it is waited for before the stage runs."""
        entry, last = np.array(self.problem.entry, np.int64), np.array(-1)
        drawn = np.array([self.problem.draw_idly([units]) for units in self.problem.entry], np.int64)
        for stage in self.problem.order:
            apart = self.where[stage] != last
            self.waits[stage] += np.where(apart, entry[self.where[stage]], 0)
            self.totals["energy"] += np.where(apart, drawn[self.where[stage]], 0)
            last = self.where[stage]

    def _leave_out_mixed_modes(self):
        for device, spec in enumerate(self.problem.scenario.devices):
            wanted = np.zeros(self.size, np.int64)
            for mode in spec.modes:
                for stage, other in enumerate(self.problem.scenario.stages):
                    own = [o.device == device and o.mode == mode for o in other.options]
                    wanted |= np.where(np.array(own)[self.choice[stage]], 1 << spec.modes.index(mode), 0)
            self.linked &= (wanted & (wanted - 1)) == 0

    def _find_period(self):
        period = np.zeros(self.size, np.int64)
        for device in range(len(self.problem.scenario.devices)):
            busy = np.zeros(self.size, np.int64)
            for stage in self.problem.order:
                busy += np.where(self.where[stage] == device, self._pick(self.problem.latency, stage), 0)
            period = np.maximum(period, busy)
        for load in self.channels.values():
            period = np.maximum(period, load)
        return period

    @property
    def memory(self) -> list[np.ndarray]:
        """The memory in use on each device."""
        if self._memory is None:
            self._memory = [self._measure_memory(device) for device in range(len(self.problem.scenario.devices))]
        return self._memory

    def _measure_memory(self, device):
        problem, used, groups = self.problem, np.zeros(self.size, np.int64), {}
        for stage in problem.order:
            weights = self._pick(problem.weights, stage)
            names = [option.shared_weights for option in problem.scenario.stages[stage].options]
            own = np.array([name is None for name in names])[self.choice[stage]]
            here = self.where[stage] == device
            used += np.where(here & own, weights, 0)
            for o, name in enumerate(names):
                if name is not None and problem.device[stage][o] == device:
                    held = groups.setdefault(name, [problem.weights[stage][o], np.zeros(self.size, bool)])
                    held[1] |= self.choice[stage] == o
        for size, held in groups.values():
            used += size * held
        if problem.scenario.version == 1:
            return used
        if problem.memory_rule == "pipelined":
            return used + self._sum_transient(device)
        return used + self._peak_transient(device)

    def _sum_transient(self, device):
        problem, used = self.problem, np.zeros(self.size, np.int64)
        for stage in problem.order:
            used += np.where(self.where[stage] == device, self._pick(problem.activations, stage), 0)
        for k, tensor in enumerate(problem.scenario.tensors):
            if tensor.producer is not None:
                used += np.where(self.where[tensor.producer] == device, 2 * problem.sizes[k], 0)
        for k, reader, target, fresh in self.copies:
            if reader != -1 and problem.scenario.tensors[k].producer is not None:
                used += np.where(fresh & (target == device), 2 * problem.sizes[k], 0)
        return used

    def _peak_transient(self, device):
        problem, spans = self.problem, []
        for k, tensor in enumerate(problem.scenario.tensors):
            if tensor.producer is None or not problem.sizes[k]:
                continue
            made, home = problem.position[tensor.producer], self.where[tensor.producer]
            readers = [(problem.position[c], c) for c in tensor.consumers if c != -1]
            at_home = home == device
            first, last = np.full(self.size, _NEVER), np.full(self.size, -1)
            for position, reader in readers:
                here = (self.where[reader] == device) & ~at_home
                first = np.where(here, np.minimum(first, position), first)
                last = np.where(here, np.maximum(last, position), last)
            first = np.where(at_home, made, first)
            last = np.where(at_home, max([made, *(p for p, _ in readers)]), last)
            spans.append((problem.sizes[k], first, last))
        peak = np.zeros(self.size, np.int64)
        for step, stage in enumerate(problem.order):
            live = np.where(self.where[stage] == device, self._pick(problem.activations, stage), 0)
            for size, first, last in spans:
                live = live + size * ((first <= step) & (step <= last))
            peak = np.maximum(peak, live)
        return peak

    def amount(self, metric: Metric) -> np.ndarray:
        """Return a metric of all placements in units: a name of METRICS, or `("memory", device)`."""
        return self.memory[metric[1]] if isinstance(metric, tuple) else self.totals[metric]

    def keep(self, caps: Caps) -> np.ndarray:
        """Return which placements keep links, limits and deadlines."""
        kept = self.linked.copy()
        for metric in ("latency", "energy", "accuracy", "period"):
            if (cap := getattr(caps, metric)) is not None:
                kept &= self.totals[metric] <= cap
        for device, cap in enumerate(caps.memory):
            if cap is not None and kept.any():
                kept &= self.memory[device] <= cap
        if any(cap is not None for cap in caps.deadlines):
            clock = np.zeros(self.size, np.int64)
            for stage in self.problem.order:
                clock = clock + self.waits[stage] + self._pick(self.problem.latency, stage)
                if (cap := caps.deadlines[stage]) is not None:
                    kept &= clock <= cap
        return kept

    def placement(self, index: int) -> Placement:
        """Return the placement at an index, options in the order of the scenario's stages."""
        return tuple(int(self.choice[stage][index]) for stage in range(len(self.choice)))


def fits_enumeration(problem: Problem, limit: int = LARGEST_SPACE) -> bool:
    """Return whether the space is small enough, and no schedule is to be chosen."""
    return problem.scenario.execution != "scheduled" and problem.scenario.placements <= limit


def open_space(problem: Problem) -> Space:
    """Return the `Space` that enumerates a problem's placements; it is computed once, whatever is asked of it."""
    if problem not in _SPACES:
        _SPACES[problem] = Space(problem)
    return _SPACES[problem]


def enumerate_plans(problem: Problem, levels: tuple[Level, ...], caps: Caps, top_k: int) -> SearchResult:
    """Return the `SearchResult` of the `top_k` best placements by `levels` and the tie-breakers, under `caps`."""
    space = open_space(problem)
    left = np.flatnonzero(space.keep(caps))
    if not len(left):
        return SearchResult([], math.inf, True, space.size, "enumeration")
    value = sum(float(w * levels[0].scale) * space.amount(m)[left] for m, w in levels[0].weights.items())
    value = np.broadcast_to(value, left.shape)
    kth = np.partition(value, min(top_k, len(left)) - 1)[min(top_k, len(left)) - 1]
    left = left[value <= kth + TOLERANCE * max(1.0, abs(float(kth)))]
    columns = []
    for level in levels:
        common = math.lcm(*(weight.denominator for weight in level.weights.values()))
        terms = [
            (int(weight * common), space.amount(metric)[left].tolist()) for metric, weight in level.weights.items()
        ]
        columns.append([sum(f * a for (f, _), a in zip(terms, row, strict=True))
                        for row in zip(*(amounts for _, amounts in terms), strict=True)])  # fmt: skip
    columns += [space.totals[name][left].tolist() for name in ("latency", "energy", "switches")]
    ranked = sorted(zip(*columns, left.tolist(), strict=True))[:top_k]
    placements = [space.placement(row[-1]) for row in ranked]
    best = float(levels[0].value(problem.require_totals(placements[0])) * levels[0].scale)
    return SearchResult(placements, best, True, space.size, "enumeration")
