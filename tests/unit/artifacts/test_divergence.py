"""The first layer that computes something else is named, for float16 and for int8 between quantise and dequantise."""

import math
import sys

import numpy as np
import onnx
import pytest
from edgeproof.artifacts.agreement.divergence import (
    choose_limit,
    conclude_divergence,
    list_layers,
    locate_divergence,
    match_layers,
    write_sample,
)
from edgeproof.artifacts.agreement.output_agreement import find_worst_sample
from edgeproof.core.tensors import read_tensors, write_tensors
from onnx import TensorProto, helper

from .conftest import RUNTIME, make_model


def make_deep(scale=1.0, outlier=1.0):
    """Return a classifier of two convolutions.

    `scale`: of the first one's weights. `outlier`: of one output channel of the second, which shares the scale of all
    when weights are quantised per tensor. Later layers take both back.
    """
    random = np.random.default_rng(0)
    second = random.standard_normal((8, 8, 3, 3)).astype("float32")
    second[0] *= outlier
    weights = {
        "k1": (random.standard_normal((8, 1, 3, 3)) * scale).astype("float32"),
        "k2": second,
        "down": np.float32([0.5 / scale]),
        "matrix": random.standard_normal((8 * 16, 10)).astype("float32"),
    }
    weights["matrix"][:16] /= outlier
    nodes = [
        helper.make_node("Conv", ["image", "k1"], ["c1"], name="conv1"),
        helper.make_node("Mul", ["c1", "down"], ["m1"], name="mul1"),
        helper.make_node("Tanh", ["m1"], ["t1"], name="tanh1"),
        helper.make_node("Conv", ["t1", "k2"], ["c2"], name="conv2"),
        helper.make_node("Flatten", ["c2"], ["flat"], name="flatten"),
        helper.make_node("MatMul", ["flat", "matrix"], ["logits"], name="head"),
    ]
    inputs, outputs = [("image", TensorProto.FLOAT, [1, 1, 8, 8])], [("logits", TensorProto.FLOAT, [1, 10])]
    return make_model(nodes, inputs, outputs, weights)


def test_weights_beyond_float16_are_found_in_their_layer(make_job):
    job = make_job(make_deep(scale=1e5))
    job.build("fp16")
    document = job.check("fp16", thresholds={"max_relative_l2": 0.01})
    found = document["divergence"]
    assert document["reason"]["kind"] == "threshold_missed"
    assert (found["status"], found["limit"], found["limit_basis"]) == ("found", 0.01, "max_relative_l2")
    assert found["first"] == found["layers"][0] and found["first"]["tensor"] == "c1"
    assert found["largest_step"]["tensor"] in ("c1", "m1")  # the product takes back what exceeds float16
    where = "node 'conv1', operator Conv, opset ai.onnx 13"
    assert found["first"]["node"] == where
    assert document["reason"]["message"].endswith(f"first diverging layer: {where}")


def test_values_that_are_not_finite_are_found_on_the_sample_that_has_them(make_job):
    """In place of Tanh the artifact has Exp, which overflows on the one sample that is large."""
    job = make_job(make_deep())
    arrays = read_tensors(job.evaluation)
    arrays["inputs/image"][7] *= 1e6
    job.write_evaluation(arrays)
    broken = onnx.load(job.source)
    node = next(node for node in broken.graph.node if node.name == "tanh1")
    node.op_type = "Exp"
    onnx.save(broken, job.folder / "broken.onnx")
    arms = [{"backend": "onnxruntime", "precision": "fp32", "runtime": RUNTIME}] * 2
    pythons, files = [sys.executable] * 2, (job.source, job.folder / "broken.onnx")
    found = locate_divergence(*files, job.evaluation, 7, arms, pythons, [{"name": "max_relative_l2", "limit": 1e30}])
    assert (found["status"], found["sample"], found["first"]["tensor"]) == ("found", 7, "t1")
    assert found["first"]["not_finite"]["candidate"] > 0 and found["first"]["relative_l2"] is None


def test_a_layer_that_int8_spoils_is_found_by_its_own_name(make_job):
    """The scale of one output channel serves all when weights are quantised per tensor: the others become zero, and so
    does the output, which then has no angle.
    """
    job = make_job(make_deep(outlier=1000.0))
    job.build("int8", options={"per_channel": False})
    document = job.check("int8", thresholds={"min_cosine": 0.9})
    found = document["divergence"]
    assert document["status"] == "failed" and found["status"] == "found"
    assert (found["limit"], found["limit_basis"]) == (0.1, "max_l2_without_angle")
    limit, basis = choose_limit([{"name": "min_cosine", "limit": 0.9}])
    assert limit == pytest.approx(math.sqrt(0.2)) and basis.startswith("min_cosine")
    assert [layer["tensor"] for layer in found["layers"]][:2] == ["c1", "m1"]
    assert found["first"]["operator"] in ("Conv", "MatMul") and found["largest_step"]["step"] > 0.1


def test_what_passes_is_not_looked_into(make_job):
    job = make_job(make_deep())
    job.build("fp16")
    assert "divergence" not in job.check("fp16", thresholds={"max_relative_l2": 0.01})


def test_a_limit_that_no_layer_exceeds_says_so(make_job):
    job = make_job(make_deep())
    job.build("fp16")
    document = job.check("fp16", thresholds={"max_relative_l2": 1e-9, "min_cosine": 1.0})
    assert document["divergence"]["status"] == "found"  # float16 rounds in the very first layer
    record = {**document["divergence"], "limit": 1.0}
    again = conclude_divergence(record, onnx.load(job.source))
    assert (again["status"], again["first"]) == ("not_found", None) and "optimised" in again["reason"]
    again = conclude_divergence({**record, "layers": []}, onnx.load(job.source))
    assert again["reason"] == "no tensor has the same name in both" and again["largest_step"] is None


def test_an_artifact_that_shows_no_layers_leaves_a_reason(make_job):
    job = make_job(make_deep())
    job.build("fp16")
    arms = [{"backend": "onnxruntime", "precision": "fp32", "runtime": {}}, {"backend": "litert", "runtime": {}}]
    record = locate_divergence(job.source, "a.tflite", job.evaluation, 0, arms, ["python", "python"], [])
    assert (record["status"], record["first"], record["limit_basis"]) == ("not_possible", None, "default")


def test_layers_are_matched_before_and_after_quantisation(make_job):
    job = make_job(make_deep())
    source = onnx.load(job.source)
    names = [name for _, name in list_layers(source)]
    assert names == ["c1", "m1", "t1", "c2", "flat", "logits"]
    for precision in ("fp16", "int8"):
        job.build(precision)
        matched = match_layers(source, onnx.load(job.folder / precision / "artifact.onnx"))
        assert [name for _, name, _ in matched] == names


@pytest.mark.parametrize(
    ("lines", "limit"),
    [
        ({"max_relative_l2": 0.02, "min_cosine": 0.9}, 0.02),
        ({"min_cosine": 0.5}, 1.0),
        ({"min_top1_agreement": 0.9}, 0.1),
        ({}, 0.1),
    ],
)
def test_the_limit_follows_from_the_preset(lines, limit):
    assert choose_limit([{"name": k, "limit": v} for k, v in lines.items()])[0] == pytest.approx(limit)


def test_the_worst_sample_is_the_one_that_broke_then_the_farthest():
    left = np.ones((4, 3), "float32")
    right = left.copy()
    assert find_worst_sample([(left, right)]) == 0
    right[2] += 0.5
    assert find_worst_sample([(left, right)]) == 2
    right[1, 0] = np.inf
    assert find_worst_sample([(left, right)]) == 1
    left[1, 0] = np.inf  # the source has it too
    assert find_worst_sample([(left, right)]) == 2
    scalar = np.zeros(1)  # of a whole batch
    assert find_worst_sample([(left, right), (scalar, scalar)]) == 2


def test_one_sample_is_written_as_it_is(tmp_path):
    write_tensors(tmp_path / "all.npz", {"inputs/x": np.arange(6).reshape(3, 2), "labels": np.arange(3)})
    write_sample(tmp_path / "all.npz", 1, tmp_path / "one.npz")
    assert {k: v.tolist() for k, v in read_tensors(tmp_path / "one.npz").items()} == {"inputs/x": [[2, 3]]}


def test_a_relu_that_the_quantiser_took_over_is_no_difference(job):
    """Where the range of integers begins at zero, clipping is the Relu; the tensor before it is another."""
    job.build("int8")
    artifact = job.folder / "int8" / "artifact.onnx"
    assert "Relu" not in {node.op_type for node in onnx.load(artifact).graph.node}
    arms = [{"backend": "onnxruntime", "precision": "int8", "runtime": RUNTIME}] * 2
    lines = [{"name": "max_relative_l2", "limit": 0.1}]
    found = locate_divergence(job.source, artifact, job.evaluation, 0, arms, [sys.executable] * 2, lines)
    assert found["status"] == "not_found" and "relu" in {layer["tensor"] for layer in found["layers"]}
