"""Precision is counted in the file."""

import contextlib

import numpy as np
import pytest
from edgeproof.artifacts.builds.build_failures import BuildError
from edgeproof.artifacts.builds.onnx_element_types import prove_onnx_precision
from edgeproof.artifacts.builds.precision_proof import require_precision
from onnx import TensorProto, helper, numpy_helper

from .conftest import make_classifier, make_model


def make_mixed(small, large):
    """Return a model that stores `small` float16 and `large` float32 numbers, and some int64 ones."""
    nodes = [
        helper.make_node("Cast", ["h"], ["hf"], to=TensorProto.FLOAT),
        helper.make_node("Concat", ["hf", "w"], ["c"], axis=0),
        helper.make_node("ReduceSum", ["c", "axes"], ["s"], keepdims=0),
        helper.make_node("Add", ["x", "s"], ["y"]),
    ]
    weights = {"h": np.zeros(small, "float16"), "w": np.zeros(large, "float32"), "axes": np.zeros(1, "int64")}
    return make_model(nodes, [("x", TensorProto.FLOAT, [1])], [("y", TensorProto.FLOAT, [1])], weights)


def test_types_are_counted():
    proof = prove_onnx_precision(make_mixed(30, 10), "fp16")
    assert proof["weights"] == {
        "float16": {"tensors": 1, "elements": 30},
        "float32": {"tensors": 1, "elements": 10},
        "int64": {"tensors": 1, "elements": 1},
    }
    assert proof["share"] == 0.75
    assert proof["values"] == {"float32": 4}
    assert proof["operators"] == {"Add": 1, "Cast": 1, "Concat": 1, "ReduceSum": 1}


@pytest.mark.parametrize(("small", "held"), [(49, False), (50, True)])
def test_a_name_needs_half_of_the_weights(small, held):
    proof = prove_onnx_precision(make_mixed(small, 100 - small), "fp16")
    refused = pytest.raises(BuildError, match=r"49\.0% of the weights are fp16.*49 float16, 51 float32")
    with contextlib.nullcontext() if held else refused:
        require_precision(proof)
    assert (proof["share"] >= 0.5) == held


def test_int8_weights_alone_are_not_int8():
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "scale"], ["wf"]),
        helper.make_node("MatMul", ["x", "wf"], ["y"]),
    ]
    weights = {"w": np.zeros((4, 3), "int8"), "scale": np.array(0.1, "float32")}
    model = make_model(nodes, [("x", TensorProto.FLOAT, [1, 4])], [("y", TensorProto.FLOAT, [1, 3])], weights)
    for claimed, operator in (("int8", "QuantizeLinear"), ("int8-dynamic", "DynamicQuantize")):
        with pytest.raises(BuildError, match=f"no {operator}"):
            require_precision(prove_onnx_precision(model, claimed))


def test_constants_in_nodes_and_subgraphs_count():
    value = numpy_helper.from_array(np.zeros(7, "float32"), "v")
    branch = helper.make_graph(
        [helper.make_node("Constant", [], ["o"], value=value)],
        "branch",
        [],
        [helper.make_tensor_value_info("o", TensorProto.FLOAT, [7])],
    )
    model = make_model(
        [helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)],
        [("c", TensorProto.BOOL, [])],
        [("y", TensorProto.FLOAT, [7])],
    )
    assert prove_onnx_precision(model, "fp32")["weights"] == {"float32": {"tensors": 2, "elements": 14}}


def test_without_weights_the_activations_count():
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    model = make_model(nodes, [("x", TensorProto.FLOAT, [1])], [("y", TensorProto.FLOAT, [1])])
    assert prove_onnx_precision(model, "fp32")["share"] == 1
    with pytest.raises(BuildError, match="of the activations are fp16"):
        require_precision(prove_onnx_precision(model, "fp16"))


def test_a_model_of_integers_has_no_share():
    nodes = [helper.make_node("Identity", ["x"], ["y"])]
    model = make_model(nodes, [("x", TensorProto.INT64, [1])], [("y", TensorProto.INT64, [1])])
    proof = prove_onnx_precision(model, "fp32")
    assert proof["share"] is None
    require_precision(proof)
    with pytest.raises(BuildError, match="no weights and no activations"):
        require_precision({**proof, "claimed": "int8"})


def test_the_classifier_is_fp32():
    assert prove_onnx_precision(make_classifier(), "fp32")["share"] == 1
