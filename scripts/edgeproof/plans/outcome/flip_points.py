"""What would change the plan: for each measured latency, the value at which another placement becomes the best one.

All other numbers, and the references of a score, stay as they are. Computed where all placements can be tried.
"""

from dataclasses import dataclass

import numpy as np

from edgeproof.plans.scenario.costs import UNIT, Problem
from edgeproof.plans.scenario.goals import Goal
from edgeproof.plans.scenario.model import Place, Placement
from edgeproof.plans.solver.enumeration import LARGEST_CHAIN, Space, fits_enumeration, open_space

_SHOWN = 10


@dataclass(frozen=True)
class FlipPoint:
    """A latency (`place`) of `value` ms; from `flips_at` ms on, `placement` is the best, None: no placement is left."""

    place: Place
    value: float
    flips_at: float
    placement: Placement | None

    @property
    def share(self) -> float:
        """The relative change that flips the plan."""
        return abs(self.flips_at - self.value) / self.value if self.value else float("inf")


def find_flip_points(problem: Problem, goal: Goal, plan: Placement) -> list[FlipPoint] | None:
    """Return the flip points of all measured latencies, the nearest first.

    None where nothing is measured, the space is too large, a stage has a deadline, or the goal weighs no latency.
    """
    weight = goal.levels[0].weights.get("latency")
    places = [
        place
        for place, quantity in problem.scenario.quantities.items()
        if place[0] == "option" and place[3] == "latency_ms" and quantity.provenance == "measured"
    ]
    if not places or not weight or any(cap is not None for cap in problem.caps.deadlines):
        return None
    if not fits_enumeration(problem, LARGEST_CHAIN):
        return None
    space = open_space(problem)
    value = np.sum([float(w) * space.amount(m) for m, w in goal.levels[0].weights.items()], axis=0)
    here = float(goal.levels[0].value(problem.require_totals(plan)))
    kept = space.keep(problem.caps.__class__(**{**vars(problem.caps), "latency": None}))
    points = [_find(problem, space, place, plan, (value, here, float(weight), kept)) for place in places]
    return sorted((p for p in points if p is not None), key=lambda point: point.share)[:_SHOWN]


def _find(
    problem: Problem, space: Space, place: Place, plan: Placement, costs: tuple[np.ndarray, float, float, np.ndarray]
) -> FlipPoint | None:
    """Return where one latency flips the plan; None where no value of it does."""
    (value, here, weight, kept), (_, stage, option, _) = costs, place
    scenario, cap = problem.scenario, problem.caps.latency
    chosen = scenario.stages[stage].options[option]
    factor = scenario.devices[chosen.device].latency_factor * UNIT
    uses, latency = space.choice[stage] == option, space.totals["latency"]
    if plan[stage] == option:  # it may grow until a placement without it is as good, or the cap is reached
        rivals = np.flatnonzero(kept & ~uses & (latency <= (np.inf if cap is None else cap)))
        grows = np.inf if cap is None else cap - problem.require_totals(plan).latency
        best = rivals[value[rivals].argmin()] if len(rivals) else None
        if best is not None:
            grows = min(grows, max(0.0, (value[best] - here) / weight))
        if np.isinf(grows):
            return None
        after = chosen.latency_ms + float(grows) / factor
        return FlipPoint(place, chosen.latency_ms, after, None if best is None else space.placement(int(best)))
    rivals = np.flatnonzero(kept & uses)
    if not len(rivals):
        return None
    shrink = (value[rivals] - here) / weight
    if cap is not None:
        shrink = np.maximum(shrink, latency[rivals] - cap)
    best = rivals[shrink.argmin()]
    after = chosen.latency_ms - max(0.0, float(shrink.min())) / factor
    if after < 0:
        return None
    return FlipPoint(place, chosen.latency_ms, after, space.placement(int(best)))
