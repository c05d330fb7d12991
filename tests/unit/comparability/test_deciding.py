"""The deployment decision: five outcomes, the rules behind them, and which criterion would change them."""

import itertools
from pathlib import Path

import pytest
from edgeproof.comparability.deciding import (
    OUTCOMES,
    conclude,
    name_guard,
    read_decision,
    rules_of_accuracy,
    rules_of_candidate,
    rules_of_comparison,
    rules_of_lines,
    show_flips,
)
from edgeproof.core.accuracy import paired_score_interval
from edgeproof.core.errors import UserError
from hypothesis import given
from hypothesis import strategies as st

BANDS = {"noticeable": 0.20, "caution": -0.30, "risky": -1.0, "severe": -2.0}
CALM = {"policy": "strict", "status": "no-regression", "severity": "low", "reason": None}
PASSED = {"status": "passed", "reason": None, "provenance": "measured", "thresholds": []}
OK = {"status": "ok", "reason": None}


def line(verdict, required=True, name="x"):
    figures = {"value": 1.0, "limit": 2.0, "unit": "ms", "reason": "why"}
    return {"id": name, "verdict": verdict, "required": required, **figures}


def report(verdict, comparable="yes", mode="same-condition", provenance="measured"):
    reasons = [{"field": "input_shape"}] if comparable == "no" else []
    named = {"verdict": verdict, "comparable": comparable, "mode": mode, "provenance": provenance}
    return {**named, "reasons": reasons, "explanation": "because"}


def decide(verdict="faster", lines=(), result=OK, parity=PASSED, regression=CALM, difference=None, **options):
    known = [*rules_of_candidate(result, parity), *rules_of_comparison(report(verdict, **options), regression)]
    direction = {"faster": "faster", "slower": "slower", "equivalent": "neutral"}.get(verdict)
    cross = options.get("mode") == "precision-comparison"
    known += rules_of_accuracy(difference, BANDS, direction, cross)
    return conclude(list(lines), known)[1]


def lost(difference_pp, low_pp=None):
    low = difference_pp if low_pp is None else low_pp
    return {"difference_pp": difference_pp, "low_pp": low, "high_pp": difference_pp, "confidence": 0.95, "count": 500}


CROSS = {"comparable": "conditional", "mode": "precision-comparison"}
OTHER = {"comparable": "conditional", "mode": "runtime-comparison"}
FAILED = {"status": "failed", "reason": {"message": "crashed"}}
THROTTLED = {"status": "throttled", "reason": {"message": "heat"}}
WRONG = {"status": "failed", "reason": {"message": "cosine"}}
NOT_RUN = {"status": "not_run", "reason": {"message": "no reference"}}
WORSE = {"policy": "strict", "status": "regression", "severity": "high", "reason": None}
BLOCKED = {"policy": "edgeenv-v1", "status": "blocked", "severity": "low", "reason": "precision differs"}


@pytest.mark.parametrize(
    ("facts", "decision"),
    [
        # the table of the contract: guard and overall
        ({}, "deployable"),
        (CROSS, "deployable"),
        ({"verdict": "equivalent"}, "deployable_with_note"),
        ({"verdict": "slower"}, "review_required"),
        ({"verdict": "not-comparable", "comparable": "no", "mode": "none"}, "review_required"),
        ({"result": FAILED}, "blocked"),
        ({"result": {**FAILED, "status": "unsupported"}}, "blocked"),
        ({"parity": WRONG}, "blocked"),
        ({"parity": NOT_RUN}, "insufficient_evidence"),
        ({"result": THROTTLED}, "insufficient_evidence"),
        # what is not known
        ({"verdict": "undecided"}, "insufficient_evidence"),
        ({"verdict": "not-comparable"}, "insufficient_evidence"),  # the left side failed
        ({"provenance": "simulated"}, "insufficient_evidence"),
        # overrides
        ({"regression": WORSE}, "review_required"),
        ({"regression": BLOCKED}, "deployable_with_note"),
        ({"difference": lost(0.0), **CROSS}, "deployable"),
        ({"difference": lost(-0.3), **CROSS}, "deployable_with_note"),
        ({"difference": lost(-1.0), **CROSS}, "review_required"),
        ({"difference": lost(-2.0), **CROSS}, "review_required"),
        ({"difference": lost(0.0, -1.2), **CROSS}, "deployable_with_note"),  # not excluded
        ({"difference": lost(-0.5), "verdict": "equivalent", **CROSS}, "review_required"),  # not beneficial
        (OTHER, "deployable_with_note"),
        ({**OTHER, "verdict": "slower"}, "review_required"),
        # criteria
        ({"lines": [line("pass")]}, "deployable"),
        ({"lines": [line("fail")]}, "blocked"),
        ({"lines": [line("unknown")]}, "insufficient_evidence"),
        ({"lines": [line("pass"), line("fail", required=False)]}, "deployable_with_note"),
        ({"lines": [line("pass"), line("unknown", required=False)]}, "deployable_with_note"),
        ({"lines": [line("unknown"), line("fail")]}, "blocked"),
        ({"lines": [line("unknown")], "verdict": "slower"}, "insufficient_evidence"),
        ({"lines": [line("pass")], "verdict": "slower", "regression": WORSE}, "review_required"),
    ],
)
def test_decision(facts, decision):
    assert decide(**facts) == decision


VERDICTS = st.lists(st.tuples(st.sampled_from(["pass", "fail", "unknown"]), st.booleans()), max_size=6)
KNOWN = st.lists(st.sampled_from(OUTCOMES), max_size=4).map(
    lambda outcomes: [{"rule": "r", "outcome": outcome, "message": "m"} for outcome in outcomes]
)


@given(VERDICTS, KNOWN)
def test_unknown_never_counts_as_pass(verdicts, known):
    lines = [line(verdict, required) for verdict, required in verdicts]
    allowed = set(OUTCOMES)
    if any(required and verdict != "pass" for verdict, required in verdicts):
        allowed &= {"blocked", "insufficient_evidence"}
    if any(verdict != "pass" for verdict, _ in verdicts):
        allowed -= {"deployable"}
    if not lines and not known:
        allowed = {"insufficient_evidence"}
    assert conclude(lines, known)[1] in allowed


@given(VERDICTS.filter(bool), KNOWN, st.data())
def test_a_better_verdict_is_never_a_worse_decision(verdicts, known, data):
    lines = [line(verdict, required) for verdict, required in verdicts]
    index = data.draw(st.integers(0, len(lines) - 1))
    order = ("fail", "unknown", "pass") if lines[index]["required"] else ("fail", "pass")
    ranks = []
    for verdict in order:
        changed = [*lines[:index], {**lines[index], "verdict": verdict}, *lines[index + 1 :]]
        ranks.append(OUTCOMES.index(conclude(changed, [*known, *_something()])[1]))
    assert ranks == sorted(ranks)


def _something():
    return [{"rule": "improvement", "outcome": "deployable", "message": "m"}]


@given(VERDICTS.filter(bool), KNOWN)
def test_flips_say_what_another_verdict_would_decide(verdicts, known):
    lines = [line(verdict, required) for verdict, required in verdicts]
    decision = conclude(lines, known)[1]
    flips = show_flips(lines, known, decision)
    assert len(flips) == len(lines)
    for index, shown in enumerate(flips):
        assert set(shown["decision_if"]) == {"pass", "fail", "unknown"} - {shown["verdict"]}
        for verdict, outcome in shown["decision_if"].items():
            changed = [*lines[:index], {**lines[index], "verdict": verdict}, *lines[index + 1 :]]
            assert conclude(changed, known)[1] == outcome
        assert shown["flips_decision"] == any(outcome != decision for outcome in shown["decision_if"].values())


def test_guard_is_of_the_candidate_alone():
    assert name_guard(rules_of_candidate(OK, PASSED)) == "ok"
    assert name_guard(rules_of_candidate(FAILED, PASSED)) == "error"
    assert name_guard(rules_of_candidate(OK, NOT_RUN)) == "skipped"
    assert name_guard(rules_of_candidate(THROTTLED, WRONG)) == "error"
    assert name_guard(rules_of_comparison(report("slower"), WORSE)) == "ok"


def test_rules_are_sentences():
    for required, verdict in itertools.product((True, False), ("fail", "unknown")):
        (rule,) = rules_of_lines([line(verdict, required, "warm-p95")])
        assert "warm-p95" in rule["message"]


def make(room, **options):
    """Write a comparison whose right side lost nothing, judged for regression."""
    right = {"median_ms": 0.6, "count": 900, "processes": 10, **options.pop("right", {})}
    left = {"processes": right["processes"], **options.pop("left", {})}
    room.make(left=left, right=right, **{"ratio": 0.6, **options})

    def exact(document):
        if document["accuracy"] is not None:
            low, high = paired_score_interval(0, 0, 500)
            document["accuracy"].update(difference=0.0, gained=0, lost=0, low=low, high=high, candidate_accuracy=0.992)

    room.edit_parity(exact)
    room.judge()
    return room


def verdicts(document):
    return {entry["id"]: entry["verdict"] for entry in document["lines"]}


def test_faster_and_as_accurate_is_deployable_but_for_notes(room):
    document = make(room).decide()
    assert document["decision"] == "deployable_with_note"
    assert verdicts(document) == {
        "warm-p99": "pass",
        "accuracy": "pass",
        "parity": "pass",
        "memory": "pass",
        "energy": "unknown",
    }
    assert {rule["rule"] for rule in document["rules"]} == {
        "improvement",
        "optional_criterion_unknown",
        "accuracy_caution_possible",
    }
    assert (document["guard"], document["overall"]) == ("ok", "tradeoff_faster")
    warm = document["lines"][0]
    assert warm["low"] < warm["high"] == warm["flip_point"] < 100 and warm["provenance"] == "measured"
    assert "boundary: one call" in warm["source"]
    assert warm["decision_if"] == {"fail": "blocked", "unknown": "insufficient_evidence"}
    assert "no power sampler" in next(entry for entry in document["lines"] if entry["id"] == "energy")["reason"]
    assert read_decision(room.folder / "decision.json") == document


def set_limit(criterion, limit):
    path = Path("config/criteria/interactive.yaml")
    rows = [
        row if f"id: {criterion}," not in row else ", ".join(_limited(part, limit) for part in row.split(", "))
        for row in path.read_text().splitlines()
    ]
    path.write_text("\n".join(rows) + "\n")


def _limited(part, limit):
    return f"limit: {limit!r}" if part.startswith("limit:") else part


def test_a_limit_beyond_the_flip_point_changes_the_verdict(room):
    flip = make(room).decide()["lines"][0]["flip_point"]
    for limit, decision in (
        (flip, "deployable_with_note"),
        (flip * 0.9999, "insufficient_evidence"),
        (0.01, "blocked"),
    ):
        set_limit("warm-p99", limit)
        document = room.decide()
        assert document["decision"] == decision
    assert document["explanation"].startswith("warm-p99 fails (")


def test_few_samples_leave_the_percentile_unknown(room):
    document = make(room, right={"count": 50}).decide()
    assert document["decision"] == "insufficient_evidence"
    assert "500 calls are fewer than the 662 that it needs" in document["lines"][0]["reason"]


def test_few_starts_have_a_percentile_without_an_interval(room):
    document = make(room, right={"processes": 9}).decide()
    assert document["decision"] == "insufficient_evidence"
    line = document["lines"][0]
    assert line["value"] > 0 and (line["low"], line["reason"]) == (None, "in these 9 starts; an interval needs 10")


def test_a_throttled_run_is_unknown(room):
    document = make(room, right={"kind": "throttled"}).decide()
    assert document["decision"] == "insufficient_evidence" and document["guard"] == "skipped"
    assert "the run is throttled" in document["lines"][0]["reason"]


def test_a_noisy_run_is_judged_by_its_interval(room):
    document = make(room, right={"kind": "noisy"}).decide()
    assert verdicts(document)["warm-p99"] == "pass" and document["guard"] == "ok"


@pytest.mark.parametrize("kind", ["crashed", "no_artifact", "unsupported", "wrong"])
def test_candidate_that_does_not_work_is_blocked(room, kind):
    document = make(room, right={"kind": kind}).decide()
    assert (document["decision"], document["guard"]) == ("blocked", "error")


def test_trivial_parity_satisfies_nothing(room):
    make(room)
    room.edit_parity(lambda document: document.update(trivial=True))
    room.judge()
    document = room.decide()
    assert verdicts(document)["parity"] == verdicts(document)["accuracy"] == "unknown"
    assert document["decision"] == "insufficient_evidence" and document["accuracy"] is None
    path = Path("config/criteria/interactive.yaml")
    path.write_text(path.read_text().replace("accept_trivial_parity: false", "accept_trivial_parity: true"))
    assert room.decide()["decision"] == "deployable_with_note"


def test_the_same_graph_differs_by_exactly_0(room):
    def same(document):
        document.update(trivial=True, source_sha256=document["artifact_sha256"])
        document["accuracy"].update(difference=0.0, gained=0, lost=0)
        document["accuracy"]["answers"]["candidate"] = document["accuracy"]["answers"]["reference"]

    room.make(same_cell=True)
    room.edit_parity(same, "fp32")
    room.judge()
    (line,) = [line for line in room.decide()["lines"] if line["metric"] == "accuracy_difference"]
    assert (line["value"], line["low"], line["high"], line["verdict"]) == (0, 0, 0, "unknown")
    path = Path("config/criteria/interactive.yaml")
    path.write_text(path.read_text().replace("accept_trivial_parity: false", "accept_trivial_parity: true"))
    document = room.decide()
    assert (document["accuracy"]["low_pp"], verdicts(document)["accuracy"]) == (0, "pass")


def test_no_labels_no_accuracy(room):
    document = make(room, right={"accuracy": False}).decide()
    assert document["decision"] == "insufficient_evidence"
    assert "no labels" in next(entry for entry in document["lines"] if entry["id"] == "accuracy")["reason"]


def test_five_cold_starts_decide_nothing_and_twenty_do(room):
    document = make(room, right={"processes": 5}).decide("first-answer")
    cold = document["lines"][0]
    assert (cold["verdict"], cold["reason"]) == ("unknown", "5 cold starts, 20 fresh processes are needed")
    document = make(room, left={"processes": 20}, right={"processes": 20}).decide("first-answer")
    cold = document["lines"][0]
    assert (cold["verdict"], cold["unit"]) == ("pass", "s")
    assert cold["value"] == pytest.approx(0.032)  # import, load and first inference


def test_regression_asks_for_review(room):
    document = make(room, ratio=1.3, right={"median_ms": 1.3}).decide()
    assert document["decision"] == "review_required"
    names = [rule["rule"] for rule in document["rules"]]
    assert {"regression", "slower", "not_beneficial"} <= set(names)
    assert document["regression"] == {"policy": "strict", "status": "regression", "severity": "high"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"decision": "deployable"}, "decision is 'deployable', criteria and evidence give"),
        ({"rules": []}, "rules"),
        ({"guard": "error"}, "guard is 'error'"),
    ],
)
def test_edited_decision_is_refused_by_name(room, change, message):
    make(room).decide()
    room.edit(room.folder / "decision.json", lambda document: document.update(change))
    with pytest.raises(UserError, match=message):
        read_decision(room.folder / "decision.json")


def test_edited_line_is_refused_by_name(room):
    make(room, right={"count": 50}).decide()
    room.edit(room.folder / "decision.json", lambda document: document["lines"][0].update(verdict="pass"))
    with pytest.raises(UserError, match=r"lines\[0\]\.verdict is 'pass', criteria and evidence give 'unknown'"):
        read_decision(room.folder / "decision.json")


def test_decision_on_another_report_is_refused(room):
    make(room)
    room.edit(room.folder / "regression.json", lambda document: document["digests"].update(report="0" * 64))
    with pytest.raises(UserError, match=r"digests\.report is"):
        room.decide()


def test_a_limit_of_parity_that_was_not_measured_leaves_a_note():
    lines = [{"passed": True}, {"passed": None}]
    (rule,) = rules_of_candidate(OK, {**PASSED, "thresholds": lines})
    assert (rule["rule"], rule["outcome"]) == ("parity_partly_measured", "deployable_with_note")
    assert rule["message"] == "parity passed (1 of 2 limits measured)" and name_guard([rule]) == "ok"
    assert rules_of_candidate(OK, {**PASSED, "thresholds": lines, "provenance": "simulated"}) == []
    assert rules_of_candidate(OK, {**PASSED, "thresholds": lines[:1]}) == []
