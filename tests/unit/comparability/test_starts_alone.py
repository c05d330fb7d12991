"""Levels that only the starts alone or only the pairs have seen: told where the verdict's figure misses them."""

import math

import numpy as np
import pytest
from edgeproof.comparability.pair_verdicts import judge
from edgeproof.comparability.reading import read_comparison
from edgeproof.comparability.sentences import describe_verdict
from edgeproof.comparability.starts_alone import compare_starts
from edgeproof.core.errors import UserError
from edgeproof.core.formatting import plain
from edgeproof.core.headlines import summarise_headline
from edgeproof.core.pair_values import ProcessValue
from edgeproof.core.sequential import Design
from edgeproof.runs.pair_records import Pair

ONE = {"left": 1, "right": 1}


def cell(*sessions):
    """Return the parts of a result that count, of the times of its starts in ms per session."""
    headline = summarise_headline(sessions, [np.full(len(own), 0.002) for own in sessions])
    ends = headline.interval
    low, high = (ends.low, ends.high) if ends else (None, None)
    return {
        "latency": {
            "median_ms": headline.estimate,
            "interval_low_ms": low,
            "interval_high_ms": high,
            "width": 0.05,
        },
        "processes": [{"session": n, "median_ms": value} for n, own in enumerate(sessions) for value in own],
        "sessions": [{"modes": [{"starts": mode.starts} for mode in part.modes]} for part in headline.sessions],
    }


def pair(left, right):
    values = [ProcessValue(value * 1e6, 0.002) for value in (left, right)]
    return Pair("", "blocks", 1.0, math.log(right / left), *values, 0.0, {}, "")


def compare(left, right, pairs, items=ONE):
    pairs = [pair(*each) for each in pairs]
    judged = judge(pairs, Design(margin=0.02, comparisons=1, correlation=0.2))
    return judged.verdict.verdict, compare_starts({"left": left, "right": right}, pairs, judged, items)


BIMODAL = cell([0.1831, 0.1831, 0.193, 0.3203, 0.3203])
STEADY = cell([0.1368, 0.1369, 0.1370, 0.1369, 0.1369])
SLOW = [(0.334, 0.1366), (0.335, 0.1367), (0.336, 0.1369), (0.335, 0.1366)]


def test_levels_that_no_pair_saw_are_told_with_their_ratio():
    verdict, found = compare(BIMODAL, STEADY, SLOW)
    assert verdict == "faster"
    levels = [(round(each["level_ms"], 4), each["starts"]) for each in found["left"]["unseen_in_pairs"]]
    assert levels == [(0.1831, 2), (0.193, 1)]
    assert [1 / each["ratio"] for each in found["left"]["unseen_in_pairs"]] == pytest.approx([1.337, 1.410], abs=1e-3)
    assert found["right"] == {"starts": 5, "unseen_in_pairs": [], "unseen_alone": []}


def test_the_other_arm_and_the_other_session_count_alike():
    _, found = compare(STEADY, cell([0.1831, 0.1832, 0.1831], [0.3203, 0.3203]), [(b, a) for a, b in SLOW])
    assert [each["starts"] for each in found["right"]["unseen_in_pairs"]] == [3]
    assert found["overlaps"] is None  # two sessions have no interval


def test_what_moves_both_cells_alike_is_no_contradiction():
    slower = [(1.2 * left, 1.2 * right) for left, right in SLOW]
    _, found = compare(cell([0.334, 0.335, 0.336]), cell([0.1366, 0.1367, 0.1369]), slower)
    assert not found["left"]["unseen_in_pairs"] and not found["right"]["unseen_in_pairs"]
    assert found["overlaps"] is True


def test_levels_that_the_pairs_saw_and_no_start_alone():
    pairs = [(0.137, 0.137)] * 2 + [(0.335, 0.137)] * 10
    verdict, found = compare(cell([0.137, 0.1371, 0.137]), STEADY, pairs)
    assert verdict == "undecided" and not found["left"]["unseen_in_pairs"]
    assert [(round(each["level_ms"], 3), each["starts"]) for each in found["left"]["unseen_alone"]] == [(0.335, 10)]
    assert found["left"]["unseen_alone"][0]["ratio"] == found["ratio"]["ratio"] == pytest.approx(1.0, abs=0.01)
    assert not compare(cell([0.137, 0.137, 0.335, 0.335]), STEADY, pairs)[1]["left"]["unseen_alone"]


def test_headlines_that_the_pairs_do_not_confirm():
    _, found = compare(
        cell([0.2, 0.201, 0.2]), cell([0.2, 0.2, 0.201]), [(0.2, 0.193), (0.2, 0.1931), (0.2, 0.193)] * 2
    )
    assert found["overlaps"] is False and found["ratio"]["ratio"] == pytest.approx(1.0, abs=0.01)
    assert not found["left"]["unseen_in_pairs"] and not found["right"]["unseen_in_pairs"]


def test_times_per_item_are_compared_with_times_per_item():
    left = cell([4 * value for value in (0.334, 0.335, 0.336)])
    _, found = compare(left, STEADY, SLOW, {"left": 4, "right": 1})
    assert found["ratio"]["ratio"] == pytest.approx(0.1369 / 0.335, rel=1e-3)
    assert not found["left"]["unseen_in_pairs"]


def test_without_an_interval_there_is_nothing_to_contradict():
    assert compare(BIMODAL, STEADY, SLOW[:2])[1] is None


def test_the_report_has_it_and_it_is_recomputed(room):
    report = room.make(right={"median_ms": 3.0}, ratio=0.6).read("report.json")
    assert report["verdict"] == "faster" and report["alone"]["ratio"]["ratio"] == pytest.approx(3, rel=0.01)
    assert "int8" in plain(describe_verdict(report)).partition("pairs. ")[2]
    room.edit(room.folder / "report.json", lambda document: document["alone"].update(overlaps=True))
    with pytest.raises(UserError, match=r"alone\.overlaps"):
        read_comparison(room.folder / "report.json")
