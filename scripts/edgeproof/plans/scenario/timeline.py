"""When a plan does what: start and end of its stages and transfers, and the memory in use at each moment."""

from dataclasses import dataclass
from typing import NamedTuple

from .contention import run_side_by_side
from .costs import Crossing, Problem, Totals
from .model import Placement, Schedule


class Event(NamedTuple):
    """A stage (`stage` is set) or a transfer (`crossing` is set) from `start` to `end`, in units of `costs.py`."""

    start: int
    end: int
    stage: int | None
    crossing: Crossing | None


@dataclass(frozen=True)
class Timeline:
    """Events in order of start; `end` is the makespan, `memory` the peak per device, in units."""

    events: tuple[Event, ...]
    end: int
    memory: tuple[int, ...]


def trace_plan(problem: Problem, placement: Placement, schedule: Schedule | None = None) -> Timeline:
    """Return the `Timeline` of a plan; without a schedule its events follow one another (serial execution)."""
    if schedule is not None:
        return trace_schedule(problem, placement, schedule)
    crossings = problem.require_crossings(placement)
    waiting = {}
    for crossing in crossings:
        waiting.setdefault(crossing.reader, []).append(crossing)
    events, clock, entries = [], 0, problem.list_entries(problem.devices_of(placement))
    for stage in (*problem.order, -1):
        for crossing in waiting.get(stage, ()):
            events.append(Event(clock, clock + crossing.latency, None, crossing))
            clock += crossing.latency
        if stage != -1:
            duration = entries[stage] + problem.latency[stage][placement[stage]]
            events.append(Event(clock, clock + duration, stage, None))
            clock += duration
    memory = problem.measure_memory(placement, problem.devices_of(placement), crossings)
    return Timeline(tuple(events), clock, memory)


def trace_schedule(problem: Problem, placement: Placement, schedule: Schedule) -> Timeline:
    """Return the `Timeline` of a scheduled plan."""
    starts, copies = schedule
    ends = _end_stages(problem, placement, starts)
    events = [Event(start, end, stage, None) for stage, (start, end) in enumerate(zip(starts, ends, strict=True))]
    for crossing in problem.require_crossings(placement):
        start = copies[crossing.tensor, crossing.source, crossing.target]
        events.append(Event(start, start + crossing.latency, None, crossing))
    events.sort(key=lambda event: (event.start, event.end, event.stage is None))
    end = max(event.end for event in events)
    return Timeline(tuple(events), end, _peak_memory(problem, placement, starts, copies))


def _end_stages(problem: Problem, placement: Placement, starts: tuple[int, ...]) -> list[int]:
    """Return the end of each stage from the starts of all; where devices share memory, stages slow each other."""
    work = [problem.latency[stage][option] for stage, option in enumerate(placement)]
    if problem.losses is None:
        return [start + amount for start, amount in zip(starts, work, strict=True)]
    nothing = [frozenset[int]()] * len(work)
    return run_side_by_side(work, problem.devices_of(placement), starts, nothing, problem.losses)[1]


def _peak_memory(
    problem: Problem, placement: Placement, starts: tuple[int, ...], copies: dict[tuple[int, int, int], int]
) -> tuple[int, ...]:
    """Return the peak memory per device: resident weights, plus the largest sum of what is alive at one time.

    Activations are alive while their stage runs; tensors from the start of their producer (or copy) to the end of their
    last reader. A stage of 0 ms needs room all the same: for its activations, for what it reads and makes, and for what
    lies on its device before and after it.
    """
    devices = problem.devices_of(placement)
    ends = _end_stages(problem, placement, starts)
    if problem.scenario.version == 1 or problem.memory_rule == "pipelined":
        return problem.measure_memory(placement, devices, problem.require_crossings(placement))
    spans = [(devices[i], problem.activations[i][o], starts[i], ends[i], -1) for i, o in enumerate(placement)]
    for k, tensor in enumerate(problem.scenario.tensors):
        readers = [c for c in tensor.consumers if c != -1]
        if tensor.producer is None:
            continue
        last = max([ends[tensor.producer], *(ends[c] for c in readers)])
        spans.append((devices[tensor.producer], problem.sizes[k], starts[tensor.producer], last, k))
        for (index, _, target), start in copies.items():
            here = [ends[c] for c in readers if devices[c] == target]
            if index == k and here:
                spans.append((target, problem.sizes[k], start, max(here), k))
    peaks = [0] * len(problem.scenario.devices)
    for device in range(len(peaks)):
        mine = [span[1:] for span in spans if span[0] == device]
        for _, moment, _, _ in mine:
            peaks[device] = max(peaks[device], sum(size for size, first, last, _ in mine if first <= moment < last))
    for stage, option in enumerate(placement):
        if problem.latency[stage][option] == 0:
            device, moment, own = devices[stage], starts[stage], problem.tensors_of[stage]
            beside = sum(
                size
                for where, size, first, last, k in spans
                if where == device and k not in own and first < moment < last
            )
            need = problem.activations[stage][option] + sum(problem.sizes[k] for k in own)
            peaks[device] = max(peaks[device], need + beside)
    resident = problem.resident_memory(placement, devices)
    return tuple(a + b for a, b in zip(resident, peaks, strict=True))


def retime_schedule(problem: Problem, placement: Placement, schedule: Schedule) -> Schedule:
    """Return a schedule with the timeline that it has under the costs of `problem`; its events keep their order.

    Each event starts as early as it can. With it one asks how a fixed plan fares when costs change.
    """
    starts, copies = schedule
    crossings = problem.require_crossings(placement)
    devices = problem.devices_of(placement)
    queue = [(start, 1, stage, None) for stage, start in enumerate(starts)]
    queue += [(copies[c.tensor, c.source, c.target], 0, i, c) for i, c in enumerate(crossings)]
    if problem.losses is not None:
        return _retime_side_by_side(problem, placement, sorted(queue, key=lambda item: item[:3]))
    free, ends, arrived = {}, {}, {}
    new_starts, new_copies = list(starts), {}
    for _, _, index, crossing in sorted(queue, key=lambda item: (item[0], item[1], item[2])):
        if crossing is not None:
            tensor = problem.scenario.tensors[crossing.tensor]
            channel = ("channel", problem.channel.get((crossing.source, crossing.target)))
            start = max(free.get(channel, 0) if channel[1] is not None else 0, ends.get(tensor.producer, 0))
            free[channel] = arrived[crossing.tensor, crossing.target] = start + crossing.latency
            new_copies[crossing.tensor, crossing.source, crossing.target] = start
            continue
        start = free.get(("device", devices[index]), 0)
        for k, tensor in enumerate(problem.scenario.tensors):
            if index in tensor.consumers:
                start = max(start, arrived.get((k, devices[index]), 0), ends.get(tensor.producer, 0))
        new_starts[index] = start
        free["device", devices[index]] = ends[index] = start + problem.latency[index][placement[index]]
    return tuple(new_starts), new_copies


def _retime_side_by_side(problem, placement, queue):
    """Return the schedule of events in the order of `queue` (see `retime_schedule`) that slow each other."""
    devices, last, index = problem.devices_of(placement), {}, {}
    work, where, before = [], [], []
    for number, (_, _, stage, crossing) in enumerate(queue):
        needs = set()
        if crossing is not None:
            tensor = problem.scenario.tensors[crossing.tensor]
            channel = problem.channel.get((crossing.source, crossing.target))
            lane, key = ("channel", channel), (crossing.tensor, crossing.target)
            needs |= {index[tensor.producer]} if tensor.producer is not None else set()
            work.append(crossing.latency)
            where.append(None)
        else:
            lane, key = ("device", devices[stage]), stage
            for k, tensor in enumerate(problem.scenario.tensors):
                if stage in tensor.consumers:
                    needs |= {index[other] for other in ((k, devices[stage]), tensor.producer) if other in index}
            work.append(problem.latency[stage][placement[stage]])
            where.append(devices[stage])
        if lane in last and lane[1] is not None:
            needs.add(last[lane])
        before.append(needs)
        last[lane] = index[key] = number
    starts, _ = run_side_by_side(work, where, [0] * len(work), before, problem.losses)
    stages, copies = [0] * len(placement), {}
    for start, (_, _, stage, crossing) in zip(starts, queue, strict=True):
        if crossing is None:
            stages[stage] = start
        else:
            copies[crossing.tensor, crossing.source, crossing.target] = start
    return tuple(stages), copies


def measure_totals(problem: Problem, placement: Placement, schedule: Schedule | None = None) -> Totals:
    """Return the `Totals` of a plan from its timeline, which gives latency and memory in use if it has a schedule."""
    totals = problem.require_totals(placement)
    if schedule is None:
        return totals
    timeline = trace_schedule(problem, placement, schedule)
    return totals._replace(latency=timeline.end, memory=timeline.memory)
