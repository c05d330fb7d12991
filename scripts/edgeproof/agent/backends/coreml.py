"""Core ML: runs `artifact.mlpackage.zip`. Prediction needs macOS; anywhere else the cell is unsupported, and says so.

The macOS half of this module has not been run: nobody has lent us a Mac.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from typing import Any, Optional, cast

import numpy

from ..archive_limits import ARTIFACT, extract_archive
from ..failures import NoVerdict, Verdict, classify_load_error
from ..specs import Arm, Call, Definition, Feed, Outputs
from .backend import Backend
from .definitions import HOST_ARRAYS, define_latency

INTERFACE_KEY = "edgeproof.interface"


class CoreMl(Backend):
    """Options: compute_units (ALL, CPU_AND_GPU, CPU_AND_NE, CPU_ONLY)."""

    name = "coreml"

    def __init__(self, arm: Arm) -> None:
        if sys.platform != "darwin":
            raise Verdict("provider_unavailable", "Core ML predicts on macOS only, and this is {}".format(sys.platform))
        start = time.perf_counter_ns()
        try:
            import coremltools as library  # pyright: ignore[reportMissingImports, reportMissingTypeStubs]
        except ImportError as error:
            raise NoVerdict("runtime_missing", "coremltools cannot be imported: {}".format(error)) from error
        self.import_ns = time.perf_counter_ns() - start
        coremltools = cast(Any, library)
        self.version = coremltools.__version__
        self.provider_requested = arm["runtime"].get("compute_units", "ALL")
        self.providers_used = (self.provider_requested,)  # Core ML does not say what took which operator
        try:
            units = coremltools.ComputeUnit[self.provider_requested]
            with tempfile.TemporaryDirectory(prefix="edgeproof-coreml-") as folder:
                package = os.path.join(folder, "model.mlpackage")
                extract_archive(arm["artifact"], package, ARTIFACT)
                self._model = coremltools.models.MLModel(package, compute_units=units)
        except MemoryError as error:
            raise Verdict("out_of_memory", error) from error
        except Exception as error:
            raise Verdict(classify_load_error(str(error)), error) from error
        interface = json.loads(self._model.user_defined_metadata[INTERFACE_KEY])
        self._inputs, self._outputs = interface["inputs"], interface["outputs"]
        self.inputs = [(item["source"], None, None) for item in self._inputs]
        self.outputs = [(item["source"], None, None) for item in self._outputs]

    @classmethod
    def find_obstacle(cls, arm: Arm) -> Optional[str]:
        return "Core ML may run on an accelerator"

    def bind(self, feed: Feed) -> Call:
        ready = {
            item["name"]: numpy.ascontiguousarray(numpy.transpose(feed[item["source"]], item["axes"]))
            for item in self._inputs
        }
        predict, names = self._model.predict, [item["name"] for item in self._outputs]

        def call() -> Any:
            made = predict(ready)
            return [made[name] for name in names]

        return call

    def restore(self, outputs: Outputs) -> Outputs:
        return [
            numpy.transpose(value, numpy.argsort(item["axes"]).tolist()) for value, item in zip(outputs, self._outputs)
        ]

    def definition(self) -> Definition:
        on_host = self.provider_requested == "CPU_ONLY"
        return define_latency(HOST_ARRAYS, 0, False, "none" if on_host else "included")
