import numpy as np
import onnx
import pytest
from edgeproof.sources.arithmetic import count_macs
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper


def make_model(nodes, inputs, outputs, weights, opset=17, domains=(), functions=()):
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(np.zeros(shape, np.float32), name) for name, shape in weights.items()],
    )
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9, functions=list(functions))


@given(
    groups=st.sampled_from([1, 2, 4]),
    size=st.integers(3, 9),
    kernel=st.integers(1, 3),
    stride=st.integers(1, 2),
    pad=st.integers(0, 1),
)
@settings(max_examples=40, deadline=None)
def test_convolutions_count_each_product_once(groups, size, kernel, stride, pad):
    channels, width = 4, 8
    attributes = {"kernel_shape": [kernel] * 2, "group": groups, "strides": [stride] * 2, "pads": [pad] * 4}
    node = helper.make_node("Conv", ["x", "w"], ["y"], **attributes)
    model = make_model(
        [node], {"x": [1, channels, size, size]}, {"y": None}, {"w": (width, channels // groups, kernel, kernel)}
    )
    out = (size + 2 * pad - kernel) // stride + 1
    assert count_macs(model) == (out * out * width * (channels // groups) * kernel * kernel, [])


def test_transposed_convolution_spreads_each_input_value_over_its_filter():
    node = helper.make_node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2], group=2)
    model = make_model([node], {"x": [1, 4, 5, 5]}, {"y": None}, {"w": (4, 3, 2, 2)})
    assert count_macs(model) == (4 * 5 * 5 * 3 * 2 * 2, [])


@pytest.mark.parametrize("transposed", [0, 1])
def test_gemm_knows_which_dimension_is_summed(transposed):
    node = helper.make_node("Gemm", ["x", "w"], ["y"], transA=transposed)
    model = make_model([node], {"x": [7, 2] if transposed else [2, 7]}, {"y": None}, {"w": (7, 5)})
    assert count_macs(model) == (2 * 5 * 7, [])


def test_matmul_counts_every_matrix_of_a_batch():
    model = make_model(
        [helper.make_node("MatMul", ["a", "b"], ["y"])], {"a": [1, 3, 4, 5], "b": [1, 3, 5, 6]}, {"y": None}, {}
    )
    assert count_macs(model) == (3 * 4 * 5 * 6, [])


def test_a_symbolic_batch_counts_as_one():
    nodes = [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("Gemm", ["f", "w"], ["y"])]
    model = make_model(nodes, {"x": ["N", 2, 3]}, {"y": ["N", 5]}, {"w": (6, 5)})
    assert count_macs(model) == (30, [])


def test_unknown_shapes_are_listed_and_the_rest_is_counted():
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="wide"),
        helper.make_node("Gemm", ["a", "b"], ["y"], name="known"),
    ]
    inputs = {"x": [1, 3, "height", "width"], "a": [1, 4]}
    model = make_model(nodes, inputs, {"c": None, "y": None}, {"w": (2, 3, 1, 1), "b": (4, 5)})
    assert count_macs(model) == (20, [{"node": "wide", "op": "Conv"}])


def test_operators_of_other_domains_and_recurrent_ones_are_unknown():
    nodes = [
        helper.make_node("FusedConv", ["x", "w"], ["c"], name="fused", domain="com.microsoft"),
        helper.make_node("LSTM", ["s", "lw", "lr"], ["y"], name="memory", hidden_size=2),
        helper.make_node("Relu", ["x"], ["z"]),
    ]
    model = make_model(
        nodes,
        {"x": [1, 1, 4, 4], "s": [3, 1, 4]},
        {"c": None, "y": None, "z": None},
        {"w": (1, 1, 1, 1), "lw": (1, 8, 4), "lr": (1, 8, 2)},
        domains=["com.microsoft"],
    )
    assert count_macs(model) == (0, [{"node": "fused", "op": "FusedConv"}, {"node": "memory", "op": "LSTM"}])


def _branch(name, op):
    node = helper.make_node(op, ["x", "w"] if op == "MatMul" else ["x"], [name])
    return helper.make_graph([node], name, [], [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 2])])


@pytest.mark.parametrize(("op", "unknown"), [("MatMul", [{"node": "if", "op": "If"}]), ("Relu", [])])
def test_a_branch_is_unknown_only_when_arithmetic_is_inside(op, unknown):
    condition = helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(np.array(True)))
    node = helper.make_node(
        "If", ["c"], ["y"], name="if", then_branch=_branch("t", op), else_branch=_branch("e", "Relu")
    )
    model = make_model([condition, node], {"x": [2, 2]}, {"y": [2, 2]}, {"w": (2, 2)})
    assert count_macs(model) == (0, unknown)


def test_functions_of_the_model_are_looked_into():
    function = helper.make_function(
        "local", "Twice", ["a", "b"], ["c"],
        [helper.make_node("MatMul", ["a", "b"], ["m"]), helper.make_node("MatMul", ["m", "b"], ["c"])],
        [helper.make_opsetid("", 17)],
    )  # fmt: skip
    node = helper.make_node("Twice", ["x", "w"], ["y"], domain="local")
    model = make_model([node], {"x": [1, 3]}, {"y": [1, 3]}, {"w": (3, 3)}, domains=["local"], functions=[function])
    assert count_macs(model) == (18, [])


def test_integer_forms_count_like_the_others():
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, [1, 3])],
        [helper.make_tensor_value_info("y", TensorProto.INT32, [1, 4])],
        [numpy_helper.from_array(np.zeros((3, 4), np.uint8), "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    assert count_macs(model) == (12, [])
