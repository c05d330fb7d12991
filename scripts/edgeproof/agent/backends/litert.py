"""LiteRT (TensorFlow Lite): runs `artifact.tflite`.

The file says how its tensors correspond to the source model's (`interface.json`, see converters/tflite.py); a file
without is taken as it is. Inputs are brought into the file's layout before the timed call, outputs back after it.
Integer inputs and outputs are quantised and dequantised there too, and then the boundary says so: such a latency lacks
work that others include.
"""

from __future__ import annotations

import json
import time
import zipfile
from typing import Any, Dict, Iterator, List, Optional, Tuple, cast

import numpy

from ..accelerator import judge_use, list_delegated
from ..failures import NoVerdict, Verdict, classify_load_error
from ..specs import Arm, Array, Call, Definition, Feed, Outputs, Report, TensorInfo
from .backend import Backend
from .definitions import HOST_ARRAYS, count_threads, define_latency

# Name in the source model, axes (the source's in the order of the file), tensor of the file.
_Matched = Tuple[str, List[int], Dict[str, Any]]
_INTEGER = HOST_ARRAYS + ", inputs quantised before and outputs dequantised after"


class LiteRt(Backend):
    """Options: intra_op_threads (0: one per core), delegate (xnnpack, or none: the reference kernels)."""

    name = "litert"

    def __init__(self, arm: Arm) -> None:
        start = time.perf_counter_ns()
        try:
            import ai_edge_litert as library  # pyright: ignore[reportMissingImports, reportMissingTypeStubs]
            from ai_edge_litert import interpreter  # pyright: ignore
        except ImportError as error:
            raise NoVerdict("runtime_missing", "ai_edge_litert cannot be imported: {}".format(error)) from error
        self.import_ns = time.perf_counter_ns() - start
        options = arm["runtime"]
        package = cast(Any, library)
        litert = cast(Any, interpreter)
        self.version = package.__version__
        self._threads = count_threads(options.get("intra_op_threads", 0))
        wanted = options.get("delegate", "xnnpack")
        self.provider_requested = "XNNPACK" if wanted == "xnnpack" else "CPU"
        resolvers = litert.OpResolverType
        resolver = resolvers.BUILTIN if wanted == "xnnpack" else resolvers.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        try:
            self._interpreter = litert.Interpreter(
                model_path=str(arm["artifact"]), num_threads=self._threads, experimental_op_resolver_type=resolver
            )
            self._interpreter.allocate_tensors()
        except MemoryError as error:
            raise Verdict("out_of_memory", error) from error
        except Exception as error:
            raise Verdict(classify_load_error(str(error)), error) from error
        delegated = any(item["op_name"] == "DELEGATE" for item in self._interpreter._get_ops_details())
        self.providers_used = ("XNNPACK", "CPU") if delegated else ("CPU",)
        if self.provider_requested not in self.providers_used:
            raise Verdict("provider_unavailable", "XNNPACK was asked for, but took no operator of this model")
        interface = _read_interface(arm["artifact"])
        self._inputs = list(_match(interface, "inputs", self._tensors("inputs")))
        self._outputs = list(_match(interface, "outputs", self._tensors("outputs")))
        self.inputs = [_describe(*item) for item in self._inputs]
        self.outputs = [_describe(*item) for item in self._outputs]

    def prove_use(self, feed: Feed, folder: str) -> Optional[Report]:
        if self.provider_requested == "CPU":
            return None
        nodes = list_delegated(self._interpreter._get_ops_details(), self.provider_requested)
        return judge_use(self.provider_requested, "partitions of the delegate", nodes)

    def bind(self, feed: Feed) -> Call:
        ready = [
            (tensor["index"], quantise(numpy.ascontiguousarray(numpy.transpose(feed[source], axes)), tensor))
            for source, axes, tensor in self._inputs
        ]
        wanted = [tensor["index"] for _, _, tensor in self._outputs]
        give, invoke, take = self._interpreter.set_tensor, self._interpreter.invoke, self._interpreter.get_tensor

        def call() -> List[Array]:
            for index, value in ready:
                give(index, value)
            invoke()
            return [take(index) for index in wanted]

        return call

    def restore(self, outputs: Outputs) -> Outputs:
        return [
            numpy.transpose(dequantise(value, tensor), numpy.argsort(axes).tolist())
            for value, (_, axes, tensor) in zip(outputs, self._outputs)
        ]

    def definition(self) -> Definition:
        integer = any(_is_quantised(tensor) for _, _, tensor in self._inputs + self._outputs)
        return define_latency(_INTEGER if integer else HOST_ARRAYS, self._threads, self._threads > 1)

    def _tensors(self, side: str) -> Dict[str, Any]:
        """Return {name: tensor} of the file's inputs or outputs: by the signature's names, where it has one."""
        if self._interpreter.get_signature_list():
            runner = self._interpreter.get_signature_runner()
            return runner.get_input_details() if side == "inputs" else runner.get_output_details()
        details = self._interpreter.get_input_details if side == "inputs" else self._interpreter.get_output_details
        return {item["name"]: item for item in details()}


def _read_interface(path: str) -> Optional[Dict[str, Any]]:
    """Return the `interface.json` at the end of a TFLite file, None where it has none."""
    try:
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read("interface.json").decode())
    except (zipfile.BadZipFile, KeyError):
        return None


def quantise(value: Array, tensor: Dict[str, Any]) -> Array:
    """Return an array as LiteRT's tensor takes it: in its integer type where it is quantised, else unchanged."""
    if not _is_quantised(tensor) or value.dtype == tensor["dtype"]:
        return value
    scale, zero = tensor["quantization"]
    limits = numpy.iinfo(tensor["dtype"])
    return numpy.clip(numpy.rint(value / scale) + zero, limits.min, limits.max).astype(tensor["dtype"])


def dequantise(value: Array, tensor: Dict[str, Any]) -> Array:
    """Return an output of LiteRT as float32 where its tensor is quantised, else unchanged."""
    if not _is_quantised(tensor):
        return value
    scale, zero = tensor["quantization"]
    return ((value.astype("float32") - zero) * scale).astype("float32")


def _is_quantised(tensor: Dict[str, Any]) -> bool:
    return numpy.dtype(tensor["dtype"]).kind in "iu" and tensor["quantization"][0] != 0


def _match(interface: Optional[Dict[str, Any]], side: str, tensors: Dict[str, Any]) -> Iterator[_Matched]:
    """Yield (name in the source model, axes, tensor); axes: the source's in the order of the file."""
    entries: List[Dict[str, Any]] = [{"source": name, "name": name, "axes": None} for name in tensors]
    if interface:
        entries = interface[side]
    for entry in entries:
        tensor = tensors[entry["name"]]
        yield entry["source"], entry["axes"] or list(range(len(tensor["shape"]))), tensor


def _describe(source: str, axes: List[int], tensor: Dict[str, Any]) -> TensorInfo:
    dtype = "float32" if _is_quantised(tensor) else numpy.dtype(tensor["dtype"]).name
    return source, dtype, [int(tensor["shape"][axes.index(axis)]) for axis in range(len(axes))]
