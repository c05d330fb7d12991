"""TensorRT: runs `artifact.engine` through TensorRT's Python module (8.5 or newer).

trtexec could time an engine too, but its latency is another quantity, and another one from version 11 on than before:
by default it then copies nothing, spins, and replays a captured graph. Here all three are set and said: arrays are
copied to the GPU and back within the time, no graph is captured, and spinning is an option of the preset.

Nobody has run this on a Jetson yet.
"""

from __future__ import annotations

import time
from typing import Any, Dict, List, Optional, Tuple, cast

import numpy

from ..failures import NoVerdict, Verdict, classify_load_error
from ..specs import Arm, Array, Call, Definition, Feed, Outputs
from .backend import Backend
from .cuda import Cuda
from .definitions import HOST_ARRAYS, define_latency

_DTYPES = {
    "FLOAT": "float32",
    "HALF": "float16",
    "INT8": "int8",
    "INT32": "int32",
    "INT64": "int64",
    "UINT8": "uint8",
    "BOOL": "bool",
}


class TensorRt(Backend):
    """Options: spinning (the waiting thread spins; default true)."""

    name = "tensorrt"
    provider_requested = "TensorRT"
    providers_used = ("TensorRT",)

    def __init__(self, arm: Arm) -> None:
        start = time.perf_counter_ns()
        try:
            import tensorrt as library  # pyright: ignore[reportMissingImports, reportMissingTypeStubs]
        except ImportError as error:
            raise NoVerdict("runtime_missing", "tensorrt cannot be imported: {}".format(error)) from error
        self.import_ns = time.perf_counter_ns() - start
        tensorrt = cast(Any, library)
        self.version = tensorrt.__version__
        self.spinning = bool(arm["runtime"].get("spinning", True))
        self._cuda = Cuda(self.spinning)
        self._logger = tensorrt.Logger(tensorrt.Logger.WARNING)
        try:
            with open(arm["artifact"], "rb") as stream:
                self._engine = tensorrt.Runtime(self._logger).deserialize_cuda_engine(stream.read())
            self._context = self._engine and self._engine.create_execution_context()
        except MemoryError as error:
            raise Verdict("out_of_memory", error) from error
        except Exception as error:
            raise Verdict(classify_load_error(str(error)), error) from error
        if not self._context:
            message = "TensorRT {} cannot read this engine; one runs with the version and the kind of GPU that built it"
            raise Verdict("load_failed", message.format(self.version))
        self._places: Dict[Tuple[str, int], Optional[int]] = {}
        self.inputs, self.outputs = [], []
        for index in range(self._engine.num_io_tensors):
            name = self._engine.get_tensor_name(index)
            side = self.inputs if self._engine.get_tensor_mode(name) == tensorrt.TensorIOMode.INPUT else self.outputs
            side.append((name, self._dtype(name), list(self._engine.get_tensor_shape(name))))

    @classmethod
    def find_obstacle(cls, arm: Arm) -> Optional[str]:
        return "TensorRT runs on an accelerator"

    def bind(self, feed: Feed) -> Call:
        cuda, context = self._cuda, self._context
        given: List[Tuple[Optional[int], Array]] = []
        for name, dtype, _ in self.inputs:
            array = numpy.ascontiguousarray(feed[name], dtype)
            if not context.set_input_shape(name, tuple(array.shape)):
                raise Verdict("inference_failed", "input {!r} cannot have shape {}".format(name, array.shape))
            given.append((self._place(name, array.nbytes), array))
            context.set_tensor_address(name, given[-1][0])
        made: List[Tuple[Optional[int], Array]] = []
        for name, dtype, _ in self.outputs:
            array = numpy.empty(tuple(context.get_tensor_shape(name)), dtype)
            made.append((self._place(name, array.nbytes), array))
            context.set_tensor_address(name, made[-1][0])
        arrays = [array for _, array in made]

        def call() -> List[Array]:
            for place, array in given:
                cuda.copy_in(place, array)
            if not context.execute_async_v3(cuda.stream):
                raise RuntimeError("TensorRT refused to run; its own message is in the log")
            for place, array in made:
                cuda.copy_out(array, place)
            cuda.synchronise()
            return arrays

        return call

    def restore(self, outputs: Outputs) -> Outputs:
        return [numpy.array(value) for value in outputs]  # the next call writes into the same arrays

    def definition(self) -> Definition:
        return define_latency(HOST_ARRAYS, 0, self.spinning, "included")

    def _place(self, name: str, size: int) -> Optional[int]:
        """Return the tensor's address on the GPU: one for all feeds, which have the same shapes and take turns."""
        if (name, size) not in self._places:
            self._places[name, size] = self._cuda.allocate(size)
        return self._places[name, size]

    def _dtype(self, name: str) -> str:
        kind = self._engine.get_tensor_dtype(name).name
        if kind not in _DTYPES:
            raise Verdict("load_failed", "tensor {!r} is {}, which numpy does not have".format(name, kind))
        return _DTYPES[kind]
