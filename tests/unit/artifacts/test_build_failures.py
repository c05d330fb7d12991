"""Failures of tools become one line that names the node."""

import tempfile

import pytest
from edgeproof.artifacts.builds.build_failures import (
    BuildError,
    classify_failure,
    describe_node,
    locate_failure,
    tool_failures,
)
from edgeproof.core.errors import UserError
from onnx import TensorProto, helper

from .conftest import make_model

MODEL = make_model(
    [
        helper.make_node("Relu", ["x"], ["a"], name="/block/Relu"),
        helper.make_node("Frobnicate", ["a"], ["y"], domain="com.acme"),
    ],
    [("x", TensorProto.FLOAT, [1])],
    [("y", TensorProto.FLOAT, [1])],
    domains=["com.acme"],
)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("[ONNXRuntimeError] : 9 : NOT_IMPLEMENTED : ConvInteger(10)", "unsupported_operator"),
        ("com.acme:Frobnicate(-1) is not a registered function/op", "unsupported_operator"),
        ("std::bad_alloc", "out_of_memory"),
        ("scale issue", "conversion_failed"),
    ],
)
def test_messages_are_classified(text, kind):
    assert classify_failure(text) == kind


def test_the_node_is_found_by_name_then_by_operator():
    assert locate_failure("at /block/Relu: no", MODEL) == " (node '/block/Relu', operator Relu, opset ai.onnx 13)"
    unnamed = " (node that makes 'y', operator Frobnicate, opset com.acme 1)"
    assert locate_failure("com.acme:Frobnicate(-1)", MODEL) == unnamed
    assert locate_failure("Frobnicated /block/Relu_2", MODEL) == " (opset 13)"
    assert locate_failure("nothing is known", MODEL) == " (opset 13)"


def make_named(*names):
    ends = ["x", *(f"t{number}" for number in range(1, len(names))), "y"]
    nodes = [
        helper.make_node("Add", [before, before], [after], name=name)
        for name, before, after in zip(names, ends, ends[1:], strict=False)
    ]
    nodes.append(helper.make_node("Relu", ["y"], ["z"], name="9"))
    return make_model(nodes, [("x", TensorProto.FLOAT, [1])], [("z", TensorProto.FLOAT, [1])])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[ONNXRuntimeError] : 9 : FAIL : cannot reshape [4,8]", "opset 13"),  # the code of an error is no node
        ("build returned 1", "opset 13"),
        ("While parsing node number 9", "opset 13"),
        ("In node 9 (parseGraph)", "opset 13"),
        ("In node 3 with name: 9 and operator: Frob", "node '9', operator Relu, opset ai.onnx 13"),
        ("while running node. Name:'9' Status Message", "node '9', operator Relu, opset ai.onnx 13"),
        ("Add value_info failed", "operator Add, 3 nodes, opset ai.onnx 13"),  # which of them nobody said
        ("Relu is not there", "node '9', operator Relu, opset ai.onnx 13"),  # there is but one
        ('node with name "Add" is odd', "node 'Add', operator Add, opset ai.onnx 13"),
        ("Node (Add) Op (Add) [ShapeInferenceError]", "node 'Add', operator Add, opset ai.onnx 13"),
        ("at Add_1: overflow", "node 'Add_1', operator Add, opset ai.onnx 13"),
    ],
)
def test_no_node_is_blamed_by_chance(text, expected):
    assert locate_failure(text, make_named("1", "Add", "Add_1")) == f" ({expected})"


def test_a_node_without_outputs_is_described():
    assert (
        describe_node(helper.make_node("Print", ["x"], []), {})
        == "node that makes '?', operator Print, opset ai.onnx ?"
    )


def test_what_a_tool_raises_is_a_verdict_in_one_line():
    with pytest.raises(BuildError) as error, tool_failures("tool", MODEL):
        raise RuntimeError(f"first\n  second {tempfile.gettempdir()}/ort.123/model.onnx")
    assert str(error.value) == "tool: first second model.onnx (opset 13)"
    assert error.value.kind == "conversion_failed"
    with pytest.raises(BuildError) as error, tool_failures("tool", MODEL):
        raise MemoryError
    assert error.value.kind == "out_of_memory"
    with pytest.raises(BuildError, match="tool: KeyError"), tool_failures("tool", MODEL):
        raise KeyError


@pytest.mark.parametrize(
    "error", [UserError("no"), OSError(28, "No space left on device"), BuildError("timed_out", "no")]
)
def test_mistakes_and_full_disks_are_no_verdicts(error):
    with pytest.raises(type(error)) as raised, tool_failures("tool", MODEL):
        raise error
    assert raised.value is error
