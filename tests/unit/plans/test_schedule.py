"""Scheduled execution: makespans against all active schedules, events that fit, agreement with serial on chains."""

import itertools
import random

import pytest
from edgeproof.bench.scenario_families import draw_chain, draw_graph
from edgeproof.plans.outcome.plan_document import build_plan_document
from edgeproof.plans.outcome.planning import Request, plan_scenario
from edgeproof.plans.scenario.costs import UNIT
from edgeproof.plans.scenario.loading import parse_scenario
from edgeproof.plans.scenario.timeline import retime_schedule, trace_schedule
from edgeproof.plans.verifier.verification import verify_plan


def draw_scheduled(seed):
    rng = random.Random(seed)
    document = draw_graph(seed, 4, 2, variants=1, ends=rng.random() < 0.3)
    document["edges"] = [
        {"source": "s0", "target": "s1"},
        {"source": "s0", "target": "s2"},
        *([{"source": "s1", "target": "s3"}, {"source": "s2", "target": "s3"}] if rng.random() < 0.7 else []),
    ]
    document["execution"] = "scheduled"
    return document


def shortest_makespan(problem, placement):
    """Return the best makespan of a placement over all active schedules.

    Every order of stages and transfers, placed early.
    """
    crossings = problem.list_crossings(placement)
    if crossings is None:
        return None
    devices = problem.devices_of(placement)
    tensors = problem.scenario.tensors
    jobs = [("stage", i) for i in range(len(placement))] + [("copy", k) for k in range(len(crossings))]
    before = {}
    for kind, index in jobs:
        if kind == "copy":
            producer = tensors[crossings[index].tensor].producer
            before[kind, index] = set() if producer is None else {("stage", producer)}
            continue
        needs = {("stage", t.producer) for t in tensors if index in t.consumers and t.producer is not None}
        needs |= {
            ("copy", k)
            for k, c in enumerate(crossings)
            if index in tensors[c.tensor].consumers and c.target == devices[index]
        }
        before[kind, index] = needs
    best = None
    for order in itertools.permutations(jobs):
        done, free = {}, {}
        for job in order:
            if not before[job] <= done.keys():
                break
            kind, index = job
            if kind == "stage":
                lane, duration = ("device", devices[index]), problem.latency[index][placement[index]]
            else:
                crossing = crossings[index]
                lane = ("link", problem.channel[crossing.source, crossing.target])
                duration = crossing.latency
            start = max([free.get(lane, 0), *(done[need] for need in before[job])])
            done[job] = free[lane] = start + duration
        else:
            makespan = max(done.values())
            best = makespan if best is None else min(best, makespan)
    return best


@pytest.mark.parametrize("seed", range(6))
def test_makespan_is_the_best_of_all_placements_and_schedules(seed, solver):
    scenario = parse_scenario(draw_scheduled(seed))
    problem, _, answer = solver(scenario, "min-latency", 1)
    spans = [shortest_makespan(problem, p) for p in itertools.product(*(range(len(o)) for o in problem.device))]
    assert answer.status == "optimal"
    assert answer.objective == pytest.approx(min(s for s in spans if s is not None) / 1e9, abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("goal", ["balanced", "min-latency"])
def test_the_verifier_accepts_scheduled_plans(seed, goal):
    scenario = parse_scenario(draw_scheduled(seed))
    document = build_plan_document(plan_scenario(scenario, Request(goal=goal, top_k=2, front=False)))
    verdict = verify_plan(document, scenario)
    assert verdict.ok, verdict.failures
    assert [plan["rank"] for plan in document["plans"]] == [1, 2]


def make_fork(budget_mb=1000, **deadlines):
    """Return a scheduled fork a → b, a → c on two devices; answers follow by hand.

    A stage takes 4 ms and 1 mJ on `slow`, 2 ms and 3 mJ on `fast`, a crossing 0.5 ms and 0.5 mJ. Weights are 10 MB a
    stage, activations of b and c 100 MB, the tensor of a 10 MB; `budget_mb` is that of `fast`. `deadlines`: ms.
    """
    stages = [
        {
            "name": name,
            "output_mb": 10 if name == "a" else 0,
            "profiles": {
                device: {
                    "latency_ms": latency,
                    "energy_mj": energy,
                    "weights_mb": 10,
                    "activations_mb": 0 if name == "a" else 100,
                }
                for device, latency, energy in (("slow", 4, 1), ("fast", 2, 3))
            },
            **({"deadline_ms": deadlines[name]} if name in deadlines else {}),
        }
        for name in "abc"
    ]
    link = {"source": "slow", "target": "fast", "latency_ms_per_mb": 0, "energy_mj_per_mb": 0}
    return {
        "schema": "edgeproof.scenario.v2",
        "name": "fork",
        "execution": "scheduled",
        "devices": [{"name": "slow", "memory_mb": 1000}, {"name": "fast", "memory_mb": budget_mb}],
        "links": [{**link, "setup_ms": 0.5, "setup_mj": 0.5}],
        "stages": stages,
        "edges": [{"source": "a", "target": "b"}, {"source": "a", "target": "c"}],
    }


@pytest.mark.parametrize(
    ("budget_mb", "makespan_ms", "used_mb"),
    [
        (140, 6.0, 140),  # all on fast: weights 30, activations 100, the tensor 10
        (139, 6.5, 130),  # a and b on fast, c on slow meanwhile
        (129, 8.0, 120),  # b alone on fast, with its copy of the tensor
        (119, 10.5, 20),  # a alone on fast: b and c one after another on slow
        (19, 12.0, 0),  # nothing on fast
    ],
)
def test_scheduled_memory_is_kept_and_counted_over_time(budget_mb, makespan_ms, used_mb):
    scenario = parse_scenario(make_fork(budget_mb))
    document = build_plan_document(plan_scenario(scenario, Request(goal="min-latency", top_k=1, front=False)))
    verdict = verify_plan(document, scenario)
    assert verdict.ok, verdict.failures
    assert document["plans"][0]["total_latency_ms"] == pytest.approx(makespan_ms)
    assert document["plans"][0]["memory_by_device"]["fast"] == pytest.approx(used_mb)


def test_serial_and_scheduled_agree_on_a_chain(solver):
    document = {"schema": "edgeproof.scenario.v2", **draw_chain(5, 6, 3)}
    for stage in document["stages"]:
        for profile in stage["profiles"].values():
            profile["weights_mb"] = profile.pop("memory_mb")
    serial = solver(parse_scenario(document))[2]
    scheduled = solver(parse_scenario({**document, "execution": "scheduled"}))[2]
    assert serial.placements == scheduled.placements
    assert serial.objective == pytest.approx(scheduled.objective, abs=1e-9)


def test_replaying_a_schedule_under_its_own_costs_changes_nothing(solver):
    problem, _, answer = solver(parse_scenario(draw_scheduled(1)), "min-latency", 1)
    again = retime_schedule(problem, answer.placements[0], answer.schedules[0])
    end = trace_schedule(problem, answer.placements[0], answer.schedules[0]).end
    assert trace_schedule(problem, answer.placements[0], again).end <= end


@pytest.mark.parametrize(
    ("deadline_ms", "energy_mj", "end_ms"),
    [
        (8, 3.0, 8.0),  # all on slow, c before b
        (7, 5.5, 6.5),  # c on fast; a on fast instead would take as much energy and longer
        (5, 7.5, 4.0),  # a and c on fast
    ],
)
def test_a_deadline_binds_a_scheduled_stage(solver, deadline_ms, energy_mj, end_ms):
    problem, _, answer = solver(parse_scenario(make_fork(c=deadline_ms)), "min-energy", 1)
    start = answer.schedules[0][0][2]
    assert (start + problem.latency[2][answer.placements[0][2]]) / UNIT == pytest.approx(end_ms)
    assert answer.objective == pytest.approx(energy_mj)


def test_a_deadline_that_no_schedule_meets(solver):
    assert solver(parse_scenario(make_fork(c=3.9)), "min-energy", 1)[2].status == "infeasible"
    assert solver(parse_scenario(make_fork(c=4)), "min-energy", 1)[2].status == "optimal"
