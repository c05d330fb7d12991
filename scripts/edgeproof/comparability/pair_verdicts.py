"""The verdict of a comparison from its pairs: design, sequence, interference, and what is told of them.

One function derives everything, so that measuring, report, page, regression, decision and gate cannot disagree: whoever
has the pairs and the design has the verdict.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from edgeproof.core.configuration import Json
from edgeproof.core.dependence import Dependence
from edgeproof.core.distributions import student_t_quantile
from edgeproof.core.interference import Interference
from edgeproof.core.modes import ProcessLevels
from edgeproof.core.pair_values import ProcessValue
from edgeproof.core.sequential import Design, SequenceVerdict, judge_sequence
from edgeproof.core.statistics import Interval
from edgeproof.runs.pair_records import Pair

WIDER = 0.5  # a correlation that is shown beside the default, without a promise
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Judged:
    """A verdict with what it rests on. `wider`: the interval (low, high) at a correlation of 0.5, where 0.2 was
    assumed.
    """

    verdict: SequenceVerdict
    interference: Interference | None
    design: Design
    wider: tuple[float, float] | None


def judge(pairs: Sequence[Pair], design: Design) -> Judged:
    """Return the verdict of pairs in order of start; at least one pair is needed."""
    logs = np.array([pair.log_ratio for pair in pairs])
    levels = (_levels([pair.left for pair in pairs]), _levels([pair.right for pair in pairs]))
    interference = find_interference(pairs)
    floor = max(pair.floor_sd for pair in pairs)
    verdict = judge_sequence(logs, design, floor_sd=floor, processes=levels, interference=interference)
    return Judged(verdict, interference, design, _widen(verdict, design))


def divide_by_items(pairs: Sequence[Pair], items: Mapping[str, int]) -> list[Pair]:
    """Return pairs, for their verdict, with latencies per item, not per call. `items`: {left, right}, of one call."""
    left, right = items["left"], items["right"]
    if left == right:
        return [*pairs]  # the ratio is the same, and a call is what people time
    return [
        replace(
            pair,
            log_ratio=pair.log_ratio + math.log(left / right),
            left=replace(pair.left, value_ns=pair.left.value_ns / left),
            right=replace(pair.right, value_ns=pair.right.value_ns / right),
        )
        for pair in pairs
    ]


def make_design(margin: float, comparisons: int, dependence: Dependence) -> Design:
    """Return the design of the pairs' verdict: the comparison's margin, in a campaign of so many comparisons."""
    return Design(margin=margin, comparisons=comparisons, correlation=dependence.correlation)


def find_interference(pairs: Sequence[Pair]) -> Interference | None:
    """Return the interference in pairs, for their verdict: what alternation changes more in the right arm.

    None before both ran alone twice. A pair has a stretch alone of one arm only, so the two arms' values are of
    different pairs: Welch's interval.
    """
    alone = [[pair.alone[arm] for pair in pairs if arm in pair.alone] for arm in ("left", "right")]
    if min(map(len, alone)) < 2:
        return None
    means = [float(np.mean(values)) for values in alone]
    squares = [float(np.var(values, ddof=1)) / len(values) for values in alone]
    error, difference = math.sqrt(sum(squares)), means[1] - means[0]
    freedom = min(len(values) for values in alone) - 1
    if error > 0:
        terms = (square**2 / (len(values) - 1) for square, values in zip(squares, alone, strict=True))
        freedom = sum(squares) ** 2 / sum(terms)
    reach = float(student_t_quantile((1 + _CONFIDENCE) / 2, freedom)) * error
    count = sum(map(len, alone))
    return Interference(difference, difference - reach, difference + reach, means[0], means[1], count, _CONFIDENCE)


def describe_effect(judged: Judged) -> Json:
    """Return the difference in the verdict of pairs: ratio right / left, its intervals, and what they are made of."""
    found = judged.verdict
    return describe_ratio(found.ratio, found.equivalence) | {
        "wider_low": judged.wider[0] if judged.wider else None,
        "wider_high": judged.wider[1] if judged.wider else None,
        "log_sd": found.log_sd,
        "standard_error": found.standard_error,
        "boundary": found.boundary,
        "pairs": found.pairs,
        "rare_starts": found.rare_starts,
    }


def describe_ratio(ratio: Interval, equivalence: Interval | None) -> Json:
    """Return what documents say of the ratio right / left in a verdict of pairs, and of its equivalence interval."""
    return {
        "ratio": ratio.estimate,
        "delta_pct": (ratio.estimate - 1) * 100,
        "interval_low": ratio.low,
        "interval_high": ratio.high,
        "confidence": ratio.confidence,
        "equivalence_low": equivalence.low if equivalence else None,
        "equivalence_high": equivalence.high if equivalence else None,
        "equivalence_confidence": equivalence.confidence if equivalence else None,
    }


def describe_modes(judged: Judged) -> Json | None:
    """Return, from a verdict of pairs, the levels of both arms in ms where starts jump between levels, else None."""
    modes = judged.verdict.modes
    if modes is None or not modes.seen:
        return None
    return {
        arm: [{"level_ms": mode.level / 1e6, "starts": mode.starts} for mode in getattr(modes, arm)]
        for arm in ("left", "right")
    } | {"log_ratios": list(modes.log_ratios)}


def describe_interference(judged: Judged) -> Json | None:
    """Return the interference in a verdict of pairs, with its interval, as logarithms; None where it is not known."""
    return asdict(judged.interference) if judged.interference else None


def describe_design(design: Design, dependence: Dependence) -> Json:
    """Return the design of the pairs' verdict as documents have it: what was fixed before the first pair."""
    return {
        "margin": design.margin,
        "comparisons": design.comparisons,
        "level": design.level,
        "horizon": design.horizon,
        "correlation": asdict(dependence),
    }


def _levels(values: Sequence[ProcessValue]) -> ProcessLevels:
    logs = np.log([value.value_ns for value in values])
    return ProcessLevels(logs, np.array([value.log_error or 0.0 for value in values]))


def _widen(verdict: SequenceVerdict, design: Design) -> tuple[float, float] | None:
    """Return the interval at a correlation of 0.5 where a smaller one was assumed for want of a calibration."""
    ratio = verdict.ratio
    if ratio.low is None or ratio.high is None or design.correlation >= WIDER:
        return None
    factor: Any = math.sqrt((1 + WIDER) / (1 - WIDER)) / math.sqrt((1 + design.correlation) / (1 - design.correlation))
    middle, reach = math.log(ratio.estimate), math.log(ratio.high / ratio.low) / 2 * factor
    return math.exp(middle - reach), math.exp(middle + reach)
