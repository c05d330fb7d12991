"""What a change makes stale, and what it leaves alone: real runs of snakemake on the fake campaign."""

import os
import shutil

import pytest

pytestmark = pytest.mark.workflow

REPORT = {
    "evidence/fake/report.html",
    "evidence/fake/report.md",
    "evidence/fake/gate.json",
}


def rooms(paths):
    return {path.split("/")[0] for path in paths}


def test_second_run_does_nothing(workspace):
    assert workspace.remade_by() == set()


def test_touching_every_file_does_nothing(workspace):
    for path in workspace.root.rglob("*"):
        if path.is_file() and ".snakemake" not in path.parts:
            os.utime(path)
    before = workspace.result_times()
    done = workspace.snakemake()
    assert done.returncode == 0, done.stdout
    assert "Nothing to be done" in done.stdout
    assert workspace.result_times() == before


def test_editing_report_code_remakes_reports_only(workspace):
    workspace.write(
        "scripts/edgeproof/evidence/rendering.py",
        (workspace.root / "scripts/edgeproof/evidence/rendering.py").read_text() + "\nEDITED = True\n",
    )
    remade = workspace.remade_by()
    assert remade and remade <= REPORT


def test_a_comment_in_the_agent_measures_nothing_again(workspace):
    path, before = "scripts/edgeproof/agent/measurement.py", workspace.list_attempts()
    workspace.write(path, (workspace.root / path).read_text() + "\n# edited\n")
    workspace.remade_by()
    assert workspace.list_attempts() == before


@pytest.mark.campaign  # a quarter of a minute
def test_what_was_measured_is_adopted_where_snakemake_knows_nothing_of_it(workspace):
    """A copy of results/ in another copy of the repository: every job runs, and none of them measures."""
    shutil.rmtree(workspace.root / ".snakemake")
    results = workspace.root / "results"
    for path in results.rglob("*"):
        if path.is_file() and not {"attempts", "logs"} & set(path.relative_to(results).parts):
            path.unlink()
    before = workspace.list_attempts()
    remade = workspace.remade_by()
    assert {"runs", "comparability", "calibration", "evidence"} <= rooms(remade)
    assert workspace.list_attempts() == before


@pytest.mark.campaign  # a quarter of a minute
def test_two_campaigns_that_share_cells_measure_each_once(workspace):
    before = workspace.list_attempts()
    text = (workspace.root / "config/fake.yaml").read_text()
    workspace.write("config/other.yaml", text.replace("campaign: fake\n", "campaign: other\n"))
    remade = workspace.remade_by(config="config/other.yaml")
    assert "comparability/other/fake-aa/report.json" in remade and "evidence/other/report.html" in remade
    assert rooms(remade) == {"comparability", "evidence"}
    assert workspace.list_attempts() == before


@pytest.mark.campaign  # half a minute
def test_editing_the_agent_measures_everything_again(workspace):
    path = "scripts/edgeproof/agent/measurement.py"
    workspace.write(path, (workspace.root / path).read_text() + "\nEDITED = 1\n")
    remade = workspace.remade_by()
    results = {path for path in workspace.result_times() if path.endswith("/result.json")}
    assert results <= remade
    assert "sources" not in rooms(remade)
    assert not any(path.endswith(("/artifact.json", "/manifest.json")) for path in remade)


@pytest.mark.campaign  # a quarter of a minute
def test_changing_the_threads_of_one_preset_measures_its_cells_only(workspace):
    workspace.edit("config/presets/fake-2t.yaml", "intra_op_threads: 2", "intra_op_threads: 1")
    remade = workspace.remade_by()
    measured = {path for path in remade if path.startswith("runs/")}
    assert measured and all(path.startswith("runs/digits-cnn/fake-2t/") for path in measured)
    assert len([path for path in measured if path.endswith("/result.json")]) == 4
    assert "comparability" not in rooms(remade)  # no comparison names that preset
    assert not any(path.endswith("/manifest.json") for path in remade)


@pytest.mark.campaign  # half a minute
def test_adding_a_model_builds_that_model_only(workspace):
    workspace.write("config/models/digits-copy.yaml", (workspace.root / "config/models/digits-cnn.yaml").read_text())
    workspace.edit("config/fake.yaml", "models: [digits-cnn]", "models: [digits-cnn, digits-copy]")
    remade = workspace.remade_by()
    assert "sources/digits-copy/model.onnx" in remade
    assert "runs/digits-copy/fake/local/int8/result.json" in remade
    assert all("digits-copy" in path for path in remade - REPORT)


@pytest.mark.campaign  # a quarter of a minute
def test_deleting_a_result_remakes_it_and_what_hangs_on_it(workspace):
    cell = "runs/digits-cnn/fake/local/int8"
    (workspace.root / "results" / cell / "result.json").unlink()
    remade = workspace.remade_by()
    assert f"{cell}/result.json" in remade
    assert {path for path in remade if path.startswith("runs/")} == {f"{cell}/result.json", f"{cell}/samples.csv"}
    touched = {path.split("/")[2] for path in remade if path.startswith("comparability/")}
    assert touched == {"fake-fp32-vs-int8"}
    assert remade >= REPORT


@pytest.mark.campaign  # a quarter of a minute
def test_a_target_misses_every_file_that_its_answer_rests_on(workspace):
    """Whatever was asked for: a page, a gate or a bundle must not speak of files that are gone."""
    assert workspace.snakemake("history", "bundle").returncode == 0
    (result,) = (workspace.root / "results/runs/digits-cnn/fake").rglob("fp32/result.json")
    result.unlink()
    for target in ("runs", "comparability", "evidence", "gate", "history", "bundle"):
        planned = workspace.snakemake("-n", target)
        assert "measure_run" in planned.stdout, (target, planned.stdout)


@pytest.mark.campaign  # a quarter of a minute
def test_raising_the_pair_budget_keeps_the_pairs_that_are_there(workspace):
    table = workspace.root / "results/comparability/fake/fake-aa/pairs.csv"
    before = table.read_text().splitlines()
    workspace.edit("config/fake.yaml", "right: {}", "right: {}\n    margin: 0.001\n    pairs: 12")
    remade = workspace.remade_by()
    after = table.read_text().splitlines()
    assert after[: len(before)] == before
    assert len(after) == 13  # the header, and 12 pairs that such a margin leaves undecided
    assert {path.split("/")[2] for path in remade if path.startswith("comparability/")} == {"fake-aa"}
    assert "runs" not in rooms(remade)


@pytest.mark.campaign  # a quarter of a minute
def test_a_calibration_set_is_an_input_of_int8_only(workspace):
    listing = workspace.snakemake("results/artifacts/digits-cnn/ort-cpu/host/int8/manifest.json", "-np").stdout
    assert "calibration.npz" in listing
    listing = workspace.snakemake("results/artifacts/digits-cnn/ort-cpu/host/fp32/manifest.json", "-np").stdout
    assert "calibration.npz" not in listing
