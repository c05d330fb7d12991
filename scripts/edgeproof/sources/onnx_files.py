"""Reading ONNX files, with checks or (if they were made before) without, and inferring types and shapes."""

import math
import os
from pathlib import Path

import onnx

from edgeproof.core.errors import UserError

from .input_faults import InputFault, read_note, require_content
from .onnx_graphs import iterate_tensors

_READ_BY_INFERENCE = 1024  # elements: shapes, axes and the like; a larger tensor is a weight


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

    For a file whose digest is in an identity: the model was checked when that was made.
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
    return model


def list_external_files(model: onnx.ModelProto) -> list[str]:
    """Return the names of the files that hold tensors of `model` outside the model file, each once, sorted."""
    return sorted(
        {
            next((entry.value for entry in tensor.external_data if entry.key == "location"), "?")
            for tensor in iterate_tensors(model)
            if tensor.data_location == onnx.TensorProto.EXTERNAL
        }
    )


def infer_types(model: onnx.ModelProto) -> onnx.GraphProto:
    """Return a model's main graph with the types and shapes that ONNX can infer, without the values of its weights.

    Inference only reads the values of small tensors, but would copy all of them twice.
    """
    light = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import, functions=model.functions)
    graph = model.graph
    light.graph.name = graph.name
    for field in ("node", "input", "output", "value_info", "sparse_initializer"):
        getattr(light.graph, field).extend(getattr(graph, field))
    listed = {item.name for item in graph.input}
    for item in graph.initializer:
        if math.prod(item.dims) <= _READ_BY_INFERENCE:
            light.graph.initializer.append(item)
        elif item.name not in listed:
            light.graph.input.append(onnx.helper.make_tensor_value_info(item.name, item.data_type, item.dims))
    return onnx.shape_inference.infer_shapes(light).graph


def enter_types(model: onnx.ModelProto) -> None:
    """Write the types and shapes that ONNX can infer into a model, as `onnx.shape_inference` would."""
    graph = infer_types(model)
    for field in ("node", "value_info", "output"):
        del getattr(model.graph, field)[:]
        getattr(model.graph, field).extend(getattr(graph, field))


def _first_line(error):
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__
