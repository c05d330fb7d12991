"""A search on a detector that its recipe trains here: a way to build it in 8 bits is found, and all of it is proved."""

import json

import numpy as np
import onnxruntime
import pytest
from edgeproof.artifacts.agreement.detections import judge_rows, read_labels, read_rows
from edgeproof.core.yaml_files import read_yaml

from ..workflow.conftest import copy_repository

pytestmark = pytest.mark.campaign
LOSS = 0.01


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A copy of the repository in which a search has run, and the search's document."""
    workspace = copy_repository(tmp_path_factory.mktemp("searched") / "edgeproof")
    words = ("artifacts", "search", "scenes-detector", "ort-cpu", "--accuracy-loss", "1pp")
    first = workspace.edgeproof(*words)
    assert first.returncode == 0, first.stdout
    again = workspace.edgeproof(*words, "--json")  # everything is there: the document stands alone on the terminal
    return workspace, json.loads(again.stdout)


def read(workspace, item, name):
    folder = workspace.root / f"results/artifacts/scenes-detector/{item['preset']}/host/{item['precision']}"
    return json.loads((folder / name).read_text())


def test_a_recipe_in_8_bits_is_found_on_a_detector(searched):
    _, document = searched
    assert document["tried"][-1]["holds"] and document["next"] is None
    assert document["tried"][-1]["precision"] == "int8"
    name = "scenes-detector/{preset}/host/{precision}".format(**document["tried"][-1])
    assert document["found"] == name


def test_what_was_tried_before_says_why_it_does_not_hold(searched):
    _, document = searched
    order = [(item["preset"], item["precision"]) for item in document["candidates"]]
    assert [(item["preset"], item["precision"]) for item in document["tried"]] == order[: len(document["tried"])]
    assert all(item["reason"] and not item["holds"] for item in document["tried"][:-1])


def test_the_evidence_of_what_was_found_is_complete(searched):
    workspace, document = searched
    found = document["tried"][-1]
    manifest, parity = read(workspace, found, "manifest.json"), read(workspace, found, "parity.json")
    assert manifest["status"] == "ok" and manifest["artifact"]["bytes"] == found["bytes"]
    assert parity["status"] == "passed" and parity["metrics"]["matched_share"] >= 0.95
    assert not {"matched_share", "relative_accuracy"} & set(parity["absent"]) and parity["evaluation"]["count"] == 200
    detection = parity["detection"]
    assert detection["images"] == 200 and detection["reference"]["f1"] >= 0.9 and detection["reference"]["map"] >= 0.6
    assert detection["f1_low"] == found["low"] >= -LOSS
    assert detection["f1_low"] <= detection["f1_difference"] <= detection["f1_high"]
    assert found["calibration"] is None  # on scenes, not on noise


def test_everything_that_was_tried_validates_and_what_was_found_is_built_again(searched):
    workspace, document = searched
    for item in document["tried"]:
        done = workspace.edgeproof(
            "artifacts", "validate", f"scenes-detector/{item['preset']}/host/{item['precision']}"
        )
        assert done.returncode == 0, done.stdout
    done = workspace.edgeproof("artifacts", "rebuild", document["found"])
    assert done.returncode == 0, done.stdout


def test_bare_onnx_runtime_finds_the_same_boxes(searched):
    workspace, document = searched
    folder = workspace.root / "results/artifacts" / document["found"]
    samples = np.load(workspace.root / "results/sources/scenes-detector/samples/evaluation.npz")["inputs/input"]
    options = read_yaml(workspace.root / "config/models/scenes-detector.yaml", "model")["task"]["detection"]
    rows = []
    for path in (workspace.root / "results/sources/scenes-detector/model.onnx", folder / "artifact.onnx"):
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        names = [item.name for item in session.get_outputs()]
        made = [session.run(names, {"input": sample[None]}) for sample in samples]
        rows.append(read_rows({name: [entry[at] for entry in made] for at, name in enumerate(names)}, options))
    judged = judge_rows(*rows, read_labels(workspace.root / options["labels"], options), options)
    kept = json.loads((folder / "parity.json").read_text())["detection"]
    for side in ("reference", "candidate"):
        assert judged[side] == pytest.approx(kept[side])
