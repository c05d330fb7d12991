"""What precision an artifact really has: element types counted in the file, not taken from its name."""

from collections import Counter

from ..sources.identity import count_operators, name_dtype
from ..sources.onnx_files import infer_types, iterate_tensors
from .failures import BuildError

LEAST_SHARE = 0.5  # an artifact is called by the type that most of its weights have
_TYPES = {
    "fp32": {"float32"},
    "fp16": {"float16"},
    "int8": {"int8", "uint8"},
    "int8-dynamic": {"int8", "uint8"},
    "int8-weights": {"int8", "uint8"},
}
QUANTISERS = {"int8": "QuantizeLinear", "int8-dynamic": "DynamicQuantize"}  # in the name of an ONNX operator
_NO_WEIGHTS = {"int64", "int32", "bool", "string"}  # shapes, indices, masks; and int32 biases of quantised layers


def prove_precision(model, claimed):
    """Return the `precision` entry of a manifest: the element types of an ONNX model, and how far they are as claimed.

    `weights`: per dtype, the number of stored tensors (initializers and constants, subgraphs included) and their
    elements. `values`: per dtype, the number of node outputs in the main graph whose type ONNX infers. `share`:
    elements of the claimed type among stored elements of all types that weights have (all but int64, int32, bool,
    string); where nothing is stored, the same share of `values`; None where there is nothing to count. `operators`: how
    often each occurs.
    """
    return judge_counts(claimed, count_weights(model), count_values(model), dict(count_operators(model)))


def judge_counts(claimed, weights, values, operators):
    """Return the `precision` entry of a manifest from what was counted in an artifact of any format."""
    elements = {dtype: item["elements"] for dtype, item in weights.items()}
    share = _share(elements, claimed)
    return {
        "claimed": claimed,
        "basis": "element-types",
        "share": _share(values, claimed) if share is None else share,
        "weights": dict(sorted(weights.items())),
        "values": dict(sorted(values.items())),
        "operators": dict(sorted(operators.items())),
    }


def require_precision(proof, quantisers=QUANTISERS):
    """Raise BuildError unless half of what was counted has the claimed type, and quantised activations where claimed.

    `quantisers`: per precision, the operator (or a part of its name) that only quantised activations need.
    """
    share, claimed = proof["share"], proof["claimed"]
    if share is None and claimed != "fp32":
        raise BuildError("precision_not_held", f"no weights and no activations that could be {claimed}")
    if share is not None and share < LEAST_SHARE:
        counted = {dtype: item["elements"] for dtype, item in proof["weights"].items()} or proof["values"]
        what, found = (
            "weights" if proof["weights"] else "activations",
            ", ".join(f"{n} {k}" for k, n in counted.items()),
        )
        raise BuildError(
            "precision_not_held",
            f"{share:.1%} of the {what} are {claimed}, at least {LEAST_SHARE:.0%} are needed; found {found}",
        )
    quantiser = quantisers.get(claimed)
    if quantiser and not any(quantiser in operator for operator in proof["operators"]):
        raise BuildError("precision_not_held", f"no activation is quantised (the artifact has no {quantiser})")


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


def _share(counted, claimed):
    relevant = {dtype: number for dtype, number in counted.items() if dtype not in _NO_WEIGHTS}
    total = sum(relevant.values())
    return sum(relevant.get(dtype, 0) for dtype in _TYPES[claimed]) / total if total else None
