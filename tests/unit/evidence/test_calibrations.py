"""The section on calibrations: one entry per device, in words that fit its fitness."""

import pytest
from edgeproof.evidence.calibrations import describe_calibrations
from edgeproof.evidence.collecting import collect_evidence

from .conftest import NOISE

PAGE = "results/evidence/trial/report.html"


@pytest.fixture
def devices(campaign):
    items = collect_evidence(campaign, noise_paths=NOISE).calibrations
    return {device["device"]: device for device in describe_calibrations(items, PAGE)}


def test_fitness_in_words_and_a_state(devices):
    assert (devices["desk"]["words"], devices["desk"]["state"]) == ("fit", "ok")
    assert devices["desk"]["sentence"].startswith("Fit: ")
    assert devices["board"]["words"] != "fit" and devices["board"]["reasons"]
    assert [devices[name]["simulated"] for name in ("desk", "board")] == [False, True]


def test_spread_between_sessions_needs_two(devices):
    texts = {name: device["facts"][3]["text"] for name, device in devices.items()}
    assert texts["desk"].endswith("%") and texts["board"] is None


def test_drawing_has_one_row_per_session_and_one_dot_per_pair(devices):
    assert [len(row["dots"]) for row in devices["desk"]["drawing"]["rows"]] == [10, 10]
    assert [session["pairs"] for session in devices["desk"]["sessions"]] == ["10 pairs", "10 pairs"]


def test_links_are_relative_to_the_page(devices):
    hrefs = [link["href"] for link in devices["desk"]["links"]]
    assert hrefs == ["../../calibration/desk/noise.json", "../../calibration/desk/pairs.csv"]


def test_campaign_without_calibrations_has_no_entry():
    assert describe_calibrations([], PAGE) == []
