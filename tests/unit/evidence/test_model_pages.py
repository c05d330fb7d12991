"""The report of a large campaign: a small first page, one page per model, and links that all lead somewhere."""

import os
import re
from pathlib import Path

import pytest
from edgeproof.bench.made_up_campaigns import make_campaign
from edgeproof.core import pages
from edgeproof.core.pages import list_model_pages, list_page_models
from edgeproof.evidence.collecting import collect_evidence
from edgeproof.evidence.first_page import describe_first_page
from edgeproof.evidence.model_parts import split_evidence
from edgeproof.evidence.rendering import write_report
from edgeproof.evidence.stale import Stale

from .conftest import CELLS, COMPARISONS, NOISE
from .parsed_page import Page

MODELS = ["digits-cnn", "squeezenet"]
STALE = Stale("results/runs/squeezenet/ort-cpu/desk/fp32/result.json", ("threads: 0 → 1",))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The folder of a report whose campaign is too large for one page; read it, do not write to it."""
    folder, before = tmp_path_factory.mktemp("large"), os.getcwd()
    os.chdir(folder)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pages, "CELLS_ON_ONE_PAGE", 4)
            snapshot = make_campaign(folder, CELLS, COMPARISONS)
            out = folder / "results/evidence/trial"
            write_report(snapshot, [], out / "report.html", out / "report.md", (), None, [STALE])
            yield out
    finally:
        os.chdir(before)


def parse(path):
    return Page(path.read_text())


@pytest.fixture
def evidence(campaign):
    return collect_evidence(campaign, [], NOISE, None, [STALE])


def test_a_small_campaign_has_one_page():
    assert list_page_models([["a"]] * 40, ["x"] * 40) == []
    assert list_page_models([["a"]] * 40 + [["b"]], []) == ["a", "b"]
    assert list_page_models([["a"]], ["x"] * 41) == ["a"]
    assert list_model_pages("big", [["a"]] * 41, []) == [
        "results/evidence/big/models/a.html",
        "results/evidence/big/models/a.md",
    ]


@pytest.mark.parametrize("name", ["report.html", *(f"models/{model}.html" for model in MODELS)])
def test_every_page_is_whole_and_every_link_leads_somewhere(written, name):
    page = parse(written / name)
    assert not page.open
    assert len(page.ids) == len(set(page.ids))
    assert set(filter(None, page.references)) <= set(page.ids)
    assert not {"link", "img", "iframe"} & {tag for tag, _ in page.tags}
    for link in filter(None, page.links):
        target, _, anchor = link.partition("#")
        path = (written / name).parent / target
        assert path.exists(), link
        assert not anchor or anchor in parse(path).ids, link


def test_the_first_page_says_what_was_asked_what_is_true_how_sure_and_what_failed_in_this_order(written):
    text = (written / "report.html").read_text()
    places = [
        text.index("Asked: 10 cells"),
        text.index("int8 is 1.67 times as fast as fp32"),
        text.index('class="counts"'),
        text.index("How sure"),
        text.index("Gate not passed."),
        text.index('class="failures"'),
        text.index('class="models'),
    ]
    assert places == sorted(places)
    assert all(f'<a href="models/{model}.html">{model}</a>' in text for model in MODELS)
    assert 'class="row' not in text  # no chart
    assert "<article" not in text  # and no comparison in full


def test_a_model_has_all_that_one_page_would_have(written):
    text = (written / "models/digits-cnn.html").read_text()
    for section in ("cells", "latency", "comparisons", "percentiles", "outputs", "environment", "limits", "digests"):
        assert f'<section id="{section}">' in text
    assert "squeezenet · ort-cpu" in text  # the other side of a comparison
    assert 'href="squeezenet.html#cell-squeezenet-ort-cpu-desk-fp32"' in text
    assert '<a href="../report.html">trial</a>' in text
    assert not re.search(r'<tr id="cell-squeezenet', text)


def test_the_same_facts_stand_in_markdown(written):
    first = (written / "report.md").read_text()
    assert first.startswith("# trial\n\nAsked: 10 cells")
    assert "| [digits-cnn](models/digits-cnn.md) |" in first
    assert "## What failed" in first
    page = (written / "models/squeezenet.md").read_text()
    assert page.startswith("# squeezenet\n")
    assert "Shuts the gate." in page
    assert "[trial](../report.md)" in page
    for line in [line for line in first.splitlines() if line.startswith("|")]:
        assert line.count("|") == 5


def test_pages_of_models_that_are_gone_are_removed(here, monkeypatch):
    cells = [{"model": model} for model in ("one", "two", "three")]
    out = Path("results/evidence/trial")
    monkeypatch.setattr(pages, "CELLS_ON_ONE_PAGE", 1)
    write_report(make_campaign(here, cells), (), out / "report.html", out / "report.md")
    write_report(make_campaign(here, cells[:2]), (), out / "report.html", out / "report.md")
    names = {f"{model}.{kind}" for model in ("one", "two") for kind in ("html", "md")}
    assert {path.name for path in (out / "models").iterdir()} == names
    write_report(make_campaign(here, cells[:1]), (), out / "report.html", out / "report.md")
    assert not (out / "models").exists()


def test_a_part_holds_what_is_about_its_model(evidence):
    parts = split_evidence(evidence, MODELS)
    assert sum(len(part.cells) for part in parts.values()) == len(evidence.cells)
    names = {model: [item.report["comparison"] for item in part.comparisons] for model, part in parts.items()}
    assert names["squeezenet"] == ["refused"]
    assert names["digits-cnn"] == [options["name"] for options in COMPARISONS]
    assert [len(part.calibrations) for part in parts.values()] == [2, 0]
    assert [part.stale for part in parts.values()] == [(), (STALE,)]


def test_verdicts_left_out_name_the_page_that_has_them(evidence):
    many = evidence._replace(comparisons=evidence.comparisons * 3)
    view = describe_first_page(many, split_evidence(many, MODELS), "results/evidence/trial/report.html")
    verdicts = view["verdicts"]
    assert [row["state"] for row in verdicts["shown"][:3]] == ["faster"] * 3
    assert verdicts["rest"] == len(many.comparisons) - len(verdicts["shown"])
    assert verdicts["pages"] == [{"model": "digits-cnn", "href": "models/digits-cnn.html", "count": verdicts["rest"]}]


def test_models_that_shut_the_gate_come_first(evidence):
    rows = describe_first_page(evidence, split_evidence(evidence, MODELS), "report.html")["models"]
    assert {row["state"] for row in rows} == {"failing"}
    calm = evidence._replace(
        cells=[
            item._replace(verdict={**item.verdict, "state": "ok"}) if item.cell.model == "digits-cnn" else item
            for item in evidence.cells
        ]
    )
    rows = describe_first_page(calm, split_evidence(calm, MODELS), "report.html")["models"]
    assert [(row["model"], row["state"]) for row in rows] == [("squeezenet", "failing"), ("digits-cnn", "ok")]
    assert "2\u202ffailed" in rows[0]["states"] and "1 stale document" in rows[0]["states"]


def test_noisy_headlines_are_counted_and_marked(here):
    cells = [{}, {"precision": "int8", "kind": "noisy"}]
    evidence = collect_evidence(make_campaign(here, cells))
    view = describe_first_page(evidence, split_evidence(evidence, ["digits-cnn"]), "report.html")
    assert view["models"][0]["marks"] == ["ok", "tolerated"]
    assert [line["name"] for line in view["counts"]] == ["2 cells", "headlines"]
    assert {"state": "tolerated", "words": "1\u202fnoisy"} in view["counts"][1]["items"]
