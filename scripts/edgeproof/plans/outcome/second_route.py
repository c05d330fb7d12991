"""No scheduled optimum on one engine's word: what CP-SAT proves is proved again without it, or says that it was not."""

from collections.abc import Callable
from dataclasses import replace

from edgeproof.plans.scenario.costs import UNIT, Problem
from edgeproof.plans.scenario.goals import Goal, measure_level
from edgeproof.plans.scenario.model import LIMIT_KEYS
from edgeproof.plans.scenario.timeline import measure_totals, retime_schedule
from edgeproof.plans.solver.search import ONE_ENGINE, Answer
from edgeproof.plans.verifier.ledger import Ledger
from edgeproof.plans.verifier.schedule_laws import SecondProof, keeps_lower_bound, prove_schedules_again

Prove = Callable[..., SecondProof]


def confirm_schedules(
    problem: Problem, goal: Goal, answer: Answer, top_k: int, prove: Prove = prove_schedules_again
) -> Answer:
    """Return the answer with a status that a second route confirms: `optimal`, else `optimal (one engine)`.

    The same for `infeasible`. If the second route finds a better plan, the first engine was wrong: that plan is
    returned, with a gap to a bound that follows from sums alone.
    """
    scenario = problem.scenario
    if scenario.execution != "scheduled" or answer.status not in ("optimal", "infeasible"):
        return answer
    ledger = Ledger(scenario, problem.memory_rule, float)
    limits = {metric: scenario.limits.of(metric) for metric in LIMIT_KEYS}
    level = goal.levels[0]
    ranked = []
    for placement, schedule in zip(answer.placements, answer.schedules, strict=True):
        latency = measure_totals(problem, placement, schedule).latency / UNIT
        if not keeps_lower_bound(ledger, placement, latency):
            raise AssertionError(f"a makespan of {latency} ms is below what its stages and crossings take")
        ranked.append((placement, measure_level(problem, level, placement, schedule)))
    proof = prove(ledger, goal.name, limits, ranked, top_k)
    if proof.better is None:
        status = answer.status if proof.first else answer.status + ONE_ENGINE
        return replace(answer, status=status, ranking_proven=answer.ranking_proven and proof.ranking)
    starts = tuple(round(start * UNIT) for start in proof.better.starts)
    copies = {key: round(start * UNIT) for key, start in proof.better.copies.items()}
    schedule = retime_schedule(problem, proof.better.placement, (starts, copies))
    objective = measure_level(problem, level, proof.better.placement, schedule)
    return replace(
        answer,
        status="gap",
        placements=(proof.better.placement,),
        schedules=(schedule,),
        objective=objective,
        bound=min(objective, proof.bound),
        ranking_proven=False,
        engine=f"{answer.engine}, refuted by a second search",
    )
