"""The verifier's own accounts: what a placement costs, written from the rules and independent of the solver.

`Ledger` computes with exact fractions, or with floats where a whole space is enumerated.
"""

import itertools
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

from edgeproof.plans.scenario.model import Option, Placement, Scenario, Tensor

TOLERANCE = 1e-9
_BLENDS = {
    "latency": (1.0, 0.2, 0.08),
    "efficiency": (0.35, 1.0, 0.08),
    "balanced": (0.75, 0.75, 0.08),
}
_SEQUENCES = {
    "min-latency": ["latency"],
    "min-energy": ["energy"],
    "throughput": ["period"],
    "accuracy-first": ["accuracy", "latency", "energy"],
}

Number = Any  # a Fraction or a float, as the ledger was made


class Row(NamedTuple):
    """What an option costs in ms, mJ, MB and points; `group`: the name of its shared weights, or None."""

    device: int
    latency: Number
    energy: Number
    weights: Number
    activations: Number
    accuracy: Number
    group: str | None


class Copy(NamedTuple):
    """A tensor on its way, in ms and mJ; `rank`: of its first reader there; `link`: None where none is needed."""

    rank: int
    tensor: int
    source: int
    target: int
    latency: Number
    energy: Number
    link: int | None


class Ledger:
    """The costs of a scenario as written in its document.

    `number` is Fraction (exact) or float (fast). `memory_rule` is `serial`, `scheduled` or `pipelined`.
    """

    def __init__(self, scenario: Scenario, memory_rule: str, number: type = Fraction) -> None:
        self.scenario, self.rule, self.number = scenario, memory_rule, number
        self.ingest, self.egress = (-1 if end is None else end for end in (scenario.ingest, scenario.egress))
        self.rank = {stage: i for i, stage in enumerate(scenario.order)}
        self.idle = sum(self.exact(device.idle_mw) for device in scenario.devices) / 1000
        self.has_modes = any(device.modes for device in scenario.devices)
        self.options = [[self._read_option(option) for option in stage.options] for stage in scenario.stages]
        self.links = {}
        for index, link in enumerate(scenario.links):
            rates = [
                self.exact(v) for v in (link.latency_ms_per_mb, link.setup_ms, link.energy_mj_per_mb, link.setup_mj)
            ]
            self.links[link.source, link.target] = (index, rates)
            if link.bidirectional:
                self.links[link.target, link.source] = (index, rates)
        self.losses = self._read_losses()
        self.has_deadlines = any(stage.deadline_ms is not None for stage in scenario.stages)
        self.sizes = [self.exact(tensor.size_mb) for tensor in scenario.tensors]
        # In the memory of devices: nothing of what the caller hands in (no producer) and gets back (reader -1).
        self.held = [
            self.number(0) if tensor.producer is None or -1 in tensor.consumers else size
            for size, tensor in zip(self.sizes, scenario.tensors, strict=True)
        ]
        self.known_copies = [self._tabulate_copies(k) for k in range(len(scenario.tensors))]
        floor = self.exact(1e-6)
        self.latency_ref = max(floor, sum(min(o.latency for o in options) for options in self.options))
        self.energy_ref = max(floor, sum(min(o.energy for o in options) for options in self.options))

    def exact(self, value: float) -> Number:
        """Return a number of the document as `number`: a Fraction of its decimal digits, not of the nearest float."""
        return self.number(repr(value) if self.number is Fraction else value)

    def _read_option(self, option: Option) -> Row:
        """Return a `Row` of an option's costs, the device's factors applied."""
        device = self.scenario.devices[option.device]
        latency = self.exact(option.latency_ms) * self.exact(device.latency_factor)
        return Row(
            option.device,
            latency,
            self.exact(option.energy_mj) * self.exact(device.energy_factor) + self.idle * latency,
            self.exact(option.weights_mb),
            self.exact(option.activations_mb),
            self.exact(option.accuracy_drop),
            option.shared_weights,
        )

    def _read_losses(self) -> dict[tuple[int, int], Number]:
        """Return {(slowed, by): share of its speed that a stage loses}; empty unless scheduled."""
        if self.scenario.execution != "scheduled":
            return {}
        shares = {
            (row.slowed, row.by): Fraction(1 - 1 / row.factor).limit_denominator(1000)
            for row in self.scenario.contention
            if row.factor > 1
        }
        return {pair: self.number(share) for pair, share in shares.items() if share}

    def lost(self, placement: Placement, spans: dict[int, tuple[Number, Number]], stage: int) -> Number:
        """Return the ms that a stage loses to others, from the (start, end) of every stage."""
        start, end = spans[stage]
        slowed, total = self.options[stage][placement[stage]].device, self.number(0)
        for other, (other_start, other_end) in spans.items():
            share = self.losses.get((slowed, self.options[other][placement[other]].device))
            if other != stage and share is not None:
                total += share * max(0, min(end, other_end) - max(start, other_start))
        return total

    def _tabulate_copies(self, k: int) -> dict[tuple[int, int, int], Copy]:
        """Return `{(reader's rank, from, to): copy}` of one tensor; pairs that no link serves are missing."""
        size, copies = self.sizes[k], {}
        ranks = {self.rank.get(reader, len(self.rank)) for reader in self.scenario.tensors[k].consumers}
        for source, target in itertools.permutations(range(len(self.scenario.devices)), 2):
            latency, energy, link = 0, 0, None
            if size != 0 or self.scenario.version != 1:
                if (source, target) not in self.links:
                    continue
                link, (rate, setup, energy_rate, setup_mj) = self.links[source, target]
                latency = size * rate + setup
                energy = size * energy_rate + setup_mj + self.idle * latency
            for rank in ranks:
                copies[rank, source, target] = Copy(rank, k, source, target, latency, energy, link)
        return copies

    def copies(self, placement: Placement) -> list[Copy] | None:
        """Return the copies that a placement needs; None when a link is missing, or a device needs two modes."""
        if self.has_modes and self._mixes_modes(placement):
            return None
        where = [self.options[i][o].device for i, o in enumerate(placement)]
        found = []
        for k, tensor in enumerate(self.scenario.tensors):
            home = self.ingest if tensor.producer is None else where[tensor.producer]
            first = {}
            for reader in tensor.consumers:
                target = self.egress if reader == -1 else where[reader]
                rank = len(self.rank) if reader == -1 else self.rank[reader]
                if target != home:
                    first[target] = min(rank, first.get(target, rank))
            for target, rank in first.items():
                copy = self.known_copies[k].get((rank, home, target))
                if copy is None:
                    return None
                found.append(copy)
        return found

    def _mixes_modes(self, placement: Placement) -> bool:
        pairs = {
            (stage.options[o].device, stage.options[o].mode)
            for stage, o in zip(self.scenario.stages, placement, strict=True)
            if stage.options[o].mode is not None
        }
        return len({device for device, _ in pairs}) < len(pairs)

    def entries(self, placement: Placement) -> list[Number]:
        """Return per stage the ms that its device takes to wake up: 0 where the stage before it ran there."""
        found, last = [self.number(0)] * len(placement), None
        for stage in self.scenario.order:
            device = self.options[stage][placement[stage]].device
            if device != last:
                found[stage] = self.exact(self.scenario.devices[device].entry_ms)
            last = device
        return found

    def require_copies(self, placement: Placement) -> list[Copy]:
        """Return the copies of a placement that has all of its links; ValueError for another one."""
        copies = self.copies(placement)
        if copies is None:
            raise ValueError(f"the placement {placement} crosses where there is no link")
        return copies

    def account(self, placement: Placement) -> dict[str, Any] | None:
        """Return the totals of a placement executed serially, in the scenario's units; None when a link is missing."""
        copies = self.copies(placement)
        if copies is None:
            return None
        chosen = [self.options[i][o] for i, o in enumerate(placement)]
        tensors = self.scenario.tensors
        busy, carried = {}, {}
        for option in chosen:
            busy[option.device] = busy.get(option.device, 0) + option.latency
        for copy in copies:
            carried[copy.link] = carried.get(copy.link, 0) + copy.latency
        entry = sum(self.entries(placement))
        return {
            "latency": sum(o.latency for o in chosen) + sum(c.latency for c in copies) + entry,
            "energy": sum(o.energy for o in chosen) + sum(c.energy for c in copies) + self.idle * entry,
            "switches": sum(1 for c in copies if c.rank < len(self.rank) and tensors[c.tensor].producer is not None),
            "accuracy": sum(o.accuracy for o in chosen),
            "period": max([*busy.values(), *carried.values()]),
            "memory": self.memory(chosen, copies),
        }

    def resident(self, chosen: list[Row]) -> list[Number]:
        """Return the weights on each device in MB; a shared group counts once."""
        used, groups = [self.number(0)] * len(self.scenario.devices), set()
        for option in chosen:
            if option.group is None or (option.device, option.group) not in groups:
                used[option.device] += option.weights
                groups.add((option.device, option.group))
        return used

    def memory(self, chosen: list[Row], copies: list[Copy]) -> list[Number]:
        """Return the memory of each device in MB: resident weights, and tensors and activations by the memory rule."""
        used = self.resident(chosen)
        if self.scenario.version == 1:
            return used
        if self.rule == "pipelined":
            for option in chosen:
                used[option.device] += option.activations
            for k, tensor in enumerate(self.scenario.tensors):
                if tensor.producer is None:
                    continue
                used[chosen[tensor.producer].device] += 2 * self.held[k]
                for target in {c.target for c in copies if c.tensor == k and c.rank < len(self.rank)}:
                    used[target] += 2 * self.held[k]
            return used
        peaks = [self.number(0)] * len(used)
        for step, running in enumerate(self.scenario.order):
            live = [self.number(0)] * len(used)
            live[chosen[running].device] += chosen[running].activations
            for k, tensor in enumerate(self.scenario.tensors):
                self._add_live(live, k, tensor, step, chosen)
            peaks = [max(pair) for pair in zip(peaks, live, strict=True)]
        return [a + b for a, b in zip(used, peaks, strict=True)]

    def _add_live(self, live: list[Number], k: int, tensor: Tensor, step: int, chosen: list[Row]) -> None:
        """Add one tensor to the memory in use at a step, per device.

        A tensor is alive at home until its last reader on any device has run, a copy from the first to the last reader
        on its device.
        """
        if tensor.producer is None:
            return
        ranks = {self.rank[c]: chosen[c].device for c in tensor.consumers if c != -1}
        made, home = self.rank[tensor.producer], chosen[tensor.producer].device
        if made <= step <= max([made, *ranks]):
            live[home] += self.held[k]
        for device in set(ranks.values()) - {home}:
            mine = [rank for rank, d in ranks.items() if d == device]
            if min(mine) <= step <= max(mine):
                live[device] += self.held[k]

    def stage_ends(self, placement: Placement, copies: list[Copy]) -> dict[int, Number]:
        """Return the end of each stage in ms when the stages run one after another."""
        clock, ends, entries = self.number(0), {}, self.entries(placement)
        for rank, stage in enumerate(self.scenario.order):
            clock += entries[stage]
            clock += sum(copy.latency for copy in copies if copy.rank == rank)
            clock += self.options[stage][placement[stage]].latency
            ends[stage] = clock
        return ends

    def violations(
        self,
        placement: Placement,
        totals: dict[str, Any],
        limits: dict[str, float | None],
        ends: dict[int, Number] | None = None,
    ) -> list[str]:
        """Return the names of the limits that the totals break; `limits` maps a metric to its limit, None: no limit."""
        broken = [name for name, limit in limits.items() if limit is not None and totals[name] > limit + TOLERANCE]
        for device, used in zip(self.scenario.devices, totals["memory"], strict=True):
            if used > device.memory_mb + TOLERANCE:
                broken.append(f"memory of {device.name}")
        if self.has_deadlines:
            ends = ends or self.stage_ends(placement, self.require_copies(placement))
            for i, stage in enumerate(self.scenario.stages):
                if stage.deadline_ms is not None and ends[i] > stage.deadline_ms + TOLERANCE:
                    broken.append(f"deadline of {stage.name}")
        return broken

    def levels(self, goal: str, totals: dict[str, Any]) -> list[Number]:
        """Return the values that a goal compares, first level first."""
        if goal in _BLENDS:
            latency, energy, switches = (self.exact(weight) for weight in _BLENDS[goal])
            return [
                latency * totals["latency"] / self.latency_ref
                + energy * totals["energy"] / self.energy_ref
                + switches * totals["switches"]
            ]
        return [totals[metric] for metric in self.metrics_of(goal)]

    def weights_of(self, goal: str) -> tuple[float, ...] | None:
        """Return the weights of latency, energy and switches in a blend; None for another goal."""
        return _BLENDS.get(goal)

    def metrics_of(self, goal: str) -> list[str]:
        """Return the metrics that a goal other than a blend compares, one after another."""
        return _SEQUENCES.get(goal) or goal.removeprefix("lex:").split(",")

    def key(self, goal: str, placement: Placement, totals: dict[str, Any]) -> tuple[Any, ...]:
        """Return what plans are ranked by: the goal's levels, latency, energy, switches, path in execution order."""
        path = tuple(placement[stage] for stage in self.scenario.order)
        return (*self.levels(goal, totals), totals["latency"], totals["energy"], totals["switches"], path)

    def enumerate(self, limits: dict[str, float | None]) -> Iterator[tuple[Placement, dict[str, Any], list[str]]]:
        """Yield `(placement, totals, broken limits)` of every placement that has a link for each of its crossings."""
        for placement in itertools.product(*(range(len(options)) for options in self.options)):
            totals = self.account(placement)
            if totals is not None:
                yield placement, totals, self.violations(placement, totals, limits)


def _list_earliest_ends(ledger: Ledger, placement: Placement) -> dict[int, Number]:
    """Return the ms before which no schedule ends a stage: its longest path, without waiting for devices and links."""
    where = [ledger.options[i][o].device for i, o in enumerate(placement)]
    carried = {(copy.tensor, copy.target): copy.latency for copy in ledger.require_copies(placement)}
    ends = {}
    for stage in ledger.scenario.order:
        ready = ledger.number(0)
        for k, tensor in enumerate(ledger.scenario.tensors):
            if stage in tensor.consumers:
                made = ends[tensor.producer] if tensor.producer is not None else 0
                ready = max(ready, made + carried.get((k, where[stage]), 0))
        ends[stage] = ready + ledger.options[stage][placement[stage]].latency
    return ends


def account_least_makespan(ledger: Ledger, placement: Placement, totals: dict[str, Any]) -> Number:
    """Return the ledger's lower bound on a placement's makespan in ms.

    It is the larger of its longest path and its busiest device or link.
    """
    carried = {(copy.tensor, copy.target): copy.latency for copy in ledger.require_copies(placement)}
    ends, last = _list_earliest_ends(ledger, placement), 0
    for k, tensor in enumerate(ledger.scenario.tensors):
        if -1 in tensor.consumers and tensor.producer is not None:
            last = max(last, ends[tensor.producer] + carried.get((k, ledger.egress), 0))
    return max(last, totals["period"], *ends.values())


def relax_schedule(
    ledger: Ledger, placement: Placement, totals: dict[str, Any]
) -> tuple[dict[str, Any], dict[int, Number]]:
    """Return the ledger's lower bounds on every schedule of a placement: (totals, ends of the stages in ms).

    Memory is that of the weights, and of the one stage that needs most while it runs.
    """
    relaxed = {**totals, "latency": account_least_makespan(ledger, placement, totals)}
    if ledger.rule != "pipelined" and ledger.scenario.version > 1:
        chosen = [ledger.options[i][o] for i, o in enumerate(placement)]
        needs = [ledger.number(0)] * len(totals["memory"])
        for stage, option in enumerate(chosen):
            near = (k for k, t in enumerate(ledger.scenario.tensors) if stage == t.producer or stage in t.consumers)
            needs[option.device] = max(needs[option.device], option.activations + sum(ledger.held[k] for k in near))
        relaxed["memory"] = [a + b for a, b in zip(ledger.resident(chosen), needs, strict=True)]
    return relaxed, _list_earliest_ends(ledger, placement)
