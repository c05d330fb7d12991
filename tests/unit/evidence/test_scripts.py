"""The two scripts, as the rules call them."""

import importlib.util
import json
from pathlib import Path

import pytest
from edgeproof.bench.made_up_campaigns import make_campaign, write_wanted
from edgeproof.core.job_key import record_key
from edgeproof.core.job_options import JobKey
from edgeproof.core.program_start import run

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"


def load_main(name):
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


def write_report(wanted):
    arguments = ["--wanted", wanted, "--html", "out/report.html", "--markdown", "out/report.md"]
    return run(load_main("write_report"), arguments)


def check_gate(wanted):
    return run(load_main("check_gate"), ["--wanted", wanted, "--output", "out/gate.json"])


def test_a_good_campaign_passes(here, capsys):
    snapshot = make_campaign(here, [{}])
    assert write_report(write_wanted(here, snapshot)) == 0
    assert check_gate(write_wanted(here, snapshot)) == 0
    assert "Gate passed" in (here / "out/report.html").read_text()
    assert (here / "out/report.md").read_text().startswith("# trial\n")
    assert json.loads((here / "out/gate.json").read_text())["passed"] is True
    assert "Gate of campaign trial passed" in capsys.readouterr().err


def test_a_red_campaign_leaves_its_report_and_exits_with_1(here, capsys):
    snapshot = make_campaign(here, [{"kind": "throttled"}])
    assert write_report(write_wanted(here, snapshot)) == 0
    assert check_gate(write_wanted(here, snapshot)) == 1
    assert "Gate not passed" in (here / "out/report.html").read_text()
    assert not (here / "out/gate.json").exists()
    assert "GATE NOT PASSED" in capsys.readouterr().err
    assert check_gate(write_wanted(here, snapshot, ["throttled"])) == 0


@pytest.mark.parametrize("script", [write_report, check_gate])
def test_a_missing_result_is_one_line(here, capsys, script):
    snapshot = make_campaign(here, [{}])
    (here / "results/runs/digits-cnn/ort-cpu/desk/fp32/result.json").unlink()
    assert script(write_wanted(here, snapshot)) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: results/runs/digits-cnn/ort-cpu/desk/fp32/result.json: ")
    assert error.count("\n") == 1


def test_evidence_of_another_day_does_not_pass(here, capsys):
    snapshot = make_campaign(here, [{}])
    path = "results/runs/digits-cnn/ort-cpu/desk/fp32/result.json"
    wanted = {"runtime": {"intra_op_threads": 1}}
    record_key(JobKey({"runtime": {"intra_op_threads": 0}}, path))
    stale = write_wanted(here, snapshot, keys={path: wanted})
    assert write_report(stale) == 0
    page = (here / "out/report.html").read_text()
    assert "Gate not passed" in page and f"{path}: runtime.intra_op_threads: 0 → 1" in page
    assert "Stale: " in (here / "out/report.md").read_text()
    assert check_gate(stale) == 1
    told = capsys.readouterr().err
    assert f"{path}: runtime.intra_op_threads: 0 → 1" in told
    assert f"snakemake --profile local --forcerun {path}" in told
    record_key(JobKey(wanted, path))
    assert check_gate(stale) == 0
