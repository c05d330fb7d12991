"""Why there is no plan: the least relaxation of each limit alone, of both caps together, and the limits in
conflict.

A relaxation is the smallest value of one limit, all others kept, that admits a placement; None when that limit
alone cannot help. The conflict is an irreducible set: with all of it no placement exists, without any one of it one
does.
"""

from dataclasses import dataclass, replace
from fractions import Fraction

from edgeproof.plans.scenario.costs import UNIT, Caps, Problem
from edgeproof.plans.scenario.goals import Level
from edgeproof.plans.solver.search import Effort, find_by_levels, measure_totals

_CAPS = {
    "latency": "max_total_latency_ms",
    "energy": "max_total_energy_mj",
    "accuracy": "max_accuracy_drop",
    "period": "max_period_ms",
}


_CANNOT = "this limit alone cannot help"
_UNFINISHED = "the limit on effort came first"


@dataclass(frozen=True)
class Relaxation:
    """One limit, what it is and what it would have to be (readers' units), or None and the reason why not."""

    limit: str
    value: float
    needed: float | None
    reason: str | None = None


@dataclass(frozen=True)
class Infeasibility:
    """The certificate of a scenario without plans; `both_caps_factor` scales latency and energy cap together."""

    relaxations: tuple
    both_caps_factor: float | None
    conflict: tuple


def explain_infeasibility(problem: Problem, effort: Effort | None = None) -> Infeasibility:
    """Return the `Infeasibility` of a problem that has no feasible placement."""
    effort = effort or Effort()
    caps = problem.caps
    relaxations = []
    for metric, name in _CAPS.items():
        if getattr(caps, metric) is not None:
            best = _least(problem, metric, drop_limit(caps, metric), effort)
            relaxations.append(Relaxation(name, (getattr(caps, metric) - 1) / UNIT, *best))
    for device, spec in enumerate(problem.scenario.devices):
        best = _least(problem, ("memory", device), drop_limit(caps, ("memory", device)), effort)
        relaxations.append(Relaxation(f"memory_mb of {spec.name}", spec.memory_mb, *best))
    for i, stage in enumerate(problem.scenario.stages):
        if stage.deadline_ms is not None:
            best = _least_deadline(problem, i, effort)
            relaxations.append(Relaxation(f"deadline_ms of {stage.name}", stage.deadline_ms, *best))
    return Infeasibility(tuple(relaxations), scale_both_caps(problem, effort), _find_conflict(problem, effort))


def drop_limit(caps: Caps, metric: str | tuple[str, int]) -> Caps:
    """Return `Caps` without one limit: a metric, `("memory", device)` or `("deadline", stage)`."""
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
        return None, _CANNOT if answer.status == "infeasible" else _UNFINISHED
    return answer.objective, None if answer.status == "optimal" else "enough, but not proved to be the least"


def _least_deadline(problem, stage, effort):
    """A deadline is met or not by where its stage ends: bisect on it, one feasibility question per step."""
    caps = drop_limit(problem.caps, ("deadline", stage))
    if not is_satisfiable(problem, caps, effort):
        return None, _CANNOT
    low, high = problem.caps.deadlines[stage], None
    step = max(low, UNIT)
    while high is None:
        deadlines = list(problem.caps.deadlines)
        deadlines[stage] = low + step
        if is_satisfiable(problem, replace(caps, deadlines=tuple(deadlines)), effort):
            high = low + step
        step *= 2
    while high - low > 1:
        middle = (low + high) // 2
        deadlines = list(problem.caps.deadlines)
        deadlines[stage] = middle
        if is_satisfiable(problem, replace(caps, deadlines=tuple(deadlines)), effort):
            high = middle
        else:
            low = middle
    return high / UNIT, None


def is_satisfiable(problem: Problem, caps: Caps, effort: Effort) -> bool:
    """Return whether any placement keeps `caps` (False also when the effort ran out first)."""
    level = Level("latency", {"latency": Fraction(1)}, Fraction(1, UNIT))
    return bool(find_by_levels(problem, (level,), caps, 1, effort).placements)


def scale_both_caps(problem: Problem, effort: Effort | None = None) -> float | None:
    """Return the least factor on latency cap and energy cap together that admits a placement; None where it cannot be.

    Walks the front of (latency, energy) without caps by bisection on energy: the factor of a point is the larger of
    its two ratios, one falls and the other rises along the front, so the optimum is at the crossing.
    """
    caps = problem.caps
    if not caps.latency or not caps.energy or caps.latency <= 1 or caps.energy <= 1:
        return None
    effort = effort or Effort()
    free = replace(caps, latency=None, energy=None)
    latency_cap, energy_cap = caps.latency - 1, caps.energy - 1

    def fastest(energy):
        levels = tuple(Level(m, {m: Fraction(1)}, Fraction(1, UNIT)) for m in ("latency", "energy"))
        answer = find_by_levels(problem, levels[:1], replace(free, energy=energy), 1, effort)
        if not answer.placements:
            return None
        totals = measure_totals(problem, answer.placements[0], answer.schedules[0])
        return Fraction(totals.latency, latency_cap), Fraction(totals.energy, energy_cap), totals.energy

    point = fastest(None)
    if point is None:
        return None
    best, high = max(point[:2]), point[2]
    low = -1
    while high - low > 1 and point[1] >= point[0]:
        middle = (low + high) // 2
        found = fastest(middle)
        if found is None:
            low = middle
            continue
        best = min(best, max(found[:2]))
        if found[1] >= found[0]:
            high, point = found[2], found
        else:
            low = middle
    return float(best)


def _find_conflict(problem, effort):
    """Drop limits one after another as long as nothing becomes feasible; what stays is in conflict."""
    names = {("memory", i): f"memory_mb of {d.name}" for i, d in enumerate(problem.scenario.devices)}
    names |= {
        ("deadline", i): f"deadline_ms of {s.name}"
        for i, s in enumerate(problem.scenario.stages)
        if s.deadline_ms is not None
    }
    names |= {metric: name for metric, name in _CAPS.items() if getattr(problem.caps, metric) is not None}
    caps, kept = problem.caps, []
    for limit, name in names.items():
        without = drop_limit(caps, limit)
        if is_satisfiable(problem, without, effort):
            kept.append(name)
        else:
            caps = without
    return tuple(reversed(kept)) or ("links",)
