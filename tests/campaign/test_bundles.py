"""The bundle of a campaign that the workflow has made: verified, taken in by another checkout, and forged in vain."""

import contextlib
import json
import random
from pathlib import Path

import pytest
from edgeproof.bundles.importing import export_imported, import_bundle
from edgeproof.bundles.verifying import verify_bundle
from edgeproof.core.files import sha256_bytes
from edgeproof.core.seals import SEAL, seal
from edgeproof.registry.index import open_registry, rebuild_registry
from edgeproof.registry.queries import list_runs

from ..unit.bundles.hostile import read, write
from ..unit.bundles.mutations import change_numbers
from ..workflow.conftest import copy_repository

pytestmark = pytest.mark.campaign

BUNDLE = "results/evidence/fake/bundle.zip"
# Documents whose numbers follow from others; what only the configuration says of them is not drawn.
DRAWN = {
    "report.json": "report",
    "pairs.json": "pairs",
    "verdict.json": "verdict",
    "regression.json": "regression",
    "decision.json": "decision",
    "noise.json": "calibration",
}
# What pairs are told before they are measured: the report rests on it, and no raw time does.
DECLARED = ("design.", "budget.")
EDITS, SEED = 150, 20_262


@pytest.fixture(scope="module")
def campaign(tmp_path_factory):
    """A copy of the repository with the fake campaign and its bundle."""
    workspace = copy_repository(tmp_path_factory.mktemp("bundled") / "edgeproof")
    done = workspace.snakemake("all", "bundle")
    assert done.returncode == 0, done.stdout
    return workspace


def test_the_bundle_holds(campaign):
    verified = verify_bundle(campaign.root / BUNDLE)
    assert [claim for claim in verified.claims if claim.word == "refuted"] == []
    words = {claim.subject: claim.word for claim in verified.claims}
    assert words["gate"] == words["comparison fake-aa report"] == "recomputed"


def test_the_workflow_has_nothing_to_do_once_it_is_there(campaign):
    assert campaign.remade_by("all", "bundle") == set()


def test_every_run_is_in_the_registry(campaign):
    with contextlib.chdir(campaign.root), open_registry(campaign.root) as connection:
        followed = list_runs(connection, {"campaign": "fake"}, None)
    assert followed["total"] == 4
    rebuild_registry(campaign.root)
    with open_registry(campaign.root) as connection:
        assert list_runs(connection, {"campaign": "fake"}, None) == followed


def test_a_round_trip_through_another_checkout_is_byte_identical(campaign, tmp_path):
    (tmp_path / "anderer Ort ✓/results").mkdir(parents=True)
    root = tmp_path / "anderer Ort ✓"
    imported = import_bundle(campaign.root / BUNDLE, root)
    export_imported(root / imported.folder, tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == (campaign.root / BUNDLE).read_bytes()


def test_edits_whose_seals_and_hashes_are_set_anew_are_refuted(campaign, tmp_path):
    manifest, contents = read(campaign.root / BUNDLE)
    draw, path, survived = random.Random(SEED), tmp_path / "forged.zip", []
    documents = [entry["path"] for entry in manifest["files"] if Path(entry["path"]).name in DRAWN]
    for number in range(EDITS):
        name = documents[number % len(documents)]
        place, changed = change_numbers(contents, draw, name)
        if place.startswith(DECLARED):
            continue
        sealed = json.loads(contents[name]).get(SEAL)
        text = changed[name] if sealed else json.dumps(_unseal(json.loads(changed[name]))).encode()
        files = [_name(entry, text) if entry["path"] == name else entry for entry in manifest["files"]]
        path.write_bytes(write(seal({**manifest, "files": files}), {**contents, name: text}))
        own = DRAWN[Path(name).name]
        refuted = [claim.subject for claim in verify_bundle(path).claims if claim.word == "refuted"]
        if not any(own in subject.split() for subject in refuted):  # not only what has its digest
            survived.append(f"{name}: {place}")
    assert survived == []


def _unseal(document):
    return {name: value for name, value in document.items() if name != SEAL}


def _name(entry, text):
    return {**entry, "sha256": sha256_bytes(text), "bytes": len(text)}
