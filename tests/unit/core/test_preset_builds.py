"""Presets whose builder draws have builds, each a preset of its own; others have one."""

import pytest
from edgeproof.core.errors import UserError
from edgeproof.core.preset_builds import add_builds, list_builds

ENGINE = {"artifact": "engine", "build": {"workspace_mb": 1}, "builds": 3}
ONNX = {"artifact": "onnx", "build": {}}


def test_every_further_build_is_a_preset_with_one_build():
    presets = add_builds({"trt": ENGINE, "ort": ONNX})
    assert list(presets) == ["trt", "ort", "trt-build-2", "trt-build-3"]
    assert presets["trt-build-2"] == {key: value for key, value in ENGINE.items() if key != "builds"}
    assert list_builds("trt", presets["trt"]) == ["trt", "trt-build-2", "trt-build-3"]
    assert list_builds("trt-build-2", presets["trt-build-2"]) == ["trt-build-2"]
    assert list_builds("ort", ONNX) == []


def test_a_fake_builder_draws_when_it_is_told_to():
    assert list_builds("fake", {"artifact": "json", "build": {"latency_ms": 5}}) == []
    assert list_builds("fake", {"artifact": "json", "build": {"latency_ms": 5, "latency_spread": 0.1}}) == ["fake"]


def test_builds_are_refused_where_they_would_be_alike():
    with pytest.raises(UserError, match=r"config/presets/ort\.yaml: builds is 2, but every build of 'onnx' is alike"):
        add_builds({"ort": {**ONNX, "builds": 2}})


def test_a_file_cannot_have_the_name_of_a_build():
    with pytest.raises(UserError, match=r"config/presets/trt-build-3\.yaml: .* 'trt', which has builds: 3; rename"):
        add_builds({"trt": ENGINE, "trt-build-3": ONNX})
