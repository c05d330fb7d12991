"""The section on calibrations: one entry per calibrated cell, with what a verdict costs on it."""

import re

import pytest
from edgeproof.evidence.calibrations import describe_calibrations, summarise_calibration
from edgeproof.evidence.collecting import collect_evidence

from .conftest import NOISE

PAGE = "results/evidence/trial/report.html"


@pytest.fixture
def items(campaign):
    return collect_evidence(campaign, noise_paths=NOISE).calibrations


@pytest.fixture
def cells(items):
    return {cell["title"].rsplit(" ")[-1]: cell for cell in describe_calibrations(items, PAGE)}


def test_each_cell_has_an_entry_of_its_own(cells):
    assert [cells[name]["title"] for name in ("desk", "board")] == [
        "digits-cnn · ort-cpu · fp32 · desk",
        "digits-cnn · ort-cpu · fp32 · board",
    ]
    assert cells["desk"]["anchor"] == "calibration-digits-cnn-ort-cpu-desk-fp32"
    assert [cells[name]["simulated"] for name in ("desk", "board")] == [False, True]


def test_costs_of_four_differences(cells):
    costs = {line["effect"].replace("\u202f", " "): line["cost"] for line in cells["desk"]["expected"]}
    assert list(costs) == ["1 %", "2 %", "5 %", "10 %"]
    assert costs["2 %"] == "more pairs than the test allows: it is as large as the margin"
    assert re.fullmatch(r"about \d+ pairs, [\d.]+\u202fs", costs["5 %"])


def test_one_sentence_says_spread_and_cost_beyond_the_margin(items):
    words = summarise_calibration(items[0].noise).replace("\u202f", " ")
    assert re.fullmatch(r"a pair varies by 0\.\d+ %; a difference of 5 % takes about \d+ pairs, [\d.]+ s", words)
    assert summarise_calibration(items[0].noise | {"log_sd": None, "expected": []}).startswith("one pair ")


def test_facts(cells):
    facts = {fact["name"]: fact for fact in cells["desk"]["facts"]}
    assert facts["Time of one pair"]["text"] == "2.0\u202fs"
    assert facts["Correlation of neighbouring pairs"]["more"] == "assumed, for want of pairs"
    assert facts["Calls itself different"]["text"].endswith("%")


def test_drawing_has_one_row_per_session_and_one_dot_per_pair(cells):
    assert [len(row["dots"]) for row in cells["desk"]["drawing"]["rows"]] == [10, 10]
    assert [session["pairs"] for session in cells["desk"]["sessions"]] == ["10 pairs", "10 pairs"]


def test_links_are_relative_to_the_page(cells):
    hrefs = [link["href"] for link in cells["desk"]["links"]]
    folder = "../../calibration/digits-cnn/ort-cpu/desk/fp32/quick"
    assert hrefs == [f"{folder}/noise.json", f"{folder}/pairs.csv"]


def test_campaign_without_calibrations_has_no_entry():
    assert describe_calibrations([], PAGE) == []
