"""Walking over ONNX models: their inputs, nodes and stored tensors, nested ones included.

onnx is imported for type checking only: that takes a tenth of a second, and a caller with a model has done it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx


def list_inputs(graph: "onnx.GraphProto") -> "list[onnx.ValueInfoProto]":
    """Return the inputs of an ONNX graph that must be fed: those that are not initializers.

    Old IR versions list initializers as inputs too.
    """
    initializers = {item.name for item in graph.initializer} | {item.values.name for item in graph.sparse_initializer}
    return [value for value in graph.input if value.name not in initializers]


def keep_fed_inputs(model: "onnx.ModelProto") -> None:
    """Leave in an ONNX graph only the inputs that `list_inputs` returns; tools would want the stored ones fed as well.

    IR versions up to 3 list all initializers there; later ones may, so that a caller can replace them.
    """
    wanted = list_inputs(model.graph)
    del model.graph.input[:]
    model.graph.input.extend(wanted)
    model.ir_version = max(model.ir_version, 4)


def iterate_nodes(nodes: "Iterable[onnx.NodeProto]") -> "Iterator[onnx.NodeProto]":
    """Yield every node of an ONNX graph and of the subgraphs in its attributes (If, Loop, Scan), outermost first."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from iterate_nodes(graph.node)


def count_operators(model: "onnx.ModelProto") -> Counter[str]:
    """Return a Counter of the operators in an ONNX model: its graph, subgraphs and functions.

    Operators outside the ONNX standard are counted with their domain: `com.microsoft.FusedConv`.
    """
    nodes = [*iterate_nodes(model.graph.node)]
    for function in model.functions:
        nodes += iterate_nodes(function.node)
    return Counter(f"{n.domain}.{n.op_type}" if n.domain not in ("", "ai.onnx") else n.op_type for n in nodes)


def iterate_tensors(model: "onnx.ModelProto") -> "Iterator[onnx.TensorProto]":
    """Yield every tensor stored in an ONNX graph: initializers and constant attributes, subgraphs and functions too."""
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


def read_opset_versions(imports: "Iterable[onnx.OperatorSetIdProto]") -> dict[str, int]:
    """Return the operator set versions of an ONNX model's graph or function by domain; the standard is `ai.onnx`."""
    return {item.domain or "ai.onnx": item.version for item in imports}
