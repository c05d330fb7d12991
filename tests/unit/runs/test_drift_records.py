"""What a session's drift control says: the changes found in the agent's points, in words."""

import numpy as np
import pytest
from edgeproof.bench.made_up_pairs import make_drift
from edgeproof.core.formatting import plain
from edgeproof.runs.drift_records import describe_drift, say_changes


def drift_of(slowdown, points=12, seconds=110.0):
    return make_drift(seconds, slowdown, np.random.default_rng(5), points)


def test_a_machine_that_slows_down_is_named_with_when_and_how_much():
    found = describe_drift(drift_of(0.25))
    assert [(change["after_s"], change["before_s"]) for change in found["changes"]] == [(50.0, 60.0)]
    assert found["changes"][0]["ratio"] == pytest.approx(1.25, abs=0.01) and found["reason"] is None
    assert [plain(words) for words in say_changes(found)] == ["the machine became 25 % slower after 50 to 60 s"]
    assert [plain(words) for words in say_changes(describe_drift(drift_of(-0.2)))] == [
        "the machine became 20 % faster after 50 to 60 s"
    ]


def test_a_steady_machine_is_not_named():
    found = describe_drift(drift_of(0.0))
    assert (found["changes"], found["reason"], say_changes(found)) == ([], None, [])


def test_an_incomplete_point_is_kept_and_not_used():
    record = drift_of(0.0)
    record["points"][-2] |= {"complete": False, "mean_ns": 9_000_000}
    found = describe_drift(record)
    assert found["changes"] == [] and found["points"] == record["points"]


def test_few_points_and_no_control_say_nothing():
    found = describe_drift(drift_of(0.25, points=4))
    assert found["changes"] == [] and found["reason"] == "4 points are too few; 5 are needed"
    assert describe_drift(None) is None and say_changes(None) == []


def test_describing_again_changes_nothing():
    found = describe_drift(drift_of(0.25))
    assert describe_drift(found) == found
