"""Measuring the pairs of a comparison on the fake backend: until they decide, never twice, and only where it may be."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from edgeproof.agent.machine import describe_machine
from edgeproof.comparability import measured_pairs
from edgeproof.comparability.measured_pairs import measure_pairs, read_sessions
from edgeproof.core.attempts import list_attempts
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.layout import comparison_folder
from edgeproof.core.seals import seal

from .measurers import pairs_of


def test_a_machine_that_is_not_the_verdict_s_is_refused_and_nothing_is_written(stranger):
    with pytest.raises(UserError, match=r"pair: \w+ of left is .*, and was .* when its result was measured"):
        stranger.measure(pairs=1)
    assert not (stranger.room.folder / "pairs.json").exists() and stranger.count_attempts() == 1


def test_pairs_that_decide_end_the_session(measurer):
    measurer.ratio = 2.0
    document = measurer.measure(pairs=9)
    assert (document["status"], document["reason"], pairs_of(document)) == ("measured", None, [4])
    assert document["sessions"][0]["ended_by"] == "caller"


def test_a_decided_sequence_measures_nothing(measurer):
    measurer.ratio = 2.0
    first = measurer.measure(pairs=9)
    assert measurer.measure(pairs=50)["sessions"] == first["sessions"] and measurer.count_attempts() == 1


def test_raising_the_budget_continues_the_sequence(measurer):
    measurer.noise = 0.5
    first = measurer.measure(pairs=1, margin=0.0001)
    more = measurer.measure(pairs=3, margin=0.0001)
    assert more["sessions"][0] == first["sessions"][0] and pairs_of(more) == [1, 2]
    assert pairs_of(measurer.measure(pairs=2, margin=0.0001)) == [1, 2]  # a smaller budget takes nothing away
    (_, second) = list_attempts(measurer.room.folder)
    assert json.loads((second.folder / "spec.json").read_text())["first_pair"] == 1


def test_seconds_are_a_budget_of_the_whole_sequence(measurer):
    first = measurer.measure(pairs=50, seconds=0.01, margin=0.0001)
    assert pairs_of(first) == [1]
    assert measurer.measure(pairs=50, seconds=0.01, margin=0.0001)["sessions"] == first["sessions"]


@pytest.fixture
def lottery(measurer, monkeypatch):
    """Measure with as many builds as there are latencies of the right side; `statuses`: of manifests, by ratio."""
    statuses = {}

    def ask(path):
        return {"status": statuses.get(ratio_of(path), "ok"), "reason": {"message": "no engine"}}

    monkeypatch.setattr(measured_pairs, "read_manifest", ask)
    monkeypatch.setattr(measured_pairs, "read_parity_record", lambda path: {"status": "passed"})

    def ratio_of(path):
        return float(path.parent.name)

    def build(ratio):
        folder = measurer.root / str(ratio)
        folder.mkdir(exist_ok=True)
        return str(shutil.copy(measurer.artifact(ratio), folder / "artifact.json"))

    def measure(*ratios, **options):
        job = measurer.job(**options)
        artifacts = {"left": Path(build(1.0)), "right": Path(build(ratios[0]))}
        edit_verdict(measurer, artifacts)
        builds = [{"left": build(1.0), "right": build(ratio)} for ratio in ratios]
        measure_pairs(dataclasses.replace(job, artifacts=artifacts, builds=builds))
        return read_sessions(job.record, job.table)[0]

    measure.statuses, measure.measurer = statuses, measurer
    return measure


def edit_verdict(measurer, artifacts):
    """Make the verdict one on these artifacts."""
    digests = {side: {"artifact_sha256": sha256_file(path)} for side, path in artifacts.items()}
    path = Path(comparison_folder("trial", "pair")) / "verdict.json"
    measurer.room.edit(path, lambda verdict: [verdict[side].update(digests[side]) for side in digests])


def test_every_pair_of_builds_has_a_fixed_number_of_pairs(lottery):
    """A large difference ends none of them early, and what is there is not measured again."""
    first = lottery(2.0, 2.2, pairs=8)
    assert pairs_of(first) == [4, 4] and [build["sessions"] for build in first["builds"]] == [1, 1]
    more = lottery(2.0, 2.2, 2.4, pairs=12)
    assert pairs_of(more) == [4, 4, 4] and more["sessions"][:2] == first["sessions"]


def test_seconds_are_a_budget_of_all_builds(lottery):
    document = lottery(2.0, 2.2, pairs=8, seconds=0.01)
    assert pairs_of(document) == [1] and [build["sessions"] for build in document["builds"]] == [1, 0]
    assert pairs_of(lottery(2.0, 2.2, pairs=8)) == [1, 3, 4]


def test_a_build_that_failed_leaves_nothing_to_measure(lottery):
    lottery.statuses[2.2] = "failed"
    document = lottery(2.0, 2.2)
    assert (document["status"], document["reason"]["kind"], document["sessions"]) == ("skipped", "failed", [])
    assert "right is failed as" in document["reason"]["message"] and "no engine" in document["reason"]["message"]


def test_sessions_of_another_build_are_refused(lottery):
    document = lottery(2.0, 2.2, pairs=8)
    job = lottery.measurer.job()
    swapped = document | {"builds": document["builds"][::-1]}
    job.record.write_text(json.dumps(seal(swapped)))
    with pytest.raises(UserError, match="has another key; these are not its pairs"):
        read_sessions(job.record, job.table)


def test_a_campaign_adopts_what_another_one_has_measured(measurer):
    measurer.ratio = 2.0
    first = measurer.measure("trial", pairs=9)
    document = measurer.measure("other", pairs=9)
    assert document["sessions"] == first["sessions"] and measurer.count_attempts("other") == 0
    assert document["sessions"][0]["attempt"].startswith("results/comparability/trial/pair/attempts/")


def test_a_campaign_with_more_comparisons_continues_what_is_too_short_for_it(measurer):
    first = measurer.measure("trial", pairs=1)
    document = measurer.measure("other", pairs=2, comparisons=20)
    assert document["sessions"][0] == first["sessions"][0] and pairs_of(document) == [1, 1]
    assert (measurer.count_attempts("trial"), measurer.count_attempts("other")) == (1, 1)
    assert pairs_of(measurer.measure("trial", pairs=2)) == [1, 1]


@pytest.mark.parametrize("change", ["agent", "artifact_sha256", "inputs"])
def test_what_decides_the_raw_times_begins_a_sequence_of_its_own(measurer, change):
    measurer.measure(pairs=1)
    if change == "agent":
        measurer.agent = "b" * 64
    elif change == "inputs":
        np.savez(measurer.inputs, **{"inputs/x": np.ones((2, 4), "float32")})
    else:
        verdict = measurer.room.folder / "verdict.json"
        measurer.room.edit(verdict, lambda document: document["right"].update(artifact_sha256="f" * 64))
    assert pairs_of(measurer.measure(pairs=1)) == [1] and measurer.count_attempts() == 2


def test_what_was_decided_elsewhere_is_adopted_and_nothing_is_measured(measurer):
    measurer.ratio = 2.0
    first = measurer.measure(pairs=9)
    measurer.move_to({"id": "f" * 16})
    document = measurer.measure(pairs=50)
    assert [entry["attempt"] for entry in document["sessions"]] == [entry["attempt"] for entry in first["sessions"]]
    assert document["sessions"][0]["machine"] == "f" * 16 and measurer.count_attempts() == 1


@pytest.mark.parametrize("options", [{"pairs": 2}, {"pairs": 50, "seconds": 0.01}])
def test_a_budget_that_was_spent_elsewhere_is_spent(measurer, options):
    measurer.measure(**options, margin=0.0001)
    measurer.move_to({"id": "f" * 16})
    document = measurer.measure(**options, margin=0.0001)
    assert measurer.count_attempts() == 1 and document["sessions"][0]["machine"] == "f" * 16


def test_pairs_of_two_machines_are_never_one_sequence(measurer):
    measurer.measure(pairs=1, margin=0.0001)
    measurer.move_to({"id": "f" * 16})
    document = measurer.measure(pairs=2, margin=0.0001)
    here = describe_machine()["id"]
    assert [(entry["machine"], entry["pairs"]) for entry in document["sessions"]] == [(here, 2)]
    measurer.move_to({"id": "e" * 16})  # as if one machine had measured both: results of two folders, put together
    with pytest.raises(UserError, match=r"0002-\w+: has pair 0, and so has .*0001-\w+; .*rm -r .*0002-"):
        measurer.measure(pairs=3, margin=0.0001)


def test_sessions_of_another_state_of_the_machine_do_not_count(measurer):
    measurer.measure(pairs=1)
    (attempt,) = list_attempts(measurer.room.folder)

    def change(record):
        record["facts"]["state"]["right"]["governors"] = ["powersave"]
        record.update(seal(record))

    measurer.room.edit(attempt.folder / "attempt.json", change)
    document = measurer.measure(pairs=1)
    assert measurer.count_attempts() == 2 and pairs_of(document) == [1]
    assert document["sessions"][0]["attempt"].split("/")[-1].startswith("0002-")


def test_where_the_cells_met_two_states_of_the_machine_a_session_may_meet_a_third(measurer):
    """A policy that ignores the machine lets them meet; no session could be in both states."""
    verdict = measurer.room.folder / "verdict.json"
    measurer.room.edit(verdict, lambda document: document["left"]["state"].update(kernel="6.1-other"))
    assert pairs_of(measurer.measure(pairs=1)) == [1]


def test_an_artifact_that_fails_is_a_failed_comparison_and_is_not_tried_again(measurer):
    job = measurer.job(pairs=3)
    job.arms["right"] = {**job.arms["right"], "runtime": {"fail": "out_of_memory"}}
    for _ in range(2):
        measure_pairs(job)
        document, _ = read_sessions(job.record, job.table)
        assert (document["status"], document["reason"]["kind"]) == ("failed", "out_of_memory")
        assert measurer.count_attempts() == 1


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"verdict": "no", "reasons": [{"field": "precision"}]}, "not-comparable"),
        ({"blocked": {"kind": "failed", "message": "the left side failed"}}, "failed"),
    ],
)
def test_what_may_not_be_compared_is_not_measured(measurer, change, kind):
    def edit(document):
        reasons = [{"field": "precision", "left": "a", "right": "b", "remedy": None}]
        document.update({**change, "reasons": reasons} if "reasons" in change else change)

    measurer.room.edit(measurer.room.folder / "verdict.json", edit)
    document = measurer.measure(pairs=3)
    assert (document["status"], document["reason"]["kind"]) == ("skipped", kind)
    assert measurer.count_attempts() == 0 and document["sessions"] == []


def test_attempts_of_another_comparison_are_refused(measurer):
    measurer.measure(pairs=1)
    measurer.agent = "b" * 64
    job = measurer.job(pairs=1)
    measure_pairs(job)
    entry = json.loads(job.record.read_text())["sessions"][0]["attempt"]
    other = next(str(item.folder) for item in list_attempts(measurer.room.folder) if str(item.folder) != entry)

    def change(document):
        document["sessions"][0]["attempt"] = other
        document.update(seal(document))

    measurer.room.edit(job.record, change)
    with pytest.raises(UserError, match=r"pairs\.json: .*attempts/0001-\w+ has another key; these are not its pairs"):
        read_sessions(job.record, job.table)


def test_each_arm_runs_its_own_samples(measurer):
    other = measurer.root / "larger.npz"
    np.savez(other, **{"inputs/x": np.zeros((5, 16), "float32")})
    job = measurer.job()
    job.inputs["right"] = other
    measure_pairs(job)
    record, (session,) = read_sessions(job.record, job.table)
    assert record["inputs"]["same"] is False
    assert record["inputs"] == {**record["key"]["parts"]["inputs"], "same": False}
    assert session.record["inputs"] == 2  # as many as the arm with fewer has
    spec = json.loads((session.attempt.folder / "spec.json").read_text())
    assert (spec["inputs"], spec["arms"]["right"]["inputs_file"]) == (str(measurer.inputs), str(other))
    assert "inputs_file" not in spec["arms"]["left"]
