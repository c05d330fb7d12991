"""The store: attempts are whole or not there, found by key, never overwritten; what was killed is no result."""

import errno
import json
import multiprocessing
import os
import shutil
import signal
import threading

import pytest
from edgeproof.core import attempts
from edgeproof.core.attempts import (
    await_others,
    find_attempts,
    is_worked_on,
    list_attempts,
    list_damaged,
    open_attempt,
    read_record,
    sweep,
)
from edgeproof.core.errors import UserError
from edgeproof.core.files import keep_file
from edgeproof.core.keys import compose_key
from edgeproof.core.same_attempts import find_copies
from edgeproof.core.seals import seal

KEY, OTHER = compose_key({"threads": 1}), compose_key({"threads": 2})
RESCUED = {"samples": {}, "session": "what was there"}
HERE = {"id": "0" * 16, "board": "desk", "cpu": "a cpu"}


def make(folder, key=KEY, text="raw"):
    with open_attempt(folder, "session", key, HERE) as attempt:
        (attempt.folder / "samples").write_text(text)
        return attempt.complete(samples={}, session="raw")


def test_attempts_are_found_by_key_in_order_of_start(tmp_path):
    first, _, third = make(tmp_path), make(tmp_path, OTHER), make(tmp_path, text="more")
    assert [item.folder for item in find_attempts(tmp_path, KEY)] == [first.folder, third.folder]
    assert (first.number, third.number) == (1, 3) and first.record["facts"] == {"samples": {}, "session": "raw"}


def test_until_it_ends_there_is_no_attempt(tmp_path):
    with open_attempt(tmp_path, "session", KEY, HERE) as attempt:
        assert list_attempts(tmp_path) == []
        attempt.complete(samples={}, session="")
    assert len(list_attempts(tmp_path)) == 1


@pytest.mark.parametrize("error", [ValueError("no disk"), KeyboardInterrupt()])
def test_an_error_leaves_a_failed_attempt_that_says_why(tmp_path, error):
    with pytest.raises(type(error)), open_attempt(tmp_path, "session", KEY, HERE):
        raise error
    (failed,) = list_attempts(tmp_path)
    reason = json.loads((failed.folder / "failure.json").read_text())
    assert not failed.complete and find_attempts(tmp_path, KEY) == []
    assert reason["kind"] == ("interrupted" if isinstance(error, KeyboardInterrupt) else "error")


def test_an_attempt_left_open_failed(tmp_path):
    with open_attempt(tmp_path, "session", KEY, HERE):
        pass
    assert not list_attempts(tmp_path)[0].complete


def work_elsewhere(folder, begun, ended):
    with open_attempt(folder, "session", KEY, HERE) as attempt:
        begun.set()
        ended.wait()
        attempt.complete(samples={}, session="")


def test_what_another_process_works_on_is_waited_for(tmp_path):
    context = multiprocessing.get_context("spawn")
    begun, ended = context.Event(), context.Event()
    other = context.Process(target=work_elsewhere, args=[tmp_path, begun, ended])
    other.start()
    begun.wait()
    await_others(tmp_path, OTHER)  # another question
    waiting = threading.Thread(target=await_others, args=[tmp_path, KEY])
    waiting.start()
    waiting.join(0.3)
    assert waiting.is_alive() and find_attempts(tmp_path, KEY) == []
    ended.set()
    waiting.join(60)
    assert not waiting.is_alive() and len(find_attempts(tmp_path, KEY)) == 1
    other.join()


def test_what_a_killed_process_left_is_not_waited_for(tmp_path):
    context = multiprocessing.get_context("spawn")
    begun, ended = context.Event(), context.Event()
    other = context.Process(target=work_elsewhere, args=[tmp_path, begun, ended])
    other.start()
    begun.wait()
    other.kill()
    other.join()
    await_others(tmp_path, KEY)
    assert find_attempts(tmp_path, KEY) == [] and len(sweep(tmp_path)) == 1


@pytest.mark.parametrize("locks", [True, False])
def test_a_killed_process_that_nobody_has_asked_about_works_on_nothing(tmp_path, monkeypatch, locks):
    """Its id is still taken: a sweep left its attempt alone, and the next one found it after its pairs were measured
    again. Where folders cannot be held, the id is all there is.
    """
    context = multiprocessing.get_context("spawn")
    begun, ended = context.Event(), context.Event()
    other = context.Process(target=work_elsewhere, args=[tmp_path, begun, ended])
    other.start()
    begun.wait()
    os.kill(other.pid, signal.SIGKILL)
    os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)  # dead, and not asked
    os.kill(other.pid, 0)
    if not locks:
        monkeypatch.setattr(attempts, "is_held", lambda folder: os.stat(folder / "none"))
    assert len(sweep(tmp_path)) == (1 if locks else 0)
    other.join()
    assert len(sweep(tmp_path)) == (0 if locks else 1)


def test_a_sweep_waits_until_a_new_attempt_says_what_it_is(tmp_path, monkeypatch):
    """Two builds into one folder: the second swept away the first one's folder, which had no record yet."""
    make(tmp_path)
    write, sweeping = attempts.OpenAttempt._write, threading.Thread(target=sweep, args=[tmp_path])

    def write_while_another_sweeps(self):
        if not sweeping.ident:
            sweeping.start()
            sweeping.join(timeout=0.3)  # long enough to remove the folder, were it not held
        write(self)

    monkeypatch.setattr(attempts.OpenAttempt, "_write", write_while_another_sweeps)
    make(tmp_path)
    sweeping.join()
    assert [item.complete for item in list_attempts(tmp_path)] == [True, True]


def test_what_a_killed_process_left_becomes_a_failed_attempt(tmp_path):
    def work():
        with open_attempt(tmp_path, "session", KEY, HERE):
            os._exit(9)

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join()
    assert list_attempts(tmp_path) == []
    (swept,) = sweep(tmp_path)
    assert not swept.complete and (swept.folder / "failure.json").is_file() and find_attempts(tmp_path, KEY) == []
    assert make(tmp_path).number == 2


def test_what_counts_of_a_killed_process_is_rescued(tmp_path):
    def work():
        with open_attempt(tmp_path, "session", KEY, HERE) as attempt:
            (attempt.folder / "pair").write_text("whole")
            os._exit(9)

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join()
    (swept,) = sweep(tmp_path, lambda folder: RESCUED if (folder / "pair").exists() else None)
    assert [item.folder for item in find_attempts(tmp_path, KEY)] == [swept.folder]
    assert swept.record["facts"] == RESCUED and not (swept.folder / "failure.json").exists()


def test_what_counts_is_kept_when_an_error_ends_it(tmp_path):
    with (
        pytest.raises(ValueError),
        open_attempt(
            tmp_path, "session", KEY, HERE, lambda folder: RESCUED if (folder / "pair").exists() else None
        ) as a,
    ):
        (a.folder / "pair").write_text("whole")
        raise ValueError("the log cannot be closed")
    (found,) = find_attempts(tmp_path, KEY)
    assert found.record["facts"] == RESCUED


@pytest.mark.parametrize("rescue", [None, lambda folder: RESCUED])
def test_where_the_disk_is_full_the_next_sweep_ends_it(tmp_path, monkeypatch, rescue):
    def refuse(path, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    with monkeypatch.context() as full:
        full.setattr(attempts, "atomic_write", refuse)
        with (
            pytest.raises(ValueError, match="measured until then"),
            open_attempt(tmp_path, "session", KEY, HERE, rescue),
        ):
            raise ValueError("measured until then")
    assert list_attempts(tmp_path) == []
    (swept,) = sweep(tmp_path, rescue)
    assert swept.complete == (rescue is not None)


def test_a_folder_of_a_living_process_is_left_alone(tmp_path):
    with open_attempt(tmp_path, "session", KEY, HERE) as attempt:
        assert sweep(tmp_path) == [] and attempt.folder.is_dir()
        make(tmp_path, OTHER)
        attempt.complete(samples={}, session="")
    assert [item.number for item in list_attempts(tmp_path)] == [1, 2]


def test_an_edited_record_is_named(tmp_path):
    path = make(tmp_path).folder / "attempt.json"
    document = json.loads(path.read_text())
    document["machine"]["board"] = "another desk"
    path.write_text(json.dumps(document))
    with pytest.raises(UserError, match=r"attempt\.json: document_sha256 does not match"):
        find_attempts(tmp_path, KEY)


def test_a_kept_file_is_a_link_or_a_copy_and_replaces_in_one_step(tmp_path, monkeypatch):
    source, place = tmp_path / "source", tmp_path / "folder" / "place"
    source.write_text("artifact")
    keep_file(source, place)
    keep_file(source, place)
    assert place.samefile(source) and [path.name for path in place.parent.iterdir()] == ["place"]
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError("no links here")))
    place.unlink()
    keep_file(source, place)
    assert place.read_text() == "artifact" and not place.samefile(source)


def measure(folder, key=KEY, began="1"):
    with open_attempt(folder, "session", key, HERE) as attempt:
        (attempt.folder / "session").mkdir()
        (attempt.folder / "session/session.json").write_text(began)
        return attempt.complete(samples={}, session="raw")


def test_a_copy_counts_once_and_a_second_session_twice(tmp_path):
    first, second = measure(tmp_path), measure(tmp_path, began="2")
    measure(tmp_path, OTHER)
    store = first.folder.parent
    copy = shutil.copytree(first.folder, store / f"0009{first.folder.name[4:]}")
    assert [item.folder for item in find_attempts(tmp_path, KEY)] == [first.folder, second.folder]
    record = json.loads((copy / "attempt.json").read_text())
    (copy / "attempt.json").write_text(json.dumps(seal({**record, "started_at": "later", "pid": 1})))
    assert [item.folder for item in find_attempts(tmp_path, KEY)] == [first.folder, second.folder]  # swept twice
    shutil.rmtree(first.folder)
    assert [item.folder for item in find_attempts(tmp_path, KEY)] == [second.folder, copy]


def test_what_is_made_twice_with_equal_files_is_no_copy(tmp_path):
    records = []
    for _ in range(2):
        with open_attempt(tmp_path, "command", KEY, HERE) as attempt:
            (attempt.folder / "stdout").write_text("1 ms")
            records.append(attempt.complete())
    later = {**records[1].record, "started_at": "later"}
    assert find_copies([records[0], (records[1].folder, later)]) == {}
    assert find_copies([records[0], (records[1].folder, records[0].record)]) == {records[1].folder: records[0].folder}


@pytest.mark.parametrize("damage", [lambda path: None, lambda path: path.mkdir()])
def test_an_attempt_without_its_record_is_named_and_not_used(tmp_path, capsys, damage):
    broken, whole = make(tmp_path), make(tmp_path)
    (broken.folder / "attempt.json").unlink()
    damage(broken.folder / "attempt.json")
    for _ in range(2):
        assert [item.folder for item in find_attempts(tmp_path, KEY)] == [whole.folder]
    assert list_damaged(tmp_path) == [broken.folder]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{broken.folder} is not used: it has no attempt.json") and f"rm -r {broken.folder}" in line
    assert make(tmp_path).number == 3


def test_a_file_in_place_of_the_store_is_one_line(tmp_path):
    (tmp_path / "attempts").write_text("")
    with pytest.raises(
        UserError, match="attempts: is not a folder, or a file lies on the way to it; move that file away"
    ):
        make(tmp_path)
    assert find_attempts(tmp_path, KEY) == [] and list_damaged(tmp_path) == []


def test_the_remedy_of_a_record_that_cannot_be_read_works(tmp_path):
    folder = make(tmp_path).folder
    (folder / "attempt.json").write_text("{")
    with pytest.raises(UserError, match=f"remove this attempt \\(rm -r {folder}\\) and run the workflow again"):
        read_record(folder)
    shutil.rmtree(folder)
    with pytest.raises(
        UserError, match="this attempt is gone, and a document rests on it: run the workflow again"
    ) as e:
        read_record(folder)
    assert "rm -r" not in str(e.value)


def test_an_attempt_that_somebody_works_on_is_told_from_one_that_was_left(tmp_path):
    with open_attempt(tmp_path, "session", KEY, HERE) as attempt:
        assert is_worked_on(tmp_path)
        attempt.complete(samples={}, session="")
    assert not is_worked_on(tmp_path)
    (tmp_path / "attempts" / ".0007-00000000.part").mkdir()
    assert not is_worked_on(tmp_path) and not is_worked_on(tmp_path / "nothing")
