"""Under `edgeenv-v1` our judgement is EdgeEnv's: verdict, mode, order of reasons, case by case (contract, 6 and 7)."""

import copy
from pathlib import Path

import pytest
from edgeproof.comparability.edgeenv_words import (
    describe_comparability,
    describe_regression,
    name_blocked_mode,
    view_run,
)
from edgeproof.comparability.judging import judge_comparability
from edgeproof.comparability.regression import judge_thresholds
from edgeproof.core.yaml_files import read_yaml
from edgeproof.runs.edgeenv_files import hash_missing_model
from hypothesis import given
from hypothesis import strategies as st

CONFIG = Path(__file__).resolve().parents[3] / "config"
EDGEENV = read_yaml(CONFIG / "policies/edgeenv-v1.yaml", "policy")
STRICT = read_yaml(CONFIG / "policies/strict.yaml", "policy")
TEN = (
    "model_hash",
    "input_shape",
    "input_dtype",
    "task",
    "precision",
    "batch_size",
    "warmup_runs",
    "repeat_runs",
    "include_preprocess",
    "include_postprocess",
)
RUN = {
    "model": {"model_hash": "a" * 64, "model_path": "models/resnet18.onnx"},
    "runtime": {"runtime": "onnxruntime", "execution_provider": "CPUExecutionProvider"},
    "target": {
        "target_name": "desk",
        "target_type": "local",
        "board_name": "generic",
        "os": "Linux",
        "runtime_tags": ["cpu", "fast"],
    },
    "protocol": {
        "input_shape": [1, 3, 224, 224],
        "input_dtype": "float32",
        "task": "classification",
        "precision": "fp32",
        "batch_size": 1,
        "warmup_runs": 10,
        "repeat_runs": 50,
        "include_preprocess": False,
        "include_postprocess": False,
    },
}
MISSING = {"model_hash": hash_missing_model("models/nowhere.onnx"), "model_path": "models/nowhere.onnx"}
MOVED = {"model_hash": hash_missing_model("other/nowhere.onnx"), "model_path": "other/nowhere.onnx"}

NO = ("No", None)
SAME = ("Yes", "same-condition")
RUNTIME = ("Conditional", "runtime-comparison")
TARGET = ("Conditional", "target-comparison")


def changed(**changes):
    """Return a run that differs from RUN in the fields given, wherever they are."""
    run = copy.deepcopy(RUN)
    for field, value in changes.items():
        section = next(part for part in run.values() if field in part)
        section[field] = value
    return run


# What differs on the right, EdgeEnv's (comparable, mode), the fields of the reasons in order.
CASES = [
    ({}, SAME, []),
    # each of the ten
    ({"model_hash": "b" * 64}, NO, ["model_hash"]),
    ({"input_shape": [1, 3, 320, 320]}, NO, ["input_shape"]),
    ({"input_dtype": "float16"}, NO, ["input_dtype"]),
    ({"task": "detection"}, NO, ["task"]),
    ({"precision": "int8"}, NO, ["precision"]),
    ({"batch_size": 8}, NO, ["batch_size"]),
    ({"warmup_runs": 0}, NO, ["warmup_runs"]),
    ({"repeat_runs": 100}, NO, ["repeat_runs"]),
    ({"include_preprocess": True}, NO, ["include_preprocess"]),
    ({"include_postprocess": True}, NO, ["include_postprocess"]),
    # several, given in another order than the reasons come in
    ({"repeat_runs": 5, "precision": "fp16"}, NO, ["precision", "repeat_runs"]),
    ({"include_postprocess": True, "model_hash": "b" * 64}, NO, ["model_hash", "include_postprocess"]),
    ({"include_postprocess": True, "include_preprocess": True}, NO, ["include_preprocess", "include_postprocess"]),
    ({"task": "x", "input_dtype": "int8", "input_shape": [1]}, NO, ["input_shape", "input_dtype", "task"]),
    (
        {
            "include_postprocess": True,
            "include_preprocess": True,
            "repeat_runs": 1,
            "warmup_runs": 1,
            "batch_size": 2,
            "precision": "int8",
            "task": "detection",
            "input_dtype": "uint8",
            "input_shape": [2, 3],
            "model_hash": "c" * 64,
        },
        NO,
        list(TEN),
    ),
    # plain equality: case and synonyms matter, order within a shape matters
    ({"precision": "FP32"}, NO, ["precision"]),
    ({"input_dtype": "fp32"}, NO, ["input_dtype"]),
    ({"task": "Classification"}, NO, ["task"]),
    ({"input_shape": [1, 224, 224, 3]}, NO, ["input_shape"]),
    # a required field hides runtime and target
    ({"precision": "int8", "runtime": "tensorrt"}, NO, ["precision"]),
    ({"batch_size": 2, "target_name": "orin", "runtime": "tensorrt"}, NO, ["batch_size"]),
    # runtime only
    ({"runtime": "tensorrt"}, RUNTIME, ["runtime"]),
    ({"execution_provider": "CUDAExecutionProvider"}, RUNTIME, ["execution_provider"]),
    ({"execution_provider": "cpuexecutionprovider"}, RUNTIME, ["execution_provider"]),
    ({"execution_provider": "X", "runtime": "tensorrt"}, RUNTIME, ["runtime", "execution_provider"]),
    # target only
    ({"target_name": "orin"}, TARGET, ["target_name"]),
    ({"target_type": "fake"}, TARGET, ["target_type"]),
    ({"board_name": "Orin Nano"}, TARGET, ["board_name"]),
    ({"os": "Linux 6.1"}, TARGET, ["os"]),
    ({"runtime_tags": ["fast", "cpu"]}, TARGET, ["runtime_tags"]),
    ({"runtime_tags": []}, TARGET, ["runtime_tags"]),
    ({"runtime_tags": ["CPU", "fast"]}, TARGET, ["runtime_tags"]),
    ({"os": "macOS", "target_name": "mac"}, TARGET, ["target_name", "os"]),
    # both
    ({"runtime": "tensorrt", "target_name": "orin"}, RUNTIME, ["runtime", "target_name"]),
    (
        {"runtime_tags": [], "os": "L4T", "execution_provider": "CUDAExecutionProvider"},
        RUNTIME,
        ["execution_provider", "os", "runtime_tags"],
    ),
    # the model's path is not compared, its hash is
    ({"model_path": "elsewhere/resnet18.onnx"}, SAME, []),
]


def judge(left, right, policy=EDGEENV):
    return judge_comparability(view_run(left), view_run(right), policy)


@pytest.mark.parametrize(("changes", "expected", "fields"), CASES)
def test_verdict_mode_and_order_of_reasons(changes, expected, fields):
    judgement = judge(RUN, changed(**changes))
    described = describe_comparability(judgement)
    assert (described["comparable"], described["mode"]) == expected
    assert [reason["field"] for reason in judgement["reasons"]] == fields
    mirrored = judge(changed(**changes), RUN)
    assert [reason["field"] for reason in mirrored["reasons"]] == fields


def test_the_table_is_at_least_thirty_cases_and_has_each_of_the_ten_fields():
    assert len(CASES) >= 30
    assert set(TEN) <= {field for _, _, fields in CASES for field in fields}


def test_missing_model_is_itself_by_its_path():
    left, right = {**RUN, "model": MISSING}, {**copy.deepcopy(RUN), "model": MISSING}
    assert view_run(left)["model_bytes"] is False
    assert view_run(RUN)["model_bytes"] is True
    assert describe_comparability(judge(left, right))["comparable"] == "Yes"
    moved = judge(left, {**RUN, "model": MOVED})
    assert (moved["verdict"], [reason["field"] for reason in moved["reasons"]]) == ("no", ["model_hash"])
    found = judge(left, RUN)
    assert [reason["field"] for reason in found["reasons"]] == ["model_hash"]


def test_strict_refuses_a_model_that_nobody_has_and_what_was_not_recorded():
    run = {**RUN, "model": MISSING}
    judgement = judge(run, run, STRICT)
    fields = [reason["field"] for reason in judgement["reasons"]]
    assert judgement["verdict"] == "no" and fields[0] == "model_bytes"
    assert "agent_hash" in fields and "latency_boundary" in fields
    assert all("records" in reason["remedy"] for reason in judgement["reasons"] if reason["field"] == "agent_hash")


@pytest.mark.parametrize(
    ("changes", "sentences"),
    [
        ({"include_preprocess": True, "batch_size": 2}, ["Different batch size", "Different preprocess inclusion"]),
        ({"model_hash": "b" * 64}, ["Different model hash"]),
        ({"runtime": "x", "os": "y"}, ["Different runtime or execution provider", "Different target"]),
        ({"runtime": "x", "execution_provider": "y"}, ["Different runtime or execution provider"]),
        ({"os": "y", "target_name": "z"}, ["Different target"]),
    ],
)
def test_one_sentence_each(changes, sentences):
    described = describe_comparability(judge(RUN, changed(**changes)))
    assert [text for text in described["reasons"] if not text.startswith("Same")] == sentences


def oracle(left, right):
    """The contract's section 6, written without our code."""
    a, b = ({"model_hash": run["model"]["model_hash"], **run["protocol"]} for run in (left, right))
    different = [field for field in TEN if a[field] != b[field]]
    if different:
        return "No", None, different
    if left["runtime"] != right["runtime"]:
        return "Conditional", "runtime-comparison", None
    return ("Yes", "same-condition", None) if left["target"] == right["target"] else (
        "Conditional", "target-comparison", None)  # fmt: skip


VALUES = {
    "model_hash": st.sampled_from(["a" * 64, "b" * 64]),
    "input_shape": st.sampled_from([[1, 3, 224, 224], [1, 3, 320, 320]]),
    "input_dtype": st.sampled_from(["float32", "fp32"]),
    "task": st.sampled_from(["classification", "Classification"]),
    "precision": st.sampled_from(["fp32", "FP32"]),
    "batch_size": st.sampled_from([1, 2]),
    "warmup_runs": st.sampled_from([10, 0]),
    "repeat_runs": st.sampled_from([50, 51]),
    "include_preprocess": st.booleans(),
    "include_postprocess": st.booleans(),
    "runtime": st.sampled_from(["onnxruntime", "tensorrt"]),
    "execution_provider": st.sampled_from(["CPUExecutionProvider", "X"]),
    "target_name": st.sampled_from(["desk", "orin"]),
    "os": st.sampled_from(["Linux", "L4T"]),
    "runtime_tags": st.permutations(["cpu", "fast"]),
}
RUNS = st.fixed_dictionaries({}, optional=VALUES).map(lambda changes: changed(**changes))


@given(RUNS, RUNS)
def test_agrees_with_the_contract_on_any_two_runs(left, right):
    judgement = judge(left, right)
    described = describe_comparability(judgement)
    comparable, mode, fields = oracle(left, right)
    assert (described["comparable"], described["mode"]) == (comparable, mode)
    if fields is not None:
        assert [reason["field"] for reason in judgement["reasons"]] == fields


@pytest.mark.parametrize(
    ("changes", "mode"),
    [
        ({}, None),
        ({"model_hash": "b" * 64}, "not_comparable"),
        ({"model_hash": "b" * 64, "batch_size": 2}, "not_comparable"),
        ({"precision": "int8"}, "protocol_mismatch"),
        ({"warmup_runs": 3, "task": "x"}, "protocol_mismatch"),
        ({"runtime": "tensorrt"}, "runtime-comparison"),
        ({"runtime": "tensorrt", "os": "L4T"}, "runtime-comparison"),
        ({"os": "L4T"}, "target-comparison"),
    ],
)
def test_blocked_mode_of_a_regression(changes, mode):
    assert name_blocked_mode(judge(RUN, changed(**changes))) == mode


POLICY = read_yaml(CONFIG / "regressions/edgeenv-v1.yaml", "regression-policy")
BASE = {
    "latency_mean_ms": 10.0,
    "latency_p95_ms": 12.0,
    "latency_p99_ms": 14.0,
    "throughput_per_s": 100.0,
    "memory_peak_bytes": 1000.0,
}


def test_the_thresholds_are_the_contract_s():
    table = [
        (entry["name"], entry["comparison"], entry["threshold_pct"], entry["type"], entry["severity"])
        for entry in POLICY["thresholds"]
    ]
    assert table == [
        ("mean_latency_review", ">=", 15, "latency", "medium"),
        ("p99_latency_high", ">=", 25, "latency", "high"),
        ("fps_drop_review", "<=", -20, "latency", "medium"),
        ("memory_peak_warning", ">=", 30, "resource", "warning"),
    ]


@pytest.mark.parametrize(
    ("change", "triggered"),
    [
        ({}, []),
        ({"latency_mean_ms": 11.5}, ["mean_latency_review"]),
        ({"latency_mean_ms": 11.4999999}, []),  # 14.999999 after rounding
        ({"latency_mean_ms": 11.49999999999}, ["mean_latency_review"]),  # 15 after rounding
        ({"latency_p99_ms": 17.5}, ["p99_latency_high"]),
        ({"latency_p99_ms": 17.4}, []),
        ({"throughput_per_s": 80.0}, ["fps_drop_review"]),
        ({"throughput_per_s": 80.1}, []),
        ({"memory_peak_bytes": 1300.0}, ["memory_peak_warning"]),
        ({"memory_peak_bytes": 1299.0}, []),
        ({"latency_p95_ms": 99.0}, []),  # reported, without a threshold
        ({"latency_mean_ms": 5.0, "throughput_per_s": 300.0}, []),
        (
            {"latency_mean_ms": 20.0, "latency_p99_ms": 30.0, "throughput_per_s": 50.0, "memory_peak_bytes": 2000.0},
            ["mean_latency_review", "p99_latency_high", "fps_drop_review", "memory_peak_warning"],
        ),
    ],
)
def test_what_triggers(change, triggered):
    lines = judge_thresholds(POLICY["thresholds"], BASE, {**BASE, **change})
    assert [line["name"] for line in lines if line["status"] == "triggered"] == triggered


@pytest.mark.parametrize("metric", ["latency_mean_ms", "latency_p99_ms", "throughput_per_s", "memory_peak_bytes"])
@pytest.mark.parametrize("value", [0.0, None])
def test_zero_or_absent_baseline_has_no_delta_and_triggers_nothing(metric, value):
    lines = judge_thresholds(POLICY["thresholds"], {**BASE, metric: value}, {**BASE, metric: 1e9})
    line = next(line for line in lines if line["metric"] == metric)
    assert (line["delta_pct"], line["status"]) == (None, "unknown")
    assert ("is 0" if value == 0 else "has no") in line["reason"]
    assert not any(line["status"] == "triggered" for line in lines)


@given(*[st.floats(0.01, 1e6) for _ in range(2)])
def test_delta_is_rounded_to_six_decimals(before, after):
    line = judge_thresholds(POLICY["thresholds"][:1], {"latency_mean_ms": before}, {"latency_mean_ms": after})[0]
    assert line["delta_pct"] == round((after - before) / before * 100, 6)
    assert (line["status"] == "triggered") == (line["delta_pct"] >= 15)


def test_report_has_edgeenv_s_keys():
    candidate = {**BASE, "latency_p99_ms": 28.0}
    lines = judge_thresholds(POLICY["thresholds"], BASE, candidate)
    outcome = {"regression_type": "latency", "severity": "high", "recommendation": "review_required"}
    report = describe_regression(("run-a", "run-b"), judge(RUN, RUN), outcome, lines, (BASE, candidate))
    assert list(report) == [
        "baseline_run_id",
        "candidate_run_id",
        "regression_detected",
        "regression_type",
        "severity",
        "comparable",
        "mode",
        "evidence",
        "recommendation",
        "comparability",
    ]
    evidence = report["evidence"]
    deltas = {key: value for key, value in evidence.items() if key.endswith("_delta_pct")}
    assert len(deltas) == 5 and deltas["p99_delta_pct"] == 100 and deltas["mean_delta_pct"] == 0
    assert evidence["baseline"]["memory_peak_mb"] == 1000 / 2**20
    assert evidence["triggered_thresholds"] == [
        {
            "name": "p99_latency_high",
            "type": "latency",
            "metric": "p99_delta_pct",
            "observed": 100,
            "threshold": 25,
            "comparison": ">=",
            "severity": "high",
        }
    ]
    assert (report["regression_detected"], report["mode"]) == (True, "same-condition")


def test_blocked_report_has_a_reason_and_no_numbers():
    outcome = {"regression_type": "not_evaluated", "severity": "medium", "recommendation": "do_not_compare"}
    judgement = judge(RUN, changed(model_hash="b" * 64))
    report = describe_regression(("a", "b"), judgement, outcome, [], (BASE, BASE))
    assert report["evidence"] == {
        "reason": "regression_requires_same_condition_comparability",
        "comparability_reasons": ["Different model hash"],
    }
    assert (report["comparable"], report["mode"], report["regression_detected"]) == (False, "not_comparable", False)
