"""The gate: which cells pass, and what it says at midnight."""

import contextlib
import json

import pytest
from edgeproof.bench.made_up_campaigns import make_campaign
from edgeproof.core.documents import read_json
from edgeproof.core.errors import UserError
from edgeproof.core.seals import seal
from edgeproof.evidence import gate, wanted
from edgeproof.evidence.gate import check_gate, judge_cell, name_state

OK = {"status": "ok", "reason": None, "elsewhere": False, "sessions": []}
MACHINE = {"id": "0" * 16, "board": "A board", "cpu": None}
FOREIGN = OK | {"elsewhere": True, "sessions": [{"elsewhere": True, "machine": MACHINE}]}
PASSED = {"status": "passed", "provenance": "measured", "reason": None}


def result(status, kind=None, message="why"):
    return OK | {"status": status, "reason": {"kind": kind or status, "message": message}}


def parity(status, kind="threshold_missed", provenance="measured"):
    return {"status": status, "provenance": provenance, "reason": {"kind": kind, "message": "parity says why"}}


@pytest.mark.parametrize(
    ("found", "agreement", "tolerate", "state"),
    [
        (OK, PASSED, (), "ok"),
        (result("throttled"), PASSED, (), "failing"),
        (result("throttled"), PASSED, ("throttled",), "tolerated"),
        (result("failed"), PASSED, ("throttled", "unsupported"), "failing"),
        (OK, parity("failed"), ("throttled",), "failing"),
        (OK, parity("not_run", "metrics_unknown"), (), "failing"),
        (OK, parity("not_run", "metrics_unknown", "simulated"), (), "ok"),
        (result("unsupported"), parity("failed", "provider_unavailable"), ("unsupported",), "tolerated"),
        (result("unsupported"), parity("failed", "provider_unavailable"), (), "failing"),
        (result("unsupported"), parity("failed", "threshold_missed"), ("unsupported",), "failing"),
        (FOREIGN, PASSED, (), "failing"),
        (FOREIGN, PASSED, ("throttled",), "failing"),
        (FOREIGN, PASSED, ("elsewhere",), "tolerated"),
        (FOREIGN | {"status": "throttled", "reason": {"kind": "throttled", "message": "why"}}, PASSED, (), "failing"),
    ],
)
def test_state_of_a_cell(found, agreement, tolerate, state):
    verdict = judge_cell(found, agreement, tolerate)
    assert verdict["state"] == state
    assert bool(verdict["reasons"]) == (state != "ok")


def test_the_same_reason_is_not_said_twice():
    failed = result("failed", "no_artifact", "the operator is not known")
    not_run = {
        "status": "not_run",
        "provenance": "measured",
        "reason": {"kind": "build_failed", "message": "the operator is not known"},
    }
    assert judge_cell(failed, not_run)["reasons"] == ["failed (no artifact): the operator is not known"]


def test_a_result_from_elsewhere_says_of_which_machine():
    verdict = judge_cell(FOREIGN, PASSED, ["elsewhere"])
    assert verdict["reasons"] == ["measured elsewhere, on another machine than this one: A board"]
    assert name_state(FOREIGN, verdict) == "elsewhere"
    unknown = judge_cell(FOREIGN | {"sessions": [{"elsewhere": True, "machine": dict.fromkeys(MACHINE)}]}, PASSED)
    assert unknown["reasons"][0].endswith("which one is not recorded")


def test_a_campaign_from_elsewhere_passes_only_where_that_is_tolerated(here, monkeypatch):
    """Results are copied as they are: what they say of the machine that computed them is not asked."""
    snapshot = make_campaign(here, [{}])
    monkeypatch.setattr(wanted, "describe_machine", lambda: MACHINE)
    passed, text = check_gate(snapshot, ["throttled"], "gate.json")
    assert not passed and text.endswith("add elsewhere to gate.tolerate of the campaign.")
    passed, text = check_gate(snapshot, ["elsewhere"], "gate.json")
    assert passed and "Tolerated:" in text and "gate.tolerate" not in text


def test_a_result_that_was_computed_on_another_machine_is_at_home_where_it_was_measured(here):
    snapshot = make_campaign(here, [{}])
    path = here / "results/runs/digits-cnn/ort-cpu/desk/fp32/result.json"
    result = json.loads(path.read_text())
    result["sessions"][0]["elsewhere"] = result["elsewhere"] = True
    path.write_text(json.dumps(seal(result)))
    passed, text = check_gate(snapshot, ["throttled"], "gate.json")
    assert passed and "elsewhere" not in text


def test_verdicts_come_first(campaign, tmp_path):
    text = check_gate(campaign, ["throttled"], tmp_path / "gate.json")[1]
    assert text.startswith(
        "faster: int8 is 1.67 times as fast as fp32 (1.65–1.68, 95 %), 20 s, the first 4 of 10 pairs.\nsame: "
    )
    lines = text.split("\n\n")[0].splitlines()
    assert [line.split(":")[0] for line in lines if not line.startswith(" ")] == campaign["comparisons"]
    assert max(map(len, lines)) <= 120


def test_many_verdicts_are_cut(campaign, tmp_path):
    many = {**campaign, "comparisons": ["faster"] * 11}
    assert "\n… and 3 more comparisons\n" in check_gate(many, ["throttled"], tmp_path / "gate.json")[1]


def test_passing_writes_a_document(here):
    snapshot = make_campaign(here, [{}, {"precision": "int8"}, {"preset": "fake", "kind": "simulated"}])
    passed, text = check_gate(snapshot, [], "gate.json")
    document = read_json("gate.json", "gate")
    assert passed
    assert text.startswith("Gate of campaign trial passed; cells: 3 ok.")
    assert "1 of 3 cells" in text
    assert [cell["state"] for cell in document["cells"]] == ["ok"] * 3


def test_failing_writes_nothing_and_names_the_cells(here):
    snapshot = make_campaign(
        here, [{}, {"precision": "int8", "kind": "throttled"}, {"precision": "fp16", "kind": "wrong"}]
    )
    passed, text = check_gate(snapshot, [], "gate.json")
    assert not passed
    assert not (here / "gate.json").exists()
    lines = text.splitlines()
    assert lines[0] == "GATE NOT PASSED: 2 of 3 cells of campaign trial are not ok."
    assert any(line.startswith("  digits-cnn/ort-cpu/desk/int8 ") and "throttled: " in line for line in lines)
    assert any("parity failed: made up" in line for line in lines)
    assert "add throttled to gate.tolerate" in lines[-1]
    assert max(map(len, lines)) <= 120


def test_nothing_is_said_to_have_passed_when_a_comparison_or_a_plan_fails(here, monkeypatch):
    slower = {"comparison": "left-vs-right", "state": "failing", "reasons": ["slower"]}
    unplaced = {"pipeline": "six", "goal": "min-latency", "state": "failing", "reasons": ["unplaced"]}
    monkeypatch.setattr(gate, "check_regressions", lambda campaign, wanted: [slower])
    monkeypatch.setattr(gate, "_check_plan", lambda *row: unplaced)
    monkeypatch.setattr(gate, "checking_evidence_files", lambda snapshot: contextlib.nullcontext())
    snapshot = {**make_campaign(here, [{}]), "plans": [["six", "min-latency"]]}
    passed, text = check_gate(snapshot, [], "gate.json", {"gated": ["left-vs-right"]})
    assert not passed and not (here / "gate.json").exists() and "passed" not in text
    compared, planned, where = text.split("\n\n")
    assert compared.splitlines()[-1].split() == ["left-vs-right", "slower"]
    assert planned.splitlines()[-1].split() == ["six/min-latency", "unplaced"]
    assert where == "Every number and reason: results/evidence/trial/report.html"


def test_tolerated_cells_pass_and_are_named(here):
    snapshot = make_campaign(here, [{"kind": "throttled"}, {"precision": "int8", "kind": "unsupported"}])
    passed, text = check_gate(snapshot, ["throttled", "unsupported"], "gate.json")
    assert passed
    assert "Tolerated:" in text
    assert [cell["state"] for cell in json.loads((here / "gate.json").read_text())["cells"]] == ["tolerated"] * 2


def test_numbers_that_do_not_follow_from_the_samples_are_no_verdict(here):
    snapshot = make_campaign(here, [{}])
    path = here / "results/runs/digits-cnn/ort-cpu/desk/fp32/result.json"
    document = json.loads(path.read_text())
    document["latency"]["median_ms"] /= 2
    path.write_text(json.dumps(document))
    with pytest.raises(UserError, match="median_ms"):
        check_gate(snapshot, [], "gate.json")
