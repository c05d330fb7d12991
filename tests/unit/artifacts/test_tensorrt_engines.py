"""Building TensorRT engines, with a stand-in for trtexec: what it did, what it refused, and when it is no verdict."""

import json
import os
import sys
import threading

import pytest
from edgeproof.agent.lock import hold_device
from edgeproof.artifacts.builds import building_device, tensorrt_engines
from edgeproof.artifacts.builds.build_job import BuildJob
from edgeproof.artifacts.builds.tensorrt_engines import build_tensorrt
from edgeproof.artifacts.builds.trtexec import compose_trtexec_command, name_type, read_layer_export, read_version
from edgeproof.artifacts.records.manifests import read_manifest
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from onnx import TensorProto, helper

from .conftest import Job, assert_nothing_built, make_classifier, make_model
from .stand_ins import ENGINE, describe_layers, write_interpreter, write_trtexec

OPTIONS = {"workspace_mb": 64, "timeout_s": 60, "calibration_method": "entropy", "calibration_samples": 200}


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """The folder that stands for the PATH; there is no trtexec in it yet."""
    folder = tmp_path / "bin"
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(tensorrt_engines, "PLACES", ())
    return folder


def build(job, precision="fp16", options=None, **changes):
    folder = job.folder / precision
    arguments = {
        "cell": {"model": "tiny", "preset": "tensorrt-jetson", "builder": "jetson", "precision": precision},
        "source": job.source,
        "identity": job.identity,
        "preset": {"backend": "tensorrt", "artifact": "engine", "build": OPTIONS | (options or {})},
        "precision": precision,
        "artifact": folder / "artifact.engine",
        "manifest": folder / "manifest.json",
        "log": job.folder / "trtexec.log",
        "script": "scripts/build_tensorrt.py",
        "argv": [],
        "calibration": job.calibration if precision == "int8" else None,
        "lock": job.folder / "device.lock",
    }
    build_tensorrt(BuildJob(**{**arguments, **changes}))
    return read_manifest(folder / "manifest.json")


def read_calls(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_an_engine_is_built_and_its_origin_recorded(job, tools):
    calls = write_trtexec(tools)
    manifest = build(job, "fp16")
    assert manifest["status"] == "ok" and manifest["exit_code"] == 0
    engine = job.folder / "fp16" / "artifact.engine"
    assert manifest["artifact"]["sha256"] == sha256_file(engine) and engine.read_bytes().startswith(ENGINE)
    assert manifest["toolchain"]["tensorrt"] == manifest["drivers"]["tensorrt"] == "10.3.0"
    assert manifest["log_sha256"] == sha256_file(job.folder / "trtexec.log")
    assert manifest["precision"]["basis"] == "layer-report" and manifest["precision"]["share"] == 1
    assert manifest["precision"]["weights"] == {"float16": {"tensors": 2, "elements": 144}}
    assert [item["name"] for item in manifest["inputs"]] == ["image"]
    asked, built = read_calls(calls)
    assert asked[1:] == ["--help"]
    assert {"--fp16", "--noTF32", "--memPoolSize=workspace:64", "--skipInference"} <= set(built)


@pytest.mark.parametrize(
    ("replay", "kind", "words"),
    [
        (
            {"log": "trtexec-unsupported", "code": 1, "engine": None},
            "unsupported_operator",
            ["node 'odd', operator Frobnicate, opset com.acme 1", "Plugin not found"],
        ),
        (
            {"log": "trtexec-failed", "code": 1, "engine": None},
            "conversion_failed",
            ["Error Code 9: Internal Error (network has no fp16 kernel for this shape)"],
        ),
        ({"engine": None}, "conversion_failed", ["exited with 0, but left no engine"]),
        ({"engine": b""}, "conversion_failed", ["exited with 0, but left no engine"]),
        ({"layers": "FP32"}, "precision_not_held", ["0.0% of the weights are fp16", "float32"]),
    ],
)
def test_what_cannot_be_built_is_a_verdict_that_names_why(tmp_path, tools, replay, kind, words):
    nodes = [
        helper.make_node("Relu", ["x"], ["first"], name="plain"),
        helper.make_node("Frobnicate", ["first"], ["hidden"], name="odd", domain="com.acme"),
        helper.make_node("Relu", ["hidden"], ["y"], name="last"),
    ]
    shapes = [(name, TensorProto.FLOAT, [1, 4]) for name in "xy"]
    job = Job(tmp_path, make_model(nodes, shapes[:1], shapes[1:], domains=["com.acme"]))
    write_trtexec(tools, **replay)
    manifest = build(job)
    assert manifest["status"] == "failed" and manifest["reason"]["kind"] == kind
    assert all(word in manifest["reason"]["message"] for word in words), manifest["reason"]["message"]
    assert (job.folder / "fp16" / "artifact.engine").read_bytes() == b""
    assert manifest["log_sha256"] == sha256_file(job.folder / "trtexec.log")
    assert manifest["exit_code"] == replay.get("code", 0)


def test_a_build_that_takes_too_long_is_ended_and_is_a_verdict(job, tools):
    write_trtexec(tools, sleep=60)
    manifest = build(job, options={"timeout_s": 1})
    assert manifest["reason"] == {"kind": "timed_out", "message": "trtexec: no engine within 1 s (build.timeout_s)"}
    assert manifest["exit_code"] is None and manifest["duration_s"] < 50


@pytest.mark.parametrize(
    ("replay", "words"),
    [
        (None, "trtexec: is not on the PATH; it comes with TensorRT"),
        ({"version": "8205"}, "belongs to TensorRT 8.2.5; 8.5.0 or newer"),
        ({"log": "trtexec-no-gpu", "code": 1, "engine": None}, "this says nothing about the model"),
        ({"code": -9}, "ended by signal 9"),
        ({"layers": {"Layers": ["conv1", "conv2"]}}, "precision of the engine is not proved"),
        ({"layers": [1]}, "precision of the engine is not proved"),
    ],
)
def test_what_is_about_the_machine_is_no_verdict_and_writes_nothing(job, tools, replay, words):
    if replay is not None:
        write_trtexec(tools, **replay)
    with pytest.raises(UserError, match=words.replace("(", r"\(")):
        build(job)
    assert_nothing_built(job.folder / "fp16")


def test_a_trtexec_that_says_no_version_is_refused(job, tools):
    write_trtexec(tools, version="")
    with pytest.raises(UserError, match="does not say which TensorRT"):
        build(job)


def test_the_wrong_board_builds_nothing(job, tools, tmp_path):
    write_trtexec(tools)
    root = tmp_path / "root"
    (root / "proc/device-tree").mkdir(parents=True)
    (root / "proc/device-tree/model").write_text("NVIDIA Jetson Orin Nano\0")
    building_device.require_building_device("jetson", root)
    with pytest.raises(
        UserError, match="called 'NVIDIA Jetson Orin Nano', the device must be a board named 'raspberry'"
    ):
        building_device.require_building_device("raspberry", root)
    with pytest.raises(UserError, match="must be a board named 'no such board'"):
        build(job, board="no such board")


def test_a_build_waits_for_whoever_holds_the_device(tmp_path, waiters):
    path, order = tmp_path / "lock", []

    def build_meanwhile():
        with building_device.hold_building_device(path, "build of b"):
            order.append("build")

    with hold_device(path, "run of a"):  # the agent's
        other = threading.Thread(target=build_meanwhile, daemon=True)
        other.start()
        said = waiters.get()
        order.append("measurement")
    other.join(timeout=30)
    assert order == ["measurement", "build"]
    assert said.startswith(f"build of b: the device is busy: waiting for run of a, process {os.getpid()} of ")


def test_a_build_says_who_holds_the_device_and_leaves_it_to_all(tmp_path):
    path, mask = tmp_path / "lock", os.umask(0o077)
    try:
        with building_device.hold_building_device(path, "build of b"):
            assert json.loads(path.read_text())["label"] == "build of b"
            assert path.stat().st_mode & 0o777 == 0o666
    finally:
        os.umask(mask)
    assert path.read_text() == ""


def test_a_tool_ends_with_whoever_started_it(monkeypatch):
    """Ctrl-C reaches us, and not the session of the tool."""
    said = []

    class Terminal:
        def write(self, text):
            said.append(text)
            raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stderr", Terminal())
    program = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    with pytest.raises(KeyboardInterrupt):
        building_device.run_device_program([sys.executable, "-c", program], None, dict(os.environ), 600)
    with pytest.raises(ProcessLookupError):
        os.kill(int(said[0]), 0)


def test_drivers_are_what_the_machine_says(tmp_path):
    for name, text in {
        "etc/nv_tegra_release": "# R36 (release), REVISION: 4.3\n",
        "usr/local/cuda/version.json": '{"cuda": {"version": "12.6.11"}}',
        "proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX Open Kernel Module 540.4.0",
        "sys/kernel/debug/rknpu/version": "RKNPU driver: v0.9.8",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = building_device.describe_drivers(tmp_path)
    assert found["jetpack"] == "# R36 (release), REVISION: 4.3" and found["cuda"] == "12.6.11"
    assert "540.4.0" in found["gpu_driver"] and found["rknpu_driver"] == "RKNPU driver: v0.9.8"
    (tmp_path / "usr/local/cuda/version.json").write_text("[]")
    assert "cuda" not in building_device.describe_drivers(tmp_path)


@pytest.mark.parametrize("method", ["entropy", "minmax"])
def test_int8_is_calibrated_with_our_samples(job, tools, tmp_path, method):
    calls = write_trtexec(tools, layers="Int8")
    interpreter = write_interpreter(tmp_path / "python")
    manifest = build(job, "int8", {"calibration_method": method}, interpreter=interpreter)
    assert manifest["status"] == "ok" and manifest["precision"]["share"] == 1
    used = manifest["calibration"]
    assert (used["samples"], used["method"], used["sha256"]) == (200, method, sha256_file(job.calibration))
    assert len(used["cache_sha256"]) == 64
    built = read_calls(calls)[-1]
    assert "--int8" in built and any(part.startswith("--calib=") for part in built)


def test_int8_without_the_module_or_with_tensorrt_11_is_no_verdict(job, tools):
    write_trtexec(tools, layers="Int8")
    with pytest.raises(UserError, match="has no module 'tensorrt'; calibrating needs"):
        build(job, "int8", interpreter=sys.executable)
    write_trtexec(tools, version="110100", layers="Int8")
    with pytest.raises(UserError, match=r"TensorRT 11\.1\.0 can no longer calibrate"):
        build(job, "int8", interpreter=sys.executable)


def test_from_tensorrt_11_on_the_model_itself_is_float16(job, tools):
    calls = write_trtexec(tools, version="110100")
    manifest = build(job, "fp16")
    assert manifest["status"] == "ok" and "--fp16" not in read_calls(calls)[-1]
    assert manifest["artifact"]["bytes"] < 0.7 * manifest["source"]["bytes"]  # the stand-in's engine is the model


def test_an_open_batch_is_one_and_another_open_size_is_refused(tmp_path, tools):
    calls = write_trtexec(tools, layers="FP32")
    for name in "ab":
        (tmp_path / name).mkdir()
    build(Job(tmp_path / "a", make_classifier(batch="n")), "fp32")
    assert "--optShapes=image:1x1x8x8" in read_calls(calls)[-1]
    model = make_model(
        [helper.make_node("Relu", ["x"], ["y"])],
        [("x", TensorProto.FLOAT, [1, "width"])],
        [("y", TensorProto.FLOAT, [1, "width"])],
    )
    manifest = build(Job(tmp_path / "b", model), "fp32")
    assert manifest["reason"]["kind"] == "conversion_failed"
    assert "input 'x' is [1, 'width']; only its batch may be open" in manifest["reason"]["message"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"calibration_method": "percentile"}, "allowed with artifact engine: entropy, minmax"),
        ({"calibration_samples": 199}, "calibration_samples is 199; it must be ≥ 200"),
        ({"sauce": 1}, "unknown key 'sauce'"),
    ],
)
def test_wrong_options_are_a_mistake(job, tools, options, words):
    with pytest.raises(UserError, match=words):
        build(job, "int8", options)


def test_versions_are_read_as_tensorrt_writes_them():
    assert read_version("&&&& RUNNING TensorRT.trtexec [TensorRT v8502] # trtexec") == (8, 5, 2)
    assert read_version("[TensorRT v8601]") == (8, 6, 1)
    assert read_version("[TensorRT v101602] [b10]") == (10, 16, 2)
    assert read_version("[TensorRT v110100]") == (11, 1, 0)
    assert read_version("bash: trtexec: command not found") is None


def test_the_command_line_follows_the_version():
    paths = {name: f"/s/{name}" for name in ("model", "engine", "layers", "cache")}
    old = compose_trtexec_command("t", (8, 5, 2), "int8", OPTIONS, {}, paths)
    assert "--buildOnly" in old and old[-2:] == ["--int8", "--calib=/s/cache"]
    assert not {"--fp16", "--int8"} & set(compose_trtexec_command("t", (11, 0, 0), "fp16", OPTIONS, {}, paths))
    assert not {"--fp16", "--int8"} & set(compose_trtexec_command("t", (10, 3, 0), "fp32", OPTIONS, {}, paths))


def test_layers_are_counted_by_type():
    weights, values, operators = read_layer_export(describe_layers("Half", 3))
    assert weights == {"float16": {"tensors": 3, "elements": 216}}
    assert values == {"float16": 3} and operators == {"CaskConvolution": 3, "Reformat": 1}
    assert read_layer_export({"Layers": ["a", "b"]}) is None and read_layer_export([]) is None
    untyped = {"LayerType": "kgen", "Outputs": [{"Format/Datatype": "N/A due to dynamic shapes"}]}
    assert read_layer_export({"Layers": [untyped]}) is None
    assert name_type("Thirty-two wide channel vectorized row major Int8 format") == "int8"
    assert name_type("Row major linear FP32") == "float32" and name_type("N/A due to dynamic shapes") == "unknown"
