"""Conversions as you would write them from the tools' own pages; the benchmark compares ours with them.

Each is run by `python -c` in the same environment as ours, with three arguments: the file to convert (ONNX, or the
folder of a SavedModel), the calibration set, and the file or folder to write.
"""

_ARGUMENTS = "import sys\nsource, calibration, target = sys.argv[1:]\n"

_QUANTISE = """
import numpy as np, onnxruntime
from onnxruntime.quantization import (
    CalibrationDataReader, QuantFormat, QuantType, quantize_static)
from onnxruntime.quantization.shape_inference import quant_pre_process
class Samples(CalibrationDataReader):
    def __init__(self):
        with np.load(calibration) as archive:
            arrays = {name[7:]: archive[name] for name in archive.files}
        self.feeds = iter([{name: array[i:i + 1] for name, array in arrays.items()} for i in range(200)])
    def get_next(self):
        return next(self.feeds, None)
quant_pre_process(source, prepared, skip_symbolic_shape=True)
quantize_static(prepared, target, Samples(), quant_format=QuantFormat.QDQ, per_channel=True,
                activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
"""

_SAVED_MODEL = """
import os, numpy as np, onnx2tf, tensorflow as tf, tf_keras
np.save("calibration_image_sample_data_20x128x128x3_float32.npy", np.random.rand(20, 128, 128, 3).astype("float32"))
model = onnx2tf.convert(input_onnx_file_path=source, output_signaturedefs=True, disable_model_save=True,
                        non_verbose=True)
archive = tf_keras.export.ExportArchive()
archive.track(model)
archive.add_endpoint("serving_default", model.call, [tf.TensorSpec(i.shape, i.dtype, i.name) for i in model.inputs])
archive.write_out(target)
"""

_TFLITE = """
import numpy as np, tensorflow as tf
converter = tf.lite.TFLiteConverter.from_saved_model(source)
{settings}
data = {convert}
open(target, "wb").write(data)
"""
_TFLITE_INT8 = """
converter.optimizations = [tf.lite.Optimize.DEFAULT]
converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
arrays = np.load(calibration)
array = arrays[arrays.files[0]]
array = array.transpose(0, 2, 3, 1) if array.ndim == 4 else array
converter.representative_dataset = lambda: ([array[i:i + 1]] for i in range(200))
debugger = tf.lite.experimental.QuantizationDebugger(
    converter=converter, debug_dataset=converter.representative_dataset,
    debug_options=tf.lite.experimental.QuantizationDebugOptions(denylisted_ops=["SOFTMAX"]))
"""
_TFLITE_FP16 = "converter.optimizations = [tf.lite.Optimize.DEFAULT]\n"
_TFLITE_FP16 += "converter.target_spec.supported_types = [tf.float16]"

_COREML = """
import coremltools as ct
from coremltools.optimize import coreml as optimisation
model = ct.convert(source, source="tensorflow", convert_to="mlprogram", compute_precision=ct.precision.{precision},
                   minimum_deployment_target=ct.target.iOS16)
{more}
model.save(target + ".mlpackage")
"""
_COREML_INT8 = """
config = optimisation.OptimizationConfig(
    optimisation.OpLinearQuantizerConfig(mode="linear_symmetric", weight_threshold=10))
model = optimisation.linear_quantize_weights(model, config)
"""

_OPENVINO = """
import openvino
openvino.save_model(openvino.Core().read_model(source), target + ".xml", compress_to_fp16={compress})
"""

_TORCH = """
import onnx, torch
from onnx2torch import convert
model = onnx.load(source)
shape = [d.dim_value or 1 for d in model.graph.input[0].type.tensor_type.shape.dim]
with torch.no_grad():
    torch.jit.save(torch.jit.trace(convert(model).eval(), torch.rand(*shape), check_trace=False), target)
"""

_HOST_INT8 = 'prepared = target + ".prepared.onnx"\n' + _QUANTISE

# (suffix of the artifact, precision): the steps, each with the environment it runs in (`host` or the toolchain).
STEPS = {
    ("onnx", "fp16"): [
        (
            "host",
            "import onnx\nfrom onnxconverter_common import float16\n"
            "onnx.save(float16.convert_float_to_float16(onnx.load(source), keep_io_types=True), target)",
        )
    ],
    ("onnx", "int8"): [("host", _HOST_INT8)],
    ("onnx", "int8-dynamic"): [
        (
            "host",
            "from onnxruntime.quantization import QuantType, quantize_dynamic\n"
            "from onnxruntime.quantization.shape_inference import quant_pre_process\n"
            'quant_pre_process(source, target + ".prepared.onnx", skip_symbolic_shape=True)\n'
            'quantize_dynamic(target + ".prepared.onnx", target, per_channel=True, weight_type=QuantType.QUInt8)',
        )
    ],
    ("saved_model", "fp32"): [("toolchain", _SAVED_MODEL)],
    ("tflite", "fp32"): [("toolchain", _TFLITE.format(settings="", convert="converter.convert()"))],
    ("tflite", "fp16"): [("toolchain", _TFLITE.format(settings=_TFLITE_FP16, convert="converter.convert()"))],
    ("tflite", "int8-dynamic"): [
        (
            "toolchain",
            _TFLITE.format(
                settings="converter.optimizations = [tf.lite.Optimize.DEFAULT]", convert="converter.convert()"
            ),
        )
    ],
    ("tflite", "int8"): [
        (
            "toolchain",
            _TFLITE.format(settings=_TFLITE_INT8, convert="debugger.get_nondebug_quantized_model()"),
        )
    ],
    ("mlpackage.zip", "fp32"): [("toolchain", _COREML.format(precision="FLOAT32", more=""))],
    ("mlpackage.zip", "fp16"): [("toolchain", _COREML.format(precision="FLOAT16", more=""))],
    ("mlpackage.zip", "int8-weights"): [("toolchain", _COREML.format(precision="FLOAT16", more=_COREML_INT8))],
    ("openvino.zip", "fp32"): [("toolchain", _OPENVINO.format(compress=False))],
    ("openvino.zip", "fp16"): [("toolchain", _OPENVINO.format(compress=True))],
    ("openvino.zip", "int8"): [("host", _HOST_INT8), ("toolchain", _OPENVINO.format(compress=False))],
    ("pt", "fp32"): [("toolchain", _TORCH)],
}


def list_steps(artifact: str, precision: str) -> list[tuple[str, str]] | None:
    """Return `[(environment, program)]` of a conversion by hand; None where nothing is converted."""
    steps = STEPS.get((artifact, precision))
    return steps and [(where, _ARGUMENTS + program) for where, program in steps]
