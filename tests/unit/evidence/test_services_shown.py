"""What a served family can take, on the report and on the first page of a large one; what is refused."""

import json
import os

import pytest
from edgeproof.bench.made_up_campaigns import make_campaign
from edgeproof.core.documents import write_sealed
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.layout import family_folder
from edgeproof.evidence.collecting import collect_evidence
from edgeproof.evidence.first_page import describe_first_page
from edgeproof.evidence.model_parts import split_evidence
from edgeproof.evidence.rendering import build_view, render_html, render_markdown

from ..adaptation.made_up_server import write_service
from .parsed_page import Page

PAGE = "results/evidence/trial/report.html"


@pytest.fixture
def served(here):
    """(snapshot, path of service.json) of a campaign that serves one family."""
    snapshot = make_campaign(here, [{}]) | {"services": [["sums", "desk"]]}
    folder = here / family_folder("sums", "desk")
    folder.mkdir(parents=True)
    (folder / "family.json").write_text("{}")
    return snapshot, write_service(folder, sha256_file(folder / "family.json"))


def test_report_and_first_page_tell_what_it_can_take(served):
    snapshot, path = served
    document = json.loads(path.read_text())
    evidence = collect_evidence(snapshot)
    view = build_view(evidence, PAGE)
    first = describe_first_page(evidence, split_evidence(evidence, ["digits-cnn"]), PAGE)
    for text in (render_html(view), render_html(first)):
        page = Page(text)
        article = page.articles["service-sums-desk"]
        assert not page.open and "#adaptation" in text
        assert f"{document['capacity']['holds']:.3g} requests a second" in article
        assert article.count("1.00\u202fms") >= 8  # p50 and p99 of four loads
        assert all(
            os.path.isfile(os.path.join(os.path.dirname(PAGE), link)) for link in page.links if "service" in link
        )
    for text in (render_markdown(view), render_markdown(first)):
        assert "## Adaptation" in text and "poisson arrivals" in text


def test_a_server_that_holds_nothing_says_so(served):
    snapshot, _ = served
    item = collect_evidence(snapshot).services[0]
    item.document["capacity"] |= {"holds": None, "fails": 3.0}
    evidence = collect_evidence(snapshot)._replace(services=[item])
    assert "No rate that was tried keeps" in render_markdown(build_view(evidence, PAGE))


def test_an_edited_figure_makes_no_report(served):
    snapshot, path = served
    document = json.loads(path.read_text())
    document["capacity"]["holds"] = 9e9
    del document["document_sha256"]
    write_sealed(path, document, "service")
    with pytest.raises(UserError, match=r"service\.json: capacity\.holds is"):
        collect_evidence(snapshot)


def test_another_family_makes_no_report(served):
    snapshot, path = served
    path.with_name("family.json").write_text("{ }")
    with pytest.raises(UserError, match=r"family_sha256 is not that of .*family\.json; run the workflow again"):
        collect_evidence(snapshot)
