"""What the rules ask of a cell, answered from the shipped catalogues."""

import pytest
from edgeproof.core.catalogues import CATALOGUES, read_catalogue
from edgeproof.core.cells import Cells
from edgeproof.core.layout import Cell
from edgeproof.core.pipelines import list_stage_models


@pytest.fixture(scope="module")
def cells():
    catalogues = {kind: read_catalogue(kind) for kind in CATALOGUES}
    catalogues["model"] |= list_stage_models(catalogues["pipeline"])
    return Cells(catalogues)


def test_models_are_told_by_where_they_come_from(cells):
    assert "digits-cnn" in cells.models_of("recipe") + cells.models_of("file")
    stages = cells.models_of("stage")
    assert stages and all(cells.models[name]["source"]["pipeline"] in cells.pipelines for name in stages)
    assert set(cells.models_of("file", "url", "recipe", "stage")) == set(cells.models)


def test_a_recipe_is_a_script(cells):
    models = cells.models_of("recipe")
    assert models
    for model in models:
        assert cells.recipe_script(model).startswith("scripts/recipe_")


def test_an_artifact_is_named_after_its_builder_and_its_format(cells):
    cell = Cell("digits-cnn", "ort-cpu", "local", "int8")
    assert cells.artifact_of(cell) == "results/artifacts/digits-cnn/ort-cpu/host/int8/artifact.onnx"
    engine = Cell("digits-cnn", "tensorrt-jetson", "jetson", "fp16")
    assert cells.artifact_of(engine) == "results/artifacts/digits-cnn/tensorrt-jetson/jetson/fp16/artifact.engine"


def test_only_int8_needs_calibration_samples(cells):
    int8, fp32 = (Cell("digits-cnn", "ort-cpu", "local", precision) for precision in ("int8", "fp32"))
    assert cells.calibration_set_of(int8) == ["results/sources/digits-cnn/samples/calibration.npz"]
    assert cells.calibration_set_of(fp32) == []


def test_a_runtime_in_a_toolchain_has_its_interpreter_and_its_record(cells):
    litert = Cell("digits-cnn", "litert-cpu", "local", "fp32")
    assert cells.arm_of(litert)["interpreter"] == ".toolchains/litert/bin/python"
    assert cells.runtimes_of(litert, litert) == ["results/toolchains/litert.json"]
    assert not cells.runs_in_our_python(litert)


def test_onnx_runtime_beside_the_workflow_needs_no_toolchain(cells):
    cell = Cell("digits-cnn", "ort-cpu", "local", "fp32")
    assert "interpreter" not in cells.arm_of(cell)
    assert cells.runtimes_of(cell) == [] and cells.runs_in_our_python(cell)


def test_a_device_with_its_own_python_uses_that(cells):
    devices = {**cells.devices, "board": {**cells.devices["local"], "interpreter": "/usr/bin/my python"}}
    other = Cells({"model": cells.models, "preset": cells.presets, "device": devices, "pipeline": cells.pipelines})
    cell = Cell("digits-cnn", "litert-cpu", "board", "fp32")
    assert other.runtime_toolchain_of(cell) is None
    assert other.parity_interpreter("litert-cpu", "board") == "/usr/bin/my python"
    assert other.parity_interpreter("litert-cpu", "host") == ".toolchains/litert/bin/python"
    assert other.parity_interpreter("ort-cpu", "host") is None


def test_a_description_changes_no_measurement(cells):
    assert "description" not in cells.describe_device("local") and cells.describe_device("local")["name"] == "local"
