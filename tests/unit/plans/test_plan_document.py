"""`plan.json`: what every part of the document says about an instance whose numbers follow by hand."""

import pytest
from edgeproof.bench.scenario_families import draw_crowded_graph, draw_graph
from edgeproof.core.documents import validate
from edgeproof.plans.outcome.plan_document import build_plan_document
from edgeproof.plans.outcome.planning import Request, plan_scenario
from edgeproof.plans.scenario.loading import parse_scenario
from edgeproof.plans.solver.search import Effort
from edgeproof.plans.verifier.verification import verify_plan


def make_document(scenario, **asked):
    outcome = plan_scenario(parse_scenario(scenario), Request(**{"goal": "min-latency", "top_k": 1, **asked}))
    return build_plan_document(outcome, "pair.json")


def test_totals_and_parts_of_a_plan(two_stages):
    document = make_document(two_stages)
    plan = document["plans"][0]
    assert validate(document, "plan", "here") and document["scenario"]["source"] == "pair.json"
    assert (plan["total_latency_ms"], plan["total_energy_mj"], plan["switches"]) == (8.5, 7.0, 1)
    assert plan["path"] == ["cpu", "npu"] and plan["memory_by_device"] == {"cpu": 110.0, "npu": 310.0}
    first, second = plan["assignments"]
    assert (first["start_ms"], first["end_ms"], first["transfer_latency_ms"]) == (0.0, 4.0, 0.0)
    assert (second["start_ms"], second["end_ms"], second["total_latency_ms"]) == (5.5, 8.5, 4.5)
    (transfer,) = plan["transfers"]
    assert (transfer["source_stage"], transfer["target_stage"], transfer["energy_mj"]) == ("first", "second", 1.0)


def test_slack_is_what_a_limit_leaves(two_stages):
    two_stages["constraints"] = {"max_total_latency_ms": 9, "max_total_energy_mj": 10}
    two_stages["stages"][1]["deadline_ms"] = 8.75
    slack = make_document(two_stages)["plans"][0]["slack"]
    assert slack == {
        "max_total_latency_ms": pytest.approx(0.5),
        "max_total_energy_mj": pytest.approx(3.0),
        "max_accuracy_drop": None,
        "max_period_ms": None,
        "deadline_ms": {"second": pytest.approx(0.25)},
    }


def test_the_certificate_says_what_was_proved(two_stages):
    certificate = make_document(two_stages)["certificate"]
    assert (certificate["objective"], certificate["bound"], certificate["gap"]) == (8.5, 8.5, 0.0)
    assert certificate["ranking_proven"] and certificate["label_limit"] == Request().effort.labels


def test_blends_name_their_weights_and_references(two_stages):
    goal = make_document(two_stages, goal="balanced")["goal"]
    assert goal["weights"] == {"latency": 0.75, "energy": 0.75, "switches": 0.08}
    assert (goal["latency_ref_ms"], goal["energy_ref_mj"], goal["levels"]) == (5.0, 3.0, ["score"])


def test_unknown_energy_is_null_everywhere(two_stages):
    del two_stages["stages"][0]["profiles"]["cpu"]["energy_mj"]
    document = make_document(two_stages)
    plan = document["plans"][0]
    assert plan["total_energy_mj"] is None and document["goal"]["energy_ref_mj"] is None
    assert {row[key] for row in plan["assignments"] for key in ("execution_energy_mj", "total_energy_mj")} == {None}
    assert plan["transfers"][0]["energy_mj"] is None
    assert "energy is unknown: stages[0].profiles.cpu.energy_mj has none" in document["notes"]


def test_measured_numbers_name_their_result(two_stages):
    two_stages["stages"][0]["profiles"]["cpu"]["latency_ms"] = {
        "value": 4,
        "provenance": "measured",
        "result": "r.json",
        "digest": "0" * 64,
        "process_medians": [3.9, 4.0, 4.1],
    }
    document = make_document(two_stages, draws=10)
    row = document["plans"][0]["assignments"][0]
    assert (row["latency_provenance"], row["latency_result"]) == ("measured", "r.json")
    assert (document["robustness"]["uncertain_numbers"], document["robustness"]["fixed_numbers"]) == (1, 9)
    assert "9 numbers have no interval (they are declared) and were held fixed" in document["notes"]


@pytest.mark.parametrize("tight", [False, True])
def test_prices_let_the_verifier_bound_a_large_graph(tight):
    document = draw_crowded_graph(0, 60, 4) if tight else draw_graph(0, 60, 4)
    scenario = parse_scenario(document)
    request = Request(effort=Effort(gap=0.2), front=False, draws=0)
    plan = build_plan_document(plan_scenario(scenario, request))
    verdict = verify_plan(plan, scenario)
    assert verdict.failures == [] and bool(plan["certificate"]["prices"]) == tight
    assert ("bounded" if tight else "confirmed") in verdict.optimality
