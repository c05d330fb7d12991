"""Criteria: data that names a statistic and a limit, and the verdict `pass`, `fail` or `unknown` of each.

A criterion without a named statistic or without a limit is a mistake in the configuration. Source: the contract of the
edge phases, "Named statistic".
"""

from edgeproof.core.errors import UserError
from edgeproof.core.reader import read_once
from edgeproof.core.yaml_files import read_yaml

from .quantities import OFFERED, WITHOUT_CONFIDENCE

VERDICTS = ("pass", "fail", "unknown")


@read_once
def read_criteria(path):
    """Return the criteria of a file of config/criteria/, checked; `regime` is None where a metric has none.

    UserError names the criterion whose metric, regime, statistic, unit or confidence do not belong together.
    """
    document = read_yaml(path, "criteria")
    criteria = []
    for number, entry in enumerate(document["criteria"]):
        where = f"{path}: criteria[{number}] ({entry['id']})"
        criterion = {**entry, "regime": entry.get("regime")}
        if any(criterion["id"] == other["id"] for other in criteria):
            raise UserError(f"{where}: the id is used twice")
        _check(criterion, where)
        criteria.append(criterion)
    return {**document, "criteria": criteria}


def judge_criteria(criteria, find):
    """Return one line per criterion of a criteria document; `find`: criterion to Quantity."""
    return [judge_criterion(criterion, find(criterion), criteria["accept"]) for criterion in criteria["criteria"]]


def judge_criterion(criterion, quantity, accept=("measured",)):
    """Return the line of a criterion: itself, its verdict, the figures, and the limits at which the verdict changes.

    `pass`: the whole interval is on the good side of the limit, which belongs to it. `fail`: the whole interval is on
    the bad side. `unknown`: anything else, with the reason. `accept`: provenances that a required criterion counts; an
    optional one shows what it has. `passes_at`, `fails_at`: the limit at which it just passes, and beyond which it
    fails; `flip_point`: the one at which the present verdict ends. None where no limit would change it.
    """
    line = {
        **criterion,
        "verdict": "unknown",
        **{name: getattr(quantity, name) for name in ("value", "low", "high", "provenance", "source", "reason")},
        **dict.fromkeys(("passes_at", "fails_at", "flip_point")),
    }
    if quantity.reason is not None:
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
            f"the interval {quantity.low:.6g} to {quantity.high:.6g} {criterion['unit']} straddles the limit "
            f"{limit:g}; more processes or samples would narrow it"
        )
    return line | {"verdict": verdict, "passes_at": passes_at, "fails_at": fails_at, "flip_point": flip_point}


def _check(criterion, where):
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
