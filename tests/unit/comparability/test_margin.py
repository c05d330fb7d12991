"""The margin stays what was asked for, and thresholds ask the interval: a noisy device hides no proven slow-down."""

import pytest
from edgeproof.bench.made_up_campaigns import CAMPAIGN, write_calibration, write_comparison
from edgeproof.bench.made_up_cells import write_cell
from edgeproof.comparability.reporting import build_report
from edgeproof.core.documents import write_json
from edgeproof.core.layout import comparison_folder

NOISE = 0.09  # standard deviation of A/A pairs on a noisy device


def statuses(document):
    return {line["name"]: line["status"] for line in document["thresholds"]}


def test_a_proven_slow_down_is_no_equivalence_on_a_noisy_device(room):
    room.make(ratio=1.055)
    folder = comparison_folder(CAMPAIGN, "pair")
    files = [f"{folder}/{name}" for name in ("verdict.json", "pairs.csv", "pairs.json")]
    report = build_report(*files, [write_calibration(spread=NOISE, pairs=40)])
    assert (report["verdict"], report["design"]["margin"]) == ("slower", 0.02)
    assert report["noise"][0]["log_sd"] == pytest.approx(NOISE, rel=0.3)
    assert report["effect"]["interval_low"] > 1.05
    write_json(f"{folder}/report.json", report, "comparison")
    document = room.judge()
    assert (document["status"], document["severity"]) == ("regression", "medium")
    assert statuses(document) == {"slower": "triggered", "slower_by_5": "triggered", "slower_by_15": "clear"}


@pytest.mark.parametrize(
    ("ratio", "margin", "verdict", "status", "severity", "found"),
    [
        (1.08, 0.10, "equivalent", "regression", "medium", ("clear", "triggered", "clear")),
        (1.10, 0.10, "undecided", "regression", "medium", ("unknown", "triggered", "clear")),
        (1.30, 0.50, "equivalent", "regression", "high", ("clear", "triggered", "triggered")),
        (1.02, 0.10, "equivalent", "no-regression", "low", ("clear", "clear", "clear")),
        (1.05, 0.02, "slower", "regression", "warning", ("triggered", "unknown", "clear")),
        (0.90, 0.02, "faster", "no-regression", "low", ("clear", "clear", "clear")),
        (1.02, 0.02, "undecided", "blocked", "low", ("unknown", "unknown", "unknown")),
    ],
)
def test_thresholds_ask_the_interval_and_not_the_margin(room, ratio, margin, verdict, status, severity, found):
    document = room.make(ratio=ratio, margin=margin).judge()
    assert room.read("report.json")["verdict"] == verdict
    assert (document["status"], document["severity"]) == (status, severity)
    assert tuple(statuses(document).values()) == found
    assert all((line["reason"] is None) == (line["status"] != "unknown") for line in document["thresholds"])


def test_a_threshold_inside_the_interval_leaves_an_equivalent_pair_open(room):
    """Equivalent within 10 %, and 5 % lies in the interval: neither a regression of 5 % nor its absence is proved."""
    document = room.make(ratio=1.05, margin=0.10).judge()
    assert room.read("report.json")["verdict"] == "equivalent"
    assert (document["status"], document["mode"]) == ("blocked", "undecided")
    assert document["reason"].startswith("the limit of 5 % lies inside the interval, ")
    assert document["recommendation"] == "smaller_margin"  # the test ended at the margin


def test_one_pair_has_no_interval_to_judge_by(room):
    document = room.make(ratio=1.3, pairs=1).judge()
    assert (document["status"], document["mode"]) == ("blocked", "undecided")


@pytest.mark.parametrize("policy", ["edgeenv-v1", "lab-v1"])
@pytest.mark.parametrize("margin", [0.02, 0.5])
def test_point_policies_keep_their_rules(room, policy, margin):
    """They compare the figures of the two runs, whatever the pairs and their margin say."""
    write_cell(median_ms=1.0)
    write_cell(precision="fp32", preset="ort-cpu-1t", median_ms=1.2)
    sides = (("digits-cnn", "ort-cpu", "desk", "fp32"), ("digits-cnn", "ort-cpu-1t", "desk", "fp32"))
    write_comparison("pair", *sides, ratio=1.0, margin=margin)
    document = room.judge(policy)
    changes = {line["name"]: (line["status"], round(line["delta_pct"])) for line in document["thresholds"][:1]}
    name = "mean_latency_review" if policy == "edgeenv-v1" else "mean_latency"
    assert changes == {name: ("triggered", 20)}
