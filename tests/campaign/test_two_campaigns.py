"""Two campaigns that share cells and differ in protocol, in turn: neither measures what the other has measured."""

import json
from collections import Counter

import pytest
import yaml

from ..workflow.conftest import copy_repository

pytestmark = pytest.mark.campaign
PROTOCOLS = ("quick", "standard")
TURNS = 5
CELL = {"model": "digits-cnn", "preset": "fake"}


def describe_campaign(protocol):
    compared = {"left": CELL | {"precision": "fp32"}, "right": {"precision": "int8"}, "varies": ["precision"]}
    return {
        "campaign": protocol,
        "protocol": protocol,
        "policy": "strict",
        "devices": ["local"],
        "matrices": [{"models": ["digits-cnn"], "presets": ["fake"], "precisions": ["fp32", "int8"]}],
        "comparisons": [{"name": "fp32-vs-int8", **compared}],
    }


def test_each_cell_is_measured_once_per_protocol(tmp_path):
    workspace = copy_repository(tmp_path / "edgeproof")
    workspace.edit("config/devices/local.yaml", "timeout_s: 600", "timeout_s: 600\nlock: device.lock")
    reports = {protocol: [] for protocol in PROTOCOLS}
    for protocol in PROTOCOLS:
        workspace.write(f"config/{protocol}.yaml", yaml.safe_dump(describe_campaign(protocol)))
    attempts = []
    for _ in range(TURNS):
        for protocol in PROTOCOLS:
            done = workspace.snakemake("--replace-workflow-config", config=f"config/{protocol}.yaml")
            assert done.returncode == 0, done.stdout
            result = workspace.root / "results/runs/digits-cnn/fake/local/fp32/result.json"
            reports[protocol].append(result.read_bytes())
        attempts.append(workspace.list_attempts())
    assert all(found == attempts[0] for found in attempts)
    kinds = Counter()
    for folder in attempts[0]:
        record = json.loads((workspace.root / "results" / folder / "attempt.json").read_text())
        kinds[folder.split("/attempts/")[0], record["kind"]] += 1
    runs = {f"runs/digits-cnn/fake/local/{precision}": len(PROTOCOLS) for precision in ("fp32", "int8")}
    assert {place: count for (place, kind), count in kinds.items() if kind == "session"} == runs
    pairs = {place: count for (place, kind), count in kinds.items() if kind == "pairs"}
    assert pairs == {"comparability/quick/fp32-vs-int8": 1}  # the two protocols time a pair alike
    assert all(len(set(found)) == 1 for found in reports.values())  # the view of today, byte for byte
    assert reports["quick"][0] != reports["standard"][0]
