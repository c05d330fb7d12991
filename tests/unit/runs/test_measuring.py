"""Measuring a cell on the fake backend: the result follows from the last session, and verdicts leave no half."""

import sys

import pytest
from edgeproof.core.errors import UserError
from edgeproof.core.files import atomic_write, sha256_file
from edgeproof.core.layout import Cell
from edgeproof.core.tensors import read_tensors, write_tensors
from edgeproof.runs.measuring import RunPaths, measure_run
from edgeproof.runs.results import read_result
from edgeproof.runs.sessions import SessionSetup

from ..artifacts.conftest import Job, make_classifier

PROTOCOL = {
    "name": "test",
    "processes": 2,
    "warmup_runs": 1,
    "warmup_seconds": 0.0,
    "min_samples": 40,
    "min_seconds": 0.0,
    "max_timer_share": 0.01,
}


@pytest.fixture
def measure(tmp_path, monkeypatch):
    """Return a function that measures a fake cell and returns its result; options change the protocol."""
    monkeypatch.chdir(tmp_path)
    job = Job(tmp_path, make_classifier())
    job.build_fake()
    job.check(folder="fake")
    paths = RunPaths(
        artifact=tmp_path / "fake/artifact.json",
        manifest=tmp_path / "fake/manifest.json",
        reference=tmp_path / "fake/reference.npz",
        identity=job.identity,
        result=tmp_path / "run/result.json",
        samples=tmp_path / "run/samples.csv",
    )
    device = {"name": "d", "board": "A desk", "transport": "local", "lock": str(tmp_path / "lock")}

    def run(runtime=None, board=None, **changes):
        arm = {"backend": "fake", "precision": "fp32", "runtime": runtime or {}}
        setup = SessionSetup(job.evaluation, {**device, "board_contains": board}, PROTOCOL | changes, sys.executable)
        measure_run(Cell("tiny", "fake", "d", "fp32"), "classification", arm, setup, paths)
        return read_result(paths.result)

    run.paths = paths
    return run


def test_a_steady_cell_is_ok_and_its_samples_are_those_of_the_digest(measure):
    result = measure()
    assert (result["status"], result["provenance"], result["unstable_before"]) == ("ok", "simulated", [])
    assert result["digests"]["samples"] == sha256_file(measure.paths.samples)
    assert result["protocol"]["carried_out"]["samples"] == 80
    assert result["output_check"]["relative_l2"] == 0


def test_an_unstable_cell_is_measured_again_as_often_as_the_protocol_allows(measure):
    noisy = {"noise": 0.5}  # too much for windows of four samples to agree
    result = measure(noisy, repeats_when_unstable=2)
    assert result["status"] == "unstable" and "/0003-" in result["attempt"]
    assert [entry["attempt"].split("/")[-1][:4] for entry in result["unstable_before"]] == ["0001", "0002"]
    assert measure(noisy)["unstable_before"] == []


def test_another_output_than_the_builders_is_a_failed_result(measure):
    outputs = read_tensors(measure.paths.reference)
    write_tensors(measure.paths.reference, {name: value + 1 for name, value in outputs.items()})
    result = measure()
    assert (result["status"], result["reason"]["kind"]) == ("failed", "wrong_output")
    write_tensors(measure.paths.reference, {f"other {name}": value for name, value in outputs.items()})
    assert measure()["output_check"] == {"relative_l2": None, "limit": 0.1, "passed": False}


def test_what_the_agent_says_of_the_artifact_is_a_result_without_samples(measure):
    result = measure(runtime={"fail": "provider_unavailable"})
    assert (result["status"], result["latency"]) == ("unsupported", None)
    assert measure.paths.samples.read_text() == "process,elapsed_ns\n"


def test_an_artifact_that_changed_after_its_build_is_refused_and_nothing_is_written(measure):
    atomic_write(measure.paths.artifact, "{}")
    with pytest.raises(UserError, match=r"artifact\.json: its sha256 is not the one in .*manifest\.json; rebuild"):
        measure()
    assert not measure.paths.result.exists() and not measure.paths.samples.exists()


def test_no_verdict_writes_neither_result_nor_samples(measure):
    with pytest.raises(UserError, match="no verdict"):
        measure(board="no such board")
    assert not measure.paths.result.exists() and not measure.paths.samples.exists()
