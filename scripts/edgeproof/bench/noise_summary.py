"""What trials of the method say together: rates of wrong and right verdicts with their bounds, and their cost."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from edgeproof.core.configuration import Json
from edgeproof.core.distributions import binomial_cdf
from edgeproof.core.sequential import Design, predict_pairs

from .naive_protocols import NAIVE_PROTOCOLS, count_shares

Trials: TypeAlias = Mapping[tuple[str, float], Sequence[Json]]  # by model and injected slow-down

_VERDICTS = ("faster", "slower", "equivalent", "undecided")
_LEVEL = 0.05  # of Welch's test over iterations


def summarise_noise_trials(plan: Json, models: Sequence[str], states: Mapping[str, Trials], design: Design) -> Json:
    """Return the summary of all noise trials that were run, the `bench-noise` document.

    `plan`: of the trials. `states`: the trials of each state of the machine, at least one of each kind.
    """
    slowdown = plan["slowdown"]
    return {
        "schema": "edgeproof.bench-noise.v2",
        "margin": design.margin,
        "injected_slowdown": slowdown,
        "comparisons_per_case": plan["comparisons"],
        "minutes": plan["minutes"],
        "budget": plan["budget"],
        **{state: summarise_state(models, trials, slowdown, design) for state, trials in states.items()},
    }


def summarise_state(models: Sequence[str], trials: Trials, slowdown: float, design: Design) -> Json:
    """Return the summary of the noise trials of one state of the machine."""
    alike = {model: trials[model, 0.0] for model in models}
    slowed = {model: trials[model, slowdown] for model in models}
    every = [trial for model in models for trial in alike[model]]
    false = sum(trial["verdict"] in ("faster", "slower") for trial in every)
    detected = {model: sum(trial["verdict"] == "slower" for trial in slowed[model]) for model in models}
    shares = {model: count_shares([trial["naive"] for trial in alike[model]]) for model in models}
    return {
        "comparisons": len(every),
        "aa_false_rate": false / len(every),
        "aa_false_rate_upper_95": 1 - bound_below(len(every) - false, len(every)),
        "detect_comparisons": {model: len(slowed[model]) for model in models},
        "detect_rate": {model: detected[model] / len(slowed[model]) for model in models},
        "detect_rate_lower_95": {model: bound_below(detected[model], len(slowed[model])) for model in models},
        "seconds_per_verdict": {model: _median(slowed[model], "seconds") for model in models},
        "models": {
            model: {
                "aa": _summarise(alike[model]),
                "slowed": _summarise(slowed[model]),
                **_compare_with_prediction(alike[model], slowed[model], slowdown, design),
            }
            for model in models
        },
        "naive": [
            {"protocol": name, "share_above_5_percent": {model: shares[model][number] for model in models}}
            for number, (name, *_) in enumerate(NAIVE_PROTOCOLS)
        ],
        "welch_over_iterations_share": {
            model: float(np.mean([trial["welch_p"] < _LEVEL for trial in alike[model]])) for model in models
        },
    }


def bound_below(successes: int, count: int, confidence: float = 0.95) -> float:
    """Return the bound below a share, for the summary of noise trials: one-sided Clopper-Pearson, by bisection."""
    if successes == 0:
        return 0.0
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        # P(at least that many successes) grows with the proportion; the bound is where it reaches 1 - confidence.
        reached = 1 - binomial_cdf(successes - 1, count, middle)
        low, high = (middle, high) if reached < 1 - confidence else (low, middle)
    return low


def _summarise(trials: Sequence[Json]) -> Json:
    verdicts = [trial["verdict"] for trial in trials]
    ratios = [trial["ratio"] for trial in trials]
    return {
        "comparisons": len(trials),
        "verdicts": {name: verdicts.count(name) for name in _VERDICTS},
        "log_sd": _pool_sd(trials),
        "ratio_min": min(ratios),
        "ratio_max": max(ratios),
        "ratio": math.exp(float(np.mean(np.log(ratios)))),
        "pairs_per_verdict": _median(trials, "pairs"),
        "seconds_per_verdict": _median(trials, "seconds"),
        "seconds_per_pair": sum(trial["seconds"] for trial in trials) / sum(trial["pairs"] for trial in trials),
        "steal_share_max": max((t["steal_share"] for t in trials if t["steal_share"] is not None), default=None),
    }


def _compare_with_prediction(alike: Sequence[Json], slowed: Sequence[Json], slowdown: float, design: Design) -> Json:
    """Return the pairs that half of the slowed comparisons need at most: as A/A pairs predict, and as it was.

    None where half of them are not decided within the horizon, or within the budget.
    """
    spread = _pool_sd(alike)
    predicted = None if spread is None else predict_pairs(math.log1p(slowdown), spread, design).median
    needed = sorted(trial["pairs"] if trial["verdict"] != "undecided" else math.inf for trial in slowed)
    median = needed[(len(needed) - 1) // 2]
    return {"predicted_pairs": predicted, "needed_pairs": None if median == math.inf else median}


def _pool_sd(trials: Sequence[Json]) -> float | None:
    """Return the standard deviation of a pair's logarithm within comparisons; None without two pairs in any."""
    arrays: list[Any] = [trial["logs"] for trial in trials]
    freedom = sum(len(logs) - 1 for logs in arrays)
    squares = sum(float(((logs - logs.mean()) ** 2).sum()) for logs in arrays)
    return math.sqrt(squares / freedom) if freedom else None


def _median(trials: Sequence[Json], name: str) -> float:
    return float(np.median([trial[name] for trial in trials]))
