"""Hand-edited comparisons are refused by name when they are read."""

import json
import shutil
from pathlib import Path

import pytest
from edgeproof.comparability.reading import read_comparison, read_verdict
from edgeproof.comparability.regression import read_regression
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.seals import seal
from edgeproof.core.yaml_files import read_yaml


def test_untouched_comparison_reads_back(room):
    room.make(ratio=0.6)
    assert read_comparison(room.folder / "report.json")["verdict"] == "faster"
    assert read_verdict(room.folder / "verdict.json")["mode"] == "precision-comparison"


def edits():
    def at(*keys):
        def change(document, value):
            for key in keys[:-1]:
                document = document[key]
            document[keys[-1]] = value

        return change

    return [
        (at("verdict"), "equivalent", "verdict is 'equivalent', verdict and pairs give 'faster'"),
        (at("effect", "ratio"), 0.5, "effect.ratio is 0.5"),
        (at("effect", "interval_low"), 0.1, "effect.interval_low is 0.1"),
        (at("effect", "standard_error"), 0.5, "effect.standard_error is 0.5"),
        (at("effect", "boundary"), 1.0, "effect.boundary is 1.0"),
        (at("effect", "equivalence_high"), 1.0, "effect.equivalence_high is 1.0"),
        (at("effect", "rare_starts"), 0.01, "effect.rare_starts is 0.01"),
        (at("seconds"), 1.5, "seconds is 1.5"),
        (at("can_continue"), True, "can_continue is True"),
        (at("sessions", 0, "seconds"), 1.5, "sessions[0].seconds is 1.5"),
        (at("effect", "delta_pct"), -10.0, "effect.delta_pct is -10.0"),
        (at("effect"), None, "effect is None"),
        (at("pairs"), 100, "pairs is 100"),
        (at("comparable"), "yes", "comparable is 'yes'"),
        (at("provenance"), "simulated", "provenance is 'simulated'"),
        (at("design", "margin"), 0.7, "design.margin is 0.7"),
        (at("design", "comparisons"), 2, "design.comparisons is 2"),
        (at("design", "correlation", "correlation"), 0.0, "design.correlation.correlation is 0.0"),
        (at("reasons"), [], "reasons is []"),
        (at("comparison"), "other", "comparison is 'other'"),
        (at("digests", "pairs"), "0" * 64, "is not the table it comes from"),
        (at("digests", "left_result"), "0" * 64, "digests.left_result is"),
        (at("left", "precision"), "fp16", "left.precision is 'fp16'"),
    ]


@pytest.mark.parametrize(("change", "value", "message"), edits())
def test_edited_report_is_refused_by_name(room, change, value, message):
    room.make(ratio=0.6)
    room.edit(room.folder / "report.json", lambda document: change(document, value))
    with pytest.raises(UserError) as caught:
        read_comparison(room.folder / "report.json")
    assert "report.json" in str(caught.value) and message in str(caught.value)


@pytest.mark.parametrize("name", ["verdict.json", "pairs.csv", "pairs.json"])
def test_delta_without_its_pairs_is_refused(room, name):
    room.make(ratio=0.6)
    (room.folder / name).unlink()
    with pytest.raises(UserError, match=f"{name} is not beside it"):
        read_comparison(room.folder / "report.json")


def test_delta_with_the_pairs_of_another_comparison_is_refused(room):
    room.make(ratio=0.6)
    keep = (room.folder / "report.json").read_text()
    other = room.root / "other"
    shutil.copytree(room.folder, other)
    room.make(ratio=1.0)
    for name in ("pairs.csv", "pairs.json"):
        assert (room.folder / name).read_bytes() != (other / name).read_bytes()
    (room.folder / "report.json").write_text(keep)
    with pytest.raises(UserError, match=r"has an effect, but .*pairs\.csv is not the table"):
        read_comparison(room.folder / "report.json")


def test_delta_given_to_a_refused_pair_is_refused(room):
    room.make(ratio=0.6)
    effect = room.read("report.json")["effect"]
    room.make(varies=[])
    assert room.read("report.json")["effect"] is None
    room.edit(room.folder / "report.json", lambda document: document.update(effect=effect, verdict="faster"))
    with pytest.raises(UserError, match="verdict is 'faster', verdict and pairs give 'not-comparable'"):
        read_comparison(room.folder / "report.json")


def test_edited_pairs_are_refused(room):
    room.make(ratio=0.6)
    table = room.folder / "pairs.csv"
    table.write_text(table.read_text().replace("left", "swap").replace("right", "left").replace("swap", "right"))
    room.edit(room.folder / "pairs.json", lambda document: document.update(table_sha256=sha256_file(table)))
    with pytest.raises(UserError):
        read_comparison(room.folder / "report.json")


def test_a_disturbance_taken_out_by_hand_is_noticed(room):
    room.make(ratio=0.6)
    room.edit(room.folder / "pairs.json", lambda document: document["sessions"][0].update(steal_share=0.3))
    with pytest.raises(UserError, match=r"pairs\.json: document_sha256 does not match the rest of it; it was edited"):
        read_comparison(room.folder / "report.json")


def test_a_state_of_the_machine_that_no_session_met_is_refused(room):
    room.make(ratio=0.6)

    def change(document):
        document["sessions"][0]["state"]["right"]["power_mode"] = "15W"
        document.update(seal(document))

    room.edit(room.folder / "pairs.json", change)
    with pytest.raises(
        UserError, match=r"pairs\.json: sessions\[0\]\.state\.right\.power_mode is '15W', their attempts"
    ):
        read_comparison(room.folder / "report.json")


def test_edited_raw_samples_of_a_pair_are_refused(room):
    room.make(ratio=0.6)
    path = next(Path(room.folder).rglob("blocks.npy"))
    path.write_bytes(path.read_bytes()[:-8] + b"\0" * 8)
    with pytest.raises(UserError, match=r"pair-\d+: the pair cannot be read \(blocks\.npy: sha256 differs"):
        read_comparison(room.folder / "report.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"verdict": "yes", "mode": "same-condition", "reasons": []}, "verdict is 'yes', the two results give 'no'"),
        ({"reasons": []}, r"reasons is \[\]"),
        ({"blocked": {"kind": "failed", "message": "x"}}, "blocked is"),
        ({"varies": ["precision"]}, "verdict is 'no'"),
    ],
)
def test_edited_verdict_is_refused_by_name(room, change, message):
    room.make(varies=[])
    room.edit(room.folder / "verdict.json", lambda document: document.update(change))
    with pytest.raises(UserError, match=message):
        read_verdict(room.folder / "verdict.json")


def test_verdict_of_another_policy_is_refused(room):
    room.make(varies=[])
    lax = read_yaml("config/policies/strict.yaml", "policy") | {"required": ["model_hash"]}
    with pytest.raises(UserError, match="verdict is 'no', the two results give 'yes'"):
        read_verdict(room.folder / "verdict.json", lax)


def test_verdict_on_a_result_that_was_made_anew_is_refused(room):
    room.make(ratio=0.6)
    room.edit(
        "results/runs/digits-cnn/ort-cpu/desk/int8/result.json",
        lambda document: document.update(seal({**document, "artifact_bytes": 5})),
    )
    with pytest.raises(UserError, match=r"right\.result_sha256 is"):
        read_verdict(room.folder / "verdict.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"status": "no-regression", "severity": "low"}, "status is 'no-regression'"),
        ({"severity": "low"}, "severity is 'low'"),
        ({"recommendation": "no_action_required"}, "recommendation is"),
        ({"thresholds": []}, r"thresholds is \[\]"),
    ],
)
def test_edited_regression_is_refused_by_name(room, change, message):
    room.make(ratio=1.3)
    assert room.judge()["status"] == "regression"
    room.edit(room.folder / "regression.json", lambda document: document.update(change))
    with pytest.raises(UserError, match=message):
        read_regression(room.folder / "regression.json")


def test_regression_after_its_policy_has_changed_is_refused(room):
    room.make(ratio=1.3)
    room.judge()
    policy = Path("config/regressions/strict.yaml")
    policy.write_text(policy.read_text().replace("threshold_pct: 15", "threshold_pct: 50"))
    with pytest.raises(UserError, match="severity is 'high'"):
        read_regression(room.folder / "regression.json")


def test_true_is_not_one(room):
    report = room.make(ratio=0.6, pairs=1).read("report.json")
    report["pairs"] = True
    (room.folder / "report.json").write_text(json.dumps(report))
    with pytest.raises(UserError, match=r"pairs is true|pairs is True"):
        read_comparison(room.folder / "report.json")
