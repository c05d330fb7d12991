"""OpenVINO: runs `artifact.openvino.zip`, which holds model.xml and model.bin uncompressed and is read from memory."""

from __future__ import annotations

import sys
import time
from typing import Any, Dict, Optional, Tuple, cast

from ..accelerator import Executed, judge_use
from ..archive_limits import ARTIFACT, open_archive
from ..failures import NoVerdict, Verdict, classify_load_error
from ..specs import Arm, Array, Call, Definition, Feed, Outputs, Report, TensorInfo
from .backend import Backend
from .definitions import HOST_ARRAYS, define_latency


class OpenVino(Backend):
    """Options: device (CPU), intra_op_threads (0: OpenVINO's choice), inference_precision (default f32).

    Left alone, OpenVINO computes in bfloat16 on a CPU that has AMX: an fp32 model then deviates by 4 % (measured). So
    the precision is always set, and a run in another one is none.
    """

    name = "openvino"

    def __init__(self, arm: Arm) -> None:
        # What converts other frameworks' models is not needed to run one: with it the import takes twice as long, and
        # where openvino-telemetry is installed it tells a web analytics service, from a process that measures.
        cast(Dict[str, Any], sys.modules).setdefault("openvino.tools.ovc", None)
        start = time.perf_counter_ns()
        try:
            import openvino as library  # pyright: ignore[reportMissingImports, reportMissingTypeStubs]
        except ImportError as error:
            raise NoVerdict("runtime_missing", "openvino cannot be imported: {}".format(error)) from error
        self.import_ns = time.perf_counter_ns() - start
        openvino = cast(Any, library)
        options = arm["runtime"]
        self.version = openvino.__version__.split("-")[0]
        self.provider_requested = options.get("device", "CPU")
        precision = options.get("inference_precision", "f32")
        settings = {"INFERENCE_PRECISION_HINT": precision, "NUM_STREAMS": "1", "PERFORMANCE_HINT": "LATENCY"}
        if options.get("intra_op_threads", 0):
            settings["INFERENCE_NUM_THREADS"] = str(options["intra_op_threads"])
        core = openvino.Core()
        if self.provider_requested not in core.available_devices:
            raise Verdict(
                "provider_unavailable",
                "{} is not a device of this openvino, which has {}".format(
                    self.provider_requested, ", ".join(core.available_devices) or "none"
                ),
            )
        try:
            with open(arm["artifact"], "rb") as stream:
                archive, _ = open_archive(stream, ARTIFACT)
                model = core.read_model(archive.read("model.xml"), archive.read("model.bin"))
            self._compiled: Any = core.compile_model(model, self.provider_requested, settings)
            counted = dict(settings, PERF_COUNT="YES")
            self._compile_counted = lambda: core.compile_model(model, self.provider_requested, counted)
        except MemoryError as error:
            raise Verdict("out_of_memory", error) from error
        except Exception as error:
            raise Verdict(classify_load_error(str(error)), error) from error
        used = self._compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        if used != precision:
            raise Verdict("provider_unavailable", "{} was asked for, {} took its place".format(precision, used))
        self.providers_used = tuple(self._compiled.get_property("EXECUTION_DEVICES"))
        self._request = self._compiled.create_infer_request()
        self.inputs = [_describe(port) for port in self._compiled.inputs]
        self.outputs = [_describe(port) for port in self._compiled.outputs]

    @classmethod
    def find_obstacle(cls, arm: Arm) -> Optional[str]:
        device = arm["runtime"].get("device", "CPU")
        return None if device == "CPU" else "OpenVINO's {} is an accelerator".format(device)

    def prove_use(self, feed: Feed, folder: str) -> Optional[Report]:
        if self.provider_requested == "CPU":
            return None
        compiled = self._compile_counted()
        request = compiled.create_infer_request()
        request.infer(feed)
        where = [str(name).split(".")[0] for name in compiled.get_property("EXECUTION_DEVICES")]
        device = where[0] if len(set(where)) == 1 else "+".join(sorted(set(where)))
        nodes = [
            Executed(item.node_name, item.node_type, device, item.real_time.total_seconds() * 1e9)
            for item in request.profiling_info
            if str(item.status).endswith("EXECUTED")
        ]
        return judge_use(self.provider_requested, "OpenVINO's execution graph", nodes)

    def bind(self, feed: Feed) -> Call:
        infer = self._request.infer

        def call() -> Tuple[Array, ...]:
            # Inputs in place, outputs as copies: as ONNX Runtime has it.
            return infer(feed, share_inputs=True, share_outputs=False).to_tuple()

        return call

    def restore(self, outputs: Outputs) -> Outputs:
        return outputs

    def definition(self) -> Definition:
        threads = int(self._compiled.get_property("INFERENCE_NUM_THREADS")) if self.provider_requested == "CPU" else 0
        transfers = "none" if self.provider_requested == "CPU" else "included"
        return define_latency(HOST_ARRAYS, threads, False, transfers)


def _describe(port: Any) -> TensorInfo:
    shape = [dim.get_length() if dim.is_static else "?" for dim in port.get_partial_shape()]
    return port.get_any_name(), port.get_element_type().to_dtype().name, shape
