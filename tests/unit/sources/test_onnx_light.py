import json

import numpy as np
import onnx
import onnxruntime
import pytest
import recipe_onnx_light
from edgeproof.core.program_start import run
from edgeproof.sources import onnx_light
from edgeproof.sources.arithmetic import count_macs
from edgeproof.sources.samples import make_random

# At 224x224. SqueezeNet 1.1 (0.35 G) and ResNet-50 (4.09 G) agree with what is published; for this ShuffleNet we know
# no other count.
MACS = {"squeezenet": 349_151_936, "shufflenet": 124_664_528, "resnet50": 4_089_184_256}


def make(path, **options):
    recipe_onnx_light.main(["--options", json.dumps(options), "--output", str(path)])
    return path


@pytest.fixture(scope="module", params=list(onnx_light.ARCHITECTURES))
def made(request, tmp_path_factory):
    return request.param, make(tmp_path_factory.mktemp("made") / "m.onnx", architecture=request.param)


def run_everywhere(path, samples):
    """Return one dict per sample of all tensors that floating-point nodes put out."""
    model = onnx.load(path)
    watched = [
        node.output[0] for node in model.graph.node if node.op_type in ("Relu", "Sum", "Conv", "Gemm", "Softmax")
    ]
    known = {item.name for item in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in watched if name not in known)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [item.name for item in session.get_outputs()]
    feed = session.get_inputs()[0].name
    return [dict(zip(names, session.run(None, {feed: sample[None]}), strict=True)) for sample in samples]


def test_activations_stay_of_order_one_and_outputs_depend_on_the_input(made):
    name, path = made
    identity = {"inputs": [{"name": "data_0", "dtype": "float32", "shape": [1, 3, 224, 224]}]}
    samples = make_random(identity, {"seed": 0, "calibration": 1, "evaluation": 6})[1]["inputs/data_0"]
    results = run_everywhere(path, samples)
    output = onnx.load(path).graph.output[0].name
    for result in results:
        for tensor, values in result.items():
            assert np.isfinite(values).all()
            assert np.abs(values).max() < 1000, tensor  # far from the 65504 of half precision
            if tensor != output:
                assert values.std() > 0.05, tensor
    scores = np.array([result[output].reshape(-1) for result in results])
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-4)
    assert scores.max() < 0.9, "saturated"
    assert len(set(scores.argmax(axis=1))) >= 2, f"{name} says the same whatever it sees"


def test_the_file_is_modern_and_has_what_was_asked_for(made):
    name, path = made
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert (model.ir_version, [(item.domain, item.version) for item in model.opset_import]) == (8, [("", 13)])
    assert [item.name for item in model.graph.input] == ["data_0"]
    assert [dim.dim_value for dim in model.graph.output[0].type.tensor_type.shape.dim] == [1, 1000]
    kinds = {node.op_type for node in model.graph.node}
    assert not kinds & {"ConstantOfShape", "Dropout", "Shape"}
    assert model.graph.node[-1].op_type == "Softmax"
    used = {item for node in model.graph.node for item in node.input}
    assert {item.name for item in model.graph.initializer} <= used
    assert "gpu_0" not in str(model.graph.node)
    assert count_macs(model) == (MACS[name], [])


@pytest.mark.parametrize("architecture", ["squeezenet", "shufflenet"])
def test_edits_leave_the_result_as_the_old_graph_computes_it(tmp_path, architecture):
    """The same weights in the topology as shipped (opset 9, Dropout and all) and in ours give the same scores."""
    old = onnx_light.load_topology(architecture)
    onnx_light.fill_weights(old.graph, 0)
    old.ir_version = 8
    new = onnx.load(make(tmp_path / "m.onnx", architecture=architecture))
    sample = np.random.default_rng(0).normal(size=(1, 3, 224, 224)).astype(np.float32)
    scores = [
        onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        .run(None, {model.graph.input[0].name: sample})[0]
        .reshape(-1)
        for model in (old, new)
    ]
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-5)


def test_equal_options_give_equal_bytes_and_another_seed_other_weights(tmp_path):
    first = make(tmp_path / "a", architecture="shufflenet", seed=5).read_bytes()
    assert make(tmp_path / "b", architecture="shufflenet", seed=5).read_bytes() == first
    assert make(tmp_path / "c", architecture="shufflenet", seed=6).read_bytes() != first
    assert (
        make(tmp_path / "d", architecture="shufflenet").read_bytes()
        == make(tmp_path / "e", architecture="shufflenet", seed=0).read_bytes()
    )


def test_filters_have_zero_mean_and_the_deviation_asked_for():
    weight = onnx_light.draw_weight("filter", 2.0, (64, 32, 3, 3), 0, "w")
    assert weight.dtype == np.float32
    assert np.abs(weight.mean(axis=(1, 2, 3))).max() < 1e-6
    assert weight.std() == pytest.approx(2.0 / np.sqrt(32 * 9), rel=0.02)
    assert (onnx_light.draw_weight("variance", 1.0, (1000,), 0, "v") > 0.5).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "the document is []; a mapping of keys to values"),
        ({}, "key 'architecture' is missing"),
        ({"architecture": "alexnet"}, 'architecture is "alexnet"; allowed: squeezenet, shufflenet, resnet50'),
        ({"architecture": "squeezenet", "seed": "0"}, 'seed is "0"; a whole number'),
        ({"architecture": "squeezenet", "size": 1}, "unknown key 'size'; known keys are architecture, seed"),
    ],
)
def test_wrong_options_are_one_line(tmp_path, capsys, options, message):
    assert run(recipe_onnx_light.main, ["--options", json.dumps(options), "--output", str(tmp_path / "m")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "m").exists()
