"""What the doctor says of a device behind ssh, with a stand-in for ssh."""

from edgeproof.agent.machine import describe_machine
from edgeproof.doctor.link_findings import inspect_link

from ..remote.conftest import set_up_board


def test_a_board_that_answers_is_named(tmp_path, monkeypatch):
    board = set_up_board(tmp_path, monkeypatch)
    link, clock = inspect_link(board.device())
    assert (link.state, clock.state) == ("good", "good")
    assert "board.example answers" in link.text and describe_machine()["id"] in link.text


def test_a_board_that_does_not_answer_has_to_be_mended(tmp_path, monkeypatch):
    board = set_up_board(tmp_path, monkeypatch)
    board.refuse("Host key verification failed.")
    (link,) = inspect_link(board.device())
    assert link.state == "bad" and "its host key is not in" in link.text and "ssh-keyscan" in link.remedy
