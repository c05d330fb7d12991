"""Models that converters trip over, given to the real ones: layouts, several inputs, operators they lack."""

import itertools
import json

import numpy as np
import onnx
import onnxruntime
import pytest
from edgeproof.artifacts.agreement.execution import infer_outputs
from edgeproof.artifacts.builds import saved_models
from edgeproof.artifacts.builds.build_job import BuildJob
from edgeproof.artifacts.builds.converted_artifacts import build_converted
from edgeproof.artifacts.builds.converter_process import start_converter
from edgeproof.artifacts.records import formats
from edgeproof.artifacts.records.manifests import read_manifest
from edgeproof.core.catalogues import read_catalogue
from edgeproof.core.tensors import write_tensors
from edgeproof.sources.identity import identify_model
from onnx import TensorProto, helper, numpy_helper

pytestmark = pytest.mark.toolchain

FORMATS = {
    "tflite": ("litert", "tensorflow", "litert"),
    "openvino.zip": ("openvino", "openvino", "openvino"),
    "pt": ("torchscript", "torch", "torch"),
}


def make_model(nodes, inputs, outputs, weights, opset=13):
    infos = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in side]
             for side in (inputs, outputs)]  # fmt: skip
    stored = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "test", *infos, stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def random_weights(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype("float32")


def make_map():
    """A convolution whose output is a map; with three channels of 3x3, no shape tells one layout from another."""
    nodes = [
        helper.make_node("Conv", ["image", "kernel"], ["features"], "stem", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["features"], ["map"], "clip"),
    ]
    return make_model(nodes, [("image", [1, 3, 3, 3])], [("map", [1, 3, 3, 3])], {"kernel": random_weights(3, 3, 3, 3)})


def make_pair():
    """Two inputs of two ranks and two outputs, named so that their order is not the alphabet's."""
    nodes = [
        helper.make_node("Conv", ["picture", "kernel"], ["features"], "stem"),
        helper.make_node("Flatten", ["features"], ["flat"], "flatten"),
        helper.make_node("Gemm", ["flat", "matrix"], ["scores"], "head"),
        helper.make_node("Add", ["scores", "bias_in"], ["zeta"], "shift"),
        helper.make_node("Softmax", ["zeta"], ["alpha"], "normalise", axis=-1),
    ]
    weights = {"kernel": random_weights(4, 2, 3, 3), "matrix": random_weights(4 * 4 * 6, 5)}
    inputs = [("picture", [1, 2, 6, 8]), ("bias_in", [1, 5])]
    return make_model(nodes, inputs, [("zeta", [1, 5]), ("alpha", [1, 5])], weights)


def make_dynamic():
    """A classifier whose batch has a name and no size."""
    nodes = [
        helper.make_node("Conv", ["image", "kernel"], ["features"], "stem"),
        helper.make_node("Flatten", ["features"], ["flat"], "flatten"),
        helper.make_node("Gemm", ["flat", "matrix"], ["logits"], "head"),
    ]
    weights = {"kernel": random_weights(4, 1, 3, 3), "matrix": random_weights(4 * 36, 5)}
    return make_model(nodes, [("image", ["batch", 1, 8, 8])], [("logits", ["batch", 5])], weights)


def make_listed():
    """A model of IR version 3, whose initializers are listed as inputs."""
    model = make_map()
    model.ir_version = 3
    for item in model.graph.initializer:
        model.graph.input.append(helper.make_tensor_value_info(item.name, item.data_type, item.dims))
    return model


def make_joins():
    """A residual block with what int8 stumbled over: a pool that pads before data of both signs, and Sum nodes."""
    nodes = [
        helper.make_node("Conv", ["image", "kernel"], ["features"], "stem", pads=[1, 1, 1, 1]),
        helper.make_node("MaxPool", ["features"], ["pooled"], "signed-pool", **POOL),
        helper.make_node("Relu", ["pooled"], ["clipped"], "clip"),
        helper.make_node("MaxPool", ["clipped"], ["small"], "pool", **POOL),
        helper.make_node("Conv", ["small", "kernel"], ["branch"], "branch", pads=[1, 1, 1, 1]),
        helper.make_node("Sum", ["small", "branch", "small"], ["map"], "join"),
    ]
    ends = [("image", [1, 3, 16, 16])], [("map", [1, 3, 4, 4])]
    return make_model(nodes, *ends, {"kernel": random_weights(3, 3, 3, 3)})


POOL = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}


def make_deep():
    """A chain as long as Python's stack is deep."""
    ends = ["x", *(f"t{n}" for n in range(1100)), "y"]
    nodes = [helper.make_node("Neg", [a], [b], f"n-{b}") for a, b in itertools.pairwise(ends)]
    return make_model(nodes, [("x", [1, 3])], [("y", [1, 3])], {})


@pytest.fixture
def build(converted, tmp_path, monkeypatch):
    """Return a function that converts a model as a format with the real toolchain: (manifest, path of the artifact)."""
    monkeypatch.chdir(converted.root)

    def call(model, suffix, precision="fp32"):
        source, identity = tmp_path / "model.onnx", tmp_path / "identity.json"
        onnx.save(model, source)
        identify_model("tiny", source, identity)
        backend, toolchain, _ = FORMATS[suffix]
        record = f"results/toolchains/{toolchain}.json"
        saved_model = None
        if suffix == "tflite":
            saved_model = tmp_path / "saved_model.json"
            files = (tmp_path / "saved_model.zip", saved_model, tmp_path / "saved_model.log")
            with start_converter("saved_model", record) as converter:
                saved_models.build_saved_model(source, identity, converter, *files, ["test"])
        artifact, calibration = tmp_path / f"artifact.{suffix}", None
        if precision == "int8":
            calibration, random = tmp_path / "calibration.npz", np.random.default_rng(2)
            shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim[1:]] for v in model.graph.input}
            arrays = {f"inputs/{k}": random.standard_normal((200, *shape)) for k, shape in shapes.items()}
            write_tensors(calibration, {name: array.astype("float32") for name, array in arrays.items()})
        options = read_catalogue("preset")["litert-cpu"]["build"] if precision == "int8" else {}
        with start_converter(formats.FORMATS[suffix].converter, record) as converter:
            job = BuildJob(
                script="test",
                argv=[],
                cell={"model": "tiny", "preset": backend, "builder": "host", "precision": precision},
                source=source,
                identity=identity,
                preset={"backend": backend, "artifact": suffix, "build": options},
                precision=precision,
                calibration=calibration,
                artifact=artifact,
                manifest=tmp_path / "manifest.json",
                log=tmp_path / "converter.log",
                saved_model=saved_model,
            )
            build_converted(job, converter)
        return read_manifest(tmp_path / "manifest.json"), artifact

    return call


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("make", [make_map, make_pair, make_dynamic, make_listed])
def test_names_layouts_and_values_are_the_sources(build, tmp_path, make, suffix):
    manifest, artifact = build(make(), suffix)
    compare(manifest, artifact, tmp_path, suffix, rtol=1e-4, atol=1e-5)


def compare(manifest, artifact, tmp_path, suffix, precision="fp32", **tolerance):
    """Assert that an artifact has the source's outputs, by name and value."""
    assert manifest["status"] == "ok", manifest["reason"]
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    random, feed = np.random.default_rng(1), {}
    for item in session.get_inputs():
        shape = [size if isinstance(size, int) else 1 for size in item.shape]
        feed[item.name] = random.standard_normal(shape).astype("float32")
    write_tensors(tmp_path / "inputs.npz", {f"inputs/{name}": array for name, array in feed.items()})
    backend, _, runtime = FORMATS[suffix]
    arm = {"backend": backend, "precision": precision, "runtime": {}}
    found = infer_outputs(f".toolchains/{runtime}/bin/python", arm, artifact, tmp_path / "inputs.npz")
    assert found.reason is None
    expected = dict(zip([item.name for item in session.get_outputs()], session.run(None, feed), strict=True))
    assert list(found.outputs) == list(expected)
    for name, array in expected.items():
        (entry,) = found.outputs[name]  # of the one sample
        np.testing.assert_allclose(entry, array, **tolerance)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_joins_and_padded_pools_stay_in_integers_and_run(build, tmp_path, precision):
    manifest, artifact = build(make_joins(), "tflite", precision)
    limit = {"fp32": 1e-4, "int8": 3.0}[precision]  # of values up to 95
    compare(manifest, artifact, tmp_path, "tflite", precision, rtol=0, atol=limit)
    found = manifest["precision"]["operators"]
    assert not {"ADD_N", "PADV2"} & set(found)
    if precision == "int8":
        assert found["QUANTIZE"] == found["DEQUANTIZE"] == 1  # at the edges, and nowhere between


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-5), ("fp16", 1e-2)])
def test_weights_are_read_wherever_in_the_file_they_lie(build, tmp_path, precision, tolerance):
    """OpenVINO maps the file into memory, and nothing aligns what protobuf writes."""
    remainders = set()
    for shift in range(4):
        model = make_pair()
        model.producer_name = "x" * (shift + 1)
        manifest, artifact = build(model, "openvino.zip", precision)
        compare(manifest, artifact, tmp_path, "openvino.zip", precision, rtol=tolerance, atol=tolerance)
        assert manifest["precision"]["weights"][{"fp32": "float32", "fp16": "float16"}[precision]]["elements"] >= 552
        remainders.add((tmp_path / "model.onnx").read_bytes().index(model.graph.initializer[1].raw_data) % 4)
    assert remainders == {0, 1, 2, 3}


def test_a_deep_graph_is_described(build):
    manifest, _ = build(make_deep(), "openvino.zip")
    assert manifest["status"] == "ok", manifest["reason"]


@pytest.mark.parametrize("suffix", ["tflite", "pt"])
def test_an_operator_that_the_converter_lacks_is_named_with_its_node(build, suffix):
    nodes = [
        helper.make_node("Relu", ["x"], ["z"], "fine"),
        helper.make_node("CastLike", ["z", "x"], ["y"], "the-blocker"),
    ]
    manifest, artifact = build(make_model(nodes, [("x", [1, 3])], [("y", [1, 3])], {}, 15), suffix)
    assert manifest["status"] == "failed" and artifact.read_bytes() == b""
    assert manifest["reason"]["kind"] == "unsupported_operator"
    assert "'the-blocker', operator CastLike, opset ai.onnx 15" in manifest["reason"]["message"]
    assert "Traceback" not in json.dumps(manifest)
