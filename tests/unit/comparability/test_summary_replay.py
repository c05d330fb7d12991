"""The recorded edge-phase run: a limit without a statistic decides anything, and ours says what is missing."""

import json
from pathlib import Path

import pytest
from edgeproof.comparability.criteria import read_criteria
from edgeproof.comparability.summary_replay import (
    choose_candidate,
    judge_bare_rule,
    read_summary,
    replay_summary,
    separate_cold,
)
from edgeproof.core.errors import UserError

DATA = Path(__file__).resolve().parents[2] / "data/edge_phases"


@pytest.fixture
def summary():
    return read_summary(DATA / "20260409-130535.json")


@pytest.fixture
def criteria():
    return read_criteria(DATA / "criteria.yaml")


def test_the_statistic_decides_and_nobody_named_it(summary):
    assert judge_bare_rule(summary, "mean", 10) == "fail"
    assert judge_bare_rule(summary, "p50", 10) == "pass"
    assert judge_bare_rule(summary, "p95", 10) == "pass"
    assert judge_bare_rule(summary, "max", 10) == "fail"


def test_one_cold_request_is_the_whole_mean(summary):
    separated = separate_cold(summary)
    assert separated["warm"] == {"count": 99, "mean_ms": pytest.approx(1.05, abs=0.005)}
    assert separated["cold"] == {"count": 1, "mean_ms": 4592.98}
    assert separated["provenance"] == "estimated"
    assert separate_cold({**summary, "cold_starts": 2}) is None


def test_ours_is_insufficient_evidence_and_names_what_is_missing(summary, criteria):
    replay = replay_summary(summary, criteria, 10)
    assert replay["bare_rules"] == {"mean": "fail", "p50": "pass", "p95": "pass", "max": "fail"}
    assert replay["decision"] == "insufficient_evidence"
    gaps = "\n".join(replay["gaps"])
    for missing in (
        "p95 of 100 requests is below its floor of 130",
        "one cold start, 20 fresh ones are needed",
        "no raw samples",
        "power was not recorded",
        "task accuracy was not measured",
        "parity is trivial",
        "onnx skipped: onnx is not installed",
        "tflite skipped",
        "coreml skipped: coremltools is not installed",
    ):
        assert missing in gaps


def test_figures_are_shown_as_declared_and_decide_nothing(summary, criteria):
    lines = {line["id"]: line for line in replay_summary(summary, criteria, 10)["candidates"]["sdk"]["lines"]}
    assert {line["verdict"] for line in lines.values()} == {"unknown"}
    assert (lines["warm-p95"]["value"], lines["warm-p95"]["provenance"]) == (1.26, "declared")
    assert lines["first-answer"]["value"] == pytest.approx(4.59298)  # in the criterion's unit, seconds
    assert "end to end" in lines["warm-p95"]["source"]
    assert all(line["flip_point"] is None for line in lines.values())


def test_skipped_candidate_stops_no_other_and_is_never_chosen(summary, criteria):
    replay = replay_summary(summary, criteria, 10)
    assert replay["candidates"]["coreml"]["state"] == "open"
    assert all("was skipped" in line["reason"] for line in replay["candidates"]["coreml"]["lines"])
    assert not replay["decision"].startswith("convert")


@pytest.mark.parametrize("count", [130, 10_000])
def test_more_requests_without_samples_are_no_evidence_either(summary, criteria, count):
    line = replay_summary({**summary, "requests": count}, criteria, 10)["candidates"]["sdk"]["lines"][0]
    assert line["verdict"] == "unknown" and "floor" not in line["reason"] and "no raw samples" in line["reason"]


@pytest.mark.parametrize(
    ("states", "choice"),
    [
        ({"sdk": "qualifies", "onnx": "qualifies"}, "sdk"),
        ({"sdk": "fails", "onnx": "open", "tflite": "qualifies"}, "convert:tflite"),
        ({"sdk": "fails", "onnx": "qualifies", "tflite": "qualifies"}, "convert:onnx"),
        ({"sdk": "fails", "onnx": "fails", "hybrid": "qualifies"}, "hybrid"),
        ({"sdk": "fails", "onnx": "fails", "hybrid": "fails"}, "none_qualifies"),
        ({"sdk": "fails", "onnx": "fails"}, "none_qualifies"),
        ({"sdk": "fails", "onnx": "fails", "hybrid": "open"}, "insufficient_evidence"),
        ({"sdk": "fails", "onnx": "open"}, "insufficient_evidence"),
        ({"sdk": "open", "onnx": "qualifies"}, "insufficient_evidence"),
        ({"onnx": "qualifies"}, "insufficient_evidence"),
    ],
)
def test_choice_among_candidates(states, choice):
    assert choose_candidate(states, lighter=("onnx", "tflite")) == choice


@pytest.mark.parametrize(
    ("figures", "message"),
    [
        ({"p95": 0.5}, "p50 is 1.02, more than p95"),
        ({"max": 1.0}, "p95 is 1.26, more than max"),
        ({"mean": 5000.0}, "mean is 5000.0, impossible"),
        ({"mean": 1.0}, "mean is 1.0, impossible"),  # the maximum alone makes it 45.9
        ({"p50": -1.0}, "p50 is -1.0"),
    ],
)
def test_impossible_summary_is_refused(tmp_path, summary, figures, message):
    path = tmp_path / "summary.json"
    path.write_text(json.dumps({**summary, "latency_ms": {**summary["latency_ms"], **figures}}))
    with pytest.raises(UserError, match=message):
        read_summary(path)


def test_nan_in_a_summary_is_refused(tmp_path):
    path = tmp_path / "summary.json"
    path.write_text((DATA / "20260409-130535.json").read_text().replace("46.97", "NaN"))
    with pytest.raises(UserError, match="NaN is not a number"):
        read_summary(path)
