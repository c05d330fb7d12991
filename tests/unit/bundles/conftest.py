"""A made-up campaign of two cells, a comparison, a calibration and a plan, and its bundle; and a failed attempt."""

import contextlib
import json
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from edgeproof.bench.made_up_campaigns import make_campaign, write_calibration, write_wanted
from edgeproof.bundles.importing import make_bundle
from edgeproof.bundles.signing_keys import new_key
from edgeproof.comparability.reporting import render_markdown
from edgeproof.core.attempts import open_attempt
from edgeproof.core.documents import read_json
from edgeproof.core.job_key import record_key
from edgeproof.core.job_options import JobKey
from edgeproof.core.keys import compose_key
from edgeproof.core.layout import artifact_folder
from edgeproof.core.seals import seal
from edgeproof.evidence.gate import check_gate
from edgeproof.evidence.rendering import write_report
from edgeproof.phases.conversion import collect_conversions
from edgeproof.phases.phase_decisions import decide_device, read_request

from ..evidence.placed import write_placement

INT8, FP32 = ("digits-cnn", "ort-cpu", "desk", "int8"), ("digits-cnn", "ort-cpu", "desk", "fp32")
COMPARISON = {"name": "faster", "left": FP32, "right": INT8, "varies": ["precision"], "ratio": 0.6}
PRECISIONS = ("fp32", "int8")
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


def write_phases(folder):
    """Write a campaign's phases with the decision of one device into `folder`, as the workflow leaves them."""
    cells = {"sdk": FP32, "ort-cpu/int8": INT8}
    artifacts = {name: artifact_folder(cell[0], cell[1], "host", cell[3]) for name, cell in cells.items()}
    asked = {"campaign": "trial", "device": "desk", "cells": cells, "artifacts": artifacts, "comparisons": {}}
    asked |= {"criteria": "edge", "lighter_by": "size", "best_by": "size", "declared": []}
    counts = {"calibration": {"count": 256, "sha256": "0" * 64}, "evaluation": {"count": 9, "sha256": "1" * 64}}
    preparation = {
        "schema": "edgeproof.phase-preparation.v1",
        "campaign": "trial",
        "model": "digits-cnn",
        "machine": {},
        "packages": [],
        "samples": {"kind": "digits", "origin": "x", "seed": 0, "disjoint": True, **counts},
        "gates": [{"id": "samples", "found": 256, "more_than": 200, "passed": True, "reason": None}],
        "digests": {"samples": "0" * 64},
    }
    decision = folder / "desk/decision.json"
    decision.parent.mkdir(parents=True)
    (folder / "preparation.json").write_text(json.dumps(seal(preparation)))
    collect_conversions("trial", "digits-cnn", artifacts, 199, folder / "conversion.json")
    decide_device(read_request(asked), folder / "preparation.json", folder / "conversion.json", decision)
    record_key(JobKey({"request": asked}, str(decision)))


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
def cells_bundle(tmp_path_factory):
    """The bundle of a campaign of two fake cells and nothing else; the gate has passed."""
    here = tmp_path_factory.mktemp("fake cells")
    with contextlib.chdir(here):
        snapshot = make_campaign(here, [{"kind": "simulated", "count": 60, "precision": name} for name in PRECISIONS])
        folder = Path("results/evidence/trial")
        wanted = write_wanted(folder, snapshot)
        write_report(snapshot, [], folder / "report.html", folder / "report.md", [])
        assert check_gate(read_json(wanted, "wanted")["campaign"], [], folder / "gate.json")[0]
        make_bundle("campaign", "trial", here / "bundle.zip")
    return here / "bundle.zip"


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
def in_memory(monkeypatch):
    """Temporary files are in memory where the system has a folder for that: thousands of bundles wait for no disk."""
    if os.access("/dev/shm", os.W_OK):
        monkeypatch.setattr(tempfile, "tempdir", "/dev/shm")


@pytest.fixture
def copy_of_campaign(made_up, tmp_path, monkeypatch):
    """A copy of the campaign that a test may change, as the current folder."""
    shutil.copytree(made_up, tmp_path / "copy", symlinks=True)
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path / "copy"


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """A folder with two keys, `ann` and `bob`."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("ann", "bob"):
        new_key(name, folder)
    return folder
