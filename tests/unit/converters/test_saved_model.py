"""What is told to onnx2tf, and what is made of what it says; the tools are stand-ins, the real ones run elsewhere."""

import importlib
import sys
from unittest.mock import MagicMock

import pytest
from onnx import TensorProto, helper

TOOLS = ("onnx2tf", "onnxsim", "tensorflow", "tf_keras")
LOG = """
INFO: onnx_op_type: Conv onnx_op_name: first
ERROR: The trace log is below.
Traceback (most recent call last):
  File "/tmp/x/onnx2tf/utils/common_functions.py", line 312, in print_wrapper_func
    result = func(*args, **kwargs)
ValueError: Dimensions must be equal, but are 3 and 16 for '{{node add}}'
\x1b[31mERROR:\x1b[0m input_onnx_file_path: /tmp/x/model.onnx
\x1b[31mERROR:\x1b[0m onnx_op_name: /block/Add
ERROR: Read this and deal with it. https://example.org/#parameter-replacement
ERROR: Alternatively, if the input OP has a dynamic dimension, use the -b or -ois option.
"""


@pytest.fixture
def converter(monkeypatch):
    """The converter, imported with stand-ins for its tools."""
    for name in TOOLS:
        monkeypatch.setitem(sys.modules, name, MagicMock())
    monkeypatch.delitem(sys.modules, "edgeproof.converters.to_saved_model", raising=False)
    module = importlib.import_module("edgeproof.converters.to_saved_model")
    yield module
    sys.modules.pop("edgeproof.converters.to_saved_model")


def make_model(perm, shape, operator="Transpose"):
    """Return a model whose input is first transposed so, or goes into another operator."""
    attributes = {"perm": perm} if operator == "Transpose" else {}
    graph = helper.make_graph(
        [helper.make_node(operator, ["x"], ["y"], **attributes)],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    return helper.make_model(graph)


@pytest.mark.parametrize(
    ("perm", "shape", "operator", "found"),
    [
        ([0, 3, 1, 2], [1, 16, 16, 3], "Transpose", ["x"]),
        ([0, 2, 1], [1, 16, 3], "Transpose", ["x"]),
        ([0, 2, 3, 1], [1, 3, 16, 16], "Transpose", []),
        ([1, 0], [16, 3], "Transpose", []),
        ([], [1, 16, 16, 3], "Relu", []),
    ],
)
def test_an_input_with_its_channels_last_is_recognised(converter, perm, shape, operator, found):
    assert converter.list_channels_last(make_model(perm, shape, operator)) == found


def test_an_input_that_is_also_read_as_it_is_has_no_channels_last(converter):
    model = make_model([0, 3, 1, 2], [1, 16, 16, 3])
    model.graph.node.append(helper.make_node("Relu", ["x"], ["z"]))
    assert converter.list_channels_last(model) == []


def test_the_reason_is_the_exception_and_no_banner(converter):
    reason = converter.find_reason(LOG)
    assert reason == (
        "ValueError: Dimensions must be equal, but are 3 and 16 for '{{node add}}' (at onnx_op_name: /block/Add)"
    )
    assert converter.find_reason("ERROR: something\n") is None
