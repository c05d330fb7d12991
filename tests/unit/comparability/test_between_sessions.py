import math

import pytest
from edgeproof.comparability.between_sessions import compare_between_sessions


def result(device, median_ms):
    return {"cell": {"device": device}, "latency": {"median_ms": median_ms}}


def noise(spread, sessions):
    return {"between_session_sd": spread, "sessions": [{}] * sessions}


def test_without_calibration_there_is_no_number():
    report = compare_between_sessions(result("a", 1.0), result("b", 9.0), {"a": noise(0.01, 3)}, 0.02)
    assert report["verdict"] == "undecided" and report["between_sessions"] is None
    assert "on b is not known" in report["explanation"]


def test_one_session_is_no_spread():
    noises = {"a": noise(None, 1), "b": noise(0.01, 3)}
    assert compare_between_sessions(result("a", 1.0), result("b", 9.0), noises, 0.02)["between_sessions"] is None


def test_interval_is_welch():
    """Equal spreads and sessions: 2 (n - 1) degrees of freedom, here 8, t = 2.306."""
    noises = {"a": noise(0.01, 5), "b": noise(0.01, 5)}
    found = compare_between_sessions(result("a", 1.0), result("b", 2.0), noises, 0.02)["between_sessions"]
    assert found["ratio"] == pytest.approx(2.0) and found["degrees_of_freedom"] == pytest.approx(8)
    half = 2.306004 * 0.01 * math.sqrt(2)
    assert math.log(found["interval_high"] / 2) == pytest.approx(half, rel=1e-6)
    assert math.log(2 / found["interval_low"]) == pytest.approx(half, rel=1e-6)


@pytest.mark.parametrize(
    ("right", "verdict"), [(2.0, "slower"), (0.5, "faster"), (1.01, "undecided"), (1.0, "undecided")]
)
def test_verdicts(right, verdict):
    noises = {"a": noise(0.01, 5), "b": noise(0.01, 5)}
    report = compare_between_sessions(result("a", 1.0), result("b", right), noises, 0.02)
    assert report["verdict"] == verdict
    assert "different times" in report["explanation"]
