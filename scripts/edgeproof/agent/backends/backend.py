"""What every backend is: the interface that the rest of the agent knows."""

from __future__ import annotations

from typing import Any, List, NamedTuple, Optional, Protocol, Sequence

from ..specs import Array, Call, Definition, Feed, Outputs, Report, StepTimes, TensorInfo
from ..specs import Protocol as TimingProtocol


class Simulation(NamedTuple):
    """Times of one process in nanoseconds. `samples`: int64 array."""

    load_ns: int
    cold_ns: int
    samples: Array


class Simulator(Protocol):
    """A backend whose times follow from a seed."""

    def simulate(self, slot: int, protocol: TimingProtocol, inputs: int) -> Simulation:
        """Return the times of the process with this number, as a quiet machine would give them.

        It goes through so many `inputs` in turn, and through each at least once.
        """
        ...

    def simulate_load(self, slot: int, seconds: float, inputs: Array) -> Array:
        """Return the nanoseconds, int64, of one sample per entry of `inputs` after so many seconds of load."""
        ...

    def simulate_block(self, slot: int, block: int, inputs: Array, alternated: bool) -> Array:
        """Return the nanoseconds of one sample per entry of `inputs`, int64.

        `slot`: the number of the process; `block`: of the block in it, any number; `alternated`: another arm takes
        turns.
        """
        ...


class Looper(Protocol):
    """A backend whose program times its own calls."""

    def begin(self, inputs: str, protocol: TimingProtocol) -> None:
        """Start the program on a samples file; it loads the artifact."""
        ...

    def time_block(self, inputs: Sequence[int]) -> Array:
        """Run these inputs in this order and return the nanoseconds of each call, int64."""
        ...

    def write_outputs(self, path: str) -> None:
        """Write the outputs of the first input to an npz file, as arrays `outputs/NAME`."""
        ...

    def peak_memory(self) -> int:
        """Return the peak resident memory of the program, in bytes."""
        ...

    def end(self) -> None:
        """End the program."""
        ...


class StepClock(Protocol):
    """A backend that knows where the time of an inference went."""

    def describe_steps(self, count: int) -> StepTimes:
        """Return the times of the steps over the last `count` inferences."""
        ...


class Backend(Protocol):
    """One runtime with one artifact loaded. A backend imports its runtime when it is made, and inherits from this.

    `import_ns`: time to import the runtime. `inputs`, `outputs`: name, dtype and shape with the source model's names.
    `simulator`: the backend itself where its times are simulated; `step_clock`: where it knows its steps; `looper`:
    where its program times its own calls.
    """

    name: str
    version: str
    import_ns: int
    provider_requested: str
    providers_used: Sequence[str]
    inputs: List[TensorInfo]
    outputs: List[TensorInfo]
    simulator: Optional[Simulator] = None
    step_clock: Optional[StepClock] = None
    looper: Optional[Looper] = None

    @classmethod
    def find_obstacle(cls, arm: Any) -> Optional[str]:
        """Return why a process of this arm cannot be stopped while another one runs, None if it can."""
        return None

    def prove_use(self, feed: Feed, folder: str) -> Optional[Report]:
        """Run once more and return what ran where (`accelerator.judge_use`), None where only the CPU was asked for or
        nothing says; Verdict if the accelerator ran nothing. `folder`: for files that are removed again.
        """
        return None

    def bind(self, feed: Feed) -> Call:
        """Return a function without arguments that runs one inference on `feed`: what is timed.

        Several feeds of the same shapes may be bound at a time; calling one does not unbind another.
        """
        ...

    def restore(self, outputs: Outputs) -> Outputs:
        """Return what a bound call returned in the source model's layout and types."""
        ...

    def definition(self) -> Definition:
        """Return what this backend's "latency" includes."""
        ...
