"""Chains as dense arrays, and how their memory counts.

In serial execution a device holds the weights of its stages, and at the peak what one of them needs to run: its
activations, its input and its output. That need does not depend on where the other stages are, so a label carries two
numbers per device: the sum of weights and the largest need.
"""

import numpy as np

from edgeproof.plans.scenario.costs import FORBIDDEN, Caps, Problem
from edgeproof.plans.scenario.goals import Level, Metric


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
        self._fill_needs(problem)
        if problem.has_entries:
            self._fill_entries(problem)
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

    def _fill_entries(self, problem: Problem) -> None:
        """Add what devices take to wake up: to the moves between devices, and to the first stage."""
        entry = np.array([*problem.entry, 0], np.int64)[self.device]
        drawn = np.array([*(problem.draw_idly([units]) for units in problem.entry), 0], np.int64)[self.device]
        apart = self.device[:-1, :, None] != self.device[1:, None, :]
        self.move_latency[1:] += np.where(apart, entry[1:, None, :], 0)
        self.move_energy[1:] += np.where(apart, drawn[1:, None, :], 0)
        self.latency[0] += entry[0]
        self.energy[0] += drawn[0]

    def _fill_needs(self, problem: Problem) -> None:
        """Fill `need`: what a stage holds while it runs; `loads` and `move_sizes`: what overlapping inputs add."""
        made, read = np.zeros((self.length, 1), np.int64), np.zeros((self.length, 1), np.int64)
        self.move_sizes = np.zeros(self.length, np.int64)
        for size, tensor in zip(problem.sizes, problem.scenario.tensors, strict=True):
            if tensor.producer is None:
                continue
            made[problem.position[tensor.producer]] += size
            if tensor.consumers[0] != -1:
                read[problem.position[tensor.consumers[0]]] += size
                self.move_sizes[problem.position[tensor.consumers[0]]] += 2 * size
        activations = self._pad(problem.activations)
        self.need = activations + made + read
        self.loads = self.weights + activations + 2 * made

    def resource(self, metric: Metric) -> tuple[np.ndarray, np.ndarray | None]:
        """Return `(use, move)` of a metric: integers per option and per move (move may be None)."""
        if isinstance(metric, tuple):
            return self._use_memory(metric[1])
        return {
            "latency": (self.latency, self.move_latency),
            "energy": (self.energy, self.move_energy),
            "switches": (np.zeros_like(self.latency), self.switch),
            "accuracy": (self.accuracy, None),
        }[metric]

    def _use_memory(self, device: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Return what adds up in a device's memory: all of it, or the weights where `peaks` says so."""
        here = self.device == device
        if self.problem.scenario.version == 1 or self.peaks:
            return np.where(here, self.weights, 0), None
        arrives = here[1:, None, :] & ~here[:-1, :, None]
        moves = np.concatenate(
            [np.zeros((1, self.width, self.width), np.int64), self.move_sizes[1:, None, None] * arrives]
        )
        return np.where(here, self.loads, 0), moves

    @property
    def peaks(self) -> bool:
        """Whether memory has a part that does not add up: the largest need of one stage."""
        return self.problem.memory_rule != "pipelined" and bool(self.need.any())


def is_chain(problem: Problem) -> bool:
    """Return whether the chain model can hold the stages: they form one chain without shared weights."""
    scenario = problem.scenario
    inner = [(t.producer, t.consumers) for t in scenario.tensors if t.producer is not None and t.consumers != (-1,)]
    pairs = [(problem.position[producer], problem.position[c]) for producer, consumers in inner for c in consumers]
    if sorted(pairs) != [(i, i + 1) for i in range(len(problem.order) - 1)]:
        return False
    return not any(option.shared_weights for stage in scenario.stages for option in stage.options)


def handles_chain(problem: Problem, level: Level, caps: Caps) -> bool:
    """Return whether the chain model suits a problem: `search_chain` can minimise this level under these caps."""
    if not is_chain(problem) or caps.period is not None or "period" in level.weights:
        return False
    adds_up = problem.scenario.version == 1 or problem.memory_rule == "pipelined"
    return adds_up or not any(isinstance(metric, tuple) for metric in level.weights)


def memory_never_binds(problem: Problem, caps: Caps) -> bool:
    """Return whether the chain model may leave out memory: every budget exceeds what all stages could take."""
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
