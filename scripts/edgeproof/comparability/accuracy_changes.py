"""Accuracy from the left artifact of a comparison to the right one, paired by the samples that both have answered.

Parity compares an artifact with its own source. Of two artifacts of one source that bounds what is lost; of two models
it says nothing, since each may agree with its source and one source be worse.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeproof.core.accuracy import paired_score_interval
from edgeproof.core.configuration import Json
from edgeproof.core.formatting import format_number, plural

_CONFIDENCE = 0.95
_SIDES = ("left", "right")


def compare_accuracies(parities: Mapping[str, Json]) -> Json:
    """Return the change of accuracy of a comparison.

    `parities`: {left, right}: parity documents.
    - `two_models`: the artifacts have different sources, so that this difference is what counts;
    - `left`, `right`: accuracy on the `count` samples of both; `gained`, `lost`: samples that only the right or only
      the left side has right; `difference`, `low`, `high`: right minus left with Tango's score interval at
      `confidence`; all None, with `reason`, where nothing can be said.
    """
    found: Json = dict.fromkeys(
        ("left", "right", "count", "gained", "lost", "difference", "low", "high", "confidence", "reason")
    )
    found["two_models"] = parities["left"]["source_sha256"] != parities["right"]["source_sha256"]
    if reason := _find_obstacle(parities):
        return found | {"reason": reason}
    left, right = (_read_answers(parities[side]) for side in _SIDES)
    gained, lost = int((right & ~left).sum()), int((left & ~right).sum())
    low, high = paired_score_interval(gained, lost, len(left), _CONFIDENCE)
    return found | {
        "left": float(left.mean()),
        "right": float(right.mean()),
        "count": len(left),
        "gained": gained,
        "lost": lost,
        "difference": (gained - lost) / len(left),
        "low": low,
        "high": high,
        "confidence": _CONFIDENCE,
    }


def has_answers(parity: Json) -> bool:
    """Tell whether a parity document says of each sample whether the artifact is right: then its accuracy can change
    from one artifact to another by a paired difference.
    """
    return bool(parity["accuracy"] and parity["accuracy"].get("answers"))


def _read_answers(parity: Json) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return where an artifact is right, shape (samples,), for the change of accuracy to another."""
    return np.array([answer == "1" for answer in parity["accuracy"]["answers"]["candidate"]])


def _find_obstacle(parities: Mapping[str, Json]) -> str | None:
    """Return why no paired difference can be given; None where it can."""
    if parities["left"]["evaluation"]["sha256"] != parities["right"]["evaluation"]["sha256"]:
        return "the two sides ran other samples"
    for side in _SIDES:
        parity = parities[side]
        if parity["provenance"] == "simulated":
            return f"the outputs of {side} are simulated"
        if not parity["accuracy"]:
            continue
        if not has_answers(parity):
            return f"the parity of {side} keeps no answers of single samples; it was checked by an older edgeproof"
    missing = next((side for side in _SIDES if not parities[side]["accuracy"]), None)
    if missing is None:
        return None
    if other := _describe_other_task(parities):
        return other
    parity = parities[missing]
    if parity["status"] == "not_run" or (parity["status"] == "failed" and not parity["outputs"]):
        return f"parity of {missing} {parity['status'].replace('_', ' ')}: {parity['reason']['message']}"
    return str(parity["absent"].get("relative_accuracy", f"the accuracy of {missing} was not measured"))


def _describe_other_task(parities: Mapping[str, Json]) -> str | None:
    """Return the figures of two artifacts whose task has another measure than accuracy, None where it has not."""
    for key, name, count in (("error", "RMSE", "count"), ("detection", "mAP", "images"), ("score", "score", "count")):
        parts: list[Json] = [parities[side][key] for side in _SIDES if parities[side].get(key)]
        if len(parts) == len(_SIDES):
            values = " → ".join(str(format_number(_take_figure(key, part))) for part in parts)
            samples = plural(parts[0][count], "sample")
            return f"the task has none, but {name} {values} on {samples}, without a paired interval"
    return None


def _take_figure(key: str, part: Json) -> float | None:
    figure: float | None = part["candidate_rmse"] if key == "error" else part["candidate"]
    return part["candidate"]["map"] if key == "detection" else figure
