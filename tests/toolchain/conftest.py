"""A copy of the repository in which the converters have run: minutes, and 9 GB where uv cannot share its cache."""

import json

import pytest

from ..workflow.conftest import copy_repository

CAMPAIGN = """
campaign: converters
protocol: glance
policy: strict
devices: [local]
matrices:
  - models: [digits-cnn]
    presets: [litert-cpu]
    precisions: [fp32, fp16, int8, int8-dynamic]
  - models: [digits-cnn]
    presets: [openvino-cpu]
    precisions: [fp32, fp16, int8]
  - models: [digits-cnn]
    presets: [torchscript-cpu, ort-cpu]
    precisions: [fp32]
  - models: [digits-cnn]
    presets: [coreml]
    precisions: [fp32, fp16, int8-weights]
comparisons:
  - name: digits-ort-vs-litert
    left: {model: digits-cnn, preset: ort-cpu, precision: fp32}
    right: {preset: litert-cpu}
gate: {tolerate: [unsupported]}
"""
PROTOCOL = """
description: Two processes, a glance each
processes: 2
warmup_runs: 3
warmup_seconds: 0.1
min_samples: 20
min_seconds: 0.1
max_timer_share: 0.01
pairs: 4
"""
CONFIG = "config/converters.yaml"
# Less than the whole campaign: nobody waits here for a calibration of the machine.
TARGETS = ("artifacts", "runs", "results/comparability/converters/digits-ort-vs-litert/verdict.json")
CELLS = [
    *(("litert-cpu", precision) for precision in ("fp32", "fp16", "int8", "int8-dynamic")),
    *(("openvino-cpu", precision) for precision in ("fp32", "fp16", "int8")),
    ("torchscript-cpu", "fp32"),
    *(("coreml", precision) for precision in ("fp32", "fp16", "int8-weights")),
]


@pytest.fixture(scope="session")
def converted(tmp_path_factory):
    """The campaign above, made once from nothing. Tests that change it restore what they changed."""
    workspace = copy_repository(tmp_path_factory.mktemp("converted") / "edgeproof")
    workspace.write(CONFIG, CAMPAIGN)
    # Only that a cell can be measured is at stake here, so nobody need wait for the machine to be free.
    workspace.write("config/protocols/glance.yaml", PROTOCOL)
    workspace.edit("config/devices/local.yaml", "transport: local", f"transport: local\nlock: {workspace.root}/lock")
    done = workspace.snakemake(*TARGETS, config=CONFIG)
    assert done.returncode == 0, done.stdout[-5000:]
    return workspace


@pytest.fixture
def load(converted):
    """Return a function that reads a JSON below results/."""
    return lambda path: json.loads((converted.root / "results" / path).read_text())
