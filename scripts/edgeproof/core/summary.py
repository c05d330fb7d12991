"""What a result says about latency: one summary per process and one per run, as plain dicts for `result.json`."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from .configuration import Json
from .percentiles import percentile_floor, pooled_percentiles
from .stability import DEFAULT_WINDOWS, judge_stability, middle_of_rows, window_medians
from .statistics import geometric_mean_interval

PERCENTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p97": 0.97, "p99": 0.99, "p99.9": 0.999}

_NS_PER_MS = 1e6
_NS_PER_S = 1e9


class ProcessSummary(TypedDict):
    """Times of one process in ns; `sd_ns` has ddof 1 and is None for one sample."""

    sample_count: int
    median_ns: float
    minimum_ns: float
    mean_ns: float
    sd_ns: float | None


def summarise_process(samples_ns: npt.ArrayLike) -> ProcessSummary:
    """Return the ProcessSummary of one process.

    `samples_ns`: integers, shape (n,), n >= 1, all positive; ValueError otherwise.
    """
    samples = _check(samples_ns)
    return {
        "sample_count": len(samples),
        "median_ns": float(middle_of_rows(samples[None, :])[0]),
        "minimum_ns": float(samples.min()),
        "mean_ns": float(samples.mean()),
        "sd_ns": float(samples.std(ddof=1)) if len(samples) > 1 else None,
    }


def summarise_run(
    processes_ns: Sequence[npt.ArrayLike],
    inferences_per_sample: int = 1,
    windows: int = DEFAULT_WINDOWS,
    confidence: float = 0.95,
) -> Json:
    """Return the summary of a run as a dict of JSON values.

    `processes_ns`: one array of samples per fresh process, in ns and in the order measured; lengths may differ.
    - `latency`: geometric mean of process medians in ms with its interval (bounds None for one process),
    - `percentiles`: for p50 to p99.9 the `value_ms`, or None with a `reason`; the `floor_samples` it needs; and how
      many independent samples the pooled ones are worth (`effective_sample_count`, see core.percentiles). With
      confidence 0.99 the value is not below the true percentile. It is withheld below its floor and when the run is
      not stable,
    - `throughput_per_s`: inferences per second of time inside samples, at concurrency 1 (`inferences_per_sample` is
      the batch),
    - `stability`: `stable` and its three tests, `processes`: `summarise_process` of each.
    """
    processes = [_check(samples) for samples in processes_ns]
    if not processes:
        raise ValueError("a run has at least one process")
    summaries = [summarise_process(samples) for samples in processes]
    medians = [summary["median_ns"] for summary in summaries]
    headline = geometric_mean_interval(medians, confidence)
    stability = judge_stability(medians, [window_medians(samples, windows) for samples in processes])
    pooled = np.concatenate(processes)
    return {
        "process_count": len(processes),
        "sample_count": len(pooled),
        "latency": {
            "median_ms": headline.estimate / _NS_PER_MS,
            "interval_low_ms": None if headline.low is None else headline.low / _NS_PER_MS,
            "interval_high_ms": None if headline.high is None else headline.high / _NS_PER_MS,
            "confidence": confidence,
        },
        "percentiles": _summarise_percentiles(processes, stability.stable),
        "throughput_per_s": inferences_per_sample * len(pooled) * _NS_PER_S / float(pooled.sum(dtype=np.float64)),
        "stability": asdict(stability),
        "processes": summaries,
    }


def _summarise_percentiles(processes: Sequence[npt.NDArray[np.float64]], stable: bool) -> Json:
    count = sum(map(len, processes))
    summary: Json = {}
    pooled = pooled_percentiles(processes, tuple(PERCENTILES.values()))
    for (name, q), (value, effective) in zip(PERCENTILES.items(), pooled, strict=True):
        floor = percentile_floor(q)
        reason = None if stable else "the run is not stable: processes disagree"
        if effective < floor:
            reason = f"{count} samples are worth {effective} independent ones, {floor} are needed"
        if count < floor:
            reason = f"{count} samples, {floor} are needed"
        summary[name] = {
            "value_ms": None if reason or value is None else value / _NS_PER_MS,
            "floor_samples": floor,
            "effective_sample_count": effective,
            "reason": reason,
        }
    return summary


def _check(samples_ns: npt.ArrayLike) -> npt.NDArray[np.float64]:
    samples: npt.NDArray[np.float64] = np.asarray(samples_ns)
    if samples.ndim != 1 or not len(samples) or not samples.min() > 0:
        raise ValueError(
            f"samples of a process must be positive, one dimension, at least one; shape is {samples.shape}"
        )
    return samples
