import json
import sys

import pytest
from edgeproof.core.errors import UserError
from edgeproof.runs.numbered_attempts import close_failed, open_attempt
from edgeproof.runs.sessions import SessionSetup, digest_agent, run_session


def test_attempts_are_numbered_and_never_overwritten(tmp_path):
    first, second = open_attempt(tmp_path, {"a": 1}), open_attempt(tmp_path, {"a": 2})
    assert (first.name, second.name) == ("0001", "0002")
    assert json.loads((first / "spec.json").read_text()) == {"a": 1}
    (tmp_path / "attempts" / "0041").mkdir()
    assert open_attempt(tmp_path, {}).name == "0042"


def test_failure_is_recorded_and_named(tmp_path):
    attempt = open_attempt(tmp_path, {})
    error = close_failed(attempt, "m/p/d/fp32", {"kind": "link_lost", "message": "no route"})
    assert isinstance(error, UserError) and "no verdict (link_lost): no route" in str(error)
    assert json.loads((attempt / "failure.json").read_text())["kind"] == "link_lost"


def run(tmp_path, interpreter=sys.executable, **device):
    protocol = {"warmup_runs": 1, "warmup_seconds": 0, "min_samples": 5, "min_seconds": 0, "max_timer_share": 0.01}
    arm = {"backend": "none", "precision": "fp32", "artifact": "x", "runtime": {}}
    place = {"name": "d", "lock": str(tmp_path / "lock"), **device}
    setup = SessionSetup(tmp_path / "inputs.npz", place, protocol, interpreter)
    return run_session(tmp_path, "m/p/d/fp32", {"candidate": arm}, ["candidate"], setup)


def test_missing_interpreter_is_no_verdict_and_leaves_an_attempt(tmp_path):
    with pytest.raises(UserError, match=r"no verdict \(agent_error\).*/no/such/python"):
        run(tmp_path, interpreter="/no/such/python")
    assert (tmp_path / "attempts/0001/failure.json").exists()


def test_wrong_board_is_no_verdict(tmp_path):
    with pytest.raises(UserError, match=r"no verdict \(wrong_device\)"):
        run(tmp_path, board_contains="no such board")


def test_agent_that_crashes_leaves_its_last_words(tmp_path):
    with pytest.raises(UserError, match="no verdict"):
        run(tmp_path)  # the inputs are not there
    assert "inputs.npz" in (tmp_path / "attempts/0001/failure.json").read_text()


def test_agent_digest_changes_with_any_of_its_files(tmp_path, monkeypatch):
    folder = tmp_path / "edgeproof/agent/backends"
    folder.mkdir(parents=True)
    digests = []
    monkeypatch.setattr("edgeproof.runs.sessions.SCRIPTS", tmp_path)
    for path, text in ((folder / "a.py", "1"), (folder / "a.py", "2"), (folder.parent / "b.py", "")):
        path.write_text(text)
        digests.append(digest_agent())
    (folder / "a.py").rename(folder / "c.py")
    assert len({*digests, digest_agent()}) == 4
    (folder / "notes.txt").write_text("no code")
    assert digest_agent() not in digests
