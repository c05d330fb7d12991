"""Regressions and decisions in words; what the page says elsewhere is not said again."""

import copy

import pytest
from edgeproof.bench.made_up_campaigns import make_campaign
from edgeproof.evidence.collecting import collect_evidence
from edgeproof.evidence.comparisons import describe_comparisons
from edgeproof.evidence.judgements import describe_decision, describe_regression_judgement

CELL = ("digits-cnn", "ort-cpu", "desk", "fp32")
PAGE = "results/evidence/trial/report.html"


@pytest.fixture
def faster(campaign):
    return next(item for item in collect_evidence(campaign).comparisons if item.report["comparison"] == "faster")


def test_a_regression_says_which_thresholds_triggered(faster):
    regression = copy.deepcopy(faster.regression) | {"status": "regression", "severity": "medium"}
    regression["regression_type"] = "latency"
    regression["thresholds"][1] |= {"status": "triggered", "delta_pct": 7.0}
    view = describe_regression_judgement(regression)
    assert (view["state"], view["words"], view["summary"]) == (
        "failing",
        "medium latency regression",
        "1 of 3 thresholds triggered",
    )
    assert [line["words"] for line in view["thresholds"]] == ["clear", "triggered", "clear"]
    assert view["thresholds"][1]["change"] == "+7.00\u202f%"


def test_what_is_blocked_has_a_reason_and_no_thresholds(faster):
    blocked = faster.regression | {"status": "blocked", "reason": "the two results differ in model_bytes"}
    view = describe_regression_judgement(blocked)
    assert view["reason"] == "The two results differ in model bytes"
    assert (view["thresholds"], view["summary"], view["notes"]) == ([], None, [])
    assert describe_regression_judgement(blocked, said=[blocked["reason"]])["reason"] is None
    assert describe_regression_judgement(blocked | {"mode": "not_comparable"})["reason"] is None


def test_a_decision_shows_its_criteria_and_where_they_flip(faster):
    view = describe_decision(faster.decision)
    assert (view["state"], view["words"]) == ("unknown", "Insufficient evidence")
    assert view["summary"] == "5 criteria: 2 pass, 3 unknown"
    accuracy = next(line for line in view["lines"] if line["id"] == "accuracy")
    assert (accuracy["words"], accuracy["limit"]) == ("unknown", "≥ −1\u202fpp")
    assert accuracy["consequences"] == ["if it failed: blocked"]  # if it passed, the percentile would be open still
    energy = next(line for line in view["lines"] if line["id"] == "energy")
    assert (energy["value"], energy["flip"], energy["required"]) == (None, None, False)
    assert view["rules"] and all(rule["words"] != view["words"] for rule in view["rules"])
    assert "accuracy is unknown" in view["because"]  # why, says its criterion
    assert accuracy["reason"]


@pytest.mark.parametrize("outcome", ["blocked", "review_required", "deployable_with_note", "deployable"])
def test_every_outcome_has_words_and_a_symbol(faster, outcome):
    view = describe_decision(faster.decision | {"decision": outcome})
    assert view["words"] and view["state"] in ("failing", "tolerated", "note", "ok")


def test_rows_of_a_table_are_titled_by_their_sides(here):
    name = "precisions-digits-cnn-ort-cpu-desk-fp32-vs-int8"
    int8 = (*CELL[:3], "int8")
    comparison = {"name": name, "left": CELL, "right": int8, "varies": ["precision"]}
    items = collect_evidence(make_campaign(here, [{}, {"precision": "int8"}], [comparison])).comparisons
    row = describe_comparisons(items, PAGE)[0]
    assert (row["title"], row["subtitle"]) == ("fp32 → int8", "digits-cnn · ort-cpu · desk")
    assert row["name"] == name
