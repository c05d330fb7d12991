"""No runtime at all: runs the `artifact.json` of a simulated model."""

from __future__ import annotations

import json
from typing import List

import numpy

from ..failures import Verdict
from ..specs import Arm, Array, Call, Definition, Feed, Outputs
from ..specs import Protocol as TimingProtocol
from .backend import Backend, Simulation
from .definitions import define_latency


class Fake(Backend):
    """No runtime at all: outputs and times follow from a seed, so that a whole campaign runs in seconds.

    The artifact is a JSON file with `seed` (any text), `latency_ms` and `outputs` `[[name, shape]]`, and perhaps
    `input_factors`: what the time of each input is multiplied with. Options: `noise` (relative standard deviation of a
    sample, default 0.01); for tests `interference` (share by which it is slower when another arm takes turns), `heat`
    (`{slower, seconds}`: the share by which it is slower under load in the end, and how fast it gets there) and `fail`
    (a verdict kind to end with).
    """

    name = "fake"
    version = "1"
    import_ns = 0
    provider_requested = "FakeExecutionProvider"
    providers_used = ("FakeExecutionProvider",)

    def __init__(self, arm: Arm) -> None:
        with open(arm["artifact"], encoding="utf-8") as stream:
            self._artifact = json.load(stream)
        self._options = arm["runtime"]
        if self._options.get("fail"):
            raise Verdict(self._options["fail"], "the fake backend was told to fail")
        self.simulator = self
        self.inputs = []
        self._shapes: List[List[int]] = [shape for _, shape in self._artifact["outputs"]]
        self.outputs = [(name, "float32", shape) for name, shape in self._artifact["outputs"]]

    def bind(self, feed: Feed) -> Call:
        digest = sum(int(numpy.frombuffer(numpy.ascontiguousarray(v).tobytes(), "uint8").sum()) for v in feed.values())
        random = numpy.random.RandomState(digest % 2**32)
        values = [random.rand(*shape).astype("float32") for shape in self._shapes]
        return lambda: values

    def simulate(self, slot: int, protocol: TimingProtocol, inputs: int) -> Simulation:
        """Return the times of the process with this number, as a quiet machine would give them."""
        random = self._draw(str(slot))
        median_ns = self._median_ns(random)
        places = numpy.arange(max(protocol["min_samples"], inputs)) % inputs
        noise = numpy.exp(self._options.get("noise", 0.01) * random.standard_normal(len(places)))
        samples = median_ns * self._factors(places) * noise
        return Simulation(int(median_ns * 20), int(median_ns * 5), samples.astype("int64"))

    def simulate_load(self, slot: int, seconds: float, inputs: Array) -> Array:
        """Return the nanoseconds of one sample per entry of `inputs` after so many seconds of load."""
        heat = self._options.get("heat", {"slower": 0.0, "seconds": 1.0})
        slower = 1 + heat["slower"] * (1 - numpy.exp(-seconds / heat["seconds"]))
        return (slower * self.simulate_block(slot, int(1000 * seconds), inputs, False)).astype("int64")

    def simulate_block(self, slot: int, block: int, inputs: Array, alternated: bool) -> Array:
        """Return the nanoseconds of one sample per entry of `inputs`."""
        median_ns = self._median_ns(self._draw(str(slot)))
        if alternated:
            median_ns *= 1 + self._options.get("interference", 0.0)
        noise = numpy.exp(self._options.get("noise", 0.01) * self._draw("{}/{}".format(slot, block)).randn(inputs.size))
        return (median_ns * self._factors(inputs) * noise.reshape(inputs.shape)).astype("int64")

    def _factors(self, inputs: Array) -> Array:
        """Return what the time of each input is multiplied with."""
        factors = numpy.array(self._artifact.get("input_factors", [1.0]))
        return factors[inputs % len(factors)]

    def _median_ns(self, random: numpy.random.RandomState) -> float:
        """Return the typical time in one process: they differ by 0.2 %."""
        return self._artifact["latency_ms"] * 1e6 * (1 + 0.002 * float(random.standard_normal()))

    def _draw(self, what: str) -> numpy.random.RandomState:
        seed = numpy.frombuffer("{}/{}".format(self._artifact["seed"], what).encode(), "uint8")
        return numpy.random.RandomState(seed.astype("uint32"))

    def restore(self, outputs: Outputs) -> Outputs:
        return outputs

    def definition(self) -> Definition:
        return define_latency("simulated", self._options.get("threads", 1), False)
