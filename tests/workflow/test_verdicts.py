"""Verdicts are outputs, no verdict is a failed job, and the gate turns a bad verdict into an exit code."""

import json
import shutil

import pytest

pytestmark = pytest.mark.workflow

CELL = "results/runs/digits-cnn/fake-2t/local/fp32"


@pytest.mark.campaign  # a quarter of a minute
def test_failing_cell_leaves_its_report_and_a_non_zero_exit(workspace):
    workspace.edit("config/presets/fake-2t.yaml", "intra_op_threads: 2", "fail: out_of_memory")
    done = workspace.snakemake()
    assert done.returncode != 0
    result = json.loads((workspace.root / CELL / "result.json").read_text())
    assert (result["status"], result["reason"]["kind"], result["latency"]) == ("failed", "out_of_memory", None)
    evidence = workspace.root / "results/evidence/fake"
    assert "out of memory" in (evidence / "report.html").read_text()
    assert not (evidence / "gate.json").exists()
    last = done.stdout.split("GATE NOT PASSED")[-1].splitlines()
    assert any(line.startswith("  digits-cnn/fake-2t/local/fp32 ") and "out of memory" in line for line in last)
    assert "Every number and reason: results/evidence/fake/report.html" in last[-5:]


@pytest.mark.campaign  # a quarter of a minute
def test_what_could_not_be_measured_is_kept_as_an_attempt_and_tried_again(workspace):
    workspace.edit("config/devices/local.yaml", "timeout_s: 600", "timeout_s: 600\ninterpreter: /no/such/python")
    target = "results/runs/digits-cnn/fake/local/fp32/result.json"
    shutil.rmtree((workspace.root / target).parent)
    done = workspace.snakemake(target)
    assert done.returncode != 0
    assert not (workspace.root / target).exists()
    assert "no verdict (agent_error)" in done.stdout
    attempts = (workspace.root / target).parent / "attempts"
    first = sorted(attempts.iterdir())
    assert [json.loads((attempt / "failure.json").read_text())["kind"] for attempt in first] == ["agent_error"]
    assert workspace.snakemake(target).returncode != 0
    again = sorted(attempts.iterdir())
    assert again[0] == first[0] and [attempt.name[:4] for attempt in again] == ["0001", "0002"]


def test_refused_pair_is_not_measured_and_shows_no_delta(workspace):
    folder = workspace.root / "results/comparability/fake/fake-refused"
    report = json.loads((folder / "report.json").read_text())
    assert (report["comparable"], report["verdict"], report["effect"], report["pairs"]) == (
        "no",
        "not-comparable",
        None,
        0,
    )
    assert report["reasons"][0]["field"] == "precision"
    assert {report["reasons"][0]["left"], report["reasons"][0]["right"]} == {"fp32", "fp16"}
    assert len((folder / "pairs.csv").read_text().splitlines()) == 1
    assert not (folder / "attempts").exists()


def test_edited_result_is_refused_by_name(workspace):
    path = workspace.root / "results/runs/digits-cnn/fake/local/int8/result.json"
    result = json.loads(path.read_text())
    result["latency"]["median_ms"] *= 0.5
    path.write_text(json.dumps(result))
    done = workspace.snakemake()
    assert done.returncode != 0
    assert "latency.median_ms is" in done.stdout and "the samples give" in done.stdout
    assert "Traceback" not in done.stdout


def test_script_that_fails_fails_its_job_although_its_output_goes_through_a_pipe(workspace):
    workspace.edit("scripts/identify_model.py", "def main(argv):\n", "def main(argv):\n    return 7\n")
    done = workspace.snakemake()
    assert done.returncode != 0
    assert "Failed: identify_model" in done.stdout
    assert "exit status 7" in done.stdout


@pytest.mark.campaign  # half a minute
def test_a_noisy_cell_is_measured_once_and_vetoes_no_comparison(workspace):
    workspace.edit("config/presets/fake.yaml", "noise: 0.01", "noise: 0.9")
    done = workspace.snakemake()
    assert done.returncode == 0, done.stdout  # noise is a label, not a verdict
    folder = workspace.root / "results/runs/digits-cnn/fake/local/fp32"
    result = json.loads((folder / "result.json").read_text())
    assert result["status"] == "ok" and result["latency"]["noisy"]
    assert [entry["label"] for entry in result["labels"]] == ["noisy"]
    assert [session["attempt"].rsplit("/", 1)[1][:4] for session in result["sessions"]] == ["0002"]  # 0001: other noise
    report = json.loads((workspace.root / "results/comparability/fake/fake-aa/report.json").read_text())
    assert (report["comparable"], report["verdict"] != "failed") == ("yes", True)
    assert report["effect"]["pairs"] >= 4


@pytest.mark.campaign  # half a minute
def test_runs_again_adds_a_session_and_measures_nothing_else(workspace):
    cell = "digits-cnn/fake/local/fp32"
    before = set(workspace.list_attempts())
    done = workspace.edgeproof("runs", "again", cell, "--configfile", "config/fake.yaml")
    assert done.returncode == 0, done.stdout
    added = set(workspace.list_attempts()) - before
    assert {path.rsplit("/attempts/", 1)[0] for path in added} == {f"runs/{cell}"} and len(added) == 1
    result = json.loads((workspace.root / f"results/runs/{cell}/result.json").read_text())
    assert (len(result["sessions"]), result["latency"]["basis"]) == (2, "two sessions")
    assert workspace.remade_by() == set()  # the wish is met, and no key has changed
    assert set(workspace.list_attempts()) == before | added
