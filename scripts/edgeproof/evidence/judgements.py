"""The regression judgement and the deployment decision of a comparison as plain data, in words."""

from collections.abc import Sequence

from edgeproof.core.configuration import Json
from edgeproof.core.formatting import (
    SPACE,
    first_up,
    format_estimate,
    format_limit,
    format_number,
    format_range,
    format_signed,
    plural,
)

_REGRESSIONS = {
    "regression": ("failing", "regression"),
    "no-regression": ("ok", "no regression"),
    "blocked": ("unknown", "not judged"),
}
_DECISIONS = {
    "blocked": ("failing", "Blocked"),
    "insufficient_evidence": ("unknown", "Insufficient evidence"),
    "review_required": ("tolerated", "Review required"),
    "deployable_with_note": ("note", "Deployable with a note"),
    "deployable": ("ok", "Deployable"),
}
_REFUSED = ("not_comparable", "protocol_mismatch")  # the table of reasons says why
_RULES = {"mismatch": "the two sides may not be compared"}
_CRITERIA = {"pass": "ok", "fail": "failing", "unknown": "unknown"}
_IF = {"pass": "if it passed", "fail": "if it failed", "unknown": "if it were unknown"}
_SIGNS = {"at_most": "≤", "at_least": "≥"}


def describe_regression_judgement(
    regression: Json, said: Sequence[str | None] = (), further: int | None = None
) -> Json:
    """Return the regression judgement of a comparison as plain data in words; it has no thresholds if it was blocked.

    `said`: what the page says of the comparison already. A reason among it is not given again. `further`: how many
    pairs more would probably decide.
    """
    state, words = _REGRESSIONS[regression["status"]]
    blocked = regression["status"] == "blocked"
    if regression["status"] == "regression":
        words = f"{regression['severity']} {regression['regression_type']} regression"
    triggered = [line for line in regression["thresholds"] if line["status"] == "triggered"]
    notes = [] if blocked else list(regression["notes"])
    count = plural(len(regression["thresholds"]), "threshold")
    reason = regression["reason"] or ""
    advice = regression["recommendation"].replace("_", " ")
    if further and regression["recommendation"] == "measure_more_pairs":
        advice = f"measure about {plural(further, 'further pair')}"
    told = not reason or reason in said or regression["mode"] in _REFUSED
    return {
        "state": state,
        "words": words,
        "policy": regression["policy"],
        "recommendation": advice,
        "reason": None
        if told or regression["reason"] is None
        else first_up(regression["reason"].replace("_", " ").rstrip(".")),
        "summary": None if blocked else f"{len(triggered)} of {count} triggered",
        "thresholds": [] if blocked else [_describe_threshold(line) for line in regression["thresholds"]],
        "notes": notes,
        "simulated": regression["provenance"] == "simulated",
    }


def describe_decision(decision: Json) -> Json:
    """Return the judgement whether a comparison's right side may be deployed, as plain data in words."""
    state, words = _DECISIONS[decision["decision"]]
    verdicts = [line["verdict"] for line in decision["lines"]]
    counts = [f"{verdicts.count(verdict)} {verdict}" for verdict in _CRITERIA if verdict in verdicts]
    rules = [_describe_rule(rule) for rule in decision["rules"]]
    return {
        "state": state,
        "words": words,
        "criteria": decision["criteria"],
        "because": [rule["text"] for rule in rules if rule["words"] == words],
        "rules": [rule for rule in rules if rule["words"] != words],
        "summary": f"{plural(len(verdicts), 'criterion').replace('criterions', 'criteria')}: {', '.join(counts)}",
        "lines": [_describe_line(line, decision["decision"]) for line in decision["lines"]],
        "simulated": decision["provenance"] == "simulated",
    }


def _describe_threshold(line):
    state = {"triggered": "failing", "clear": "ok", "unknown": "unknown"}[line["status"]]
    sign = {">=": "≥", "<=": "≤"}[line["comparison"]]
    interval = None
    if line["interval_low_pct"] is not None:
        low, high = (format_signed(line[f"interval_{end}_pct"], 2) for end in ("low", "high"))
        interval = f"{low} to {high}{SPACE}%"
    return {
        "name": line["name"].replace("_", " "),
        "metric": line["metric"].replace("_", " "),
        "limit": f"{sign} {_signed(line['threshold_pct'])}{SPACE}%",
        "change": None if line["delta_pct"] is None else f"{format_signed(line['delta_pct'], 2)}{SPACE}%",
        "interval": interval,
        "severity": line["severity"],
        "state": state,
        "words": line["status"],
        "reason": line["reason"],
    }


def _describe_rule(rule):
    """Return a rule without what follows its colon: that is said where it belongs, in the cell or the criterion."""
    state, words = _DECISIONS[rule["outcome"]]
    text = rule["message"].replace("_", " ").partition(": ")[0]
    return {"state": state, "words": words, "text": _RULES.get(rule["rule"], text)}


def _describe_line(line, decision):
    """Return one criterion: the limit, the value found, and where its verdict or the decision would change."""
    values = [line[name] for name in ("value", "low", "high")]
    known = all(value is not None for value in values) and values[1] < values[2]
    flips = [
        f"{_IF[verdict]}: {_DECISIONS[outcome][1].lower()}"
        for verdict, outcome in line["decision_if"].items()
        if outcome != decision and verdict != "unknown"
    ]
    regime = f"{line['regime']} " if line["regime"] else ""
    confidence = "" if line["confidence"] is None else f", confidence {format_limit(line['confidence'])}"
    return {
        "id": line["id"],
        "statistic": f"{line['statistic'].replace('_', ' ')} of {regime}{line['metric'].replace('_', ' ')}{confidence}",
        "state": _CRITERIA[line["verdict"]],
        "words": line["verdict"],
        "required": line["required"],
        "value": _with_unit(line["value"], line["unit"]),
        "interval": _describe_interval(line) if known else None,
        "limit": f"{_SIGNS[line['direction']]} {_with_unit(line['limit'], line['unit'], chosen=True)}",
        "provenance": line["provenance"],
        "simulated": line["provenance"] == "simulated",
        "reason": line["reason"] and _shorten(line["reason"]),
        "flip": _with_unit(line["flip_point"], line["unit"]),
        "consequences": flips,
    }


def _shorten(reason):
    """Return the reason of a criterion."""
    return reason.replace("_", " ")


def _describe_interval(line):
    if line["unit"] == "pp":
        return format_range(line["low"], line["high"], 2, sign=True)
    return format_estimate(line["value"], line["low"], line["high"])[1]


def _with_unit(value, unit, chosen=False):
    if value is None:
        return None
    if unit == "pp":
        return f"{_signed(value) if chosen else format_signed(value, 2)}{SPACE}pp"
    text = format_limit(value) if chosen else format_number(value)
    return text if unit == "count" else f"{text}{SPACE}{unit}"


def _signed(value):
    """Return a number from the configuration with its sign."""
    text = f"{abs(value):g}"
    return format_signed(value, len(text.partition(".")[2])) if value else text
