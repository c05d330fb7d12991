"""The Pareto front: every point of (latency, energy, and accuracy or period where asked) that no placement beats.

Each point is found by an exact search: it minimises the first axis (ties: the next ones) under a bound on the last
axis; then the bound is tightened below the point found. The front is complete unless the limit on points or effort is
reached; then it says so. A small space is enumerated instead.
"""

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from edgeproof.plans.scenario.costs import UNIT, Caps, Problem, Totals
from edgeproof.plans.scenario.goals import Level
from edgeproof.plans.scenario.model import Placement
from edgeproof.plans.scenario.timeline import measure_totals
from edgeproof.plans.solver.chain_model import is_chain
from edgeproof.plans.solver.enumeration import LARGEST_SPACE, fits_enumeration, open_space
from edgeproof.plans.solver.search import Effort, find_by_levels

POINT_LIMIT = 200
_PATHS = 4
_TRIED_OUT = LARGEST_SPACE


@dataclass(frozen=True)
class FrontPoint:
    """One point: values per axis in readers' units, and placements that attain it (at most `_PATHS`) with
    their totals.
    """

    values: tuple[float, ...]
    placements: tuple[Placement, ...]
    totals: tuple[Totals, ...]


@dataclass(frozen=True)
class Front:
    """Points sorted by the first axis; `complete`: no other point belongs to the front."""

    axes: tuple[str, ...]
    points: tuple[FrontPoint, ...]
    complete: bool


def choose_axes(problem: Problem, period: bool = False) -> tuple[str, ...]:
    """Return the axes of the Pareto front, beginning with latency.

    Energy if it is known, accuracy where it varies, period if asked for.
    """
    axes = ["latency"] if problem.scenario.energy_missing else ["latency", "energy"]
    if len({drop for row in problem.accuracy for drop in row}) > 1:
        axes.append("accuracy")
    return tuple(axes + ["period"] * period)


def trace_front(
    problem: Problem,
    axes: tuple[str, ...],
    caps: Caps | None = None,
    effort: Effort | None = None,
    limit: int = POINT_LIMIT,
) -> Front:
    """Return the Pareto `Front` of a problem under `caps` (default: its own), with at most `limit` points."""
    caps = caps or problem.caps
    plain = is_chain(problem) and "period" not in axes and caps.period is None
    if fits_enumeration(problem, _TRIED_OUT):
        return _try_out(problem, tuple(axes), caps, limit)
    walk = _Walk(problem, tuple(axes), effort or Effort(), limit, _PATHS if plain else 1)
    walk.descend(caps, len(axes) - 1)
    points = [values for values in walk.found if not any(_beats(other, values) for other in walk.found)]
    return Front(tuple(axes), tuple(walk.found[values] for values in sorted(points)), walk.complete)


def _try_out(problem: Problem, axes: tuple[str, ...], caps: Caps, limit: int) -> Front:
    """Return the front of a small space by enumeration, at most `limit` points of it."""
    space = open_space(problem)
    kept = np.flatnonzero(space.keep(caps))
    values = np.stack([space.totals[axis][kept] for axis in axes], axis=1)
    left, points = np.unique(values, axis=0), []  # sorted, so that nothing left beats the first
    while len(left) and len(points) < limit:
        best = left[0]
        indices = kept[(values == best).all(axis=1)][:_PATHS]
        members = [(p, problem.require_totals(p)) for p in (space.placement(int(index)) for index in indices)]
        points.append(_make_point(tuple(int(v) for v in best), members))
        left = left[~(left >= best).all(axis=1)]
    return Front(axes, tuple(points), not len(left))


def _make_point(values, members):
    return FrontPoint(tuple(v / UNIT for v in values), tuple(p for p, _ in members), tuple(t for _, t in members))


def _beats(a, b):
    return a != b and all(x <= y for x, y in zip(a, b, strict=True))


class _Walk:
    """The search for the points of one front; `found` maps the values of a point to it."""

    def __init__(self, problem: Problem, axes: tuple[str, ...], effort: Effort, limit: int, paths: int) -> None:
        self.problem, self.axes, self.effort, self.limit, self.paths = problem, axes, effort, limit, paths
        self.found, self.complete = {}, True

    def descend(self, caps: Caps, axis: int) -> list[tuple[int, ...]]:
        """Visit all points under `caps`, tightening `axes[axis]` step by step; return the values of the points seen."""
        seen = []
        while self.complete:
            if axis == 0:
                point = self._visit(caps)
                return [point] if point else []
            inner = self.descend(caps, axis - 1)
            if not inner:
                return seen
            seen += inner
            top = max(values[axis] for values in inner)
            caps = replace(caps, **{self.axes[axis]: top - 1})
        return seen

    def _visit(self, caps: Caps) -> tuple[int, ...] | None:
        """Return the lexicographically smallest point under `caps` in units; None when there is none."""
        levels = tuple(Level(axis, {axis: Fraction(1)}, Fraction(1, UNIT)) for axis in self.axes)
        short = levels[:1] if self.axes[1:] in ((), ("energy",)) else levels
        answer = find_by_levels(self.problem, short, caps, 1, self.effort)
        if not answer.placements:
            self.complete = self.complete and answer.status == "infeasible"
            return None
        self.complete = self.complete and answer.status == "optimal"
        totals = measure_totals(self.problem, answer.placements[0], answer.schedules[0])
        values = tuple(getattr(totals, axis) for axis in self.axes)
        if values not in self.found:
            if len(self.found) >= self.limit:
                self.complete = False
                return None
            self.found[values] = self._collect(values, totals, answer, short, caps)
        return values

    def _collect(self, values, totals, answer, levels, caps):
        """Return the point, with other placements on it where looking for them is cheap."""
        members = [(answer.placements[0], totals)]
        if self.paths > 1:
            tied = find_by_levels(self.problem, levels, caps, self.paths, self.effort)
            pairs = [(p, measure_totals(self.problem, p)) for p in tied.placements]
            members = [pair for pair in pairs if tuple(getattr(pair[1], axis) for axis in self.axes) == values]
        return _make_point(values, members)
