"""The tables of cells, percentiles, outputs and digests as plain data: texts, and None where there is no value."""

from collections.abc import Mapping

import numpy as np

from edgeproof.artifacts.records.manifests import flag_random_ranges
from edgeproof.artifacts.records.parity_records import describe_declared_accuracy, describe_parity, is_same_graph
from edgeproof.core.configuration import Json
from edgeproof.core.files import FilePath
from edgeproof.core.formatting import (
    SPACE,
    choose_unit,
    decimals_for,
    format_bytes,
    format_count,
    format_estimate,
    format_fixed,
    format_limit,
    format_number,
    format_percent,
    format_range,
    format_signed,
    plural,
    shorten_digest,
)
from edgeproof.core.summary import PERCENTILES

from .charts import anchor_of, label_of
from .collecting import CellEvidence, link_from
from .gate import name_state
from .recomputing_commands import recompute_cell

_METRICS = ("max_abs", "relative_l2", "cosine_min", "top1_agreement", "equal_share")
_SHARES = ("top1_agreement", "equal_share", "matched_share")
_NAMES = {
    "max_abs": "largest absolute difference",
    "relative_l2": "relative L2",
    "cosine_min": "worst cosine",
    "l2_without_angle": "relative L2, where no cosine judges",
    "top1_agreement": "top-1 agreement",
    "equal_share": "equal values",
    "matched_share": "matched rows",
    "relative_accuracy": "relative accuracy",
}


def list_models(cells: list[CellEvidence]) -> list[tuple[str, list[CellEvidence], str, float]]:
    """Return the groups of the tables of cells, [(model, its cells, unit, factor from ms)].

    They are in the order of the campaign; the unit suits the latencies.
    """
    models = []
    for model in dict.fromkeys(item.cell.model for item in cells):
        own = [item for item in cells if item.cell.model == model]
        models.append((model, own, *choose_unit([(item.result["latency"] or {}).get("median_ms") for item in own])))
    return models


def describe_cells(cells: list[CellEvidence], page: FilePath, failures: Mapping[str, str]) -> list[Json]:
    """Return the table of cells, one group per model: {model, rows}.

    `page`: links to attempts start from its folder. `failures`: {anchor of a cell: anchor of why it is not ok}.
    """
    return [
        {
            "model": model,
            "rows": [
                {
                    **_describe_cell(item, unit, factor),
                    "failure": failures.get(anchor_of(item.cell)),
                    "attempts": [link_from(page, session["attempt"]) for session in item.result["sessions"]],
                }
                for item in own
            ],
        }
        for model, own, unit, factor in list_models(cells)
    ]


def _list_reasons(item: CellEvidence) -> list[str]:
    """Return what limits a cell's headline, one sentence each; why it is not ok, says its failure."""
    labels = [
        f"{entry['label'].replace('_', ' ')}: {entry['message']}"
        for entry in item.result["labels"]
        if entry["label"] != "random_inputs"  # the note beside the headline says it all
    ]
    noise = flag_random_ranges(item.manifest)
    return [*labels, *([f"{noise}: real inputs may be answered worse"] if noise else [])]


def describe_basis(result: Json, unit: str, factor: float) -> str | None:
    """Return what the headline's interval in a row of the table of cells is over, and how it was measured.

    None without a latency.
    """
    latency, sessions = result["latency"], result["sessions"]
    if latency is None:
        return None
    both = " and ".join(str(format_number(entry["latency"]["median_ms"] * factor, 4)) for entry in sessions)
    words = {
        "session": "within this session",
        "two sessions": f"two sessions: {both}{SPACE}{unit}",
        "sessions": f"over {len(sessions)} sessions",
    }
    notes = [words[latency["basis"]]]
    notes += ["sustained"] if result["protocol"]["requested"].get("load") else []
    notes += ["random inputs"] if result["inputs"]["kind"] == "random" else []
    return ", ".join(notes)


def describe_percentiles(cells: list[CellEvidence]) -> Json:
    """Return the table of cells' percentiles, {names, groups}.

    `names` are percentiles with their floors, a row has one entry each, or one reason.
    """
    floors = next((item.result["percentiles"] for item in cells if item.result["percentiles"]), {})
    names = [{"name": name, "floor": format_count(floors[name]["floor_samples"])} for name in PERCENTILES if floors]
    groups = []
    for model, own, unit, factor in list_models(cells):
        rows = [_percentile_row(item, unit, factor) for item in own if item.result["percentiles"]]
        if rows:
            groups.append({"model": model, "unit": unit, "rows": rows})
    return {"names": names, "groups": groups}


def describe_parities(cells: list[CellEvidence]) -> list[Json]:
    """Return the table of outputs that follows that of cells, one row per artifact even if several devices run it."""
    seen, rows = set(), []
    for item in cells:
        if item.paths["parity"] not in seen:
            seen.add(item.paths["parity"])
            rows.append(_describe_parity(item))
    return rows


def describe_digests(cells: list[CellEvidence], page: FilePath) -> list[Json]:
    """Return the table of cells' digests; links are relative to the folder of `page`."""
    return [
        {
            "label": f"{item.cell.model} · {label_of(item.cell)}",
            "files": [
                {
                    "name": path.rsplit("/", 1)[1],
                    "href": link_from(page, path),
                    "short": shorten_digest(item.digests[name]),
                    "digest": item.digests[name],
                }
                for name, path in item.paths.items()
            ],
        }
        for item in cells
    ]


def describe_quality(parity: Json) -> Json | None:
    """Return the texts on accuracy or error for a row of the cells' table of outputs, from a parity.

    They are {reference, candidate, difference, interval, unit, count, same_graph}. `same_graph`: the artifact is its
    source, so that the difference is exactly 0 and has no interval.
    """
    quality = _describe_quality(parity)
    return quality and {**quality, "same_graph": is_same_graph(parity)}


def _describe_quality(parity: Json) -> Json | None:
    if "error" in parity:
        return _describe_error(parity["error"])
    if "detection" in parity:
        return _describe_detection(parity["detection"])
    if "score" in parity:
        return _describe_score(parity["score"])
    return _describe_accuracy(parity["accuracy"])


def _describe_detection(detection: Json) -> Json:
    """Return the mAP and F1 of a detector, as `describe_quality` does; the difference is that in F1."""
    difference, low, high = (100 * detection[f"f1_{key}"] for key in ("difference", "low", "high"))
    decimals = min(2, decimals_for(difference, low, high))
    texts = {
        side: f"mAP{SPACE}{format_percent(detection[side]['map'])}, F1{SPACE}{format_percent(detection[side]['f1'])}"
        for side in ("reference", "candidate")
    }
    return {
        **texts,
        "difference": format_signed(difference, decimals),
        "interval": format_range(low, high, decimals, sign=True),
        "unit": "points of F1",
        "confidence": format_limit(detection["confidence"], share=True),
        "count": format_count(detection["images"]),
    }


def _describe_score(score: Json) -> Json:
    """Return the mean scores by a model's own evaluator, as `describe_quality` does."""
    difference, low, high = (score[key] for key in ("difference", "low", "high"))
    decimals, interval = 4, "no interval"
    if low is not None and high is not None:
        decimals = min(4, decimals_for(difference, low, high)) if difference else 4
        interval = format_range(low, high, decimals, sign=True)
    return {
        **{side: f"score{SPACE}{format_number(score[side], 4)}" for side in ("reference", "candidate")},
        "difference": format_signed(difference, decimals),
        "interval": interval,
        "unit": "in score",
        "confidence": format_limit(score["confidence"], share=True),
        "count": format_count(score["count"]),
    }


def _describe_error(error: Json) -> Json:
    """Return the RMSE of a model that predicts numbers, as `describe_quality` does."""
    difference, low, high = (error[key] for key in ("difference", "low", "high"))
    known = low is not None
    decimals = min(4, decimals_for(difference, low, high)) if difference else 0
    texts = {
        side: f"RMSE{SPACE}{format_number(error[f'{side}_rmse'], 4)}"
        + ("" if error[f"{side}_r2"] is None else f", R²{SPACE}{format_fixed(error[f'{side}_r2'], 3)}")
        for side in ("reference", "candidate")
    }
    return {
        **texts,
        "difference": format_signed(difference, decimals),
        "interval": format_range(low, high, decimals, sign=True) if known else "the same answers",
        "unit": "in RMSE",
        "confidence": format_limit(error["confidence"], share=True),
        "count": format_count(error["count"]),
    }


def _describe_accuracy(accuracy: Json | None) -> Json | None:
    """Return an accuracy as `describe_quality` does, or None."""
    if accuracy is None:
        return None
    difference, low, high = (100 * accuracy[key] for key in ("difference", "low", "high"))
    decimals = min(2, decimals_for(difference, low, high))
    return {
        "reference": format_percent(accuracy["reference_accuracy"]),
        "candidate": format_percent(accuracy["candidate_accuracy"]),
        "difference": format_signed(difference, decimals),
        "interval": format_range(low, high, decimals, sign=True),
        "unit": "points",
        "confidence": format_limit(accuracy["confidence"], share=True),
        "count": format_count(accuracy["count"]),
        "gained": accuracy["gained"],
        "lost": accuracy["lost"],
    }


def _describe_cell(item, unit, factor):
    result = item.result
    latency = result["latency"] or dict.fromkeys(("median_ms", "interval_low_ms", "interval_high_ms"))
    value, interval = format_estimate(
        latency["median_ms"], latency["interval_low_ms"], latency["interval_high_ms"], factor
    )
    cold = [process["cold_first_inference_ms"] for process in result["processes"]]
    load = [process["load_ms"] for process in result["processes"]]
    return {
        "anchor": anchor_of(item.cell),
        "label": label_of(item.cell),
        "preset": item.cell.preset,
        "precision": item.cell.precision,
        "device": item.cell.device,
        "state": item.verdict["state"],
        "status": result["status"],
        "words": name_state(result, item.verdict),
        "reasons": _list_reasons(item),
        "simulated": result["provenance"] == "simulated",
        "latency": value and f"{value}{SPACE}{unit}",
        "interval": interval,
        "basis": describe_basis(result, unit, factor),
        "sort": {
            "latency": latency["median_ms"],
            "throughput": result["throughput_per_s"],
            "cold": float(np.median(cold)) if cold else None,
            "load": float(np.median(load)) if load else None,
            "memory": result["memory_peak_bytes"],
            "size": result["artifact_bytes"],
        },
        "command": recompute_cell(item.cell),
        "throughput": _with_unit(format_number(result["throughput_per_s"]), "/s"),
        "cold": _median_ms(cold),
        "load": _median_ms(load),
        "memory": format_bytes(result["memory_peak_bytes"]),
        "size": format_bytes(result["artifact_bytes"]) if item.manifest["status"] == "ok" else None,
        "accuracy": describe_quality(item.parity),
        "parity": _parity_summary(item.parity),
    }


def _parity_summary(parity):
    state = {"passed": "ok", "failed": "failing", "not_run": "unknown"}[parity["status"]]
    words = describe_parity(parity)
    if parity["status"] == "passed" and parity["provenance"] == "simulated":
        return {
            "state": "unknown",
            "words": "nothing to compare",
            "detail": "simulated outputs, compared with themselves",
        }
    if parity["status"] == "passed" and parity["trivial"]:
        return {
            "state": "ok",
            "words": "same graph",
            "detail": "the same graph in the same runtime: agreement is trivial",
        }
    detail = parity["reason"]["message"] if parity["reason"] else None
    lines = [line for line in parity["thresholds"] if line["passed"] is None]
    if parity["status"] == "passed" and lines:
        detail = "; ".join(f"{_NAMES[line['metric']]} not measured: {line['reason']}" for line in lines)
    return {"state": state, "words": words, "detail": detail}


def _percentile_row(item, unit, factor):
    entries = item.result["percentiles"]
    row = {
        "anchor": anchor_of(item.cell),
        "label": label_of(item.cell),
        "samples": format_count(item.distribution.count),
        "starts": _say_starts(entries["p50"]),
        "simulated": item.result["provenance"] == "simulated",
        "common": None,
        "entries": [],
    }
    # All percentiles of a run timed in bursts are withheld for the same reason, so it is given once.
    if all(entry["value_ms"] is None for entry in entries.values()):
        row["common"] = entries["p50"]["reason"]
        return row
    for name in PERCENTILES:
        entry = entries[name]
        text, interval = format_estimate(entry["value_ms"], entry["low_ms"], entry["high_ms"], factor)
        row["entries"].append(
            {"name": name, "value": text and f"{text}{SPACE}{unit}", "interval": interval, "reason": entry["reason"]}
        )
    return row


def _say_starts(entry):
    """Return how many starts percentiles describe, and how rare a start may be missing; the same for all of a run."""
    where = "" if entry["low_ms"] is not None else "in these "
    missing = format_percent(entry["rare_starts"], 0)
    return f"{where}{plural(entry['starts'], 'start')}; a kind of start rarer than {missing} may be missing"


def _describe_parity(item):
    parity = item.parity
    return {
        "label": f"{item.cell.preset} · {item.cell.precision}"
        + ("" if item.builder == "host" else f" · {item.builder}"),
        "model": item.cell.model,
        "precision": item.cell.precision,
        "preset": item.cell.preset + ("" if item.builder == "host" else f" · {item.builder}"),
        "simulated": parity["provenance"] == "simulated",
        "summary": _parity_summary(parity),
        "metrics": [_describe_metric(name, parity["metrics"][name], parity["absent"].get(name)) for name in _METRICS],
        "accuracy": describe_quality(parity),
        "accuracy_absent": "; ".join(
            [*filter(None, [parity["absent"].get("relative_accuracy")]), *_list_declared(parity)]
        ),
        "thresholds": [_describe_threshold(line) for line in parity["thresholds"]],
        "count": format_count(parity["evaluation"]["count"]),
    }


def _list_declared(parity):
    return [f"declared, not measured here: {describe_declared_accuracy(item)}" for item in parity.get("declared", ())]


def _describe_metric(name, value, absent):
    return {"value": _format_metric(name, value), "absent": absent}


def _format_metric(name, value):
    if name in _SHARES:
        return format_percent(value)
    if name == "cosine_min" and value is not None and value > 0.9:  # the distance to 1 is what matters
        return format_fixed(value, min(9, decimals_for(1 - value, digits=2))) if value < 1 - 1e-12 else "1"
    return format_number(value)


def _describe_threshold(line):
    state = {True: "ok", False: "failing", None: "unknown"}[line["passed"]]
    sign = "≤" if line["name"].startswith("max_") else "≥"
    share = line["metric"] in _SHARES
    value = "unknown" if line["value"] is None else _format_metric(line["metric"], line["value"])
    return {
        "state": state,
        "words": {"ok": "met", "failing": "missed", "unknown": "unknown"}[state],
        "text": f"{_NAMES[line['metric']]} {sign} {format_limit(line['limit'], share)}: {value}",
        "reason": line["reason"],
    }


def _median_ms(values):
    if not values:
        return None
    return f"{format_number(float(np.median(values)))}{SPACE}ms"  # one unit, so that a column can be compared by eye


def _with_unit(text, unit):
    return text and f"{text}{SPACE}{unit}"
