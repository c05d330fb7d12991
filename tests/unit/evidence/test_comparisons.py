"""Comparisons: one sentence each, and a number only where there may be one."""

import re

import pytest
from edgeproof.evidence.collecting import collect_evidence
from edgeproof.evidence.comparisons import describe_comparisons, name_sides


@pytest.fixture
def rows(campaign):
    comparisons = collect_evidence(campaign, ["unstable"]).comparisons
    return {row["name"]: row for row in describe_comparisons(comparisons, "results/evidence/trial/report.html")}


def test_sentences(rows):
    sentences = {name: row["sentence"].replace("\u202f", " ") for name, row in rows.items()}
    assert sentences == {
        "faster": "int8 is faster than fp32: it takes 40.0 % less time.",
        "same": "The left side and the right side are equivalent within ±2 %.",
        "undecided": "Undecided: the pairs neither show a difference beyond ±2 % nor exclude one.",
        "shaky": "Unstable: the times cannot be trusted, so no difference is given.",
        "refused": "Not comparable: these two results may not be compared, so no difference is given.",
        "two-boards": "Undecided: the two sides cannot be measured in pairs, so no difference is given.",
    }


def test_effects_only_where_pairs_were_measured(rows):
    assert {name for name, row in rows.items() if row["effect"]} == {"faster", "same", "undecided"}
    effect = rows["faster"]["effect"]
    assert effect["ratio_text"].startswith("0.600")
    assert effect["confidence"] == "96.25"
    assert effect["delta_text"].startswith("−")
    assert " to −" in effect["delta_interval_text"]


def test_a_refused_pair_shows_no_number(rows):
    row = rows["refused"]
    assert row["effect"] is None
    assert not re.search(r"\d", row["sentence"] + " ".join(row["explanation"]))
    assert [reason["field"] for reason in row["reasons"]] == ["model hash"]
    assert row["reasons"][0]["remedy"] == "compare two cells of the same model"
    assert len(row["reasons"][0]["left"]["text"]) == 12
    assert len(row["reasons"][0]["left"]["full"]) == 64


def test_explanations(rows):
    assert rows["shaky"]["explanation"][0].startswith("Right is unstable: between processes: ")
    assert rows["two-boards"]["explanation"]
    assert "further pairs would decide" in rows["undecided"]["explanation"][-1]


def test_sides_are_named_by_what_differs():
    left = {"model": "m", "preset": "p", "device": "d", "precision": "fp32"}
    assert name_sides(left, {**left, "precision": "int8"}) == ("fp32", "int8")
    assert name_sides(left, {**left, "preset": "q", "precision": "int8"}) == ("p · fp32", "q · int8")
    assert name_sides(left, left) == ("the left side", "the right side")


def test_two_devices_can_be_judged_by_the_spread_between_sessions(campaign):
    item = next(i for i in collect_evidence(campaign).comparisons if i.report["comparison"] == "two-boards")
    sessions = {"ratio": 9.0, "delta_pct": 800.0, "interval_low": 8.1, "interval_high": 10.0, "confidence": 0.95}
    noise = {
        "device": "desk",
        "fitness": "fit",
        "detectable_effect": 1.03,
        "false_rate": 0.01,
        "provenance": "measured",
    }
    changed = {"verdict": "slower", "between_sessions": sessions, "margin": 0.03}
    report = item.report | changed | {"explanation": "ratio right / left 9.000", "noise": [noise]}
    row = describe_comparisons([item._replace(report=report)], "results/evidence/trial/report.html")[0]
    assert row["sentence"].replace("\u202f", " ") == "board is slower than desk: it takes 800 % more time."
    assert row["effect"]["paired"] is False
    assert [line.split(",")[0] for line in row["explanation"]] == [
        "Device desk is fit for measuring: it detects differences from 3.0\u202f% on",
    ]
