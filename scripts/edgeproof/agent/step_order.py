"""In which order the steps of a placed pipeline follow one another, and how long that takes in a simulation."""

from __future__ import annotations

from typing import Dict, List, Sequence, Set, Tuple

import numpy

from .placement_specs import Tensor
from .specs import Array, PlacedArm

# What a hand-over takes in a simulation.
HOP_NS, HOP_NS_PER_MB = 40000, 250000


def find_makers(arm: PlacedArm) -> List[List[int]]:
    """Return per step in the order of a pipeline, and last for the caller's outputs, the steps whose outputs it reads;
    −1: the caller's input.
    """
    makers = {tensor: number for number, step in enumerate(arm["steps"]) for _, tensor in step["outputs"]}
    reads = [[tensor for _, tensor in step["inputs"]] for step in arm["steps"]]
    reads.append([tensor for _, tensor in arm["outputs"]])
    return [sorted({makers.get(tensor, -1) for tensor in tensors}) for tensors in reads]


def find_waits(arm: PlacedArm) -> List[List[int]]:
    """Return per step in order which steps must end before it can begin; −1: the caller has to hand over its input.

    In turns that is the step before it. Side by side it is whoever makes its inputs, and, in the order of the plan, the
    step before it on its executor.
    """
    if "overlap" not in arm:
        return [[number - 1] for number in range(len(arm["steps"]))]
    waits = [list(makers) for makers in find_makers(arm)[:-1]]
    last: Dict[str, int] = {}
    for number, step in enumerate(arm["steps"]):
        if arm["overlap"]["in_order"] and step["executor"] in last:
            waits[number] = sorted({*waits[number], last[step["executor"]]})
        last[step["executor"]] = number
    return waits


def list_hops(arm: PlacedArm) -> List[int]:
    """Return per step in order, and last for the caller, the simulated nanoseconds of hand-overs from other executors.

    A tensor goes to an executor once; whoever reads it there first waits for it.
    """
    homes = [step["executor"] for step in arm["steps"]] + [""]
    makers = {tensor: homes[number] for number, step in enumerate(arm["steps"]) for _, tensor in step["outputs"]}
    reads = [[key for _, key in step["inputs"]] for step in arm["steps"]] + [[key for _, key in arm["outputs"]]]
    hops: List[int] = []
    there: Set[Tuple[str, str]] = set()
    for home, keys in zip(homes, reads):
        new = [key for key in keys if makers.get(key, "") != home and (key, home) not in there]
        there.update((key, home) for key in new)
        size_mb = sum(_megabytes(arm["tensors"][key]) for key in new)
        hops.append(int(HOP_NS + HOP_NS_PER_MB * size_mb) if new else 0)
    return hops


def add_up(arm: PlacedArm, times: Sequence[Array]) -> Array:
    """Return the simulated nanoseconds of an input whose steps follow one another in order, from those of each step."""
    hops = list_hops(arm)
    ends: List[Array] = []
    for number, waits in enumerate(find_waits(arm)):
        zero = numpy.zeros_like(times[number])
        before = [ends[other] if other >= 0 else zero for other in waits]
        ends.append(numpy.max([zero, *before], axis=0) + hops[number] + times[number])
    last = ends[-1] if "overlap" not in arm else numpy.max([ends[other] for other in find_makers(arm)[-1]], axis=0)
    return last + hops[-1]


def find_busiest(arm: PlacedArm, times: Sequence[float]) -> float:
    """Return the nanoseconds of the busiest executor for its steps of one input, from those of each step in order."""
    busy: Dict[str, float] = {}
    for step, time in zip(arm["steps"], times):
        busy[step["executor"]] = busy.get(step["executor"], 0.0) + time
    return max(busy.values())


def _megabytes(tensor: Tensor) -> float:
    return float(numpy.prod(tensor["shape"])) * numpy.dtype(tensor["dtype"]).itemsize / 1e6
