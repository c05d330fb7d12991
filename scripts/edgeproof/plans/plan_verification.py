"""Verifies a whole plan document: the verifier's accounts, and what is told from them (reasons, notes, robustness)."""

from edgeproof.core.configuration import Json
from edgeproof.plans.outcome.explanation import explain_plan
from edgeproof.plans.outcome.plan_document import describe_flip_points, describe_robustness
from edgeproof.plans.outcome.plan_notes import list_notes
from edgeproof.plans.outcome.robustness import assess_robustness
from edgeproof.plans.scenario.costs import UNIT, Problem
from edgeproof.plans.scenario.goals import compile_goal
from edgeproof.plans.scenario.model import Placement, Scenario, Schedule
from edgeproof.plans.solver.search import Answer
from edgeproof.plans.verifier.verdict import PRECISION, Verdict
from edgeproof.plans.verifier.verification import ENUMERATED, verify_plan

_DRAWS = 2000  # that are drawn again


def verify_document(document: Json, scenario: Scenario, limit: int = ENUMERATED) -> Verdict:
    """Return the `Verdict` of the whole verification of a plan: that of `verify_plan`, and on what is told from it.

    Those are reasons, notes and robustness. Robustness is assessed again from the document's seed, which takes the
    solver; in spaces of more than `limit` placements it is named as not proved instead.
    """
    verdict = verify_plan(document, scenario, limit)
    if not verdict.ok:
        return verdict
    for plan in document["plans"]:
        verdict.same(plan["explanation"], explain_plan(plan), f"plan {plan['rank']}: explanation")
    verdict.same(document["notes"], list_notes(scenario, document), "notes")
    _verify_flip_points(verdict, document, scenario)
    if document["robustness"] is not None:
        if scenario.placements > limit or document["robustness"]["draws"] > _DRAWS:
            verdict.doubt("robustness was not assessed again: too many placements or draws")
        else:
            _verify_robustness(verdict, document, scenario)
    return verdict


def _verify_flip_points(verdict: Verdict, document: Json, scenario: Scenario) -> None:
    problem = Problem(scenario, document["scenario"]["memory_rule"])
    goal = compile_goal(document["goal"]["name"], problem)
    placements = tuple(_read_plan(plan, scenario)[0] for plan in document["plans"])
    _compare(verdict, document["flip_points"], describe_flip_points(problem, goal, placements), "flip_points")


def _verify_robustness(verdict: Verdict, document: Json, scenario: Scenario) -> None:
    said = document["robustness"]
    problem = Problem(scenario, document["scenario"]["memory_rule"])
    goal = compile_goal(document["goal"]["name"], problem)
    plans = [_read_plan(plan, scenario) for plan in document["plans"]]
    placements, schedules = (tuple(column) for column in zip(*plans, strict=True))
    certificate = document["certificate"]
    answer = Answer(document["status"], placements, schedules, certificate["objective"], None, False, "", 0)
    again = assess_robustness(problem, goal.name, answer, said["draws"], said["seed"]) if said["draws"] else None
    _compare(verdict, said, describe_robustness(problem, goal, again), "robustness")


def _read_plan(plan: Json, scenario: Scenario) -> tuple[Placement, Schedule | None]:
    """Return placement and schedule of a plan that was verified."""
    rows = {row["stage_name"]: row for row in plan["assignments"]}
    names = {device.name: i for i, device in enumerate(scenario.devices)}
    stages = {stage.name: i for i, stage in enumerate(scenario.stages)}
    placement = tuple(
        next(
            o
            for o, option in enumerate(stage.options)
            if option.device == names[rows[stage.name]["device_name"]] and option.variant == rows[stage.name]["variant"]
        )
        for stage in scenario.stages
    )
    if scenario.execution != "scheduled":
        return placement, None
    starts = tuple(round(rows[stage.name]["start_ms"] * UNIT) for stage in scenario.stages)
    tensors = {(tensor.producer, tensor.name or None): k for k, tensor in enumerate(scenario.tensors)}
    copies = {}
    for row in plan["transfers"]:
        producer = None if row["source_stage"] is None else stages[row["source_stage"]]
        ends = (names[row["source_device"]], names[row["target_device"]])
        copies[tensors[producer, row["tensor"]], *ends] = round(row["start_ms"] * UNIT)
    return placement, (starts, copies)


def _compare(verdict: Verdict, said: object, found: object, what: str) -> None:
    """Compare two parts of a document; numbers may differ by what adding in another order does."""
    if isinstance(said, dict) and isinstance(found, dict):
        verdict.same(sorted(said), sorted(found), f"keys of {what}")
        for key in said.keys() & found.keys():
            _compare(verdict, said[key], found[key], f"{what}.{key}")
    elif isinstance(said, list) and isinstance(found, list):
        verdict.same(len(said), len(found), f"number of {what}")
        for index, (a, b) in enumerate(zip(said, found, strict=False)):
            _compare(verdict, a, b, f"{what}[{index}]")
    elif isinstance(said, float) and isinstance(found, (int, float)):
        verdict.expect(abs(said - found) <= PRECISION * max(1.0, abs(found)), f"{what} is {said}, recomputed {found}")
    else:
        verdict.same(said, found, what)
