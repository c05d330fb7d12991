"""From the fp32 source to the ONNX artifact of another precision. The source file is read, never written."""

import contextlib
import io
import shutil
import warnings
from pathlib import Path

import onnx
import onnxconverter_common.float16
from onnxruntime import quantization
from onnxruntime.quantization.shape_inference import quant_pre_process

from ..sources.onnx_files import iterate_nodes
from .calibration import CHUNK, CalibrationStream
from .failures import BuildError, tool_failures

CALIBRATION_METHODS = {
    "minmax": quantization.CalibrationMethod.MinMax,
    "entropy": quantization.CalibrationMethod.Entropy,
    "percentile": quantization.CalibrationMethod.Percentile,
}
FP16_MAX = 65504.0  # the largest float16; the converter's own default clips at 10000
TOOLS = {
    "fp32": ("onnx",),
    "fp16": ("onnx", "onnxconverter-common", "numpy"),
    "int8": ("onnx", "onnxruntime", "numpy"),
    "int8-dynamic": ("onnx", "onnxruntime", "numpy"),
}


def convert_onnx(source, model, target, precision, options, calibration, scratch):
    """Write the ONNX file `source` (loaded as `model`) as `precision` to `target`; return warnings as lines of text.

    `options`: the preset's build options. `calibration`: `(path, inputs)` for int8, see CalibrationStream. `scratch`:
    an empty folder for intermediate files. BuildError when the model cannot be converted. Equal inputs give equal
    bytes with equal versions of the tools, on the same kind of processor (calibration runs the model).
    """
    with warnings.catch_warnings(record=True) as caught, contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("always")
        if precision == "fp32":
            shutil.copyfile(source, target)
        elif precision == "fp16":
            _convert_fp16(model, target, scratch)
        elif precision == "int8":
            _quantise_static(source, model, target, options, calibration, scratch)
        else:
            _quantise_dynamic(source, model, target, options, scratch)
    converted = onnx.load(target)
    with tool_failures("onnx.checker", model, scratch):
        onnx.checker.check_model(converted)
    return sorted({str(item.message) for item in caught if issubclass(item.category, UserWarning)})


def _convert_fp16(model, target, scratch):
    """Weights and activations in float16, inputs and outputs as they were (onnxconverter-common).

    Operators that this converter knows to lack a float16 kernel stay float32 between casts. onnxruntime's own converter
    is not used: with `keep_io_types` its nodes are not in topological order, and the checker refuses them.
    """
    named = onnx.ModelProto()
    named.CopyFrom(model)
    name_nodes(named)
    with tool_failures("onnxconverter-common", model, scratch):
        converted = onnxconverter_common.float16.convert_float_to_float16(
            named, keep_io_types=True, max_finite_val=FP16_MAX
        )
    onnx.save(converted, target)


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
    """Weights and activations in int8 between QuantizeLinear and DequantizeLinear (QDQ), ranges from calibration."""
    path, inputs = calibration
    method = CALIBRATION_METHODS[options["calibration_method"]]
    extra = (
        {} if options["calibration_method"] == "minmax" else {"CalibStridedMinMax": CHUNK}
    )  # minmax holds no activations
    with CalibrationStream(path, inputs, options["calibration_samples"]) as stream:
        prepared = _prepare(source, model, scratch)
        with tool_failures("onnxruntime quantize_static", model, scratch):
            quantization.quantize_static(
                prepared,
                target,
                stream,
                quant_format=quantization.QuantFormat.QDQ,
                calibrate_method=method,
                per_channel=options["per_channel"],
                extra_options=extra,
            )


def _quantise_dynamic(source, model, target, options, scratch):
    """Weights in uint8, activations quantised while running.

    uint8 and not int8: current releases run both, but onnxruntime 1.23 has no ConvInteger for int8 weights (measured),
    and a device may well carry an older runtime than the host.
    """
    prepared = _prepare(source, model, scratch)
    with tool_failures("onnxruntime quantize_dynamic", model, scratch):
        quantization.quantize_dynamic(
            prepared, target, per_channel=options["per_channel"], weight_type=quantization.QuantType.QUInt8
        )


def _prepare(source, model, scratch):
    """Return the model with shapes inferred and constants and batch normalisation folded, in the scratch folder.

    The quantisers write beside the file they read, so they never see the source's folder. Symbolic shape inference
    would need sympy and serves transformers; ONNX's own is used.
    """
    prepared = Path(scratch) / "prepared.onnx"
    with tool_failures("onnxruntime quant_pre_process", model, scratch):
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
    if not prepared.is_file():
        raise BuildError("conversion_failed", "onnxruntime quant_pre_process wrote no model")
    return prepared
