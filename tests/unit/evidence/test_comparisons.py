"""Comparisons: one sentence each, and a number only where there may be one."""

import re

import numpy as np
import pytest
from edgeproof.bench.made_up_pairs import make_drift
from edgeproof.evidence.collecting import collect_evidence
from edgeproof.evidence.comparisons import describe_comparisons, fold_comparisons
from edgeproof.runs.drift_records import describe_drift

PAGE = "results/evidence/trial/report.html"


@pytest.fixture
def comparisons(campaign):
    return {item.report["comparison"]: item for item in collect_evidence(campaign, ["throttled"]).comparisons}


@pytest.fixture
def rows(comparisons):
    return {row["name"]: row for row in describe_comparisons([*comparisons.values()], PAGE)}


def test_sentences_have_ratio_interval_and_cost(rows):
    sentences = {name: row["sentence"].replace("\u202f", " ") for name, row in rows.items()}
    number, level, cost = r"[\d.]+", r"9\d(?:\.\d+)?", r"20 s, (the first \d of )?10 pairs\."
    patterns = {
        "faster": rf"int8 is 1\.67 times as fast as fp32 \(1\.6{number}–1\.6{number}, {level} %\), {cost}",
        "same": rf"The same artifact is equivalent to itself within ±2 %: {number} times the time "
        rf"\({number}–{number}, {level} %\), {cost}",
        "undecided": rf"Undecided: the same artifact takes {number} times as long as itself "
        rf"\({number}–{number}, {level} %\), margin ±2 %, {cost}",
        "shaky": rf"fp16 is equivalent to fp32 within ±2 %: .*, {cost} "
        rf"Alone, fp16 also started at {number} ms \(2 of 5 starts\), which no pair saw; at that level fp16 takes .*",
        "refused": r"Not comparable: digits-cnn and squeezenet differ in model hash\.",
        "two-boards": r"Undecided: board took 9\.0\d times as long as desk, without an interval, 1 session each\.",
    }
    assert [name for name, pattern in patterns.items() if not re.fullmatch(pattern, sentences[name])] == []


def test_effects_only_where_there_is_a_difference(rows):
    effects = {name: row["effect"] for name, row in rows.items() if row["effect"]}
    assert {name: effect["paired"] for name, effect in effects.items()} == {
        "faster": True,
        "same": True,
        "undecided": True,
        "shaky": True,
        "two-boards": False,
    }
    effect = effects["faster"]
    assert effect["ratio_text"].startswith("0.59") or effect["ratio_text"].startswith("0.60")
    assert effect["confidence"] == "95"
    assert effects["two-boards"]["interval_text"] is None


def test_a_refused_pair_shows_no_number(rows):
    row = rows["refused"]
    assert (row["effect"], row["grounds"], row["remedy"], row["interleaving"]) == (None, [], None, None)
    assert not re.search(r"\d", row["sentence"])
    assert [reason["field"] for reason in row["reasons"]] == ["model hash"]
    assert (
        row["reasons"][0]["remedy"]
        == "declare `varies: [model]` to compare two versions of a model, or compare cells of one model"
    )
    assert len(row["reasons"][0]["left"]["text"]) == 12
    assert len(row["reasons"][0]["left"]["full"]) == 64


def test_undecided_ones_say_what_would_decide(rows):
    assert rows["undecided"]["reason"] == "The budget ended before the pairs had decided."
    assert rows["undecided"]["remedy"].startswith("Further pairs would probably not decide: ")
    assert "digits-cnn/ort-cpu/board/fp32" in rows["two-boards"]["remedy"]
    assert (rows["faster"]["reason"], rows["faster"]["remedy"]) == (None, None)


def test_each_row_says_what_both_sides_have_in_common(rows):
    assert rows["faster"]["context"] == "digits-cnn · ort-cpu · desk"
    assert rows["two-boards"]["context"] == "digits-cnn · ort-cpu · fp32"


def test_sessions_that_were_disturbed_say_so(comparisons):
    item = comparisons["faster"]
    entry = item.report["sessions"][0] | {"throttled": "the board throttled", "steal_share": 0.04}
    report = item.report | {"sessions": [entry, entry]}
    disturbances = describe_comparisons([item._replace(report=report)], PAGE)[0]["disturbances"]
    assert disturbances == ["the board throttled", "the hypervisor took 4.0\u202f% of the CPU time"]


def test_a_machine_that_changed_its_speed_is_named_and_drawn(comparisons):
    item = comparisons["faster"]
    record = make_drift(60.0, 0.1, np.random.default_rng(1))
    sessions = [session | {"drift": describe_drift(record)} for session in item.report["sessions"]]
    row = describe_comparisons([item._replace(report=item.report | {"sessions": sessions})], PAGE)[0]
    (words,) = row["disturbances"]
    assert re.fullmatch(
        r"the machine became (9\.\d|10\.0)\u202f% slower after 27 to 33\u202fs, for both arms alike", words
    )
    assert [drawn["state"] for drawn in row["drift"]["rows"]] == ["changed"]


def test_grounds_tell_what_the_calibration_expects(comparisons):
    item = comparisons["faster"]
    expected = [{"effect": e, "pairs": 9, "seconds": 18.0, "decided": 1.0} for e in (0.01, 0.02, 0.05, 0.1)]
    noise = {"provenance": "measured", "expected": expected}
    report = item.report | {"noise": [noise]}
    grounds = describe_comparisons([item._replace(report=report)], PAGE)[0]["grounds"]
    assert grounds[-1].replace("\u202f", " ") == (
        "Its calibration expects that a true difference of 5 % takes about 9 pairs, 18 s."
    )
    assert not any("not calibrated" in line for line in grounds)


def test_few_verdicts_stand_in_the_order_of_the_campaign(rows):
    told = fold_comparisons([*rows.values()])
    assert [row["name"] for row in told["shown"]] == [*rows]
    assert (told["folded"], told["summary"]) == ([], None)


def test_many_verdicts_are_folded_and_differences_come_first(rows):
    shutting = rows["undecided"] | {"rank": (False, *rows["undecided"]["rank"][1:])}
    larger = rows["faster"] | {"name": "larger", "rank": (True, rows["faster"]["rank"][1], -9.0)}
    told = fold_comparisons(
        [rows["same"]] * 20 + [rows["refused"], rows["undecided"], rows["faster"], larger, shutting]
    )
    names = [row["name"] for row in told["shown"][:6]]
    assert names == ["undecided", "larger", "faster", "undecided", "refused", "same"]
    assert (len(told["shown"]), len(told["folded"])) == (12, 13)
    assert told["summary"] == "25 comparisons: 20 equivalent, 1 not comparable, 2 undecided, 2 faster"
