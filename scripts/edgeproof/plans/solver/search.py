"""The one entrance to all exact engines: which engine applies, what its answer proves, and which plan comes first."""

from dataclasses import dataclass, replace

from edgeproof.plans.scenario.costs import TOLERANCE, Caps, Problem
from edgeproof.plans.scenario.goals import Goal, Level, Metric, measure_level
from edgeproof.plans.scenario.model import Placement, Schedule

from .chain_model import handles_chain
from .chain_search import SearchResult, search_chain
from .elimination import costs_add_up
from .enumeration import LARGEST_CHAIN, LARGEST_SPACE, enumerate_plans, fits_enumeration
from .general_search import search_general
from .lagrangian_search import search_lagrangian
from .mode_search import search_modes
from .watch import Effort

_ROUNDED_UP = 1e-3  # relative: with contention, what events last is rounded up to steps
_SERIAL_SHARE, _SERIAL_SECONDS = 0.05, 0.5  # of the effort: any good serial plan will do
_LARGE = 48  # stages of a graph; CP-SAT alone is faster below
ONE_ENGINE = " (one engine)"  # after the status of a scheduled answer that nothing but CP-SAT proves


@dataclass(frozen=True)
class Answer:
    """Ranked placements with their proof.

    `status`: `optimal` (objective = bound within 1e-9), `gap` (the effort ended first), `infeasible` (proved) or
    `unknown` (the effort ended without a plan). `optimal (one engine)` and `infeasible (one engine)`: scheduled, and
    nothing but CP-SAT proves it. `ranking_proven` also covers tie-breaks and all further ranks.
    `objective` and `bound` are values of the goal's first level in readers' units. `prices`: per unit of each limit, at
    which a Lagrangian bound was found.
    """

    status: str
    placements: tuple[Placement, ...]
    schedules: tuple[Schedule | None, ...]
    objective: float | None
    bound: float | None
    ranking_proven: bool
    engine: str
    nodes: int
    prices: dict[Metric, float] | None = None

    @property
    def gap(self) -> float | None:
        """objective − bound, never below 0; None without a plan."""
        if self.objective is None or self.bound is None:
            return None
        return max(0.0, self.objective - self.bound)


def find_plans(
    problem: Problem, goal: Goal, caps: Caps | None = None, top_k: int = 1, effort: Effort | None = None
) -> Answer:
    """Search with whichever engine applies: return the `Answer`, the `top_k` best placements for a `Goal` under `caps`.

    `caps`: by default the problem's.
    """
    return find_by_levels(problem, goal.levels, caps or problem.caps, top_k, effort or Effort())


def find_by_levels(problem: Problem, levels: tuple[Level, ...], caps: Caps, top_k: int, effort: Effort) -> Answer:
    """Search for plans by levels that belong to no named goal; return the `Answer` of whichever engine applies.

    Otherwise it is as `find_plans`.
    """
    if problem.has_modes and not fits_enumeration(problem):
        found = search_modes(problem, levels, caps, top_k, lambda p: _search_fixed(p, levels, caps, top_k, effort))
        return _judge(problem, levels[0], found)
    answer = _judge(problem, levels[0], _search_fixed(problem, levels, caps, top_k, effort))
    if problem.scenario.execution == "scheduled" and answer.status in ("optimal", "infeasible"):
        _compare_with_serial(problem, levels[0], caps, effort, answer)
    return answer


def _search_fixed(problem: Problem, levels: tuple[Level, ...], caps: Caps, top_k: int, effort: Effort) -> SearchResult:
    """Return the result of the engines that apply to a problem without power modes to choose."""
    result, watch = None, effort.watch
    chain = len(levels) == 1 and handles_chain(problem, levels[0], caps)
    if fits_enumeration(problem, LARGEST_CHAIN if chain and not problem.has_modes else LARGEST_SPACE):
        return enumerate_plans(problem, levels, caps, top_k)
    if chain:
        result = search_chain(problem, levels[0], caps, top_k, effort)
        if result.proven or watch.expired or (effort.gap and _is_close(problem, levels[0], result, effort.gap)):
            return result
    elif (effort.gap or len(problem.order) >= _LARGE) and costs_add_up(problem, levels, caps):
        result = search_lagrangian(problem, levels[0], caps, effort, top_k)
        if result is not None and effort.gap and _is_close(problem, levels[0], result, effort.gap):
            return result
    hint = result.placements[0] if result and result.placements else None
    general = search_general(problem, levels, caps, top_k, effort, hint)
    if result is not None and not general.proven:
        general = _merge(problem, levels[0], general, result)
    return general


def _compare_with_serial(problem: Problem, level: Level, caps: Caps, effort: Effort, answer: Answer) -> None:
    """Raise AssertionError when a plan executed serially is better than a scheduled optimum; it is a schedule, too."""
    scenario = replace(problem.scenario, execution="serial")
    serial = Problem(scenario, "pipelined" if problem.memory_rule == "pipelined" else None)
    short = replace(effort, seconds=min(effort.seconds, max(_SERIAL_SHARE * effort.seconds, _SERIAL_SECONDS)))
    found = find_by_levels(serial, (level,), caps, 1, short)
    near = TOLERANCE if problem.losses is None else _ROUNDED_UP
    if found.objective is not None and (
        answer.objective is None or found.objective < answer.objective - near * found.objective
    ):
        told = "no schedule" if answer.objective is None else f"the optimum {answer.objective:.9g}"
        raise AssertionError(f"the schedule's model is wrong: {told}, but executed serially {found.objective:.9g}")


def _is_close(problem: Problem, level: Level, result: SearchResult, gap: float) -> bool:
    """Return whether a plan is within a relative gap of its bound."""
    value = _value(problem, level, result)
    return bool(result.placements) and value - result.bound <= gap * abs(value)


def _merge(problem: Problem, level: Level, first: SearchResult, second: SearchResult) -> SearchResult:
    """Return the better plans and the better bound of two engines that both ended without a proof."""
    kept = max((first, second), key=lambda r: (bool(r.placements), -_value(problem, level, r)))
    return replace(
        kept,
        bound=max(first.bound, second.bound),
        nodes=first.nodes + second.nodes,
        prices=first.prices or second.prices,
        engine=f"{second.engine} + {first.engine}",
    )


def _value(problem, level, result):
    if not result.placements:
        return 0.0
    return measure_level(problem, level, result.placements[0], result.schedules[0] if result.schedules else None)


def _judge(problem, level, result):
    schedules = result.schedules or (None,) * len(result.placements)
    if not result.placements:
        status = "infeasible" if result.proven else "unknown"
        bound = None if result.proven else result.bound
        return Answer(status, (), (), None, bound, result.proven, result.engine, result.nodes)
    objective = measure_level(problem, level, result.placements[0], schedules[0])
    closed = result.proven or objective - result.bound <= TOLERANCE
    return Answer(
        status="optimal" if closed else "gap",
        placements=tuple(result.placements),
        schedules=tuple(schedules),
        objective=objective,
        bound=min(objective, result.bound),
        ranking_proven=result.proven,
        engine=result.engine,
        nodes=result.nodes,
        prices=result.prices,
    )
