"""The plain methods that the planner is compared with are right where they answer."""

import pytest
from edgeproof.bench.planner_baselines import PlainChain, branch_and_bound, search_beam
from edgeproof.bench.scenario_families import draw_chain, draw_tight_chain, tighten_memory
from edgeproof.plans.scenario.costs import Problem
from edgeproof.plans.scenario.goals import compile_goal
from edgeproof.plans.scenario.loading import parse_scenario
from edgeproof.plans.solver.search import find_plans


def compile_chain(document):
    problem = Problem(parse_scenario(document))
    return problem, compile_goal("balanced", problem)


@pytest.mark.parametrize("seed", range(6))
def test_branch_and_bound_finds_the_optimum(seed):
    problem, goal = compile_chain(tighten_memory(draw_chain(seed, 6, 3), seed, share=0.9))
    answer = find_plans(problem, goal)
    assert branch_and_bound(problem, goal) == (answer.objective and pytest.approx(answer.objective, abs=1e-9))


@pytest.mark.parametrize("seed", range(6))
def test_a_beam_as_wide_as_the_space_finds_the_optimum(seed):
    problem, goal = compile_chain(draw_chain(seed, 6, 3))
    assert search_beam(problem, goal, width=3**6) == pytest.approx(find_plans(problem, goal).objective, abs=1e-9)


@pytest.mark.parametrize("seed", [16, 17, 18])
def test_a_beam_misses_feasible_plans_of_tight_chains(seed):
    problem, goal = compile_chain(draw_tight_chain(seed, 14))
    assert find_plans(problem, goal).placements and search_beam(problem, goal) is None


def test_a_state_is_refused_where_memory_or_links_end():
    document = draw_chain(1, 2, 2)
    document["links"] = []
    chain = PlainChain(*compile_chain(document))
    start = chain.extend(0, (0.0, 0, 0, -1, (0, 0)), chain.stages[0][0])
    assert chain.extend(1, start, chain.stages[1][0])[3] == 0
    assert chain.extend(1, start, chain.stages[1][1]) is None  # no link
    document["devices"][0]["memory_mb"] = 1
    full = PlainChain(*compile_chain(document))
    assert full.extend(0, (0.0, 0, 0, -1, (0, 0)), full.stages[0][0]) is None
