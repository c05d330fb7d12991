"""Two devices: whole sessions are the unit, and one on each is not enough for a verdict."""

import pytest
from edgeproof.comparability import between_sessions
from edgeproof.comparability.between_sessions import compare_between_sessions
from edgeproof.core.two_devices import DeviceSessions


def result(device, median_ms):
    cell = {"model": "m", "preset": "p", "device": device, "precision": "fp32"}
    return {"cell": cell, "latency": {"median_ms": median_ms}, "started_at_unix_s": 1.8e9}


def test_one_session_each_gives_both_numbers_and_what_a_verdict_needs():
    report = compare_between_sessions(result("a", 1.0), result("b", 9.0), 0.02, 1)
    assert (report["verdict"], report["reason"]) == ("undecided", "sessions")
    found = report["between_sessions"]
    assert (found["left_ms"], found["right_ms"]) == (pytest.approx(1), pytest.approx(9))
    assert (found["left_sessions"], found["right_sessions"]) == (1, 1)
    assert found["ratio"] == pytest.approx(9) and found["interval_low"] is None
    assert report["explanation"] == (
        "a verdict needs three sessions on two days of m/p/a/fp32 and m/p/b/fp32; a result holds one so far"
    )


@pytest.mark.parametrize(("right", "verdict"), [(2.0, "slower"), (0.5, "faster"), (1.0, "equivalent")])
def test_three_sessions_on_two_days_decide(monkeypatch, right, verdict):
    def three(result):
        level = result["latency"]["median_ms"]
        return DeviceSessions((level, level * 1.0001, level * 0.9999), ("2026-01-01", "2026-01-01", "2026-01-02"))

    monkeypatch.setattr(between_sessions, "_sessions_of", lambda result, _: three(result))
    report = compare_between_sessions(result("a", 1.0), result("b", right), 0.02, 1)
    assert (report["verdict"], report["explanation"]) == (verdict, None)
    found = report["between_sessions"]
    assert found["interval_low"] < right < found["interval_high"] and found["degrees_of_freedom"] == 2
    assert found["delta_pct"] == pytest.approx(100 * (right - 1), abs=0.1)
