"""Thresholds on two figures: which are triggered, what keeps two results from being judged, and what follows."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from edgeproof.core.configuration import Json
from edgeproof.runs.results import MEASURED

from .edgeenv_words import BLOCKED, SEVERITIES, Metrics, Outcome, ThresholdLine, delta_pct, name_blocked_mode
from .judging import Judgement

MORE_PAIRS, NO_PAIRS_DECIDE = "measure_more_pairs", "larger_margin_or_quieter_machine"
_RECOMMENDATIONS = {
    "throttled": "measure_again_undisturbed",
    "failed": "mend_the_failed_side",
    "undecided": NO_PAIRS_DECIDE,
    "incomplete": "measure_more_samples",
}


class Block(TypedDict):
    """Why a comparison is not evaluated, in EdgeEnv's words (mode, severity, recommendation) and in ours (message)."""

    mode: str
    severity: str
    recommendation: str
    message: str


def judge_thresholds(thresholds: Sequence[Json], baseline: Metrics, candidate: Metrics) -> list[ThresholdLine]:
    """Return one line per threshold of a point policy.

    `status`: `triggered`, `clear`, or `unknown` with a reason if a value is absent or the baseline is 0. The delta is
    rounded to 6 decimals before it is compared, as EdgeEnv does.
    """
    lines: list[Any] = []
    for entry in thresholds:
        before, after = baseline[entry["metric"]], candidate[entry["metric"]]
        delta = delta_pct(before, after)
        line = {**make_line(entry), "baseline": before, "candidate": after, "delta_pct": delta}
        if delta is None:
            side = "the baseline" if before is None else "the candidate" if after is None else None
            line["reason"] = f"{side} has no {entry['metric']}" if side else f"{entry['metric']} of the baseline is 0"
        else:
            limit = entry["threshold_pct"]
            triggered = delta >= limit if entry["comparison"] == ">=" else delta <= limit
            line |= {"status": "triggered" if triggered else "clear", "reason": None}
        lines.append(line)
    return lines


def find_block(judgement: Judgement, results: Mapping[str, Json], policy: Json) -> Block | None:
    """Return why no threshold can be judged on two results, None if they can."""
    mode = name_blocked_mode(judgement)
    if mode is not None and (mode in ("not_comparable", "protocol_mismatch") or policy["same_condition_only"]):
        severity, recommendation = BLOCKED.get(mode, ("low", "review_as_declared_comparison"))
        fields = ", ".join(reason["field"] for reason in judgement["reasons"])
        waived = ", which was waived; a waived comparison is not judged" if judgement["verdict"] == "waived" else ""
        message = f"the two results differ in {fields}{waived}"
        return {"mode": mode, "severity": severity, "recommendation": recommendation, "message": message}
    # A headline does not count against pairs, which judge by themselves.
    countable = MEASURED if policy["method"] == "paired" else ("ok",)
    for side, result in results.items():
        if result["status"] not in countable:
            mode = "throttled" if result["status"] == "throttled" else "failed"
            return block_judgement(mode, f"{side} is {result['status']}: {result['reason']['message']}")
    return None


def block_judgement(mode: str, message: str, recommendation: str | None = None) -> Block:
    """Return why thresholds are not judged on results that were not measured well enough. `mode`: why.

    `recommendation`: another than that of the mode.
    """
    advice = recommendation or _RECOMMENDATIONS[mode]
    return {"mode": mode, "severity": "low", "recommendation": advice, "message": message}


def conclude_thresholds(lines: Sequence[ThresholdLine], blocked: Block | None, mode: str) -> Outcome:
    """Return what a regression policy concludes from its judged thresholds. `mode`: of the comparability judgement."""
    triggered = [line for line in lines if line["status"] == "triggered"]
    missing = [line for line in lines if line["status"] == "unknown" and not line["optional"]]
    if blocked is None and missing and not triggered:
        blocked = block_judgement(
            "incomplete", "; ".join(dict.fromkeys(line["reason"] or "unknown" for line in missing))
        )
    if blocked is not None:
        return {
            "status": "blocked",
            "severity": blocked["severity"],
            "regression_type": "not_evaluated",
            "mode": blocked["mode"],
            "recommendation": blocked["recommendation"],
            "reason": blocked["message"],
        }
    types = sorted({line["type"] for line in triggered})
    recommendation = "review_required" if triggered else "no_action_required"
    return {
        "status": "regression" if triggered else "no-regression",
        "severity": max((line["severity"] for line in triggered), key=SEVERITIES.index, default="low"),
        "regression_type": "none" if not types else types[0] if len(types) == 1 else "mixed",
        "mode": mode,
        "recommendation": "resource_warning" if types == ["resource"] else recommendation,
        "reason": None,
    }


def make_line(entry: Json) -> Json:
    """Return the ThresholdLine of a threshold about which nothing is known yet."""
    empty: Json = dict.fromkeys(("baseline", "candidate", "delta_pct", "interval_low_pct", "interval_high_pct"))
    return {**entry, **empty, "status": "unknown", "reason": None}


def select_known(lines: Sequence[ThresholdLine]) -> list[ThresholdLine]:
    """Return the lines of thresholds that have a number, because EdgeEnv leaves out the others."""
    return [line for line in lines if line["status"] != "unknown"]
