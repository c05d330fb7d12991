"""LoadGen beside our timing: what its summary says, how turns become a ratio, and the environment that has it."""

import json
from pathlib import Path

import pytest
from edgeproof.bench import loadgen_trials
from edgeproof.bench.loadgen_trials import Setting, run_trials
from edgeproof.bench.trial_arms import describe_arm
from edgeproof.core.documents import validate

RUNTIME = {"name": "onnxruntime", "version": "1"}


@pytest.fixture
def setting(tmp_path):
    return Setting("squeezenet", describe_arm("squeezenet"), 3, 2, 100, "python-of-loadgen", tmp_path / "logs")


def stand_in(monkeypatch, turns):
    """Let each process find these turns; return the specs that they were given."""
    specs = []

    def run(command, env, check):
        spec = json.loads(Path(command[3]).read_text())
        specs.append((command[0], spec))
        report = {**turns[len(specs) - 1], "queries": spec["queries"], "runtime": RUNTIME}
        (Path(command[4]) / "turns.json").write_text(json.dumps(report))

    monkeypatch.setattr(loadgen_trials.subprocess, "run", run)
    return specs


def test_the_ratio_is_over_processes_and_a_turn_is_compared_with_its_own(setting, monkeypatch):
    # The machine gets slower from turn to turn; LoadGen is 0.5 % slower than we are throughout.
    turns = [{"ours_ns": [1e6 * k, 2e6 * k], "loadgen_ns": [1.005e6 * k, 2.01e6 * k]} for k in (1, 3, 2)]
    specs = stand_in(monkeypatch, turns)
    lines = []
    document = validate(run_trials(setting, "6.0.17", lines.append), "bench-loadgen", "here")
    assert document["ratio"] == pytest.approx(1.005) and document["expected"]["met"] is True
    assert document["interval"]["low"] == pytest.approx(1.005) and len(lines) == 3
    assert [(who, spec["seed"], spec["turns"], spec["queries"]) for who, spec in specs] == [
        ("python-of-loadgen", number, 2, 100) for number in range(3)
    ]
    assert specs[0][1]["arm"]["runtime"] == {"intra_op_threads": 2}


def test_a_ratio_beyond_one_per_cent_is_not_as_expected(setting, monkeypatch):
    stand_in(monkeypatch, [{"ours_ns": [1e6, 1e6], "loadgen_ns": [1.02e6, 1.02e6]}] * 3)
    document = validate(run_trials(setting, "6.0.17", lambda line: None), "bench-loadgen", "here")
    assert document["expected"] == {"low": 0.99, "high": 1.01, "met": False}
