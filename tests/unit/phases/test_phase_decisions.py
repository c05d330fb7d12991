"""The rule of phase 5, on states and on made-up evidence: a decision per device, and what would turn it around."""

import csv
import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest
from edgeproof.bench.made_up_campaigns import CAMPAIGN, make_campaign, write_comparison
from edgeproof.core.documents import read_json
from edgeproof.core.errors import UserError
from edgeproof.core.layout import REPOSITORY, Cell, artifact_folder, comparison_folder, run_folder
from edgeproof.core.seals import seal
from edgeproof.phases.conversion import collect_conversions
from edgeproof.phases.phase_decisions import (
    Request,
    _Candidate,
    choose_decision,
    decide_device,
    name_state,
    read_phase_decision,
)
from edgeproof.phases.phase_report import draw_latencies, report_phases
from edgeproof.phases.preparation import judge_samples

SDK, INT8, FP16 = (Cell("digits-cnn", "ort-cpu", "desk", precision) for precision in ("fp32", "int8", "fp16"))


def candidate(name, state, weight=1.0, value=1.0, precision="fp32"):
    return _Candidate(name, Cell("m", "p", "d", precision), state, [], {}, weight, value)


def request(**changes):
    fields = {"campaign": "c", "device": "d", "cells": {}, "artifacts": {}, "comparisons": {}, "criteria": "edge"}
    return Request(**{**fields, "lighter_by": "size", "best_by": "size", "declared": [], **changes})


@pytest.mark.parametrize(
    ("states", "decision", "chosen"),
    [
        ({"sdk": "qualifies", "a": "qualifies"}, "sdk", ["sdk"]),
        ({"sdk": "fails", "a": "qualifies"}, "convert", ["a"]),
        ({"sdk": "fails", "a": "fails", "hybrid": "qualifies"}, "hybrid", ["hybrid"]),
        ({"sdk": "fails", "a": "fails", "hybrid": "fails"}, "none_qualifies", []),
        ({"sdk": "fails", "a": "fails"}, "none_qualifies", []),
        ({"sdk": "open", "a": "qualifies"}, "insufficient_evidence", []),
        ({"sdk": "fails", "a": "open"}, "insufficient_evidence", []),
        ({"sdk": "fails", "a": "fails", "hybrid": "open"}, "insufficient_evidence", []),
        ({"a": "qualifies"}, "convert", ["a"]),
        ({"a": "fails"}, "none_qualifies", []),
    ],
)
def test_the_rule_of_the_plan(states, decision, chosen):
    candidates = [candidate(name, state, 2.0 if name == "sdk" else 1.0) for name, state in states.items()]
    assert choose_decision(candidates, request()) == (decision, chosen)


def test_a_converted_model_that_is_not_lighter_is_not_chosen():
    heavy = [candidate("sdk", "fails", 1.0), candidate("a", "qualifies", 1.0)]
    assert choose_decision(heavy, request()) == ("insufficient_evidence", [])
    unknown = [candidate("sdk", "fails", None), candidate("a", "qualifies", 1.0)]
    assert choose_decision(unknown, request()) == ("insufficient_evidence", [])


def test_the_lightest_is_best_and_equals_are_both_named():
    candidates = [
        candidate("sdk", "fails", 9.0),
        candidate("a", "qualifies", 2.0, 2.0),
        candidate("b", "qualifies", 1.0, 1.0),
    ]
    assert choose_decision(candidates, request()) == ("convert", ["b"])
    equal = [*candidates, candidate("c", "qualifies", 1.0, 1.0)]
    assert choose_decision(equal, request()) == ("convert", ["b", "c"])


@pytest.mark.parametrize(("count", "passed"), [(200, False), (201, True)])
def test_more_than_two_hundred_samples_are_needed(count, passed):
    samples = {"calibration": {"count": count}, "disjoint": True}
    gate = judge_samples(samples, 200)
    assert gate["passed"] is passed and (gate["reason"] is None) is passed


def test_samples_in_both_sets_or_without_a_model_do_not_pass():
    assert judge_samples({"calibration": {"count": 300}, "disjoint": False}, 200)["passed"] is False
    failed = {"status": "failed", "reason": {"message": "no model"}, "calibration": {"count": 0}, "disjoint": False}
    assert judge_samples(failed, 200)["reason"] == "no model"


def test_optional_criteria_do_not_decide_a_state():
    def line(verdict, required=True):
        return {"verdict": verdict, "required": required}

    assert name_state([line("pass"), line("fail", False)]) == "qualifies"
    assert name_state([line("pass"), line("unknown"), line("fail")]) == "fails"
    assert name_state([line("pass"), line("unknown")]) == "open"


@pytest.fixture
def evaluated(tmp_path, monkeypatch):
    """Return (request, paths) of an evaluation on made-up cells; the SDK's takes 50 ms, the converted ones 1 ms."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(REPOSITORY / "config", "config")
    criteria = Path("config/criteria/edge.yaml")
    criteria.write_text(criteria.read_text().replace("limit: -1.0, unit: pp", "limit: -3.0, unit: pp"))
    ten = {"processes": 10}
    cells = [{"kind": "trivial", "median_ms": 50.0, **ten}, {"precision": "int8", "median_ms": 0.6, **ten}]
    cells += [{"precision": "fp16", **ten}]
    compared = {
        "name": "int8-vs-fp16",
        "left": tuple(FP16),
        "right": tuple(INT8),
        "varies": ["precision"],
        "ratio": 0.6,
    }
    make_campaign(tmp_path, cells)
    named = {"sdk": SDK, "ort-cpu/int8": INT8, "ort-cpu/fp16": FP16}
    folders = {name: artifact_folder(cell.model, cell.preset, "host", cell.precision) for name, cell in named.items()}
    reports = {"int8-vs-fp16": f"{comparison_folder(CAMPAIGN, 'int8-vs-fp16')}/report.json"}
    asked = request(campaign=CAMPAIGN, device="desk", cells=named, artifacts=folders, comparisons=reports,
                    best_by="latency")  # fmt: skip
    for name in named:  # made-up artifacts weigh the same
        path = Path(f"{run_folder(named[name])}/result.json")
        result = json.loads(path.read_text())
        path.write_text(json.dumps(seal(result | {"artifact_bytes": 4000 if name == "sdk" else 1000})))
    preparation, conversion, decision = (
        Path(f"phases/{name}.json") for name in ("preparation", "conversion", "decision")
    )
    write_comparison(**compared)
    gate = {"id": "samples", "found": 256, "more_than": 200, "passed": True, "reason": None}
    document = {
        "schema": "edgeproof.phase-preparation.v1", "campaign": CAMPAIGN, "model": "digits-cnn", "machine": {},
        "packages": [{"name": "coremltools", "version": None, "where": None}],
        "samples": {"kind": "digits", "origin": "x", "seed": 0, "disjoint": True,
                    "calibration": {"count": 256, "sha256": "0" * 64}, "evaluation": {"count": 9, "sha256": "1" * 64}},
        "gates": [gate], "digests": {"samples": "0" * 64},
    }  # fmt: skip
    preparation.parent.mkdir()
    preparation.write_text(json.dumps(seal(document)))
    collect_conversions(CAMPAIGN, "digits-cnn", folders, 199, conversion)
    return asked, (preparation, conversion, decision)


def test_a_slow_sdk_gives_way_to_the_converted_model_that_a_comparison_calls_faster(evaluated):
    asked, paths = evaluated
    decide_device(asked, *paths)
    decision = read_json(paths[2], "phase-decision")
    assert (decision["decision"], decision["chosen"]) == ("convert", ["ort-cpu/int8"])
    sdk = decision["candidates"][0]
    (line,) = [line for line in sdk["lines"] if line["id"] == "warm-p95"]
    assert (sdk["state"], line["verdict"], line["flips_decision"]) == ("fails", "fail", True)
    assert line["decision_if"]["pass"] == "sdk" and line["flip_point"] > 10


def test_without_the_comparison_both_are_named(evaluated):
    asked, paths = evaluated
    alone = Request(**{**asked.__dict__, "comparisons": {}})
    decide_device(alone, *paths)
    decision = read_json(paths[2], "phase-decision")
    assert decision["chosen"] == ["ort-cpu/int8", "ort-cpu/fp16"] and "No comparison says" in decision["sentence"]


@pytest.mark.parametrize("reason", [None, "200 samples chose its ranges; more than 200 are needed"])
def test_too_few_samples_for_the_ranges_keep_the_decision_open(evaluated, reason):
    asked, paths = evaluated
    document = json.loads(paths[1].read_text())
    next(each for each in document["candidates"] if each["name"] == "ort-cpu/int8").update(
        samples_used=200, samples_reason=reason
    )
    paths[1].write_text(json.dumps(seal(document)))
    decide_device(asked, *paths)
    decision = read_json(paths[2], "phase-decision")
    assert [gate["id"] for gate in decision["gates"]] == ["samples", "samples of ort-cpu/int8"]
    assert decision["decision"] == ("insufficient_evidence" if reason else "convert")
    assert (reason or "deploy ort-cpu/int8") in decision["sentence"]


def test_an_edited_decision_is_refused(evaluated):
    asked, paths = evaluated
    decide_device(asked, *paths)
    document = json.loads(paths[2].read_text())
    document["chosen"] = ["sdk"]
    paths[2].write_text(json.dumps(seal(document)))
    with pytest.raises(UserError, match="chosen"):
        read_phase_decision(paths[2], asked, *paths[:2])


def test_the_report_has_every_figure_and_its_pages_are_well_formed(evaluated):
    asked, paths = evaluated
    declared = [{"name": "cost <b>", "value": 2, "unit": "days", "origin": "a | guess"}]
    asked = Request(**{**asked.__dict__, "declared": declared})
    decide_device(asked, *paths)
    report_phases({"desk": asked}, *paths[:2], {"desk": paths[2]}, "out")
    rows = list(csv.DictReader(Path("out/candidates.csv").read_text().splitlines()))
    assert len(rows) == 3 * 5 and {row["device"] for row in rows} == {"desk"}
    ElementTree.fromstring(Path("out/latency.svg").read_text())
    page, text = Path("out/report.html").read_text(), Path("out/report.md").read_text()
    assert "cost &lt;b&gt;" in page and "<b>" not in page.split("</style>")[1] and "a \\| guess" in text
    assert "coremltools | absent" in text
    assert read_json("out/report.json", "phase-report")["decisions"]["desk"]["chosen"] == ["ort-cpu/int8"]


def test_a_plot_of_nothing_is_one():
    assert "no candidate has a latency" in "".join(ElementTree.fromstring(draw_latencies([])).itertext())
