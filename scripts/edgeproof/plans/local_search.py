"""From a placement that breaks limits to one that keeps them, and from there downhill: by moves and exchanges."""

import numpy as np

_PASSES = 400  # moves and exchanges at most, each an improvement


class LocalSearch:
    """Moves of one problem, judged by weights per unit of latency, energy, switches and accuracy, under `caps`."""

    def __init__(self, problem, weights, caps):
        self.problem, self.weights, self.caps = problem, weights, caps
        self.touching = [set() for _ in problem.order]
        self.neighbours = [set() for _ in problem.order]
        for k, tensor in enumerate(problem.scenario.tensors):
            members = [s for s in (tensor.producer, *tensor.consumers) if s is not None and s != -1]
            for stage in members:
                self.touching[stage].add(k)
                self.neighbours[stage].update(members)
        names = ("latency", "energy", "accuracy")
        rates = [weights.get(name, 0.0) for name in names]
        tables = [getattr(problem, name) for name in names]
        self.own = [
            [
                sum(r * table[i][o] for r, table in zip(rates, tables, strict=True))
                for o in range(len(problem.device[i]))
            ]
            for i in range(len(problem.device))
        ]

    def repair(self, placement):
        """Return `(objective, placement)` that keeps every limit, or None where none was found from here."""
        self._start(placement)
        for _ in range(_PASSES):
            if not self._step():
                break
        totals = self.problem.evaluate(tuple(self.placement))
        if totals is None or not self.caps.allow(totals):
            return None
        value = sum(
            self.weights.get(name, 0.0) * getattr(totals, name)
            for name in ("latency", "energy", "switches", "accuracy")
        )
        return value, tuple(self.placement)

    def _start(self, placement):
        self.placement = list(placement)
        totals = self.problem.evaluate(placement)
        weights = self.problem.resident_memory(placement, self.problem.devices_of(placement))
        # What else lives on a device (activations, tensors) changes little from move to move: set it apart.
        beside = [total - weight for total, weight in zip(totals.memory, weights, strict=True)]
        self.room = np.array([cap - b for cap, b in zip(self.caps.memory, beside, strict=True)], float)
        self.used = np.array(weights, float)
        self.totals = {name: float(getattr(totals, name)) for name in ("latency", "energy", "accuracy")}
        self.moves = [self._price_moves(stage) for stage in range(len(self.placement))]

    def _price_moves(self, stage):
        """Return `[(option, objective, latency, energy, accuracy)]` changes of every other option of a stage."""
        problem, here = self.problem, self.placement[stage]
        before = self._price_tensors(stage)
        found = []
        for option in range(len(problem.device[stage])):
            if option == here:
                continue
            self.placement[stage] = option
            after = self._price_tensors(stage)
            if after is None:
                continue
            change = [b - a for a, b in zip(before, after, strict=True)]
            latency = problem.latency[stage][option] - problem.latency[stage][here] + change[0]
            energy = problem.energy[stage][option] - problem.energy[stage][here] + change[1]
            accuracy = problem.accuracy[stage][option] - problem.accuracy[stage][here]
            value = (
                self.own[stage][option]
                - self.own[stage][here]
                + self.weights.get("latency", 0.0) * change[0]
                + self.weights.get("energy", 0.0) * change[1]
                + self.weights.get("switches", 0.0) * change[2]
            )
            found.append((option, value, latency, energy, accuracy))
        self.placement[stage] = here
        return found

    def _price_tensors(self, stage):
        """Return (latency, energy, switches) of all copies of the tensors a stage makes or reads; None: no link."""
        problem, latency, energy, switches = self.problem, 0, 0, 0
        scenario, placement = problem.scenario, self.placement
        for k in self.touching[stage]:
            tensor = scenario.tensors[k]
            made = tensor.producer
            source = scenario.ingest if made is None else problem.device[made][placement[made]]
            inner = {problem.device[c][placement[c]] for c in tensor.consumers if c != -1} - {source}
            reached = inner | ({scenario.egress} - {source} if -1 in tensor.consumers else set())
            for target in reached:
                cost = problem.cross_latency[k][source][target]
                if cost < 0:
                    return None
                latency += cost
                energy += problem.cross_energy[k][source][target]
            switches += len(inner) if made is not None else 0
        return latency, energy, switches

    def _step(self):
        """Take the best move or exchange; return False when none helps."""
        best = None
        over = self._excess(self.used, self.totals)
        for stage, moves in enumerate(self.moves):
            here = self.problem.device[stage][self.placement[stage]]
            gone = self.problem.weights[stage][self.placement[stage]]
            for option, value, latency, energy, accuracy in moves:
                there = self.problem.device[stage][option]
                used = self.used.copy()
                used[here] -= gone
                used[there] += self.problem.weights[stage][option]
                best = self._better(best, over, used, (latency, energy, accuracy), value, ((stage, option),))
        if over <= 0:
            best = self._exchange(best)
        if best is None:
            return False
        for stage, option in best[1]:
            self._move(stage, option)
        return True

    def _better(self, best, over, used, changes, value, moves):
        """Return the better of `best` and a step: less beyond the limits per cost, then less cost within them."""
        names = ("latency", "energy", "accuracy")
        totals = {name: self.totals[name] + change for name, change in zip(names, changes, strict=True)}
        left = self._excess(used, totals)
        if over > 0:
            if left >= over - 1e-12:
                return best
            key = (value / (over - left)) if value > 0 else value
        elif left > 0 or value >= -1e-15:
            return best
        else:
            key = value
        return (key, moves) if best is None or key < best[0] else best

    def _excess(self, used, totals):
        """Return how far the limits are exceeded in all, each as a share of itself."""
        beyond = float(
            np.maximum(
                used / np.maximum(self.room, 1.0) - np.maximum(self.room, 0.0) / np.maximum(self.room, 1.0), 0
            ).sum()
        )
        for name, total in totals.items():
            cap = getattr(self.caps, name)
            if cap is not None:
                beyond += max(0.0, (total - cap) / max(cap, 1))
        return beyond

    def _exchange(self, best):
        """Return the best exchange of two stages between two devices, if it beats `best`; neighbours move singly."""
        problem = self.problem
        pool = {}
        for stage, moves in enumerate(self.moves):
            here = problem.device[stage][self.placement[stage]]
            for option, value, latency, energy, accuracy in moves:
                there = problem.device[stage][option]
                row = (
                    value,
                    problem.weights[stage][self.placement[stage]],
                    problem.weights[stage][option],
                    latency,
                    energy,
                    accuracy,
                )
                pool.setdefault((here, there), []).append(((stage, option), row))
        for (a, b), leaving in pool.items():
            if a >= b or (b, a) not in pool:
                continue
            coming = pool[b, a]
            left, right = (np.array([row for _, row in side]) for side in (leaving, coming))
            value = left[:, None, 0] + right[None, :, 0]
            on_a = self.used[a] - left[:, None, 1] + right[None, :, 2]
            on_b = self.used[b] + left[:, None, 2] - right[None, :, 1]
            fits = (on_a <= self.room[a]) & (on_b <= self.room[b]) & (value < (best[0] if best else -1e-15))
            for column, name in ((3, "latency"), (4, "energy"), (5, "accuracy")):
                cap = getattr(self.caps, name)
                if cap is not None:
                    fits &= self.totals[name] + left[:, None, column] + right[None, :, column] <= cap
            for i, j in sorted(np.argwhere(fits).tolist(), key=lambda ij: value[ij[0], ij[1]])[:8]:
                one, two = leaving[i][0], coming[j][0]
                if two[0] not in self.neighbours[one[0]] and (best is None or value[i, j] < best[0]):
                    best = (float(value[i, j]), (one, two))
                    break
        return best

    def _move(self, stage, option):
        problem, before = self.problem, self.placement[stage]
        change = next(row for row in self.moves[stage] if row[0] == option)
        self.used[problem.device[stage][before]] -= problem.weights[stage][before]
        self.used[problem.device[stage][option]] += problem.weights[stage][option]
        for name, amount in zip(("latency", "energy", "accuracy"), change[2:], strict=True):
            self.totals[name] += amount
        self.placement[stage] = option
        for near in self.neighbours[stage] | {stage}:
            self.moves[near] = self._price_moves(near)
