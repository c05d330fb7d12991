"""Plans in the evidence: what is shown, what shuts the gate, and what no longer follows from its results."""

import json
from pathlib import Path

import pytest
from edgeproof.bench.made_up_campaigns import make_campaign
from edgeproof.bench.made_up_cells import write_cell
from edgeproof.core.documents import read_json, write_json
from edgeproof.core.errors import UserError
from edgeproof.evidence.collecting import collect_evidence
from edgeproof.evidence.gate import check_gate
from edgeproof.evidence.placements import describe_plans
from edgeproof.evidence.rendering import build_view, render_html, render_markdown, write_report

from .placed import write_placement

PAGE = "results/evidence/trial/report.html"


@pytest.fixture
def snapshot(here):
    """A campaign of one cell, to which tests add plans."""
    return make_campaign(here, [{}])


def describe(snapshot, *plans):
    return describe_plans(collect_evidence({**snapshot, "plans": list(plans)}).plans, PAGE)


def test_a_plan_is_shown_with_its_proof_its_prediction_and_its_error(snapshot):
    (plan,) = describe(snapshot, write_placement())
    assert (plan["name"], plan["state"], plan["words"]) == ("pipe, min-latency", "ok", "optimal")
    assert "optimal, proved" in plan["sentence"].lower() and "4 placements" in plan["sentence"]
    assert plan["path"] == "right → left"
    predicted, measured, error = (fact["text"] for fact in plan["facts"])
    assert (predicted, measured, error) == ("3.30\u202fms", "3.4010\u202fms", "+3.0\u202f%")
    assert [row["name"] for row in plan["rows"]] == ["stem", "head"]
    assert plan["rows"][0]["error"] == "+10.0\u202f%"
    assert [link["name"] for link in plan["links"]] == ["plan.html", "plan.json", "scenario.json", "check.json"]


def test_bars_are_to_one_scale_and_leave_nothing_out(snapshot):
    (plan,) = describe(snapshot, write_placement())
    widths = [sum(part["width"] for part in bar["parts"]) for bar in plan["drawing"]]
    assert max(widths) == pytest.approx(100, abs=0.01) and min(widths) < 100
    kinds = [part["kind"] for part in plan["drawing"][0]["parts"]]
    assert kinds == ["crossing", "stage", "crossing", "stage", "crossing"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cap_ms": 1.0}, "no feasible plan for pipe: no placement keeps max_total_latency_ms"),
        ({"status": "failed"}, "run as placed: load_failed: stage head: made up"),
    ],
)
def test_no_plan_and_one_that_does_not_run_shut_the_gate(snapshot, options, words):
    snapshot["plans"] = [write_placement(**options)]
    passed, text = check_gate(snapshot, (), "results/evidence/trial/gate.json")
    assert not passed and "pipe/min-latency" in text and words in " ".join(text.split())
    assert not Path("results/evidence/trial/gate.json").exists()
    write_report(snapshot, (), PAGE, "results/evidence/trial/report.md")
    page = Path(PAGE).read_text()
    assert "Gate not passed" in page and "Where the time goes" not in page


def test_a_plan_that_runs_passes_and_is_recorded(snapshot):
    snapshot["plans"] = [write_placement()]
    passed, _ = check_gate(snapshot, (), "results/evidence/trial/gate.json")
    (entry,) = read_json("results/evidence/trial/gate.json", "gate")["plans"]
    assert passed and (entry["pipeline"], entry["status"]) == ("pipe", "optimal")


def test_a_prettier_number_in_the_scenario_is_refused(snapshot):
    row, path = write_placement(), Path("results/plans/pipe/scenario.json")
    scenario = json.loads(path.read_text())
    scenario["stages"][0]["profiles"]["left"][0]["latency_ms"]["value"] = 0.5
    path.write_text(json.dumps(scenario))
    with pytest.raises(UserError, match=r"stage 'stem' on left, latency_ms is 0\.5, but .*result\.json says 1\.5"):
        describe(snapshot, row)


def test_a_result_measured_again_makes_its_plan_old(snapshot):
    row = write_placement()
    write_cell(model="pipe-01-stem", preset="ort-cpu", median_ms=1.4)
    with pytest.raises(UserError, match=r"stage 'stem' on left, latency_ms: .*has changed since .*run the workflow"):
        describe(snapshot, row)


def test_a_plan_with_another_objective_is_refused(snapshot):
    row, path = write_placement(), Path("results/plans/pipe/min-latency/plan.json")
    plan = json.loads(path.read_text())
    plan["plans"][0]["total_latency_ms"] = 1.0
    write_json(path, plan, "plan")
    with pytest.raises(UserError, match=r"check\.json: plan\.digest is not that of"):
        describe(snapshot, row)


def test_page_and_markdown_say_the_same(snapshot):
    snapshot["plans"] = [write_placement()]
    view = build_view(collect_evidence(snapshot), PAGE)
    for text in (render_html(view), render_markdown(view)):
        assert "pipe, min-latency" in text and "Prediction error" in text and "+3.0" in text


def test_a_campaign_without_plans_says_nothing_of_them(snapshot):
    view = build_view(collect_evidence(snapshot), PAGE)
    assert 'id="plans"' not in render_html(view) and "## Plans" not in render_markdown(view)
