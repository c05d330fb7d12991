"""Counting the element types of an ONNX model: of its stored weights, and of the outputs of its operators."""

from collections import Counter

import onnx

from edgeproof.core.configuration import Json
from edgeproof.sources.onnx_graphs import count_operators, iterate_tensors
from edgeproof.sources.onnx_types import infer_types, name_dtype

from .precision_proof import judge_counts


def prove_onnx_precision(model: onnx.ModelProto, claimed: str) -> Json:
    """Count the element types of an ONNX model; return what they prove, as a manifest's `precision`.

    It says how far they are those of the claimed precision. `weights`: per dtype, the number of stored tensors
    (initializers and constants, subgraphs included) and their elements. `values`: per dtype, the number of node outputs
    in the main graph, as far as ONNX infers types. `share`: the share of stored elements that have the claimed type,
    without int64, int32, bool and string, which weights do not have; if nothing is stored, the same share of `values`;
    None if there is nothing to count. `operators`: how often each occurs.
    """
    return judge_counts(claimed, count_onnx_weights(model), count_onnx_values(model), dict(count_operators(model)))


def count_onnx_weights(model: onnx.ModelProto) -> dict[str, dict[str, int]]:
    """Return the element types of the weights that an ONNX model stores: `{dtype: {"tensors", "elements"}}`."""
    counted = {}
    for tensor in iterate_tensors(model):
        elements = 1
        for size in tensor.dims:
            elements *= size
        item = counted.setdefault(name_dtype(tensor.data_type), {"tensors": 0, "elements": 0})
        item["tensors"] += 1
        item["elements"] += elements
    return dict(sorted(counted.items()))


def count_onnx_values(model: onnx.ModelProto) -> dict[str, int]:
    """Return the element types of an ONNX model's node outputs, as far as ONNX infers them: `{dtype: number}`."""
    graph = infer_types(model)
    made = {name for node in graph.node for name in node.output}
    types = {value.name: value.type for value in (*graph.value_info, *graph.output)}
    counted = Counter(
        name_dtype(kind.tensor_type.elem_type)
        for name, kind in types.items()
        if name in made and kind.WhichOneof("value") == "tensor_type" and kind.tensor_type.elem_type
    )
    return dict(sorted(counted.items()))
