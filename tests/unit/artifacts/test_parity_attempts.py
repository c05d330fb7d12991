"""Comparisons that were made before are used again; new limits judge what was measured."""

import json
import sys

import pytest
from edgeproof.artifacts.agreement import execution, parity
from edgeproof.artifacts.agreement.execution import Inference
from edgeproof.core.attempts import list_attempts
from edgeproof.core.documents import write_json
from edgeproof.core.errors import UserError
from edgeproof.core.tensors import read_tensors, write_tensors

from .conftest import draw_samples, make_classifier

FILES = ("parity.json", "reference.npz")
LIMITS = {"max_relative_l2": 0.5, "min_cosine": 0.5}


def read_files(job, precision):
    return {name: (job.folder / precision / name).read_bytes() for name in FILES}


def forbid_runs(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("nothing may run")

    monkeypatch.setattr(execution.subprocess, "run", refuse)


def test_a_comparison_is_put_back_byte_for_byte(job, monkeypatch, capsys):
    job.build("int8")
    job.check("int8", thresholds=LIMITS)
    first = read_files(job, "int8")
    for name in FILES:
        (job.folder / "int8" / name).unlink()
    forbid_runs(monkeypatch)
    job.check("int8", thresholds=LIMITS)
    assert read_files(job, "int8") == first
    assert "nothing is run" in capsys.readouterr().err
    (attempt,) = [item for item in list_attempts(job.folder / "int8") if item.record["kind"] == "parity"]
    assert attempt.complete and set(attempt.record["facts"]) == {"status", "worst_sample"}


def test_limits_judge_what_was_measured_without_running_anything(job, monkeypatch):
    job.build("int8")
    passed = job.check("int8", thresholds=LIMITS)
    first = read_files(job, "int8")
    forbid_runs(monkeypatch)
    failed = job.check("int8", thresholds={**LIMITS, "max_relative_l2": 1e-9})
    assert (passed["status"], failed["status"]) == ("passed", "failed")
    assert (
        failed["reason"]["message"].startswith("output 'logits': relative_l2 is ")
        and failed["metrics"] == passed["metrics"]
    )
    assert [line["limit"] for line in failed["thresholds"]] == [1e-9, 0.5]
    assert failed["divergence"]["status"] == "not_possible"
    assert "compare again" in failed["divergence"]["reason"]
    unknown = job.check("int8", thresholds={"min_relative_accuracy": 0.9})
    assert (unknown["status"], unknown["reason"]["kind"]) == ("not_run", "metrics_unknown")
    job.check("int8", thresholds=LIMITS)
    assert read_files(job, "int8") == first


def test_the_layer_at_fault_follows_from_the_layers_that_were_compared(job, monkeypatch):
    job.build("int8")
    before = job.check("int8", thresholds={"max_relative_l2": 1e-9})
    first = read_files(job, "int8")
    assert before["divergence"]["status"] == "found" and "first diverging layer: " in before["reason"]["message"]
    forbid_runs(monkeypatch)
    largest = max(layer["relative_l2"] for layer in before["divergence"]["layers"])
    loose = job.check("int8", thresholds={"max_relative_l2": 2 * largest, "min_cosine": 1.0})
    assert loose["status"] == "failed" and loose["divergence"]["limit"] == 2 * largest
    assert loose["divergence"]["first"] is None and "first diverging layer" not in loose["reason"]["message"]
    assert "divergence" not in job.check("int8", thresholds=LIMITS)
    job.check("int8", thresholds={"max_relative_l2": 1e-9})
    assert read_files(job, "int8") == first


def test_a_new_manifest_of_the_same_artifact_runs_nothing(job, monkeypatch):
    job.build("fp16")
    before = job.check("fp16", thresholds=LIMITS)
    job.build("fp16", script="test again")  # the manifest has another command; its duration may be the same
    forbid_runs(monkeypatch)
    after = job.check("fp16", thresholds=LIMITS)
    assert before["manifest_sha256"] != after["manifest_sha256"] and before["metrics"] == after["metrics"]


def test_other_inputs_are_compared_anew(job):
    job.build("fp16")
    before = job.check("fp16")
    job.write_evaluation(draw_samples(make_classifier(), 20, 77))
    after = job.check("fp16")
    assert before["metrics"] != after["metrics"]
    assert len([item for item in list_attempts(job.folder / "fp16") if item.record["kind"] == "parity"]) == 2


def test_edited_evidence_is_named_and_compared_again(job, capsys):
    job.build("fp16")
    before = job.check("fp16")
    kept = next(item.folder for item in list_attempts(job.folder / "fp16") if item.record["kind"] == "parity")
    (kept / "reference.npz").unlink()
    write_tensors(kept / "reference.npz", {"outputs/logits": read_tensors(job.evaluation)["inputs/image"]})
    after = job.check("fp16")
    assert f"{kept} is not used: " in capsys.readouterr().err
    assert after["metrics"] == before["metrics"] and after["reference"]["sha256"] == before["reference"]["sha256"]


def test_a_comparison_without_a_verdict_is_not_kept_and_loses_nothing(job, monkeypatch):
    job.build("fp16")
    job.check("fp16")
    first = read_files(job, "fp16")
    arm = {"backend": "onnxruntime", "precision": "fp16", "runtime": {"execution_provider": "CPUExecutionProvider"}}

    def lose(*_, **__):
        raise UserError("the machine is gone")

    with monkeypatch.context() as patched:
        patched.setattr(parity, "infer_outputs", lose)
        with pytest.raises(UserError, match="is gone"):
            job.check("fp16", arm=arm)
    forbid_runs(monkeypatch)
    job.check("fp16")
    assert read_files(job, "fp16") == first


def test_a_missing_runtime_is_asked_for_again(job, monkeypatch):
    job.build("fp16")
    absent = Inference(None, None, {"kind": "provider_unavailable", "message": "no such provider"})
    with monkeypatch.context() as patched:
        patched.setattr(parity, "infer_outputs", lambda *_, **__: absent)
        assert job.check("fp16")["status"] == "not_run"
    assert job.check("fp16")["status"] == "passed"


def test_without_samples_nothing_is_compared(job):
    job.build("fp32")
    job.evaluation.write_bytes(b"")
    document = json.loads(job.samples.read_text())
    empty = {"count": 0, "sha256": parity.sha256_file(job.evaluation)}
    reason = {"kind": "unfit_samples", "message": "the shapes do not fit"}
    document |= {"status": "failed", "reason": reason, "calibration": empty, "evaluation": empty, "disjoint": False}
    write_json(job.samples, document, "samples")
    found = job.check("fp32", thresholds=LIMITS)
    assert (found["status"], found["reason"]) == ("not_run", {"kind": "samples_failed", "message": reason["message"]})
    assert read_tensors(job.folder / "fp32" / "reference.npz") == {}


def test_the_key_names_runtime_and_code(job):
    job.build("fp16")
    job.check("fp16", interpreter=sys.executable)
    parts = next(item for item in list_attempts(job.folder / "fp16") if item.record["kind"] == "parity").record["key"]
    assert set(parts["parts"]) == {
        "artifact",
        "source",
        "evaluation",
        "arm",
        "task",
        "judge",
        "runtime",
        "machine",
        "code",
    }
    assert parts["parts"]["machine"] is None and parts["parts"]["runtime"]["interpreter"] is None
