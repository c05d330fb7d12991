"""The best schedule of one placement, by trying everything that may start whenever something ends.

Written from docs/plans.md, as `plain_costs.py` is. Between two moments at which something ends, nothing is gained by
starting: memory and lanes are freed only then.
"""

import itertools
from fractions import Fraction

from .plain_costs import CALLER, SLACK, PlainCosts, exact


class PlainSchedules:
    """All schedules of one placement {stage: option}. `totals`: what `PlainCosts.measure` says of it."""

    def __init__(self, costs: PlainCosts, chosen, totals):
        self.costs, self.chosen = costs, chosen
        self.where = {stage: device for stage, (device, _) in chosen.items()}
        self.copies = {("copy", number): copy for number, copy in enumerate(totals["copies"])}
        self.work = {stage: costs.lasts(*option) for stage, option in chosen.items()}
        self.lane = dict(self.where)
        self.needs = {stage: set(costs.before[stage]) for stage in chosen}
        for name, (tensor, _, _, readers, ms, _, link) in self.copies.items():
            self.work[name], self.lane[name] = ms, link
            self.needs[name] = {costs.tensors[tensor][0]} - {CALLER}
            for reader in readers:
                if reader != CALLER:
                    self.needs[reader].add(name)
        self.losses = {
            (row["slowed"], row["by"]): 1 - 1 / exact(row["factor"]) for row in costs.document.get("contention", [])
        }
        self.budgets = {name: exact(device["memory_mb"]) for name, device in costs.devices.items()}
        self.cap = costs.caps.get("latency")
        self.best, self.seen = None, set()

    def find_least(self):
        """Return the least makespan in ms of a schedule that keeps deadlines, memory and the cap on latency."""
        self._go_on(Fraction(0), {}, {}, {})
        return self.best

    def _go_on(self, now, running, starts, ends):
        """Try all that can follow. `running`: {event: work left}."""
        if self._is_hopeless(now, running):
            return
        state = (now, frozenset(running.items()), frozenset(starts.items()))
        if state in self.seen:
            return
        self.seen.add(state)
        if len(ends) == len(self.work):
            if self.fits(starts, ends):
                self.best = now
            return
        busy = {self.lane[event] for event in running}
        for event, work in self.work.items():
            if event in starts or self.lane[event] in busy or not self.needs[event] <= ends.keys():
                continue
            begun = {**starts, event: now}
            if work == 0:
                if self._is_in_time(event, now):
                    self._go_on(now, running, begun, {**ends, event: now})
            else:
                self._go_on(now, {**running, event: work}, begun, ends)
        if running:
            self._run_on(now, running, starts, ends)

    def _is_hopeless(self, now, running):
        end = now + max(running.values(), default=Fraction(0))
        if self.cap is not None and end > self.cap + SLACK:
            return True
        return self.best is not None and end >= self.best

    def _run_on(self, now, running, starts, ends):
        """Let time pass until something that runs ends."""
        speeds = {event: self._find_speed(event, running) for event in running}
        step = min(left / speeds[event] for event, left in running.items())
        after = {event: left - step * speeds[event] for event, left in running.items()}
        over = [event for event, left in after.items() if left == 0]
        if all(self._is_in_time(event, now + step) for event in over):
            left = {event: left for event, left in after.items() if left}
            self._go_on(now + step, left, starts, {**ends, **dict.fromkeys(over, now + step)})

    def _find_speed(self, event, running):
        if event not in self.where:
            return Fraction(1)
        others = [self.where[other] for other in running if other != event and other in self.where]
        return 1 - sum(self.losses.get((self.where[event], other), Fraction(0)) for other in others)

    def _is_in_time(self, event, end):
        due = None if event not in self.where else self.costs.stages[event].get("deadline_ms")
        return due is None or end <= exact(due) + SLACK

    def fits(self, starts, ends):
        """Return whether memory suffices at all times: between two moments, and while stages of 0 ms run."""
        costs = self.costs
        if costs.overlaps:
            used = costs.fill_memory(self.chosen)
            return all(used[device] <= budget + SLACK for device, budget in self.budgets.items())
        weights, held = costs.weigh(self.chosen), []
        for stage, (device, variant) in self.chosen.items():
            held.append((device, exact(variant["activations_mb"]), starts[stage], ends[stage], {stage}))
        for number, made, readers, size in costs.list_inner_tensors():
            last = max(ends[reader] for reader in readers)
            near = {made, *readers}
            held.append((self.where[made], size, starts[made], last, near))
            for name, (tensor, _, target, there, *_) in self.copies.items():
                if tensor == number:
                    held.append((target, size, starts[name], max(ends[reader] for reader in there), near))
        moments = sorted({*starts.values(), *ends.values()})
        for device, budget in self.budgets.items():
            mine = [row[1:] for row in held if row[0] == device]
            peaks = [
                sum(size for size, first, last, _ in mine if first <= a and b <= last)
                for a, b in itertools.pairwise(moments)
            ]
            for stage, now in starts.items():
                if self.where.get(stage) == device and self.work[stage] == 0:
                    peaks.append(sum(size for size, first, last, near in mine if stage in near or first < now < last))
            if weights[device] + max(peaks, default=0) > budget + SLACK:
                return False
        return True


def rank_placements(costs: PlainCosts, count):
    """Return the best `count` placements as (key, names of devices and variants, totals); fewer if there are no more.

    Keys are the goal's levels, latency, energy, switches, and the options' indices in execution order.
    """
    found = []
    for indices in itertools.product(*(range(len(costs.options[stage])) for stage in costs.order)):
        chosen = {stage: costs.options[stage][o] for stage, o in zip(costs.order, indices, strict=True)}
        totals = costs.measure(chosen)
        if totals is None:
            continue
        if costs.document["execution"] == "scheduled":
            others = {**totals, "latency": Fraction(0)}
            if not costs.keeps(others, costs.weigh(chosen)):
                continue
            totals["latency"] = PlainSchedules(costs, chosen, totals).find_least()
            if totals["latency"] is None:
                continue
        elif not (costs.keeps(totals, costs.fill_memory(chosen)) and costs.keeps_deadlines(totals["ends"])):
            continue
        key = (*costs.grade(totals), totals["latency"], totals["energy"], totals["switches"], indices)
        found.append((key, [(device, name_variant(v)) for device, v in chosen.values()], totals))
    return sorted(found, key=lambda row: row[0])[:count]


def name_variant(variant):
    return "-".join(str(variant[key]) for key in ("precision", "mode") if key in variant)
