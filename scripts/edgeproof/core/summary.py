"""What a result says about latency: per process, per session and per run, as plain dicts for `result.json`."""

import math
from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from .configuration import Json
from .headlines import WIDTH, Percentile, SessionHeadline, find_percentiles, summarise_headline
from .input_dependence import judge_inputs
from .medians import medians_in_turn, middle_of_rows, window_medians
from .percentiles import percentile_floor
from .statistics import Interval

PERCENTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p97": 0.97, "p99": 0.99, "p99.9": 0.999}

_NS_PER_MS = 1e6
_NS_PER_S = 1e9
_NORMAL_MAD = 1.4826  # standard deviation of a normal distribution over its median absolute deviation
_MEDIAN_ERROR = 1.2533  # standard error of a median over that of a mean

Times = npt.NDArray[np.float64]


class ProcessSummary(TypedDict):
    """Times of one process in ns: `median_ns` is the arithmetic mean over its inputs of their medians; `sd_ns` has
    ddof 1 and is None for one sample.
    """

    sample_count: int
    median_ns: float
    minimum_ns: float
    mean_ns: float
    sd_ns: float | None


def summarise_process(samples_ns: npt.ArrayLike, inputs: int = 1) -> ProcessSummary:
    """Return the ProcessSummary of one process.

    `samples_ns`: integers, shape (n,), n >= 1, all positive; ValueError otherwise. Sample k ran input k mod `inputs`.
    """
    samples = _check(samples_ns)
    return _summarise(samples, medians_in_turn(samples, inputs))


def summarise_run(
    sessions_ns: Sequence[Sequence[npt.ArrayLike]],
    inputs: int = 1,
    inferences_per_sample: int = 1,
    width: float = WIDTH,
    confidence: float = 0.95,
) -> Json:
    """Return the summary of a run as a dict of JSON values.

    `sessions_ns`: per session, in order of start, one array of samples per fresh process, in ns and in the order
    measured; lengths may differ. Sample k of a process ran input k mod `inputs`. `width`: of the protocol (see
    `core.headlines`).
    - `latency`: the headline in ms with its interval and what that is over (`basis`),
    - `sessions`: of each its own headline and the levels between which its processes jump (`modes`),
    - `inputs`: how latency depends on the input,
    - `percentiles`: for p50 to p99.9 over all processes, with the interval that so many can carry,
    - `throughput_per_s`: inferences per second of time inside samples, at concurrency 1 (`inferences_per_sample` is
      the batch),
    - `processes`: `summarise_process` of each with its `session`.
    """
    sessions = [[_check(samples) for samples in session] for session in sessions_ns]
    if not sessions or not all(sessions):
        raise ValueError("a run has at least one session, and a session at least one process")
    processes = [samples for session in sessions for samples in session]
    medians = [[medians_in_turn(samples, inputs) for samples in session] for session in sessions]
    each = [list(zip(*both, strict=True)) for both in zip(sessions, medians, strict=True)]
    summaries = [[_summarise(*process) for process in session] for session in each]
    headline = summarise_headline(
        [[entry["median_ns"] for entry in session] for session in summaries],
        [[_find_error(*process) for process in session] for session in each],
        width,
        confidence,
    )
    none = Interval(headline.estimate, None, None, confidence, headline.processes)
    total = sum(map(len, processes))
    time_ns = sum(float(samples.sum(dtype=np.float64)) for samples in processes)
    return {
        "process_count": len(processes),
        "sample_count": total,
        "latency": {
            **_describe_interval(headline.interval or none),
            "basis": headline.basis,
            "noisy": headline.noisy,
            "width": width,
            "rare_starts": headline.rare_starts,
        },
        "sessions": [_describe_session(part) for part in headline.sessions],
        "inputs": _describe_inputs([own for session in medians for own in session]),
        "percentiles": {
            name: _describe_percentile(found)
            for name, found in zip(PERCENTILES, find_percentiles(processes, list(PERCENTILES.values())), strict=True)
        },
        "throughput_per_s": inferences_per_sample * total * _NS_PER_S / time_ns,
        "processes": [{"session": number, **entry} for number, session in enumerate(summaries) for entry in session],
    }


def _summarise(samples: Times, medians: Times) -> ProcessSummary:
    """Return the ProcessSummary of one process. `medians`: of its inputs."""
    return {
        "sample_count": len(samples),
        "median_ns": float(medians.mean()),
        "minimum_ns": float(samples.min()),
        "mean_ns": float(samples.mean()),
        "sd_ns": float(samples.std(ddof=1)) if len(samples) > 1 else None,
    }


def _find_error(samples: Times, medians: Times) -> float:
    """Return the standard error of the logarithm of a process's median, from how its windows differ.

    As for blocks (see `core.pair_values`), with inputs taken out first. `medians`: of its inputs.
    """
    rounds = -(-len(samples) // len(medians))
    levels = np.log(window_medians(samples / np.tile(medians, rounds)[: len(samples)]))
    spread = _NORMAL_MAD * float(middle_of_rows(np.abs(levels - middle_of_rows(levels[None, :]))[None, :])[0])
    return _MEDIAN_ERROR * spread / math.sqrt(len(levels))


def _describe_interval(interval: Interval) -> Json:
    return {
        "median_ms": interval.estimate / _NS_PER_MS,
        "interval_low_ms": None if interval.low is None else interval.low / _NS_PER_MS,
        "interval_high_ms": None if interval.high is None else interval.high / _NS_PER_MS,
        "confidence": interval.confidence,
    }


def _describe_session(part: SessionHeadline) -> Json:
    modes = [{"level_ms": mode.level / _NS_PER_MS, "starts": mode.starts, "share": mode.share} for mode in part.modes]
    return {"processes": part.interval.count, "latency": _describe_interval(part.interval), "modes": modes}


def _describe_inputs(medians: Sequence[Times]) -> Json:
    """Return how latency depends on the input. `medians`: of each process's inputs."""
    count = min(map(len, medians))
    found = judge_inputs([own[:count] for own in medians])
    return {
        "levels_ms": [level / _NS_PER_MS for level in found.levels],
        "slowest": found.slowest,
        "spread": found.spread,
        "p_value": found.p_value,
        "depends": found.depends,
    }


def _describe_percentile(found: Percentile) -> Json:
    value, low, high = (None if x is None else x / _NS_PER_MS for x in (found.value, found.low, found.high))
    return {
        "value_ms": value,
        "low_ms": low,
        "high_ms": high,
        "confidence": found.confidence,
        "starts": found.starts,
        "rare_starts": found.rare_starts,
        "floor_samples": percentile_floor(found.fraction),
        "reason": found.reason,
    }


def _check(samples_ns: npt.ArrayLike) -> Times:
    samples: Times = np.asarray(samples_ns)
    if samples.ndim != 1 or not len(samples) or not samples.min() > 0:
        raise ValueError(
            f"samples of a process must be positive, one dimension, at least one; shape is {samples.shape}"
        )
    return samples
