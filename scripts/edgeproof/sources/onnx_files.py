"""Reading ONNX files: load with checks, and walk over nodes and stored tensors wherever they are nested."""

import math
import os

import onnx

from ..core.errors import UserError

_READ_BY_INFERENCE = 1024  # elements: shapes, axes and the like; what is larger is a weight


def load_model(path):
    """Return the checked ModelProto at `path`.

    UserError in one line when the file is missing, is no ONNX model, breaks the ONNX specification, or keeps weights in
    other files. The workflow carries a model as one file, so that one digest says all; protobuf ends at 2 GB, and
    beyond that ONNX has external data only.
    """
    try:
        model = onnx.load(path, load_external_data=False)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from error
    except Exception as error:  # the protobuf implementation decides the class
        raise UserError(f"{path}: not an ONNX model ({_first_line(error)})") from error
    if not model.ir_version or not model.graph.node:
        raise UserError(f"{path}: not an ONNX model (no IR version, or a graph without nodes)")
    external = list_external_files(model)
    if external:
        raise UserError(
            f"{path}: weights are kept in {external[0]!r} beside it; save the model as one file (below 2 GB): "
            "onnx.save(model, path, save_as_external_data=False)"
        )
    try:
        onnx.checker.check_model(os.fspath(path))  # the file, not the model: that would be written out first
    except Exception as error:
        raise UserError(f"{path}: onnx.checker refuses the model: {_first_line(error)}") from error
    return model


def list_external_files(model):
    """Return the names of the files that hold tensors of `model` outside the model file, each once, sorted."""
    return sorted(
        {
            next((entry.value for entry in tensor.external_data if entry.key == "location"), "?")
            for tensor in iterate_tensors(model)
            if tensor.data_location == onnx.TensorProto.EXTERNAL
        }
    )


def list_inputs(graph):
    """Return the inputs that a caller must feed: up to IR version 3 initializers are listed as inputs too."""
    initializers = {item.name for item in graph.initializer} | {item.values.name for item in graph.sparse_initializer}
    return [value for value in graph.input if value.name not in initializers]


def infer_types(model):
    """Return a model's main graph with what ONNX can infer of its tensors, without the values of its weights.

    Inference reads the values of small tensors and no others, but would copy all of them twice.
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


def iterate_nodes(nodes):
    """Yield every node of a list and of the subgraphs in its attributes (If, Loop, Scan), outermost first."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from iterate_nodes(graph.node)


def iterate_tensors(model):
    """Yield every tensor that the model stores: initializers and constant attributes, subgraphs and functions too."""
    yield from _iterate_graph_tensors(model.graph)
    for function in model.functions:
        yield from _iterate_node_tensors(function.node)


def _iterate_graph_tensors(graph):
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield sparse.values
    yield from _iterate_node_tensors(graph.node)


def _iterate_node_tensors(nodes):
    for node in nodes:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            if attribute.HasField("sparse_tensor"):
                yield attribute.sparse_tensor.values
            yield from (sparse.values for sparse in attribute.sparse_tensors)
            for graph in (attribute.g, *attribute.graphs):
                yield from _iterate_graph_tensors(graph)


def _first_line(error):
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__
