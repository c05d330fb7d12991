"""Does a number that was measured here replicate one that somebody claims? Both are claims; the answer is a document.

**A latency** is compared as two devices are (`core.two_devices`): Welch over session means, three sessions on two days
of each. **A ratio** needs no sessions: both arms took turns on each machine, so its interval holds wherever the pairs
stopped, and the two intervals are put together by the root of the sum of squares of their reaches (log scale).

*replicated*: the whole interval of the quotient lies within the margin. *not replicated*: all of it lies beyond. Else,
and where a condition differs that the number depends on, nothing can be said, and the answer says because of what.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from edgeproof.core.configuration import Json
from edgeproof.core.distributions import student_t_quantile
from edgeproof.core.two_devices import FEWEST_SESSIONS, MOST_SESSIONS, DeviceSessions, compare_devices

from .claim_conditions import find_differences, list_told_differences, list_untold

Answer: TypeAlias = Literal["replicated", "not replicated", "cannot say"]

_WIDEST = 100.0  # a spread on the log scale that decides nothing, and of which no float overflows
_LEAST_CONFIDENCE = 0.95  # of a claimed interval; one at a higher confidence is wider, and its answer only surer
_RULES = {
    "latency": "Welch over session means, three sessions on two days of each machine",
    "ratio": "both intervals together; each holds wherever its pairs stopped",
}


@dataclass(frozen=True)
class _Quotient:
    """This machine's number over the claimed one, its interval (None without one), and why it decides nothing."""

    value: float
    low: float | None
    high: float | None
    answer: Answer
    because: str | None


def judge_replication(claim: Json, own: Json, margin: float) -> Json:
    """Return what `own`, a measured claim of this machine, says of `claim`, at a margin (a fraction).

    {answer, because: the fields that keep it open, reason: a sentence or None, ignored: fields that differ and cancel,
    untold: conditions that a declared claim's source does not tell, claim, own, quotient, margin, rule}.
    """
    ignored: list[str] = []
    untold: list[str] = []
    if claim["provenance"] == "declared":
        matters = list_told_differences(claim["told"], own)
        untold = list_untold(claim["told"])
        found = _Quotient(own["value"] / claim["value"], None, None, "cannot say", "interval")
    else:
        matters, ignored = find_differences(claim, own)
        found = _judge_ratio(claim, own, margin) if claim["kind"] == "ratio" else _judge_latency(claim, own, margin)
        if claim["confidence"] is not None and claim["confidence"] < _LEAST_CONFIDENCE:
            found = replace(found, answer="cannot say", because="confidence")
    if claim["provenance"] == "simulated" or own["provenance"] == "simulated":
        matters += ["provenance"] if claim["provenance"] != own["provenance"] else []
    answer = "cannot say" if matters else found.answer
    because = matters or ([found.because] if found.because else [])
    return {
        "answer": answer,
        "because": because,
        "reason": _say_why(claim, own, matters, found),
        "ignored": ignored,
        "untold": untold,
        "claim": _describe(claim),
        "own": _describe(own),
        "quotient": {"value": found.value, "low": found.low, "high": found.high},
        "margin": margin,
        "rule": _RULES[claim["kind"]],
    }


def _judge_ratio(claim: Json, own: Json, margin: float) -> _Quotient:
    middle = math.log(own["value"] / claim["value"])
    reach = math.hypot(_reach_of(claim), _reach_of(own))
    answer: Answer = "cannot say"
    if abs(middle) + reach < math.log1p(margin):
        answer = "replicated"
    elif abs(middle) - reach > math.log1p(margin):
        answer = "not replicated"
    because = "width" if answer == "cannot say" else None
    return _Quotient(math.exp(middle), math.exp(middle - reach), math.exp(middle + reach), answer, because)


def _reach_of(claim: Json) -> float:
    """Return how far a claim's interval reaches from its number, to the farther side, on the log scale."""
    if claim["low"] is None:
        return math.inf
    return max(math.log(claim["value"] / claim["low"]), math.log(claim["high"] / claim["value"]))


def _judge_latency(claim: Json, own: Json, margin: float) -> _Quotient:
    found = compare_devices(_sessions_of(claim), _sessions_of(own), margin)
    answers: dict[str, Answer] = {"equivalent": "replicated", "faster": "not replicated", "slower": "not replicated"}
    low, high = found.ratio.low, found.ratio.high
    return _Quotient(found.ratio.estimate, low, high, answers.get(found.verdict, "cannot say"), found.reason)


def _sessions_of(claim: Json) -> DeviceSessions:
    """Return a claim's sessions; those of a line are made up so that their mean and spread are those that it tells."""
    if claim["sessions"] is not None:
        return DeviceSessions(
            tuple(session["mean_ms"] for session in claim["sessions"]),
            tuple(session["day"] for session in claim["sessions"]),
        )
    count, days = claim["basis"]["sessions"], claim["basis"]["days"]
    used = min(count, MOST_SESSIONS)  # as of sessions that are told; their spread stays, so nothing gets narrower
    places = [str(min(number, days - 1)) for number in range(used)]
    if count < FEWEST_SESSIONS or claim["low"] is None:
        return DeviceSessions((claim["value"],) * used, tuple(places))
    # A headline's interval is a t-interval over session means, from whose reach their standard deviation follows.
    critical = student_t_quantile((1 + claim["confidence"]) / 2, count - 1)
    spread = min(_reach_of(claim) / critical * math.sqrt(count), _WIDEST)
    steps = np.linspace(-1.0, 1.0, used)
    values = claim["value"] * np.exp(spread * steps / steps.std(ddof=1))
    return DeviceSessions(tuple(map(float, values)), tuple(places))


def _describe(claim: Json) -> Json:
    keys = ("right", "left", "value", "low", "high", "confidence", "basis", "provenance", "source")
    return {key: claim[key] for key in keys}


def _say_why(claim: Json, own: Json, matters: list[str], found: _Quotient) -> str | None:
    """Return why nothing can be said, None where something is."""
    if matters:
        pairs = [f"{field}: {_show(claim, field)} there, {_show(own, field)} here" for field in matters[:3]]
        more = f", and {len(matters) - 3} more" if len(matters) > 3 else ""
        return "; ".join(pairs) + more
    if found.answer != "cannot say":
        return None
    return {
        "confidence": f"the claimed interval is at less than {100 * _LEAST_CONFIDENCE:g} %",
        "interval": "its source tells no interval, so that no difference is too large for it",
        "sessions": "fewer than three sessions on one of the machines",
        "days": "all sessions of one machine are of one day",
        "width": "the interval is too wide for the margin",
        "horizon": "twelve sessions were measured, and the interval is too wide for the margin",
    }[found.because or "width"]


def _show(claim: Json, field: str) -> str:
    """Return a condition's value as text; a group of a line has only its digest."""
    if field == "provenance":
        return str(claim["provenance"])
    if field in claim["told"]:
        return claim["told"][field]  # printable: see `claim_checks`
    if claim["conditions"] is None or field not in claim["conditions"]["right"]:
        digest = (claim["digests"] or {}).get(field)
        return f"digest {digest}" if digest else "not told"
    sides = [view[field] for view in claim["conditions"].values() if view is not None]
    return " and ".join(dict.fromkeys(text if text.isprintable() else ascii(text) for text in map(str, sides)))
