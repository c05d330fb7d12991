"""The kinds of artifact: what makes them, of what, and what must hold of those that a toolchain builds."""

from typing import NamedTuple

from ..core.errors import UserError

_CALIBRATED = {"calibration_method", "calibration_samples"}
# Per precision, the packages of the workflow's own environment that make an ONNX artifact.
HOST_TOOLS = {
    "fp32": ("onnx",),
    "fp16": ("onnx", "onnxconverter-common", "numpy"),
    "int8": ("onnx", "onnxruntime", "numpy"),
    "int8-dynamic": ("onnx", "onnxruntime", "numpy"),
}


class Format(NamedTuple):
    """A kind of artifact: its converter, what it is made of (`saved_model` or `onnx`), and what must be true of it.

    `options`: per precision, the build options it uses. `quantisers`: per precision, the operator that only quantised
    activations need. `packages`: those of the toolchain that a manifest names.
    """

    converter: str
    origin: str
    options: dict
    quantisers: dict
    packages: tuple


FORMATS = {
    "tflite": Format(
        "tflite",
        "saved_model",
        {
            "fp32": set(),
            "fp16": set(),
            "int8": _CALIBRATED | {"quantised_io"},
            "int8-dynamic": set(),
        },
        {},
        ("tensorflow", "numpy", "ai-edge-litert"),
    ),
    "mlpackage.zip": Format(
        "coreml",
        "saved_model",
        {"fp32": set(), "fp16": set(), "int8-weights": set()},
        {},
        ("coremltools", "tensorflow", "numpy"),
    ),
    "openvino.zip": Format(
        "openvino",
        "onnx",
        {"fp32": set(), "fp16": set(), "int8": _CALIBRATED | {"per_channel"}},
        {"int8": "FakeQuantize"},
        ("openvino", "numpy"),
    ),
    "pt": Format("torchscript", "onnx", {"fp32": set()}, {}, ("torch", "onnx2torch", "torchvision", "onnx", "numpy")),
}


def check_options(build, precision, kind):
    """Return the build options that this precision uses; options of the preset's other precisions may stand beside."""
    known = set().union(*kind.options.values())
    if unknown := sorted(set(build) - known):
        raise UserError(f"preset: unknown key build.{unknown[0]}; known keys are {', '.join(sorted(known)) or 'none'}")
    if missing := sorted(kind.options[precision] - set(build)):
        raise UserError(f"preset: build.{missing[0]} is missing; {precision} needs it")
    options = {key: build[key] for key in sorted(kind.options[precision])}
    if kind.converter == "tflite" and options.get("calibration_method", "minmax") != "minmax":
        raise UserError("preset: build.calibration_method must be minmax; TFLite's calibrator has no other")
    return options
