"""`trtexec`, TensorRT's own builder: its command line for the versions in use, and what its output says.

The lines that are recognised here are those of TensorRT 8.5 to 11, as people have posted them; the tests replay them.
"""

import re

from .build_failures import BuildError, describe_node, locate_failure

PLACES = ("/usr/src/tensorrt/bin/trtexec",)  # where JetPack puts it, beside the PATH
OLDEST = (8, 5, 0)  # older ones cannot say which type every layer computes in
TYPED = (11, 0, 0)  # from here on the types are the model's own: no --fp16, no --int8, no calibration

_BANNER = re.compile(r"\[TensorRT v(\d+)\]")
_NODE = re.compile(r"While parsing node number \d+ \[(?P<operator>[^\s\]]+)(?: -> \"(?P<output>[^\"]*)\")?\]")
_PREFIX = re.compile(r"^\[[\d/:-]+\] \[[EWIV]\] (?:\[TRT\] )?")
_UNSUPPORTED = (
    "plugin not found",
    "no importer registered",
    "unsupported_node",
    "invalid_node",
    "could not find any implementation for node",
    "getplugincreator could not find",
)
_NO_MEMORY = ("outofmemory", "out of memory", "could not be allocated", "insufficient memory")
# The machine's trouble, not the model's: no GPU, a driver that is too old.
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
_PASSING_ON = {"Reformat", "NoOp", "Constant"}  # layers that compute nothing


def read_version(text):
    """Return TensorRT's version (major, minor, patch) from the banner that trtexec opens with, None without one.

    It writes 8.6.1 as v8601, and from 10 on 10.3.0 as v100300.
    """
    found = _BANNER.search(text)
    if not found:
        return None
    number = int(found[1])
    if number >= 100_000:
        return number // 10_000, number // 100 % 100, number % 100
    return number // 1000, number // 100 % 10, number % 100


def compose_command(trtexec, version, precision, options, shapes, paths):
    """Return the command as a list. `options`: workspace_mb. `shapes`: `{input: [sizes]}` of inputs with open sizes.

    `paths`: model, engine, layers (what every layer computes in) and, for int8, cache (the calibration's).
    """
    command = [
        trtexec,
        f"--onnx={paths['model']}",
        f"--saveEngine={paths['engine']}",
        f"--memPoolSize=workspace:{options['workspace_mb']}",
        f"--exportLayerInfo={paths['layers']}",
        "--profilingVerbosity=detailed",
        "--skipInference" if version >= (8, 6, 0) else "--buildOnly",
        "--noTF32",  # fp32 that was rounded to 19 bits is none
    ]
    if version < TYPED and precision == "fp16":
        command.append("--fp16")
    if version < TYPED and precision == "int8":
        command += ["--int8", f"--calib={paths['cache']}"]
    if shapes:
        sizes = ",".join(f"{name}:{'x'.join(map(str, shape))}" for name, shape in sorted(shapes.items()))
        command += [f"--{which}Shapes={sizes}" for which in ("min", "opt", "max")]
    return command


def is_about_machine(text):
    """Tell whether a failure is the machine's, so that it says nothing of the model."""
    lowered = _keep_errors(text).lower()
    return any(phrase in lowered for phrase in _NO_DEVICE)


def explain_log(text, code, model):
    """Return the BuildError for a trtexec that ended with `code`; `model` (ModelProto) gives the node its full name."""
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
        return BuildError(kind, f"{describe_node(named, _versions(model))}: trtexec: {why}")
    if node:
        why = f"operator {node['operator']}: {why}"
    return BuildError(kind, f"trtexec: {why}{locate_failure(why, model)}")


def count_layers(document):
    """Return `(weights, values, operators)` of an engine from what trtexec exported about its layers.

    `weights`: tensors and elements per type; `values`: outputs of layers that compute, per type; `operators`: layers by
    kind. What has no type there ("N/A due to dynamic shapes") is not counted. None when nothing is left: the layers are
    only names in a terse engine.
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
        if kind not in _PASSING_ON:
            for output in layer.get("Outputs", []):
                dtype = name_type(output.get("Format/Datatype") or output.get("DataType") or output.get("Format"))
                values[dtype] = values.get(dtype, 0) + 1
    values.pop("unknown", None)
    return (weights, values, operators) if weights or values else None


def name_type(text):
    """Return numpy's name of the type that trtexec's description of a tensor speaks of, `unknown` for none."""
    found = _DTYPE.search(str(text))
    return _DTYPES[found[1].lower()] if found else "unknown"


def _keep_errors(text):
    """Return the lines that are errors or belong to one (they have no time); what went well says nothing."""
    lines = [line for line in text.splitlines() if "[E]" in line or not _PREFIX.match(line)]
    return "\n".join(line for line in lines if not line.startswith("&&&& "))


def choose_error(text):
    """Return the error that says most: the line after `ERROR:` (an assertion), else the first with an error code."""
    lines = [line for line in _keep_errors(text).splitlines() if line.strip()]
    for index, line in enumerate(lines):
        if "ERROR:" in line and "In function" in line and index + 1 < len(lines):
            return f"{_PREFIX.sub('', lines[index + 1]).strip()}"
    errors = [_PREFIX.sub("", line).strip() for line in lines]
    return next((line for line in errors if "Error Code" in line), errors[0] if errors else None)


def _find_node(model, output, operator):
    nodes = list(model.graph.node)
    by_output = next((node for node in nodes if output and output in node.output), None)
    return by_output or next((node for node in nodes if node.op_type == operator), None)


def _versions(model):
    return {item.domain or "ai.onnx": item.version for item in model.opset_import}
