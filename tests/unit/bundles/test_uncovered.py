"""What no claim has read is not believed: pages, runs and files of settings that somebody adds, edits or leaves out."""

import contextlib
import json
import tempfile
from pathlib import Path

import pytest
from edgeproof.bundles.claims import find_first_refuted
from edgeproof.bundles.descriptions import add_descriptions
from edgeproof.bundles.importing import import_bundle, make_bundle
from edgeproof.bundles.packing import MANIFEST
from edgeproof.bundles.verifying import verify_bundle
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_bytes
from edgeproof.core.job_key import record_key
from edgeproof.core.job_options import JobKey
from edgeproof.core.layout import Cell
from edgeproof.core.seals import SEAL, seal
from edgeproof.phases.phase_decisions import read_request
from edgeproof.phases.phase_report import report_phases
from edgeproof.phases.runbooks import write_runbook

from .conftest import FP32, write_phases
from .hostile import read
from .test_verifying import RESULT, edit, pack_changed, verify_changed, words_of

TURBO = "results/runs/digits-cnn/turbo/desk/int8/result.json"


def put(manifest, contents, path, data, role):
    """Return (manifest, contents) with one more file, or another text of one."""
    files = [entry for entry in manifest["files"] if entry["path"] != path]
    files.append({"path": path, "sha256": sha256_bytes(data), "bytes": len(data), "role": role})
    return {**manifest, "files": sorted(files, key=lambda entry: entry["path"])}, contents | {path: data}


def describe_again(manifest, contents):
    """Return (manifest, contents) whose crate and bills are those of its files, as a careful forger makes them."""
    entries = [entry for entry in manifest["files"] if entry["role"] not in ("description", "workflow")]
    again = {name: value for name, value in manifest.items() if name != SEAL} | {"files": entries}
    kept = {entry["path"]: contents[entry["path"]] for entry in entries}
    with tempfile.TemporaryDirectory() as place, contextlib.chdir(place):
        for path, data in kept.items():
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_bytes(data)
        add_descriptions(again, kept)
    return again, kept


def forge_run(contents):
    """Return the text of a result that no sample shows, of a cell that no campaign has."""
    document = json.loads(contents[RESULT])
    document["cell"]["preset"] = "turbo"
    document["latency"]["median_ms"] = 0.001
    return json.dumps(seal(document)).encode()


def key_of(data):
    return json.dumps(seal({"sha256": sha256_bytes(data), "parts": {}})).encode()


ADDED = {
    "a page": ("results/evidence/trial/summary.html", "page"),
    "a page called a log": ("results/evidence/trial/summary.html", "log"),
    "a page called raw": ("results/evidence/trial/phases/summary.html", "raw"),
    "a page below the bills": ("sbom/summary.html", "document"),
    "a page below the signatures": ("signatures/summary.html", "document"),
    "a page below the rules": ("rules/summary.html", "workflow"),
    "a note below the results": ("results/notes.txt", "document"),
    "a key of nothing": ("results/key.json", "key"),
}


@pytest.mark.parametrize(
    ("name", "kind"), [*((name, "failed_bundle") for name in ADDED), ("a page", "bundle"), ("a page", "run_bundle")]
)
def test_a_file_that_no_claim_reads_is_refuted(name, kind, request, tmp_path):
    path, role = ADDED[name]
    manifest, contents = read(request.getfixturevalue(kind))
    forged = put(manifest, contents, path, b"<h1>int8 is 40 times as fast</h1>", role)
    words = words_of(verify_changed(tmp_path, *forged))
    assert words[path] == "refuted"


@pytest.mark.parametrize(
    ("kind", "keyed"), [("bundle", True), ("run_bundle", False), ("run_bundle", True), ("failed_bundle", False)]
)
def test_a_run_that_no_claim_reaches_is_refuted_and_not_taken_in(kind, keyed, bundle, request, tmp_path):
    """Its bills, its crate and its key are set anew; a key says which file it is of, and nothing of what is in it."""
    manifest, contents = read(request.getfixturevalue(kind))
    data = forge_run(read(bundle)[1])
    manifest, contents = put(manifest, contents, TURBO, data, "document")
    if keyed:
        place = f"results/keys/{TURBO.removeprefix('results/')}.json"
        manifest, contents = put(manifest, contents, place, key_of(data), "key")
    forged = pack_changed(tmp_path, *describe_again(manifest, contents))
    verified = verify_bundle(forged)
    assert words_of(verified)[TURBO] == "refuted"
    assert find_first_refuted(verified.claims).subject in (TURBO, "bills of materials")
    (tmp_path / "results").mkdir()
    with pytest.raises(UserError, match="refuted"):
        import_bundle(forged, tmp_path)
    assert list((tmp_path / "results").rglob("result.json")) == []


def test_a_run_that_the_campaign_only_wants_is_refuted(bundle, tmp_path):
    """wanted.json names its key, so that its digest is asked for."""
    manifest, contents = read(bundle)
    data, wanted = forge_run(contents), "results/evidence/trial/wanted.json"
    place = f"results/keys/{TURBO.removeprefix('results/')}.json"
    contents = edit(contents, wanted, lambda document: document["keys"].update({TURBO: {}}))
    manifest, contents = put(manifest, contents, TURBO, data, "document")
    manifest, contents = put(manifest, contents, place, key_of(data), "key")
    assert words_of(verify_changed(tmp_path, manifest, contents))[TURBO] == "refuted"


SETTINGS = {
    "a device": "config/devices/desk.yaml",
    "a preset": "config/presets/ort-cpu.yaml",
    "a protocol": "config/protocols/quick.yaml",
    "a policy that nothing asks for": "config/policies/strict2.yaml",
    "an environment": "envs/edgeproof.lock",
}


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_that_are_not_those_of_this_checkout_are_named(name, run_bundle, tmp_path):
    manifest, contents = read(run_bundle)
    forged = put(manifest, contents, SETTINGS[name], b"description: another\n", "configuration")
    (claim,) = [c for c in verify_changed(tmp_path, *forged).claims if c.subject == SETTINGS[name]]
    assert claim.word == "not covered" and "not the one of this checkout" in claim.detail


def test_a_workflow_that_is_not_the_one_of_this_checkout_is_named(failed_bundle, tmp_path):
    manifest, contents = read(failed_bundle)
    forged = put(manifest, contents, "Snakefile", b"# another\n", "workflow")
    (claim,) = [c for c in verify_changed(tmp_path, *forged).claims if c.subject == "workflow"]
    assert claim.word == "asserted" and "Snakefile" in claim.detail
    assert words_of(verify_bundle(failed_bundle))["workflow"] == "recomputed"


def test_only_models_samples_and_artifacts_may_be_left_out(run_bundle, tmp_path):
    manifest, contents = read(run_bundle)
    path = "config/presets/ort-cpu.yaml"
    absent = [*manifest["absent"], {"path": path, "sha256": "0" * 64, "bytes": 7}]
    rest = {name: data for name, data in contents.items() if name != path}
    assert words_of(verify_changed(tmp_path, {**manifest, "absent": absent}, rest))[path] == "refuted"


def test_a_file_that_a_refuted_claim_did_not_come_to_is_not_covered(bundle, tmp_path):
    """The claim that stopped is the one that is refuted."""
    manifest, contents = read(bundle)
    path = "results/comparability/trial/faster/report.json"
    changed = edit(contents, path, lambda document: document["effect"].update(ratio=0.5))
    verified = verify_changed(tmp_path, *put(manifest, changed, "results/notes.txt", b"x", "document"))
    words = words_of(verified)
    assert words["comparison faster report"] == "refuted" and words["results/notes.txt"] == "not covered"


def test_a_run_keeps_its_keys(run_bundle, tmp_path):
    manifest, contents = read(run_bundle)
    assert words_of(verify_bundle(run_bundle))["digits-cnn/ort-cpu/desk/fp32 keys"] == "recomputed"
    (place,) = [path for path in contents if path.startswith("results/keys/") and "result.json" in path]
    forged = edit(contents, place, lambda document: document.update(sha256="0" * 64))
    assert words_of(verify_changed(tmp_path, manifest, forged))["digits-cnn/ort-cpu/desk/fp32 keys"] == "refuted"


PHASES = "results/evidence/trial/phases"


@pytest.fixture
def phased(copy_of_campaign, tmp_path):
    """The bundle of a campaign with phases, its report and a runbook."""
    folder = Path(PHASES)
    write_phases(folder)
    request = json.loads(Path(f"results/keys/{PHASES.removeprefix('results/')}/desk/decision.json.json").read_text())
    asked = {"desk": request["parts"]["request"]}
    made = (folder / "preparation.json", folder / "conversion.json")
    requests = {"desk": read_request(asked["desk"])}
    report_phases(requests, *made, {"desk": folder / "desk/decision.json"}, folder)
    record_key(JobKey({"requests": asked, "services": {}}, f"{PHASES}/report.json"))
    parts = {
        "device": "desk",
        "description": {"board": "A desk", "transport": "local"},
        "cells": {"sdk": list(FP32)},
        "protocol": json.loads(Path(RESULT).read_text())["protocol"]["requested"],
        "files": [],
    }
    told = (parts["description"], {"sdk": Cell(*FP32)}, parts["protocol"], [])
    write_runbook("desk", *told, folder / "desk/runbook.md")
    record_key(JobKey(parts, f"{PHASES}/desk/runbook.md"))
    make_bundle("campaign", "trial", tmp_path / "phases.zip")
    return tmp_path / "phases.zip"


def test_reports_of_phases_and_runbooks_are_written_again(phased, tmp_path):
    verified = verify_bundle(phased)
    words = words_of(verified)
    assert find_first_refuted(verified.claims) is None
    assert words["phases desk"] == words["phases report"] == words["runbook desk"] == "recomputed"
    manifest, contents = read(phased)
    assert f"{PHASES}/report.html" in contents and MANIFEST not in contents
    pages = {"report.html": "phases report", "candidates.csv": "phases report", "desk/runbook.md": "runbook desk"}
    for name, subject in pages.items():
        path = f"{PHASES}/{name}"
        changed = contents | {path: contents[path] + b"int8 is 40 times as fast\n"}
        assert words_of(verify_changed(tmp_path, manifest, changed))[subject] == "refuted"
