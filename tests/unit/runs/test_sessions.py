"""Sessions of one arm: attempts of the store, found by their key; failures leave an attempt that says why."""

import json
import os
import shlex
import subprocess
import sys

import numpy as np
import pytest
from edgeproof.core.attempts import list_attempts
from edgeproof.core.errors import UserError
from edgeproof.core.seals import seal
from edgeproof.runs.process_outputs import worst_output_difference
from edgeproof.runs.sessions import SessionSetup, read_session, run_session

PROTOCOL = {"warmup_runs": 1, "warmup_seconds": 0, "min_samples": 5, "min_seconds": 0, "max_timer_share": 0.01}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a function that runs a session of a fake arm in a repository of its own; options change the device."""
    monkeypatch.chdir(tmp_path)
    artifact = tmp_path / "artifact.json"
    artifact.write_text(json.dumps({"seed": "s", "latency_ms": 1.0, "outputs": [["y", [1, 3]]]}))
    np.savez(tmp_path / "inputs.npz", **{"inputs/x": np.zeros((2, 4), "float32")})
    arm = {"backend": "fake", "precision": "fp32", "artifact": str(artifact), "runtime": {}}

    def measure(index=0, interpreter=sys.executable, inputs="inputs.npz", protocol=PROTOCOL, **device):
        place = {"name": "d", "transport": "local", "lock": str(tmp_path / "lock"), **device}
        setup = SessionSetup(tmp_path / inputs, place, protocol, interpreter)
        return run_session(tmp_path, "m/p/d/fp32", {"candidate": arm}, ["candidate"], setup, index)

    measure.artifact = artifact
    return measure


def failure_of(tmp_path):
    (attempt,) = list_attempts(tmp_path)
    assert not attempt.complete
    return json.loads((attempt.folder / "failure.json").read_text())


def test_a_session_with_the_same_key_is_not_measured_again(tmp_path, run):
    first = run()
    again = run()
    assert again.attempt == first.attempt and len(list_attempts(tmp_path)) == 1
    np.testing.assert_array_equal(again.samples[0], first.samples[0])
    assert run(index=1).attempt != first.attempt and run(index=None).attempt.name.startswith("0003-")


@pytest.mark.parametrize("change", ["artifact", "timing", "device"])
def test_what_decides_the_raw_times_makes_another_key(run, change):
    first = run()
    if change == "artifact":
        run.artifact.write_text(run.artifact.read_text().replace("1.0", "2.0"))
    options = {"timing": {"protocol": {**PROTOCOL, "min_samples": 6}}, "device": {"core": 1}, "artifact": {}}
    assert run(**options[change]).attempt != first.attempt


def test_how_long_to_wait_and_how_many_processes_are_in_no_key(run):
    assert run(timeout_s=77, protocol={**PROTOCOL, "processes": 9}).attempt == run().attempt


def test_a_board_s_own_clock_is_set_right(run):
    first = run()
    path = first.attempt / "attempt.json"
    record = json.loads(path.read_text())
    record["facts"]["board"] = {"session": "s", "host": "pi", "clock_ahead_s": -800 * 86400.0}
    path.write_text(json.dumps(seal(record)))
    assert run().record["started_at_unix_s"] == first.record["started_at_unix_s"] + 800 * 86400


@pytest.mark.parametrize("name", ["session.json", "process-000/samples.npy"])
def test_an_edited_file_of_a_session_is_named(run, name):
    path = run().attempt / "session" / name
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(UserError, match=f"{name}: its sha256 is not the one in attempt.json; it was changed, remove"):
        run()


def break_file(path, how):
    if how != "truncated":
        path.unlink()
    if how == "truncated":
        path.write_bytes(path.read_bytes()[:20])
    elif how == "a folder":
        path.mkdir()
    elif how == "a dangling link":
        path.symlink_to("nowhere")


@pytest.mark.parametrize("how", ["missing", "truncated", "a folder", "a dangling link"])
@pytest.mark.parametrize("name", ["session.json", "process-000/samples.npy", "process-000/outputs.npz"])
def test_what_to_do_about_a_file_that_cannot_be_read(tmp_path, run, name, how):
    break_file(run().attempt / "session" / name, how)
    (attempt,) = list_attempts(tmp_path)
    with pytest.raises(UserError, match=name) as caught:
        worst_output_difference(read_session(attempt), {})
    removal = f"rm -r attempts/{attempt.folder.name}"
    assert str(caught.value).endswith(f"; remove this attempt ({removal}) and run again: it is measured again")
    subprocess.run(shlex.split(removal), cwd=tmp_path, check=True)
    assert list_attempts(tmp_path) == []


@pytest.mark.parametrize(
    ("signal", "said"),
    [
        ("KILL", r"the agent was killed \(SIGKILL\); if nobody did that, the memory ran out: .* run the same command"),
        ("TERM", r"the agent was ended by SIGTERM\. Run the same command again"),
    ],
)
def test_a_killed_agent_is_said_in_words(tmp_path, run, signal, said):
    killed = tmp_path / "python"
    killed.write_text(f"#!/bin/sh\nkill -{signal} $$\n")
    killed.chmod(0o755)
    with pytest.raises(UserError, match=rf"no verdict \(interrupted\): {said}"):
        run(interpreter=str(killed))
    assert failure_of(tmp_path)["kind"] == "interrupted"


def test_a_lost_reader_of_messages_ends_no_session(run, monkeypatch):
    """As when the `tee` of a job is killed."""
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as nobody:
        monkeypatch.setattr(sys, "stderr", nobody)
        assert run().record["processes"][0]["status"] == "ok"
        print("and what a library says", file=sys.stderr, flush=True)


def test_missing_interpreter_is_no_verdict_and_leaves_an_attempt(tmp_path, run):
    with pytest.raises(UserError, match=r"no verdict \(agent_error\).*/no/such/python"):
        run(interpreter="/no/such/python")
    assert failure_of(tmp_path)["kind"] == "agent_error"


def test_wrong_board_is_no_verdict(tmp_path, run):
    with pytest.raises(UserError, match=r"no verdict \(wrong_device\)"):
        run(board_contains="no such board")
    assert failure_of(tmp_path)["kind"] == "wrong_device"


def test_agent_that_crashes_leaves_its_last_words(tmp_path, run):
    (tmp_path / "broken.npz").write_bytes(b"no archive")
    with pytest.raises(UserError, match="no verdict"):
        run(inputs="broken.npz")
    assert failure_of(tmp_path)["message"]
