"""What "best" means: a goal is a list of levels, each a weighted sum of totals, compared one after another.

The blends `latency`, `efficiency` and `balanced` are those of version 1: weight · latency / reference latency + weight
· energy / reference energy + weight · switches; lower is better. After the levels of any goal, ties are broken by
latency, energy, switches, and then the path: the options' indices (devices in declared order, then variants) in
execution order.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from edgeproof.core.errors import UserError

from .costs import UNIT, Problem, Totals
from .model import Limits, Placement, Schedule
from .timeline import measure_totals

BLENDS = {
    "latency": (Fraction(1), Fraction(1, 5), Fraction(2, 25)),
    "efficiency": (Fraction(7, 20), Fraction(1), Fraction(2, 25)),
    "balanced": (Fraction(3, 4), Fraction(3, 4), Fraction(2, 25)),
}
SEQUENCES = {
    "min-latency": ("latency",),
    "min-energy": ("energy",),
    "throughput": ("period",),
    "accuracy-first": ("accuracy", "latency", "energy"),
}
Metric = str | tuple[str, int]  # a name of METRICS, or ("memory", device)
METRICS = ("latency", "energy", "switches", "accuracy", "period")
GOALS = (*BLENDS, *SEQUENCES, "lex:METRIC,METRIC,…")
_TIE_BREAKERS = ("latency", "energy", "switches")


@dataclass(frozen=True)
class Level:
    """One weighted sum of totals.

    `weights` maps a metric (a name, or `("memory", device)`) to its weight per unit. `value · scale` is in readers'
    units.
    """

    name: str
    weights: dict[Metric, Fraction]
    scale: Fraction = Fraction(1)

    def value(self, totals: Totals) -> Fraction:
        """Return the exact value of the sum for `Totals`."""
        return sum((weight * pick_goal_metric(totals, metric) for metric, weight in self.weights.items()), Fraction(0))


@dataclass(frozen=True)
class Goal:
    """A named goal, compiled for one problem. `scores`: it is a blend; otherwise its levels are plain metrics."""

    name: str
    levels: tuple[Level, ...]
    scores: bool

    def key(self, problem: Problem, totals: Totals, placement: Placement) -> tuple[Any, ...]:
        """Return what plans are sorted by: levels, latency, energy, switches, path."""
        path = tuple(placement[stage] for stage in problem.order)
        return (*(level.value(totals) for level in self.levels), *totals[:3], path)


def pick_goal_metric(totals: Totals, metric: Metric) -> int:
    """Return the total that a goal weighs by the name `metric`, or by `("memory", device)`."""
    return totals.memory[metric[1]] if isinstance(metric, tuple) else getattr(totals, metric)


def needs_pipelining(name: str, limits: Limits) -> bool:
    """Return whether a goal or limit concerns the period.

    Then inputs overlap, and memory counts for all stages at once.
    """
    return "period" in _metrics_of(name) or limits.period_ms is not None


def compile_goal(name: str, problem: Problem) -> Goal:
    """Return the `Goal` called `name`; UserError for an unknown name, and when it needs an energy that the scenario
    lacks.
    """
    metrics = _metrics_of(name)
    if "energy" in metrics and problem.scenario.energy_missing:
        if name != "accuracy-first":
            raise UserError(
                f"goal {name!r} needs every energy, but {problem.scenario.energy_missing} has none;"
                " use min-latency, throughput or accuracy-first, or declare it"
            )
        metrics = [metric for metric in metrics if metric != "energy"]
    if name in BLENDS:
        return Goal(name, (blend_level(name, problem),), True)
    levels = [
        Level(metric, {metric: Fraction(1)}, Fraction(1, 1 if metric == "switches" else UNIT)) for metric in metrics
    ]
    while len(levels) > 1 and tuple(level.name for level in levels[1:]) == _TIE_BREAKERS[1 : len(levels)]:
        if levels[0].name != _TIE_BREAKERS[0]:
            break
        levels = levels[:1]
    return Goal(name, tuple(levels), False)


def blend_level(name: str, problem: Problem) -> Level:
    """Return a level of a goal from the blend called `name`, a score of version 1."""
    latency, energy, switches = BLENDS[name]
    weights: dict[Metric, Fraction] = {
        "latency": latency / problem.latency_ref,
        "energy": energy / problem.energy_ref,
        "switches": switches,
    }
    return Level("score", weights)


def _metrics_of(name):
    if name in BLENDS:
        return ["latency", "energy", "switches"]
    if name in SEQUENCES:
        return list(SEQUENCES[name])
    if not name.startswith("lex:"):
        raise UserError(f"--goal is {name!r}; allowed: {', '.join(GOALS)}")
    metrics = name[4:].split(",")
    for metric in metrics:
        if metric not in METRICS:
            raise UserError(f"--goal {name!r}: {metric!r} is not a metric; known: {', '.join(METRICS)}")
    if len(set(metrics)) < len(metrics):
        raise UserError(f"--goal {name!r}: a metric occurs twice")
    return metrics


def measure_level(problem: Problem, level: Level, placement: Placement, schedule: Schedule | None) -> float:
    """Return the value of one plan on a level of a goal, in readers' units."""
    return float(level.value(measure_totals(problem, placement, schedule)) * level.scale)
