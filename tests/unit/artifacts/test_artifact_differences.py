"""What differs between two artifacts has a name, and it is known whether it decides what they compute."""

import json
import zipfile

import numpy as np
import onnx
import pytest
from edgeproof.artifacts.records.artifact_differences import describe_different_bytes, list_artifact_differences
from onnx import helper, numpy_helper

from .conftest import make_classifier


def write(path, model):
    path.write_bytes(model.SerializeToString(deterministic=True))
    return path


@pytest.fixture
def compare(tmp_path):
    """Return a function that compares a classifier with what `change` makes of it."""

    def call(change):
        before, model = write(tmp_path / "before.onnx", make_classifier()), make_classifier()
        change(model)
        return list_artifact_differences(before, write(tmp_path / "after.onnx", model), "onnx")

    return call


def change_weight(model):
    values = numpy_helper.to_array(model.graph.initializer[1]).copy()
    values[2] += 0.5
    model.graph.initializer[1].CopyFrom(numpy_helper.from_array(values, "bias"))


def change_type(model):
    model.graph.initializer[1].CopyFrom(numpy_helper.from_array(np.zeros(8, "float16"), "bias"))


def change_opset(model):
    model.opset_import[0].version = 14


@pytest.mark.parametrize(
    ("change", "member", "detail"),
    [
        (change_weight, "initializer 'bias'", "1 of 8 values differ, by up to 0.5"),
        (change_type, "initializer 'bias'", "float32 [8] became float16 [8]"),
        (change_opset, "opset", "{'ai.onnx': 13} became {'ai.onnx': 14}"),
        (
            lambda m: m.graph.node[0].attribute.append(helper.make_attribute("group", 2)),
            "node 'conv' (Conv), attribute 'group'",
            "nothing became 2",
        ),
        (lambda m: setattr(m.graph.node[1], "op_type", "Tanh"), "node 'relu' (Relu), operator", ".Relu became .Tanh"),
        (lambda m: m.graph.node[2].input.__setitem__(0, "conv"), "node 'flat' (Flatten), inputs", "['relu'] became"),
        (lambda m: m.graph.node.remove(m.graph.node[1]), "node 'relu' (Relu)", "is gone"),
        (lambda m: setattr(m.graph.input[0], "name", "picture"), "inputs", "['image'] became ['picture']"),
        (
            lambda m: m.graph.sparse_initializer.append(onnx.SparseTensorProto(dims=[3])),
            "sparse initializers",
            "they differ",
        ),
    ],
)
def test_what_decides_is_different_and_named(compare, change, member, detail):
    verdict, found = compare(change)
    assert verdict == "different"
    assert [item.member for item in found if item.decisive] == [member]
    assert detail in found[0].detail


@pytest.mark.parametrize(
    ("change", "member"),
    [
        (lambda m: setattr(m, "producer_version", "2"), "producer_version"),
        (lambda m: setattr(m, "doc_string", "about"), "doc_string"),
        (lambda m: setattr(m.graph.node[0], "name", "first"), "serialisation"),
        (lambda m: m.graph.initializer.reverse(), "serialisation"),
    ],
)
def test_what_only_describes_is_equivalent(compare, change, member):
    verdict, found = compare(change)
    assert (verdict, [item.member for item in found]) == ("equivalent", [member])


def test_the_same_bytes_are_identical(compare):
    assert compare(lambda model: None) == ("identical", [])


def pack(path, members, front=b"", year=1980):
    path.write_bytes(front)
    with zipfile.ZipFile(path, "a") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, (year, 1, 1, 0, 0, 0)), data)
    return path


def test_members_of_archives_are_named(tmp_path):
    members = {"model.xml": "<net>\n<layer id='0'/>\n", "model.bin": bytes(100), "fingerprint.pb": b"1"}
    before = pack(tmp_path / "a.zip", members)
    same = pack(tmp_path / "b.zip", members, year=2000)
    verdict, found = list_artifact_differences(before, same, "openvino.zip")
    assert (verdict, found[0].member) == ("equivalent", "the archive")
    other = pack(tmp_path / "c.zip", {**members, "fingerprint.pb": b"2"})
    verdict, found = list_artifact_differences(before, other, "openvino.zip")
    assert (verdict, [item.member for item in found]) == ("equivalent", ["fingerprint.pb"])
    changed = {"model.xml": "<net>\n<layer id='1'/>\n", "model.bin": bytes(99) + b"1", "extra": "x"}
    verdict, found = list_artifact_differences(before, pack(tmp_path / "d.zip", changed), "openvino.zip")
    assert verdict == "different"
    assert {item.member: item.detail for item in found} == {
        "extra": "was added",
        "fingerprint.pb": "is gone",
        "model.bin": "1 of 100 bytes differ, the first at 99",
        "model.xml": "line 2: <layer id='0'/> became <layer id='1'/>",
    }


def test_what_stands_before_an_archive_is_compared_too(tmp_path):
    before = pack(tmp_path / "a.tflite", {"interface.json": "{}"}, front=b"TFL3" + bytes(60))
    after = pack(tmp_path / "b.tflite", {"interface.json": "{}"}, front=b"TFL3" + bytes(59) + b"!")
    verdict, (item,) = list_artifact_differences(before, after, "tflite")
    assert (verdict, item.member) == ("different", "the bytes before the archive")
    assert item.detail == "1 of 64 bytes differ, the first at 63"


def test_json_is_compared_by_key_and_anything_else_by_byte(tmp_path):
    for name, value in (("a", {"x": {"y": 1}}), ("b", {"x": {"y": 2}})):
        (tmp_path / name).write_text(json.dumps(value))
    verdict, (item,) = list_artifact_differences(tmp_path / "a", tmp_path / "b", "json")
    assert (verdict, item.member, item.detail) == ("different", "x.y", "1 became 2")
    verdict, (item,) = list_artifact_differences(tmp_path / "a", tmp_path / "b", "engine")
    assert (verdict, item.member) == ("different", "the file")
    assert describe_different_bytes(b"abc", b"abcd") == "3 bytes became 4; 0 of 3 bytes differ, the first at 3"
