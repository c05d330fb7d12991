"""Parity with the source, through the agent as on a device."""

import numpy as np
import onnxruntime
import pytest
from edgeproof.artifacts.agreement import parity
from edgeproof.artifacts.agreement.execution import Inference
from edgeproof.artifacts.agreement.output_agreement import pair_outputs, summarise_agreement
from edgeproof.artifacts.agreement.parity_limits import judge_limits
from edgeproof.core.errors import UserError
from edgeproof.core.tensors import read_tensors
from onnx import TensorProto, helper

from .conftest import RUNTIME, draw_samples, make_classifier, make_model

LIMITS = {"max_relative_l2": 0.05, "min_cosine": 0.9, "min_top1_agreement": 0.8, "min_relative_accuracy": 0.9}


def label(model, arrays, wrong):
    """Return labels that the model gets right, but for the first `wrong` samples."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    samples = arrays["inputs/image"]
    scores = np.concatenate([session.run(None, {"image": samples[i : i + 1]})[0] for i in range(len(samples))])
    labels = scores.argmax(1).astype("int64")
    labels[:wrong] = (labels[:wrong] + 1) % 10
    return labels


def test_the_same_graph_in_the_same_runtime_is_trivial(job):
    job.build("fp32")
    document = job.check("fp32", thresholds=LIMITS)
    assert document["status"] == "passed" and document["trivial"] and document["provenance"] == "measured"
    assert document["metrics"]["max_abs"] == 0 and document["metrics"]["top1_agreement"] == 1
    lines = {line["name"]: line for line in document["thresholds"]}
    assert lines["max_relative_l2"]["passed"] is True
    assert lines["min_relative_accuracy"]["passed"] is None
    assert lines["min_relative_accuracy"]["reason"] == "the evaluation set has no labels"
    reference = read_tensors(job.folder / "fp32" / "reference.npz")
    assert list(reference) == ["outputs/logits"] and reference["outputs/logits"].shape == (1, 10)
    expected = onnxruntime.InferenceSession(job.source, providers=["CPUExecutionProvider"]).run(
        None, {"image": read_tensors(job.evaluation)["inputs/image"][:1]}
    )
    assert np.allclose(reference["outputs/logits"], expected[0], rtol=1e-6)


@pytest.mark.parametrize("precision", ["fp16", "int8", "int8-dynamic"])
def test_other_precisions_are_compared(make_job, precision):
    model = make_classifier()
    job = make_job(model, labels=label(model, draw_samples(model, 20, 2), 2))
    job.build(precision)
    document = job.check(precision, thresholds=LIMITS)
    assert document["status"] == "passed" and not document["trivial"]
    assert 0 < document["metrics"]["relative_l2"] < 0.05
    accuracy = document["accuracy"]
    assert (accuracy["reference_accuracy"], accuracy["count"]) == (0.9, 20)
    assert accuracy["low"] <= accuracy["difference"] <= accuracy["high"]
    assert document["evaluation"]["labels"] and set(document["absent"]) == {
        *("l2_without_angle", "equal_share", "matched_share")
    }


def test_a_missed_limit_fails_by_name(job):
    job.build("int8")
    document = job.check("int8", thresholds={"max_relative_l2": 1e-6, "min_cosine": 0.9})
    assert document["status"] == "failed" and document["reason"]["kind"] == "threshold_missed"
    assert (
        document["reason"]["message"].startswith("output 'logits': relative_l2 is 0.0")
        and "1e-06" in document["reason"]["message"]
    )
    assert [line["passed"] for line in document["thresholds"]] == [False, True]


def test_limits_of_which_nothing_is_known_do_not_pass(job):
    job.build("fp32")
    document = job.check("fp32", thresholds={"min_relative_accuracy": 0.9})
    assert document["status"] == "not_run" and document["reason"]["kind"] == "metrics_unknown"


def test_outputs_that_are_not_finite_fail_by_name(make_job):
    nodes = [helper.make_node("Log", ["x"], ["y"]), helper.make_node("Abs", ["x"], ["z"])]
    model = make_model(
        nodes,
        [("x", TensorProto.FLOAT, [1, 4])],
        [("y", TensorProto.FLOAT, [1, 4]), ("z", TensorProto.FLOAT, [1, 4])],
    )
    job = make_job(model)
    samples = np.ones((5, 4), "float32")
    samples[2, 1] = -1
    job.write_evaluation({"inputs/x": samples})
    job.build("fp16")
    document = job.check("fp16", thresholds={"max_relative_l2": 1.0})
    assert document["status"] == "failed" and document["reason"]["kind"] == "not_finite"
    assert (
        "output 'y' of the artifact has 1 values that are not finite, the first in sample 2"
        in document["reason"]["message"]
    )
    assert "'z'" not in document["reason"]["message"]
    assert document["thresholds"][0]["passed"] is None
    assert [item["not_finite"]["candidate"] for item in document["outputs"]] == [1, 0]


def test_a_failed_build_is_not_run(make_job):
    node = helper.make_node("Abs", ["x"], ["y"])
    job = make_job(make_model([node], [("x", TensorProto.FLOAT, [1, 4])], [("y", TensorProto.FLOAT, [1, 4])]))
    job.build("int8")
    document = job.check("int8", thresholds=LIMITS)
    assert document["status"] == "not_run" and document["reason"]["kind"] == "build_failed"
    assert document["artifact_sha256"] is None and not document["trivial"]
    assert read_tensors(job.folder / "int8" / "reference.npz") == {}


def test_a_fixed_batch_is_calibrated_and_fed_full(make_job):
    job = make_job(make_classifier(batch=4), count=6)
    assert job.build("int8")["status"] == "ok"
    document = job.check("int8", thresholds=LIMITS)
    assert (document["status"], document["evaluation"]["count"]) == ("passed", 6)
    assert document["outputs"][0]["shape"] == [1, 10]
    assert read_tensors(job.folder / "int8" / "reference.npz")["outputs/logits"].shape == (1, 10)


def test_an_artifact_that_does_not_run_has_failed(make_job):
    """Its index is out of bounds, which no checker sees and every inference does."""
    node = helper.make_node("Gather", ["x", "index"], ["y"], axis=1)
    shapes = [("x", TensorProto.FLOAT, [1, 4])], [("y", TensorProto.FLOAT, [1, 1])]
    job = make_job(make_model([node], *shapes, {"index": np.array([99])}))
    job.build("fp16")
    document = job.check("fp16")
    assert document["status"] == "failed" and document["reason"]["kind"] == "inference_failed"
    assert read_tensors(job.folder / "fp16" / "reference.npz") == {}


def test_a_provider_that_is_not_there_has_failed(job):
    job.build("fp32")
    runtime = {**RUNTIME, "execution_provider": "NoSuchExecutionProvider"}
    document = job.check("fp32", arm={"backend": "onnxruntime", "precision": "fp32", "runtime": runtime})
    assert document["reason"]["kind"] == "provider_unavailable" and not document["trivial"]


def test_fake_is_compared_with_itself(make_job):
    model = make_classifier()
    job = make_job(model, labels=np.zeros(20, "int64"))
    job.build_fake("int8")
    document = job.check("int8", folder="fake")
    assert document["status"] == "passed" and document["trivial"] and document["provenance"] == "simulated"
    assert document["thresholds"] == [] and document["metrics"]["max_abs"] == 0
    assert read_tensors(job.folder / "fake" / "reference.npz")["outputs/logits"].shape == (1, 10)


def test_outputs_whose_size_varies_keep_the_first_sample(make_job):
    nodes = [helper.make_node("NonZero", ["x"], ["y"])]
    model = make_model(nodes, [("x", TensorProto.FLOAT, [1, 4])], [("y", TensorProto.INT64, [2, "found"])])
    transposed = helper.make_node("Transpose", ["y"], ["t"], perm=[1, 0])
    model.graph.node.append(transposed)
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("t", TensorProto.INT64, ["found", 2]))
    job = make_job(model)
    samples = np.array([[1, 0, 0, 1], [0, 0, 0, 1], [1, 1, 1, 1]], "float32")
    job.write_evaluation({"inputs/x": samples})
    job.build("fp32")
    assert job.check("fp32")["status"] == "passed"
    assert read_tensors(job.folder / "fp32" / "reference.npz")["outputs/t"].tolist() == [[0, 0], [0, 3]]


def test_files_that_do_not_belong_together_are_refused(job):
    job.build("fp32")
    arm = {"backend": "onnxruntime", "precision": "fp32", "runtime": RUNTIME}
    cell = {"model": "tiny", "preset": "ort-cpu", "builder": "host", "precision": "fp32"}
    for changes, expected in (
        ({"thresholds": {"max_latency": 1}}, "--thresholds: unknown key 'max_latency'"),
        ({"arm": {**arm, "artifact": "x"}}, "--arm has keys"),
        ({"arm": {**arm, "precision": "int8"}}, "--arm is onnxruntime int8"),
        ({"cell": {**cell, "builder": "jetson"}}, "is about cell"),
        ({"interpreter": "/no/such/python"}, "--interpreter is wrong"),
        ({"inputs": job.calibration}, "calibration.npz: sha256 is"),
        ({"source": job.evaluation}, "evaluation.npz: sha256 is"),
    ):
        with pytest.raises(UserError) as error:
            job.check("fp32", **changes)
        assert expected in str(error.value)
    assert not (job.folder / "fp32" / "parity.json").exists()
    (job.folder / "fp32" / "artifact.onnx").write_bytes(b"other")
    with pytest.raises(UserError, match=r"artifact\.onnx: sha256 is"):
        job.check("fp32")


def test_a_source_that_does_not_run_leaves_nothing_to_compare_with(job, monkeypatch):
    job.build("int8")
    original = parity.infer_outputs

    def infer(interpreter, arm, *rest, **options):
        if arm["precision"] == "fp32":
            return Inference(None, None, {"kind": "load_failed", "message": "no"})
        return original(interpreter, arm, *rest, **options)

    monkeypatch.setattr(parity, "infer_outputs", infer)
    document = job.check("int8", thresholds=LIMITS)
    assert document["status"] == "not_run" and document["reason"]["kind"] == "reference_failed"
    assert list(read_tensors(job.folder / "int8" / "reference.npz")) == ["outputs/logits"]


def test_a_model_with_random_values_inside_is_not_deterministic(make_job):
    """The same bytes in the same runtime: without this, parity says that they compute something else."""
    nodes = [
        helper.make_node("RandomUniformLike", ["x"], ["noise"]),
        helper.make_node("Add", ["x", "noise"], ["y"]),
    ]
    job = make_job(make_model(nodes, [("x", TensorProto.FLOAT, [1, 64])], [("y", TensorProto.FLOAT, [1, 64])]), count=4)
    job.build("fp32")
    document = job.check("fp32", thresholds={"max_relative_l2": 1e-4}, task="none")
    assert document["status"] == "not_run" and document["reason"]["kind"] == "not_deterministic"
    assert "output 'y' differs from itself" in document["reason"]["message"]


def test_outputs_are_paired_by_name_then_by_position():
    a, b = [np.zeros((1, 2))], [np.ones((1, 2))]
    assert [pair[2] for pair in pair_outputs({"a": a, "b": b}, {"b": b, "a": a})] == ["a", "b"]
    assert [pair[2] for pair in pair_outputs({"a": a, "b": b}, {"x": a, "y": b})] == ["x", "y"]
    assert pair_outputs({"a": a}, {"a": a, "b": b}) == "the source has 1 outputs (a), the artifact 2"
    assert "only numbers and texts" in pair_outputs({"a": a}, {"a": [np.zeros(2, complex)]})


def test_the_worst_output_counts():
    base = dict.fromkeys(("max_abs", "absolute_l2", "relative_l2", "cosine_min", "cosine_mean", "top1_agreement"), 0.5)
    base |= {"equal_share": None, "parting": None, "judged_by": "values", "without_angle": 0, "l2_without_angle": None}
    metrics, absent = summarise_agreement([base, {**base, "max_abs": 2, "cosine_min": 0.1, "top1_agreement": None}])
    assert (metrics["max_abs"], metrics["cosine_min"], metrics["top1_agreement"]) == (2, 0.1, 0.5)
    assert set(absent) == {"relative_accuracy", "equal_share", "matched_share", "l2_without_angle"}
    metrics, absent = summarise_agreement([base, {**base, "relative_l2": None}])
    assert metrics["relative_l2"] is None and "zero throughout" in absent["relative_l2"]


@pytest.mark.parametrize(("value", "passed"), [(0.9, True), (0.899, False), (None, None)])
def test_a_limit_itself_passes(value, passed):
    (line,) = judge_limits({"min_cosine": 0.9}, {"cosine_min": value}, {"cosine_min": "why"})
    assert line["passed"] is passed and line["reason"] == (None if value else "why")
