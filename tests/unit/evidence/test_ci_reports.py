"""The gate for a forge: XML that parses, commands on one line each, a comment of at most 20 lines."""

from xml.etree import ElementTree

import pytest
from edgeproof.evidence.ci_reports import render_annotations, render_comment, render_junit
from edgeproof.evidence.gate import judge_campaign
from edgeproof.evidence.stale import Stale


@pytest.fixture
def judged(campaign):
    return judge_campaign(campaign, ["throttled", "unsupported"], stale=[Stale("results/a.json", ("threads: 0 → 1",))])


def test_junit_has_a_case_for_everything_that_was_judged(judged, campaign):
    root = ElementTree.fromstring(render_junit(judged))
    suites = {suite.get("name"): suite for suite in root}
    assert list(suites) == ["cells", "comparisons", "documents"]
    cells = {case.get("name"): case for case in suites["cells"]}
    assert len(cells) == len(campaign["cells"])
    failing = [name for name, case in cells.items() if case.find("failure") is not None]
    skipped = [name for name, case in cells.items() if case.find("skipped") is not None]
    assert str(len(failing)) == suites["cells"].get("failures") and "squeezenet/ort-cpu/desk/fp16" in failing
    assert skipped == ["squeezenet/ort-cpu/desk/int8"] and suites["cells"].get("skipped") == "1"
    assert "<script>alert('x')</script>" in cells["digits-cnn/ort-cpu/desk/int8-dynamic"].find("failure").text
    told = {case.get("name"): case.findtext("system-out") for case in suites["comparisons"]}
    assert set(told) == set(campaign["comparisons"]) and told["faster"].startswith("int8 is 1.67 times as fast")
    assert "threads: 0 → 1; snakemake" in suites["documents"][0].find("failure").text


def test_what_xml_cannot_hold_is_replaced(judged):
    judged.cells[0] |= {"state": "failing", "reasons": ["a\x00b\x1b[31m\ud800"]}
    failure = ElementTree.fromstring(render_junit(judged)).find(".//failure")
    assert failure.text == "a�b�[31m�"


def test_annotations_are_one_line_each_and_escaped(judged):
    judged.cells[0] |= {"state": "failing", "reasons": ["50 % of it\nis: gone"]}
    lines = render_annotations(judged).splitlines()
    first = "::error title=cells%3A digits-cnn/ort-cpu/desk/fp32::50 %25 of it%0Ais: gone"
    assert lines[0] == first
    assert all(line.startswith(("::error title=", "::warning title=", "::notice title=")) for line in lines)
    assert any(line.startswith("::notice title=comparisons%3A faster::int8 is 1.67") for line in lines)


def test_a_comment_has_at_most_20_lines_whatever_the_campaign(judged, campaign):
    judged.comparisons.extend(campaign["comparisons"] * 30)
    judged.cells.extend(judged.cells * 30)
    text = render_comment(judged)
    assert len(text.splitlines()) <= 20
    assert text.startswith("**Gate of campaign trial not passed.** Cells: ")
    assert "<script>" not in text and "- and " in text


def test_a_gate_that_passes_says_so(campaign, monkeypatch):
    cells = [cell for cell in campaign["cells"] if cell[3] in ("fp32", "int8") and cell[0] == "digits-cnn"]
    text = render_comment(judge_campaign({**campaign, "cells": cells, "comparisons": ["faster"]}, []))
    assert text.startswith("**Gate of campaign trial passed.** Cells: ")
    assert "- faster: int8 is 1.67 times as fast as fp32" in text and "Not passed" not in text
