import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from edgeproof.agent import session
from edgeproof.agent.failures import NoVerdict
from edgeproof.agent.lock import hold_device

from ...signals import heed_signals

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"
PROTOCOL = {"warmup_runs": 3, "warmup_seconds": 0.0, "min_samples": 20, "min_seconds": 0.0, "max_timer_share": 0.01}


@pytest.fixture
def spec(tmp_path):
    artifact = tmp_path / "artifact.json"
    artifact.write_text(json.dumps({"seed": "s", "latency_ms": 2.0, "outputs": [["y", [1, 3]]]}))
    np.savez(tmp_path / "inputs.npz", **{"inputs/x": np.zeros((2, 4), "float32")})
    arm = {"backend": "fake", "precision": "fp32", "artifact": str(artifact), "runtime": {}}
    return {
        "label": "m/p/d/fp32",
        "arms": {"left": arm, "right": arm},
        "order": ["left", "right", "right", "left"],
        "inputs": str(tmp_path / "inputs.npz"),
        "protocol": PROTOCOL,
        "lock": str(tmp_path / "lock"),
        "board": None,
        "timeout_s": 60,
    }


def run_agent(tmp_path, verb, spec, limit=None):
    """Run a verb. `limit`: the largest file that it may write, in bytes."""
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(spec))
    command = [sys.executable, "-m", "edgeproof.agent", verb, str(path), str(tmp_path / "out")]
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
    limited = (lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))) if limit else None
    return subprocess.run(command, env=environment, text=True, capture_output=True, preexec_fn=limited)


@pytest.mark.parametrize(("verb", "limit"), [("session", 128), ("session", 4096), ("pairs", 128)])
def test_a_file_that_cannot_be_written_is_no_verdict_in_one_line(tmp_path, spec, verb, limit):
    """As on a full disk: failure.json is whole or is not there."""
    spec |= {"protocol": PROTOCOL | {"min_samples": 5000}, "ask": False, "budget": {"pairs": 4, "seconds": None}}
    spec |= {"first_pair": 0}
    done = run_agent(tmp_path, verb, spec, limit)
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("no verdict: machine")
    for path in (tmp_path / "out").rglob("failure.json"):
        assert json.loads(path.read_text())["kind"] == "machine"


def test_session_runs_every_slot_in_order_and_shows_progress(tmp_path, spec):
    done = run_agent(tmp_path, "session", spec)
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "out/session.json").read_text())
    assert [process["arm"] for process in record["processes"]] == spec["order"]
    assert len({process["pid"] for process in record["processes"]}) == 4
    assert record["lock"]["holder"]["label"] == spec["label"]
    assert set(record["environment"]) == {"before", "after", "steal_share"}
    assert record["drift"] is None  # nothing drifts in a simulation
    assert "process 3 of 4 (right)" in done.stderr and "s left" in done.stderr


def test_a_session_of_real_arms_times_the_drift_control(tmp_path, spec, tiny_model):
    real = {"backend": "onnxruntime", "precision": "fp32", "artifact": tiny_model, "runtime": {"intra_op_threads": 1}}
    assert run_agent(tmp_path, "session", {**spec, "arms": {"left": real}, "order": ["left"] * 3}).returncode == 0
    record = json.loads((tmp_path / "out/session.json").read_text())
    places = [point["place"] for point in record["drift"]["points"]]
    assert places[0] == "start" and places[-1] == "end"
    rows = np.load(tmp_path / "out/drift.npy")
    assert sorted(set(rows[:, 0].tolist())) == list(range(len(places)))


def test_failed_arm_is_not_tried_again(tmp_path, spec):
    spec["arms"]["right"] = {**spec["arms"]["right"], "runtime": {"fail": "unsupported_operator"}}
    assert run_agent(tmp_path, "session", spec).returncode == 0
    record = json.loads((tmp_path / "out/session.json").read_text())
    assert [process["status"] for process in record["processes"]] == ["ok", "failed", "skipped", "ok"]
    assert record["processes"][2]["reason"]["kind"] == "unsupported_operator"


def test_unknown_backend_is_no_verdict(tmp_path, spec):
    spec["arms"]["left"] = {**spec["arms"]["left"], "backend": "abacus"}
    done = run_agent(tmp_path, "session", spec)
    assert done.returncode == 3
    assert json.loads((tmp_path / "out/failure.json").read_text())["kind"] == "unknown_backend"
    assert not (tmp_path / "out/session.json").exists()


def test_wrong_board_is_no_verdict(tmp_path, spec):
    done = run_agent(tmp_path, "session", {**spec, "board": "no such board"})
    assert done.returncode == 3 and "wrong_device" in done.stderr


def test_usage_is_one_line():
    done = subprocess.run(
        [sys.executable, "-m", "edgeproof.agent", "dance"],
        env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
        text=True,
        capture_output=True,
    )
    assert done.returncode == 2 and done.stderr.startswith("usage:")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_what_a_session_has_started_ends_with_it(tmp_path, spec, number):
    """Otherwise it would go on measuring while the device is free. The signal is set, since nohup ignores SIGHUP."""
    os.mkfifo(tmp_path / "started")
    stuck = tmp_path / "python"
    stuck.write_text(f"#!/bin/sh\necho $$ > '{tmp_path}/started'\nexec sleep 600\n")
    stuck.chmod(0o755)
    spec["arms"]["left"]["interpreter"] = str(stuck)
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    command = [sys.executable, "-m", "edgeproof.agent", "session", tmp_path / "spec.json", tmp_path / "out"]
    agent = subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
        preexec_fn=heed_signals,
    )
    child = int((tmp_path / "started").read_text())  # returns when it has been started
    agent.send_signal(number)
    assert agent.wait(timeout=30) == 128 + number
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


@pytest.mark.parametrize(("verb", "code"), [("session", 143), ("measure", -15), ("infer", -15)])
def test_only_a_session_takes_a_signal_for_itself(tmp_path, verb, code):
    """What it starts ends by the signal, so that the session, or whoever asks for outputs, is told which it was."""
    os.mkfifo(tmp_path / "spec.json")
    command = [sys.executable, "-m", "edgeproof.agent", verb, tmp_path / "spec.json", tmp_path / "out"]
    agent = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(SCRIPTS)})
    with open(tmp_path / "spec.json", "w"):  # returns when the agent reads it
        agent.send_signal(signal.SIGTERM)
        assert agent.wait(timeout=30) == code


def test_second_session_waits_for_the_first(tmp_path, spec):
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(spec))
    command = [sys.executable, "-m", "edgeproof.agent", "session", str(path), str(tmp_path / "out")]
    with hold_device(spec["lock"], "somebody else"):
        waiting = subprocess.Popen(
            command, env={**os.environ, "PYTHONPATH": str(SCRIPTS)}, text=True, stderr=subprocess.PIPE
        )
        line = waiting.stderr.readline()  # returns when the session says that it waits
        assert f"the device is busy: waiting for somebody else, process {os.getpid()} of " in line
        assert waiting.poll() is None
    waiting.communicate()
    assert waiting.returncode == 0


def processes_that_end_by(monkeypatch, tmp_path, number, kills=(0, 0)):
    counts = iter(kills)
    monkeypatch.setattr(session, "read_oom_kills", lambda: next(counts))
    monkeypatch.setattr(session, "run_child", lambda *a: -number)
    spec = {"arms": {"a": {}}, "inputs": "", "protocol": {}, "timeout_s": 1}
    return session.run_process(spec, 0, "a", str(tmp_path))


def test_crash_is_a_verdict(monkeypatch, tmp_path):
    record = processes_that_end_by(monkeypatch, tmp_path, signal.SIGSEGV)
    assert record["reason"] == {"kind": "crashed", "message": "the process was ended by SIGSEGV"}


def test_kill_is_out_of_memory_only_if_the_kernel_says_so(monkeypatch, tmp_path):
    record = processes_that_end_by(monkeypatch, tmp_path, signal.SIGKILL, kills=(4, 5))
    assert record["reason"]["kind"] == "out_of_memory"
    with pytest.raises(NoVerdict) as error:
        processes_that_end_by(monkeypatch, tmp_path, signal.SIGKILL)
    assert error.value.kind == "interrupted"


def test_process_that_hangs_is_timed_out(tmp_path):
    stuck = tmp_path / "python"
    stuck.write_text("#!/bin/sh\nexec sleep 600\n")
    stuck.chmod(0o755)
    spec = {"arms": {"a": {"interpreter": str(stuck)}}, "inputs": "", "protocol": {}, "timeout_s": 0.01}
    assert session.run_process(spec, 0, "a", str(tmp_path))["reason"]["kind"] == "timed_out"
