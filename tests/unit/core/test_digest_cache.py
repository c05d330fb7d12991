"""Facts about files are remembered until the file changes, and never believed of another file."""

import json
import os

import pytest
from edgeproof.core.digest_cache import DigestCache


@pytest.fixture
def old_file(tmp_path):
    """A file that was last changed long ago, as far as its modification time says."""
    path = tmp_path / "file"
    path.write_text("one")
    os.utime(path, (1_000_000_000, 1_000_000_000))
    return path


@pytest.fixture
def asked(monkeypatch):
    """A function that counts how often it was asked, in a world where nothing changed just now."""
    monkeypatch.setattr("edgeproof.core.digest_cache._SETTLED_NS", -1)
    calls = []
    return calls, lambda path: (calls.append(path), path.read_text())[1]


def test_a_fact_is_computed_once_also_across_processes(tmp_path, old_file, asked):
    calls, read = asked
    cache = DigestCache("facts", tmp_path)
    assert cache.ask(old_file, read) == cache.ask(old_file, read) == "one" and len(calls) == 1
    cache.save()
    assert DigestCache("facts", tmp_path).ask(old_file, read) == "one" and len(calls) == 1


def test_a_change_is_seen_also_with_an_older_time_and_the_same_size(tmp_path, old_file, asked):
    _, read = asked
    cache = DigestCache("facts", tmp_path)
    cache.ask(old_file, read)
    old_file.write_text("two")
    os.utime(old_file, (1_000_000_000, 1_000_000_000))
    assert cache.ask(old_file, read) == "two"


def test_what_changed_just_now_is_not_remembered(tmp_path, old_file):
    cache, calls = DigestCache("facts", tmp_path), []
    for _ in range(2):
        cache.ask(old_file, lambda path: calls.append(path))
    assert len(calls) == 2


def test_a_broken_cache_costs_time_only(tmp_path, old_file, asked):
    _, read = asked
    (tmp_path / "facts.json").write_text("{")
    assert DigestCache("facts", tmp_path).ask(old_file, read) == "one"


@pytest.mark.parametrize(
    "broken", ["5", "[]", "5, 5", "[[], {}]", '"text"', "null", "{}", "[STAMP]", "[STAMP, 5]", "[STAMP, [1]]"]
)
def test_an_entry_of_another_shape_is_thrown_away(tmp_path, old_file, asked, broken):
    status = os.stat(old_file)
    stamp = json.dumps([status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns])
    (tmp_path / "facts.json").write_text(f'{{"{old_file}": {broken.replace("STAMP", stamp)}}}')
    cache = DigestCache("facts", tmp_path, is_sound=lambda value: isinstance(value, str))
    assert cache.ask(old_file, asked[1]) == "one"
    cache.save()
    assert DigestCache("facts", tmp_path).ask(old_file, asked[1]) == "one"
