"""Integers and booleans are judged by the share of values that are equal, through the script's own path."""

import numpy as np
import pytest
from edgeproof.artifacts.agreement import parity
from edgeproof.artifacts.agreement.execution import Inference
from edgeproof.artifacts.agreement.output_agreement import summarise_agreement
from edgeproof.artifacts.agreement.parity_limits import DEFAULT_EQUAL_SHARE
from onnx import TensorProto, helper

from .conftest import make_model


def make_job_of(make_job, *outputs):
    """Return a job whose model has an ArgMax head `classes` (int64, 100 pixels) and, if asked, `scores` (float32)."""
    nodes = [
        helper.make_node("ArgMax", ["x"], ["classes"], axis=1, keepdims=0),
        helper.make_node("Abs", ["x"], ["scores"]),
    ]
    infos = {
        "classes": ("classes", TensorProto.INT64, [1, 10, 10]),
        "scores": ("scores", TensorProto.FLOAT, [1, 5, 10, 10]),
    }
    model = make_model(
        [node for node in nodes if node.output[0] in outputs],
        [("x", TensorProto.FLOAT, [1, 5, 10, 10])],
        [infos[name] for name in outputs],
    )
    return make_job(model, count=4)


@pytest.fixture
def answer(monkeypatch):
    """`answer(**outputs)`: what the artifact is to answer; the source answers as it does."""

    def change(**changed):
        infer = parity.infer_outputs

        def answered(interpreter, arm, model, inputs, limit=None):
            found = infer(interpreter, arm, model, inputs, limit=limit)
            if arm is parity.REFERENCE_ARM or found.reason:
                return found
            outputs = {
                name: list(changed[name](np.stack(entries))) if name in changed else entries
                for name, entries in found.outputs.items()
            }
            return Inference(outputs, found.runtime, None)

        monkeypatch.setattr(parity, "infer_outputs", answered)

    return change


def move_share(share):
    """Return a function that adds 1 to the first so many values: another class, and next to no angle."""

    def move(array):
        moved = array.copy().reshape(-1)
        moved[: round(share * moved.size)] += 1
        return moved.reshape(array.shape)

    return move


def test_an_argmax_head_that_agrees_in_half_its_pixels_fails(make_job, answer):
    job = make_job_of(make_job, "classes")
    job.build("fp32")
    answer(classes=move_share(0.482))
    document = job.check("fp32", thresholds={"min_cosine": 0.5, "max_relative_l2": 10.0})
    assert document["metrics"]["equal_share"] == pytest.approx(0.518, abs=0.002)
    assert (document["status"], document["reason"]["kind"]) == ("failed", "threshold_missed")
    assert (
        document["reason"]["message"].startswith("output 'classes': equal_share is 0.51")
        and "limit 0.99 (`parity: {fp32: {min_equal_share: …}}` of preset" in document["reason"]["message"]
    )
    assert document["metrics"]["cosine_min"] is None
    assert document["absent"]["cosine_min"] == "integers, booleans and texts have no distance"


@pytest.mark.parametrize(
    ("share", "limit", "status"), [(0.02, 0.97, "passed"), (0.04, 0.97, "failed"), (0, 1, "passed")]
)
def test_a_preset_sets_the_share_that_must_be_equal(make_job, answer, share, limit, status):
    job = make_job_of(make_job, "classes")
    job.build("fp32")
    answer(classes=move_share(share))
    document = job.check("fp32", thresholds={"min_equal_share": limit})
    assert document["status"] == status


def test_a_float_output_beside_it_keeps_its_own_limits(make_job, answer):
    job = make_job_of(make_job, "classes", "scores")
    job.build("fp32")
    answer(classes=move_share(0.5))
    document = job.check("fp32", thresholds={"min_cosine": 0.9})
    lines = {line["name"]: line["passed"] for line in document["thresholds"]}
    assert lines == {"min_cosine": True, "min_equal_share": False} and document["status"] == "failed"
    assert document["metrics"]["max_abs"] == 0


def test_float_outputs_get_no_such_limit(job):
    job.build("fp32")
    document = job.check("fp32", thresholds={"min_cosine": 0.9})
    assert [line["name"] for line in document["thresholds"]] == ["min_cosine"]
    assert document["absent"]["equal_share"] == "no output is of integers, booleans or texts"


def test_the_worst_output_of_integers_counts():
    empty = dict.fromkeys(("max_abs", "absolute_l2", "relative_l2", "cosine_min", "cosine_mean", "top1_agreement"))
    metrics, _ = summarise_agreement(
        [
            {**empty, "equal_share": 1.0, "parting": None, "judged_by": "values"},
            {**empty, "equal_share": 0.4, "parting": None, "judged_by": "values"},
        ]
    )
    assert metrics["equal_share"] == 0.4 < DEFAULT_EQUAL_SHARE
