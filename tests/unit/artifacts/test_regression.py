"""Parity of a regression: its error against the targets, and R² where a classifier has its accuracy."""

import shutil

import numpy as np
import onnx
import pytest
from edgeproof.core.documents import SCHEMAS
from edgeproof.core.tensors import write_tensors
from edgeproof.sources.diabetes import load_heldout_patients, load_training_patients

from .conftest import Job

MODEL = SCHEMAS.parent / "models" / "diabetes-mlp.onnx"
LIMITS = {"min_relative_accuracy": 0.99, "min_top1_agreement": 0.99}


@pytest.fixture
def diabetes(tmp_path):
    job = Job(tmp_path, onnx.load(MODEL))
    shutil.copyfile(MODEL, job.source)
    inputs, targets = load_heldout_patients()
    write_tensors(job.calibration, {"inputs/input": load_training_patients()[0]})
    job.write_evaluation({"inputs/input": inputs, "targets": targets})
    return job


@pytest.mark.parametrize("precision", ["fp16", "int8", "int8-dynamic"])
def test_a_regression_has_an_error_with_a_paired_interval(diabetes, precision):
    diabetes.build(precision)
    document = diabetes.check(precision, task="regression", thresholds=LIMITS)
    assert document["status"] == "passed" and document["accuracy"] is None
    error = document["error"]
    assert error["count"] == 142 and error["low"] <= error["difference"] <= error["high"]
    assert abs(error["difference"]) < 0.5 < 50 < error["reference_rmse"] < 55
    assert document["metrics"]["relative_accuracy"] == pytest.approx(error["candidate_r2"] / error["reference_r2"])
    lines = {line["name"]: line for line in document["thresholds"]}
    assert lines["min_relative_accuracy"]["passed"] is True
    assert "min_top1_agreement" not in lines  # a limit for classifiers


def test_a_regression_that_explains_less_fails_by_name(diabetes):
    diabetes.build("int8")
    document = diabetes.check("int8", task="regression", thresholds={"min_relative_accuracy": 1.5})
    assert document["status"] == "failed" and document["reason"]["message"].startswith("relative_accuracy is ")


def test_targets_that_say_nothing_are_a_reason(diabetes):
    inputs, _ = load_heldout_patients()
    for wrong, reason in (
        (np.zeros((142, 3), "float32"), "does not fit targets of [142, 3]"),
        (np.full((142, 1), 100, "float32"), "explains nothing"),
    ):
        diabetes.write_evaluation({"inputs/input": inputs, "targets": wrong})
        diabetes.build("int8")
        assert reason in diabetes.check("int8", task="regression")["absent"]["relative_accuracy"]


def test_no_accuracy_is_claimed_without_targets(diabetes):
    diabetes.write_evaluation({"inputs/input": load_heldout_patients()[0]})
    diabetes.build("int8")
    document = diabetes.check("int8", task="regression")
    assert "error" not in document
    assert document["absent"]["relative_accuracy"] == "the evaluation set has no targets"
