"""What a report cannot say."""

import re

from edgeproof.bench.made_up_campaigns import make_campaign
from edgeproof.evidence.collecting import collect_evidence
from edgeproof.evidence.limits import list_limits


def test_everything_left_open_is_said(campaign):
    found = list_limits(collect_evidence(campaign))
    limits = {limit["title"]: limit["text"] for limit in found}
    energy = [
        re.match(r"Not measured for (\d+) of 10 cells?: ", each["text"]) for each in found if each["title"] == "Energy"
    ]
    assert next(iter(limits)) == "Simulated"
    assert limits["Simulated"].startswith("1 of 10 cells is simulated, not measured: digits-cnn · fake · fp32 · desk.")
    assert limits["No number"].startswith("3 of 10 cells are without a latency: ")
    assert limits["Noisy"].startswith("1 of 10 cells is noisy: ")
    assert "does not compute" in limits["Outputs differ"] or "do not compute" in limits["Outputs differ"]
    assert "for refused;" in limits["No difference"]
    assert limits["Starts"].startswith("A difference holds for starts like those seen")
    assert sum(int(each[1]) for each in energy) == 10
    assert "p99.9 of 7 cells" in limits["Percentiles withheld"]
    assert "labels" in limits["Accuracy unknown"]


def test_a_clean_campaign_still_has_its_limits(here):
    titles = [limit["title"] for limit in list_limits(collect_evidence(make_campaign(here, [{}])))]
    assert titles == [
        "One session",
        "Rows are not differences",
        "Percentiles withheld",
        "Energy",
        "One request at a time",
    ]


def test_what_was_measured_elsewhere_is_named(here):
    evidence = collect_evidence(make_campaign(here, [{}]))
    foreign = evidence.cells[0]._replace(result=evidence.cells[0].result | {"elsewhere": True})
    limits = {limit["title"]: limit["text"] for limit in list_limits(evidence._replace(cells=[foreign]))}
    assert limits["Measured elsewhere"].startswith("1 of 1 cell is measured on another machine than this one: ")


def test_long_lists_are_cut(here):
    cells = [{"device": f"desk-{number}", "kind": "simulated"} for number in range(9)]
    text = list_limits(collect_evidence(make_campaign(here, cells)))[0]["text"]
    assert "and 5 more" in text


def test_throughput_is_called_a_mean_and_shared_errors_are_named(campaign):
    evidence = collect_evidence(campaign)
    limits = {limit["title"]: limit["text"] for limit in list_limits(evidence)}
    assert "It is a mean, so calls that the machine stalled count in full" in limits["One request at a time"]
    assert "Comparisons share their errors" not in limits
    for item in evidence.comparisons:
        item.report["design"] = {**item.report["design"], "comparisons": 4, "level": 0.0125}
    limits = {limit["title"]: limit["text"] for limit in list_limits(evidence)}
    told = limits["Comparisons share their errors"].replace("\u202f", " ")
    assert told.startswith("The campaign has 4 comparisons, which share 5 % of error") and "holds at 98.75 %" in told
