"""Computes a bound again from the prices that the solver leaves behind, for spaces that are too large to try.

For prices λ ≥ 0, the least of objective + Σ λ (use − limit) over all placements never exceeds the best objective that
keeps the limits. That least is found stage by stage: a table has the least cost for every choice of devices that later
stages still depend on. Of memory, only what adds up is counted: weights, and what one stage needs at least.
"""

from typing import Any

from .ledger import TOLERANCE, Ledger

_STATES = 4_000  # choices of open devices at one time
_WORK = 2_000_000  # steps in all
_ADDITIVE = {"latency", "energy", "switches", "accuracy"}

Prices = dict[str, float]  # by metric, or by "memory of DEVICE"


def recompute_bound(ledger: Ledger, goal: str, limits: dict[str, float | None], prices: Prices) -> float | None:
    """Return the Lagrangian bound on a goal's first level at `prices` (per ms, mJ, point or MB, all at least 0).

    None where costs do not add up, or too many stages are open at one time. Infinite: some stage has no place.
    """
    weights = _weigh(ledger, goal)
    if weights is None or ledger.scenario.execution == "scheduled":
        return None
    return _Table(ledger, weights, limits, prices).minimize()


def _weigh(ledger: Ledger, goal: str) -> dict[str, float] | None:
    """Return the first level's weight per unit of each metric; None where it is not a sum of metrics."""
    zero = {"latency": 0, "energy": 0, "switches": 0, "accuracy": 0, "period": 0}
    base = ledger.levels(goal, zero)[0]
    found = {name: float(ledger.levels(goal, {**zero, name: 1})[0] - base) for name in zero}
    return {name: found[name] for name in _ADDITIVE} if not found["period"] else None


class _Table:
    """Costs with limits priced in, and the elimination of one stage after another."""

    def __init__(self, ledger: Ledger, weights: dict[str, float], limits: Any, prices: Prices) -> None:
        self.ledger, self.scenario = ledger, ledger.scenario
        self.rates = {name: weights[name] + (prices.get(name, 0.0) if name != "switches" else 0.0) for name in weights}
        self.fixed = -sum(
            prices.get(name, 0.0) * (limits[name] + TOLERANCE) for name in limits if limits[name] is not None
        )
        self.options, self.wakes = [], any(device.entry_ms for device in self.scenario.devices)
        self.needs = [self._need(stage) for stage in range(len(self.scenario.stages))]
        for stage in range(len(self.scenario.stages)):
            best = {}
            for option in ledger.options[stage]:
                cost = sum(
                    self.rates[name] * float(value)
                    for name, value in zip(
                        ("latency", "energy", "accuracy"), (option.latency, option.energy, option.accuracy), strict=True
                    )
                )
                device = self.scenario.devices[option.device]
                if ledger.rule != "pipelined" and float(option.weights) + self._need_of(stage, option) > (
                    device.memory_mb + TOLERANCE
                ):
                    continue
                cost += prices.get(f"memory of {device.name}", 0.0) * self._count_memory(stage, option)
                best[option.device] = min(cost, best.get(option.device, float("inf")))
            self.options.append(best)
        for index, device in enumerate(self.scenario.devices):
            price = prices.get(f"memory of {device.name}", 0.0)
            self.fixed -= price * (device.memory_mb + TOLERANCE - self._find_least_need(index))

    def _need(self, stage):
        """Return what a stage reads and writes in MB, which is there while it runs."""
        if self.scenario.version == 1:
            return 0.0
        tensors = [
            float(self.ledger.held[k])
            for k, tensor in enumerate(self.scenario.tensors)
            if tensor.producer is not None and (tensor.producer == stage or stage in tensor.consumers)
        ]
        return sum(tensors)

    def _need_of(self, stage, option):
        return 0.0 if self.scenario.version == 1 else float(option.activations) + self.needs[stage]

    def _find_least_need(self, device):
        """Return what any stage on a device needs beside weights; a device without stages keeps its limit anyway."""
        if self.ledger.rule == "pipelined":
            return 0.0
        needs = [
            self._need_of(stage, option)
            for stage, row in enumerate(self.ledger.options)
            for option in row
            if option.device == device
        ]
        budget = self.scenario.devices[device].memory_mb
        return min([budget, *needs])

    def _count_memory(self, stage, option):
        """Return what a stage adds to its device's memory: its weights, shared ones as nothing."""
        if option.group is not None:
            return 0.0
        if self.ledger.rule != "pipelined" or self.scenario.version == 1:
            return float(option.weights)
        made = sum(float(self.ledger.held[k]) for k, t in enumerate(self.scenario.tensors) if t.producer == stage)
        return float(option.weights) + float(option.activations) + 2 * made

    def _price(self, copy, counts):
        cost = self.rates["latency"] * float(copy.latency) + self.rates["energy"] * float(copy.energy)
        return cost + self.rates["switches"] * counts

    def minimize(self) -> float | None:
        """Return the least cost of all placements; None when that is too much work."""
        until = self._find_last_uses()
        table, front, work = {(): 0.0}, [], 0
        for step, stage in enumerate(self.scenario.order):
            grown = {}
            front.append(stage)
            keep = [n for n, other in enumerate(front) if until[other] > step]
            work += len(table) * len(self.options[stage])
            if work > _WORK or len(table) > _STATES:
                return None
            for devices, cost in table.items():
                for device, own in self.options[stage].items():
                    where = dict(zip(front, (*devices, device), strict=True))
                    moved = self._cross(stage, device, where)
                    if moved is None:
                        continue
                    key = tuple(where[front[n]] for n in keep)
                    total = cost + own + moved
                    if total < grown.get(key, float("inf")):
                        grown[key] = total
            table, front = grown, [front[n] for n in keep]
        return min(table.values(), default=float("inf")) + self.fixed

    def _find_last_uses(self):
        """Return per stage the last step at which some copy still depends on where it is."""
        rank = self.ledger.rank
        until = [rank[stage] + self.wakes for stage in range(len(rank))]  # an entry depends on the stage before
        for tensor in self.scenario.tensors:
            readers = [c for c in tensor.consumers if c != -1]
            for stage in (tensor.producer, *readers):
                if stage is not None and readers:
                    until[stage] = max(until[stage], *(rank[c] for c in readers))
        return until

    def _price_entry(self, stage, device, where):
        """Return what waking up a device costs; nothing where the stage before ran there."""
        if not self.wakes:
            return 0.0
        rank = self.ledger.rank[stage]
        if rank and where[self.scenario.order[rank - 1]] == device:
            return 0.0
        entry = self.scenario.devices[device].entry_ms
        return entry * (self.rates["latency"] + self.rates["energy"] * float(self.ledger.idle))

    def _cross(self, stage: int, device: int, where: dict[int, int]) -> float | None:
        """Return what the copies cost that a stage waits for, and that of its output; None without a link."""
        rank = self.ledger.rank
        cost = self._price_entry(stage, device, where)
        for k, tensor in enumerate(self.scenario.tensors):
            if stage in tensor.consumers:
                home = self.ledger.ingest if tensor.producer is None else where[tensor.producer]
                earlier = [c for c in tensor.consumers if c != -1 and rank[c] < rank[stage]]
                if home == device or any(where[c] == device for c in earlier):
                    continue
                copy = self.ledger.known_copies[k].get((rank[stage], home, device))
                if copy is None:
                    return None
                cost += self._price(copy, tensor.producer is not None)
            elif tensor.producer == stage and tensor.consumers == (-1,) and device != self.ledger.egress:
                copy = self.ledger.known_copies[k].get((len(rank), device, self.ledger.egress))
                if copy is None:
                    return None
                cost += self._price(copy, False)
        return cost
