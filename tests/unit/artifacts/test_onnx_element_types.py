"""Element types are counted where they are: initializers, constants and subgraphs."""

import numpy as np
from edgeproof.artifacts.builds.onnx_element_types import count_onnx_values, count_onnx_weights, prove_onnx_precision
from onnx import TensorProto, helper, numpy_helper

from .conftest import make_model


def make_mixed():
    half = numpy_helper.from_array(np.ones((2, 4), "float16"), "half")
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("Constant", [], ["c"], value=half),
        helper.make_node("Cast", ["a"], ["y"], to=TensorProto.FLOAT16),
    ]
    sides = [("x", TensorProto.FLOAT, [1, 4])], [("y", TensorProto.FLOAT16, [1, 3])]
    return make_model(nodes, *sides, {"w": np.ones((4, 3), "float32"), "unused": np.ones(5, "int64")})


def test_weights_are_counted_by_type():
    assert count_onnx_weights(make_mixed()) == {
        "float16": {"tensors": 1, "elements": 8},
        "float32": {"tensors": 1, "elements": 12},
        "int64": {"tensors": 1, "elements": 5},
    }


def test_values_are_those_that_nodes_make():
    assert count_onnx_values(make_mixed()) == {"float16": 2, "float32": 1}


def test_the_share_leaves_out_what_weights_never_are():
    proof = prove_onnx_precision(make_mixed(), "fp32")
    assert proof["share"] == 12 / 20 and proof["claimed"] == "fp32"
    assert proof["operators"] == {"Cast": 1, "Constant": 1, "MatMul": 1}
