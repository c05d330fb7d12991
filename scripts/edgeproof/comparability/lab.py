"""InferEdgeLab's words for a comparison: overall, trade-off risk, and the bands of accuracy loss.

Words and limits are Lab's (forge contract, section 10). If the contract has a word but no rule, the rule is ours, and
the docstring says so.
"""

from collections.abc import Mapping, Sequence
from typing import TypedDict

from edgeproof.core.configuration import Json

from .accuracy_changes import compare_accuracies, has_answers

BANDS = ("severe", "risky", "caution")  # worst first


class AccuracyChange(TypedDict):
    """A change of accuracy in percentage points, negative for a loss; the bounds are None if they are not known."""

    difference_pp: float
    low_pp: float | None
    high_pp: float | None
    count: int


def name_accuracy_band(difference_pp: float, bands: Mapping[str, float]) -> str:
    """Return Lab's word for a change of accuracy in percentage points: `severe`, `risky`, `caution` or `acceptable`.

    `bands`: {noticeable, caution, risky, severe}; a band begins at its limit (-0.30 is caution).
    """
    return next((band for band in BANDS if difference_pp <= bands[band]), "acceptable")


def name_direction(changes: Sequence[float | None], limit_pct: float) -> str | None:
    """Return Lab's `slower`, `faster`, `neutral`, or None if it is not known, for changes of latency in percent.

    Slower: one of them is at least +limit. Faster: none is, and one is at most -limit. If a change is None (unknown),
    only `slower` can be concluded. The rule for several metrics is ours.
    """
    known = [change for change in changes if change is not None]
    if any(change >= limit_pct for change in known):
        return "slower"
    if len(known) < len(changes):
        return None
    return "faster" if any(change <= -limit_pct for change in known) else "neutral"


def name_overall(direction: str | None, cross_precision: bool) -> str | None:
    """Return Lab's overall for a direction; across precisions it is a trade-off, else a regression or improvement."""
    if direction is None:
        return None
    if cross_precision:
        return f"tradeoff_{direction}"
    return {"slower": "regression", "faster": "improvement", "neutral": "neutral"}[direction]


def name_tradeoff_risk(
    direction: str | None, cross_precision: bool, difference_pp: float | None, bands: Mapping[str, float]
) -> str | None:
    """Return Lab's trade-off risk; None when the direction is not known.

    The rule is ours. Faster: the band of the loss. Slower: `no_clear_tradeoff` if noticeably more accurate, else
    `not_beneficial`. As fast: `no_clear_tradeoff` if the loss is in no band, else `not_beneficial`.
    """
    if direction is None:
        return None
    if not cross_precision:
        return "not_applicable"
    if difference_pp is None:
        return "unknown_risk"
    band = name_accuracy_band(difference_pp, bands)
    if direction == "faster":
        return band
    if direction == "slower":
        return "no_clear_tradeoff" if difference_pp >= bands["noticeable"] else "not_beneficial"
    return "no_clear_tradeoff" if band == "acceptable" else "not_beneficial"


def compare_accuracy(parities: Mapping[str, Json]) -> AccuracyChange | None:
    """Return the accuracy change that InferEdgeLab's bands judge, from left to right artifact, in percentage points, or
    None.

    `parities`: {left, right}: parity documents on the same evaluation set. Without the answers of single samples, the
    change has an interval only if the left side answers every sample as the source of both does: then the right side's
    paired interval against the source is also the one against the left side.
    """
    left, right = parities["left"], parities["right"]
    one, other = left["accuracy"], right["accuracy"]
    if one is None or other is None or left["evaluation"]["sha256"] != right["evaluation"]["sha256"]:
        return None
    if has_answers(left) and has_answers(right):
        found = compare_accuracies(parities)
        difference, low, high = (100 * found[key] for key in ("difference", "low", "high"))
        return {"difference_pp": difference, "low_pp": low, "high_pp": high, "count": found["count"]}
    same = one["gained"] == one["lost"] == 0 and left["source_sha256"] == right["source_sha256"]
    return {
        "difference_pp": 100 * (other["candidate_accuracy"] - one["candidate_accuracy"]),
        "low_pp": 100 * other["low"] if same else None,
        "high_pp": 100 * other["high"] if same else None,
        "count": other["count"],
    }
