"""Every value of a plan that a reader acts on: changed and sealed again, it is refuted or named as not proved."""

import random

import pytest
from edgeproof.core.documents import validate
from edgeproof.core.errors import UserError
from edgeproof.plans.outcome.plan_document import build_plan_document
from edgeproof.plans.outcome.planning import Request, plan_scenario
from edgeproof.plans.plan_verification import verify_document
from edgeproof.plans.scenario.loading import parse_scenario

from .mutations import mutate

MEASURED = {
    "value": 3.0,
    "provenance": "measured",
    "result": "results/runs/second/result.json",
    "digest": "a" * 64,
    "process_medians": [2.6, 2.9, 3.0, 3.1, 3.4],
}


def make_plan(name, document):
    """Return (scenario, plan document) of one of five kinds, from the two stages that tests share."""
    request = {"goal": "balanced", "draws": 20}
    npu = document["stages"][1]["profiles"]["npu"]
    if name == "variants":
        document["stages"][1]["profiles"]["npu"] = [npu, {**npu, "precision": "int8", "accuracy_drop": 0.5}]
        document["stages"][1]["deadline_ms"] = 20
        document["constraints"] = {"max_total_latency_ms": 11}
    elif name == "infeasible":
        document["constraints"] = {"max_total_latency_ms": 8, "max_total_energy_mj": 7}
    elif name == "scheduled":
        document["execution"], document["devices"][1]["memory_mb"] = "scheduled", 2000
        document["stages"].append({**document["stages"][1], "name": "third"})
        document["edges"] = [{"source": "first", "target": "second"}, {"source": "first", "target": "third"}]
        request |= {"goal": "min-latency", "front": False}
    elif name == "throughput":
        document["devices"][1]["memory_mb"] = 2000
        document["ingest"], document["egress"] = {"device": "cpu", "input_mb": 1}, {"device": "cpu"}
        request["goal"] = "throughput"
    else:
        document["stages"][1]["profiles"]["npu"] = {**npu, "latency_ms": MEASURED}
        document["stage_error"] = 0.2
        document["devices"][1]["memory_mb"] = 2000
    scenario = parse_scenario(document)
    return scenario, build_plan_document(plan_scenario(scenario, Request(**request)))


KINDS = ("variants", "infeasible", "scheduled", "throughput", "measured")


def attack(scenario, document, count, rng):
    """Return the paths of mutations that the verifier takes for true."""
    accepted = []
    for _ in range(count):
        path, changed = mutate(document, rng)
        try:
            validate(changed, "plan", "plan.json")
        except UserError:
            continue  # the schema refuses it
        verdict = verify_document(changed, scenario)
        if verdict.outcome == "holds":
            accepted.append((path, changed))
    return [path for path, _ in accepted]


@pytest.mark.parametrize("kind", KINDS)
def test_a_plan_as_written_is_not_refuted(kind, two_stages):
    scenario, document = make_plan(kind, two_stages)
    verdict = verify_document(document, scenario)
    assert verdict.failures == []
    assert verdict.outcome == "holds", verdict.unproved


@pytest.mark.parametrize("kind", KINDS)
def test_some_mutations_are_noticed(kind, two_stages):
    scenario, document = make_plan(kind, two_stages)
    assert attack(scenario, document, 40, random.Random(kind)) == []


@pytest.mark.campaign
@pytest.mark.parametrize("kind", KINDS)
def test_500_mutations_are_noticed(kind, two_stages):
    scenario, document = make_plan(kind, two_stages)
    assert attack(scenario, document, 100, random.Random(f"{kind} again")) == []
