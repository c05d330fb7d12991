import copy
from pathlib import Path

import pytest
from edgeproof.core.catalogues import CATALOGUES, read_catalogue
from edgeproof.core.documents import validate
from edgeproof.core.errors import UserError
from edgeproof.core.layout import Cell
from edgeproof.core.pipelines import (
    check_pipeline,
    count_stage_samples,
    is_chain,
    list_cells,
    list_cut_points,
    list_readings,
    list_stage_models,
)

CATALOGUE = {
    "model": {"m": {}, "n": {}},
    "preset": {"p": {"precisions": ["fp32", "int8"]}},
    "device": {"here": {}, "there": {}},
}
EXECUTOR = {"name": "e", "device": "here", "preset": "p", "precisions": ["fp32"], "memory_mb": 10}
CUT = {
    "description": "d",
    "model": "m",
    "stages": [{"name": "a", "until": "t"}, {"name": "b", "until": ["u", "v"]}, {"name": "c"}],
    "executors": [EXECUTOR, {**EXECUTOR, "name": "f"}],
    "links": {"measure": {"sizes_mb": [0.1, 1], "samples": 20}},
    "goals": ["min-latency"],
}


def changed(**changes):
    return {**copy.deepcopy(CUT), **changes}


def test_every_stage_of_a_cut_becomes_a_model():
    models = list_stage_models({"p": CUT})
    assert list(models) == ["p-01-a", "p-02-b", "p-03-c"]
    assert models["p-02-b"]["source"] == {"kind": "stage", "pipeline": "p", "number": 1}
    assert [list_cut_points(CUT, number) for number in range(3)] == [
        (None, ["t"]),
        (["t"], ["u", "v"]),
        (["u", "v"], None),
    ]


def test_stages_may_branch_and_join():
    stages = [
        {"name": "a", "until": "t"},
        {"name": "b", "until": "u"},
        {"name": "c", "inputs": ["a"], "until": "v"},
        {"name": "d", "inputs": [], "until": "w"},
        {"name": "e", "inputs": ["c", "b", "d"]},
    ]
    document = changed(stages=stages)
    check_pipeline(document, CATALOGUE, "p.yaml")
    assert list_readings(document) == [[], [0], [0], [], [2, 1, 3]]
    assert list_cut_points(document, 4) == (["v", "u", "w"], None)
    assert list_cut_points(document, 3) == (None, ["w"])
    assert is_chain(CUT) and not is_chain(document)


def test_calibration_sets_are_made_for_int8_only():
    assert count_stage_samples(CUT) == {"evaluation": 64, "calibration": 1}
    int8 = changed(executors=[{**EXECUTOR, "precisions": ["fp32", "int8"]}], samples={"evaluation": 8})
    assert count_stage_samples(int8) == {"evaluation": 8, "calibration": 200}


def test_cells_are_stages_by_executors_by_precisions():
    cells = list_cells("p", CUT)
    assert [(number, name) for number, name, _ in cells] == [(n, e) for n in range(3) for e in ("e", "f")]
    assert cells[0][2] == Cell("p-01-a", "p", "here", "fp32")


def test_models_may_be_chained_instead():
    document = changed(stages=[{"name": "a", "model": "m"}, {"name": "b", "model": "n"}])
    del document["model"]
    check_pipeline(document, CATALOGUE, "p.yaml")
    assert list_stage_models({"p": document}) == {}
    assert [cell.model for _, _, cell in list_cells("p", document)] == ["m", "m", "n", "n"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "x"}, "model 'x' is not in config/models/"),
        ({"stages": [{"name": "a"}, {"name": "b"}]}, r"stages\[0\] \(a\): every stage but the last needs `until`"),
        ({"stages": [{"name": "a", "until": "t"}]}, "every stage but the last needs `until`"),
        ({"stages": [{"name": "a", "until": "t"}, {"name": "a"}]}, "'a' occurs twice"),
        ({"stages": [{"name": "a", "model": "m"}]}, "names a model, but the pipeline cuts 'm'"),
        (
            {"stages": [{"name": "a", "until": "t"}, {"name": "b", "inputs": ["c"], "until": "u"}, {"name": "c"}]},
            r"stages\[1\] \(b\): inputs: 'c' is not a stage before it; there are a",
        ),
        ({"stages": [{"name": "a", "inputs": ["a"]}]}, "the first stage reads the input of the pipeline"),
        (
            {"stages": [{"name": "a", "until": "t"}, {"name": "b", "until": "u"}, {"name": "c", "inputs": ["a"]}]},
            r"stages\[1\] \(b\): no stage reads it",
        ),
        (
            {"execution": "scheduled", "contention": [{"slowed": "x", "by": EXECUTOR["name"], "factor": 2}]},
            r"contention\[0\]: 'x' is not an executor",
        ),
        (
            {"contention": [{"slowed": EXECUTOR["name"], "by": EXECUTOR["name"], "factor": 2}]},
            "contention counts in scheduled execution only",
        ),
        ({"executors": [{**EXECUTOR, "name": "host"}]}, "is the caller's"),
        ({"executors": [{**EXECUTOR, "preset": "x"}]}, "preset: 'x' is not one of p"),
        ({"executors": [{**EXECUTOR, "precisions": ["fp16"]}]}, "does not build 'fp16'"),
        ({"executors": [EXECUTOR, EXECUTOR]}, "'e' occurs twice"),
        (
            {"executors": [EXECUTOR, {**EXECUTOR, "name": "f", "device": "there"}]},
            "a pipeline is measured and run on one device",
        ),
        ({"goals": ["min-latency", "min-energy"]}, r"goals\[1\]: 'min-energy' .* nothing measures it on 'here'"),
        ({"links": {}}, "`measure` or `declare`"),
        ({"links": {"declare": [{"source": "e", "target": "x"}]}}, "'x' is not an executor; known: host, e, f"),
        ({"links": {"declare": [{"source": "e", "target": "e"}]}}, "to itself"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    with pytest.raises(UserError, match=message):
        check_pipeline(changed(**change), CATALOGUE, "p.yaml")


def test_shipped_pipelines_fit_what_is_shipped():
    root = Path(__file__).resolve().parents[3] / "config"
    catalogues = {kind: read_catalogue(kind, root) for kind in CATALOGUES}
    for name, document in catalogues["pipeline"].items():
        check_pipeline(document, catalogues, name)
    six = catalogues["pipeline"]["squeezenet-six"]
    assert len(six["stages"]) >= 6 and len(six["executors"]) == 4
    validate(six, "pipeline", "squeezenet-six")


def test_a_stage_of_a_cut_that_names_a_model_does_not_take_its_place():
    """Both keys at once are a mistake, named when a campaign uses the pipeline; until then the model stays itself."""
    document = changed(stages=[{"name": "whole", "model": "digits-cnn"}])
    assert "digits-cnn" not in list_stage_models({"mixed": document})
    assert "mixed-02-rest" in list_stage_models({"mixed": changed(stages=[*document["stages"], {"name": "rest"}])})
