"""Choices of the quantiser, each where it decides: what fails its parity passes with it."""

import numpy as np
import onnx
import pytest
from edgeproof.artifacts.records.formats import select_build_options
from edgeproof.core.catalogues import read_catalogue_entry
from edgeproof.core.layout import REPOSITORY
from onnx import TensorProto, helper, numpy_helper

from .conftest import BUILD, make_model

pytestmark = pytest.mark.usefixtures("infer_here")
LIMITS = {"min_cosine": 0.9}


@pytest.fixture
def outlier(make_job):
    """A job whose model scales one channel up by 1000 and down again: in 8 bits nothing is left of the others."""
    scale = np.ones((1, 8, 1, 1), np.float32)
    scale[0, 0] = 1000
    weights = {
        "kernel": np.random.default_rng(0).standard_normal((8, 1, 3, 3)).astype(np.float32),
        "scale": scale,
        "inverse": 1 / scale,
    }
    nodes = [
        helper.make_node("Conv", ["x", "kernel"], ["a"], "layer"),
        helper.make_node("Relu", ["a"], ["r"], "relu"),
        helper.make_node("Mul", ["r", "scale"], ["s"], "up"),
        helper.make_node("Mul", ["s", "inverse"], ["y"], "down"),
    ]
    shapes = [("x", TensorProto.FLOAT, [1, 1, 8, 8])], [("y", TensorProto.FLOAT, [1, 8, 6, 6])]
    return make_job(make_model(nodes, *shapes, weights), count=4)


def judge(job, **options):
    """Build the job's int8 artifact with these options and return (manifest, status of its parity)."""
    manifest = job.build("int8", options=options)
    return manifest, job.check("int8", thresholds=LIMITS, task="none")["status"]


def test_without_a_choice_the_outlier_fails(outlier):
    assert judge(outlier)[1] == "failed"


@pytest.mark.parametrize("options", [{"float_operators": ["Softmax", "Mul"]}, {"float_nodes": ["up", "down"]}])
def test_operators_and_nodes_left_in_float_pass(outlier, options):
    manifest, status = judge(outlier, **options)
    assert status == "passed" and manifest["preset"]["build"] == {**BUILD, **options}
    assert manifest["precision"]["operators"]["QuantizeLinear"] >= 1  # the convolution is still quantised


def test_the_shipped_preset_for_it_passes(outlier):
    shipped = read_catalogue_entry("preset", "ort-cpu-layers", REPOSITORY)["build"]
    manifest, status = judge(outlier, float_operators=shipped["float_operators"])
    assert status == "passed" and manifest["precision"]["operators"]["QuantizeLinear"] >= 1


def test_a_node_that_the_model_does_not_have_is_named(outlier):
    manifest = outlier.build("int8", options={"float_nodes": ["head"]})
    assert "float_nodes names 'head'; the model has no such node" in manifest["reason"]["message"]


def test_signed_symmetric_activations_have_a_zero_point_of_0(job):
    job.build("int8", options={"activations": "signed-symmetric", "reduce_range": True})
    model = onnx.load(job.folder / "int8" / "artifact.onnx")
    stored = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    points = [stored[node.input[2]] for node in model.graph.node if node.op_type == "QuantizeLinear"]
    assert points and all(point.dtype == np.int8 and not point.any() for point in points)
    assert job.check("int8", thresholds=LIMITS)["status"] == "passed"
    kernel = next(array for name, array in stored.items() if "kernel" in name and array.dtype == np.int8)
    assert np.abs(kernel.astype(int)).max() <= 64  # seven bits


def test_other_precisions_are_not_rebuilt_for_a_choice():
    choice = {**BUILD, "float_nodes": ["head"], "activations": "unsigned"}
    preset = {"backend": "onnxruntime", "artifact": "onnx", "build": choice}
    assert select_build_options(preset, "int8")["build"] == choice
    assert select_build_options(preset, "fp16")["build"] == {}
    assert select_build_options(preset, "int8-dynamic")["build"] == {"per_channel": True}
