"""Formats: the schema alone says which options a build has, and which part of a preset decides it."""

import jsonschema
import pytest
from edgeproof.artifacts.builds.fake_artifacts import FAKE_SPEED
from edgeproof.artifacts.builds.quantisation import METHODS
from edgeproof.artifacts.records.formats import (
    FORMATS,
    check_build_options,
    list_build_options,
    list_channels_last_backends,
    list_host_tools,
    select_build_options,
)
from edgeproof.core.catalogues import read_catalogue
from edgeproof.core.documents import load_schema, validate
from edgeproof.core.errors import UserError

PRESETS = read_catalogue("preset")
BUILDS = [(name, precision) for name, preset in PRESETS.items() for precision in preset["precisions"]]
DEFINITIONS = load_schema("preset")["$defs"]


def list_required(artifact, precision):
    """Return the options without which a format cannot be built in a precision."""
    branches = [
        branch["then"]["properties"]["build"]["required"]
        for branch in DEFINITIONS[artifact].get("allOf", [])
        if precision in branch["if"]["properties"]["precisions"]["contains"]["enum"]
    ]
    return {option for required in branches for option in required}


@pytest.mark.parametrize(("name", "precision"), BUILDS)
def test_a_selection_has_the_options_of_its_precision_and_no_others(name, precision):
    preset = PRESETS[name]
    snapshot = select_build_options(preset, precision)
    assert set(snapshot) == {"backend", "artifact", "build"}
    assert list_required(preset["artifact"], precision) <= set(snapshot["build"])
    assert set(snapshot["build"]) <= list_build_options(preset["artifact"], precision)
    assert check_build_options(snapshot, precision) == snapshot["build"]


def test_every_format_of_the_schema_has_a_record_and_the_other_way_round():
    assert set(DEFINITIONS["artifact"]["enum"]) == set(FORMATS)
    assert set(DEFINITIONS["json"]["properties"]["precisions"]["items"]["enum"]) == set(FAKE_SPEED)
    assert set(DEFINITIONS["build"]["properties"]["calibration_method"]["enum"]) == set(METHODS)


@pytest.mark.parametrize("artifact", FORMATS)
def test_every_option_of_a_format_is_needed_by_a_precision(artifact):
    properties = DEFINITIONS[artifact]["properties"]
    needed = [list_build_options(artifact, precision) for precision in properties["precisions"]["items"]["enum"]]
    assert set().union(*needed) == set(properties["build"]["properties"])


LEFT_OUT = [
    (name, precision, option)
    for name, precision in BUILDS
    for option in sorted(list_required(PRESETS[name]["artifact"], precision))
]


@pytest.mark.parametrize(("name", "precision", "option"), LEFT_OUT)
def test_a_preset_without_an_option_that_a_precision_needs_is_refused(name, precision, option):
    preset = PRESETS[name]
    build = {key: value for key, value in preset["build"].items() if key != option}
    with pytest.raises(UserError, match=f"build: key '{option}' is missing"):
        check_build_options({**select_build_options(preset, precision), "build": build}, precision)
    with pytest.raises(UserError, match=f"build: key '{option}' is missing"):
        validate({**preset, "build": build}, "preset", "preset.yaml")


def test_an_unknown_option_is_kept_and_refused():
    preset = {**PRESETS["ort-cpu"], "build": {"per_chanel": True, "calibration_samples": 200}}
    snapshot = select_build_options(preset, "fp32")
    assert snapshot["build"] == {"per_chanel": True}
    with pytest.raises(
        UserError, match=r"build: unknown key 'per_chanel'; known keys are activations, calibration_method"
    ):
        check_build_options(snapshot, "fp32")


def test_an_option_of_another_format_is_refused_when_the_preset_is_read():
    preset = {**PRESETS["ort-cpu"], "build": {**PRESETS["ort-cpu"]["build"], "workspace_mb": 64}}
    with pytest.raises(UserError, match=r"build: unknown key 'workspace_mb'"):
        validate(preset, "preset", "preset.yaml")


@pytest.mark.parametrize(("name", "precision"), BUILDS)
def test_a_selection_of_a_selection_is_the_same(name, precision):
    snapshot = select_build_options(PRESETS[name], precision)
    assert select_build_options(snapshot, precision) == snapshot


def test_a_format_that_is_not_known_keeps_all_options():
    preset = {"backend": "x", "artifact": "y", "build": {"z": 1}}
    assert select_build_options(preset, "fp32") == preset


def test_tools_of_the_workflow_are_named_where_they_take_part():
    assert list_host_tools(PRESETS["openvino-cpu"], "int8") == list_host_tools(PRESETS["ort-cpu"], "int8")
    assert "onnxruntime" in list_host_tools(PRESETS["ort-cpu"], "int8")
    assert list_host_tools(PRESETS["openvino-cpu"], "fp32") == list_host_tools(PRESETS["litert-cpu"], "int8") == ()


def test_the_snapshot_is_a_schema_of_its_own():
    rules = jsonschema.Draft202012Validator(jsonschema.Draft202012Validator.META_SCHEMA)
    assert list(rules.iter_errors(load_schema("preset#snapshot"))) == []


def test_litert_is_the_backend_with_channels_last():
    assert list_channels_last_backends() == {"litert"}
