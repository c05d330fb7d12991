"""Attempts of an earlier edition, whose records lack what today's code reads, are one line with the remedy."""

import json

import pytest
from edgeproof.agent.machine import describe_machine
from edgeproof.artifacts.agreement.parity_attempts import find_comparison
from edgeproof.artifacts.builds.kept_builds import find_kept_build
from edgeproof.core.attempts import find_attempts, list_attempts, open_attempt, read_record
from edgeproof.core.errors import UserError
from edgeproof.core.keys import compose_key
from edgeproof.core.seals import seal
from edgeproof.runs import paired_sessions, sessions
from edgeproof.workflow.kept_attempts import list_kept

pytestmark = [pytest.mark.workflow, pytest.mark.campaign]

# What reads the facts of each kind, given an attempt and the folder of its target.
READERS = {
    "session": lambda attempt, place: sessions.read_session(attempt).samples,
    "pairs": lambda attempt, place: (s := paired_sessions.read_session(attempt), s.state, s.provenance),
    "build": lambda attempt, place: find_kept_build(place / "manifest.json", attempt.record["key"]),
    "parity": lambda attempt, place: find_comparison(place / "parity.json", attempt.record["key"]),
}
STORES = {
    "session": "runs/digits-cnn/fake/local/fp32",
    "pairs": "comparability/fake/fake-fp32-vs-int8",
    "build": "artifacts/digits-cnn/fake/host/fp32",
    "parity": "artifacts/digits-cnn/fake/host/fp32",
}


def list_parts(record):
    """Yield the path of every key of a record and of its key, its machine and its facts."""
    for name, value in record.items():
        yield (name,)
        if name in ("key", "machine", "facts"):
            yield from ((name, inner) for inner in value)


def without(record, path):
    """Return a copy of a record without one key, sealed as an earlier edition would have done."""
    changed = json.loads(json.dumps(record))
    inner = changed
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    return seal(changed) if path != ("document_sha256",) else changed


@pytest.mark.parametrize("kind", READERS)
def test_a_record_that_lacks_a_key_is_one_line(built, tmp_path, kind):
    place = built.root / "results" / STORES[kind]
    found = next(item for item in list_attempts(place) if item.record["kind"] == kind)
    READERS[kind](found, place)
    target = built.copy(tmp_path / "edgeproof").root / "results" / STORES[kind]
    folder, refused = target / "attempts" / found.folder.name, []
    for path in list_parts(found.record):
        (folder / "attempt.json").write_text(json.dumps(without(found.record, path)))
        try:
            READERS[kind](next(item for item in list_attempts(target) if item.folder == folder), target)
        except UserError as error:
            refused.append(path)
            assert str(folder) in str(error) and "remove this attempt" in str(error) and "\n" not in str(error)
            with pytest.raises(UserError, match="remove this attempt"):
                find_attempts(target, found.record["key"])
    facts = {("facts", name) for name in found.record["facts"]} - {("facts", "worst_sample")}  # read if it is there
    assert {(name,) for name in found.record} | facts <= set(refused)
    (folder / "attempt.json").write_text(json.dumps(found.record))
    assert read_record(folder) == found.record
    assert list_kept(target.parents[len(STORES[kind].split("/"))])


@pytest.mark.parametrize("kind", ["download", "recipe", "cut-proof"])
def test_attempts_without_the_digest_of_their_file_are_refused_when_they_are_written(tmp_path, kind):
    """Their file is used only if it has the digest that the record says."""
    with (
        pytest.raises(UserError, match="'sha256' is missing"),
        open_attempt(tmp_path, kind, compose_key({"a": 1}), describe_machine()) as attempt,
    ):
        attempt.complete(status="ok")
