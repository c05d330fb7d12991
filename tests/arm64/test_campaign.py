"""A campaign whose device is emulated: what is computed counts, and how fast it was is simulated and never compared."""

import json
import os
import sys

import numpy as np
import pytest
from edgeproof.core.documents import read_json
from edgeproof.core.layout import REPOSITORY
from edgeproof.core.processes import child_environment
from edgeproof.runs.results import read_result

from ..workflow.conftest import copy_repository
from .conftest import compare_outputs, python_of

pytestmark = pytest.mark.arm64
ARM = {"backend": "onnxruntime", "precision": "fp32", "runtime": {"intra_op_threads": 1}}
CELL = "digits-cnn/ort-cpu-1t/arm64-emulated"
COMPARISONS = """comparisons:
  - name: precisions
    left: {model: digits-cnn, preset: ort-cpu-1t, precision: fp32}
    right: {precision: int8}
    varies: [precision]
  - {name: devices, left: {model: digits-cnn, preset: ort-cpu-1t, precision: fp32}, right: {device: local}}
"""
PROTOCOL = """description: Two short processes
processes: 2
warmup_runs: 3
warmup_seconds: 0.0
min_samples: 32
min_seconds: 0.0
max_timer_share: 0.1
pairs: 4
"""


@pytest.fixture(scope="module")
def campaign(tmp_path_factory):
    """`config/arm64.yaml` with two comparisons and a short protocol, measured."""
    workspace = copy_repository(tmp_path_factory.mktemp("arm64") / "edgeproof")
    (workspace.root / ".toolchains").symlink_to(REPOSITORY / ".toolchains")
    workspace.write("config/protocols/two.yaml", PROTOCOL)
    workspace.edit("config/arm64.yaml", "protocol: quick", "protocol: two")
    workspace.edit("config/arm64.yaml", "comparisons: []\n", COMPARISONS)
    done = workspace.snakemake(config="config/arm64.yaml")
    assert (workspace.root / "results/evidence/arm64").is_dir(), done.stdout[-4000:]
    return workspace


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_results_are_simulated_and_name_the_emulator(campaign, precision):
    result = read_result(campaign.root / f"results/runs/{CELL}/{precision}/result.json")
    assert (result["status"], result["provenance"]) == ("ok", "simulated")
    assert result["output_check"]["passed"]
    snapshot = result["sessions"][0]["environment"]["before"]
    assert snapshot["machine"] == "aarch64" and snapshot["emulator"].startswith("qemu-aarch64")
    assert result["runtime"]["name"] == "onnxruntime"


@pytest.mark.parametrize("comparison", ["precisions", "devices"])
def test_nothing_is_compared_with_emulated_times(campaign, comparison):
    verdict = read_json(campaign.root / f"results/comparability/arm64/{comparison}/verdict.json", "verdict")
    assert (verdict["verdict"], verdict["mode"]) == ("no", "none")
    assert verdict["reasons"][0]["field"] == "emulator"


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_onnx_runtime_computes_what_it_computes_here(campaign, precision):
    (artifact,) = campaign.root.glob(f"results/artifacts/digits-cnn/ort-cpu-1t/host/{precision}/artifact.onnx")
    samples = campaign.root / "results/sources/digits-cnn/samples/evaluation.npz"
    ours, theirs = compare_outputs(ARM, artifact, samples, sys.executable, python_of("bookworm"))
    assert np.abs(ours - theirs).max() <= (1e-4 if precision == "fp32" else 0.05) * np.abs(ours).max()
    assert (ours.argmax(1) == theirs.argmax(1)).sum() >= (200 if precision == "fp32" else 198)


def test_pairs_are_refused(tmp_path, samples):
    """Before anything runs: no comparison and no calibration rests on an emulator's times."""
    spec = {"label": "pairs", "arms": {}, "board": None, "lock": str(tmp_path / "lock")}
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    python, out = python_of("bookworm"), tmp_path / "out"
    command = [str(python), "-m", "edgeproof.agent", "pairs", str(tmp_path / "spec.json"), str(out)]
    assert os.spawnve(os.P_WAIT, command[0], command, child_environment(python)) == 3
    assert json.loads((out / "failure.json").read_text())["kind"] == "emulated"
