"""Work that is shared by processes: all of it is done, the first mistake is the one told, nobody is left behind."""

import multiprocessing
import os
import signal
import sys
from pathlib import Path

import pytest
from edgeproof.core import shares
from edgeproof.core.errors import UserError
from edgeproof.core.shares import share_work, sharing, working_beside

ITEMS = list(range(2 * shares.FEWEST))


@pytest.fixture
def noted(tmp_path):
    """A function that notes which process had an item, and one that reads the notes."""

    def note(item):
        (tmp_path / str(item)).write_text(str(os.getpid()))

    return note, lambda: {int(path.name): int(path.read_text()) for path in tmp_path.iterdir()}


def fail_at(*numbers):
    def work(item):
        if item in numbers:
            raise UserError(f"item {item} is wrong")

    return work


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_every_item_is_done_once_by_as_many_processes_as_were_given(threads, noted):
    note, read = noted
    with sharing(threads):
        share_work(note, ITEMS)
    assert sorted(read()) == ITEMS and len(set(read().values())) == threads and os.getpid() in read().values()


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_work_beside_the_block_is_done_when_the_block_ends(threads, noted):
    note, read = noted
    with sharing(threads), working_beside(note, ITEMS):
        pass
    assert sorted(read()) == ITEMS and (os.getpid() in read().values()) == (threads == 1)


def test_little_work_and_work_outside_of_a_block_starts_no_process(noted):
    note, read = noted
    share_work(note, ITEMS)
    assert {*read().values()} == {os.getpid()}
    with sharing(4):
        share_work(note, ITEMS[: shares.FEWEST])
    assert {*read().values()} == {os.getpid()}


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_first_mistake_is_told(threads):
    work = fail_at(41, 40, 77)
    with pytest.raises(UserError, match="item 40 is wrong"), sharing(threads), working_beside(work, ITEMS):
        pass
    assert multiprocessing.active_children() == []


def test_an_error_of_the_block_comes_first_and_ends_the_others(tmp_path):
    read, write = os.pipe()

    def wait(item):
        os.read(read, 1)  # until it is stopped

    with pytest.raises(KeyError), sharing(2), working_beside(wait, ITEMS):
        raise KeyError
    assert multiprocessing.active_children() == []
    os.close(read)
    os.close(write)


def test_a_process_that_is_ended_while_it_begins_ends():
    """Python forgets a signal that reaches a fork before it is set up; the first one then waited for ever."""
    read, write = os.pipe()
    handler = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(9))  # as our programs have one
    try:
        for _ in range(150):
            with pytest.raises(KeyError), sharing(2), working_beside(lambda item: os.read(read, 1), ITEMS):
                raise KeyError
    finally:
        signal.signal(signal.SIGTERM, handler)
        os.close(read)
        os.close(write)
    assert multiprocessing.active_children() == []


def test_a_stopped_process_leaves_nothing_half_written(tmp_path):
    started = tmp_path / "started"
    os.mkfifo(started)

    def work(item):
        path = tmp_path / "page.part"
        path.write_text("half")
        try:
            started.write_text("now")
            os.read(os.pipe()[0], 1)
        finally:
            path.unlink()

    with pytest.raises(KeyError), sharing(2), working_beside(work, ITEMS):
        started.read_text()
        raise KeyError
    assert [path.name for path in Path(tmp_path).iterdir()] == ["started"]


def test_a_fault_of_ours_is_no_mistake_of_the_user(capfd):
    with pytest.raises(RuntimeError, match="exit code 1"), sharing(2), working_beside(lambda item: 1 / 0, ITEMS):
        pass
    assert "ZeroDivisionError" in capfd.readouterr().err
