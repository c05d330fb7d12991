"""Claims of a board, answered by another that runs int8 slower by a known factor: half of them are true there.

One of each kind; `make claims` has twenty of each and keeps what they were answered in `results/bench/claims.json`.
"""

import collections
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import yaml
from edgeproof.core.documents import write_json

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
COUNT = int(os.environ.get("CLAIMS", "1"))  # of either kind
EXIT_CODES = {"replicated": 0, "not replicated": 1, "cannot say": 3}
MARGIN = "10%"  # a pair that decides early is told with a wide interval
NOMINAL = 0.05  # of the answers that are given, as many may be wrong


def make_slower(folder):
    """Make a Python that has our packages and takes longer for int8, and return its path."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    (packages / "ours.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (packages / "sitecustomize.py").write_text(SLOWER)
    return str(folder / "bin/python")


def write_presets(workspace):
    """Write presets whose latencies and noise differ, and return their names."""
    fake = yaml.safe_load((workspace.root / "config/presets/fake.yaml").read_text())
    for number in range(COUNT):
        settings = {"build": {"latency_ms": 1.0 + 0.4 * number}, "runtime": {"noise": 0.005 * (1 + number % 5)}}
        workspace.write(f"config/presets/fake-{number}.yaml", yaml.safe_dump(fake | settings))
    return [f"fake-{number}" for number in range(COUNT)]


def describe_campaign(device, presets):
    return {
        "campaign": "boards",
        "protocol": "quick",
        "policy": "strict",
        "devices": [device],
        "matrices": [{"models": ["digits-cnn"], "presets": presets, "precisions": ["fp32", "fp16", "int8"]}],
        "calibration": None,
        "comparisons": [
            {
                "name": f"{right}-with-{preset}",
                "left": {"model": "digits-cnn", "preset": preset, "precision": "fp32"},
                "right": {"precision": right},
                "varies": ["precision"],
            }
            for preset in presets
            for right in ("fp16", "int8")
        ],
    }


def test_true_and_false_claims_of_one_board_are_answered_by_another(surroundings, make_board):
    workspace = copy_repository(surroundings / "edgeproof")
    boards = [make_board(number, hidden=[workspace.root]) for number in (3, 4)]
    interpreters = {boards[0].name: sys.executable, boards[1].name: make_slower(surroundings / "changed")}
    there, here = interpreters
    for board in boards:  # both are one kind of board
        described = board.describe(board="a test board", interpreter=interpreters[board.name])
        workspace.write(f"config/devices/{board.name}.yaml", yaml.safe_dump(described))
    presets = write_presets(workspace)
    workspace.write("config/boards.yaml", yaml.safe_dump(describe_campaign(there, presets)))
    done = workspace.snakemake("--replace-workflow-config", "comparability", config="config/boards.yaml")
    assert done.returncode == 0, done.stdout
    answers = {}
    for right, quotient in (("fp16", 1.0), ("int8", FACTOR)):
        answers[right] = collections.Counter(
            replicate(workspace, f"boards/{right}-with-{preset}", here, quotient) for preset in presets
        )
    told = {"true": answers["fp16"], "false": answers["int8"]}
    if "CLAIMS_DOCUMENT" in os.environ:
        document = {"schema": "edgeproof.bench-claims.v1", "factor": FACTOR, "claims": COUNT, "nominal": NOMINAL}
        counts = {kind: {answer: told[kind][answer] for answer in EXIT_CODES} for kind in told}
        write_json(os.environ["CLAIMS_DOCUMENT"], document | {"answers": counts}, "bench-claims")
    assert told["true"]["replicated"] >= 0.8 * COUNT and told["false"]["not replicated"] >= 0.8 * COUNT
    wrong = told["true"]["not replicated"] + told["false"]["replicated"]
    assert wrong <= NOMINAL * 2 * COUNT


def replicate(workspace, comparison, device, quotient):
    """Claim a comparison, have it answered by another board, and return the answer."""
    made = workspace.edgeproof("claim", comparison)
    assert made.returncode == 0, made.stdout
    found = workspace.edgeproof("replicate", made.stdout.strip(), "--device", device, "--margin", MARGIN)
    told = re.findall(rf"^({'|'.join(EXIT_CODES)})\b", found.stdout, re.M)
    assert len(told) == 1, found.stdout
    answer = told[0]
    assert found.returncode == EXIT_CODES[answer], found.stdout
    (value,) = re.findall(r"here / claimed: ([\d.]+)", found.stdout)
    assert abs(float(value) / quotient - 1) < 0.05  # the board is as slow as it was made
    return answer
