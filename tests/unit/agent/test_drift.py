"""The drift control: points of full length at start and end, slices between, and what it costs."""

import numpy as np
import pytest
from edgeproof.agent import drift
from edgeproof.agent.drift import KERNEL, DriftControl, start_drift_control


@pytest.fixture
def clock(monkeypatch):
    """A clock that moves only when the kernel runs (1 ms, or `clock["ms"]`) or the test says so."""
    state = {"now": 0, "ms": 1.0, "runs": 0}

    def run(_):
        state["now"] += int(state["ms"] * 1e6)
        state["runs"] += 1

    monkeypatch.setattr(DriftControl, "_run", run)
    monkeypatch.setattr(drift.time, "perf_counter_ns", lambda: state["now"])
    return state


def run_session(clock, tmp_path, gaps, pair_s):
    control = start_drift_control(False)
    for gap in range(gaps):
        clock["now"] += int(pair_s * 1e9)
        control.time_gap()
        if gap == gaps // 2:
            clock["ms"] *= clock.get("slower", 1.0)
    clock["now"] += int(pair_s * 1e9)
    control.time_end()
    return control.save(str(tmp_path)), np.load(tmp_path / "drift.npy")


def test_points_are_of_full_length_and_the_kernel_costs_three_per_cent_at_most(clock, tmp_path):
    report, rows = run_session(clock, tmp_path, 30, 2.6)
    assert (report["kernel"], report["file"]) == (KERNEL, "drift.npy")
    places = [point["place"] for point in report["points"]]
    assert places[0] == "start" and places[-1] == "end" and set(places[1:-1]) == {"between"} and len(places) > 5
    assert [point["complete"] for point in report["points"]] == [True] * (len(places) - 2) + [False, True]
    assert all(point["complete"] == (point["seconds"] >= drift.POINT_S) for point in report["points"])
    assert report["share"] <= 0.03
    for number, point in enumerate(report["points"]):
        own = rows[rows[:, 0] == number]
        assert (len(own), point["mean_ns"]) == (point["repetitions"], 1_000_000)
        assert own[:, 2].sum() == pytest.approx(point["seconds"] * 1e9)
    assert (np.diff(rows[:, 1]) > 0).all()


@pytest.mark.parametrize(("gaps", "pair_s"), [(3, 5.0), (10, 2.6), (60, 2.0), (200, 0.5)])
def test_the_kernel_has_its_share_of_a_session_and_no_more(clock, tmp_path, gaps, pair_s):
    report, _ = run_session(clock, tmp_path, gaps, pair_s)
    assert 0.02 <= report["share"] <= 0.03


def test_a_step_in_the_machines_speed_is_in_the_points(clock, tmp_path):
    report, _ = run_session(clock, tmp_path, 0, 1.0)
    assert {point["mean_ns"] for point in report["points"]} == {1_000_000}
    clock["slower"] = 1.05
    report, _ = run_session(clock, tmp_path, 30, 2.6)
    means = [point["mean_ns"] for point in report["points"]]
    assert means[0] == 1_000_000 and means[-1] == 1_050_000


def test_every_gap_has_its_slice(clock, tmp_path):
    control = start_drift_control(False)
    for _ in range(5):
        before = clock["runs"]
        clock["now"] += 10_000_000
        control.time_gap()
        assert clock["runs"] - before >= 5


def test_a_simulated_session_has_none():
    assert start_drift_control(True) is None


def test_the_kernel_computes_and_stays_in_the_normal_range():
    control = DriftControl()
    for _ in range(200):
        control._run()
    assert (control._value > 0.5).all() and (control._value < 1.5).all()
    assert np.isfinite(control._value).all()
