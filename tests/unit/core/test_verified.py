"""What was recomputed once is recomputed again when a byte of what it rests on, or our code, has changed; only then."""

import json
import os

import pytest
from edgeproof.core import verified
from edgeproof.core.errors import UserError
from edgeproof.core.reader import current_reader, read_once, reading_once
from edgeproof.core.verified import ignore_verified, verified_once

DONE = []


@read_once
def read_part(path):
    return current_reader().read(path)


@verified_once("anything")
def read_whole(path):
    """Return a document that follows from `part` beside it."""
    document = json.loads(current_reader().read(path))
    DONE.append(str(path))
    if document["part"] != read_part(path.parent / "part").decode():
        raise UserError(f"{path}: part differs")
    return document


@pytest.fixture
def whole(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(verified, "read_json", lambda path, kind: json.loads(current_reader().read(path)))
    DONE.clear()
    (tmp_path / "part").write_text("a")
    path = tmp_path / "whole.json"
    path.write_text('{"part": "a"}')
    return path


def read_in_a_new_process(path):
    with reading_once():
        return read_whole(path)


def test_a_second_process_parses_and_does_not_recompute(whole):
    assert read_in_a_new_process(whole) == read_in_a_new_process(whole) == {"part": "a"}
    assert len(DONE) == 1


@pytest.mark.parametrize("name", ["part", "whole.json"])
def test_a_change_of_what_was_read_is_found(whole, name):
    read_in_a_new_process(whole)
    path = whole.parent / name
    status = path.stat()
    path.write_bytes(path.read_bytes().replace(b"a", b"b").replace(b"pbrt", b"part"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # an edit that hides its date
    with pytest.raises(UserError, match="part differs"):
        read_in_a_new_process(whole)


def test_what_another_reader_has_read_before_counts_as_well(whole):
    with reading_once():
        read_part(whole.parent / "part")
        read_whole(whole)
    (whole.parent / "part").write_text("b")
    with pytest.raises(UserError, match="part differs"):
        read_in_a_new_process(whole)


def test_other_code_recomputes(whole, monkeypatch):
    read_in_a_new_process(whole)
    monkeypatch.setattr(verified, "_stamp_code", lambda: "other code")
    read_in_a_new_process(whole)
    assert len(DONE) == 2


def test_an_error_is_not_kept(whole):
    (whole.parent / "part").write_text("b")
    for _ in range(2):
        with pytest.raises(UserError, match="part differs"):
            read_in_a_new_process(whole)
    assert len(DONE) == 2


def test_who_recomputes_all_does_so_and_outside_of_a_block_nothing_is_noted(whole):
    read_whole(whole)
    assert not (whole.parent / ".edgeproof").exists()
    for _ in range(2):
        read_in_a_new_process(whole)
    with ignore_verified():
        read_in_a_new_process(whole)
    assert len(DONE) == 3


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"code": 1, "files": 2}', '{"code": "x", "fi'])
def test_a_damaged_note_is_none(whole, text):
    read_in_a_new_process(whole)
    (note,) = (whole.parent / ".edgeproof" / "verified").iterdir()
    note.write_text(text)
    assert read_in_a_new_process(whole) == {"part": "a"} and len(DONE) == 2


def test_where_nothing_can_be_written_everything_is_recomputed(whole):
    (whole.parent / ".edgeproof").write_text("a file")
    for _ in range(2):
        assert read_in_a_new_process(whole) == {"part": "a"}
    assert len(DONE) == 2


def test_the_stamp_of_our_code_changes_with_a_module(tmp_path, monkeypatch):
    module = tmp_path / "scripts" / "edgeproof" / "a.py"
    module.parent.mkdir(parents=True)
    monkeypatch.setattr(verified, "REPOSITORY", tmp_path)
    monkeypatch.setattr(verified, "SCHEMAS", tmp_path / "schemas")
    stamps = set()
    for text in ("a", "ab"):
        module.write_text(text)
        stamps.add(verified._stamp_code.__wrapped__())
    assert len(stamps) == 2
