"""Names of artifacts: what is printed is taken, a path means the same, and a wrong name gets a suggestion."""

import shutil
from pathlib import Path

import pytest
from edgeproof.artifacts.artifact_names import (
    find_manifest,
    find_named_manifests,
    list_buildable,
    list_built,
    parse_name,
)
from edgeproof.core.errors import UserError
from edgeproof.core.layout import REPOSITORY

NAMES = ["digits-cnn/fake/host/fp32", "digits-cnn/ort-cpu/host/fp32", "digits-cnn/tensorrt-jetson/jetson/fp16"]


@pytest.fixture
def root(tmp_path):
    """A root with the shipped configuration and three artifacts, whose manifests are empty files."""
    shutil.copytree(REPOSITORY / "config", tmp_path / "config")
    for name in NAMES:
        folder = tmp_path / "results/artifacts" / name
        folder.mkdir(parents=True)
        for file in ("manifest.json", "parity.json", "artifact.onnx"):
            (folder / file).touch()
    return tmp_path


@pytest.mark.parametrize("name", NAMES)
def test_a_name_and_every_path_of_an_artifact_lead_to_its_manifest(root, name):
    folder = root / "results/artifacts" / name
    ways = [name, *(str(folder / file) for file in ("manifest.json", "parity.json", "artifact.onnx")), str(folder)]
    assert {find_manifest(text, root) for text in ways} == {folder / "manifest.json"}
    assert find_named_manifests(name, root) == [folder / "manifest.json"]


def test_what_is_built_is_listed_and_can_be_built(root):
    assert list_built(root) == NAMES
    assert set(NAMES) <= set(list_buildable(root))
    assert all(str(parse_name(text, root)) == text for text in list_buildable(root))


def test_a_cell_has_the_artifact_that_it_measures(root):
    assert find_manifest("digits-cnn/ort-cpu/local/fp32", root).parts[-3:-1] == ("host", "fp32")
    assert str(parse_name("digits-cnn/ort-cpu/local/fp32", root)) == "digits-cnn/ort-cpu/host/fp32"


@pytest.mark.parametrize(
    ("target", "count"), [("all", 3), ("digits-cnn", 3), ("digits-cnn/ort-cpu", 1), ("results/artifacts", 3)]
)
def test_a_target_may_stand_for_many(root, target, count, monkeypatch):
    monkeypatch.chdir(root)
    assert len(find_named_manifests(target, root)) == count


def test_a_path_with_a_dot_is_never_taken_for_a_name(root, tmp_path, monkeypatch):
    other = tmp_path / "elsewhere"
    (other / NAMES[1]).mkdir(parents=True)
    (other / NAMES[1] / "manifest.json").touch()
    monkeypatch.chdir(other)
    assert find_manifest(NAMES[1], root) == root / "results/artifacts" / NAMES[1] / "manifest.json"
    assert find_manifest(f"./{NAMES[1]}", root) == Path(NAMES[1], "manifest.json")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("digits-cn/ort-cpu/host/fp32", "did you mean 'digits-cnn/ort-cpu/host/fp32'"),
        ("digits-cnn/ort-cpu/host/int8", "is not built yet; build it with: snakemake --profile local results/"),
        ("digits-cnn/ort-cpu/host", "no artifact has this name and there is no such file; did you mean"),
        ("manifest.json", "see edgeproof artifacts list"),
        ("no/such/thing/here", "model is 'no'"),
        ("x\0y", "there is no such file"),
    ],
)
def test_a_wrong_name_gets_a_suggestion(root, text, words):
    with pytest.raises(UserError) as error:
        find_manifest(text, root)
    assert words in str(error.value) and "\n" not in str(error.value)
