"""No runtime at all: runs the `artifact.json` of a simulated model."""

from __future__ import annotations

import json
from typing import List

import numpy

from ..failures import Verdict
from ..specs import Arm, Call, Definition, Feed, Outputs
from ..specs import Protocol as TimingProtocol
from .backend import Backend, Simulation
from .definitions import define_latency


class Fake(Backend):
    """No runtime at all: outputs and times follow from a seed, so that a whole campaign runs in seconds.

    The artifact is a JSON file with `seed` (any text), `latency_ms` and `outputs` `[[name, shape]]`. Options: `noise`
    (relative standard deviation of a sample, default 0.01), `fail` (a verdict kind to end with, for tests).
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

    def simulate(self, slot: int, protocol: TimingProtocol) -> Simulation:
        """Return the times of the process with this number, as a quiet machine would give them."""
        seed = numpy.frombuffer("{}/{}".format(self._artifact["seed"], slot).encode(), "uint8")
        random = numpy.random.RandomState(seed.astype("uint32"))
        median_ns = self._artifact["latency_ms"] * 1e6 * (1 + 0.002 * random.standard_normal())
        noise = self._options.get("noise", 0.01)
        samples = median_ns * numpy.exp(noise * random.standard_normal(protocol["min_samples"]))
        return Simulation(int(median_ns * 20), int(median_ns * 5), samples.astype("int64"))

    def restore(self, outputs: Outputs) -> Outputs:
        return outputs

    def definition(self) -> Definition:
        return define_latency("simulated", self._options.get("threads", 1), False)
