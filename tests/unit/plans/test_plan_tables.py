"""Plans as rows and text, and the sentences that other pages quote."""

import csv
import io

import pytest
from edgeproof.plans.outcome.explanation import explain_empty_document, explain_proof, explain_robustness
from edgeproof.plans.outcome.plan_document import build_plan_document
from edgeproof.plans.outcome.plan_tables import render_pareto_table, render_plan_table, render_plan_text
from edgeproof.plans.outcome.planning import Request, plan_scenario
from edgeproof.plans.scenario.loading import parse_scenario


def make_document(scenario, **asked):
    return build_plan_document(plan_scenario(parse_scenario(scenario), Request(**{"goal": "min-latency", **asked})))


def read_rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_a_row_per_rank_and_stage(two_stages):
    rows = read_rows(render_plan_table(make_document(two_stages)))
    assert [(row["rank"], row["stage_name"]) for row in rows[:3]] == [("1", "first"), ("1", "second"), ("2", "first")]
    assert rows[0]["total_latency_ms"] == "8.5000" and rows[1]["stage_transfer_latency_ms"] == "1.5000"
    assert {row["status"] for row in rows} == {"optimal"}


def test_fronts_as_rows(two_stages):
    document = make_document(two_stages)
    rows = read_rows(render_pareto_table(document))
    assert {row["front"] for row in rows} == {"with_caps", "without_caps"}
    assert rows[0]["latency_ms"] == "8.500000" and rows[0]["path"] == "cpu npu" and rows[0]["complete"] == "true"
    assert read_rows(render_pareto_table({**document, "pareto": None})) == []


def test_text_names_limits_stages_and_alternatives(two_stages):
    two_stages["constraints"] = {"max_total_latency_ms": 9}
    text = render_plan_text(make_document(two_stages, top_k=2))
    assert "Pipeline pair, goal min-latency: optimal, proved" in text
    assert "Limit max_total_latency_ms 9, slack 0.5000" in text
    assert "  npu: 310 / 500 MB" in text
    assert "Note: no robustness: no number of the scenario carries samples or an interval" in text


def test_text_without_a_plan_lists_relaxations(two_stages):
    two_stages["constraints"] = {"max_total_latency_ms": 8, "max_total_energy_mj": 7}
    text = render_plan_text(make_document(two_stages))
    assert text.startswith("no feasible plan for pair: ")
    assert "  max_total_latency_ms 8: would need 8.5" in text
    assert "  both caps together: × 1.062500" in text


@pytest.mark.parametrize(
    ("status", "conflict", "words"),
    [
        ("unknown", None, "within the limit on effort; it is not proved that there is none"),
        ("infeasible", ["links"], "no links connect the devices"),
        ("infeasible", ["max_period_ms", "memory_mb of npu"], "no placement keeps max_period_ms and memory_mb of npu"),
    ],
)
def test_why_there_is_no_plan(status, conflict, words):
    certificate = {"conflict": conflict, "conflict_minimal": True}
    document = {"status": status, "pipeline_name": "p", "infeasibility": certificate}
    assert words in explain_empty_document(document)


def test_what_is_proved():
    certificate = {"engine": "labels", "nodes": 7, "gap": 0.25, "bound": 1.5}
    assert explain_proof({"status": "optimal", "certificate": certificate}) == "optimal, proved (labels, 7 nodes)"
    words = "feasible, at most 0.25 above the optimum (bound 1.500000)"
    assert explain_proof({"status": "gap", "certificate": certificate}) == words


def test_how_robust_a_plan_is():
    plan = {"probability_best": 0.75, "probability_feasible": 1.0, "expected_regret": 0.5, "worst_regret": 2.0}
    plan |= {"probability_best_interval": [0.69, 0.8], "probability_feasible_interval": [0.98, 1.0]}
    found = {
        "draws": 200,
        "stage_error": 0.28,
        "regret_unit": "latency",
        "plan": plan,
        "latency_ms_quantiles": {"p5": 1.0, "p50": 2.0, "p95": 3.0},
        "runner_up": {
            "path": ["cpu", "npu"],
            "variants": ["", "int8"],
            "probability_best": 0.25,
            "probability_best_interval": [0.19, 0.31],
        },
        "repeat_next": {"result": "r.json", "numbers": ["a on cpu: latency_ms"], "expected_regret_after": 0.1},
    }
    lines = explain_robustness(found)
    assert lines[0].startswith(
        "Best in 75% (69% to 80%) and feasible in 100% (98% to 100%) of 200 resamplings, stages off by up to 28%;"
        " expected regret 0.500000"
    )
    assert "1.0000 to 3.0000 ms" in lines[1] and "Runner-up: cpu npu (int8), best in 25% (19% to 31%)." in lines[2]
    assert lines[3].startswith("Measure r.json again first (a on cpu: latency_ms)") and "0.100000" in lines[3]
    short = {**found, "runner_up": None, "repeat_next": None, "plan": {**plan, "expected_regret": None}}
    assert len(explain_robustness(short)) == 2 and "regret" not in explain_robustness(short)[0]
