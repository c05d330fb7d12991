"""From a clone to a judged comparison of an own model: `edgeproof new model`, then snakemake, and nothing else."""

import json
import os
import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from .conftest import copy_repository


def save_model(path):
    """Save a classifier of images of any size with four classes: colours, pooled, times a matrix."""
    weights = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    kernel = np.random.default_rng(1).normal(size=(3, 3, 3, 3)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["image", "kernel"], ["filtered"], pads=[1, 1, 1, 1]),
            helper.make_node("GlobalAveragePool", ["filtered"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weights"], ["scores"]),
        ],
        "colours",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, "height", "width"])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 4])],
        [onnx.numpy_helper.from_array(weights, "weights"), onnx.numpy_helper.from_array(kernel, "kernel")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def run_edgeproof(workspace, *arguments):
    """Run `edgeproof` in a copy of the repository and return what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(workspace.root / "scripts")}
    command = [sys.executable, "-m", "edgeproof", *arguments]
    done = subprocess.run(command, cwd=workspace.root, env=environment, text=True, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def read_reports(workspace):
    """Return {comparison: report.json} of everything that was judged."""
    paths = (workspace.root / "results/comparability").glob("**/report.json")
    return {document["comparison"]: document for document in map(json.loads, (path.read_text() for path in paths))}


@pytest.mark.campaign  # half a minute
def test_with_simulated_times(tmp_path):
    workspace = copy_repository(tmp_path / "edgeproof")
    workspace.edit("config/devices/local.yaml", "timeout_s: 600", "timeout_s: 600\nlock: device.lock")
    save_model(tmp_path / "Colours.onnx")
    told = run_edgeproof(
        workspace, "new", "model", str(tmp_path / "Colours.onnx"), "--shape", "image=1,3,16,16", "--preset", "fake"
    )
    command = told.splitlines()[-1].removeprefix("next: snakemake --profile local --configfile ")
    assert command == "config/colours.yaml"
    done = workspace.snakemake(config=command)
    assert done.returncode == 0, done.stdout
    assert sorted(read_reports(workspace)) == [f"colours-fp32-vs-{name}" for name in ("fp16", "int8", "int8-dynamic")]
    assert workspace.remade_by(config=command) == set()


@pytest.mark.campaign
def test_for_real_with_samples_of_its_own(tmp_path):
    workspace = copy_repository(tmp_path / "edgeproof")
    save_model(tmp_path / "colours.onnx")
    images = np.random.default_rng(2).random((300, 3, 16, 16), np.float32)
    session = pytest.importorskip("onnxruntime").InferenceSession(tmp_path / "colours.onnx")
    np.savez(tmp_path / "samples.npz", image=images, labels=session.run(None, {"image": images})[0].argmax(1))
    run_edgeproof(workspace, "new", "model", "../colours.onnx", "--samples", "../samples.npz")
    done = workspace.snakemake(config="config/colours.yaml")
    reports = read_reports(workspace)
    assert done.returncode == 0, done.stdout
    assert sorted(reports) == [f"colours-fp32-vs-{name}" for name in ("fp16", "int8", "int8-dynamic")]
    for report in reports.values():
        assert report["verdict"] in ("faster", "slower", "equivalent", "undecided"), report
    parity = json.loads((workspace.root / "results/artifacts/colours/ort-cpu/host/fp32/parity.json").read_text())
    assert parity["accuracy"]["candidate_accuracy"] == 1 and parity["evaluation"]["count"] == 100
    assert (workspace.root / "results/evidence/colours/report.html").is_file()
