"""Turns: jobs of two campaigns that want the same attempts work one after the other."""

import multiprocessing

import pytest
from edgeproof.core import turns
from edgeproof.core.attempts import find_attempts, open_attempt
from edgeproof.core.errors import UserError
from edgeproof.core.keys import compose_key
from edgeproof.core.turns import list_turns, take_turn

KEY, OTHER = compose_key({"a": 1}), compose_key({"a": 2})
HERE = {"id": "1" * 16, "board": None, "cpu": None}
SPAWN = multiprocessing.get_context("spawn")


def make_what_is_missing(folder, ready):
    ready.wait()
    for _ in range(5):
        with take_turn(folder, KEY):
            if not find_attempts(folder, KEY):
                with open_attempt(folder, "session", KEY, HERE) as attempt:
                    attempt.complete(samples={}, session="")


def hold(folder, begun):
    with take_turn(folder, KEY):
        begun.set()
        SPAWN.Event().wait()


def test_of_many_processes_one_makes_what_is_missing(tmp_path):
    ready = SPAWN.Barrier(4)
    processes = [SPAWN.Process(target=make_what_is_missing, args=[tmp_path, ready]) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert len(find_attempts(tmp_path, KEY)) == 1 and not list(tmp_path.glob(".*.turn"))


def test_the_turn_of_a_killed_process_is_over_and_another_key_waits_for_nobody(tmp_path, monkeypatch, capsys):
    begun = SPAWN.Event()
    other = SPAWN.Process(target=hold, args=[tmp_path, begun])
    other.start()
    begun.wait()
    with take_turn(tmp_path, OTHER):
        assert capsys.readouterr().err == ""
    real = turns.fcntl.flock

    def end_the_other(handle, how):
        if how == turns.fcntl.LOCK_EX:  # it waits now
            other.kill()
        real(handle, how)

    monkeypatch.setattr(turns.fcntl, "flock", end_the_other)
    with take_turn(tmp_path, KEY):
        assert "another run works on the same" in capsys.readouterr().err
    other.join()


def test_where_files_cannot_be_locked_nobody_waits(tmp_path, monkeypatch):
    def refuse(handle, how):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(turns.fcntl, "flock", refuse)
    with take_turn(tmp_path / "new", KEY):
        assert list((tmp_path / "new").iterdir())


def test_an_error_ends_a_turn(tmp_path):
    with pytest.raises(ValueError), take_turn(tmp_path, KEY):
        raise ValueError
    with take_turn(tmp_path, KEY):
        pass
    assert not list(tmp_path.iterdir())


def test_turns_that_last_are_listed_and_those_of_the_dead_are_not(tmp_path):
    with take_turn(tmp_path, KEY):
        assert list_turns(tmp_path) == [KEY["sha256"][:8]]
    (tmp_path / ".00000000.turn").write_text("")
    assert list_turns(tmp_path) == [] and list_turns(tmp_path / "nothing") == []


def test_a_folder_in_place_of_a_turn_is_one_line(tmp_path):
    mark = tmp_path / f".{KEY['sha256'][:8]}.turn"
    mark.mkdir()
    with (
        pytest.raises(UserError, match="turn: is a folder, and turns need a file there; remove it"),
        take_turn(tmp_path, KEY),
    ):
        pass
    assert list_turns(tmp_path) == []
