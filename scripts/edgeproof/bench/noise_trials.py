"""Trials of the method on this machine: A/A comparisons, a known slow-down, and naive protocols on the same data.

Every process records its times from its second inference on. Our protocol then discards the warm-up; the naive ones
take the runs that they would have measured.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeproof.core.campaign import DEFAULT_MARGIN
from edgeproof.core.configuration import Json, MeasuringProtocol, NamedDevice
from edgeproof.core.distributions import binomial_cdf, student_t_tail
from edgeproof.core.documents import write_json
from edgeproof.core.paired_test import judge_pairs
from edgeproof.runs.pairing import interleave
from edgeproof.runs.sessions import SessionSetup, run_session

MARGIN = DEFAULT_MARGIN
# (name, runs discarded, runs used, statistic): defaults of common tools, from docs/method.md.
NAIVE_PROTOCOLS = (
    ("10 warm-up, 20 runs, mean", 10, 20, np.mean),
    ("1 warm-up, 50 runs, mean", 1, 50, np.mean),
    ("10 warm-up, 100 runs, mean", 10, 100, np.mean),
    ("10 warm-up, 100 runs, median", 10, 100, np.median),
    ("10 warm-up, 1,400 runs, median", 10, 1400, np.median),
    ("10 warm-up, 20 runs, p99", 10, 20, lambda runs: np.quantile(runs, 0.99)),
)
NAIVE_LIMIT = 0.05


@dataclass(frozen=True)
class Setting:
    """Where and how trials run.

    `arms`: {model: {arm, artifact, inputs}}. `plan`: {comparisons, pairs, slowdown, slowed (a model), protocols {model:
    {warmup_s, window_s, min_samples}}}. `folder`: where the raw times go.
    """

    arms: dict[str, Json]
    plan: Json
    device: NamedDevice
    interpreter: str
    folder: str | Path


def run_trials(setting: Setting, output: str | Path, show: Callable[[str], object]) -> None:
    """Run all trials and write `noise.json` of the benchmark; `show` is given one line of progress per trial."""
    plan, trials = setting.plan, {model: [] for model in setting.arms}
    jobs = [(model, 0.0) for model in setting.arms] + [(plan["slowed"], plan["slowdown"])]
    slowed = []
    for model, slowdown in jobs:
        kept = slowed if slowdown else trials[model]
        for number in range(plan["comparisons"]):
            label = f"{model} {'A/A' if not slowdown else f'+{slowdown:.0%}'} {number + 1} of {plan['comparisons']}"
            trial = run_trial(setting, model, slowdown, number)
            kept.append(trial)
            show(f"{label}: {trial['verdict']}, ratio {trial['ratio']:.4f}, {trial['seconds']:.1f} s")
    write_json(output, summarise_trials(trials, slowed, plan), "bench-noise")


def run_trial(setting: Setting, model: str, slowdown: float, number: int) -> Json:
    """Compare an artifact with itself and return the judgement.

    The right arm is slowed down by the share `slowdown` of its latency. `number`: of the comparison, from 0.
    """
    plan, arm = setting.plan, setting.arms[model]
    timing = plan["protocols"][model]
    # Warm-up is recorded too, except where an arm is slowed down: the agent measures in it how long to spin.
    runs, warmup_s = (10, timing["warmup_s"]) if slowdown else (1, 0)
    seconds = timing["window_s"] + (0 if slowdown else timing["warmup_s"])
    protocol: MeasuringProtocol = {
        "processes": 2 * plan["pairs"],
        "warmup_runs": runs,
        "warmup_seconds": warmup_s,
        "min_samples": timing["min_samples"],
        "min_seconds": seconds,
        "max_timer_share": 0.01,
    }
    both = {**arm["arm"], "artifact": str(arm["artifact"])}
    arms = {"left": both, "right": {**both, "injected_slowdown": slowdown} if slowdown else both}
    order = interleave(plan["pairs"], f"{model}/{slowdown}/{number}")
    begin = time.monotonic()
    session = run_session(
        Path(setting.folder) / model,
        f"{model} {number + 1}",
        arms,
        order,
        SessionSetup(arm["inputs"], setting.device, protocol, setting.interpreter),
    )
    elapsed = time.monotonic() - begin
    series = {side: [session.samples[slot] for slot, name in enumerate(order) if name == side] for side in arms}
    warm = {
        side: np.array([float(np.median(s if slowdown else discard_warmup(s, timing["warmup_s"]))) for s in processes])
        for side, processes in series.items()
    }
    judgement = judge_pairs(warm["left"], warm["right"], MARGIN, look=1)
    return {
        "verdict": judgement.verdict,
        "ratio": judgement.ratio.estimate,
        "log_sd": judgement.log_sd,
        "seconds": elapsed,
        "steal_share": session.record["environment"]["steal_share"],
        "naive": [] if slowdown else judge_naively(series),
        "welch": []
        if slowdown
        else [welch_p(*pair) < 0.05 for pair in zip(series["left"], series["right"], strict=True)],
    }


def discard_warmup(samples: np.ndarray, seconds: float) -> np.ndarray:
    """Return a process's times after at least ten runs and `seconds` of runs; the last one is always kept."""
    warm = int(np.searchsorted(np.cumsum(samples), seconds * 1e9)) + 1
    return samples[min(max(10, warm), len(samples) - 1) :]


def judge_naively(series: dict[str, list[np.ndarray]]) -> list[float | None]:
    """Return per naive protocol the share of adjacent pairs that it reports as more than 5 % apart; None where runs are
    too few.
    """
    shares = []
    for _, skipped, runs, statistic in NAIVE_PROTOCOLS:
        pairs = [
            [statistic(process[skipped - 1 : skipped - 1 + runs]) for process in pair]
            for pair in zip(series["left"], series["right"], strict=True)
            if min(map(len, pair)) >= skipped - 1 + runs
        ]
        apart = [abs(right / left - 1) > NAIVE_LIMIT for left, right in pairs]
        shares.append(float(np.mean(apart)) if apart else None)
    return shares


def welch_p(left: np.ndarray, right: np.ndarray) -> float:
    """Return the two-sided p-value of Welch's t-test over raw iterations, which wrongly takes them for independent."""
    errors = [sample.var(ddof=1) / len(sample) for sample in (left, right)]
    error = sum(errors)
    freedom = error**2 / sum(e**2 / (len(s) - 1) for e, s in zip(errors, (left, right), strict=True))
    return 2 * student_t_tail(abs(left.mean() - right.mean()) / math.sqrt(error), freedom)


def summarise_trials(trials: dict[str, list[Json]], slowed: list[Json], plan: Json) -> Json:
    """Return the benchmark's document: rates with their 95 % bounds, and the table of naive protocols, over
    all models.
    """
    every = [trial for model in trials.values() for trial in model]
    false = sum(trial["verdict"] in ("faster", "slower") for trial in every)
    detected = sum(trial["verdict"] == "slower" for trial in slowed)
    return {
        "schema": "edgeproof.bench-noise.v1",
        "comparisons": len(every),
        "pairs_per_comparison": plan["pairs"],
        "margin": MARGIN,
        "aa_false_rate": false / len(every),
        "aa_false_rate_upper_95": 1 - _lower_bound(len(every) - false, len(every)),
        "injected_slowdown": plan["slowdown"],
        "detect_comparisons": len(slowed),
        "detect_rate": detected / len(slowed),
        "detect_rate_lower_95": _lower_bound(detected, len(slowed)),
        "seconds_per_verdict": float(np.median([trial["seconds"] for trial in every + slowed])),
        "models": {model: _summarise_model(model_trials) for model, model_trials in trials.items()},
        "slowed": _summarise_model(slowed),
        "naive": [
            {"protocol": name, "share_above_5_percent": {model: _mean(t, number) for model, t in trials.items()}}
            for number, (name, *_) in enumerate(NAIVE_PROTOCOLS)
        ],
        "welch_over_iterations_share": {
            model: float(np.mean([flag for trial in t for flag in trial["welch"]])) for model, t in trials.items()
        },
    }


def _summarise_model(trials):
    verdicts = [trial["verdict"] for trial in trials]
    return {
        "verdicts": {name: verdicts.count(name) for name in ("faster", "slower", "equivalent", "undecided")},
        "log_sd_median": float(np.median([trial["log_sd"] for trial in trials])),
        "ratio_min": min(trial["ratio"] for trial in trials),
        "ratio_max": max(trial["ratio"] for trial in trials),
        "seconds_per_verdict": float(np.median([trial["seconds"] for trial in trials])),
        "steal_share_max": max((t["steal_share"] for t in trials if t["steal_share"] is not None), default=None),
    }


def _mean(trials, number):
    shares = [trial["naive"][number] for trial in trials if trial["naive"][number] is not None]
    return float(np.mean(shares)) if shares else None


def _lower_bound(successes, count, confidence=0.95):
    """Return the one-sided Clopper-Pearson bound below a proportion, by bisection."""
    if successes == 0:
        return 0.0
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        # P(at least that many successes) grows with the proportion; the bound is where it reaches 1 - confidence.
        reached = 1 - binomial_cdf(successes - 1, count, middle)
        low, high = (middle, high) if reached < 1 - confidence else (low, middle)
    return low
