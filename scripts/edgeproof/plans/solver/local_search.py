"""From a placement that breaks limits to one that keeps them, and from there to cheaper ones: by moves and
exchanges.
"""

import numpy as np

from edgeproof.plans.scenario.costs import Caps, Problem
from edgeproof.plans.scenario.model import Placement

_STEPS = 600  # moves and exchanges at most; each is an improvement
_CANDIDATES = 16  # exchanges per pair of devices that are checked for shared tensors
_ADDED = ("latency", "energy", "accuracy")
_LEAST = 1e-12  # least gain of a step, relative to the objective


class LocalSearch:
    """Steps of one problem, judged by weights per unit of latency, energy, switches and accuracy, under `caps`."""

    def __init__(self, problem: Problem, weights: dict[str, float], caps: Caps) -> None:
        self.problem, self.weights, self.caps = problem, weights, caps
        self.touching = [set() for _ in problem.order]
        self.neighbours = [set() for _ in problem.order]
        for k, tensor in enumerate(problem.scenario.tensors):
            members = [s for s in (tensor.producer, *tensor.consumers) if s is not None and s != -1]
            for stage in members:
                self.touching[stage].add(k)
                self.neighbours[stage].update(members)
        limits = [getattr(caps, name) for name in _ADDED]
        self.limits = np.array([np.inf if cap is None else cap for cap in limits], float)

    def repair(self, placement: Placement) -> tuple[float, Placement] | None:
        """Return `(objective, placement)` that keeps every limit, or None when none was found from here.

        `placement` must have a link for every crossing.
        """
        self._start(placement)
        for _ in range(_STEPS):
            steps = self._choose()
            if steps is None:
                break
            for stage, option in steps:
                self._take(stage, option)
        totals = self.problem.evaluate(tuple(self.placement))
        if totals is None or not self.caps.allow(totals):
            return None
        names = ("latency", "energy", "switches", "accuracy")
        value = sum(self.weights.get(name, 0.0) * getattr(totals, name) for name in names)
        return value, tuple(self.placement)

    def list_neighbours(self, placement: Placement, count: int) -> list[Placement]:
        """Return a placement that keeps every limit and the cheapest that differ from it in one stage, `count` in
        all.
        """
        found = [placement]
        if count > 1:
            self._start(placement)
            table = np.concatenate(self.rows)
            for row in table[table[:, 6].argsort(kind="stable")][: 8 * count]:
                stage, option = int(row[0]), int(row[1])
                other = (*placement[:stage], option, *placement[stage + 1 :])
                totals = self.problem.evaluate(other)
                if len(found) < count and totals is not None and self.caps.allow(totals):
                    found.append(other)
        return found

    def _start(self, placement):
        problem, self.placement = self.problem, list(placement)
        totals = problem.require_totals(placement)
        resident = np.array(problem.resident_memory(placement, problem.devices_of(placement)), float)
        # Activations and tensors change little from step to step, so they are taken as constant here, and shared
        # weights as if each stage had its own; `evaluate` decides in the end.
        budgets = [np.inf if cap is None else cap for cap in self.caps.memory]
        self.room = np.array(budgets, float) - (np.array(totals.memory, float) - resident)
        self.used = resident
        self.totals = np.array([getattr(totals, name) for name in _ADDED], float)
        self.rows = [self._list_moves(stage) for stage in range(len(self.placement))]
        self.least = _LEAST * abs(sum(self.weights.get(name, 0.0) * getattr(totals, name) for name in _ADDED))

    def _list_moves(self, stage: int) -> np.ndarray:
        """Return one row per other option of a stage.

        Columns: stage, option, device before and after, weights before and after, and the changes of objective,
        latency, energy and accuracy.
        """
        problem, here = self.problem, self.placement[stage]
        rows, before = [], self._price_copies(stage)
        if before is None:
            raise ValueError(f"stage {stage} crosses where there is no link")
        for option, device in enumerate(problem.device[stage]):
            if option == here:
                continue
            self.placement[stage] = option
            after = self._price_copies(stage)
            if after is None:
                continue
            latency = problem.latency[stage][option] - problem.latency[stage][here] + after[0] - before[0]
            energy = problem.energy[stage][option] - problem.energy[stage][here] + after[1] - before[1]
            accuracy = problem.accuracy[stage][option] - problem.accuracy[stage][here]
            changes = {"latency": latency, "energy": energy, "accuracy": accuracy, "switches": after[2] - before[2]}
            value = sum(weight * changes[name] for name, weight in self.weights.items())
            weights = problem.weights[stage]
            places = (problem.device[stage][here], device, weights[here], weights[option])
            rows.append((stage, option, *places, value, latency, energy, accuracy))
        self.placement[stage] = here
        return np.array(rows, float).reshape(-1, 10)

    def _price_copies(self, stage: int) -> tuple[int, int, int] | None:
        """Return (latency, energy, switches) of all copies of tensors that a stage writes or reads; None when a link is
        missing.
        """
        problem, latency, energy, switches = self.problem, 0, 0, 0
        scenario, placement = problem.scenario, self.placement
        for k in self.touching[stage]:
            tensor = scenario.tensors[k]
            made = tensor.producer
            source = scenario.ingest if made is None else problem.device[made][placement[made]]
            inner = {problem.device[c][placement[c]] for c in tensor.consumers if c != -1} - {source}
            for target in inner | ({scenario.egress} - {source} if -1 in tensor.consumers else set()):
                cost = problem.cross_latency[k][source][target]
                if cost < 0:
                    return None
                latency += cost
                energy += problem.cross_energy[k][source][target]
            switches += len(inner) if made is not None else 0
        return latency, energy, switches

    def _choose(self) -> list[tuple[int, int]] | None:
        """Return the best next step as `[(stage, option)]`: one move, or two that exchange places; None when none
        helps.

        While limits are broken, it is the step that lowers the excess at the least cost; otherwise the one that lowers
        the objective most.
        """
        table = np.concatenate(self.rows)
        over = self._exceed_memory(self.used).sum() + self._exceed_totals(self.totals).sum()
        left = over + self._change_excess(table)
        value = table[:, 6]
        if over > 1e-12:
            gain = over - left
            helps = gain > 1e-12
            if not helps.any():
                return None
            rate = np.where(helps, np.where(value > 0, value / np.where(helps, gain, 1.0), value), np.inf)
            return self._read(table[rate.argmin()])
        allowed = np.where(left <= 1e-12, value, np.inf)
        best = int(allowed.argmin()) if len(allowed) else None
        least = allowed[best] if best is not None else 0.0
        found = self._exchange(table, min(least, -self.least))
        if found is not None:
            return found
        return self._read(table[best]) if least < -self.least else None

    def _read(self, *rows):
        return [(int(row[0]), int(row[1])) for row in rows]

    def _change_excess(self, table: np.ndarray) -> np.ndarray:
        """Return by how much each move changes the sum of relative excesses over the limits."""
        here, there = table[:, 2].astype(int), table[:, 3].astype(int)
        gone, come = table[:, 4], table[:, 5]
        apart = here != there
        now = self._exceed_memory(self.used)
        freed = self._exceed_memory(self.used[here] - gone + np.where(apart, 0.0, come), here) - now[here]
        filled = np.where(apart, self._exceed_memory(self.used[there] + come, there) - now[there], 0.0)
        totals = self._exceed_totals(self.totals + table[:, 7:10]).sum(axis=1) - self._exceed_totals(self.totals).sum()
        return freed + filled + totals

    def _exceed_memory(self, used: np.ndarray, device: np.ndarray | slice = slice(None)) -> np.ndarray:
        room = self.room[device]
        return np.where(np.isinf(room), 0.0, np.maximum(used - room, 0.0) / np.maximum(np.abs(room), 1.0))

    def _exceed_totals(self, totals):
        finite = np.isfinite(self.limits)
        beyond = np.maximum(totals - np.where(finite, self.limits, 0.0), 0.0)
        return np.where(finite, beyond / np.maximum(np.where(finite, self.limits, 1.0), 1.0), 0.0)

    def _exchange(self, table: np.ndarray, beat: float) -> list[tuple[int, int]] | None:
        """Return the best exchange of two stages between two devices that lowers the objective by more than `beat`.

        Only stages that share no tensor are exchanged: their changes add up.
        """
        best, count = None, len(self.room)
        pair = table[:, 2].astype(int) * count + table[:, 3].astype(int)
        groups = {int(code): table[pair == code] for code in np.unique(pair)}
        for code, leaving in groups.items():
            a, b = divmod(code, count)
            coming = groups.get(b * count + a)
            if a >= b or coming is None:
                continue
            value = leaving[:, None, 6] + coming[None, :, 6]
            on_a = self.used[a] - leaving[:, None, 4] + coming[None, :, 5]
            on_b = self.used[b] + leaving[:, None, 5] - coming[None, :, 4]
            fits = (on_a <= self.room[a]) & (on_b <= self.room[b]) & (value < beat)
            for column in range(3):
                total = self.totals[column] + leaving[:, None, 7 + column] + coming[None, :, 7 + column]
                fits &= total <= self.limits[column]
            places = np.argwhere(fits)
            for i, j in places[value[fits].argsort()[:_CANDIDATES]]:
                if value[i, j] < beat and int(coming[j, 0]) not in self.neighbours[int(leaving[i, 0])]:
                    best, beat = self._read(leaving[i], coming[j]), float(value[i, j])
                    break
        return best

    def _take(self, stage, option):
        problem, before = self.problem, self.placement[stage]
        row = next(row for row in self.rows[stage] if row[1] == option)
        self.used[problem.device[stage][before]] -= problem.weights[stage][before]
        self.used[problem.device[stage][option]] += problem.weights[stage][option]
        self.totals += row[7:10]
        self.placement[stage] = option
        for near in self.neighbours[stage] | {stage}:
            self.rows[near] = self._list_moves(near)
