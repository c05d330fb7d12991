"""The benchmark's campaign is one that the product accepts, and its parts do what they are named for."""

import json
from pathlib import Path

from edgeproof.bench import judging_cost
from edgeproof.core.documents import read_json, validate
from edgeproof.core.layout import REPOSITORY
from edgeproof.evidence.collecting import collect_evidence

SIZES = {"cells": 6, "processes": 3, "samples": 60, "comparisons": 4, "pairs": 4}


def test_the_large_campaign_can_be_judged_and_collected(here):
    judging_cost.write_large_campaign(here, SIZES)
    for part in ("results", "comparisons", "decisions"):
        judging_cost.run_part(part)
    snapshot = json.loads((here / "campaign.json").read_text())["snapshot"]
    evidence = collect_evidence(snapshot)
    assert (len(evidence.cells), len(evidence.comparisons)) == (6, 4)
    assert all(item.report["verdict"] for item in evidence.comparisons)
    assert read_json("results/comparability/trial/pair-0000/regression.json", "regression")["status"] == "no-regression"


def test_each_part_is_a_process_of_its_own(here, monkeypatch):
    commands = []

    def measure(arguments, folder):
        commands.append(str(Path(arguments[0]).relative_to(REPOSITORY)))
        return {"seconds": 1.5, "cpu_seconds": 1.0, "peak_bytes": 10}

    monkeypatch.setattr(judging_cost, "measure_process_cost", measure)
    report = validate(judging_cost.measure_judging(here, SIZES), "bench-judge", "here")
    assert commands == ["scripts/bench_judge.py"] * 3 + ["scripts/write_report.py", "scripts/check_gate.py"]
    assert (report["seconds"], report["peak_bytes"], report["met"]) == (7.5, 10, True)
