"""RKNN: runs `artifact.rknn` on a Rockchip NPU through rknnlite, which the user installs on the board.

An RKNN file does not tell rknnlite the names of its tensors, so inputs go in the order of the samples, which is the
model's, and outputs are numbered. Nobody has run this on a board yet.
"""

from __future__ import annotations

import time
from typing import Any, Optional, cast

import numpy

from ..failures import NoVerdict, Verdict, classify_load_error
from ..specs import Arm, Call, Definition, Feed, Outputs
from .backend import Backend
from .definitions import HOST_ARRAYS, define_latency

_CORES = {"auto": "NPU_CORE_AUTO", "0": "NPU_CORE_0", "1": "NPU_CORE_1", "2": "NPU_CORE_2", "all": "NPU_CORE_0_1_2"}


class Rknn(Backend):
    """Options: npu_cores (auto, 0, 1, 2, all)."""

    name = "rknn"
    providers_used = ("RKNPU",)

    def __init__(self, arm: Arm) -> None:
        start = time.perf_counter_ns()
        try:
            from rknnlite.api import RKNNLite as Lite  # pyright: ignore
        except ImportError as error:
            raise NoVerdict("runtime_missing", "rknnlite cannot be imported: {}".format(error)) from error
        self.import_ns = time.perf_counter_ns() - start
        self.provider_requested = "RKNPU"
        cores = arm["runtime"].get("npu_cores", "auto")
        RKNNLite = cast(Any, Lite)  # noqa: N806
        try:
            self._runtime: Any = RKNNLite()
            if self._runtime.load_rknn(str(arm["artifact"])) != 0:
                raise Verdict("load_failed", "rknnlite cannot load this file; its own message is in the log")
            if self._runtime.init_runtime(core_mask=getattr(RKNNLite, _CORES[cores])) != 0:
                raise Verdict(
                    "provider_unavailable", "rknnlite finds no NPU that runs this file (cores: " + cores + ")"
                )
        except Verdict:
            raise
        except MemoryError as error:
            raise Verdict("out_of_memory", error) from error
        except Exception as error:
            raise Verdict(classify_load_error(str(error)), error) from error
        self.version = self._describe_version()
        self.inputs, self.outputs = [], []

    @classmethod
    def find_obstacle(cls, arm: Arm) -> Optional[str]:
        return "RKNN runs on an accelerator"

    def bind(self, feed: Feed) -> Call:
        # Images go in with their channels last, as the NPU takes them: the rearranging is no part of an inference.
        ready = [
            numpy.ascontiguousarray(numpy.transpose(value, (0, 2, 3, 1)) if value.ndim == 4 else value)
            for value in feed.values()
        ]
        infer = self._runtime.inference

        def call() -> Any:
            made = infer(inputs=ready)
            if made is None:
                raise RuntimeError("rknnlite returned nothing; its own message is in the log")
            return made

        return call

    def restore(self, outputs: Outputs) -> Outputs:
        arrays = [numpy.asarray(value) for value in outputs]
        self.outputs = [("output{}".format(i), value.dtype.name, list(value.shape)) for i, value in enumerate(arrays)]
        return arrays

    def definition(self) -> Definition:
        return define_latency(HOST_ARRAYS, 0, False, "included")

    def _describe_version(self) -> str:
        try:
            return " ".join(str(self._runtime.get_sdk_version()).split()) or "unknown"
        except Exception:
            return "unknown"
