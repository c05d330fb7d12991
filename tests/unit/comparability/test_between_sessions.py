"""Two devices: whole sessions are the unit, and one on each is not enough for a verdict."""

import numpy as np
import pytest
from edgeproof.comparability.between_sessions import compare_between_sessions
from edgeproof.core.boundaries import FIRST_SESSION, SESSIONS_HORIZON, find_boundary
from edgeproof.core.formatting import plain
from edgeproof.runs.drift_records import say_changed_sessions


def result(device, median_ms):
    cell = {"model": "m", "preset": "p", "device": device, "precision": "fp32"}
    return {"cell": cell, "sessions": [session(median_ms)]}


def session(median_ms, day=0):
    return {"latency": {"median_ms": median_ms}, "started_at_unix_s": 1.8e9 + 86400 * day, "drift": None}


def test_one_session_each_gives_both_numbers_and_what_a_verdict_needs():
    report = compare_between_sessions(result("a", 1.0), result("b", 9.0), 0.02, 1)
    assert (report["verdict"], report["reason"]) == ("undecided", "sessions")
    found = report["between_sessions"]
    assert (found["left_ms"], found["right_ms"]) == (pytest.approx(1), pytest.approx(9))
    assert (found["left_sessions"], found["right_sessions"]) == (1, 1)
    assert found["ratio"] == pytest.approx(9) and found["interval_low"] is None
    assert report["explanation"] == (
        "a verdict needs three sessions on two days of each device: 2 more of m/p/a/fp32 and 2 more of m/p/b/fp32; "
        "`edgeproof runs again m/p/a/fp32 m/p/b/fp32` adds one, on another day"
    )


def three(device, level, days=(0, 0, 1)):
    """Return a result of three sessions of nearly the same level on these days."""
    levels = (level, level * 1.0001, level * 0.9999)
    found = result(device, level)
    return {**found, "sessions": [session(own, day) for own, day in zip(levels, days, strict=True)]}


def test_what_one_device_lacks_is_asked_of_it_alone():
    report = compare_between_sessions(three("a", 1.0), result("b", 2.0), 0.02, 1)
    assert (report["verdict"], report["reason"]) == ("undecided", "sessions")
    assert "2 more of m/p/b/fp32; `edgeproof runs again m/p/b/fp32` adds one" in report["explanation"]
    report = compare_between_sessions(three("a", 1.0), three("b", 2.0, days=(0, 0, 0)), 0.02, 1)
    assert (report["verdict"], report["reason"]) == ("undecided", "days")
    assert "1 more of m/p/b/fp32" in report["explanation"]


def test_the_test_is_welchs_over_session_means():
    left, right = three("a", 1.0), three("b", 1.0)
    for entry, level in zip(right["sessions"], (1.1, 1.3, 1.5), strict=True):
        entry["latency"]["median_ms"] = level
    found = compare_between_sessions(left, right, 0.02, 1)["between_sessions"]
    logs = [np.log([entry["latency"]["median_ms"] for entry in side["sessions"]]) for side in (left, right)]
    error = np.sqrt(sum(each.var(ddof=1) / 3 for each in logs))
    reach = find_boundary(0.025, FIRST_SESSION, SESSIONS_HORIZON).at(3) * error
    middle = logs[1].mean() - logs[0].mean()
    assert found["interval_low"] == pytest.approx(np.exp(middle - reach))
    assert found["interval_high"] == pytest.approx(np.exp(middle + reach))


@pytest.mark.parametrize(("right", "verdict"), [(2.0, "slower"), (0.5, "faster"), (1.0, "equivalent")])
def test_three_sessions_on_two_days_decide(right, verdict):
    report = compare_between_sessions(three("a", 1.0), three("b", right), 0.02, 1)
    assert (report["verdict"], report["explanation"]) == (verdict, None)
    found = report["between_sessions"]
    assert found["interval_low"] < right < found["interval_high"] and found["degrees_of_freedom"] == 2
    assert found["delta_pct"] == pytest.approx(100 * (right - 1), abs=0.1)


def test_a_session_that_changed_its_speed_is_named_with_its_side():
    change = {"after_s": 30.0, "before_s": 33.0, "ratio": 1.25}
    right = three("b", 2.0)
    right["sessions"][1]["drift"] = {"changes": [change]}
    found = compare_between_sessions(three("a", 1.0), right, 0.02, 1)["between_sessions"]
    assert (found["left_changes"], found["right_changes"]) == ([], [{"session": 2, **change}])
    assert [plain(words) for words in say_changed_sessions("right", found["right_changes"])] == [
        "in session 2 of the right side the machine became 25 % slower after 30 to 33 s"
    ]
