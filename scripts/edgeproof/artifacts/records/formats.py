"""The kinds of artifact: what makes them, of what, and what must hold of those that a toolchain builds."""

from typing import NamedTuple

from edgeproof.core.errors import UserError

SNAPSHOT = ("backend", "artifact", "build")  # what of a preset decides a build
_CALIBRATED = {"calibration_method", "calibration_samples"}
_TENSORRT = {"workspace_mb", "timeout_s"}
_RKNN = {"target_platform", "optimization_level", "timeout_s"}
_SIMULATED = {"latency_ms"}
# Backends that keep images with their channels last: they rearrange what crosses to others.
CHANNELS_LAST = ("litert",)
# Per precision, the packages of the workflow's own environment that make an ONNX artifact.
HOST_TOOLS = {
    "fp32": ("onnx",),
    "fp16": ("onnx", "onnxconverter-common", "numpy"),
    "int8": ("onnx", "onnxruntime", "numpy"),
    "int8-dynamic": ("onnx", "onnxruntime", "numpy"),
}


class Format(NamedTuple):
    """A kind of artifact: its converter, what it is made of (`saved_model` or `onnx`), and what must be true of it.

    `converter`: None where the workflow's own environment builds. `options`: per precision, the build options it uses.
    `quantisers`: per precision, the operator that only quantised activations need. `packages`: those of the toolchain
    that a manifest names.
    """

    converter: str | None
    origin: str
    options: dict
    quantisers: dict
    packages: tuple


FORMATS = {
    "onnx": Format(
        None,
        "onnx",
        {"fp32": set(), "fp16": set(), "int8": _CALIBRATED | {"per_channel"}, "int8-dynamic": {"per_channel"}},
        {},
        (),
    ),
    "json": Format(None, "onnx", dict.fromkeys(("fp32", "fp16", "int8", "int8-dynamic"), _SIMULATED), {}, ()),
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
    "engine": Format(
        "tensorrt",
        "onnx",
        {"fp32": _TENSORRT, "fp16": _TENSORRT, "int8": _TENSORRT | _CALIBRATED},
        {},
        (),
    ),
    "rknn": Format("rknn", "onnx", {"fp16": _RKNN, "int8": _RKNN | _CALIBRATED}, {}, ()),
}


def take_snapshot(preset, precision):
    """Return what of a preset's document decides a build as `precision`, as manifests keep it.

    Options that other precisions use are left out: int8 is calibrated with other samples, and fp32 stays as it is.
    """
    options = FORMATS[preset["artifact"]].options if preset["artifact"] in FORMATS else {}
    others = set().union(*options.values()) - options.get(precision, set())
    build = {key: value for key, value in preset["build"].items() if key not in others}
    return {**{key: preset[key] for key in SNAPSHOT}, "build": build}


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
