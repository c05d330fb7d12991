"""From an ONNX model to one in int8 with ONNX Runtime's quantiser: ranges from calibration, or found while it runs."""

from pathlib import Path

import onnx
import onnx.version_converter
import onnxruntime
from onnxruntime import quantization
from onnxruntime.quantization.quant_utils import add_pre_process_metadata
from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry

from edgeproof.sources.onnx_graphs import hide_initializers, iterate_nodes, list_inputs

from .build_failures import tool_failures
from .range_calibration import CHUNK, CalibrationStream

METHODS = {
    "minmax": quantization.CalibrationMethod.MinMax,
    "entropy": quantization.CalibrationMethod.Entropy,
    "percentile": quantization.CalibrationMethod.Percentile,
}
QDQ_OPSET = 13  # since then QuantizeLinear has one scale per channel
LEAST_OPSET = 11  # the quantiser takes no older ones
LEAST_IR_VERSION = 8  # the version converter writes graphs that older ones do not allow
# ONNX Runtime fixes the step of a quantised Softmax near 1/256, above most probabilities of a model with 1000 classes:
# with it, SqueezeNet's worst sample of 64 has a cosine of 0.60 to the fp32 outputs, without it 0.97 (measured).
KEPT_FLOAT = {"Softmax"}
# Activations unsigned, weights signed: with both signed (the quantiser's default) ONNX Runtime 1.31 leaves 24 of
# SqueezeNet's 26 convolutions in float32 on x86-64, between DequantizeLinear and QuantizeLinear. Measured there, one
# thread, best of 40: float32 5.1 ms, signed activations 15.0 ms, unsigned 2.5 ms; the worst cosine is 0.97 either way.
ACTIVATIONS, WEIGHTS = quantization.QuantType.QUInt8, quantization.QuantType.QInt8


def quantise_static(source, model, target, options, calibration, scratch):
    """Write weights and activations in int8 between QuantizeLinear and DequantizeLinear (QDQ) to `target`; return it.

    What ONNX Runtime can quantise is quantised, but for KEPT_FLOAT. `calibration`: (path, inputs) of the samples.
    """
    path, inputs = calibration
    method = options["calibration_method"]
    extra = {} if method == "minmax" else {"CalibStridedMinMax": CHUNK}  # minmax holds no activations
    with CalibrationStream(path, inputs, options["calibration_samples"]) as stream:
        prepared = _prepare(source, model, scratch, QDQ_OPSET)
        with tool_failures("onnxruntime quantize_static", model):
            quantization.quantize_static(
                prepared,
                target,
                stream,
                op_types_to_quantize=sorted({*QDQRegistry, *QLinearOpsRegistry} - KEPT_FLOAT),
                quant_format=quantization.QuantFormat.QDQ,
                calibrate_method=METHODS[method],
                per_channel=options["per_channel"],
                activation_type=ACTIVATIONS,
                weight_type=WEIGHTS,
                extra_options=extra,
            )
    return _drop_unused_domains(target)


def quantise_dynamic(source, model, target, options, scratch):
    """Write weights in uint8 to `target`, activations to be quantised while running; return the model.

    uint8 and not int8: current releases run both, but onnxruntime 1.23 has no ConvInteger for int8 weights (measured),
    and a device may well carry an older runtime than the host.
    """
    prepared = _prepare(source, model, scratch, LEAST_OPSET)
    with tool_failures("onnxruntime quantize_dynamic", model):
        quantization.quantize_dynamic(
            prepared, target, per_channel=options["per_channel"], weight_type=quantization.QuantType.QUInt8
        )
    return _drop_unused_domains(target)


def _prepare(source, model, scratch, opset):
    """Return the model with constants and batch normalisation folded, as a file in the scratch folder.

    `opset` is the least version of the standard operators that it will have. This is what onnxruntime's
    `quant_pre_process` does, less the shapes, which the quantiser infers once more in any case; and a model that does
    not load is an error here, there a line in the log. The quantisers write beside the file they read, so they never
    see the source's folder.
    """
    prepared = Path(scratch) / "prepared.onnx"
    version = next((item.version for item in model.opset_import if item.domain in ("", "ai.onnx")), opset)
    if version < opset or len(list_inputs(model.graph)) < len(model.graph.input):
        source = Path(scratch) / "upgraded.onnx"
        upgraded = onnx.ModelProto()
        upgraded.CopyFrom(model)
        hide_initializers(upgraded)
        if version < opset:
            upgraded.ir_version = max(model.ir_version, LEAST_IR_VERSION)
            with tool_failures(f"onnx.version_converter to opset {opset}", model):
                upgraded = onnx.version_converter.convert_version(upgraded, opset)
        onnx.save(upgraded, source)
    settings = onnxruntime.SessionOptions()
    settings.optimized_model_filepath = str(prepared)
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    settings.log_severity_level = 3  # it would warn that such a file is for this machine, which basic ones are not
    with tool_failures("onnxruntime", model):
        onnxruntime.InferenceSession(str(source), settings, providers=["CPUExecutionProvider"])
    note = onnx.ModelProto()
    add_pre_process_metadata(note)
    with prepared.open("ab") as stream:  # protobuf merges what is appended; without the note the quantiser would warn
        stream.write(note.SerializeToString())
    return prepared


def _drop_unused_domains(path):
    """Remove the operator sets that no node uses: ONNX Runtime's optimiser lists all it knows, and other tools mind."""
    model = onnx.load(path)
    nodes = [*model.graph.node, *(node for function in model.functions for node in function.node)]
    used = {node.domain or "ai.onnx" for node in iterate_nodes(nodes)} | {"ai.onnx"}
    kept = [item for item in model.opset_import if (item.domain or "ai.onnx") in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    onnx.save(model, path)
    return model
