"""A campaign that is interrupted at random moments and continued: the small edition of `make survival`."""

import shutil

import pytest
from edgeproof.bench.store_inspection import digest_kept, list_broken, list_lost, list_repeated
from edgeproof.bench.survival import CTRL_C, FULL, KILL
from edgeproof.bench.survival_report import report_survival
from edgeproof.core.attempts import open_attempt
from edgeproof.core.documents import validate
from edgeproof.core.keys import compose_key

pytestmark = pytest.mark.campaign
COUNTS = {KILL: 4, FULL: 2, CTRL_C: 2}


def test_nothing_measured_is_lost_or_measured_again_and_nothing_is_half_written(tmp_path):
    report = report_survival(tmp_path / "trial", COUNTS, demo=0, seed=7)
    validate(report, "bench-survival", "the report")
    rows = report["interruptions"]
    assert {kind: sum(row["kind"] == kind for row in rows) for kind in COUNTS} == COUNTS
    assert [row for row in rows if row["faults"]] == []
    revert = report["revert"]
    assert revert["failed"] and revert["removed_by_the_failure"] > 0
    assert (revert["changed"], revert["sessions"]) == ([], 0)
    assert report["met"]


def keep(results, target, key, text="raw"):
    machine = {"id": None, "board": None, "cpu": None}
    with open_attempt(results / target, "session", compose_key(key), machine) as attempt:
        (attempt.folder / "samples").write_text(text)
        return attempt.complete(samples={}, session="")


def test_the_inspection_sees_what_is_lost_changed_repeated_and_broken(tmp_path):
    results = tmp_path / "results"
    first, second = (keep(results, "runs/m/p/d/fp32", {"a": number}) for number in (1, 2))
    before = digest_kept(results)
    assert not [*list_lost(before, results), *list_repeated(results), *list_broken(results)]
    (first.folder / "samples").write_text("changed")
    shutil.rmtree(second.folder)
    assert [text.split(" ", 1)[1] for text in list_lost(before, results)] == ["was changed", "is gone"]
    keep(results, "runs/m/p/d/fp32", {"a": 1})
    assert len(list(list_repeated(results))) == 1 and not list(list_repeated(results, sessions=2))
    (results / "runs/m/p/d/fp32/result.json").write_text('{"schema": "edgeproof.result.v2", "half":')
    assert len(list(list_broken(results))) == 1
