"""Reading ONNX files, with checks or (if they were made before) without."""

import os
import zipfile
from pathlib import Path

import onnx

from edgeproof.core.errors import UserError
from edgeproof.core.files import read_head
from edgeproof.core.reader import require_regular
from edgeproof.core.world_errors import explain_unreadable

from .input_faults import InputFault, read_note, require_content
from .onnx_graphs import iterate_tensors

_LONGEST_MESSAGE = 2000  # of a tool, in characters


def load_model(path: str | Path) -> onnx.ModelProto:
    """Return the checked model in the ONNX file `path`.

    InputFault in one line if the file is not an ONNX model, breaks the ONNX specification, or keeps weights in other
    files; UserError if it cannot be read. The workflow keeps a model in one file, so that one digest covers all of it.
    The limit of protobuf is 2 GB; larger models need external data and are refused.
    """
    model = load_known_model(path)
    try:
        onnx.checker.check_model(os.fspath(path))  # the file, not the model: that would be written out first
    except Exception as error:
        raise InputFault("refused", f"{path}: onnx.checker refuses the model: {_join_lines(error)}") from error
    return model


def load_known_model(path: str | Path) -> onnx.ModelProto:
    """Return the model in the ONNX file `path` as `load_model` does, but without running onnx.checker.

    For a file whose digest is in an identity: the model was checked when that was made. Sizes below 0, which some
    exporters write, are open axes.
    """
    require_regular(path)
    if fault := read_note(path):
        raise fault
    require_content(path)
    try:
        model = onnx.load(path, load_external_data=False)
    except OSError as error:
        raise UserError(f"{path}: {explain_unreadable(error)}") from error
    except Exception as error:  # the protobuf implementation decides the class
        told = _name_file_type(path) or f"not an ONNX model ({_join_lines(error)})"
        raise InputFault("unreadable", f"{path}: {told}") from error
    if not model.ir_version or not model.graph.node:
        told = _name_file_type(path) or "not an ONNX model (no IR version, or a graph without nodes)"
        raise InputFault("unreadable", f"{path}: {told}")
    external = list_external_files(model)
    if external:
        raise InputFault(
            "external_weights",
            f"{path}: weights are kept in {external[0]!r} beside it; save the model as one file (below 2 GB): "
            f"onnx.save(onnx.load({str(path)!r}), {Path(path).with_suffix('').name + '-one.onnx'!r})",
        )
    _open_negative_axes(model.graph)
    return model


def _open_negative_axes(graph: onnx.GraphProto) -> None:
    for value in (*graph.input, *graph.output, *graph.value_info):
        if value.type.WhichOneof("value") == "tensor_type":
            for dim in value.type.tensor_type.shape.dim:
                if dim.dim_value < 0:
                    dim.Clear()


def list_external_files(model: onnx.ModelProto) -> list[str]:
    """Return the names of the files, beside the ONNX file, that hold tensors of `model`, each once, sorted."""
    return sorted(
        {
            next((entry.value for entry in tensor.external_data if entry.key == "location"), "?")
            for tensor in iterate_tensors(model)
            if tensor.data_location == onnx.TensorProto.EXTERNAL
        }
    )


_KERAS_MEMBERS = {"config.json", "metadata.json", "model.weights.h5"}
_KERAS_REMEDY = (
    "save it as a SavedModel, keras.models.load_model(FILE).export('FOLDER'), and then: edgeproof new model FOLDER"
)
_FILE_TYPES = (  # place of the first bytes, the bytes, what such a file is, what makes an ONNX model of it
    (4, b"TFL3", "a TensorFlow Lite model", "edgeproof new model FILE.tflite"),
    (
        0,
        b"PK\x03\x04",
        "a zip archive, as PyTorch and Keras write",
        "a PyTorch model: edgeproof new model FILE.pt --shape x=1,3,224,224; else export it",
    ),
    (
        0,
        b"\x80",
        "a pickle, as PyTorch writes",
        "save its state_dict(): edgeproof new model FILE.pt --module net.py:Net",
    ),
    (0, b"\x89HDF", "an HDF5 file, as Keras writes", _KERAS_REMEDY),
    (0, b"<?xml", "an XML file, as OpenVINO writes", "name the ONNX model that it was made from"),
    (0, b"\x1f\x8b", "a gzip archive", "unpack it"),
)


def _name_file_type(path: str | Path) -> str | None:
    """Return what a file is instead of an ONNX model, with a remedy, by its first bytes; None if they tell nothing."""
    if _is_keras_archive(path):
        return f"a Keras model, and not an ONNX model; {_KERAS_REMEDY}"
    head = read_head(path, 16)
    for place, magic, kind, remedy in _FILE_TYPES:
        if head[place:].startswith(magic):
            return f"{kind}, and not an ONNX model; {remedy}"
    return None


def _is_keras_archive(path: str | Path) -> bool:
    """Tell whether a file is what Keras 3 saves as `.keras`."""
    try:
        with zipfile.ZipFile(path) as archive:
            return set(archive.namelist()) >= _KERAS_MEMBERS
    except (OSError, zipfile.BadZipFile, ValueError):
        return False


def _join_lines(error: Exception) -> str:
    return " ".join(str(error).split())[:_LONGEST_MESSAGE] or type(error).__name__
