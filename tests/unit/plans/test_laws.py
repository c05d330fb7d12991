"""Laws of the planner, on drawn chains: what must hold whatever the numbers are."""

import copy

from edgeproof.bench.scenario_families import draw_chain, draw_tight_chain, tighten_memory
from edgeproof.plans.scenario.costs import Problem
from edgeproof.plans.scenario.goals import compile_goal
from edgeproof.plans.scenario.loading import parse_scenario
from edgeproof.plans.solver import chain_search
from edgeproof.plans.solver.search import find_plans
from hypothesis import assume, given, settings
from hypothesis import strategies as st

SETTINGS = settings(max_examples=40, deadline=None)
GOALS = st.sampled_from(["balanced", "latency", "efficiency", "min-latency", "min-energy"])


@st.composite
def chains(draw, devices=None):
    seed = draw(st.integers(0, 10_000))
    count = devices or draw(st.integers(2, 4))
    document = draw_chain(seed, draw(st.integers(2, 7)), count, missing=draw(st.sampled_from([0.0, 0.3])))
    return tighten_memory(document, seed, share=draw(st.floats(0.5, 1.5)))


def best(document, goal, references=None):
    problem = Problem(parse_scenario(document), references=references)
    compiled = compile_goal(goal, problem)
    answer = find_plans(problem, compiled)
    value = compiled.levels[0].value(problem.evaluate(answer.placements[0])) if answer.placements else None
    return problem, answer, value


@SETTINGS
@given(chains(), GOALS, st.floats(1.0, 1.3))
def test_relaxing_a_limit_never_worsens_the_best(document, goal, factor):
    problem, _, _ = best(document, "balanced")
    caps = {
        "max_total_latency_ms": problem.latency_ref / 1e9 * 1.4,
        "max_total_energy_mj": problem.energy_ref / 1e9 * 1.5,
    }
    _, answer, tight = best({**document, "constraints": caps}, goal)
    assume(answer.placements)
    looser = {key: value * factor for key, value in caps.items()}
    roomy = copy.deepcopy(document)
    for device in roomy["devices"]:
        device["memory_mb"] *= factor
    for changed in ({**document, "constraints": looser}, {**roomy, "constraints": caps}):
        _, _, loose = best(changed, goal)
        assert loose <= tight


@SETTINGS
@given(chains(), GOALS)
def test_renaming_devices_changes_nothing(document, goal):
    renamed = copy.deepcopy(document)
    for part in ("source", "target"):
        for link in renamed["links"]:
            link[part] = f"the {link[part]}"
    for device in renamed["devices"]:
        device["name"] = f"the {device['name']}"
    for stage in renamed["stages"]:
        stage["profiles"] = {f"the {name}": profile for name, profile in reversed(stage["profiles"].items())}
    _, answer, value = best(document, goal)
    _, other, renamed_value = best(renamed, goal)
    assert (answer.placements, value) == (other.placements, renamed_value)


@SETTINGS
@given(chains(devices=3), GOALS)
def test_adding_a_device_never_hurts_at_fixed_references(document, goal):
    fewer = copy.deepcopy(document)
    gone = fewer["devices"].pop()["name"]
    fewer["links"] = [link for link in fewer["links"] if gone not in (link["source"], link["target"])]
    for stage in fewer["stages"]:
        stage["profiles"].pop(gone)
    problem, _, all_devices = best(document, goal)
    references = (problem.latency_ref, problem.energy_ref)
    _, answer, without = best(fewer, goal, references)
    assume(answer.placements)
    assert all_devices <= without


@SETTINGS
@given(chains(), GOALS)
def test_the_bound_never_exceeds_the_objective_and_runs_agree(document, goal):
    _, first, _ = best(document, goal)
    _, second, _ = best(document, goal)
    assert first == second
    if first.placements:
        assert first.bound <= first.objective and first.status == "optimal"


@SETTINGS
@given(st.integers(0, 500), st.integers(8, 18))
def test_tight_chains_are_proved(seed, stages):
    problem = Problem(parse_scenario(draw_tight_chain(seed, stages)))
    compiled = compile_goal("balanced", problem)
    assert chain_search.search_chain(problem, compiled.levels[0], top_k=2).proven


def test_equal_scores_go_to_the_smaller_latency():
    """The two-stage case that a search pruning at equal scores gets wrong."""
    link = {"source": "a", "target": "b", "latency_ms_per_mb": 0, "energy_mj_per_mb": 0}
    both = {"latency_ms": 1, "energy_mj": 1, "memory_mb": 1}
    document = {
        "name": "tie",
        "devices": [{"name": "a", "memory_mb": 9}, {"name": "b", "memory_mb": 9}],
        "links": [link],
        "stages": [
            {
                "name": "one",
                "profiles": {
                    "a": {"latency_ms": 2, "energy_mj": 1, "memory_mb": 1},
                    "b": {"latency_ms": 1, "energy_mj": 2, "memory_mb": 1},
                },
            },
            {"name": "two", "profiles": {"a": both, "b": both}},
        ],
    }
    problem, answer, _ = best(document, "balanced")
    assert problem.devices_of(answer.placements[0]) == [1, 1]


def test_identical_devices_are_settled_by_the_path():
    document = draw_chain(3, 12, 3)
    for stage in document["stages"]:
        profile = stage["profiles"]["d0"]
        stage["profiles"] = dict.fromkeys(("d0", "d1", "d2"), profile)
    for link in document["links"]:
        link.update(latency_ms_per_mb=0, energy_mj_per_mb=0)
    problem = Problem(parse_scenario(document))
    answer = find_plans(problem, compile_goal("balanced", problem), top_k=2)
    assert answer.placements == ((0,) * 12, (1,) * 12)


def test_long_chain_without_limits_matches_a_plain_recursion():
    problem = Problem(parse_scenario(draw_chain(7, 200, 6)))
    compiled = compile_goal("balanced", problem)
    weights = compiled.levels[0].weights
    least = {d: cost(problem, weights, 0, d, None) for d in range(6)}
    for i in range(1, 200):
        least = {d: min(least[a] + cost(problem, weights, i, d, a) for a in range(6)) for d in range(6)}
    answer = find_plans(problem, compiled, top_k=3)
    assert compiled.levels[0].value(problem.evaluate(answer.placements[0])) == min(least.values())
    assert len(set(answer.placements)) == 3


def cost(problem, weights, i, device, last):
    total = weights["latency"] * problem.latency[i][device] + weights["energy"] * problem.energy[i][device]
    if last is None or last == device:
        return total
    crossing = problem.cross_latency[i - 1][last][device]
    if crossing < 0:
        return float("inf")
    total += weights["latency"] * crossing + weights["energy"] * problem.cross_energy[i - 1][last][device]
    return total + weights["switches"]
