"""The store of attempts as verbs show it: sizes, users, and what may be removed."""

import datetime
import json

import pytest
from edgeproof.__main__ import main
from edgeproof.core.attempts import list_attempts, open_attempt
from edgeproof.core.errors import UserError
from edgeproof.core.keys import compose_key
from edgeproof.workflow.kept_attempts import choose_prunable, list_kept
from edgeproof.workflow.made_names import list_stores

MACHINE = {"id": None, "board": "desk", "cpu": None}
NOW = datetime.datetime.now(datetime.UTC)
TARGETS = (
    "runs/m/p/d/fp32",
    "comparability/demo/a-b",
    "comparability/other/a-b",
    "calibration/m/p/d/fp32/quick",
    "plans/pipe",
    "plans/pipe/balanced",
    "artifacts/m/p/d/int8",
)
# Every document that may rest on an attempt, by where its attempt is: the place of the name in it does not matter.
DOCUMENTS = {
    "runs/m/p/d/fp32/result.json": lambda path: {"sessions": [{"attempt": path}]},
    "comparability/demo/a-b/pairs.json": lambda path: {"sessions": [{"attempt": path}]},
    "comparability/other/a-b/report.json": lambda path: {"sessions": [path]},
    "calibration/m/p/d/fp32/quick/noise.json": lambda path: {"sessions": [{"attempt": path}]},
    "plans/pipe/links.json": lambda path: {"deep": {"deeper": [{"attempt": path}]}},
    "plans/pipe/balanced/check.json": lambda path: {"attempt": f"/elsewhere/{path}"},
    "artifacts/m/p/d/int8/manifest.json": lambda path: {"attempt": path},
}


def write_attempt(root, target, parts=None, failed=False):
    """Write an attempt of 1,000 bytes and return its path relative to the root."""
    try:
        with open_attempt(root / "results" / target, "session", compose_key(parts or {"a": 1}), MACHINE) as attempt:
            (attempt.folder / "raw.npy").write_bytes(b"x" * 1000)
            if failed:
                raise UserError("no verdict")
            closed = attempt.complete(samples={}, session="")
    except UserError:
        closed = list_attempts(root / "results" / target)[-1]
    return str(closed.folder.relative_to(root))


def write_document(root, name, content):
    path = root / "results" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def prune(root, *options):
    assert main(["attempts", "prune", *options], root) == 0
    return {str(item.attempt.folder.relative_to(root)) for item in list_kept(root)}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_an_attempt_that_a_document_names_is_never_removed(root, name):
    target = name.rsplit("/", 1)[0]
    used = write_attempt(root, target)
    spare = write_attempt(root, target, {"a": 2})
    write_document(root, name, DOCUMENTS[name](used))
    assert prune(root) == {used, spare}  # without --yes nothing goes
    assert prune(root, "--yes") == {used}
    assert prune(root, "--yes", "--failed", "--older-than", "0") == {used}


@pytest.mark.parametrize("name", ["model.onnx", "manifest.json"])
def test_an_attempt_whose_file_is_in_its_place_is_never_removed(root, name):
    """Manifests and models name no attempt: theirs is the one that has the same file."""
    place = root / "results/artifacts/m/p/d/int8"
    old, new = write_attempt(root, "artifacts/m/p/d/int8"), write_attempt(root, "artifacts/m/p/d/int8", {"a": 2})
    (place / "other.json").write_text("{}")
    for attempt, text in ((old, '{"a": 1}'), (new, '{"a": 2}')):
        (root / attempt / name).write_text(text)
    (place / name).write_text('{"a": 2}')
    assert prune(root, "--yes") == {new}


def test_a_document_elsewhere_keeps_an_attempt(root):
    """A campaign's evidence rests on attempts of runs and of other campaigns."""
    attempts = [write_attempt(root, target) for target in TARGETS]
    for target in TARGETS:
        write_document(root, f"{target}/document.json", {})
    write_document(root, "evidence/demo/report.md", " ".join(f"`{path}`" for path in attempts))
    assert prune(root, "--yes") == set(attempts)
    (root / "results/evidence/demo/report.md").write_text("nothing")
    assert prune(root, "--yes") == set()


def test_an_attempt_whose_document_is_lost_waits_for_the_next_run(root):
    good = write_attempt(root, "runs/m/p/d/fp32")
    bad = write_attempt(root, "runs/m/p/d/fp32", failed=True)
    (item,) = [item for item in list_kept(root) if item.waits]
    assert str(item.attempt.folder.relative_to(root)) == good
    assert prune(root, "--yes") == {good} and not (root / bad).exists()


def test_what_is_removed_can_be_narrowed(root):
    good, bad = (write_attempt(root, "runs/m/p/d/fp32", failed=failed) for failed in (False, True))
    other = write_attempt(root, "runs/m/p/d/int8")
    for name in ("fp32", "int8"):
        write_document(root, f"runs/m/p/d/{name}/result.json", {})
    later = NOW + datetime.timedelta(days=8)
    names = lambda chosen: {str(item.attempt.folder.relative_to(root)) for item in chosen}  # noqa: E731
    assert names(choose_prunable(list_kept(root), None, False, NOW)) == {good, bad, other}
    assert names(choose_prunable(list_kept(root), None, True, NOW)) == {bad}
    assert names(choose_prunable(list_kept(root), 7, False, NOW)) == set()
    assert names(choose_prunable(list_kept(root), 7, False, later)) == {good, bad, other}
    assert prune(root, "m/p/d/int8", "--yes") == {good, bad}
    assert list_stores(root) == ["runs/m/p/d/fp32", "runs/m/p/d/int8"]


def test_list_says_what_an_attempt_is(root, capsys):
    used = write_attempt(root, "runs/m/p/d/fp32")
    write_attempt(root, "runs/m/p/d/fp32", {"a": 2}, failed=True)
    write_document(root, "runs/m/p/d/fp32/result.json", {"attempt": used})
    assert main(["attempts", "list", "runs/m", "--json"], root) == 0
    first, second = json.loads(capsys.readouterr().out)["attempts"]
    assert first["attempt"] == used and first["used_by"] == ["results/runs/m/p/d/fp32/result.json"]
    assert first["bytes"] > 1000 and first["status"] == "complete" and first["machine"] == MACHINE
    assert second["status"] == "failed" and second["used_by"] == [] and second["key"] != first["key"]
    assert main(["attempts", "list"], root) == 0
    text = capsys.readouterr().out
    assert "not used" in text and "2 attempts" in text and "desk" in text


def test_a_target_that_is_not_there_is_one_line(root):
    write_attempt(root, "runs/m/p/d/fp32")
    with pytest.raises(UserError, match=r"runs/m/p/d/fp31: there is no .*did you mean 'runs/m/p/d/fp32'"):
        main(["attempts", "list", "runs/m/p/d/fp31"], root)


def test_an_attempt_of_an_earlier_edition_is_listed_and_may_go(root, capsys):
    """The list does not end at it: it is what tells how much room it takes."""
    good, old = (write_attempt(root, f"runs/m/p/d/{name}") for name in ("fp32", "int8"))
    write_document(root, "runs/m/p/d/fp32/result.json", {"attempt": good})
    record = root / old / "attempt.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "schema": "edgeproof.attempt.v0"}))
    write_document(root, "runs/m/p/d/int8/result.json", {})
    assert main(["attempts", "list", "--json"], root) == 0
    found = {item["attempt"]: item["status"] for item in json.loads(capsys.readouterr().out)["attempts"]}
    assert found == {good: "complete", old: "unreadable"}
    assert prune(root, "--yes") == {good}


@pytest.mark.parametrize("damage", ["{", '{"attempt": 1, "document_sha256": "0"}', "[]"])
def test_an_attempt_beside_a_damaged_document_waits(root, damage):
    """What the document rested on cannot be read in it, so nothing beside it may go."""
    only = write_attempt(root, "runs/m/p/d/fp32")
    (root / "results/runs/m/p/d/fp32/result.json").write_text(damage)
    assert prune(root, "--yes") == {only}


def test_nothing_outside_results_is_removed(tmp_path, capsys):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for root in (ours, theirs):
        path = write_attempt(root, "runs/m/p/d/fp32")
        write_document(root, "runs/m/p/d/fp32/other.json", {})
    for target in (str(theirs / "results"), str(theirs / "results/runs/m/p/d/fp32/other.json"), "../../theirs/results"):
        with pytest.raises(UserError, match="no such folder or document below results/"):
            main(["attempts", "prune", "--yes", target], ours)
    assert (theirs / path).is_dir() and (ours / path).is_dir()
    assert prune(ours, "--yes", str(ours / "results/runs")) == set()


def test_documents_on_another_disk_keep_what_they_rest_on(tmp_path):
    root, path = tmp_path / "ours", write_attempt(tmp_path / "ours", "runs/m/p/d/fp32")
    write_document(root, "runs/m/p/d/fp32/other.json", {})
    write_document(root, "evidence/demo/gate.json", {"attempt": path})
    (root / "results/evidence").rename(tmp_path / "disk")
    (root / "results/evidence").symlink_to(tmp_path / "disk")
    (tmp_path / "disk/round").symlink_to(tmp_path / "disk")
    assert prune(root, "--yes") == {path}
    (root / "results/runs").rename(tmp_path / "runs")
    (root / "results/runs").symlink_to(tmp_path / "runs")
    assert prune(root, "--yes", "runs") == {path}


def test_no_attempt_is_older_than_the_calendar(tmp_path):
    path = write_attempt(tmp_path, "runs/m/p/d/fp32")
    write_document(tmp_path, "runs/m/p/d/fp32/other.json", {})
    assert prune(tmp_path, "--yes", "--older-than", "1e300") == {path}
