"""TensorFlow to ONNX with tf2onnx: a SavedModel or a TFLite file, with the outputs that it gives in TensorFlow.

The outputs on two seeded sets of inputs are written beside the model, as `to_onnx` does for PyTorch.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import tensorflow as tf
import tf2onnx
import tf2onnx.convert

from .protocol import ConversionError, answer_by_protocol, call_tool

_SEEDS = (0, 1)
Tensors = dict[str, np.ndarray]


def convert(spec: dict[str, Any], out: Path) -> dict[str, Any]:
    """Export a TensorFlow model to ONNX: write `model.onnx`, and `eager.npz` with inputs and outputs,
    `{seed}/inputs/NAME` and so on.

    `spec`: path (a `.tflite` file or the folder of a SavedModel), and opset.
    """
    lite = spec["path"].endswith(".tflite")
    inputs, run, quantised = (_open_lite if lite else _open_saved_model)(spec["path"])
    examples = {seed: {name: _draw(name, *known, seed) for name, known in inputs.items()} for seed in _SEEDS}
    computed = {seed: call_tool("TensorFlow", lambda feed=feed: run(feed)) for seed, feed in examples.items()}
    model = out / "model.onnx"
    call_tool("tf2onnx", lambda: _export(spec["path"], lite, spec["opset"], model))
    graph = onnx.load(model).graph
    arrays: Tensors = {}
    for seed in _SEEDS:
        arrays |= {f"{seed}/inputs/{item.name}": _find(examples[seed], item.name) for item in graph.input}
        found = [_find(computed[seed], item.name) for item in graph.output]
        arrays |= {f"{seed}/outputs/{n}": value for n, value in enumerate(found)}
    np.savez(out / "eager.npz", **arrays)  # pyright: ignore[reportArgumentType]
    exporter = f"tf2onnx {tf2onnx.__version__}"
    return {"artifact": model.name, "exporter": exporter, "opset": spec["opset"], "quantised": quantised}


def _open_lite(path: str) -> tuple[dict[str, tuple[list[Any], np.dtype]], Callable[[Tensors], Tensors], bool]:
    """Return the inputs of a TFLite file `{name: (shape, dtype)}`, what computes its outputs, if it is quantised."""
    interpreter = call_tool("TFLite", lambda: tf.lite.Interpreter(path))
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    call_tool("TFLite", interpreter.allocate_tensors)

    def run(feed: Tensors) -> Tensors:
        for item in inputs:
            interpreter.set_tensor(item["index"], feed[item["name"]])
        interpreter.invoke()
        return {item["name"]: interpreter.get_tensor(item["index"]).copy() for item in outputs}

    quantised = any(len(item["quantization_parameters"]["scales"]) for item in interpreter.get_tensor_details())
    known = {item["name"]: (_open_negative(item["shape_signature"]), np.dtype(item["dtype"])) for item in inputs}
    return known, run, quantised


def _open_saved_model(path: str) -> tuple[dict[str, tuple[list[Any], np.dtype]], Callable[[Tensors], Tensors], bool]:
    """Return of the signature `serving_default` of a SavedModel what `_open_lite` does of a file."""
    loaded = call_tool("TensorFlow", lambda: tf.saved_model.load(path))
    if "serving_default" not in loaded.signatures:
        found = ", ".join(loaded.signatures) or "none"
        text = f"the SavedModel has no signature serving_default (it has {found}); save it with one"
        raise ConversionError("unsupported_model", text)
    signature = loaded.signatures["serving_default"]

    def run(feed: Tensors, holder: Any = loaded) -> Tensors:  # the holder keeps the variables
        given = {name: tf.constant(value) for name, value in feed.items()}
        return {name: value.numpy() for name, value in signature(**given).items()}

    taken = signature.structured_input_signature[1]
    known = {name: (list(item.shape), np.dtype(item.dtype.as_numpy_dtype)) for name, item in taken.items()}
    return known, run, False


def _open_negative(shape: Any) -> list[Any]:
    return [int(size) if size >= 0 else None for size in shape]


def _draw(name: str, shape: list[Any], dtype: np.dtype, seed: int) -> np.ndarray:
    """Return seeded values: normal numbers, bytes over their range, 0 or 1 for integers. An open batch is 1."""
    sizes = [1 if axis == 0 and size is None else size for axis, size in enumerate(shape)]
    if None in sizes:
        text = f"input {name!r} leaves axes open: {shape}; save the model with their sizes"
        raise ConversionError("unsupported_model", text)
    random = np.random.RandomState(seed)
    if dtype.kind == "f":
        return random.standard_normal(sizes).astype(dtype)
    if dtype.kind == "b" or (dtype.kind in "iu" and dtype.itemsize > 1):
        return random.randint(0, 2, sizes).astype(dtype)
    if dtype.kind in "iu":
        return random.randint(np.iinfo(dtype).min, np.iinfo(dtype).max + 1, sizes).astype(dtype)
    raise ConversionError("unsupported_model", f"input {name!r} is {dtype.name}; numbers are needed")


def _export(path: str, lite: bool, opset: int, model: Path) -> None:
    """Run tf2onnx as its command line does, the one way that it offers for both."""
    given, sys.argv = sys.argv, ["tf2onnx", "--tflite" if lite else "--saved-model", path, "--opset", str(opset)]
    sys.argv += ["--output", str(model)]
    try:
        tf2onnx.convert.main()
    finally:
        sys.argv = given


def _find(tensors: Tensors, name: str) -> np.ndarray:
    """Return the tensor that an ONNX model calls `name`; SavedModels say the same without an index."""
    for known in (name, name.rpartition(":")[0]):
        if known in tensors:
            return tensors[known]
    raise ConversionError("conversion_failed", f"tf2onnx: {name!r} is none of {', '.join(tensors)}")


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    answer_by_protocol(convert)
