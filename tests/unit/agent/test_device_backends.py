"""The backends of TensorRT and RKNN, and ONNX Runtime's providers, with stand-ins for what only boards have."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from edgeproof.agent.backends import cuda
from edgeproof.agent.backends.onnxruntime import OnnxRuntime, list_providers
from edgeproof.agent.backends.rknn import Rknn
from edgeproof.agent.backends.tensorrt import TensorRt
from edgeproof.agent.failures import NoVerdict, Verdict

ROOT = Path(__file__).resolve().parents[3]
MODULES = ROOT / "tests" / "data" / "stand_ins"
PROTOCOL = {
    "processes": 1,
    "warmup_runs": 2,
    "warmup_seconds": 0,
    "min_samples": 12,
    "min_seconds": 0,
    "max_timer_share": 0.01,
}


def run_agent(verb, spec, out, modules=True):
    """Run the agent as on a board; return (exit code, its answer)."""
    paths = [str(ROOT / "scripts"), *([str(MODULES)] if modules else [])]
    spec_path = out.parent / "spec.json"
    spec_path.write_text(json.dumps(spec))
    command = [sys.executable, "-m", "edgeproof.agent", verb, str(spec_path), str(out)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    code = subprocess.run(command, env=environment, capture_output=True).returncode
    name = {0: {"infer": "infer.json", "measure": "process.json"}[verb], 3: "failure.json"}[code]
    return code, json.loads((out / name).read_text())


@pytest.fixture
def arms(tmp_path, tiny_model):
    """Arms of both backends for y = relu(x + 1), and samples for it."""
    (tmp_path / "artifact.engine").write_bytes(b"ENGINE" + Path(tiny_model).read_bytes())
    shutil.copyfile(tiny_model, tmp_path / "artifact.rknn")
    np.savez(tmp_path / "inputs.npz", **{"inputs/x": np.arange(-4, 4, dtype="float32").reshape(2, 4)})
    return {
        "tensorrt": {"runtime": {"spinning": False}, "artifact": str(tmp_path / "artifact.engine")},
        "rknn": {"runtime": {"npu_cores": "all"}, "artifact": str(tmp_path / "artifact.rknn")},
    }


@pytest.mark.parametrize("backend", ["tensorrt", "rknn"])
def test_outputs_are_those_of_the_model(arms, tmp_path, backend):
    arm = {"backend": backend, "precision": "fp32", **arms[backend]}
    code, report = run_agent("infer", {"arm": arm, "inputs": str(tmp_path / "inputs.npz")}, tmp_path / "out")
    assert (code, report["status"]) == (0, "ok"), report
    with np.load(tmp_path / "out" / "outputs.npz") as outputs:
        (name,) = outputs.files
        np.testing.assert_array_equal(outputs[name], [[[0, 0, 0, 0]], [[1, 2, 3, 4]]])
    assert name == {"tensorrt": "outputs/y", "rknn": "outputs/output0"}[backend]
    assert (
        report["runtime"]["version"]
        == {
            "tensorrt": "10.3.0",
            "rknn": "API version: 2.3.2 DRV version: 0.9.8",
        }[backend]
    )


@pytest.mark.parametrize("backend", ["tensorrt", "rknn"])
def test_a_measurement_says_what_its_latency_includes(arms, tmp_path, backend):
    arm = {"backend": backend, "precision": "fp32", **arms[backend]}
    spec = {"arm": arm, "inputs": str(tmp_path / "inputs.npz"), "protocol": PROTOCOL, "slot": 0}
    code, report = run_agent("measure", spec, tmp_path / "out")
    assert (code, report["status"]) == (0, "ok"), report
    meaning = report["latency_definition"]
    assert meaning["host_device_transfers"] == "included"
    assert (meaning["graph_capture"], meaning["spin_wait"]) == (False, False)
    assert len(np.load(tmp_path / "out" / "samples.npy")) >= 12


@pytest.mark.parametrize("backend", ["tensorrt", "rknn"])
def test_a_file_that_does_not_load_is_a_verdict_and_a_missing_runtime_is_none(arms, tmp_path, backend):
    arm = {"backend": backend, "precision": "fp32", **arms[backend]}
    spec = {"arm": arm, "inputs": str(tmp_path / "inputs.npz")}
    code, report = run_agent("infer", spec, tmp_path / "none", modules=False)
    assert (code, report["kind"]) == (3, "runtime_missing")
    Path(arm["artifact"]).write_bytes(b"not an artifact")
    code, report = run_agent("infer", spec, tmp_path / "broken")
    assert code == 0 and report["reason"]["kind"] == "load_failed"


def test_a_machine_without_a_gpu_has_no_provider(monkeypatch):
    class Library:
        def __getattr__(self, name):
            return lambda *arguments: 100  # cudaErrorNoDevice

    monkeypatch.setattr(cuda.ctypes, "CDLL", lambda name: Library())
    with pytest.raises(Verdict) as verdict:
        cuda.Cuda(spinning=True)
    assert verdict.value.kind == "provider_unavailable"


def test_a_machine_without_cuda_is_no_verdict(monkeypatch):
    def refuse(name):
        raise OSError(name)

    monkeypatch.setattr(cuda.ctypes, "CDLL", refuse)
    with pytest.raises(NoVerdict, match="libcudart"):
        cuda.Cuda(spinning=True)


def test_errors_of_cuda_are_not_swallowed(monkeypatch):
    codes = {"cudaMalloc": 2, "cudaMemcpyAsync": 700}

    class Library:
        def __getattr__(self, name):
            return lambda *arguments: codes.get(name, 0)

    monkeypatch.setattr(cuda.ctypes, "CDLL", lambda name: Library())
    device = cuda.Cuda(spinning=True)
    with pytest.raises(Verdict, match="the GPU has no 4096 bytes left"):
        device.allocate(4096)
    with pytest.raises(RuntimeError, match="cudaMemcpyAsync returned CUDA error 700"):
        device.copy_in(1, np.zeros(4))


def test_providers_compute_in_the_type_that_the_artifact_has():
    assert list_providers("CPUExecutionProvider", "fp16") == ["CPUExecutionProvider"]
    assert list_providers("CUDAExecutionProvider", "fp32") == [("CUDAExecutionProvider", {"use_tf32": "0"})]
    (name, options), (second, _) = list_providers("TensorrtExecutionProvider", "fp16")
    assert (name, second, options) == ("TensorrtExecutionProvider", "CUDAExecutionProvider", {"trt_fp16_enable": "1"})


def test_a_provider_that_this_onnxruntime_does_not_have_is_a_verdict(tiny_model):
    for provider in ("CUDAExecutionProvider", "TensorrtExecutionProvider"):
        runtime = {"execution_provider": provider, "cpu_fallback": False}
        with pytest.raises(Verdict, match="is not in this onnxruntime build") as verdict:
            OnnxRuntime({"artifact": tiny_model, "precision": "fp32", "runtime": runtime})
        assert verdict.value.kind == "provider_unavailable"


def test_backends_are_known_by_the_names_that_presets_use():
    assert (TensorRt.name, Rknn.name) == ("tensorrt", "rknn")
