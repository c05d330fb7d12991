"""Made-up campaigns are accepted by the product: every reader takes its file, and every kind means what it says."""

import pytest
from edgeproof.bench.made_up_campaigns import make_campaign, write_calibration
from edgeproof.bench.made_up_cells import MadeUpCell, digest, make_samples, name_cell, write_cell
from edgeproof.core.documents import read_json
from edgeproof.core.layout import Cell, run_folder
from edgeproof.runs.results import read_result

KINDS = {
    "ok": "ok",
    "noisy": "ok",
    "throttled": "throttled",
    "simulated": "ok",
    "no_artifact": "failed",
    "crashed": "failed",
    "unsupported": "unsupported",
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_cell_has_the_result_of_its_kind(here, kind):
    row = write_cell(kind=kind)
    assert row == ["digits-cnn", "ort-cpu", "desk", "fp32", "host"]
    result = read_result(f"{run_folder(name_cell(row))}/result.json")
    assert result["status"] == KINDS[kind]
    assert result["provenance"] == ("simulated" if kind == "simulated" else "measured")


def test_a_made_up_latency_is_near_what_was_asked_for(here):
    row = write_cell(median_ms=2.5, processes=3, count=100)
    result = read_result(f"{run_folder(name_cell(row))}/result.json")
    assert len(result["processes"]) == 3
    assert result["latency"]["median_ms"] == pytest.approx(2.5, rel=0.02)


def test_samples_follow_from_the_cell():
    cell = MadeUpCell(precision="int8").cell
    first, again = (make_samples(cell, "ok", 1.0, 2, 50) for _ in range(2))
    assert [list(a) == list(b) for a, b in zip(first, again, strict=True)] == [True, True]
    assert list(make_samples(MadeUpCell().cell, "ok", 1.0, 2, 50)[0]) != list(first[0])


def test_a_campaign_lists_its_cells_and_comparisons(here):
    sides = {"left": ("digits-cnn", "ort-cpu", "desk", "fp32"), "right": ("digits-cnn", "ort-cpu", "desk", "int8")}
    comparison = {"name": "int8", "varies": ["precision"], "ratio": 0.8, **sides}
    snapshot = make_campaign(here, [{}, {"precision": "int8"}], [comparison])
    assert [row[3] for row in snapshot["cells"]] == ["fp32", "int8"] and snapshot["comparisons"] == ["int8"]
    report = read_json("results/comparability/trial/int8/report.json", "comparison")
    assert report["verdict"] == "faster"


def test_a_calibration_is_one_that_its_room_accepts(here):
    noise = read_json(write_calibration(sessions=2, pairs=8), "noise")
    assert (len(noise["sessions"]), noise["cell"]["device"]) == (2, "desk")


def test_names():
    assert name_cell(["m", "p", "d", "fp32", "host"]) == Cell("m", "p", "d", "fp32")
    assert digest("agent") == digest("agent") != digest("model")
