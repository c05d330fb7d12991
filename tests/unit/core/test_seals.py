"""Seals of documents, digests of files that are evidence, and what an older document says."""

import json
import os

import pytest
from edgeproof.core import digest_cache
from edgeproof.core.attempts import check_files, open_attempt
from edgeproof.core.digest_cache import DigestCache, digest_kept
from edgeproof.core.documents import read_json, write_json
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_bytes
from edgeproof.core.keys import compose_key
from edgeproof.core.seals import SEAL, digest_json, is_sealed, render_sealed, seal

WANTED = {
    "schema": "edgeproof.wanted.v2",
    "campaign": {"campaign": "demo", "cells": [], "comparisons": [], "plans": []},
    "tolerate": [],
    "regressions": {},
    "noise": [],
    "keys": {"ä": {"code": "0"}},
}
MACHINE = {"id": "0" * 16, "board": None, "cpu": None}


def test_a_sealed_document_on_one_line_is_the_same_document():
    document = json.loads(render_sealed(WANTED))
    assert document == seal(WANTED) and is_sealed(document)
    assert document[SEAL] == digest_json(WANTED)


def test_a_document_is_sealed_when_written_and_checked_when_read(tmp_path):
    path = tmp_path / "wanted.json"
    write_json(path, WANTED, "wanted")
    assert read_json(path, "wanted") == seal(WANTED)
    path.write_text(path.read_text().replace('"demo"', '"other"'))
    message = f"{path}: document_sha256 does not match the rest of it; it was edited, remove it and run the workflow"
    with pytest.raises(UserError, match=message):
        read_json(path, "wanted")


def test_an_older_document_is_one_line_with_a_remedy(tmp_path):
    path = tmp_path / "wanted.json"
    path.write_text(json.dumps(WANTED | {"schema": "edgeproof.wanted.v1"}))
    with pytest.raises(
        UserError, match=r"schema is 'edgeproof.wanted.v1', which an earlier edgeproof wrote; remove it"
    ):
        read_json(path, "wanted")


def test_every_file_of_an_attempt_is_hashed_again_but_logs(tmp_path):
    with open_attempt(tmp_path, "session", compose_key({"a": 1}), MACHINE) as attempt:
        (attempt.folder / "drift.npy").write_bytes(b"drift")
        (attempt.folder / "agent.log").write_text("said")
        folder = attempt.complete(samples={}, session="").folder
    check_files(folder)
    (folder / "agent.log").write_text("said something else")
    check_files(folder)
    (folder / "drift.npy").write_bytes(b"other")
    with pytest.raises(UserError, match=f"{folder / 'drift.npy'}: its sha256 is not the one in attempt.json"):
        check_files(folder)
    (folder / "drift.npy").unlink()
    with pytest.raises(UserError, match=f"{folder / 'drift.npy'}: is missing"):
        check_files(folder)


def test_a_large_file_is_hashed_again_when_anything_about_it_changed(tmp_path, monkeypatch):
    cache = DigestCache("files", tmp_path / "cache")
    monkeypatch.setattr(digest_cache, "LARGE_FILE", 3)
    monkeypatch.setattr(digest_cache, "_SETTLED_NS", -(10**18))
    monkeypatch.setattr(digest_cache, "_files", lambda: cache)
    path = tmp_path / "artifact"
    path.write_bytes(b"before")
    status = path.stat()
    assert digest_kept(path) == sha256_bytes(b"before")
    assert str(path) in cache.known
    path.write_bytes(b"after!")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # the time of change tells, all the same
    assert digest_kept(path) == sha256_bytes(b"after!")


def test_a_file_that_is_gone_is_named(tmp_path):
    with pytest.raises(UserError, match=f"{tmp_path / 'artifact'}: there is no such file"):
        digest_kept(tmp_path / "artifact")
