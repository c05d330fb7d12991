"""The plain methods that the planner is compared with are right where they answer."""

import json

import pytest
from edgeproof.bench import plain_flow, planner_baselines
from edgeproof.bench.plain_flow import PlainFlow
from edgeproof.bench.planner_baselines import search_beam
from edgeproof.bench.scenario_families import (
    add_working_memory,
    draw_chain,
    draw_crowded_graph,
    draw_scheduled,
    draw_tight_chain,
)
from edgeproof.plans.scenario.costs import Problem
from edgeproof.plans.scenario.goals import compile_goal
from edgeproof.plans.scenario.loading import parse_scenario
from edgeproof.plans.solver.search import find_plans


def compile_document(document):
    problem = Problem(parse_scenario(document))
    return problem, compile_goal("balanced", problem)


@pytest.mark.parametrize("seed", range(4))
def test_the_plain_model_ranks_as_the_planner_does(seed):
    for document in (draw_crowded_graph(seed, 6, 2), add_working_memory(draw_tight_chain(seed, 6), seed)):
        problem, goal = compile_document(document)
        answer = find_plans(problem, goal, top_k=3)
        scores, proved = PlainFlow(problem).solve(3, 30.0, 0.0)
        found = [float(goal.levels[0].value(problem.evaluate(placement))) for placement in answer.placements]
        assert proved and scores == pytest.approx(found, abs=1e-6)


def test_the_plain_model_schedules():
    problem, goal = compile_document(draw_scheduled(1, 4, 2))
    scores, proved = PlainFlow(problem).solve(1, 30.0, 0.0)
    assert proved and scores[0] == pytest.approx(find_plans(problem, goal).objective, abs=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_a_beam_as_wide_as_the_space_finds_the_optimum(seed):
    problem, goal = compile_document(add_working_memory(draw_chain(seed, 6, 3), seed))
    assert search_beam(problem, goal, width=3**6) == pytest.approx(find_plans(problem, goal).objective, abs=1e-9)


@pytest.mark.parametrize("seed", [16, 17, 18])
def test_a_beam_misses_feasible_plans_of_tight_chains(seed):
    problem, goal = compile_document(draw_tight_chain(seed, 14))
    assert find_plans(problem, goal).placements and search_beam(problem, goal) is None


def test_both_are_programs(tmp_path, capsys):
    path = tmp_path / "scenario.json"
    path.write_text(json.dumps(draw_crowded_graph(0, 4, 2)))
    plain_flow.main([str(path), "10", "0"])
    planner_baselines.main([str(path)])
    plain, beam = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert plain["proved"] and beam["score"] >= plain["scores"][0] - 1e-9
