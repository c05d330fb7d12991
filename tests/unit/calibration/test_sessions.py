"""Calibrating on the fake backend: sessions are kept for the same question under the same conditions only."""

import json
import sys

import pytest
from edgeproof.calibration.noise import CalibrationPaths, CalibrationPlan, calibrate_device, read_noise
from edgeproof.core.errors import UserError
from edgeproof.core.layout import Cell
from edgeproof.runs.sessions import SessionSetup

from ..artifacts.conftest import Job, make_classifier

PROTOCOL = {"warmup_runs": 3, "warmup_seconds": 0.0, "min_samples": 20, "min_seconds": 0.0, "max_timer_share": 0.01}


@pytest.fixture
def calibrate(tmp_path, monkeypatch):
    """Return a function that calibrates and returns the numbers of the attempts that count."""
    monkeypatch.chdir(tmp_path)
    job = Job(tmp_path, make_classifier())
    job.build_fake()
    paths = CalibrationPaths(
        artifact=tmp_path / "fake/artifact.json",
        manifest=tmp_path / "fake/manifest.json",
        noise=tmp_path / "c/noise.json",
        table=tmp_path / "c/pairs.csv",
    )
    cell = Cell("tiny", "fake", "d", "fp32")
    arm, device = {"backend": "fake", "precision": "fp32", "runtime": {}}, {"name": "d", "lock": str(tmp_path / "lock")}

    def run(sessions=1, pairs=2, runtime=""):
        plan = CalibrationPlan(pairs=pairs, sessions=sessions, margin=0.02, runtime=runtime)
        calibrate_device(cell, arm, SessionSetup(job.evaluation, device, PROTOCOL, sys.executable), plan, paths)
        return [session["attempt"][-4:] for session in read_noise(paths.noise)["sessions"]]

    return run


def test_sessions_are_kept_and_missing_ones_are_added(calibrate):
    assert calibrate() == ["0001"]
    assert calibrate() == ["0001"]
    assert calibrate(sessions=2) == ["0001", "0002"]


def test_another_runtime_and_other_pairs_are_another_question(calibrate):
    assert calibrate() == ["0001"]
    assert calibrate(runtime="onnxruntime 99") == ["0002"]
    assert calibrate(pairs=3) == ["0003"]
    assert calibrate() == ["0001"]


def test_sessions_of_another_state_of_the_machine_do_not_count(calibrate, tmp_path):
    calibrate()
    path = tmp_path / "c/attempts/0001/pairs-of-session.json"
    record = json.loads(path.read_text())
    record["state"]["left"]["power_mode"] = record["state"]["right"]["power_mode"] = "15W"
    path.write_text(json.dumps(record))
    assert calibrate(sessions=2) == ["0002", "0003"]
    assert calibrate(sessions=2) == ["0002", "0003"]
    assert calibrate(sessions=3) == ["0002", "0003", "0004"]


def test_an_edited_calibration_is_noticed(calibrate, tmp_path):
    calibrate()
    path = tmp_path / "c/noise.json"
    document = json.loads(path.read_text())
    document["sessions"][0]["steal_share"] = 0.001
    path.write_text(json.dumps(document))
    with pytest.raises(UserError, match=r"noise\.json: document_sha256 does not match"):
        read_noise(path)
