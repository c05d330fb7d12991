"""`links`: what it takes to hand a tensor from one executor of this machine to another, as a placed pipeline does it.

The executors pass a tensor round a ring that uses every ordered pair of them once. Their stages compute nothing, so
what is left is the hand-over: the copy into shared memory, the turn, and what the reader's runtime has to rearrange.
"""

from __future__ import annotations

import json
import os
from typing import Any, Dict, List

import numpy

from .environment import name_provenance
from .failures import Verdict
from .handover import Crew
from .placement_specs import Step, Tensor
from .specs import Array, LinksArm, LinksSpec, Report
from .step_order import HOP_NS, HOP_NS_PER_MB

# One pair of executors and one size: source, target, size_mb, median_ns.
Row = Dict[str, Any]
_CHANNELS = 64
_WARM_UP = 10


def measure_links(spec: LinksSpec, out: str) -> None:
    """Fill `out` with `process.json` (median of every ordered pair and size) and `samples.npy` (those medians, int64).

    `spec`: slot, and an arm with `executors` {name: {interpreter, channels_last}}, `sizes_mb`, `samples` per size,
    `simulated`, and perhaps `between_calls` {busy_ms, sweep_mb}: each executor has slept for about so long when its
    turn comes.
    """
    arm = spec["arm"]
    report: Report = {
        "status": "ok",
        "reason": None,
        "pid": os.getpid(),
        "calls_per_sample": 1,
        "samples": arm["samples"],
    }
    report["provenance"] = name_provenance(arm["simulated"])
    try:
        pass_round = _simulate_ring if arm["simulated"] else time_ring
        report["handovers"] = [row for size in arm["sizes_mb"] for row in pass_round(arm, size, spec["slot"])]
        medians = numpy.array([row["median_ns"] for row in report["handovers"]], "int64")
        numpy.save(os.path.join(out, "samples.npy"), medians)
    except Verdict as verdict:
        report.update(status="failed", reason={"kind": verdict.kind, "message": str(verdict)})
    with open(os.path.join(out, "process.json"), "w", encoding="utf-8") as stream:
        json.dump(report, stream, indent=2)


def time_ring(arm: LinksArm, size_mb: float, slot: int) -> List[Row]:
    """Time every link between executors; return one row per ordered pair: source, target, size_mb (of the tensor),
    median_ns.
    """
    shape = shape_tensor(size_mb)
    ring = plan_ring(list(arm["executors"]))
    tensors: Dict[str, Tensor] = {name: {"dtype": "float32", "shape": shape} for name in ("even", "odd")}
    busy_ms, sweep_mb = 0.0, 0.0
    between = arm.get("between_calls")
    if between:  # so many others have their turn before one's own comes again
        busy_ms, sweep_mb = between["busy_ms"] / (len(arm["executors"]) - 1), between["sweep_mb"]
    steps: List[Step] = [
        {
            "name": str(number),
            "executor": name,
            "arm": {
                "backend": "echo",
                "shape": shape,
                "channels_last": arm["executors"][name].get("channels_last", False),
                "busy_ms": busy_ms,
                "sweep_mb": sweep_mb,
            },
            "inputs": [("x", ("even", "odd")[number % 2])],
            "outputs": [("y", ("odd", "even")[number % 2])],
        }
        for number, name in enumerate(ring)
    ]
    crew = Crew({"executors": arm["executors"], "tensors": tensors, "steps": steps})
    try:
        rounds: List[Array] = []
        for _ in range(_WARM_UP + arm["samples"]):
            crew.run()
            rounds.append(crew.area.stamps.copy())
    finally:
        crew.close()
    stamps = numpy.array(rounds[_WARM_UP:])
    medians = numpy.median(stamps[:, 1:, 0] - stamps[:, :-1, 1], axis=0)
    return _list_rows(ring, shape, medians)


def _simulate_ring(arm: LinksArm, size_mb: float, slot: int) -> List[Row]:
    """Return rows as `time_ring` does, from a seed."""
    shape, ring = shape_tensor(size_mb), plan_ring(list(arm["executors"]))
    random = numpy.random.RandomState([slot, int(size_mb * 1e6)])
    actual = 4e-6 * float(numpy.prod(shape))
    medians = (HOP_NS + HOP_NS_PER_MB * actual) * numpy.exp(0.01 * random.standard_normal(len(ring) - 1))
    return _list_rows(ring, shape, medians)


def shape_tensor(size_mb: float) -> List[int]:
    """Return the shape of the tensor that a link is timed with: float32, 64 channels, about `size_mb` (1 MB is
    1,000,000 bytes).
    """
    side = max(1, round((size_mb * 1e6 / 4 / _CHANNELS) ** 0.5))
    return [1, _CHANNELS, side, side]


def plan_ring(names: List[str]) -> List[str]:
    """Return the order in which all links are timed: a closed walk over the executors, each to each other once
    (Hierholzer).
    """
    left: Dict[str, List[str]] = {name: [other for other in names if other != name] for name in names}
    walk: List[str] = []
    trail = [names[0]]
    while trail:
        if left[trail[-1]]:
            trail.append(left[trail[-1]].pop())
        else:
            walk.append(trail.pop())
    return walk[::-1]


def _list_rows(ring: List[str], shape: List[int], medians: Array) -> List[Row]:
    size_mb = 4e-6 * float(numpy.prod(shape))
    return [
        {"source": source, "target": target, "size_mb": size_mb, "median_ns": int(median)}
        for source, target, median in zip(ring, ring[1:], medians)
    ]
