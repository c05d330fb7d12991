"""How much arithmetic one inference is: multiply-accumulate operations (MACs), from shapes alone."""

import math

import onnx
import onnx.inliner
from onnx import helper

from .onnx_graphs import iterate_nodes
from .onnx_types import infer_shapes

# Operators that multiply matrices or convolve, but whose count needs more than shapes, or a formula we don't have.
UNCOUNTED = {"LSTM", "GRU", "RNN", "Einsum", "Attention", "DeformConv", "DFT", "STFT"}
# Quantising is element-wise, also the operators in ONNX Runtime's own domain.
ELEMENTWISE = {("com.microsoft", "QuantizeLinear"), ("com.microsoft", "DequantizeLinear")}


def count_macs(model: onnx.ModelProto) -> tuple[int, list[dict[str, str]]]:
    """Return `(macs, unknown)`: the arithmetic of one inference with batch size 1, in multiply-accumulate operations.

    `macs` is the sum over convolutions (grouped and transposed too), Gemm and MatMul, and their integer forms. As
    usual, element-wise work is left out. A symbolic first dimension of an input counts as 1. `unknown` lists `{"node",
    "op"}` of operators that belong in the sum but cannot be counted: their shapes are not known, their bodies run an
    unknown number of times, or they are not standard operators. If it is not empty, `macs` is a lower bound.
    """
    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    shapes = infer_shapes(model)
    total, unknown = 0, []
    for node in model.graph.node:
        count = _COUNTERS.get(node.op_type) if _is_standard(node) else None
        nested = [inner for inner in iterate_nodes([node]) if inner is not node]
        macs = count(node, shapes) if count else 0
        if macs is None or _is_uncounted(node) or any(map(_may_multiply, nested)):
            unknown.append({"node": node.name, "op": node.op_type})
        else:
            total += macs
    return total, unknown


def _count_conv(node, shapes, weight=1):
    """Count a convolution: each output value is one sum over the filter, (input channels / group) x kernel."""
    filters, output = shapes.get(node.input[weight]), shapes.get(node.output[0])
    return None if filters is None or output is None else math.prod(output) * math.prod(filters[1:])


def _count_conv_transpose(node, shapes):
    """Count a transposed convolution: each input value is multiplied by (output channels / group) x kernel."""
    filters, values = shapes.get(node.input[1]), shapes.get(node.input[0])
    return None if filters is None or values is None else math.prod(values) * math.prod(filters[1:])


def _count_gemm(node, shapes):
    left, output = shapes.get(node.input[0]), shapes.get(node.output[0])
    if left is None or output is None:
        return None
    transposed = any(item.name == "transA" and helper.get_attribute_value(item) for item in node.attribute)
    return math.prod(output) * left[0 if transposed else 1]


def _count_matmul(node, shapes):
    left, output = shapes.get(node.input[0]), shapes.get(node.output[0])
    return None if left is None or output is None else math.prod(output) * left[-1]


_COUNTERS = {
    "Conv": _count_conv,
    "ConvInteger": _count_conv,
    "QLinearConv": lambda node, shapes: _count_conv(node, shapes, weight=3),
    "ConvTranspose": _count_conv_transpose,
    "Gemm": _count_gemm,
    "MatMul": _count_matmul,
    "MatMulInteger": _count_matmul,
    "QLinearMatMul": _count_matmul,
}


def _is_standard(node):
    return node.domain in ("", "ai.onnx", "ai.onnx.ml")


def _is_uncounted(node):
    if _is_standard(node):
        return node.op_type in UNCOUNTED
    return (node.domain, node.op_type) not in ELEMENTWISE


def _may_multiply(node):
    return _is_uncounted(node) or node.op_type in _COUNTERS
