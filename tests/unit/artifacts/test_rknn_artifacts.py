"""Building RKNN artifacts, with a stand-in for the vendor's toolkit."""

import sys

import pytest
from edgeproof.artifacts.builds.build_job import BuildJob
from edgeproof.artifacts.builds.rknn_artifacts import build_rknn, prove_rknn_operators
from edgeproof.artifacts.records.manifests import read_manifest
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file

from .conftest import assert_nothing_built, make_classifier
from .stand_ins import DATA, read_log, write_interpreter

OPTIONS = {
    "target_platform": "rk3588",
    "optimization_level": 2,
    "timeout_s": 60,
    "calibration_method": "minmax",
    "calibration_samples": 200,
}


def build(job, log, precision="fp16", result="ok", options=None, **changes):
    folder = job.folder / precision
    replay = DATA / "tools" / f"{log}.log"
    arguments = {
        "cell": {"model": "tiny", "preset": "rknn-rk3588", "builder": "rk3588", "precision": precision},
        "source": job.source,
        "identity": job.identity,
        "preset": {"backend": "rknn", "artifact": "rknn", "build": OPTIONS | (options or {})},
        "precision": precision,
        "artifact": folder / "artifact.rknn",
        "manifest": folder / "manifest.json",
        "log": job.folder / "rknn.log",
        "script": "scripts/build_rknn.py",
        "argv": [],
        "calibration": job.calibration if precision == "int8" else None,
        "lock": job.folder / "device.lock",
        "interpreter": write_interpreter(job.folder / "python", RKNN_REPLAY=replay, RKNN_RESULT=result),
    }
    build_rknn(BuildJob(**{**arguments, **changes}))
    return read_manifest(folder / "manifest.json")


def test_an_artifact_is_built_and_what_runs_beside_the_npu_is_said(job):
    manifest = build(job, "rknn-built-fp16")
    assert manifest["status"] == "ok" and manifest["toolchain"]["rknn-toolkit2"] == "2.3.2"
    assert manifest["artifact"]["sha256"] == sha256_file(job.folder / "fp16" / "artifact.rknn")
    assert manifest["precision"]["values"] == {"float16": 3} and manifest["precision"]["share"] == 1
    assert manifest["warnings"] == ["runs on the CPU, not on the NPU: exSoftmax13"]
    assert manifest["log_sha256"] == sha256_file(job.folder / "rknn.log")


def test_int8_is_calibrated_with_our_samples(job):
    manifest = build(job, "rknn-built-int8", "int8")
    assert manifest["status"] == "ok" and manifest["calibration"]["samples"] == 200
    assert manifest["precision"]["values"] == {"float16": 1, "int8": 2}
    assert "I calibrated with 200 samples" in (job.folder / "rknn.log").read_text()


def test_an_open_batch_is_fixed_to_one(make_job):
    job = make_job(make_classifier(batch="n"))
    build(job, "rknn-built-fp16")
    said = (job.folder / "rknn.log").read_text()
    assert "inputs ['image'], sizes [[1, 1, 8, 8]]" in said


def test_a_fixed_model_is_taken_as_it_is(job):
    build(job, "rknn-built-fp16")
    assert "inputs None, sizes None" in (job.folder / "rknn.log").read_text()


@pytest.mark.parametrize(
    ("log", "result", "kind", "words"),
    [
        ("rknn-unsupported", "refused", "unsupported_operator", ["unsupport Gemm op", "operator Gemm"]),
        ("rknn-opset", "refused", "conversion_failed", ["build returned -1", "Unsupport onnx opset 19, need <= 12!"]),
        ("rknn-built-fp16", "nothing", "conversion_failed", ["there is no file"]),
    ],
)
def test_what_cannot_be_built_is_a_verdict_that_names_why(job, log, result, kind, words):
    manifest = build(job, log, result=result)
    assert manifest["status"] == "failed" and manifest["reason"]["kind"] == kind
    assert all(word in manifest["reason"]["message"] for word in words), manifest["reason"]["message"]
    assert (job.folder / "fp16" / "artifact.rknn").read_bytes() == b""


def test_an_int8_file_that_computes_in_float16_is_called_so(job):
    manifest = build(job, "rknn-built-fp16", "int8")
    assert manifest["reason"]["kind"] == "precision_not_held"


def test_without_the_toolkit_there_is_no_verdict_and_nothing_is_written(job):
    with pytest.raises(UserError, match="has no module 'rknn'; get rknn-toolkit2 from Rockchip and accept its licence"):
        build(job, "rknn-built-fp16", interpreter=sys.executable)
    with pytest.raises(UserError, match="is not a program"):
        build(job, "rknn-built-fp16", interpreter="/nowhere/python")
    assert_nothing_built(job.folder / "fp16")


def test_a_build_without_a_table_of_operators_proves_nothing():
    with pytest.raises(UserError, match="no table of operators"):
        prove_rknn_operators(read_log("rknn-opset"), "fp16")


def test_wrong_options_are_a_mistake(job):
    with pytest.raises(UserError, match="allowed with artifact rknn: entropy, minmax"):
        build(job, "rknn-built-int8", "int8", options={"calibration_method": "percentile"})
    with pytest.raises(UserError, match=r'precisions\[0\] is "fp32"; allowed with artifact rknn: fp16, int8'):
        build(job, "rknn-built-int8", "fp32")
