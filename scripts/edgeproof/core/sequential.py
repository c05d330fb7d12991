"""The verdict of a comparison after each pair: faster, slower, equivalent or undecided, and when to stop.

Everything is a t-test on log(right / left) of pairs of fresh processes, against a margin that is the user's and
symmetric on the log scale: "within 2 %" is a ratio between 1/1.02 and 1.02, so that swapping the arms swaps the verdict
and nothing else.

**Errors.** With level α / m (m comparisons in the campaign), `faster` and `slower` are false with probability at most
half of it each, `equivalent` with at most all of it, over all looks and continuations: every pair from the fourth on is
a look (the tenth for `equivalent`), and error is spent over a fixed horizon (see `boundaries`). The interval estimate ±
boundary · standard error covers the true ratio at all looks together with probability 1 - α / m, so that it may be
published wherever the sequence stops.

**Errors that do not average out.** A quantity that is measured with an error budget, such as energy, has a bound on
the error of each pair. The mean is off by at most the mean of the bounds, so that both intervals reach farther by it,
and the promises above hold whatever the errors are within their bounds.

**What is assumed.** Pairs that are normal on the log scale, or many enough; a correlation from pair to pair of at most
the design's (see `dependence`); starts like those seen (see `modes`).
"""

import functools
import math
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .boundaries import ALPHA, EQUIVALENT_FROM, FIRST_LOOK, HORIZON, Boundary, find_boundary
from .dependence import DEFAULT_CORRELATION, widen_error
from .interference import Interference
from .modes import Claim, Modes, ProcessLevels, bound_rare_starts, find_modes
from .statistics import Interval

Floats: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]
Verdict: TypeAlias = Claim | Literal["undecided"]
Reason: TypeAlias = Literal["budget", "horizon", "interference", "modes", "error_budget"]

_LARGEST_LOG = 700.0  # two wildly different processes have a bound that no float holds; JSON has no infinity
_PREDICTED = 2_000  # simulated continuations; their median is within 3 % of their number
_PARTS = 10  # of which each fits into the processor's cache


@dataclass(frozen=True)
class Design:
    """What is fixed before the first pair.

    `margin`: the user's, as a fraction; `comparisons`: declared in the campaign, dividing `alpha`; `horizon`: pairs at
    which the test is over; `correlation`: from pair to pair, assumed (see `dependence.estimate_dependence`).
    """

    margin: float
    comparisons: int = 1
    correlation: float = DEFAULT_CORRELATION
    horizon: int = HORIZON
    alpha: float = ALPHA

    def __post_init__(self) -> None:
        if not 0 < self.margin < math.inf:
            raise ValueError(f"margin {self.margin} is not a positive fraction")
        if self.comparisons < 1 or not 0 < self.alpha <= 0.1:
            raise ValueError(f"{self.comparisons} comparisons at level {self.alpha} cannot be judged")
        if self.horizon < EQUIVALENT_FROM:
            raise ValueError(f"a horizon of {self.horizon} pairs is below {EQUIVALENT_FROM}")

    @property
    def level(self) -> float:
        """The probability of a false verdict that this comparison may have."""
        return self.alpha / self.comparisons

    @property
    def log_margin(self) -> float:
        """The margin as a logarithm of a ratio."""
        return math.log1p(self.margin)

    @property
    def difference(self) -> Boundary:
        """The boundary of `faster` and of `slower`."""
        return find_boundary(self.level / 2, FIRST_LOOK, self.horizon)

    @property
    def equivalence(self) -> Boundary:
        """The boundary of each of the two one-sided tests of `equivalent`."""
        return find_boundary(self.level, EQUIVALENT_FROM, self.horizon)


@dataclass(frozen=True)
class Looks:
    """Sequences after each of their pairs; all arrays have shape (…, pairs), with sequences along the leading axes.

    `error`: standard errors, widened for dependence, NaN after one pair. `difference_reach`, `equivalence_reach`: half
    widths of the two intervals on the log scale, infinite where there is no look. `claims`: 1 where the sequence
    supports `slower`, -1 `faster`, 2 `equivalent`, 0 none of them.
    """

    mean: Floats
    error: Floats
    difference_reach: Floats
    equivalence_reach: Floats
    claims: NDArray[np.int8]


@dataclass(frozen=True)
class SequenceVerdict:
    """What a comparison says about the right arm, relative to the left, where its sequence stops.

    - `verdict`; `reason` of `undecided`: `budget` (pairs ended before an answer), `horizon` (the test is over),
      `modes`, `interference` (an answer that may not be given), `error_budget` (an answer but for the bound of errors);
    - `pairs`: looked at, up to the one that decided; `given`: how many there were;
    - `ratio`: right / left with the interval of differences at confidence 1 - level (no bounds before pair 4),
      `equivalence`: with that of `equivalent` at 1 - 2 levels (None before pair 10);
    - `log_sd`: of one pair (None for a single one), `standard_error`: of the mean, widened for dependence and not below
      the clock's floor; `boundary`: critical value of the last look (None before pair 4);
    - `rare_starts`: a kind of start rarer than this may be missing; `modes`: None when process values were not given;
    - `warns_of_interference`: it reaches half the margin;
    - `slack`: by how much, on the log scale, the bound of errors widens the intervals;
    - `can_continue`: further pairs may decide; `further_pairs`: how many more probably (one chance in two) would, None
      where fewer than half of the continuations would decide by the horizon.
    """

    verdict: Verdict
    reason: Reason | None
    pairs: int
    given: int
    ratio: Interval
    equivalence: Interval | None
    log_sd: float | None
    standard_error: float | None
    boundary: float | None
    rare_starts: float
    modes: Modes | None
    warns_of_interference: bool
    can_continue: bool
    further_pairs: int | None
    slack: float = 0.0


@dataclass(frozen=True)
class PairsNeeded:
    """How many pairs a comparison probably takes: `median` (None where fewer than half decide by the horizon), the
    90th percentile `most` (None likewise), and the share that is `decided` by the horizon."""

    median: int | None
    most: int | None
    decided: float


def look_at_sequences(logs: ArrayLike, design: Design, floor_sd: float = 0.0, slack: ArrayLike = 0.0) -> Looks:
    """Return the Looks of the sequential test at one or many sequences of pairs.

    `logs`: shape (…, pairs), log(right / left) in the order measured, at most `design.horizon` pairs; `floor_sd`: the
    least standard deviation of a pair that the clock can show (see `pair_values.floor_of_clock`); `slack`: a number, or
    one per pair: how far off the mean of so many pairs may be, whatever their number.
    """
    values = np.asarray(logs, dtype=np.float64)
    pairs = values.shape[-1]
    if not 1 <= pairs <= design.horizon:
        raise ValueError(f"{pairs} pairs are not between 1 and the horizon of {design.horizon}")
    if not np.isfinite(values).all():
        raise ValueError("log-ratios must be finite")
    counts = np.arange(1, pairs + 1, dtype=np.int64)
    centre = values.mean(axis=-1, keepdims=True)
    steps = values - centre
    sums = np.cumsum(steps, axis=-1)
    squares = np.cumsum(np.square(steps, out=steps), axis=-1)
    squares -= np.divide(np.square(sums, out=steps), counts, out=steps)
    error = np.maximum(squares, 0.0, out=squares)
    error[..., 0] = np.nan
    error[..., 1:] /= counts[1:] - 1
    np.maximum(np.sqrt(error, out=error), floor_sd, out=error)
    error /= np.sqrt(counts)
    error *= widen_error(design.correlation)
    mean = np.add(centre, np.divide(sums, counts, out=sums), out=sums)
    reaches = [_reach(error, boundary.spread()[:pairs]) for boundary in (design.difference, design.equivalence)]
    more: Floats = np.asarray(slack, dtype=np.float64)
    reaches = [reach + more for reach in reaches]
    margin = design.log_margin
    claims = np.zeros(values.shape, dtype=np.int8)
    np.copyto(claims, 1, where=np.subtract(mean, reaches[0], out=steps) > margin)
    np.copyto(claims, -1, where=np.add(mean, reaches[0], out=steps) < -margin)
    np.copyto(claims, 2, where=np.add(np.abs(mean, out=steps), reaches[1], out=steps) < margin)
    return Looks(mean, error, reaches[0], reaches[1], claims)


def judge_sequence(
    logs: ArrayLike,
    design: Design,
    *,
    floor_sd: float = 0.0,
    processes: tuple[ProcessLevels, ProcessLevels] | None = None,
    interference: Interference | None = None,
    bounds: ArrayLike | None = None,
) -> SequenceVerdict:
    """Return the SequenceVerdict of one comparison by the sequential test, from all pairs of all its attempts.

    `logs`: shape (pairs,), log(right / left) of each pair; `processes`: the left and right processes of the same pairs,
    without which modes are not looked for; `interference`: of the whole comparison; `bounds`: shape (pairs,), of the
    error of each log-ratio, None where there is none. The first look that supports a
    claim decides and later pairs are not used, unless modes or interference forbid the claim; then the sequence goes
    on. Pairs beyond the horizon are not used. The verdict is derived from the pairs alone, so that the same pairs give
    the same verdict whatever budgets they were measured under.
    """
    values = np.asarray(logs, dtype=np.float64)
    if values.ndim != 1 or not len(values):
        raise ValueError(f"one log-ratio per pair is needed, not an array of shape {values.shape}")
    if processes and any(len(arm.logs) != len(values) for arm in processes):
        raise ValueError("each pair needs its two processes")
    used = values[: design.horizon]
    slack = _average_bounds(bounds, len(used))
    looks = look_at_sequences(used, design, floor_sd, slack)
    forbidden = interference is not None and interference.forbids(design.margin)
    verdict, reason, stop = "undecided", None, len(used)
    for place in np.flatnonzero(looks.claims):
        pairs, claim = int(place) + 1, claim_of(int(looks.claims[place]))
        modes = _modes_of(processes, used, pairs, design)
        if forbidden or (modes is not None and modes.seen and not modes.support(claim, design.margin)):
            if pairs == len(used):
                reason = "interference" if forbidden else "modes"
            continue
        verdict, stop = claim, pairs
        break
    if verdict == "undecided" and reason is None:
        reason = "horizon" if len(used) == design.horizon else "budget"
        if slack.any() and look_at_sequences(used, design, floor_sd).claims[-1]:
            reason = "error_budget"
    undecided = verdict == "undecided"
    found = SequenceVerdict(
        verdict=verdict,
        reason=reason,
        pairs=stop,
        given=len(values),
        ratio=_interval(looks, looks.difference_reach, stop, 1 - design.level),
        equivalence=_interval(looks, looks.equivalence_reach, stop, 1 - 2 * design.level)
        if stop >= EQUIVALENT_FROM
        else None,
        log_sd=float(used[:stop].std(ddof=1)) if stop > 1 else None,
        standard_error=float(looks.error[stop - 1]) if stop > 1 else None,
        boundary=design.difference.at(stop),
        rare_starts=bound_rare_starts(stop),
        modes=_modes_of(processes, used, stop, design),
        warns_of_interference=interference is not None and interference.warns(design.margin),
        can_continue=undecided and len(used) < design.horizon,
        further_pairs=None,
        slack=float(slack[stop - 1]),
    )
    if found.can_continue and reason in ("budget", "error_budget") and stop > 1:
        return replace(found, further_pairs=_predict_further(used, design, floor_sd, found.slack))
    return found


def predict_pairs(log_effect: float, log_sd: float, design: Design, floor_sd: float = 0.0) -> PairsNeeded:
    """Return the PairsNeeded by the sequential test when the true log-ratio is `log_effect` and pairs have sd `log_sd`.

    From 2,000 simulated sequences of independent normal pairs, the same ones at each call.
    """
    stops = _simulate_stops(np.empty(0), log_effect, max(log_sd, floor_sd), design, floor_sd)
    return PairsNeeded(_rank(stops, 0.5, design), _rank(stops, 0.9, design), float((stops <= design.horizon).mean()))


def find_stops(claims: NDArray[np.int8]) -> NDArray[np.intp]:
    """Return after how many pairs the sequential test stops: where each sequence first supports a claim.

    One more than its pairs where none does. `claims`: shape (…, pairs), of a Looks.
    """
    made = claims != 0
    first: NDArray[np.intp] = np.asarray(made.argmax(axis=-1), dtype=np.intp)
    return np.where(made.any(axis=-1), first + 1, claims.shape[-1] + 1).astype(np.intp)


def claim_of(code: int) -> Claim:
    """Return the word of the sequential test for a non-zero code in `Looks.claims`."""
    codes: dict[int, Claim] = {1: "slower", -1: "faster", 2: "equivalent"}
    return codes[code]


def _reach(error: Floats, critical: Floats) -> Floats:
    """Return critical value times error, infinite where there is no look."""
    looks = np.isfinite(critical)
    reach = error * np.where(looks, critical, 1.0)
    reach[..., ~looks] = np.inf
    return reach


def _average_bounds(bounds: ArrayLike | None, pairs: int) -> Floats:
    """Return the mean of the bounds after each pair; ValueError where one is negative or missing."""
    if bounds is None:
        return np.zeros(pairs)
    values = np.asarray(bounds, dtype=np.float64)[:pairs]
    if values.shape != (pairs,) or not (np.isfinite(values) & (values >= 0)).all():
        raise ValueError("one bound that is not negative is needed per pair")
    return np.cumsum(values) / np.arange(1, pairs + 1, dtype=np.int64)


def _predict_further(used: Floats, design: Design, floor_sd: float, slack: float) -> int | None:
    """Return how many pairs more the median continuation needs, with the observed effect and spread as the truth."""
    count, spread = len(used), max(float(used.std(ddof=1)), floor_sd)
    stop = _rank(_simulate_stops(used, float(used.mean()), spread, design, floor_sd, slack), 0.5, design)
    return None if stop is None or stop > design.horizon - count else stop


def _simulate_stops(
    begun: Floats, mean: float, spread: float, design: Design, floor_sd: float, slack: float = 0.0
) -> NDArray[np.intp]:
    """Return after how many pairs more each simulated continuation of a sequence stops, in ascending order.

    `mean`, `spread`: of the pairs to come; `slack`: how far off the mean may be.
    """
    stops: list[NDArray[np.intp]] = []
    for noise in _noise(design.horizon):
        sequences = spread * noise
        sequences += mean
        sequences[:, : len(begun)] = begun
        looks = look_at_sequences(sequences, design, floor_sd, slack)
        stops.append(find_stops(looks.claims[:, len(begun) :]))
    return np.sort(np.concatenate(stops))


def _rank(stops: NDArray[np.intp], share: float, design: Design) -> int | None:
    stop = int(stops[math.ceil(share * len(stops)) - 1])
    return stop if stop <= design.horizon else None


def _modes_of(
    processes: tuple[ProcessLevels, ProcessLevels] | None, logs: Floats, pairs: int, design: Design
) -> Modes | None:
    if processes is None:
        return None
    left, right = (arm.first(pairs) for arm in processes)
    return find_modes(left, right, logs[:pairs], design.margin)


def _interval(looks: Looks, reaches: Floats, pairs: int, confidence: float) -> Interval:
    mean, reach = float(looks.mean[pairs - 1]), float(reaches[pairs - 1])
    confidence = round(confidence, 12)
    if math.isinf(reach):
        return Interval(math.exp(mean), None, None, confidence, pairs)
    low, high = (math.exp(min(bound, _LARGEST_LOG)) for bound in (mean - reach, mean + reach))
    return Interval(math.exp(mean), low, high, confidence, pairs)


@functools.cache
def _noise(horizon: int) -> list[Floats]:
    return np.split(np.random.default_rng(20).standard_normal((_PREDICTED, horizon)), _PARTS)
