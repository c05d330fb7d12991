"""Claims of a board, answered by another that runs int8 slower by a known factor: one is true there, one is not."""

import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import yaml

from ..workflow.conftest import copy_repository

FACTOR = 1.25
# The fake backend reads how long a call takes from a JSON file; a board that imports this takes longer for int8.
SLOWER = f"""import json
load = json.load
def slow(stream, **options):
    found = load(stream, **options)
    if isinstance(found, dict) and str(found.get("seed", "")).endswith("/int8"):
        found["latency_ms"] *= {FACTOR}
    return found
json.load = slow
"""
CELL = {"model": "digits-cnn", "preset": "fake"}


def make_slower(folder):
    """Make a Python that has our packages and takes longer for int8, and return its path."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    (packages / "ours.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (packages / "sitecustomize.py").write_text(SLOWER)
    return str(folder / "bin/python")


def describe_campaign(devices):
    pairs = [("fp16", "fp32"), ("int8", "fp32")]
    return {
        "campaign": "boards",
        "protocol": "quick",
        "policy": "strict",
        "devices": devices,
        "matrices": [{"models": ["digits-cnn"], "presets": ["fake"], "precisions": ["fp32", "fp16", "int8"]}],
        "calibration": None,
        "comparisons": [
            {
                "name": f"{right}-on-{device}",
                "left": CELL | {"precision": left, "device": device},
                "right": {"precision": right},
                "varies": ["precision"],
            }
            for device in devices
            for right, left in pairs
        ],
    }


def test_a_true_and_a_false_claim_of_one_board_are_answered_by_another(surroundings, make_board):
    workspace = copy_repository(surroundings / "edgeproof")
    boards = [make_board(number, hidden=[workspace.root]) for number in (3, 4)]
    interpreters = {boards[0].name: sys.executable, boards[1].name: make_slower(surroundings / "changed")}
    there, here = interpreters
    for board in boards:  # both are one kind of board
        described = board.describe(board="a test board", interpreter=interpreters[board.name])
        workspace.write(f"config/devices/{board.name}.yaml", yaml.safe_dump(described))
    workspace.write("config/boards.yaml", yaml.safe_dump(describe_campaign([there])))
    done = workspace.snakemake("--replace-workflow-config", "comparability", config="config/boards.yaml")
    assert done.returncode == 0, done.stdout
    for right, code, answer, quotient in (("fp16", 0, "replicated", 1.0), ("int8", 1, "not replicated", FACTOR)):
        made = workspace.edgeproof("claim", f"boards/{right}-on-{there}")
        assert made.returncode == 0, made.stdout
        found = workspace.edgeproof("replicate", made.stdout.strip(), "--device", here)
        assert found.returncode == code, found.stdout
        assert re.search(rf"^{answer}$", found.stdout, re.M), found.stdout
        (value,) = re.findall(r"here / claimed: ([\d.]+)", found.stdout)
        assert abs(float(value) / quotient - 1) < 0.05  # the board is as slow as it was made
