"""Whose machine measured a session is asked where the result is read."""

import pytest
from edgeproof.runs.foreign_sessions import mark_foreign_sessions


def make_result(machine, elsewhere, transport="local"):
    sessions = [{"machine": {"id": machine}, "elsewhere": elsewhere}]
    return {"device": {"transport": transport}, "sessions": sessions, "elsewhere": elsewhere}


@pytest.mark.parametrize("said", [False, True])
@pytest.mark.parametrize(("here", "elsewhere"), [("a", False), ("b", True), (None, True)])
def test_the_machine_that_reads_decides(said, here, elsewhere):
    """Also of a result that another machine computed, and that came back to the one that measured."""
    marked = mark_foreign_sessions(make_result("a", said), here)
    assert marked["elsewhere"] is marked["sessions"][0]["elsewhere"] is elsewhere


@pytest.mark.parametrize("said", [False, True])
def test_of_an_unknown_machine_and_of_a_board_over_ssh_the_result_s_own_word_is_kept(said):
    for result in (make_result(None, said), make_result("a", said, "ssh")):
        assert mark_foreign_sessions(result, "b") == result
