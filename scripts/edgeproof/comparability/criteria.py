"""Criteria: each names a statistic and a limit, and gets the verdict `pass`, `fail` or `unknown`.

A criterion without a statistic or a limit is a mistake in the configuration. Source: the contract of the edge phases,
"Named statistic".
"""

from collections.abc import Callable, Sequence
from typing import TypedDict, cast

from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath
from edgeproof.core.reader import read_once
from edgeproof.core.yaml_files import read_yaml

from .criterion_terms import OFFERED, WITHOUT_CONFIDENCE, Criterion, Quantity

VERDICTS = ("pass", "fail", "unknown")


class Criteria(TypedDict):
    """A file of config/criteria/. `accept`: provenances that a required criterion counts."""

    description: str
    accept: list[str]
    accept_trivial_parity: bool
    accuracy_bands: dict[str, float]
    criteria: list[Criterion]


class CriterionLine(Criterion):
    """A criterion with its verdict, the figures, and the limits at which the verdict changes.

    `passes_at`, `fails_at`: the limit at which it just passes, and the one beyond which it fails; `flip_point`: the one
    at which the present verdict ends. None if no limit would change it.
    """

    verdict: str
    value: float | None
    low: float | None
    high: float | None
    provenance: str | None
    source: str
    reason: str | None
    passes_at: float | None
    fails_at: float | None
    flip_point: float | None


@read_once
def read_criteria(path: FilePath) -> Criteria:
    """Return the criteria of a file of config/criteria/, checked; `regime` is None if a metric has none.

    UserError names the criterion whose metric, regime, statistic, unit or confidence do not belong together.
    """
    document = read_yaml(path, "criteria")
    criteria: list[Criterion] = []
    for number, entry in enumerate(document["criteria"]):
        where = f"{path}: criteria[{number}] ({entry['id']})"
        criterion = cast(Criterion, {**entry, "regime": entry.get("regime")})
        if any(criterion["id"] == other["id"] for other in criteria):
            raise UserError(f"{where}: the id is used twice")
        _check(criterion, where)
        criteria.append(criterion)
    return cast(Criteria, {**document, "criteria": criteria})


def judge_criteria(criteria: Criteria, find: Callable[[Criterion], Quantity]) -> list[CriterionLine]:
    """Return one line per criterion of a criteria document; `find`: criterion to Quantity."""
    return [judge_criterion(criterion, find(criterion), criteria["accept"]) for criterion in criteria["criteria"]]


def judge_criterion(criterion: Criterion, quantity: Quantity, accept: Sequence[str] = ("measured",)) -> CriterionLine:
    """Return the CriterionLine of a criterion.

    `pass`: the whole interval is on the good side of the limit or on it. `fail`: the whole interval is on the bad side.
    `unknown`: anything else, with the reason. `accept`: provenances that a required criterion counts; an optional one
    counts all.
    """
    line: CriterionLine = {
        **criterion,
        "verdict": "unknown",
        "value": quantity.value,
        "low": quantity.low,
        "high": quantity.high,
        "provenance": quantity.provenance,
        "source": quantity.source,
        "reason": quantity.reason,
        "passes_at": None,
        "fails_at": None,
        "flip_point": None,
    }
    if quantity.reason is not None or quantity.low is None or quantity.high is None:
        return line
    if criterion["required"] and quantity.provenance not in accept:
        line["reason"] = f"the value is {quantity.provenance}; what is required accepts {', '.join(accept)} only"
        return line
    limit = criterion["limit"]
    at_most = criterion["direction"] == "at_most"
    passes_at, fails_at = (quantity.high, quantity.low) if at_most else (quantity.low, quantity.high)
    if passes_at <= limit if at_most else passes_at >= limit:
        verdict, flip_point = "pass", passes_at
    elif fails_at > limit if at_most else fails_at < limit:
        verdict, flip_point = "fail", fails_at
    else:
        verdict, flip_point = "unknown", min((passes_at, fails_at), key=lambda point: abs(point - limit))
        line["reason"] = (
            f"the interval {quantity.low:.6g} to {quantity.high:.6g} {criterion['unit']} contains the limit "
            f"{limit:g}; {quantity.remedy}"
        )
    return {**line, "verdict": verdict, "passes_at": passes_at, "fails_at": fails_at, "flip_point": flip_point}


def _check(criterion: Criterion, where: str) -> None:
    metric, regime = criterion["metric"], criterion["regime"]
    regimes = [known for name, known in OFFERED if name == metric]
    if regime not in regimes:
        named = " or ".join(map(str, filter(None, regimes)))
        raise UserError(f"{where}: regime of {metric} must be {named}" if named else f"{where}: {metric} has no regime")
    statistics, units = OFFERED[metric, regime]
    if criterion["statistic"] not in statistics:
        raise UserError(f"{where}: statistic {criterion['statistic']!r} of {regime or ''} {metric} is not one of "
                        f"{', '.join(statistics)}")  # fmt: skip
    if criterion["unit"] not in units:
        raise UserError(f"{where}: unit {criterion['unit']!r} of {metric} is not one of {', '.join(units)}")
    without = (metric, criterion["statistic"]) in WITHOUT_CONFIDENCE
    if without != (criterion["confidence"] is None):
        needed = "null: it has no interval of its own" if without else "a number, such as 0.95"
        raise UserError(f"{where}: confidence of the {criterion['statistic']} of {metric} must be {needed}")
