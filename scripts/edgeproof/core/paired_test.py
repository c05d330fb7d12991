"""Judging two arms measured in interleaved pairs: faster, slower, equivalent or undecided.

All tests are t-tests on log(right / left) over pairs of process medians. Margins are symmetric on the log scale:
"within ±2 %" is a ratio between 1/1.02 and 1.02, so that swapping the arms turns faster into slower and changes
nothing else.

**Errors.** Faster and slower are false when the true ratio is within the margin, equivalent when it is not; whatever
the truth, only one of the two claims can be false, so the level alpha = 1 - confidence bounds the probability of any
false verdict.

**Looks.** Adding pairs to an undecided comparison and judging again gives more chances to err. Look k (1, 2, …)
therefore spends three quarters of the error not yet spent: 3/4, 3/16, 3/64, … of alpha. These add up to alpha however
many looks there will be. Where the numbers of pairs at the looks are fixed beforehand (say, doubling), Bonferroni's
inequality bounds the probability of a false verdict at any look by alpha, whatever the dependence between looks and
whatever makes one take another. Where `further_pairs`, computed from the same data, sets the next number, the bound is
no theorem: simulated at the worst truth (just beyond the margin) the total is 5.1 ± 0.5 % for alpha 5 %. (Bounds of
Pocock or O'Brien and Fleming are tighter but need the number of looks in advance; three quarters rather than half,
because most comparisons end at the first look. M. Proschan, S. Hunsberger, Biometrics 51 (1995), on numbers of pairs
chosen from the data.) A comparison that will never be continued has no look: `look=None`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy.typing as npt

from .distributions import student_t_tail
from .statistical_power import pairs_needed
from .statistics import Interval, LogSample, holm, interval_of_logs, paired_logs

_SPENT_PER_LOOK = 0.75


@dataclass(frozen=True)
class PairJudgement:
    """What a comparison says about the right arm, relative to the left.

    `alpha` is 1 - confidence, the error of the whole comparison, of which this look spends its part. `ratio`: right /
    left at confidence 1 - that part; `equivalence`: the same at 1 - 2 parts. The p-values are adjusted for looks
    (divided by the part of alpha that the look spends): `difference_p` <= alpha iff `ratio` lies wholly beyond the
    margin, `equivalence_p` <= alpha iff `equivalence` lies wholly inside. `log_sd`: standard deviation of the
    log-ratios, None for one pair. `further_pairs`: how many more pairs would likely decide; None beside a `reason`
    when undecided and no number would.
    """

    verdict: str
    ratio: Interval
    equivalence: Interval
    margin: float
    alpha: float
    look: int | None
    difference_p: float
    equivalence_p: float
    log_sd: float | None
    further_pairs: int | None
    reason: str | None


def alpha_of_look(alpha: float, look: int | None) -> float:
    """Return what look 1, 2, … may spend of `alpha`; all of it for `look=None` (see the module's docstring)."""
    return alpha * _spent_by_look(look)


def judge_pairs(
    left: npt.ArrayLike,
    right: npt.ArrayLike,
    margin: float,
    confidence: float = 0.95,
    look: int | None = None,
    power: float = 0.8,
    pair_limit: int = 10_000,
) -> PairJudgement:
    """Return the PairJudgement of the right arm relative to the left (ratio right / left; faster is below 1).

    `left`, `right`: shape (n,), process medians of each pair in pair order, same unit, positive. `margin` > 0, as a
    fraction.
    - `faster` / `slower`: the 1 - alpha interval lies wholly below 1/(1 + margin) / above 1 + margin,
    - `equivalent`: the 1 - 2 alpha interval lies within both,
    - `undecided`: neither. `further_pairs` is then the number of pairs to add so that the next judgement, at the level
      of the next look, decides with probability `power` if the observed effect and spread are the true ones.
      `difference_p` tests |log ratio| <= log(1 + margin): twice the one-sided p-value, so that it agrees with the
      interval. All pairs measured so far are given at every look, earlier ones included. ValueError for what cannot be
      paired.
    """
    sample, log_margin = paired_logs(left, right), _log_margin(margin)
    alpha, share = round(1 - confidence, 12), _spent_by_look(look)
    difference_p = min(1.0, _difference_p(sample, log_margin) / share)
    equivalence_p = min(1.0, _equivalence_p(sample, log_margin) / share)
    verdict = _verdict(difference_p, equivalence_p, sample.mean, alpha)
    further, reason = None, None
    if verdict == "undecided":
        next_alpha = alpha_of_look(alpha, None if look is None else look + 1)
        further, reason = _further_pairs(sample, margin, next_alpha, power, pair_limit)
    return PairJudgement(
        verdict=verdict,
        ratio=interval_of_logs(sample, round(1 - alpha * share, 12)),
        equivalence=interval_of_logs(sample, round(1 - 2 * alpha * share, 12)),
        margin=margin,
        alpha=alpha,
        look=look,
        difference_p=difference_p,
        equivalence_p=equivalence_p,
        log_sd=sample.sd,
        further_pairs=further,
        reason=reason,
    )


def adjust_judgements(judgements: Sequence[PairJudgement]) -> list[PairJudgement]:
    """Return the judgements of one table with p-values adjusted by Holm's method and verdicts to match, in input order.

    The claims faster and slower are one family, the claims equivalent another; in each, the probability of any false
    claim in the whole table is at most alpha, also when comparisons of the table stand at different looks (their
    p-values are adjusted for looks already, and stay valid when a comparison goes on). Intervals stay those of the
    single comparison; a verdict that the table does not support becomes `undecided`, with a reason. ValueError if the
    confidences differ.
    """
    if len({judgement.alpha for judgement in judgements}) > 1:
        raise ValueError("judgements of one table need one confidence")
    differences = holm([judgement.difference_p for judgement in judgements])
    equivalences = holm([judgement.equivalence_p for judgement in judgements])
    adjusted: list[PairJudgement] = []
    for judgement, difference_p, equivalence_p in zip(judgements, differences, equivalences, strict=True):
        verdict = _verdict(difference_p, equivalence_p, math.log(judgement.ratio.estimate), judgement.alpha)
        reason = judgement.reason
        if verdict != judgement.verdict:
            reason = f"{judgement.verdict} on its own, not after Holm's correction over {len(judgements)} comparisons"
        adjusted.append(
            replace(
                judgement,
                verdict=verdict,
                difference_p=difference_p,
                equivalence_p=equivalence_p,
                reason=reason,
            )
        )
    return adjusted


def _spent_by_look(look: int | None) -> float:
    if look is None:
        return 1.0
    if look != int(look) or look < 1:
        raise ValueError(f"looks count from 1, not {look}")
    return _SPENT_PER_LOOK * (1 - _SPENT_PER_LOOK) ** (look - 1)


def _log_margin(margin: float) -> float:
    if not 0 < margin < math.inf:
        raise ValueError(f"margin {margin} is not a positive fraction")
    return math.log1p(margin)


def _verdict(difference_p: float, equivalence_p: float, log_ratio: float, alpha: float) -> str:
    if difference_p <= alpha:
        return "faster" if log_ratio < 0 else "slower"
    return "equivalent" if equivalence_p <= alpha else "undecided"


def _difference_p(sample: LogSample, log_margin: float) -> float:
    return min(1.0, 2 * _tail(abs(sample.mean) - log_margin, sample))


def _equivalence_p(sample: LogSample, log_margin: float) -> float:
    return _tail(log_margin - abs(sample.mean), sample)


def _tail(distance: float, sample: LogSample) -> float:
    """Return the one-sided p-value of a mean that lies `distance` inside the region claimed (log scale)."""
    error = sample.standard_error
    if error is None:
        return 1.0
    if error == 0:
        return 0.0 if distance > 0 else 1.0
    return student_t_tail(distance / error, sample.count - 1)


def _further_pairs(
    sample: LogSample, margin: float, alpha: float, power: float, limit: int
) -> tuple[int | None, str | None]:
    if sample.sd is None:
        return None, "one pair has no spread; at least two are needed"
    needed = pairs_needed(sample.mean, sample.sd, _log_margin(margin), alpha, power, limit)
    if needed is None:
        ratio, percent = math.exp(sample.mean), 100 * margin
        return (
            None,
            f"the ratio {ratio:.4f} lies so near the margin of {percent:g} % that {limit} pairs would not decide",
        )
    return max(1, needed - sample.count), None
