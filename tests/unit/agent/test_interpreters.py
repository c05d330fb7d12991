"""An arm may name the interpreter that has its runtime: two runtimes are measured in one session."""

import json
import os
import sys

from .test_session import run_agent, spec  # noqa: F401  (a fixture)


def test_each_arm_runs_in_its_own_interpreter(tmp_path, spec):  # noqa: F811
    wrapper = tmp_path / "python"
    wrapper.write_text(f'#!/bin/sh\necho wrapped >> "{tmp_path}/calls"\nexec "{sys.executable}" "$@"\n')
    os.chmod(wrapper, 0o755)
    spec["arms"]["right"] = {**spec["arms"]["right"], "interpreter": str(wrapper)}
    done = run_agent(tmp_path, "session", spec)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "calls").read_text().split() == ["wrapped", "wrapped"]
    record = json.loads((tmp_path / "out/session.json").read_text())
    assert {process["status"] for process in record["processes"]} == {"ok"}


def test_an_interpreter_that_is_not_there_is_no_verdict(tmp_path, spec):  # noqa: F811
    spec["arms"]["left"] = {**spec["arms"]["left"], "interpreter": str(tmp_path / "nowhere/python")}
    done = run_agent(tmp_path, "session", spec)
    assert done.returncode == 3
    failure = json.loads((tmp_path / "out/failure.json").read_text())
    assert failure["kind"] == "runtime_missing" and "nowhere/python" in failure["message"]
