"""Regressions at the gate: only where a comparison says that its left side is a baseline."""

import pytest
from edgeproof.core.campaign import DEFAULT_REGRESSIONS, expand_campaign
from edgeproof.core.documents import read_json
from edgeproof.core.errors import UserError
from edgeproof.evidence.collecting import collect_evidence
from edgeproof.evidence.gate import check_gate
from edgeproof.evidence.overview import describe_overview
from edgeproof.evidence.regression_gate import judge_gated

LINE = {"name": "slower", "status": "triggered", "delta_pct": 7.123}


def regression(status, severity="low", mode="same-condition", reason=None):
    named = {"status": status, "severity": severity, "mode": mode, "reason": reason, "policy": "strict"}
    return {**named, "thresholds": [LINE]}


@pytest.mark.parametrize(
    ("found", "fail_at", "tolerate", "state"),
    [
        (regression("no-regression"), "warning", (), "ok"),
        (regression("regression", "warning"), "warning", (), "failing"),
        (regression("regression", "warning"), "medium", (), "tolerated"),
        (regression("regression", "medium"), "medium", (), "failing"),
        (regression("regression", "high"), "medium", (), "failing"),
        (regression("regression", "high"), "high", (), "failing"),
        (regression("regression", "high"), "high", ("undecided",), "failing"),
        (regression("blocked", mode="undecided", reason="noise"), "warning", (), "failing"),
        (regression("blocked", mode="undecided", reason="noise"), "warning", ("undecided",), "tolerated"),
        (regression("blocked", mode="throttled", reason="heat"), "high", ("undecided",), "failing"),
        (regression("blocked", mode="protocol_mismatch", reason="x"), "high", ("undecided", "incomplete"), "failing"),
    ],
)
def test_state_of_a_gated_comparison(found, fail_at, tolerate, state):
    entry = judge_gated(found, fail_at, tolerate)
    assert entry["state"] == state
    assert bool(entry["reasons"]) == (state != "ok")


def snapshot():
    cells = [["digits-cnn", "ort-cpu", "desk", precision, "host"] for precision in ("fp32", "int8")]
    return {"campaign": "trial", "cells": cells, "comparisons": ["pair"], "plans": []}


@pytest.mark.parametrize(
    ("ratio", "fail_at", "passed"), [(0.6, "warning", True), (1.3, "warning", False), (1.08, "high", True)]
)
def test_gate_fails_on_a_regression_from_the_severity_on(room, ratio, fail_at, passed):
    room.make(ratio=ratio).judge()
    settings = DEFAULT_REGRESSIONS | {"fail_at": fail_at, "gated": ["pair"]}
    outcome, text = check_gate(snapshot(), [], "gate.json", settings)
    assert outcome == passed
    assert ("these regress" in text) == (not passed)
    overview = describe_overview(collect_evidence(snapshot(), regressions=settings))
    assert (overview["headline"] == "Gate passed") == passed
    assert ("baseline pair regresses" in overview["sentence"]) == (not passed)
    if passed:
        assert read_json("gate.json", "gate")["regressions"][0]["comparison"] == "pair"
    else:
        assert not (room.root / "gate.json").exists() and "high regression by strict: slower +" in text


def test_trade_off_without_a_baseline_never_fails_the_gate(room):
    room.make(ratio=1.3).judge()
    assert check_gate(snapshot(), [], "gate.json", DEFAULT_REGRESSIONS | {"gated": []})[0]
    assert check_gate(snapshot(), [], "gate.json")[0]


def test_edited_regression_does_not_open_the_gate(room):
    room.make(ratio=1.3).judge()
    room.edit(room.folder / "regression.json", lambda document: document.update(status="no-regression"))
    with pytest.raises(UserError, match="status is 'no-regression'"):
        check_gate(snapshot(), [], "gate.json", DEFAULT_REGRESSIONS | {"gated": ["pair"]})


CATALOGUES = {
    "model": {"m": {}},
    "preset": {"p": {"precisions": ["fp32", "int8"], "built": "host"}},
    "device": {"here": {"transport": "local"}},
    "protocol": {"quick": {}},
    "policy": {"strict": {}},
    "regression-policy": {"strict": {}, "lab-v1": {}},
    "criteria": {"interactive": {}, "cold": {}},
}


def campaign(entry=None, **changes):
    left = {"model": "m", "preset": "p", "precision": "fp32"}
    comparison = {"name": "a", "left": left, "right": {"precision": "int8"}, **(entry or {})}
    matrix = {"models": ["m"], "presets": ["p"], "precisions": ["fp32"]}
    names = {"campaign": "c", "protocol": "quick", "policy": "strict", "devices": ["here"], "matrices": [matrix]}
    return expand_campaign({**names, "comparisons": [comparison], **changes}, CATALOGUES)


def test_defaults_of_a_campaign():
    expanded = campaign()
    assert expanded.regressions == {"policy": "strict", "fail_at": "warning", "tolerate": []}
    assert (expanded.comparisons["a"].criteria, expanded.comparisons["a"].gated) == ("interactive", False)


def test_a_comparison_overrides_criteria_and_opts_in():
    expanded = campaign({"criteria": "cold", "gate": True}, criteria="interactive", regressions={"fail_at": "high"})
    assert (expanded.comparisons["a"].criteria, expanded.comparisons["a"].gated) == ("cold", True)
    assert expanded.regressions["fail_at"] == "high" and expanded.regressions["policy"] == "strict"


@pytest.mark.parametrize(
    ("entry", "changes", "message"),
    [
        ({}, {"regressions": {"policy": "lax"}}, "regressions: policy: 'lax' is not in config/regressions/"),
        ({}, {"regressions": {"fail_at": "low"}}, "regressions.fail_at is"),
        ({}, {"criteria": "none"}, "criteria: 'none' is not in config/criteria/"),
        ({"criteria": "none"}, {}, "criteria: 'none'"),
        ({"gate": "left"}, {}, "gate is"),
    ],
)
def test_mistakes_are_named(entry, changes, message):
    with pytest.raises(UserError, match=message):
        campaign(entry, **changes)
