"""ONNX to TensorFlow SavedModel with onnx2tf: the common first step of TFLite and Core ML.

Each trap of onnx2tf is explained where it is avoided. We use the Python API, which stops at the Keras model. The
command would also write TFLite files of all kinds, slowly (ResNet-50: 209 s and 6.5 GB instead of 22 s and 1.6 GB).
"""

import contextlib
import importlib.util
import io
import itertools
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx2tf
import onnxruntime
import onnxsim
import tensorflow as tf
import tf_keras

from .archives import pack_folder
from .protocol import ConversionError, answer_by_protocol, call_tool, refuse_nodes
from .rewrites import pad_before_pools, split_sums

_IMAGES = "calibration_image_sample_data_20x128x128x3_float32.npy"
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_EXCEPTION = re.compile(r"^[A-Za-z_][\w.]*(?:Error|Exception|Warning)\b:? ?.+$", re.MULTILINE)
_OPERATOR = re.compile(r"^ERROR: (onnx_op_name: .+)$", re.MULTILINE)
_TOLERANCE = 0.05  # relative L2; only to tell one layout from another, parity is judged later


def convert(spec: dict[str, Any], out: Path) -> dict[str, Any]:
    """Convert to a SavedModel: write `model.zip` (packed) from the ONNX file `spec["model"]`; return its interface.

    onnx2tf rewrites the file in place, so it must be a copy.
    """
    model = onnx.load(spec["model"])
    refuse_unsupported(model)
    reference = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    # With one 3-channel image as input, onnx2tf downloads this file unless it is in the working directory.
    np.save(out / _IMAGES, np.random.RandomState(0).rand(20, 128, 128, 3).astype("float32"))
    prepared = _simplify(model)
    split_sums(prepared)
    pad_before_pools(prepared)
    onnx.save(prepared, spec["model"])
    keras = _run_onnx2tf(spec["model"], out, model)
    folder = out / "saved_model"
    call_tool("TensorFlow", lambda: _write_saved_model(keras, folder))
    interface = _match_interface(reference, model, tf.saved_model.load(str(folder)).signatures["serving_default"])
    pack_folder(folder, out / "model.zip", leave_out=["fingerprint.pb"])  # differs in every run and has no use
    return {"artifact": "model.zip", "interface": interface}


def refuse_unsupported(model: onnx.ModelProto) -> None:
    """Raise ConversionError if onnx2tf has no module for a node's operator, so that no SavedModel can be made."""
    known = {node.op_type: importlib.util.find_spec(f"onnx2tf.ops.{node.op_type}") for node in model.graph.node}
    missing = [node for node in model.graph.node if node.domain not in ("", "ai.onnx") or known[node.op_type] is None]
    refuse_nodes(missing, "onnx2tf has no converter for it")


def _simplify(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model that is ready to become a SavedModel: onnxsim folds its constants, as onnx2tf would call it.

    One of onnxsim's passes is left out. `fuse_pad_into_pool` replaces zeros before a MaxPool by the pool's own padding,
    which is lower than any value. That would undo our rewriting, and it changes the result of a model with negative
    values. If onnxsim fails, the model is returned as it is.
    """
    try:
        return onnxsim.simplify(model, skipped_optimizers=["fuse_pad_into_pool"])[0]
    except Exception as error:  # it has exceptions of its own; onnx2tf also goes on without it
        print(f"onnxsim: {error}; the model is converted as it is", flush=True)
        return model


def list_channels_last(model: onnx.ModelProto) -> list[str]:
    """Return a model's inputs with channels last, as exporters from TensorFlow write, before it becomes a SavedModel.

    All that reads such an input is a Transpose that moves the last axis behind the batch. onnx2tf takes every image for
    channels-first, unless it is told which are not.
    """
    found = []
    for value in _list_inputs(model):
        readers = [node for node in model.graph.node if value.name in node.input]
        rank = len(value.type.tensor_type.shape.dim)
        first = [0, rank - 1, *range(1, rank - 1)]
        if readers and rank in (3, 4, 5) and all(_permutes(node, first) for node in readers):
            found.append(value.name)
    return found


def _permutes(node: onnx.NodeProto, axes: list[int]) -> bool:
    given = [list(item.ints) for item in node.attribute if item.name == "perm"]
    return node.op_type == "Transpose" and given == [axes]


def _run_onnx2tf(path: str | Path, out: Path, model: onnx.ModelProto) -> Any:
    """Return the Keras model that onnx2tf makes from the file `path`, which holds `model`."""
    kept = list_channels_last(model)
    dynamic = any(
        not dim.HasField("dim_value") for value in _list_inputs(model) for dim in value.type.tensor_type.shape.dim[:1]
    )
    log = io.StringIO()
    try:
        with contextlib.redirect_stdout(Tee(sys.stdout, log)):
            return call_tool(
                "onnx2tf",
                lambda: onnx2tf.convert(
                    input_onnx_file_path=str(path),
                    output_folder_path=str(out / "onnx2tf"),
                    output_signaturedefs=True,
                    disable_model_save=True,
                    non_verbose=True,
                    not_use_onnxsim=True,  # `simplify` has done that
                    keep_shape_absolutely_input_names=kept or None,
                    batch_size=1 if dynamic else None,  # with a dynamic batch, Flatten and Gemm work for batch 1 only
                ),
            )
    except ConversionError as error:
        if reason := find_reason(log.getvalue()):
            raise ConversionError(error.kind, f"onnx2tf: {reason}", error.output) from error
        raise


def find_reason(log: str) -> str | None:
    """Return why onnx2tf made no SavedModel, from its log: the last exception in it, and the operator that it was at.

    It catches exceptions, prints them between banners that say what one might try, and exits. None if there is none.
    """
    text = _COLOURS.sub("", log)
    exceptions = _EXCEPTION.findall(text)
    if not exceptions:
        return None
    operators = _OPERATOR.findall(text)
    return exceptions[-1].strip() + (f" (at {operators[-1].strip()})" if operators else "")


def _write_saved_model(keras: Any, folder: Path) -> None:
    """Write a Keras model with one endpoint, `serving_default`; coremltools refuses a SavedModel with two."""
    signature = [tf.TensorSpec(item.shape, item.dtype, f"input_{n}") for n, item in enumerate(keras.inputs)]

    def call(*tensors):
        return keras.call(tensors[0] if len(tensors) == 1 else list(tensors))

    archive: Any = tf_keras.export.ExportArchive()
    archive.track(keras)
    archive.add_endpoint("serving_default", call, signature)
    with contextlib.redirect_stdout(sys.stderr):
        archive.write_out(str(folder))


def _match_interface(reference: Any, model: onnx.ModelProto, signature: Any) -> dict[str, Any]:
    """Return which tensors of a SavedModel correspond to those of the ONNX model: `{"inputs", "outputs"}`.

    Each entry: `source` (name in the ONNX model), `name` (in the signature), `axes` (the source's axes in the order of
    the SavedModel), `shape` (in that order) and `dtype`. onnx2tf moves channels last, but not in every output; running
    both models shows in which.
    """
    wanted = {value.name: value for value in _list_inputs(model)}
    random, feed, given, inputs = np.random.RandomState(0), {}, {}, []
    kept = list_channels_last(model)
    taken = _sort_numbered(signature.structured_input_signature[1])
    if len(taken) != len(wanted):
        raise ConversionError("conversion_failed", f"the SavedModel has {len(taken)} inputs, the source {len(wanted)}")
    for item, (name, tensor) in zip(reference.get_inputs(), taken, strict=True):
        shape = [size if isinstance(size, int) else 1 for size in item.shape]
        axes = list(range(len(shape))) if item.name in kept else channels_last(len(shape))
        if [shape[axis] for axis in axes] != [size or 1 for size in tensor.shape]:
            axes = list(range(len(shape)))
        if [shape[axis] for axis in axes] != [size or 1 for size in tensor.shape]:
            text = f"input {item.name!r} of shape {shape} has become {list(tensor.shape)}"
            raise ConversionError("conversion_failed", text)
        value = random.rand(*shape).astype(tensor.dtype.as_numpy_dtype)
        feed[item.name], given[name] = value, tf.constant(np.transpose(value, axes))
        inputs.append({"source": item.name, "name": name, "axes": axes, **_describe(value, axes)})
    expected = reference.run(None, feed)
    actual = _sort_numbered(signature(**given))
    if len(actual) != len(expected):
        text = f"the SavedModel has {len(actual)} outputs, the source {len(expected)}"
        raise ConversionError("conversion_failed", text)
    outputs = []
    for item, left, (name, right) in zip(reference.get_outputs(), expected, actual, strict=True):
        axes = _find_axes(item.name, left, right.numpy())
        outputs.append({"source": item.name, "name": name, "axes": axes, **_describe(left, axes)})
    return {"inputs": inputs, "outputs": outputs}


def _describe(array: np.ndarray, axes: Sequence[int]) -> dict[str, Any]:
    """Return shape, in the order of `axes`, and dtype of an array."""
    return {"shape": [array.shape[axis] for axis in axes], "dtype": array.dtype.name}


def _find_axes(name: str, expected: np.ndarray, actual: np.ndarray) -> list[int]:
    """Return the order of axes that turns `expected` into `actual`; where several shapes fit, the values decide."""
    best = None
    for axes in itertools.permutations(range(expected.ndim)) if expected.ndim <= 5 else [tuple(range(expected.ndim))]:
        moved = np.transpose(expected, axes)
        if moved.shape != actual.shape:
            continue
        distance = float(np.linalg.norm(moved.astype("float64") - actual) / max(np.linalg.norm(expected), 1e-12))
        if best is None or distance < best[0]:
            best = distance, list(axes)
    if best is None:
        text = f"output {name!r} of shape {list(expected.shape)} has become {list(actual.shape)}"
        raise ConversionError("conversion_failed", text)
    if not best[0] <= _TOLERANCE:
        text = f"output {name!r} of the SavedModel differs from the source's by {best[0]:.3g} (relative L2)"
        raise ConversionError("conversion_failed", text)
    return best[1]


def _sort_numbered(tensors: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return the items of `{name_0: …, name_1: …}` in order of their numbers."""
    return sorted(tensors.items(), key=lambda item: int(item[0].rsplit("_", 1)[-1]))


def channels_last(rank: int) -> list[int]:
    """Return the order in which a SavedModel has the axes of an ONNX tensor: NHWC for NCHW.

    Likewise for one or three spatial dimensions.
    """
    return [0, *range(2, rank), 1] if rank in (3, 4, 5) else list(range(rank))


def _list_inputs(model: onnx.ModelProto) -> list[Any]:
    """Return the inputs of a model that are not weights."""
    weights = {item.name for item in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in weights]


class Tee(io.TextIOBase):
    """A stream that writes to several others."""

    def __init__(self, *streams: Any) -> None:
        self._streams = streams

    def write(self, text: str) -> int:
        """Write a text to all streams."""
        for stream in self._streams:
            stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush all streams."""
        for stream in self._streams:
            stream.flush()


if __name__ == "__main__":
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    answer_by_protocol(convert)
