"""Holds the reasons why a scenario is infeasible against all placements: relaxations, common factor and conflict."""

import math
from typing import Any

from edgeproof.core.configuration import Json
from edgeproof.plans.scenario.model import LIMIT_KEYS

from .verdict import Verdict

CANNOT = ("this limit alone cannot help", "these two limits cannot help")
UNFINISHED = "the limit on effort came first"
ENOUGH = "enough, but not proved to be the least"


def judge_infeasibility(survey: Any, verdict: Verdict, said: Json) -> None:
    """Refute the stated reasons of infeasibility (a certificate) that a `Survey` of all placements contradicts."""
    scenario = survey.ledger.scenario
    readable = {key: name for name, key in LIMIT_KEYS.items() if survey.limits[name] is not None}
    values = {key: survey.limits[name] for key, name in readable.items()}
    readable |= {f"memory_mb of {d.name}": f"memory of {d.name}" for d in scenario.devices}
    values |= {f"memory_mb of {d.name}": d.memory_mb for d in scenario.devices}
    late = {f"deadline_ms of {s.name}": s for s in scenario.stages if s.deadline_ms is not None}
    readable |= {key: f"deadline of {s.name}" for key, s in late.items()}
    values |= {key: s.deadline_ms for key, s in late.items()}
    rows = [row["limit"] for row in said["relaxations"]]
    verdict.same(sorted(rows), sorted(readable), "the limits that are relaxed")
    for row in said["relaxations"]:
        if row["limit"] not in readable:
            continue
        verdict.compare(row["value"], values[row["limit"]], f"the value of {row['limit']}")
        found = survey.least.get(readable[row["limit"]], math.inf)
        _judge(verdict, row["limit"], row["needed"], row["reason"], found, 1e-6)
    caps = [survey.limits[name] for name in ("latency", "energy")]
    factor, doubt = said["both_caps_factor"], said["both_caps_reason"]
    if all(caps):
        _judge(verdict, "both caps", factor, doubt, survey.factor, 1e-9)
    else:
        verdict.same((factor, doubt), (None, None), "the factor on both caps")
    _judge_conflict(survey, verdict, said, readable)


def _judge(verdict: Verdict, what: str, needed: float | None, reason: str | None, found: float, near: float) -> None:
    """Compare one relaxation with the least value that enumeration finds (infinite: it cannot help)."""
    if reason == UNFINISHED and needed is None:
        verdict.doubt(f"{what}: the plan itself says that the effort came first")
    elif needed is None:
        verdict.expect(reason in CANNOT and math.isinf(found), f"{what} would need {found}, not {reason}")
    elif reason == ENOUGH:
        verdict.expect(needed >= found - near, f"{what} would need {found}, {needed} is not enough")
        verdict.doubt(f"{what}: {needed} is enough, and not proved to be the least")
    else:
        exact = reason is None and abs(needed - found) <= near * max(1.0, abs(needed))
        verdict.expect(exact, f"{what} would need {found}, not {needed}")


def _judge_conflict(survey: Any, verdict: Verdict, said: Json, readable: dict[str, str]) -> None:
    if said["conflict"] == ["links"]:
        verdict.expect(survey.count == 0, "the conflict names the links, but some placement has all of its links")
        return
    unknown = [name for name in said["conflict"] if name not in readable]
    verdict.expect(not unknown, f"the conflict names {', '.join(unknown)}, which is no limit")
    conflict = {readable[name] for name in said["conflict"] if name in readable}
    verdict.expect(len(conflict) == len(said["conflict"]), "the conflict names a limit twice")
    remaining = {frozenset(broken & conflict) for broken in survey.broken_sets}
    verdict.expect(frozenset() not in remaining, "the limits in conflict can be kept together")
    if not said["conflict_minimal"]:
        verdict.doubt("that every limit of the conflict is needed is not claimed")
    for name in conflict if said["conflict_minimal"] else ():
        verdict.expect(frozenset({name}) in remaining, f"without {name} the limits are still in conflict")
