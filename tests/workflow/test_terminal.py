"""What a run says: progress while it measures, a failed job's reason once, and ten lines at its end."""

import shutil

import pytest


def list_last_words(done):
    """Return the lines between Snakemake's own and its `Complete log(s)`."""
    text = done.stdout.split("Complete log(s)")[0].rstrip("\n")
    return text[text.rindex("\n\n") :].strip().splitlines()


def test_a_run_ends_with_verdicts_and_the_page(workspace):
    for path in ("results/runs/digits-cnn/fake/local/int8/result.json", "results/evidence/fake/gate.json"):
        (workspace.root / path).unlink()
    done = workspace.snakemake()
    assert done.returncode == 0, done.stdout
    words = list_last_words(done)
    assert len(words) <= 10
    assert words[0].startswith("fake-fp32-vs-int8: int8 is 2.00 times as fast as fp32")
    assert any(line.startswith("Gate of campaign fake passed") for line in words[1:])
    assert words[-1] == "Every number and reason: results/evidence/fake/report.html"
    assert "Measured 1 of 1 cells" in done.stdout
    before = done.stdout.split("Measured 1 of 1")[0].splitlines()
    assert [line for line in before if line.startswith("1 cell, 1 comparison: about ") and "at most to measure" in line]


def test_a_failed_job_says_its_reason_once_and_no_old_gate_speaks(workspace):
    workspace.edit("config/devices/local.yaml", "timeout_s: 600", "timeout_s: 600\ninterpreter: /no/such/python")
    done = workspace.snakemake("results/runs/digits-cnn/fake/local/int8/result.json")
    assert done.returncode != 0
    reason = "no verdict (agent_error): the agent exited with 127: /no/such/python"
    lines = [line for line in done.stdout.splitlines() if "agent_error" in line]
    assert len(lines) == 2 and lines[0].startswith("error: ") and reason in lines[0]  # when it fails, and at the end
    words = list_last_words(done)
    assert words[0] == "Failed: 1 job" and words[1].startswith("  measure_run digits-cnn/fake/local/int8: no verdict")
    assert "Gate of campaign" not in done.stdout and "CalledProcessError" not in done.stdout
    logs = (workspace.root / ".snakemake/log").glob("*.log")
    assert any("Error in rule measure_run" in path.read_text() for path in logs)  # everything is in the log file


def test_a_board_that_this_machine_is_not_is_said_before_anything_is_built(workspace):
    shutil.rmtree(workspace.root / "results")
    workspace.edit("config/devices/local.yaml", "timeout_s: 600", "timeout_s: 600\nboard_contains: a jetson")
    for _ in range(2):  # the first leaves nothing that stops the second
        done = workspace.snakemake("runs")
        assert done.returncode == 2, done.stdout
        (line,) = [line for line in done.stdout.splitlines() if "a jetson" in line]
        assert line.startswith("error: device local: is a board named 'a jetson', and this machine ")
        assert "None" not in line and "hosts={local: HOST}" in line and "Traceback" not in done.stdout
        assert not list(workspace.root.glob("results/artifacts/*"))
    assert workspace.snakemake("sources").returncode == 0  # what needs no board is made anywhere


@pytest.mark.campaign  # a quarter of a minute
def test_a_gate_that_fails_ends_the_run_in_ten_lines(workspace):
    workspace.edit("config/presets/fake-2t.yaml", "intra_op_threads: 2}", "intra_op_threads: 2, fail: out_of_memory}")
    done = workspace.snakemake("gate")
    assert done.returncode != 0
    words = list_last_words(done)
    assert len(words) <= 10 and any(line.startswith("GATE NOT PASSED: 4 of 8 cells") for line in words), words
    assert words[-1].startswith(("Every number and reason", "To accept"))
    assert not any(line.startswith("Failed:") for line in words)  # the gate's own words say it
