"""The limits of a preset, and what they make of a comparison: its status, its reason and the layer at fault.

Nothing here is in the key of a comparison: where only limits change, the verdict follows from what was measured.
"""

from edgeproof.core.configuration import Json

from .divergence import judge_layers, name_diverging_layer

THRESHOLDS = {  # key of a preset: metric, and whether the limit is the largest or the smallest value that passes
    "max_relative_l2": ("relative_l2", "largest"),
    "min_cosine": ("cosine_min", "smallest"),
    "max_l2_without_angle": ("l2_without_angle", "largest"),
    "min_top1_agreement": ("top1_agreement", "smallest"),
    "min_relative_accuracy": ("relative_accuracy", "smallest"),
    "min_equal_share": ("equal_share", "smallest"),
    "min_matched_share": ("matched_share", "smallest"),
}
DEFAULT_EQUAL_SHARE = 0.99  # where a preset says nothing of integers, booleans and texts: no other limit judges them
DEFAULT_MATCHED_SHARE = 0.95  # where a preset says nothing of the rows of a detector
DEFAULT_L2_WITHOUT_ANGLE = 0.1  # where a preset has no limit on relative L2: no cosine judges such outputs
_OF_VALUES = (
    "max_relative_l2",
    "min_cosine",
    "max_l2_without_angle",
)  # limits for outputs that are compared value by value
_LIMITS_OF_TASKS = {"min_top1_agreement": "classification"}  # limits that a preset sets for models with one task


def judge_document(document: Json, thresholds: dict[str, float]) -> None:
    """Enter a preset's judged parity limits into a document with metrics, and the status if it follows from them.

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
    thresholds = _limit_outputs_without_angle(thresholds, document["outputs"])
    document["thresholds"] = judge_limits(thresholds, document["metrics"], document["absent"])
    _conclude(document)
    if "divergence" not in document:
        return
    if document["status"] != "failed":
        del document["divergence"]
    else:
        document["divergence"] = judge_layers(document["divergence"], document["thresholds"])
        name_diverging_layer(document)


def _limit_outputs_without_angle(thresholds: dict[str, float], outputs: list[Json]) -> dict[str, float]:
    """Return the limits with one for outputs that no cosine judges, and without those that judge nothing.

    Where a preset limits the relative L2 of every output, that is the limit of these, too.
    """
    floats = [
        item
        for item in outputs
        if item["judged_by"] == "values" and item["parting"] is None and item["equal_share"] is None
    ]
    limits = {name: limit for name, limit in thresholds.items() if name != "max_l2_without_angle"}
    if any(item["without_angle"] for item in floats):
        if "max_l2_without_angle" in thresholds or "max_relative_l2" not in thresholds:
            limits["max_l2_without_angle"] = thresholds.get("max_l2_without_angle", DEFAULT_L2_WITHOUT_ANGLE)
        if all(item["cosine_min"] is None for item in floats):
            limits.pop("min_cosine", None)
    return limits


def judge_limits(thresholds: dict[str, float], metrics: dict[str, float | None], absent: dict[str, str]) -> list[Json]:
    """Return the parity limits of a preset as judged lines: name, metric, value, limit, passed, reason.

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
    missed = [line for line in lines if line["passed"] is False]
    if missed:
        message = "; ".join(_describe_missed_limit(line, document) for line in missed)
        document.update(status="failed", reason={"kind": "threshold_missed", "message": message})
    elif lines and all(line["passed"] is None for line in lines):
        message = "; ".join(f"{line['metric']} is unknown: {line['reason']}" for line in lines)
        document["reason"] = {"kind": "metrics_unknown", "message": message}
    else:
        document["status"] = "passed"


def _describe_missed_limit(line: Json, document: Json) -> str:
    """Return what a missed limit says: the number, the output and samples it is from, the limit, and who sets it."""
    outputs = [item for item in document["outputs"] if item.get(line["metric"]) == line["value"]]
    item = outputs[0] if outputs else None
    cell = document["cell"]
    where = f"output {item['name']!r}: " if item else ""
    if line["metric"] == "matched_share":
        where = f"rows of {', '.join(repr(o['name']) for o in document['outputs'] if o['judged_by'] == 'rows')}: "
    key = f"`parity: {{{cell['precision']}: {{{line['name']}: …}}}}` of preset {cell['preset']}"
    limit = f"limit {line['limit']:g} ({key})"
    said = f"{where}{line['metric']} is {line['value']:.6g}{_name_samples(line, document, item)}, {limit}"
    return said + (advise_matching(item["chosen_by"]) if item else "")


def advise_matching(operator: str | None) -> str:
    """Return what a missed parity limit advises, by the operator that chooses rows and their order; "" without one."""
    if operator is None:
        return ""
    return (
        f"; {operator} chooses its rows, and these may swap places: declare `task: {{detection: …}}` for the model, "
        "and they are matched instead (docs/sources.md)"
    )


def _name_samples(line: Json, document: Json, item: Json | None) -> str:
    """Return how many samples miss a limit on the cosine and which is the worst, "" for other limits."""
    if line["metric"] != "cosine_min" or item is None:
        return ""
    lowest, count = item["lowest_cosines"], document["evaluation"]["count"]
    below = sum(entry["cosine"] < line["limit"] for entry in lowest)
    more = " or more" if below == len(lowest) < count else ""
    return f" in sample {lowest[0]['sample']} ({below}{more} of {count} samples are below the limit)"
