"""The key of a job: options of its script, and a record beside what it made that no edit survives."""

import json

import pytest
from edgeproof.core.errors import UserError
from edgeproof.core.job_key import place_of, read_key, record_key
from edgeproof.core.job_options import JobKey, take_key

PARTS = {"cell": {"model": "m"}, "varies": [], "task": "none", "sha256": None, "watch": {"code": "0" * 64}}


def test_parts_become_options_but_what_is_watched_or_null():
    argv, key = take_key(["--key", json.dumps(PARTS), "--made", "results/runs/r.json", "--source", "s"])
    assert argv == ["--source", "s", "--cell", '{"model": "m"}', "--varies", "[]", "--task", "none"]
    assert key == JobKey(PARTS, "results/runs/r.json")


def test_a_command_without_a_key_is_as_it_was():
    assert take_key(["--source", "s"]) == (["--source", "s"], None)


@pytest.mark.parametrize(
    ("made", "place"),
    [
        ("results/runs/a/result.json", "results/keys/runs/a/result.json.json"),
        ("/work space/results/runs/r.json", "/work space/results/keys/runs/r.json.json"),
    ],
)
def test_keys_have_a_place_of_their_own(made, place):
    assert str(place_of(made)) == place


def test_a_key_holds_for_the_file_that_the_job_made(tmp_path):
    made = tmp_path / "results" / "runs" / "result.json"
    made.parent.mkdir(parents=True)
    made.write_text("{}")
    record_key(JobKey(PARTS, str(made)))
    assert read_key(made) == PARTS
    made.write_text('{"edited": true}')
    assert read_key(made) is None
    made.unlink()
    assert read_key(made) is None


def test_a_key_that_was_edited_is_named(tmp_path):
    made = tmp_path / "results" / "result.json"
    made.parent.mkdir(parents=True)
    made.write_text("{}")
    record_key(JobKey(PARTS, str(made)))
    place = place_of(made)
    place.write_text(place.read_text().replace('"none"', '"some"'))
    with pytest.raises(
        UserError, match=f"{place}: document_sha256 does not match the rest of it; it was edited, remove"
    ):
        read_key(made)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"sha256": 1}'])
def test_what_is_no_key_is_named(tmp_path, text):
    made = tmp_path / "results" / "result.json"
    made.parent.mkdir(parents=True)
    made.write_text("{}")
    place_of(made).parent.mkdir(parents=True)
    place_of(made).write_text(text)
    with pytest.raises(UserError, match=str(place_of(made))):
        read_key(made)


@pytest.mark.parametrize("made", ["results/runs/keys/r.json", "results/runs/a/result.json"])
def test_its_remedy_makes_the_document_again(tmp_path, monkeypatch, made):
    monkeypatch.chdir(tmp_path)
    place_of(made).parent.mkdir(parents=True)
    place_of(made).write_text("{")
    with pytest.raises(UserError, match=f"not valid JSON .*; remove it, and add .*: --forcerun {made}$"):
        read_key(made)


def test_nothing_is_written_where_nothing_was_made(tmp_path):
    record_key(JobKey(PARTS, str(tmp_path / "results" / "result.json")))
    assert list(tmp_path.rglob("*.json")) == []
