"""Laws that every optimum of a scheduled scenario obeys, whatever its size, and its second proof where that is small.

An optimum is at least its longest path and its busiest device or link, and no list schedule of any placement is better.
Up to `STEPS` steps of branching, `schedule_space` tries everything else: about 20,000 placements of eight stages.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from edgeproof.plans.scenario.model import Placement

from .ledger import TOLERANCE, Ledger, account_least_makespan
from .schedule_space import Found, Limits, ScheduleSpace, list_events, measure_scheduled_memory
from .verdict import PRECISION

STEPS = 30_000
_NEIGHBOURS = 400  # placements whose list schedules are compared


@dataclass(frozen=True)
class SecondProof:
    """What a second route says of an optimum: `better` is a plan that refutes it.

    `first` and `ranking`: that no plan beats the first one, and that none is missing in the ranking, is proved.
    """

    better: Found | None
    first: bool
    ranking: bool
    bound: float


def prove_schedules_again(
    ledger: Ledger, goal: str, limits: Limits, ranked: Sequence[tuple[Placement, float]], top_k: int, steps: int = STEPS
) -> SecondProof:
    """Return what the laws of schedules, and a search without the solver, say of ranked plans.

    A plan is (placement, value of the first level). Without plans, that nothing is feasible is to be proved. `top_k`:
    how many plans were asked for. With contention, the search leaves it out: what is best without it is a bound for
    what is best with it, and refutes nothing.
    """
    space = ScheduleSpace(ledger, goal, limits, steps)
    if ranked and not ledger.losses:
        better = _find_list_schedule(ledger, goal, limits, ranked[0])
        if better is not None:
            return SecondProof(better, False, False, space.bound_all())
    better = space.find_better(ranked[0][1] if ranked else float("inf"))
    if better is not None or space.undecided:
        return SecondProof(None if ledger.losses else better, False, False, space.bound_all())
    complete = _prove_ranking(ledger, goal, limits, ranked, top_k, steps)
    return SecondProof(None, True, complete, ranked[0][1] if ranked else float("inf"))


def _prove_ranking(ledger, goal, limits, ranked, top_k, steps):
    """Return whether no placement is missing among the ranked ones, and each of them has its best schedule."""
    if not ranked:
        return True
    space = ScheduleSpace(ledger, goal, limits, steps)
    for index, (_, value) in enumerate(ranked[1:], 1):
        before = [p for p, _ in ranked[:index]]
        if space.find_better(value, before) is not None or space.undecided:
            return False
    if len(ranked) < top_k:
        return space.find_better(float("inf"), [p for p, _ in ranked]) is None and not space.undecided
    return True


def _find_list_schedule(ledger: Ledger, goal: str, limits: Limits, claimed: tuple[Placement, float]) -> Found | None:
    """Return a list schedule of the claimed placement or of a neighbour of it that is better and keeps all limits."""
    placement, value = claimed
    margin = PRECISION * max(1.0, abs(value))
    for other in _list_neighbours(ledger, placement):
        totals = ledger.account(other)
        if totals is None:
            continue
        starts, copies, end = build_list_schedule(ledger, other)
        totals["latency"] = end
        found = float(ledger.levels(goal, totals)[0])
        if found >= value - margin:
            continue
        ends = {i: start + ledger.options[i][o].latency for i, (start, o) in enumerate(zip(starts, other, strict=True))}
        totals["memory"] = measure_scheduled_memory(ledger, other, (starts, [ends[i] for i in sorted(ends)]), copies)
        if not ledger.violations(other, totals, limits, ends):
            return Found(other, tuple(starts), copies, found)
    return None


def _list_neighbours(ledger: Ledger, placement: Placement) -> Iterator[Placement]:
    """Yield a placement, those that differ from it in one stage, and those that use one device wherever it can run."""
    yield placement
    left = _NEIGHBOURS
    for device in range(len(ledger.scenario.devices)):
        yield tuple(
            next((o for o, option in enumerate(row) if option.device == device), placement[i])
            for i, row in enumerate(ledger.options)
        )
    for stage, row in enumerate(ledger.options):
        for o in range(len(row)):
            if o != placement[stage] and left:
                left -= 1
                yield (*placement[:stage], o, *placement[stage + 1 :])


def build_list_schedule(
    ledger: Ledger, placement: Placement
) -> tuple[list[float], dict[tuple[int, int, int], float], float]:
    """Return the list schedule that by the laws bounds an optimum from above; longest remaining path first.

    It is (starts of stages, starts of copies, makespan), in ms.
    """
    events = list_events(ledger, placement)
    after = [0.0] * len(events)
    for i in reversed(range(len(events))):
        for j in events[i].before:
            after[j] = max(after[j], events[i].duration + after[i])
    ends, free = {}, {}
    while len(ends) < len(events):
        ready = [i for i, e in enumerate(events) if i not in ends and all(j in ends for j in e.before)]

        def start_of(i):
            return max([free.get(events[i].lane, 0.0), *(ends[j] for j in events[i].before)])

        chosen = min(ready, key=lambda i: (start_of(i), -after[i], i))
        ends[chosen] = start_of(chosen) + events[chosen].duration
        if events[chosen].lane is not None:
            free[events[chosen].lane] = ends[chosen]
    starts, copies = [0.0] * len(placement), {}
    for i, event in enumerate(events):
        if event.stage is not None:
            starts[event.stage] = ends[i] - event.duration
        if event.copy is not None:
            copies[event.copy.tensor, event.copy.source, event.copy.target] = ends[i] - event.duration
    return starts, copies, max(ends.values())


def keeps_lower_bound(ledger: Ledger, placement: Placement, latency: Any) -> bool:
    """Return whether a makespan in ms obeys the law of schedules that bounds it from below.

    It must be at least the longest path, and the load of the busiest device or link.
    """
    totals = ledger.account(placement)
    least = account_least_makespan(ledger, placement, totals or {"period": 0.0})
    return latency >= least - TOLERANCE - PRECISION * abs(least)
