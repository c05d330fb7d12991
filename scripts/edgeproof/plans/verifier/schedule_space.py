"""Searches all placements and schedules of a scheduled scenario, to prove again what one engine claims.

Stages are placed in execution order. A branch ends where even its lower bounds (longest path, busiest device or link,
sums of energy and accuracy, resident memory) break a limit or are no better than the plan that was claimed. For what is
left, all active schedules are tried (Giffler and Thompson 1960): the next event is one of those that compete for the
lane which is free first. Memory over time is bounded from below: weights, and the largest need of any one stage.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from edgeproof.plans.scenario.model import Placement

from .ledger import TOLERANCE, Copy, Ledger
from .verdict import PRECISION

_SLIP = 4e-10  # ms: below it two times are one; what lasts a unit of time (1e-9) lasts longer
Limits = dict[str, float | None]


class Event(NamedTuple):
    """A stage (`stage` is set) or a copy that a schedule has to place; `before`: indices of events that end first."""

    stage: int | None
    copy: Copy | None
    duration: float
    lane: tuple[str, int] | None
    before: tuple[int, ...]
    deadline: float


class Found(NamedTuple):
    """A plan with a schedule: the start in ms of every stage and of every copy by (tensor, source, target)."""

    placement: Placement
    starts: tuple[float, ...]
    copies: dict[tuple[int, int, int], float]
    value: float


class ScheduleSpace:
    """All placements and schedules under some limits, visited with at most `steps` steps of branching.

    `ledger` computes in floats. `undecided` says afterwards that something was left open.
    """

    def __init__(self, ledger: Ledger, goal: str, limits: Limits, steps: int) -> None:
        self.ledger, self.goal, self.limits, self.left = ledger, goal, limits, steps
        self.scenario, self.undecided = ledger.scenario, False
        self.reads = [[k for k, t in enumerate(self.scenario.tensors) if i in t.consumers]
                      for i in range(len(self.scenario.stages))]  # fmt: skip
        self.writes = [[k for k, t in enumerate(self.scenario.tensors) if t.producer == i]
                       for i in range(len(self.scenario.stages))]  # fmt: skip
        self.tails = self._measure_tails()
        least = [[min(column) for column in zip(*((o.energy, o.accuracy) for o in row), strict=True)]
                 for row in ledger.options]  # fmt: skip
        self.rest = [(0.0, 0.0)]
        for stage in reversed(self.scenario.order):
            self.rest.append((self.rest[-1][0] + least[stage][0], self.rest[-1][1] + least[stage][1]))
        self.rest.reverse()

    def _measure_tails(self) -> list[float]:
        """Return per stage the shortest time in ms that its successors take after it, crossings left out."""
        tails = [0.0] * len(self.scenario.stages)
        for stage in reversed(self.scenario.order):
            for k in self.writes[stage]:
                for reader in self.scenario.tensors[k].consumers:
                    if reader != -1:
                        fastest = min(option.latency for option in self.ledger.options[reader])
                        tails[stage] = max(tails[stage], fastest + tails[reader])
        return tails

    def find_better(self, cutoff: float, known: Sequence[Placement] = ()) -> Found | None:
        """Return a plan whose first level is below `cutoff` (infinite: any plan), and whose placement is not `known`.

        None when there is none, or when `undecided` became true.
        """
        margin = PRECISION * max(1.0, abs(cutoff)) if math.isfinite(cutoff) else 0.0
        self.cutoff, self.known = cutoff - margin, set(known)
        state = {
            "chosen": {},
            "ends": {},
            "busy": {},
            "carried": {},
            "copied": frozenset(),
            "energy": 0.0,
            "accuracy": 0.0,
            "switches": 0,
            "latency": 0.0,
            "resident": {},
            "need": {},
            "groups": frozenset(),
            "modes": {},
        }
        return self._place(0, state)

    def bound_all(self) -> float:
        """Return a lower bound of the first level over all plans, without any search."""
        ahead = [min(o.latency for o in self.ledger.options[i]) + self.tails[i] for i in range(len(self.tails))]
        energy, accuracy = self.rest[0]
        totals = {"latency": max(ahead), "energy": energy, "switches": 0, "accuracy": accuracy, "period": 0.0}
        return float(self.ledger.levels(self.goal, totals)[0])

    def _spend(self) -> bool:
        self.left -= 1
        if self.left < 0:
            self.undecided = True
        return self.undecided

    def _place(self, step: int, state: dict[str, Any]) -> Found | None:
        if self._spend():
            return None
        if step == len(self.scenario.order):
            return self._finish(state)
        stage = self.scenario.order[step]
        for o in range(len(self.ledger.options[stage])):
            following = self._extend(step, stage, o, state)
            if following is not None:
                found = self._place(step + 1, following)
                if found is not None or self.undecided:
                    return found
        return None

    def _extend(self, step: int, stage: int, o: int, state: dict[str, Any]) -> dict[str, Any] | None:
        """Return the state with one more stage placed; None when no plan below can be better."""
        ledger, option = self.ledger, self.ledger.options[stage][o]
        mode = self.scenario.stages[stage].options[o].mode
        if mode is not None and state["modes"].get(option.device, mode) != mode:
            return None
        new = dict(state, chosen={**state["chosen"], stage: o}, busy=dict(state["busy"]))
        if mode is not None:
            new["modes"] = {**state["modes"], option.device: mode}
        new["carried"], ready = dict(state["carried"]), 0.0
        for k in self.reads[stage]:
            tensor = self.scenario.tensors[k]
            home, made = ledger.ingest, 0.0
            if tensor.producer is not None:
                home = ledger.options[tensor.producer][state["chosen"][tensor.producer]].device
                made = state["ends"][tensor.producer]
            if home != option.device:
                copy = ledger.known_copies[k].get((ledger.rank[stage], home, option.device))
                if copy is None:
                    return None
                made += copy.latency
                if (k, option.device) not in new["copied"]:
                    self._carry(new, copy, tensor.producer is not None)
            ready = max(ready, made)
        end = ready + option.latency
        deadline = self.scenario.stages[stage].deadline_ms
        if deadline is not None and end > deadline + TOLERANCE:
            return None
        new["ends"] = {**state["ends"], stage: end}
        new["busy"][option.device] = new["busy"].get(option.device, 0.0) + option.latency
        new["energy"] += option.energy
        new["accuracy"] += option.accuracy
        new["latency"] = max(new["latency"], end + self.tails[stage])
        for k in self.writes[stage]:
            if self.scenario.tensors[k].consumers == (-1,) and option.device != ledger.egress:
                copy = ledger.known_copies[k].get((len(ledger.rank), option.device, ledger.egress))
                if copy is None:
                    return None
                self._carry(new, copy, False)
                new["latency"] = max(new["latency"], end + copy.latency)
        if not self._fits_memory(new, stage, option) or not self._is_hopeful(step + 1, new):
            return None
        return new

    def _carry(self, new, copy, counts):
        new["copied"] = new["copied"] | {(copy.tensor, copy.target)}
        new["energy"] += copy.energy
        new["switches"] += counts
        if copy.link is not None:
            new["carried"][copy.link] = new["carried"].get(copy.link, 0.0) + copy.latency
        if self.ledger.rule == "pipelined" and counts:
            new["resident"] = dict(new["resident"])
            size = 2 * self.ledger.held[copy.tensor]
            new["resident"][copy.target] = new["resident"].get(copy.target, 0.0) + size

    def _fits_memory(self, new, stage, option):
        """Return whether weights, and the largest need of one stage, fit into every device; note them in the state."""
        ledger, sizes = self.ledger, self.ledger.held
        new["resident"], new["need"] = dict(new["resident"]), dict(new["need"])
        if option.group is None or (option.device, option.group) not in new["groups"]:
            new["resident"][option.device] = new["resident"].get(option.device, 0.0) + option.weights
            if option.group is not None:
                new["groups"] = new["groups"] | {(option.device, option.group)}
        if self.scenario.version > 1:
            made = sum(sizes[k] for k in self.writes[stage])
            if ledger.rule == "pipelined":
                new["resident"][option.device] += option.activations + 2 * made
            else:
                read = sum(sizes[k] for k in self.reads[stage] if self.scenario.tensors[k].producer is not None)
                need = option.activations + made + read
                new["need"][option.device] = max(need, new["need"].get(option.device, 0.0))
        return all(
            used + new["need"].get(device, 0.0) <= self.scenario.devices[device].memory_mb + TOLERANCE
            for device, used in new["resident"].items()
        )

    def _list_totals(self, step, state):
        energy, accuracy = self.rest[step]
        busiest = max([0.0, *state["busy"].values(), *state["carried"].values()])
        return {
            "latency": max(state["latency"], busiest),
            "energy": state["energy"] + energy,
            "switches": state["switches"],
            "accuracy": state["accuracy"] + accuracy,
            "period": busiest,
        }

    def _is_hopeful(self, step: int, state: dict[str, Any]) -> bool:
        """Return whether lower bounds of all totals keep the limits and are better than the cutoff."""
        totals = self._list_totals(step, state)
        for name, limit in self.limits.items():
            if limit is not None and totals[name] > limit + TOLERANCE:
                return False
        return self.ledger.levels(self.goal, totals)[0] < self.cutoff

    def _finish(self, state: dict[str, Any]) -> Found | None:
        """Look for a schedule of a whole placement that is better than the cutoff."""
        placement = tuple(state["chosen"][i] for i in range(len(self.scenario.stages)))
        if placement in self.known:
            return None
        totals = self._list_totals(len(self.scenario.order), state)
        return self.schedule(placement, totals)

    def schedule(self, placement: Placement, totals: dict[str, Any]) -> Found | None:
        """Return a schedule of one placement that beats the cutoff and keeps the limits; None as in `find_better`.

        `totals`: those that do not depend on the schedule, and a lower bound of the latency.
        """
        least = self.ledger.levels(self.goal, totals)[0]
        slope = self.ledger.levels(self.goal, {**totals, "latency": totals["latency"] + 1.0})[0] - least
        latest = math.inf
        if math.isfinite(self.cutoff) and slope > 0:
            latest = totals["latency"] + (self.cutoff - least) / slope
        if self.limits["latency"] is not None:
            latest = min(latest, self.limits["latency"] + TOLERANCE)
        events = list_events(self.ledger, placement)
        self.placement, self.totals, self.events, self.latest = placement, totals, events, latest
        self.after = [0.0] * len(events)
        for i in reversed(range(len(events))):
            for j in events[i].before:
                self.after[j] = max(self.after[j], events[i].duration + self.after[i])
        return self._branch({}, {})

    def _branch(self, ends: dict[int, float], free: dict[Any, float]) -> Found | None:
        if self._spend():
            return None
        if len(ends) == len(self.events):
            return self._accept(ends)
        ready, work = {}, {}
        for i, event in enumerate(self.events):
            if i in ends:
                continue
            start = max([free.get(event.lane, 0.0), *(ends.get(j, 0.0) for j in event.before)])
            lane = work.setdefault(event.lane, [math.inf, 0.0, math.inf])
            lane[:] = min(lane[0], start), lane[1] + event.duration, min(lane[2], self.after[i])
            end = start + event.duration
            if end + self.after[i] > self.latest or end > event.deadline:
                return None
            if all(j in ends for j in event.before):
                ready[i] = start
        if any(name is not None and sum(lane) > self.latest for name, lane in work.items()):
            return None
        first = min(ready, key=lambda i: (ready[i] + self.events[i].duration, i))
        end, lane = ready[first] + self.events[first].duration, self.events[first].lane
        rivals = [
            i for i in ready if i == first or (lane is not None and self.events[i].lane == lane and ready[i] < end)
        ]
        for i in sorted(rivals, key=lambda i: (ready[i], -self.after[i])):
            done = ready[i] + self.events[i].duration
            found = self._branch({**ends, i: done}, free if lane is None else {**free, lane: done})
            if found is not None or self.undecided:
                return found
        return None

    def _accept(self, ends: dict[int, float]) -> Found | None:
        """Return a finished schedule; None when it needs too much memory, which leaves the placement undecided."""
        starts, copies = [0.0] * len(self.placement), {}
        for i, event in enumerate(self.events):
            start = ends[i] - event.duration
            if event.stage is not None:
                starts[event.stage] = start
            if event.copy is not None:
                copies[event.copy.tensor, event.copy.source, event.copy.target] = start
        lasting = [self.ledger.options[i][o].latency for i, o in enumerate(self.placement)]
        times = (starts, [start + length for start, length in zip(starts, lasting, strict=True)])
        used = measure_scheduled_memory(self.ledger, self.placement, times, copies)
        if any(u > d.memory_mb + TOLERANCE for u, d in zip(used, self.scenario.devices, strict=True)):
            self.undecided = True
            return None
        value = self.ledger.levels(self.goal, {**self.totals, "latency": max(ends.values())})[0]
        return Found(self.placement, tuple(starts), copies, float(value))


def list_events(ledger: Ledger, placement: Placement) -> list[Event]:
    """Return the events whose orders make up the space of schedules, each after those it waits for.

    They are the stages and copies of a placement.
    """
    scenario, copies = ledger.scenario, ledger.require_copies(placement)
    where = [ledger.options[i][o].device for i, o in enumerate(placement)]
    events, index = [], {}
    waiting = sorted(copies, key=lambda copy: copy.rank)

    def add_copies(rank):
        while waiting and waiting[0].rank <= rank:
            copy = waiting.pop(0)
            producer = scenario.tensors[copy.tensor].producer
            before = () if producer is None else (index["stage", producer],)
            lane = None if copy.link is None else ("link", copy.link)
            index[copy.tensor, copy.target] = len(events)
            events.append(Event(None, copy, copy.latency, lane, before, math.inf))

    for rank, stage in enumerate(scenario.order):
        add_copies(rank)
        before = set()
        for k, tensor in enumerate(scenario.tensors):
            if stage in tensor.consumers:
                before |= {index[key] for key in ((k, where[stage]), ("stage", tensor.producer)) if key in index}
        deadline = scenario.stages[stage].deadline_ms
        latest = math.inf if deadline is None else deadline + TOLERANCE
        index["stage", stage] = len(events)
        duration = ledger.options[stage][placement[stage]].latency
        events.append(Event(stage, None, duration, ("device", where[stage]), tuple(sorted(before)), latest))
    add_copies(len(scenario.order))
    return events


def measure_scheduled_memory(
    ledger: Ledger,
    placement: Placement,
    times: tuple[Sequence[Any], Sequence[Any]],
    copies: dict[tuple[int, int, int], Any],
) -> list[Any]:
    """Return the peak memory per device in MB of one schedule in the space, over its times.

    `times`: starts and ends of every stage in ms, `copies`: starts of every copy by (tensor, source, target).
    Activations are alive while their stage runs; tensors from the start of their producer (or copy) to the end of their
    last reader. A stage of 0 ms has no such time: at its moment there are its activations, what it reads and makes, and
    what was there before and stays.
    """
    scenario = ledger.scenario
    chosen = [ledger.options[i][o] for i, o in enumerate(placement)]
    if scenario.version == 1 or ledger.rule == "pipelined":
        return ledger.memory(chosen, ledger.require_copies(placement))
    starts, ends = times
    spans = [(option.device, option.activations, starts[i], ends[i], -1) for i, option in enumerate(chosen)]
    for k, tensor in enumerate(scenario.tensors):
        if tensor.producer is None:
            continue
        readers = [c for c in tensor.consumers if c != -1]
        last = max([ends[tensor.producer], *(ends[c] for c in readers)])
        spans.append((chosen[tensor.producer].device, ledger.held[k], starts[tensor.producer], last, k))
        for (index, _, target), start in copies.items():
            here = [ends[c] for c in readers if chosen[c].device == target]
            if index == k and here:
                spans.append((target, ledger.held[k], start, max(here), k))
    peaks = []
    for device in range(len(scenario.devices)):
        mine = [span for span in spans if span[0] == device]
        moments = [sum(s for _, s, a, b, _ in mine if a <= at + _SLIP and at + _SLIP < b) for _, _, at, _, _ in mine]
        peaks.append(max(moments, default=0))
    for i, option in enumerate(chosen):
        if option.latency == 0:
            at, near = starts[i], {k for k, t in enumerate(scenario.tensors) if i == t.producer or i in t.consumers}
            stays = (
                s for d, s, a, b, k in spans if d == option.device and k not in near and a + _SLIP < at < b - _SLIP
            )
            need = option.activations + sum(ledger.held[k] for k in near) + sum(stays)
            peaks[option.device] = max(peaks[option.device], need)
    return [a + b for a, b in zip(ledger.resident(chosen), peaks, strict=True)]
