"""`trtexec`, TensorRT's own builder: its command line for the versions in use, and the meaning of its output.

The lines recognised here are those of TensorRT 8.5 to 11, as published by users; the tests replay them.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx

from edgeproof.core.configuration import Json

from .build_failures import BuildError, describe_node, locate_failure

PLACES = ("/usr/src/tensorrt/bin/trtexec",)  # where JetPack installs it, outside the PATH
OLDEST = (8, 5, 0)  # older versions cannot export the types of the layers
TYPED = (11, 0, 0)  # from here on the types are the model's: no --fp16, no --int8, no calibration

_BANNER = re.compile(r"\[TensorRT v(\d+)\]")
_NODE = re.compile(r"While parsing node number \d+ \[(?P<operator>[^\s\]]+)(?: -> \"(?P<output>[^\"]*)\")?\]")
_LOG_PREFIX = re.compile(r"^\[[\d/:-]+\] \[[EWIV]\] (?:\[TRT\] )?")
_UNSUPPORTED = (
    "plugin not found",
    "no importer registered",
    "unsupported_node",
    "invalid_node",
    "could not find any implementation for node",
    "getplugincreator could not find",
)
_NO_MEMORY = ("outofmemory", "out of memory", "could not be allocated", "insufficient memory")
# The fault is the machine's, not the model's: no GPU, or a driver that is too old.
_NO_DEVICE = (
    "no cuda-capable device",
    "cuda driver version is insufficient",
    "cuda initialization failure",
    "unable to load library: libnv",
    "error while loading shared libraries",
)
_DTYPES = {
    "fp32": "float32",
    "float32": "float32",
    "float": "float32",
    "fp16": "float16",
    "float16": "float16",
    "half": "float16",
    "bf16": "bfloat16",
    "bfloat16": "bfloat16",
    "fp8": "float8",
    "int8": "int8",
    "uint8": "uint8",
    "int32": "int32",
    "int64": "int64",
    "bool": "bool",
}
_DTYPE = re.compile(rf"\b({'|'.join(_DTYPES)})\b", re.IGNORECASE)
_COPYING_LAYERS = {"Reformat", "NoOp", "Constant"}  # layers that compute nothing


def read_version(text: str) -> tuple[int, int, int] | None:
    """Return TensorRT's version (major, minor, patch) from the banner that trtexec prints first, None without one.

    The banner has 8.6.1 as v8601, and from version 10 on 10.3.0 as v100300.
    """
    found = _BANNER.search(text)
    if not found:
        return None
    number = int(found[1])
    if number >= 100_000:
        return number // 10_000, number // 100 % 100, number % 100
    return number // 1000, number // 100 % 10, number % 100


def compose_trtexec_command(
    trtexec: str,
    version: tuple[int, ...],
    precision: str,
    options: dict[str, Any],
    shapes: dict[str, list[int]],
    paths: Mapping[str, str | Path],
) -> list[str]:
    """Return the command line of trtexec as a list. `options`: workspace_mb. `shapes`: of inputs with open sizes.

    `paths`: model, engine, layers (for the types of the layers) and, with int8, cache (of the calibration).
    """
    command = [
        trtexec,
        f"--onnx={paths['model']}",
        f"--saveEngine={paths['engine']}",
        f"--memPoolSize=workspace:{options['workspace_mb']}",
        f"--exportLayerInfo={paths['layers']}",
        "--profilingVerbosity=detailed",
        "--skipInference" if version >= (8, 6, 0) else "--buildOnly",
        "--noTF32",  # TF32 is rounded to 19 bits, so it is not fp32
    ]
    if version < TYPED and precision == "fp16":
        command.append("--fp16")
    if version < TYPED and precision == "int8":
        command += ["--int8", f"--calib={paths['cache']}"]
    if shapes:
        sizes = ",".join(f"{name}:{'x'.join(map(str, shape))}" for name, shape in sorted(shapes.items()))
        command += [f"--{which}Shapes={sizes}" for which in ("min", "opt", "max")]
    return command


def blames_machine(text: str) -> bool:
    """Tell whether trtexec's output blames the machine and says nothing about the model."""
    lowered = _keep_errors(text).lower()
    return any(phrase in lowered for phrase in _NO_DEVICE)


def explain_log(text: str, code: int, model: onnx.ModelProto) -> BuildError:
    """Return the BuildError of a trtexec that ended with `code`. `model` has the full names of its nodes."""
    blamed = _keep_errors(text)
    lowered = blamed.lower()
    if any(phrase in lowered for phrase in _UNSUPPORTED):
        kind = "unsupported_operator"
    else:
        kind = "out_of_memory" if any(phrase in lowered for phrase in _NO_MEMORY) else "conversion_failed"
    why = choose_error(text) or f"no message; its exit code was {code}"
    node = _NODE.search(blamed)
    named = node and _find_node(model, node["output"], node["operator"])
    if named is not None:
        return BuildError(kind, f"{describe_node(named, _read_opsets(model))}: trtexec: {why}")
    if node:
        why = f"operator {node['operator']}: {why}"
    return BuildError(kind, f"trtexec: {why}{locate_failure(why, model)}")


def read_layer_export(document: Any) -> tuple[Json, dict[str, int], dict[str, int]] | None:
    """Return `(weights, values, operators)` of an engine from the layers that trtexec exported.

     `weights`: tensors and elements per type. `values`: outputs of layers that compute, per type. `operators`: layers
    by kind. An output without a type ("N/A due to dynamic shapes") is not counted. None if nothing is left: in a terse
    engine layers are only names.
    """
    layers = document.get("Layers", []) if isinstance(document, dict) else []
    layers = [layer for layer in layers if isinstance(layer, dict)]
    if not layers:
        return None
    weights, values, operators = {}, {}, {}
    for layer in layers:
        kind = str(layer.get("LayerType", "unknown"))
        operators[kind] = operators.get(kind, 0) + 1
        stored = layer.get("Weights")
        if isinstance(stored, dict) and stored.get("Count"):
            item = weights.setdefault(name_type(stored.get("Type", "")), {"tensors": 0, "elements": 0})
            item["tensors"] += 1
            item["elements"] += int(stored["Count"])
        if kind not in _COPYING_LAYERS:
            for output in layer.get("Outputs", []):
                dtype = name_type(output.get("Format/Datatype") or output.get("DataType") or output.get("Format"))
                values[dtype] = values.get(dtype, 0) + 1
    values.pop("unknown", None)
    return (weights, values, operators) if weights or values else None


def name_type(text: object) -> str:
    """Return numpy's name of the type in trtexec's description of a tensor, `unknown` if it has none."""
    found = _DTYPE.search(str(text))
    return _DTYPES[found[1].lower()] if found else "unknown"


def _keep_errors(text):
    """Return the lines that are errors or belong to one; those have no time in front."""
    lines = [line for line in text.splitlines() if "[E]" in line or not _LOG_PREFIX.match(line)]
    return "\n".join(line for line in lines if not line.startswith("&&&& "))


def choose_error(text: str) -> str | None:
    """Return the most useful error in trtexec's output: the line after `ERROR:`, else the first with an error code.

    The line after `ERROR:` is an assertion.
    """
    lines = [line for line in _keep_errors(text).splitlines() if line.strip()]
    for index, line in enumerate(lines):
        if "ERROR:" in line and "In function" in line and index + 1 < len(lines):
            return f"{_LOG_PREFIX.sub('', lines[index + 1]).strip()}"
    errors = [_LOG_PREFIX.sub("", line).strip() for line in lines]
    return next((line for line in errors if "Error Code" in line), errors[0] if errors else None)


def _find_node(model, output, operator):
    nodes = list(model.graph.node)
    by_output = next((node for node in nodes if output and output in node.output), None)
    return by_output or next((node for node in nodes if node.op_type == operator), None)


def _read_opsets(model):
    return {item.domain or "ai.onnx": item.version for item in model.opset_import}
