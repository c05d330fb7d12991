"""A placed pipeline: every stage in its runtime and its process, tensors handed over in shared memory.

To whoever measures it is a backend like any other: one call is one input through all stages.
"""

from __future__ import annotations

import atexit
import time
from typing import Iterable, List, Optional, Tuple

import numpy

from ..handover import Crew
from ..specs import Array, Call, Definition, Feed, Outputs, PlacedArm, StepTimes, Tensor
from ..specs import Protocol as TimingProtocol
from .backend import Backend, Simulation
from .definitions import define_latency
from .fake import Fake

_BOUNDARY = "one input through all stages, one process per executor: host arrays in, host arrays out"
# What a hand-over takes in a simulation.
HOP_NS, HOP_NS_PER_MB = 40000, 250000


def open_placed(arm: PlacedArm) -> Backend:
    """Return the backend of a placement, simulated where all its stages are."""
    simulated = all(step["arm"]["backend"] == "fake" for step in arm["steps"])
    return (SimulatedPlacement if simulated else Placement)(arm)


class Placement(Backend):
    """The arm has `executors`, `tensors` and `steps` (see `handover.Crew`), `inputs` and `outputs` as pairs of the
    caller's name and the pipeline's name of a tensor.
    """

    name = "placed"
    version = "1"
    import_ns = 0
    provider_requested = "placed"

    def __init__(self, arm: PlacedArm) -> None:
        self._arm = arm
        self._crew = Crew(arm)
        atexit.register(self._crew.close)
        self._trail: List[Tuple[int, bytes, int]] = []
        self.step_clock = self
        tensors = arm["tensors"]
        self.inputs = [(name, tensors[key]["dtype"], tensors[key]["shape"]) for name, key in arm["inputs"]]
        self.outputs = [(name, tensors[key]["dtype"], tensors[key]["shape"]) for name, key in arm["outputs"]]
        self.providers_used = tuple(
            "{}: {} {}".format(name, report["runtimes"][0]["name"], report["runtimes"][0]["version"])
            for name, report in self._crew.reports.items()
        )

    @classmethod
    def find_obstacle(cls, arm: PlacedArm) -> Optional[str]:
        return "its stages run in processes of their own"

    def bind(self, feed: Feed) -> Call:
        area, crew, trail, clock = self._crew.area, self._crew, self._trail, time.perf_counter_ns
        given = [(area.tensors[key], numpy.ascontiguousarray(feed[name])) for name, key in self._arm["inputs"]]
        taken = [area.tensors[key] for _, key in self._arm["outputs"]]

        def call() -> List[Array]:
            start = clock()
            for place, value in given:
                numpy.copyto(place, value)
            crew.run()
            outputs = [numpy.array(place) for place in taken]
            trail.append((start, area.stamps.tobytes(), clock()))
            return outputs

        return call

    def restore(self, outputs: Outputs) -> Outputs:
        return outputs

    def definition(self) -> Definition:
        return define_latency(_BOUNDARY, 0, False)

    def describe_steps(self, count: int) -> StepTimes:
        """Return where the time of the last `count` inferences went: medians in nanoseconds.

        `handover_ns` of a step: from the end of the one before (of the caller's, for the first) to having its inputs;
        `return_ns`: from the end of the last step to the caller having the outputs.
        """
        rows = self._trail[-count:]
        stamps = numpy.array([numpy.frombuffer(data, "int64") for _, data, _ in rows]).reshape(len(rows), -1, 3)
        before = numpy.column_stack([numpy.array([start for start, _, _ in rows]), stamps[:, :-1, 1]])
        after = numpy.array([end for _, _, end in rows])
        return self._describe(
            numpy.median(stamps[:, :, 0] - before, axis=0),
            numpy.median(stamps[:, :, 1] - stamps[:, :, 0], axis=0),
            numpy.median(after - stamps[:, -1, 1]),
        )

    def _describe(self, handovers: Iterable[float], executions: Iterable[float], back: float) -> StepTimes:
        steps = [
            {
                "name": step["name"],
                "executor": step["executor"],
                "handover_ns": int(handover),
                "execution_ns": int(execution),
            }
            for step, handover, execution in zip(self._arm["steps"], handovers, executions)
        ]
        return {"steps": steps, "return_ns": int(back)}


class SimulatedPlacement(Placement):
    """A placement of simulated stages: they really hand over, but their times follow from seeds."""

    def __init__(self, arm: PlacedArm) -> None:
        super().__init__(arm)
        self.simulator = self

    def simulate(self, slot: int, protocol: TimingProtocol, inputs: int) -> Simulation:
        """Return the sums over the stages, hand-overs included."""
        runs = [Fake(step["arm"]).simulate(slot, protocol, inputs) for step in self._arm["steps"]]
        hops = self._list_hops()
        samples = numpy.sum([run.samples for run in runs], axis=0) + sum(hops)
        self._simulated = (hops[:-1], [int(numpy.median(run.samples)) for run in runs], hops[-1])
        return Simulation(sum(run.load_ns for run in runs), sum(run.cold_ns for run in runs), samples)

    def simulate_load(self, slot: int, seconds: float, inputs: Array) -> Array:
        """Return the sums over the stages, hand-overs included."""
        stages = [Fake(step["arm"]).simulate_load(slot, seconds, inputs) for step in self._arm["steps"]]
        return numpy.sum(stages, axis=0) + sum(self._list_hops())

    def simulate_block(self, slot: int, block: int, inputs: Array, alternated: bool) -> Array:
        """Return the sums over the stages, hand-overs included."""
        stages = [Fake(step["arm"]).simulate_block(slot, block, inputs, alternated) for step in self._arm["steps"]]
        return numpy.sum(stages, axis=0) + sum(self._list_hops())

    def describe_steps(self, count: int) -> StepTimes:
        return self._describe(*self._simulated)

    def _list_hops(self) -> List[int]:
        steps, tensors = self._arm["steps"], self._arm["tensors"]
        readers = [[key for _, key in step["inputs"]] for step in steps] + [[key for _, key in self._arm["outputs"]]]
        places = [""] + [step["executor"] for step in steps] + [""]
        hops: List[int] = []
        for number, keys in enumerate(readers):
            if places[number] == places[number + 1]:
                hops.append(0)
            else:
                size_mb = sum(_megabytes(tensors[key]) for key in keys)
                hops.append(int(HOP_NS + HOP_NS_PER_MB * size_mb))
        return hops


def _megabytes(tensor: Tensor) -> float:
    return float(numpy.prod(tensor["shape"])) * numpy.dtype(tensor["dtype"]).itemsize / 1e6
