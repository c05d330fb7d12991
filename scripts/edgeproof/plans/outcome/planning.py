"""Everything that a plan file says: search, proof or certificate, fronts, robustness."""

from dataclasses import dataclass, field, replace

from edgeproof.core.errors import UserError
from edgeproof.plans.scenario.costs import Problem
from edgeproof.plans.scenario.goals import Goal, compile_goal, needs_pipelining
from edgeproof.plans.scenario.model import Scenario
from edgeproof.plans.solver.search import Answer, Effort, find_plans

from .infeasibility import Infeasibility, explain_infeasibility
from .pareto import Front, choose_axes, trace_front
from .robustness import Robustness, assess_robustness
from .second_route import confirm_schedules


@dataclass(frozen=True)
class Request:
    """What is asked of a scenario. `draws`: resamplings for robustness, 0 for none; `front`: trace the Pareto
    fronts.
    """

    goal: str = "balanced"
    top_k: int = 3
    effort: Effort = field(default_factory=Effort)
    front: bool = True
    draws: int = 200
    seed: int = 0


@dataclass(frozen=True)
class Outcome:
    """A request and all that was found; what does not apply is None.

    `ended_by` says what ended the search: `proof`, `gap`, `effort`, `time limit` or `interruption`.
    """

    problem: Problem
    goal: Goal
    request: Request
    answer: Answer
    infeasibility: Infeasibility | None
    fronts: dict[str, Front] | None
    robustness: Robustness | None
    ended_by: str = "proof"


def plan_scenario(scenario: Scenario, request: Request) -> Outcome:
    """Return the `Outcome` of planning: what one `Request` asks of a scenario.

    UserError when the goal needs a number that the scenario lacks.
    """
    pipelined = needs_pipelining(request.goal, scenario.limits)
    if pipelined and scenario.contention:
        raise UserError("contention: periods do not count it; leave it out, or take a goal without periods")
    if pipelined and any(device.entry_ms for device in scenario.devices):
        raise UserError("entry_ms: periods do not count it; leave it out, or take a goal and limits without periods")
    problem = Problem(scenario, "pipelined" if pipelined else None)
    goal = compile_goal(request.goal, problem)
    answer = find_plans(problem, goal, top_k=request.top_k, effort=request.effort)
    answer = confirm_schedules(problem, goal, answer, request.top_k)
    ended_by = _find_end(answer, request.effort)
    request.effort.watch.mute()
    infeasible = answer.status.startswith("infeasible")
    infeasibility = explain_infeasibility(problem, request.effort) if infeasible else None
    fronts = None
    if request.front and not request.effort.watch.expired:
        axes = choose_axes(problem, period=pipelined)
        free = replace(problem.caps, latency=None, energy=None)
        fronts = {"with_caps": trace_front(problem, axes, problem.caps, request.effort)}
        fronts["without_caps"] = (
            fronts["with_caps"] if free == problem.caps else trace_front(problem, axes, free, request.effort)
        )
    robustness = None
    if request.draws and not request.effort.watch.expired:
        robustness = assess_robustness(problem, request.goal, answer, request.draws, request.seed)
    return Outcome(problem, goal, request, answer, infeasibility, fronts, robustness, ended_by)


def _find_end(answer: Answer, effort: Effort) -> str:
    """Return what ended the search for an answer."""
    if answer.status not in ("gap", "unknown"):
        return "proof"
    if effort.watch.stopped:
        return "interruption"
    if effort.watch.expired:
        return "time limit"
    close = answer.objective is not None and answer.gap is not None and answer.gap <= effort.gap * abs(answer.objective)
    return "gap" if effort.gap and close else "effort"


def add_requested_limits(scenario: Scenario, **limits: float | None) -> Scenario:
    """Return the scenario as the planning takes it, with the additional limits of a request; None adds no limit.

    They are named as in `scenario.Limits`. The smaller of two limits holds, so a limit of the scenario is never
    loosened. With them any goal can be planned under an epsilon constraint.
    """
    merged = {}
    for name, value in limits.items():
        known = getattr(scenario.limits, name)
        merged[name] = known if value is None else value if known is None else min(known, value)
    return replace(scenario, limits=replace(scenario.limits, **merged))
