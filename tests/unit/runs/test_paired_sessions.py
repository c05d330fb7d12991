"""Sessions of pairs on the fake backend: who ends them, what is kept of them, and what is refused when read."""

import json
import os
import shutil
import signal
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from edgeproof.agent.machine import describe_machine
from edgeproof.core.attempts import list_attempts
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.layout import REPOSITORY
from edgeproof.core.seals import seal
from edgeproof.runs import paired_sessions
from edgeproof.runs.pair_sequences import find_next_pair, require_each_once, require_sequence
from edgeproof.runs.pair_tables import read_session_at
from edgeproof.runs.paired_sessions import group_by_machine, list_sessions, read_session

from ...signals import heed_signals
from .conftest import KEY

# A process of its own that measures and can be ended; it says when it has so many pairs.
PROGRAM = """
import importlib.util, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell sets it to be ignored for what runs behind
spec = importlib.util.spec_from_file_location("conftest_of_runs", {conftest!r})
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)

def goes_on(pairs):
    print(len(pairs), flush=True)
    return True

module.PairsMaker(".").measure(50, goes_on=goes_on)
"""


def test_a_session_is_an_attempt_with_its_pairs(maker):
    session = maker.measure(2)
    facts = session.attempt.record["facts"]
    assert [pair.sha256 for pair in session.pairs] == facts["pairs"] and len(session.pairs) == 2
    assert (session.provenance, session.throttled, facts["failure"]) == ("simulated", None, None)
    assert session.record["ended_by"] == "budget" and session.state["left"]["runtime_version"] == "1"
    assert all(abs(pair.log_ratio) < 0.02 for pair in session.pairs)
    assert list_sessions([maker.folder], KEY)[0].pairs == session.pairs


def test_the_caller_is_asked_after_every_pair(maker):
    asked = []
    session = maker.measure(9, goes_on=lambda pairs: asked.append(len(pairs)) or len(pairs) < 2)
    assert (len(session.pairs), session.record["ended_by"]) == (2, "caller") and asked[:2] == [1, 2]


def test_seconds_end_a_session(maker):
    session = maker.measure(9, seconds=0.01)
    assert (len(session.pairs), session.record["ended_by"]) == (1, "budget")


def test_sessions_with_one_key_are_one_sequence_in_order_of_start(maker):
    first, second = maker.measure(1), maker.measure(2)
    found = list_sessions([maker.folder, maker.folder], KEY)
    assert [item.attempt.folder for item in found] == [first.attempt.folder, second.attempt.folder]
    assert [len(item.pairs) for item in found] == [1, 2]


def test_sessions_are_grouped_by_the_machine_that_measured_them(maker):
    sessions = [maker.measure(1), maker.measure(1)]
    path = sessions[1].attempt.folder / "attempt.json"
    record = json.loads(path.read_text())
    record["machine"]["id"] = "f" * 16
    path.write_text(json.dumps(seal(record)))
    groups = group_by_machine(list_sessions([maker.folder], KEY))
    assert {machine: len(items) for machine, items in groups.items()} == {describe_machine()["id"]: 1, "f" * 16: 1}


def test_an_artifact_s_own_fault_is_a_complete_session_without_pairs(maker):
    session = maker.measure(2, right={"fail": "out_of_memory"})
    assert session.pairs == () and session.attempt.complete
    assert session.attempt.record["facts"]["failure"]["kind"] == "out_of_memory"


@pytest.mark.parametrize(
    ("device", "kind"),
    [({"interpreter": "/no/such/python"}, None), ({"board_contains": "no such board"}, "wrong_device")],
)
def test_a_session_that_cannot_begin_is_a_failed_attempt_and_one_line(maker, device, kind):
    with pytest.raises(UserError) as caught:
        maker.measure(1, **device)
    assert "\n" not in str(caught.value) and (kind or "/no/such/python: cannot be started") in str(caught.value)
    (attempt,) = list_attempts(maker.folder)
    assert not attempt.complete and (attempt.folder / "failure.json").is_file()
    assert list_sessions([maker.folder], KEY) == []


def test_ctrl_c_keeps_the_pairs_so_far(maker):
    def stop(pairs):
        if len(pairs) == 2:
            raise KeyboardInterrupt
        return True

    with pytest.raises(KeyboardInterrupt):
        maker.measure(9, goes_on=stop)
    (session,) = list_sessions([maker.folder], KEY)
    assert len(session.pairs) >= 2 and session.record["ended_by"] == "interrupted"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_whole_pairs_of_a_process_that_was_ended_count(tmp_path, maker, number):
    program = PROGRAM.format(conftest=str(REPOSITORY / "tests/unit/runs/conftest.py"))
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "scripts")}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, env=environment, cwd=tmp_path, preexec_fn=heed_signals, **pipes) as process:
        for line in process.stdout:
            if int(line) == 2:
                process.send_signal(number)
                break
        assert process.wait(30) != 0
    (session,) = list_sessions([maker.folder], KEY)
    assert len(session.pairs) >= 2 and session.attempt.complete
    assert not [path for path in (maker.folder / "attempts").iterdir() if path.name.endswith(".part")]
    again = maker.measure(1)  # the device is free, and the next attempt has the next number
    assert [item.attempt.number for item in list_sessions([maker.folder], KEY)] == [1, again.attempt.number]


def test_a_session_that_another_process_measures_is_waited_for(tmp_path, maker):
    """It may go on when the Snakemake that started it is gone: nobody measures the same pairs beside it."""
    program = PROGRAM.format(conftest=str(REPOSITORY / "tests/unit/runs/conftest.py")).replace(
        "measure(50", "measure(4"
    )
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "scripts")}
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "1\n"
        (session,) = list_sessions([maker.folder], KEY)
        assert len(session.pairs) == 4 and session.attempt.complete
        process.stdout.read()
        assert process.wait(30) == 0


def flip(path):
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def edit_json(path):
    path.write_text(path.read_text().replace('"seconds": ', '"seconds": 1', 1))


@pytest.mark.parametrize(
    ("name", "edit", "message"),
    [
        ("session/session.json", edit_json, r"session\.json: was changed since it was measured"),
        ("session/pair-000/pair.json", edit_json, r"pair\.json: was changed since it was measured"),
        ("session/pair-000/blocks.npy", flip, r"pair-000: the pair cannot be read \(blocks\.npy: sha256 differs"),
        ("session/pair-000/inputs.npy", flip, r"pair-000: the pair cannot be read \(inputs\.npy: sha256 differs"),
        ("session/pair-000/order.npy", flip, r"pair-000: the pair cannot be read \(order\.npy: sha256 differs"),
        ("session/pair-000/alone.npy", flip, r"pair-000: the pair cannot be read \(alone\.npy: sha256 differs"),
    ],
)
def test_an_edited_file_of_a_session_is_named_in_one_line(maker, name, edit, message):
    session = maker.measure(1)
    edit(session.attempt.folder / name)
    with pytest.raises(UserError, match=message) as caught:
        read_session(session.attempt)
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=rf"{name}: its sha256 is not the one in attempt.json; .*\(rm -r .*/0001-"):
        list_sessions([maker.folder], KEY)


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(b""), lambda path: path.unlink()])
def test_a_file_that_no_pair_is_computed_from_is_held_against_the_record_too(maker, damage):
    folder = maker.measure(1).attempt.folder
    damage(folder / "spec.json")
    with pytest.raises(UserError, match=r"spec\.json: .*attempt\.json.* remove this attempt \(rm -r"):
        list_sessions([maker.folder], KEY)
    shutil.rmtree(folder)
    assert list_sessions([maker.folder], KEY) == []


def test_a_copied_session_counts_once(maker):
    first, second = maker.measure(1), maker.measure(1)
    store = first.attempt.folder.parent
    shutil.copytree(first.attempt.folder, store / f"0003{first.attempt.folder.name[4:]}")
    shutil.copytree(maker.folder, maker.root / "d")
    found = list_sessions([maker.folder, maker.root / "d"], KEY)
    assert [item.attempt.folder for item in found] == [first.attempt.folder, second.attempt.folder]
    with pytest.raises(UserError, match=r"pairs\.json: counts .*0003-\w+ and .*0001-\w+, which are one attempt"):
        require_each_once([first, read_session_at(str(store / f"0003{first.attempt.folder.name[4:]}"))], "pairs.json")
    require_each_once(found, "pairs.json")


def test_a_number_of_a_pair_stands_once_in_a_sequence(maker):
    first, second, third = maker.measure(2), maker.measure(1, first_pair=2), maker.measure(1, first_pair=1)
    require_sequence([first, second])
    assert (find_next_pair([]), find_next_pair([first, second]), find_next_pair([second])) == (0, 3, 3)
    with pytest.raises(UserError, match=r"0003-\w+: has pair 1, and so has .*0001-\w+; .*rm -r .*0003-"):
        require_sequence([first, second, third])


@pytest.mark.parametrize("name", ["session/session.json", "session/pair-000/pair.json", "session/pair-000/blocks.npy"])
def test_a_file_that_is_gone_is_named_in_one_line(maker, name):
    (maker.measure(1).attempt.folder / name).unlink()
    with pytest.raises(UserError, match=r"is missing, and attempt\.json has its sha256") as caught:
        list_sessions([maker.folder], KEY)
    assert "\n" not in str(caught.value) and "attempts/" in str(caught.value)


@pytest.mark.parametrize("change", [{"status": "failed"}, {"facts": {}}, {"started_at": "2020-01-01T00:00:00Z"}])
def test_an_edited_record_of_an_attempt_is_named(maker, change):
    path = maker.measure(1).attempt.folder / "attempt.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(
        UserError, match=r"attempt\.json: (document_sha256 does not match|facts: key 'session' is missing)"
    ):
        list_sessions([maker.folder], KEY)


def test_raw_times_are_kept_as_the_agent_left_them(maker):
    session = maker.measure(1)
    times = np.load(session.attempt.folder / "session/pair-000/blocks.npy", allow_pickle=False)
    assert times.dtype == np.int64 and times.shape[:2] == (2, 10)


def test_a_session_that_stops_by_itself_gets_no_answer_and_is_whole(tmp_path, monkeypatch):
    """Its budget may be over before the answer is there: nothing is left in the pipe that fails when it is closed."""
    ended = tmp_path / "python"
    ended.write_text('#!/bin/sh\nexec 0<&-\necho \'{"event": "pair", "status": "ok", "folder": "pair-000"}\'\n')
    ended.chmod(0o755)
    monkeypatch.setattr(paired_sessions, "read_pair", lambda folder: folder)
    attempt, pairs = SimpleNamespace(folder=tmp_path), []
    assert paired_sessions._drive(attempt, str(ended), pairs, lambda _: True) == 0
    assert [path.name for path in pairs] == ["pair-000"]


def test_a_clock_that_was_set_back_changes_no_order(maker):
    first, second = maker.measure(1), maker.measure(1)
    for session, begun in ((first, 4), (second, 0)):  # as if the second had begun the sequence
        path = session.attempt.folder / "session/session.json"
        record = json.loads(path.read_text())
        record["pairs"][0]["pair"] = begun
        path.write_text(json.dumps(record))
        record = json.loads((session.attempt.folder / "attempt.json").read_text())
        record["facts"]["session"] = record["files"]["session/session.json"] = sha256_file(path)
        (session.attempt.folder / "attempt.json").write_text(json.dumps(seal(record)))
    found = list_sessions([maker.folder], KEY)
    assert [item.attempt.folder for item in found] == [second.attempt.folder, first.attempt.folder]
