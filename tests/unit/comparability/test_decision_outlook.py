"""What a campaign can show of its criteria at best, told before anything is measured, as it will be judged then."""

from pathlib import Path

import pytest
from edgeproof.comparability.criteria import judge_criterion, read_criteria
from edgeproof.comparability.decision_outlook import (
    SampleSets,
    can_decide_accuracy,
    count_evaluation_samples,
    count_starts,
    describe_outlook,
    find_protocol,
)
from edgeproof.comparability.quantities import RunEvidence, find_in_run
from edgeproof.core.catalogues import read_catalogue
from edgeproof.core.headlines import find_headline_percentiles

CONFIG = Path(__file__).resolve().parents[3] / "config"
PROTOCOLS = read_catalogue("protocol", CONFIG)


def criteria(name="interactive"):
    return read_criteria(CONFIG / f"criteria/{name}.yaml")


def judge_accuracy(count, gained=0, lost=0):
    """Return the line of the criterion of accuracy for a parity of these answers."""
    accuracy = {"gained": gained, "lost": lost, "count": count, "difference": (gained - lost) / count}
    parity = {"status": "passed", "provenance": "measured", "trivial": False, "accuracy": accuracy}
    asked = next(item for item in criteria()["criteria"] if item["id"] == "accuracy")
    return judge_criterion(asked, find_in_run(asked, RunEvidence({}, [], parity)))


def test_the_number_of_samples_is_the_first_with_which_equal_answers_pass():
    needed = count_evaluation_samples(criteria())
    assert judge_accuracy(needed)["verdict"] == "pass"
    assert judge_accuracy(needed - 1)["verdict"] == "unknown"


def test_the_reason_names_the_number_that_would_decide():
    line = judge_accuracy(100)
    assert f"about {count_evaluation_samples(criteria())} evaluation samples would decide it" in line["reason"]
    line = judge_accuracy(400, gained=1, lost=2)
    assert line["reason"].endswith("if answers differ as often")
    needed = int(line["reason"].split("about ")[1].split(" ")[0].replace(",", ""))
    share = needed / 400
    assert needed > 400 and judge_accuracy(needed, round(share), round(2 * share))["verdict"] == "pass"
    assert "no number of samples decides that" in judge_accuracy(100, lost=1)["reason"]


def test_the_starts_are_those_that_an_interval_of_the_percentile_needs():
    starts = count_starts(criteria())
    assert starts.most and starts.most["id"] == "warm-p99"
    able = [[1.0 + k / 1000 for k in range(200)]] * starts.processes
    assert find_headline_percentiles(able, [0.99])[0].low is not None
    assert find_headline_percentiles(able[1:], [0.99])[0].low is None


@pytest.mark.parametrize(
    ("name", "protocol"), [("interactive", "standard"), ("edge", "standard"), ("first-answer", "cold")]
)
def test_the_shortest_protocol_with_enough_starts(name, protocol):
    assert find_protocol(criteria(name), PROTOCOLS) == protocol
    assert find_protocol(criteria(name), {"quick": PROTOCOLS["quick"]}) is None


def test_what_is_told_of_too_few_samples_and_starts():
    accuracy, starts = describe_outlook("interactive", criteria(), SampleSets(200, 100, True), "quick", PROTOCOLS)
    assert accuracy == (
        "100 samples that evaluate show accuracy within ±3.7 points at best; criteria interactive allow 1 point, so a "
        "comparison can only end with insufficient evidence: it takes 381 that evaluate, 581 in all, and more if "
        "answers differ."
    )
    assert starts == (
        "Criterion warm-p99 of interactive needs 10 starts; protocol quick has 5, protocol standard has enough."
    )


def test_what_is_told_where_accuracy_is_not_measured_and_where_all_is_enough():
    told = describe_outlook("interactive", criteria(), SampleSets(256, 64, False), "standard", PROTOCOLS)
    assert len(told) == 1 and "not measured here" in told[0] and "at least 581 labelled samples" in told[0]
    told = describe_outlook("interactive", criteria(), SampleSets(200, 400, True), "standard", PROTOCOLS)
    assert len(told) == 1 and told[0].endswith("enough if (almost) all answers agree.")
    assert can_decide_accuracy(criteria(), SampleSets(200, 400, True))
    assert not can_decide_accuracy(criteria(), SampleSets(200, 380, True))
    assert not can_decide_accuracy(criteria(), SampleSets(256, 500, False))


def test_a_protocol_with_too_few_samples_says_so():
    few = {"quick": PROTOCOLS["quick"] | {"processes": 10, "min_samples": 16}}
    told = describe_outlook("interactive", criteria(), SampleSets(200, 400, True), "quick", few)
    assert "10 starts and 662 samples" in told[1] and "no protocol of config/protocols/ has enough" in told[1]
