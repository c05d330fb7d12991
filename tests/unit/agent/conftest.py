from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper


@pytest.fixture
def tiny_model(tmp_path):
    """Return the path of an ONNX model: y = relu(x + 1), shape (1, 4)."""
    import numpy as np

    one = numpy_helper.from_array(np.ones(4, "float32"), "one")
    nodes = [helper.make_node("Add", ["x", "one"], ["z"]), helper.make_node("Relu", ["z"], ["y"])]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])
    graph = helper.make_graph(nodes, "tiny", [x], [y], [one])
    path = tmp_path / "tiny.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return str(path)


@pytest.fixture(autouse=True)
def agent_path(monkeypatch):
    """Processes that a test starts find the agent."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[3] / "scripts"))
