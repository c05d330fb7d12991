"""What verdicts promise, simulated: false verdicts and coverage in total over all looks, for each scenario."""

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..core.boundaries import EQUIVALENT_FROM, HORIZON, Boundary, spend
from ..core.modes import ProcessLevels, bound_rare_starts, find_modes
from ..core.sequential import Design, claim_of, find_stops, look_at_sequences
from .lines import Line
from .pair_scenarios import PROCESS_ERROR, Floats, Scenario, Sequences, draw_normal

MARGIN = 0.02
EXACT_TRIALS, TRIALS = 10_000, 2_000
FALSE_SLOWER, FALSE_EQUIVALENT, COVERAGE = "false `slower`", "false `equivalent`", "coverage"
_JUST = 1e-9
Codes: TypeAlias = NDArray[np.int8]


@dataclass(frozen=True)
class Outcomes:
    """Where sequences stopped and what they said: all of shape (sequences,). `codes` as in `Looks.claims`."""

    codes: Codes
    stops: NDArray[np.intp]
    truths: Floats
    covered: NDArray[np.bool_]

    def false(self, margin: float) -> NDArray[np.bool_]:
        """Return which sequences ended with a verdict that is not true."""
        slower, faster = (self.codes == 1) & (self.truths <= margin), (self.codes == -1) & (self.truths >= -margin)
        return slower | faster | ((self.codes == 2) & (np.abs(self.truths) > margin))


def _run_sequences(sequences: Sequences, effect: float, design: Design, pairs: int | None = None) -> Outcomes:
    """Return the Outcomes (which verdict, after how many pairs) of simulated sequences whose true log-ratio is
    `effect`, looked at after every pair up to `pairs`.

    The truth of a sequence is that of starts like those seen: where no start of a mode is among an arm's, and the mode
    is rarer than the bound that the verdict names, the starts outside the mode are meant.
    """
    count = pairs or sequences.logs.shape[1]
    logs = sequences.logs[:, :count] + effect
    looks = look_at_sequences(logs, design, sequences.floor_sd)
    claims = looks.claims.copy()
    if sequences.arms:
        left, right = (arm[:, :count] for arm in sequences.arms)
        _forbid(claims, logs, left, right + effect, design)
    stops = find_stops(claims)
    rows, last = np.arange(len(logs)), np.minimum(stops, count) - 1
    truths = effect + _shift_truths(sequences, last)
    covered = np.abs(looks.mean[rows, last] - truths) <= looks.difference_reach[rows, last]
    return Outcomes(claims[rows, last], last + 1, truths, covered)


def simulate_scenario(scenario: Scenario, seed: int, portion: float = 1.0) -> list[Line]:
    """Return Lines on the verdicts of one scenario: false `slower`, false `equivalent`, coverage where sequences stop.

    The truth is at the margin, just beyond it, and for coverage at the margin or at twice it, whichever is worse.
    """
    trials = round(portion * (EXACT_TRIALS if scenario.exact else TRIALS))
    design = Design(MARGIN, correlation=scenario.correlation)
    generator = np.random.default_rng(seed)
    sequences = scenario.draw(generator, trials)
    inside = _run_sequences(sequences, design.log_margin, design)
    beyond = _run_sequences(sequences, design.log_margin * (1 + _JUST), design)
    apart = _run_sequences(sequences, 2 * design.log_margin, design)
    slower = int(inside.false(design.log_margin).sum())
    equivalent = int(beyond.false(design.log_margin).sum())
    covered = int(min(inside.covered.sum(), apart.covered.sum()))
    return [
        Line.at_most(scenario.name, FALSE_SLOWER, 0.025, slower, trials, "slower" not in scenario.withheld),
        Line.at_most(scenario.name, FALSE_EQUIVALENT, 0.05, equivalent, trials, "equivalent" not in scenario.withheld),
        Line.at_least(scenario.name, COVERAGE, 0.95, covered, trials, "coverage" not in scenario.withheld),
    ]


def simulate_budgets(seed: int, portion: float = 1.0) -> list[Line]:
    """Return Lines on verdicts by where sequences may stop: few pairs, budgets of five pairs continued, and every look.

    What a sequence that stops after few pairs may err is what has been spent by then.
    """
    design, trials = Design(MARGIN, correlation=0.0), round(portion * EXACT_TRIALS)
    lines: list[Line] = []
    generator = np.random.default_rng(seed)
    sequences, margin = draw_normal(generator, trials), design.log_margin
    for pairs in (4, 10, 20):
        inside, beyond = (_run_sequences(sequences, margin * factor, design, pairs) for factor in (1, 1 + _JUST))
        name = f"stop at {pairs} pairs"
        bound = spend(0.025, pairs)
        lines.append(Line.at_most(name, FALSE_SLOWER, bound, int(inside.false(margin).sum()), trials))
        if pairs >= EQUIVALENT_FROM:
            bound = spend(0.05, pairs)
            lines.append(Line.at_most(name, FALSE_EQUIVALENT, bound, int(beyond.false(margin).sum()), trials))
    goes_on = np.cumprod(generator.random((trials, HORIZON // 5)) < 0.8, axis=1).sum(axis=1)
    ends = np.minimum(5 * (goes_on + 1), HORIZON)
    for quantity, factor, bound in ((FALSE_SLOWER, 1, 0.025), (FALSE_EQUIVALENT, 1 + _JUST, 0.05)):
        outcomes = _run_sequences(sequences, margin * factor, design)
        wrong = int((outcomes.false(margin) & (outcomes.stops <= ends)).sum())
        lines.append(Line.at_most("budgets of 5 pairs, continued 4 times of 5", quantity, bound, wrong, trials))
    looks = look_at_sequences(sequences.logs, design)
    covered = int((np.abs(looks.mean) <= looks.difference_reach).all(axis=1).sum())
    return [*lines, Line.at_least("all looks from pair 4 to 60 together", COVERAGE, 0.95, covered, trials)]


def simulate_campaigns(seed: int, portion: float = 1.0) -> list[Line]:
    """Return Lines on verdicts in campaigns of 1 to 20 comparisons at the worst truth: the share with a false one."""
    lines: list[Line] = []
    trials = round(portion * TRIALS)
    for comparisons in (1, 2, 5, 10, 20):
        design, generator = Design(MARGIN, comparisons, 0.0), np.random.default_rng((seed, comparisons))
        for quantity, factor, bound in ((FALSE_SLOWER, 1, 0.025), (FALSE_EQUIVALENT, 1 + _JUST, 0.05)):
            sequences = draw_normal(generator, trials * comparisons)
            false = _run_sequences(sequences, design.log_margin * factor, design).false(design.log_margin)
            wrong = int(false.reshape(trials, comparisons).any(axis=1).sum())
            name = f"campaign of {comparisons} comparison{'s' if comparisons > 1 else ''}"
            lines.append(Line.at_most(name, f"any {quantity}", bound, wrong, trials))
    return lines


def count_crossings(boundary: Boundary, sequences: int, seed: int = 1) -> tuple[float, float]:
    """Return the share of simulated sequences that cross a verdict's boundary, and its standard error.

    Their values are normal and independent.
    """
    generator, crossed = np.random.default_rng(seed), 0
    counts, critical = np.arange(1, boundary.horizon + 1), boundary.spread()
    for start in range(0, sequences, 20_000):
        values = generator.standard_normal((min(20_000, sequences - start), boundary.horizon))
        sums = np.cumsum(values, axis=1)
        spread = np.cumsum(values**2, axis=1) - sums**2 / counts
        first = boundary.first - 1
        scale = np.sqrt(spread[:, first:] / (counts[first:] - 1) * counts[first:])
        crossed += int((sums[:, first:] > critical[first:] * scale).any(axis=1).sum())
    share = crossed / sequences
    return share, math.sqrt(share * (1 - share) / sequences)


def _shift_truths(sequences: Sequences, last: NDArray[np.intp]) -> Floats:
    """Return by how much the truth of starts like those up to pair `last` + 1 differs from that of all starts."""
    shifts = np.zeros(len(last))
    if sequences.slow is None:
        return shifts
    bounds = np.array([bound_rare_starts(int(each) + 1) for each in last])
    for flags, share, sign in zip(sequences.slow, sequences.shares, (-1, 1), strict=True):
        slow = np.cumsum(flags, axis=1)[np.arange(len(last)), last]
        shifts -= sign * sequences.step * share * ((slow == 0) & (share < bounds))
        shifts += sign * sequences.step * (1 - share) * ((slow == last + 1) & (1 - share < bounds))
    return shifts


def _forbid(claims: Codes, logs: Floats, left: Floats, right: Floats, design: Design) -> None:
    """Take away the claims that modes do not support, up to the first one that stands."""
    for row in np.flatnonzero((claims != 0).any(axis=1)):
        for place in np.flatnonzero(claims[row]):
            used = slice(0, int(place) + 1)
            errors = np.full(int(place) + 1, PROCESS_ERROR)
            one, other = (ProcessLevels(arm[row, used], errors) for arm in (left, right))
            modes = find_modes(one, other, logs[row, used], design.margin)
            if not modes.seen or modes.support(claim_of(int(claims[row, place])), design.margin):
                break
            claims[row, place] = 0
