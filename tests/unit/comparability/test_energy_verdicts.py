"""Energy of pairs in judgement: its own verdict, sentences, thresholds and criteria, each for the module alone."""

import pytest
from edgeproof.comparability.energy_sentences import describe_energy
from edgeproof.comparability.quantities import find_in_comparison
from edgeproof.comparability.reporting import build_report, render_markdown
from edgeproof.core.documents import validate
from edgeproof.core.errors import UserError
from edgeproof.core.formatting import plain
from edgeproof.runs.telemetry_files import path_in_attempt

CRITERION = {
    "id": "less",
    "metric": "energy_ratio",
    "regime": None,
    "statistic": "paired",
    "confidence": None,
    "limit": 0.9,
    "unit": "ratio",
    "direction": "at_most",
    "required": True,
}


def report_of(room, watts, **options):
    return room.make(watts=watts, **options).read("report.json")


@pytest.mark.parametrize(
    ("watts", "ratio", "verdict"),
    [((5.0, 8.0), 1.0, "higher"), ((8.0, 5.0), 1.0, "lower"), ((5.0, 5.0), 1.0, "equivalent")],
)
def test_energy_has_a_verdict_beside_that_of_time(room, watts, ratio, verdict):
    report = report_of(room, watts, ratio=ratio, pairs=20, margin=0.05)
    energy = report["energy"]
    validate(report, "comparison", "report.json")
    assert (report["verdict"], energy["verdict"]) == ("equivalent", verdict)
    effect = energy["effect"]
    assert effect["interval_low"] <= watts[1] / watts[0] <= effect["interval_high"]
    assert effect["slack"] > 0 and energy["left_j"] == pytest.approx(watts[0] * 0.05 / 5, rel=0.02)
    assert (energy["boundary"], energy["rails"], energy["interleaving"]) == ("module", ["VDD_IN"], ["blocks"])


def test_a_faster_arm_may_take_more_energy(room):
    report = report_of(room, (5.0, 10.0), ratio=0.7)
    assert (report["verdict"], report["energy"]["verdict"]) == ("faster", "higher")
    assert report["energy"]["effect"]["ratio"] == pytest.approx(1.4, rel=0.02)
    text = render_markdown(report)
    assert "of the module (VDD_IN)" in text and "the right side takes more" in text


def test_error_budgets_are_part_of_the_interval_and_can_forbid_a_verdict(room):
    report = report_of(room, (5.0, 5.15), pairs=20, margin=0.029)
    energy = report["energy"]
    assert (energy["verdict"], energy["reason"]) == ("undecided", "error_budget")
    assert energy["effect"]["slack"] > 0
    assert any("but for the error budgets" in line for line in describe_energy(report))


def test_items_of_a_call_divide_energies(room):
    left = {"preset": "ort-cpu"}
    report = report_of(room, (5.0, 5.0), left=left)
    assert report["items"]["left"] == report["items"]["right"] and "per item" not in describe_energy(report)[0]


def test_without_the_question_there_is_no_energy(room):
    report = room.make().read("report.json")
    assert "energy" not in report and describe_energy(report) == []
    found = find_in_comparison(CRITERION, report)
    assert found.value is None and "did not ask for energy" in found.reason


def test_simulated_pairs_have_no_energy(room):
    report = report_of(room, (5.0, 6.0), left={"kind": "simulated"}, right={"kind": "simulated"})
    assert report["energy"]["verdict"] == "unknown"
    assert plain(describe_energy(report)[0]) == "Energy per inference is unknown: a simulated run uses no power."


@pytest.mark.parametrize(
    ("watts", "status", "names"),
    [((5.0, 5.0), "no-regression", []), ((5.0, 7.5), "regression", ["more_energy", "much_more_energy"])],
)
def test_a_policy_may_ask_about_energy(room, watts, status, names):
    document = room.make(watts=watts, margin=0.05, pairs=20).judge("strict-energy")
    found = [line["name"] for line in document["thresholds"] if line["status"] == "triggered"]
    assert (document["status"], found) == (status, names)
    assert document["regression_type"] == ("resource" if names else "none")


def test_a_threshold_on_energy_nobody_asked_about_blocks_with_a_reason(room):
    document = room.make(pairs=20).judge("strict-energy")
    assert document["status"] == "blocked" and "energy: true" in document["reason"]


def test_criteria_ask_the_interval_of_the_pairs(room):
    report = report_of(room, (8.0, 5.0))
    found = find_in_comparison(CRITERION, report)
    assert found.value == pytest.approx(5 / 8, rel=0.02) and found.low < found.value < found.high < 0.9
    wall = find_in_comparison({**CRITERION, "boundary": "wall"}, report)
    assert wall.reason == "it is the energy of the module, the criterion asks about wall"


def test_a_decision_takes_the_energy_of_the_pairs(room):
    path = room.root / "config/criteria/frugal.yaml"
    text = (room.root / "config/criteria/interactive.yaml").read_text()
    row = "  - {id: less, metric: energy_ratio, statistic: paired, confidence: null, limit: 0.9, unit: ratio,"
    path.write_text(f"{text}{row} direction: at_most, required: true}}\n")
    lines = {line["id"]: line for line in room.make(watts=(8.0, 5.0)).decide("frugal")["lines"]}
    assert lines["less"]["verdict"] == "pass" and lines["less"]["value"] == pytest.approx(0.625, rel=0.02)


def test_all_sessions_of_a_sequence_count(room):
    report = report_of(room, (5.0, 8.0), sessions=2, pairs=6)
    assert report["energy"]["effect"]["pairs"] > 3 and report["energy"]["left_out"] == 0
    path = path_in_attempt(room.root / report["sessions"][0]["attempt"])
    path.write_text(path.read_text().replace(",5.0", ",4.9", 1))
    with pytest.raises(UserError, match="was changed"):
        build_report(*(room.folder / name for name in ("verdict.json", "pairs.csv", "pairs.json")))
