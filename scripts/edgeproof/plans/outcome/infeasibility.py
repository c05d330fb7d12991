"""Why there is no plan: the least relaxation of each limit alone, of both caps together, and the limits in conflict.

A relaxation is the smallest value of one limit that admits a placement while all others are kept; None when relaxing
that limit alone does not help. With all limits of the conflict no placement exists; without any one of them one does.
When the limit on effort is reached before a proof, the answer is "unknown", and nothing is concluded from it.
"""

from dataclasses import dataclass, replace
from fractions import Fraction

from edgeproof.plans.scenario.costs import UNIT, Caps, Problem
from edgeproof.plans.scenario.goals import Level
from edgeproof.plans.scenario.model import LIMIT_KEYS
from edgeproof.plans.scenario.timeline import measure_totals
from edgeproof.plans.solver.search import ONE_ENGINE, Effort, find_by_levels

_CANNOT = "this limit alone cannot help"
_BOTH_CANNOT = "these two limits cannot help"
_UNFINISHED = "the limit on effort came first"
_ENOUGH = "enough, but not proved to be the least"
_ONE_WORD = "the least, on the word of one engine"  # scheduled: nothing but CP-SAT proves it


@dataclass(frozen=True)
class Relaxation:
    """One limit, its value, and the value it would need (readers' units); None: `reason` says why there is none."""

    limit: str
    value: float
    needed: float | None
    reason: str | None = None


@dataclass(frozen=True)
class Infeasibility:
    """The certificate of a scenario without plans.

    `both_caps_factor` scales latency and energy cap together; `both_caps_reason` says what is not proved of it.
    `conflict_minimal`: each limit of the conflict is proved to be needed for it.
    """

    relaxations: tuple[Relaxation, ...]
    both_caps_factor: float | None
    both_caps_reason: str | None
    conflict: tuple[str, ...]
    conflict_minimal: bool


def explain_infeasibility(problem: Problem, effort: Effort | None = None) -> Infeasibility:
    """Return the `Infeasibility` of a problem that has no feasible placement."""
    effort = effort or Effort()
    caps = problem.caps
    relaxations = []
    for metric, name in LIMIT_KEYS.items():
        if getattr(caps, metric) is not None:
            best = _least(problem, metric, drop_cause(caps, metric), effort)
            relaxations.append(Relaxation(name, (getattr(caps, metric) - 1) / UNIT, *best))
    for device, spec in enumerate(problem.scenario.devices):
        best = _least(problem, ("memory", device), drop_cause(caps, ("memory", device)), effort)
        relaxations.append(Relaxation(f"memory_mb of {spec.name}", spec.memory_mb, *best))
    for i, stage in enumerate(problem.scenario.stages):
        if stage.deadline_ms is not None:
            best = _least_deadline(problem, i, effort)
            relaxations.append(Relaxation(f"deadline_ms of {stage.name}", stage.deadline_ms, *best))
    both = relax_both_caps(problem, effort)
    return Infeasibility(tuple(relaxations), *both, *_find_conflict(problem, effort))


def drop_cause(caps: Caps, metric: str | tuple[str, int]) -> Caps:
    """Return `Caps` without one limit that may be the cause of infeasibility.

    `limit`: a metric, `("memory", device)` or `("deadline", stage)`.
    """
    if not isinstance(metric, tuple):
        return replace(caps, **{metric: None})
    kind, index = metric
    field = "memory" if kind == "memory" else "deadlines"
    values = list(getattr(caps, field))
    values[index] = None
    return replace(caps, **{field: tuple(values)})


def _least(problem, metric, caps, effort):
    """Return (least value of a metric under `caps` in readers' units or None, what is to be said about it or None)."""
    answer = find_by_levels(problem, (Level(str(metric), {metric: Fraction(1)}, Fraction(1, UNIT)),), caps, 1, effort)
    if not answer.placements:
        return None, _doubt(problem, _CANNOT) if answer.status == "infeasible" else _UNFINISHED
    return answer.objective, _doubt(problem) if answer.status == "optimal" else _ENOUGH


def _doubt(problem, statement=None):
    """Return a statement that one engine proved; None says that a value is proved to be the least."""
    if problem.scenario.execution != "scheduled":
        return statement
    return _ONE_WORD if statement is None else statement + ONE_ENGINE


def _least_deadline(problem, stage, effort):
    """As `_least`, for a deadline: bisect on it, since only the end of its stage says whether it is met."""

    def find_end(deadline):
        deadlines = list(problem.caps.deadlines)
        deadlines[stage] = deadline
        answer = _find_any(problem, replace(problem.caps, deadlines=tuple(deadlines)), effort)
        return answer.status, _end_of(problem, answer, stage) if answer.placements else None

    status, high = find_end(None)
    if high is None:
        return None, _doubt(problem, _CANNOT) if status == "infeasible" else _UNFINISHED
    low, proved = problem.caps.deadlines[stage], True
    while high - low > 1:
        middle = (low + high) // 2
        status, end = find_end(middle)
        if end is not None:
            high = min(end, middle)
        else:
            low, proved = middle, proved and status == "infeasible"
    return high / UNIT, _doubt(problem) if proved else _ENOUGH


def _end_of(problem, answer, stage):
    """Return where a stage ends in the first plan of an answer, in units."""
    placement, schedule = answer.placements[0], answer.schedules[0]
    if schedule is None:
        return problem.stage_ends(placement)[stage]
    return schedule[0][stage] + problem.latency[stage][placement[stage]]


def _find_any(problem, caps, effort):
    level = Level("latency", {"latency": Fraction(1)}, Fraction(1, UNIT))
    return find_by_levels(problem, (level,), caps, 1, effort)


def is_feasible(problem: Problem, caps: Caps, effort: Effort) -> bool | None:
    """Return whether `caps` leave any placement, that is, cause no infeasibility.

    None when the effort ran out before that was known.
    """
    answer = _find_any(problem, caps, effort)
    return True if answer.placements else False if answer.status == "infeasible" else None


def relax_both_caps(problem: Problem, effort: Effort | None = None) -> tuple[float | None, str | None]:
    """Return how far latency cap and energy cap must be relaxed together to end the infeasibility.

    That is (least factor on both that admits a placement, what is not proved of it). The factor is None where the two
    caps do not both bind, where they cannot help, or where the effort ran out; the second is then the reason, None
    where there is nothing to say. Walks the front of (latency, energy) without caps by bisection on energy: the factor
    of a point is the larger of its two ratios, one falls and the other rises along the front, so the optimum is at the
    crossing.
    """
    caps = problem.caps
    if not caps.latency or not caps.energy or caps.latency <= 1 or caps.energy <= 1:
        return None, None
    effort = effort or Effort()
    free = replace(caps, latency=None, energy=None)
    latency_cap, energy_cap = caps.latency - 1, caps.energy - 1

    def fastest(energy):
        answer = _find_any(problem, replace(free, energy=energy), effort)
        if not answer.placements:
            return answer.status, None
        totals = measure_totals(problem, answer.placements[0], answer.schedules[0])
        point = Fraction(totals.latency, latency_cap), Fraction(totals.energy, energy_cap), totals.energy
        return answer.status, point

    status, point = fastest(None)
    if point is None:
        return None, _doubt(problem, _BOTH_CANNOT) if status == "infeasible" else _UNFINISHED
    best, high = max(point[:2]), point[2]
    low, proved = -1, status == "optimal"
    while high - low > 1 and point[1] >= point[0]:
        middle = (low + high) // 2
        status, found = fastest(middle)
        proved = proved and status in ("optimal", "infeasible")
        if found is None:
            low = middle
            continue
        best = min(best, max(found[:2]))
        if found[1] >= found[0]:
            high, point = found[2], found
        else:
            low = middle
    return float(best), _doubt(problem) if proved else _ENOUGH


def _find_conflict(problem, effort):
    """Return (names of the limits in conflict, whether each is proved to be needed).

    Limits are dropped one after another where it is proved that nothing becomes feasible without them. What is unknown
    stays: the set is still in conflict, but may be larger than it must be.
    """
    names = {("memory", i): f"memory_mb of {d.name}" for i, d in enumerate(problem.scenario.devices)}
    names |= {
        ("deadline", i): f"deadline_ms of {s.name}"
        for i, s in enumerate(problem.scenario.stages)
        if s.deadline_ms is not None
    }
    names |= {metric: name for metric, name in LIMIT_KEYS.items() if getattr(problem.caps, metric) is not None}
    caps, kept, minimal = problem.caps, [], problem.scenario.execution != "scheduled"  # there, one engine's word
    for limit, name in names.items():
        without = drop_cause(caps, limit)
        helps = is_feasible(problem, without, effort)
        if helps is False:
            caps = without
        else:
            kept.append(name)
            minimal = minimal and helps is True
    return tuple(reversed(kept)) or ("links",), minimal
