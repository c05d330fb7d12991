"""The demo campaign for real, as `make` runs it: real models, real measurements, on whatever machine this is."""

import json
import zipfile

import pytest
from edgeproof.comparability.sentences import describe_verdict
from markupsafe import escape

from ..workflow.conftest import copy_repository

pytestmark = pytest.mark.campaign


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    workspace = copy_repository(tmp_path_factory.mktemp("demo") / "edgeproof")
    done = workspace.snakemake(config=None)
    assert done.returncode == 0, done.stdout
    return workspace


def load(workspace, path):
    return json.loads((workspace.root / "results" / path).read_text())


def test_every_cell_was_measured(demo):
    cells = [("digits-cnn", p) for p in ("fp32", "fp16", "int8", "int8-dynamic")]
    cells += [("squeezenet", p) for p in ("fp32", "int8")]
    for model, precision in cells:
        result = load(demo, f"runs/{model}/ort-cpu/local/{precision}/result.json")
        assert result["status"] == "ok"
        assert result["provenance"] == "measured"
        assert result["protocol"]["carried_out"]["processes"] == 5
        assert result["protocol"]["carried_out"]["samples_per_process"] >= 200
        assert result["protocol"]["carried_out"]["window_s_per_process"] >= 1
        assert result["runtime"]["execution_providers_used"] == ["CPUExecutionProvider"]
        parity = load(demo, f"artifacts/{model}/ort-cpu/host/{precision}/parity.json")
        assert parity["status"] == "passed"


def test_quantised_digits_keep_their_accuracy(demo):
    for precision in ("fp32", "fp16", "int8", "int8-dynamic"):
        parity = load(demo, f"artifacts/digits-cnn/ort-cpu/host/{precision}/parity.json")
        assert parity["accuracy"]["candidate_accuracy"] >= 0.97
        assert parity["evaluation"]["count"] == 500


def test_refused_pair_has_no_delta_and_says_why(demo):
    report = load(demo, "comparability/demo/digits-vs-squeezenet/report.json")
    assert (report["verdict"], report["effect"]) == ("not-comparable", None)
    assert "model_hash" in {reason["field"] for reason in report["reasons"]}


def test_same_artifact_is_never_called_different(demo):
    report = load(demo, "comparability/demo/digits-aa/report.json")
    assert report["verdict"] in ("equivalent", "undecided")
    assert report["pairs"] >= 4 and report["effect"]["interval_low"] < 1 < report["effect"]["interval_high"]


@pytest.mark.parametrize("model", ["digits", "squeezenet"])
def test_every_comparable_pair_has_a_verdict_from_pairs_whatever_the_headlines_say(demo, model):
    report = load(demo, f"comparability/demo/{model}-fp32-vs-int8/report.json")
    assert report["verdict"] in ("faster", "slower", "equivalent", "undecided")
    assert report["effect"]["pairs"] >= 4
    page = (demo.root / "results/evidence/demo/report.html").read_text()
    assert page.count(escape(describe_verdict(report))) == 1


def test_quantised_squeezenet_is_faster(demo):
    assert load(demo, "comparability/demo/squeezenet-fp32-vs-int8/report.json")["verdict"] == "faster"


def test_gate_passes_and_the_page_says_verdicts_first(demo):
    assert load(demo, "evidence/demo/gate.json")["passed"] is True
    page = (demo.root / "results/evidence/demo/report.html").read_text()
    assert page.index('class="verdicts"') < page.index("Gate passed")


def test_second_run_does_nothing(demo):
    assert demo.remade_by(config=None) == set()


def plan(demo, **variables):
    """Return {rule: number of jobs} of a dry run."""
    planned = demo.snakemake("-n", config=None, **variables).stdout
    rows = map(str.split, planned.splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}


def test_a_precision_is_built_again_for_options_of_its_own_only(demo, tmp_path):
    copy = demo.copy(tmp_path / "edgeproof")
    copy.edit("config/presets/ort-cpu.yaml", "calibration_samples: 200", "calibration_samples: 201")
    jobs = plan(copy)
    assert (jobs["build_onnx"], jobs["measure_run"]) == (2, 2)  # int8 of both models


def test_another_onnx_runtime_makes_its_artifacts_parities_and_measurements_again(demo, tmp_path):
    copy = demo.copy(tmp_path / "edgeproof")
    metadata = copy.root / "scripts/onnxruntime-99.0.dist-info/METADATA"  # found before the one that is installed
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: onnxruntime\nVersion: 99.0\n")
    jobs = plan(copy)
    assert jobs["build_onnx"] == 3  # int8 and int8-dynamic: fp16 is onnxconverter-common's affair, fp32 a copy
    assert (jobs["check_parity"], jobs["measure_run"], jobs["calibrate_cell"]) == (6, 6, 1)


def test_the_page_is_in_snakemakes_own_report(demo):
    done = demo.snakemake("--report", "report.zip", config=None)
    assert done.returncode == 0, done.stdout
    with zipfile.ZipFile(demo.root / "report.zip") as archive:
        (page,) = (name for name in archive.namelist() if "/raw/" in name)
        index = archive.read("report/report.html").decode()
        assert archive.read(page) == (demo.root / "results/evidence/demo/report.html").read_bytes()
    assert "What the campaign" in index and "Campaigns" in index and 'src="http' not in index
