"""Sessions on a board: nothing is measured twice, whatever happens to the link, and nothing is left there."""

import json
from itertools import pairwise

import pytest
from edgeproof.agent.machine import describe_machine
from edgeproof.board_end.supervising import is_session_alive
from edgeproof.core.attempts import find_attempts, list_attempts
from edgeproof.core.errors import UserError
from edgeproof.remote import boards
from edgeproof.remote.boards import identify_device
from edgeproof.remote.known_boards import recall_board
from edgeproof.remote.ssh_link import LinkLost
from edgeproof.runs.paired_sessions import list_sessions, want_another_pair

from .conftest import KEY, set_up_board

SLOWER = pytest.mark.campaign


def failures_of(folder):
    failed = [attempt for attempt in list_attempts(folder) if not attempt.complete]
    return [json.loads((attempt.folder / "failure.json").read_text())["kind"] for attempt in failed]


def test_a_session_on_a_board_is_an_attempt_like_any_other(board):
    session = board.run()
    assert sorted(session.samples) == [0, 1] and session.machine == describe_machine()
    (attempt,) = list_attempts(board.root / "r")
    assert attempt.record["facts"]["board"]["host"] == "board.example" and "agent.log" not in attempt.record["files"]
    assert (attempt.folder / "agent.log").read_text().count("process") == 2
    assert board.list_sessions() == []


def test_the_key_does_not_say_how_the_board_is_reached(board):
    over_ssh = board.run()
    here = board.run(transport="local")
    assert here.attempt == over_ssh.attempt


def test_what_the_board_has_is_not_sent_again(board):
    board.run()
    sent = {path: path.stat().st_ino for path in board.list_files("files/*/*") + board.list_files("agents/*/*/*/*.py")}
    board.run(index=None)
    assert len(sent) > 20 and {path: path.stat().st_ino for path in sent} == sent


@pytest.mark.parametrize(
    "pattern", ["files/*/artifact.json", pytest.param("agents/*/edgeproof/agent/session.py", marks=SLOWER)]
)
def test_what_was_changed_on_the_board_is_sent_anew(board, pattern):
    board.run()
    (path,) = board.list_files(pattern)
    text = path.read_text()
    path.write_text("raise SystemExit(1)")
    board.run(index=None)
    assert path.read_text() == text


@SLOWER
def test_code_that_we_did_not_send_does_not_stay_beside_the_agent(board):
    board.run()
    (place,) = board.list_files("agents/*/edgeproof/agent")
    (place / "json.py").write_text("raise SystemExit(1)")
    board.run(index=None)
    assert not (place / "json.py").exists()


@pytest.fixture(scope="module")
def answered(tmp_path_factory):
    """How many bytes a board that has nothing of ours answers in a session of one process."""
    with pytest.MonkeyPatch.context() as patch:
        made = set_up_board(tmp_path_factory.mktemp("board"), patch)
        made.cut_after(1 << 30)
        made.run(processes=1)
        return made.count_answered()


# From the greeting to the last of the files that come back; after those, all is here.
@pytest.mark.parametrize(
    "share", [0.0, *(pytest.param(share, marks=SLOWER) for share in (0.02, 0.05, 0.1, 0.2, 0.35, 0.6, 0.8)), 0.5, 0.95]
)
def test_a_lost_link_leaves_no_result_and_nothing_is_measured_twice(board, answered, share):
    board.cut_after(int(share * answered))
    with pytest.raises(UserError, match=r"d \(board\.example\): (the link was lost|cannot be reached)"):
        board.run(processes=1)
    assert find_attempts(board.root / "r", KEY) == []
    session = board.run(processes=1)
    assert list(session.samples) == [0] and board.count_started() == 1
    assert set(failures_of(board.root / "r")) <= {"link_lost"}
    assert board.list_sessions() == []


def test_a_session_that_still_runs_is_followed(board, monkeypatch, capfd):
    hear = boards.SshLink.hear

    def lose(link):
        answer = hear(link)
        if "started" in answer:
            raise LinkLost("the link was lost")
        return answer

    with monkeypatch.context() as patch, pytest.raises(LinkLost):
        patch.setattr(boards.SshLink, "hear", lose)
        board.run(processes=3)
    board.run(processes=3)
    assert board.count_started() == 3
    assert "m/p/d/fp32: is still being measured on board.example" in capfd.readouterr().err


@SLOWER
def test_a_session_whose_attempt_is_kept_is_not_taken_again(board, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(boards.Board, "forget_session", lambda self: None)  # as if we were killed before
        first = board.run()
    assert len(board.list_sessions()) == 1
    second = board.run(index=1)
    assert second.record["started_at_unix_s"] > first.record["started_at_unix_s"] and board.list_sessions() == []


def test_pairs_are_asked_for_one_by_one(board):
    asked = []
    session = board.measure_pairs(9, lambda pairs: asked.append(len(pairs)) or len(pairs) < 3)
    assert asked == [1, 2, 3] and len(session.pairs) == 3 and session.record["ended_by"] == "caller"
    assert board.list_sessions() == []


@SLOWER
def test_pairs_that_are_wanted_in_any_case_need_no_answers(board):
    session = board.measure_pairs(3, want_another_pair)
    assert len(session.pairs) == 3 and session.record["ended_by"] == "budget"


def test_pairs_of_a_lost_link_are_taken_whole(board):
    def lose(pairs):
        if len(pairs) == 2:
            raise LinkLost("the link was lost")
        return True

    with pytest.raises(LinkLost):
        board.measure_pairs(9, lose)
    (failed,) = list_attempts(board.root / "c")
    assert not failed.complete and list_sessions([board.root / "c"], KEY) == []
    asked = []
    session = board.measure_pairs(9, lambda pairs: asked.append(len(pairs)) or len(pairs) < 4)
    assert len(session.pairs) == 4 and asked == [2, 3, 4]
    starts = [pair["pair"] for pair in session.record["pairs"]]
    assert starts == [0, 1, 2, 3] and all(a < b for a, b in pairwise(starts))
    assert board.list_sessions() == []


def test_an_interruption_ends_the_session_on_the_board_and_keeps_its_pairs(board):
    alive = []

    def stop(pairs):
        if len(pairs) == 2:
            alive.extend(board.list_sessions())
            raise KeyboardInterrupt
        return True

    with pytest.raises(KeyboardInterrupt):
        board.measure_pairs(9, stop)
    (session,) = list_sessions([board.root / "c"], KEY)
    assert len(session.pairs) == 2 and session.record["ended_by"] == "interrupted"
    assert len(alive) == 1 and not is_session_alive(str(alive[0])) and board.list_sessions() == []


def test_an_artifact_s_own_fault_is_a_verdict(board):
    board.arm["runtime"] = {"fail": "out_of_memory"}
    session = board.run(processes=2)
    assert [process["status"] for process in session.record["processes"]] == ["failed", "skipped"]


@pytest.mark.parametrize(
    ("device", "told"),
    [
        ({"board_contains": "no such board"}, "wrong_device"),
        ({"interpreter": "/no/such/python"}, "/no/such/python cannot be started there; name a Python as `interpreter`"),
        ({"folder": "/proc/nothing"}, "/proc/nothing"),
    ],
)
def test_what_is_wrong_with_a_board_is_one_line(board, device, told):
    with pytest.raises(UserError) as caught:
        board.run(**device)
    assert told in str(caught.value) and "\n" not in str(caught.value)
    assert board.count_started() == 0


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Host key verification failed.", "its host key is not in .*config/known_hosts; compare the fingerprint"),
        ("@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nno", "its host key is not in"),
        ("d@board.example: Permission denied (publickey).", "ssh may not log in .*ssh-copy-id board.example"),
        ("ssh: connect to host board.example port 22: Connection refused", "cannot be reached .*Connection refused"),
    ],
)
def test_what_ssh_says_is_told_with_a_remedy(board, said, told):
    board.refuse(said)
    with pytest.raises(UserError, match=told) as caught:
        board.run()
    assert "\n" not in str(caught.value) and list_attempts(board.root / "r") == []


def test_a_board_is_remembered_and_another_one_in_its_place_is_noticed(board, monkeypatch):
    device = board.device()
    assert identify_device(device) == "" and recall_board(device) is None
    here = describe_machine()["id"]
    assert identify_device(device, ask=True) == here and identify_device(device) == here
    (place,) = (board.root / "cache/edgeproof/boards").iterdir()
    place.write_text(json.dumps({"id": "f" * 16, "board": None, "cpu": None}))
    with pytest.raises(UserError, match="another board than it was"):
        board.run()
    board.refuse("ssh: connect to host board.example port 22: No route to host")
    assert identify_device(device, ask=True) == here  # the board may be switched off


def test_a_session_that_has_no_end_is_ended(board, monkeypatch):
    monkeypatch.setattr("edgeproof.runs.transports._SLACK_S", -1e9)
    with pytest.raises(UserError, match=r"had no end after .* s and was ended"):
        board.run(processes=50)
    assert board.list_sessions() == []
