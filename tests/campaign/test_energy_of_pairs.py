"""A comparison with `energy: true` on a board of files, whole: its pairs are watched, and energy has a verdict.

The board's power never changes, so what an arm takes is that power for as long as its blocks ran.
"""

import json
import math

import numpy as np
import pytest
import yaml

from ..unit.agent.stand_in_boards import write_ina3221
from ..workflow.conftest import copy_repository

pytestmark = pytest.mark.campaign
WATTS = 4.4  # 5 V and 880 mA
CELL = {"model": "digits-cnn", "preset": "ort-cpu", "device": "orin"}
CAMPAIGN = {
    "campaign": "joules",
    "protocol": "brief",
    "policy": "strict",
    "devices": ["orin"],
    "matrices": [{"models": ["digits-cnn"], "presets": ["ort-cpu"], "precisions": ["fp32", "int8"]}],
    "comparisons": [
        {
            "name": "int8",
            "left": {**CELL, "precision": "fp32"},
            "right": {**CELL, "precision": "int8"},
            "varies": ["precision"],
            "energy": True,
            "criteria": "frugal",
            "pairs": 4,
        }
    ],
    "regressions": {"policy": "strict-energy"},
    "gate": {"tolerate": ["throttled"]},
}
PROTOCOL = {
    "description": "short pairs",
    "processes": 2,
    "warmup_runs": 3,
    "warmup_seconds": 0.2,
    "min_samples": 50,
    "min_seconds": 0.3,
    "max_timer_share": 0.05,
    "pairs": 4,
}


def test_a_comparison_has_the_energy_that_the_board_used(tmp_path):
    workspace, board = copy_repository(tmp_path / "edgeproof"), tmp_path / "board"
    write_ina3221(board, {"VDD_IN": (5000, 880)})
    samplers = [{"name": "hwmon", "root": str(board), "interval_ms": 4}]
    device = {"description": "A board of files", "board": "Orin Nano stand-in", "samplers": samplers}
    workspace.write("config/devices/orin.yaml", yaml.safe_dump({**device, "transport": "local", "lock": "device.lock"}))
    workspace.write("config/protocols/brief.yaml", yaml.safe_dump(PROTOCOL))
    criteria = yaml.safe_load((workspace.root / "config/criteria/interactive.yaml").read_text())
    asked = {"id": "less", "metric": "energy_ratio", "statistic": "paired", "confidence": None, "limit": 50}
    criteria["criteria"].append({**asked, "unit": "ratio", "direction": "at_most", "required": True})
    workspace.write("config/criteria/frugal.yaml", yaml.safe_dump(criteria))
    workspace.write("config/joules.yaml", yaml.safe_dump(CAMPAIGN))
    done = workspace.snakemake("--replace-workflow-config", config="config/joules.yaml")
    assert done.returncode == 0, done.stdout
    folder = workspace.root / "results/comparability/joules/int8"
    energy = json.loads((folder / "report.json").read_text())["energy"]
    assert (energy["sampler"], energy["boundary"], energy["interleaving"]) == ("hwmon", "module", ["blocks"])
    assert energy["verdict"] in ("lower", "higher", "undecided") and energy["left_out"] == 0
    for place, side in enumerate(("left", "right")):
        known = [joules_of(pair)[place] for pair in sorted(folder.glob("attempts/*/session/pair-*"))]
        assert len(known) == energy["effect"]["pairs"] == 4
        assert energy[f"{side}_j"] == pytest.approx(math.exp(np.log(known).mean()), rel=0.03)
    (line,) = (line for line in json.loads((folder / "decision.json").read_text())["lines"] if line["id"] == "less")
    assert line["value"] == pytest.approx(energy["effect"]["ratio"]) and line["verdict"] == "pass"
    thresholds = json.loads((folder / "regression.json").read_text())["thresholds"]
    assert {"paired_latency", "paired_energy"} == {threshold["metric"] for threshold in thresholds}
    page = (workspace.root / "results/evidence/joules/report.html").read_text()
    assert f"energy {energy['verdict']}" in page and "of the module (VDD_IN)" in page
    assert workspace.edgeproof("evidence", "validate", "joules").returncode == 0


def joules_of(folder):
    """Return the joules per inference of both arms of a pair, by the times of its blocks."""
    blocks = json.loads((folder / "pair.json").read_text())["blocks"]
    calls = blocks["untimed_calls"] + blocks["samples"] * blocks["calls_per_sample"]
    windows = np.load(folder / "windows.npy")
    return WATTS * (windows[..., 1] - windows[..., 0]).mean(axis=1) / 1e9 / calls
