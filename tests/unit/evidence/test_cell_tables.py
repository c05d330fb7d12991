"""Tables as plain data: what was not had is None, never 0."""

import pytest
from edgeproof.core.formatting import SPACE
from edgeproof.evidence.cell_tables import (
    describe_basis,
    describe_cells,
    describe_digests,
    describe_parities,
    describe_percentiles,
    describe_quality,
)
from edgeproof.evidence.collecting import collect_evidence

PAGE = "results/evidence/trial/report.html"


@pytest.fixture
def cells(campaign):
    return collect_evidence(campaign, ["throttled"]).cells


def row_of(groups, **wanted):
    rows = [row for group in groups for row in group["rows"]]
    return next(row for row in rows if all(row[key] == value for key, value in wanted.items()))


def test_cells_are_grouped_by_model(cells):
    groups = describe_cells(cells, PAGE, {})
    assert [(group["model"], len(group["rows"])) for group in groups] == [("digits-cnn", 6), ("squeezenet", 4)]


def test_a_row_leads_to_its_attempts_its_failure_and_the_command_that_computes_it(cells):
    (group, _) = describe_cells(cells, PAGE, {"cell-digits-cnn-ort-cpu-desk-int8-dynamic": "failure-1"})
    rows = {row["precision"]: row for row in group["rows"] if row["preset"] == "ort-cpu" and row["device"] == "desk"}
    assert [rows[name]["failure"] for name in ("int8", "int8-dynamic")] == [None, "failure-1"]
    assert rows["int8"]["command"] == "edgeproof runs show digits-cnn/ort-cpu/desk/int8"
    (attempt,) = rows["int8"]["attempts"]
    assert attempt.startswith("../../runs/digits-cnn/ort-cpu/desk/int8/attempts/0001-")


def test_an_ok_cell_has_all_numbers(cells):
    row = row_of(describe_cells(cells, PAGE, {}), precision="int8", status="ok")
    assert row["state"] == "ok"
    assert row["latency"].startswith("0.59")
    assert row["cold"] == "4.00\u202fms"
    assert row["load"] == "8.00\u202fms"
    assert row["memory"] == "60.0\u202fMB"
    assert row["size"] == "128\u202fkB"
    assert row["accuracy"]["difference"] == "−0.6"
    assert row["accuracy"]["interval"] == "−1.9 to +0.5"
    assert row["parity"]["words"] == "passed"


def test_a_failed_cell_has_no_numbers(cells):
    row = row_of(describe_cells(cells, PAGE, {}), precision="fp16", status="failed")
    assert [row[key] for key in ("latency", "interval", "throughput", "cold", "load", "memory", "size")] == [None] * 7
    assert row["reasons"] == []  # the failure says it
    assert row["parity"]["words"] == "not run"


def test_a_noisy_cell_is_ok_and_says_that_it_is_noisy(cells):
    row = describe_cells(cells, PAGE, {})[0]["rows"][2]
    assert (row["state"], row["basis"]) == ("ok", "within this session")
    assert row["reasons"][0] == "noisy: the interval within the session is wider than ±5%"
    assert row["reasons"][1].startswith("modes: starts have 2 levels: ")


def test_several_sessions_and_random_samples_are_named_beside_the_headline(cells):
    result = cells[0].result
    sessions = [{**result["sessions"][0], "latency": {"median_ms": level}} for level in (1.02, 1.05, 1.01)]
    latency, inputs = result["latency"], {**result["inputs"], "kind": "random"}
    two = {**result, "sessions": sessions[:2], "latency": {**latency, "basis": "two sessions"}, "inputs": inputs}
    assert describe_basis(two, "ms", 1.0).replace(SPACE, " ") == "two sessions: 1.020 and 1.050 ms, random inputs"
    three = {**result, "sessions": sessions, "latency": {**latency, "basis": "sessions"}}
    assert describe_basis(three, "ms", 1.0) == "over 3 sessions"
    requested = {**result["protocol"]["requested"], "load": {"seconds": 900}}
    loaded = {**result, "protocol": {**result["protocol"], "requested": requested}}
    assert describe_basis(loaded, "ms", 1.0) == "within this session, sustained"


def test_wrong_outputs_are_not_ok_although_measured(cells):
    row = row_of(describe_cells(cells, PAGE, {}), precision="int8-dynamic", status="ok")
    assert row["state"] == "failing"
    assert row["parity"]["state"] == "failing"


def test_simulated_parity_is_no_agreement(cells):
    row = row_of(describe_cells(cells, PAGE, {}), simulated=True)
    assert row["parity"]["words"] == "nothing to compare"


def test_percentiles_are_withheld_below_their_floor(cells):
    table = describe_percentiles(cells)
    assert [entry["name"] for entry in table["names"]] == ["p50", "p90", "p95", "p97", "p99", "p99.9"]
    row = row_of(table["groups"], label="ort-cpu · int8 · desk")
    assert row["entries"][0]["value"].endswith("ms")
    assert row["entries"][-1]["value"] is None
    assert "6636" in row["entries"][-1]["reason"]


def test_percentiles_say_how_many_starts_they_describe(cells):
    row = row_of(describe_percentiles(cells)["groups"], label="ort-cpu · fp16 · desk")
    assert row["common"] is None and row["entries"][0]["interval"] is None
    assert row["starts"].replace(SPACE, " ") == "in these 5 starts; a kind of start rarer than 45 % may be missing"


def test_percentiles_of_a_run_timed_in_bursts_have_one_reason(cells):
    percentiles = {
        name: {**entry, "value_ms": None, "reason": "bursts"} for name, entry in cells[0].result["percentiles"].items()
    }
    burst = cells[0]._replace(result={**cells[0].result, "percentiles": percentiles})
    row = describe_percentiles([burst])["groups"][0]["rows"][0]
    assert (row["common"], row["entries"]) == ("bursts", [])


def test_artifacts_are_shown_once_for_all_devices(cells):
    rows = describe_parities(cells)
    assert len(rows) == len(cells) - 1  # fp32 of digits-cnn runs on two devices


def test_thresholds_say_met_missed_or_unknown(cells):
    rows = {(row["model"], row["label"]): row for row in describe_parities(cells)}
    wrong = rows["digits-cnn", "ort-cpu · int8-dynamic"]["thresholds"]
    assert [(line["words"], line["text"]) for line in wrong] == [
        ("missed", "worst cosine ≥ 0.9999: 0.99960"),
        ("met", "relative accuracy ≥ 0.99: 0.994"),
    ]
    unlabelled = rows["squeezenet", "ort-cpu · fp32"]
    assert unlabelled["thresholds"][1]["words"] == "unknown"
    assert unlabelled["accuracy"] is None
    assert unlabelled["accuracy_absent"] == "the evaluation set has no labels"


def test_what_was_not_compared_has_no_metrics(cells):
    row = next(row for row in describe_parities(cells) if row["summary"]["words"] == "not run")
    assert {metric["value"] for metric in row["metrics"]} == {None}
    assert {metric["absent"] for metric in row["metrics"]} == {"the outputs were not compared"}


def test_digests_are_short_with_the_whole_beside(cells):
    files = describe_digests(cells, PAGE)[0]["files"]
    assert [file["name"] for file in files] == ["result.json", "samples.csv", "manifest.json", "parity.json"]
    assert all(file["digest"].startswith(file["short"]) and len(file["digest"]) == 64 for file in files)
    assert files[0]["href"] == "../../runs/digits-cnn/ort-cpu/desk/fp32/result.json"


def test_a_regression_shows_its_error_in_the_place_of_an_accuracy():
    error = {
        "difference": -0.03896,
        "low": -0.2134,
        "high": 0.1345,
        "confidence": 0.95,
        "count": 142,
        "reference_rmse": 52.6692,
        "candidate_rmse": 52.6302,
        "reference_r2": 0.53188,
        "candidate_r2": None,
    }
    shown = describe_quality({"accuracy": None, "trivial": False, "error": error})
    assert shown["reference"] == "RMSE\u202f52.67, R²\u202f0.532" and shown["candidate"] == "RMSE\u202f52.63"
    assert (shown["difference"], shown["interval"]) == ("−0.04", "−0.21 to +0.13")
    assert (shown["unit"], shown["count"]) == ("in RMSE", "142")
    same = error | {"difference": 0.0, "low": None, "high": None}
    alike = describe_quality({"accuracy": None, "trivial": False, "error": same})
    assert (alike["difference"], alike["interval"]) == ("0", "the same answers")
    assert describe_quality({"accuracy": None}) is None


def test_a_graph_beside_itself_differs_in_nothing_and_has_no_interval():
    accuracy = {
        "difference": 0.0,
        "low": -0.037,
        "high": 0.037,
        "confidence": 0.95,
        "count": 100,
        "gained": 0,
        "lost": 0,
    }
    accuracy |= {"reference_accuracy": 0.93, "candidate_accuracy": 0.93}
    parity = {"accuracy": accuracy, "trivial": True, "artifact_sha256": "a", "source_sha256": "a"}
    assert describe_quality(parity)["same_graph"]
    assert not describe_quality(parity | {"artifact_sha256": "b"})["same_graph"]  # simulated
    assert not describe_quality(parity | {"trivial": False})["same_graph"]  # another runtime
    assert not describe_quality(parity | {"accuracy": accuracy | {"gained": 1, "lost": 1}})["same_graph"]
