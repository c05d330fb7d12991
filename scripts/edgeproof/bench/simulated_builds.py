"""What comparisons over builds promise, simulated: builders that draw, rare tactics that few builds have drawn."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..core.build_draws import BuildsVerdict, BuiltPair, compare_builds
from .lines import Line
from .pair_scenarios import Floats, Generator

MARGIN = 0.02
TRIALS = 2_000
FALSE, COVERAGE = "any false verdict", "coverage"
_PAIRS, _PROCESS_SD = 4, 0.01  # the fewest pairs of a build, and how far processes of one build lie apart
_COUNTS = (5, 14, 20)
_VERY_MANY = 120  # so many may say `equivalent` at this margin; a tactic in few of them is too skewed for Student


class Builder(NamedTuple):
    """A builder: `draw` gives log(right / left) of so many pairs of builds, `truth`: its mean; `counts`: of builds."""

    name: str
    draw: Callable[[Generator, int], Floats]
    truth: float
    counts: tuple[int, ...] = _COUNTS


def simulate_builds(seed: int, portion: float = 1.0) -> list[Line]:
    """Return Lines on comparisons over simulated builds: false verdicts and coverage.

    The builders have a known truth, with few builds and with many.
    """
    lines: list[Line] = []
    trials = round(portion * TRIALS)
    for number, builder in enumerate(BUILDERS):
        for count in builder.counts:
            generator = np.random.default_rng((seed, number, count))
            found = [_compare(builder.draw(generator, count), generator) for _ in range(trials)]
            false = sum(_is_false(each, builder.truth) for each in found)
            covered = sum(_covers(each, builder.truth) for each in found)
            name = f"{count} builds, {builder.name}"
            lines.append(Line.at_most(name, FALSE, 0.05, false, trials))
            lines.append(Line.at_least(name, COVERAGE, 0.93, covered, trials, count != _VERY_MANY))
    return lines


def _tactic(percent: int, share: float) -> Builder:
    """Return a builder that takes, on the right, a tactic slower by so many percent in a share of builds."""
    effect = math.log1p(percent / 100)
    name = f"a tactic {percent} % slower in {share * 100:g} % of them"
    return Builder(
        name, lambda generator, count: np.where(generator.random(count) < share, effect, 0.0), share * effect
    )


def _log_normal(spread: float, middle: float, where: str) -> Builder:
    name = f"log-normal, {100 * spread:g} %, the truth {where}"
    return Builder(name, lambda generator, count: np.add(middle, spread * generator.standard_normal(count)), middle)


_EDGE = math.log1p(MARGIN)
BUILDERS = (
    _tactic(40, 0.07),
    _tactic(100, 0.03)._replace(counts=(*_COUNTS, _VERY_MANY)),
    _tactic(30, 0.05),
    _tactic(30, 0.2),
    _tactic(5, 0.5),
    _log_normal(0.03, _EDGE * (1 + 1e-9), "just beyond the margin"),
    _log_normal(0.003, _EDGE, "at the margin"),
)


def _compare(draws: Floats, generator: Generator) -> BuildsVerdict:
    logs = draws[:, None] + _PROCESS_SD * generator.standard_normal((len(draws), _PAIRS))
    return compare_builds([[BuiltPair(log, None) for log in build] for build in logs.tolist()], MARGIN)


def _is_false(found: BuildsVerdict, truth: float) -> bool:
    if found.verdict == "equivalent":
        return abs(truth) > _EDGE
    return (found.verdict == "slower" and truth <= _EDGE) or (found.verdict == "faster" and truth >= -_EDGE)


def _covers(found: BuildsVerdict, truth: float) -> bool:
    low, high = found.ratio.low, found.ratio.high
    return low is not None and high is not None and math.log(low) <= truth <= math.log(high)
