"""The cheapest placement of a graph by variable elimination, where costs add up and nothing is limited.

Stages are taken in execution order. A table holds the least cost for every choice of devices of those stages that a
later one still depends on: producers of tensors that are still to be read, and their earlier readers (a copy is paid
once per target device). Choices that no later stage depends on are minimised away. The work is the product of the
numbers of devices of the stages that are open at one time (Bertelè and Brioschi 1972, "Nonserial dynamic programming"):
little for graphs that are long and thin, as pipelines and networks are.
"""

import math

import numpy as np

from edgeproof.plans.scenario.costs import FORBIDDEN, Caps, Problem
from edgeproof.plans.scenario.goals import Level
from edgeproof.plans.scenario.model import Placement

_METRICS = {"latency", "energy", "switches", "accuracy"}

WIDEST = 50_000  # entries of one table; larger ones are left to other engines


class Elimination:
    """The order in which choices are made and minimised away; `widest` is None for a graph that is too wide."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.devices = [sorted(set(row)) for row in problem.device]
        self.readers = [sorted((c for c in t.consumers if c != -1), key=problem.position.__getitem__)
                        for t in problem.scenario.tensors]  # fmt: skip
        self._list_readings()
        self.widest = self._plan()

    def _list_readings(self) -> None:
        """List for every stage the tensors that it reads, and those of which it is the last that can cause a copy."""
        count = len(self.problem.order)
        self.reads, self.closes = [[] for _ in range(count)], [[] for _ in range(count)]
        for k, tensor in enumerate(self.problem.scenario.tensors):
            for stage in self.readers[k]:
                self.reads[stage].append(k)
            last = self.readers[k][-1] if self.readers[k] else tensor.producer
            if -1 in tensor.consumers and last is not None:
                self.closes[last].append(k)

    def _plan(self) -> int | None:
        """Fill `dropped`: after each step, the stages that nothing depends on any more. Return the size of the largest
        table.
        """
        problem, until = self.problem, list(range(len(self.problem.order)))
        for k, tensor in enumerate(problem.scenario.tensors):
            if not self.readers[k]:
                continue
            end = problem.position[self.readers[k][-1]]
            for stage in (tensor.producer, *self.readers[k]):
                if stage is not None:
                    until[problem.position[stage]] = max(until[problem.position[stage]], end)
        self.dropped, front, widest, self.work = [], [], 0, 0
        for step, stage in enumerate(problem.order):
            front.append(stage)
            size = math.prod(len(self.devices[s]) for s in front)
            widest, self.work = max(widest, size), self.work + size
            if size > WIDEST:
                return None
            gone = [s for s in front if until[problem.position[s]] <= step]
            self.dropped.append(gone)
            front = [s for s in front if s not in gone]
        return widest

    def minimize(
        self, option_costs: list[np.ndarray], copy_costs: list[np.ndarray], output_costs: list[np.ndarray]
    ) -> tuple[float, Placement]:
        """Return `(least cost, placement)`.

        `option_costs[stage]`: array over its options. `copy_costs[tensor]`: devices × devices, from and to, 0 on the
        diagonal and infinite where there is no link; `output_costs`: the same for the pipeline's output. The cost is
        infinite when every placement needs a link that is missing.
        """
        table, front, trail = np.zeros(()), [], []
        best = [self._best_options(stage, costs) for stage, costs in enumerate(option_costs)]
        for step, stage in enumerate(self.problem.order):
            front.append(stage)
            table = table[..., None] + best[stage][0]
            for k in self.reads[stage]:
                table = table + self._price_copy(front, k, stage, copy_costs[k])
            for k in self.closes[stage]:
                table = table + self._price_output(front, k, output_costs[k])
            for gone in self.dropped[step]:
                axis = front.index(gone)
                front.remove(gone)
                trail.append((gone, tuple(front), table.argmin(axis=axis)))
                table = table.min(axis=axis)
        chosen = {}
        for stage, others, choice in reversed(trail):
            chosen[stage] = int(choice[tuple(chosen[other] for other in others)])
        return float(table), tuple(int(best[stage][1][chosen[stage]]) for stage in range(len(best)))

    def _best_options(self, stage: int, costs: np.ndarray) -> tuple[np.ndarray, list[int]]:
        """Return per device the least cost of a stage and its option; which variant it is does not matter to other
        stages.
        """
        options = self.problem.device[stage]
        own = [[o for o, d in enumerate(options) if d == device] for device in self.devices[stage]]
        picks = [min(group, key=lambda o: (costs[o], o)) for group in own]
        return np.array([costs[o] for o in picks]), picks

    def _price_copy(self, front: list[int], k: int, stage: int, costs: np.ndarray) -> np.ndarray:
        """Return what a stage pays to get a tensor on its device: nothing where an earlier reader has it."""
        producer, index = self.problem.scenario.tensors[k].producer, np.array(self.devices[stage])
        if producer is None:
            price = self._spread(front, (stage,), costs[self.problem.scenario.ingest][index])
        else:
            price = self._spread(front, (producer, stage), costs[np.array(self.devices[producer])[:, None], index])
        for earlier in self.readers[k]:
            if earlier == stage:
                break
            same = np.array(self.devices[earlier])[:, None] == index
            price = np.where(self._spread(front, (earlier, stage), same), 0.0, price)
        return price

    def _price_output(self, front: list[int], k: int, costs: np.ndarray) -> np.ndarray:
        """Return what the pipeline's output pays to reach the egress device, once all other readers are placed."""
        tensor, egress = self.problem.scenario.tensors[k], self.problem.scenario.egress
        if tensor.producer is None:
            price = np.asarray(costs[self.problem.scenario.ingest][egress])
        else:
            price = self._spread(front, (tensor.producer,), costs[self.devices[tensor.producer], egress])
        for reader in self.readers[k]:
            there = np.array(self.devices[reader]) == egress
            price = np.where(self._spread(front, (reader,), there), 0.0, price)
        return price

    def _spread(self, front: list[int], stages: tuple[int, ...], values: np.ndarray) -> np.ndarray:
        """Return values over the devices of some stages, with one axis for every open stage."""
        order = sorted(range(len(stages)), key=lambda n: front.index(stages[n]))
        values = np.transpose(values, order)
        taken = {front.index(stage): values.shape[n] for n, stage in enumerate(stages[i] for i in order)}
        return values.reshape([taken.get(axis, 1) for axis in range(len(front))])


def add_up_copies(problem: Problem, weights: dict[str, float]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the tables of copies that elimination adds up: `(copy_costs, output_costs)`.

    `weights`: per unit of latency, energy and switches. Crossings from ingest and to egress are no switches.
    """
    apart = 1.0 - np.eye(len(problem.scenario.devices))
    copies, outputs = [], []
    for k, tensor in enumerate(problem.scenario.tensors):
        latency, energy = problem.cross_latency_array[k], problem.cross_energy_array[k]
        table = weights.get("latency", 0.0) * latency + weights.get("energy", 0.0) * energy
        table = np.where(latency == FORBIDDEN, np.inf, table)
        outputs.append(table)
        copies.append(table if tensor.producer is None else table + weights.get("switches", 0.0) * apart)
    return copies, outputs


def costs_add_up(problem: Problem, levels: tuple[Level, ...], caps: Caps) -> bool:
    """Return whether elimination bounds the costs of a goal: they are plain sums over stages and copies."""
    adds_up = len(levels) == 1 and set(levels[0].weights) <= _METRICS and problem.scenario.execution != "scheduled"
    adds_up = adds_up and not problem.has_entries
    return adds_up and caps.period is None and all(cap is None for cap in caps.deadlines)
