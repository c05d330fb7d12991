"""A first try at a chain: depth-first search with bounds that know every later crossing, in plain Python.

A few hundred nodes settle many chains, before arrays are even set up. When the search reaches its budget of nodes, it
gives up and says so; `chain_search.py` then goes on with labels and Lagrangian bounds.
"""

import math
from typing import Any

from edgeproof.plans.scenario.costs import FORBIDDEN, TOLERANCE, Caps, Problem
from edgeproof.plans.scenario.goals import Level
from edgeproof.plans.scenario.model import Placement

BUDGET = 1_500
_INFINITE = 1 << 62


def search_depth_first(
    problem: Problem, level: Level, caps: Caps, top_k: int, limits_memory: bool, budget: int = BUDGET
) -> tuple[list[Placement] | None, int]:
    """Return `(placements, nodes)`: the `top_k` best, best first; None when the budget of nodes was reached.

    `limits_memory`: keep the memory budgets; otherwise they are known never to bind.
    """
    search = _DepthFirst(problem, level, caps, top_k, limits_memory, budget)
    return (search.rank() if search.run() else None), search.nodes


class _DepthFirst:
    """One search; `cutoff` is the largest value that can still be among the `top_k` best."""

    def __init__(
        self, problem: Problem, level: Level, caps: Caps, top_k: int, limits_memory: bool, budget: int
    ) -> None:
        self.problem, self.level, self.caps, self.top_k, self.budget = problem, level, caps, top_k, budget
        self.nodes, self.found, self.cutoff = 0, [], math.inf
        self.latency_cap = _INFINITE if caps.latency is None else caps.latency
        self.energy_cap = _INFINITE if caps.energy is None else caps.energy
        self.accuracy_cap = _INFINITE if caps.accuracy is None else caps.accuracy
        self.budgets = [_INFINITE if cap is None or not limits_memory else cap for cap in caps.memory]
        self.deadlines = [_INFINITE if caps.deadlines[i] is None else caps.deadlines[i] for i in problem.order]
        rates = {metric: float(weight * level.scale) for metric, weight in level.weights.items()}
        self.switch_rate = rates.get("switches", 0.0)
        self.stages = [self._list_options(stage, rates) for stage in problem.order]
        self.moves = self._list_moves(rates)
        self._look_ahead()

    def _list_options(self, stage: int, rates: dict[Any, float]) -> list[Any]:
        """Return `[(value, latency, energy, accuracy, weights, device)]`; the value is infinite where there is
        no link.
        """
        problem, rows = self.problem, []
        for o, device in enumerate(problem.device[stage]):
            latency, energy, value = problem.latency[stage][o], problem.energy[stage][o], 0.0
            for k, tensor in enumerate(problem.scenario.tensors):
                pair = None
                if tensor.producer is None and stage in tensor.consumers:
                    pair = (problem.scenario.ingest, device)
                elif tensor.producer == stage and tensor.consumers == (-1,):
                    pair = (device, problem.scenario.egress)
                if pair is not None:
                    crossing = problem.cross_latency[k][pair[0]][pair[1]]
                    value = math.inf if crossing == FORBIDDEN else value
                    latency, energy = latency + crossing, energy + problem.cross_energy[k][pair[0]][pair[1]]
            accuracy, weights = problem.accuracy[stage][o], problem.weights[stage][o]
            value += rates.get("latency", 0.0) * latency + rates.get("energy", 0.0) * energy
            value += rates.get("accuracy", 0.0) * accuracy + rates.get(("memory", device), 0.0) * weights
            rows.append((value, latency, energy, accuracy, weights, device))
        return rows

    def _list_moves(self, rates):
        """Return, for every stage but the first, `table[from device][to device] = (value, latency, energy)` or None."""
        problem = self.problem
        moves: list[Any] = [None] * len(self.stages)
        latency_rate, energy_rate = rates.get("latency", 0.0), rates.get("energy", 0.0)
        for k, tensor in enumerate(problem.scenario.tensors):
            if tensor.producer is None or tensor.consumers == (-1,):
                continue
            moves[problem.position[tensor.consumers[0]]] = [
                [
                    None
                    if latency == FORBIDDEN
                    else (latency_rate * latency + energy_rate * energy + self.switch_rate * (a != b), latency, energy)
                    for b, (latency, energy) in enumerate(zip(*rows, strict=True))
                ]
                for a, rows in enumerate(zip(problem.cross_latency[k], problem.cross_energy[k], strict=True))
            ]
        return moves

    def _look_ahead(self):
        """Fill the least value, latency, energy and accuracy still to come after each option, crossings included."""
        self.ahead = [[(0.0, 0, 0, 0)] * len(self.stages[-1])]
        for i in range(len(self.stages) - 1, 0, -1):
            after, table, rows = self.ahead[-1], self.moves[i], []
            for *_, device in self.stages[i - 1]:
                best = [math.inf, _INFINITE, _INFINITE, _INFINITE]
                for option, rest in zip(self.stages[i], after, strict=True):
                    move = table[device][option[5]]
                    if move is None:
                        continue
                    best[0] = min(best[0], move[0] + option[0] + rest[0])
                    best[1] = min(best[1], move[1] + option[1] + rest[1])
                    best[2] = min(best[2], move[2] + option[2] + rest[2])
                    best[3] = min(best[3], option[3] + rest[3])
                rows.append(tuple(best))
            self.ahead.append(rows)
        self.ahead.reverse()

    def run(self) -> bool:
        """Return whether the whole space was searched within the budget of nodes."""
        return self._descend(0, None, (0.0, 0, 0, 0), [0] * len(self.budgets), [])

    def _descend(self, i, last, sums, memory, path):
        """Search the stages from `i` on; return whether the budget sufficed. `sums`: value, latency, energy, drop."""
        if i == len(self.stages):
            self._note(tuple(path))
            return True
        table, children, (value, latency, energy, accuracy) = self.moves[i], [], sums
        for o, (cost, run_ms, run_mj, drop, need, device) in enumerate(self.stages[i]):
            self.nodes += 1
            rest, move = self.ahead[i][o], (0.0, 0, 0)
            if last is not None:
                move = table[last][device]
                if move is None:
                    continue
            total, ms, mj = value + cost + move[0], latency + run_ms + move[1], energy + run_mj + move[2]
            if (
                total + rest[0] <= self.cutoff
                and total + rest[0] < math.inf
                and ms + rest[1] <= self.latency_cap
                and mj + rest[2] <= self.energy_cap
                and accuracy + drop + rest[3] <= self.accuracy_cap
                and memory[device] + need <= self.budgets[device]
                and ms <= self.deadlines[i]
            ):
                children.append((total + rest[0], o, total, ms, mj, accuracy + drop, need, device))
        if self.nodes > self.budget:
            return False
        children.sort()
        for bound, o, total, ms, mj, drop, need, device in children:
            if bound > self.cutoff:
                break
            memory[device] += need
            path.append(o)
            finished = self._descend(i + 1, device, (total, ms, mj, drop), memory, path)
            path.pop()
            memory[device] -= need
            if not finished:
                return False
        return True

    def _note(self, path):
        placement = tuple(path[self.problem.position[stage]] for stage in range(len(path)))
        totals = self.problem.require_totals(placement)
        self.found.append((self.level.value(totals), *totals[:3], path, placement))
        self.found.sort()
        del self.found[self.top_k :]
        if len(self.found) == self.top_k:
            value = float(self.found[-1][0] * self.level.scale)
            self.cutoff = value + TOLERANCE * max(1.0, abs(value))

    def rank(self) -> list[Placement]:
        """Return the placements found, best first."""
        return [entry[-1] for entry in self.found]
