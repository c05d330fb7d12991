"""Ways for the agent's process to end."""

import subprocess
import sys
from pathlib import Path

import pytest
from edgeproof.artifacts.agreement import execution
from edgeproof.artifacts.agreement.execution import infer_outputs
from edgeproof.core.errors import UserError

ARM = {"backend": "onnxruntime", "precision": "fp32", "runtime": {}}


def stub(folder, body):
    """Return an interpreter that runs `body` instead of the agent."""
    path = Path(folder) / "python"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_a_crash_is_a_verdict(tmp_path):
    inference = infer_outputs(stub(tmp_path, "kill -SEGV $$"), ARM, "a", "i")
    assert inference.outputs is None
    assert inference.reason == {"kind": "crashed", "message": "the process was ended by SIGSEGV"}


def test_a_kill_from_outside_is_none(tmp_path):
    with pytest.raises(UserError, match="SIGKILL; free memory"):
        infer_outputs(stub(tmp_path, "kill -KILL $$"), ARM, "a", "i")


def test_no_verdict_of_the_agent_is_passed_on(tmp_path):
    with pytest.raises(UserError, match="no verdict: runtime_missing: no onnxruntime"):
        infer_outputs(stub(tmp_path, "echo 'no verdict: runtime_missing: no onnxruntime' >&2; exit 3"), ARM, "a", "i")


def test_a_defect_of_the_agent_keeps_its_traceback(tmp_path):
    with pytest.raises(RuntimeError, match="exited with 1: Traceback"):
        infer_outputs(stub(tmp_path, "echo Traceback >&2; exit 1"), ARM, "a", "i")


def test_the_agent_comes_from_this_repository(monkeypatch):
    seen = {}

    def run(command, env, **options):
        seen.update(command=command, env=env)
        return subprocess.CompletedProcess(command, 3, "", "no verdict: x")

    monkeypatch.setattr(execution.subprocess, "run", run)
    with pytest.raises(UserError):
        infer_outputs(sys.executable, ARM, "a", "i")
    assert seen["command"][1:4] == ["-m", "edgeproof.agent", "infer"]
    assert (Path(seen["env"]["PYTHONPATH"]) / "edgeproof" / "agent" / "__main__.py").is_file()
