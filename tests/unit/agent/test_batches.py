"""A model with a fixed batch: every call gets as many samples as it takes, and every sample one row of outputs."""

import json

import numpy as np
import onnx
import pytest
from edgeproof.agent.inference import infer_samples
from edgeproof.agent.measurement import measure_process
from onnx import TensorProto, helper

PROTOCOL = {"warmup_runs": 1, "warmup_seconds": 0.0, "min_samples": 4, "min_seconds": 0.0, "max_timer_share": 1.0}


@pytest.fixture
def arm(tmp_path):
    """A model that adds 1 to batches of four."""
    shape = [4, 2]
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "one"], ["y"])],
        "batch",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])],
    )
    path = tmp_path / "batch.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return {"backend": "onnxruntime", "precision": "fp32", "artifact": str(path), "runtime": {"intra_op_threads": 1}}


@pytest.fixture
def inputs(tmp_path):
    """Six samples: the second batch of four has to be filled up."""
    values = np.arange(12, dtype="float32").reshape(6, 2)
    np.savez(tmp_path / "inputs.npz", **{"inputs/x": values})
    return tmp_path / "inputs.npz", values


def test_every_sample_has_its_own_outputs(tmp_path, arm, inputs):
    path, values = inputs
    infer_samples({"arm": arm, "inputs": str(path)}, str(tmp_path))
    assert json.loads((tmp_path / "infer.json").read_text())["status"] == "ok"
    np.testing.assert_array_equal(np.load(tmp_path / "outputs.npz")["outputs/y"][:, 0], values + 1)


def test_the_timed_calls_take_whole_batches(tmp_path, arm, inputs):
    path, values = inputs
    measure_process({"arm": arm, "inputs": str(path), "protocol": PROTOCOL, "slot": 0}, str(tmp_path))
    record = json.loads((tmp_path / "process.json").read_text())
    assert (record["status"], record["inputs"]) == ("ok", 6)
    np.testing.assert_array_equal(np.load(tmp_path / "outputs.npz")["outputs/y"], values[:1] + 1)
