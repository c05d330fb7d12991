"""Two models on the same labelled samples: the difference in accuracy is between them, and is said everywhere."""

import pytest
from edgeproof.comparability.accuracy_changes import compare_accuracies
from edgeproof.comparability.accuracy_sentences import describe_accuracy
from edgeproof.comparability.reading import read_comparison
from edgeproof.comparability.reporting import render_markdown
from edgeproof.core.accuracy import paired_score_interval
from edgeproof.core.errors import UserError
from edgeproof.core.formatting import plain

OTHER = {"model": "digits-other", "precision": "fp32"}


def parity(answers=None, source="a", evaluation="e", **changes):
    document = {
        "source_sha256": source,
        "evaluation": {"sha256": evaluation},
        "provenance": "measured",
        "status": "passed",
        "reason": None,
        "outputs": ["some"],
        "absent": {} if answers else {"relative_accuracy": "the evaluation set has no labels"},
        "accuracy": answers and {"answers": {"reference": answers, "candidate": answers}},
    }
    return document | changes


def compare(left, right):
    return compare_accuracies({"left": left, "right": right})


def test_the_difference_is_paired_sample_by_sample_between_the_sides():
    found = compare(parity(93 * "1" + 7 * "0"), parity(82 * "0" + 11 * "1" + 7 * "0", source="b"))
    assert (found["left"], found["right"], found["count"]) == (0.93, 0.11, 100)
    assert (found["gained"], found["lost"], found["two_models"]) == (0, 82, True)
    assert (found["low"], found["high"]) == paired_score_interval(0, 82, 100)
    assert plain(describe_accuracy({"accuracy": found})).startswith(
        "Accuracy 93.0 % → 11.0 % on 100 samples (difference -82.0 points, -8"
    )


def test_the_order_of_samples_counts():
    found = compare(parity("1100"), parity("0110", source="b"))
    assert (found["gained"], found["lost"], found["difference"]) == (1, 1, 0)


@pytest.mark.parametrize(
    ("left", "right", "reason"),
    [
        (parity("10"), parity("10", evaluation="f", source="b"), "the two sides ran other samples"),
        (parity(), parity(source="b"), "the evaluation set has no labels"),
        (parity("10"), parity("10", source="b", provenance="simulated"), "the outputs of right are simulated"),
        (parity("10"), parity("10", source="b", accuracy={"difference": 0}), "the parity of right keeps no answers of"),
        (
            parity("10"),
            parity(source="b", status="not_run", reason={"message": "no runtime"}),
            "parity of right not run: no runtime",
        ),
        (
            parity(error={"candidate_rmse": 0.5, "count": 88}),
            parity(source="b", error={"candidate_rmse": 3.0, "count": 88}),
            "the task has none, but RMSE 0.500 → 3.00 on 88 samples, without a paired interval",
        ),
        (
            parity(detection={"candidate": {"map": 0.8}, "images": 9}),
            parity(source="b", detection={"candidate": {"map": 0.1}, "images": 9}),
            "the task has none, but mAP 0.800 → 0.100 on 9 samples, without a paired interval",
        ),
    ],
)
def test_where_nothing_can_be_said_the_reason_is_said(left, right, reason):
    found = compare(left, right)
    assert found["reason"].startswith(reason) and found["difference"] is None
    assert describe_accuracy({"accuracy": found}) == f"Nothing is said about accuracy: {found['reason']}."
    same = compare(left, right | {"source_sha256": left["source_sha256"]})
    assert describe_accuracy({"accuracy": same}) is None  # parity with the one source stands with each cell


def collapse(document):
    document["accuracy"]["answers"]["candidate"] = 55 * "1" + 445 * "0"


def test_a_collapse_decides_though_each_model_agrees_with_its_source(room):
    room.make(right=OTHER, varies=["model"], ratio=0.6)
    room.edit_parity(collapse, "fp32", "digits-other")
    report = read_comparison(room.folder / "report.json")
    assert report["accuracy"]["right"] == pytest.approx(0.11)
    assert "Accuracy 98.6 % → 11.0 % on 500 samples (difference -87.6 points, -9" in render_markdown(report)
    room.judge()
    decision = room.decide()
    assert decision["accuracy"]["difference_pp"] == pytest.approx(-87.6)
    (line,) = [line for line in decision["lines"] if line["metric"] == "accuracy_difference"]
    assert line["verdict"] == "fail" and line["source"] == "500 answers of both models to the same samples"
    assert decision["decision"] == "blocked"
    assert "accuracy_severe" in [rule["rule"] for rule in decision["rules"]]


def test_two_models_without_labels_are_never_deployable_without_a_note(room):
    unlabelled = {"accuracy": False}
    room.make(left=unlabelled, right=OTHER | unlabelled, varies=["model"], ratio=0.6)
    room.judge()
    decision = room.decide()
    message = "nothing is said about accuracy: the evaluation set has no labels"
    assert ("accuracy_not_compared", message) in [(rule["rule"], rule["message"]) for rule in decision["rules"]]
    (line,) = [line for line in decision["lines"] if line["metric"] == "accuracy_difference"]
    assert (line["verdict"], line["reason"]) == ("unknown", message)


def test_one_source_in_two_precisions_is_judged_against_that_source(room):
    room.make(ratio=0.6)
    room.edit_parity(collapse, "fp32")
    room.judge()
    decision = room.decide()
    assert decision["accuracy"]["difference_pp"] == pytest.approx(-0.6)


def test_an_accuracy_that_was_edited_is_refused(room):
    room.make(right=OTHER, varies=["model"], ratio=0.6)
    room.edit(room.folder / "report.json", lambda document: document["accuracy"].update(right=0.99))
    with pytest.raises(UserError, match=r"accuracy\.right"):
        read_comparison(room.folder / "report.json")
