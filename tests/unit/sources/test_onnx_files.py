"""Files that are not models, or not whole, are refused in one line; types are inferred without the weights."""

import numpy as np
import onnx
import pytest
from edgeproof.core.errors import UserError
from edgeproof.sources.onnx_files import list_external_files, load_known_model, load_model
from edgeproof.sources.onnx_types import enter_types, infer_types
from onnx import TensorProto, helper, numpy_helper


def make_model(size=600):
    nodes = [helper.make_node("MatMul", ["x", "w"], ["a"]), helper.make_node("Relu", ["a"], ["y"])]
    sides = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, n])] for name, n in (("x", size), ("y", 3))]
    weight = numpy_helper.from_array(np.ones((size, 3), "float32"), "w")
    return helper.make_model(helper.make_graph(nodes, "g", *sides, [weight]), ir_version=8)


def test_a_model_is_loaded_and_checked(tmp_path):
    onnx.save(make_model(), tmp_path / "m.onnx")
    assert load_model(tmp_path / "m.onnx") == load_known_model(tmp_path / "m.onnx")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no model", "not an ONNX model"),
        (b"", "no IR version, or a graph without nodes"),
        (None, "there is no such file"),
    ],
)
def test_a_file_that_is_not_a_model_is_refused(tmp_path, content, message):
    if content is not None:
        (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(UserError, match=message):
        load_known_model(tmp_path / "m.onnx")


def test_what_breaks_the_specification_passes_only_where_it_was_checked_before(tmp_path):
    model = make_model()
    model.graph.node[1].input[0] = "nowhere"
    onnx.save(model, tmp_path / "m.onnx")
    assert load_known_model(tmp_path / "m.onnx").graph.node[1].input[0] == "nowhere"
    with pytest.raises(UserError, match=r"onnx\.checker refuses the model"):
        load_model(tmp_path / "m.onnx")


def test_weights_in_another_file_are_named(tmp_path):
    onnx.save(make_model(), tmp_path / "m.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    assert list_external_files(onnx.load(tmp_path / "m.onnx", load_external_data=False)) == ["w.bin"]
    with pytest.raises(UserError, match=r"weights are kept in 'w\.bin' beside it"):
        load_known_model(tmp_path / "m.onnx")


def test_types_are_inferred_without_large_weights():
    model = make_model()
    graph = infer_types(model)
    assert [value.name for value in graph.value_info] == ["a"] and len(graph.initializer) == 0
    enter_types(model)
    assert [value.name for value in model.graph.value_info] == ["a"]
    assert [item.name for item in model.graph.initializer] == ["w"] and [v.name for v in model.graph.input] == ["x"]
