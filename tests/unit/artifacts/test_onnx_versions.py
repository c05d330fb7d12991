"""Artifacts below a ceiling of operator set and IR version: the same outputs, or the node that has no older form."""

import numpy as np
import onnx
import onnxruntime
import pytest
from edgeproof.artifacts.builds.build_failures import BuildError
from edgeproof.artifacts.builds.onnx_versions import is_within, lower_versions
from onnx import TensorProto, helper

from .conftest import make_classifier, make_model
from .corpus import CORPUS, make_corpus_model

OLD = {"max_opset": 11, "max_ir_version": 6}


def run(model, seed=0):
    """Return the outputs of a model on seeded numbers; open sizes are 2."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    random = np.random.default_rng(seed)
    feed = {
        item.name: random.standard_normal([size if isinstance(size, int) else 2 for size in item.shape])
        for item in session.get_inputs()
    }
    return session.run(None, {name: np.asarray(value, np.float32) for name, value in feed.items()})


def make_node_model(operator, inputs=("x",), weights=(), opset=18, shape=(2, 3, 4), **attributes):
    node = helper.make_node(operator, inputs, ["y"], "it", **attributes)
    model = make_model([node], [("x", TensorProto.FLOAT, shape)], [("y", TensorProto.FLOAT, None)], weights, opset)
    return onnx.shape_inference.infer_shapes(model)


FORMS = [
    ("axes become an attribute", make_node_model("ReduceMean", ("x", "a"), {"a": np.array([1])})),
    ("no axes are all axes", make_node_model("ReduceMax", keepdims=0)),
    ("sums of opset 13", make_node_model("ReduceSum", ("x", "a"), {"a": np.array([-1])}, 13)),
    ("axes of Unsqueeze", make_node_model("Unsqueeze", ("x", "a"), {"a": np.array([0, 2])})),
    ("a softmax over the last axis", make_node_model("Softmax")),
    ("the last axis by its number", make_node_model("Softmax", axis=2)),
    ("a reshape that keeps zeros", make_node_model("Reshape", ("x", "a"), {"a": np.array([0, -1])})),
]


@pytest.mark.parametrize(("what", "model"), FORMS, ids=[what for what, _ in FORMS])
def test_a_newer_form_is_written_as_the_older_one(what, model):
    expected = run(model)
    lowered = lower_versions(model, 11, 6)
    onnx.checker.check_model(lowered, full_check=True)
    assert lowered.ir_version == 6 and [item.version for item in lowered.opset_import] == [11]
    assert all(np.array_equal(left, right) for left, right in zip(expected, run(lowered), strict=True))


REFUSED = [
    (make_node_model("Softmax", axis=1), "operator Softmax.*opset 11 normalises all axes from `axis` on together"),
    (make_node_model("Reshape", ("x", "a"), {"a": np.array([2, 12])}, allowzero=1), "opset 11 has no `allowzero`"),
    (make_node_model("LayerNormalization", ("x", "s"), {"s": np.ones(4, np.float32)}), "opset 11 has no such operator"),
    (make_node_model("ReduceMean", ("x", "x")), "opset 11 takes 1 inputs"),
    (
        make_node_model("Resize", ("x", "", "s"), {"s": np.ones(3, np.float32)}),
        "opset 11 needs its input `roi`",
    ),
    (
        make_node_model("DequantizeLinear", ("q", "s"), {"q": np.ones((2, 3), np.int8), "s": np.ones(3, np.float32)}),
        "no scale per channel",
    ),
]


@pytest.mark.parametrize(("model", "told"), REFUSED)
def test_a_node_without_an_older_form_is_named(model, told):
    with pytest.raises(BuildError, match=f"node 'it'.*{told}.*; raise max_opset in the preset") as caught:
        lower_versions(model, 11, None)
    assert caught.value.kind == "unsupported_operator"


@pytest.mark.parametrize("name", ["if", "loop", "attention", "two-heads", "batch-normalisation", "lstm"])
def test_whole_graphs_compute_the_same(name):
    model = make_corpus_model(name)
    expected = run(model)
    lowered = lower_versions(model, 12, 7)
    assert is_within(lowered, 12, 7) and not is_within(CORPUS[name].make(), 12, 7)
    assert all(np.array_equal(left, right) for left, right in zip(expected, run(lowered), strict=True))


def test_an_old_ir_version_has_no_functions_and_no_four_bit_weights():
    twice = helper.make_function("own", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])],
                                 [helper.make_opsetid("", 13)])  # fmt: skip
    node = helper.make_node("Twice", ["x"], ["y"], domain="own")
    model = make_model([node], [("x", TensorProto.FLOAT, [2])], [("y", TensorProto.FLOAT, [2])], domains=["own"])
    model.functions.append(twice)
    expected = run(model)
    lowered = lower_versions(model, None, 7)
    assert not lowered.functions and lowered.graph.node[0].op_type == "Add" and lowered.ir_version == 7
    assert np.array_equal(run(lowered)[0], expected[0])
    packed = make_classifier()
    packed.ir_version = 10
    packed.graph.initializer.append(helper.make_tensor("packed", TensorProto.INT4, [2], [1, 2]))
    with pytest.raises(BuildError, match="tensor 'packed' is INT4, which needs IR version 10; raise max_ir_version"):
        lower_versions(packed, None, 9)


@pytest.mark.usefixtures("infer_here")
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8", "int8-dynamic"])
def test_every_precision_stays_below_its_ceiling(job, precision):
    manifest = job.build(precision, options={**OLD, "per_channel": False})
    assert (manifest["status"], manifest["reason"]) == ("ok", None)
    assert manifest["artifact"]["opset"]["ai.onnx"] == 11
    assert onnx.load(job.folder / precision / "artifact.onnx").ir_version == 6
    assert job.check(precision, thresholds={"min_cosine": 0.9}, task="none")["status"] == "passed"


def test_scales_per_channel_need_opset_13(job):
    manifest = job.build("int8", options=OLD)
    assert manifest["status"] == "failed" and "per_channel" in manifest["reason"]["message"]
