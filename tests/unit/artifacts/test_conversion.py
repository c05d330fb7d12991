"""Names for nodes; what converters make is tested in test_building.py."""

from edgeproof.artifacts.conversion import name_nodes
from onnx import TensorProto, helper

from .conftest import make_model


def test_nodes_get_names_of_their_own():
    nodes = [
        helper.make_node("Relu", ["x"], ["a"], name="Relu_1"),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Relu", ["b"], ["c"], name="Relu_1"),
        helper.make_node("Relu", ["c"], ["y"], name="last"),
    ]
    model = make_model(nodes, [("x", TensorProto.FLOAT, [1])], [("y", TensorProto.FLOAT, [1])])
    name_nodes(model)
    names = [node.name for node in model.graph.node]
    assert len(set(names)) == 4 and all(names)
    assert (names[0], names[3]) == ("Relu_1", "last")


def test_one_tensor_may_feed_two_nodes_without_names(make_job):
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("Sigmoid", ["x"], ["b"]),
        helper.make_node("Add", ["a", "b"], ["y"]),
    ]
    model = make_model(nodes, [("x", TensorProto.FLOAT, [1, 4])], [("y", TensorProto.FLOAT, [1, 4])])
    assert make_job(model).build("fp16")["status"] == "ok"
