"""On a node of a cluster an attempt is made on the node's own disk, and comes to the store whole."""

import errno
import os

import pytest
from edgeproof.core import node_scratch
from edgeproof.core.attempts import check_files, list_attempts, open_attempt
from edgeproof.core.keys import compose_key
from edgeproof.core.node_scratch import claim_scratch

KEY, MACHINE = compose_key({"what": 1}), {"id": "0123456789abcdef", "board": None, "cpu": "c"}


@pytest.fixture
def disk(tmp_path, monkeypatch):
    """The node's own disk; `results` beside it is the share."""
    (tmp_path / "disk").mkdir()
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "disk"))
    return tmp_path / "disk"


def test_elsewhere_attempts_are_made_in_the_store():
    assert claim_scratch({}) is None


@pytest.mark.parametrize("share", ["the same file system", "another file system"])
def test_an_attempt_comes_whole(disk, tmp_path, monkeypatch, share):
    target, rename = tmp_path / "results", os.rename

    def rename_within(source, destination):
        if share == "another file system" and str(source).startswith(str(disk)):
            raise OSError(errno.EXDEV, "cross-device link")
        rename(source, destination)

    monkeypatch.setattr(node_scratch.os, "rename", rename_within)
    for number in (1, 2):
        with open_attempt(target, "build", KEY, MACHINE) as attempt:
            assert disk in attempt.folder.parents and sorted((target / "attempts").iterdir()) == list_folders(target)
            (attempt.folder / "session").mkdir()
            (attempt.folder / "session/raw").write_text(f"raw {number}")
            attempt.complete(status="built")
    first, second = list_attempts(target)
    assert (first.number, second.number, second.complete) == (1, 2, True)
    assert (second.folder / "session/raw").read_text() == "raw 2"
    check_files(second.folder)
    assert sorted((target / "attempts").iterdir()) == list_folders(target) and leftovers(disk) == []


def list_folders(target):
    return [attempt.folder for attempt in list_attempts(target)]


def leftovers(disk):
    return [path for place in disk.iterdir() for path in place.iterdir()]


def test_one_that_fails_comes_too_and_says_why(disk, tmp_path):
    with pytest.raises(KeyboardInterrupt), open_attempt(tmp_path / "results", "build", KEY, MACHINE):
        raise KeyboardInterrupt
    (attempt,) = list_attempts(tmp_path / "results")
    assert not attempt.complete and "interrupted" in (attempt.folder / "failure.json").read_text()
    assert leftovers(disk) == []


def test_a_killed_job_leaves_nothing_in_the_store_and_the_next_one_cleans_up(disk, tmp_path):
    killed = claim_scratch()
    (killed / "raw").write_text("raw")
    dead = killed.rename(killed.with_name("4194999-x"))  # above the largest process id
    half = tmp_path / "results/attempts/.0001-aaaaaaaa.part.arriving"
    half.mkdir(parents=True)
    with open_attempt(tmp_path / "results", "build", KEY, MACHINE) as attempt:
        assert not dead.exists()
        attempt.complete(status="built")
    (kept,) = list_attempts(tmp_path / "results")
    assert kept.complete and not half.exists()
