"""Samples of a stage come from running the stage before it."""

import numpy as np
import onnx
import pytest
from edgeproof.core.errors import UserError
from edgeproof.sources.stage_samples import run_samples
from onnx import TensorProto, helper


def save_model(path, operator, domain=""):
    infos = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3])] for name in "xy"]
    graph = helper.make_graph([helper.make_node(operator, ["x"], ["y"], domain=domain)], "test", *infos)
    imports = [helper.make_opsetid("", 13), helper.make_opsetid("com.acme", 1)]
    onnx.save(helper.make_model(graph, opset_imports=imports, ir_version=8), path)


def test_each_sample_is_run_by_itself_and_named_after_what_it_feeds(tmp_path):
    save_model(tmp_path / "model.onnx", "Neg")
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    found = run_samples(tmp_path / "model.onnx", {"inputs/x": values})
    assert list(found) == ["inputs/y"]
    np.testing.assert_array_equal(found["inputs/y"], -values)


def test_a_model_that_onnx_runtime_lacks_an_operator_for_is_named(tmp_path):
    save_model(tmp_path / "model.onnx", "Frobnicate", "com.acme")
    with pytest.raises(UserError, match=r"model\.onnx: ONNX Runtime cannot load this stage, .*Frobnicate"):
        run_samples(tmp_path / "model.onnx", {"inputs/x": np.zeros((2, 3), np.float32)})
