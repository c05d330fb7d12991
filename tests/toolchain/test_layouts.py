"""What people's models look like, through the real converters: channels last, old opsets, an open batch."""

import numpy as np
import onnx
import pytest
from edgeproof.artifacts.builds.converter_process import start_converter
from onnx import TensorProto, helper, numpy_helper

pytestmark = pytest.mark.toolchain
WEIGHT = np.random.default_rng(0).standard_normal((8, 3, 3, 3)).astype(np.float32)


def save_model(path, nodes, shapes, opset=13, ir=8, weights=()):
    """Write a model with the weight `w` and more; `shapes`: of x and y. IR versions below 4 list weights as inputs."""
    stored = {"w": WEIGHT, **dict(weights)}
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shapes[0])]
    if ir < 4:
        inputs += [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape) for name, value in stored.items()
        ]
    graph = helper.make_graph(
        nodes,
        "g",
        inputs,
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shapes[1])],
        [numpy_helper.from_array(value, name) for name, value in stored.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir), path)
    return path


def convert(name, toolchain, source, folder, **spec):
    """Return what a converter says of the model in the file `source`."""
    with start_converter(name, f"results/toolchains/{toolchain}.json") as converter:
        return converter.convert({"model": str(source), **spec}, source, folder / "log", {})


def test_channels_last_stay_last_in_a_saved_model(converted, tmp_path, monkeypatch):
    monkeypatch.chdir(converted.root)
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["t", "w"], ["c"], pads=[1] * 4),
        helper.make_node("Transpose", ["c"], ["y"], perm=[0, 2, 3, 1]),
    ]
    source = save_model(tmp_path / "model.onnx", nodes, ([1, 16, 16, 3], [1, 16, 16, 8]))
    interface = convert("saved_model", "tensorflow", source, tmp_path)["interface"]
    (given,), (made,) = interface["inputs"], interface["outputs"]
    assert (given["axes"], given["shape"]) == ([0, 1, 2, 3], [1, 16, 16, 3])
    assert (made["axes"], made["shape"]) == ([0, 1, 2, 3], [1, 16, 16, 8])


def test_an_open_batch_is_1_in_openvino(converted, tmp_path, monkeypatch):
    monkeypatch.chdir(converted.root)
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], pads=[1] * 4)]
    source = save_model(tmp_path / "model.onnx", nodes, (["N", 3, 16, 16], ["N", 8, 16, 16]))
    made = convert("openvino", "openvino", source, tmp_path, precision="fp32", open_batches=["x"])
    assert [item["shape"] for item in (*made["inputs"], *made["outputs"])] == [[1, 3, 16, 16], [1, 8, 16, 16]]


def test_an_operator_of_an_old_opset_becomes_torchscript(converted, tmp_path, monkeypatch):
    """onnx2torch has no converter for Upsample of opset 9; as Resize of a newer opset it has."""
    monkeypatch.chdir(converted.root)
    nodes = [
        helper.make_node("Upsample", ["x", "s"], ["u"], mode="nearest"),
        helper.make_node("Conv", ["u", "w"], ["y"], pads=[1] * 4),
    ]
    scales = {"s": np.array([1, 1, 2, 2], np.float32)}
    source = save_model(tmp_path / "model.onnx", nodes, ([1, 3, 8, 8], [1, 8, 16, 16]), 9, 3, scales)
    made = convert("torchscript", "torch", source, tmp_path, precision="fp32")
    assert made["operators"]["aten::upsample_nearest2d"] == 1
