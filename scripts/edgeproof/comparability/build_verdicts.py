"""The verdict on two models whose builder draws, from pairs of several builds; and what is told of the builds."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np

from edgeproof.core.build_draws import BuildsVerdict, BuiltPair, compare_builds
from edgeproof.core.configuration import Json
from edgeproof.core.distributions import student_t_quantile
from edgeproof.core.sequential import Design
from edgeproof.runs.pair_records import Pair, find_block_variance

from .measured_pairs import count_pairs_per_build
from .pair_verdicts import describe_interference, describe_ratio, divide_by_items, judge

_REASONS = {"alike": "alike", "width": "builds"}  # of `compare_builds`, as reports name them


def judge_builds(record: Json, builds: Sequence[Sequence[Pair]], items: Mapping[str, int], design: Design) -> Json:
    """Return the parts of a report that the verdict on several builds decides.

    `record`: `pairs.json`. `builds`: the pairs of each pair of builds. As many of each are used as were wanted before
    the first was measured. `items`: {left, right}, items of one call.
    """
    each = count_pairs_per_build(record["budget"]["pairs"], len(builds))
    used = [divide_by_items(pairs[:each], items) for pairs in builds]
    entry = _describe(record, used, each)
    missing = sum(each - len(pairs) for pairs in used)
    if missing:
        return _report("undecided", "unmeasured") | {"builds": entry, "can_continue": True}
    found = compare_builds([list(map(_take_value, pairs)) for pairs in used], design.margin, design.comparisons)
    judged = judge([pair for pairs in used for pair in pairs], design)
    disturbed = judged.verdict.reason == "interference"
    reason = "interference" if disturbed else _REASONS.get(found.reason or "")
    return _report("undecided" if disturbed else found.verdict, reason) | {
        "effect": _describe_effect(found, used, design),
        "interference": describe_interference(judged),
        "builds": entry | {"variances": asdict(found.variances) if found.variances else None},
    }


def describe_single_build(record: Json, pairs: Sequence[Pair], items: Mapping[str, int]) -> Json | None:
    """Return what a verdict's report says of builds if there is one pair of them; None where no builder draws."""
    return _describe(record, [divide_by_items(pairs, items)], len(pairs)) if record["builds"] and pairs else None


def _report(verdict: str, reason: str | None) -> Json:
    nothing = dict.fromkeys(("effect", "modes", "interference", "further_pairs", "further_seconds"))
    return {"verdict": verdict, "reason": reason, "can_continue": False, **nothing}


def _describe(record: Json, builds: Sequence[Sequence[Pair]], each: int) -> Json:
    faults = [
        {"build": number, "side": side, "status": build[side]["parity"]}
        for number, build in enumerate(record["builds"], 1)
        for side in ("left", "right")
        if build[side]["parity"] != "passed"
    ]
    return {
        "asked": len(record["builds"]),
        "pairs_each": each,
        "rare": 1 - 0.05 ** (1 / len(builds)),
        "ratios": [math.exp(float(np.mean([pair.log_ratio for pair in pairs]))) for pairs in builds if pairs],
        "variances": None,
        "parity": faults,
    }


def _take_value(pair: Pair) -> BuiltPair:
    return BuiltPair(pair.log_ratio, find_block_variance(pair))


def _describe_effect(found: BuildsVerdict, builds: Sequence[Sequence[Pair]], design: Design) -> Json:
    """Return the difference as `sequences.describe_effect` does; the spread is that of builds."""
    means, pairs = [np.mean([pair.log_ratio for pair in pairs]) for pairs in builds], sum(map(len, builds))
    spread = float(np.std(means, ddof=1))
    return describe_ratio(found.ratio, found.equivalence) | {
        "wider_low": None,
        "wider_high": None,
        "log_sd": spread,
        "standard_error": spread / math.sqrt(len(means)),
        "boundary": student_t_quantile(1 - design.level / 2, len(means) - 1),
        "pairs": pairs,
        "rare_starts": 1 - 0.05 ** (1 / pairs),
    }
