"""Builds: every precision is what it says, byte-identical when repeated; what cannot be built is a verdict."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from edgeproof.artifacts.builds import onnx_artifacts
from edgeproof.artifacts.records.manifest_entries import describe_building_code
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.tensors import read_tensors, write_tensors
from onnx import TensorProto, helper

from .conftest import BUILD, assert_nothing_built, make_classifier, make_model

REPOSITORY = Path(__file__).resolve().parents[3]
PRECISIONS = ("fp32", "fp16", "int8", "int8-dynamic")


def run_model(path, feed):
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, feed)[0]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_precision_is_built_and_runs(job, precision):
    manifest = job.build(precision)
    artifact = job.folder / precision / "artifact.onnx"
    assert manifest["status"] == "ok" and manifest["reason"] is None
    assert manifest["artifact"]["sha256"] == sha256_file(artifact)
    assert manifest["precision"]["share"] > 0.95
    onnx.checker.check_model(str(artifact), full_check=True)
    samples = read_tensors(job.evaluation)["inputs/image"]
    expected, actual = (run_model(path, {"image": samples[:1]}) for path in (job.source, artifact))
    assert actual.dtype == np.float32
    assert np.linalg.norm(actual - expected) < 0.05 * np.linalg.norm(expected)
    assert [item["name"] for item in manifest["inputs"]] == ["image"]
    assert manifest["outputs"] == [{"name": "logits", "dtype": "float32", "shape": [1, 10]}]


def test_fp32_is_the_source_byte_for_byte(job):
    before = job.source.read_bytes()
    for precision in PRECISIONS:
        job.build(precision)
    assert (job.folder / "fp32" / "artifact.onnx").read_bytes() == before
    assert job.source.read_bytes() == before
    assert sorted(path.name for path in job.folder.iterdir() if path.is_file()) == [
        "calibration.npz",
        "evaluation.npz",
        "identity.json",
        "model.onnx",
        "samples.json",
    ]


@pytest.mark.parametrize("method", ["minmax", "entropy", "percentile"])
def test_a_rebuild_gives_the_same_bytes(job, method):
    first = job.build("int8", folder="first", options={"calibration_method": method, "calibration_samples": 201})
    second = job.build("int8", folder="second", options={"calibration_method": method, "calibration_samples": 201})
    assert first["artifact"]["sha256"] == second["artifact"]["sha256"]
    assert first["calibration"] == {
        "file": str(job.calibration),
        "sha256": sha256_file(job.calibration),
        "bytes": job.calibration.stat().st_size,
        "samples": 201,
        "method": method,
        "samples_kind": "file",
        "origin": "drawn for a test",
    }


@pytest.mark.parametrize("precision", ["fp16", "int8", "int8-dynamic"])
def test_bytes_do_not_depend_on_the_hash_seed(job, precision):
    expected = job.build(precision)["artifact"]["sha256"]
    folder = job.folder / "other"
    options = {
        "cell": json.dumps({"model": "tiny", "preset": "ort-cpu", "builder": "host", "precision": precision}),
        "source": job.source,
        "identity": job.identity,
        "preset": json.dumps({"backend": "onnxruntime", "artifact": "onnx", "build": BUILD}),
        "precision": precision,
        "calibration": job.calibration,
        "artifact": folder / "artifact.onnx",
        "manifest": folder / "manifest.json",
    }
    arguments = [str(part) for name, value in options.items() for part in (f"--{name}", value)]
    subprocess.run(
        [sys.executable, REPOSITORY / "scripts" / "build_onnx.py", *arguments],
        env={**os.environ, "PYTHONHASHSEED": "4711"},
        check=True,
        timeout=120,
    )
    assert sha256_file(folder / "artifact.onnx") == expected


def test_a_batch_dimension_may_have_a_name(make_job):
    job = make_job(make_classifier(batch="n"))
    for precision in PRECISIONS:
        manifest = job.build(precision)
        assert manifest["status"] == "ok"
        assert manifest["inputs"][0]["shape"] == ["n", 1, 8, 8]


def test_an_old_operator_set_is_raised_for_int8(make_job):
    weights = {"w": np.random.default_rng(0).standard_normal((16, 3)).astype("float32")}
    model = make_model(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        [("x", TensorProto.FLOAT, [1, 16])],
        [("y", TensorProto.FLOAT, [1, 3])],
        weights,
        opset=9,
    )
    job = make_job(model)
    manifest = job.build("int8")
    assert (manifest["source"]["opset"], manifest["artifact"]["opset"]) == ({"ai.onnx": 9}, {"ai.onnx": 13})
    assert onnx.load(job.source).opset_import[0].version == 9


def test_integer_inputs_are_no_obstacle_where_the_model_computes_in_float(make_job):
    weights = {"w": np.random.default_rng(0).standard_normal((16, 3)).astype("float32")}
    nodes = [
        helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["f", "w"], ["y"]),
    ]
    model = make_model(nodes, [("x", TensorProto.UINT8, [1, 16])], [("y", TensorProto.FLOAT, [1, 3])], weights)
    job = make_job(model)
    sample = {"x": read_tensors(job.evaluation)["inputs/x"][:1]}
    expected = run_model(job.source, sample)
    for precision in PRECISIONS:
        assert job.build(precision)["status"] == "ok"
        actual = run_model(job.folder / precision / "artifact.onnx", sample)
        assert np.linalg.norm(actual - expected) < 0.1 * np.linalg.norm(expected)


def test_softmax_stays_in_float(make_job):
    model = make_classifier()
    model.graph.node.append(helper.make_node("Softmax", ["logits"], ["scores"]))
    model.graph.output[0].name = "scores"
    job = make_job(model)
    artifact = job.build("int8") and onnx.load(job.folder / "int8" / "artifact.onnx")
    assert [node.op_type for node in artifact.graph.node][-1] == "Softmax"


def test_weights_beyond_float16_are_warned_of(make_job):
    model = make_model(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        [("x", TensorProto.FLOAT, [1, 2])],
        [("y", TensorProto.FLOAT, [1, 1])],
        {"w": np.array([[1e5], [20000]], "float32")},
    )
    job = make_job(model)
    assert job.build("fp16")["warnings"] == ["the float32 number 100000.0 will be truncated to 65504.0"]
    stored = onnx.numpy_helper.to_array(onnx.load(job.folder / "fp16" / "artifact.onnx").graph.initializer[0])
    assert stored.ravel().tolist() == [65504.0, 20000.0]


def assert_failed(job, manifest, folder, kind):
    assert manifest["status"] == "failed" and manifest["reason"]["kind"] == kind
    assert manifest["artifact"]["sha256"] is None and manifest["precision"] is None
    assert (job.folder / folder / "artifact.onnx").read_bytes() == b""


@pytest.mark.parametrize("precision", ["int8", "int8-dynamic"])
def test_an_unknown_operator_is_a_verdict_that_names_the_node(make_job, precision):
    nodes = [
        helper.make_node("Frobnicate", ["x"], ["f"], domain="com.acme", name="frob0"),
        helper.make_node("MatMul", ["f", "w"], ["y"]),
    ]
    model = make_model(
        nodes,
        [("x", TensorProto.FLOAT, [1, 4])],
        [("y", TensorProto.FLOAT, [1, 3])],
        {"w": np.ones((4, 3), "float32")},
        domains=["com.acme"],
    )
    job = make_job(model)
    manifest = job.build(precision)
    assert_failed(job, manifest, precision, "unsupported_operator")
    assert "node 'frob0', operator Frobnicate, opset com.acme 1" in manifest["reason"]["message"]


@pytest.mark.parametrize("precision", ["int8", "int8-dynamic"])
def test_a_model_without_anything_to_quantise_is_a_verdict(make_job, precision):
    model = make_model(
        [helper.make_node("Relu", ["x"], ["y"])],
        [("x", TensorProto.FLOAT, [1, 4])],
        [("y", TensorProto.FLOAT, [1, 4])],
    )
    job = make_job(model)
    manifest = job.build(precision)
    assert_failed(job, manifest, precision, "precision_not_held")
    assert "found 1 float32" in manifest["reason"]["message"]


def test_a_float16_source_is_not_called_fp32(make_job):
    model = make_model(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        [("x", TensorProto.FLOAT16, [1, 4])],
        [("y", TensorProto.FLOAT16, [1, 3])],
        {"w": np.ones((4, 3), "float16")},
    )
    job = make_job(model)
    assert_failed(job, job.build("fp32"), "fp32", "precision_not_held")
    assert job.build("fp16")["artifact"]["sha256"] == sha256_file(job.source)  # it is fp16 as it is


def refuse(job, expected, precision="int8", build=None, **changes):
    with pytest.raises(UserError) as error:
        (build or job.build)(precision, **changes)
    assert expected in str(error.value)
    assert_nothing_built(job.folder / precision)
    assert not (job.folder / "fake").exists()


def test_too_few_calibration_samples_are_refused(job):
    refuse(job, "build.calibration_samples is 199; it must be ≥ 200", options={"calibration_samples": 199})
    refuse(job, "has 201 samples; build.calibration_samples asks for 250", options={"calibration_samples": 250})


def test_a_wrong_calibration_set_is_refused(job):
    samples = read_tensors(job.calibration)["inputs/image"]
    wrong = job.folder / "wrong.npz"
    for arrays, expected in (
        ({"inputs/image": samples.astype("float64")}, "inputs/image is float64; the model takes float32"),
        ({"inputs/image": samples.reshape(-1, 8, 8)}, "samples of shape [8, 8]; the model takes [1, 1, 8, 8]"),
        ({"inputs/picture": samples}, "has arrays ['inputs/picture']; the model needs ['inputs/image']"),
        ({"inputs/image": np.where(samples > 3, np.nan, samples)}, "values that are not finite"),
    ):
        write_tensors(wrong, arrays)
        refuse(job, expected, calibration=wrong)
    refuse(job, "there is no such file", calibration=job.folder / "missing.npz")
    refuse(job, "--calibration", calibration=None)
    wrong.write_bytes(b"no archive")
    refuse(job, "not an npz archive", calibration=wrong)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"calibration_method": "guess"}, 'build.calibration_method is "guess"; allowed: minmax, entropy, percentile'),
        ({"per_channel": 1}, "build.per_channel is 1"),
        (
            {"samples": 1},
            "build: unknown key 'samples'; known keys are activations, calibration_method",
        ),
        ({"calibration_samples": 200.5}, "build.calibration_samples is 200.5"),
    ],
)
def test_wrong_options_are_refused(job, options, expected):
    refuse(job, expected, options=options)


def test_missing_options_are_refused_only_where_they_are_used(job):
    preset = {"backend": "onnxruntime", "artifact": "onnx", "build": {}}
    assert job.build("fp32", preset=preset)["status"] == "ok"
    refuse(
        job, "build: key 'per_channel' is missing with precision int8-dynamic", precision="int8-dynamic", preset=preset
    )


def test_files_that_do_not_belong_together_are_refused(job):
    cell = {"model": "tiny", "preset": "ort-cpu", "builder": "host", "precision": "int8"}
    refuse(job, "--cell says precision 'fp16'", cell={**cell, "precision": "fp16"})
    refuse(job, "model is 'tiny', but --cell says 'other'", cell={**cell, "model": "other"})
    refuse(job, "--cell has keys", cell={"model": "tiny"})
    refuse(job, "--preset as int8: the document: key 'artifact' is missing", preset={"backend": "onnxruntime"})
    refuse(job, "must be in one folder", manifest=job.folder / "elsewhere.json")
    refuse(job, 'precisions[0] is "int4"', precision="int4")
    refuse(job, "there is no such file", source=job.folder / "missing.onnx")
    onnx.save(make_classifier(seed=1), job.source)
    refuse(job, "identify it again")


def test_a_converter_that_writes_to_the_source_is_caught(job, monkeypatch):
    original = onnx_artifacts.convert_onnx

    def vandal(source, *rest):
        with open(source, "ab") as stream:
            stream.write(b"!")
        return original(source, *rest)

    monkeypatch.setattr(onnx_artifacts, "convert_onnx", vandal)
    with pytest.raises(RuntimeError, match=r"model\.onnx was changed by its own build"):
        job.build("fp16")
    assert_nothing_built(job.folder / "fp16")


def test_the_manifest_says_how_it_was_built(job):
    manifest = job.build("fp16")
    assert set(manifest["toolchain"]) == {"python", "onnx", "onnxconverter-common", "numpy"}
    assert manifest["calibration"] is None
    assert manifest["source"]["sha256"] == sha256_file(job.source)
    assert manifest["precision"]["weights"] == {"float16": {"tensors": 4, "elements": 2970}}
    assert manifest["precision"]["operators"] == {"Cast": 2, "Conv": 1, "Flatten": 1, "Gemm": 1, "Relu": 1}
    assert manifest["exit_code"] == 0 and manifest["duration_s"] >= 0
    assert manifest["toolchain_lock_sha256"] == sha256_file(REPOSITORY / manifest["toolchain_lock_file"])
    assert manifest["code_sha256"] == describe_building_code()["code_sha256"]


@pytest.mark.parametrize(
    ("precision", "latency_ms"), [("fp32", 5.0), ("fp16", 3.5), ("int8", 2.5), ("int8-dynamic", 3.0)]
)
def test_the_fake_artifact_is_what_the_agent_reads(make_job, precision, latency_ms):
    job = make_job(make_classifier(batch="n"))
    manifest = job.build_fake(precision)
    content = json.loads((job.folder / "fake" / "artifact.json").read_text())
    assert content == {
        "seed": f"{sha256_file(job.source)}/{precision}",
        "latency_ms": latency_ms,
        "outputs": [["logits", [1, 10]]],
    }
    assert manifest["precision"]["basis"] == "simulated"
    assert manifest["artifact"]["format"] == "json" and set(manifest["toolchain"]) == {"python"}


@pytest.mark.parametrize("latency_ms", [0, -1, float("nan"), float("inf"), "5", True, None])
def test_a_fake_latency_must_be_positive(job, latency_ms):
    preset = {"backend": "fake", "artifact": "json", "build": {"latency_ms": latency_ms}}
    refuse(job, "build.latency_ms is", build=job.build_fake, preset=preset)


def test_a_script_builds_its_own_formats_only(job):
    fake = {"backend": "fake", "artifact": "json", "build": {"latency_ms": 5.0}}
    refuse(job, "artifact is 'json'; test builds onnx", precision="fp32", preset=fake)


def test_a_count_that_yaml_writes_as_a_float_is_the_same_count(job):
    assert job.build("int8", options={"calibration_samples": 200.0})["calibration"]["samples"] == 200
