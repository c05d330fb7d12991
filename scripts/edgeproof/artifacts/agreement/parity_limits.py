"""The limits of a preset, and what they make of a comparison: its status, its reason and the layer at fault.

Nothing here is in the key of a comparison: where only limits change, the verdict follows from what was measured.
"""

from edgeproof.core.configuration import Json

from .divergence import judge_layers, name_diverging_layer

THRESHOLDS = {  # key of a preset: metric, and whether the limit is the largest or the smallest value that passes
    "max_relative_l2": ("relative_l2", "largest"),
    "min_cosine": ("cosine_min", "smallest"),
    "min_top1_agreement": ("top1_agreement", "smallest"),
    "min_relative_accuracy": ("relative_accuracy", "smallest"),
    "min_equal_share": ("equal_share", "smallest"),
    "min_matched_share": ("matched_share", "smallest"),
}
DEFAULT_EQUAL_SHARE = 0.99  # where a preset says nothing of integers, booleans and texts: no other limit judges them
DEFAULT_MATCHED_SHARE = 0.95  # where a preset says nothing of the rows of a detector
_OF_VALUES = ("max_relative_l2", "min_cosine")  # limits for outputs that are compared value by value
_LIMITS_OF_TASKS = {"min_top1_agreement": "classification"}  # limits that a preset sets for models with one task


def judge_document(document: Json, thresholds: dict[str, float]) -> None:
    """Enter the judged limits of a preset into a document with metrics, and the status if it follows from them.

    Limits for another task than the model's are left out; all others are asked for.
    """
    task = document["task"]
    thresholds = {name: limit for name, limit in thresholds.items() if _LIMITS_OF_TASKS.get(name, task) == task}
    how = {item["judged_by"] for item in document["outputs"]}
    if "rows" in how:
        thresholds = {"min_matched_share": DEFAULT_MATCHED_SHARE} | thresholds
    else:
        thresholds.pop("min_matched_share", None)
    if how == {"rows"}:
        thresholds = {name: limit for name, limit in thresholds.items() if name not in _OF_VALUES}
    if document["metrics"]["equal_share"] is not None:
        thresholds = {"min_equal_share": DEFAULT_EQUAL_SHARE} | thresholds
    document["thresholds"] = judge_thresholds(thresholds, document["metrics"], document["absent"])
    _conclude(document)
    if "divergence" not in document:
        return
    if document["status"] != "failed":
        del document["divergence"]
    else:
        document["divergence"] = judge_layers(document["divergence"], document["thresholds"])
        name_diverging_layer(document)


def judge_thresholds(
    thresholds: dict[str, float], metrics: dict[str, float | None], absent: dict[str, str]
) -> list[Json]:
    """Return the limits of a preset as judged lines: name, metric, value, limit, passed, reason.

    If the metric is not known, `passed` is None and there is a reason: what was not measured has not passed.
    """
    lines = []
    for name, limit in sorted(thresholds.items()):
        metric, bound = THRESHOLDS[name]
        value, passed, reason = metrics[metric], None, None
        if value is None:
            reason = absent[metric]
        else:
            passed = value <= limit if bound == "largest" else value >= limit
        lines.append(
            {"name": name, "metric": metric, "value": value, "limit": limit, "passed": passed, "reason": reason}
        )
    return lines


def _conclude(document):
    """Set the status from the threshold lines, unless the comparison has set one."""
    if document["reason"] is not None:
        return
    lines = document["thresholds"]
    missed = [
        f"{line['metric']} is {line['value']:.6g}, limit {line['limit']:g}" for line in lines if line["passed"] is False
    ]
    if missed:
        document.update(status="failed", reason={"kind": "threshold_missed", "message": "; ".join(missed)})
    elif lines and all(line["passed"] is None for line in lines):
        message = "; ".join(f"{line['metric']} is unknown: {line['reason']}" for line in lines)
        document["reason"] = {"kind": "metrics_unknown", "message": message}
    else:
        document["status"] = "passed"
