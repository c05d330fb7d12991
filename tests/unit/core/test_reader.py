"""One reader opens each file once, and answers from what it has read; outside a block each call reads again."""

import os
import sys

import pytest
from edgeproof.core import reader
from edgeproof.core.documents import read_json, read_text
from edgeproof.core.errors import UserError
from edgeproof.core.files import read_head, sha256_bytes, sha256_file
from edgeproof.core.reader import current_reader, read_once, reading_once
from edgeproof.core.tensors import read_tensors


@read_once
def read_words(path):
    """Return the words of a file."""
    return current_reader().read(path).split()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("two words")
    return path


def test_digest_and_bytes_take_one_open_in_either_order(file, opened):
    with reading_once(), opened() as names:
        assert sha256_file(file) == sha256_bytes(b"two words")
        assert current_reader().read(file) == b"two words"
        assert sha256_file(str(file)) == sha256_bytes(b"two words")
    assert names == [str(file)]
    with reading_once(), opened() as names:
        assert current_reader().read(file) == b"two words"
        assert sha256_file(file) == sha256_bytes(b"two words")
    assert names == [str(file)]


def test_digest_is_remembered_after_the_bytes_are_gone(tmp_path, file, opened, monkeypatch):
    monkeypatch.setattr(reader, "RECENT_BYTES", 20)
    with reading_once(), opened() as names:
        sha256_file(file)
        for number in range(3):
            (tmp_path / f"{number}").write_text("x" * 9)
            sha256_file(tmp_path / f"{number}")
        sha256_file(file)
        assert names.count(str(file)) == 1
        current_reader().read(file)
        assert names.count(str(file)) == 2


def test_large_file_is_hashed_and_not_kept(file, monkeypatch, opened):
    monkeypatch.setattr(reader, "LARGE_FILE", 3)
    with reading_once(), opened() as names:
        assert sha256_file(file) == sha256_file(file) == sha256_bytes(b"two words")
        assert names == [str(file)]
        current_reader().read(file)
    assert names == [str(file)] * 2


def test_answer_is_the_same_object_inside_and_fresh_outside(file):
    with reading_once():
        first = read_words(file)
        file.write_text("changed")
        assert read_words(str(file)) is first
        with reading_once():
            assert read_words(file) is first
    assert read_words(file) == [b"changed"]
    with reading_once():
        assert read_words(path=file) == [b"changed"]


def test_kinds_of_a_document_are_told_apart(tmp_path):
    path = tmp_path / "document.json"
    path.write_text("{}")
    with reading_once():
        for kind in ("result", "parity"):
            with pytest.raises(UserError, match="schema"):
                read_json(path, kind)


def test_error_is_raised_each_time_and_not_kept(tmp_path):
    path = tmp_path / "late"
    with reading_once():
        for read in (read_words, sha256_file, read_words):
            with pytest.raises(UserError, match="late: there is no such file"):
                read(path)
        path.write_text("here")
        assert read_words(path) == [b"here"]


def test_block_ends_with_an_error(file):
    with pytest.raises(ZeroDivisionError), reading_once():
        read_words(file)
        raise ZeroDivisionError
    file.write_text("changed")
    assert read_words(file) == [b"changed"]


def test_nothing_outside_a_block_is_kept(file):
    digest = sha256_file(file)
    file.write_text("two wordz")
    assert sha256_file(file) != digest
    assert sys.getrefcount(read_words(file)) <= 2


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    """Opening it would wait for a writer, and reading a device may never end."""
    os.mkfifo(tmp_path / "pipe")
    for read in (sha256_file, lambda path: read_head(path, 4), read_tensors, read_text, read_words):
        with pytest.raises(UserError, match="pipe: is a pipe; write its content to a file first"):
            read(tmp_path / "pipe")
        with pytest.raises(UserError, match="is a device"):
            read("/dev/zero")
