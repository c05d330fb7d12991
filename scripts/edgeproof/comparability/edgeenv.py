"""EdgeEnv's words: its runs as field views, its verdicts, and its regression report, for people who come from it.

Source: InferEdgeEnv v0.1.5 (contract, sections 6, 7 and 12). The judgement itself is ours, under the policy
`config/policies/edgeenv-v1.yaml`; here are only names and shapes.
"""

from edgeproof.core.files import sha256_bytes

VERDICTS = {"no": "No", "conditional": "Conditional", "yes": "Yes"}
SEVERITIES = ("low", "warning", "medium", "high")  # ascending; low: nothing was triggered

# Our metric: (EdgeEnv's metric, EdgeEnv's delta), in the order of its report; p50 is not in it.
METRICS = {
    "latency_mean_ms": ("latency_mean_ms", "mean_delta_pct"),
    "latency_p95_ms": ("latency_p95_ms", "p95_delta_pct"),
    "latency_p99_ms": ("latency_p99_ms", "p99_delta_pct"),
    "throughput_per_s": ("throughput_fps", "fps_delta_pct"),
    "memory_peak_bytes": ("memory_peak_mb", "memory_peak_delta_pct"),
}
BLOCKED = {
    "runtime-comparison": ("low", "review_as_runtime_comparison"),
    "target-comparison": ("low", "review_as_target_comparison"),
    "not_comparable": ("medium", "do_not_compare"),
    "protocol_mismatch": ("medium", "rerun_with_matching_protocol"),
}
_PROTOCOL = (
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
_TARGET = ("target_name", "target_type", "board_name", "os", "runtime_tags")
_LABELS = {"include_preprocess": "preprocess inclusion", "include_postprocess": "postprocess inclusion"}
_SAME = ["Same model hash", "Same input shape", "Same precision", "Same benchmark protocol"]
_BYTES_PER_MB = 2**20


def view_run(run):
    """Return {field: value} of an EdgeEnv run, under the names that policies use (see `fields.read_fields`).

    `run`: the document `result.json` of EdgeEnv, marker `edgeenv.result.v1`. EdgeEnv gives a model that it did not find
    a hash of its path; `model_bytes` is False for those, so that `strict` refuses them. Fields that EdgeEnv does not
    record are absent.
    """
    model = run["model"]
    return {
        "model_hash": model["model_hash"],
        "model_bytes": model["model_hash"] != hash_missing_model(model["model_path"]),
        **{field: run["protocol"][field] for field in _PROTOCOL},
        **{field: run["runtime"][field] for field in ("runtime", "execution_provider")},
        **{field: run["target"][field] for field in _TARGET},
    }


def hash_missing_model(path):
    """Return the hash by which EdgeEnv identifies a model whose file is not there."""
    return sha256_bytes(f"missing-model-path:{path}".encode())


def describe_comparability(judgement):
    """Return EdgeEnv's {comparable, mode, reasons} of a judgement under the policy edgeenv-v1.

    EdgeEnv gives one sentence per differing field, and no values; where nothing refuses, it says what is the same.
    """
    fields = [reason["field"] for reason in judgement["reasons"]]
    mode = None if judgement["mode"] == "none" else judgement["mode"]
    if judgement["verdict"] == "no":
        reasons = [f"Different {_LABELS.get(field, field.replace('_', ' '))}" for field in fields]
    else:
        reasons = list(_SAME)
        if {"runtime", "execution_provider"} & set(fields):
            reasons.append("Different runtime or execution provider")
        if set(_TARGET) & set(fields):
            reasons.append("Different target")
    return {"comparable": VERDICTS[judgement["verdict"]], "mode": mode, "reasons": reasons}


def name_blocked_mode(judgement):
    """Return the mode of a regression report that is not evaluated, None when it is (`same-condition`)."""
    if judgement["verdict"] == "yes":
        return None
    if judgement["verdict"] == "conditional":
        return judgement["mode"]
    hashes = any(reason["field"] == "model_hash" for reason in judgement["reasons"])
    return "not_comparable" if hashes else "protocol_mismatch"


def describe_regression(run_ids, judgement, outcome, lines, metrics):
    """Return EdgeEnv's regression report: its keys, its values.

    `run_ids`: (baseline, candidate). `outcome`: regression_type, severity, recommendation. `lines`: one dict per
    threshold, as in `regression.json`. `metrics`: (baseline, candidate), each {our metric: value}. Without
    same-condition comparability there is no evidence but the reasons.
    """
    comparability, mode = describe_comparability(judgement), name_blocked_mode(judgement)
    if mode is None:
        deltas = {name: delta_pct(*(side[key] for side in metrics)) for key, (_, name) in METRICS.items()}
        evidence = {
            **deltas,
            "baseline": _rename(metrics[0]),
            "candidate": _rename(metrics[1]),
            "triggered_thresholds": [_describe_threshold(line) for line in lines if line["status"] == "triggered"],
        }
    else:
        evidence = {
            "reason": "regression_requires_same_condition_comparability",
            "comparability_reasons": comparability["reasons"],
        }
    return {
        "baseline_run_id": run_ids[0],
        "candidate_run_id": run_ids[1],
        "regression_detected": outcome["regression_type"] not in ("none", "not_evaluated"),
        "regression_type": outcome["regression_type"],
        "severity": outcome["severity"],
        "comparable": mode is None,
        "mode": mode or "same-condition",
        "evidence": evidence,
        "recommendation": outcome["recommendation"],
        "comparability": comparability,
    }


def delta_pct(baseline, candidate):
    """Return the change in percent, rounded to 6 decimals; None when a value is, or when the baseline is 0."""
    if baseline is None or candidate is None or baseline == 0:
        return None
    return round((candidate - baseline) / baseline * 100, 6)


def _rename(metrics):
    values = {name: metrics[key] for key, (name, _) in METRICS.items()}
    if values["memory_peak_mb"] is not None:
        values["memory_peak_mb"] /= _BYTES_PER_MB
    return values


def _describe_threshold(line):
    return {
        "name": line["name"],
        "type": line["type"],
        "metric": METRICS[line["metric"]][1],
        "observed": line["delta_pct"],
        "threshold": line["threshold_pct"],
        "comparison": line["comparison"],
        "severity": line["severity"],
    }
