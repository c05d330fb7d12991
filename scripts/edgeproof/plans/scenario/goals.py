"""What "best" means: a goal is a list of levels, each a linear blend of totals, compared one after another.

The blends `latency`, `efficiency` and `balanced` are those of version 1: weight · latency / reference latency +
weight · energy / reference energy + weight · switches, lower is better. After the levels of any goal, ties are
broken by latency, energy, switches, then the path: the options' indices (devices in declared order, then variants)
in execution order.
"""

from dataclasses import dataclass
from fractions import Fraction

from edgeproof.core.errors import UserError

from .costs import UNIT

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
METRICS = ("latency", "energy", "switches", "accuracy", "period")
GOALS = (*BLENDS, *SEQUENCES, "lex:METRIC,METRIC,…")
_TIE_BREAKERS = ("latency", "energy", "switches")


@dataclass(frozen=True)
class Level:
    """One blend: `weights` maps a metric (or `("memory", device)`) to its weight per unit.

    `scale` turns it to readers' units.
    """

    name: str
    weights: dict
    scale: Fraction = Fraction(1)

    def value(self, totals):
        """Return the exact value of the blend for `Totals` (a Fraction)."""
        return sum((weight * pick_metric(totals, metric) for metric, weight in self.weights.items()), Fraction(0))


@dataclass(frozen=True)
class Goal:
    """A named goal compiled for one problem; `scores` tells a blend from a plain metric."""

    name: str
    levels: tuple
    scores: bool

    def key(self, problem, totals, placement):
        """Return what plans are sorted by: levels, latency, energy, switches, path."""
        path = tuple(placement[stage] for stage in problem.order)
        return (*(level.value(totals) for level in self.levels), *totals[:3], path)


def pick_metric(totals, metric):
    """Return one total; `metric` is a name or `("memory", device)`."""
    return totals.memory[metric[1]] if isinstance(metric, tuple) else getattr(totals, metric)


def needs_pipelining(name, limits):
    """Return whether inputs overlap under a goal or `Limits`, so that memory counts for all stages at once."""
    return "period" in _metrics_of(name) or limits.period_ms is not None


def compile_goal(name, problem):
    """Return the `Goal` called `name` for a `Problem`; UserError for an unknown name or an energy nobody knows."""
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


def blend_level(name, problem):
    """Return the version 1 score called `name` as a level; its value is the score itself."""
    latency, energy, switches = BLENDS[name]
    weights = {
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
            raise UserError(f"--goal {name!r}: {metric!r} is no metric; known: {', '.join(METRICS)}")
    if len(set(metrics)) < len(metrics):
        raise UserError(f"--goal {name!r}: a metric occurs twice")
    return metrics
