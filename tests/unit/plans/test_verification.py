"""The verifier: accepts what the planner writes, refutes what was tampered with, and shares no code with the solver."""

import ast
import copy
import random
from dataclasses import replace
from pathlib import Path

import pytest
from edgeproof.bench.scenario_families import draw_chain, draw_graph, tighten_memory
from edgeproof.core.documents import validate
from edgeproof.core.errors import UserError
from edgeproof.plans.outcome.plan_document import build_plan_document
from edgeproof.plans.outcome.planning import Request, plan_scenario
from edgeproof.plans.scenario.loading import load_scenario, parse_scenario
from edgeproof.plans.verifier import verification


def plan(scenario, **asked):
    return build_plan_document(plan_scenario(scenario, Request(**asked)))


def test_nothing_of_the_solver_is_imported():
    nodes = [
        node
        for path in Path(verification.__file__).parent.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
    ]
    found = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    found |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    ours = {name for name in found if name.startswith(("edgeproof", "ortools"))}
    assert {"fractions", "edgeproof.plans.scenario.model"} <= found  # the files were read
    assert ours <= {"edgeproof.plans.scenario.model", "edgeproof.core.errors", "edgeproof.core.configuration"}


@pytest.mark.parametrize("goal", ["balanced", "min-energy", "lex:switches,latency"])
@pytest.mark.parametrize("name", ["mobile_vision_pipeline", "random_01", "random_06"])
def test_golden_plans_hold(planner_data, name, goal):
    scenario = load_scenario(planner_data / f"{name}.json")
    verdict = verification.verify_plan(plan(scenario, goal=goal), scenario)
    assert verdict.ok, verdict.failures
    assert "confirmed" in verdict.optimality


@pytest.mark.parametrize("seed", range(30))
def test_random_plans_and_certificates_hold(seed):
    rng = random.Random(seed)
    if seed % 2:
        document = draw_graph(seed, 4, 2, variants=2, activations=True, shared=seed % 4 == 1, ends=seed % 3 == 0)
        caps = {"max_total_latency_ms": rng.uniform(10, 30), "max_accuracy_drop": rng.uniform(0, 1)}
    else:
        document = tighten_memory(draw_chain(seed, 5, 3, missing=0.2, holes=0.1), seed, share=rng.uniform(0.4, 1.2))
        caps = {"max_total_latency_ms": rng.uniform(8, 25), "max_total_energy_mj": rng.uniform(10, 40)}
    for device in document["devices"]:
        device["memory_mb"] = round(device["memory_mb"] * (0.35 if seed % 2 else 1))
    scenario = parse_scenario({**document, "constraints": caps})
    goal = rng.choice(["balanced", "throughput", "accuracy-first"] if seed % 2 else ["balanced", "min-latency"])
    verdict = verification.verify_plan(plan(scenario, goal=goal), scenario)
    assert verdict.ok, verdict.failures


def other_placement(document):
    first, second = document["plans"][0], document["plans"][1]
    first["assignments"], second["assignments"] = second["assignments"], first["assignments"]


@pytest.mark.parametrize(
    ("tamper", "words"),
    [
        (lambda d: d["plans"][0].update(total_latency_ms=27.0), "total_latency_ms"),
        (lambda d: d["plans"][0].update(total_score=1.8), "total_score"),
        (lambda d: d["plans"][0]["memory"][2].update(used_mb=2000.0), "memory of npu"),
        (lambda d: d["plans"][0]["memory"][2].update(budget_mb=9999), "budget of npu"),
        (lambda d: d["plans"][0].update(switches=1), "switches"),
        (lambda d: d["plans"][0]["assignments"][2].update(execution_latency_ms=7.0), "execution of backbone_embedding"),
        (lambda d: d["plans"][0]["assignments"][2].update(start_ms=0.0), "backbone_embedding"),
        (lambda d: d["plans"][0]["assignments"][0].update(device_name="npu"), "frame_decode cannot run on npu"),
        (lambda d: d["plans"][0]["assignments"].pop(), "each stage once"),
        (lambda d: d["plans"][0]["transfers"].pop(), "transfers"),
        (other_placement, "plan 1"),
        (lambda d: d["certificate"].update(bound=2.0), "bound"),
        (lambda d: d["certificate"].update(gap=0.1), "gap"),
        (lambda d: d["limits"].update(max_total_latency_ms=40.0), "max_total_latency_ms"),
        (lambda d: d["limits"].update(max_total_latency_ms=20.0), "latency"),
        (lambda d: d["scenario"].update(digest="0" * 64), "digest"),
        (lambda d: d["scenario"].update(memory_rule="pipelined"), "memory"),
        (lambda d: d.update(status="infeasible"), "status"),
        (lambda d: d["plans"].pop(0), ""),
        (lambda d: d["plans"].pop(1), "ranks"),
        (lambda d: d["pareto"]["with_caps"]["points"].pop(), "front with_caps"),
    ],
)
def test_tampering_is_refuted(planner_data, tamper, words):
    scenario = load_scenario(planner_data / "mobile_vision_pipeline.json")
    document = copy.deepcopy(plan(scenario))
    tamper(document)
    verdict = verification.verify_plan(document, scenario)
    assert not verdict.ok
    assert words in " ".join(verdict.failures)


@pytest.mark.parametrize(
    "tamper",
    [
        lambda c: c["relaxations"][0].update(needed=59.0),
        lambda c: c["relaxations"][2].update(needed=3000.0),
        lambda c: c.update(both_caps_factor=1.01),
        lambda c: c["conflict"].pop(),
        lambda c: c["conflict"].append("memory_mb of cpu"),
    ],
)
def test_a_false_certificate_is_refuted(planner_data, tamper):
    scenario = load_scenario(planner_data / "random_06.json")
    document = copy.deepcopy(plan(scenario, front=False))
    tamper(document["infeasibility"])
    assert not verification.verify_plan(document, scenario).ok


def test_a_large_space_is_not_called_confirmed():
    scenario = parse_scenario(draw_chain(2, 12, 3))
    verdict = verification.verify_plan(plan(scenario, front=False), scenario)
    assert verdict.ok and verdict.outcome == "is not proved"


def plan_equal_tensors(execution):
    """Return (scenario, plan): one stage hands two tensors of one size to another device, each to its own reader."""
    profile = {"latency_ms": 1, "energy_mj": 1}
    edges = [{"source": "make", "target": name, "tensor": f"for {name}", "output_mb": 4} for name in ("b", "c")]
    document = {
        "schema": "edgeproof.scenario.v2",
        "name": "twins",
        "execution": execution,
        "devices": [{"name": "d0", "memory_mb": 100}, {"name": "d1", "memory_mb": 100}],
        "links": [{"source": "d0", "target": "d1", "latency_ms_per_mb": 1}],
        "stages": [
            {"name": "make", "profiles": {"d0": profile}},
            {"name": "b", "profiles": {"d1": profile}},
            {"name": "c", "profiles": {"d1": profile}},
        ],
        "edges": edges,
    }
    scenario = parse_scenario(document)
    return scenario, plan(scenario, goal="min-latency", front=False, draws=0)


@pytest.mark.parametrize("execution", ["serial", "scheduled", "pipelined"])
def test_equal_tensors_to_one_device_are_told_apart(execution):
    scenario, document = plan_equal_tensors(execution)
    assert {row["tensor"] for row in document["plans"][0]["transfers"]} == {"for b", "for c"}
    assert verification.verify_plan(document, scenario).failures == []


@pytest.mark.parametrize("execution", ["serial", "scheduled"])
def test_equal_tensors_that_change_places_are_refuted(execution):
    scenario, document = plan_equal_tensors(execution)
    first, second = document["plans"][0]["transfers"]
    for key in ("start_ms", "end_ms"):
        first[key], second[key] = second[key], first[key]
    assert "starts before its input" in " ".join(verification.verify_plan(document, scenario).failures)


def test_one_transfer_cannot_stand_for_two():
    scenario, document = plan_equal_tensors("serial")
    transfers = document["plans"][0]["transfers"]
    transfers[1] = dict(transfers[0])
    assert "two transfers of make to d1" in " ".join(verification.verify_plan(document, scenario).failures)


@pytest.mark.parametrize(
    ("execution", "engine"),
    [
        ("serial", "labels"),  # of two tensors to two readers
        ("serial", "modes"),
        ("serial", "enumeration, refuted by a second search"),
        ("scheduled", "enumeration"),
        ("scheduled", "cp-sat + elimination"),
    ],
)
def test_an_engine_that_does_not_apply_is_refuted(execution, engine):
    scenario, document = plan_equal_tensors(execution)
    if engine == "labels":
        scenario, document = plan_fan()
    assert verification.verify_plan(document, scenario).failures == []
    document["certificate"]["engine"] = engine
    assert "certificate: " in " ".join(verification.verify_plan(document, scenario).failures)


def plan_fan():
    """Return (scenario, plan): one tensor that two stages read."""
    scenario, _ = plan_equal_tensors("serial")
    tensors = (replace(scenario.tensors[0], consumers=(1, 2)),)
    fan = replace(scenario, tensors=tensors)
    return fan, plan(fan, goal="min-latency", front=False, draws=0)


@pytest.mark.parametrize("engine", ["enumerationx", "cp-sat + ", "labels+cp-sat", "", "a proof"])
def test_the_schema_knows_the_engines(engine):
    _, document = plan_equal_tensors("serial")
    validate(document, "plan", "the plan")
    document["certificate"]["engine"] = engine
    with pytest.raises(UserError, match="engine"):
        validate(document, "plan", "the plan")


def test_a_gap_that_was_not_allowed_is_refuted():
    scenario = parse_scenario(draw_chain(2, 12, 3))
    document = plan(scenario, front=False, draws=0)
    document["status"], document["certificate"]["ended_by"] = "gap", "gap"
    certificate = document["certificate"]
    certificate["bound"] = certificate["objective"] * 0.98
    certificate["gap"] = certificate["objective"] - certificate["bound"]
    certificate["gap_limit"] = 0.03
    assert verification.verify_plan(document, scenario).failures == []
    certificate["gap_limit"] = 0.01
    assert "was allowed" in " ".join(verification.verify_plan(document, scenario).failures)
