"""TorchScript: runs `artifact.pt`, which holds the names of its inputs and outputs beside the module."""

from __future__ import annotations

import json
import time
from typing import Any, Dict, Iterable, List, cast

import numpy

from ..failures import NoVerdict, Verdict, classify_load_error
from ..specs import Arm, Array, Call, Definition, Feed, Outputs
from .backend import Backend
from .definitions import HOST_ARRAYS, count_threads, define_latency


class TorchScript(Backend):
    """Options: intra_op_threads (0: one per core), inter_op_threads, freeze (true: weights become constants)."""

    name = "torchscript"
    provider_requested = "CPU"
    providers_used = ("CPU",)

    def __init__(self, arm: Arm) -> None:
        start = time.perf_counter_ns()
        try:
            import torch as library  # pyright: ignore[reportMissingImports, reportMissingTypeStubs]
        except ImportError as error:
            raise NoVerdict("runtime_missing", "torch cannot be imported: {}".format(error)) from error
        self.import_ns = time.perf_counter_ns() - start
        torch = cast(Any, library)
        self._torch = torch
        self.version = torch.__version__
        options = arm["runtime"]
        self._threads = count_threads(options.get("intra_op_threads", 0))
        torch.set_num_threads(self._threads)
        torch.set_num_interop_threads(options.get("inter_op_threads", 1))
        extra: Dict[str, str] = {"interface.json": ""}
        try:
            module = torch.jit.load(str(arm["artifact"]), map_location="cpu", _extra_files=extra).eval()
            self._module = torch.jit.freeze(module) if options.get("freeze", True) else module
        except MemoryError as error:
            raise Verdict("out_of_memory", error) from error
        except Exception as error:
            raise Verdict(classify_load_error(str(error)), error) from error
        interface = json.loads(extra["interface.json"] or "null")
        if interface is None:
            raise Verdict("load_failed", "the file has no interface.json that names inputs and outputs")
        # A traced module knows neither types nor shapes; they are those of what goes in and comes out.
        self.inputs = [(name, None, None) for name in interface["inputs"]]
        self.outputs = [(name, None, None) for name in interface["outputs"]]

    def bind(self, feed: Feed) -> Call:
        module, torch = self._module, self._torch
        arrays = [feed[name] for name, _, _ in self.inputs]

        def call() -> List[Array]:
            with torch.inference_mode():
                made: Any = module(*[torch.from_numpy(array) for array in arrays])
                return [tensor.numpy() for tensor in _list(made)]

        return call

    def restore(self, outputs: Outputs) -> Outputs:
        return [numpy.asarray(value) for value in outputs]

    def definition(self) -> Definition:
        return define_latency(HOST_ARRAYS, self._threads, self._threads > 1)  # its OpenMP threads spin between loops


def _list(made: Any) -> Iterable[Any]:
    return cast(Iterable[Any], made) if isinstance(made, (tuple, list)) else (made,)
