"""Placements in blocks: the stages in execution order, cut into runs that each stay on one device.

Where crossings are expensive and no device holds everything, good plans look like this, and a search that moves one
stage at a time does not find them. For every sequence of devices the cuts are found by dynamic programming, with memory
kept block by block.
"""

import itertools
from collections.abc import Sequence

import numpy as np

from edgeproof.plans.scenario.costs import Caps, Problem
from edgeproof.plans.scenario.model import Placement

from .elimination import add_up_copies

_SEQUENCES = 400  # sequences of devices at most; five devices have 325


def list_blocks(problem: Problem, weights: dict[str, float], caps: Caps, count: int) -> list[Placement]:
    """Return up to `count` placements in blocks of one device each, the cheapest first.

    They are cheapest by weights per unit of latency, energy and switches. Activations, tensors and copies that are
    already there are not counted; the caller evaluates the placements.
    """
    layout = _Layout(problem, weights, caps)
    devices = range(len(caps.memory))
    sequences = (s for length in range(1, len(caps.memory) + 1) for s in itertools.permutations(devices, length))
    found = [layout.cut(sequence) for sequence in itertools.islice(sequences, _SEQUENCES)]
    best = sorted((item for item in found if item is not None), key=lambda item: item[0])
    return [layout.place(sequence, cuts) for _, sequence, cuts in best[:count]]


class _Layout:
    """Costs by place in the execution order. `cost[d, i]`, `need[d, i]`: of the first i stages on device d."""

    def __init__(self, problem: Problem, weights: dict[str, float], caps: Caps) -> None:
        self.problem, self.order, self.caps = problem, problem.order, caps
        count, length = len(caps.memory), len(problem.order)
        self.option = np.full((count, length), -1)
        cost, need = np.full((count, length), np.inf), np.zeros((count, length))
        for place, stage in enumerate(self.order):
            for option, device in enumerate(problem.device[stage]):
                value = (
                    weights.get("latency", 0.0) * problem.latency[stage][option]
                    + weights.get("energy", 0.0) * problem.energy[stage][option]
                    + weights.get("accuracy", 0.0) * problem.accuracy[stage][option]
                )
                if value < cost[device, place]:
                    cost[device, place], need[device, place] = value, problem.weights[stage][option]
                    self.option[device, place] = option
        start = np.zeros((count, 1))
        with np.errstate(invalid="ignore"):  # ∞ − ∞ is NaN: no block
            self.cost = np.concatenate([start, cost.cumsum(axis=1)], axis=1)
        self.need = np.concatenate([start, need.cumsum(axis=1)], axis=1)
        self.crossing = self._price_cuts(weights)

    def _price_cuts(self, weights: dict[str, float]) -> np.ndarray:
        """Return `[from, to, place]`: the cost of all tensors that cross a cut before a place."""
        problem = self.problem
        count, length = len(self.caps.memory), len(self.order)
        prices = np.zeros((count, count, length + 1))
        copies, _ = add_up_copies(problem, weights)
        for tensor, table in zip(problem.scenario.tensors, copies, strict=True):
            readers = [problem.position[c] for c in tensor.consumers if c != -1]
            if readers and tensor.producer is not None:
                prices[:, :, problem.position[tensor.producer] + 1 : max(readers) + 1] += table[:, :, None]
        return prices

    def cut(self, sequence: Sequence[int]) -> tuple[float, Sequence[int], list[int]] | None:
        """Return `(cost, sequence, cuts)` of the cheapest blocks on a sequence of devices; None when they do
        not fit.
        """
        length = len(self.order)
        best, trail = np.zeros(length + 1), []
        for number, device in enumerate(sequence):
            block = self.cost[device][None, :] - self.cost[device][:, None]  # [from, until]
            size = self.need[device][None, :] - self.need[device][:, None]
            cap = self.caps.memory[device]
            empty = np.tril(np.ones((length + 1, length + 1), bool))
            block = np.where(empty | ~np.isfinite(block) | (size > (np.inf if cap is None else cap)), np.inf, block)
            if number == 0:
                best = block[0]
                continue
            total = (best + self.crossing[sequence[number - 1], device])[:, None] + block
            trail.append(total.argmin(axis=0))
            best = total.min(axis=0)
        if not np.isfinite(best[length]):
            return None
        cuts = [length]
        for choice in reversed(trail):
            cuts.append(int(choice[cuts[-1]]))
        return float(best[length]), sequence, cuts[:0:-1]

    def place(self, sequence: Sequence[int], cuts: list[int]) -> Placement:
        """Return the placement of blocks."""
        placement = [0] * len(self.order)
        ends = [*cuts, len(self.order)]
        for device, begin, end in zip(sequence, [0, *cuts], ends, strict=True):
            for place in range(begin, end):
                placement[self.order[place]] = int(self.option[device, place])
        return tuple(placement)
