"""The formats of artifacts: what builds one, from what, and what must hold for it.

Which precisions and build options a format has stands in `config/schemas/preset.schema.json`, under `$defs`, and is
read from there.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from edgeproof.core.configuration import Json

_NONE: Mapping[str, Any] = MappingProxyType({})
_ONNX_TOOLS = {
    "fp32": ("onnx",),
    "fp16": ("onnx", "onnxconverter-common", "numpy"),
    "int8": ("onnx", "onnxruntime", "numpy"),
    "int8-dynamic": ("onnx", "onnxruntime", "numpy"),
}


class Format(NamedTuple):
    """How artifacts of one format are built.

    `rule`: the Snakemake rule. `converter`: the program in `edgeproof.converters` that builds it in another
    environment; None if the workflow's own environment does. `origin`: what it is made from, `saved_model` or `onnx`.
    `host_tools`: per precision, the packages of the workflow's own environment that take part. `packages`: those of
    the toolchain that a manifest lists. `quantisers`: per precision, the operator that must occur where activations
    are quantised. `channels_last`: its runtime keeps images with their channels last, so data must be rearranged on
    the way to other runtimes.
    """

    rule: str
    converter: str | None = None
    origin: str = "onnx"
    host_tools: Mapping[str, tuple[str, ...]] = _NONE
    packages: tuple[str, ...] = ()
    quantisers: Mapping[str, str] = _NONE
    channels_last: bool = False


FORMATS = {
    "onnx": Format("build_onnx", host_tools=_ONNX_TOOLS),
    "json": Format("build_fake"),
    "tflite": Format(
        "build_tflite",
        "tflite",
        "saved_model",
        packages=("tensorflow", "numpy", "ai-edge-litert"),
        channels_last=True,
    ),
    "mlpackage.zip": Format("build_coreml", "coreml", "saved_model", packages=("coremltools", "tensorflow", "numpy")),
    "openvino.zip": Format(
        "build_openvino",
        "openvino",
        host_tools={"int8": _ONNX_TOOLS["int8"]},  # quantised here, converted there
        packages=("openvino", "numpy"),
        quantisers={"int8": "FakeQuantize"},
    ),
    "pt": Format("build_torchscript", "torchscript", packages=("torch", "onnx2torch", "torchvision", "onnx", "numpy")),
    "engine": Format("build_tensorrt", "tensorrt", host_tools={"fp16": _ONNX_TOOLS["fp16"]}),  # from TensorRT 11 on
    "rknn": Format("build_rknn", "rknn"),
}
CONVERTED_FORMATS = tuple(name for name, kind in FORMATS.items() if kind.packages)  # by a converter in a toolchain


def list_host_tools(preset: Json, precision: str) -> tuple[str, ...]:
    """Return the packages of the workflow's own environment that build a format in this precision; often none."""
    return FORMATS[preset["artifact"]].host_tools.get(precision, ())


def list_channels_last_backends() -> set[str]:
    """Return the backends of those formats of artifacts that keep images with their channels last."""
    artifacts = [name for name, kind in FORMATS.items() if kind.channels_last]
    return {_read_definition(name)["properties"]["backend"]["const"] for name in artifacts}


def list_build_options(artifact: str, precision: str) -> set[str]:
    """Return the build options that a format uses for one precision: those that the preset's schema requires, and those
    that it names as optional.
    """
    branches = _read_definition(artifact).get("allOf", [])
    used = [
        branch["then"]["properties"]["build"]
        for branch in branches
        if precision in branch["if"]["properties"]["precisions"]["contains"]["enum"]
    ]
    return {option for build in used for option in (*build["required"], *build.get("x-optional", ()))}


def select_build_options(preset: Json, precision: str) -> Json:
    """Return what a format takes from a preset for a build as `precision`: backend, artifact and build options.

    Options that only other precisions use are left out, so that a change of the calibration rebuilds int8 and nothing
    else. Options that the format does not know are kept, and the check refuses them.
    """
    build, artifact = preset["build"], preset["artifact"]
    if artifact in FORMATS:
        others = set(_read_definition(artifact)["properties"]["build"]["properties"])
        others -= list_build_options(artifact, precision)
        build = {key: value for key, value in build.items() if key not in others}
    # A command of the user's own runs what ONNX Runtime would.
    backend = "onnxruntime" if preset["backend"] == "command" else preset["backend"]
    return {"backend": backend, "artifact": artifact, "build": dict(build)}


def check_build_options(snapshot: Json, precision: str) -> dict[str, Any]:
    """Return the build options that a format takes from its preset; UserError unless its schema allows them.

    `snapshot`: as `select_build_options` returns it; options of the preset's other precisions may be in it.
    """
    from edgeproof.core.documents import validate  # slow to import: a script starts its converter first

    validate({**snapshot, "precisions": [precision]}, "preset#snapshot", f"--preset as {precision}")
    kinds = _read_definition("build")["properties"]
    used = select_build_options(snapshot, precision)["build"]
    # A JSON Schema takes 200.0 for an integer, tools do not.
    return {key: int(used[key]) if kinds[key].get("type") == "integer" else used[key] for key in sorted(used)}


def _read_definition(name: str) -> Json:
    from edgeproof.core.documents import load_schema  # as above

    return load_schema("preset")["$defs"][name]
