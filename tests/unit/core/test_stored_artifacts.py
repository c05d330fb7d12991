"""Artifacts of the store as sides of a comparison: found by their digest, and never guessed."""

import json
from pathlib import Path

import pytest
from edgeproof.bench.made_up_cells import write_cell
from edgeproof.core.campaign_files import CampaignFiles
from edgeproof.core.campaign_models import add_models
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_bytes
from edgeproof.core.seals import seal
from edgeproof.core.stored_artifacts import find_artifact

MODEL = {
    "description": "d",
    "source": {"kind": "file", "path": "gone.onnx"},
    "task": "none",
    "samples": {"kind": "digits"},
}
SOURCE = b"the model"


@pytest.fixture
def digest(tmp_path, monkeypatch):
    """The digest of an artifact that was built from SOURCE as fp32 by two presets, and whose model is still there."""
    monkeypatch.chdir(tmp_path)
    for preset in ("ort-cpu", "ort-cpu-1t"):
        write_cell(precision="fp32", preset=preset)
        path = Path(f"results/artifacts/digits-cnn/{preset}/host/fp32/manifest.json")
        manifest = json.loads(path.read_text())
        manifest["source"]["sha256"] = sha256_bytes(SOURCE)
        path.write_text(json.dumps(seal(manifest)))
    Path("results/sources/digits-cnn").mkdir(parents=True, exist_ok=True)
    Path("results/sources/digits-cnn/model.onnx").write_bytes(SOURCE)
    return manifest["artifact"]["sha256"]


def find(digest, **wanted):
    return find_artifact(f"sha256:{digest}", wanted, {"digits-cnn": MODEL}, Path("."), "own.yaml:3: left")


def test_an_artifact_is_found_by_the_beginning_of_its_digest(digest):
    found = find(digest[:8], preset="ort-cpu-1t")
    assert (found.name, found.origin) == (f"artifact-{digest[:12]}", "digits-cnn")
    folder = "results/artifacts/digits-cnn/ort-cpu-1t/host/fp32"
    assert found.entry["kept"] == {
        "preset": "ort-cpu-1t",
        "builder": "host",
        "precision": "fp32",
        "artifact": f"{folder}/artifact.onnx",
        "sha256": digest,
        "manifest": f"{folder}/manifest.json",
    }
    source = {"kind": "file", "path": "results/sources/digits-cnn/model.onnx", "sha256": sha256_bytes(SOURCE)}
    assert (found.entry["source"], found.entry["samples"]) == (source, MODEL["samples"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda digest: find(digest), "digits-cnn/ort-cpu/host/fp32 and digits-cnn/ort-cpu-1t/host/fp32; name preset"),
        (lambda digest: find(digest, precision="int8"), "precision int8 is stored; looked in results/baselines/*"),
        (lambda _: find("0" * 64), "baselines/*, results/artifacts/*/*/*/*/attempts/*, results/artifacts/"),
        (
            lambda digest: Path("results/sources/digits-cnn/model.onnx").unlink() or find(digest, preset="ort-cpu"),
            "the model that sha256:",
        ),
    ],
    ids=["two presets", "other precision", "unknown", "source gone"],
)  # fmt: skip
def test_what_is_not_there_or_not_one_is_refused_with_the_places(digest, change, message):
    with pytest.raises(UserError) as caught:
        change(digest)
    assert str(caught.value).startswith("own.yaml:3: left: ") and message in str(caught.value)


def test_a_side_becomes_a_model_and_the_other_takes_the_original(digest):
    left = {"artifact": f"sha256:{digest}", "preset": "ort-cpu"}
    config = {"comparisons": [{"name": "c", "left": left, "right": {"precision": "int8"}, "varies": ["precision"]}]}
    files, catalogues = add_models(
        CampaignFiles(("own.yaml",), config, {}), {"model": {"digits-cnn": MODEL}}, Path(".")
    )
    name = f"artifact-{digest[:12]}"
    (comparison,) = files.config["comparisons"]
    assert comparison["left"] == {"model": name, "preset": "ort-cpu", "precision": "fp32"}
    assert comparison["right"] == {"precision": "int8", "model": "digits-cnn"}
    assert comparison["varies"] == ["precision", "model"]
    assert [*catalogues["model"]] == ["digits-cnn", name]


def test_a_side_names_one_thing(digest):
    config = {"comparisons": [{"name": "c", "left": {"model": "m", "artifact": f"sha256:{digest}"}, "right": {}}]}
    with pytest.raises(UserError, match="a side is a model, an artifact or a baseline; name one of them"):
        add_models(CampaignFiles(("own.yaml",), config, {}), {"model": {}}, Path("."))
