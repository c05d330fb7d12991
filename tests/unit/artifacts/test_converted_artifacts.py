"""Builds in a toolchain, whose interpreter is a stand-in: what is recorded, and every way in which it can fail."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from edgeproof.artifacts.builds import converted_artifacts, saved_models
from edgeproof.artifacts.builds.build_job import BuildJob
from edgeproof.artifacts.builds.converter_process import start_converter
from edgeproof.artifacts.builds.onnx_precisions import convert_onnx_ahead
from edgeproof.artifacts.records import manifest_entries
from edgeproof.artifacts.records.formats import FORMATS
from edgeproof.artifacts.records.manifests import read_manifest
from edgeproof.core.documents import read_json, write_json
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_bytes, sha256_file
from edgeproof.core.tensors import write_tensors

from .conftest import draw_samples, make_classifier
from .toolchain_stand_ins import install_toolchain

PACKAGES = dict.fromkeys(
    ("onnx2tf", "tensorflow", "onnx", "numpy", "ai_edge_litert", "coremltools", "openvino", "torch", "torchvision",
     "onnx2torch"), "1.2.3")  # fmt: skip
BACKENDS = {"tflite": "litert", "openvino.zip": "openvino", "pt": "torchscript"}
BUILD = {"calibration_method": "minmax", "calibration_samples": 200, "quantised_io": False}
WEIGHTS = {
    "fp32": {"float32": {"tensors": 4, "elements": 100}},
    "fp16": {"float16": {"tensors": 4, "elements": 100}},
    "int8": {"int8": {"tensors": 4, "elements": 100}, "int32": {"tensors": 4, "elements": 100}},
}
SUCCESS = """
facts = {facts!r}
(out / "artifact.bin").write_bytes(b"converted " + spec.get("precision", "").encode())
(out / "facts.json").write_text(json.dumps(facts))
"""


def facts(precision="fp32", **changes):
    described = {
        "artifact": "artifact.bin",
        "inputs": [{"name": "in", "dtype": "float32", "shape": [1, 8, 8, 1]}],
        "outputs": [{"name": "out", "dtype": "float32", "shape": [1, 10]}],
        "weights": WEIGHTS[precision],
        "values": {"int8" if precision == "int8" else "float32": 5},
        "operators": {"CONV_2D": 1, "FakeQuantize": 1},
        "warnings": ["careful"],
    }
    return SUCCESS.format(facts={**described, **changes})


@pytest.fixture
def place(job, monkeypatch):
    """The job's folder as a repository of its own; toolchains in it are stand-ins."""
    monkeypatch.chdir(job.folder)
    monkeypatch.setattr(manifest_entries, "REPOSITORY", job.folder)
    return job


def use(job, name, script):
    return install_toolchain(job.folder, name, script, PACKAGES)


def make_saved_model(job, script=None):
    interface = {
        "inputs": [
            {"source": "image", "name": "input_0", "axes": [0, 2, 3, 1], "shape": [1, 8, 8, 1], "dtype": "float32"}
        ],
        "outputs": [{"source": "logits", "name": "output_0", "axes": [0, 1], "shape": [1, 10], "dtype": "float32"}],
    }
    converted_facts = {"artifact": "artifact.bin", "interface": interface, "warnings": []}
    toolchain = use(job, "tensorflow", script or SUCCESS.format(facts=converted_facts))
    record = job.folder / "saved_model.json"
    packed, log = job.folder / "saved_model.zip", job.folder / "saved_model.log"
    with start_converter("saved_model", toolchain) as converter:
        saved_models.build_saved_model(job.source, job.identity, converter, packed, record, log, ["test"])
    return record


def build(job, toolchain, precision="fp32", suffix="tflite", saved_model=None, options=None, quantise=None, **changes):
    folder = job.folder / suffix / precision
    arguments = {
        "cell": {"model": "tiny", "preset": "litert-cpu", "builder": "host", "precision": precision},
        "source": job.source,
        "identity": job.identity,
        "preset": {"backend": BACKENDS[suffix], "artifact": suffix, "build": BUILD if options is None else options},
        "precision": precision,
        "calibration": job.calibration if precision == "int8" else None,
        "artifact": folder / f"artifact.{suffix}",
        "manifest": folder / "manifest.json",
        "log": job.folder / "converter.log",
        "script": "test",
        "argv": [],
        "saved_model": saved_model,
    }
    with start_converter(FORMATS[suffix].converter, toolchain) as converter:
        converted_artifacts.build_converted(BuildJob(**{**arguments, **changes}), converter, quantise)
    return read_manifest(folder / "manifest.json")


def test_a_saved_model_is_recorded_with_its_toolchain(place):
    before = sha256_file(place.source)
    document = read_json(make_saved_model(place), "saved-model")
    assert document["status"] == "ok" and document["model"] == "tiny"
    assert document["artifact"]["sha256"] == sha256_bytes(b"converted ")
    assert document["toolchain_lock_sha256"] == sha256_file(place.folder / "envs/tensorflow.lock")
    assert document["log_sha256"] == sha256_file(place.folder / "saved_model.log")
    assert (place.folder / "saved_model.log").read_text() == "converting\n"
    given = Path(json.loads((place.folder / "seen.json").read_text())["spec"]["model"])
    assert given.resolve() != place.source.resolve() and sha256_file(place.source) == before


def test_the_manifest_says_what_was_made_by_what(place):
    record = make_saved_model(place)
    manifest = build(place, use(place, "tensorflow", facts("int8")), "int8", saved_model=record)
    assert (manifest["status"], manifest["exit_code"], manifest["warnings"]) == ("ok", 0, ["careful"])
    assert manifest["toolchain"] == {
        "python": "3.11.7", "tensorflow": "1.2.3", "numpy": "1.2.3", "ai-edge-litert": "1.2.3"}  # fmt: skip
    assert manifest["toolchain_lock_file"] == "envs/tensorflow.lock"
    assert manifest["toolchain_lock_sha256"] == sha256_file(place.folder / "envs/tensorflow.lock")
    assert manifest["log_sha256"] == sha256_file(place.folder / "converter.log")
    assert manifest["calibration"]["samples"] == 200
    assert manifest["calibration"]["sha256"] == sha256_file(place.calibration)
    assert manifest["calibration"]["origin"] == "drawn for a test"
    mapped = {"source": "image", "name": "input_0", "axes": [0, 2, 3, 1]}
    assert manifest["mapping"]["inputs"] == [mapped] and manifest["target"] == {"runtime": "litert", "device": "any"}
    assert (manifest["source"]["format"], manifest["artifact"]["role"]) == ("onnx", "deployment_model")
    assert manifest["intermediate"]["sha256"] == read_json(record, "saved-model")["artifact"]["sha256"]
    assert manifest["precision"]["share"] == 1.0 and manifest["precision"]["claimed"] == "int8"
    assert manifest["artifact"]["sha256"] == sha256_bytes(b"converted int8")
    seen = json.loads((place.folder / "seen.json").read_text())
    assert seen["converter"] == "tflite"
    assert seen["spec"]["calibration"] == {"path": str(place.calibration), "samples": 200}
    assert seen["spec"]["options"] == BUILD and seen["spec"]["interface"]["inputs"][0]["axes"] == [0, 2, 3, 1]


def test_openvino_int8_gets_what_onnx_runtime_has_quantised(place):
    options = {"calibration_method": "minmax", "calibration_samples": 200, "per_channel": True}
    check = f'import shutil; shutil.copy(spec["model"], pathlib.Path({str(place.folder)!r}) / "given.onnx")\n'
    toolchain = use(place, "openvino", check + facts("int8"))
    manifest = build(place, toolchain, "int8", "openvino.zip", options=options, quantise=convert_onnx_ahead)
    assert manifest["status"] == "ok" and manifest["toolchain"]["host-onnxruntime"]
    kinds = {node.op_type for node in onnx.load(place.folder / "given.onnx").graph.node}
    assert "QuantizeLinear" in kinds


def test_scales_of_integer_inputs_and_the_count_of_floats_are_recorded(place):
    scaled = {"name": "in", "dtype": "int8", "shape": [1, 8, 8, 1], "quantisation": {"scale": 0.5, "zero_point": -3}}
    told = {"float_operators": {}, "per_channel_weights": 2}
    record, whole = make_saved_model(place), {**BUILD, "quantised_io": True, "per_channel": True}
    toolchain = use(place, "tensorflow", facts("int8", inputs=[scaled], **told))
    manifest = build(place, toolchain, "int8", saved_model=record, options=whole)
    assert manifest["status"] == "ok" and manifest["inputs"] == [scaled]
    assert told.items() <= manifest["precision"].items()


def test_integers_everywhere_means_no_operator_with_floats(place):
    floats = {"float_operators": {"LOGISTIC": 2, "QUANTIZE": 1}, "per_channel_weights": 2}
    record, toolchain = make_saved_model(place), use(place, "tensorflow", facts("int8", **floats))
    manifest = build(place, toolchain, "int8", saved_model=record, options={**BUILD, "quantised_io": True})
    assert manifest["reason"]["kind"] == "precision_not_held"
    assert "operators that compute with floats: 2 LOGISTIC, 1 QUANTIZE" in manifest["reason"]["message"]
    assert build(place, toolchain, "int8", saved_model=record)["status"] == "ok"  # floats at the edges are allowed


@pytest.mark.parametrize(
    ("failure", "kind", "parts"),
    [
        (
            {"kind": "unsupported_operator", "message": "not known here", "output": "relu"},
            "unsupported_operator",
            ["node that makes 'relu'", "operator Relu", "opset ai.onnx 13", "not known here"],
        ),
        (
            {"kind": "conversion_failed", "message": "tool: Gemm has an odd shape", "output": None},
            "conversion_failed",
            ["operator Gemm", "opset ai.onnx 13"],
        ),
        (
            {"kind": "conversion_failed", "message": "tool: std::bad_alloc", "output": None},
            "out_of_memory",
            ["bad_alloc"],
        ),
    ],
)
def test_a_refusal_names_the_node(place, failure, kind, parts):
    script = f'(out / "failure.json").write_text(json.dumps({failure!r}))'
    manifest = build(place, use(place, "torch", script), suffix="pt", options={})
    assert (manifest["status"], manifest["reason"]["kind"], manifest["exit_code"]) == ("failed", kind, 0)
    assert all(part in manifest["reason"]["message"] for part in parts)
    assert (place.folder / "pt/fp32/artifact.pt").read_bytes() == b""
    assert (place.folder / "converter.log").read_text() == "converting\n"


def test_a_failed_saved_model_fails_what_is_made_from_it_for_the_same_reason(place):
    failure = {"kind": "unsupported_operator", "message": "not known here", "output": "relu"}
    record = make_saved_model(place, f'(out / "failure.json").write_text(json.dumps({failure!r}))')
    document = read_json(record, "saved-model")
    assert document["status"] == "failed" and (place.folder / "saved_model.zip").read_bytes() == b""
    manifest = build(place, use(place, "tensorflow", facts()), saved_model=record)
    assert manifest["reason"] == document["reason"] and manifest["exit_code"] is None
    assert manifest["intermediate"]["sha256"] == sha256_bytes(b"")


@pytest.mark.parametrize(
    ("precision", "changes", "message"),
    [
        ("fp16", {"weights": WEIGHTS["fp32"]}, "0.0% of the weights are fp16"),
        ("int8", {"values": {"float32": 3, "int8": 1}}, "most activations are not int8"),
    ],
)
def test_a_precision_that_is_not_held_is_a_failed_build(place, precision, changes, message):
    record = make_saved_model(place)
    manifest = build(place, use(place, "tensorflow", facts(precision, **changes)), precision, saved_model=record)
    assert manifest["reason"]["kind"] == "precision_not_held" and message in manifest["reason"]["message"]


def test_a_converter_that_gets_no_job_is_ended_and_leaves_nothing(place):
    toolchain = use(place, "torch", facts())
    with pytest.raises(UserError, match="changed my mind"), start_converter("torchscript", toolchain) as converter:
        assert converter.record["toolchain"] == "torch" and converter.scratch.is_dir()
        raise UserError("changed my mind")
    assert converter._process.returncode == -9 and not converter.scratch.exists()


def test_a_record_that_somebody_edited_is_named_and_nothing_is_written(place):
    toolchain = use(place, "torch", facts())
    toolchain.write_text(json.dumps({**json.loads(toolchain.read_text()), "packages": None}))
    with pytest.raises(UserError, match=r"results/toolchains/torch\.json: packages is null"):
        build(place, toolchain, suffix="pt", options={})
    assert not (place.folder / "pt/fp32").exists()


def test_one_that_ends_before_it_is_told_what_to_do_says_why_in_its_log(place):
    toolchain = use(place, "torch", facts())
    interpreter = place.folder / ".toolchains/torch/bin/python"
    interpreter.write_text("#!/bin/sh\necho 'no torch here' >&2\nexit 1\n")
    with pytest.raises(UserError, match=r"converter torchscript: exited with 1 and no verdict; see .*converter\.log"):
        build(place, toolchain, suffix="pt", options={})
    assert (place.folder / "converter.log").read_text() == "no torch here\n"


def test_what_a_tool_leaves_in_the_temporary_folder_is_gone_with_the_converter(place):
    script = 'open(os.environ["TMPDIR"] + "/left", "w").write(os.environ["TMPDIR"])\n' + facts()
    script += f"pathlib.Path({str(place.folder / 'where')!r}).write_text(os.environ['TMPDIR'])"
    assert build(place, use(place, "torch", script), suffix="pt", options={})["status"] == "ok"
    assert not Path((place.folder / "where").read_text()).exists()


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("sys.exit(1)", "exited with 1 and no verdict; see .*converter.log"),
        ("os.kill(os.getpid(), 9)", "ended by signal 9; free memory"),
    ],
)
def test_a_converter_without_a_verdict_writes_no_manifest(place, script, message):
    with pytest.raises(UserError, match=message):
        build(place, use(place, "torch", script), suffix="pt", options={})
    assert not (place.folder / "pt/fp32/manifest.json").exists()


@pytest.mark.parametrize(
    ("precision", "options", "message"),
    [
        ("int8", {**BUILD, "calibration_samples": 20}, "calibration_samples is 20; it must be ≥ 200"),
        ("int8", {**BUILD, "calibration_samples": 202}, "has 201 samples"),
        ("int8", {**BUILD, "calibration_method": "entropy"}, "allowed with artifact tflite: minmax"),
        ("int8", {}, "build: key 'calibration_method' is missing with precision int8"),
        ("fp32", {"per_chanel": True}, "build: unknown key 'per_chanel'"),
        ("int8-weights", BUILD, "allowed with artifact tflite: fp32, fp16, int8, int8-dynamic"),
    ],
)
def test_wrong_options_are_found_before_anything_is_written(place, precision, options, message):
    record = make_saved_model(place)
    with pytest.raises(UserError, match=message):
        build(place, use(place, "tensorflow", facts()), precision, saved_model=record, options=options)
    assert not (place.folder / "tflite").exists()


def test_int8_without_a_calibration_set_is_an_error(place):
    record = make_saved_model(place)
    with pytest.raises(UserError, match="int8 needs a calibration set"):
        build(place, use(place, "tensorflow", facts("int8")), "int8", saved_model=record, calibration=None)


def test_samples_that_are_not_finite_are_found_before_the_converter_starts(place):
    arrays = draw_samples(make_classifier(), 201, 1)
    arrays["inputs/image"][7] = np.nan
    write_tensors(place.calibration, arrays)
    with pytest.raises(UserError, match="sample 7 has values that are not finite"):
        build(place, use(place, "tensorflow", facts("int8")), "int8", saved_model=make_saved_model(place))


def test_a_saved_model_of_another_model_is_refused(place):
    record = make_saved_model(place)
    document = json.loads(record.read_text())
    document["source"]["sha256"] = "0" * 64
    write_json(record, document, "saved-model")
    with pytest.raises(UserError, match="is about another model"):
        build(place, use(place, "tensorflow", facts()), saved_model=record)


def test_a_changed_saved_model_is_refused(place):
    record = make_saved_model(place)
    (place.folder / "saved_model.zip").write_bytes(b"tampered with")
    with pytest.raises(UserError, match=r"saved_model.zip: sha256 is not the one"):
        build(place, use(place, "tensorflow", facts()), saved_model=record)
