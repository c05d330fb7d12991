"""What a result says about latency: per process, per session and per run, as plain dicts for `result.json`."""

import math
from collections.abc import Sequence
from typing import NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt

from .configuration import Json
from .headlines import WIDTH, Percentile, SessionHeadline, find_headline_percentiles, summarise_headline
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


class _Process(NamedTuple):
    """A process as the summary of its run needs it.

    `medians`: of its inputs, ns. `error`: standard error of the logarithm of its median. `total_ns`: of its samples.
    """

    summary: ProcessSummary
    medians: Times
    error: float
    total_ns: float


def summarise_process(samples_ns: npt.ArrayLike, inputs: int = 1) -> ProcessSummary:
    """Return the summary of one process's times, a ProcessSummary.

    `samples_ns`: integers, shape (n,), n >= 1, all positive; ValueError otherwise. Sample k ran input k mod `inputs`.
    """
    return _describe_processes([_check(samples_ns)], inputs)[0].summary


def summarise_run(
    sessions_ns: Sequence[Sequence[npt.ArrayLike]],
    inputs: int = 1,
    inferences_per_sample: int = 1,
    width: float = WIDTH,
    confidence: float = 0.95,
) -> Json:
    """Return the summary of a run for its `result.json`, as a dict of JSON values.

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
    described = _describe_processes(processes, inputs)
    following = iter(described)
    each = [[next(following) for _ in session] for session in sessions]
    headline = summarise_headline(
        [[process.summary["median_ns"] for process in session] for session in each],
        [[process.error for process in session] for session in each],
        width,
        confidence,
    )
    none = Interval(headline.estimate, None, None, confidence, headline.processes)
    total = sum(map(len, processes))
    time_ns = sum(process.total_ns for process in described)
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
        "inputs": _describe_inputs([process.medians for process in described]),
        "percentiles": {
            name: _describe_percentile(found)
            for name, found in zip(
                PERCENTILES, find_headline_percentiles(processes, list(PERCENTILES.values())), strict=True
            )
        },
        "throughput_per_s": inferences_per_sample * total * _NS_PER_S / time_ns,
        "processes": [{"session": number, **process.summary} for number, own in enumerate(each) for process in own],
    }


def _describe_processes(processes: Sequence[Times], inputs: int) -> list[_Process]:
    """Return what is known of each process; those with equally many samples are computed together."""
    alike: dict[tuple[int, object], list[int]] = {}
    for number, samples in enumerate(processes):
        alike.setdefault((len(samples), samples.dtype), []).append(number)
    found: dict[int, _Process] = {}
    for numbers in alike.values():
        found.update(zip(numbers, _describe_alike(np.stack([processes[k] for k in numbers]), inputs), strict=True))
    return [found[number] for number in range(len(processes))]


def _describe_alike(samples: Times, inputs: int) -> list[_Process]:
    """Return what is known of each process; `samples`: shape (processes, n)."""
    count = samples.shape[1]
    medians = medians_in_turn(samples, inputs)
    totals = samples.sum(axis=1, dtype=np.float64)
    spreads = samples.std(axis=1, ddof=1).tolist() if count > 1 else [None] * len(samples)
    figures = (medians.mean(axis=1), samples.min(axis=1), totals / count)
    levels, lowest, means = (each.astype(np.float64).tolist() for each in figures)
    known = zip(levels, lowest, means, spreads, medians, _find_errors(samples, medians), totals.tolist(), strict=True)
    return [
        _Process(
            ProcessSummary(sample_count=count, median_ns=level, minimum_ns=low, mean_ns=mean, sd_ns=spread), *others
        )
        for level, low, mean, spread, *others in known
    ]


def _find_errors(samples: Times, medians: Times) -> list[float]:
    """Return the standard error of the logarithm of each process's median, from how its windows differ.

    As for blocks (see `core.pair_values`), with inputs taken out first. `medians`: of its inputs.
    """
    rounds = -(-samples.shape[1] // medians.shape[1])
    levels = np.log(window_medians(samples / np.tile(medians, rounds)[:, : samples.shape[1]]))
    spreads = _NORMAL_MAD * middle_of_rows(np.abs(levels - middle_of_rows(levels)[:, None]))
    return (_MEDIAN_ERROR * spreads / math.sqrt(levels.shape[1])).tolist()


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
