"""A placed pipeline: every stage in its runtime and its process, tensors handed over in shared memory.

To whoever measures it is a backend like any other: one call is one input through all stages.
"""

from __future__ import annotations

import atexit
import time
from typing import Iterable, List, Optional, Tuple

import numpy

from ..flow import Flow
from ..handover import Crew
from ..specs import Array, Call, Definition, Feed, Outputs, PlacedArm, StepTimes
from ..specs import Protocol as TimingProtocol
from ..step_order import add_up, find_makers, find_waits, list_hops
from .backend import Backend, Simulation
from .definitions import define_latency
from .fake import Fake

_BOUNDARY = "one input through all stages, one process per executor: host arrays in, host arrays out"


def open_placed(arm: PlacedArm) -> Backend:
    """Return the backend of a placed pipeline, simulated where all its stages are."""
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
        self._crew = Flow(arm, arm["overlap"]) if "overlap" in arm else Crew(arm)
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

        `start_ns` of a step: from the caller's start to having its inputs. `handover_ns`: the last part of that, since
        the last step ended that it had to wait for; `return_ns`: from the end of the last step to the caller having the
        outputs.
        """
        rows = self._trail[-count:]
        stamps = numpy.array([numpy.frombuffer(data, "int64") for _, data, _ in rows]).reshape(len(rows), -1, 3)
        started, after = numpy.array([start for start, _, _ in rows]), numpy.array([end for _, _, end in rows])
        ready, ends = stamps[:, :, 0], stamps[:, :, 1]
        before = numpy.column_stack(
            [
                numpy.max([ends[:, other] if other >= 0 else started for other in waits], axis=0)
                for waits in find_waits(self._arm)
            ]
        )
        last = find_makers(self._arm)[-1] if "overlap" in self._arm else [-1]
        return self._describe(
            numpy.median(ready - started[:, None], axis=0),
            numpy.median(ready - before, axis=0),
            numpy.median(ends - ready, axis=0),
            numpy.median(after - numpy.max([ends[:, step] for step in last], axis=0)),
        )

    def _describe(
        self, starts: Iterable[float], handovers: Iterable[float], executions: Iterable[float], back: float
    ) -> StepTimes:
        steps = [
            {
                "name": step["name"],
                "executor": step["executor"],
                "start_ns": int(start),
                "handover_ns": int(handover),
                "execution_ns": int(execution),
            }
            for step, start, handover, execution in zip(self._arm["steps"], starts, handovers, executions)
        ]
        return {"steps": steps, "return_ns": int(back)}


class SimulatedPlacement(Placement):
    """A placement of simulated stages: they really hand over, but their times follow from seeds."""

    def __init__(self, arm: PlacedArm) -> None:
        super().__init__(arm)
        self.simulator = self

    def simulate(self, slot: int, protocol: TimingProtocol, inputs: int) -> Simulation:
        """Return what the stages take one after another or side by side, hand-overs included."""
        runs = [Fake(step["arm"]).simulate(slot, protocol, inputs) for step in self._arm["steps"]]
        hops, samples = list_hops(self._arm), add_up(self._arm, [run.samples for run in runs])
        medians = [int(numpy.median(run.samples)) for run in runs]
        starts: List[int] = []
        for number, waits in enumerate(find_waits(self._arm)):
            ends = [starts[other] + medians[other] if other >= 0 else 0 for other in waits]
            starts.append(max(ends) + hops[number])
        self._simulated = (starts, hops[:-1], medians, hops[-1])
        return Simulation(sum(run.load_ns for run in runs), sum(run.cold_ns for run in runs), samples)

    def simulate_load(self, slot: int, seconds: float, inputs: Array) -> Array:
        """Return what one input takes, as `simulate` does."""
        stages = [Fake(step["arm"]).simulate_load(slot, seconds, inputs) for step in self._arm["steps"]]
        return add_up(self._arm, stages)

    def simulate_block(self, slot: int, block: int, inputs: Array, alternated: bool) -> Array:
        """Return what one input takes, as `simulate` does."""
        stages = [Fake(step["arm"]).simulate_block(slot, block, inputs, alternated) for step in self._arm["steps"]]
        return add_up(self._arm, stages)

    def describe_steps(self, count: int) -> StepTimes:
        return self._describe(*self._simulated)
