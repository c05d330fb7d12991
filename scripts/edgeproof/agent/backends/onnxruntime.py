"""ONNX Runtime: runs `artifact.onnx`."""

from __future__ import annotations

import os
import tempfile
import time
from typing import Any, Dict, List, Optional, Tuple, Union, cast

from ..accelerator import judge_use, read_onnxruntime_profile
from ..failures import NoVerdict, Verdict, classify_load_error
from ..specs import Arm, Array, Call, Definition, Feed, Outputs, Report, TensorInfo
from .backend import Backend
from .definitions import HOST_ARRAYS, define_latency

_ONNX_DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(int8)": "int8",
    "tensor(uint8)": "uint8",
    "tensor(bool)": "bool",
}

# The name of an execution provider, with its options where it has some.
Provider = Union[str, Tuple[str, Dict[str, str]]]
_PROFILED_RUNS = 3
_GRAPH_LEVELS = {
    "none": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}


class OnnxRuntime(Backend):
    """ONNX Runtime. Options: execution_provider, intra_op_threads (0: all), inter_op_threads, graph_optimization,
    spinning, cpu_fallback (false: an operator that only the CPU has is a verdict, and not a slow run).
    """

    name = "onnxruntime"

    def __init__(self, arm: Arm) -> None:
        start = time.perf_counter_ns()
        try:
            import onnxruntime as library  # pyright: ignore[reportMissingImports, reportMissingTypeStubs]
        except ImportError as error:
            raise NoVerdict("runtime_missing", "onnxruntime cannot be imported: {}".format(error)) from error
        self.import_ns = time.perf_counter_ns() - start
        onnxruntime = cast(Any, library)
        options = arm["runtime"]
        self.version = onnxruntime.__version__
        self.provider_requested = options.get("execution_provider", "CPUExecutionProvider")
        if self.provider_requested not in onnxruntime.get_available_providers():
            raise Verdict(
                "provider_unavailable",
                "{} is not in this onnxruntime build, which has {}".format(
                    self.provider_requested, ", ".join(onnxruntime.get_available_providers())
                ),
            )
        settings = self._settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = options.get("intra_op_threads", 0)
        settings.inter_op_num_threads = options.get("inter_op_threads", 1)
        level = _GRAPH_LEVELS[options.get("graph_optimization", "all")]
        settings.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
        self.spinning = bool(options.get("spinning", True))
        settings.add_session_config_entry("session.intra_op.allow_spinning", "1" if self.spinning else "0")
        if not options.get("cpu_fallback", True):
            settings.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        settings.log_severity_level = 3
        self.threads = settings.intra_op_num_threads
        self._open = lambda: onnxruntime.InferenceSession(
            arm["artifact"], settings, list_providers(self.provider_requested, arm.get("precision"))
        )
        try:
            self._session: Any = self._open()
        except MemoryError as error:
            raise Verdict("out_of_memory", error) from error
        except Exception as error:
            raise Verdict(classify_load_error(str(error)), error) from error
        self.providers_used = self._session.get_providers()
        if self.provider_requested not in self.providers_used:
            raise Verdict(
                "provider_unavailable",
                "{} was asked for, {} took its place".format(self.provider_requested, ", ".join(self.providers_used)),
            )
        self.inputs = [_describe(value) for value in self._session.get_inputs()]
        self.outputs = [_describe(value) for value in self._session.get_outputs()]
        self._output_names = [name for name, _, _ in self.outputs]

    @classmethod
    def find_obstacle(cls, arm: Arm) -> Optional[str]:
        provider = arm["runtime"].get("execution_provider", "CPUExecutionProvider")
        return None if provider == "CPUExecutionProvider" else "{} runs on an accelerator".format(provider)

    def prove_use(self, feed: Feed, folder: str) -> Optional[Report]:
        if self.provider_requested == "CPUExecutionProvider":
            return None
        self._settings.enable_profiling = True
        with tempfile.TemporaryDirectory(dir=folder) as place:
            self._settings.profile_file_prefix = os.path.join(place, "profile")
            session = self._open()
            for _ in range(_PROFILED_RUNS):
                session.run(self._output_names, feed)
            nodes = read_onnxruntime_profile(session.end_profiling(), _PROFILED_RUNS)
        return judge_use(self.provider_requested, "ONNX Runtime's profile", nodes)

    def bind(self, feed: Feed) -> Call:
        run, names = self._session.run, self._output_names

        def call() -> List[Array]:
            return run(names, feed)

        return call

    def restore(self, outputs: Outputs) -> Outputs:
        return outputs

    def definition(self) -> Definition:
        on_host = self.provider_requested == "CPUExecutionProvider"
        return define_latency(HOST_ARRAYS, self.threads, self.spinning, "none" if on_host else "included")


def list_providers(requested: str, precision: Optional[str]) -> List[Provider]:
    """Return the providers of an ONNX Runtime session with their options; what TensorRT cannot run is CUDA's.

    fp32 is fp32: CUDA would round to TF32 (19 bits) by default. TensorRT computes in float16 only where it is told to.
    """
    cuda = ("CUDAExecutionProvider", {"use_tf32": "0"})
    if requested == "CUDAExecutionProvider":
        return [cuda]
    if requested == "TensorrtExecutionProvider":
        return [(requested, {"trt_fp16_enable": "1" if precision == "fp16" else "0"}), cuda]
    return [requested]


def _describe(value: Any) -> TensorInfo:
    return value.name, _ONNX_DTYPES.get(value.type, value.type), list(value.shape)
