"""Counting the element types of an ONNX model: what its weights are stored as, and what its operators make."""

from collections import Counter

from edgeproof.sources.identity import count_operators, name_dtype
from edgeproof.sources.onnx_files import infer_types
from edgeproof.sources.onnx_graphs import iterate_tensors

from .precision_proof import judge_counts


def prove_precision(model, claimed):
    """Return the `precision` entry of a manifest: the element types of an ONNX model, and how far they are as claimed.

    `weights`: per dtype, the number of stored tensors (initializers and constants, subgraphs included) and their
    elements. `values`: per dtype, the number of node outputs in the main graph whose type ONNX infers. `share`:
    elements of the claimed type among stored elements of all types that weights have (all but int64, int32, bool,
    string); where nothing is stored, the same share of `values`; None where there is nothing to count. `operators`: how
    often each occurs.
    """
    return judge_counts(claimed, count_weights(model), count_values(model), dict(count_operators(model)))


def count_weights(model):
    """Return `{dtype: {"tensors", "elements"}}` of everything a model stores."""
    counted = {}
    for tensor in iterate_tensors(model):
        elements = 1
        for size in tensor.dims:
            elements *= size
        item = counted.setdefault(name_dtype(tensor.data_type), {"tensors": 0, "elements": 0})
        item["tensors"] += 1
        item["elements"] += elements
    return dict(sorted(counted.items()))


def count_values(model):
    """Return `{dtype: number}` of the node outputs of the main graph, as far as ONNX can infer their types."""
    graph = infer_types(model)
    made = {name for node in graph.node for name in node.output}
    types = {value.name: value.type for value in (*graph.value_info, *graph.output)}
    counted = Counter(
        name_dtype(kind.tensor_type.elem_type)
        for name, kind in types.items()
        if name in made and kind.WhichOneof("value") == "tensor_type" and kind.tensor_type.elem_type
    )
    return dict(sorted(counted.items()))
