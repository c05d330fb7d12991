"""Timing a family's variants quickly, one after the other in one process: EdgeAdapt's benchmark report, version 2.

It is a first look. What the workflow measures (fresh processes, an interval) is what `family.json` is filled with.
"""

import platform
import subprocess
import time
from typing import Any

import numpy as np

from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.files import is_file
from edgeproof.core.layout import REPOSITORY
from edgeproof.runtime.variants import ModelFamily, Variant

_WARM_UP = 3
_TYPES = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(float16)": "float16"}
_INTEGERS = {"tensor(int64)": "int64", "tensor(int32)": "int32", "tensor(uint8)": "uint8", "tensor(int8)": "int8"}


def benchmark_family(family: ModelFamily, sample: str | None, runs: int) -> Json:
    """Return the report {variants, metadata}. `sample`: .npy of the first input, None for random values.

    UserError for a variant that is no ONNX file, or cannot be loaded or fed.
    """
    import onnxruntime  # slow to import

    rows: Json = {}
    for name, variant in family.variants.items():
        session = _open_session(variant)
        feeds = _make_feeds(session, sample)
        try:
            times = _time_calls(session, feeds, runs)
        except Exception as error:
            raise UserError(
                f"{variant.path}: cannot be run on {sample or 'random values'}: {_one_line(error)}"
            ) from error
        p50, p95, p99 = (float(np.percentile(times, share)) for share in (50, 95, 99))
        rows[name] = {
            "latency_ms_mean": float(np.mean(times)),
            "latency_ms_p50": p50,
            "latency_ms_p95": p95,
            "latency_ms_p99": p99,
            "memory_mb": variant.metadata.memory_footprint_mb,
            "warmup_runs": _WARM_UP,
            "timed_runs": runs,
            "input_shape": list(next(iter(feeds.values())).shape),
        }
    return {
        "variants": rows,
        "metadata": {
            "edgeadapt_version": None,
            "onnxruntime_version": onnxruntime.__version__,
            "python": platform.python_version(),
            "git_commit": _read_commit(),
            "warmup_runs": _WARM_UP,
            "timed_runs_per_variant": runs,
            "input_shapes": {name: row["input_shape"] for name, row in rows.items()},
        },
    }


def render_table(report: Json) -> list[str]:
    """Return a benchmark report as lines of a table, four decimals each."""
    names = ("latency_ms_mean", "latency_ms_p50", "latency_ms_p95", "latency_ms_p99", "memory_mb")
    lines = ["\t".join(("variant", "mean_ms", "p50_ms", "p95_ms", "p99_ms", "memory_mb"))]
    lines += ["\t".join((key, *(f"{row[name]:.4f}" for name in names))) for key, row in report["variants"].items()]
    return lines


def describe_onnx(path: str) -> Json:
    """Return what ONNX Runtime says of a file: inputs, outputs, providers; UserError if it cannot be loaded."""
    import onnxruntime

    session = _open_session(Variant("model", path, "high"))
    return {
        "path": path,
        "inputs": [{"name": item.name, "type": item.type, "shape": item.shape} for item in session.get_inputs()],
        "outputs": [{"name": item.name, "type": item.type, "shape": item.shape} for item in session.get_outputs()],
        "providers_available": onnxruntime.get_available_providers(),
        "provider_options": session.get_provider_options(),
    }


def _open_session(variant: Variant) -> Any:
    import onnxruntime

    if variant.backend != "onnx" or not is_file(variant.path):
        what = (
            "is missing" if variant.backend == "onnx" else f"is of backend {variant.backend}; only onnx is timed here"
        )
        raise UserError(f"{variant.path}: {what}")
    try:
        return onnxruntime.InferenceSession(variant.path, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise UserError(f"{variant.path}: cannot be loaded: {_one_line(error)}") from error


def _make_feeds(session: Any, sample: str | None) -> dict[str, Any]:
    generator, feeds = np.random.default_rng(0), {}
    for number, item in enumerate(session.get_inputs()):
        shape = [size if isinstance(size, int) else 1 for size in item.shape]
        if number == 0 and sample is not None:
            feeds[item.name] = _read_sample(sample)
        elif item.type in _TYPES:
            feeds[item.name] = generator.standard_normal(shape).astype(_TYPES[item.type])
        elif item.type in _INTEGERS:
            feeds[item.name] = np.zeros(shape, _INTEGERS[item.type])
        else:
            raise UserError(f"input {item.name} is of type {item.type}; give a --sample")
    return feeds


def _read_sample(path: str) -> Any:
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: is no .npy file ({error})") from error


def _time_calls(session: Any, feeds: dict[str, Any], runs: int) -> list[float]:
    """Return the milliseconds of each timed run, after the warm-up."""
    for _ in range(_WARM_UP):
        session.run(None, feeds)
    times: list[float] = []
    for _ in range(runs):
        start = time.perf_counter_ns()
        session.run(None, feeds)
        times.append((time.perf_counter_ns() - start) / 1e6)
    return times


def _read_commit() -> str | None:
    command = ["git", "-C", str(REPOSITORY), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
