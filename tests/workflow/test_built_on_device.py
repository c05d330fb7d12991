"""Presets that build on the device: its tools are found there, and its Python runs what they make."""

import json
import os

import pytest

from ..unit.artifacts.stand_ins import write_interpreter, write_trtexec

pytestmark = [pytest.mark.workflow, pytest.mark.campaign]  # its campaign takes a minute

CELL = "digits-cnn/tensorrt-jetson/local"


@pytest.fixture
def device(workspace, tmp_path, monkeypatch):
    """The workspace, whose device `local` names a Python that has TensorRT's module; there is no trtexec yet."""
    interpreter = write_interpreter(tmp_path / "python-of-the-board")
    workspace.edit("config/devices/local.yaml", "transport: local", f"transport: local\ninterpreter: {interpreter}")
    monkeypatch.setenv("PATH", f"{tmp_path / 'tools'}{os.pathsep}{os.environ['PATH']}")
    return workspace


def test_an_engine_is_built_checked_and_measured_where_it_runs(device, tmp_path):
    write_trtexec(tmp_path / "tools")
    done = device.snakemake(f"results/runs/{CELL}/fp16/result.json")
    assert done.returncode == 0, done.stdout
    folder = device.root / "results/artifacts" / CELL / "fp16"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["cell"]["builder"] == "local" and manifest["status"] == "ok"
    assert json.loads((folder / "parity.json").read_text())["status"] == "passed"
    result = json.loads((device.root / "results/runs" / CELL / "fp16/result.json").read_text())
    assert result["latency"]["median_ms"] > 0
    assert json.dumps(result).count("included")


def test_an_operator_that_the_builder_refuses_is_a_verdict_of_the_cell(device, tmp_path):
    write_trtexec(tmp_path / "tools", log="trtexec-unsupported", code=1, engine=None)
    done = device.snakemake(f"results/runs/{CELL}/fp16/result.json")
    assert done.returncode == 0, done.stdout
    result = json.loads((device.root / "results/runs" / CELL / "fp16/result.json").read_text())
    assert result["status"] == "failed" and "Plugin not found" in result["reason"]["message"]


def test_a_device_without_the_builder_has_no_verdict(device):
    target = f"results/artifacts/{CELL}/fp16/artifact.engine"
    done = device.snakemake(target)
    assert done.returncode != 0 and "error: trtexec: is not on the PATH" in done.stdout
    assert not (device.root / target).exists()
    assert not (device.root / target).with_name("manifest.json").exists()


def test_a_board_that_is_another_builds_nothing(device, tmp_path):
    write_trtexec(tmp_path / "tools")
    done = device.snakemake("results/artifacts/digits-cnn/tensorrt-jetson/jetson/fp16/artifact.engine")
    assert done.returncode == 2 and "error: device jetson: is a board named 'jetson'" in done.stdout
    assert not list(device.root.glob("results/artifacts/*/*/jetson"))
