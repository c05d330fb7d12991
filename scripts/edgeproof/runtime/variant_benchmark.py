"""A quick benchmark of all variants in this process, as EdgeAdapt's: for a first impression.

Publish figures from the workflow instead; it measures fresh processes and says how sure it is.
"""

from __future__ import annotations

import platform
import sys
import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional, cast

import numpy

from .active_model import Model
from .loaded_models import make_feed
from .variants import ModelFamily, Variant

_WARM_UP = 3


class BenchmarkReport(NamedTuple):
    """EdgeAdapt's benchmark report, version 2. `variants`: times by variant in ms; `metadata`: what they rest on.

    EdgeAdapt's own version is null: it did not measure.
    """

    variants: Dict[str, Dict[str, Any]]
    metadata: Dict[str, Any]


def benchmark_variants(
    family: ModelFamily,
    load: Callable[[str], Model],
    sample: Any,
    runs: int,
    gate: Callable[[Variant], bool],
    commit: Optional[str] = None,
) -> BenchmarkReport:
    """Benchmark the variants, one after the other: load it, run it `runs` times on `sample`, and unload it.

    `sample`: what `infer` takes; None: random numbers in the shape of the variant's inputs. `memory_mb` is declared,
    percentiles interpolate linearly. `gate`: which variants are timed. `commit`: of the code, where it is known.
    ValueError for less than one run.
    """
    if runs < 1:
        raise ValueError("runs is {}; it must be at least 1".format(runs))
    rows: Dict[str, Dict[str, Any]] = {}
    for name, variant in family.variants.items():
        if not gate(variant):
            continue
        model = load(name)
        try:
            value = sample if sample is not None else make_feed(getattr(model, "inputs", ()))
            times = _time_runs(model, value, runs)
        finally:
            model.unload()
        p50, p95, p99 = (float(value) for value in numpy.percentile(times, [50, 95, 99]))
        rows[name] = {
            "latency_ms_mean": float(numpy.mean(times)),
            "latency_ms_p50": p50,
            "latency_ms_p95": p95,
            "latency_ms_p99": p99,
            "memory_mb": variant.metadata.memory_footprint_mb,
            "warmup_runs": _WARM_UP,
            "timed_runs": runs,
            "input_shape": _describe_shape(value),
        }
    metadata: Dict[str, Any] = {
        "edgeadapt_version": None,
        "onnxruntime_version": getattr(sys.modules.get("onnxruntime"), "__version__", None),
        "git_commit": commit,
        "python": platform.python_version(),
        "warmup_runs": _WARM_UP,
        "timed_runs_per_variant": runs,
        "input_shapes": {name: row["input_shape"] for name, row in rows.items()},
    }
    return BenchmarkReport(rows, metadata)


def _time_runs(model: Model, sample: Any, runs: int) -> List[float]:
    for _ in range(_WARM_UP):
        model.infer(sample)
    times: List[float] = []
    for _ in range(runs):
        began = time.perf_counter_ns()
        model.infer(sample)
        times.append((time.perf_counter_ns() - began) / 1e6)
    return times


def _describe_shape(sample: Any) -> List[int]:
    """Return the shape of the first input."""
    named = cast(Dict[str, Any], sample) if isinstance(sample, dict) else {"x": sample}
    return list(numpy.shape(next(iter(named.values()))))
