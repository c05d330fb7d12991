"""Walking over models reaches what is nested: subgraphs, functions and sparse tensors."""

import numpy as np
from edgeproof.sources.onnx_graphs import iterate_nodes, iterate_tensors, keep_fed_inputs, list_inputs
from onnx import TensorProto, helper, numpy_helper


def make_nested():
    """Return a model with an If whose branches store constants, and an initializer that is listed as an input."""
    value = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])
    branches = [
        helper.make_graph(
            [helper.make_node("Constant", [], ["y"], value=numpy_helper.from_array(np.ones(2, "float32"), name))],
            name,
            [],
            [value],
        )
        for name in ("then", "else")
    ]
    node = helper.make_node("If", ["flag"], ["y"], then_branch=branches[0], else_branch=branches[1])
    inputs = [helper.make_tensor_value_info(name, TensorProto.BOOL, []) for name in ("flag", "stored")]
    stored = [numpy_helper.from_array(np.array(True), "stored")]
    return helper.make_model(helper.make_graph([node], "g", inputs, [value], stored), ir_version=3)


def test_nodes_come_outermost_first():
    assert [node.op_type for node in iterate_nodes(make_nested().graph.node)] == ["If", "Constant", "Constant"]


def test_tensors_of_subgraphs_are_among_those_stored():
    assert sorted(tensor.name for tensor in iterate_tensors(make_nested())) == ["else", "stored", "then"]


def test_initializers_are_no_inputs_and_can_be_hidden():
    model = make_nested()
    assert [value.name for value in list_inputs(model.graph)] == ["flag"]
    keep_fed_inputs(model)
    assert [value.name for value in model.graph.input] == ["flag"] and model.ir_version == 4
