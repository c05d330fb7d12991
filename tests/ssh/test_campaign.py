"""A campaign on two boards that share no file system with the desk."""

import json

import yaml
from edgeproof.core.attempts import list_attempts

from ..workflow.conftest import copy_repository

CELL = {"model": "digits-cnn", "preset": "fake"}


def describe_campaign(devices):
    return {
        "campaign": "boards",
        "protocol": "quick",
        "policy": "strict",
        "devices": devices,
        "matrices": [{"models": ["digits-cnn"], "presets": ["fake"], "precisions": ["fp32", "int8"]}],
        "calibration": {"pairs": 4, "sessions": 1, "cells": [CELL | {"precision": "fp32"}]},
        "comparisons": [
            {
                "name": f"on-{device}",
                "left": CELL | {"precision": "fp32", "device": device},
                "right": {"precision": "int8"},
                "varies": ["precision"],
            }
            for device in devices
        ],
    }


def test_two_boards_are_measured_from_one_desk(surroundings, make_board):
    workspace = copy_repository(surroundings / "edgeproof")
    boards = [make_board(number, hidden=[workspace.root]) for number in (1, 2)]
    for board in boards:
        workspace.write(f"config/devices/{board.name}.yaml", yaml.safe_dump(board.describe()))
    names = [board.name for board in boards]
    workspace.write("config/boards.yaml", yaml.safe_dump(describe_campaign(names)))
    done = workspace.snakemake("--replace-workflow-config", config="config/boards.yaml")
    assert done.returncode == 0, done.stdout
    machines = {}
    for name in names:
        result = json.loads((workspace.root / f"results/runs/digits-cnn/fake/{name}/fp32/result.json").read_text())
        (session,) = result["sessions"]
        assert (result["status"], result["elsewhere"], result["device"]["transport"]) == ("ok", False, "ssh")
        machines[name] = session["machine"]["id"]
        (attempt,) = list_attempts(workspace.root / f"results/comparability/boards/on-{name}")
        assert attempt.record["machine"]["id"] == machines[name] and attempt.record["facts"]["pairs"]
    assert len(set(machines.values())) == 2
    for board in boards:
        assert board.list_work() == [] and board.list_disk("edgeproof/sessions/*") == []
    before = workspace.list_attempts()
    for board in boards:  # evidence is made again with the boards switched off
        board.switch_off()
    again = workspace.snakemake("--replace-workflow-config", "--forceall", config="config/boards.yaml")
    assert again.returncode == 0, again.stdout
    assert workspace.list_attempts() == before
