"""What a target cannot run is named node by node, before anything is built."""

import numpy as np
import onnx
import onnxruntime
import pytest
from edgeproof.artifacts.builds import preflight
from edgeproof.artifacts.builds.build_failures import BuildError
from edgeproof.artifacts.builds.build_inputs import (
    list_open_batches,
    require_single_samples,
    require_usable_source,
)
from edgeproof.artifacts.builds.preflight import (
    OnnxRuntimeTable,
    OperatorTable,
    check_operators,
    list_blockers,
    onnxruntime_table,
)
from onnx import TensorProto, helper

from .conftest import make_classifier, make_model

FLOAT, DOUBLE = TensorProto.FLOAT, TensorProto.DOUBLE
PRECISIONS = ("fp32", "fp16", "int8", "int8-dynamic")


def make_chain(nodes, dtype=FLOAT, **options):
    return make_model(nodes, [("x", dtype, [1, 4])], [("y", dtype, [1, 4])], **options)


def make_foreign():
    """Return a model with two nodes of a domain that no runtime knows, between nodes that all know."""
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("Frobnicate", ["a"], ["b"], domain="com.acme", name="frob0"),
        helper.make_node("Frobnicate", ["b"], ["y"], domain="com.acme"),
    ]
    return make_chain(nodes, domains=["com.acme"])


def test_what_the_runtime_loads_has_no_blocker():
    assert list_blockers(make_classifier(), onnxruntime_table()) == []


def test_every_unknown_operator_is_named():
    blockers = list_blockers(make_foreign(), onnxruntime_table())
    missing = f"ONNX Runtime {onnxruntime.__version__} has no such operator"
    missing += (
        "; it comes from a library of its own: run the model in the SDK that has it, or cut the model there and run "
        "the other part here"
    )
    assert [str(item) for item in blockers] == [
        f"node 'frob0', operator Frobnicate, opset com.acme 1: {missing}",
        f"node that makes 'y', operator Frobnicate, opset com.acme 1: {missing}",
    ]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_no_precision_is_built_with_an_operator_that_is_missing(make_job, precision):
    job = make_job(make_foreign())
    reason = job.build(precision)["reason"]
    assert reason["kind"] == "unsupported_operator"
    assert reason["message"].startswith("node 'frob0', operator Frobnicate, opset com.acme 1: ONNX Runtime")
    assert reason["message"].endswith("; 1 more nodes cannot be run either")


def test_an_operator_without_a_kernel_for_its_type_is_named(make_job):
    """Conv on float64 passes the checker, and ONNX Runtime has no CPU kernel for it."""
    weights = {"k": np.ones((1, 1, 1, 1))}
    model = make_model(
        [helper.make_node("Conv", ["x", "k"], ["y"], name="conv0")],
        [("x", DOUBLE, [1, 1, 4, 4])],
        [("y", DOUBLE, [1, 1, 4, 4])],
        weights,
    )
    job = make_job(model)
    message = job.build("fp32")["reason"]["message"]
    assert "node 'conv0', operator Conv, opset ai.onnx 13: its input 'x' is float64" in message
    assert message.endswith("has kernels for tensor(float)")


def test_subgraphs_and_functions_are_looked_into():
    inner = helper.make_node("Frobnicate", ["x"], ["z"], domain="com.acme", name="inner")
    branch = helper.make_graph([inner], "then", [], [helper.make_tensor_value_info("z", FLOAT, [1, 4])])
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["m"], keepdims=0),
        helper.make_node("Cast", ["m"], ["c"], to=TensorProto.BOOL),
        helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch),
    ]
    model = make_chain(nodes, domains=["com.acme"])
    assert [item.operator for item in list_blockers(model, onnxruntime_table())] == ["Frobnicate", "Frobnicate"]
    opset = [helper.make_opsetid("", 13), helper.make_opsetid("com.acme", 1)]
    body = [helper.make_node("Frobnicate", ["a"], ["b"], domain="com.acme", name="body")]
    function = helper.make_function("local", "Wrap", ["a"], ["b"], body, opset)
    model = make_chain([helper.make_node("Wrap", ["x"], ["y"], domain="local")], domains=["com.acme", "local"])
    model.functions.append(function)
    assert [item.node for item in list_blockers(model, onnxruntime_table())] == [
        "node 'body', operator Frobnicate, opset com.acme 1"
    ]


def test_an_operator_that_came_later_says_since_when():
    table = onnxruntime_table()
    node = helper.make_node("HardSwish", ["x"], ["y"])
    assert table.explain(node, 13, {}) == f"{table.target} has this operator from opset 14 on"
    assert table.explain(node, 14, {}) is None


def test_functions_of_the_standard_and_constants_need_no_kernel():
    table = onnxruntime_table()
    assert table.explain(helper.make_node("Constant", [], ["y"]), 13, {}) is None
    assert table.explain(helper.make_node("MeanVarianceNormalization", ["x"], ["y"]), 13, {"x": "float32"}) is None


def test_a_provider_that_is_not_there_has_no_kernels():
    table = OnnxRuntimeTable("NoExecutionProvider")
    assert "NoExecutionProvider" in table.explain(helper.make_node("Conv", ["x", "w"], ["y"]), 13, {})


def test_the_runtime_has_the_last_word_on_itself(job, monkeypatch):
    monkeypatch.setitem(preflight.TABLES, "onnxruntime", lambda: OperatorTable("nothing at all", {}))
    assert check_operators(job.source, onnx.load(job.source), "onnxruntime") == []
    assert job.build("fp32")["status"] == "ok"


def test_another_target_brings_its_own_table(job, monkeypatch):
    def only_small(node, opset, dtypes):
        return None if len(node.input) < 3 else "takes no bias"

    table = OperatorTable("NPU 1", {"Conv": only_small, "Relu": None, "Flatten": None})
    monkeypatch.setitem(preflight.TABLES, "npu", lambda: table)
    blockers = check_operators(job.source, onnx.load(job.source), "npu")
    assert [(item.operator, item.why) for item in blockers] == [
        ("Conv", "takes no bias"),
        ("Gemm", "NPU 1 has no such operator"),
    ]
    assert check_operators(job.source, onnx.load(job.source), "a-backend-without-a-table") == []


def test_inputs_that_samples_cannot_feed_are_refused():
    def known(dtype, *shape, **facts):
        item = {"name": "image", "dtype": dtype, "shape": [*shape]}
        return {"inputs": [item], "operators": {}, "opset": {"ai.onnx": 13}, **facts}

    require_usable_source(known("float32", 4, 8))
    with pytest.raises(BuildError, match=r"fixed batch of 4, and RKNN .*named batch dimension \(opset 13\)"):
        require_single_samples(known("float32", 4, 8), "RKNN")
    require_single_samples(known("float32", "n", 8), "RKNN")
    require_single_samples(known("float32", 4, 8, whole_inputs=["image"]), "RKNN")
    require_single_samples(known("int64"), "RKNN")
    with pytest.raises(BuildError, match="input 'image' is string; samples are numbers"):
        require_usable_source(known("string", 1))
    assert list_open_batches(known("float32", "n", 8)) == ["image"]
    assert (
        list_open_batches(known("float32", "n", 8, whole_inputs=["image"]))
        == list_open_batches(known("float32", 1))
        == []
    )


def test_an_input_of_indices_is_built_in_every_precision(make_job):
    """Inputs need not be float: what an embedding feeds is quantised all the same."""
    random = np.random.default_rng(0)
    weights = {name: random.standard_normal(shape).astype("float32") for name, shape in
               (("table", (8, 16)), ("matrix", (16, 3)))}  # fmt: skip
    nodes = [
        helper.make_node("Gather", ["table", "x"], ["e"]),
        helper.make_node("Tanh", ["e"], ["t"]),
        helper.make_node("MatMul", ["t", "matrix"], ["y"]),
    ]
    model = make_model(nodes, [("x", TensorProto.INT64, [1, 2])], [("y", FLOAT, [1, 2, 3])], weights)
    job = make_job(model)
    assert {precision: job.build(precision)["status"] for precision in PRECISIONS} == dict.fromkeys(PRECISIONS, "ok")
