"""How long replaying a long trace takes: the path a user takes, from the file of the trace to `decisions.jsonl`."""

import json
import random
import time
from pathlib import Path

from edgeproof.adaptation.replay_documents import summarise_mode
from edgeproof.adaptation.selection_files import build_chooser
from edgeproof.adaptation.trace_replay import Conditions
from edgeproof.adaptation.traces import read_trace
from edgeproof.core.configuration import Json
from edgeproof.runtime.variants import ModelFamily, Variant, VariantMetadata

from .bench_machine import describe_bench_machine

TARGET_SECONDS = 20.0
_SEED = 0
_FAMILY = ModelFamily(
    "example",
    [
        Variant("full", "full.onnx", "high", "onnx", VariantMetadata(120.0, 250.0, 0.92, "high")),
        Variant("quantized", "quantized.onnx", "medium", "onnx", VariantMetadata(45.0, 80.0, 0.87, "medium")),
        Variant("tiny", "tiny.onnx", "low", "onnx", VariantMetadata(15.0, 20.0, 0.74, "low")),
    ],
)


def measure_replay(folder: Path, steps: int) -> Json:
    """Measure a trial of replaying a long trace and return the `bench-replay` document.

    The trace of so many moments and the decisions are written to `folder`.
    """
    trace, decisions = folder / "trace.jsonl", folder / "decisions.jsonl"
    write_long_trace(trace, steps)
    chooser = build_chooser(_FAMILY, {"policy": "maximize-accuracy"}, "fixed", "the benchmark")
    begin = time.perf_counter()
    with open(decisions, "w", encoding="utf-8") as stream:
        summary = summarise_mode(chooser, read_trace(trace, {}), Conditions(), None, stream.write)
    seconds = time.perf_counter() - begin
    return {
        "schema": "edgeproof.bench-replay.v1",
        "machine": describe_bench_machine(),
        "steps": steps,
        "variants": len(_FAMILY.variants),
        "seed": _SEED,
        "swaps": summary["swaps"],
        "seconds": seconds,
        "microseconds_per_step": 1e6 * seconds / steps,
        "target_seconds": TARGET_SECONDS,
        "met": seconds <= TARGET_SECONDS * steps / 1e6,
    }


def write_long_trace(path: Path, steps: int) -> None:
    """Write the trace that a trial replays: memory and load of a device whose neighbours come and go, by the seed."""
    draw, free = random.Random(_SEED), 400.0
    plain = {"battery_pct": None, "is_charging": None, "thermal_zone_c": None}
    rest = {"gpu_utilization_pct": None, "network_quality": None}
    with open(path, "w", encoding="utf-8") as stream:
        for number in range(steps):
            if number % 20 == 0:
                free = draw.uniform(40.0, 600.0)
            load = round(draw.uniform(0.0, 100.0), 3)
            memory = {"available_ram_mb": round(free + draw.uniform(-5.0, 5.0), 3), "cpu_utilization_pct": load}
            stream.write(json.dumps({**plain, **memory, **rest, "timestamp": float(number)}) + "\n")
