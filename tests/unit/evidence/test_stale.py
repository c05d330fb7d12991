"""Stale evidence names the part of the key that changed, and the command that mends it."""

import pytest
from edgeproof.core.job_key import record_key
from edgeproof.core.job_options import JobKey
from edgeproof.evidence.stale import Stale, find_stale, name_remedy

PATH = "results/runs/m/result.json"
PARTS = {"arm": {"runtime": {"intra_op_threads": 0}}, "watch": {"code": "a" * 64}}


@pytest.fixture
def made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / PATH
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    record_key(JobKey(PARTS, PATH))
    return path


def test_what_follows_from_todays_key_is_not_stale(made):
    assert find_stale({"keys": {PATH: PARTS}}) == []


def test_a_changed_part_is_named_with_the_command(made):
    today = {**PARTS, "arm": {"runtime": {"intra_op_threads": 1}}}
    stale = find_stale({"keys": {PATH: today}})
    assert [str(item) for item in stale] == [f"{PATH}: arm.runtime.intra_op_threads: 0 → 1"]
    assert name_remedy(stale) == f"snakemake --profile local --forcerun {PATH}"


def test_many_differences_are_counted(made):
    (stale,) = find_stale({"keys": {PATH: {"a": 1, "b": 2, "c": 3}}})
    assert len(stale.reasons) == 4 and stale.reasons[-1] == "and 2 more"


def test_an_edited_or_missing_document_has_no_key(made):
    made.write_text('{"edited": true}')
    missing = "results/runs/other/result.json"
    assert [item.path for item in find_stale({"keys": {PATH: PARTS, missing: PARTS}})] == [PATH, missing]


def test_a_command_does_not_grow_with_the_campaign():
    many = [Stale(f"results/runs/{number}/result.json", ("why",)) for number in range(999)]
    named = "--forcerun results/runs/0/result.json results/runs/1/result.json"
    assert name_remedy(many[:2]) == f"snakemake --profile local {named}"
    assert name_remedy(many) == "snakemake --profile local --forceall"
