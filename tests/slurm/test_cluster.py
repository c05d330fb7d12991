"""A campaign of two boards on a real Slurm: jobs are where their constraint says, and nothing false is left."""

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import yaml
from edgeproof.core.attempts import list_attempts

from ..signals import heed_signals
from ..workflow.conftest import REPOSITORY, copy_repository
from .small_slurm import SmallSlurm

pytestmark = pytest.mark.slurm
CELL = {"model": "digits-cnn", "preset": "fake"}
BOARDS = {"orin": "jetson", "pi": "rpi5"}  # device: feature of its node; the node has the device's name here
CAMPAIGN = {
    "campaign": "boards",
    "protocol": "quick",
    "policy": "strict",
    "devices": list(BOARDS),
    "nodes": {name: {"constraint": feature, "cpus": 2} for name, feature in BOARDS.items()},
    "matrices": [{"models": ["digits-cnn"], "presets": ["fake"], "precisions": ["fp32", "int8"]}],
    "calibration": {"pairs": 4, "sessions": 1, "cells": [CELL | {"precision": "fp32"}]},
    "comparisons": [
        {
            "name": f"on-{name}",
            "left": CELL | {"precision": "fp32", "device": name},
            "right": {"precision": "int8"},
            "varies": ["precision"],
        }
        for name in BOARDS
    ],
}
ON_PI = "results/runs/digits-cnn/fake/pi/fp32/result.json"
PROTOCOL = "config/protocols/quick.yaml"
ENDED = {"COMPLETED", "CANCELLED", "FAILED"}


@pytest.fixture(scope="module")
def slurm():
    root = Path(tempfile.mkdtemp(prefix="slurm-"))
    made = SmallSlurm(root)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(root)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A campaign of two boards, which the first test measures."""
    made = copy_repository(tmp_path_factory.mktemp("cluster") / "edgeproof")
    for name in BOARDS:
        device = {"description": name, "board": name, "transport": "local", "lock": f"{name}.lock"}
        made.write(f"config/devices/{name}.yaml", yaml.safe_dump(device))
    made.write("config/boards.yaml", yaml.safe_dump(CAMPAIGN))
    sooner = "latency-wait: 5\nslurm-init-seconds-before-status-checks: 1"
    made.edit("profiles/cluster/config.v9+.yaml", "latency-wait: 30", sooner)
    return made


@pytest.fixture
def start(workspace, slurm):
    """Return a function that starts snakemake on the cluster; what still runs at the end of a test is ended."""
    started = []

    def start(*targets):
        command = [sys.executable, "-m", "snakemake", "--profile", "cluster", "--configfile", "config/boards.yaml"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SNAKEMAKE_")}
        environment |= {"PYTHONPATH": str(REPOSITORY / ".venv/cluster"), **slurm.environment}
        with (workspace.root / f"told-{len(started)}.txt").open("w") as told:
            process = subprocess.Popen(
                [*command, "--replace-workflow-config", *targets], cwd=workspace.root, env=environment, stdout=told,
                stderr=told, preexec_fn=heed_signals,
            )  # fmt: skip
        started.append(process)

        def end():
            code = process.wait()
            return code, Path(told.name).read_text()

        return process, end

    yield start
    for process in started:
        if process.poll() is None:
            process.terminate()
            process.wait()


@pytest.fixture
def long_run(workspace, slurm, start):
    """A session on the board pi that goes on until a test ends it."""
    text = (workspace.root / PROTOCOL).read_text()
    workspace.edit(PROTOCOL, "processes: 5", "processes: 20000")
    before = list_complete(workspace)
    process, end = start(ON_PI)
    job = slurm.find_job("RUNNING", "rpi5")
    slurm.wait_for(lambda: list((slurm.root / "tmp").glob("edgeproof-*/*/.*/session/process-001")))
    assert list_complete(workspace) == before and not list(place_of(workspace).glob("attempts/.*"))
    yield process, end, job, before
    workspace.write(PROTOCOL, text)


def place_of(workspace):
    """Return the folder of the run that tests disturb."""
    return (workspace.root / ON_PI).parent


def list_complete(workspace):
    """Return the attempts of that run that count."""
    return [item for item in list_attempts(place_of(workspace)) if item.complete]


def require_nothing(workspace, slurm, before):
    """There is no result of a run that did not end, nor an attempt that counts, nor a job that goes on."""
    slurm.wait_for(lambda: {state for _, state in slurm.list_jobs("jobid", "state")} <= ENDED)
    assert not (workspace.root / ON_PI).exists()
    assert list_complete(workspace) == before
    assert not list(place_of(workspace).glob("attempts/.*"))


def test_a_campaign_of_two_boards(workspace, slurm, start):
    """A neighbour has one of the boards when the campaign begins, and what is to be measured there waits."""
    go = slurm.root / "go"
    wait = f"until [ -e {go} ]; do sleep 0.1; done"
    slurm.ask("sbatch", "--constraint=jetson", "--gres=board:1", "--output=/dev/null", f"--wrap={wait}")
    neighbour = slurm.find_job("RUNNING", "jetson")
    _, end = start()
    waiting = slurm.find_job("PENDING", "jetson")
    assert [state for job, state in slurm.list_jobs("jobid", "state") if job in (waiting, neighbour)].count(
        "RUNNING"
    ) == 1
    go.touch()
    code, told = end()
    print(told)
    assert code == 0
    jobs = slurm.list_jobs("jobid", "nodelist", "feature", "state", "numcpus", "tres-per-node", "starttime", "endtime")
    assert len(jobs) == 9
    for job, node, feature, state, cpus, gres, *_ in jobs:
        assert (BOARDS[node], state) == (feature, "COMPLETED") and "board" in gres
        assert cpus == "2" or job == neighbour
    for name in BOARDS:
        spans = sorted((began, ended) for _, node, *_, began, ended in jobs if node == name)
        assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))  # one at a time
        result = json.loads((workspace.root / f"results/runs/digits-cnn/fake/{name}/fp32/result.json").read_text())
        assert (result["status"], result["elsewhere"]) == ("ok", False)
        (attempt,) = list_attempts(workspace.root / f"results/comparability/boards/on-{name}")
        assert attempt.complete
    assert list((slurm.root / "tmp").glob("edgeproof-*/*")) == []


def test_a_killed_job_leaves_nothing_false(long_run, workspace, slurm):
    _, end, job, before = long_run
    slurm.ask("scancel", "--signal=KILL", "--full", job)
    code, told = end()
    assert code != 0, told
    require_nothing(workspace, slurm, before)


def test_a_cancelled_campaign_leaves_nothing_false(long_run, workspace, slurm):
    process, end, _, before = long_run
    process.send_signal(signal.SIGINT)
    code, told = end()
    assert code != 0, told
    require_nothing(workspace, slurm, before)


def test_a_drained_node_keeps_its_jobs_waiting_and_the_next_run_is_as_if_nothing_had_been(workspace, slurm, start):
    before = list_complete(workspace)
    slurm.ask("scontrol", "update", "nodename=pi", "state=drain", "reason=test")
    process, end = start("--forcerun", "measure_run", "--", ON_PI)
    job = slurm.find_job("PENDING", "rpi5")
    assert ("", "pi") not in slurm.list_jobs("nodelist", "reason") and job
    process.send_signal(signal.SIGINT)
    code, told = end()
    assert code != 0, told
    require_nothing(workspace, slurm, before)
    slurm.ask("scontrol", "update", "nodename=pi", "state=resume")
    code, told = start()[1]()
    assert code == 0, told
    assert list_complete(workspace) == before  # what was measured is found again
    assert json.loads((workspace.root / ON_PI).read_text())["status"] == "ok"
    assert list((slurm.root / "tmp").glob("edgeproof-*/*")) == []


def test_the_doctor_asks_the_node(workspace, slurm):
    environment = {**os.environ, "PYTHONPATH": str(workspace.root / "scripts"), **slurm.environment}
    command = [
        sys.executable,
        "-m",
        "edgeproof",
        "doctor",
        "--device",
        "pi",
        "--cluster",
        "config/boards.yaml",
        "--json",
    ]
    done = subprocess.run(command, cwd=workspace.root, env=environment, capture_output=True, text=True)
    found = {item["name"]: (item["state"], item["text"]) for item in json.loads(done.stdout)["findings"]}
    assert found["Slurm"] == ("good", "pi is rpi5: idle, 2 CPUs, board:1"), done.stderr
    assert found["shared folder"][0] == "good" and str(workspace.root) in found["shared folder"][1]
