"""ONNX to OpenVINO's intermediate representation, in one archive with model.xml and model.bin."""

import contextlib
import io
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

# Without its converter for other frameworks, which is not used here, openvino imports in half the time.
sys.modules["openvino.tools.ovc"] = None  # pyright: ignore[reportArgumentType]
import openvino  # noqa: E402

from .archives import pack_files  # noqa: E402
from .element_counts import add_element_count, count_elements  # noqa: E402
from .protocol import answer_by_protocol, call_tool  # noqa: E402
from .weight_references import refer_to_weights  # noqa: E402

_ELEMENT_TYPES = {"f32": "float32", "f16": "float16", "bf16": "bfloat16", "f64": "float64", "boolean": "bool"} | {
    f"{sign}{bits}": f"{word}{bits}" for sign, word in (("i", "int"), ("u", "uint")) for bits in (4, 8, 16, 32, 64)
}


def convert(spec: dict[str, Any], out: Path) -> dict[str, Any]:
    """Convert to OpenVINO: write `artifact.zip` from the ONNX file `spec["model"]`.

    `spec["open_batches"]` names inputs whose batch is open: it becomes 1, as in the other formats, because a graph with
    an open batch is slower. For `int8` that file is a quantised one (QDQ). With `spec["precision"]` fp16 the weights
    are stored as float16. The runtime decides in which type a device computes.
    """
    if "supplied" in spec:
        return _take_supplied(Path(spec["supplied"]), out)
    source = Path(spec["model"])
    graph = call_tool("ONNX", lambda: refer_to_weights(source))
    with contextlib.chdir(source.parent):  # where OpenVINO looks for the external data of a graph without a path
        model = call_tool("OpenVINO", lambda: openvino.Core().read_model(io.BytesIO(graph)))
    call_tool("OpenVINO", lambda: _fix_batches(model, spec["open_batches"]))
    path = out / "model.xml"
    call_tool("OpenVINO", lambda: openvino.save_model(model, path, compress_to_fp16=spec["precision"] == "fp16"))
    with ThreadPoolExecutor(1) as pool:
        packing = pool.submit(
            pack_files, out / "artifact.zip", {name: out / name for name in ("model.xml", "model.bin")}
        )
        described = _describe_model(openvino.Core().read_model(path))
        packing.result()
    return {"artifact": "artifact.zip", "opset": None, **described}


def _take_supplied(path: Path, out: Path) -> dict[str, Any]:
    """Pack a model that somebody else has converted, `path` and the weights beside it, and describe it."""
    model = call_tool("OpenVINO", lambda: openvino.Core().read_model(path))
    pack_files(out / "artifact.zip", {"model.xml": path, "model.bin": path.with_suffix(".bin")})
    return {"artifact": "artifact.zip", "opset": None, **_describe_model(model)}


def _fix_batches(model: Any, names: list[str]) -> None:
    """Set the first size of these inputs to 1."""
    shapes = {}
    for port in model.inputs:
        if port.get_any_name() in names:
            shape = port.get_partial_shape()
            shape[0] = 1
            shapes[port] = shape
    if shapes:
        model.reshape(shapes)


def _describe_model(model: Any) -> dict[str, Any]:
    """Return inputs and outputs of a model, counts of the types of its weights and activations, and of operators.

    A node that only unpacks stored weights, because all its inputs come from constants, has no activations.
    """
    weights, values, operators = {}, {}, {}
    stored = set()  # names of constants and of nodes that unpack them; a node comes after its inputs
    for node in model.get_ordered_ops():
        kind = node.get_type_name()
        if kind == "Constant":
            add_element_count(weights, _dtype_of(node.output(0)), count_elements(node.output(0).get_shape()))
            stored.add(node.get_name())
            continue
        operators[kind] = operators.get(kind, 0) + 1
        sources = [item.get_source_output().get_node().get_name() for item in node.inputs()]
        if sources and stored.issuperset(sources):
            stored.add(node.get_name())
        elif kind not in ("Parameter", "Result"):
            for output in node.outputs():
                dtype = _dtype_of(output)
                values[dtype] = values.get(dtype, 0) + 1
    return {
        "inputs": [_describe_tensor(item) for item in model.inputs],
        "outputs": [_describe_tensor(item) for item in model.outputs],
        "weights": weights,
        "values": values,
        "operators": operators,
    }


def _describe_tensor(port: Any) -> dict[str, Any]:
    """Return name, dtype and shape of an input or output; an open size is `?`."""
    shape = [item.get_length() if item.is_static else "?" for item in port.get_partial_shape()]
    return {"name": port.get_any_name(), "dtype": _dtype_of(port), "shape": shape}


def _dtype_of(port: Any) -> str:
    """Return numpy's name of the element type of a port."""
    name = port.get_element_type().get_type_name() or "unknown"
    return _ELEMENT_TYPES.get(name, name)


if __name__ == "__main__":
    answer_by_protocol(convert)
