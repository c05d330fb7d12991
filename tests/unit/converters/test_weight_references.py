"""A model that refers to its weights is the model that holds them, for whoever follows the references."""

import numpy as np
import onnx
import pytest
from edgeproof.converters.weight_references import refer_to_weights
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import load_external_data_for_model, set_external_data

WEIGHTS = ("float32", "float16", "uint8", "int8")
OTHERS = ("int64", "int32", "float64", "bool")


def make_model(tensors, nodes=(), name="test"):
    graph = helper.make_graph(list(nodes) or [helper.make_node("Relu", ["x"], ["y"])], name, [], [], tensors)
    return helper.make_model(graph, producer_name=name)


def make_tensor(dtype, elements, name="w", seed=0):
    return numpy_helper.from_array(np.random.default_rng(seed).integers(0, 2, elements).astype(dtype), name)


def refer(model, folder):
    """Return the model that refers to `model`, once it is in a file."""
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    return onnx.load_model_from_string(refer_to_weights(folder / "model.onnx"))


def resolve(model, folder):
    """Return a model with its references replaced by what they refer to."""
    load_external_data_for_model(model, str(folder))
    for tensor in model.graph.initializer:
        tensor.ClearField("external_data")
        tensor.ClearField("data_location")
    return model


TENSOR = st.builds(make_tensor, st.sampled_from(WEIGHTS + OTHERS), st.integers(0, 3000), st.text(max_size=200))


@given(st.lists(TENSOR, max_size=5), st.text(max_size=300))
@settings(deadline=None, max_examples=60)
def test_what_is_referred_to_is_what_was_there(tmp_path_factory, tensors, name):
    folder, model = tmp_path_factory.mktemp("model"), make_model(tensors, name=name)
    referring = refer(model, folder)
    large = [t.name for t in tensors if len(t.raw_data) >= 1024 and numpy_helper.to_array(t).dtype.name in WEIGHTS]
    assert [t.name for t in referring.graph.initializer if t.external_data] == large
    assert resolve(referring, folder) == model


@pytest.mark.parametrize("dtype", OTHERS)
def test_what_readers_evaluate_stays(tmp_path, dtype):
    model = make_model([make_tensor(dtype, 4096)])
    assert refer(model, tmp_path) == model


def test_values_in_typed_fields_stay(tmp_path):
    model = make_model([helper.make_tensor("w", TensorProto.FLOAT, [1024], [0.5] * 1024)])
    assert not model.graph.initializer[0].raw_data
    assert refer(model, tmp_path) == model


def test_what_is_external_already_stays(tmp_path):
    tensor = make_tensor("float32", 1024)
    set_external_data(tensor, "elsewhere.bin")
    model = make_model([tensor])
    assert refer(model, tmp_path) == model


def test_nested_weights_stay(tmp_path):
    inner = helper.make_graph([helper.make_node("Relu", ["w"], ["y"])], "inner", [], [], [make_tensor("float32", 1024)])
    nodes = [
        helper.make_node("Constant", [], ["w"], value=make_tensor("float32", 1024)),
        helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner),
    ]
    model = make_model([], nodes)
    assert refer(model, tmp_path) == model


@given(st.integers(0, 10**6), st.binary(max_size=12))
@settings(deadline=None, max_examples=100)
def test_bytes_that_are_no_model_are_refused_or_kept(tmp_path_factory, place, noise):
    """Whatever stands in the file: an answer or a ValueError, in bounded time and memory."""
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    whole = make_model([make_tensor("float32", 300), make_tensor("int8", 2000, "v")]).SerializeToString()
    place %= len(whole) + 1
    path.write_bytes(whole[:place] + noise)
    try:
        answer, error = refer_to_weights(path), "byte 0: none"
    except ValueError as refusal:
        answer, error = b"", str(refusal)
    assert error.startswith("byte ") and len(answer) <= place + len(noise) + 200


def test_an_empty_file_is_an_empty_model(tmp_path):
    (tmp_path / "model.onnx").touch()
    assert refer_to_weights(tmp_path / "model.onnx") == b""
