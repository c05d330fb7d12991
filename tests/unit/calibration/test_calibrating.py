"""Calibrating on the fake backend: sessions are kept for the same question, missing ones are added."""

import json
import sys

import pytest
from edgeproof.agent.machine import describe_machine
from edgeproof.calibration.noise import CalibrationJob, calibrate_cell, read_noise
from edgeproof.core.attempts import list_attempts
from edgeproof.core.layout import Cell
from edgeproof.core.seals import seal
from edgeproof.runs.paired_sessions import PairPlace

from ..artifacts.conftest import Job, make_classifier

PROTOCOL = {
    "warmup_runs": 3,
    "warmup_seconds": 0.0,
    "min_samples": 20,
    "min_seconds": 0.0,
    "max_timer_share": 0.05,
    "block_seconds": 0.0005,
    "block_pairs": 10,
}


class Calibrator:
    """Calibrates a fake cell into the folder `c`."""

    def __init__(self, root):
        self.folder, self.source = root / "c", Job(root, make_classifier())
        self.source.build_fake()
        self.root = root

    def calibrate(self, sessions=1, pairs=2, runtime=None, agent="a" * 64):
        """Calibrate, read it back, and return how many pairs each session has."""
        job = CalibrationJob(
            cell=Cell("tiny", "fake", "d", "fp32"),
            arm={"backend": "fake", "precision": "fp32", "runtime": runtime or {}},
            artifact=self.root / "fake/artifact.json",
            manifest=self.root / "fake/manifest.json",
            place=PairPlace(
                self.source.evaluation, {"name": "d", "transport": "local", "lock": "lock"}, PROTOCOL, sys.executable
            ),
            plan={"pairs": pairs, "sessions": sessions, "margin": 0.02},
            agent=agent,
            noise=self.folder / "noise.json",
            table=self.folder / "pairs.csv",
        )
        calibrate_cell(job)
        return [session["pairs"] for session in read_noise(job.noise)[0]["sessions"]]

    def count_attempts(self):
        return len(list_attempts(self.folder))

    def move_to(self, machine, last=False):
        """Make all attempts, or the last one, those of another machine."""
        for attempt in list_attempts(self.folder)[-1 if last else 0 :]:
            record = attempt.record | {"machine": attempt.record["machine"] | {"id": machine}}
            (attempt.folder / "attempt.json").write_text(json.dumps(seal(record)))


@pytest.fixture
def calibrator(tmp_path, monkeypatch):
    """A Calibrator whose folder is the current one."""
    monkeypatch.chdir(tmp_path)
    return Calibrator(tmp_path)


def test_sessions_are_kept_and_missing_ones_are_added(calibrator):
    assert calibrator.calibrate() == [2] and calibrator.calibrate() == [2]
    assert calibrator.count_attempts() == 1
    assert calibrator.calibrate(sessions=2) == [2, 2]
    assert calibrator.calibrate(sessions=1) == [2, 2]  # what was measured counts
    assert calibrator.calibrate(pairs=3) == [2, 2, 3]


def test_another_runtime_option_and_another_agent_are_other_questions(calibrator):
    assert calibrator.calibrate(pairs=1) == [1]
    assert calibrator.calibrate(pairs=1, runtime={"noise": 0.02}) == [1]
    assert calibrator.calibrate(pairs=1, agent="b" * 64) == [1]
    assert calibrator.calibrate(pairs=1) == [1] and calibrator.count_attempts() == 3


def test_a_whole_calibration_of_another_machine_is_adopted_and_a_part_of_one_is_not(calibrator):
    calibrator.calibrate(pairs=1)
    calibrator.move_to("f" * 16)
    assert calibrator.calibrate(pairs=1) == [1] and calibrator.count_attempts() == 1
    assert read_noise(calibrator.folder / "noise.json")[0]["sessions"][0]["machine"] == "f" * 16
    assert calibrator.calibrate(pairs=1, sessions=2) == [1, 1] and calibrator.count_attempts() == 3
    machines = {entry["machine"] for entry in read_noise(calibrator.folder / "noise.json")[0]["sessions"]}
    assert machines == {describe_machine()["id"]}


def test_an_artifact_that_fails_leaves_its_reason(calibrator, capsys):
    """It is a result of the cell, so that the campaign's other comparisons and its report are made."""
    calibrator.calibrate(runtime={"fail": "out_of_memory"})
    document, sessions = read_noise(calibrator.folder / "noise.json")
    assert document["failure"]["kind"] == "out_of_memory" and sessions == []
    assert document["log_sd"] is None and document["dependence"]["source"] == "default"
    assert capsys.readouterr().err.count("failed: ") == 1
