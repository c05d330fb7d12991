"""Two reported runs (figures that a command printed once): may they be compared, and has the candidate become worse?

Under `edgeenv-v1` this is EdgeEnv's judgement to the letter. Under any other policy two runs without raw samples are
conditional at best: nobody knows how much they vary.
"""

from edgeproof.core.configuration import Json

from .edgeenv_words import Metrics, describe_comparability, describe_regression, view_run
from .field_views import FieldReason
from .judging import Judgement, judge_comparability
from .thresholds import conclude_thresholds, find_block, judge_thresholds, select_known

LETTER = "edgeenv-v1"
_BYTES_PER_MB = 2**20
_ONE_RUN: FieldReason = {
    "field": "runs",
    "left": "one without raw samples",
    "right": "one without raw samples",
    "remedy": "measure both as cells of a campaign: pairs have an interval",
}


def judge_reported(left: Json, right: Json, policy_name: str, policy: Json, regression: Json) -> Json:
    """Return {policy, verdict, mode, reasons, edgeenv, regression} of two reported runs, baseline first.

    `policy`: a document of config/policies/; `regression`: of config/regressions/, its point thresholds. `edgeenv`:
    EdgeEnv's regression report, None under another policy than its own, where `regression` is None too.
    """
    views = view_run(left["run"]), view_run(right["run"])
    judgement = judge_comparability(*views, policy)
    if policy_name != LETTER:
        if judgement["verdict"] == "yes":
            judgement = Judgement(verdict="conditional", mode="single-run-comparison", reasons=[_ONE_RUN])
        return {"policy": policy_name, **judgement, "edgeenv": None, "regression": None}
    metrics = _read_metrics(left["run"]), _read_metrics(right["run"])
    blocked = find_block(judgement, {"left": {"status": "ok"}, "right": {"status": "ok"}}, regression)
    lines = judge_thresholds(regression["thresholds"], *metrics)
    outcome = conclude_thresholds(select_known(lines), blocked, judgement["mode"])
    runs = (left["run"]["run_id"], right["run"]["run_id"])
    report = describe_regression(runs, judgement, outcome, lines, metrics)
    return {
        "policy": policy_name,
        **judgement,
        "edgeenv": {**describe_comparability(judgement), "report": report},
        "regression": outcome["status"],
    }


def _read_metrics(run: Json) -> Metrics:
    """Return the figures of EdgeEnv's document under the names that point policies use."""
    metrics, peak = run["metrics"], run.get("resource_metrics", {}).get("memory_peak_mb")
    return {
        "latency_mean_ms": metrics["latency_mean_ms"],
        "latency_p95_ms": metrics["latency_p95_ms"],
        "latency_p99_ms": metrics["latency_p99_ms"],
        "throughput_per_s": metrics["throughput_fps"],
        "memory_peak_bytes": None if peak is None else peak * _BYTES_PER_MB,
    }
