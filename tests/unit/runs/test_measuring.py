"""Measuring a cell on the fake backend: the result follows from all sessions, and verdicts leave no half."""

import json
import math
import shutil
import sys

import pytest
from edgeproof.core.attempts import list_attempts
from edgeproof.core.documents import write_sealed
from edgeproof.core.errors import UserError
from edgeproof.core.files import atomic_write, sha256_file
from edgeproof.core.layout import Cell
from edgeproof.core.seals import seal
from edgeproof.core.tensors import read_tensors, write_tensors
from edgeproof.runs.measuring import RunPaths, measure_run
from edgeproof.runs.results import read_result
from edgeproof.runs.sessions import SessionSetup
from edgeproof.runs.wanted_sessions import ask_for_another

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


def rewrite_artifact(paths, artifact):
    """Put another artifact in place of the one built, and its digest into the manifest."""
    atomic_write(paths.artifact, json.dumps(artifact))
    manifest = json.loads(paths.manifest.read_text())
    manifest["artifact"] |= {"sha256": sha256_file(paths.artifact), "bytes": paths.artifact.stat().st_size}
    write_sealed(paths.manifest, manifest, "manifest")


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
    assert (result["status"], result["provenance"], len(result["sessions"])) == ("ok", "simulated", 1)
    assert result["digests"]["samples"] == sha256_file(measure.paths.samples)
    assert result["protocol"]["carried_out"]["samples"] == 80
    assert result["output_check"]["relative_l2"] == 0


def list_attempts_of(result):
    return [session["attempt"].split("/")[-1][:4] for session in result["sessions"]]


def test_a_noisy_session_is_neither_repeated_nor_left_out(measure):
    noisy = {"noise": 0.5}
    result = measure(noisy)
    assert (result["status"], list_attempts_of(result)) == ("ok", ["0001"])
    assert list_attempts_of(measure(noisy)) == ["0001"]


def test_a_protocol_that_wants_sessions_gets_them_and_uses_all(measure):
    assert list_attempts_of(measure()) == ["0001"]
    result = measure(sessions=3)
    assert (list_attempts_of(result), result["latency"]["basis"]) == (["0001", "0002", "0003"], "sessions")
    assert result["protocol"]["requested"]["sessions"] == 3
    assert list_attempts_of(measure()) == ["0001", "0002", "0003"]  # fewer wanted: none is dropped


def test_what_was_asked_for_once_is_measured_once(measure):
    folder = measure.paths.result.parent
    measure()
    key = find_attempts_key(folder)
    assert ask_for_another(folder, key) == 2
    assert list_attempts_of(measure()) == list_attempts_of(measure()) == ["0001", "0002"]
    assert list_attempts_of(measure(min_samples=50)) == ["0003"]  # another key: the wish is not about it


def find_attempts_key(folder):
    return list_attempts(folder)[0].record["key"]


def as_if_from_elsewhere(folder):
    """Give all attempts another machine, as if they had been copied from it."""
    for attempt in list_attempts(folder):
        record = attempt.record | {"machine": {**attempt.record["machine"], "id": "0123456789abcdef"}}
        atomic_write(attempt.folder / "attempt.json", json.dumps(seal(record)))


def test_sessions_of_another_machine_are_adopted_but_never_put_together_with_ours(measure):
    folder = measure.paths.result.parent
    measure(sessions=2)
    as_if_from_elsewhere(folder)
    result = measure(sessions=2)
    assert (list_attempts_of(result), result["elsewhere"]) == (["0001", "0002"], True)
    ask_for_another(folder, find_attempts_key(folder))
    result = measure()
    assert (list_attempts_of(result), result["elsewhere"]) == (["0003"], False)


def test_a_verdict_about_the_artifact_ends_the_sessions(measure):
    result = measure({"fail": "provider_unavailable"}, sessions=3)
    assert (result["status"], list_attempts_of(result)) == ("unsupported", ["0001"])


def test_inputs_have_times_of_their_own_in_the_result(measure):
    artifact = json.loads(measure.paths.artifact.read_text())
    rewrite_artifact(measure.paths, artifact | {"input_factors": [1, 1, 1, 4]})
    result = measure(inputs=4, processes=5)
    levels = result["inputs"]["levels_ms"]
    assert (result["inputs"]["count"], result["inputs"]["slowest"], result["inputs"]["depends"]) == (4, 3, True)
    assert result["latency"]["median_ms"] == pytest.approx(sum(levels) / 4, rel=0.01)


def test_sustained_load_gives_a_curve_and_the_settled_level(measure):
    heat = {"heat": {"slower": 0.5, "seconds": 40.0}}
    result = measure(heat, processes=1, load={"seconds": 600, "window_seconds": 10})
    (process,) = result["processes"]
    curve = [window["median_ms"] for window in process["load"]["windows"]]
    assert process["load"]["settled"] and curve[0] < curve[3] < curve[-1]
    assert result["latency"]["median_ms"] == pytest.approx(1.5 * curve[0] / (1 + 0.5 * (1 - math.exp(-0.25))), rel=0.02)
    assert result["latency"]["interval_low_ms"] is None and result["latency"]["noisy"] is None
    result = measure({"heat": {"slower": 9.0, "seconds": 900.0}}, processes=1, load={"seconds": 130})
    assert [entry["label"] for entry in result["labels"]] == ["not_settled"]


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
    assert measure.paths.samples.read_text() == "session,process,elapsed_ns\n"


def test_an_artifact_that_changed_after_its_build_is_refused_and_nothing_is_written(measure):
    atomic_write(measure.paths.artifact, "{}")
    with pytest.raises(
        UserError, match=r"artifact\.json: its sha256 is not the one in .*manifest\.json; remove its folder"
    ):
        measure()
    assert not measure.paths.result.exists() and not measure.paths.samples.exists()


def test_no_verdict_writes_neither_result_nor_samples(measure):
    with pytest.raises(UserError, match="no verdict"):
        measure(board="no such board")
    assert not measure.paths.result.exists() and not measure.paths.samples.exists()


def test_a_copied_session_counts_once(measure):
    result = measure(sessions=2)
    (first, second) = list_attempts(measure.paths.result.parent)
    shutil.copytree(second.folder, first.folder.with_name(first.folder.name.replace("0001", "0003")))
    again = measure(sessions=2)
    assert list_attempts_of(again) == ["0001", "0002"] and again["sessions"] == result["sessions"]
    assert list_attempts_of(measure(sessions=3)) == ["0001", "0002", "0004"]


@pytest.mark.parametrize("name", ["outputs.npz", "process.json", "inputs.npy"])
def test_a_result_is_not_made_of_an_attempt_with_another_file(measure, name):
    measure()
    (attempt,) = list_attempts(measure.paths.result.parent)
    path = attempt.folder / "session/process-000" / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match=rf"{name}: its sha256 is not .*remove this attempt \(rm -r .*/0001-"):
        measure()
    path.unlink()
    with pytest.raises(UserError, match=rf"{name}: is missing, .*remove this attempt \(rm -r .*/0001-"):
        measure()
    shutil.rmtree(attempt.folder)
    assert list_attempts_of(measure()) == ["0001"]
