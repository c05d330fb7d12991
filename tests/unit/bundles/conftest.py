"""A made-up campaign of two cells, a comparison, a calibration and a plan, and its bundle; and a failed attempt."""

import contextlib
import shutil
from pathlib import Path

import pytest
from edgeproof.bench.made_up_campaigns import make_campaign, write_calibration, write_wanted
from edgeproof.bundles.importing import make_bundle
from edgeproof.comparability.reporting import render_markdown
from edgeproof.core.attempts import open_attempt
from edgeproof.core.documents import read_json
from edgeproof.core.job_key import record_key
from edgeproof.core.job_options import JobKey
from edgeproof.core.keys import compose_key
from edgeproof.evidence.gate import check_gate
from edgeproof.evidence.rendering import write_report

from ..evidence.placed import write_placement

INT8, FP32 = ("digits-cnn", "ort-cpu", "desk", "int8"), ("digits-cnn", "ort-cpu", "desk", "fp32")
COMPARISON = {"name": "faster", "left": FP32, "right": INT8, "varies": ["precision"], "ratio": 0.6}
MACHINE = {"id": "0123456789abcdef", "board": "A desk", "cpu": None}


def write_campaign(here):
    """Write the campaign `trial` below the current folder, `here`, as the workflow leaves it; the gate has passed."""
    snapshot = make_campaign(here, [{"count": 60}, {"precision": "int8", "median_ms": 0.6, "count": 60}], [COMPARISON])
    compared = "results/comparability/trial/faster"
    Path(compared, "report.md").write_text(render_markdown(read_json(f"{compared}/report.json", "comparison")))
    noise = [write_calibration()]
    snapshot["plans"] = [write_placement()]
    folder = "results/evidence/trial"
    keys = {}
    for cell in (FP32, INT8):
        made = f"results/runs/{'/'.join(cell)}/result.json"
        keys[made] = {"cell": {"model": "digits-cnn"}}
        record_key(JobKey(keys[made], made))
    write_wanted(folder, snapshot, keys=keys, noise=noise)
    write_report(snapshot, [], f"{folder}/report.html", f"{folder}/report.md", noise)
    passed, text = check_gate(read_json(f"{folder}/wanted.json", "wanted")["campaign"], [], f"{folder}/gate.json")
    assert passed, text


def write_failed(folder):
    """Write a failed attempt below a target's folder and return where it is."""
    with open_attempt(folder, "session", compose_key({"made up": "failed"}), MACHINE) as attempt:
        (attempt.folder / "agent.log").write_text("token hunter2hunter2\nlost the board\n")
        return str(attempt.fail("connection_lost", "the board is gone").folder)


@pytest.fixture(scope="session")
def made_up(tmp_path_factory):
    """The folder of the campaign; read it, do not write to it."""
    here = tmp_path_factory.mktemp("bundled")
    with contextlib.chdir(here):
        write_campaign(here)
        write_failed("results/runs/digits-cnn/ort-cpu/desk/fp32")
    return here


@pytest.fixture(scope="session")
def bundle(made_up, tmp_path_factory):
    """The campaign's bundle."""
    path = tmp_path_factory.mktemp("bundle") / "bundle.zip"
    with contextlib.chdir(made_up):
        make_bundle("campaign", "trial", path)
    return path


@pytest.fixture(scope="session")
def run_bundle(made_up, tmp_path_factory):
    """The bundle of one of its runs."""
    path = tmp_path_factory.mktemp("run") / "run.zip"
    with contextlib.chdir(made_up):
        make_bundle("run", "/".join(FP32), path)
    return path


@pytest.fixture(scope="session")
def failed_bundle(made_up, tmp_path_factory):
    """The bundle of a failed run, which is small."""
    path = tmp_path_factory.mktemp("failed") / "failed.zip"
    with contextlib.chdir(made_up):
        (attempt,) = [str(p.parent) for p in sorted(made_up.glob("results/**/failure.json"))]
        make_bundle("failed-run", str(attempt).removeprefix(f"{made_up}/"), path)
    return path


@pytest.fixture
def copy_of_campaign(made_up, tmp_path, monkeypatch):
    """A copy of the campaign that a test may change, as the current folder."""
    shutil.copytree(made_up, tmp_path / "copy", symlinks=True)
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path / "copy"
