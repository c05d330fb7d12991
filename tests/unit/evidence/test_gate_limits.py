"""What limits a passed gate stands beside it in the same size: on the page, in Markdown, in the terminal."""

import re

import pytest
from edgeproof.bench.made_up_campaigns import make_campaign
from edgeproof.evidence.collecting import collect_evidence
from edgeproof.evidence.gate import check_gate, count_labels
from edgeproof.evidence.rendering import build_view, render_html, render_markdown

PAGE = "results/evidence/trial/report.html"
NOISY = [{}, {"precision": "int8", "kind": "noisy"}, {"precision": "fp16", "kind": "noisy"}]


def show(cells, here):
    return build_view(collect_evidence(make_campaign(here, cells)), PAGE)


def test_noisy_cells_are_said_as_loudly_as_the_gate(here):
    view = show(NOISY, here)
    said = r"Gate passed\. All 3 wanted cells are ok\. 2 of 3 cells noisy[^<]*\."
    assert re.search(rf"<b>{said}</b>", render_html(view))
    assert re.search(said, render_markdown(view))


def test_a_gate_that_nothing_limits_is_said_alone(here):
    assert "<b>Gate passed.</b> The one wanted cell is ok.</span>" in render_html(show([{}], here))


def test_the_terminal_counts_noisy_cells(here):
    passed, text = check_gate(make_campaign(here, NOISY), (), "gate.json")
    assert passed and "Gate of campaign trial passed; cells: 3 ok; 2 noisy" in text


@pytest.mark.parametrize(("label", "count"), [("noisy", 1), ("random_inputs", 0)])
def test_random_inputs_limit_no_gate(label, count):
    assert count_labels([{"labels": [{"label": label, "message": "why"}]}]).total() == count
