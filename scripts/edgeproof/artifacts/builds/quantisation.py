"""From an ONNX model to one in int8 with ONNX Runtime's quantiser: ranges from calibration, or found at run time."""

from pathlib import Path
from typing import Any, cast

import onnx
import onnx.version_converter
import onnxruntime
from onnxruntime import quantization
from onnxruntime.quantization.calibrate import CalibrationDataReader
from onnxruntime.quantization.quant_utils import add_pre_process_metadata
from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry

from edgeproof.sources.onnx_graphs import iterate_nodes, keep_fed_inputs, list_inputs

from .build_failures import BuildError, tool_failures
from .range_calibration import CHUNK, CalibrationStream, Feed

METHODS = {
    "minmax": quantization.CalibrationMethod.MinMax,
    "entropy": quantization.CalibrationMethod.Entropy,
    "percentile": quantization.CalibrationMethod.Percentile,
}
QDQ_OPSET = 13  # from here on QuantizeLinear has one scale per channel
LEAST_OPSET = 11  # the quantiser accepts no older ones
LEAST_IR_VERSION = 8  # the version converter writes graphs that older versions do not allow
# ONNX Runtime fixes the step of a quantised Softmax near 1/256, above most probabilities of a model with 1000 classes.
# Measured on SqueezeNet, the worst sample of 64 has a cosine of 0.60 to the fp32 outputs with it, and 0.97 without it.
KEPT_FLOAT = {"Softmax"}
# Activations unsigned, weights signed: with both signed (the quantiser's default) ONNX Runtime 1.31 leaves 24 of
# SqueezeNet's 26 convolutions in float32 on x86-64, between DequantizeLinear and QuantizeLinear. Measured there, one
# thread, best of 40: float32 5.1 ms, signed activations 15.0 ms, unsigned 2.5 ms; the worst cosine is 0.97 either way.
ACTIVATIONS, WEIGHTS = quantization.QuantType.QUInt8, quantization.QuantType.QInt8


def quantise_static(
    source: str | Path,
    model: onnx.ModelProto,
    target: str | Path,
    options: dict[str, Any],
    calibration: Feed,
    scratch: Path,
) -> onnx.ModelProto:
    """Write `model` with weights and activations in int8 to `target`, as QDQ, and return it.

    QDQ: between QuantizeLinear and DequantizeLinear. Everything that ONNX Runtime can quantise is quantised, except the
    `float_operators` (KEPT_FLOAT unless the options name others) and `float_nodes`. `calibration`: the samples and the
    model's inputs. Other arguments as in `convert_onnx`.
    """
    path, inputs = calibration
    method = options["calibration_method"]
    extra: dict[str, Any] = {} if method == "minmax" else {"CalibStridedMinMax": CHUNK}  # minmax keeps none in memory
    signed = options.get("activations", "unsigned") == "signed-symmetric"
    if signed:
        extra |= {"ActivationSymmetric": True, "WeightSymmetric": True}
    kept = options.get("float_nodes", [])
    left_out = set(options.get("float_operators", KEPT_FLOAT))
    known = {node.name for node in model.graph.node}
    if strangers := [name for name in kept if name not in known]:
        raise BuildError("conversion_failed", f"float_nodes names {strangers[0]!r}; the model has no such node")
    with CalibrationStream(path, inputs, options["calibration_samples"]) as stream:
        prepared = _prepare_model(source, model, scratch, min(QDQ_OPSET, options.get("max_opset", QDQ_OPSET)))
        with tool_failures("onnxruntime quantize_static", model):
            quantization.quantize_static(
                prepared,
                target,
                cast(CalibrationDataReader, stream),
                op_types_to_quantize=sorted({*QDQRegistry, *QLinearOpsRegistry} - left_out),
                nodes_to_exclude=kept,
                reduce_range=options.get("reduce_range", False),
                quant_format=quantization.QuantFormat.QDQ,
                calibrate_method=METHODS[method],
                per_channel=options["per_channel"],
                activation_type=quantization.QuantType.QInt8 if signed else ACTIVATIONS,
                weight_type=WEIGHTS,
                extra_options=extra,
            )
    return _drop_unused_domains(target)


def quantise_dynamic(
    source: str | Path, model: onnx.ModelProto, target: str | Path, options: dict[str, Any], scratch: Path
) -> onnx.ModelProto:
    """Write `model` with weights in uint8 to `target` and return it; activations are quantised while it runs.

    uint8 and not int8: current releases run both, but onnxruntime 1.23 has no ConvInteger for int8 weights (measured),
    and a device may have an older runtime than the host.
    """
    prepared = _prepare_model(source, model, scratch, LEAST_OPSET)
    with tool_failures("onnxruntime quantize_dynamic", model):
        quantization.quantize_dynamic(
            prepared, target, per_channel=options["per_channel"], weight_type=quantization.QuantType.QUInt8
        )
    return _drop_unused_domains(target)


def _prepare_model(source, model, scratch, opset):
    """Return the model with constants and batch normalisation folded, as a file in the scratch folder.

    `opset`: the lowest version of the standard operators that it may have. This does what onnxruntime's
    `quant_pre_process` does, without inferring shapes, which the quantiser does again in any case. A model that does
    not load is an error here; there it is a line in the log. The quantisers write beside the file that they read, so
    they must not read from the source's folder.
    """
    prepared = Path(scratch) / "prepared.onnx"
    version = next((item.version for item in model.opset_import if item.domain in ("", "ai.onnx")), opset)
    if version < opset or len(list_inputs(model.graph)) < len(model.graph.input):
        source = Path(scratch) / "upgraded.onnx"
        upgraded = onnx.ModelProto()
        upgraded.CopyFrom(model)
        keep_fed_inputs(upgraded)
        if version < opset:
            upgraded.ir_version = max(model.ir_version, LEAST_IR_VERSION)
            with tool_failures(f"onnx.version_converter to opset {opset}", model):
                upgraded = onnx.version_converter.convert_version(upgraded, opset)
        onnx.save(upgraded, source)
    settings = onnxruntime.SessionOptions()
    settings.optimized_model_filepath = str(prepared)
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    settings.log_severity_level = (
        3  # it would warn that the file is for this machine only, which is wrong at the basic level
    )
    with tool_failures("onnxruntime", model):
        onnxruntime.InferenceSession(str(source), settings, providers=["CPUExecutionProvider"])
    note = onnx.ModelProto()
    add_pre_process_metadata(note)
    with prepared.open("ab") as stream:  # protobuf merges appended data; without the note the quantiser would warn
        stream.write(note.SerializeToString())
    return prepared


def _drop_unused_domains(path):
    """Remove the operator sets that no node uses: ONNX Runtime's optimiser lists all, and some tools refuse that."""
    model = onnx.load(path)
    nodes = [*model.graph.node, *(node for function in model.functions for node in function.node)]
    used = {node.domain or "ai.onnx" for node in iterate_nodes(nodes)} | {"ai.onnx"}
    kept = [item for item in model.opset_import if (item.domain or "ai.onnx") in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    onnx.save(model, path)
    return model
