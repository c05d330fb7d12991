"""Sixty edits, drawn by a seed, of a made-up campaign: all are found, and the file is named."""

import contextlib
import json
import shutil
from pathlib import Path

import pytest
from edgeproof.bench.made_up_campaigns import make_campaign, write_calibration, write_wanted
from edgeproof.core.documents import read_json, write_json
from edgeproof.core.errors import UserError
from edgeproof.core.job_key import record_key
from edgeproof.core.job_options import JobKey
from edgeproof.evidence.rendering import write_report
from edgeproof.evidence.validating import validate_evidence

from ...single_edits import draw_edits, find_edits, list_kinds, read_evidence
from .conftest import INT8, OK
from .placed import write_placement

COMPARISON = {"name": "faster", "left": OK, "right": INT8, "varies": ["precision"], "ratio": 0.6}


@pytest.fixture(scope="module")
def made_up(tmp_path_factory):
    """A folder with a campaign of two cells, a comparison, a calibration and a plan, with page and keys."""
    here = tmp_path_factory.mktemp("made-up")
    with contextlib.chdir(here):
        write_campaign(here)
    return here


@pytest.fixture
def campaign(made_up, tmp_path, monkeypatch):
    """The current folder has a copy of the campaign that the test may change."""
    shutil.copytree(made_up, tmp_path / "copy", symlinks=True)
    monkeypatch.chdir(tmp_path / "copy")
    return "trial"


def write_campaign(here):
    """Write the campaign into the current folder, `here`."""
    snapshot = make_campaign(here, [{}, {"precision": "int8", "median_ms": 0.6}], [COMPARISON])
    noise = [write_calibration()]
    snapshot["plans"] = [write_placement()]
    folder = "results/evidence/trial"
    result = "results/runs/digits-cnn/ort-cpu/desk/fp32/result.json"
    record_key(JobKey({"cell": {"model": "digits-cnn"}}, result))
    keys = {result: {"cell": {"model": "digits-cnn"}}}
    write_wanted(folder, snapshot, keys=keys, noise=noise)
    write_report(snapshot, [], f"{folder}/report.html", f"{folder}/report.md", noise)


def test_what_nobody_edited_is_found_whole(campaign, tmp_path):
    assert dict(read_evidence(campaign, tmp_path)) == {"gate": "", "report": "", "validate": ""}


def test_sixty_single_edits_are_found_and_named(campaign, tmp_path):
    found = find_edits(campaign, draw_edits(Path("results"), 60, seed=1), tmp_path)
    assert [(edit.path, edit.where) for edit, reader in found.items() if reader is None] == []
    assert len(found) == 60


def test_edits_are_of_every_kind_of_file(campaign):
    kinds = list_kinds(Path("results"))
    names = {kind.split("/")[-1] for kind in kinds}
    wanted = {"identity.json", "samples.json", "manifest.json", "parity.json", "artifact.onnx", "reference.npz"}
    wanted |= {"result.json", "samples.csv", "attempt.json", "session.json", "pair.json", "blocks.npy", "noise.json"}
    wanted |= {"pairs.json", "plan.json", "check.json", "scenario.json", "wanted.json", "report.html", "report.md"}
    assert wanted <= names
    assert len(draw_edits(Path("results"), len(kinds), seed=3)) == len(kinds)


def test_a_calibration_that_was_replaced_is_named_as_replaced(campaign):
    path = Path("results/calibration/digits-cnn/ort-cpu/desk/fp32/quick/noise.json")
    report = Path("results/comparability/trial/faster/report.json")
    document = json.loads(report.read_text())
    document["noise"] = [{"file": str(path), "sha256": "0" * 64, **_shown(path)}]
    write_json(report, document, "comparison")
    faults = validate_evidence(campaign)
    assert any(f"{path}: digest differs from the one in {report}: this calibration was replaced" in f for f in faults)


def test_every_fault_is_named_not_only_the_first(campaign):
    edited = [
        Path("results/sources/digits-cnn/model.onnx"),
        Path("results/artifacts/digits-cnn/ort-cpu/host/int8/reference.npz"),
        Path("results/evidence/trial/report.md"),
    ]
    edited[0].write_text("another model")
    edited[1].write_text("other outputs")
    told = "\n".join(validate_evidence(campaign))
    assert all(str(path) in told for path in edited[:2])
    edited[0].write_text("digits-cnn")
    edited[1].write_text("reference")
    edited[2].write_text("another page")
    assert [str(edited[2]) in fault for fault in validate_evidence(campaign)] == [True]


def test_a_file_that_is_missing_is_named(campaign):
    path = Path("results/sources/digits-cnn/samples/calibration.npz")
    path.unlink()
    assert str(path) in validate_evidence(campaign)[0]


def test_a_campaign_that_nobody_ran_is_a_mistake(here):
    with pytest.raises(UserError, match=r"results/evidence/nothing/wanted\.json: is missing"):
        validate_evidence("nothing")


def _shown(path):
    noise = read_json(path, "noise")
    keys = ("cell", "provenance", "pairs", "log_sd", "seconds_per_pair", "expected", "false_rate")
    return {key: noise[key] for key in keys}
