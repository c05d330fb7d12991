"""Reading ONNX files, with checks or (if they were made before) without."""

import os
from pathlib import Path

import onnx

from edgeproof.core.errors import UserError

from .input_faults import InputFault, read_note, require_content
from .onnx_graphs import iterate_tensors


def load_model(path: str | Path) -> onnx.ModelProto:
    """Return the checked model in the file `path`.

    InputFault in one line if the file is not an ONNX model, breaks the ONNX specification, or keeps weights in other
    files; UserError if it cannot be read. The workflow keeps a model in one file, so that one digest covers all of it.
    The limit of protobuf is 2 GB; larger models need external data and are refused.
    """
    model = load_known_model(path)
    try:
        onnx.checker.check_model(os.fspath(path))  # the file, not the model: that would be written out first
    except Exception as error:
        raise InputFault("refused", f"{path}: onnx.checker refuses the model: {_first_line(error)}") from error
    return model


def load_known_model(path: str | Path) -> onnx.ModelProto:
    """Return the model in the file `path` as `load_model` does, but without running onnx.checker.

    For a file whose digest is in an identity: the model was checked when that was made. Sizes below 0, which some
    exporters write, are open axes.
    """
    if fault := read_note(path):
        raise fault
    require_content(path)
    try:
        model = onnx.load(path, load_external_data=False)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from error
    except Exception as error:  # the protobuf implementation decides the class
        raise InputFault("unreadable", f"{path}: not an ONNX model ({_first_line(error)})") from error
    if not model.ir_version or not model.graph.node:
        raise InputFault("unreadable", f"{path}: not an ONNX model (no IR version, or a graph without nodes)")
    external = list_external_files(model)
    if external:
        raise InputFault(
            "external_weights",
            f"{path}: weights are kept in {external[0]!r} beside it; save the model as one file (below 2 GB): "
            "onnx.save(model, path, save_as_external_data=False)",
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
    """Return the names of the files that hold tensors of `model` outside the model file, each once, sorted."""
    return sorted(
        {
            next((entry.value for entry in tensor.external_data if entry.key == "location"), "?")
            for tensor in iterate_tensors(model)
            if tensor.data_location == onnx.TensorProto.EXTERNAL
        }
    )


def _first_line(error):
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__
