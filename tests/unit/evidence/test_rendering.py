"""The page and its Markdown: whole, escaped, self-contained, and the same facts in both."""

import contextlib
import re

import pytest
from edgeproof.bench.made_up_campaigns import make_campaign
from edgeproof.evidence.collecting import collect_evidence
from edgeproof.evidence.rendering import SaidOnce, build_view, escape_markdown, mark_code, render_html, render_markdown

from .conftest import MARKUP, NOISE
from .parsed_page import Page

PAGE = "results/evidence/trial/report.html"


@pytest.fixture(scope="module")
def view(everything):
    """What the page of the campaign shows; read it, do not change it."""
    folder, snapshot = everything
    with contextlib.chdir(folder):
        return build_view(collect_evidence(snapshot, [], NOISE), PAGE)


def test_page_is_well_formed(view):
    page = Page(render_html(view))
    assert not page.open
    assert len(page.ids) == len(set(page.ids))
    assert set(filter(None, page.references)) <= set(page.ids)


def test_page_loads_nothing(view):
    text = render_html(view)
    page = Page(text)
    assert not {"link", "img", "iframe"} & {tag for tag, _ in page.tags}
    assert [values for tag, values in page.tags if tag == "script"] == [{}]  # ours, in the page
    assert not re.search(r"\bfetch\(|XMLHttpRequest|WebSocket|sendBeacon|import\(", text)
    assert not re.search(r"https?://|@import|url\((?!#)", text)
    assert all(link.startswith("../../") for link in page.links if link)


def test_every_value_is_escaped(view):
    text = render_html(view)
    assert text.count("<script") == 1
    assert text.count("&lt;script&gt;") >= 5


def test_drawings_and_tables_can_be_read_aloud(view):
    page = Page(render_html(view))
    drawings = [values for tag, values in page.tags if tag == "svg"]
    assert all("aria-labelledby" in values or values.get("aria-hidden") or "viewbox" in values for values in drawings)
    assert sum(values.get("role") == "img" for values in drawings) == 21  # six of them are drift controls
    assert all("scope" in values for tag, values in page.tags if tag == "th")


def test_a_pair_that_may_not_be_compared_shows_no_number(view):
    page = Page(render_html(view))
    refused, _, deployment = page.articles["comparison-refused"].partition("Deployment, right side")
    assert "not comparable" in refused
    assert not re.search(r"Time right|\d\s*%|[−+]\d|threshold", refused)
    assert "100\u202fms" in deployment  # of the right side alone
    assert not re.search(r"Time right|faster|slower", deployment)
    assert "Time right / left" in page.articles["comparison-faster"]
    assert "Time right / left" in page.articles["comparison-shaky"]  # a noisy headline vetoes no comparison
    line = next(line for line in render_markdown(view).splitlines() if line.startswith("- **refused**"))
    assert not re.search(r"Time right|\d\s*%|margin", line)


def test_simulated_cells_are_marked_wherever_they_appear(view):
    text = render_html(view)
    assert "1 of 10 cells is simulated" in text
    assert text.count(">simulated</span>") >= 3  # cells, drawing, percentiles, outputs


def test_each_comparison_shows_its_regression_and_its_decision(view):
    page = Page(render_html(view))
    faster, shaky = page.articles["comparison-faster"], page.articles["comparison-shaky"]
    assert "no regression" in faster and "slower by 15" in faster
    assert "Insufficient evidence" in faster and "2 pass, 3 unknown" in faster
    refused = page.articles["comparison-refused"]
    assert "not judged" in refused and "threshold" not in refused
    assert "no regression" in shaky and "in these 5 starts" in shaky
    assert {
        "../../comparability/trial/faster/regression.json",
        "../../comparability/trial/faster/decision.json",
    } <= set(page.links)
    text = render_markdown(view)
    assert text.count("  - Regression: **") == text.count("  - Deployment: **") == len(view["comparisons"])


def test_what_a_verdict_costs(view):
    page = Page(render_html(view))
    desk, board = (page.articles[f"calibration-digits-cnn-ort-cpu-{device}-fp32"] for device in ("desk", "board"))
    assert "about" in desk and "simulated" not in desk
    assert "simulated" in board
    text = render_markdown(view)
    assert "## Calibration: what a verdict costs" in text
    assert "- **digits-cnn · ort-cpu · fp32 · board**, **simulated**: " in text


def test_without_calibration_there_is_no_such_section(here):
    view = build_view(collect_evidence(make_campaign(here, [{}])), PAGE)
    assert 'id="calibration"' not in render_html(view)
    assert "## Calibration" not in render_markdown(view)


def test_verdicts_come_before_the_gate_and_are_said_once(view):
    html, text = render_html(view), render_markdown(view)
    for row in view["verdicts"]["shown"]:
        assert html.count(f">{row['sentence']}</a>") == html.count(row["sentence"]) == 1
        assert text.count(escape_markdown(row["sentence"])) == 1
    assert html.index('class="verdicts"') < html.index('class="gate')
    assert text.index("int8 is 1.67 times as fast as fp32") < text.index("Gate not passed.")


def test_reasons_are_said_once(view):
    text = re.sub(r"<(style|script)>.*?</\1>", "", render_html(view), flags=re.S)
    reasons = re.findall(r'<span class="why" id="why-\d+">(.*?)</span>', text)
    assert len(reasons) == len(set(reasons)) >= 20
    assert len(re.findall(r'<a class="same" href="#why-\d+">', text)) >= 5
    for part in ("the interval within the session is wider than", "The budget ended before the pairs had decided"):
        assert text.count(part) == 1
    assert text.count("differ in model hash") == 1


def test_a_reason_is_given_in_full_once_and_then_linked():
    why = SaidOnce()
    assert why("parity fails (3 outputs, limit 0)") == why("parity fails (3 outputs, limit 0)")  # short: no link
    reason = "one two three `four` five six seven eight nine"
    assert why(reason) == (
        '<span class="why" id="why-1">one two three <code>four</code> five six seven eight nine</span>'
    )
    again = '<a class="same" href="#why-1">one two three four five six …, as above</a>'
    assert why(reason) == again
    assert why(f"accuracy: {reason}.") == f"accuracy: {again}."
    assert 'id="why-2"' in why("<b> is not bold on the page at all")
    assert "&lt;b&gt;" in why("<b> is not bold on the page at all")


def test_no_bracket_is_cut_in_two():
    why = SaidOnce()
    reason = "the cell is refused (its outputs differ from those of the source)"
    assert why(reason) != why(reason)
    assert why(reason).endswith(">the cell is refused …, as above</a>")


def test_the_cause_at_a_reasons_end_is_linked_where_it_stands_alone():
    why = SaidOnce()
    assert 'id="why-1"' in why("accuracy: the set has no labels that anyone knows")
    link = '<a class="same" href="#why-1">the set has no labels that …, as above</a>'
    assert why("the set has no labels that anyone knows") == link


def test_missing_values_are_never_zero(here):
    snapshot = make_campaign(here, [{"kind": "no_artifact"}])
    view = build_view(collect_evidence(snapshot), PAGE)
    row = re.search(r'<tr id="cell-.*?</tr>', render_html(view), re.S)[0]
    assert row.count("not available") >= 3
    assert not re.search(r">\s*0\b", row)


@pytest.mark.parametrize(
    "kind", ["no_artifact", "crashed", "unsupported", "noisy", "throttled", "simulated", "wrong", "trivial"]
)
def test_any_single_cell_makes_a_page(here, kind):
    view = build_view(collect_evidence(make_campaign(here, [{"kind": kind}])), PAGE)
    assert not Page(render_html(view)).open
    assert "asks for no comparison" in render_html(view)
    assert render_markdown(view).startswith("# trial\n\nAsked: 1 cell of digits-cnn")


def test_markdown_has_the_same_facts_and_no_markup(view):
    text = render_markdown(view)
    assert "<script" not in text
    assert escape_markdown(MARKUP) in text
    for group in view["cells"]:
        for row in group["rows"]:
            assert f"{group['model']} · {row['label']} |" in text
            assert row["latency"] is None or row["latency"].replace("\u202f", " ") in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert all(re.sub(r"\\.", "", line).count("|") in (12, 10, 9) for line in tables)
    assert view["digests"][0]["files"][0]["digest"] in text


def test_code_in_remedies_is_marked_and_escaped():
    assert mark_code("set `a<b` now") == "set <code>a&lt;b</code> now"
    assert mark_code("a ` and <b>") == "a ` and &lt;b&gt;"
