"""Contention as it is measured: what follows from times, and the whole on stages of a moment."""

import sys

import pytest
from edgeproof.bench.contention_trials import Setting, find_factors, predict_times, run_trials
from edgeproof.core.documents import validate
from edgeproof.core.processes import child_environment


def test_factors_follow_from_what_is_lost_while_both_run():
    """Left takes 4 ms alone and 6 beside right, which takes 5 alone and 7 here: they overlap for 6 ms."""
    found = find_factors({"left": 4, "right": 5}, {"left": (0, 6), "right": (0, 7)})
    assert found == pytest.approx({"left": 1 / (1 - 2 / 6), "right": 1 / (1 - 2 / 6)})


def test_stages_that_do_not_meet_or_are_faster_have_no_contention():
    assert find_factors({"left": 4, "right": 5}, {"left": (0, 4), "right": (5, 10)}) == {"left": 1, "right": 1}
    assert find_factors({"left": 4, "right": 5}, {"left": (0, 3), "right": (0, 4)}) == {"left": 1, "right": 1}


def test_what_is_foretold_follows_by_arithmetic():
    """Left loses a third beside right, which loses nothing: 2 ms of left last 3 ms."""
    assert predict_times({"left": 2, "right": 6}, {"left": 1.5, "right": 1}) == {"left": 3, "right": 6}
    assert predict_times({"left": 2, "right": 6}, {"left": 1, "right": 1}) == {"left": 2, "right": 6}


@pytest.mark.campaign  # nine sets of processes
def test_trials_run_to_a_document(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", child_environment(sys.executable)["PYTHONPATH"])
    told = []
    document = run_trials(Setting(tmp_path, width=16, rounds=1, calls=3), told.append)
    validate(document, "bench-contention", "here")
    assert [case["matrices"] for case in document["cases"]] == [[1, 2], [2, 1], [3, 2]] and len(told) == 3
    for case in document["cases"]:
        for row in case["stages"]:
            assert row["predicted_slowdown"] / row["measured_slowdown"] - 1 == pytest.approx(row["error"])
    errors = [abs(row["error"]) for case in document["cases"] for row in case["stages"]]
    assert document["met"] == (max(errors) <= document["limit"])
