"""The head of the page."""

import pytest
from edgeproof.bench.made_up_campaigns import make_campaign
from edgeproof.evidence.collecting import collect_evidence
from edgeproof.evidence.overview import describe_overview

from .conftest import NOISE


@pytest.mark.parametrize(
    ("cells", "tolerate", "gate", "sentence"),
    [
        ([{}], [], "ok", "The one wanted cell is ok."),
        ([{}, {"precision": "int8"}], [], "ok", "All 2 wanted cells are ok."),
        ([{}, {"precision": "int8", "kind": "throttled"}], [], "failing", "Of 2 wanted cells: 1 not ok."),
        (
            [{}, {"precision": "int8", "kind": "throttled"}],
            ["throttled"],
            "tolerated",
            "Of 2 wanted cells: 1 throttled, tolerated.",
        ),
        (
            [{"kind": "wrong"}, {"precision": "int8", "kind": "throttled"}],
            ["throttled"],
            "failing",
            "Of 2 wanted cells: 1 not ok; 1 throttled, tolerated.",
        ),
    ],
)
def test_the_gate_in_words(here, cells, tolerate, gate, sentence):
    overview = describe_overview(collect_evidence(make_campaign(here, cells), tolerate))
    assert (overview["gate"], overview["sentence"]) == (gate, sentence)


def test_facts(campaign):
    overview = describe_overview(collect_evidence(campaign, noise_paths=NOISE))
    assert [item["name"].rsplit(" ")[-1] for item in overview["calibrations"]] == ["desk", "board"]
    assert overview["calibrations"][0]["words"].startswith("A pair varies by ")
    assert [item["words"].endswith(" (simulated)") for item in overview["calibrations"]] == [False, True]
    assert overview["period"] == "2027-01-15 08:00 UTC"
    assert [device["name"] for device in overview["devices"]] == ["desk", "board"]
    assert overview["devices"][0]["words"] == "Made-up CPU, x86_64"
    assert overview["protocol"][0]["name"] == "quick"
    assert [model["name"] for model in overview["models"]] == ["digits-cnn", "squeezenet"]
    assert overview["asked"].replace("\u202f", " ") == (
        "Asked: 10 cells of digits-cnn and squeezenet with ort-cpu and fake on desk and board; "
        "6 comparisons with a margin of ±2 %."
    )
    assert overview["title"].startswith("2 equivalent, 2 undecided")


def test_a_simulated_campaign_says_so(here):
    overview = describe_overview(collect_evidence(make_campaign(here, [{"kind": "simulated"}])))
    assert overview["simulated_words"] == "Every number on this page is simulated"
