"""A served family in a bundle: its raw answers go with it, and its figures are computed again from them."""

import json

import pytest
from edgeproof.bench.made_up_campaigns import make_campaign, write_wanted
from edgeproof.bundles.bundle_files import list_campaign_files
from edgeproof.bundles.campaign_claims import check_campaign
from edgeproof.core.documents import write_sealed
from edgeproof.core.files import sha256_file
from edgeproof.core.layout import family_folder

from ..adaptation.made_up_server import write_service

FOLDER = "results/evidence/trial"


@pytest.fixture
def served(tmp_path, monkeypatch):
    """The path of service.json in a campaign that serves one family; its folder is the current one."""
    monkeypatch.chdir(tmp_path)
    snapshot = make_campaign(tmp_path, [{}]) | {"services": [["sums", "desk"]]}
    place = tmp_path / family_folder("sums", "desk")
    place.mkdir(parents=True)
    (place / "family.json").write_text("{}")
    write_wanted(FOLDER, snapshot)
    for name in ("report.html", "report.md"):
        (tmp_path / FOLDER / name).write_text("a page")
    return write_service(place, sha256_file(place / "family.json"))


def test_its_raw_answers_are_packed(served):
    roles = {item.path: item.role for item in list_campaign_files("trial")[0]}
    folder = family_folder("sums", "desk")
    found = {name: roles[f"{folder}/{name}"] for name in ("service.json", "service.npz", "family.json")}
    assert found == {"service.json": "document", "service.npz": "raw", "family.json": "document"}


@pytest.mark.parametrize(("rate", "word"), [(None, "recomputed"), (9e9, "refuted")])
def test_its_figures_are_computed_again(served, rate, word):
    document = json.loads(served.read_text())
    if rate is not None:
        document["capacity"]["holds"] = rate
        del document["document_sha256"]
        write_sealed(served, document, "service")
    (claim,) = [claim for claim in check_campaign("trial", [], "asserted") if claim.subject == "service sums/desk"]
    assert claim.word == word
