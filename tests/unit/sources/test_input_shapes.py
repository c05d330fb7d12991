"""Axes that a model leaves open are fixed in its file, and the executed shape is what a record says."""

import json

import copy_model
import identify_model
import numpy as np
import onnx
import pytest
from edgeproof.core.documents import read_json
from edgeproof.core.files import sha256_file
from edgeproof.core.tensors import read_tensors
from edgeproof.sources.batches import find_fixed_batch, list_whole_inputs
from edgeproof.sources.input_faults import read_note
from edgeproof.sources.input_shapes import fix_input_shapes
from edgeproof.sources.samples import make_samples
from onnx import TensorProto, helper, numpy_helper


def make_open_model(path, shape=("N", 3, "h", "v")):
    """Write a fully convolutional model whose batch, height and width are open."""
    weight = numpy_helper.from_array(np.ones((4, 3, 3, 3), np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"], pads=[1] * 4)],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [shape[0], 4, *shape[2:]])],
        [weight],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def identify(folder, **options):
    """Return what identify_model says of `model.onnx` in a folder."""
    arguments = [part for key, value in options.items() for part in (f"--{key}", json.dumps(value))]
    paths = ("--input", str(folder / "model.onnx"), "--output", str(folder / "identity.json"))
    identify_model.main(["--model", "mine", *paths, *arguments])
    return read_json(folder / "identity.json", "identity")


def copy(folder, shapes):
    """Run copy_model on the open model with these shapes; return the path of the copy."""
    made = folder / "made" / "model.onnx"
    source = make_open_model(folder / "open.onnx")
    copy_model.main(["--source", str(source), "--input-shapes", json.dumps(shapes), "--output", str(made)])
    return made


def test_open_axes_are_fixed_everywhere(tmp_path):
    made = copy(tmp_path, {"x": [2, 3, 32, 48]})
    known = identify(made.parent)
    assert known["inputs"][0]["shape"] == [2, 3, 32, 48] and known["outputs"][0]["shape"] == [2, 4, 32, 48]
    assert known["original_sha256"] == sha256_file(tmp_path / "open.onnx") != known["sha256"]
    spec = {"kind": "random", "seed": 0, "calibration": 200, "evaluation": 4}
    paths = [made.parent / name for name in ("c.npz", "e.npz", "samples.json")]
    assert make_samples(made.parent / "identity.json", spec, "none", *paths) is None
    assert read_json(paths[2], "samples")["call_shapes"] == {"x": [2, 3, 32, 48]}
    assert read_tensors(paths[1])["inputs/x"].shape == (4, 3, 32, 48)


def test_two_variants_of_one_file_are_two_models(tmp_path):
    digests = set()
    for size in (8, 16):
        (tmp_path / str(size)).mkdir()
        digests.add(sha256_file(copy(tmp_path / str(size), {"x": [1, 3, size, size]})))
    assert len(digests) == 2


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({"x": [1, 4, 8, 8]}, "input_shapes: x is [1, 4, 8, 8], but the model has ['N', 3, 'h', 'v']; only open axes"),
        ({"x": [1, 3, 8]}, "only open axes can be sized"),
        ({"image": [1, 3, 8, 8]}, "input_shapes: 'image' is no input; the model has x"),
    ],
)
def test_shapes_that_do_not_fit_are_the_models_fault(tmp_path, shapes, message):
    made = copy(tmp_path, shapes)
    fault = read_note(made)
    assert fault is not None and fault.kind == "unfit_shape" and message in str(fault)
    assert identify(made.parent)["reason"]["kind"] == "unfit_shape"


def test_one_symbol_is_one_size(tmp_path):
    path = make_open_model(tmp_path / "model.onnx", ("N", 3, "s", "s"))
    fault = fix_input_shapes(path, {"x": [1, 3, 8, 16]})
    assert fault is not None and "'s' is 8 and 16; it is one size in the model" in str(fault)


def test_without_shapes_the_file_stays_as_it_is(tmp_path):
    path = make_open_model(tmp_path / "model.onnx")
    before = path.read_bytes()
    assert fix_input_shapes(path, None) is None and path.read_bytes() == before
    assert "original_sha256" not in identify(tmp_path)


def item(name, *shape):
    return {"name": name, "dtype": "float32", "shape": list(shape)}


@pytest.mark.parametrize(
    ("inputs", "declared", "whole", "batch"),
    [
        ([item("x", "N", 3)], (), [], 1),
        ([item("x", 1, 3), item("z", "N", 3)], (), [], 1),
        ([item("x", 4, 3), item("z", 4)], (), [], 4),
        ([item("x", "N", 64), item("state", 2, "N", 16), item("sr")], (), ["state", "sr"], 1),
        ([item("x", 1, 64), item("state", 2, 1, 16)], (), ["state"], 1),
        ([item("x", 20, 1, 10)], (), [], 20),
        ([item("x", 20, 1, 10)], ("x",), ["x"], 1),
        ([item("x", "T", 1, 10)], ("x",), ["x"], 1),
    ],
)
def test_axis_0_is_the_batch_only_where_it_can_be(inputs, declared, whole, batch):
    assert list_whole_inputs(inputs, declared) == whole
    assert find_fixed_batch(inputs, whole) == batch


def test_an_input_that_is_declared_whole_must_exist(tmp_path):
    make_open_model(tmp_path / "model.onnx")
    reason = identify(tmp_path, **{"whole-inputs": ["state"]})["reason"]
    assert "whole_inputs names 'state'; the model's inputs are x" in reason["message"]
    assert identify(tmp_path, **{"whole-inputs": ["x"]})["whole_inputs"] == ["x"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x1c\0\0\0TFL3" + b"\0" * 40, "a TensorFlow Lite model, and not an ONNX model"),
        (b"PK\x03\x04" + b"\0" * 40, "edgeproof new model"),
        (b"\x89HDF\r\n" + b"\0" * 40, "an HDF5 file, as Keras writes"),
        (b"<?xml version='1.0'?><net/>", "as OpenVINO writes"),
    ],
)
def test_files_of_other_frameworks_are_called_by_their_name(tmp_path, data, message):
    (tmp_path / "model.onnx").write_bytes(data)
    reason = identify(tmp_path)["reason"]
    assert reason["kind"] == "unreadable" and message in reason["message"]


def test_an_axis_of_size_0_wants_a_size(tmp_path):
    path = make_open_model(tmp_path / "model.onnx", (0, 3, 8, 8))
    assert "give its size with input_shapes" in identify(tmp_path)["reason"]["message"]
    assert fix_input_shapes(path, {"x": [1, 3, 8, 8]}) is None
    assert identify(tmp_path)["inputs"][0]["shape"] == [1, 3, 8, 8]
