"""Walking over ONNX models: their inputs, nodes and stored tensors, nested ones included.

onnx is imported for type checking only: that takes a tenth of a second, and a caller with a model has done it.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx


def list_inputs(graph: "onnx.GraphProto") -> "list[onnx.ValueInfoProto]":
    """Return the inputs that must be fed: those that are not initializers, which old IR versions list as inputs too."""
    initializers = {item.name for item in graph.initializer} | {item.values.name for item in graph.sparse_initializer}
    return [value for value in graph.input if value.name not in initializers]


def hide_initializers(model: "onnx.ModelProto") -> None:
    """Remove the initializers from a model's inputs, where tools would take them for inputs that must be fed.

    IR versions up to 3 list all initializers there; later ones may, so that a caller can replace them.
    """
    wanted = list_inputs(model.graph)
    del model.graph.input[:]
    model.graph.input.extend(wanted)
    model.ir_version = max(model.ir_version, 4)


def iterate_nodes(nodes: "Iterable[onnx.NodeProto]") -> "Iterator[onnx.NodeProto]":
    """Yield every node of a list and of the subgraphs in its attributes (If, Loop, Scan), outermost first."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from iterate_nodes(graph.node)


def iterate_tensors(model: "onnx.ModelProto") -> "Iterator[onnx.TensorProto]":
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
