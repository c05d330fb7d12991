"""Regressions: proven by pairs, or by points in EdgeEnv's and Lab's words; blocked is neither yes nor no."""

from pathlib import Path

import pytest
from edgeproof.bench.made_up_campaigns import write_comparison
from edgeproof.bench.made_up_cells import write_cell
from edgeproof.comparability.edgeenv_words import SEVERITIES
from edgeproof.comparability.regression import judge_thresholds, read_metrics, read_regression
from edgeproof.comparability.sentences import describe_remedy
from edgeproof.core.accuracy import paired_score_interval
from edgeproof.core.documents import validate
from edgeproof.core.errors import UserError
from edgeproof.core.yaml_files import read_yaml
from edgeproof.evidence.judgements import describe_regression_judgement
from edgeproof.runs.raw_samples import list_processes, read_samples
from edgeproof.runs.results import read_result
from hypothesis import given
from hypothesis import strategies as st

REGRESSIONS = Path(__file__).resolve().parents[3] / "config/regressions"


def triggered(document):
    return [line["name"] for line in document["thresholds"] if line["status"] == "triggered"]


@pytest.mark.parametrize(
    ("ratio", "status", "severity", "names"),
    [
        (0.6, "no-regression", "low", []),
        (1.0, "no-regression", "low", []),
        (1.04, "regression", "warning", ["slower"]),
        (1.08, "regression", "medium", ["slower", "slower_by_5"]),
        (1.3, "regression", "high", ["slower", "slower_by_5", "slower_by_15"]),
    ],
)
def test_strict_asks_the_interval_of_the_pairs(room, ratio, status, severity, names):
    document = room.make(ratio=ratio).judge()
    assert (document["status"], document["severity"], triggered(document)) == (status, severity, names)
    assert document["recommendation"] == ("review_required" if names else "no_action_required")
    assert document["regression_type"] == ("latency" if names else "none")
    assert read_regression(room.folder / "regression.json") == document
    line = document["thresholds"][0]
    assert line["interval_low_pct"] < line["delta_pct"] < line["interval_high_pct"]
    assert line["threshold_pct"] == pytest.approx(2)


def test_point_estimate_beyond_a_threshold_is_not_enough(room):
    document = room.make(ratio=1.06, spread=0.02).judge()
    line = document["thresholds"][1]
    assert line["delta_pct"] > 5 and line["interval_low_pct"] < 5
    assert "slower_by_5" not in triggered(document)


@pytest.mark.parametrize(
    ("options", "mode", "recommendation", "severity"),
    [
        ({"varies": []}, "protocol_mismatch", "rerun_with_matching_protocol", "medium"),
        ({"right": {"model": "squeezenet", "precision": "fp32"}}, "not_comparable", "do_not_compare", "medium"),
        ({"right": {"kind": "crashed"}}, "failed", "mend_the_failed_side", "low"),
        ({"right": {"kind": "unsupported"}}, "failed", "mend_the_failed_side", "low"),
        ({"left": {"kind": "no_artifact"}}, "failed", "mend_the_failed_side", "low"),
        ({"ratio": 1.02, "spread": 0.05}, "undecided", "larger_margin_or_quieter_machine", "low"),
        ({"ratio": 1.03, "spread": 0.02}, "undecided", "measure_more_pairs", "low"),
    ],
)
def test_what_cannot_be_judged_is_blocked(room, options, mode, recommendation, severity):
    document = room.make(**options).judge()
    assert (document["status"], document["regression_type"]) == ("blocked", "not_evaluated")
    assert (document["mode"], document["recommendation"], document["severity"]) == (mode, recommendation, severity)
    assert document["reason"] and all(line["status"] == "unknown" for line in document["thresholds"])
    assert all(line["delta_pct"] is None for line in document["thresholds"])


@pytest.mark.parametrize(("ratio", "spread", "more"), [(1.02, 0.05, False), (1.03, 0.02, True)])
def test_the_advice_is_that_of_the_comparison(room, ratio, spread, more):
    document = room.make(ratio=ratio, spread=spread).judge()
    report = room.read("report.json")
    assert report["verdict"] == "undecided" and (report["further_pairs"] is not None) == more
    assert (document["recommendation"] == "measure_more_pairs") == more
    assert ("further pairs" in describe_remedy(report) and "would probably decide" in describe_remedy(report)) == more
    shown = describe_regression_judgement(document, (), report["further_pairs"])["recommendation"]
    wanted = f"measure about {report['further_pairs']} further pairs"
    assert shown == (wanted if more else "larger margin or quieter machine")


def test_a_noisy_headline_vetoes_no_comparison(room):
    document = room.make(right={"kind": "noisy"}, ratio=1.3).judge()
    assert (document["status"], document["severity"]) == ("regression", "high")


def test_two_devices_with_one_session_each_are_blocked(room):
    document = room.make(right={"device": "board", "precision": "fp32"}).judge()
    assert (document["status"], document["mode"]) == ("blocked", "target-comparison")
    assert document["recommendation"] == "review_as_target_comparison"
    assert "a verdict needs three sessions on two days" in document["reason"]


@pytest.mark.parametrize(
    ("median_ms", "status", "severity", "names"),
    [
        (1.0, "no-regression", "low", []),
        (1.1, "no-regression", "low", []),
        (1.2, "regression", "medium", ["mean_latency_review"]),
        (1.23, "regression", "medium", ["mean_latency_review"]),
        (1.4, "regression", "high", ["mean_latency_review", "p99_latency_high", "fps_drop_review"]),
    ],
)
def test_edgeenv_compares_two_runs(room, median_ms, status, severity, names):
    """The right side is the same cell of another preset, so that EdgeEnv sees nothing differ."""
    options = {"precision": "fp32", "preset": "ort-cpu-1t", "median_ms": median_ms}
    write_cell(median_ms=1.0)
    write_cell(**options)
    right = ("digits-cnn", "ort-cpu-1t", "desk", "fp32")
    write_comparison("pair", ("digits-cnn", "ort-cpu", "desk", "fp32"), right)
    document = room.judge("edgeenv-v1")
    assert (document["status"], document["severity"], triggered(document)) == (status, severity, names)
    report = document["edgeenv"]
    assert report["regression_detected"] == bool(names)
    assert [item["name"] for item in report["evidence"]["triggered_thresholds"]] == names
    assert report["comparability"]["comparable"] == "Yes"
    assert report["baseline_run_id"].startswith("digits-cnn/ort-cpu/desk/fp32@")
    assert document["notes"]


def test_edgeenv_does_not_evaluate_across_precisions(room):
    document = room.make().judge("edgeenv-v1")
    assert (document["status"], document["mode"]) == ("blocked", "protocol_mismatch")
    assert document["edgeenv"]["evidence"]["comparability_reasons"] == ["Different precision"]
    assert document["edgeenv"]["regression_type"] == "not_evaluated"


def test_a_throttled_run_has_no_figure_for_anybody(room):
    document = room.make(right={"kind": "throttled", "precision": "fp32", "preset": "ort-cpu"}, same_cell=False)
    document = room.judge("edgeenv-v1")
    assert (document["status"], document["edgeenv"]) == ("blocked", None)
    assert all(line["candidate"] is None for line in document["thresholds"])


@pytest.mark.parametrize(
    ("median_ms", "overall", "risk"),
    [
        (0.6, "tradeoff_faster", "caution"),  # accuracy falls by 0.6 pp
        (1.0, "tradeoff_neutral", "not_beneficial"),
        (1.2, "tradeoff_slower", "not_beneficial"),
    ],
)
def test_lab_names_the_trade_off(room, median_ms, overall, risk):
    room.make(left={"kind": "trivial"}, right={"median_ms": median_ms})

    def exact(document):
        figures = {"difference": 0.0, "gained": 0, "lost": 0, "candidate_accuracy": 0.992, "low": -0.0076}
        document["accuracy"].update(figures | {"high": 0.0076})
        document["accuracy"]["answers"]["candidate"] = document["accuracy"]["answers"]["reference"]

    room.edit_parity(exact, "fp32")
    document = room.judge("lab-v1")
    assert (document["lab"]["overall"], document["lab"]["tradeoff_risk"]) == (overall, risk)
    assert document["lab"]["accuracy"]["difference_pp"] == pytest.approx(-0.6)
    assert document["lab"]["accuracy"]["low_pp"] == pytest.approx(100 * paired_score_interval(1, 4, 500)[0])
    assert (document["status"] == "regression") == (median_ms > 1.03)


def test_lab_gives_no_accuracy_interval_where_none_follows(room):
    assert room.make().judge("lab-v1")["lab"]["accuracy"]["low_pp"] < 0  # from the answers of single samples
    for precision in ("fp32", "int8"):
        room.edit_parity(lambda document: document["accuracy"].pop("answers"), precision)
    accuracy = room.judge("lab-v1")["lab"]["accuracy"]
    assert accuracy["difference_pp"] == 0 and accuracy["low_pp"] is None


def test_percentile_below_its_floor_leaves_a_point_policy_undecided(room):
    few = {"processes": 5, "count": 60}
    document = room.make(left=few, right={**few, "median_ms": 0.5}).judge("lab-v1")
    assert (document["status"], document["mode"]) == ("blocked", "incomplete")
    assert document["recommendation"] == "measure_more_samples" and "latency_p99_ms" in document["reason"]
    assert document["lab"]["overall"] is None
    slower = room.make(left=few, right={**few, "median_ms": 2.0}).judge("lab-v1")
    assert (slower["status"], triggered(slower)) == ("regression", ["mean_latency"])


def test_metrics_of_a_result_follow_from_its_samples(room):
    room.make()
    path = Path("results/runs/digits-cnn/ort-cpu/desk/fp32/result.json")
    result, samples = read_result(path), list_processes(read_samples(path.with_name("samples.csv")))
    metrics = read_metrics(result)
    mean = sum(map(sum, samples)) / sum(map(len, samples)) / 1e6
    assert metrics["latency_mean_ms"] == pytest.approx(mean)
    assert metrics["throughput_per_s"] == pytest.approx(1000 / mean)


def test_parity_of_another_artifact_is_refused(room):
    room.make()
    with pytest.raises(UserError, match=r"artifact_sha256 is not digests\.artifact"):
        room.edit_parity(lambda document: document.update(artifact_sha256="0" * 64))
    with pytest.raises(UserError, match=r"artifact_sha256 is not digests\.artifact"):
        room.judge()


@pytest.mark.parametrize("name", [path.stem for path in REGRESSIONS.glob("*.yaml")])
def test_shipped_policies_are_valid(name):
    policy = read_yaml(REGRESSIONS / f"{name}.yaml", "regression-policy")
    assert len({entry["name"] for entry in policy["thresholds"]}) == len(policy["thresholds"])


@pytest.mark.parametrize(
    "change",
    [
        {"method": "points"},
        {"vocabulary": "lab"},
        {"vocabulary": "edgeenv"},
        {"thresholds": []},
        {"surprise": 1},
    ],
)
def test_policy_that_contradicts_itself_is_refused(change):
    policy = read_yaml(REGRESSIONS / "strict.yaml", "regression-policy")
    with pytest.raises(UserError):
        validate({**policy, **change}, "regression-policy", "x.yaml")


POINTS = read_yaml(REGRESSIONS / "edgeenv-v1.yaml", "regression-policy")["thresholds"]
METRICS = st.fixed_dictionaries(
    {entry["metric"]: st.one_of(st.none(), st.floats(0, 1e9, allow_nan=False)) for entry in POINTS}
)


@given(METRICS, METRICS)
def test_unknown_never_counts_as_clear(baseline, candidate):
    lines = judge_thresholds(POINTS, baseline, candidate)
    assert len(lines) == len(POINTS)
    for line in lines:
        known = line["baseline"] not in (None, 0) and line["candidate"] is not None
        assert (line["status"] == "unknown") == (not known)
        assert (line["reason"] is None) == known


def test_severities_are_in_order():
    assert SEVERITIES == ("low", "warning", "medium", "high")
