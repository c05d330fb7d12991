"""What the registry costs with very many runs: to make it from files, to follow one job, to ask it.

The runs are copies of one made-up cell under other names, with valid documents: nothing is measured. Every part runs in
a process of its own, so that its memory is its own.
"""

import contextlib
import json
import resource
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

from edgeproof.core.attempts import FOLDER, RECORD
from edgeproof.core.configuration import Json
from edgeproof.core.made_files import note_made
from edgeproof.core.seals import SEAL, render_sealed
from edgeproof.registry.index import REGISTRY, open_registry, rebuild_registry
from edgeproof.registry.queries import find_run, list_failed, list_metrics_of, list_resources, list_runs

from .bench_machine import describe_bench_machine
from .made_up_cells import write_cell

LIMITS = {"index_s": 60.0, "update_s": 0.2, "query_ms_max": 50.0, "memory_mb": 500.0}
_REPEATS = 5  # of each query; the median is kept
_PER_MODEL = 100  # runs of one model: five precisions of twenty presets
_PRECISIONS = ("fp32", "fp16", "int8", "int8-dynamic", "int8-weights")


def measure_registry(folder: Path, runs: int, tell: Callable[[str], object] = lambda line: None) -> Json:
    """Measure a registry at the scale of `runs` made-up runs in the empty folder `folder`.

    Returns the `bench-registry` document.
    """
    write_runs(folder, runs)
    tell(f"{runs} runs written")
    index = _run_apart(_time_index, folder)
    tell(f"index: {index['seconds']:.1f} s, {index['memory_mb']:.0f} MB")
    update = _run_apart(_time_update, folder)
    tell(f"one run more: {update['seconds'] * 1e3:.1f} ms")
    queries = _run_apart(_time_queries, folder)
    tell(f"queries: {max(queries['queries_ms'].values()):.1f} ms at most")
    found = {
        "index_s": index["seconds"],
        "update_s": update["seconds"],
        "query_ms_max": max(queries["queries_ms"].values()),
        "memory_mb": max(part["memory_mb"] for part in (index, update, queries)),
    }
    return {
        "schema": "edgeproof.bench-registry.v1",
        "machine": describe_bench_machine(),
        "runs": runs,
        **found,
        "queries_ms": queries["queries_ms"],
        "registry_bytes": (folder / REGISTRY).stat().st_size,
        "limits": LIMITS,
        "met": all(found[name] <= limit for name, limit in LIMITS.items()),
    }


def write_runs(folder: Path, runs: int) -> None:
    """Write made-up runs for a registry at scale: results and attempts of `runs` cells below `folder`.

    Each is a valid document of its own name.
    """
    with contextlib.chdir(folder):
        write_cell(count=20)
    place = folder / "results/runs/digits-cnn/ort-cpu/desk/fp32"
    result = json.loads((place / "result.json").read_text())
    (attempt,) = (place / FOLDER).iterdir()
    record, samples = json.loads((attempt / RECORD).read_text()), (place / "samples.csv").read_bytes()
    for number in range(runs - 1):
        model, rest = divmod(number, _PER_MODEL)
        cell = {"model": f"model-{model}", "preset": f"preset-{rest // 5}", "precision": _PRECISIONS[rest % 5]}
        target = folder / "results/runs" / cell["model"] / cell["preset"] / f"device-{model % 10}" / cell["precision"]
        named = {**result, "cell": {**result["cell"], **cell, "device": f"device-{model % 10}"}}
        named["sessions"] = [{**result["sessions"][0], "started_at_unix_s": 1.8e9 + number}]
        kept = target / FOLDER / attempt.name
        kept.mkdir(parents=True)
        (target / "result.json").write_text(render_sealed(_unseal(named)))
        (target / "samples.csv").write_bytes(samples)
        (kept / RECORD).write_text(render_sealed({**_unseal(record), "pid": number + 1}))


def _time_index(folder: Path) -> Json:
    begun = time.perf_counter()
    rebuild_registry(folder)
    return _describe(time.perf_counter() - begun)


def _time_update(folder: Path) -> Json:
    """Time what asking costs after one job has ended: its folder is read, the others are not."""
    times: list[float] = []
    for _ in range(_REPEATS):
        note_made(folder / "results", "runs/model-3/preset-3/device-3/int8/result.json")
        begun = time.perf_counter()
        with open_registry(folder) as connection:
            find_run(connection, "model-3/preset-3/device-3/int8")
        times.append(time.perf_counter() - begun)
    return _describe(sorted(times)[_REPEATS // 2])


def _time_queries(folder: Path) -> Json:
    found: dict[str, float] = {}
    with open_registry(folder) as connection:
        queries: dict[str, Callable[[], object]] = {
            "newest": lambda: list_runs(connection, {}, 50),
            "model": lambda: list_runs(connection, {"model": "model-3"}, 50),
            "device": lambda: list_runs(connection, {"device": "device-3"}, 50),
            "model and precision": lambda: list_runs(connection, {"model": "model-3", "precision": "int8"}, 50),
            "status": lambda: list_runs(connection, {"status": "failed"}, 50),
            "run": lambda: find_run(connection, "model-3/preset-3/device-3/int8"),
            "metrics of a run": lambda: list_metrics_of(connection, "model-3/preset-3/device-3/int8"),
            "resources": lambda: list_resources(connection, {"metric": "memory_peak_mb", "min_value": 10.0}, 50),
            "failed": lambda: list_failed(connection, {}, 50),
        }
        for name, query in queries.items():
            times: list[float] = []
            for _ in range(_REPEATS):
                begun = time.perf_counter()
                query()
                times.append(1e3 * (time.perf_counter() - begun))
            found[name] = sorted(times)[_REPEATS // 2]
    return {**_describe(0.0), "queries_ms": found}


def _describe(seconds: float) -> Json:
    return {"seconds": seconds, "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def _run_apart(function: Callable[[Path], Json], folder: Path) -> Json:
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(function, (folder,))


def _unseal(document: Json) -> Json:
    return {name: value for name, value in document.items() if name != SEAL}
