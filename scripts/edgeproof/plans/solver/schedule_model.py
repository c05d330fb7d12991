"""Scheduled execution inside the CP-SAT model: one stage at a time per device, one transfer at a time per link."""

import itertools
from typing import Any

_STEPS = 10**4  # with contention, of all stages one after another; what events last is rounded up to whole steps


def choose_grain(problem: Any) -> int:
    """Return how many units a step of time has in the CP-SAT model of a schedule where stages slow each other.

    It is a power of ten, so that times with few digits stay exact.
    """
    crossings = (max(map(max, table), default=0) for table in problem.cross_latency)
    longest = sum(map(max, problem.latency)) + sum(crossings)
    return 10 ** max(0, len(str(longest // _STEPS)) - 1)


def add_schedule(placement: Any) -> None:
    """Add a schedule to the CP-SAT model: start and end times, no-overlap, the makespan and the deadlines.

    Nothing overlaps on a device or channel; times have the grain of latency.
    """
    model, problem, grain = placement.model, placement.problem, placement.grain["latency"]
    horizon = sum(-(-max(row) // grain) for row in problem.latency)
    horizon += sum(-(-coefficient // grain) for _, group in placement.channels.items() for _, coefficient in group)
    placement.horizon = horizon
    placement.start = [model.new_int_var(0, horizon, f"start{i}") for i in range(len(problem.order))]
    placement.end = [model.new_int_var(0, horizon, f"end{i}") for i in range(len(problem.order))]
    placement.makespan = model.new_int_var(0, horizon, "makespan")
    lanes, placement.runs = {}, []
    placement.lost = [model.new_int_var(0, horizon, "") for _ in problem.order] if problem.losses is not None else None
    for i, options in enumerate(problem.device):
        placement.runs.append([_add_run(placement, i, o) for o in range(len(options))])
        for device, interval in zip(options, placement.runs[i], strict=True):
            lanes.setdefault(("device", device), []).append(interval)
        model.add(placement.end[i] <= placement.makespan)
    placement.copy_start, placement.copy_end = {}, {}
    for (k, a, b), copy in placement.copies.items():
        start, end = model.new_int_var(0, horizon, ""), model.new_int_var(0, horizon, "")
        placement.copy_start[k, a, b], placement.copy_end[k, a, b] = start, end
        duration = -(-problem.cross_latency[k][a][b] // grain)
        interval = model.new_optional_interval_var(start, duration, end, copy, "")
        channel = problem.channel.get((a, b))
        if channel is not None:
            lanes.setdefault(("channel", channel), []).append(interval)
        tensor = placement.scenario.tensors[k]
        if tensor.producer is not None:
            model.add(start >= placement.end[tensor.producer]).only_enforce_if(copy)
        for reader in tensor.consumers:
            if reader == -1:
                model.add(end <= placement.makespan).only_enforce_if(copy)
            elif b in placement.on[reader]:
                model.add(placement.start[reader] >= end).only_enforce_if(copy, placement.on[reader][b])
    for tensor in placement.scenario.tensors:
        for reader in tensor.consumers:
            if tensor.producer is not None and reader != -1:
                model.add(placement.start[reader] >= placement.end[tensor.producer])
    for lane in lanes.values():
        model.add_no_overlap(lane)
    for stage, cap in enumerate(placement.caps.deadlines):
        if cap is not None:
            model.add(placement.end[stage] <= cap // grain)
    if placement.lost is not None:
        _add_contention(placement)


def _add_contention(placement):
    """Let stages that overlap slow each other: a stage lasts longer by its loss times the overlap, for each other."""
    model, losses, lost = placement.model, placement.problem.losses, [[] for _ in placement.start]
    ordered = _list_ordered_pairs(placement.scenario)
    for i, j in itertools.combinations(range(len(placement.start)), 2):
        pairs = [(a, b) for a in placement.on[i] for b in placement.on[j] if losses[a][b] or losses[b][a]]
        if not pairs or (i, j) in ordered:
            continue
        overlap = _add_overlap(placement, i, j)
        for stage in (i, j):
            loss = model.new_int_var(0, placement.horizon, "")
            lost[stage].append(loss)
            for a, b in pairs:
                share = losses[a][b] if stage == i else losses[b][a]
                if share:
                    both = (placement.on[i][a], placement.on[j][b])
                    model.add(share.denominator * loss >= share.numerator * overlap).only_enforce_if(*both)
    for total, parts in zip(placement.lost, lost, strict=True):
        model.add(total == sum(parts))


def _add_overlap(placement, i, j):
    """Return how long two stages run at the same time, or more.

    Which of them starts first and which ends first are decisions, so that all else is linear.
    """
    model, start, end = placement.model, placement.start, placement.end
    overlap = model.new_int_var(0, placement.horizon, "")
    starts_first, ends_first = model.new_bool_var(""), model.new_bool_var("")
    for times, literal in ((start, starts_first), (end, ends_first)):
        model.add(times[i] <= times[j]).only_enforce_if(literal)
        model.add(times[i] >= times[j]).only_enforce_if(~literal)
    for last, sooner in ((i, ends_first), (j, ~ends_first)):
        for first, later in ((j, starts_first), (i, ~starts_first)):
            model.add(overlap >= end[last] - start[first]).only_enforce_if(sooner, later)
    return overlap


def _list_ordered_pairs(scenario):
    """Return the pairs of stages (smaller, larger index) of which one needs what the other makes, perhaps by others."""
    after = {i: set() for i in range(len(scenario.stages))}
    for stage in reversed(scenario.order):
        for tensor in scenario.tensors:
            if tensor.producer == stage:
                for reader in tensor.consumers:
                    after[stage] |= {reader, *after[reader]} if reader != -1 else set()
    return {(min(i, j), max(i, j)) for i, later in after.items() for j in later}


def _add_run(placement, stage, option):
    """Return the interval in which a stage runs if it has an option.

    Start and end are the interval's own and equal the stage's only where the option is taken. With variables that the
    options of a stage share, CP-SAT 9 calls makespans optimal that are not.
    """
    model, literal = placement.model, placement.option[stage][option]
    duration = -(-placement.problem.latency[stage][option] // placement.grain["latency"])
    if placement.lost is not None:
        duration = placement.lost[stage] + duration
    start, end = (model.new_int_var(0, placement.horizon, "") for _ in range(2))
    model.add(start == placement.start[stage]).only_enforce_if(literal)
    model.add(end == placement.end[stage]).only_enforce_if(literal)
    return model.new_optional_interval_var(start, duration, end, literal, "")


def add_scheduled_memory(placement: Any, device: int, resident: list[Any]) -> list[Any]:
    """Add a device's memory over time to the CP-SAT model of a schedule; return the terms of its peak.

    They are resident weights plus the peak of the activations and tensors that are alive at one time.
    """
    model, problem, grain = placement.model, placement.problem, placement.memory_grain
    intervals, demands, spans = [], [], []
    for i, options in enumerate(problem.device):
        for o, d in enumerate(options):
            need = problem.activations[i][o] // grain
            if d == device and need:
                intervals.append(placement.runs[i][o])
                demands.append(need)
    for k, tensor in enumerate(placement.scenario.tensors):
        size = problem.sizes[k] // grain
        readers = [c for c in tensor.consumers if c != -1]
        if not size or tensor.producer is None:
            continue
        home = placement.on[tensor.producer].get(device)
        if home is not None:
            ends = [placement.end[tensor.producer], *(placement.end[c] for c in readers)]
            spans.append((k, size, home, *_hold(placement, placement.start[tensor.producer], ends, home)))
        for (tensor_index, a, b), copy in placement.copies.items():
            if tensor_index == k and b == device and readers:
                here = [(placement.end[c], placement.on[c][device]) for c in readers if device in placement.on[c]]
                spans.append((k, size, copy, *_hold(placement, placement.copy_start[k, a, b], here, copy)))
    for _, size, literal, since, length, until in spans:
        intervals.append(model.new_optional_interval_var(since, length, until, literal, ""))
        demands.append(size)
    if not intervals:
        return resident
    top = sum(demands)
    peak = model.new_int_var(0, top, f"live{device}")
    model.add_cumulative(intervals, demands, peak)
    for i, options in enumerate(problem.device):
        for o, d in enumerate(options):
            if d == device:
                _add_need(placement, i, o, spans, peak)
    return [*resident, (peak, 1)]


def _add_need(placement, stage, option, spans, peak):
    """Let the peak hold what a stage needs while it runs, whatever the times are.

    No interval shows this for a stage of 0 ms; to that comes what lies on its device before and after. For other stages
    it follows from the intervals, and spares the search the schedules of placements that do not fit.
    """
    model, problem, grain = placement.model, placement.problem, placement.memory_grain
    moment, taken, own = placement.start[stage], placement.option[stage][option], problem.tensors_of[stage]
    terms = []
    for k, size, literal, since, _, until in spans if problem.latency[stage][option] == 0 else ():
        if k not in own:
            held, before, after = (model.new_bool_var("") for _ in range(3))
            model.add(moment <= since).only_enforce_if(before)
            model.add(moment >= until).only_enforce_if(after)
            model.add_bool_or([held, before, after, literal.negated(), taken.negated()])
            terms.append(size * held)
    need = problem.activations[stage][option] + sum(problem.sizes[k] for k in own)
    model.add(peak >= need // grain + sum(terms)).only_enforce_if(taken)


def _hold(placement, start, ends, literal):
    """Return (start, length, end) of an interval from `start` to the last of `ends` (or of pairs with the literal that
    makes one count).
    """
    model = placement.model
    since = model.new_int_var(0, placement.horizon, "")  # its own, as in `_add_run`
    model.add(since == start).only_enforce_if(literal)
    until = model.new_int_var(0, placement.horizon, "")
    length = model.new_int_var(0, placement.horizon, "")
    for end in ends:
        if isinstance(end, tuple):
            model.add(until >= end[0]).only_enforce_if(literal, end[1])
        else:
            model.add(until >= end)
    return since, length, until
