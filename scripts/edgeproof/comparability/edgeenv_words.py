"""EdgeEnv's words: its runs as field views, its verdicts, and its regression report, for people who know EdgeEnv.

Source: InferEdgeEnv v0.1.5 (contract, sections 6, 7 and 12). We judge ourselves, under the policy
`config/policies/edgeenv-v1.yaml`; this module only translates names and shapes.
"""

from collections.abc import Sequence
from typing import TypedDict

from edgeproof.core.configuration import Json
from edgeproof.runs.edgeenv_files import PROTOCOL_FIELDS, hash_missing_model

from .field_views import FieldView
from .judging import Judgement

VERDICTS = {"no": "No", "waived": "No", "conditional": "Conditional", "yes": "Yes"}
SEVERITIES = ("low", "warning", "medium", "high")  # ascending; low: nothing was triggered

Metrics = dict[str, float | None]  # {our metric: value}; None if it is not known


class ThresholdLine(TypedDict):
    """A threshold of a regression policy with what was found: `status` triggered, clear, or unknown with a reason.

    Percentages are of the baseline. `interval_*`: of the change, by the pairs; None where two figures are compared.
    """

    name: str
    metric: str
    comparison: str
    threshold_pct: float | None
    type: str
    severity: str
    optional: bool
    baseline: float | None
    candidate: float | None
    delta_pct: float | None
    interval_low_pct: float | None
    interval_high_pct: float | None
    status: str
    reason: str | None


class Outcome(TypedDict):
    """What a regression policy concludes: `status` regression, no-regression, or blocked with a reason."""

    status: str
    severity: str
    regression_type: str
    mode: str
    recommendation: str
    reason: str | None


# Our metric: (EdgeEnv's metric, EdgeEnv's delta), in the order of its report, which has no p50.
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
_TARGET = ("target_name", "target_type", "board_name", "os", "runtime_tags")
_LABELS = {"include_preprocess": "preprocess inclusion", "include_postprocess": "postprocess inclusion"}
_SAME = ["Same model hash", "Same input shape", "Same precision", "Same benchmark protocol"]
_BYTES_PER_MB = 2**20


def view_run(run: Json) -> FieldView:
    """Return the FieldView of an EdgeEnv run, in whose words its fields are (see `field_views.read_fields`).

    `run`: EdgeEnv's `result.json`, marker `edgeenv.result.v1`. If EdgeEnv does not find the model, it hashes the path
    instead; `model_bytes` is then False, so that `strict` refuses the run. Fields that EdgeEnv does not record are
    absent.
    """
    model = run["model"]
    return {
        "model_hash": model["model_hash"],
        "model_bytes": model["model_hash"] != hash_missing_model(model["model_path"]),
        **{field: run["protocol"][field] for field in PROTOCOL_FIELDS},
        **{field: run["runtime"][field] for field in ("runtime", "execution_provider")},
        **{field: run["target"][field] for field in _TARGET},
    }


def describe_comparability(judgement: Judgement) -> Json:
    """Return a judgement under the policy edgeenv-v1 in EdgeEnv's words: {comparable, mode, reasons}.

    EdgeEnv gives one sentence per differing field, without values; if nothing refuses, it lists what is the same.
    """
    fields = [reason["field"] for reason in judgement["reasons"]]
    mode = None if judgement["mode"] in ("none", "waived") else judgement["mode"]
    if judgement["verdict"] in ("no", "waived"):
        reasons = [f"Different {_LABELS.get(field, field.replace('_', ' '))}" for field in fields]
    else:
        reasons = list(_SAME)
        if {"runtime", "execution_provider"} & set(fields):
            reasons.append("Different runtime or execution provider")
        if set(_TARGET) & set(fields):
            reasons.append("Different target")
    return {"comparable": VERDICTS[judgement["verdict"]], "mode": mode, "reasons": reasons}


def name_blocked_mode(judgement: Judgement) -> str | None:
    """Return EdgeEnv's word for why its regression report is not evaluated; None if it is (`same-condition`)."""
    if judgement["verdict"] == "yes":
        return None
    if judgement["verdict"] == "conditional":
        return judgement["mode"]
    hashes = any(reason["field"] == "model_hash" for reason in judgement["reasons"])
    return "not_comparable" if hashes else "protocol_mismatch"


def describe_regression(
    run_ids: Sequence[str],
    judgement: Judgement,
    outcome: Outcome,
    lines: Sequence[ThresholdLine],
    metrics: tuple[Metrics, Metrics],
) -> Json:
    """Return a regression report in EdgeEnv's words, with its keys and values.

    `run_ids`, `metrics`: (baseline, candidate). `lines`: one per threshold. Without same-condition comparability the
    only evidence is the reasons.
    """
    comparability, mode = describe_comparability(judgement), name_blocked_mode(judgement)
    if mode is None:
        before, after = metrics
        deltas = {name: delta_pct(before[key], after[key]) for key, (_, name) in METRICS.items()}
        evidence: Json = {
            **deltas,
            "baseline": _rename(before),
            "candidate": _rename(after),
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


def delta_pct(baseline: float | None, candidate: float | None) -> float | None:
    """Return the change in percent as EdgeEnv words it, to 6 decimals; None without a value or for a baseline of 0."""
    if baseline is None or candidate is None or baseline == 0:
        return None
    return round((candidate - baseline) / baseline * 100, 6)


def _rename(metrics: Metrics) -> Metrics:
    values = {name: metrics[key] for key, (name, _) in METRICS.items()}
    peak = values["memory_peak_mb"]
    return {**values, "memory_peak_mb": None if peak is None else peak / _BYTES_PER_MB}


def _describe_threshold(line: ThresholdLine) -> Json:
    return {
        "name": line["name"],
        "type": line["type"],
        "metric": METRICS[line["metric"]][1],
        "observed": line["delta_pct"],
        "threshold": line["threshold_pct"],
        "comparison": line["comparison"],
        "severity": line["severity"],
    }
