"""Regressions and decisions on real runs of snakemake: what re-makes them, and what shuts the gate."""

import json

import pytest

pytestmark = [pytest.mark.workflow, pytest.mark.campaign]

EVIDENCE = {
    "evidence/fake/report.html",
    "evidence/fake/report.md",
    "evidence/fake/gate.json",
}
NAMES = ("fake-fp32-vs-int8", "fake-aa", "fake-refused")


def files(name):
    return {f"comparability/fake/{comparison}/{name}" for comparison in NAMES}


def read(workspace, path):
    return json.loads((workspace.root / "results" / path).read_text())


def test_every_comparison_is_judged_and_decided(workspace):
    regressions = [read(workspace, f"comparability/fake/{name}/regression.json")["status"] for name in NAMES]
    assert regressions == ["no-regression", "no-regression", "blocked"]
    for name in NAMES:  # simulated times are shown and decide nothing
        decision = read(workspace, f"comparability/fake/{name}/decision.json")
        assert decision["decision"] == "insufficient_evidence"
        assert "accepts measured only" in decision["explanation"]


def test_changing_a_limit_remakes_decisions_and_report_only(workspace):
    workspace.edit("config/criteria/interactive.yaml", "limit: 100,", "limit: 1,")
    remade = workspace.remade_by()
    assert files("decision.json") <= remade <= files("decision.json") | EVIDENCE


def test_changing_a_threshold_remakes_what_rests_on_it(workspace):
    workspace.edit("config/regressions/strict.yaml", "threshold_pct: 15,", "threshold_pct: 25,")
    remade = workspace.remade_by()
    judged = files("regression.json") | files("decision.json")
    assert files("regression.json") <= remade <= judged | EVIDENCE


def test_criterion_without_a_limit_is_one_line(workspace):
    workspace.edit("config/criteria/interactive.yaml", "limit: 100, ", "")
    done = workspace.snakemake("-n")
    assert done.returncode != 0 and "Traceback" not in done.stdout
    assert "interactive.yaml" in done.stdout and "key 'limit' is missing" in done.stdout


def test_edgeenv_s_policy_speaks_edgeenv_s_words(workspace):
    workspace.edit("config/fake.yaml", "policy: strict", "policy: strict\nregressions: {policy: edgeenv-v1}")
    remade = workspace.remade_by()
    assert files("regression.json") <= remade
    report = read(workspace, "comparability/fake/fake-aa/regression.json")["edgeenv"]
    assert (report["comparable"], report["mode"], report["recommendation"]) == (
        True,
        "same-condition",
        "no_action_required",
    )
    blocked = read(workspace, "comparability/fake/fake-fp32-vs-int8/regression.json")
    assert (blocked["status"], blocked["mode"]) == ("blocked", "protocol_mismatch")


def test_regression_against_a_baseline_shuts_the_gate(workspace):
    swapped = (
        "left: {model: digits-cnn, preset: fake, precision: fp32}\n    right: {precision: int8}",
        "left: {model: digits-cnn, preset: fake, precision: int8}\n    right: {precision: fp32}",
    )
    workspace.edit("config/fake.yaml", *swapped)
    done = workspace.snakemake()
    assert done.returncode == 0, done.stdout  # a trade-off is shown, and shuts nothing
    assert read(workspace, "comparability/fake/fake-fp32-vs-int8/regression.json")["severity"] == "high"
    workspace.edit("config/fake.yaml", "varies: [precision]", "varies: [precision]\n    gate: true")
    done = workspace.snakemake()
    assert done.returncode != 0
    assert "high regression by strict: slower +" in done.stdout
    assert not (workspace.root / "results/evidence/fake/gate.json").exists()
