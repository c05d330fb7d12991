"""What a sequence of pairs rests on: attempts that were copied, or removed, count as what they are."""

import json
import shutil

import pytest
from edgeproof.comparability import measured_pairs
from edgeproof.comparability.measured_pairs import read_sessions
from edgeproof.core.attempts import Attempt, list_attempts
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.seals import seal
from edgeproof.runs.pair_tables import write_table
from edgeproof.runs.paired_sessions import read_session

from .measurers import pairs_of


def test_a_copied_attempt_adds_no_pairs(measurer):
    """Two merged copies of a results folder made twelve pairs of six, and a verdict of none."""
    measurer.noise = 0.5
    first = measurer.measure(pairs=2, margin=0.0001)
    (attempt,) = list_attempts(measurer.room.folder)
    copy = attempt.folder.with_name(attempt.folder.name.replace("0001", "0002"))
    shutil.copytree(attempt.folder, copy)
    (measurer.room.folder / "pairs.json").unlink()
    assert measurer.measure(pairs=2, margin=0.0001)["sessions"] == first["sessions"]
    shutil.rmtree(attempt.folder)
    assert pairs_of(measurer.measure(pairs=2, margin=0.0001)) == [2]


def test_a_document_that_counts_an_attempt_twice_is_refuted(measurer):
    measurer.noise = 0.5
    measurer.measure(pairs=1, margin=0.0001)
    job = measurer.job(pairs=1)
    (attempt,) = list_attempts(measurer.room.folder)
    copy = attempt.folder.with_name(attempt.folder.name.replace("0001", "0002"))
    shutil.copytree(attempt.folder, copy)
    write_table(job.table, [read_session(Attempt(folder, attempt.record)) for folder in (attempt.folder, copy)])

    def count_twice(document):
        own = document["sessions"][0]
        document["sessions"].append({**own, "attempt": own["attempt"].replace("0001", "0002")})
        document["table_sha256"] = sha256_file(job.table)
        document.update(seal(document))

    measurer.room.edit(job.record, count_twice)
    with pytest.raises(UserError, match=r"pairs\.json: counts .*/0002-\w+ and .*/0001-\w+, which are one attempt"):
        read_sessions(job.record, job.table)


def test_a_sequence_goes_on_where_a_part_of_it_was_removed(measurer):
    """The numbers of its pairs go on, so that none stands there twice."""
    measurer.noise = 0.5
    for pairs in (1, 3):
        measurer.measure(pairs=pairs, margin=0.0001)
    shutil.rmtree(list_attempts(measurer.room.folder)[0].folder)
    assert pairs_of(measurer.measure(pairs=3, margin=0.0001)) == [2, 1]
    last = list_attempts(measurer.room.folder)[-1].folder
    assert json.loads((last / "spec.json").read_text())["first_pair"] == 3


def test_no_document_names_an_attempt_that_was_removed_meanwhile(measurer, monkeypatch):
    measurer.measure(pairs=1)
    (measurer.room.folder / "pairs.json").unlink()
    real = measured_pairs.list_sessions

    def list_and_remove(folders, key):
        found = real(folders, key)
        shutil.rmtree(found[0].attempt.folder)
        return found

    monkeypatch.setattr(measured_pairs, "list_sessions", list_and_remove)
    with pytest.raises(UserError, match=r"0001-.*: was removed while it was in use; run the workflow again"):
        measurer.measure(pairs=1)
    assert not (measurer.room.folder / "pairs.json").exists()
