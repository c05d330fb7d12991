"""What is done ahead of the tools; what converters make is tested in test_building.py."""

import onnx
import pytest
from edgeproof.artifacts.builds.half_precision import FP16_MAX, convert_fp16, name_nodes
from onnx import TensorProto, helper
from onnxconverter_common.float16 import convert_float_to_float16

from .conftest import make_classifier, make_model


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


def test_types_entered_ahead_give_the_model_that_the_converter_makes_by_itself(tmp_path):
    wanted = make_classifier()
    name_nodes(wanted)
    wanted = convert_float_to_float16(wanted, keep_io_types=True, max_finite_val=FP16_MAX)
    assert convert_fp16(make_classifier(), tmp_path / "half.onnx") == wanted == onnx.load(tmp_path / "half.onnx")


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8", "int8-dynamic"])
@pytest.mark.parametrize("ir_version", [3, 8])
def test_initializers_that_are_listed_as_inputs_are_none(make_job, precision, ir_version):
    """As in IR version 3 and in what exporters call `keep_initializers_as_inputs`; the artifact has to load."""
    model = make_classifier()
    model.ir_version = ir_version
    for item in model.graph.initializer:
        model.graph.input.append(helper.make_tensor_value_info(item.name, item.data_type, item.dims))
    job = make_job(model)
    manifest = job.build(precision)
    assert manifest["status"] == "ok" and [item["name"] for item in manifest["inputs"]] == ["image"]
    parity = job.check(precision, thresholds={"min_cosine": 0.9})
    assert parity["status"] == "passed", parity["reason"]
