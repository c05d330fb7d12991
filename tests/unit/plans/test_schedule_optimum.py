"""A scheduled optimum is none that serial execution beats: whatever runs serially is a schedule, too."""

import dataclasses
import random

import pytest
from edgeproof.plans.outcome.planning import Request, plan_scenario
from edgeproof.plans.scenario.loading import load_scenario, parse_scenario
from edgeproof.plans.solver import search


def draw_fan(seed):
    """Return a document like the case file: one stage that three read, two devices, some options per device."""
    rng = random.Random(seed)
    stages = []
    for name in ("s0", "s1", "s2", "s3"):
        profiles = {}
        for device in ("d0", "d1"):
            count = rng.randint(1, 3)
            profiles[device] = [
                {"precision": f"p{k}", "latency_ms": rng.randint(1, 9), "energy_mj": 1} for k in range(count)
            ]
        stages.append({"name": name, "profiles": profiles})
    return {
        "schema": "edgeproof.scenario.v2",
        "name": "fan",
        "execution": "scheduled",
        "devices": [{"name": "d0", "memory_mb": 10}, {"name": "d1", "memory_mb": 10}],
        "edges": [{"source": "s0", "target": f"s{k}"} for k in (1, 2, 3)],
        "stages": stages,
    }


def test_all_stages_on_one_device_take_20_ms(planner_data):
    scenario = load_scenario(planner_data / "cases" / "scheduled-false-optimum.json")
    outcome = plan_scenario(scenario, Request(goal="min-latency", top_k=1, front=False, draws=0))
    assert (outcome.answer.status, outcome.answer.objective) == ("optimal", 20.0)


@pytest.mark.parametrize("seed", range(12))
def test_without_links_the_best_schedule_is_the_faster_device(seed, solver):
    document = draw_fan(seed)
    fastest = {
        device: sum(min(v["latency_ms"] for v in stage["profiles"][device]) for stage in document["stages"])
        for device in ("d0", "d1")
    }
    _, _, answer = solver(parse_scenario(document), "min-latency", 1)
    assert (answer.status, answer.objective) == ("optimal", min(fastest.values()))


@pytest.mark.parametrize("lie", ["slower", "infeasible"])
def test_a_schedule_that_serial_execution_beats_is_an_error(lie, solver, monkeypatch):
    scenario = parse_scenario(draw_fan(1))
    search_general = search.search_general

    def tell(problem, *arguments):
        found = search_general(problem, *arguments)
        if problem.scenario.execution == "serial":
            return found
        if lie == "infeasible":
            return dataclasses.replace(found, placements=[], schedules=())
        starts, copies = found.schedules[0]
        late = tuple(start + 10**9 for start in starts)
        return dataclasses.replace(found, bound=found.bound + 1, schedules=((late, copies),))

    monkeypatch.setattr(search, "search_general", tell)
    with pytest.raises(AssertionError, match="executed serially"):
        solver(scenario, "min-latency", 1)
