"""What parity says by the declared task: of detectors, of a user's own evaluator, and of models that declare none."""

import json

import numpy as np
import pytest
from edgeproof.artifacts.agreement import parity
from edgeproof.artifacts.agreement.execution import Inference
from edgeproof.core.errors import UserError
from onnx import TensorProto, helper

from .conftest import make_classifier, make_model

pytestmark = pytest.mark.usefixtures("infer_here")
OPTIONS = {"boxes": "boxes", "scores": "scores", "score_threshold": 0.5, "iou_threshold": 0.5}


@pytest.fixture
def detector(make_job, tmp_path):
    """A job whose model passes boxes and scores on: two rows per sample, of which the labels have the first."""
    nodes = [helper.make_node("Identity", ["b"], ["boxes"]), helper.make_node("Identity", ["s"], ["scores"])]
    sides = [
        [(f"{name}", TensorProto.FLOAT, [1, "k", *rest]) for name, rest in names]
        for names in ((("b", [4]), ("s", [])), (("boxes", [4]), ("scores", [])))
    ]
    job = make_job(make_model(nodes, *sides), count=3)
    boxes = np.tile(np.array([[[0, 0, 10, 10], [50, 50, 60, 60]]], "float32"), (3, 1, 1))
    job.write_evaluation({"inputs/b": boxes, "inputs/s": np.tile(np.array([[0.9, 0.8]], "float32"), (3, 1))})
    document = {
        "images": [{"id": image} for image in range(3)],
        "categories": [{"id": 1}],
        "annotations": [{"image_id": image, "category_id": 1, "bbox": [0, 0, 10, 10]} for image in range(3)],
    }
    (tmp_path / "labels.json").write_text(json.dumps(document))
    job.judge = {"detection": {**OPTIONS, "labels": str(tmp_path / "labels.json")}}
    job.build("fp32")
    return job


@pytest.fixture
def answer(monkeypatch):
    """`answer(change)`: what the artifact answers: `change(outputs)`; the source answers as it does."""

    def replace(change):
        infer = parity.infer_outputs

        def answered(interpreter, arm, model, inputs, limit=None):
            found = infer(interpreter, arm, model, inputs, limit=limit)
            known = arm is parity.REFERENCE_ARM
            return found if known else Inference(change(found.outputs), found.runtime, None)

        monkeypatch.setattr(parity, "infer_outputs", answered)

    return replace


def test_rows_in_another_order_are_the_same_rows(detector, answer):
    answer(lambda outputs: {name: [entry[:, ::-1] for entry in entries] for name, entries in outputs.items()})
    limits = {"max_relative_l2": 1e-4, "min_cosine": 0.9, "min_relative_accuracy": 0.99}
    document = detector.check("fp32", thresholds=limits, task="detection", judge=detector.judge)
    assert (document["status"], document["metrics"]["matched_share"]) == ("passed", 1)
    assert {line["name"] for line in document["thresholds"]} == {"min_matched_share", "min_relative_accuracy"}
    assert {item["judged_by"] for item in document["outputs"]} == {"rows"}
    found = document["detection"]
    assert (found["reference"]["map"], found["reference"]["precision"], found["reference"]["recall"]) == (1, 0.5, 1)
    assert document["metrics"]["relative_accuracy"] == 1


def test_rows_that_are_gone_fail_and_cost_precision(detector, answer):
    """The first row is the labelled one: a model that keeps only the second has lost half its rows, and all its mAP."""
    answer(lambda outputs: {name: [entry[:, 1:] for entry in entries] for name, entries in outputs.items()})
    document = detector.check(
        "fp32", thresholds={"min_relative_accuracy": 0.99}, task="detection", judge=detector.judge
    )
    assert (document["status"], document["reason"]["kind"]) == ("failed", "threshold_missed")
    assert document["metrics"]["matched_share"] == pytest.approx(2 / 3)
    assert document["detection"]["candidate"]["map"] == document["metrics"]["relative_accuracy"] == 0
    assert document["detection"]["f1_difference"] == pytest.approx(-2 / 3)


def test_without_labels_rows_are_matched_and_nothing_is_said_about_accuracy(detector, answer):
    answer(lambda outputs: {name: [entry[:, ::-1] for entry in entries] for name, entries in outputs.items()})
    document = detector.check("fp32", thresholds={}, task="detection", judge={"detection": OPTIONS})
    assert (document["status"], document["metrics"]["matched_share"]) == ("passed", 1)
    assert "detection" not in document
    assert document["absent"]["relative_accuracy"] == "the model's task.detection names no labels"


@pytest.fixture
def selecting(make_job):
    """A job whose model ends in NonMaxSuppression: candidates, scores of two classes, and what it selects."""
    weights = {"most": np.array([9]), "iou": np.array([0.5], "float32"), "least": np.array([0.3], "float32")}
    nodes = [
        helper.make_node("Identity", ["b"], ["boxes"]),
        helper.make_node("Identity", ["s"], ["scores"]),
        helper.make_node("NonMaxSuppression", ["boxes", "scores", *weights], ["selected"]),
    ]
    inputs = [("b", TensorProto.FLOAT, [1, 4, 4]), ("s", TensorProto.FLOAT, [1, 2, 4])]
    outputs = [
        ("boxes", TensorProto.FLOAT, [1, 4, 4]),
        ("scores", TensorProto.FLOAT, [1, 2, 4]),
        ("selected", TensorProto.INT64, ["k", 3]),
    ]
    job = make_job(make_model(nodes, inputs, outputs, weights, opset=17), count=3)
    boxes = np.array([[0, 0, 9, 9], [0, 0, 9, 9.5], [60, 50, 50, 60], [20, 20, 30, 30]], "float32")  # one upside down
    scores = np.array([[0.9, 0.8, 0.7, 0.1], [0.1, 0.1, 0.2, 0.6]], "float32")
    job.write_evaluation({"inputs/b": np.tile(boxes, (3, 1, 1)), "inputs/s": np.tile(scores, (3, 1, 1))})
    job.build("fp32")
    return job


_SELECTED = {**OPTIONS, "selected": "selected", "box_format": "yxyx"}


def test_rows_that_point_into_candidates_are_matched_as_the_boxes_they_stand_for(selecting, answer):
    """The twin of the first box is another row, and the same place in the image."""

    def swap(outputs):
        twins = {0: 1, 1: 0}
        moved = [np.array([[i, k, twins.get(b, b)] for i, k, b in entry[::-1]]) for entry in outputs["selected"]]
        return outputs | {"selected": moved}

    answer(swap)
    blind = selecting.check("fp32", thresholds={}, task="none")
    assert (blind["status"], blind["outputs"][2]["chosen_by"]) == ("failed", "NonMaxSuppression")
    told = blind["reason"]["message"]
    assert told.startswith("output 'selected': equal_share is 0.") and "`parity: {fp32: {min_equal_share: …}}`" in told
    assert "NonMaxSuppression chooses its rows, and these may swap places: declare `task: {detection: …}`" in told
    limits = {"max_relative_l2": 1e-4}
    document = selecting.check("fp32", thresholds=limits, task="detection", judge={"detection": _SELECTED})
    assert (document["status"], document["metrics"]["matched_share"]) == ("passed", pytest.approx(1))
    assert [item["judged_by"] for item in document["outputs"]] == ["values", "values", "rows"]


def test_a_row_that_is_not_selected_any_more_is_not_matched(selecting, answer):
    answer(lambda outputs: outputs | {"selected": [entry[:1] for entry in outputs["selected"]]})
    document = selecting.check("fp32", thresholds={}, task="detection", judge={"detection": _SELECTED})
    assert (document["status"], document["metrics"]["matched_share"]) == ("failed", pytest.approx(2 / 4))
    assert (
        "rows of 'selected': matched_share is 0.5, limit 0.95 (`parity: {fp32: {min_matched_share: …}}`"
        in document["reason"]["message"]
    )


def test_rows_that_are_not_there_and_two_sources_of_classes_are_refused(selecting, answer):
    answer(lambda outputs: outputs | {"selected": [entry + 7 for entry in outputs["selected"]]})
    with pytest.raises(UserError, match="'selected' selects rows that are not there"):
        selecting.check("fp32", task="detection", judge={"detection": _SELECTED})
    with pytest.raises(UserError, match="names both `classes` and `selected`"):
        selecting.check("fp32", task="detection", judge={"detection": {**_SELECTED, "classes": "scores"}})


def test_labels_of_other_images_are_refused(detector, tmp_path):
    (tmp_path / "labels.json").write_text(json.dumps({"images": [{"id": 1}], "categories": [], "annotations": []}))
    with pytest.raises(UserError, match="has 1 images, and the evaluation set 3 samples"):
        detector.check("fp32", task="detection", judge=detector.judge)


def test_an_evaluator_gives_every_sample_a_score(make_job, tmp_path):
    script = tmp_path / "score.py"
    script.write_text(
        "import sys, numpy\n"
        "outputs, evaluation = numpy.load(sys.argv[1]), numpy.load(sys.argv[2])\n"
        "assert len(evaluation['inputs/image']) == 8\n"
        "numpy.save(open(sys.argv[3], 'wb'), outputs['outputs/logits'].reshape(8, -1).max(1))\n"
    )
    job = make_job(make_classifier(), count=8)
    job.build("fp16")
    arguments = {"thresholds": {"min_relative_accuracy": 0.9}, "task": "evaluator", "judge": {"evaluator": str(script)}}
    document = job.check("fp16", **arguments)
    score = document["score"]
    assert document["status"] == "passed" and score["count"] == 8
    assert score["low"] <= score["difference"] <= score["high"]
    assert document["metrics"]["relative_accuracy"] == pytest.approx(score["candidate"] / score["reference"])
    script.write_text("raise SystemExit('no idea')\n")
    with pytest.raises(UserError, match="ended with 1 and no scores: no idea"):
        job.check("fp16", **arguments)


def test_without_a_task_there_is_no_top_1(make_job):
    """The shape alone would look like ten classes."""
    job = make_job(make_classifier(), labels=np.zeros(20, "int64"))
    job.build("fp32")
    limits = {"max_relative_l2": 1e-4, "min_top1_agreement": 0.99, "min_relative_accuracy": 0.99}
    document = job.check("fp32", thresholds=limits, task="none")
    assert document["status"] == "passed" and document["metrics"]["top1_agreement"] is None
    assert document["absent"]["top1_agreement"] == "the model's task is none, not classification"
    assert [(line["name"], line["passed"]) for line in document["thresholds"]] == [
        ("max_relative_l2", True),
        ("min_relative_accuracy", None),
    ]
