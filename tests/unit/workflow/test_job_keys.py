"""Keys of jobs: each knob is in the keys of the jobs that it decides, and in no other."""

import copy
from types import SimpleNamespace

import pytest
from edgeproof.artifacts.records.formats import list_channels_last_backends
from edgeproof.core.campaign import expand_campaign
from edgeproof.core.catalogues import CATALOGUES, read_catalogue
from edgeproof.core.cells import Cells
from edgeproof.core.documents import validate
from edgeproof.core.keys import list_differences
from edgeproof.core.pipelines import list_stage_models
from edgeproof.core.stages import Stages
from edgeproof.core.targets import Targets
from edgeproof.core.yaml_files import read_yaml
from edgeproof.workflow.job_keys import JobKeys
from edgeproof.workflow.wanted_file import (
    compose_options,
    describe_wanted,
    list_document_keys,
    write_wanted,
)

RUN = "results/runs/digits-cnn/ort-cpu/local/fp32/result.json"
INT8 = "results/artifacts/digits-cnn/ort-cpu/host/int8/manifest.json"


@pytest.fixture(scope="module")
def catalogues():
    read = {kind: read_catalogue(kind) for kind in CATALOGUES}
    read["model"] |= list_stage_models(read["pipeline"])
    return read


def make_keys(catalogues, versions="1.0", **changes):
    config = read_yaml("config/config.yaml", "campaign") | changes
    targets = Targets(
        expand_campaign(config, catalogues), Stages(Cells(catalogues), list_channels_last_backends()), catalogues
    )
    return JobKeys(targets, lambda *packages: dict.fromkeys(packages, versions))


def changed(before, after):
    """Return {path: dotted parts that differ} of two sets of keys."""
    old, new = dict(list_document_keys(before)), dict(list_document_keys(after))
    assert list(old) == list(new)
    found = {path: [item.part for item in list_differences(old[path], new[path])] for path in old}
    return {path: parts for path, parts in found.items() if parts}


def test_equal_configurations_have_equal_keys(catalogues):
    assert changed(make_keys(catalogues), make_keys(copy.deepcopy(catalogues))) == {}


def test_threads_of_a_preset_are_in_its_measurements_and_in_no_build(catalogues):
    other = copy.deepcopy(catalogues)
    other["preset"]["ort-cpu"]["runtime"]["intra_op_threads"] = 7
    found = changed(make_keys(catalogues), make_keys(other))
    assert found[RUN] == ["arm.runtime.intra_op_threads"]
    assert not [path for path in found if path.endswith("manifest.json")]


def test_a_parity_limit_is_in_no_measurement(catalogues):
    other = copy.deepcopy(catalogues)
    other["preset"]["ort-cpu"]["parity"]["int8"] = {"min_cosine": 0.5}
    found = changed(make_keys(catalogues), make_keys(other))
    assert {path.rsplit("/", 1)[1] for path in found} == {"parity.json"}


def test_more_calibration_samples_are_in_the_build_of_int8_only(catalogues):
    other = copy.deepcopy(catalogues)
    other["preset"]["ort-cpu"]["build"]["calibration_samples"] = 201
    found = changed(make_keys(catalogues), make_keys(other))
    assert INT8 in found and all("/int8/" in path for path in found)


def test_a_description_is_in_no_key(catalogues):
    other = copy.deepcopy(catalogues)
    for kind in ("model", "preset", "device", "protocol"):
        for document in other[kind].values():
            document["description"] = "other words"
    assert changed(make_keys(catalogues), make_keys(other)) == {}


def test_another_runtime_in_our_environment_is_in_what_it_measures(catalogues):
    found = changed(make_keys(catalogues), make_keys(catalogues, versions="2.0"))
    assert found[RUN] == ["watch.runtime.onnxruntime"]


def test_the_budget_of_a_comparison_is_in_its_pairs_only(catalogues):
    comparisons = [dict(entry) for entry in read_yaml("config/config.yaml", "campaign")["comparisons"]]
    comparisons[0]["pairs"] = 42
    found = changed(make_keys(catalogues), make_keys(catalogues, comparisons=comparisons))
    (path,) = found
    assert path.endswith("pairs.json") and found[path] == ["budget.pairs"]


def test_swapped_sides_are_another_key(catalogues):
    comparisons = [dict(entry) for entry in read_yaml("config/config.yaml", "campaign")["comparisons"]]
    first = comparisons[0]
    cell = {"model": "digits-cnn", "preset": "ort-cpu", "device": "local"}
    comparisons[0] = {**first, "left": {**cell, "precision": "int8"}, "right": {**cell, "precision": "fp32"}}
    found = changed(make_keys(catalogues), make_keys(catalogues, comparisons=comparisons))
    assert any(path.endswith("verdict.json") and "watch.sides" in parts for path, parts in found.items())


def test_wanted_is_written_when_its_content_differs(catalogues, tmp_path, monkeypatch):
    wanted = describe_wanted(make_keys(catalogues))
    assert wanted["campaign"]["campaign"] == "demo" and RUN in wanted["keys"]
    monkeypatch.setattr("edgeproof.workflow.wanted_file.evidence_folder", lambda name: str(tmp_path / name))
    path = write_wanted(wanted)
    before = path.stat().st_mtime_ns
    assert write_wanted(wanted).stat().st_mtime_ns == before
    write_wanted(describe_wanted(make_keys(catalogues, protocol="standard")))
    assert path.stat().st_mtime_ns != before


def test_how_to_ask_for_the_campaign_is_named(catalogues):
    options = compose_options(["config/mine.yaml"], True, {"hosts": {"rpi": "pi5"}})
    command = ["--profile", "local", "--configfile", "config/mine.yaml", "--replace-workflow-config"]
    assert options == [*command, "--config", 'hosts={"rpi": "pi5"}']
    wanted = describe_wanted(make_keys(catalogues), options=options)
    assert validate(wanted | {"document_sha256": "0" * 64}, "wanted", "here")["options"] == options


def test_a_model_file_enters_by_its_bytes(catalogues, tmp_path):
    other = copy.deepcopy(catalogues)
    file = tmp_path / "model.onnx"
    other["model"]["digits-cnn"]["source"] = {"kind": "file", "path": str(file)}
    wildcards = SimpleNamespace(model="digits-cnn")
    missing = make_keys(other).copy_model(wildcards)
    file.write_bytes(b"one")
    first = make_keys(other).copy_model(wildcards)
    file.write_bytes(b"two")
    assert missing["watch"]["bytes"] is None and first["sha256"] is None
    assert list_differences(first, make_keys(other).copy_model(wildcards))[0].part == "watch.bytes"
