"""The verifier's own books: what a placement costs, written from the rules and not from the solver.

`Ledger` computes with exact fractions, or with floats where a whole space is enumerated.
"""

import itertools
from fractions import Fraction

TOLERANCE = 1e-9
_BLENDS = {
    "latency": (1.0, 0.2, 0.08),
    "efficiency": (0.35, 1.0, 0.08),
    "balanced": (0.75, 0.75, 0.08),
}


class Ledger:
    """The costs of a scenario as written; `number` is Fraction (exact) or float (fast)."""

    def __init__(self, scenario, memory_rule, number=Fraction):
        self.scenario, self.rule, self.number = scenario, memory_rule, number
        self.rank = {stage: i for i, stage in enumerate(scenario.order)}
        self.options = [[self._read_option(option) for option in stage.options] for stage in scenario.stages]
        self.links = {}
        for index, link in enumerate(scenario.links):
            rates = [
                self.exact(v) for v in (link.latency_ms_per_mb, link.setup_ms, link.energy_mj_per_mb, link.setup_mj)
            ]
            self.links[link.source, link.target] = (index, rates)
            if link.bidirectional:
                self.links[link.target, link.source] = (index, rates)
        self.sizes = [self.exact(tensor.size_mb) for tensor in scenario.tensors]
        self.routes = [self._tabulate_routes(k) for k in range(len(scenario.tensors))]
        floor = self.exact(1e-6)
        self.latency_ref = max(floor, sum(min(o[1] for o in options) for options in self.options))
        self.energy_ref = max(floor, sum(min(o[2] for o in options) for options in self.options))

    def exact(self, value):
        """Return a number of the document as `number`: its decimal digits, not their nearest binary fraction."""
        return self.number(repr(value) if self.number is Fraction else value)

    def _read_option(self, option):
        device = self.scenario.devices[option.device]
        return (
            option.device,
            self.exact(option.latency_ms) * self.exact(device.latency_factor),
            self.exact(option.energy_mj) * self.exact(device.energy_factor),
            self.exact(option.weights_mb),
            self.exact(option.activations_mb),
            self.exact(option.accuracy_drop),
            option.shared_weights,
        )

    def _tabulate_routes(self, k):
        """Return `{(from, to): (latency, energy, link)}` for one tensor; a missing key is a crossing that cannot be."""
        size, routes = self.sizes[k], {}
        for pair in itertools.permutations(range(len(self.scenario.devices)), 2):
            if size == 0 and self.scenario.version == 1:
                routes[pair] = (0, 0, None)
            elif pair in self.links:
                index, (latency, setup, energy, setup_mj) = self.links[pair]
                routes[pair] = (size * latency + setup, size * energy + setup_mj, index)
        return routes

    def copies(self, placement):
        """Return `[(first reader's rank, tensor, from, to, latency, energy, link)]`, or None when a link is missing."""
        where = [self.options[i][o][0] for i, o in enumerate(placement)]
        found = []
        for k, tensor in enumerate(self.scenario.tensors):
            home = self.scenario.ingest if tensor.producer is None else where[tensor.producer]
            first = {}
            for reader in tensor.consumers:
                target = self.scenario.egress if reader == -1 else where[reader]
                rank = len(self.rank) if reader == -1 else self.rank[reader]
                if target != home:
                    first[target] = min(rank, first.get(target, rank))
            for target, rank in first.items():
                route = self.routes[k].get((home, target))
                if route is None:
                    return None
                found.append((rank, k, home, target, *route))
        return found

    def account(self, placement):
        """Return a dict of totals in the scenario's units (serial execution), or None when a link is missing."""
        copies = self.copies(placement)
        if copies is None:
            return None
        chosen = [self.options[i][o] for i, o in enumerate(placement)]
        tensors = self.scenario.tensors
        busy, carried = {}, {}
        for option in chosen:
            busy[option[0]] = busy.get(option[0], 0) + option[1]
        for copy in copies:
            carried[copy[6]] = carried.get(copy[6], 0) + copy[4]
        return {
            "latency": sum(o[1] for o in chosen) + sum(c[4] for c in copies),
            "energy": sum(o[2] for o in chosen) + sum(c[5] for c in copies),
            "switches": sum(1 for c in copies if c[0] < len(self.rank) and tensors[c[1]].producer is not None),
            "accuracy": sum(o[5] for o in chosen),
            "period": max([*busy.values(), *carried.values()]),
            "memory": self.memory(chosen, copies),
        }

    def resident(self, chosen):
        """Return the weights on each device in MB; a shared group counts once."""
        used, groups = [self.number(0)] * len(self.scenario.devices), set()
        for option in chosen:
            if option[6] is None or (option[0], option[6]) not in groups:
                used[option[0]] += option[3]
                groups.add((option[0], option[6]))
        return used

    def memory(self, chosen, copies):
        """Return the memory of each device in MB: resident weights, and tensors and activations as the rule has it."""
        used = self.resident(chosen)
        if self.scenario.version == 1:
            return used
        if self.rule == "pipelined":
            for option in chosen:
                used[option[0]] += option[4]
            for k, tensor in enumerate(self.scenario.tensors):
                if tensor.producer is None:
                    continue
                used[chosen[tensor.producer][0]] += 2 * self.sizes[k]
                for target in {c[3] for c in copies if c[1] == k and c[0] < len(self.rank)}:
                    used[target] += 2 * self.sizes[k]
            return used
        peaks = [self.number(0)] * len(used)
        for step, running in enumerate(self.scenario.order):
            live = [self.number(0)] * len(used)
            live[chosen[running][0]] += chosen[running][4]
            for k, tensor in enumerate(self.scenario.tensors):
                self._add_live(live, k, tensor, step, chosen)
            peaks = [max(pair) for pair in zip(peaks, live, strict=True)]
        return [a + b for a, b in zip(used, peaks, strict=True)]

    def _add_live(self, live, k, tensor, step, chosen):
        """A tensor lives at home until its last reader anywhere has run, a copy from its first to its last reader."""
        if tensor.producer is None:
            return
        ranks = {self.rank[c]: chosen[c][0] for c in tensor.consumers if c != -1}
        made, home = self.rank[tensor.producer], chosen[tensor.producer][0]
        if made <= step <= max([made, *ranks]):
            live[home] += self.sizes[k]
        for device in set(ranks.values()) - {home}:
            mine = [rank for rank, d in ranks.items() if d == device]
            if min(mine) <= step <= max(mine):
                live[device] += self.sizes[k]

    def stage_ends(self, placement, copies):
        """Return the end of each stage in ms when all runs one after another."""
        clock, ends = self.number(0), {}
        for rank, stage in enumerate(self.scenario.order):
            clock += sum(copy[4] for copy in copies if copy[0] == rank)
            clock += self.options[stage][placement[stage]][1]
            ends[stage] = clock
        return ends

    def violations(self, placement, totals, limits, ends=None):
        """Return the names of limits that totals break; a limit of None does not bind."""
        broken = [
            name
            for name in ("latency", "energy", "accuracy", "period")
            if limits[name] is not None and totals[name] > limits[name] + TOLERANCE
        ]
        for device, used in zip(self.scenario.devices, totals["memory"], strict=True):
            if used > device.memory_mb + TOLERANCE:
                broken.append(f"memory of {device.name}")
        if any(stage.deadline_ms is not None for stage in self.scenario.stages):
            ends = ends or self.stage_ends(placement, self.copies(placement))
            for i, stage in enumerate(self.scenario.stages):
                if stage.deadline_ms is not None and ends[i] > stage.deadline_ms + TOLERANCE:
                    broken.append(f"deadline of {stage.name}")
        return broken

    def levels(self, goal, totals):
        """Return the values a goal compares, first level first."""
        if goal in _BLENDS:
            latency, energy, switches = (self.exact(weight) for weight in _BLENDS[goal])
            return [
                latency * totals["latency"] / self.latency_ref
                + energy * totals["energy"] / self.energy_ref
                + switches * totals["switches"]
            ]
        named = {
            "min-latency": ["latency"],
            "min-energy": ["energy"],
            "throughput": ["period"],
            "accuracy-first": ["accuracy", "latency", "energy"],
        }
        return [totals[metric] for metric in named.get(goal) or goal.removeprefix("lex:").split(",")]

    def key(self, goal, placement, totals):
        """Return what plans are ranked by: the goal's levels, latency, energy, switches, path in execution order."""
        path = tuple(placement[stage] for stage in self.scenario.order)
        return (*self.levels(goal, totals), totals["latency"], totals["energy"], totals["switches"], path)

    def enumerate(self, limits):
        """Yield `(placement, totals, broken limits)` of every placement whose crossings have links."""
        for placement in itertools.product(*(range(len(options)) for options in self.options)):
            totals = self.account(placement)
            if totals is not None:
                yield placement, totals, self.violations(placement, totals, limits)


def relax_schedule(ledger, placement, totals):
    """Return a lower bound of a placement's makespan in ms: its longest path, and its busiest device or link."""
    copies = ledger.copies(placement)
    where = [ledger.options[i][o][0] for i, o in enumerate(placement)]
    carried = {(copy[1], copy[3]): copy[4] for copy in copies}
    ends, last = {}, 0
    for stage in ledger.scenario.order:
        ready = ledger.number(0)
        for k, tensor in enumerate(ledger.scenario.tensors):
            if stage in tensor.consumers:
                made = ends[tensor.producer] if tensor.producer is not None else 0
                ready = max(ready, made + carried.get((k, where[stage]), 0))
        ends[stage] = ready + ledger.options[stage][placement[stage]][1]
    for k, tensor in enumerate(ledger.scenario.tensors):
        if -1 in tensor.consumers:
            last = max(last, ends[tensor.producer] + carried.get((k, ledger.scenario.egress), 0))
    return max(last, totals["period"], *ends.values())
