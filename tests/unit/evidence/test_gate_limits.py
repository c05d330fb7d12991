"""What limits a passed gate stands beside it in the same size: on the page, in Markdown, in the terminal."""

import re

import pytest
from edgeproof.bench.made_up_campaigns import make_campaign
from edgeproof.comparability.deciding import read_decision
from edgeproof.core.closing import MOST, compose_closing
from edgeproof.core.layout import comparison_folder
from edgeproof.evidence import gate_words
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


def test_many_verdicts_are_told_in_order_of_urgency(campaign, tmp_path, monkeypatch):
    monkeypatch.setattr(gate_words, "_TOLD", 2)
    text = check_gate(campaign, [], tmp_path / "gate.json")[1]
    told = [line.partition(":")[0] for line in text.splitlines() if re.match(r"[a-z-]+: \w", line)]
    assert told[0] == "faster" and told[1] in ("undecided", "two-boards")
    assert f"… and {len(campaign['comparisons']) - 2} more comparisons" in text


def test_what_may_be_deployed_is_told_with_the_verdicts(campaign, tmp_path):
    text = check_gate(campaign, [], tmp_path / "gate.json")[1]
    told = next(part for part in text.split("\n\n") if part.startswith("Deployment: "))
    decided = {name: read_decision(f"{comparison_folder(campaign['campaign'], name)}/decision.json")["decision"]
               for name in campaign["comparisons"]}  # fmt: skip
    wanted = {
        f"{outcome.replace('_', ' ')} ({', '.join(name for name, own in decided.items() if own == outcome)})"
        for outcome in decided.values()
    }
    assert set(" ".join(told.removeprefix("Deployment: ").split()).split("; ")) == wanted


def test_a_failed_and_an_unsupported_cell_end_a_run_in_ten_lines_with_their_reasons(here):
    cells = [{}, {"precision": "int8", "kind": "crashed"}, {"precision": "fp16", "kind": "unsupported"}]
    sides = [("digits-cnn", "ort-cpu", "desk", "fp32")] * 2
    comparisons = [{"name": f"c-{number}", "left": sides[0], "right": sides[1]} for number in range(12)]
    lines = compose_closing(check_gate(make_campaign(here, cells, comparisons), [], "gate.json")[1], [])
    assert len(lines) <= MOST
    assert lines[0].startswith("c-")
    shut = lines.index("GATE NOT PASSED: 2 of 3 cells of campaign trial are not ok.")
    assert "failed" in lines[shut + 1] and "unsupported" in lines[shut + 2]
    assert lines[-2] == "Every number and reason: results/evidence/trial/report.html"
