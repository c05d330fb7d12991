"""From the fp32 source to the ONNX artifact of another precision. The source file is read, never written."""

import contextlib
import io
import os
import shutil
import warnings
from pathlib import Path

import onnx
import onnx.version_converter
import onnxconverter_common.float16
import onnxruntime
from onnxruntime import quantization
from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry
from onnxruntime.quantization.shape_inference import quant_pre_process

from ..sources.onnx_files import iterate_nodes
from .calibration import CHUNK, CalibrationStream
from .failures import tool_failures

CALIBRATION_METHODS = {
    "minmax": quantization.CalibrationMethod.MinMax,
    "entropy": quantization.CalibrationMethod.Entropy,
    "percentile": quantization.CalibrationMethod.Percentile,
}
FP16_MAX = 65504.0  # the largest float16; the converter's own default clips at 10000
QDQ_OPSET = 13  # since then QuantizeLinear has one scale per channel
LEAST_IR_VERSION = 8  # the version converter writes graphs that older ones do not allow
# ONNX Runtime fixes the step of a quantised Softmax near 1/256, above most probabilities of a model with 1000 classes:
# with it, SqueezeNet's worst sample of 64 has a cosine of 0.60 to the fp32 outputs, without it 0.97 (measured).
KEPT_FLOAT = {"Softmax"}
# Activations unsigned, weights signed: with both signed (the quantiser's default) ONNX Runtime 1.31 leaves 24 of
# SqueezeNet's 26 convolutions in float32 on x86-64, between DequantizeLinear and QuantizeLinear. Measured there, one
# thread, best of 40: float32 5.1 ms, signed activations 15.0 ms, unsigned 2.5 ms; the worst cosine is 0.97 either way.
ACTIVATIONS, WEIGHTS = quantization.QuantType.QUInt8, quantization.QuantType.QInt8
TOOLS = {
    "fp32": ("onnx",),
    "fp16": ("onnx", "onnxconverter-common", "numpy"),
    "int8": ("onnx", "onnxruntime", "numpy"),
    "int8-dynamic": ("onnx", "onnxruntime", "numpy"),
}


def convert_onnx(source, model, target, precision, options, calibration, scratch):
    """Write the ONNX file `source` (loaded as `model`) as `precision` to `target`.

    `options`: the preset's build options. `calibration`: `(path, inputs)` for int8, see CalibrationStream. `scratch`:
    an empty folder for intermediate files. Returns the artifact as ModelProto and what the tools warned of, a list of
    lines. BuildError when the model cannot be converted. Equal inputs give equal bytes with equal versions of the
    tools, on the same kind of processor (calibration runs the model).
    """
    with warnings.catch_warnings(record=True) as caught, contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("always")
        if precision == "fp32":
            shutil.copyfile(source, target)
        elif precision == "fp16":
            _convert_fp16(model, target)
        elif precision == "int8":
            _quantise_static(source, model, target, options, calibration, scratch)
        else:
            _quantise_dynamic(source, model, target, options, scratch)
        if precision in ("int8", "int8-dynamic"):
            _drop_unused_domains(target)
    converted = onnx.load(target)
    with tool_failures("onnx.checker", model):
        onnx.checker.check_model(os.fspath(target))
    return converted, sorted({str(item.message) for item in caught if issubclass(item.category, UserWarning)})


def _drop_unused_domains(path):
    """Remove the operator sets that no node uses: ONNX Runtime's optimiser lists all it knows, and other tools mind."""
    model = onnx.load(path)
    nodes = [*model.graph.node, *(node for function in model.functions for node in function.node)]
    used = {node.domain or "ai.onnx" for node in iterate_nodes(nodes)} | {"ai.onnx"}
    kept = [item for item in model.opset_import if (item.domain or "ai.onnx") in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    onnx.save(model, path)


def _convert_fp16(model, target):
    """Weights and activations in float16, inputs and outputs as they were (onnxconverter-common).

    Operators that this converter knows to lack a float16 kernel stay float32 between casts. onnxruntime's own converter
    is not used: with `keep_io_types` its nodes are not in topological order, and the checker refuses them.
    """
    named = onnx.ModelProto()
    named.CopyFrom(model)
    name_nodes(named)
    with tool_failures("onnxconverter-common", model):
        converted = onnxconverter_common.float16.convert_float_to_float16(
            named, keep_io_types=True, max_finite_val=FP16_MAX, node_block_list=_list_casts(named)
        )
    onnx.save(converted, target)


def _list_casts(model):
    """Return the names of nodes that cast to float32: the converter would change their type, not their attribute."""
    return [
        node.name
        for node in iterate_nodes(model.graph.node)
        if node.op_type == "Cast"
        and any(item.name == "to" and item.i == onnx.TensorProto.FLOAT for item in node.attribute)
    ]


def name_nodes(model):
    """Give every node of a model a name of its own: the float16 converter names casts after the nodes they feed."""
    taken = set()
    for index, node in enumerate(iterate_nodes(model.graph.node)):
        name = node.name or f"{node.op_type}_{index}"
        while name in taken:
            name += f"_{index}"
        taken.add(name)
        node.name = name


def _quantise_static(source, model, target, options, calibration, scratch):
    """Weights and activations in int8 between QuantizeLinear and DequantizeLinear (QDQ), ranges from calibration.

    What ONNX Runtime can quantise is quantised, but for KEPT_FLOAT.
    """
    path, inputs = calibration
    method = CALIBRATION_METHODS[options["calibration_method"]]
    extra = (
        {} if options["calibration_method"] == "minmax" else {"CalibStridedMinMax": CHUNK}
    )  # minmax holds no activations
    with CalibrationStream(path, inputs, options["calibration_samples"]) as stream:
        prepared = _prepare(source, model, scratch, QDQ_OPSET)
        with tool_failures("onnxruntime quantize_static", model):
            quantization.quantize_static(
                prepared,
                target,
                stream,
                op_types_to_quantize=sorted({*QDQRegistry, *QLinearOpsRegistry} - KEPT_FLOAT),
                quant_format=quantization.QuantFormat.QDQ,
                calibrate_method=method,
                per_channel=options["per_channel"],
                activation_type=ACTIVATIONS,
                weight_type=WEIGHTS,
                extra_options=extra,
            )


def _quantise_dynamic(source, model, target, options, scratch):
    """Weights in uint8, activations quantised while running.

    uint8 and not int8: current releases run both, but onnxruntime 1.23 has no ConvInteger for int8 weights (measured),
    and a device may well carry an older runtime than the host.
    """
    prepared = _prepare(source, model, scratch, 0)
    with tool_failures("onnxruntime quantize_dynamic", model):
        quantization.quantize_dynamic(
            prepared, target, per_channel=options["per_channel"], weight_type=quantization.QuantType.QUInt8
        )


def _prepare(source, model, scratch, opset):
    """Return the model with shapes inferred and constants and batch normalisation folded, in the scratch folder.

    `opset` is the least version of the standard operators that it will have. The quantisers write beside the file they
    read, so they never see the source's folder. Symbolic shape inference would need sympy and serves transformers;
    ONNX's own is used.
    """
    prepared = Path(scratch) / "prepared.onnx"
    with tool_failures("onnxruntime", model):  # quant_pre_process would only log that the model does not load
        onnxruntime.InferenceSession(source, providers=["CPUExecutionProvider"])
    version = next((item.version for item in model.opset_import if item.domain in ("", "ai.onnx")), opset)
    if version < opset:
        source = Path(scratch) / "upgraded.onnx"
        upgraded = onnx.ModelProto()
        upgraded.CopyFrom(model)
        upgraded.ir_version = max(model.ir_version, LEAST_IR_VERSION)
        with tool_failures(f"onnx.version_converter to opset {opset}", model):
            onnx.save(onnx.version_converter.convert_version(upgraded, opset), source)
    with tool_failures("onnxruntime quant_pre_process", model):
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
    return prepared
