"""Replay of a bare summary: what another tool's figures decide by a plain threshold, and by our criteria.

A summary without raw samples is `declared`: its figures can be shown, but neither checked nor given an interval.
Source: the contract of the edge phases, part 2 and acceptance.
"""

import itertools
from collections.abc import Mapping, Sequence

from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json
from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath
from edgeproof.core.percentiles import percentile_floor
from edgeproof.core.summary import PERCENTILES

from .criteria import Criteria, CriterionLine, judge_criteria
from .criterion_terms import Criterion, Quantity, absent, in_unit
from .quantities import COLD_PROCESSES

BARE_STATISTICS = ("mean", "p50", "p95", "max")
_NO_SAMPLES = "there are no raw samples, so it has no interval"


def read_summary(path: FilePath) -> Json:
    """Return the bare summary at `path` that is to be replayed; UserError if its figures contradict each other."""
    summary = read_json(path, "bare-summary")
    figures = summary["latency_ms"]
    for lower, upper in itertools.pairwise(("p50", "p95", "max")):
        if figures[lower] > figures[upper]:
            raise UserError(f"{path}: latency_ms.{lower} is {figures[lower]}, more than {upper}, {figures[upper]}")
    if not figures["max"] / summary["requests"] <= figures["mean"] <= figures["max"]:
        raise UserError(f"{path}: latency_ms.mean is {figures['mean']}, impossible with the maximum {figures['max']}")
    return summary


def judge_bare_rule(summary: Json, statistic: str, limit_ms: float) -> str:
    """Return `pass` or `fail` of "latency below `limit_ms`" on a figure of a bare summary.

    Our criteria do not work so.
    """
    return "pass" if summary["latency_ms"][statistic] < limit_ms else "fail"


def separate_cold(summary: Json) -> Json | None:
    """Return {cold: {count, mean_ms}, warm: {count, mean_ms}, provenance} of a replayed summary with one cold start.

    The slowest request is assumed to be the cold one, so the provenance is `estimated`. None if the summary has another
    number of cold starts.
    """
    if summary["cold_starts"] != 1 or summary["requests"] < 2:
        return None
    figures, warm = summary["latency_ms"], summary["requests"] - 1
    mean = (summary["requests"] * figures["mean"] - figures["max"]) / warm
    return {
        "cold": {"count": 1, "mean_ms": figures["max"]},
        "warm": {"count": warm, "mean_ms": mean},
        "provenance": "estimated",
    }


def _find_in_summary(criterion: Criterion, summary: Json, candidate: Json) -> Quantity:
    """Return the Quantity of a criterion for one candidate: its figures, and the reason why they do not decide."""
    metric, source = criterion["metric"], f"summary of {summary['run']}, boundary: {summary['boundary']}"
    if candidate["status"] != "ok":
        quantity = absent(source, f"{candidate['name']} was {candidate['status']}: {candidate['reason']}")
    elif metric == "latency":
        quantity = _find_latency(criterion, summary, source)
    elif metric == "parity":
        quantity = _find_parity(candidate["parity"], source)
    elif metric == "accuracy_difference":
        reason = "task accuracy was not measured" if summary["accuracy"] is None else "accuracy has no paired interval"
        quantity = absent(source, reason)
    elif metric == "energy":
        joules = summary["energy_j"]
        reason = "power was not recorded" if joules is None else "the energy has no error budget"
        quantity = Quantity(joules, None, None, None if joules is None else "declared", source, reason)
    else:
        quantity = absent(source, f"{metric} is not in the summary")
    return in_unit(quantity, criterion)


def replay_summary(summary: Json, criteria: Criteria, limit_ms: float) -> Json:
    """Replay a bare summary: return what it decides by bare rules "below `limit_ms`", and by `criteria`.

    {bare_rules: {statistic: verdict}, separated, candidates: {name: {state, lines}}, decision, gaps}. `gaps`: what
    keeps the decision open, one line each.
    """
    candidates: dict[str, Json] = {}
    for candidate in summary["candidates"]:

        def find(criterion: Criterion, candidate: Json = candidate) -> Quantity:
            return _find_in_summary(criterion, summary, candidate)

        lines = judge_criteria(criteria, find)
        candidates[candidate["name"]] = {"state": name_state(lines), "lines": lines}
    first = next(iter(candidates.values()))
    gaps = [f"{line['id']}: {line['reason']}" for line in first["lines"] if line["verdict"] == "unknown"]
    for candidate in summary["candidates"]:
        if candidate["status"] != "ok":
            gaps.append(f"{candidate['name']} {candidate['status']}: {candidate['reason']}")
        elif candidate["parity"] is not None and candidate["parity"]["trivial"]:
            gaps.append(f"{candidate['name']}: {_find_parity(candidate['parity'], '').reason}")
    gaps.append("no raw samples: nothing in the summary can be computed again")
    return {
        "bare_rules": {name: judge_bare_rule(summary, name, limit_ms) for name in BARE_STATISTICS},
        "separated": separate_cold(summary),
        "candidates": candidates,
        "decision": choose_candidate({name: entry["state"] for name, entry in candidates.items()}),
        "gaps": gaps,
    }


def name_state(lines: Sequence[CriterionLine]) -> str:
    """Return a replay's word for a candidate: it `qualifies` (meets required criteria), `fails` one, or is `open`."""
    verdicts = {line["verdict"] for line in lines if line["required"]}
    return "fails" if "fail" in verdicts else "open" if "unknown" in verdicts else "qualifies"


def choose_candidate(states: Mapping[str, str], lighter: Sequence[str] = ()) -> str:
    """Return the choice of a summary's replay among `sdk`, converted candidates and `hybrid`, by {name: state}.

    States are as from `name_state`. `sdk` if it qualifies. If it fails: `convert:<name>` for the first of `lighter`
    (best first) that qualifies, then `hybrid` if it qualifies, `none_qualifies` if all fail. Otherwise
    `insufficient_evidence`.
    """
    converted = [name for name in states if name not in ("sdk", "hybrid")]
    if states.get("sdk") == "qualifies":
        return "sdk"
    if states.get("sdk") == "fails":
        best = next((name for name in lighter if states.get(name) == "qualifies"), None)
        if best is not None:
            return f"convert:{best}"
        if all(states[name] == "fails" for name in converted):
            if states.get("hybrid") == "qualifies":
                return "hybrid"
            if states.get("hybrid", "fails") == "fails":
                return "none_qualifies"
    return "insufficient_evidence"


def _find_latency(criterion: Criterion, summary: Json, source: str) -> Quantity:
    figures, statistic = summary["latency_ms"], criterion["statistic"]
    if criterion["regime"] == "cold":
        starts = summary["cold_starts"]
        counted = "one cold start" if starts == 1 else f"{starts} cold starts"
        value = figures["max"] if starts == 1 else None
        return Quantity(value, None, None, "declared", source, f"{counted}, {COLD_PROCESSES} fresh ones are needed")
    reasons: list[str] = []
    if statistic in PERCENTILES and summary["requests"] < percentile_floor(PERCENTILES[statistic]):
        floor = percentile_floor(PERCENTILES[statistic])
        reasons.append(f"{statistic} of {summary['requests']} requests is below its floor of {floor}")
    if summary["cold_starts"]:
        reasons.append("cold and warm requests are pooled")
    return Quantity(figures.get(statistic), None, None, "declared", source, "; ".join([*reasons, _NO_SAMPLES]))


def _find_parity(parity: Json | None, source: str) -> Quantity:
    if parity is None:
        return absent(source, "parity was not measured")
    if parity["trivial"]:
        return absent(source, "parity is trivial: a trace of the same graph in the same runtime", "declared")
    return absent(source, "parity has no limits and no relative distance", "declared")
