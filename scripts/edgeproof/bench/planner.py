"""The planner's benchmark: seeded families of scenarios, seconds from costs to proof, and what plain methods do on
them.

A time covers compiling the scenario's costs and the search, not reading and checking the file. The goal is `balanced`,
one plan.
"""

import os
import platform
import statistics
import time
from collections.abc import Callable

import ortools

from edgeproof.core.configuration import Json
from edgeproof.plans.scenario.costs import Problem
from edgeproof.plans.scenario.goals import compile_goal
from edgeproof.plans.scenario.loading import parse_scenario
from edgeproof.plans.solver.search import Effort, find_plans

from .planner_baselines import branch_and_bound, search_beam
from .scenario_families import (
    draw_alternating_chain,
    draw_capped_chain,
    draw_chain,
    draw_graph,
    draw_tight_chain,
    tighten_memory,
)

_GAP_TARGET = 0.01


def measure_planner(tell: Callable[[Json], object] = lambda case: None) -> Json:
    """Return the `bench-plans` document; `tell` is called with each case when it is done."""
    cases = []
    kinds = (_capped_chains, _long_chain, _large_graphs, _crowded_graphs, _forced_crossings, _optional_crossings)
    for case in (*kinds, *(lambda n=n: _tight(n) for n in (14, 20, 30))):
        cases.append(case())
        tell(cases[-1])
    machine = {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "ortools": ortools.__version__,
    }
    return {"schema": "edgeproof.bench-plans.v1", "machine": machine, "cases": cases}


def _time_solve(scenario, effort=None):
    start = time.perf_counter()
    problem = Problem(scenario)
    goal = compile_goal("balanced", problem)
    answer = find_plans(problem, goal, effort=effort)
    return time.perf_counter() - start, answer, problem, goal


def _summarize(name, target, seconds, answers, met, **more):
    gaps = [a.gap / a.objective for a in answers if a.objective and a.gap is not None]
    return {
        "name": name,
        "target": target,
        "met": bool(met),
        "instances": len(answers),
        "proven": sum(a.status in ("optimal", "infeasible") for a in answers),
        "feasible": sum(bool(a.placements) for a in answers),
        "seconds_median": statistics.median(seconds),
        "seconds_worst": max(seconds),
        "gap_worst": max(gaps, default=None),
        **more,
    }


def _all_proven(answers):
    return all(answer.status in ("optimal", "infeasible") for answer in answers)


def _capped_chains():
    runs = [_time_solve(parse_scenario(draw_capped_chain(seed, 50, 4))) for seed in range(8)]
    seconds, answers = [r[0] for r in runs], [r[1] for r in runs]
    met = _all_proven(answers) and max(seconds) <= 2.5
    return _summarize("50 stages × 4 devices, capped", "proved in 2.5 s", seconds, answers, met)


def _long_chain():
    scenario = parse_scenario(draw_chain(1, 1000, 8))
    runs = [_time_solve(scenario) for _ in range(5)]
    seconds, answers = [r[0] for r in runs], [r[1] for r in runs]
    met = _all_proven(answers) and statistics.median(seconds) <= 0.1
    return _summarize("1,000 stages × 8 devices, uncoupled", "proved in 0.1 s", seconds, answers, met)


def _large_graphs():
    return _graphs("200-stage graph × 5 devices", [draw_graph(seed, 200, 5) for seed in range(4)], _GAP_TARGET)


def _crowded_graphs():
    """Budgets of 30 % of all weights each: reported with the gap that is left, no target."""
    documents = [_tighten_graph(draw_graph(seed, 200, 5), seed) for seed in range(2)]
    return _graphs("200-stage graph × 5 devices, memory nearly full", documents, None)


def _graphs(name, documents, target):
    effort = Effort(seconds=4.0, gap=_GAP_TARGET)
    runs = [_time_solve(parse_scenario(document), effort) for document in documents]
    seconds, answers = [r[0] for r in runs], [r[1] for r in runs]
    gaps = [a.gap / a.objective if a.objective and a.gap is not None else 1.0 for a in answers]
    met = target is None or (max(seconds) <= 10 and max(gaps) <= target)
    words = "none: for comparison" if target is None else f"gap of {target:.0%} in 10 s"
    return _summarize(name, words, seconds, answers, met)


def _tighten_graph(document, seed):
    """Give a graph budgets that matter: each device holds about 30 % of all weights."""
    total = sum(max(p["weights_mb"] for v in s["profiles"].values() for p in v) for s in document["stages"])
    for device in document["devices"]:
        device["memory_mb"] = round(total * (0.3 + 0.02 * (seed % 3)))
    return document


def _forced_crossings():
    return _compare(
        "104,976 placements, a crossing after every stage", draw_alternating_chain, "100 × plain branch and bound", 100
    )


def _optional_crossings():
    """Where staying on one device is nearly free, plain bounds are nearly exact: reported for fairness, no target."""

    def draw(seed):
        return tighten_memory(draw_chain(seed, 8, 4), seed + 1, share=1.2)

    return _compare("65,536 placements, crossings avoidable", draw, "none: for comparison", 0)


def _compare(name, draw, target, ratio):
    """Time the planner and plain branch and bound on the same chains."""
    ours, theirs, answers = [], [], []
    for seed in range(8):
        scenario = parse_scenario(draw(seed))
        problem = Problem(scenario)
        goal = compile_goal("balanced", problem)
        start = time.perf_counter()
        score = branch_and_bound(problem, goal)
        theirs.append(time.perf_counter() - start)
        took, answer, _, _ = min((_time_solve(scenario) for _ in range(3)), key=lambda run: run[0])
        ours.append(took)
        answers.append(answer)
        if (score is None) != (answer.objective is None) or (score and abs(score - (answer.objective or 0.0)) > 1e-6):
            raise AssertionError(f"seed {seed}: branch and bound finds {score}, the planner {answer.objective}")
    ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
    return _summarize(
        name,
        target,
        ours,
        answers,
        _all_proven(answers) and statistics.median(ratios) >= ratio,
        baseline="plain branch and bound",
        baseline_seconds_median=statistics.median(theirs),
        ratio_median=statistics.median(ratios),
        ratio_least=min(ratios),
    )


def _tight(stages):
    seconds, answers, missed = [], [], 0
    for seed in range(44):
        took, answer, problem, goal = _time_solve(parse_scenario(draw_tight_chain(seed, stages)))
        seconds.append(took)
        answers.append(answer)
        missed += bool(answer.placements) and search_beam(problem, goal) is None
    return _summarize(
        f"tight chains, {stages} stages × 3 devices",
        "all proved",
        seconds,
        answers,
        _all_proven(answers),
        baseline="a beam of width 128",
        missed_by_baseline=missed,
    )
