"""Scheduled execution: makespans against all active schedules, events that fit, agreement with serial on chains."""

import itertools
import random

import pytest
from edgeproof.bench.scenario_families import draw_chain, draw_graph
from edgeproof.plans.outcome.plan_document import build_plan_document
from edgeproof.plans.outcome.planning import Request, plan_scenario
from edgeproof.plans.scenario.costs import Problem
from edgeproof.plans.scenario.loading import parse_scenario
from edgeproof.plans.scenario.timeline import replay_schedule, trace_schedule
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


def test_scheduled_memory_is_kept_and_counted_over_time():
    document = draw_scheduled(3)
    for stage in document["stages"]:
        for variants in stage["profiles"].values():
            variants[0]["activations_mb"] = 150
    free = plan_scenario(parse_scenario(document), Request(goal="min-latency", top_k=1, front=False))
    used = free.problem.evaluate(free.answer.placements[0]).memory
    for device, amount in zip(document["devices"], used, strict=True):
        device["memory_mb"] = max(1.0, round(amount / 1e9 - 60, 3)) if amount else device["memory_mb"]
    scenario = parse_scenario(document)
    outcome = plan_scenario(scenario, Request(goal="min-latency", top_k=1, front=False))
    if outcome.answer.placements:
        verdict = verify_plan(build_plan_document(outcome), scenario)
        assert verdict.ok, verdict.failures
    assert outcome.answer.objective is None or outcome.answer.objective >= free.answer.objective


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
    again = replay_schedule(problem, answer.placements[0], answer.schedules[0])
    end = trace_schedule(problem, answer.placements[0], answer.schedules[0]).end
    assert trace_schedule(problem, answer.placements[0], again).end <= end


def test_a_deadline_binds_a_scheduled_stage(solver):
    document = draw_scheduled(2)
    problem, _, answer = solver(parse_scenario(document), "min-energy", 1)
    starts = answer.schedules[0][0]
    end = starts[2] + problem.latency[2][answer.placements[0][2]]
    document["stages"][2]["deadline_ms"] = round(end / 1e9 * 0.8, 3)
    _, _, tight = solver(parse_scenario(document), "min-energy", 1)
    if tight.placements:
        new = tight.schedules[0][0][2] + Problem(parse_scenario(document)).latency[2][tight.placements[0][2]]
        assert new <= document["stages"][2]["deadline_ms"] * 1e9 + 1
        assert tight.objective >= answer.objective
