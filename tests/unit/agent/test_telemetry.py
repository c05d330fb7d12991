"""The recorder of a session as a process of its own, and the verb that samples one command."""

import json
import os
import subprocess
import sys

import pytest
from edgeproof.agent.failures import NoVerdict
from edgeproof.agent.telemetry import SessionTelemetry
from edgeproof.core.processes import child_environment

from .stand_in_boards import read_rows, values_of, wait_until, write_ina3221, write_proc


@pytest.fixture(autouse=True)
def find_agent(monkeypatch):
    """Let processes that the agent starts find it."""
    monkeypatch.setenv("PYTHONPATH", child_environment(sys.executable)["PYTHONPATH"])


def board(root):
    write_ina3221(root, {"VDD_IN": (5000, 880)})
    write_proc(root)
    return [{"name": name, "root": str(root), "interval_ms": 5} for name in ("hwmon", "procfs")]


def test_a_session_is_watched_from_idle_to_idle(tmp_path):
    telemetry = SessionTelemetry(board(tmp_path / "board"), 0.02, str(tmp_path / "out"))
    telemetry.rest("before")
    telemetry.watch(os.getpid())
    wait_until(lambda: len(values_of(read_rows(tmp_path / "out"), "total_w")) > 10)
    telemetry.watch(None)
    telemetry.rest("after")
    report = telemetry.end()
    assert [sampler["id"] for sampler in report["samplers"]] == ["hwmon", "procfs"] and report["cpu_s"] > 0
    (a, b), (c, d) = report["idle"]["before"], report["idle"]["after"]
    assert b - a >= 20e6 and d - c >= 20e6 and b <= c
    times = [row[0] for row in read_rows(tmp_path / "out")]
    assert min(times) < b and max(times) > b  # the clock is the one that all processes share


def test_without_samplers_nothing_is_started(tmp_path):
    telemetry = SessionTelemetry([], 5.0, str(tmp_path / "out"))
    telemetry.rest("before")
    telemetry.watch(1)
    assert telemetry.end() is None and not (tmp_path / "out").exists()


def test_a_required_sampler_that_cannot_run_is_no_verdict(tmp_path):
    options = [{"name": "rapl", "root": str(tmp_path), "required": True}]
    with pytest.raises(NoVerdict, match="rapl: no energy counter"):
        SessionTelemetry(options, 0.0, str(tmp_path / "out"))


def test_a_recorder_that_was_killed_is_no_verdict(tmp_path):
    telemetry = SessionTelemetry(board(tmp_path / "board"), 0.0, str(tmp_path / "out"))
    telemetry._process.kill()
    telemetry.watch(1)
    with pytest.raises(NoVerdict, match="the recorder of the samplers ended"):
        telemetry.end()


def test_sample_watches_one_command(tmp_path):
    spec = {
        "samplers": board(tmp_path / "board"),
        "command": [sys.executable, "-c", "print('hello')"],
        "idle_seconds": 0.0,
    }
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    words = [sys.executable, "-m", "edgeproof.agent", "sample", str(tmp_path / "spec.json"), str(tmp_path / "out")]
    ended = subprocess.run(words, capture_output=True, text=True, check=True)
    made = json.loads((tmp_path / "out/sample.json").read_text())
    assert ended.stdout == "hello\n" and made["exit_code"] == 0 and made["window"][0] < made["window"][1]
    assert [sampler["id"] for sampler in made["telemetry"]["samplers"]] == ["hwmon", "procfs"]
    assert set(values_of(read_rows(tmp_path / "out"), "total_w")) == {4.4}
