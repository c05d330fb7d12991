"""What serving costs: the engine over a bare call, both drivers beside a minimal application, swaps beside none.

Everything is measured in turns within one run, so that what the machine does otherwise hits both sides.
"""

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from edgeproof.adaptation.service_load import compose_request, draw_schedule, run_closed_loop, run_open_loop
from edgeproof.core.configuration import Json
from edgeproof.core.processes import child_environment
from edgeproof.core.statistics import geometric_mean_interval
from edgeproof.runtime.engine import Engine
from edgeproof.runtime.selection import MaximizeAccuracy

from .replay_trials import measure_replay
from .trial_family import WIDTH, write_family

CLIENTS = 8
_NEAR_S = 2.0  # of a swap
_CALLS = 200
_TARGETS = {
    "infer_overhead_us": ("at most", 3.0),
    "p99_swap_ratio": ("at most", 1.5),
    "requests_ratio_starlette": ("at least", 0.95),
    "requests_ratio_h11": ("at least", 0.95),
    "replay_million_s": ("at most", 20.0),
}


@dataclass(frozen=True)
class ServingTrial:
    """How much is measured. `turns` of `seconds` each per server; `swap_seconds` of load with a swap every 6 s."""

    folder: Path
    turns: int = 12
    seconds: float = 3.0
    swap_seconds: float = 180.0
    rate: float = 150.0
    rounds: int = 200
    steps: int = 1_000_000


def run_serving_trials(trial: ServingTrial, show: Callable[[str], object]) -> Json:
    """Run the trials of serving and return the `bench-serving` document; `show` gets a line per part."""
    figures: Json = {"infer_overhead_us": _measure_overhead(trial)}
    show(f"engine over a bare call: {figures['infer_overhead_us']:.2f} µs")
    rates = _compare_servers(trial)
    for name, kind in (("requests_ratio_starlette", "uvicorn"), ("requests_ratio_h11", "h11")):
        ratios = geometric_mean_interval(np.array(rates[kind]) / np.array(rates["minimal"]))
        figures[name] = ratios.estimate
        figures[f"{name}_interval"] = [ratios.low, ratios.high]
        show(f"{kind} beside a minimal application: {ratios.estimate:.3f} ({ratios.low:.3f} to {ratios.high:.3f})")
    near, steady, swaps = _measure_swaps(trial)
    figures["p99_swap_ratio"] = float(np.quantile(near, 0.99) / np.quantile(steady, 0.99))
    show(f"p99 near {swaps} swaps over steady p99: {figures['p99_swap_ratio']:.2f}")
    figures["replay_million_s"] = measure_replay(trial.folder, trial.steps)["seconds"]
    show(f"replay of {trial.steps} steps: {figures['replay_million_s']:.1f} s")
    return {
        "schema": "edgeproof.bench-serving.v1",
        **figures,
        "swaps": swaps,
        "requests_near_swaps": len(near),
        "requests_steady": len(steady),
        "p99_steady_ms": float(np.quantile(steady, 0.99)) / 1e6,
        "p99_near_swaps_ms": float(np.quantile(near, 0.99)) / 1e6,
        "requests_per_second": {kind: float(np.median(found)) for kind, found in rates.items()},
        "turns": trial.turns,
        "expected": {
            name: {"sense": sense, "limit": limit, "met": _meets(figures[name], sense, limit)}
            for name, (sense, limit) in _TARGETS.items()
        },
    }


def _measure_overhead(trial: ServingTrial) -> float:
    """Return what `Engine.infer` adds to a call of the same session, in µs: the median over rounds of both in turn."""
    family = write_family(trial.folder)
    engine = Engine(family, MaximizeAccuracy(), runtime={"intra_op_threads": 1})
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(family.variants["full"].path, options, ["CPUExecutionProvider"])
    x = np.ones((1, WIDTH), "float32")
    differences = []
    for number in range(trial.rounds):
        ways = {"engine": lambda: engine.infer(x), "bare": lambda: session.run(["y"], {"x": x})}
        order = list(ways) if number % 2 else list(ways)[::-1]
        took = {name: _time_calls(ways[name]) for name in order}
        differences.append(took["engine"] - took["bare"])
    engine.close()
    return float(np.median(differences)) / 1e3


def _time_calls(call: Callable[[], object]) -> float:
    """Return the nanoseconds of one call, over a block of them."""
    began = time.perf_counter_ns()
    for _ in range(_CALLS):
        call()
    return (time.perf_counter_ns() - began) / _CALLS


def _compare_servers(trial: ServingTrial) -> dict[str, list[float]]:
    """Return the requests per second of each server, one value per turn."""
    rates: dict[str, list[float]] = {"minimal": [], "uvicorn": [], "h11": []}
    with contextlib.ExitStack() as stack:
        ports = {kind: stack.enter_context(_serve(kind, trial.folder, 0)).port for kind in rates}
        for number in range(trial.turns + 1):
            kinds = sorted(rates, key=lambda kind: (list(rates).index(kind) + number) % len(rates))
            for kind in kinds:
                address = ("127.0.0.1", ports[kind])
                found = run_closed_loop(address, _compose(address), CLIENTS, trial.seconds)
                if found.failed:
                    raise RuntimeError(f"{kind}: {found.failed} requests had no good answer")
                if number:  # the first turn warms up
                    rates[kind].append(found.rate)
    return rates


def _measure_swaps(trial: ServingTrial) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Return latencies in ns near swaps and away from them, under a steady open loop, and the number of swaps."""
    with _serve("h11", trial.folder, 3 * _NEAR_S) as server:
        address = ("127.0.0.1", server.port)
        began = time.monotonic_ns()
        due_s = draw_schedule("poisson", trial.rate, trial.swap_seconds, 0)
        found = run_open_loop(address, _compose(address), due_s, CLIENTS)
        swaps = np.array([at for at in server.swaps if at > began])
    if found.failed:
        raise RuntimeError(f"{found.failed} requests had no good answer")
    due_ns = began + (due_s * 1e9).astype("int64")
    since = due_ns[:, None] - swaps[None, :]
    near = ((since >= -1e8) & (since <= _NEAR_S * 1e9)).any(axis=1)
    return found.latency_ns[near], found.latency_ns[~near], len(swaps)


@dataclass
class _Served:
    port: int
    swaps: list[int]


@contextlib.contextmanager
def _serve(kind: str, folder: Path, swap_every_s: float) -> Generator[_Served]:
    command = [sys.executable, "-m", "edgeproof.bench.trial_server", kind, str(folder), str(swap_every_s)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=child_environment(sys.executable)
    )
    assert process.stdout is not None and process.stdin is not None
    lines = process.stdout
    try:
        served = _Served(json.loads(lines.readline())["port"], [])
        reader = threading.Thread(target=_read_swaps, args=(lines, served.swaps), daemon=True)
        reader.start()
        yield served
    finally:
        process.stdin.close()
        if kind == "minimal":
            process.terminate()
        process.wait(60)
        lines.close()


def _read_swaps(lines: Sequence[str], swaps: list[int]) -> None:
    with contextlib.suppress(ValueError):  # closed meanwhile
        for line in lines:
            swaps.append(json.loads(line)["swap_ns"])


def _compose(address: tuple[str, int]) -> bytes:
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 64], "data": [0.5] * 64}
    return compose_request(address, "/v2/models/networks/infer", json.dumps({"inputs": [tensor]}).encode())


def _meets(value: float, sense: str, limit: float) -> bool:
    return value <= limit if sense == "at most" else value >= limit
