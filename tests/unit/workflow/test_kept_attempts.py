"""The store of attempts as verbs show it: sizes, users, and what may be removed."""

import datetime
import json
import multiprocessing
import shutil

import pytest
from edgeproof.__main__ import main
from edgeproof.artifacts.builds import exported_models
from edgeproof.core.attempts import list_attempts, open_attempt
from edgeproof.core.documents import SCHEMAS
from edgeproof.core.errors import UserError
from edgeproof.core.keys import compose_key
from edgeproof.core.turns import take_turn
from edgeproof.plans import cut_proof
from edgeproof.runs import reported_runs
from edgeproof.sources import kept_models
from edgeproof.workflow.attempt_documents import name_document
from edgeproof.workflow.kept_attempts import choose_prunable, list_kept
from edgeproof.workflow.lost_attempts import find_lost, renew_documents
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


FACTS = {
    "session": {"samples": {}, "session": ""},
    "pairs": {"session": "", "pairs": [], "failure": None, "state": {}, "provenance": "measured"},
}


def kind_of(target):
    return {"comparability": "pairs", "calibration": "pairs", "artifacts": "build"}.get(target.split("/")[0], "session")


def write_attempt(root, target, parts=None, failed=False, kind=None, machine=MACHINE):
    """Write an attempt of 1,000 bytes, of the kind that its place has, and return its path relative to the root."""
    kind = kind or kind_of(target)
    try:
        with open_attempt(root / "results" / target, kind, compose_key(parts or {"a": 1}), machine) as attempt:
            (attempt.folder / "raw.npy").write_bytes(b"x" * 1000)
            if failed:
                raise UserError("no verdict")
            closed = attempt.complete(**FACTS.get(kind, {"status": "ok", "sha256": ""}))
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
    spare = write_attempt(root, target, {"a": 2})
    used = write_attempt(root, target)
    write_document(root, name, DOCUMENTS[name](used))
    if name.endswith("report.json"):
        write_document(root, f"{target}/pairs.json", {"sessions": [used]})
    assert prune(root) == {used, spare}  # without --yes nothing goes
    assert prune(root, "--yes") == {used}
    assert prune(root, "--yes", "--failed", "--older-than", "0") == {used}


@pytest.mark.parametrize(("target", "name"), [("sources/m", "model.onnx"), ("artifacts/m/p/d/int8", "manifest.json")])
def test_an_attempt_whose_file_is_in_its_place_is_never_removed(root, target, name):
    """Manifests and models name no attempt: theirs is the one that has the same file."""
    place, kind = root / "results" / target, {"model.onnx": "download"}.get(name)
    old, new = (write_attempt(root, target, parts, kind=kind) for parts in ({"a": 1}, {"a": 2}))
    for attempt, text in ((old, '{"a": 1}'), (new, '{"a": 2}')):
        (root / attempt / name).write_text(text)
    (place / name).write_text('{"a": 2}')
    assert prune(root, "--yes") == {new}


def test_a_document_elsewhere_keeps_an_attempt(root):
    """A campaign's evidence rests on attempts of runs and of other campaigns."""
    attempts = [write_attempt(root, target) for target in TARGETS]
    later = [write_attempt(root, target, {"a": 2}) for target in TARGETS]
    for target, path in zip(TARGETS, later, strict=True):
        write_document(root, f"{target}/{name_document(root / 'results' / target, kind_of(target))}", {"attempt": path})
    write_document(root, "evidence/demo/report.md", " ".join(f"`{path}`" for path in attempts))
    assert prune(root, "--yes") == {*attempts, *later}
    (root / "results/evidence/demo/report.md").write_text("nothing")
    assert prune(root, "--yes") == set(later)


def test_an_attempt_whose_document_is_lost_waits_for_the_next_run(root):
    good = write_attempt(root, "runs/m/p/d/fp32")
    bad = write_attempt(root, "runs/m/p/d/fp32", failed=True)
    (item,) = [item for item in list_kept(root) if item.waits]
    assert str(item.attempt.folder.relative_to(root)) == good
    assert prune(root, "--yes") == {good} and not (root / bad).exists()


def test_what_is_removed_can_be_narrowed(root):
    good, bad = (write_attempt(root, "runs/m/p/d/fp32", failed=failed) for failed in (False, True))
    other, kept = write_attempt(root, "runs/m/p/d/int8"), set()
    for name in ("fp32", "int8"):
        kept.add(write_attempt(root, f"runs/m/p/d/{name}", {"a": 2}))
        write_document(root, f"runs/m/p/d/{name}/result.json", {"sessions": sorted(kept)})
    later = NOW + datetime.timedelta(days=8)
    names = lambda chosen: {str(item.attempt.folder.relative_to(root)) for item in chosen}  # noqa: E731
    assert names(choose_prunable(list_kept(root), None, False, NOW)) == {good, bad, other}
    assert names(choose_prunable(list_kept(root), None, True, NOW)) == {bad}
    assert names(choose_prunable(list_kept(root), 7, False, NOW)) == set()
    assert names(choose_prunable(list_kept(root), 7, False, later)) == {good, bad, other}
    assert prune(root, "m/p/d/int8", "--yes") == {good, bad, *kept}
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
        path = write_attempt(root, "runs/m/p/d/fp32", failed=True)
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
    path = write_attempt(tmp_path, "runs/m/p/d/fp32", failed=True)
    assert prune(tmp_path, "--yes", "--older-than", "1e300") == {path}


@pytest.mark.parametrize("target", TARGETS)
def test_what_an_interruption_left_waits_whatever_lies_beside_it(root, target):
    """Pairs were called not used since their verdict lay there, and a build since its parity did."""
    only = write_attempt(root, target)
    for name in ("verdict.json", "parity.json", "scenario.json", "note.json"):
        write_document(root, f"{target}/{name}", {})
    assert prune(root, "--yes") == {only}
    write_document(root, f"{target}/{name_document(root / 'results' / target, kind_of(target))}", {"reason": "skipped"})
    assert prune(root, "--yes") == {only}  # its document rests on nothing yet


def test_a_session_that_its_document_does_not_know_yet_waits(root):
    """It came after those named, or has their key: the run was interrupted before it wrote the result."""
    target, other = "runs/m/p/d/fp32", {**MACHINE, "id": "f" * 16}
    superseded, elsewhere = write_attempt(root, target, {"a": 0}), write_attempt(root, target, machine=other)
    second, named, later = (write_attempt(root, target, parts) for parts in ({"a": 1}, {"a": 1}, {"a": 2}))
    write_document(root, f"{target}/result.json", {"sessions": [named]})
    write_document(root, "evidence/demo/gate.json", {"other": "results"})
    waiting = {str(item.attempt.folder.relative_to(root)) for item in list_kept(root) if item.waits}
    assert waiting == {second, later}
    assert prune(root, "--yes") == {second, named, later} and superseded != elsewhere


def test_an_older_build_may_go_and_a_newer_one_waits(root):
    target = "artifacts/m/p/d/int8"
    old, placed, new = (write_attempt(root, target, {"a": number}) for number in range(3))
    for path in (old, placed, new):
        (root / path / "manifest.json").write_text(json.dumps({"of": path}))
    shutil.copy(root / placed / "manifest.json", root / "results" / target)
    assert prune(root, "--yes") == {placed, new} and not (root / old).exists()


def test_earlier_figures_of_a_command_are_counted_by_its_document(root):
    first, second = (write_attempt(root, "runs/name/edgeenv/local/fp32", kind="command") for _ in range(2))
    write_document(root, "runs/name/edgeenv/local/fp32/reported.json", {"attempt": second, "earlier": 1})
    assert prune(root, "--yes") == {first, second}


def test_every_kind_of_attempt_has_a_document_of_its_own(root):
    schema = json.loads((SCHEMAS / "attempt.schema.json").read_text())
    places = {
        "session": ("runs/m/p/d/fp32", "plans/pipe", "plans/pipe/balanced"),
        "pairs": ("comparability/demo/a-b", "calibration/m/p/d/fp32/quick"),
        "build": ("artifacts/m/p/d/int8", "artifacts/m/saved_model", "sources/m"),
        "parity": ("artifacts/m/p/d/int8",),
        "command": ("runs/name/edgeenv/local/fp32",),
        "cut-proof": ("plans/pipe",),
        "download": ("sources/m",),
        "recipe": ("sources/m",),
    }
    unused = {"calibration", "links", "plan-check"}  # their sessions are of the kinds `pairs` and `session`
    assert {*places, *unused} == set(schema["properties"]["kind"]["enum"])
    named = {kind: [name_document(root / "results" / place, kind) for place in places[kind]] for kind in places}
    assert named["session"] == ["result.json", "links.json", "check.json"]
    assert named["pairs"] == ["pairs.json", "noise.json"]
    assert named["build"] == ["manifest.json", "saved_model.json", exported_models.RECORD]
    assert (named["parity"], named["command"]) == (["parity.json"], [reported_runs.REPORTED])
    assert (named["cut-proof"], named["download"], named["recipe"]) == ([cut_proof.CUT], *[[kept_models.MODEL]] * 2)
    assert name_document(root / "results/evidence/demo", "session") is None


def hold_turn(place, begun):
    with take_turn(place, compose_key({"a": 1})):
        begun.set()
        multiprocessing.get_context("spawn").Event().wait()


@pytest.mark.parametrize("above", [0, 2])
def test_a_store_in_which_a_run_works_is_left_alone(root, above, capsys):
    """The run has counted an attempt that no document names yet: without it, its document rests on nothing."""
    target, other = "comparability/demo/a-b", "comparability/demo/c-d"
    bad, free = (write_attempt(root, place, failed=True) for place in (target, other))
    if above:  # a turn of the whole room is about one key
        (root / free).rename((root / free).with_name("0001-00000000"))
        free = free.rpartition("/")[0] + "/0001-00000000"
    context = multiprocessing.get_context("spawn")
    begun, place = context.Event(), (root / "results" / target, *(root / "results" / target).parents)[above]
    run = context.Process(target=hold_turn, args=[place, begun])
    run.start()
    begun.wait()
    assert main(["attempts", "list"], root) == 0 and "a run works here" in capsys.readouterr().out
    left = prune(root, "--yes")
    said = capsys.readouterr().out
    run.kill()
    run.join()
    assert left == {bad} and f"results/{target}: left alone, a run works there" in said and other in said
    assert prune(root, "--yes") == set() and free not in left


def test_a_store_with_an_open_attempt_is_left_alone(root):
    bad = write_attempt(root, "runs/m/p/d/fp32", failed=True)
    with open_attempt(root / "results/runs/m/p/d/fp32", "session", compose_key({"a": 1}), MACHINE) as attempt:
        assert prune(root, "--yes") == {bad}
        attempt.fail("error", "ended")
    assert prune(root, "--yes") == set()


def test_a_copy_is_named_and_may_go(root, capsys):
    target = "artifacts/m/p/d/int8"
    original = write_attempt(root, target)
    copy = original.replace("0001", "0002")
    shutil.copytree(root / original, root / copy)
    assert main(["attempts", "list"], root) == 0
    assert f"copy of {original.rpartition('/')[2]}" in capsys.readouterr().out
    assert prune(root, "--yes") == {original}


@pytest.mark.parametrize("damage", ["no record", "a folder", "no folder"])
def test_a_damaged_attempt_is_listed_with_what_to_do(root, capsys, damage):
    whole, broken = (write_attempt(root, "runs/m/p/d/fp32") for _ in range(2))
    record = root / broken / "attempt.json"
    record.unlink()
    if damage == "a folder":
        record.mkdir()
    elif damage == "no folder":
        shutil.rmtree(root / broken)
        (root / broken).write_text("")
    assert main(["attempts", "list"], root) == 0
    said = capsys.readouterr().out
    assert "damaged" in said and f"it has no attempt.json; put that back, or remove it (rm -r {root / broken})" in said
    assert prune(root, "--yes") == {whole} and not (root / broken).exists()


class Wanted:
    """The targets of a made-up campaign."""

    def list_wanted(self, *rooms):
        names = ("runs/m/p/d/fp32/result.json", "comparability/demo/a-b/pairs.json", "runs/m/p/d/fp32/samples.csv")
        return [f"results/{name}" for name in names if name.split("/")[0] in rooms]


def test_a_document_that_rests_on_a_removed_attempt_is_made_again(root):
    run, *pairs = (write_attempt(root, target) for target in (TARGETS[0], TARGETS[1], TARGETS[1]))
    write_document(root, "runs/m/p/d/fp32/result.json", {"sessions": [{"attempt": run}]})
    write_document(root, "comparability/demo/a-b/pairs.json", {"sessions": [{"attempt": path} for path in pairs]})
    assert list(renew_documents(Wanted())) == []
    shutil.rmtree(root / pairs[0])
    document = "results/comparability/demo/a-b/pairs.json"
    for dry in (True, False):
        (line,) = renew_documents(Wanted(), dry)
        assert line.startswith(f"{document}: {pairs[0]} is gone") and (root / document).exists() == dry
    assert list(renew_documents(Wanted())) == [] and (root / "results/runs/m/p/d/fp32/result.json").exists()
    assert prune(root, "--yes") == {run, pairs[1]}  # what is there waits for it
    assert list(find_lost(["results/none.json"])) == []


def test_a_document_without_any_attempt_left_stays(root):
    """As in results that were copied without their attempts: nothing may be measured over the only figures."""
    run = write_attempt(root, TARGETS[0])
    write_document(root, "runs/m/p/d/fp32/result.json", {"sessions": [{"attempt": run}]})
    shutil.rmtree(root / run)
    (line,) = renew_documents(Wanted())
    document = "results/runs/m/p/d/fp32/result.json"
    assert (root / document).exists() and line.endswith(f"put it back, or measure again: --forcerun {document}")
