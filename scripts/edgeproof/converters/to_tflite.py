"""SavedModel to TFLite, one precision. The file itself says which of its tensors correspond to those of the source.

`interface.json` is appended to the file as a zip archive, TFLite's way to carry associated files: a runtime reads the
front of the file, `zipfile` its end.
"""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema

from .archives import append_members, unpack
from .element_counts import add_element_count, count_elements
from .interfaces import match_tensors
from .protocol import answer_by_protocol, call_tool

_ELEMENT_TYPES = {value: name.lower() for name, value in vars(schema.TensorType).items() if name.isupper()}
# The step of a quantised Softmax is fixed at 1/256, above most probabilities of a model with 1000 classes. Measured on
# SqueezeNet, the worst sample of 64 has a cosine of 0.60 to the fp32 outputs with it, and 0.97 without it.
KEPT_FLOAT = {"SOFTMAX"}
_OPERATORS = {value: name for name, value in vars(schema.BuiltinOperator).items() if name.isupper()}


def convert(spec: dict[str, Any], out: Path) -> dict[str, Any]:
    """Convert to TFLite: write `artifact.tflite` from a packed SavedModel.

    `spec`: saved_model, interface, precision and, for int8, calibration {path, samples} and options {quantised_io,
    per_channel}.
    """
    if "supplied" in spec:
        return _take_supplied(spec, out)
    folder = unpack(spec["saved_model"], out / "saved_model")
    converter = call_tool("TensorFlow", lambda: tf.lite.TFLiteConverter.from_saved_model(str(folder)))
    _set_precision(converter, spec)
    floats = KEPT_FLOAT & _list_operators(folder) if spec["precision"] == "int8" else set()
    if floats and not spec["options"]["quantised_io"]:
        data = call_tool("TFLiteConverter", lambda: _convert_selectively(converter, floats))
    else:
        data = call_tool("TFLiteConverter", converter.convert)
    path = out / "artifact.tflite"
    path.write_bytes(data)
    interface = {side: _add_scales(spec["interface"][side], found) for side, found in _list_named_tensors(data).items()}
    append_members(path, {"interface.json": json.dumps(interface, sort_keys=True).encode()})
    return {"artifact": path.name, "opset": None, **describe_model(data)}


def _add_scales(entries: list[dict[str, Any]], found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return entries of the interface with scale and zero point of those tensors that are integers in the file."""
    known = {item["name"]: item["quantisation"] for item in found if "quantisation" in item}
    return [{**entry, "quantisation": known[entry["name"]]} if entry["name"] in known else entry for entry in entries]


def _take_supplied(spec: dict[str, Any], out: Path) -> dict[str, Any]:
    """Take a TFLite file of somebody else's; one that does not say which tensor is which of the source gets it said."""
    data = Path(spec["supplied"]).read_bytes()
    described = call_tool("TFLite", lambda: describe_model(data))
    path = out / "artifact.tflite"
    path.write_bytes(data)
    if not _has_interface(path):
        named = call_tool("TFLite", lambda: _list_named_tensors(data))
        matched = {side: match_tensors(side, spec[side], named[side]) for side in ("inputs", "outputs")}
        interface = {side: _add_scales(entries, named[side]) for side, entries in matched.items()}
        append_members(path, {"interface.json": json.dumps(interface, sort_keys=True).encode()})
    return {"artifact": path.name, "opset": None, **described}


def _has_interface(path: Path) -> bool:
    """Tell whether a TFLite file has an `interface.json` among its associated files."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return "interface.json" in archive.namelist()


def _list_named_tensors(data: bytes) -> dict[str, list[dict[str, Any]]]:
    """Return inputs and outputs by the names under which a runtime offers them: those of the signature, if any."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(data, 0))
    graph = model.subgraphs[0]
    sides = {}
    for side in ("inputs", "outputs"):
        named = getattr(model.signatureDefs[0], side) if model.signatureDefs else None
        names = {int(item.tensorIndex): item.name.decode() for item in named or ()}
        sides[side] = [
            {**_describe_tensor(graph.tensors[index]), **({"name": names[int(index)]} if int(index) in names else {})}
            for index in getattr(graph, side)
        ]
    return sides


def _set_precision(converter: Any, spec: dict[str, Any]) -> None:
    """Set a TFLiteConverter's options for a precision.

    With `int8` a model converts only if all activations are integers.
    """
    precision = spec["precision"]
    if precision == "fp32":
        return
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "fp16":
        converter.target_spec.supported_types = [tf.float16]
    elif precision == "int8":
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.representative_dataset = lambda: _read_samples(spec["calibration"], spec["interface"]["inputs"])
        converter._experimental_disable_per_channel = not spec["options"].get("per_channel", True)
        if spec["options"]["quantised_io"]:
            converter.inference_input_type = converter.inference_output_type = tf.int8


def _convert_selectively(converter: Any, floats: set[str]) -> bytes:
    """Return an int8 model in which the operators `floats` stay float; the converter alone cannot do this."""
    options = tf.lite.experimental.QuantizationDebugOptions(denylisted_ops=sorted(floats))
    debugger = tf.lite.experimental.QuantizationDebugger(
        converter=converter, debug_dataset=converter.representative_dataset, debug_options=options
    )
    return debugger.get_nondebug_quantized_model()


def _list_operators(folder: Path) -> set[str]:
    """Return the names of all operators in a SavedModel, in capitals as in TFLite."""
    graph = tf.saved_model.load(str(folder)).signatures["serving_default"].graph.as_graph_def()
    functions = [node for function in graph.library.function for node in function.node_def]
    return {node.op.upper() for node in (*graph.node, *functions)}


def _read_samples(calibration: dict[str, Any], inputs: list[dict[str, Any]]) -> Iterator[dict[str, np.ndarray]]:
    """Yield the calibration samples as `{input of the signature: array}`, axes in the SavedModel's order.

    A model with a fixed batch gets whole batches; the last is filled up with its last sample.
    """
    with np.load(calibration["path"], allow_pickle=False) as archive:
        whole = set(archive["whole_inputs"].tolist()) if "whole_inputs" in archive.files else set()
        columns = [(item, archive[f"inputs/{item['source']}"]) for item in inputs]
    sizes = [item["shape"][item["axes"].index(0)] for item in inputs if item["source"] not in whole]
    batch, count = max(sizes, default=1), calibration["samples"]
    for first in range(0, count, batch):
        rows = [min(first + step, count - 1) for step in range(batch)]
        yield {
            item["name"]: np.transpose(array[first, ...] if item["source"] in whole else array[rows], item["axes"])
            for item, array in columns
        }


def describe_model(data: bytes) -> dict[str, Any]:
    """Return what a converted TFLite file has: inputs, outputs, operators, types of its weights and activations.

    Types and operators are counts. `float_operators`: those that take or give a float. `per_channel_weights`: stored
    tensors with more than one scale.
    """
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(data, 0))
    weights, values, operators, floats, scaled = {}, {}, {}, {}, 0
    names = [_find_operator(code) for code in model.operatorCodes]
    for graph in model.subgraphs:
        produced = set()
        for operator in graph.operators:
            name = names[operator.opcodeIndex]
            operators[name] = operators.get(name, 0) + 1
            touched = [int(index) for index in (*operator.inputs, *operator.outputs) if index >= 0]
            if any(_ELEMENT_TYPES[graph.tensors[index].type].startswith("float") for index in touched):
                floats[name] = floats.get(name, 0) + 1
            produced.update(int(index) for index in operator.outputs)
        for index, tensor in enumerate(graph.tensors):
            dtype = _ELEMENT_TYPES[tensor.type]
            data_of = model.buffers[tensor.buffer].data
            if data_of is not None and len(data_of):
                add_element_count(weights, dtype, count_elements(_shape_of(tensor)))
                scaled += len(_scales_of(tensor)) > 1
            elif index in produced:
                values[dtype] = values.get(dtype, 0) + 1
    main_graph = model.subgraphs[0]
    sides = {
        side: [_describe_tensor(main_graph.tensors[index]) for index in getattr(main_graph, side)]
        for side in ("inputs", "outputs")
    }
    counted = {"weights": weights, "values": values, "operators": operators}
    return {**sides, **counted, "float_operators": floats, "per_channel_weights": scaled}


def _find_operator(code: Any) -> str:
    """Return the name of an operator code; files from before 2020 have small codes in a field of one byte."""
    if code.customCode:
        return code.customCode.decode()
    return _OPERATORS[max(code.builtinCode, code.deprecatedBuiltinCode)]


def _describe_tensor(tensor: Any) -> dict[str, Any]:
    """Return name, dtype and shape of a tensor, and of a quantised one scale and zero point."""
    described = {"name": tensor.name.decode(), "dtype": _ELEMENT_TYPES[tensor.type], "shape": _shape_of(tensor)}
    if scales := _scales_of(tensor):
        points = tensor.quantization.zeroPoint  # a file may leave out what is 0
        zero = 0 if points is None or not len(points) else int(points[0])
        described["quantisation"] = {"scale": scales[0], "zero_point": zero}
    return described


def _scales_of(tensor: Any) -> list[float]:
    """Return the scales of a quantised tensor, one or one per channel; none for another."""
    known = tensor.quantization.scale if tensor.quantization is not None else None
    return [] if known is None else [float(value) for value in known]


def _shape_of(tensor: Any) -> list[int]:
    """Return the shape of a tensor."""
    return [int(size) for size in tensor.shape] if tensor.shape is not None else []


if __name__ == "__main__":
    answer_by_protocol(convert)
